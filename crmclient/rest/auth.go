package rest

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"

	"heliograph/internal/oauth"
)

// credentials puts into each request what says who we are.
type credentials struct {
	header, query, prefix string // where a key or token goes; both empty: templates do that
	key                   string // fixed
	source                oauth.Source
	signer                *signer
	now                   clock
}

// token returns the access token; empty where the kind has none.
func (a *credentials) token(ctx context.Context) (string, error) {
	if a.source == nil {
		return "", nil
	}
	t, err := a.source.Token(ctx)
	if err != nil {
		return "", err
	}
	return t.Access, nil
}

func (a *credentials) reject(ctx context.Context, token string) {
	if a.source != nil {
		a.source.Reject(ctx, token)
	}
}

// apply adds the credentials to a request and returns those that must not be shown besides the fixed ones.
func (a *credentials) apply(d *draft, s scope, token string) (live []string, err error) {
	v := a.key
	if token != "" {
		v = token
		live = append(live, token)
	}
	if v != "" {
		switch {
		case a.header != "":
			if err := d.setHeader(a.header, a.prefix+v); err != nil {
				return nil, err
			}
		case a.query != "":
			d.query.Set(a.query, a.prefix+v)
		}
	}
	if a.signer == nil {
		return live, nil
	}
	signature, err := a.signer.sign(d, s, a.now())
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return append(live, signature), nil
}

// newCredentials builds what the kind needs. op is the compiled login.
func (c *Client) newCredentials(cfg *Config, login *operation, signer *signer) error {
	a := &cfg.Auth
	out := credentials{header: a.Header, query: a.Query, prefix: a.Prefix, signer: signer, now: c.now}
	switch a.Kind {
	case AuthNone, "", AuthHMAC:
	case AuthAPIKey:
		out.key = a.Key.Reveal()
	case AuthBasic:
		out.header, out.prefix = "Authorization", "Basic "
		out.key = base64.StdEncoding.EncodeToString([]byte(a.User + ":" + a.Password.Reveal()))
		c.secrets = append(c.secrets, out.key)
	case AuthBearer:
		out.header, out.prefix, out.key = "Authorization", "Bearer ", a.Token.Reveal()
	case AuthOAuth2:
		out.header, out.prefix = "Authorization", "Bearer "
		if err := c.newOAuth(cfg, &out); err != nil {
			return err
		}
	case AuthToken:
		if out.header == "" && out.query == "" && !c.tokenInTemplates {
			out.header, out.prefix = "Authorization", "Bearer "
		}
		out.source = c.deps.Tokens.Source("target:"+c.deps.Target+":rest", c.fetchToken(a.Login, login))
	}
	c.auth = out
	return nil
}

func (c *Client) newOAuth(cfg *Config, out *credentials) error {
	a := &cfg.Auth
	poster, err := c.deps.Poster(cfg.Settings, a.TokenURL)
	if err != nil {
		return err
	}
	c.poster = poster
	app := oauth.App{ID: a.ClientID, Secret: a.ClientSecret.Reveal(), Scopes: a.Scopes, Basic: a.ClientBasic, Params: url.Values{}}
	for name, v := range a.TokenParams {
		app.Params.Set(name, v)
	}
	name := "target:" + c.deps.Target
	if !a.RefreshToken.IsZero() || a.Connected {
		out.source = c.deps.Tokens.Refreshing(name, poster, app, a.RefreshToken.Reveal())
		return nil
	}
	out.source = c.deps.Tokens.Source(name, oauth.ClientCredentials(poster, app))
	return nil
}

// fixedSecrets are what must never be shown.
func fixedSecrets(cfg *Config) []string {
	a := &cfg.Auth
	out := []string{a.Key.Reveal(), a.Password.Reveal(), a.Token.Reveal(), a.ClientSecret.Reveal(), a.RefreshToken.Reveal()}
	if a.Sign != nil {
		out = append(out, a.Sign.Secret.Reveal())
	}
	for _, v := range cfg.Secrets {
		out = append(out, v.Reveal())
	}
	for _, v := range cfg.Headers {
		out = append(out, v.Reveal())
	}
	return out
}

// staticHeaders are those of the section, for the transport.
func staticHeaders(cfg *Config) map[string]string {
	out := make(map[string]string, len(cfg.Headers))
	for name, v := range cfg.Headers {
		out[http.CanonicalHeaderKey(name)] = v.Reveal()
	}
	return out
}
