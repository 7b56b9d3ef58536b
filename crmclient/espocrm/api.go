package espocrm

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	pageSize = 50
	// maxOffset bounds a listing: Espo itself becomes slow far before.
	maxOffset = 1_000_000
	// timeLayout is how Espo writes times, in UTC.
	timeLayout = time.DateTime
)

func (c *Client) get(ctx context.Context, path string, q url.Values, into any) error {
	return c.call(ctx, http.MethodGet, path, q, nil, into)
}

// call sends a request with a JSON body, and decodes the answer, both where not nil.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, body, into any) error {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the request cannot be written as JSON", Err: err}
		}
	}
	_, err := c.send(ctx, method, path, q, bytes.NewReader(b), into)
	return err
}

// send sends a request whose body is JSON already. With an error it returns the answer, where there is one.
func (c *Client) send(ctx context.Context, method, path string, q url.Values, body io.Reader, into any) (*crmclient.Answer, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	c.sign(req, path)
	req.Header.Set("Accept", "application/json")
	if method != http.MethodGet && method != http.MethodDelete {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.transport.Do(req)
	if err != nil {
		return answer, c.explain(answer, err)
	}
	if into == nil {
		return answer, nil
	}
	return answer, answer.JSON(into)
}

// sign proves who we are: by the key alone, or by an HMAC over method and path.
func (c *Client) sign(req *http.Request, path string) {
	if c.cfg.Secret.IsZero() {
		req.Header.Set("X-Api-Key", c.cfg.APIKey.Reveal())
		return
	}
	req.Header.Set("X-Hmac-Authorization", hmacAuthorization(c.cfg.APIKey.Reveal(), c.cfg.Secret.Reveal(), req.Method, path))
}

func hmacAuthorization(key, secret, method, path string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(method + " /" + path))
	return base64.StdEncoding.EncodeToString([]byte(key + ":" + hex.EncodeToString(h.Sum(nil))))
}

// explain adds the reason that Espo puts into a header, and what to do.
func (c *Client) explain(a *crmclient.Answer, err error) error {
	var e *crmclient.Error
	if a == nil || !errors.As(err, &e) {
		return err
	}
	reason := c.transport.Excerpt([]byte(a.Header.Get("X-Status-Reason")))
	if reason != "" {
		e.Message += ": " + reason
	}
	switch a.Status {
	case http.StatusUnauthorized:
		e.Remedy = "compare api_key and secret_key with the API user in Administration > API Users; the user must be active"
	case http.StatusForbidden:
		e.Remedy = "give the API user a role with create and read access to Email, Contact, Lead, Account and Case, and the Import scope"
		if strings.Contains(reason, "from") {
			e.Remedy = "give the API user's role the Import scope: without it a mail may only be from the user's own address"
		}
	case http.StatusNotFound:
		e.Remedy = "check url (the address of EspoCRM, without /api/v1), and that the object exists"
	}
	return err
}

// forbidden gives an error of missing rights its remedy.
func forbidden(err error, remedy string) error {
	var e *crmclient.Error
	if errors.As(err, &e) && e.Status == http.StatusForbidden {
		e.Remedy = remedy
	}
	return err
}

func statusOf(err error) int {
	var e *crmclient.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// filter is an entry of the parameter where. Value is a string or a []string.
type filter struct {
	Type, Attribute string
	Value           any
}

func (f filter) add(q url.Values, at string) {
	q.Set(at+"[type]", f.Type)
	q.Set(at+"[attribute]", f.Attribute)
	switch v := f.Value.(type) {
	case string:
		q.Set(at+"[value]", v)
	case []string:
		for _, s := range v {
			q.Add(at+"[value][]", s)
		}
	}
}

type listQuery struct {
	where  []filter
	fields []string
	order  string
	// descending turns the order round.
	descending bool
	size       int
	offset     int
}

// list reads one page. More says that there are more.
func (c *Client) list(ctx context.Context, object string, l listQuery) (page []map[string]any, more bool, err error) {
	if l.size == 0 {
		l.size = pageSize
	}
	q := url.Values{"maxSize": {strconv.Itoa(l.size)}, "offset": {strconv.Itoa(l.offset)}}
	if len(l.fields) > 0 {
		q.Set("select", strings.Join(l.fields, ","))
	}
	if l.order != "" {
		q.Set("orderBy", l.order)
		q.Set("order", map[bool]string{false: "asc", true: "desc"}[l.descending])
	}
	for i, f := range l.where {
		f.add(q, fmt.Sprintf("where[%d]", i))
	}
	var answer struct {
		List  []map[string]any `json:"list"`
		Total int              `json:"total"`
	}
	a, err := c.send(ctx, http.MethodGet, object, q, http.NoBody, nil)
	if err == nil {
		err = a.Exact(&answer)
	}
	if err != nil {
		return nil, false, err
	}
	// Below zero the server does not count: -1 says that there are more.
	end := l.offset + len(answer.List)
	more = answer.Total == -1 || answer.Total > end || answer.Total < -1 && len(answer.List) == l.size
	return answer.List, more && len(answer.List) > 0 && end < maxOffset, nil
}

func text(record map[string]any, field string) string {
	s, _ := record[field].(string)
	return s
}
