package rules

import (
	"context"
	"errors"
	"time"

	"heliograph/internal/store"
)

// maxTag bounds a tag, in bytes.
const maxTag = 200

// SetTags adds and removes tags of a message, by its key, in the caller's transaction. It is idempotent.
func SetTags(ctx context.Context, tx store.Querier, message string, add, remove []string, by string, now time.Time) error {
	for _, t := range add {
		if t == "" || len(t) > maxTag {
			return Permanent(errors.New("a tag has 1 to 200 bytes"))
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO message_tags (message_key, tag, set_by, set_at) VALUES ($1, $2, $3, $4) ON CONFLICT (message_key, tag) DO NOTHING`,
			message, t, by, store.Micros(now))
		if err != nil {
			return err
		}
	}
	for _, t := range remove {
		if _, err := tx.ExecContext(ctx, `DELETE FROM message_tags WHERE message_key = $1 AND tag = $2`, message, t); err != nil {
			return err
		}
	}
	return nil
}

// Tags returns the tags of a message, sorted.
func Tags(ctx context.Context, q store.Querier, message string) ([]any, error) {
	rows, err := q.QueryContext(ctx, `SELECT tag FROM message_tags WHERE message_key = $1 ORDER BY tag`, message)
	if err != nil {
		return nil, err
	}
	list, err := texts(rows)
	out := make([]any, len(list))
	for i, t := range list {
		out[i] = t
	}
	return out, err
}
