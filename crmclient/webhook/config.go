package webhook

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"heliograph/config"
	"heliograph/crmclient"
)

// Config is the section of a webhook target. Secret and PreviousSecret may come from files
// (secret_file, previous_secret_file), as every secret may.
type Config struct {
	// URL is a secret, because with Zapier and IFTTT whoever knows it may post.
	URL config.Secret `yaml:"url"`
	// Secret signs each request: "whsec_" and base64 of 24 to 64 bytes, or any other text, whose
	// bytes are the key. Empty means no signature.
	Secret config.Secret `yaml:"secret"`
	// PreviousSecret signs too, so that a receiver may change to the new one at its own time.
	PreviousSecret config.Secret   `yaml:"previous_secret"`
	Timeout        config.Duration `yaml:"timeout"` // of one request; zero means 20 s
	// Headers are added to each request.
	Headers map[string]config.Secret `yaml:"headers"`
	// AllowPrivate: see crmclient.Options.
	AllowPrivate *bool  `yaml:"allow_private"`
	IncludeHTML  *bool  `yaml:"include_html"` // nil means true
	CAFile       string `yaml:"ca_file"`      // PEM
	// Proxy is an http, https or socks5 URL, which may hold a password; empty means none.
	Proxy config.Secret `yaml:"proxy"`
	// MaxConcurrent is how many requests may be under way at once; zero means 8.
	MaxConcurrent int `yaml:"max_concurrent"`
	// RequestsPerSecond bounds the rate over all nodes; zero means no limit.
	RequestsPerSecond float64 `yaml:"requests_per_second"`
	// Subscriptions let receivers subscribe by themselves.
	Subscriptions Subscriptions `yaml:"subscriptions"`
}

// Subscriptions are the REST hooks of a target.
type Subscriptions struct {
	// Token is what a receiver shows as bearer token. Empty: nobody can subscribe.
	Token config.Secret `yaml:"token"`
	// Max bounds how many there are; zero means 50.
	Max int `yaml:"max"`
	// AllowPrivate lets addresses be in a private network or on this machine, and without TLS.
	AllowPrivate bool `yaml:"allow_private"`
}

const (
	defaultSubscriptions = 50
	maxSubscriptions     = 1000
	minToken             = 16 // bytes: it is all that keeps strangers from the mail
)

func (s Subscriptions) max() int {
	if s.Max == 0 {
		return defaultSubscriptions
	}
	return s.Max
}

const maxTimeout = 2 * time.Minute

// ownHeaders are set by the gateway or belong to HTTP itself.
var ownHeaders = []string{
	"Connection", "Content-Length", "Content-Type", "Idempotency-Key", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent", crmclient.WebhookIDHeader, crmclient.WebhookTimestampHeader, crmclient.WebhookSignatureHeader,
}

func (c Config) settings() crmclient.Settings {
	return crmclient.Settings{
		Timeout: c.Timeout, AllowPrivate: c.AllowPrivate, CAFile: c.CAFile, Proxy: c.Proxy,
		MaxConcurrent: c.MaxConcurrent, RequestsPerSecond: c.RequestsPerSecond,
	}
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	subscribers := !c.Subscriptions.Token.IsZero()
	if c.URL.IsZero() && !subscribers {
		bad("url is missing: give the address that gets a POST per message, or subscriptions.token")
	} else if c.URL.IsZero() {
		// Only who subscribes gets messages.
	} else if _, err := crmclient.ParseURL(c.URL.Reveal()); err != nil {
		bad("url: %w", err)
	}
	if _, err := crmclient.WebhookKey(c.Secret.Reveal()); err != nil {
		bad("secret: %w", err)
	}
	if _, err := crmclient.WebhookKey(c.PreviousSecret.Reveal()); err != nil {
		bad("previous_secret: %w", err)
	}
	if c.Secret.IsZero() && !c.PreviousSecret.IsZero() {
		bad("previous_secret without secret: put the one in use into secret")
	}
	if n := len(c.Subscriptions.Token.Reveal()); subscribers && n < minToken {
		bad("subscriptions.token must have %d characters or more", minToken)
	}
	if n := c.Subscriptions.Max; n < 0 || n > maxSubscriptions {
		bad("subscriptions.max must be between 0 and %d", maxSubscriptions)
	}
	if d := c.Timeout.D(); d < 0 || d > maxTimeout {
		bad("timeout must be between 0 and %s", maxTimeout)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			bad("headers: %q is not the name of a header", name)
		case slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)):
			bad("headers: %s is set by the gateway itself", name)
		case !httpguts.ValidHeaderFieldValue(c.Headers[name].Reveal()):
			bad("headers: the value of %s has a character that HTTP does not allow", name)
		}
	}
	if !c.Proxy.IsZero() {
		if u, err := url.Parse(c.Proxy.Reveal()); err != nil || u.Host == "" {
			bad("proxy is not a URL")
		}
	}
	if c.MaxConcurrent < 0 || c.RequestsPerSecond < 0 {
		bad("max_concurrent and requests_per_second must not be negative")
	}
	return errors.Join(errs...)
}
