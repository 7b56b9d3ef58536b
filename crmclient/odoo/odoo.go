// Package odoo writes mail into Odoo: as a note in the history of the contact or lead that the mail is with.
//
// Odoo posts notes with message_post and the subtype mail.mt_note, which sends nothing to anybody; its way through
// message_process could send mail to followers, and is not used. The Message-ID of each note is made of the activity key, and is
// looked up before a note is posted, so that each message is there once. Files become attachments of the note.
//
// Odoo 19 and later are called by JSON-2 (protocol: json2), older ones by JSON-RPC (protocol: jsonrpc).
//
//	odoo.go     Config, New, Check
//	rpc.go      both protocols, errors
//	mail.go     LogEmail, WithdrawEmail, files
//	people.go   contacts, leads, companies, users
//	records.go  any record, tickets, changes by polling
//
// Not verified against a live server, and the setting that helps where it differs: that message_post takes message_id and date
// from a user who is no administrator (post_fields), body_is_html (post_fields), the envelope of JSON-RPC (protocol), the field
// email_normalized (email_field), the model of tickets (ticket_model), the classes of errors behind HTTP statuses.
//
// It sees no deletions, changes no contacts, and takes no webhooks, which Odoo does not sign.
package odoo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Protocol is a way to call Odoo.
type Protocol string

// The protocols. Empty means JSON2.
const (
	JSON2   Protocol = "json2"   // Odoo 19 and later
	JSONRPC Protocol = "jsonrpc" // Odoo 14 to 18, and later until it is removed
)

// Allowed lists the values.
func (Protocol) Allowed() []string { return []string{string(JSON2), string(JSONRPC)} }

// Config is the section of an Odoo target.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	Protocol           Protocol      `yaml:"protocol"`
	Database           string        `yaml:"database"` // needed where the server has several, and always with jsonrpc
	Login              string        `yaml:"login"`    // of the user whose API key it is; with jsonrpc only
	APIKey             config.Secret `yaml:"api_key"`
	// Leads says whether leads (module crm) are looked for and made; nil means yes.
	Leads *bool `yaml:"leads"`
	// EmailField is the field by which people are found. Empty means email_normalized.
	EmailField string `yaml:"email_field"`
	// Inbox is the record that gets notes of mail whose people Odoo does not know, such as res.partner and the id of your own
	// company. Without it such mail is refused.
	Inbox struct {
		Model string `yaml:"model"`
		ID    int64  `yaml:"id"`
	} `yaml:"inbox"`
	// PostFields are what message_post gets besides the text.
	PostFields fieldmap.Fields `yaml:"post_fields"`
	// TicketModel is helpdesk.ticket unless told otherwise; project.task is another.
	TicketModel  string          `yaml:"ticket_model"`
	TicketFields fieldmap.Fields `yaml:"ticket_fields"`
	// KeyField is a field that you add to models whose records we make, the ticket's among them. Empty means x_heliograph_key.
	KeyField      string       `yaml:"key_field"`
	MaxAttachment config.Bytes `yaml:"max_attachment"` // of one file; zero means 20 MB
}

const (
	defaultEmailField    = "email_normalized"
	defaultTicketModel   = "helpdesk.ticket"
	defaultKeyField      = "x_heliograph_key"
	defaultMaxAttachment = 20 << 20
	maxText              = 150_000 // characters; longer notes make records unusable
	defaultConcurrent    = 3       // hosted sites slow down who calls more
	partner              = "res.partner"
	lead                 = "crm.lead"
	// timeLayout is how Odoo writes times, in UTC.
	timeLayout = time.DateTime
)

var (
	modelName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)
	fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)?$`)
)

func (c *Config) setDefaults() {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&c.EmailField, defaultEmailField)
	set(&c.TicketModel, defaultTicketModel)
	set(&c.KeyField, defaultKeyField)
	if c.Protocol == "" {
		c.Protocol = JSON2
	}
	if c.MaxAttachment == 0 {
		c.MaxAttachment = defaultMaxAttachment
	}
}

// maps are the mappings, with their defaults.
func (c *Config) maps() (post, ticket *fieldmap.Map, err error) {
	post, err1 := fieldmap.New("post_fields", fieldmap.ActivitySources().With(fieldmap.Sources{"note_id": fieldmap.Text}), fieldmap.Fields{
		"subject":       fieldmap.From("subject"),
		"message_type":  fieldmap.Value("email"),
		"subtype_xmlid": fieldmap.Value("mail.mt_note"),
		"email_from":    fieldmap.From("from"),
		"message_id":    fieldmap.From("note_id"),
		"date":          fieldmap.From("date", fieldmap.Date(fieldmap.DateTime, "")),
		"body_is_html":  fieldmap.Value(true),
	}, c.PostFields)
	ticket, err2 := fieldmap.New("ticket_fields", fieldmap.TicketSources(), fieldmap.Fields{
		"name":          fieldmap.From("subject"),
		"description":   fieldmap.From("text", fieldmap.TextToHTML()),
		"partner_email": fieldmap.From("requester_address"),
		"partner_name":  fieldmap.From("requester_name"),
		"priority":      fieldmap.From("priority", fieldmap.Lookup(map[string]any{"low": "0", "normal": "1", "high": "2", "urgent": "3"}, nil)),
	}, c.TicketFields)
	return post, ticket, errors.Join(err1, err2)
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := c.Settings.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.APIKey.IsZero() {
		bad("api_key is missing: make one in Preferences > Account Security > New API Key")
	}
	if c.Protocol == JSONRPC && (c.Database == "" || c.Login == "") {
		bad("protocol jsonrpc needs database and login")
	}
	if (c.Inbox.Model == "") != (c.Inbox.ID == 0) || c.Inbox.ID < 0 {
		bad("inbox needs model and id")
	}
	for name, model := range map[string]string{"inbox.model": c.Inbox.Model, "ticket_model": c.TicketModel} {
		if model != "" && !modelName.MatchString(model) {
			bad("%s: %q is not the name of a model, such as res.partner", name, model)
		}
	}
	for name, field := range map[string]string{"email_field": c.EmailField, "key_field": c.KeyField} {
		if field != "" && !fieldName.MatchString(field) {
			bad("%s: %q is not the name of a field", name, field)
		}
	}
	if c.MaxAttachment < 0 {
		bad("max_attachment must not be negative")
	}
	if _, _, err := c.maps(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Client is a connection to one Odoo. It must be closed.
type Client struct {
	cfg          Config
	base         *url.URL
	transport    *crmclient.Transport
	post, ticket *fieldmap.Map
	now          func() time.Time
	turns        crmclient.Turns
	users        crmclient.Users
	uid          struct {
		sync.Mutex // guards n, and is held while it is asked for
		n          int64
	}
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.LeadCreator        = (*Client)(nil)
	_ crmclient.ContactGetter      = (*Client)(nil)
	_ crmclient.CompanyFinder      = (*Client)(nil)
	_ crmclient.RecordQuerier      = (*Client)(nil)
	_ crmclient.RecordWriter       = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Client)(nil)
	_ crmclient.Describer          = (*Client)(nil)
	_ crmclient.FileAttacher       = (*Client)(nil)
	_ crmclient.Ticketer           = (*Client)(nil)
)

// New builds a Client without using the network.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	c := &Client{cfg: cfg, now: d.Clock}
	c.users = crmclient.Users{Read: c.readUsers, Now: d.Clock}
	var err error
	if c.base, err = crmclient.ParseURL(cfg.URL); err != nil {
		return nil, err
	}
	if c.post, c.ticket, err = cfg.maps(); err != nil {
		return nil, err
	}
	c.transport, err = d.Transport(cfg.Settings, crmclient.Options{MaxConcurrent: defaultConcurrent, Secrets: []string{cfg.APIKey.Reveal()}})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error { return c.transport.Close() }

// Caps are the sizes that notes may have.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{TextRunes: maxText, AttachmentBytes: int64(c.cfg.MaxAttachment)}
}

func (c *Client) hasLeads() bool { return c.cfg.Leads == nil || *c.cfg.Leads }

// Check reads who we are and whether we may read what we need.
func (c *Client) Check(ctx context.Context) (string, error) {
	var me map[string]any
	if err := c.call(ctx, "res.users", "context_get", nil, map[string]any{}, &me); err != nil {
		return "", fmt.Errorf("who we are: %w", err)
	}
	models := []string{partner, "mail.message", "ir.attachment"}
	if c.hasLeads() {
		models = append(models, lead)
	}
	if c.cfg.Inbox.Model != "" {
		models = append(models, c.cfg.Inbox.Model)
	}
	for _, model := range models {
		if _, err := c.search(ctx, model, []any{}, []string{"id"}, "id asc", 1, 0); err != nil {
			return "", fmt.Errorf("reading %s: %w", model, err)
		}
	}
	fields, err := c.DescribeObject(ctx, partner)
	if err != nil {
		return "", fmt.Errorf("fields of %s: %w", partner, err)
	}
	if !hasField(fields, c.cfg.EmailField) {
		return "", &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("%s has no field %s", partner, c.cfg.EmailField),
			Remedy: "write email_field: email, or another field with the mail address",
		}
	}
	if c.cfg.Inbox.Model != "" {
		if _, err := c.ReadRecord(ctx, c.cfg.Inbox.Model, fmt.Sprint(c.cfg.Inbox.ID)); err != nil {
			return "", fmt.Errorf("inbox: %w", err)
		}
	}
	return fmt.Sprintf("Odoo at %s, user %v", c.base.Host, me["uid"]), nil
}

func hasField(fields []crmclient.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}
