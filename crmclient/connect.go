package crmclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/limit"
	"heliograph/internal/oauth"
)

// Settings are the keys of a target that all connectors over HTTP share. Their sections hold it with yaml:",inline".
type Settings struct {
	// URL is the address of the API. Connectors whose vendor has one address for all have it as default.
	URL     string          `yaml:"url"`
	Timeout config.Duration `yaml:"timeout"` // of one request; zero means 20 s
	// AllowPrivate: see Options.
	AllowPrivate *bool  `yaml:"allow_private"`
	CAFile       string `yaml:"ca_file"` // PEM
	// Proxy is an http, https or socks5 URL, which may hold a password; empty means none.
	Proxy config.Secret `yaml:"proxy"`
	// MaxConcurrent is how many requests may be under way at once; zero means the connector's default.
	MaxConcurrent int `yaml:"max_concurrent"`
	// RequestsPerSecond bounds the rate over all nodes; zero means the connector's default.
	RequestsPerSecond float64 `yaml:"requests_per_second"`
}

const maxRequestTimeout = 2 * time.Minute

// Validate returns what is wrong with the settings. It uses neither network nor files.
func (s *Settings) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.URL == "" {
		bad("url is missing: give the address of the API")
	} else if _, err := ParseURL(s.URL); err != nil {
		bad("url: %w", err)
	}
	if d := s.Timeout.D(); d < 0 || d > maxRequestTimeout {
		bad("timeout must be between 0 and %s", maxRequestTimeout)
	}
	if !s.Proxy.IsZero() {
		if u, err := url.Parse(s.Proxy.Reveal()); err != nil || u.Host == "" {
			bad("proxy is not a URL")
		}
	}
	if s.MaxConcurrent < 0 || s.RequestsPerSecond < 0 {
		bad("max_concurrent and requests_per_second must not be negative")
	}
	return errors.Join(errs...)
}

// Deps are what a connector gets from outside. All but Target may be nil or empty.
type Deps struct {
	Target     string // name of the target in the configuration
	UserAgent  string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Limit returns the limiter of a rate that all nodes share. What tells apart several rates of one target.
	Limit func(what string, rate limit.Rate) RateLimiter
	// Tokens keeps access tokens; nil keeps them in this process only.
	Tokens *oauth.Keeper
	// Intents keep what is being written; nil keeps them in this process only, so that a crash may double a record.
	Intents Intents
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Wait waits between two tries of one page (Reread), and fails when ctx ends first; nil waits by the clock.
	Wait func(ctx context.Context, d time.Duration) error
}

// Transport builds the transport for the settings. Options that the connector sets (Secrets, Headers, MaxConcurrent, RateLimiter …)
// are kept as defaults; what the settings say wins.
func (d Deps) Transport(s Settings, o Options) (*Transport, error) {
	if o.URL == nil {
		u, err := ParseURL(s.URL)
		if err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
		o.URL = u
	}
	o.Target, o.UserAgent, o.Logger, o.Registerer = d.Target, d.UserAgent, d.Logger, d.Registerer
	o.AllowPrivate, o.CAFile, o.Proxy = s.AllowPrivate, s.CAFile, s.Proxy.Reveal()
	if s.Timeout.D() > 0 {
		o.Timeout = s.Timeout.D()
	}
	if s.MaxConcurrent > 0 {
		o.MaxConcurrent = s.MaxConcurrent
	}
	if s.RequestsPerSecond > 0 {
		o.RateLimiter = d.limit("requests", perSecond(s.RequestsPerSecond))
	}
	return NewTransport(o)
}

func (d Deps) limit(what string, rate limit.Rate) RateLimiter {
	if d.Limit == nil {
		return nil
	}
	return d.Limit(what, rate)
}

// perSecond makes a rate of a number that may be below one.
func perSecond(n float64) limit.Rate {
	if n >= 1 {
		return limit.Rate{Count: int(n), Per: time.Second}
	}
	return limit.Rate{Count: 1, Per: time.Duration(float64(time.Second) / n)}
}

// Clock returns the time by Now.
func (d Deps) Clock() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}
