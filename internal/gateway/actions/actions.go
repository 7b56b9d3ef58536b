// Package actions is what rules see and do in a running gateway: the World and the Performer of hooks/rules, and the events that mail,
// records and webhooks bring.
//
// The main idea: hooks/rules knows neither mail nor CRMs; here its plain values meet the journal, the mirror, the contacts, the connectors, the
// outbox and the chat channels. Each effect goes out under the effect's own id, which the receiving side takes as its idempotency key: the
// outbox as the name of the message, a CRM as the key of a ticket or record, a webhook as its id.
//
//   - world.go: what is looked up; stored.go: the same for a replay, from the store alone
//   - perform.go: effects, mail.go: those that are mails
//   - events.go: what a message is to rules; reply.go: which mail may answer a question of an approval
//   - reports.go: font, tables and files of documents; classify.go: the classifier and its chat endpoint; append.go: messages into mailboxes
//
// It decides nothing: whether a rule fires and whether an effect may happen is known before it gets here.
package actions

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/automail"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/changes"
	"heliograph/hooks/contacts"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
	"heliograph/internal/notify"
	"heliograph/internal/store"
	"heliograph/internal/tables"
)

// Options are what the actions are taken with.
type Options struct {
	Store    *store.DB
	Journal  *journal.Journal
	Clients  map[string]crmclient.Client
	Target   string // of contacts, companies and tickets where none is named
	Book     *contacts.Book
	Changes  *changes.Watcher
	Outbox   *automail.Outbox
	Channels map[string]*notify.Channel
	Config   config.Rules
	Tables   *tables.Shelf // that people import; nil: there are none
	Senders  []config.Sender
	Groups   map[string][]string // of accounts
	// Classifier says what mail is about; nil: nothing does.
	Classifier rules.Suggester
	Policy     crmclient.AddressPolicy
	Internal   func(address string) bool
	// Signer signs why a mail was sent; Tokens are for leaving a list, at PublicURL, which may be empty.
	Signer    *compose.Signer
	Tokens    *automail.Tokens
	PublicURL string
	UserAgent string
	Zone      *time.Location // of dates in quoted mail
	Logger    *slog.Logger
	Now       func() time.Time
}

// Actions is the World and the Performer of the rules of a gateway. It must be closed.
type Actions struct {
	*Documents
	o Options

	mu    sync.Mutex // guards calls
	calls map[string]*crmclient.Transport
}

var (
	_ rules.World     = (*Actions)(nil)
	_ rules.Performer = (*Actions)(nil)
	_ rules.Foreseer  = (*Actions)(nil)
)

// New returns the actions of a gateway.
func New(o Options) *Actions {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	documents := NewDocuments(o.Config)
	documents.imported = o.Tables
	return &Actions{Documents: documents, o: o, calls: map[string]*crmclient.Transport{}}
}

// Close ends connections that are kept open.
func (a *Actions) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, t := range a.calls {
		errs = append(errs, t.Close())
	}
	a.calls = map[string]*crmclient.Transport{}
	return errors.Join(errs...)
}

// permanent tells the rules which errors no repetition mends. Trouble with a CRM's credentials or set-up is temporary: a person mends it, and
// nothing is lost meanwhile.
func permanent(err error) error {
	if err == nil {
		return nil
	}
	switch crmclient.ClassOf(err) {
	case crmclient.ClassPermanent:
		return rules.Permanent(err)
	}
	return err
}
