package oauth

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Poster sends forms to one token endpoint.
type Poster interface {
	// PostForm returns the status and the body of the answer. With an answer other than 2xx it may return both an answer
	// and an error, in which errors.As finds an *Error; without an answer it returns an error only. Header may be nil.
	PostForm(ctx context.Context, form url.Values, header http.Header) (status int, body []byte, err error)
}

// explainer is a Poster with errors of its own, into which it puts those that arise here.
type explainer interface{ Explain(err error) error }

// App is an application as its vendor knows it (RFC 6749, 2).
type App struct {
	ID     string
	Secret string // empty for a public client, and where Assertion is
	// Basic sends id and secret in the Authorization header instead of the form (RFC 6749, 2.3.1).
	Basic bool
	// Assertion, where it is, proves the application instead of a secret (RFC 7523, 2.2).
	Assertion *Assertion
	Scopes    []string
	// Params are added to every form, such as audience or resource. They do not override what is there.
	Params url.Values
	// Lifetime is how long a token counts as valid whose vendor does not say; zero means until it is refused.
	Lifetime time.Duration
}

// The grant types.
const (
	grantClientCredentials = "client_credentials"
	grantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // a name
	grantRefreshToken      = "refresh_token"
	assertionJWTBearer     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" //nolint:gosec // a name
)

// ClientCredentials gets tokens for the application itself (RFC 6749, 4.4).
func ClientCredentials(p Poster, app App) Fetch {
	return func(ctx context.Context) (Token, error) {
		token, _, err := app.request(ctx, p, url.Values{"grant_type": {grantClientCredentials}, "scope": app.scope()})
		return token, err
	}
}

// JWTBearer gets tokens by an assertion that the application signs itself (RFC 7523, 2.1). App.ID may be empty where the
// assertion says it all. It fails if the key cannot be used.
func JWTBearer(p Poster, app App, a Assertion) (Fetch, error) {
	if _, err := a.key(); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Token, error) {
		signed, err := a.sign(time.Now())
		if err != nil {
			return Token{}, err
		}
		token, _, err := app.request(ctx, p, url.Values{
			"grant_type": {grantJWTBearer}, "assertion": {signed}, "scope": app.scope(),
		})
		return token, err
	}, nil
}

// refresh trades a refresh token (RFC 6749, 6). It returns the refresh token that is good from now on.
func (app App) refresh(ctx context.Context, p Poster, refresh string) (Token, string, error) {
	token, next, err := app.request(ctx, p, url.Values{
		"grant_type": {grantRefreshToken}, "refresh_token": {refresh}, "scope": app.scope(),
	})
	if next == "" {
		next = refresh
	}
	return token, next, err
}

func (app App) scope() []string {
	if len(app.Scopes) == 0 {
		return nil
	}
	return []string{strings.Join(app.Scopes, " ")}
}

// secretFields are the fields of a form that must not come back in an error.
var secretFields = []string{"client_secret", "client_assertion", "assertion", "refresh_token", "code", "code_verifier", "device_code"}

// FormSecrets returns the values of a form that must not be shown.
func FormSecrets(form url.Values) []string {
	var secrets []string
	for _, name := range secretFields {
		secrets = append(secrets, form[name]...)
	}
	return secrets
}

// request sends a form and reads the token out of the answer, and the refresh token where there is one.
func (app App) request(ctx context.Context, p Poster, form url.Values) (token Token, refresh string, err error) {
	header, err := app.authenticate(form)
	if err != nil {
		return Token{}, "", explain(p, err)
	}
	asked := time.Now()
	status, body, err := p.PostForm(ctx, form, header)
	if err != nil {
		return Token{}, "", err
	}
	if e := ErrorOf(status, body, FormSecrets(form)...); e != nil {
		return Token{}, "", explain(p, e)
	}
	token, refresh, err = app.read(status, body, asked)
	return token, refresh, explain(p, err)
}

// authenticate adds what proves the application to the form, or returns it as a header.
func (app App) authenticate(form url.Values) (http.Header, error) {
	for name, values := range app.Params {
		if len(form[name]) == 0 {
			form[name] = values
		}
	}
	for name, values := range form {
		if len(values) == 0 {
			delete(form, name)
		}
	}
	switch {
	case app.Assertion != nil:
		signed, err := app.Assertion.sign(time.Now())
		if err != nil {
			return nil, err
		}
		form.Set("client_id", app.ID)
		form.Set("client_assertion_type", assertionJWTBearer)
		form.Set("client_assertion", signed)
	case app.Basic:
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(url.QueryEscape(app.ID), url.QueryEscape(app.Secret))
		return r.Header, nil
	default:
		if app.ID != "" {
			form.Set("client_id", app.ID)
		}
		if app.Secret != "" {
			form.Set("client_secret", app.Secret)
		}
	}
	return nil, nil
}

func explain(p Poster, err error) error {
	if e, ok := p.(explainer); ok && err != nil {
		return e.Explain(err)
	}
	return err
}

// Bounds on what a vendor says of a token.
const (
	maxToken    = 16 << 10 // Microsoft's are about 3 KB
	maxExtra    = 16       // named values beside it
	maxLifetime = 10 * 365 * 24 * time.Hour
)

// read takes a token out of an answer (RFC 6749, 5.1). Its time begins when it was asked for.
func (app App) read(status int, body []byte, asked time.Time) (token Token, refresh string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		// The decoder's own error may quote the answer, which holds the token.
		return Token{}, "", &Error{Status: status, Code: CodeNoToken, Description: "the answer is not a JSON object"}
	}
	token = Token{Access: text(fields["access_token"]), Type: text(fields["token_type"])}
	refresh = text(fields["refresh_token"])
	if token.Access == "" || len(token.Access) > maxToken || len(refresh) > maxToken {
		return Token{}, "", &Error{Status: status, Code: CodeNoToken, Description: "the answer has no access token of a plausible length"}
	}
	if life := app.lifetime(fields); life > 0 {
		token.Expires = asked.Add(life).UTC()
	}
	for name, raw := range fields {
		switch name {
		case "access_token", "token_type", "refresh_token", "expires_in", "id_token", "signature":
			continue
		}
		if v := text(raw); v != "" && len(v) <= maxDescription && len(token.Extra) < maxExtra {
			if token.Extra == nil {
				token.Extra = map[string]string{}
			}
			token.Extra[name] = v
		}
	}
	return token, refresh, nil
}

// lifetime reads expires_in, which some vendors write as text.
func (app App) lifetime(fields map[string]json.RawMessage) time.Duration {
	seconds, err := strconv.ParseFloat(text(fields["expires_in"]), 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return app.Lifetime
	}
	return time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second))
}
