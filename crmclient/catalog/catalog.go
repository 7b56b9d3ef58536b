// Package catalog is the one table of connectors, and the only package that imports all of them.
//
// A new CRM is a folder beside it and one line in the table here. There is no registration at start-up: what
// is not in the table does not exist. The package holds no state; who calls New closes the Client, if it can be closed.
package catalog

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/dynamics"
	"heliograph/crmclient/espocrm"
	"heliograph/crmclient/file"
	"heliograph/crmclient/freshsales"
	"heliograph/crmclient/fxiaoke"
	"heliograph/crmclient/hubspot"
	"heliograph/crmclient/jiandaoyun"
	"heliograph/crmclient/kingdee"
	"heliograph/crmclient/neocrm"
	"heliograph/crmclient/odoo"
	"heliograph/crmclient/pipedrive"
	"heliograph/crmclient/rest"
	"heliograph/crmclient/salesforce"
	"heliograph/crmclient/suitecrm"
	"heliograph/crmclient/twenty"
	"heliograph/crmclient/webhook"
	"heliograph/crmclient/yonyou"
	"heliograph/crmclient/zoho"
	"heliograph/internal/limit"
	"heliograph/internal/oauth"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Deps are what connectors may use. All but Store may be nil or empty.
type Deps struct {
	Store      *store.DB // builtin lives in it
	UserAgent  string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Limiter    limit.Limiter // for rates that nodes share
	Tokens     *oauth.Keeper // of access tokens; nil keeps them in this process only
	// Queue and Sealer are for the subscribers of webhook targets, with Store. Without them nobody can subscribe.
	Queue  *queue.Queue
	Sealer oauth.Sealer
	// Metered is told of each rate of a target and of its key at Limiter; nil: nobody is.
	Metered func(target, what, key string, rate limit.Rate)
}

// connector is one line of the table.
type connector struct {
	name     string
	validate func(config.Section) error
	open     func(config.Target, Deps) (crmclient.Client, error)
}

// connectors is the table, sorted by name.
var connectors = []connector{
	{"builtin", validate[builtin.Config], openBuiltin},
	from("dynamics", dynamics.New),
	from("espocrm", espocrm.New),
	from("file", file.New),
	from("freshsales", freshsales.New),
	from("fxiaoke", fxiaoke.New),
	from("hubspot", hubspot.New),
	from("jiandaoyun", jiandaoyun.New),
	from("kingdee", kingdee.New),
	from("neocrm", neocrm.New),
	from("odoo", odoo.New),
	from("pipedrive", pipedrive.New),
	from("rest", rest.New),
	from("salesforce", salesforce.New),
	from("suitecrm", suitecrm.New),
	from("twenty", twenty.New),
	{"webhook", validate[webhook.Config], openWebhook},
	from("yonyou", yonyou.New),
	from("zoho", zoho.New),
}

// Types returns the names of all connectors, sorted.
func Types() []string {
	names := make([]string, len(connectors))
	for i, c := range connectors {
		names[i] = c.name
	}
	return names
}

func find(t config.Target) (connector, error) {
	i := slices.IndexFunc(connectors, func(c connector) bool { return c.name == t.Type })
	if i < 0 {
		return connector{}, fmt.Errorf("target %q: unknown type %q; known are %s", t.Name, t.Type, strings.Join(Types(), ", "))
	}
	return connectors[i], nil
}

// Validate decodes the target's section strictly and checks it, without the network and without side effects.
// The error lists all mistakes.
func Validate(t config.Target) error {
	c, err := find(t)
	if err != nil {
		return err
	}
	if err := c.validate(t.Section); err != nil {
		return fmt.Errorf("target %q: %w", t.Name, err)
	}
	return nil
}

// New builds the client of a target, without using the network. If the client is an io.Closer,
// the caller closes it when the target is no longer used.
func New(t config.Target, d Deps) (crmclient.Client, error) {
	c, err := find(t)
	if err != nil {
		return nil, err
	}
	client, err := c.open(t, d)
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", t.Name, err)
	}
	return client, nil
}

// settings are the section of a connector.
type settings interface{ Validate() error }

// from makes a line of the table of a connector over HTTP.
func from[C settings](name string, open func(C, crmclient.Deps) (crmclient.Client, error)) connector {
	return connector{name, validate[C], func(t config.Target, d Deps) (crmclient.Client, error) {
		var cfg C
		if err := t.Decode(&cfg); err != nil {
			return nil, err
		}
		return open(cfg, d.of(t.Name, cfg))
	}}
}

// of are the parts for a target with a section.
func (d Deps) of(target string, section any) crmclient.Deps {
	return crmclient.Deps{
		Target: target, UserAgent: d.UserAgent, Logger: d.Logger, Registerer: d.Registerer,
		Limit: d.limit(target), Tokens: d.Tokens.For(section), Intents: d.intents(target),
	}
}

func validate[C settings](s config.Section) error {
	var cfg C
	if err := s.Decode(&cfg); err != nil {
		return err
	}
	return cfg.Validate()
}

func openBuiltin(t config.Target, d Deps) (crmclient.Client, error) {
	var cfg builtin.Config
	if err := t.Decode(&cfg); err != nil {
		return nil, err
	}
	return builtin.New(d.Store, cfg)
}

func openWebhook(t config.Target, d Deps) (crmclient.Client, error) {
	var cfg webhook.Config
	if err := t.Decode(&cfg); err != nil {
		return nil, err
	}
	c, err := webhook.New(cfg, d.of(t.Name, cfg))
	if err != nil {
		return nil, err
	}
	if d.Store == nil || d.Queue == nil || d.Sealer == nil {
		return c, nil
	}
	return c, c.WithSubscribers(cfg, d.of(t.Name, cfg), webhook.Parts{Store: d.Store, Queue: d.Queue, Sealer: d.Sealer})
}

// targetLimiter is a rate limit of one target, shared by all nodes that share the limiter.
type targetLimiter struct {
	limiter limit.Limiter
	key     string
	rate    limit.Rate
}

func (d Deps) limit(target string) func(string, limit.Rate) crmclient.RateLimiter {
	return func(what string, rate limit.Rate) crmclient.RateLimiter {
		if d.Limiter == nil || rate.Count <= 0 {
			return nil
		}
		l := targetLimiter{d.Limiter, "target:" + target + ":" + what, rate}
		if d.Metered != nil {
			d.Metered(target, what, l.key, rate)
		}
		return l
	}
}

// Allow takes one request from the rate.
func (t targetLimiter) Allow(ctx context.Context) (time.Duration, error) {
	d, err := t.limiter.Allow(ctx, t.key, t.rate, 1)
	if err != nil || d.Allowed {
		return 0, err
	}
	return max(d.RetryAfter, time.Millisecond), nil
}
