package neocrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

const (
	pathQuery   = "/rest/data/v2.0/query/xoql"
	pathObjects = "/rest/data/v2.0/xobjects/"
)

// fetch logs in.
func (c *Client) fetch(ctx context.Context) (oauth.Token, error) {
	form := url.Values{
		"grant_type": {"password"}, "client_id": {c.cfg.ClientID}, "client_secret": {c.cfg.ClientSecret.Reveal()}, "redirect_uri": {c.cfg.RedirectURI},
		"username": {c.cfg.Username}, "password": {c.cfg.Password.Reveal() + c.cfg.SecurityToken.Reveal()},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+c.cfg.TokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		return oauth.Token{}, configuration("", "the request for a token cannot be built: check url")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.transport.Do(req)
	if err != nil {
		var e *crmclient.Error
		if errors.As(err, &e) && e.Class == crmclient.ClassAuth {
			e.Remedy = remedyLogin
		}
		if answer != nil && answer.Status == http.StatusConflict && errors.As(err, &e) {
			e.Class = crmclient.ClassRetry
		}
		if answer != nil && answer.Status == http.StatusNotFound && errors.As(err, &e) {
			e.Remedy = "核对租户所在的地址 url 和 token_path (compare the address of the tenant)"
		}
		return oauth.Token{}, err
	}
	var got struct {
		Access string `json:"access_token"`
		Error  any    `json:"error"`
		Code   any    `json:"code"`
		Old    any    `json:"error_code"`
	}
	if err := answer.JSON(&got); err != nil {
		return oauth.Token{}, err
	}
	if got.Access == "" {
		class := crmclient.ClassRetry
		if got.Error != nil || got.Code != nil || got.Old != nil {
			class = crmclient.ClassAuth
			if f, known := failures[fmt.Sprint(got.Code)]; known {
				class = f.class
			}
		}
		return oauth.Token{}, &crmclient.Error{
			Class: class, Status: answer.Status, RequestID: answer.RequestID, Remedy: remedyLogin, Message: "销售易 gave no token: " + c.transport.Excerpt(answer.Body),
		}
	}
	return oauth.Token{Access: got.Access, Type: "Bearer"}, nil
}

// do sends a request as the user, once more with a new token if the vendor does not know the old one.
func (c *Client) do(ctx context.Context, what, method, path, kind string, body []byte, into any) error {
	for again := false; ; again = true {
		t, err := c.tokens.Token(ctx)
		if err != nil {
			var e *crmclient.Error
			if !errors.As(err, &e) {
				err = &crmclient.Error{Class: crmclient.ClassRetry, Message: "no token", Err: err}
			}
			return fmt.Errorf("token: %w", err)
		}
		err = c.send(ctx, what, method, path, kind, body, into, t.Access)
		if !c.stale(err) || again {
			return err
		}
		c.tokens.Reject(ctx, t.Access)
	}
}

func (c *Client) send(ctx context.Context, what, method, path, kind string, body []byte, into any, token string) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return configuration("", "the request cannot be built: check url")
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	header := token
	if c.cfg.AuthHeader == Bearer {
		header = "Bearer " + token
	}
	req.Header.Set("Authorization", header)
	answer, err := c.transport.Do(req)
	if err := c.classify(what, answer, err, crmclient.NewRedactor(token)); err != nil {
		return err
	}
	if err := answer.Exact(into); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// write makes (POST) or changes (PATCH) a record.
func (c *Client) write(ctx context.Context, method, path string, data map[string]any, into any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"data": data}); err != nil {
		return permanent("the request cannot be written as JSON")
	}
	return c.do(ctx, strings.ToLower(method)+" record", method, pathObjects+path, "application/json", b.Bytes(), into)
}

// create makes a record and returns its id.
func (c *Client) create(ctx context.Context, object string, data map[string]any) (string, error) {
	var answer struct {
		Data struct {
			ID json.RawMessage `json:"id"`
		} `json:"data"`
	}
	if err := c.write(ctx, http.MethodPost, object, data, &answer); err != nil {
		return "", err
	}
	id := strings.Trim(string(answer.Data.ID), `"`)
	if !recordID.MatchString(id) {
		return "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer does not name the record that was made"}
	}
	return id, nil
}
