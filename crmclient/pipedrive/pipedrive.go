package pipedrive

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
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
	users   crmclient.Users
	intents crmclient.Intents
	turns   crmclient.Turns // what is looked up before it is written must not be written meanwhile
	hosts   crmclient.Transports
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
	c := &Client{cfg: cfg, d: d, intents: d.Intents}
	if c.intents == nil {
		c.intents = new(crmclient.MemoryIntents)
	}
	c.options.Secrets = c.secrets()
	c.users = crmclient.Users{Read: c.readUsers, Now: d.Clock}
	if d.Limit != nil {
		l := crmclient.Limiters{d.Limit("requests", cfg.Rate(burst))}
		if cfg.DailyRequests > 0 {
			l = append(l, d.Limit("day", limit.Rate{Count: cfg.DailyRequests, Per: 24 * time.Hour}))
		}
		c.options.RateLimiter = l
	}
	c.hosts.New = c.transport
	if _, err := c.hosts.To(cfg.base()); err != nil {
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

func (c *Client) transport(base *url.URL) (*crmclient.Transport, error) {
	settings, o := c.cfg.Settings, c.options
	settings.RequestsPerSecond, o.URL = 0, base // the rate is in the limiters
	return c.d.Transport(settings, o)
}

// Close closes idle connections.
func (c *Client) Close() error {
	errs := []error{c.hosts.Close()}
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
	body            any // becomes JSON, unless it is a crmclient.Stream; nil: none
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
	t, err := c.hosts.To(base)
	if err != nil {
		return nil, misconfigured("", "%v", err)
	}
	prefix := "/api/" + r.version
	if r.version == v1 && base == defaultURL { // the common address has it elsewhere
		prefix = "/v1"
	}
	req, err := crmclient.NewRequest(ctx, r.method, base+prefix+r.path, r.body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = r.query.Encode()
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

// Caps are the sizes that Pipedrive takes.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: maxSubject, TextRunes: maxText, AttachmentBytes: maxFile, Attachments: maxFiles}
}
