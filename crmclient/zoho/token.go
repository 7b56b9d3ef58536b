package zoho

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

func (c *Config) app() oauth.App {
	return oauth.App{ID: c.ClientID, Secret: c.ClientSecret.Reveal(), Lifetime: time.Hour}
}

var _ crmclient.Connectable = (*Client)(nil)

// scopes are what the connector asks a person to allow, in the one text that Zoho wants: with commas.
var scopes = strings.Join([]string{
	"ZohoCRM.modules.ALL", "ZohoCRM.modules.emails.ALL", "ZohoCRM.Files.CREATE", "ZohoCRM.settings.fields.READ",
	"ZohoCRM.users.READ", "ZohoCRM.org.READ", "ZohoCRM.coql.READ", "ZohoCRM.notifications.ALL",
}, ",")

// grant is the name under which the tokens of the target are kept.
func (c *Client) grant() string { return "target:" + c.d.Target }

// Connection says how a person allows the access, in the data centre of the section.
func (c *Client) Connection() crmclient.Connection {
	return crmclient.Connection{
		Grant: c.grant(), AuthorizeURL: c.cfg.accounts() + "/oauth/v2/auth", App: c.cfg.app(), Poster: c.poster, Configured: c.cfg.RefreshToken.Reveal(),
		Params: url.Values{
			"scope": {scopes}, "access_type": {"offline"},
			"prompt": {"consent"}, // else there is no refresh token when somebody agreed before
		},
	}
}

const (
	// maxMints is how many tokens one refresh token gives in mintWindow; beyond that Zoho gives none until the window is over.
	// One is left for somebody who tries the connection by hand.
	maxMints   = 9
	mintWindow = 10 * time.Minute

	remedyMints = "Zoho gives a refresh token ten access tokens in ten minutes: find out what else uses the same one, and give it its own"
)

// tokenPoster asks for tokens no more often than Zoho gives them, and knows Zoho's way to refuse.
type tokenPoster struct {
	*crmclient.TokenPoster
	now func() time.Time

	mu    sync.Mutex // guards mints
	mints []time.Time
}

// PostForm sends the form unless the limit is reached.
func (p *tokenPoster) PostForm(ctx context.Context, form url.Values, header http.Header) (int, []byte, error) {
	if wait := p.take(); wait > 0 {
		return 0, nil, &crmclient.Error{
			Class: crmclient.ClassRate, RetryAfter: wait,
			Message: "Zoho gives ten access tokens in ten minutes, and refused the last ones: waiting for the next ten minutes",
			Remedy:  remedyMints,
		}
	}
	status, body, err := p.TokenPoster.PostForm(ctx, form, header)
	var e *crmclient.Error
	if !errors.As(err, &e) {
		return status, body, err
	}
	var o *oauth.Error
	switch {
	case !errors.As(err, &o):
	case strings.Contains(strings.ToLower(o.Description), "too many requests"): // "Access Denied"
		e.Class, e.RetryAfter, e.Remedy = crmclient.ClassRate, mintWindow, remedyMints
	case strings.EqualFold(o.Code, "invalid_client"), strings.EqualFold(o.Code, "invalid_client_id"):
		e.Remedy = "compare client_id and client_secret with Zoho's API console, and check data_center: a client of another data centre is unknown there unless Multi-DC is switched on in the console"
	case strings.EqualFold(o.Code, "invalid_code"):
		e.Remedy = "the refresh token was revoked, or is of another data centre than data_center: " + remedyToken
	}
	return status, body, err
}

// take counts a request for a token, or returns how long to wait for the right to make one.
func (p *tokenPoster) take() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	kept := p.mints[:0]
	for _, t := range p.mints {
		if now.Sub(t) < mintWindow {
			kept = append(kept, t)
		}
	}
	p.mints = kept
	if len(p.mints) >= maxMints {
		return mintWindow - now.Sub(p.mints[0])
	}
	p.mints = append(p.mints, now)
	return 0
}
