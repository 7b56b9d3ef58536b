package salesforce

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/oauth"
)

// LogAs is the object that a message becomes.
type LogAs string

// The objects.
const (
	LogAsEmailMessage LogAs = "email_message"
	LogAsTask         LogAs = "task"
)

// Allowed returns the values.
func (LogAs) Allowed() []string { return []string{string(LogAsEmailMessage), string(LogAsTask)} }

// CompanyBy is how the account of a domain is found.
type CompanyBy string

// The ways.
const (
	CompanyByWebsite  CompanyBy = "website"  // Account.Website is in the domain
	CompanyByContacts CompanyBy = "contacts" // most contacts with addresses of the domain belong to it
)

// Allowed returns the values.
func (CompanyBy) Allowed() []string {
	return []string{string(CompanyByWebsite), string(CompanyByContacts)}
}

// Config is the section of a Salesforce target. URL is the login host: https://login.salesforce.com by default, https://test.salesforce.com
// for sandboxes, or My Domain.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	ClientID           string `yaml:"client_id"` // consumer key of the connected app
	// ClientSecret is for the client credentials flow, which needs My Domain as URL.
	ClientSecret config.Secret `yaml:"client_secret"`
	// Username and PrivateKey are for the JWT bearer flow.
	Username   string        `yaml:"username"`
	PrivateKey config.Secret `yaml:"private_key"` // RSA, PEM
	Audience   string        `yaml:"audience"`    // of the JWT; empty: by the URL
	APIVersion string        `yaml:"api_version"` // empty: 62.0
	// InstanceDomains are further domains that the instance may be in.
	InstanceDomains []string `yaml:"instance_domains"`

	LogAs LogAs `yaml:"log_as"` // empty: email_message
	// KeyField is the custom field with the key on every object that we make; nil: Heliograph_Key__c.
	KeyField *string `yaml:"key_field"`
	// KeyFields names another one for single objects. Empty for EmailMessage: there is none.
	KeyFields          map[string]string `yaml:"key_fields"`
	LinkUsers          *bool             `yaml:"link_users"` // nil: true
	UserField          string            `yaml:"user_field"` // empty: Email
	ContactEmailFields []string          `yaml:"contact_email_fields"`
	LeadEmailFields    []string          `yaml:"lead_email_fields"`
	Leads              *bool             `yaml:"leads"` // nil: true
	PersonAccounts     bool              `yaml:"person_accounts"`
	// PersonRecordType is the id of the record type with which contacts are made as person accounts.
	PersonRecordType string    `yaml:"person_record_type"`
	CompanyBy        CompanyBy `yaml:"company_by"`            // empty: website
	AllowDuplicates  bool      `yaml:"allow_duplicate_alert"` // makes contacts and leads over an alert of a duplicate rule

	Attachments   *bool         `yaml:"attachments"`    // nil: true
	MaxAttachment *config.Bytes `yaml:"max_attachment"` // nil: 10 MiB
	MaxText       int           `yaml:"max_text"`       // runes; zero: 32000

	AssignmentRule bool            `yaml:"assignment_rule"` // for cases without queue and assignee
	APIReserve     *int            `yaml:"api_reserve"`     // percent of the daily limit that are left alone; nil: 10
	Overlap        config.Duration `yaml:"overlap"`         // of polls for changes; zero: 2 min

	Fields        fieldmap.Fields `yaml:"fields"`
	ContactFields fieldmap.Fields `yaml:"contact_fields"`
	LeadFields    fieldmap.Fields `yaml:"lead_fields"`
	TicketFields  fieldmap.Fields `yaml:"ticket_fields"`
}

const (
	defaultURL      = "https://login.salesforce.com"
	sandboxURL      = "https://test.salesforce.com"
	defaultVersion  = "62.0" // specification: at least this
	defaultKeyField = "Heliograph_Key__c"
	defaultMaxText  = 32_000
	highestMaxText  = 131_072 // the longest a long text area can be
	defaultMaxFile  = 10 << 20
	// highestMaxFile: 50 MB of base64 is what a JSON request may hold.
	highestMaxFile = 37_500_000
	defaultReserve = 10
	defaultOverlap = 2 * time.Minute
	maxOverlap     = time.Hour
	maxEmailFields = 8
)

var (
	versionForm = regexp.MustCompile(`^[1-9][0-9]{1,2}\.0$`)
	// nameForm is what an API name may be: it goes into paths and queries as it is.
	nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)
	idForm   = regexp.MustCompile(`^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$`)
)

func orTrue(b *bool) bool { return b == nil || *b }

// withDefaults returns the section with all that it leaves out.
func (c Config) withDefaults() Config {
	if c.URL == "" {
		c.URL = defaultURL
	}
	if c.APIVersion == "" {
		c.APIVersion = defaultVersion
	}
	if c.LogAs == "" {
		c.LogAs = LogAsEmailMessage
	}
	if c.UserField == "" {
		c.UserField = "Email"
	}
	if len(c.ContactEmailFields) == 0 {
		c.ContactEmailFields = []string{"Email"}
	}
	if len(c.LeadEmailFields) == 0 {
		c.LeadEmailFields = []string{"Email"}
	}
	if c.CompanyBy == "" {
		c.CompanyBy = CompanyByWebsite
	}
	if c.MaxText == 0 {
		c.MaxText = defaultMaxText
	}
	if c.Overlap == 0 {
		c.Overlap = config.Duration(defaultOverlap)
	}
	if c.Audience == "" {
		c.Audience = audienceOf(c.URL)
	}
	return c
}

// audienceOf returns what the assertion is for: Salesforce wants the login host of the kind of the organisation, not My Domain.
func audienceOf(login string) string {
	u, err := url.Parse(login)
	if err != nil {
		return defaultURL
	}
	if host := strings.ToLower(u.Hostname()); host == "test.salesforce.com" || strings.HasSuffix(host, ".sandbox.my.salesforce.com") {
		return sandboxURL
	}
	return defaultURL
}

// keyField returns the field with the key on an object, or nothing.
func (c Config) keyField(object string) string {
	for name, field := range c.KeyFields {
		if strings.EqualFold(name, object) {
			return field
		}
	}
	if c.KeyField != nil {
		return *c.KeyField
	}
	return defaultKeyField
}

func (c Config) maxAttachment() int64 {
	if !orTrue(c.Attachments) {
		return 0
	}
	if c.MaxAttachment != nil {
		return int64(*c.MaxAttachment)
	}
	return defaultMaxFile
}

func (c Config) reserve() int {
	if c.APIReserve != nil {
		return *c.APIReserve
	}
	return defaultReserve
}

func (c Config) object() string {
	if c.LogAs == LogAsTask {
		return objectTask
	}
	return objectEmail
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c = c.withDefaults()
	errs := []error{c.Settings.Validate(), c.validateLogin(), c.validateNames()}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains(c.LogAs.Allowed(), string(c.LogAs)) {
		bad("log_as must be one of %s", strings.Join(c.LogAs.Allowed(), ", "))
	}
	if !slices.Contains(c.CompanyBy.Allowed(), string(c.CompanyBy)) {
		bad("company_by must be one of %s", strings.Join(c.CompanyBy.Allowed(), ", "))
	}
	if c.LogAs == LogAsTask && c.keyField(objectTask) == "" {
		bad("log_as: task needs a key_field: nothing else tells one task from another")
	}
	if c.MaxText < 2*noteRoom || c.MaxText > highestMaxText {
		bad("max_text must be between %d and %d", 2*noteRoom, highestMaxText)
	}
	if m := c.maxAttachment(); m < 0 || m > highestMaxFile {
		bad("max_attachment must be between 0 and %d bytes", highestMaxFile)
	}
	if r := c.reserve(); r < 0 || r > 90 {
		bad("api_reserve must be between 0 and 90 percent")
	}
	if d := c.Overlap.D(); d < 0 || d > maxOverlap {
		bad("overlap must be between 0 and %s", maxOverlap)
	}
	if _, err := newMappings(c); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c Config) validateLogin() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.ClientID == "" {
		bad("client_id is missing: it is the consumer key of the connected app")
	}
	if !versionForm.MatchString(c.APIVersion) {
		bad("api_version must look like 62.0")
	}
	switch jwt, secret := c.Username != "" || !c.PrivateKey.IsZero(), !c.ClientSecret.IsZero(); {
	case jwt && secret:
		bad("client_secret and private_key exclude each other: the one is for client credentials, the other for JWT bearer")
	case secret:
		if u, err := url.Parse(c.URL); err == nil && (u.Hostname() == "login.salesforce.com" || u.Hostname() == "test.salesforce.com") {
			bad("url must be My Domain (https://NAME.my.salesforce.com) with client_secret: Salesforce refuses client credentials at %s", u.Hostname())
		}
	case !jwt:
		bad("the credentials are missing: give username and private_key (JWT bearer), or client_secret (client credentials)")
	case c.Username == "":
		bad("username is missing: the user that the gateway acts as")
	case c.PrivateKey.IsZero():
		bad("private_key is missing: the key of the certificate that the connected app has")
	default:
		if err := (&oauth.Assertion{Key: c.PrivateKey.Reveal()}).Validate(); err != nil {
			bad("private_key: %w", err)
		}
	}
	return errors.Join(errs...)
}

func (c Config) validateNames() error {
	var errs []error
	name := func(key, value string) {
		if !nameForm.MatchString(value) {
			errs = append(errs, fmt.Errorf("%s: %q is not the API name of a field or object", key, value))
		}
	}
	if c.KeyField != nil && *c.KeyField != "" {
		name("key_field", *c.KeyField)
	}
	for _, object := range slices.Sorted(maps.Keys(c.KeyFields)) {
		name("key_fields", object)
		if field := c.KeyFields[object]; field != "" {
			name("key_fields", field)
		}
	}
	name("user_field", c.UserField)
	for key, fields := range map[string][]string{"contact_email_fields": c.ContactEmailFields, "lead_email_fields": c.LeadEmailFields} {
		if len(fields) > maxEmailFields {
			errs = append(errs, fmt.Errorf("%s: more than %d fields", key, maxEmailFields))
		}
		for _, f := range fields {
			name(key, f)
		}
	}
	if c.PersonRecordType != "" && !idForm.MatchString(c.PersonRecordType) {
		errs = append(errs, errors.New("person_record_type must be an id of 15 or 18 characters"))
	}
	if c.PersonRecordType != "" && !c.PersonAccounts {
		errs = append(errs, errors.New("person_record_type without person_accounts"))
	}
	for _, d := range c.InstanceDomains {
		if d == "" || strings.ContainsAny(d, "/:@ ") {
			errs = append(errs, fmt.Errorf("instance_domains: %q is not a domain", d))
		}
	}
	return errors.Join(errs...)
}
