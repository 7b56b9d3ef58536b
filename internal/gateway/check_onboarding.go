package gateway

import (
	"context"
	"fmt"
	"net"

	"heliograph/config"
	"heliograph/internal/console/onboard"
)

// OnboardingOf is what mail programs are told by a configuration. It counts nobody's questions.
func OnboardingOf(cfg *config.Config) onboard.Options {
	return onboard.Options{
		Config: cfg.Console.Onboarding, Listeners: cfg.Listeners, Upstreams: cfg.Upstreams, PublicURL: cfg.Console.PublicURL,
	}
}

// onboarding asks the DNS for the records by which mail programs find their settings. Without public names there is nothing to ask for.
func (c *checker) onboarding(ctx context.Context) {
	o := c.cfg.Console.Onboarding
	if !o.Enabled || c.cfg.Console.PublicURL == "" && o.IMAPHost == "" && o.SMTPHost == "" {
		return
	}
	book := onboard.New(OnboardingOf(c.cfg))
	for _, p := range book.Problems() {
		c.warn("onboarding", "settings", p, "see console.onboarding in heliograph example")
	}
	for _, a := range book.Look(ctx, net.DefaultResolver) {
		switch {
		case a.OK:
			c.say("onboarding", "dns", nil, a.Record.String(), "")
		case a.Err != nil:
			c.warn("onboarding", "dns", fmt.Sprintf("%s %s: %v", a.Record.Name, a.Record.Type, a.Err), "ask again, or look at the resolver of this machine")
		case a.Found != "":
			c.warn("onboarding", "dns", fmt.Sprintf("%s %s is %s", a.Record.Name, a.Record.Type, a.Found), "mail programs that look for it go elsewhere; publish: "+a.Record.String())
		default:
			c.warn("onboarding", "dns", fmt.Sprintf("%s %s is missing", a.Record.Name, a.Record.Type), "people have to type their settings; publish: "+a.Record.String())
		}
	}
}
