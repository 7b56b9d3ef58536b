package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/limit"
	"heliograph/internal/notify"
	"heliograph/internal/pause"
	"heliograph/proxy"
	"heliograph/proxy/watch"
)

// startOperations makes the part of the API for those who run the gateway, and starts what it does by itself. names tells the names of
// people by their addresses, and audit keeps what employees do by a link; both may be nil.
func (g *Gateway) startOperations(names func(context.Context) (map[string]string, error), audit api.Recorder) (*operations.Part, error) {
	node, err := nodeName(filepath.Join(g.cfg.DataDir, "node"))
	if err != nil {
		return nil, err
	}
	p := operations.New(operations.Options{
		Store: g.store, Queue: g.queue, Pauses: g.pauses, Tokens: g.tokens, Node: node, Host: hostname(), Version: g.opts.Version, Now: g.opts.Now, Logger: g.log,
		Config: g.config, Contacts: func() *contacts.Book { return g.inbound.Load().book }, Accounts: g.Accounts, Router: g.router.get,
		Clients: func() map[string]crmclient.Client { return g.inbound.Load().clients }, Targets: g.targetStates, Meters: g.meters, Sessions: g.sessions, Health: g.health,
		Channel: func(n config.Notifier) (*notify.Channel, error) {
			return notify.New(n, notify.Deps{UserAgent: "Heliograph/" + g.opts.Version, Logger: g.log, Limiter: g.limits})
		},
		Runner: g.backfill, CheckWatch: g.checkWatch, Names: names, Audit: audit,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx) // it ends with ctx only
	}()
	g.onClose("operations", func(context.Context) error {
		cancel()
		<-done
		p.Close()
		return nil
	})
	return p, nil
}

// config is the configuration in force. It waits for nothing, so that workers can ask while a reload waits for them.
func (g *Gateway) config() *config.Config { return g.inForce.Load() }

func (g *Gateway) targetStates() []mirror.TargetStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.workers.mirror.Targets()
}

// meters tells how much of a target's rates is used. To look costs nothing.
func (g *Gateway) meters(ctx context.Context, target string) []operations.RateMeter {
	g.mu.Lock()
	list := g.workers.meters
	g.mu.Unlock()
	var out []operations.RateMeter
	for _, m := range list {
		if m.target != target {
			continue
		}
		d, err := g.limits.Allow(ctx, m.key, m.rate, 0)
		if err != nil {
			continue
		}
		most, per := max(m.rate.Burst, 0), m.rate.Per
		if most == 0 {
			most = m.rate.Count
		}
		if per <= 0 {
			per = time.Second
		}
		r := operations.RateMeter{Name: m.what, Limit: m.rate.Count, Used: max(most-d.Remaining, 0), Per: per}
		if r.Used > 0 {
			r.ResetsAt = time.Now().Add(per / time.Duration(m.rate.Count) * time.Duration(r.Used)).UTC()
		}
		out = append(out, r)
	}
	return out
}

// sessions counts open connections of mail programs.
func (g *Gateway) sessions() (smtp, imap int, ok bool) {
	families, err := g.registry.Gather()
	if err != nil {
		return 0, 0, false
	}
	for _, f := range families {
		if f.GetName() != "heliograph_connections" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				switch {
				case l.GetName() != "protocol":
				case l.GetValue() == config.ProtocolIMAP:
					imap += int(m.GetGauge().GetValue())
				default:
					smtp += int(m.GetGauge().GetValue())
				}
			}
		}
	}
	return smtp, imap, true
}

// checkWatch signs in once as a watch does.
func (g *Gateway) checkWatch(ctx context.Context, w config.Watch) ([]watch.Finding, error) {
	return watch.Check(ctx, watch.Options{
		Settings: func() watch.Settings { return watch.Settings{Router: g.router.get(), Book: g.router.book.Load()} }, Version: g.opts.Version, Logger: g.log,
	}, w)
}

// behind is how far the journal's index may be behind before somebody should look.
const behind = time.Minute

// health tells what is right and wrong with this node, and what to do.
func (g *Gateway) health(ctx context.Context) []operations.Health {
	var out []operations.Health
	remedies := map[string]string{
		"listeners": "see the log: another program may have the address", "journal": "make room on the disk of data_dir, and look at its health; mail passes by journal.on_failure meanwhile",
		"watch": "check the mailboxes, and enrol accounts again whose login is refused", "redis": "check that it runs; without it limits hold for each node by itself, and no mail is lost",
	}
	for _, c := range g.ready(ctx) {
		if c.Name == "store" {
			continue // the overview asks it itself
		}
		h := operations.Health{Name: c.Name, Level: operations.LevelOk, Optional: c.Optional}
		if c.Err != nil {
			h.Level, h.Detail, h.Remedy = operations.LevelFailed, c.Err.Error(), remedies[c.Name]
			if c.Name == "journal" {
				h.Kind = operations.Journal
			}
		}
		out = append(out, h)
	}
	if s, err := g.journal.Stats(ctx); err == nil && s.Lag > behind {
		out = append(out, operations.Health{
			Name: "index", Level: operations.LevelWarning, Optional: true, Kind: operations.Journal, Detail: fmt.Sprintf("%v behind the journal", s.Lag.Round(time.Second)),
			Remedy: "look at the database: it is slow or away; no mail is lost",
		})
	}
	return slices.Concat(out, g.space(), g.certificate(), g.holidays(ctx))
}

// holidays tells that business hours go by weekends only, where there are rules.
func (g *Gateway) holidays(ctx context.Context) []operations.Health {
	around, err := Surroundings(g.config())
	if err != nil {
		return nil
	}
	cal, err := around.Calendars.Find(around.Calendar)
	if err != nil {
		return nil
	}
	year, rules := cal.Missing(g.opts.Now()), 0
	if year == 0 {
		return nil
	}
	err = g.store.Reader().QueryRowContext(ctx, `SELECT count(*) FROM rules WHERE state IN ('live', 'shadow')`).Scan(&rules)
	if err != nil || rules == 0 {
		return nil
	}
	return []operations.Health{{Name: "calendar", Level: operations.LevelWarning, Optional: true, Detail: withoutHolidays(around.Calendar, year), Remedy: holidaysRemedy}}
}

// space tells how much room the journal has.
func (g *Gateway) space() []operations.Health {
	var st syscall.Statfs_t
	if err := syscall.Statfs(g.cfg.DataDir, &st); err != nil {
		return nil
	}
	free := int64(st.Bavail) * st.Bsize
	h := operations.Health{Name: "space", Level: operations.LevelOk, Optional: true, Detail: fmt.Sprintf("%d GB free", free>>30)}
	if free < minFree {
		h.Level, h.Kind, h.Detail, h.Remedy = operations.LevelWarning, operations.Space, fmt.Sprintf("%d MB free", free>>20), "make room: the journal keeps a copy of each mail here"
	}
	return []operations.Health{h}
}

// certificate tells until when mail programs trust us.
func (g *Gateway) certificate() []operations.Health {
	cfg := g.config()
	if cfg.TLS.CertFile == "" {
		return nil
	}
	h := operations.Health{Name: "certificate", Level: operations.LevelOk, Kind: operations.Certificate}
	t, err := proxy.LoadTLS(cfg.TLS)
	if err != nil {
		h.Level, h.Detail, h.Remedy = operations.LevelFailed, err.Error(), "check cert_file and key_file"
		return []operations.Health{h}
	}
	leaf, err := x509.ParseCertificate(t.Certificates[0].Certificate[0])
	if err != nil {
		h.Level, h.Detail, h.Remedy = operations.LevelFailed, err.Error(), "check cert_file"
		return []operations.Health{h}
	}
	h.At, h.Detail = leaf.NotAfter, "until "+leaf.NotAfter.Format(time.DateOnly)
	switch left := time.Until(leaf.NotAfter); {
	case left < 0:
		h.Level, h.Remedy = operations.LevelFailed, "renew it; mail programs refuse to connect"
	case left < certificateSoon:
		h.Level, h.Remedy = operations.LevelWarning, "renew it, then reload with SIGHUP"
	}
	return []operations.Health{h}
}

// watchPauses keeps what people paused at hand for those who must not wait.
func (g *Gateway) watchPauses() {
	g.pauses = pause.New(g.store, g.log, g.opts.Now)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.pauses.Run(ctx) // it ends with ctx only
	}()
	g.onClose("pauses", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// pausedTarget tells the mirror what people want of a target.
func (g *Gateway) pausedTarget(name string) (reason string, paused bool, resumed time.Time) {
	p := g.pauses.Target(name)
	return p.Reason, p.Active, p.Resumed
}

// meter is a rate of a target.
type meter struct {
	target, what, key string
	rate              limit.Rate
}

func (w *workers) metered(target, what, key string, rate limit.Rate) {
	w.meters = append(w.meters, meter{target, what, key, rate})
}
