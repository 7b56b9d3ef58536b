package neocrm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Config is the section of a target.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	ClientID           string        `yaml:"client_id"`
	ClientSecret       config.Secret `yaml:"client_secret"`
	RedirectURI        string        `yaml:"redirect_uri"` // as it is registered for the application
	Username           string        `yaml:"username"`
	Password           config.Secret `yaml:"password"`
	SecurityToken      config.Secret `yaml:"security_token"` // eight letters, sent behind the password
	TokenPath          string        `yaml:"token_path"`     // empty means /oauth2/token
	AuthHeader         AuthHeader    `yaml:"auth_header"`    // empty means bearer
	// TokenCodes are codes of answers that say that a token is no longer known.
	TokenCodes []string `yaml:"token_codes"`
	// Quote is how XOQL writes a quote in a text; empty means refuse.
	Quote      Quote    `yaml:"quote"`
	Activities Activity `yaml:"activities"`
	Contacts   People   `yaml:"contacts"`
	// Leads are looked for and made only if Object is given, usually lead.
	Leads People `yaml:"leads"`
	// Members are the ids of users by mail address.
	Members map[string]string `yaml:"members"`
	// TextRunes is how long a text may be; zero means 10,000 characters.
	TextRunes int `yaml:"text_runes"`
}

// Activity is the object that gets a record per mail.
type Activity struct {
	Object string `yaml:"object"` // empty means activityrecord
	// Key is a text field of your own that holds the key of the mail.
	Key        string          `yaml:"key"`
	EntityType string          `yaml:"entity_type"` // id of the business type (业务类型)
	Department string          `yaml:"department"`  // id for dimDepart; empty leaves it out
	Owner      string          `yaml:"owner"`       // id of the user who owns what nobody in members does
	Fields     fieldmap.Fields `yaml:"fields"`
}

// People is an object of people.
type People struct {
	Object  string          `yaml:"object"`  // contact
	Address []string        `yaml:"address"` // email
	Name    string          `yaml:"name"`    // contactName for contacts, name for leads
	Fields  fieldmap.Fields `yaml:"fields"`  // of a new one
}

// AuthHeader is how the token stands in the header Authorization.
type AuthHeader string

// The ways.
const (
	Bearer AuthHeader = "bearer"
	Bare   AuthHeader = "bare"
)

// Allowed returns all ways.
func (AuthHeader) Allowed() []string { return []string{string(Bearer), string(Bare)} }

// Quote is how XOQL writes a quote within a text.
type Quote string

// The ways: such a text is not searched for, or the quote is doubled, or a backslash stands before it.
const (
	Refuse    Quote = "refuse"
	Double    Quote = "double"
	Backslash Quote = "backslash"
)

// Allowed returns all ways.
func (Quote) Allowed() []string { return []string{string(Refuse), string(Double), string(Backslash)} }

const (
	defaultURL       = "https://api.xiaoshouyi.com"
	defaultTextRunes = 10_000
	maxTextRunes     = 1_000_000
)

// apiKey is what objects and fields are called.
var apiKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// recordID is what ids look like.
var recordID = regexp.MustCompile(`^[0-9]{1,20}$`)

func (c Config) withDefaults() Config {
	c.URL = strings.TrimRight(cmp.Or(c.URL, defaultURL), "/")
	c.TokenPath = cmp.Or(c.TokenPath, "/oauth2/token")
	c.AuthHeader = cmp.Or(c.AuthHeader, Bearer)
	c.Quote = cmp.Or(c.Quote, Refuse)
	c.Activities.Object = cmp.Or(c.Activities.Object, "activityrecord")
	c.Contacts.Object = cmp.Or(c.Contacts.Object, "contact")
	c.Contacts.Name = cmp.Or(c.Contacts.Name, "contactName")
	c.Leads.Name = cmp.Or(c.Leads.Name, "name")
	for _, p := range []*People{&c.Contacts, &c.Leads} {
		if len(p.Address) == 0 {
			p.Address = []string{"email"}
		}
	}
	c.TextRunes = cmp.Or(c.TextRunes, defaultTextRunes)
	return c
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := c.Settings.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.ClientID == "" || c.ClientSecret.IsZero() || c.RedirectURI == "" {
		bad("client_id, client_secret and redirect_uri are needed: 系统设置 > 开放平台 > 创建连接器 shows all three")
	}
	if c.Username == "" || c.Password.IsZero() || c.SecurityToken.IsZero() {
		bad("username, password and security_token are needed: 个人设置 > 安全令牌 shows the eight letters")
	}
	if !strings.HasPrefix(c.TokenPath, "/") || strings.ContainsAny(c.TokenPath, "?# ") {
		bad("token_path: %q is not a path", c.TokenPath)
	}
	if c.Activities.Key == "" {
		bad("activities: key is missing: add a text field (文本) to 活动记录 and name it here, such as messageKey__c")
	}
	if !recordID.MatchString(c.Activities.EntityType) {
		bad("activities: entity_type %q is not the id of a business type (业务类型)", c.Activities.EntityType)
	}
	for where, id := range map[string]string{"activities: department": c.Activities.Department, "activities: owner": c.Activities.Owner} {
		if id != "" && !recordID.MatchString(id) {
			bad("%s %q is not an id", where, id)
		}
	}
	for where, names := range map[string][]string{
		"activities": {c.Activities.Object, cmp.Or(c.Activities.Key, "x")},
		"contacts":   append([]string{c.Contacts.Object, c.Contacts.Name}, c.Contacts.Address...),
		"leads":      append([]string{cmp.Or(c.Leads.Object, "x"), c.Leads.Name}, c.Leads.Address...),
	} {
		for _, name := range names {
			if !apiKey.MatchString(name) {
				bad("%s: %q is not the API key of an object or field", where, name)
			}
		}
	}
	for _, address := range slices.Sorted(maps.Keys(c.Members)) {
		if !strings.Contains(address, "@") || !recordID.MatchString(c.Members[address]) {
			bad("members: %q: %q: give a mail address and the id of a user", address, c.Members[address])
		}
	}
	if c.TextRunes < 100 || c.TextRunes > maxTextRunes {
		bad("text_runes must be between 100 and %d", maxTextRunes)
	}
	if _, err := c.mappings(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
