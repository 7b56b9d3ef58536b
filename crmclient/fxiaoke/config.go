package fxiaoke

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Config is the section of a target.
type Config struct {
	crmclient.Settings `yaml:",inline"`
	AppID              string        `yaml:"app_id"` // FSAID_…
	AppSecret          config.Secret `yaml:"app_secret"`
	PermanentCode      config.Secret `yaml:"permanent_code"`
	// ActingUser is the employee who does what we do, FSUID_…; or ActingMobile is his telephone number, by which he is found.
	ActingUser   string `yaml:"acting_user"`
	ActingMobile string `yaml:"acting_mobile"`
	Activities   Object `yaml:"activities"`
	// Relate ties the record to contacts, leads and companies; nil means true.
	Relate   *bool  `yaml:"relate"`
	Contacts People `yaml:"contacts"`
	// Leads are looked for and made only if Object is given, usually LeadsObj.
	Leads People `yaml:"leads"`
	// Members are the employees by mail address: FSUID_….
	Members map[string]string `yaml:"members"`
	// ObjectKey is the key under which a query names its object; empty means dataObjectApiName.
	ObjectKey ObjectKey `yaml:"object_key"`
	// CallbackToken and CallbackKey (43 letters, encodingAesKey) are those of the event callback; empty means that no event is taken.
	CallbackToken config.Secret `yaml:"callback_token"`
	CallbackKey   config.Secret `yaml:"callback_key"`
	// CallbackWindow is how old an event may be; zero means 15 minutes.
	CallbackWindow config.Duration `yaml:"callback_window"`
	// TextRunes is how long a text may be; zero means 10,000 characters.
	TextRunes int `yaml:"text_runes"`
}

// Object is the object that gets a record per mail.
type Object struct {
	Object string `yaml:"object"` // empty means ActiveRecordObj
	// Key is a text field of your own that holds the key of the mail.
	Key    string          `yaml:"key"`
	Fields fieldmap.Fields `yaml:"fields"`
}

// People is an object of people. Fields whose name is empty have the vendor's own.
type People struct {
	Object  string          `yaml:"object"`  // ContactObj
	Address []string        `yaml:"address"` // email
	Name    string          `yaml:"name"`    // name
	Company string          `yaml:"company"` // account_id for contacts, company for leads
	Fields  fieldmap.Fields `yaml:"fields"`  // of a new one
}

// ObjectKey is the name of a key in requests.
type ObjectKey string

// The names.
const (
	DataObjectAPIName ObjectKey = "dataObjectApiName"
	APIName           ObjectKey = "apiName"
)

// Allowed returns all names.
func (ObjectKey) Allowed() []string { return []string{string(DataObjectAPIName), string(APIName)} }

const (
	defaultURL       = "https://open.fxiaoke.com"
	defaultTextRunes = 10_000
	maxTextRunes     = 1_000_000
	defaultWindow    = 15 * time.Minute
	maxWindow        = 24 * time.Hour
)

var (
	apiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)
	fsuid   = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)
)

func (c Config) withDefaults() Config {
	c.URL = strings.TrimRight(cmp.Or(c.URL, defaultURL), "/")
	c.Activities.Object = cmp.Or(c.Activities.Object, "ActiveRecordObj")
	c.Contacts.Object = cmp.Or(c.Contacts.Object, "ContactObj")
	c.Contacts.Company = cmp.Or(c.Contacts.Company, "account_id")
	c.Leads.Company = cmp.Or(c.Leads.Company, "company")
	for _, p := range []*People{&c.Contacts, &c.Leads} {
		p.Name = cmp.Or(p.Name, "name")
		if len(p.Address) == 0 {
			p.Address = []string{"email"}
		}
	}
	c.ObjectKey = cmp.Or(c.ObjectKey, DataObjectAPIName)
	c.TextRunes = cmp.Or(c.TextRunes, defaultTextRunes)
	c.CallbackWindow = cmp.Or(c.CallbackWindow, config.Duration(defaultWindow))
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
	if c.AppID == "" || c.AppSecret.IsZero() || c.PermanentCode.IsZero() {
		bad("app_id, app_secret and permanent_code are needed: 开放平台 > 应用 shows all three")
	}
	if (c.ActingUser == "") == (c.ActingMobile == "") {
		bad("name the acting employee by acting_user (FSUID_…) or by acting_mobile, by one of them")
	}
	if c.ActingUser != "" && !fsuid.MatchString(c.ActingUser) {
		bad("acting_user: %q is not an openUserId", c.ActingUser)
	}
	if c.Activities.Key == "" {
		bad("activities: key is missing: add a text field (单行文本) to 销售记录 in 对象管理 and name it here, such as field_ab1Cd__c")
	}
	for where, names := range map[string][]string{
		"activities": {c.Activities.Object, cmp.Or(c.Activities.Key, "x")},
		"contacts":   append([]string{c.Contacts.Object, c.Contacts.Name, c.Contacts.Company}, c.Contacts.Address...),
		"leads":      append([]string{cmp.Or(c.Leads.Object, "x"), c.Leads.Name, c.Leads.Company}, c.Leads.Address...),
	} {
		for _, name := range names {
			if !apiName.MatchString(name) {
				bad("%s: %q is not the API name of an object or field", where, name)
			}
		}
	}
	for _, address := range slices.Sorted(maps.Keys(c.Members)) {
		if !strings.Contains(address, "@") || !fsuid.MatchString(c.Members[address]) {
			bad("members: %q: %q: give a mail address and an openUserId", address, c.Members[address])
		}
	}
	if c.CallbackToken.IsZero() != c.CallbackKey.IsZero() {
		bad("callback_token and callback_key belong together")
	}
	if _, err := aesKey(c.CallbackKey.Reveal()); err != nil {
		bad("callback_key: %w", err)
	}
	if d := c.CallbackWindow.D(); d < time.Minute || d > maxWindow {
		bad("callback_window must be between 1m and %s", maxWindow)
	}
	if c.TextRunes < 100 || c.TextRunes > maxTextRunes {
		bad("text_runes must be between 100 and %d", maxTextRunes)
	}
	if _, err := c.mappings(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// aesKey reads the key of the callback; nil for an empty text.
func aesKey(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(s + "=")
	if err != nil || len(key) != 32 {
		return nil, errors.New("it must be the 43 letters of encodingAesKey")
	}
	return key, nil
}
