package dynamics

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"heliograph/crmclient"
)

// request is one call of the Web API.
type request struct {
	method string
	path   string // below the root, or a whole URL of the environment for a next page
	query  url.Values
	body   any
	// stream is the body instead, of a known length; it is asked again for a second try.
	stream func(ctx context.Context) (io.ReadCloser, int64, error)
	prefer string
}

// do sends a request. With a token that is not taken any more it gets another one and tries once again.
func (c *Client) do(ctx context.Context, r request) (*crmclient.Answer, error) {
	answer, access, err := c.try(ctx, r)
	if answer != nil && answer.Status == http.StatusUnauthorized {
		c.tokens.Reject(ctx, access)
		answer, _, err = c.try(ctx, r)
	}
	return answer, err
}

func (c *Client) try(ctx context.Context, r request) (*crmclient.Answer, string, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, "", err
	}
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token.Access)
	answer, err := c.transport.Do(req)
	if answer != nil && err != nil && answer.Status/100 != 2 {
		err = explain(answer, err)
	}
	return answer, token.Access, err
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	target := r.path
	if !strings.Contains(r.path, "://") {
		target = c.root.String() + r.path
		if len(r.query) > 0 {
			// A plus would be a blank in a filter to some gateways: blanks are %20.
			target += "?" + strings.ReplaceAll(r.query.Encode(), "+", "%20")
		}
	}
	var body io.Reader
	length := int64(0)
	switch {
	case r.stream != nil:
		stream, n, err := r.stream(ctx)
		if err != nil {
			return nil, err
		}
		body, length = stream, n
	case r.body != nil:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(r.body); err != nil {
			return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the row cannot be written as JSON", Err: err}
		}
		body, length = &b, int64(b.Len())
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set("OData-MaxVersion", "4.0")
	if r.method == http.MethodPatch {
		req.Header.Set("If-Match", "*") // without it PATCH makes the row that is not there
	}
	if r.prefer != "" {
		req.Header.Set("Prefer", r.prefer)
	}
	if body != nil {
		req.ContentLength = length
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func decode(answer *crmclient.Answer, into any) error {
	d := json.NewDecoder(bytes.NewReader(answer.Body))
	d.UseNumber()
	if !answer.Truncated && d.Decode(into) == nil {
		return nil
	}
	if err := answer.JSON(into); err != nil { // says what is wrong
		return err
	}
	return &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, Message: "the answer is not the expected JSON", RequestID: answer.RequestID}
}

// create makes a row and returns it as the server has it.
func (c *Client) create(ctx context.Context, set string, fields map[string]any) (row, error) {
	answer, err := c.do(ctx, request{method: http.MethodPost, path: set, body: fields, prefer: "return=representation"})
	if err != nil {
		return nil, err
	}
	var r row
	return r, decode(answer, &r)
}

// patch sets columns of a row.
func (c *Client) patch(ctx context.Context, set, id string, fields map[string]any) error {
	_, err := c.do(ctx, request{method: http.MethodPatch, path: set + "(" + id + ")", body: fields})
	return err
}

// remove deletes a row. One that is not there is success.
func (c *Client) remove(ctx context.Context, set, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: set + "(" + id + ")"})
	if err != nil && gone(err) {
		return nil
	}
	return err
}

// cache keeps what was read, for a while.
type cache[T any] struct {
	now func() time.Time

	mu    sync.Mutex // guards known
	known map[string]cached[T]
}

type cached[T any] struct {
	value T
	until time.Time
}

const (
	cacheLife = 15 * time.Minute
	maxCached = 20_000 // beyond, the cache begins anew
)

func (c *cache[T]) get(key string) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.known[key]
	return e.value, ok && c.now().Before(e.until)
}

func (c *cache[T]) put(key string, value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxCached {
		c.known = map[string]cached[T]{}
	}
	c.known[key] = cached[T]{value, c.now().Add(cacheLife)}
}
