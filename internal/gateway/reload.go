package gateway

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"heliograph/config"
	"heliograph/proxy"
)

// Reload puts a new configuration in force without ending a session. On an error nothing
// has changed. What cannot change while running is refused, by name.
func (g *Gateway) Reload(_ context.Context, next *config.Config) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fixed := changedFixed(g.cfg, next); len(fixed) > 0 {
		return fmt.Errorf("%s cannot change while running: restart heliograph for it; the old configuration stays in force",
			strings.Join(fixed, ", "))
	}
	cert, err := proxy.LoadTLS(next.TLS)
	if err != nil {
		return err
	}
	old := g.cfg
	if err := g.router.set(next); err != nil {
		return err
	}
	// The workers' metrics have the same names, so the old ones end first; the journal keeps what comes meanwhile.
	g.workers.stop()
	w, err := g.newWorkers(next)
	if err == nil {
		if err = g.proxy.Reload(next.Limits, cert); err != nil {
			w.metrics.drop()
		}
	}
	if err != nil {
		return g.rollBack(old, err)
	}
	g.workers, g.cfg = w, next
	g.inForce.Store(next)
	w.start()
	g.reloadFront(next)
	g.watch.Set(next.Watch)
	go g.router.learn()
	return nil
}

// rollBack restores what a failed reload has replaced.
func (g *Gateway) rollBack(old *config.Config, cause error) error {
	if err := g.router.set(old); err != nil {
		return fmt.Errorf("%w; and the old upstreams: %w", cause, err)
	}
	w, err := g.newWorkers(old)
	if err != nil {
		return fmt.Errorf("%w; and the old targets: %w", cause, err)
	}
	g.workers = w
	w.start()
	g.reloadFront(old)
	return cause
}

// changedFixed names the sections that differ and need a restart.
func changedFixed(old, next *config.Config) []string {
	var names []string
	note := func(name string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			names = append(names, name)
		}
	}
	note("data_dir", old.DataDir, next.DataDir)
	note("listeners", old.Listeners, next.Listeners)
	note("redis", old.Redis, next.Redis)
	note("store", old.Store, next.Store)
	note("console", old.Console, next.Console)
	a, b := old.Journal, next.Journal
	a.OnFailure, b.OnFailure = "", "" // this one may change
	note("journal", a, b)
	return names
}
