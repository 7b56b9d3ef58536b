package salesforce

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"heliograph/crmclient"
)

// request is one call of the REST API.
type request struct {
	method string
	path   string // below /services/data/vNN.0, escaped; or from the root where it begins with /services/
	query  url.Values
	body   any // becomes JSON, unless it is a crmclient.Stream; nil: none
	header map[string]string
}

const root = "/services/"

// do sends a request. With a token that Salesforce does not know any more it gets another one and tries once again.
// An error is an *crmclient.Error that explains what Salesforce said.
func (c *Client) do(ctx context.Context, r request) (*crmclient.Answer, error) {
	answer, access, err := c.try(ctx, r)
	if answer != nil && answer.Status == http.StatusUnauthorized {
		c.tokens.Reject(ctx, access)
		answer, _, err = c.try(ctx, r)
	}
	return answer, err
}

func (c *Client) try(ctx context.Context, r request) (*crmclient.Answer, string, error) {
	if err := c.usage.allow(); err != nil {
		return nil, "", err
	}
	token, transport, err := c.session(ctx)
	if err != nil {
		return nil, "", err
	}
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token.Access)
	answer, err := transport.Do(req)
	if answer == nil {
		return nil, token.Access, err
	}
	c.usage.observe(answer.Header.Get("Sforce-Limit-Info"))
	if err != nil && answer.Status/100 != 2 {
		err = explain(answer, err, token.Access)
	}
	return answer, token.Access, err
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	c.mu.Lock()
	target := strings.TrimRight(c.instance, "/")
	c.mu.Unlock()
	if !strings.HasPrefix(r.path, root) {
		target += root + "data/v" + c.cfg.APIVersion
	}
	target += r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := crmclient.NewRequest(ctx, r.method, target, r.body)
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	return req, nil
}

// get asks for something and decodes the answer, with numbers as they are.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	answer, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return err
	}
	return answer.Exact(into)
}
