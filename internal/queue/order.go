package queue

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"heliograph/internal/store"
)

// orderKey is an order key with its kind.
type orderKey struct{ kind, key string }

// orderKeys returns the distinct order keys, without the empty one.
func orderKeys[T any](items []T, get func(T) orderKey) []orderKey {
	var keys []orderKey
	for _, item := range items {
		if k := get(item); k.key != "" {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b orderKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.key, b.key))
	})
	return slices.Compact(keys)
}

const (
	// lockClass is the first half of our advisory locks' numbers ("jobs" in ASCII).
	lockClass = 0x6a6f6273
	// lockStripes bounds how many advisory locks one transaction can hold: order keys
	// share them by hash, since PostgreSQL's lock table is small.
	lockStripes = 1024
)

// lockOrder makes the transaction the only one that adds, ends or unblocks jobs of these
// order keys until it commits. Without that, on PostgreSQL, one that adds a job behind
// another and one that ends the other would not see each other, and nobody
// would unblock the new job. SQLite has a single writer.
func (q *Queue) lockOrder(ctx context.Context, tx store.Querier, keys []orderKey) error {
	if len(keys) == 0 || q.db.Dialect() != store.Postgres {
		return nil
	}
	stripes := make([]int32, len(keys))
	for i, k := range keys {
		h := fnv.New32a()
		_, _ = h.Write([]byte(k.kind + "\x00" + k.key))
		stripes[i] = int32(h.Sum32() % lockStripes)
	}
	slices.Sort(stripes) // always in the same order, against deadlocks
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1::int, s) FROM unnest($2::int[]) AS s`,
		int32(lockClass), slices.Compact(stripes))
	if err != nil {
		return fmt.Errorf("locking order keys: %w", err)
	}
	return nil
}

// unblockNext lets the oldest live job of each order key go, if none is going.
func (q *Queue) unblockNext(ctx context.Context, tx store.Querier, keys []orderKey) error {
	if len(keys) == 0 {
		return nil
	}
	if q.db.Dialect() == store.Postgres {
		kinds, names := make([]string, len(keys)), make([]string, len(keys))
		for i, k := range keys {
			kinds[i], names[i] = k.kind, k.key
		}
		_, err := tx.ExecContext(ctx, `
			UPDATE jobs SET blocked = 0
			FROM unnest($1::text[], $2::text[]) AS o(kind, order_key)
			WHERE jobs.id = (
					SELECT n.id FROM jobs n
					WHERE n.kind = o.kind AND n.order_key = o.order_key AND n.blocked = 1 AND n.finished_at IS NULL
					ORDER BY n.id LIMIT 1)
				AND NOT EXISTS (
					SELECT 1 FROM jobs h
					WHERE h.kind = o.kind AND h.order_key = o.order_key AND h.order_key <> '' AND h.blocked = 0 AND h.finished_at IS NULL)`,
			kinds, names)
		if err != nil {
			return fmt.Errorf("unblocking the next jobs: %w", err)
		}
		return nil
	}
	for _, k := range keys {
		_, err := tx.ExecContext(ctx, `
			UPDATE jobs SET blocked = 0
			WHERE id = (
					SELECT id FROM jobs
					WHERE kind = $1 AND order_key = $2 AND blocked = 1 AND finished_at IS NULL
					ORDER BY id LIMIT 1)
				AND NOT EXISTS (
					SELECT 1 FROM jobs
					WHERE kind = $1 AND order_key = $2 AND order_key <> '' AND blocked = 0 AND finished_at IS NULL)`,
			k.kind, k.key)
		if err != nil {
			return fmt.Errorf("unblocking the next job: %w", err)
		}
	}
	return nil
}
