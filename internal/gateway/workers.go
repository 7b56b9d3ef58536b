package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
	"heliograph/hooks"
	"heliograph/hooks/automail"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
)

// workers are the parts that read the journal: a reload stops them, builds them anew and
// starts them again, while mail goes on.
type workers struct {
	run     []func(context.Context) error
	clients map[string]crmclient.Client
	mirror  *mirror.Mirror
	meters  []meter // rates of targets
	closers []named // what ends with the workers
	metrics *generation
	close   func()
	log     func(msg string, args ...any)

	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (g *Gateway) buildWorkers(context.Context) error {
	w, err := g.newWorkers(g.cfg)
	if err != nil {
		return err
	}
	g.workers = w
	g.onClose("workers", func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.workers.stop()
		return nil
	})
	return nil
}

func (g *Gateway) newWorkers(cfg *config.Config) (_ *workers, err error) {
	w := &workers{clients: map[string]crmclient.Client{}, metrics: &generation{to: g.registry}, log: g.log.Error}
	defer func() {
		if err != nil {
			w.closeAll()
			w.metrics.drop()
		}
	}()
	channels, err := g.newNotifiers(cfg, w)
	if err != nil {
		return nil, err
	}
	var targets []mirror.Target
	for _, t := range cfg.Targets {
		c, err := catalog.New(t, catalog.Deps{
			Store: g.store, UserAgent: "Heliograph/" + g.opts.Version, Logger: g.log, Registerer: w.metrics, Limiter: g.limits, Tokens: g.tokens, Queue: g.queue, Sealer: g.keys,
			Metered: w.metered,
		})
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		w.clients[t.Name] = c
		if closer, ok := c.(io.Closer); ok {
			w.closers = append(w.closers, named{"target " + t.Name, closer})
		}
		if r, ok := crmclient.As[crmclient.Runner](c); ok {
			w.run = append(w.run, r.Run)
		}
		targets = append(targets, mirror.Target{Name: t.Name, Client: c, Deliver: t.Deliver, Alarm: t.Alarm})
	}
	book := g.newContacts(cfg, w)
	choices := scope.NewChoices(g.store, nil)
	inScope, err := scope.New(scope.Options{Privacy: cfg.Privacy, Internal: cfg.Mirror.Internal, Choices: choices})
	if err != nil {
		return nil, err
	}
	masking, err := scope.NewMasking(cfg.Privacy.Masking)
	if err != nil {
		return nil, err
	}
	links := g.newLinks(cfg, masking)
	g.links.Store(links)
	m := mirror.New(mirror.Options{
		Links: links, Learn: learner(cfg, book),
		Scope: inScope, Masking: masking, Tell: tellAlarms(cfg, channels),
		Store: g.store, Journal: g.journal, Queue: g.queue, Targets: targets, Internal: internalTo(cfg), Directory: book,
		InternalMail: cfg.Mirror.Internal, Unmatched: cfg.Mirror.Unmatched, Matching: cfg.Matching, OptedOut: optedOut(choices), Paused: g.pausedTarget, KeepVetoed: !cfg.Privacy.Withdraw, Workers: cfg.Mirror.Workers,
		MaxAttempts: cfg.Mirror.MaxAttempts, Claims: g.limits, Announce: g.announce, Now: g.opts.Now, Logger: g.log, Registerer: w.metrics,
	})
	out, err := automail.New(automail.Options{
		Store: g.store, Queue: g.queue, Journal: g.journal, Router: g.router.get, Identity: identities(cfg),
		Config: cfg.Outbox, Accounts: g.router.accounts(), Settled: g.settled, Limiter: g.limits, Now: g.opts.Now, Logger: g.log, Registerer: w.metrics,
	})
	if err != nil {
		return nil, err
	}
	w.close = out.Close
	watcher := g.newChanges(cfg, w)
	g.inbound.Store(&inbound{clients: w.clients, changes: watcher, book: book})
	auto, err := g.newAutomation(cfg, w, automationParts{outbox: out, book: book, changes: watcher, channels: channels})
	if err != nil {
		return nil, err
	}
	g.automation.Store(auto)
	runner := hooks.NewRunner(g.journal, g.queue, append([]hooks.Hook{m}, auto.hooksOf()...), hooks.Options{
		Store: g.store, Workers: cfg.Mirror.Workers, Now: g.opts.Now, Logger: g.log, Registerer: w.metrics,
	})
	w.mirror = m
	w.run = append(w.run, runner.Run, m.Run, out.Run, book.Run, watcher.Run, g.archive.Run, auto.engine.Run, auto.hook.RecordEvents)
	return w, nil
}

func (w *workers) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	for _, f := range w.run {
		w.done.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.log("a worker ended", "err", err)
			}
		})
	}
}

func (w *workers) stop() {
	if w.cancel != nil {
		w.cancel()
	}
	w.done.Wait()
	w.close()
	w.closeAll()
	w.metrics.drop()
}

func (w *workers) closeAll() {
	for _, c := range w.closers {
		if err := c.Close(); err != nil {
			w.log("something did not close", "what", c.name, "err", err)
		}
	}
}

// optedOut tells which employees want no mail mirrored. While that cannot be read, nobody is named as an owner.
func optedOut(choices *scope.Choices) func(account string) bool {
	return func(account string) bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		list, err := choices.List(ctx, account)
		return err != nil || slices.ContainsFunc(list, func(c scope.Choice) bool { return c.Kind == scope.ChoiceOptOut })
	}
}

// internalTo tells the company's own addresses.
func internalTo(cfg *config.Config) func(address string) bool {
	own := map[string]bool{}
	for _, d := range cfg.InternalDomains() {
		own[strings.ToLower(d)] = true
	}
	return func(address string) bool {
		at := strings.LastIndexByte(address, '@')
		return at >= 0 && own[strings.ToLower(address[at+1:])]
	}
}

// identities tells the outbox under which name it delivers what a queue listener accepted.
func identities(cfg *config.Config) func(listener string) (upstreamName, user string, password config.Secret, host string) {
	byAddress := map[string]config.Listener{}
	for _, l := range cfg.Listeners {
		if l.Mode == config.ModeQueue {
			byAddress[l.Address] = l
		}
	}
	return func(listener string) (string, string, config.Secret, string) {
		l := byAddress[listener]
		host := l.Hostname
		if host == "" {
			host = hostname()
		}
		return l.Upstream, l.User, l.Password, host
	}
}
