package fxiaoke

import (
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

// Client is a connection to one company.
type Client struct {
	cfg       Config
	base      string
	deps      crmclient.Deps
	transport *crmclient.Transport
	tokens    oauth.Source
	maps      mappings
	users     map[string]string // openUserIds by mail address
	mails     map[string]string // and back
	aes       []byte
	turns     crmclient.Turns // one at a time on a key, between looking it up and writing
	schemas   crmclient.Cache[*schema]
	now       func() time.Time
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.ContactGetter      = (*Client)(nil)
	_ crmclient.RecordQuerier      = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Client)(nil)
	_ crmclient.Describer          = (*Client)(nil)
	_ crmclient.WebhookReceiver    = (*Client)(nil)
	_ crmclient.LeadCreator        = withLeads{}
)

// New builds a client, without using the network.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, base: cfg.URL, deps: d, users: map[string]string{}, mails: map[string]string{}, now: d.Clock}
	c.schemas.Now, c.schemas.For = d.Clock, schemaAge
	for address, id := range cfg.Members {
		address = strings.ToLower(address)
		c.users[address], c.mails[id] = id, address
	}
	var err error
	if c.maps, err = cfg.mappings(); err != nil {
		return nil, err
	}
	if c.aes, err = aesKey(cfg.CallbackKey.Reveal()); err != nil {
		return nil, err
	}
	c.transport, err = d.Transport(cfg.Settings, crmclient.Options{
		NoRedirects: true, MaxConcurrent: 5,
		Secrets: []string{cfg.AppSecret.Reveal(), cfg.PermanentCode.Reveal(), cfg.CallbackToken.Reveal(), cfg.CallbackKey.Reveal()},
	})
	if err != nil {
		return nil, err
	}
	c.tokens = d.Tokens.Source("target:"+d.Target, c.fetch)
	if cfg.Leads.Object != "" {
		return withLeads{c}, nil
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error { return c.transport.Close() }

// maxSubject is how long a subject may be: it stands in the first line of the text.
const maxSubject = 1000

// Caps returns the limits of the section.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: maxSubject, TextRunes: c.cfg.TextRunes}
}
