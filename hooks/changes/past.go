package changes

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/store"
)

// Since returns the number before the first change that was seen at a time or later: Read goes on from there.
func Since(ctx context.Context, q store.Querier, from time.Time) (after int64, err error) {
	var first sql.NullInt64
	if err := q.QueryRowContext(ctx, `SELECT MIN(seq) FROM change_events WHERE seen_at >= $1`, store.Micros(from)).Scan(&first); err != nil {
		return 0, fmt.Errorf("look for changes: %w", err)
	}
	if first.Valid {
		return first.Int64 - 1, nil
	}
	var last int64
	if err := q.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM change_events`).Scan(&last); err != nil {
		return 0, fmt.Errorf("look for changes: %w", err)
	}
	return last, nil
}

// Read is Watcher.Changes for those who have the store only.
func Read(ctx context.Context, q store.Querier, after int64, limit int) ([]Change, error) {
	return readChanges(ctx, q, after, min(max(limit, 1), maxConsumed))
}

// Past returns the watched fields of a record as they were at a time, as far as changes are kept: the last seen values, with what changed
// later taken back. It is false where the record was not there or is not known. Times are texts, as in Values.
func Past(ctx context.Context, q store.Querier, target, object, id string, at time.Time) (fields map[string]any, ok bool, err error) {
	var text string
	err = q.QueryRowContext(ctx, `SELECT vals FROM change_records WHERE target = $1 AND object = $2 AND record = $3`, target, object, id).Scan(&text)
	switch {
	case err == nil:
		var values seen
		if err := json.Unmarshal([]byte(text), &values); err != nil {
			return nil, false, errors.Join(errors.New("the stored values of a record are broken"), err)
		}
		fields, ok = map[string]any{}, true
		for name, v := range values {
			fields[name] = shown(v)
		}
	case !errors.Is(err, sql.ErrNoRows):
		return nil, false, fmt.Errorf("read a record: %w", err)
	}
	rows, err := q.QueryContext(ctx, `
		SELECT kind, fields FROM change_events WHERE target = $1 AND object = $2 AND record = $3 AND seen_at > $4 ORDER BY seq DESC`, target, object, id, store.Micros(at))
	if err != nil {
		return nil, false, fmt.Errorf("read the changes of a record: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var kind, changed string
		if err := rows.Scan(&kind, &changed); err != nil {
			return nil, false, err
		}
		var values map[string]difference
		if err := json.Unmarshal([]byte(changed), &values); err != nil {
			return nil, false, errors.Join(errors.New("a stored change is broken"), err)
		}
		if kind == Made {
			fields, ok = nil, false
			continue
		}
		if fields == nil {
			fields = map[string]any{}
		}
		ok = true
		for name, v := range values {
			fields[name] = shown(v.Old)
		}
	}
	return fields, ok, rows.Err()
}

// ChangedSince are the records of which a change was seen after a time, at most limit.
func ChangedSince(ctx context.Context, q store.Querier, target, object string, after time.Time, limit int) (ids []string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT DISTINCT record FROM change_events WHERE target = $1 AND object = $2 AND seen_at > $3 ORDER BY record LIMIT $4`,
		target, object, store.Micros(after), limit)
	if err != nil {
		return nil, fmt.Errorf("look for changed records: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
