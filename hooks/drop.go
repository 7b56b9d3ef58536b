package hooks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Drop gives an event up: the job of a kind that Kind made is dropped, and the ledger says why. It
// needs nothing but the store, so that it serves beside a running gateway.
func Drop(ctx context.Context, db *store.DB, q *queue.Queue, job queue.Job, reason string) error {
	if !strings.HasPrefix(job.Kind, Kind("")) {
		return fmt.Errorf("dropping job %d: it is no event but a %s", job.ID, job.Kind)
	}
	reason = "dropped: " + reason
	if id, err := journal.ParseID(string(job.Payload)); err == nil {
		// The ledger first: a job that is dropped without a word there would be silence.
		err := db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			return journal.WriteLedger(ctx, tx, journal.LedgerRow{
				Entry: id, Target: job.Kind, State: journal.LedgerFailed, Reason: reason, At: time.Now(),
			})
		})
		if err != nil {
			return fmt.Errorf("dropping job %d: %w", job.ID, err)
		}
	}
	_, err := q.Drop(ctx, reason, job.ID)
	return err
}
