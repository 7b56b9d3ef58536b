package freshsales

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// Client is one connection to Freshsales.
type Client struct {
	cfg       Config
	d         crmclient.Deps
	transport *crmclient.Transport
	redactor  *crmclient.Redactor
	intents   crmclient.Intents
	users     crmclient.Users
	turns     crmclient.Turns // what is looked up before it is written must not be written meanwhile

	mu   sync.Mutex // guards kind
	kind string     // id of the type of activity; empty: not known yet
}

// Poller is a Client that tells changes.
type Poller struct{ *Client }

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.ContactGetter      = (*Client)(nil)
	_ crmclient.CompanyFinder      = (*Client)(nil)
	_ crmclient.CompanyPlacer      = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.RecordReader       = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Poller)(nil)
)

// New builds a *Client, or a *Poller where changes are polled for, without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	c := &Client{cfg: cfg, d: d, intents: d.Intents, redactor: crmclient.NewRedactor(cfg.Token.Reveal())}
	if c.intents == nil {
		c.intents = new(crmclient.MemoryIntents)
	}
	c.users = crmclient.Users{Read: c.readUsers, Now: d.Clock}
	o := crmclient.Options{Headers: map[string]string{"Authorization": "Token token=" + cfg.Token.Reveal()}, Secrets: []string{cfg.Token.Reveal()}}
	if d.Limit != nil {
		o.RateLimiter = d.Limit("hour", limit.Rate{Count: cfg.HourlyRequests, Per: time.Hour})
	}
	var err error
	if c.transport, err = d.Transport(cfg.Settings, o); err != nil {
		return nil, err
	}
	if cfg.PollChanges {
		return &Poller{c}, nil
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error { return c.transport.Close() }

// Caps are the sizes that are sent at most.
func (c *Client) Caps() crmclient.Caps {
	caps := crmclient.Caps{SubjectRunes: maxTitle, TextRunes: maxText / runeBytes}
	if c.cfg.UploadDocuments {
		caps.AttachmentBytes, caps.Attachments = maxFile, maxFiles
	}
	return caps
}

// request is one call of the API.
type request struct {
	method, path string
	query        url.Values
	body         any // becomes JSON, unless it is a crmclient.Stream; nil: none
}

// call sends a request and decodes the answer.
func (c *Client) call(ctx context.Context, r request, into any) (*crmclient.Answer, error) {
	req, err := crmclient.NewRequest(ctx, r.method, c.cfg.URL+r.path, r.body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = r.query.Encode()
	answer, err := c.transport.Do(req)
	if err != nil && answer != nil {
		return answer, explain(answer, err, c.redactor)
	}
	if err != nil || into == nil {
		return answer, err
	}
	return answer, answer.JSON(into)
}

// number is an id in a request. Ids in our hands are decimal numbers, or they are not from Freshsales.
func number(id string) (int64, bool) {
	n, err := strconv.ParseInt(id, 10, 64)
	return n, err == nil && n > 0
}

func misconfigured(remedy, format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Remedy: remedy, Message: fmt.Sprintf(format, args...)}
}

func unclear() error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Message: "Freshsales' answer does not say what became of the request"}
}
