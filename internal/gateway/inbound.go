package gateway

import (
	"context"
	"crypto/rand"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/changes"
	"heliograph/hooks/contacts"
	"heliograph/internal/console"
)

// inbound is who is told of what the CRMs call us with. A reload builds it anew.
type inbound struct {
	clients map[string]crmclient.Client
	changes *changes.Watcher
	book    *contacts.Book
}

// newChanges builds what watches the records of the targets.
func (g *Gateway) newChanges(cfg *config.Config, w *workers) *changes.Watcher {
	var targets []changes.Target
	for _, t := range cfg.Targets {
		targets = append(targets, changes.Target{Name: t.Name, Client: w.clients[t.Name]})
	}
	return changes.New(changes.Options{
		Store: g.store, Targets: targets, Claims: g.limits, Owner: rand.Text(), Now: g.opts.Now, Logger: g.log, Registerer: w.metrics,
	})
}

// hooks is the part of the console that CRMs call.
func (g *Gateway) hooks() *console.Hooks {
	return &console.Hooks{Receiver: g.receiver, Subscriber: g.subscriber, Waker: waker{g}, Claims: g.limits, Failures: g.failures}
}

// subscriber returns what takes subscriptions to a target.
func (g *Gateway) subscriber(target string) crmclient.Subscriber {
	in := g.inbound.Load()
	if in == nil {
		return nil
	}
	s, _ := crmclient.As[crmclient.Subscriber](in.clients[target])
	return s
}

// receiver returns what reads the deliveries for a target.
func (g *Gateway) receiver(target string) crmclient.WebhookReceiver {
	in := g.inbound.Load()
	if in == nil {
		return nil
	}
	r, _ := crmclient.As[crmclient.WebhookReceiver](in.clients[target])
	return r
}

// waker passes on what deliveries tell.
type waker struct{ g *Gateway }

// Wake has the record read again where it is watched, and the contacts asked for where it may be one of them.
func (w waker) Wake(ctx context.Context, target string, wake crmclient.Wake) error {
	in := w.g.inbound.Load()
	if in == nil {
		return nil
	}
	watched, err := in.changes.Wake(ctx, target, wake.Object, wake.ID)
	if err != nil {
		return err
	}
	if _, lists := crmclient.As[crmclient.ContactLister](in.clients[target]); !lists || watched && !ofPeople(wake.Object) {
		return nil
	}
	return in.book.Poke(ctx, target)
}

// ofPeople says whether an object may hold contacts, by its name. One that nobody watches may as well: forms have names of their
// maker's choice.
func ofPeople(object string) bool {
	object = strings.ToLower(object)
	for _, word := range []string{"contact", "lead", "person", "people", "partner", "customer", "account", "联系人", "客户", "线索"} {
		if strings.Contains(object, word) {
			return true
		}
	}
	return false
}
