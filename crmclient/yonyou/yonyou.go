package yonyou

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/oauth"
)

// Client is a connection to one tenant.
type Client struct {
	cfg    Config
	deps   crmclient.Deps
	base   *url.URL
	zone   *time.Location
	now    func() time.Time
	tokens oauth.Source
	mail   *fieldmap.Map
	lead   *fieldmap.Map
	turns  crmclient.Turns
	push   pushKey

	mu         sync.Mutex // guards transports and owners
	transports map[string]*crmclient.Transport
	owners     map[string]string // codes of employees by mail address
}

var _ crmclient.Checker = (*Client)(nil)

// New builds a Client without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, deps: d, now: d.Clock, transports: map[string]*crmclient.Transport{}, owners: map[string]string{}}
	var err error
	if c.base, err = crmclient.ParseURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if c.zone, err = time.LoadLocation(cfg.Zone); err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	if c.mail, err = fieldmap.New("mail.fields", mailSources(), cfg.defaults(), cfg.Mail.Fields); err != nil {
		return nil, err
	}
	if c.lead, err = fieldmap.New("leads.fields", fieldmap.ContactSources(), cfg.leadDefaults(), cfg.Leads.Fields); err != nil {
		return nil, err
	}
	c.push = newPushKey(cfg.AppKey, cfg.AppSecret.Reveal())
	if _, err := c.transportOf(c.base, "/token"); err != nil { // mistakes of the settings show now, not with the first mail
		return nil, err
	}
	c.tokens = d.Tokens.Source("target:"+d.Target, c.fetch)
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, t := range c.transports {
		_ = t.Close()
		delete(c.transports, key)
	}
	return nil
}

// checkAddress is of a domain that never exists (RFC 2606).
const checkAddress = "check@heliograph.invalid"

// Check gets a token and makes each call that reads: whether follow-up records may be saved it cannot tell
// without saving one, and the vendor describes no fields.
func (c *Client) Check(ctx context.Context) (string, error) {
	if _, err := c.hits(ctx, contactCheck, checkAddress); err != nil {
		return "", fmt.Errorf("find contacts: %w", err)
	}
	if c.cfg.Leads.find() {
		if _, err := c.hits(ctx, leadCheck, checkAddress); err != nil {
			return "", fmt.Errorf("find leads: %w", err)
		}
	}
	if _, _, err := c.findMail(ctx, "check"); err != nil {
		return "", fmt.Errorf("list follow-up records: %w", err)
	}
	if _, err := c.askOwner(ctx, checkAddress); err != nil {
		return "", fmt.Errorf("find employees: %w", err)
	}
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("tenant %s at %s; mail becomes follow-up records (跟进记录)", c.cfg.TenantID, token.Extra[extraGateway]), nil
}

// get and post make business calls.
func (c *Client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	return c.call(ctx, http.MethodGet, path, query, nil)
}

func (c *Client) post(ctx context.Context, path string, body any) ([]byte, error) {
	return c.call(ctx, http.MethodPost, path, nil, body)
}
