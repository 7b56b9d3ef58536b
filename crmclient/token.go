package crmclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"heliograph/internal/oauth"
)

// TokenPoster sends forms to the token endpoint of a target, for the fetchers of internal/oauth. It has a Transport of its own,
// because that endpoint often is on another host than the API. Its errors are *Error with a Remedy.
type TokenPoster struct {
	url       *url.URL
	transport *Transport
	target    string
}

var _ oauth.Poster = (*TokenPoster)(nil)

// Poster builds a TokenPoster for a token endpoint, without using the network. The settings are those of the target: time-out, proxy,
// CA file and allow_private hold here too, its rate does not. It must be closed.
func (d Deps) Poster(s Settings, tokenURL string) (*TokenPoster, error) {
	u, err := ParseURL(tokenURL)
	if err != nil {
		return nil, fmt.Errorf("token url: %w", err)
	}
	s.RequestsPerSecond, s.MaxConcurrent = 0, 0
	named := d
	named.Target = d.Target + "/token" // a state of the circuit and metrics of its own
	t, err := named.Transport(s, Options{URL: u, NoRedirects: true, MaxConcurrent: 2})
	if err != nil {
		return nil, fmt.Errorf("token url: %w", err)
	}
	return &TokenPoster{url: u, transport: t, target: d.Target}, nil
}

// Close closes idle connections.
func (p *TokenPoster) Close() error { return p.transport.Close() }

// PostForm sends the form. An answer that tells an error, with whatever status, is an *Error around an *oauth.Error.
func (p *TokenPoster) PostForm(ctx context.Context, form url.Values, header http.Header) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, &Error{Class: ClassConfiguration, Message: "the request for a token cannot be built"}
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	answer, err := p.transport.Do(req)
	if answer == nil {
		return 0, nil, fmt.Errorf("ask for a token: %w", err)
	}
	refused := oauth.ErrorOf(answer.Status, answer.Body, oauth.FormSecrets(form)...)
	if refused == nil {
		if err != nil { // the answer broke off
			return 0, nil, fmt.Errorf("ask for a token: %w", err)
		}
		return answer.Status, answer.Body, nil
	}
	e := p.classify(refused, form.Get("grant_type"))
	e.RequestID = answer.RequestID
	e.RetryAfter = RetryAfter(err)
	if ClassOf(err) == ClassRate {
		e.Class = ClassRate
	}
	return answer.Status, answer.Body, fmt.Errorf("ask for a token: %w", e)
}

// Explain makes an *Error of an error of internal/oauth. Others it returns as they are.
func (p *TokenPoster) Explain(err error) error {
	var already *Error
	var e *oauth.Error
	if errors.As(err, &already) || !errors.As(err, &e) {
		return err
	}
	return p.classify(e, "")
}

func (p *TokenPoster) classify(e *oauth.Error, grant string) *Error {
	out := &Error{Class: ClassRetry, Status: e.Status, Err: e}
	out.Message = "no access token"
	if e.Code != "" {
		out.Message += ": " + e.Code
	}
	if e.Description != "" {
		out.Message += ": " + e.Description
	}
	out.Message = p.transport.Text(out.Message)
	switch e.Kind() {
	case oauth.Grant:
		out.Class = ClassAuth
		out.Remedy = fmt.Sprintf("give the gateway access again: heliograph account connect %s", p.target)
		if strings.HasSuffix(grant, ":jwt-bearer") {
			out.Remedy = "approve the application for the user that it acts for, and compare user, certificate and login host with the section"
		}
	case oauth.Client:
		out.Class = ClassAuth
		out.Remedy = "compare the id and the secret or key of the application in the section with those in the vendor's settings, and the address of its data centre"
	case oauth.Request:
		out.Class = ClassConfiguration
		out.Remedy = "compare the scopes and permissions of the application in the vendor's settings with those that the connector names"
		if e.Code == "" {
			out.Remedy = "there is no token endpoint at this address: check the login host and the data centre in the section"
		}
	case oauth.Passing, oauth.Pending:
	}
	return out
}

// Connectable is a Client of a vendor that wants the consent of a person, for "heliograph account connect".
type Connectable interface {
	// Connection returns what is needed to ask for it. It uses no network.
	Connection() Connection
}

// Connection says how a person gives a target its access (RFC 6749, 4.1).
type Connection struct {
	Grant        string // name of the Source: that which the connector gives to Keeper.Refreshing
	AuthorizeURL string // what the person opens, without parameters
	Params       url.Values
	App          oauth.App
	Poster       oauth.Poster // to the token endpoint
	Configured   string       // refresh token in the section; usually empty
}
