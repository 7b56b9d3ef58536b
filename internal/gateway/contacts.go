package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
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
		Domains: crmclient.NewCompanyDomains(cfg.Matching.FreeMailDomains), Logger: g.log, Registerer: w.metrics,
	})
}

// signatures is the hook that learns from the signatures of mail that comes in. The journal feeds it only where the
// configuration of the start says so; what is left in the queue after that was taken back is let go.
type signatures struct {
	on       bool
	book     *contacts.Book
	store    *store.DB
	targets  []config.Target
	internal func(address string) bool
	now      func() time.Time
}

var _ hooks.Hook = (*signatures)(nil)

const signaturesName = "contacts"

// Name returns "contacts".
func (*signatures) Name() string { return signaturesName }

const (
	// mirrorWait is how long until the mirror is asked again whether a message may leave.
	mirrorWait = 10 * time.Second
	// mirrorMax is after how long a message that the mirror has not recorded is let go: it was a copy that it dropped.
	mirrorMax = time.Hour
)

// Handle learns from one entry. Only mail that the mirror has found to be in scope counts: what is private
// must not reach a CRM, not even a number out of its signature.
func (s *signatures) Handle(ctx context.Context, e hooks.Event) hooks.Outcome {
	if !s.on {
		return hooks.Done()
	}
	var excluded string
	err := s.store.Reader().QueryRowContext(ctx, `SELECT excluded FROM sightings WHERE entry = $1`, e.Entry.ID.String()).Scan(&excluded)
	switch {
	case errors.Is(err, sql.ErrNoRows) && s.now().Sub(e.Entry.Received) < mirrorMax:
		return hooks.Outcome{Action: queue.Snooze, After: mirrorWait} // waiting is no failure
	case errors.Is(err, sql.ErrNoRows), err == nil && excluded != "":
		return hooks.Done()
	case err != nil:
		return hooks.Retry(fmt.Errorf("asking whether entry %s is in scope: %w", e.Entry.ID, err), 0)
	}
	msg, err := parseEntry(ctx, e)
	if err != nil {
		return hooks.Retry(err, 0)
	}
	if msg.Automated || msg.Signature == "" || len(msg.From) != 1 || s.internal(msg.From[0].Address) {
		return hooks.Done()
	}
	fields := contacts.Signature(msg.Signature)
	if len(fields) == 0 {
		return hooks.Done()
	}
	for _, t := range s.targets {
		if err := s.book.Learn(ctx, t.Name, msg.From[0].Address, fields, config.OriginSignature, e.Entry.Received); err != nil {
			return hooks.Retry(fmt.Errorf("entry %s: %w", e.Entry.ID, err), 0)
		}
	}
	return hooks.Done()
}

func parseEntry(ctx context.Context, e hooks.Event) (_ *message.Message, err error) {
	body, err := e.Body(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening entry %s: %w", e.Entry.ID, err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	msg, err := message.Parse(body, message.Options{Salt: e.Entry.ID.String()})
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Entry.ID, err)
	}
	return msg, nil
}

// consumers are the hooks that the journal feeds.
func consumers(cfg *config.Config) []string {
	names := []string{mirror.Name}
	if cfg.Contacts.LearnFromSignatures {
		names = append(names, signaturesName)
	}
	return names
}
