package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"heliograph/crmclient"
)

// call sends one request of an operation and returns its answer of success. With a token that has expired it tries once more.
func (c *Client) call(ctx context.Context, op *operation, s scope, at pageState) (*reply, error) {
	s = s.with("page", op.paging.values(at))
	for again := false; ; again = true {
		token, err := c.auth.token(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op.name, err)
		}
		r, err := c.send(ctx, op, s, at, token)
		if err == nil || again || token == "" || !errors.Is(err, errExpired) {
			return r, err
		}
		c.auth.reject(ctx, token)
	}
}

// send builds and sends one request.
func (c *Client) send(ctx context.Context, op *operation, s scope, at pageState, token string) (*reply, error) {
	d, err := c.draft(op, s, at, token)
	if err != nil {
		return nil, templateError(op, err)
	}
	live, err := c.auth.apply(d, s, token)
	if err != nil {
		return nil, templateError(op, err)
	}
	content, err := d.encode()
	if err != nil {
		return nil, err
	}
	u := *d.url
	u.RawQuery = d.query.Encode()
	req, err := http.NewRequestWithContext(ctx, d.method, u.String(), bytes.NewReader(content))
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: op.name + ": the request cannot be built"}
	}
	if d.kind == noBody {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	} else {
		req.Header.Set("Content-Type", d.contentType)
	}
	req.Header.Set("Accept", "application/json")
	for name, v := range d.header {
		req.Header.Set(name, v)
	}
	redact := c.redactor
	if len(live) > 0 {
		redact = crmclient.NewRedactor(append(live, c.secrets...)...)
	}
	answer, err := c.transport.Do(req)
	if answer == nil {
		return nil, fmt.Errorf("%s: %w", op.name, err)
	}
	r := c.newReply(op, answer, redact)
	return r, c.judge(r, err)
}

// draft renders the templates of the operation.
func (c *Client) draft(op *operation, s scope, at pageState, token string) (*draft, error) {
	if token != "" {
		s = s.with("token", token)
	}
	d := &draft{method: op.method, header: map[string]string{}}
	var err error
	if d.url, err = c.address(op, s); err != nil {
		return nil, err
	}
	if d.query, err = values(op.query, s); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if at.URL != "" {
		if err := d.follow(at.URL); err != nil {
			return nil, err
		}
	}
	for _, h := range op.headers {
		v, err := h.values[0].value(s)
		if err != nil {
			return nil, fmt.Errorf("headers: %s: %w", h.name, err)
		}
		if isOmitted(v) {
			continue
		}
		text, err := textOf(v)
		if err != nil {
			return nil, fmt.Errorf("headers: %s: %w", h.name, err)
		}
		if err := d.setHeader(h.name, text); err != nil {
			return nil, err
		}
	}
	if op.idempotencyHeader != "" {
		key, _ := textOf(s.lookup("key"))
		if err := d.setHeader(op.idempotencyHeader, key); err != nil {
			return nil, err
		}
	}
	if err := op.body.fill(d, s); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return d, nil
}

// follow goes to the page that the API named; the transport refuses other hosts.
func (d *draft) follow(next string) error {
	ref, err := url.Parse(next)
	if err != nil {
		return errors.New("the URL of the next page is not one")
	}
	u := d.url.ResolveReference(ref)
	d.query = u.Query()
	d.url = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return nil
}

func (d *draft) setHeader(name, value string) error {
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("headers: the value of %s has a character that HTTP does not allow", name)
	}
	d.header[name] = value
	return nil
}

// address is the base URL with the path of the operation. Values are escaped, so that each stays within its segment.
func (c *Client) address(op *operation, s scope) (*url.URL, error) {
	path, err := op.path.render(s, escapeSegment)
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	u := *c.base
	raw := u.EscapedPath()
	if path != "" {
		raw = strings.TrimRight(raw, "/") + "/" + strings.TrimLeft(path, "/")
	}
	plain, err := url.PathUnescape(raw)
	if err != nil {
		return nil, errors.New("path: the escapes in it are wrong")
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment, u.User = plain, raw, "", "", nil
	return &u, nil
}

// errBadSegment is permanent: the value will be the same at the next try.
var errBadSegment = errors.New("the value cannot stand in a path")

func escapeSegment(v string) (string, error) {
	if v == "" || v == "." || v == ".." || strings.ContainsAny(v, "\x00\r\n") {
		return "", errBadSegment
	}
	return url.PathEscape(v), nil
}

// templateError gives an error of rendering its class: a table without a line, or a wrong mapping, is the administrator's; a value
// that fits nowhere is the mail's.
func templateError(op *operation, err error) error {
	var e *crmclient.Error
	if errors.As(err, &e) {
		return err
	}
	class := crmclient.ClassPermanent
	if errors.Is(err, errNoLookup) {
		class = crmclient.ClassConfiguration
	}
	return &crmclient.Error{Class: class, Message: fmt.Sprintf("%s: the request cannot be made: %v", op.name, err)}
}

// pages walks over all pages of an operation. each gets the items of a page.
func (c *Client) pages(ctx context.Context, op *operation, s scope, each func(r *reply, items []any) error) error {
	at := op.paging.start()
	total := 0
	for range op.paging.maxPages {
		r, items, next, err := c.page(ctx, op, s, at)
		if err != nil {
			return err
		}
		if total += len(items); total > maxItems {
			break
		}
		if err := each(r, items); err != nil {
			return err
		}
		if next == nil {
			return nil
		}
		at = *next
	}
	return &crmclient.Error{
		Class:   crmclient.ClassConfiguration,
		Message: fmt.Sprintf("%s: the search does not end within %d pages and %d items", op.name, op.paging.maxPages, maxItems),
		Remedy:  "check that the API honours the filter of the request; if it really has so many, raise paging.size or paging.max_pages",
	}
}

// page reads one page.
func (c *Client) page(ctx context.Context, op *operation, s scope, at pageState) (*reply, []any, *pageState, error) {
	r, err := c.call(ctx, op, s, at)
	if err != nil {
		if errors.Is(err, crmclient.ErrNoRecord) && !op.used["id"] { // a rule says that it means an empty list
			return nil, nil, nil, nil
		}
		return nil, nil, nil, err
	}
	items, err := r.items(s)
	if err != nil {
		return nil, nil, nil, err
	}
	next, err := op.paging.after(at, r, len(items), s)
	return r, items, next, err
}
