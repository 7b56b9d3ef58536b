package dynamics

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
	"heliograph/internal/oauth"
)

// Client is a connection to one Dataverse environment.
type Client struct {
	cfg       Config
	root      *url.URL // of the Web API, ends in a slash
	poster    *crmclient.TokenPoster
	tokens    oauth.Source
	transport *crmclient.Transport
	maps      mappings
	users     crmclient.Cache[string] // ids by address
	tables    crmclient.Cache[*table]
	regarding crmclient.Cache[string]
	turns     crmclient.Turns
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.LeadCreator        = (*Client)(nil)
	_ crmclient.CompanyFinder      = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.Ticketer           = (*Client)(nil)
	_ crmclient.RecordQuerier      = (*Client)(nil)
	_ crmclient.RecordWriter       = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Client)(nil)
	_ crmclient.Describer          = (*Client)(nil)
)

// New builds a Client without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	base, err := crmclient.ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	c := &Client{cfg: cfg, root: base.JoinPath("/api/data/", cfg.APIVersion, "/")}
	c.users.Now, c.tables.Now, c.regarding.Now = d.Clock, d.Clock, d.Clock
	if c.maps, err = newMappings(cfg); err != nil {
		return nil, err
	}
	options := crmclient.Options{URL: base, MaxConcurrent: maxConcurrent, Secrets: []string{cfg.ClientSecret.Reveal()}}
	if d.Limit != nil && cfg.RequestsPerSecond == 0 {
		options.RateLimiter = d.Limit("requests", limit.Rate{Count: requestsPerSecond, Per: time.Second})
	}
	if c.transport, err = d.Transport(cfg.Settings, options); err != nil {
		return nil, err
	}
	login := strings.TrimRight(cfg.LoginURL, "/") + "/" + cfg.Tenant + "/oauth2/v2.0/token"
	if c.poster, err = d.Poster(cfg.Settings, login); err != nil {
		return nil, errors.Join(err, c.transport.Close())
	}
	scope := base.Scheme + "://" + base.Host + "/.default"
	c.tokens = d.Tokens.Source("target:"+d.Target, oauth.ClientCredentials(c.poster, oauth.App{
		ID: cfg.ClientID, Secret: cfg.ClientSecret.Reveal(), Scopes: []string{scope},
	}))
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error { return errors.Join(c.poster.Close(), c.transport.Close()) }

// Caps returns the sizes of the columns.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{
		SubjectRunes: emailSubject, TextRunes: c.cfg.MaxText - noteRoom,
		AttachmentBytes: c.cfg.maxAttachment(), Attachments: maxFiles,
	}
}
