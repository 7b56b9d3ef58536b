package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/catalog"
	"heliograph/hooks/archive"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/accounts"
	"heliograph/internal/console"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/administration"
	rulesapi "heliograph/internal/console/api/automation"
	"heliograph/internal/console/api/exchange"
	mailapi "heliograph/internal/console/api/mail"
	"heliograph/internal/console/audit"
	"heliograph/internal/console/live"
	"heliograph/internal/console/onboard"
	"heliograph/internal/console/ui"
	"heliograph/internal/gateway/actions"
	"heliograph/internal/limit"
	"heliograph/internal/report"
)

// desk is what people work with in a browser, and programs by the API. It lives as long as the gateway: what a reload changes it asks for.
type desk struct {
	signIn  *access.SignIn
	audit   *audit.Log
	admin   *administration.Part
	live    *live.Hub
	parts   []api.Part
	handler http.Handler
}

func (g *Gateway) startConsole(ctx context.Context) error {
	d, err := g.newDesk()
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	g.desk = d
	onboarding := OnboardingOf(g.cfg)
	onboarding.Limiter = g.limits
	book := onboard.New(onboarding)
	c, err := console.Start(ctx, console.Options{
		Address: g.cfg.Console.Address, Gatherer: g.registry, Ready: g.ready, Version: g.opts.Version, Logger: g.log,
		Files: g.file, Hooks: g.hooks(), Events: g.events(), Unsubscribe: g.unsubscribe(), Approvals: g.approvals(), Registerer: g.registry,
		API: d.handler, UI: d.admin.Protect(ui.Handler()), Onboarding: &console.Onboarding{Patterns: book.Patterns(), Handler: book},
	})
	if err != nil {
		return err
	}
	g.console = c
	g.onClose("console", c.Close)
	g.onClose("live events", func(context.Context) error { d.live.Close(); return nil }) // before the console, which waits for its connections
	g.background("set-up link", g.firstStart)
	return nil
}

// firstStartAgain is how long a gateway without its store waits before it looks again whether it has an admin.
const firstStartAgain = 10 * time.Second

// firstStart logs the link of the first admin, once the store is there: mail does not wait for it.
func (g *Gateway) firstStart(ctx context.Context) error {
	for {
		err := g.desk.signIn.FirstStart(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		g.log.Warn("the console cannot look yet whether it has an admin", "err", err)
		select {
		case <-time.After(firstStartAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// signInsPerMinute are the failed sign-ins at the console that are free where the configuration sets no limit for mail programs.
const signInsPerMinute = 10

// newDesk builds all parts of the API.
func (g *Gateway) newDesk() (_ *desk, err error) {
	d := &desk{}
	if d.audit, err = g.newAudit(); err != nil {
		return nil, err
	}
	failures := g.failures
	if g.cfg.Limits.LoginPerMinute <= 0 { // mail programs may guess as often as they like; browsers may not
		failures = limit.NewFailures(g.limits, signInsPerMinute)
	}
	d.signIn, err = access.New(access.Options{
		Store: g.store, Seal: g.keys, Failures: failures, Config: g.cfg.Console, Mailbox: access.ByUpstream(g.router.get, g.log), Internal: g.internal,
		Logger: g.log, Now: g.opts.Now,
	})
	if err != nil {
		return nil, err
	}
	record := &lateRecorder{}
	if d.parts, err = g.apiParts(d, record); err != nil {
		return nil, err
	}
	doc, err := api.Read(d.parts, g.opts.Version)
	if err != nil {
		return nil, err
	}
	record.Recorder = d.audit.Recorder(doc.Operations())
	h, err := api.New(api.Options{
		Document: doc, Authenticate: d.signIn.Authenticate, Client: d.signIn.Client, Audit: record, Limiter: g.limits, Logger: g.log,
	})
	if err != nil {
		return nil, err
	}
	d.handler = d.admin.Protect(h)
	return d, nil
}

// lateRecorder is the record of deeds for parts that are built before the record knows all operations.
type lateRecorder struct{ api.Recorder }

func (g *Gateway) newAudit() (*audit.Log, error) {
	o := auditOptions(g.cfg, g.store, g.keys, g.log)
	o.Now = g.opts.Now
	log, err := audit.New(o)
	if err != nil {
		return nil, err
	}
	log.Start()
	g.onClose("audit", log.Close)
	return log, nil
}

// apiParts are the parts of the API, for a gateway that runs.
func (g *Gateway) apiParts(d *desk, record api.Recorder) ([]api.Part, error) {
	names := func(ctx context.Context) (map[string]string, error) { return d.signIn.Names(ctx) }
	operations, err := g.startOperations(names, record)
	if err != nil {
		return nil, err
	}
	d.live = live.New(live.Options{Store: g.store, Recheck: d.signIn.Recheck, Origins: origins(g.cfg), Logger: g.log, Now: g.opts.Now})
	ex, err := g.exchangePart()
	if err != nil {
		return nil, err
	}
	d.admin = administration.New(administration.Options{SignIn: d.signIn, Audit: d.audit, Settings: g.settingsFile(d), Changed: d.live.Recheck, Logger: g.log})
	rules := rulesapi.New(rulesapi.Options{
		Store: g.store, Queue: g.queue, Gateway: RuleBench{Store: g.store, Config: g.config, Client: g.client}, ExpireIn: func() time.Duration { return g.config().Outbox.ExpireIn.D() },
		Now: g.opts.Now, Logger: g.log,
	})
	g.background("rules of the console", rules.Run)
	return []api.Part{g.mailPart().API(), operations.API(), d.admin.API(), ex.API(), rules.API(), d.live.API()}, nil
}

// settingsFile is the configuration file as the console changes it; nil where the gateway was not started from one.
func (g *Gateway) settingsFile(d *desk) *administration.SettingsFile {
	if g.opts.ConfigFile == "" {
		return nil
	}
	return &administration.SettingsFile{
		Path: g.opts.ConfigFile, Checks: []config.Check{catalog.Validate},
		Fixed: func(next *config.Config) []string { return changedFixed(g.config(), next) },
		Reload: func(ctx context.Context, next *config.Config) error {
			if err := g.Reload(ctx, next); err != nil {
				return err
			}
			return d.live.Publish(ctx, live.Event{Topic: live.Settings, What: "changed"})
		},
	}
}

// origins are the hosts whose pages may listen to what happens, besides the host that was asked.
func origins(cfg *config.Config) []string {
	u, err := url.Parse(cfg.Console.PublicURL)
	if err != nil || u.Host == "" {
		return nil
	}
	return []string{u.Host}
}

// background runs something beside the gateway until it stops.
func (g *Gateway) background(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx) // it ends with ctx only, and logs itself
	}()
	g.onClose(name, func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

func (g *Gateway) mailPart() *mailapi.Part {
	return mailapi.New(mailapi.Options{
		Store: g.store, Journal: g.journal, Queue: g.queue, Archive: g.archive, Contacts: g.contactBook, Choices: scope.NewChoices(g.store, nil),
		Domains: crmclient.NewCompanyDomains(g.cfg.Matching.FreeMailDomains), Targets: g.targetNames,
		CompanyRules: func() []string {
			var names []string
			for _, r := range g.config().Privacy.Rules {
				names = append(names, r.Name)
			}
			return names
		},
		Enrolment: func(ctx context.Context, address string) (accounts.Enrolment, bool, error) {
			return g.Accounts().Get(ctx, address)
		},
		Routed: func(address string) bool {
			_, err := g.router.get().Route("", "", address)
			return err == nil
		},
		Captured: func(account, mailbox string) bool {
			rule := g.config().Capture.For(account)
			return rule.Policy != config.CaptureNone && rule.Folders.Takes(mailbox, "")
		},
		Now: g.opts.Now,
	})
}

func (g *Gateway) exchangePart() (*exchange.Part, error) {
	var crm *builtin.CRM
	if slices.ContainsFunc(g.cfg.Targets, func(t config.Target) bool { return t.Type == "builtin" }) {
		var err error
		if crm, err = builtin.New(g.store, builtin.Config{}); err != nil {
			return nil, err
		}
	}
	onboarding := OnboardingOf(g.cfg)
	p := exchange.New(exchange.Options{
		Store: g.store, Config: g.cfg.Console.Exchange, DataDir: g.cfg.DataDir, Tables: ImportedTables(g.cfg), CRM: crm, Contacts: g.contactBook, Targets: g.targetNames,
		ConfiguredTables: func() []exchange.ConfiguredTable {
			var list []exchange.ConfiguredTable
			for _, t := range g.config().Rules.Tables {
				list = append(list, exchange.ConfiguredTable{Name: t.Name, Read: func() (*report.Table, error) { return actions.ReadTable(t) }})
			}
			return list
		},
		Archive: g.archive, Onboard: onboard.New(onboarding), PublicURL: g.cfg.Console.PublicURL, Limiter: g.limits, Logger: g.log, Now: g.opts.Now,
		Enrolled: func(ctx context.Context, address string) (bool, error) {
			_, found, err := g.Accounts().Get(ctx, address)
			return found, err
		},
	})
	g.onClose("imports and exports", func(context.Context) error { return p.Close() })
	g.background("old imports and exports", func(ctx context.Context) error {
		tick := time.NewTicker(time.Hour)
		defer tick.Stop()
		for {
			if err := p.Clean(ctx); err != nil && ctx.Err() == nil {
				g.log.Warn("old files of imports and exports were not removed", "err", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return p, nil
}

// buildArchive makes the index by which people find messages.
func (g *Gateway) buildArchive(context.Context) error {
	node, err := nodeName(filepath.Join(g.cfg.DataDir, "node"))
	if err != nil {
		return err
	}
	g.archive = archive.New(archive.Options{
		Store: g.store, Journal: g.journal, Node: node, Internal: g.internal, Domains: crmclient.NewCompanyDomains(g.cfg.Matching.FreeMailDomains), Now: g.opts.Now, Logger: g.log, Pace: g.pace,
		Rest: 4, // the mirror goes first
	})
	return nil
}

// What a reload changes, as the parts ask for it.

func (g *Gateway) internal(address string) bool { return internalTo(g.config())(address) }

func (g *Gateway) contactBook() *contacts.Book { return g.inbound.Load().book }

func (g *Gateway) client(target string) crmclient.Client { return g.inbound.Load().clients[target] }

func (g *Gateway) targetNames() []string {
	var names []string
	for _, t := range g.config().Targets {
		names = append(names, t.Name)
	}
	return names
}
