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

// The errors that callers of SendTo act on.
var (
	ErrNoDelivery = errors.New("only the delivery of a message to a target can be sent elsewhere, and only while it waits or was given up")
	ErrHasIt      = errors.New("the other target has the message, or is about to get it")
	ErrTakenBack  = errors.New("the message was taken back from the other target")
)

// SendTo has a message delivered to another target than that of a delivery, which is given up; the ledger says so of both. It
// returns the key of the other job, which is of the kind Kind(target). What the other target does not take by its policy stays away
// from it all the same. It needs nothing but the store, so that it serves beside a running gateway.
func SendTo(ctx context.Context, db *store.DB, q *queue.Queue, job queue.Job, target, reason string, attempts int) (key string, err error) {
	from, ok := strings.CutPrefix(job.Kind, Kind(""))
	if !ok || !job.State.Live() && job.State != queue.StateDiscarded || from == target {
		return "", ErrNoDelivery
	}
	key = string(job.Payload)
	why := "dropped: sent to " + target + " instead"
	if reason != "" {
		why += ": " + reason
	}
	why = clip(why)
	err = db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := redirect(ctx, tx, db.Dialect(), q, key, from, target, attempts); err != nil {
			return err
		}
		return giveUp(ctx, tx, db.Dialect(), key, from, why)
	})
	if err != nil {
		return "", fmt.Errorf("sending job %d to %s: %w", job.ID, target, err)
	}
	q.Wake(Kind(target))
	_, err = q.Drop(ctx, why, job.ID)
	return key, err
}

// redirect asks for the delivery to the other target.
func redirect(ctx context.Context, tx store.Querier, dialect store.Dialect, q *queue.Queue, key, from, target string, attempts int) error {
	messageID, err := lockMessage(ctx, tx, dialect, key)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoDelivery
	}
	if err != nil {
		return err
	}
	stones, err := readTombstones(ctx, tx, key)
	if err != nil {
		return err
	}
	if _, gone := stones.find(target, ""); gone {
		return ErrTakenBack
	}
	now := store.Micros(time.Now())
	r, err := tx.ExecContext(ctx, `
		INSERT INTO deliveries (message_key, target, state, reason, remote_id, url, received_at, updated_at)
		SELECT message_key, $2, $3, '', '', '', received_at, $5 FROM deliveries WHERE message_key = $1 AND target = $4
		ON CONFLICT (message_key, target) DO UPDATE SET state = excluded.state, reason = '', updated_at = excluded.updated_at, held = 0
		WHERE deliveries.state IN ($6, $7)`, key, target, deliveryPending, from, now, deliveryFailed, deliveryExcluded)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrHasIt)
	}
	var thread string
	if err := tx.QueryRowContext(ctx, `SELECT thread FROM messages WHERE key = $1`, key).Scan(&thread); err != nil {
		return err
	}
	_, err = q.Add(ctx, tx, queue.New{Kind: Kind(target), Key: key, OrderKey: thread, Payload: []byte(key), MaxAttempts: attempts})
	if err != nil {
		return err
	}
	c, err := readCopies(ctx, tx, key, "")
	if err != nil {
		return err
	}
	var rows []journal.LedgerRow
	for _, s := range c.list {
		if s.excluded == "" {
			rows = append(rows, s.row(messageID, target, journal.LedgerPending, "", time.Now()))
		}
	}
	return journal.WriteLedger(ctx, tx, rows...)
}
