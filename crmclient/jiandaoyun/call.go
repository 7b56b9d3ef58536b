package jiandaoyun

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// call is one function of the API with its documented rate.
type call struct {
	path      string
	perSecond int
}

// The calls. The rates are those of the vendor's page of each call.
var (
	callWidgets     = call{"/v5/app/entry/widget/list", 30}
	callApps        = call{"/v5/app/list", 30}
	callForms       = call{"/v5/app/entry/list", 30}
	callGet         = call{"/v5/app/entry/data/get", 30}
	callList        = call{"/v5/app/entry/data/list", 30}
	callCreate      = call{"/v5/app/entry/data/create", 20}
	callBatchCreate = call{"/v5/app/entry/data/batch_create", 10}
	callUpdate      = call{"/v5/app/entry/data/update", 20}
	callDelete      = call{"/v5/app/entry/data/delete", 20}
	callUploadToken = call{"/v5/app/entry/file/get_upload_token", 20}
	callUpload      = call{"upload", 20}
	callMember      = call{"/v5/corp/user/get", 30}
)

// companyRate is the vendor's ceiling over all calls of a company.
const companyRate = 50

// maxPace is how long a call waits here for its turn; a longer wait is the queue's.
const maxPace = 2 * time.Second

func (c *Client) limiters(d crmclient.Deps) {
	if d.Limit == nil {
		return
	}
	c.pace = map[string]crmclient.RateLimiter{}
	for _, k := range []call{
		callWidgets, callApps, callForms, callGet, callList, callCreate, callBatchCreate, callUpdate, callDelete, callUploadToken, callUpload, callMember,
	} {
		if l := d.Limit(k.path, limit.Rate{Count: k.perSecond, Per: time.Second}); l != nil {
			c.pace[k.path] = l
		}
	}
}

// await waits for the turn of a call. The company's rate is the transport's to keep.
func (c *Client) await(ctx context.Context, k call) error {
	l := c.pace[k.path]
	if l == nil {
		return nil
	}
	deadline := time.Now().Add(maxPace)
	for {
		wait, err := l.Allow(ctx)
		if err != nil || wait <= 0 {
			return nil // a limiter that is away lets requests pass: the vendor has its own
		}
		if time.Now().Add(wait).After(deadline) {
			return &crmclient.Error{Class: crmclient.ClassRate, RetryAfter: wait, Message: "the rate of " + k.path + " is used up"}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &crmclient.Error{Class: crmclient.ClassRetry, Message: "request stopped", Err: context.Cause(ctx)}
		}
	}
}

// post calls the API and decodes the answer. Numbers stay as they were written.
func (c *Client) post(ctx context.Context, k call, body, into any) error {
	content, err := crmclient.JSONBody(body)
	if err != nil {
		return fmt.Errorf("%s: %w", k.path, err)
	}
	if err := c.await(ctx, k); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+k.path, content)
	if err != nil {
		return configuration("", "the request cannot be built: check url")
	}
	req.Header.Set("Content-Type", "application/json;charset=utf-8")
	answer, err := c.transport.Do(req)
	if err := c.classify(k.path, answer, err); err != nil {
		return err
	}
	if answer.Truncated {
		return fmt.Errorf("%s: %w", k.path, &crmclient.Error{
			Class: crmclient.ClassRetry, Status: answer.Status, RequestID: answer.RequestID, Err: errLong,
			Message: fmt.Sprintf("the answer is longer than %d bytes", crmclient.MaxAnswer),
		})
	}
	if err := answer.JSON(into); err != nil {
		return fmt.Errorf("%s: %w", k.path, err)
	}
	return nil
}

// errLong is inside the error for an answer that is too long to be read.
var errLong = errors.New("the answer is too long")

// address is what nearly every request begins with.
type address struct {
	AppID   string `json:"app_id"`
	EntryID string `json:"entry_id"`
}

// page is an answer with records.
type page struct {
	Data []row `json:"data"`
}

// single is an answer with one record.
type single struct {
	Data row `json:"data"`
}

// row is a record in the shape that is read: bare values by the names of the widgets.
type row map[string]any

// UnmarshalJSON keeps numbers exact.
func (r *row) UnmarshalJSON(b []byte) error {
	return crmclient.ExactJSON(b, (*map[string]any)(r))
}

func (r row) text(name string) string {
	s, _ := r[name].(string)
	return s
}

func (r row) id() string { return r.text("_id") }

// updated is when the record was changed last; zero where the answer does not tell.
func (r row) updated() time.Time {
	t, err := time.Parse(time.RFC3339, r.text("updateTime"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// updater is the username of who changed the record last.
func (r row) updater() string {
	for _, name := range []string{"updater", "creator"} {
		if m, ok := r[name].(map[string]any); ok {
			if s, ok := m["username"].(string); ok && s != "" {
				return s
			}
		}
	}
	return ""
}
