// Package contacts keeps a copy of each CRM's contacts that can be asked without asking the CRM, and keeps the
// contacts in order: what other sources know goes back to the CRM, doubled contacts are found and made one.
//
// The main idea: the copy (a Book) holds each contact as the CRM last told it, and nothing else is ever mixed into
// that. What mail signatures and imports say stands beside it with its origin and time; which contact
// stands for another is a pointer. So following the CRM never destroys what we know, and a merge is undone
// by taking the pointer away.
//
// File by file:
//
//   - sync.go: takes the CRM's cursor of this moment, lists all contacts, then follows the changes from
//     that cursor. Each page is one step: its contacts and the cursor behind it are stored in one transaction, so that
//     a crash at any place repeats a page at most. When the listing ends, what it did not have is gone.
//     A refused cursor begins a new listing. A queue job runs the steps of a target, on one node at a time;
//     when a target is due stands in the store, and every node adds the job then, of which one is live at most.
//   - record.go: puts contacts as the CRM tells them into the tables, with the keys that find them.
//   - lookup.go: finds them by address, domain and words; merged contacts resolve to the one that is left.
//   - values.go: what other sources say, and whose value holds: both stay, with origin and time.
//   - conflicts.go: the differences that were found, and the decisions of people.
//   - writeback.go: writes values to the CRM, over nothing but what was seen there.
//   - duplicates.go, names.go: contacts that may be one person, by keys that they share and a score.
//   - merge.go: makes two contacts one, and two again.
//   - signature.go, phone.go: read signatures and phone numbers. They need nothing of the rest.
//   - admin.go: what people ask from outside a running gateway.
//
// It sends no mail, decides nothing about messages, and makes no new contacts in CRMs.
package contacts

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Target is one CRM connection. What can be done with its contacts depends on the optional interfaces of its client:
// crmclient.ContactLister, ContactChanges, ContactWriter and ContactMerger.
type Target struct {
	Name   string
	Client crmclient.Client
	// Local says that asking the client is as quick as asking the copy, so that a lookup is never complete
	// and the client is asked for what it does not find.
	Local bool
}

// Options configure New.
type Options struct {
	Store   *store.DB
	Queue   *queue.Queue
	Targets []Target // none: what needs no CRM works all the same
	Config  config.Contacts
	Domains crmclient.CompanyDomains
	Timeout time.Duration    // of one question to a target; zero means 2 min
	Now     func() time.Time // the queue's clock; nil means time.Now
	Logger  *slog.Logger     // nil: nothing is logged
	// Registerer may be nil: metrics are not registered then.
	Registerer prometheus.Registerer
}

const defaultTimeout = 2 * time.Minute

// Book holds the contacts of all targets. Its methods may run concurrently, also in several processes on one database.
type Book struct {
	o       Options
	targets map[string]*target
	metrics *metrics
}

// target is a Target with what its client can do; nil where it cannot.
type target struct {
	Target
	lister  crmclient.ContactLister
	changes crmclient.ContactChanges
	writer  crmclient.ContactWriter
	merger  crmclient.ContactMerger
}

// New returns a Book. Nothing is asked of a CRM until Run or Sync.
func New(o Options) *Book {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Book{o: o, targets: map[string]*target{}, metrics: newMetrics(o.Registerer)}
	for _, t := range o.Targets {
		known := &target{Target: t}
		known.lister, _ = crmclient.As[crmclient.ContactLister](t.Client)
		known.changes, _ = crmclient.As[crmclient.ContactChanges](t.Client)
		known.writer, _ = crmclient.As[crmclient.ContactWriter](t.Client)
		known.merger, _ = crmclient.As[crmclient.ContactMerger](t.Client)
		b.targets[t.Name] = known
	}
	return b
}

// SyncKind is the kind of the queue jobs that follow a target.
func SyncKind(target string) string { return "contacts:" + target }

// WriteKind is the kind of the queue jobs that write to a target.
func WriteKind(target string) string { return "contacts-write:" + target }

// Run follows the targets that list their contacts, and writes to those that take it, until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range b.targets {
		if t.lister != nil {
			g.Go(func() error { return b.follow(ctx, t) })
		}
		if t.writer == nil && t.merger == nil {
			continue
		}
		g.Go(func() error {
			err := b.o.Queue.Work(ctx, queue.Worker{
				Kind:   WriteKind(t.Name),
				Handle: func(ctx context.Context, j queue.Job) queue.Result { return b.writeJob(ctx, t, j) },
			})
			if err != nil {
				return fmt.Errorf("writing contacts to %s: %w", t.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}
