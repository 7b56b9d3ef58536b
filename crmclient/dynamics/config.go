package dynamics

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
)

// CompanyBy is how the account of a domain is found.
type CompanyBy string

// The ways.
const (
	CompanyByWebsite CompanyBy = "website" // account.websiteurl is in the domain
	CompanyByEmail   CompanyBy = "email"   // account.emailaddress1 is in the domain
)

// Allowed returns the values.
func (CompanyBy) Allowed() []string {
	return []string{string(CompanyByWebsite), string(CompanyByEmail)}
}

// Config is the section of a Dynamics 365 target. URL is that of the environment: https://ORG.crmN.dynamics.com.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	Tenant             string        `yaml:"tenant"` // id or domain of the Microsoft Entra tenant
	ClientID           string        `yaml:"client_id"`
	ClientSecret       config.Secret `yaml:"client_secret"`
	LoginURL           string        `yaml:"login_url"`   // empty: https://login.microsoftonline.com
	APIVersion         string        `yaml:"api_version"` // empty: v9.2

	// KeyColumns are the custom columns with our key, by table: email, incident and others that rules make.
	KeyColumns   map[string]string `yaml:"key_columns"`
	EmailColumns []string          `yaml:"email_columns"` // of contacts, leads and accounts; empty: emailaddress1 and 2
	Leads        *bool             `yaml:"leads"`         // nil: true
	Accounts     *bool             `yaml:"accounts"`      // whether accounts are found by their own addresses; nil: true
	CompanyBy    CompanyBy         `yaml:"company_by"`    // empty: website

	StatusSent     int           `yaml:"status_sent"`     // zero: 3
	StatusReceived int           `yaml:"status_received"` // zero: 4
	Attachments    *bool         `yaml:"attachments"`     // nil: true
	MaxAttachment  *config.Bytes `yaml:"max_attachment"`  // nil: 5 MB, the default of MaxUploadFileSize
	MaxText        int           `yaml:"max_text"`        // runes; zero: 100000
	// DefaultCustomer is the id of the account of tickets whose requester is no contact: a case cannot be without a customer.
	DefaultCustomer string          `yaml:"default_customer"`
	Overlap         config.Duration `yaml:"overlap"` // of polls for changes; zero: 2 min

	Fields        fieldmap.Fields `yaml:"fields"`
	ContactFields fieldmap.Fields `yaml:"contact_fields"`
	LeadFields    fieldmap.Fields `yaml:"lead_fields"`
	TicketFields  fieldmap.Fields `yaml:"ticket_fields"`
}

const (
	defaultLogin   = "https://login.microsoftonline.com"
	defaultVersion = "v9.2"
	defaultMaxFile = 5_000_000
	highestMaxFile = 100 << 20
	defaultMaxText = 100_000
	highestMaxText = 1 << 20
	defaultOverlap = 2 * time.Minute
	maxOverlap     = time.Hour
	maxColumns     = 8 // with addresses
	// The service protection limits: 6,000 requests in 300 s and 52 at the same time, for a user on a server.
	requestsPerSecond = 20
	maxConcurrent     = 12
)

var (
	versionForm = regexp.MustCompile(`^v9\.[0-9]{1,2}$`)
	// nameForm is what a logical name may be: it goes into paths and queries as it is.
	nameForm   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)
	guidForm   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	tenantForm = regexp.MustCompile(`^[A-Za-z0-9.-]{1,100}$`)
)

func orTrue(b *bool) bool { return b == nil || *b }

func (c Config) withDefaults() Config {
	if c.LoginURL == "" {
		c.LoginURL = defaultLogin
	}
	if c.APIVersion == "" {
		c.APIVersion = defaultVersion
	}
	if len(c.EmailColumns) == 0 {
		c.EmailColumns = []string{"emailaddress1", "emailaddress2"}
	}
	if c.CompanyBy == "" {
		c.CompanyBy = CompanyByWebsite
	}
	if c.StatusSent == 0 {
		c.StatusSent = 3
	}
	if c.StatusReceived == 0 {
		c.StatusReceived = 4
	}
	if c.MaxText == 0 {
		c.MaxText = defaultMaxText
	}
	if c.Overlap == 0 {
		c.Overlap = config.Duration(defaultOverlap)
	}
	return c
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

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c = c.withDefaults()
	errs := []error{c.Settings.Validate()}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(c.URL); err == nil && c.URL != "" && strings.Trim(u.Path, "/") != "" {
		bad("url must be that of the environment without a path, such as https://example.crm.dynamics.com")
	}
	if !tenantForm.MatchString(c.Tenant) {
		bad("tenant is missing or not an id or domain: see Microsoft Entra admin center, Overview")
	}
	if c.ClientID == "" {
		bad("client_id is missing: the application (client) id of the app registration")
	}
	if c.ClientSecret.IsZero() {
		bad("client_secret is missing: a secret of the app registration")
	}
	if _, err := crmclient.ParseURL(c.LoginURL); err != nil {
		bad("login_url: %w", err)
	}
	if !versionForm.MatchString(c.APIVersion) {
		bad("api_version must look like v9.2")
	}
	for _, table := range slices.Sorted(maps.Keys(c.KeyColumns)) {
		if column := c.KeyColumns[table]; !nameForm.MatchString(table) || !nameForm.MatchString(column) {
			bad("key_columns: %q: %q is not the logical name of a table and of a column", table, column)
		}
	}
	if len(c.EmailColumns) > maxColumns || slices.ContainsFunc(c.EmailColumns, func(s string) bool { return !nameForm.MatchString(s) }) {
		bad("email_columns must be at most %d logical names", maxColumns)
	}
	if !slices.Contains(c.CompanyBy.Allowed(), string(c.CompanyBy)) {
		bad("company_by must be one of %s", strings.Join(c.CompanyBy.Allowed(), ", "))
	}
	if m := c.maxAttachment(); m < 0 || m > highestMaxFile {
		bad("max_attachment must be between 0 and %d bytes", highestMaxFile)
	}
	if c.MaxText < 2*noteRoom || c.MaxText > highestMaxText {
		bad("max_text must be between %d and %d", 2*noteRoom, highestMaxText)
	}
	if c.DefaultCustomer != "" && !guidForm.MatchString(c.DefaultCustomer) {
		bad("default_customer must be the id of an account")
	}
	if d := c.Overlap.D(); d < 0 || d > maxOverlap {
		bad("overlap must be between 0 and %s", maxOverlap)
	}
	if c.StatusSent < 0 || c.StatusReceived < 0 {
		bad("status_sent and status_received must not be negative")
	}
	if _, err := newMappings(c); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
