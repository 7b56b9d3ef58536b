package hooks_test

import (
	"context"
	"errors"
	"testing"

	"heliograph/hooks"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestDroppedEventIsInTheLedger(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &hook{name: "h", handle: func(context.Context, int64, hooks.Event) hooks.Outcome {
			return hooks.Dead(errors.New("hopeless"))
		}}
		b := start(t, db, h)
		id := b.submit()
		b.eventually("a dead letter", func() bool { return len(b.jobs("h", queue.StateDiscarded)) == 1 })
		job := b.jobs("h", queue.StateDiscarded)[0]
		if err := hooks.Drop(t.Context(), db, b.queue, job, "a test mail"); err != nil {
			t.Fatal(err)
		}
		if state, reason := b.ledger(id, "h"); state != journal.LedgerFailed || reason != "dropped: a test mail" {
			t.Errorf("the ledger says %q %q", state, reason)
		}
		if got := b.jobs("h", queue.StateCancelled); len(got) != 1 || got[0].LastError != "dropped: a test mail" {
			t.Errorf("got cancelled jobs %+v, want the one that was dropped", got)
		}
		if err := hooks.Drop(t.Context(), db, b.queue, queue.Job{Kind: "outbox"}, "wrong"); err == nil {
			t.Error("dropped a job that is no event")
		}
	})
}
