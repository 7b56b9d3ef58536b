package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Config is the section of the built-in CRM. All keys are optional.
type Config struct {
	// Stages are the stages of a deal in their order; nil means DefaultStages.
	Stages []string `yaml:"stages"`
	// Currency of deals that name none, ISO 4217; empty means CNY.
	Currency string `yaml:"currency"`
	// FreeMailDomains are domains whose users are not one company, besides the well-known ones.
	FreeMailDomains []string `yaml:"free_mail_domains"`
}

// DefaultStages are the stages of a deal unless the configuration has others.
var DefaultStages = []string{"lead", "qualified", "proposal", "negotiation", "won", "lost"}

const defaultCurrency = "CNY"

// Validate returns all that is wrong with the section.
func (c Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range c.Stages {
		switch {
		case strings.TrimSpace(s) == "" || len(s) > maxShort:
			errs = append(errs, fmt.Errorf("stages: %q is not a name", s))
		case seen[s]:
			errs = append(errs, fmt.Errorf("stages: %q is there twice", s))
		}
		seen[s] = true
	}
	if c.Currency != "" && !isCurrency(c.Currency) {
		errs = append(errs, fmt.Errorf("currency: %q is not three capital letters, such as CNY", c.Currency))
	}
	for _, d := range c.FreeMailDomains {
		if !strings.Contains(d, ".") || strings.ContainsAny(d, "@ /") {
			errs = append(errs, fmt.Errorf("free_mail_domains: %q is not a domain", d))
		}
	}
	return errors.Join(errs...)
}

// Config returns the settings in force, the defaults filled in.
func (c *CRM) Config() Config { return c.cfg }

func (c Config) withDefaults() Config {
	if len(c.Stages) == 0 {
		c.Stages = slices.Clone(DefaultStages)
	}
	if c.Currency == "" {
		c.Currency = defaultCurrency
	}
	return c
}
