package pipedrive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
	"heliograph/internal/oauth"
)

// burst is well below what the vendor takes in two seconds in any plan.
var burst = limit.Rate{Count: 20, Per: 2 * time.Second}

// Client is one connection to Pipedrive.
type Client struct {
	cfg     Config
	d       crmclient.Deps
	options crmclient.Options
	poster  *crmclient.TokenPoster
	tokens  oauth.Source // nil with a static token
	users   users
	turns   crmclient.Turns // what is looked up before it is written must not be written meanwhile

	mu    sync.Mutex // guards hosts
	hosts map[string]*crmclient.Transport
}

// OAuthClient is a Client whose access a person gives.
type OAuthClient struct{ *Client }

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.ContactGetter      = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.Connectable        = (*OAuthClient)(nil)
)

// New builds a *Client for an API token, or an *OAuthClient, without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, d: d, hosts: map[string]*crmclient.Transport{}}
	c.options.Secrets = c.secrets()
	if d.Limit != nil {
		l := limiters{d.Limit("requests", cfg.rate())}
		if cfg.DailyRequests > 0 {
			l = append(l, d.Limit("day", limit.Rate{Count: cfg.DailyRequests, Per: 24 * time.Hour}))
		}
		c.options.RateLimiter = l
	}
	if _, err := c.host(cfg.base()); err != nil {
		return nil, err
	}
	if cfg.static() {
		return c, nil
	}
	var err error
	if c.poster, err = d.Poster(cfg.Settings, cfg.tokenURL()); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.tokens = d.Tokens.Refreshing(c.grant(), c.poster, c.app(), cfg.RefreshToken.Reveal())
	return &OAuthClient{c}, nil
}

func (c *Client) grant() string { return "target:" + c.d.Target }

func (c *Client) app() oauth.App {
	return oauth.App{ID: c.cfg.ClientID, Secret: c.cfg.ClientSecret.Reveal(), Basic: true, Lifetime: time.Hour}
}

// Connection says how a person allows the access.
func (c *OAuthClient) Connection() crmclient.Connection {
	return crmclient.Connection{Grant: c.grant(), AuthorizeURL: authorizeURL, App: c.app(), Poster: c.poster, Configured: c.cfg.RefreshToken.Reveal()}
}

func (c *Client) secrets() []string {
	return []string{c.cfg.Token.Reveal(), c.cfg.ClientSecret.Reveal(), c.cfg.RefreshToken.Reveal()}
}

// rate is what the section says, else ours.
func (c *Config) rate() limit.Rate {
	switch n := c.RequestsPerSecond; {
	case n >= 1:
		return limit.Rate{Count: int(n), Per: time.Second}
	case n > 0:
		return limit.Rate{Count: 1, Per: time.Duration(float64(time.Second) / n)}
	}
	return burst
}

// limiters are several limits that all hold.
type limiters []crmclient.RateLimiter

// Allow takes one request from each.
func (l limiters) Allow(ctx context.Context) (time.Duration, error) {
	for _, one := range l {
		if one == nil {
			continue
		}
		if wait, err := one.Allow(ctx); err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, nil
}

// host returns the transport of an address of the API.
func (c *Client) host(base string) (*crmclient.Transport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.hosts[base]; ok {
		return t, nil
	}
	u, err := crmclient.ParseURL(base)
	if err != nil {
		return nil, err
	}
	settings, o := c.cfg.Settings, c.options
	settings.RequestsPerSecond, o.URL = 0, u // the rate is in the limiters
	t, err := c.d.Transport(settings, o)
	if err != nil {
		return nil, err
	}
	c.hosts[base] = t
	return t, nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, t := range c.hosts {
		errs = append(errs, t.Close())
	}
	if c.poster != nil {
		errs = append(errs, c.poster.Close())
	}
	return errors.Join(errs...)
}

// The two versions of the API; what is new is in the second only.
const (
	v1 = "v1"
	v2 = "v2"
)

// request is one call of the API.
type request struct {
	method, version string
	path            string
	query           url.Values
	body            any // written as JSON; nil: none
	// stream makes a body that is not JSON, anew for each try.
	stream func() (body io.Reader, contentType string, err error)
}

// call sends a request, and once more with another token where Pipedrive no longer takes the first. into is the "data" of the answer.
func (c *Client) call(ctx context.Context, r request, into any) (*crmclient.Answer, error) {
	for again := c.tokens != nil; ; again = false {
		base, access := c.cfg.base(), c.cfg.Token.Reveal()
		if c.tokens != nil {
			token, err := c.tokens.Token(ctx)
			if err != nil {
				return nil, err
			}
			access = token.Access
			if domain := token.Extra["api_domain"]; c.cfg.URL == "" && companyHost(domain) {
				base = domain
			}
		}
		answer, err := c.try(ctx, r, base, access)
		var e *crmclient.Error
		if again && errors.As(err, &e) && e.Status == http.StatusUnauthorized && isRefusal(answer) {
			c.tokens.Reject(ctx, access)
			continue
		}
		if err != nil || into == nil {
			return answer, err
		}
		return answer, answer.JSON(into)
	}
}

// isRefusal says that Pipedrive itself refused, not something before it.
func isRefusal(a *crmclient.Answer) bool {
	var r refusal
	return a != nil && json.Unmarshal(a.Body, &r) == nil && r.Success != nil && !*r.Success
}

func (c *Client) try(ctx context.Context, r request, base, access string) (*crmclient.Answer, error) {
	t, err := c.host(base)
	if err != nil {
		return nil, misconfigured("", "%v", err)
	}
	body, contentType, err := r.open()
	if err != nil {
		return nil, err
	}
	prefix := "/api/" + r.version
	if r.version == v1 && base == defaultURL { // the common address has it elsewhere
		prefix = "/v1"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, base+prefix+r.path, body)
	if err != nil {
		return nil, misconfigured("", "the request cannot be built")
	}
	req.URL.RawQuery = r.query.Encode()
	req.Header.Set("Accept", "application/json")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.tokens == nil {
		req.Header.Set("X-Api-Token", access)
	} else {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	answer, err := t.Do(req)
	if answer == nil || err == nil && !isRefusal(answer) {
		return answer, err
	}
	return answer, explain(answer, err, crmclient.NewRedactor(append(c.secrets(), access)...))
}

func (r request) open() (io.Reader, string, error) {
	switch {
	case r.stream != nil:
		return r.stream()
	case r.body == nil:
		return http.NoBody, "", nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r.body); err != nil {
		return nil, "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the request cannot be written as JSON"}
	}
	return bytes.NewReader(b.Bytes()), "application/json", nil
}

// Caps are the sizes that Pipedrive takes.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: maxSubject, TextRunes: maxText, AttachmentBytes: maxFile, Attachments: maxFiles}
}
