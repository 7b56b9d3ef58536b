package suitecrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	mediaType = "application/vnd.api+json"
	// pageSize is a power of two, because a page that is too long for one answer is asked for in halves.
	pageSize = 16
	// timeLayout is how times are written in filters and fields, in UTC.
	timeLayout = time.DateTime
)

// entry is a record as JSON:API has it.
type entry struct {
	Type       string         `json:"type"`
	ID         string         `json:"id,omitempty"`
	Attributes map[string]any `json:"attributes"`
}

// call sends a request. With a token that is not taken any more it gets another one and tries once again.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, body *entry, into any) error {
	for again := false; ; again = true {
		token, err := c.tokens.Token(ctx)
		if err != nil {
			return err
		}
		a, err := c.try(ctx, token.Access, method, path, q, body)
		if err != nil && a != nil && a.Status == http.StatusUnauthorized && !again {
			c.tokens.Reject(ctx, token.Access)
			continue
		}
		if err != nil {
			return c.explain(a, err)
		}
		if into == nil {
			return nil
		}
		return decode(a, into)
	}
}

func (c *Client) try(ctx context.Context, token, method, path string, q url.Values, body *entry) (*crmclient.Answer, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(map[string]any{"data": body})
		if err != nil {
			return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the request cannot be written as JSON", Err: err}
		}
		content = bytes.NewReader(b)
	}
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", mediaType)
	req.Header.Set("Content-Type", mediaType)
	return c.transport.Do(req)
}

// errTooLong is inside errors of answers that are longer than what is read of one.
var errTooLong = errors.New("the answer is too long")

// decode keeps numbers exact.
func decode(a *crmclient.Answer, into any) error {
	err := a.Exact(into)
	if err != nil && a.Truncated {
		return errors.Join(err, errTooLong)
	}
	return err
}

// explain says what SuiteCRM says, and adds what a person can do. Of the answer it repeats nothing else: a token has no place in errors.
func (c *Client) explain(a *crmclient.Answer, err error) error {
	var e *crmclient.Error
	if a == nil || !errors.As(err, &e) {
		return err
	}
	e.Message = "SuiteCRM refused the request"
	if e.Temporary() {
		e.Message = "SuiteCRM has trouble"
	}
	if detail := c.transport.Excerpt([]byte(detailOf(a.Body))); detail != "" {
		e.Message += ": " + detail
	}
	switch e.Status {
	case http.StatusUnauthorized:
		e.Remedy = "compare client_id and client_secret with the client in Admin > OAuth2 Clients and Tokens"
	case http.StatusForbidden:
		e.Remedy = "give the user of the OAuth2 client a role (Admin > Role Management) that may list, view and edit Contacts, Accounts and Notes"
	case http.StatusNotFound:
		e.Remedy = remedyAddress
	}
	return err
}

// detailOf reads the errors of JSON:API: one, or a list of them.
func detailOf(body []byte) string {
	type problem struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	var one struct {
		Errors problem `json:"errors"`
	}
	var many struct {
		Errors []problem `json:"errors"`
	}
	p := problem{}
	if json.Unmarshal(body, &one) == nil {
		p = one.Errors
	} else if json.Unmarshal(body, &many) == nil && len(many.Errors) > 0 {
		p = many.Errors[0]
	}
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

func statusOf(err error) int {
	var e *crmclient.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// condition is one comparison. Filters are one level deep, and all must hold.
type condition struct{ field, is, value string }

type listQuery struct {
	where []condition
	sort  string
	page  int // the first is 1; zero is that too
	size  int // zero means pageSize
}

// list reads one page. A page that is shorter than was asked for is the last.
func (c *Client) list(ctx context.Context, module string, l listQuery) ([]map[string]any, error) {
	q := url.Values{"page[number]": {strconv.Itoa(max(1, l.page))}, "page[size]": {strconv.Itoa(l.size)}}
	if l.size == 0 {
		q.Set("page[size]", strconv.Itoa(pageSize))
	}
	if l.sort != "" {
		q.Set("sort", l.sort)
	}
	if len(l.where) > 0 {
		q.Set("filter[operator]", "and")
	}
	for _, w := range l.where {
		q.Set("filter["+w.field+"]["+w.is+"]", w.value)
	}
	var answer struct {
		Data []entry `json:"data"`
	}
	if err := c.call(ctx, http.MethodGet, "module/"+module, q, nil, &answer); err != nil {
		return nil, err
	}
	out := make([]map[string]any, len(answer.Data))
	for i, e := range answer.Data {
		out[i] = fields(e)
	}
	return out, nil
}

// listFitting reads a page as list does. One that is too long for an answer it makes smaller, and l tells the size and number then.
func (c *Client) listFitting(ctx context.Context, module string, l *listQuery) ([]map[string]any, error) {
	for {
		page, err := c.list(ctx, module, *l)
		if !errors.Is(err, errTooLong) || l.size <= 1 {
			return page, err
		}
		parts := l.size // an odd size has no halves
		if l.size%2 == 0 {
			parts = 2
		}
		l.page, l.size = (l.page-1)*parts+1, l.size/parts
	}
}

// fields are the attributes with the id among them.
func fields(e entry) map[string]any {
	out := e.Attributes
	if out == nil {
		out = map[string]any{}
	}
	out["id"] = e.ID
	return out
}

// first returns the first record with a value, or nil.
func (c *Client) first(ctx context.Context, module, field, value string) (map[string]any, error) {
	page, err := c.list(ctx, module, listQuery{where: []condition{{field, "eq", value}}, size: 1})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	return page[0], nil
}

// once makes a record unless one with the value is there already. One at a time does so.
func (c *Client) once(ctx context.Context, module, field, value string, attributes map[string]any) (record map[string]any, there bool, err error) {
	release, err := c.turns.Take(ctx, module+" "+value)
	if err != nil {
		return nil, false, err
	}
	defer release()
	if record, err = c.first(ctx, module, field, value); err != nil || record != nil {
		return record, record != nil, err
	}
	attributes[field] = value
	var made struct {
		Data entry `json:"data"`
	}
	if err := c.call(ctx, http.MethodPost, "module", nil, &entry{Type: module, Attributes: attributes}, &made); err != nil {
		return nil, false, err
	}
	if made.Data.ID == "" {
		return nil, false, &crmclient.Error{Class: crmclient.ClassRetry, Message: "SuiteCRM told no id of the new record of " + module}
	}
	return fields(made.Data), false, nil
}

func text(record map[string]any, field string) string {
	s, _ := record[field].(string)
	return s
}

// timeOf reads a time in either form.
func timeOf(record map[string]any, field string) time.Time {
	s := strings.TrimSpace(text(record, field))
	for _, layout := range []string{time.RFC3339, timeLayout} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
