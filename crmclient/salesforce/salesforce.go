package salesforce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

// Client is a connection to one Salesforce organisation.
type Client struct {
	cfg    Config
	deps   crmclient.Deps
	log    *slog.Logger
	login  *url.URL
	poster *crmclient.TokenPoster
	tokens oauth.Source
	maps   mappings
	usage  *usage
	users  crmclient.Cache[string] // ids by address
	types  crmclient.Cache[*object]
	turns  crmclient.Turns

	mu        sync.Mutex // guards all below
	instance  string
	transport *crmclient.Transport // to the instance; nil until a token told which it is
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.LeadCreator        = (*Client)(nil)
	_ crmclient.ContactGetter      = (*Client)(nil)
	_ crmclient.CompanyFinder      = (*Client)(nil)
	_ crmclient.CompanyPlacer      = (*Client)(nil)
	_ crmclient.ContactSuggester   = (*Client)(nil)
	_ crmclient.ContactChanges     = (*Client)(nil)
	_ crmclient.ContactWriter      = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.Ticketer           = (*Client)(nil)
	_ crmclient.RecordQuerier      = (*Client)(nil)
	_ crmclient.RecordWriter       = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Client)(nil)
	_ crmclient.Describer          = (*Client)(nil)
	_ crmclient.FileAttacher       = (*Client)(nil)
)

// instanceDomains are where Salesforce's instances are (My Domain and its older forms).
var instanceDomains = []string{"salesforce.com", "force.com", "salesforce.mil", "cloudforce.com"}

// New builds a Client without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	login, err := crmclient.ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	c := &Client{cfg: cfg, deps: d, log: d.Logger, login: login}
	c.users.Now, c.types.Now, c.types.For = d.Clock, d.Clock, describeLife
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.usage = &usage{reserve: cfg.reserve(), now: d.Clock}
	if c.maps, err = newMappings(cfg); err != nil {
		return nil, err
	}
	if c.poster, err = d.Poster(cfg.Settings, login.JoinPath("/services/oauth2/token").String()); err != nil {
		return nil, err
	}
	fetch, err := c.fetcher()
	if err != nil {
		return nil, errors.Join(err, c.poster.Close())
	}
	c.tokens = d.Tokens.Source("target:"+d.Target, fetch)
	return c, nil
}

func (c *Client) fetcher() (oauth.Fetch, error) {
	if !c.cfg.ClientSecret.IsZero() {
		return oauth.ClientCredentials(c.poster, oauth.App{ID: c.cfg.ClientID, Secret: c.cfg.ClientSecret.Reveal()}), nil
	}
	fetch, err := oauth.JWTBearer(c.poster, oauth.App{}, oauth.Assertion{
		Issuer: c.cfg.ClientID, Subject: c.cfg.Username, Audience: c.cfg.Audience, Key: c.cfg.PrivateKey.Reveal(),
	})
	if err != nil {
		return nil, fmt.Errorf("private_key: %w", err)
	}
	return fetch, nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.poster.Close()
	if c.transport != nil {
		err = errors.Join(err, c.transport.Close())
	}
	return err
}

// session returns a token and the transport to the instance that it is for.
func (c *Client) session(ctx context.Context) (oauth.Token, *crmclient.Transport, error) {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return token, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	told := token.Extra["instance_url"]
	if c.transport != nil && told == c.instance {
		return token, c.transport, nil
	}
	u, err := c.instanceURL(told)
	if err != nil {
		return token, nil, err
	}
	t, err := c.deps.Transport(c.cfg.Settings, crmclient.Options{URL: u, Secrets: []string{c.cfg.ClientSecret.Reveal(), c.cfg.PrivateKey.Reveal()}})
	if err != nil {
		return token, nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the instance cannot be used: " + err.Error()}
	}
	if c.transport != nil { // the organisation moved; requests under way end on the old one
		_ = c.transport.Close()
	}
	c.transport, c.instance = t, told
	return token, t, nil
}

// instanceURL checks where the token says that the organisation is: the tokens go there.
func (c *Client) instanceURL(told string) (*url.URL, error) {
	u, err := crmclient.ParseURL(told)
	if err != nil || u.Scheme != c.login.Scheme || u.User != nil {
		return nil, &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: "the token came without a usable instance_url",
			Remedy: "give the login host of Salesforce as url, such as " + defaultURL,
		}
	}
	host := strings.ToLower(u.Hostname())
	in := func(domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
	if host != strings.ToLower(c.login.Hostname()) && !slices.ContainsFunc(instanceDomains, in) && !slices.ContainsFunc(c.cfg.InstanceDomains, in) {
		return nil, &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("the token is for the host %s, which is not in a domain of Salesforce", host),
			Remedy: "add the domain to instance_domains if it is yours",
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// ownUser returns the id of the user that the gateway acts as, or nothing. The token's id ends in it.
func (c *Client) ownUser(ctx context.Context) string {
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return ""
	}
	id := token.Extra["id"]
	return shortID(id[strings.LastIndexByte(id, '/')+1:])
}

// shortID returns the 15 characters that tell ids apart; the last three of 18 only repeat their case.
func shortID(id string) string { return id[:min(len(id), 15)] }

// Caps returns the sizes of the fields.
func (c *Client) Caps() crmclient.Caps {
	caps := crmclient.Caps{SubjectRunes: emailSubject, TextRunes: c.cfg.MaxText - noteRoom, AttachmentBytes: c.cfg.maxAttachment(), Attachments: maxFiles}
	if c.cfg.LogAs == LogAsTask {
		caps.SubjectRunes = taskSubject
	}
	return caps
}
