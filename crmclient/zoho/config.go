package zoho

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

// Config is the section of a Zoho CRM target. Each secret may come from a file (client_secret_file …).
type Config struct {
	// Settings: url is the API host and need not be given; the data centre says it.
	crmclient.Settings `yaml:",inline"`
	// DataCenter is where the company's account lives: us, eu, in, cn, jp, au, ca or sa.
	DataCenter string `yaml:"data_center"`
	Sandbox    bool   `yaml:"sandbox"`
	// AccountsURL replaces the host that gives tokens, where a proxy stands before it.
	AccountsURL  string        `yaml:"accounts_url"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret config.Secret `yaml:"client_secret"`
	// RefreshToken may be left out where somebody ran "heliograph account connect".
	RefreshToken config.Secret `yaml:"refresh_token"`

	// Record says what a mail becomes: RecordEmail (empty means that) or RecordActivity.
	Record string `yaml:"record"`
	// DefaultRecord gets the mails that belong to no contact and no company, in the form Module/id. Of the record "email" only.
	DefaultRecord string `yaml:"default_record"`
	// Stored says what of the answer to "is the e-mail available" means that the mail is there: record (a record is
	// named; empty means that), available (it says true) or unavailable (it says false).
	Stored string `yaml:"stored_when"`
	// IncludeHTML sends the HTML of a mail where it has one; nil means true.
	IncludeHTML *bool `yaml:"include_html"`
	// ActivityModule is the module of the record "activity"; empty means Tasks.
	ActivityModule string `yaml:"activity_module"`
	// KeyField is the API name of a field of that module which holds the key of a mail and refuses duplicates.
	KeyField string `yaml:"key_field"`
	// Fields map an activity to that module; they add to and replace the defaults. Besides the sources of every activity there is
	// body: the text, and behind it the files that were left out.
	Fields fieldmap.Fields `yaml:"fields"`

	// Search says how contacts are found: email (the search of the module; empty means that) or coql.
	Search string `yaml:"search"`
	// EmailFields are the fields that hold addresses; empty means Email and Secondary_Email.
	EmailFields []string `yaml:"email_fields"`
	// Leads also looks for leads; nil means true.
	Leads *bool `yaml:"leads"`
	// Workflows lets the company's workflows run on what the gateway writes.
	Workflows bool `yaml:"run_workflows"`
	// Quotes says how a quotation mark in a COQL text is written: refuse (empty means that), backslash or double.
	Quotes string `yaml:"coql_quotes"`

	// CaseKeyField is the API name of a field of Cases that holds the key of a ticket and refuses duplicates.
	CaseKeyField string `yaml:"case_key_field"`
	// CaseFields map a ticket to Cases.
	CaseFields fieldmap.Fields `yaml:"case_fields"`
	// ContactFields and LeadFields map a new contact and lead.
	ContactFields fieldmap.Fields `yaml:"contact_fields"`
	LeadFields    fieldmap.Fields `yaml:"lead_fields"`
	// AssignmentRule is the id of a rule of Zoho that chooses the owner of a new case nobody is named for.
	AssignmentRule string `yaml:"assignment_rule"`

	// RecordKeys names, for each module in which rules make records, a field that holds their key and refuses duplicates.
	RecordKeys map[string]string `yaml:"record_keys"`

	// NotifyURL is the address under which Zoho reaches the gateway's webhook of this target; empty means polling only.
	NotifyURL string `yaml:"notify_url"`
	// NotifyToken comes back with each notification: at most 50 characters.
	NotifyToken config.Secret `yaml:"notify_token"`
}

// The values of Config.Record.
const (
	RecordEmail    = "email"    // an associated e-mail on each contact
	RecordActivity = "activity" // a record of a module, upserted by its key
)

// dataCentre is one row of the table of specs: where tokens come from and where the API is.
type dataCentre struct{ accounts, api, sandbox string }

var dataCentres = map[string]dataCentre{
	"us": {"https://accounts.zoho.com", "https://www.zohoapis.com", "https://sandbox.zohoapis.com"},
	"eu": {"https://accounts.zoho.eu", "https://www.zohoapis.eu", "https://sandbox.zohoapis.eu"},
	"in": {"https://accounts.zoho.in", "https://www.zohoapis.in", "https://sandbox.zohoapis.in"},
	"cn": {"https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn", "https://sandbox.zohoapis.com.cn"},
	"jp": {"https://accounts.zoho.jp", "https://www.zohoapis.jp", "https://sandbox.zohoapis.jp"},
	"au": {"https://accounts.zoho.com.au", "https://www.zohoapis.com.au", "https://sandbox.zohoapis.com.au"},
	"ca": {"https://accounts.zohocloud.ca", "https://www.zohoapis.ca", "https://sandbox.zohoapis.ca"},
	"sa": {"https://accounts.zoho.sa", "https://www.zohoapis.sa", "https://sandbox.zohoapis.sa"},
}

// dataCentreOf returns the name of the data centre that an API host belongs to, or nothing.
func dataCentreOf(api string) string {
	for name, d := range dataCentres {
		if strings.EqualFold(api, d.api) || strings.EqualFold(api, d.sandbox) {
			return name
		}
	}
	return ""
}

func (c *Config) centre() string {
	if c.DataCenter == "" {
		return "us"
	}
	return c.DataCenter
}

// accounts is the address of the host that gives tokens.
func (c *Config) accounts() string {
	if c.AccountsURL != "" {
		return strings.TrimRight(c.AccountsURL, "/")
	}
	return dataCentres[c.centre()].accounts
}

func (c *Config) html() bool  { return c.IncludeHTML == nil || *c.IncludeHTML }
func (c *Config) leads() bool { return c.Leads == nil || *c.Leads }

func (c *Config) emailFields() []string {
	if len(c.EmailFields) == 0 {
		return []string{"Email", "Secondary_Email"}
	}
	return c.EmailFields
}

func (c *Config) activityModule() string {
	if c.ActivityModule == "" {
		return moduleTasks
	}
	return c.ActivityModule
}

// apiName is what Zoho allows as name of a module or field in the API; it goes into paths and COQL as it is.
var apiName = regexp.MustCompile(`^\$?[A-Za-z][A-Za-z0-9_]{0,99}$`)

// recordID is what Zoho's ids look like.
var recordID = regexp.MustCompile(`^[0-9]{1,25}$`)

const maxNotifyToken = 50 // the watch API's limit

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	s := c.Settings
	if _, ok := dataCentres[c.centre()]; !ok {
		bad("data_center: %q is none of %s", c.DataCenter, strings.Join(slices.Sorted(maps.Keys(dataCentres)), ", "))
	} else if s.URL == "" {
		s.URL = dataCentres[c.centre()].api
	}
	if err := s.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.AccountsURL != "" {
		if _, err := crmclient.ParseURL(c.AccountsURL); err != nil {
			bad("accounts_url: %w", err)
		}
	}
	if c.ClientID == "" || c.ClientSecret.IsZero() {
		bad("client_id and client_secret are those of the client in Zoho's API console")
	}
	c.validateRecord(bad)
	c.validateNames(bad)
	if _, err := newMaps(&c); err != nil {
		errs = append(errs, err)
	}
	if c.NotifyURL != "" {
		if u, err := url.Parse(c.NotifyURL); err != nil || u.Scheme != "https" || u.Host == "" {
			bad("notify_url must be an https address")
		}
		if n := len([]rune(c.NotifyToken.Reveal())); n < 16 || n > maxNotifyToken {
			bad("notify_token must be a random text of 16 to %d characters: it is all that proves a notification", maxNotifyToken)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateRecord(bad func(string, ...any)) {
	switch c.Record {
	case "", RecordEmail:
		if c.KeyField != "" || c.ActivityModule != "" || len(c.Fields) > 0 {
			bad("key_field, activity_module and fields belong to record: activity")
		}
	case RecordActivity:
		if c.KeyField == "" {
			bad("key_field is missing: the API name of a unique field of %s, which keeps a mail from being stored twice", c.activityModule())
		}
		if c.DefaultRecord != "" {
			bad("default_record belongs to record: email")
		}
	default:
		bad("record must be %s or %s", RecordEmail, RecordActivity)
	}
	if c.DefaultRecord != "" {
		module, id, _ := strings.Cut(c.DefaultRecord, "/")
		if !apiName.MatchString(module) || !recordID.MatchString(id) {
			bad("default_record must be Module/id, such as Contacts/5545974000001234567")
		}
	}
	for _, e := range []struct {
		name, value string
		known       []string
	}{
		{"stored_when", c.Stored, []string{"", storedRecord, storedAvailable, storedUnavailable}},
		{"search", c.Search, []string{"", searchEmail, searchCOQL}},
		{"coql_quotes", c.Quotes, []string{"", quotesRefuse, quotesBackslash, quotesDouble}},
	} {
		if !slices.Contains(e.known, e.value) {
			bad("%s must be one of %s", e.name, strings.Join(e.known[1:], ", "))
		}
	}
}

func (c *Config) validateNames(bad func(string, ...any)) {
	name := func(key, value string) {
		if value != "" && !apiName.MatchString(value) {
			bad("%s: %q is not an API name (letters, digits and _)", key, value)
		}
	}
	name("activity_module", c.ActivityModule)
	name("key_field", c.KeyField)
	name("case_key_field", c.CaseKeyField)
	for _, f := range c.EmailFields {
		name("email_fields", f)
	}
	for _, m := range slices.Sorted(maps.Keys(c.RecordKeys)) {
		name("record_keys", m)
		name("record_keys: "+m, c.RecordKeys[m])
	}
	if c.AssignmentRule != "" && !recordID.MatchString(c.AssignmentRule) {
		bad("assignment_rule must be the id of a rule")
	}
}
