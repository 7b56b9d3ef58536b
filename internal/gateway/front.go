package gateway

import (
	"context"

	"heliograph/config"
	"heliograph/internal/customerbox"
	"heliograph/proxy"
	"heliograph/proxy/imapd"
	"heliograph/proxy/smtpd"
)

// buildFront makes what speaks with mail programs, of which only that which a
// listener needs, and the listeners.
func (g *Gateway) buildFront(context.Context) error {
	g.smtp = smtpd.New(smtpd.Options{
		Settings: g.smtpSettings(g.cfg), Journal: g.journal, Limiter: g.limits, Failures: g.failures,
		Pace: g.pace, Paused: g.pauses.Account, Hostname: hostname(), Logger: g.log, Registerer: g.registry,
	})
	var ls []proxy.Listener
	for _, l := range g.cfg.Listeners {
		h, err := g.handler(l)
		if err != nil {
			return err
		}
		ls = append(ls, proxy.Listener{Config: l, Handler: h})
	}
	cert, err := proxy.LoadTLS(g.cfg.TLS)
	if err != nil {
		return err
	}
	g.proxy, err = proxy.New(proxy.Options{
		Listeners: ls, TLS: cert, Limits: g.cfg.Limits, Logger: g.log, Registerer: g.registry, OnRefuse: tooMany,
	})
	if err != nil {
		return err
	}
	g.onClose("listeners", func(ctx context.Context) error { return g.proxy.Drain(ctx) })
	return nil
}

// tooMany are the words for a client that is one connection too many.
func tooMany(l *config.Listener) []byte {
	if l.Protocol == config.ProtocolIMAP {
		return []byte("* BYE [UNAVAILABLE] too many connections, try again later\r\n") // RFC 5530, 3
	}
	return []byte("421 4.7.0 too many connections, try again later\r\n")
}

// handler returns what serves a listener, making it for the first one of its kind.
func (g *Gateway) handler(l config.Listener) (proxy.Handler, error) {
	switch {
	case l.Mode == config.ModeCustomers:
		return g.customerFront()
	case l.Protocol == config.ProtocolIMAP:
		return g.imapFront()
	case l.Mode == config.ModeQueue:
		if g.machines == nil {
			g.machines = smtpd.NewQueue(g.smtp)
			g.onClose("queue listeners", func(context.Context) error { return g.machines.Close() })
		}
		return g.machines, nil
	}
	return g.smtp, nil
}

func (g *Gateway) imapFront() (proxy.Handler, error) {
	if g.imap != nil {
		return g.imap, nil
	}
	s, err := imapd.New(imapd.Options{
		Settings: g.imapSettings(g.cfg), Journal: g.journal, Limiter: g.limits, Failures: g.failures,
		Pace: g.pace, Paused: g.pauses.Account, Hostname: hostname(), Logger: g.log, Registerer: g.registry,
	})
	if err != nil {
		return nil, err
	}
	g.imap = s
	g.onClose("IMAP front", func(context.Context) error { s.Close(); return nil })
	return s, nil
}

func (g *Gateway) customerFront() (proxy.Handler, error) {
	if g.customers != nil {
		return g.customers, nil
	}
	s, err := customerbox.New(customerbox.Options{
		Settings: g.customerSettings(g.cfg), Store: g.store, Journal: g.journal, Failures: g.failures, Logger: g.log, Registerer: g.registry,
	})
	if err != nil {
		return nil, err
	}
	g.customers = s
	g.onClose("customer mailboxes", func(context.Context) error { s.Close(); return nil })
	return s, nil
}

func (g *Gateway) smtpSettings(cfg *config.Config) smtpd.Settings {
	return smtpd.Settings{Router: g.router.get(), Limits: cfg.Limits, OnFailure: cfg.Journal.OnFailure}
}

func (g *Gateway) imapSettings(cfg *config.Config) imapd.Settings {
	return imapd.Settings{Router: g.router.get(), Limits: cfg.Limits, Capture: cfg.Capture}
}

func (g *Gateway) customerSettings(cfg *config.Config) customerbox.Settings {
	return customerbox.Settings{Router: g.router.get(), Customers: cfg.Customers}
}

// reloadFront gives new sessions the settings of a configuration.
func (g *Gateway) reloadFront(cfg *config.Config) {
	g.smtp.Reload(g.smtpSettings(cfg))
	if g.imap != nil {
		g.imap.Reload(g.imapSettings(cfg))
	}
	if g.customers != nil {
		g.customers.Reload(g.customerSettings(cfg))
	}
}

// services are the protocols that listeners speak.
func services(cfg *config.Config) []string {
	list := []string{}
	for _, l := range cfg.Listeners {
		list = append(list, l.Protocol)
	}
	return list
}
