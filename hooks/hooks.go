// Package hooks runs the consumers of the journal. A hook sees each entry that the
// upstream accepted, or whose fate stayed unknown, as an [Event] and answers with
// an [Outcome].
//
// The main idea: the journal adds one job for each entry and hook, of kind
// "hook:<name>", in the transaction that indexes the entry. The [Runner] works
// these jobs, one queue worker per hook, so that a hook which fails or hangs holds up
// only itself. Delivery is at least once: a hook must be idempotent on the entry's id.
// A failed job is retried with backoff; when it is given up, it stays as a dead letter, and
// a ledger row with target "hook:<name>" says why.
//
// It does not know what hooks do, nor touches the mail path.
package hooks

import (
	"context"
	"io"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
)

// Event is one entry for one hook.
type Event struct {
	Entry journal.Entry
	// Body opens the message's bytes as the sender sent them. It may be called more than
	// once; who opens it closes it.
	Body func(ctx context.Context) (io.ReadCloser, error)
}

// Hook is a consumer of entries. Handle may run concurrently, and more than once for one
// entry: it must be idempotent on Entry.ID. It must return when ctx ends. A
// panic counts as Retry.
type Hook interface {
	// Name is what the hook is called in the queue, metrics and the ledger. It never changes.
	Name() string
	Handle(ctx context.Context, e Event) Outcome
}

// Outcome is what became of an event.
type Outcome struct {
	Action queue.Action
	Err    error         // why, unless it is done; holds no secrets
	After  time.Duration // until the next attempt; zero means with backoff
}

// Done says that the event needs nothing more.
func Done() Outcome { return Outcome{Action: queue.Complete} }

// Retry says that the event may succeed later: after the given time, or with backoff if
// that is zero.
func Retry(err error, after time.Duration) Outcome {
	return Outcome{Action: queue.Retry, Err: err, After: after}
}

// Dead says that the event will never succeed. It becomes a dead letter.
func Dead(err error) Outcome { return Outcome{Action: queue.Discard, Err: err} }

// Kind is the kind of the queue jobs of a hook.
func Kind(hook string) string { return journal.JobKind(hook) }
