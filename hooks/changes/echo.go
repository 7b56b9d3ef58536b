package changes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/internal/store"
)

// echoTime is how long a note of our own writing waits for the CRM to tell of it. A poll that takes longer tells it as a change.
const echoTime = 2 * time.Hour

// Wrote notes that fields of a record are written by us, so that they are not told as a change. Call it in the transaction that
// decides to write, before the CRM is asked, for each try: after a crash the note is there. Where the CRM itself tells who
// wrote, it need not be called. Fields that nobody watches are harmless.
func (w *Watcher) Wrote(ctx context.Context, tx store.Querier, target, object, id string, fields map[string]any) error {
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO change_echoes (target, object, record, field, hash, at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (target, object, record, field) DO UPDATE SET hash = excluded.hash, at = excluded.at`,
			target, object, id, field, echoHash(fields[field]), store.Micros(w.o.Now()))
		if err != nil {
			return fmt.Errorf("note what is written to %s: %w", target, err)
		}
	}
	return nil
}

// echoes are the notes of a part of the records: by record, then field.
type echoes map[string]map[string]string

func (w *Watcher) readEchoes(ctx context.Context, tx store.Querier, d watch, ids []string) (echoes, error) {
	marks, args := placeholders(ids, d.target, d.object, store.Micros(w.o.Now().Add(-echoTime)))
	rows, err := tx.QueryContext(ctx, `SELECT record, field, hash FROM change_echoes
		WHERE target = $1 AND object = $2 AND at >= $3 AND record IN (`+marks+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := echoes{}
	for rows.Next() {
		var id, field, hash string
		if err := rows.Scan(&id, &field, &hash); err != nil {
			return nil, err
		}
		if out[id] == nil {
			out[id] = map[string]string{}
		}
		out[id][field] = hash
	}
	return out, rows.Err()
}

func forgetEcho(ctx context.Context, tx store.Querier, d watch, id, field string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM change_echoes WHERE target = $1 AND object = $2 AND record = $3 AND field = $4`, d.target, d.object, id, field)
	return err
}

// placeholders returns the marks of a list behind other arguments.
func placeholders(list []string, before ...any) (marks string, args []any) {
	args = before
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		args = append(args, v)
		fmt.Fprintf(&b, "$%d", len(args))
	}
	return b.String(), args
}
