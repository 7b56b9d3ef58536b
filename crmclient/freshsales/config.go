package freshsales

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
)

// Config is the section of a Freshsales target. The token may come from a file (token_file).
type Config struct {
	// Settings: url is that of the account, https://NAME.myfreshworks.com; a path other than /crm/sales/api is written behind it.
	crmclient.Settings `yaml:",inline"`
	// Token is the API key of a user.
	Token config.Secret `yaml:"token"`
	// ActivityType is the name, the internal name or the id of the type of sales activity; empty means email.
	ActivityType string `yaml:"activity_type"`
	// DefaultContact is the id of the contact who gets the mails that belong to nobody; zero: such mail is given up.
	DefaultContact int64 `yaml:"default_contact"`
	// FindActivities says where an activity is looked for: account (empty means that), contact or off.
	FindActivities string `yaml:"find_activities"`
	// OnUnknown is stop (empty means that) or retry; see the package comment.
	OnUnknown string `yaml:"on_unknown"`
	// LookPages bounds how many pages of 100 activities are looked through; zero means 50.
	LookPages int `yaml:"look_pages"`
	// UploadDocuments adds the files of a mail to its contact or account; without it they are named in the notes.
	UploadDocuments bool `yaml:"upload_documents"`
	// CompanyField is the field of an account that has its domain; empty means website.
	CompanyField string `yaml:"company_field"`
	// PollChanges has changes of records told, by searches.
	PollChanges bool `yaml:"poll_changes"`
	// HourlyRequests bounds the requests of an hour over all nodes; zero means 1,000.
	HourlyRequests int `yaml:"hourly_requests"`
}

const (
	usualPath  = "/crm/sales/api"
	stop       = "stop"
	retry      = "retry"
	ofAccount  = "account"
	ofContact  = "contact"
	nowhere    = "off"
	usualPages = 50
	usualHour  = 1000
)

var fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

func (c *Config) setDefaults() {
	if u, err := url.Parse(c.URL); err == nil && c.URL != "" && strings.Trim(u.Path, "/") == "" {
		c.URL = strings.TrimRight(c.URL, "/") + usualPath
	}
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&c.ActivityType, "email")
	set(&c.FindActivities, ofAccount)
	set(&c.OnUnknown, stop)
	set(&c.CompanyField, "website")
	if c.LookPages == 0 {
		c.LookPages = usualPages
	}
	if c.HourlyRequests == 0 {
		c.HourlyRequests = usualHour
	}
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := c.Settings.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.Token.IsZero() {
		bad("token is missing: give the API key of a user, from Profile settings, API settings")
	}
	if c.FindActivities != ofAccount && c.FindActivities != ofContact && c.FindActivities != nowhere {
		bad("find_activities must be %s, %s or %s", ofAccount, ofContact, nowhere)
	}
	if c.OnUnknown != stop && c.OnUnknown != retry {
		bad("on_unknown must be %s or %s", stop, retry)
	}
	if !fieldName.MatchString(c.CompanyField) {
		bad("company_field: %q is not the name of a field", c.CompanyField)
	}
	if c.DefaultContact < 0 || c.HourlyRequests < 0 {
		bad("default_contact and hourly_requests must not be negative")
	}
	if c.LookPages < 1 || c.LookPages > 1000 {
		bad("look_pages must be between 1 and 1000")
	}
	return errors.Join(errs...)
}
