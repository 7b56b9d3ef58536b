package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Record is where a target keeps a message.
type Record struct {
	Target   string
	RemoteID string // the target's own id; may be empty
	URL      string // for a person to look at, where the target has one
}

// Records returns where the message of an entry was mirrored to, by the name of the target. It needs nothing but
// the store, so that it serves beside a running gateway.
func Records(ctx context.Context, q store.Querier, entry journal.ID) (_ []Record, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT d.target, d.remote_id, d.url FROM sightings s JOIN deliveries d ON d.message_key = s.message_key
		WHERE s.entry = $1 AND s.excluded = '' AND d.state = $2 ORDER BY d.target`, entry.String(), deliveryMirrored)
	if err != nil {
		return nil, fmt.Errorf("reading where entry %s is: %w", entry, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var records []Record
	for rows.Next() {
		var r Record
		if err := rows.Scan(&r.Target, &r.RemoteID, &r.URL); err != nil {
			return nil, fmt.Errorf("reading where entry %s is: %w", entry, err)
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

// Drop gives a delivery up: the job of a kind that Kind made is dropped, and the ledger says why. An attempt that is
// just under way may still succeed at the target. What was mirrored stays mirrored. It needs nothing but the store, so
// that it serves beside a running gateway.
func Drop(ctx context.Context, db *store.DB, q *queue.Queue, job queue.Job, reason string) error {
	target, ok := strings.CutPrefix(job.Kind, Kind(""))
	if !ok {
		return fmt.Errorf("dropping job %d: it is no delivery but a %s", job.ID, job.Kind)
	}
	reason = clip("dropped: " + reason)
	// The ledger first: between the two a delivery that is called failed may still be made, which corrects the ledger.
	err := db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		return giveUp(ctx, tx, db.Dialect(), string(job.Payload), target, reason)
	})
	if err != nil {
		return fmt.Errorf("dropping job %d: %w", job.ID, err)
	}
	_, err = q.Drop(ctx, reason, job.ID)
	return err
}

func giveUp(ctx context.Context, tx store.Querier, dialect store.Dialect, key, target, reason string) error {
	messageID, err := lockMessage(ctx, tx, dialect, key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // nobody knows the message any more
	}
	if err != nil {
		return err
	}
	now := time.Now()
	changed, err := tx.ExecContext(ctx, `
		UPDATE deliveries SET state = $3, reason = $4, updated_at = $5, held = 0
		WHERE message_key = $1 AND target = $2 AND state NOT IN ($6, $7, $8)`,
		key, target, deliveryFailed, reason, store.Micros(now), deliveryMirrored, deliveryWithdrawing, deliveryWithdrawn)
	if err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	if n, err := changed.RowsAffected(); err != nil || n == 0 {
		return err // it is mirrored, or withdrawn
	}
	return noteShown(ctx, tx, key, messageID, target, "", journal.LedgerFailed, reason, now)
}
