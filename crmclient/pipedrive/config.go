package pipedrive

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
)

// Config is the section of a Pipedrive target. Each secret may come from a file (token_file …).
type Config struct {
	// Settings: url is that of the company, https://NAME.pipedrive.com, or empty for the common address.
	crmclient.Settings `yaml:",inline"`
	// Token is the personal API token of a user. It excludes the three below.
	Token        config.Secret `yaml:"token"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret config.Secret `yaml:"client_secret"`
	// RefreshToken may be left out where somebody ran "heliograph account connect".
	RefreshToken config.Secret `yaml:"refresh_token"`
	// TokenURL replaces the address that gives tokens.
	TokenURL string `yaml:"token_url"`

	// ActivityType is the key of the type of activity; empty means email.
	ActivityType string `yaml:"activity_type"`
	// Link says how an activity names its person: person_id (empty means that) or participants.
	Link string `yaml:"link"`
	// DefaultPerson is the id of the person who gets the mails that belong to nobody; zero: such mail is given up.
	DefaultPerson int64 `yaml:"default_person"`
	// LookBack is how far back a mail is looked for at most; zero means 30 days.
	LookBack config.Duration `yaml:"look_back"`
	// IncludeHTML sends the HTML of a mail where it has one; nil means true.
	IncludeHTML *bool `yaml:"include_html"`
	// DailyRequests bounds the requests of a day over all nodes; zero means no limit of ours.
	DailyRequests int `yaml:"daily_requests"`
}

const (
	defaultURL      = "https://api.pipedrive.com"
	defaultTokenURL = "https://oauth.pipedrive.com/oauth/token" //nolint:gosec // an address, not a secret
	authorizeURL    = "https://oauth.pipedrive.com/oauth/authorize"
	defaultLookBack = 30 * 24 * time.Hour

	linkPerson       = "person_id"
	linkParticipants = "participants"
)

var typeKey = regexp.MustCompile(`^[a-z0-9_]{1,50}$`)

func (c *Config) static() bool { return !c.Token.IsZero() }
func (c *Config) html() bool   { return c.IncludeHTML == nil || *c.IncludeHTML }

func (c *Config) base() string {
	if c.URL == "" {
		return defaultURL
	}
	return strings.TrimRight(c.URL, "/")
}

func (c *Config) tokenURL() string {
	if c.TokenURL == "" {
		return defaultTokenURL
	}
	return c.TokenURL
}

func (c *Config) activityType() string {
	if c.ActivityType == "" {
		return "email"
	}
	return c.ActivityType
}

func (c *Config) lookBack() time.Duration {
	if c.LookBack.D() == 0 {
		return defaultLookBack
	}
	return c.LookBack.D()
}

// companyHost says whether an address is one that Pipedrive gives to a company: the token may go there.
func companyHost(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Port() == "" && strings.HasSuffix(u.Hostname(), ".pipedrive.com")
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
	switch {
	case c.static() && (c.ClientID != "" || !c.RefreshToken.IsZero()):
		bad("token excludes client_id and refresh_token: give one or the other")
	case !c.static() && (c.ClientID == "" || c.ClientSecret.IsZero()):
		bad("token is missing: give the API token of a user, or client_id and client_secret of an app")
	}
	if _, err := crmclient.ParseURL(c.tokenURL()); err != nil {
		bad("token_url: %w", err)
	}
	if !typeKey.MatchString(c.activityType()) {
		bad("activity_type must be the key of a type, such as email: small letters, digits and _")
	}
	if c.Link != "" && c.Link != linkPerson && c.Link != linkParticipants {
		bad("link must be %s or %s", linkPerson, linkParticipants)
	}
	if c.DefaultPerson < 0 || c.DailyRequests < 0 {
		bad("default_person and daily_requests must not be negative")
	}
	if d := c.LookBack.D(); d != 0 && (d < time.Hour || d > 366*24*time.Hour) {
		bad("look_back must be between an hour and a year")
	}
	return errors.Join(errs...)
}
