// Package mirror writes each message into each CRM once.
//
// Its path, file by file:
//
//   - mirror.go: Handle gets an entry from the journal, parses it with package message,
//     and decides everything that needs no CRM in one transaction.
//   - people.go: who took part. Bcc are the accepted recipients of the envelope that To and Cc do not
//     name; a message in a mailbox has no envelope, and its Bcc field stands in. An employee's mail to
//     anyone outside is outbound, among employees internal, all else inbound. An employee is who has an internal
//     address, who submitted the message, and whose mailbox it was seen in.
//   - scope.go: what must not leave. The ledger names the reason.
//   - identity.go: a message is known by its key (package message says of what). The
//     entry becomes a sighting of it. A delivery row per message and target, with
//     a unique key, is what makes "once" true; the queue job is added with it. Whoever loses the race to
//     insert adds no job. A place in a mailbox (upstream, account, mailbox, UIDVALIDITY, UID) is one sighting,
//     however often it was captured: the second entry is dropped, and the ledger says so.
//   - witness.go: a message whose verdict was lost is confirmed by a copy in a mailbox.
//   - thread.go: References, In-Reply-To and Thread-Index, then a reply's subject with the same people.
//   - deliver.go: Run works the jobs "deliver:<target>", one worker pool per target, so
//     that a stuck target holds up no other; those of one thread run in order.
//   - activity.go: the activity is built again from the journal's bytes, so that no
//     text is stored twice and attachments are read only by who wants them.
//
// A later sighting of a message adds its account to what a pending delivery will say; once
// the message is delivered, it is written down here and in the ledger and the target is not
// called again: an update would need a method that targets do not have, and doubling is the
// worse mistake. In the same way a thread that turns out to be part of another keeps its name in
// activities that were sent. A message of which one sighting is in scope is in scope.
//
// Nothing is given up because credentials or settings are wrong: such a target is paused,
// tried again after growing waits of up to an hour, and its ledger rows stay pending and say why.
//
// It does not keep contacts (the CRM does), and it never talks to the mail provider.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Target is one CRM connection.
type Target struct {
	Name   string
	Client crmclient.Client
}

// Options configure New.
type Options struct {
	Store   *store.DB
	Journal *journal.Journal
	Queue   *queue.Queue
	Targets []Target
	// Internal tells whether an address (lower case) is an employee's. Nil means nobody is.
	Internal     func(address string) bool
	InternalMail config.InternalMode  // empty means exclude
	Unmatched    config.UnmatchedMode // empty means UnmatchedSkip
	Workers      int                  // deliveries at once per target; zero means 2
	MaxAttempts  int                  // before a delivery is a dead letter; zero means queue.DefaultMaxAttempts
	Timeout      time.Duration        // of one delivery; zero means 2 min
	Now          func() time.Time     // nil means time.Now
	Logger       *slog.Logger         // nil: nothing is logged
	Registerer   prometheus.Registerer
}

const (
	defaultWorkers = 2
	defaultTimeout = 2 * time.Minute
)

// Mirror is the hook that fills CRMs.
type Mirror struct {
	o       Options
	targets []*target
	metrics *metrics
}

var _ hooks.Hook = (*Mirror)(nil)

// Name is the name of the hook in the queue and in metrics.
const Name = "mirror"

// New returns a Mirror. Nothing is delivered until Run runs.
func New(o Options) *Mirror {
	if o.Internal == nil {
		o.Internal = func(string) bool { return false }
	}
	if o.InternalMail == "" {
		o.InternalMail = config.InternalExclude
	}
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Mirror{o: o, metrics: newMetrics(o.Registerer)}
	for _, t := range o.Targets {
		m.targets = append(m.targets, &target{Target: t})
		m.metrics.paused.WithLabelValues(t.Name).Set(0) // a panel shows it before the first trouble
	}
	return m
}

// Name returns "mirror".
func (m *Mirror) Name() string { return Name }

// Kind is the kind of the queue jobs that deliver to a target.
func Kind(target string) string { return "deliver:" + target }

// Handle records the entry as a sighting and asks for the deliveries that are not asked
// for yet. It is idempotent on the entry.
func (m *Mirror) Handle(ctx context.Context, e hooks.Event) hooks.Outcome {
	msg, err := parse(ctx, e)
	if err != nil {
		return hooks.Retry(err, 0)
	}
	people := m.people(e.Entry, msg)
	s := sightingOf(e.Entry)
	s.excluded = m.excluded(people)
	var found recorded
	write := func(ctx context.Context, tx store.Querier) error {
		var err error
		found, err = m.record(ctx, tx, s, msg, people)
		return err
	}
	err = m.o.Store.Write(ctx, write)
	if errors.Is(err, errPlaceTaken) {
		err = m.o.Store.Write(ctx, write) // which sees it now
	}
	if err != nil {
		return hooks.Retry(fmt.Errorf("recording entry %s: %w", s.entry, err), 0)
	}
	m.metrics.recorded(found, s)
	for _, t := range found.added {
		m.o.Queue.Wake(Kind(t))
	}
	return hooks.Done()
}

// parse reads the message of an event.
func parse(ctx context.Context, e hooks.Event) (_ *message.Message, err error) {
	body, err := e.Body(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening entry %s: %w", e.Entry.ID, err)
	}
	defer body.Close()
	msg, err := message.Parse(body, parseOptions(e.Entry))
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Entry.ID, err)
	}
	return msg, nil
}

// parseOptions are the same each time an entry is parsed, or its key would change.
func parseOptions(e journal.Entry) message.Options {
	return message.Options{
		Salt: e.ID.String(),
		// A person's program names its login in MAIL FROM; the null path is for reports (RFC 5321, 4.5.5). What comes
		// from a mailbox has no envelope; its header may tell.
		NullReturnPath: e.ReversePath == "" && !e.Kind.Mailbox(),
	}
}
