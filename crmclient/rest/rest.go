package rest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/url"

	"heliograph/crmclient"
)

// Client is one connection to one API. What it can do besides depends on the section; see Ability.
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
	_ crmclient.Client    = (*Client)(nil)
	_ crmclient.Selective = (*Client)(nil)
	_ crmclient.Checker   = (*Client)(nil)
	_ crmclient.Capped    = (*Client)(nil)
)

// New builds a *Client of a section, without using the network. It must be closed.
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
	return c, nil
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
