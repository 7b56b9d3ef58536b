// Package suitecrm writes mail into SuiteCRM as notes, by its V8 API (JSON:API).
//
// A note hangs under the first contact of the mail, else under its first account: it has one parent. The activity key is put into a
// text field that the administrator adds to Notes (key_field), and looked up before a note is written: SuiteCRM knows
// no unique fields, so one at a time does that. The mail address of a contact is a relation, and filters on it cannot be
// relied on: contacts are found by a text field that mirrors the address (email_field). Contacts that are made here have it; for
// others a workflow of SuiteCRM has to fill it.
//
//	suitecrm.go  Config, New, Check
//	api.go       requests, tokens, lists, errors
//	mail.go      LogEmail, FindContacts, CreateContact
//	records.go   any record, by the name of its module; changes by polling
//
// Not verified against a live server, with the setting that hides it where there is one: where the API is on SuiteCRM 8 (prefix, token_url),
// that fields with the ending _c can be filtered (key_field, email_field: any field will do, and the check tries it), the form of
// times (both of ISO 8601 and of SQL are read, the latter is written), sorting by id, what an unknown field is answered, and that notes
// hold 65,535 bytes.
//
// It uses the grant of client credentials only, writes nothing into the module Emails, uploads no files (their names
// are in the note), knows no leads, and neither deletes nor tells deletions: the API's documentation does not say how.
package suitecrm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/oauth"
)

// Config is the section of a SuiteCRM target.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	// Prefix is what stands between the address and /Api: empty, or legacy on SuiteCRM 8.
	Prefix string `yaml:"prefix"`
	// TokenURL is where tokens are given out. Empty means Api/access_token at the address, behind the prefix.
	TokenURL     string        `yaml:"token_url"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret config.Secret `yaml:"client_secret"`
	// KeyField is a text field of Notes, and of other modules whose records we make. Empty means heliograph_key_c.
	KeyField string `yaml:"key_field"`
	// EmailField is a text field of Contacts with the mail address in lower case. Empty means heliograph_email_c.
	EmailField string `yaml:"email_field"`
	// Fields are further fields of Notes.
	Fields fieldmap.Fields `yaml:"fields"`
}

const (
	defaultConcurrent = 4
	maxName           = 255    // characters of a note's name
	maxText           = 60_000 // bytes of the mail's text: a note holds 65,535 with what stands around it
	maxAround         = 2_500  // bytes before and after the text, each
	runeBytes         = 4
)

var (
	moduleName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
	fieldName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	prefixName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,62}$`)
)

func (c *Config) setDefaults() {
	if c.KeyField == "" {
		c.KeyField = "heliograph_key_c"
	}
	if c.EmailField == "" {
		c.EmailField = "heliograph_email_c"
	}
}

func (c *Config) fields() (*fieldmap.Map, error) {
	return fieldmap.New("fields", fieldmap.ActivitySources(), fieldmap.Fields{"name": fieldmap.From("subject", fieldmap.Cut(maxName))}, c.Fields)
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := c.Settings.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.ClientID == "" || c.ClientSecret.IsZero() {
		bad("client_id and client_secret are missing: make a client in Admin > OAuth2 Clients and Tokens")
	}
	if c.Prefix != "" && !prefixName.MatchString(c.Prefix) {
		bad("prefix: %q is not the name of a folder, such as legacy", c.Prefix)
	}
	if c.TokenURL != "" {
		if _, err := crmclient.ParseURL(c.TokenURL); err != nil {
			bad("token_url: %w", err)
		}
	}
	for _, f := range []struct{ key, name string }{{"key_field", c.KeyField}, {"email_field", c.EmailField}} {
		if !fieldName.MatchString(f.name) {
			bad("%s: %q is not the name of a field", f.key, f.name)
		}
	}
	if _, err := c.fields(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Client is a connection to one SuiteCRM. It must be closed.
type Client struct {
	cfg       Config
	base      *url.URL // ends in /Api/V8/
	transport *crmclient.Transport
	poster    *crmclient.TokenPoster
	tokens    oauth.Source
	note      *fieldmap.Map
	turns     crmclient.Turns
}

var (
	_ crmclient.Client         = (*Client)(nil)
	_ crmclient.Checker        = (*Client)(nil)
	_ crmclient.Capped         = (*Client)(nil)
	_ crmclient.ContactCreator = (*Client)(nil)
	_ crmclient.ContactGetter  = (*Client)(nil)
	_ crmclient.RecordQuerier  = (*Client)(nil)
	_ crmclient.RecordWriter   = (*Client)(nil)
	_ crmclient.RecordChanges  = (*Client)(nil)
)

// New builds a Client without using the network.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	u, err := crmclient.ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, base: u.JoinPath(cfg.Prefix, "Api/V8/")}
	if c.note, err = cfg.fields(); err != nil {
		return nil, err
	}
	c.transport, err = d.Transport(cfg.Settings, crmclient.Options{MaxConcurrent: defaultConcurrent, Secrets: []string{cfg.ClientSecret.Reveal()}})
	if err != nil {
		return nil, err
	}
	if cfg.TokenURL == "" {
		cfg.TokenURL = u.JoinPath(cfg.Prefix, "Api/access_token").String()
	}
	if c.poster, err = d.Poster(cfg.Settings, cfg.TokenURL); err != nil {
		return nil, errors.Join(err, c.transport.Close())
	}
	c.tokens = d.Tokens.Source("target:"+d.Target, oauth.ClientCredentials(c.poster, oauth.App{ID: cfg.ClientID, Secret: cfg.ClientSecret.Reveal()}))
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error { return errors.Join(c.poster.Close(), c.transport.Close()) }

// Caps are the sizes that notes may have. Files are only named.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: maxName, TextRunes: maxText / runeBytes}
}

const remedyAddress = "check url and prefix (legacy on SuiteCRM 8), that URL rewriting is on, and the name of the module"

// Check gets a token and reads what LogEmail needs, with filters on the fields that are named in the section.
func (c *Client) Check(ctx context.Context) (string, error) {
	if _, err := c.tokens.Token(ctx); err != nil {
		var e *crmclient.Error
		switch {
		case !errors.As(err, &e):
		case e.Status == http.StatusNotFound:
			e.Remedy = remedyAddress
		case e.Status >= http.StatusInternalServerError:
			e.Remedy = "look at the server: Api/V8/OAuth2 needs private.key and public.key with mode 600 or 660, the configuration an oauth2_encryption_key, and the web server URL rewriting"
		}
		return "", err
	}
	for _, try := range []struct{ module, field, setting string }{
		{"Contacts", c.cfg.EmailField, "email_field"}, {"Notes", c.cfg.KeyField, "key_field"}, {"Accounts", "name", ""},
	} {
		_, err := c.list(ctx, try.module, listQuery{where: []condition{{try.field, "eq", "heliograph"}}, size: 1})
		var e *crmclient.Error
		if try.setting != "" && errors.As(err, &e) && e.Status == http.StatusBadRequest {
			return "", &crmclient.Error{
				Class: crmclient.ClassConfiguration, Status: e.Status, RequestID: e.RequestID,
				Message: fmt.Sprintf("%s cannot be searched by the field %s", try.module, try.field),
				Remedy:  fmt.Sprintf("add a text field to %s in Admin > Studio, and name it in %s", try.module, try.setting),
			}
		}
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", try.module, err)
		}
	}
	return "SuiteCRM at " + c.base.Host, nil
}
