package dynamics

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"heliograph/crmclient"
)

// request is one call of the Web API.
type request struct {
	method string
	path   string // below the root, or a whole URL of the environment for a next page
	query  url.Values
	body   any // becomes JSON, unless it is a crmclient.Stream; nil: none
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
	req, err := crmclient.NewRequest(ctx, r.method, target, r.body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set("OData-MaxVersion", "4.0")
	if r.method == http.MethodPatch {
		req.Header.Set("If-Match", "*") // without it PATCH makes the row that is not there
	}
	if r.prefer != "" {
		req.Header.Set("Prefer", r.prefer)
	}
	return req, nil
}

// create makes a row and returns it as the server has it.
func (c *Client) create(ctx context.Context, set string, fields map[string]any) (row, error) {
	answer, err := c.do(ctx, request{method: http.MethodPost, path: set, body: fields, prefer: "return=representation"})
	if err != nil {
		return nil, err
	}
	var r row
	return r, answer.Exact(&r)
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
