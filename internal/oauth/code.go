package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Flow is one authorization that a person is asked for (RFC 6749, 4.1), with PKCE (RFC 7636).
type Flow struct {
	// URL is what the person opens in a browser.
	URL      string
	app      App
	redirect string
	state    string
	verifier string
}

// Begin starts an authorization. Redirect is where the browser is sent back to, as it is registered at the vendor. Params are
// added to the address, such as login_hint.
func (app App) Begin(authorizeURL, redirect string, params url.Values) (*Flow, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil || u.Host == "" {
		return nil, errors.New("the address of the vendor's authorization is not a URL")
	}
	f := &Flow{app: app, redirect: redirect, state: rand.Text(), verifier: rand.Text() + rand.Text()} // 43 to 128 characters
	sum := sha256.Sum256([]byte(f.verifier))
	q := u.Query()
	for name, values := range params {
		q[name] = values
	}
	q.Set("response_type", "code")
	q.Set("client_id", app.ID)
	q.Set("redirect_uri", redirect)
	q.Set("state", f.state)
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	q.Set("code_challenge_method", "S256")
	if len(app.Scopes) > 0 {
		q.Set("scope", strings.Join(app.Scopes, " "))
	}
	u.RawQuery = q.Encode()
	f.URL = u.String()
	return f, nil
}

// The ways in which what a browser brought back is none of ours.
var (
	ErrNoCode = errors.New("this is not the address that the browser was sent back to: it has neither a code nor an error")
	ErrState  = errors.New("this answer belongs to another request: begin again, and use the newest address only")
)

// Finish trades what the browser brought back, the whole address or its query, for a consent. It returns ErrNoCode or ErrState for
// an address that is not the answer; the flow is still good then.
func (f *Flow) Finish(ctx context.Context, p Poster, callback string) (Consent, error) {
	code, err := f.code(callback)
	if err != nil {
		return Consent{}, err
	}
	token, refresh, err := f.app.request(ctx, p, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {f.redirect}, "code_verifier": {f.verifier},
	})
	return Consent{Token: token, Refresh: refresh}, err
}

func (f *Flow) code(callback string) (string, error) {
	callback = strings.TrimSpace(callback)
	if u, err := url.Parse(callback); err == nil && u.RawQuery != "" {
		callback = u.RawQuery
	}
	q, err := url.ParseQuery(strings.TrimPrefix(callback, "?"))
	if err != nil || q.Get("code") == "" && q.Get("error") == "" {
		return "", ErrNoCode
	}
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(f.state)) != 1 {
		return "", ErrState
	}
	if code := q.Get("error"); code != "" { // RFC 6749, 4.1.2.1
		return "", &Error{Code: clean(code, nil), Description: clean(q.Get("error_description"), nil)}
	}
	return q.Get("code"), nil
}

// Revoke tells a vendor that a token is not used any more (RFC 7009). The poster is for its revocation endpoint.
func (app App) Revoke(ctx context.Context, p Poster, token string) error {
	form := url.Values{"token": {token}}
	header, err := app.authenticate(form)
	if err != nil {
		return err
	}
	status, body, err := p.PostForm(ctx, form, header)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if e := ErrorOf(status, body, append(FormSecrets(form), token)...); e != nil {
		return fmt.Errorf("revoke: %w", e)
	}
	return nil
}
