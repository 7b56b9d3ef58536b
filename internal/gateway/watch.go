package gateway

import (
	"context"

	"heliograph/proxy/watch"
)

// buildWatch makes what reads mailboxes that no mail program need be open for.
func (g *Gateway) buildWatch(context.Context) error {
	g.watch = watch.New(watch.Options{
		Settings: func() watch.Settings { return watch.Settings{Router: g.router.get(), Book: g.router.book.Load()} },
		Journal:  g.journal, Store: g.store, Claims: g.limits, Limiter: g.limits, Failures: g.failures, Pace: g.pace, Paused: g.pauses.Account,
		Node: hostname(), Version: g.opts.Version, Logger: g.log, Registerer: g.registry,
	})
	g.onClose("watch", g.watch.Close)
	return nil
}

// Watch tells how it stands with watched mailboxes, for tests.
func (g *Gateway) Watch() []watch.Row { return g.watch.Rows() }
