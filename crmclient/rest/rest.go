package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"

	"heliograph/crmclient"
)

// Client is one connection to one API. What it can do depends on the section; New gives it the methods that its operations allow.
type Client struct {
	cfg       Config
	deps      crmclient.Deps
	base      *url.URL
	now       clock
	ops       operations
	login     login
	auth      credentials
	secrets   []string
	redactor  *crmclient.Redactor
	transport *crmclient.Transport
	poster    *crmclient.TokenPoster // nil but for oauth2
	keys      keyLocks
	root      scope // of vars, secrets and tables

	messagePath      *jsonPath
	tokenInTemplates bool
}

// operations are the compiled operations; nil where the section has none.
type operations struct {
	findContacts, findLeads, createContact, createLead                        *operation
	findParent, createParent, logEmail, findEmail, updateEmail, withdrawEmail *operation
	createTicket, findTicket, findUser, assignTicket                          *operation
	readRecord, queryRecords, findRecord, createRecord, updateRecord, changes *operation
	findFile, attachFile, describe, check                                     *operation
	login                                                                     *operation
}

var (
	_ crmclient.Client        = (*Client)(nil)
	_ crmclient.Checker       = (*Client)(nil)
	_ crmclient.Capped        = (*Client)(nil)
	_ crmclient.Ticketer      = (*Client)(nil)
	_ crmclient.RecordQuerier = (*Client)(nil)
	_ crmclient.RecordWriter  = (*Client)(nil)
	_ crmclient.RecordChanges = (*Client)(nil)
	_ crmclient.Describer     = (*Client)(nil)
	_ crmclient.FileAttacher  = (*Client)(nil)
)

// New builds the client of a section, without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	b, err := compile(&cfg)
	if err != nil {
		return nil, err
	}
	u, err := crmclient.ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, deps: d, base: u, now: d.Clock, ops: b.ops, login: b.login, messagePath: b.messagePath, tokenInTemplates: b.tokenInTemplates,
		secrets: fixedSecrets(&cfg),
	}
	c.root = newScope(map[string]any{"vars": anyMap(cfg.Vars), "secret": revealed(cfg)}, nil)
	c.root.tables = cfg.Lookups
	if err := c.newCredentials(&cfg, c.ops.login, b.signer); err != nil {
		return nil, err
	}
	c.transport, err = d.Transport(cfg.Settings, crmclient.Options{URL: u, NoRedirects: true, Headers: staticHeaders(&cfg), Secrets: c.secrets})
	if err != nil {
		return nil, errors.Join(err, c.closePoster())
	}
	c.redactor = crmclient.NewRedactor(c.secrets...)
	return c.withAbilities(), nil
}

func revealed(cfg Config) map[string]any {
	out := make(map[string]any, len(cfg.Secrets))
	for k, v := range cfg.Secrets {
		out[k] = v.Reveal()
	}
	return out
}

// Close closes idle connections.
func (c *Client) Close() error { return errors.Join(c.transport.Close(), c.closePoster()) }

func (c *Client) closePoster() error {
	if c.poster == nil {
		return nil
	}
	return c.poster.Close()
}

// common is the scope of a request: what all operations may use.
func (c *Client) common() scope {
	return newScope(map[string]any{"now": c.now(), "nonce": newNonce()}, &c.root)
}

// scope returns the scope of a request with the values of its operation.
func (c *Client) scope(values map[string]any) scope {
	base := c.common()
	return newScope(values, &base)
}

func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return hex.EncodeToString(b[:])
}

// What a section sets no limit for.
const (
	defaultFileBytes  = 10 << 20
	defaultFilesBytes = 25 << 20
)

// Caps returns the limits of the section. Files that are sent are held in memory, so that these always have a limit.
func (c *Client) Caps() crmclient.Caps {
	l := c.cfg.Limits
	caps := crmclient.Caps{
		SubjectRunes: l.SubjectCharacters, TextRunes: l.TextCharacters, Attachments: l.Attachments,
		AttachmentBytes: int64(l.AttachmentBytes), AttachmentsBytes: int64(l.AttachmentsBytes),
	}
	if c.ops.logEmail.files == FilesInline || c.ops.logEmail.files == FilesAttach {
		caps.AttachmentBytes, caps.AttachmentsBytes = c.fileLimits()
	}
	return caps
}

func (c *Client) fileLimits() (one, all int64) {
	one, all = int64(c.cfg.Limits.AttachmentBytes), int64(c.cfg.Limits.AttachmentsBytes)
	if one == 0 {
		one = defaultFileBytes
	}
	if all == 0 {
		all = defaultFilesBytes
	}
	return one, all
}

// Abilities that the mirror uses of its own accord must be there only where the section has their operations; it finds them by type.
type (
	contactMaker struct{ c *Client }
	leadMaker    struct{ c *Client }
	updater      struct{ c *Client }
	withdrawer   struct{ c *Client }
)

// CreateContact is that of crmclient.ContactCreator.
func (m contactMaker) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return m.c.create(ctx, m.c.ops.createContact, crmclient.KindContact, p, owner)
}

// CreateLead is that of crmclient.LeadCreator.
func (m leadMaker) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return m.c.create(ctx, m.c.ops.createLead, crmclient.KindLead, p, owner)
}

// UpdateEmail is that of crmclient.ActivityUpdater.
func (u updater) UpdateEmail(ctx context.Context, remoteID string, a *crmclient.Activity) (crmclient.Receipt, error) {
	return u.c.updateEmail(ctx, remoteID, a)
}

// WithdrawEmail is that of crmclient.ActivityWithdrawer.
func (w withdrawer) WithdrawEmail(ctx context.Context, remoteID, key string) error {
	return w.c.withdrawEmail(ctx, remoteID, key)
}

func (c *Client) withAbilities() crmclient.Client {
	bit := func(op *operation, n int) int {
		if op == nil {
			return 0
		}
		return n
	}
	cm, lm, u, w := contactMaker{c}, leadMaker{c}, updater{c}, withdrawer{c}
	switch bit(c.ops.createContact, 1) | bit(c.ops.createLead, 2) | bit(c.ops.updateEmail, 4) | bit(c.ops.withdrawEmail, 8) {
	case 1:
		return struct {
			*Client
			contactMaker
		}{c, cm}
	case 2:
		return struct {
			*Client
			leadMaker
		}{c, lm}
	case 1 | 2:
		return struct {
			*Client
			contactMaker
			leadMaker
		}{c, cm, lm}
	case 4:
		return struct {
			*Client
			updater
		}{c, u}
	case 4 | 1:
		return struct {
			*Client
			updater
			contactMaker
		}{c, u, cm}
	case 4 | 2:
		return struct {
			*Client
			updater
			leadMaker
		}{c, u, lm}
	case 4 | 1 | 2:
		return struct {
			*Client
			updater
			contactMaker
			leadMaker
		}{c, u, cm, lm}
	case 8:
		return struct {
			*Client
			withdrawer
		}{c, w}
	case 8 | 1:
		return struct {
			*Client
			withdrawer
			contactMaker
		}{c, w, cm}
	case 8 | 2:
		return struct {
			*Client
			withdrawer
			leadMaker
		}{c, w, lm}
	case 8 | 1 | 2:
		return struct {
			*Client
			withdrawer
			contactMaker
			leadMaker
		}{c, w, cm, lm}
	case 8 | 4:
		return struct {
			*Client
			withdrawer
			updater
		}{c, w, u}
	case 8 | 4 | 1:
		return struct {
			*Client
			withdrawer
			updater
			contactMaker
		}{c, w, u, cm}
	case 8 | 4 | 2:
		return struct {
			*Client
			withdrawer
			updater
			leadMaker
		}{c, w, u, lm}
	case 8 | 4 | 1 | 2:
		return struct {
			*Client
			withdrawer
			updater
			contactMaker
			leadMaker
		}{c, w, u, cm, lm}
	}
	return c
}
