package gateway

import (
	"context"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
)

// newContacts builds what follows the contacts of the targets.
func (g *Gateway) newContacts(cfg *config.Config, w *workers) *contacts.Book {
	var targets []contacts.Target
	for _, t := range cfg.Targets {
		// The built-in CRM lives in the same store as the copy of its contacts.
		targets = append(targets, contacts.Target{Name: t.Name, Client: w.clients[t.Name], Local: t.Type == "builtin"})
	}
	return contacts.New(contacts.Options{
		Store: g.store, Queue: g.queue, Targets: targets, Config: cfg.Contacts,
		Domains: crmclient.NewCompanyDomains(cfg.Matching.FreeMailDomains), Now: g.opts.Now, Logger: g.log, Registerer: w.metrics,
	})
}

// learner returns what learns from the signatures of mail that comes in, or nil where nothing is to be learnt.
func learner(cfg *config.Config, book *contacts.Book) func(ctx context.Context, target, address, signature string, at time.Time) error {
	if !cfg.Contacts.LearnFromSignatures {
		return nil
	}
	return func(ctx context.Context, target, address, signature string, at time.Time) error {
		fields := contacts.Signature(signature)
		if len(fields) == 0 {
			return nil
		}
		return book.Learn(ctx, target, address, fields, config.OriginSignature, at)
	}
}
