package audit

import (
	"context"
	"errors"
	"fmt"

	"heliograph/internal/store"
)

// pruneBatch is how many rows go in one transaction.
const pruneBatch = 2000

// Prune removes rows that are older than Options.Keep. It removes none of a chain that is broken among them.
func (l *Log) Prune(ctx context.Context) error {
	cutoff := store.Micros(l.now().Add(-l.keep))
	var total, through int64
	for {
		n, last, err := l.pruneSome(ctx, cutoff)
		if err != nil {
			return fmt.Errorf("remove old rows of the audit record: %w", err)
		}
		if n == 0 {
			break
		}
		total, through = total+n, last
	}
	if total == 0 {
		return nil
	}
	return l.Record(ctx, Event{
		Via: ViaGateway, Action: "pruneAudit", Kind: "audit", Outcome: Allowed, Details: map[string]any{"rows": total, "through": through},
	})
}

// errBroken says that rows are not removed because of what Verify would tell of them.
var errBroken = errors.New("the chain is broken, so nothing is removed: run heliograph audit verify")

func (l *Log) pruneSome(ctx context.Context, cutoff int64) (n, last int64, err error) {
	err = l.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		n, last = 0, 0
		end, err := l.lock(ctx, tx)
		if err != nil {
			return err
		}
		var keep int64 // the first row that stays: nothing behind it goes, whatever its time
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MIN(seq), 0) FROM audit_rows WHERE at >= $1`, cutoff).Scan(&keep); err != nil {
			return err
		}
		if keep == 0 {
			keep = end.seq // the last row always stays
		}
		w, err := l.pruneCheck(ctx, tx, keep)
		if err != nil || w.verdict.Rows == 0 {
			return err
		}
		n, last = w.verdict.Rows, w.verdict.Last
		key, mac := l.keys.sign(macCheckpoint, w.before, last)
		for _, q := range []struct {
			text string
			args []any
		}{
			{`DELETE FROM audit_checkpoints`, nil},
			{`INSERT INTO audit_checkpoints (seq, hash, at, key, mac) VALUES ($1, $2, $3, $4, $5)`, []any{last, w.before, store.Micros(l.now()), key, mac}},
			{`DELETE FROM audit_rows WHERE seq <= $1`, []any{last}},
		} {
			if _, err := tx.ExecContext(ctx, q.text, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
	return n, last, err
}

// pruneCheck follows the chain over the rows that are to go, so that removing them hides no damage.
func (l *Log) pruneCheck(ctx context.Context, tx store.Querier, keep int64) (w *walk, err error) {
	w = &walk{log: l, next: 1}
	rows, err := tx.QueryContext(ctx, `SELECT `+headColumns+` FROM audit_checkpoints ORDER BY seq DESC LIMIT 1`)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var h head
		if err := h.scan(rows); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		w.next, w.before = h.seq+1, h.hash
		w.sign(macCheckpoint, h.hash, h.seq, h.key, h.mac, CheckpointMissing, "the note of what was removed")
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	rows, err = tx.QueryContext(ctx, `SELECT seq, `+columns+`, hash, key, mac FROM audit_rows WHERE seq < $1 ORDER BY seq LIMIT $2`, keep, pruneBatch)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() && w.verdict.Broken == nil {
		var r Row
		if err := r.scan(rows, []any{&r.Seq}, &r.Hash, &r.key, &r.mac); err != nil {
			return nil, err
		}
		w.row(&r)
	}
	if w.verdict.Broken != nil {
		return nil, fmt.Errorf("row %d: %s: %w", w.verdict.Broken.Seq, w.verdict.Broken.Reason, errBroken)
	}
	return w, rows.Err()
}
