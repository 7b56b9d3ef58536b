package hubspot

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Config is the section of a HubSpot target. Each secret may come from a file (token_file …).
type Config struct {
	// Settings: url need not be given, HubSpot has one address for all.
	crmclient.Settings `yaml:",inline"`
	// Token is that of a private app. It excludes the three below.
	Token        config.Secret `yaml:"token"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret config.Secret `yaml:"client_secret"`
	// RefreshToken may be left out where somebody ran "heliograph account connect".
	RefreshToken config.Secret `yaml:"refresh_token"`
	// TokenURL replaces the address that gives tokens.
	TokenURL string `yaml:"token_url"`
	// APIVersion is v3 (empty means that) or a date version such as 2026-03.
	APIVersion string `yaml:"api_version"`

	// Dedupe says how a mail is kept single: unique (by KeyProperty, whose values must be unique; empty means that) or search.
	Dedupe string `yaml:"dedupe"`
	// KeyProperty is the property of e-mails with the key; empty means heliograph_key.
	KeyProperty string `yaml:"key_property"`
	// IncludeHTML sends the HTML of a mail where it has one; nil means true.
	IncludeHTML *bool `yaml:"include_html"`
	// MaxText bounds text and HTML in characters; zero means 65,000.
	MaxText int `yaml:"max_text"`
	// Fields map an activity to properties of e-mails. Besides the sources of every activity there is body: the text, and behind it the
	// files that were left out.
	Fields fieldmap.Fields `yaml:"fields"`
	// Folder is where files of mails are put; empty means /heliograph.
	Folder string `yaml:"folder"`

	// ContactFields map a new contact.
	ContactFields fieldmap.Fields `yaml:"contact_fields"`
	// SearchAdditional also looks for second addresses of contacts, one search for each.
	SearchAdditional bool `yaml:"search_additional"`

	// TicketKeyProperty is the property of tickets with their key, whose values must be unique.
	TicketKeyProperty string `yaml:"ticket_key_property"`
	// Pipeline and Stage are where new tickets begin; empty means 0 and 1, HubSpot's own.
	Pipeline string `yaml:"pipeline"`
	Stage    string `yaml:"stage"`
	// TicketFields map a ticket.
	TicketFields fieldmap.Fields `yaml:"ticket_fields"`
	// RecordKeys names, for each object of which rules make records, a property with unique values for their key.
	RecordKeys map[string]string `yaml:"record_keys"`

	// WebhookURL is the address under which HubSpot calls the gateway, exactly as it is set in HubSpot.
	WebhookURL string `yaml:"webhook_url"`
	// WebhookSecret is the client secret of the app that calls; empty means ClientSecret.
	WebhookSecret config.Secret `yaml:"webhook_secret"`
	// AppID is the number of our own app. Changes that it made are told as ours.
	AppID string `yaml:"app_id"`
}

const (
	defaultURL    = "https://api.hubapi.com"
	defaultKey    = "heliograph_key"
	defaultFolder = "/heliograph"
	defaultText   = 65_000 // documented for notes: 65,536

	dedupeUnique = "unique"
	dedupeSearch = "search"
)

var (
	// propertyName is what HubSpot allows as internal name.
	propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	// objectName is the name of an object in a path: contacts, deals, 2-12345, p_pumps.
	objectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	apiVersion = regexp.MustCompile(`^(v3|20[0-9]{2}-[0-9]{2})$`)
	digits     = regexp.MustCompile(`^[0-9]{1,20}$`)
)

func or(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

func (c *Config) key() string      { return or(c.KeyProperty, defaultKey) }
func (c *Config) version() string  { return or(c.APIVersion, "v3") }
func (c *Config) base() string     { return strings.TrimRight(or(c.URL, defaultURL), "/") }
func (c *Config) html() bool       { return c.IncludeHTML == nil || *c.IncludeHTML }
func (c *Config) static() bool     { return !c.Token.IsZero() }
func (c *Config) searches() bool   { return c.Dedupe == dedupeSearch }
func (c *Config) tokenURL() string { return or(c.TokenURL, c.base()+"/oauth/v1/token") }

func (c *Config) maxText() int {
	if c.MaxText == 0 {
		return defaultText
	}
	return c.MaxText
}

func (c *Config) webhookSecret() string {
	if c.WebhookSecret.IsZero() {
		return c.ClientSecret.Reveal()
	}
	return c.WebhookSecret.Reveal()
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	s := c.Settings
	s.URL = c.base()
	if err := s.Validate(); err != nil {
		errs = append(errs, err)
	}
	oauth := c.ClientID != "" || !c.RefreshToken.IsZero()
	switch {
	case c.static() && oauth:
		bad("token excludes client_id and refresh_token: give one or the other")
	case !c.static() && (c.ClientID == "" || c.ClientSecret.IsZero()):
		bad("token is missing: give the access token of a private app, or client_id and client_secret of an app")
	}
	if c.TokenURL != "" {
		if _, err := crmclient.ParseURL(c.TokenURL); err != nil {
			bad("token_url: %w", err)
		}
	}
	if !apiVersion.MatchString(c.version()) {
		bad("api_version must be v3 or a date version such as 2026-03")
	}
	if !slices.Contains([]string{"", dedupeUnique, dedupeSearch}, c.Dedupe) {
		bad("dedupe must be %s or %s", dedupeUnique, dedupeSearch)
	}
	if c.MaxText != 0 && c.MaxText < 2*maxNotice {
		bad("max_text must be at least %d", 2*maxNotice)
	}
	if c.Folder != "" && !strings.HasPrefix(c.Folder, "/") {
		bad("folder must begin with /")
	}
	c.validateNames(bad)
	if c.WebhookURL != "" {
		if u, err := url.Parse(c.WebhookURL); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.EscapedPath() != u.Path {
			bad("webhook_url must be an https address without query and without escapes: HubSpot signs it as it reads it")
		}
		if c.webhookSecret() == "" {
			bad("webhook_secret is missing: the client secret of the app that calls webhook_url")
		}
	}
	if _, err := newMaps(&c); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *Config) validateNames(bad func(string, ...any)) {
	name := func(key, value string) {
		if value != "" && !propertyName.MatchString(value) {
			bad("%s: %q is not the internal name of a property (small letters, digits and _)", key, value)
		}
	}
	name("key_property", c.KeyProperty)
	name("ticket_key_property", c.TicketKeyProperty)
	for _, object := range slices.Sorted(maps.Keys(c.RecordKeys)) {
		if !objectName.MatchString(object) {
			bad("record_keys: %q is not the name of an object", object)
		}
		name("record_keys: "+object, c.RecordKeys[object])
	}
	if c.AppID != "" && !digits.MatchString(c.AppID) {
		bad("app_id must be a number")
	}
}
