// Package espocrm writes mail into EspoCRM as records of its own kind, Email.
//
// By default (log_as: eml) each message is imported as a mail file, as Espo's own fetcher would do it: Message-ID,
// date, people, threads and attachments are then Espo's. The import is idempotent by Message-ID. The activity key is put into
// a field that the administrator adds to Email (key_field): where two messages have one Message-ID, which a forger or a draft
// can bring about, the second is imported under an id of its own. A mail file is built anew from the activity, so that
// masks and left-out files hold. With log_as: record, for servers without Email/importEml, a record with status
// Archived is made after the key was looked up. Nothing here has the status Sending, which would send the mail.
//
//	espocrm.go   Config, New, Check
//	api.go       requests, HMAC, lists, errors
//	mail.go      LogEmail, WithdrawEmail
//	contacts.go  people, companies, users
//	records.go   any record, tickets (Case), changes by polling; webhook.go  Espo's calls
//
// Not verified against a live server, and where that shows: the shape of emailAddressData (only read), the filter "after" (
// greaterThan is used), the effect of 5xx answers on webhooks (408 is answered), the version in which
// Email/importEml came (log_as), the fields of Case beyond its name (ticket_fields).
//
// It does not register webhooks, tells no deletions (Espo's lists do not), and writes no contacts but new ones.
package espocrm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Config is the section of an EspoCRM target.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	// APIKey is that of an API user. With Secret, requests are signed (HMAC) and the key alone is worth nothing.
	APIKey config.Secret `yaml:"api_key"`
	Secret config.Secret `yaml:"secret_key"`
	LogAs  LogAs         `yaml:"log_as"`
	// KeyField is the field of Email, Case and other objects that holds our key. Empty means heliographKey.
	KeyField string `yaml:"key_field"`
	// Fields are further fields of Email; TicketFields replace or add to those of Case.
	Fields       fieldmap.Fields `yaml:"fields"`
	TicketFields fieldmap.Fields `yaml:"ticket_fields"`
	// MaxAttachment is the largest file that the server takes; zero means 20 MB.
	MaxAttachment config.Bytes `yaml:"max_attachment"`
	// WebhookSecrets are the secret keys of Espo's webhooks by their ids.
	WebhookSecrets map[string]config.Secret `yaml:"webhook_secrets"`
}

// LogAs says how a message is written.
type LogAs string

// The ways. Empty means LogEML.
const (
	LogEML    LogAs = "eml"
	LogRecord LogAs = "record"
)

// Allowed lists the values.
func (LogAs) Allowed() []string { return []string{string(LogEML), string(LogRecord)} }

const (
	defaultKeyField      = "heliographKey"
	defaultMaxAttachment = 20 << 20
	maxSubject           = 255 // characters of Email.name
	// maxText keeps Espo's answer to a new record, which repeats the text with six bytes a character, below what is read of an answer.
	maxText           = 150_000
	defaultConcurrent = 4
)

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,98}$`)

func (c *Config) keyField() string {
	if c.KeyField == "" {
		return defaultKeyField
	}
	return c.KeyField
}

// ticketDefaults are the fields of Case.
func ticketDefaults(key string) fieldmap.Fields {
	return fieldmap.Fields{
		"name":        fieldmap.From("subject", fieldmap.Cut(maxSubject)),
		"description": fieldmap.From("text"),
		"status":      fieldmap.Value("New"),
		"priority":    fieldmap.From("priority", fieldmap.Lookup(map[string]any{"low": "Low", "normal": "Normal", "high": "High", "urgent": "Urgent"}, nil)),
		"contactId":   fieldmap.From("contact_id"),
		key:           fieldmap.From("key"),
	}
}

func (c *Config) maps() (mail, ticket *fieldmap.Map, err error) {
	key := c.keyField()
	mail, err1 := fieldmap.New("fields", fieldmap.ActivitySources(), fieldmap.Fields{key: fieldmap.From("key")}, c.Fields)
	ticket, err2 := fieldmap.New("ticket_fields", fieldmap.TicketSources(), ticketDefaults(key), c.TicketFields)
	return mail, ticket, errors.Join(err1, err2)
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := c.Settings.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.APIKey.IsZero() {
		bad("api_key is missing: create an API user in Administration > API Users")
	}
	if c.KeyField != "" && !fieldName.MatchString(c.KeyField) {
		bad("key_field: %q is not the name of a field", c.KeyField)
	}
	if c.MaxAttachment < 0 {
		bad("max_attachment must not be negative")
	}
	for id, secret := range c.WebhookSecrets {
		if id == "" || secret.IsZero() {
			bad("webhook_secrets: an id or its secret is empty")
		}
	}
	if _, _, err := c.maps(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Client is a connection to one EspoCRM. It must be closed.
type Client struct {
	cfg       Config
	base      *url.URL // ends in /api/v1/
	transport *crmclient.Transport
	mail      *fieldmap.Map
	ticket    *fieldmap.Map
	now       func() time.Time
	users     crmclient.Users
	turns     crmclient.Turns
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
	_ crmclient.ContactLister      = (*Client)(nil)
	_ crmclient.RecordQuerier      = (*Client)(nil)
	_ crmclient.RecordWriter       = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Client)(nil)
	_ crmclient.Ticketer           = (*Client)(nil)
	_ crmclient.WebhookReceiver    = (*Client)(nil)
)

// New builds a Client without using the network.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u, err := crmclient.ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, base: u.JoinPath("api/v1/"), now: d.Clock}
	c.users = crmclient.Users{Read: c.readUsers, Now: d.Clock}
	if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1") {
		c.base = u.JoinPath("/")
	}
	if c.cfg.MaxAttachment == 0 {
		c.cfg.MaxAttachment = defaultMaxAttachment
	}
	if c.mail, c.ticket, err = cfg.maps(); err != nil {
		return nil, err
	}
	c.transport, err = d.Transport(cfg.Settings, crmclient.Options{
		MaxConcurrent: defaultConcurrent, Secrets: []string{cfg.APIKey.Reveal(), cfg.Secret.Reveal()},
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error { return c.transport.Close() }

// Caps are the sizes that the server takes.
func (c *Client) Caps() crmclient.Caps {
	caps := crmclient.Caps{SubjectRunes: maxSubject, AttachmentBytes: int64(c.cfg.MaxAttachment)}
	if c.cfg.LogAs == LogRecord {
		caps.TextRunes = maxText
	}
	return caps
}

// Check reads who we are and whether we may read mail and people, and looks for the key's field.
func (c *Client) Check(ctx context.Context) (string, error) {
	var me struct {
		User struct {
			Name string `json:"userName"`
		} `json:"user"`
	}
	if err := c.get(ctx, "App/user", nil, &me); err != nil {
		return "", fmt.Errorf("who we are: %w", err)
	}
	for _, object := range []string{"Contact", "Lead", "Account"} {
		if _, _, err := c.list(ctx, object, listQuery{fields: []string{"id"}, size: 1}); err != nil {
			return "", fmt.Errorf("reading %s: %w", object, forbidden(err, "give the API user's role read access to "+object))
		}
	}
	_, _, err := c.list(ctx, "Email", listQuery{
		fields: []string{"id"}, size: 1, where: []filter{{Type: "equals", Attribute: c.cfg.keyField(), Value: "heliograph"}},
	})
	var e *crmclient.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return "", &crmclient.Error{
			Class: crmclient.ClassConfiguration, Status: e.Status, RequestID: e.RequestID,
			Message: fmt.Sprintf("Email has no field %s", c.cfg.keyField()),
			Remedy: fmt.Sprintf("add a field %s of type Varchar to Email in Administration > Entity Manager > Email > Fields, and rebuild; or name another in key_field",
				c.cfg.keyField()),
		}
	}
	if err != nil {
		return "", fmt.Errorf("reading Email: %w", forbidden(err, "give the API user's role create and read access to Email, and the Import scope"))
	}
	return fmt.Sprintf("EspoCRM at %s, as %s", c.base.Host, me.User.Name), nil
}
