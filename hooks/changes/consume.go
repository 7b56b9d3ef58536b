package changes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/store"
)

// Change is how a record changed.
type Change struct {
	Seq    int64 // grows; who has seen a number has seen all below it
	Target string
	Object string
	ID     string
	Kind   string // Made, Changed or Deleted
	// Fields are the watched fields that have other values, by the CRM's own names.
	Fields map[string]Values
	By     string // the CRM's user, where it tells
	URL    string // for a person to look at, where the CRM has one
	// ChangedAt is the CRM's time of the last change, or zero; SeenAt is ours.
	ChangedAt, SeenAt time.Time
}

// Values are the value that a field had and the one that it has. They are as in crmclient.Record.Fields, but times are texts
// (RFC 3339, UTC). One that was too long to keep is nil.
type Values struct{ Old, New any }

// maxConsumed bounds one transaction of a consumer.
const maxConsumed = 1000

// Consume gives the next changes that a consumer has not dealt with to fn, in their order, and moves the consumer's cursor in
// the transaction in which fn writes: either both are done or neither. It returns how many there were; when it is as many as limit
// (at most 1,000), there may be more. A consumer that is new begins with what comes after its first call. fn follows
// the rules of store.DB.Write: it does nothing but queries, and may run again.
func (w *Watcher) Consume(ctx context.Context, consumer string, limit int, fn func(ctx context.Context, tx store.Querier, changes []Change) error) (int, error) {
	limit = min(max(limit, 1), maxConsumed)
	n := 0
	err := w.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		n = 0
		now := store.Micros(w.o.Now())
		_, err := tx.ExecContext(ctx, `
			INSERT INTO change_consumers (name, seq, at) SELECT $1, seq, $2 FROM change_clock WHERE one = 1 ON CONFLICT (name) DO NOTHING`, consumer, now)
		if err != nil {
			return err
		}
		var seq int64 // the update keeps other nodes out until this one is done
		if err := tx.QueryRowContext(ctx, `UPDATE change_consumers SET at = $2 WHERE name = $1 RETURNING seq`, consumer, now).Scan(&seq); err != nil {
			return err
		}
		changes, err := readChanges(ctx, tx, seq, limit)
		if err != nil || len(changes) == 0 {
			return err
		}
		if err := fn(ctx, tx, changes); err != nil {
			return err
		}
		n = len(changes)
		_, err = tx.ExecContext(ctx, `UPDATE change_consumers SET seq = $2 WHERE name = $1`, consumer, changes[n-1].Seq)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("consume changes: %w", err)
	}
	return n, nil
}

// Changes returns changes after a number, in their order, for people who look at them.
func (w *Watcher) Changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	return readChanges(ctx, w.o.Store.Reader(), after, min(max(limit, 1), maxConsumed))
}

func readChanges(ctx context.Context, q store.Querier, after int64, limit int) ([]Change, error) {
	rows, err := q.QueryContext(ctx, `
		SELECT seq, target, object, record, kind, fields, who, url, changed_at, seen_at FROM change_events WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Change
	for rows.Next() {
		var c Change
		var fields string
		var changed, seenAt int64
		if err := rows.Scan(&c.Seq, &c.Target, &c.Object, &c.ID, &c.Kind, &fields, &c.By, &c.URL, &changed, &seenAt); err != nil {
			return nil, err
		}
		var values map[string]difference
		if err := json.Unmarshal([]byte(fields), &values); err != nil {
			return nil, errors.Join(errors.New("a stored change is broken"), err)
		}
		c.Fields = make(map[string]Values, len(values))
		for name, v := range values {
			c.Fields[name] = Values{shown(v.Old), shown(v.New)}
		}
		c.ChangedAt, c.SeenAt = store.FromMicros(changed), store.FromMicros(seenAt)
		out = append(out, c)
	}
	return out, rows.Err()
}
