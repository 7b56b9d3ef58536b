// Package twenty writes mail into Twenty as notes that are linked to people and companies.
//
// A note gets the subject, and the text as Markdown in which all that a stranger wrote is escaped. The activity key is put into
// a unique text field that the administrator adds to Note (key_field): it is looked up before a note is written. After
// that the note's links (noteTargets) are read, missing ones are made and read back, so that what an
// earlier try left undone is finished, and a server that ignores the name of a link's field is found out.
//
//	twenty.go    Config, New, Check
//	api.go       requests, filters, lists, errors
//	mail.go      LogEmail, WithdrawEmail
//	people.go    people by their primary address
//	records.go   any record, by the plural of its object; changes by polling
//	webhook.go   Twenty's calls
//
// Not verified against a live server, with the setting that hides it where there is one: the names of a link's fields (person_target,
// company_target: targetPersonId and targetCompanyId now, personId and companyId formerly), the plurals of objects in webhooks
// (objects), the path of DELETE and that a deleted note is not listed, the comparisons neq, gt, lt and lte, and(…), order_by with AscNullsLast, whether addresses are stored in lower case (they are asked for so),
// and how a quotation mark within a value is written, so that such values are refused instead. Records are read by a filter on
// id. The form of the metadata is not known either: the check tries the fields by filters, and cannot tell whether key_field is
// unique.
//
// It uploads no files (their names are in the note), finds nobody by a second address, knows no leads, and tells no deletions:
// lists do not hold them. Twenty does not repeat webhooks, so poll as well.
package twenty

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
	"heliograph/internal/limit"
)

// Config is the section of a Twenty target.
type Config struct {
	// Settings: URL is that of the cloud unless told otherwise.
	crmclient.Settings `yaml:",inline"`
	APIKey             config.Secret `yaml:"api_key"`
	// APIKeyID is the id of the key, by which webhooks tell our own writing. Empty: it is not told.
	APIKeyID string `yaml:"api_key_id"`
	// KeyField is the unique text field of Note, and of other objects whose records we make. Empty means heliographKey.
	KeyField string `yaml:"key_field"`
	// PersonTarget and CompanyTarget are the fields of a link. Empty means targetPersonId and targetCompanyId.
	PersonTarget  string `yaml:"person_target"`
	CompanyTarget string `yaml:"company_target"`
	// Fields are further fields of Note.
	Fields        fieldmap.Fields `yaml:"fields"`
	WebhookSecret config.Secret   `yaml:"webhook_secret"`
	// Objects are the plurals of objects by their singulars, where they are not regular.
	Objects map[string]string `yaml:"objects"`
}

const (
	cloud             = "https://api.twenty.com"
	defaultKeyField   = "heliographKey"
	requestsPerMinute = 100 // of a workspace, as documented
	defaultConcurrent = 4
	maxSubject        = 255
	// maxText keeps the answer to a new note, which repeats the text in two forms, below what is read of an answer.
	maxText = 50_000
)

var (
	objectName = regexp.MustCompile(`^[a-z][A-Za-z0-9]{0,62}$`)
	fieldName  = regexp.MustCompile(`^[a-z][A-Za-z0-9]{0,62}(\.[a-z][A-Za-z0-9]{0,62})?$`)
)

func (c *Config) setDefaults() {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&c.URL, cloud)
	set(&c.KeyField, defaultKeyField)
	set(&c.PersonTarget, "targetPersonId")
	set(&c.CompanyTarget, "targetCompanyId")
}

func (c *Config) fields() (*fieldmap.Map, error) {
	return fieldmap.New("fields", fieldmap.ActivitySources(), fieldmap.Fields{"title": fieldmap.From("subject", fieldmap.Cut(maxSubject))}, c.Fields)
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := c.Settings.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.APIKey.IsZero() {
		bad("api_key is missing: make one in Settings > APIs & Webhooks")
	}
	for _, f := range []struct{ key, name string }{{"key_field", c.KeyField}, {"person_target", c.PersonTarget}, {"company_target", c.CompanyTarget}} {
		if !fieldName.MatchString(f.name) || strings.Contains(f.name, ".") {
			bad("%s: %q is not the name of a field", f.key, f.name)
		}
	}
	for one, many := range c.Objects {
		if !objectName.MatchString(one) || !objectName.MatchString(many) {
			bad("objects: %q: %q are not the names of an object", one, many)
		}
	}
	if m, err := c.fields(); err != nil {
		errs = append(errs, err)
	} else if m.Has("bodyV2") || m.Has(c.KeyField) {
		bad("fields: bodyV2 and %s are filled by the gateway", c.KeyField)
	}
	return errors.Join(errs...)
}

// Client is a connection to one workspace. It must be closed.
type Client struct {
	cfg       Config
	base      *url.URL // ends in /rest/
	transport *crmclient.Transport
	note      *fieldmap.Map
	turns     crmclient.Turns
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.ContactGetter      = (*Client)(nil)
	_ crmclient.RecordQuerier      = (*Client)(nil)
	_ crmclient.RecordWriter       = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Client)(nil)
	_ crmclient.WebhookReceiver    = (*Client)(nil)
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
	c := &Client{cfg: cfg, base: u.JoinPath("rest/")}
	if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/rest") {
		c.base = u.JoinPath("/")
	}
	if c.note, err = cfg.fields(); err != nil {
		return nil, err
	}
	options := crmclient.Options{
		MaxConcurrent: defaultConcurrent, Headers: map[string]string{"Authorization": "Bearer " + cfg.APIKey.Reveal()},
		Secrets: []string{cfg.APIKey.Reveal(), cfg.WebhookSecret.Reveal()},
	}
	if d.Limit != nil && cfg.RequestsPerSecond == 0 {
		options.RateLimiter = d.Limit("requests", limit.Rate{Count: requestsPerMinute, Per: time.Minute})
	}
	if c.transport, err = d.Transport(cfg.Settings, options); err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error { return c.transport.Close() }

// Caps are the sizes that notes may have. Files are only named.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: maxSubject, TextRunes: maxText}
}

// nobody is an id that no record has.
const nobody = "00000000-0000-0000-0000-000000000000"

// Check reads what LogEmail needs, with filters on the fields that are named in the section.
func (c *Client) Check(ctx context.Context) (string, error) {
	for _, try := range []struct{ object, field, value, remedy string }{
		{"people", "emails.primaryEmail", "nobody@heliograph.invalid", "the key's workspace has no standard object People: it must be active in Settings > Data model"},
		{
			"notes", c.cfg.KeyField, "heliograph",
			fmt.Sprintf("add a unique field %s of type Text to Notes in Settings > Data model > Notes, or name another in key_field", c.cfg.KeyField),
		},
		{"noteTargets", "noteId", nobody, "the server has no links of notes: check its version"},
		{"noteTargets", c.cfg.PersonTarget, nobody, "older servers call it personId: write person_target: personId"},
		{"noteTargets", c.cfg.CompanyTarget, nobody, "older servers call it companyId: write company_target: companyId"},
	} {
		where, err := compare(try.field, "eq", try.value)
		if err != nil {
			return "", err
		}
		_, _, err = c.list(ctx, try.object, listQuery{filter: where, size: 1})
		var e *crmclient.Error
		if errors.As(err, &e) && e.Status == http.StatusBadRequest {
			return "", &crmclient.Error{
				Class: crmclient.ClassConfiguration, Status: e.Status, RequestID: e.RequestID,
				Message: fmt.Sprintf("%s has no field %s", try.object, try.field), Remedy: try.remedy,
			}
		}
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", try.object, err)
		}
	}
	return "Twenty at " + c.base.Host, nil
}
