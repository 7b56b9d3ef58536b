package queue

import (
	"context"
	"errors"
	"fmt"

	"heliograph/internal/store"
)

// Add adds jobs in the caller's transaction and returns how many. A job whose key is
// live already in its kind is not added again. Call Wake after the commit.
func (q *Queue) Add(ctx context.Context, tx store.Querier, jobs ...New) (added int, err error) {
	if len(jobs) == 0 {
		return 0, nil
	}
	for _, n := range jobs {
		if n.Kind == "" {
			return 0, errors.New("adding a job: it has no kind")
		}
	}
	keys := orderKeys(jobs, func(n New) orderKey { return orderKey{n.Kind, n.OrderKey} })
	if err := q.lockOrder(ctx, tx, keys); err != nil {
		return 0, fmt.Errorf("adding jobs: %w", err)
	}
	insert := q.insertSQLite
	if q.db.Dialect() == store.Postgres {
		insert = q.insertPostgres
	}
	if added, err = insert(ctx, tx, jobs); err != nil {
		return 0, fmt.Errorf("adding jobs: %w", err)
	}
	// Jobs with an order key come in blocked; those without a predecessor go now.
	if err := q.unblockNext(ctx, tx, keys); err != nil {
		return 0, fmt.Errorf("adding jobs: %w", err)
	}
	return added, nil
}

// fill completes what New leaves open.
func (q *Queue) fill(n *New, now int64) (state State, runAt int64, blocked int) {
	if n.MaxAttempts == 0 {
		n.MaxAttempts = DefaultMaxAttempts
	}
	if n.Payload == nil {
		n.Payload = []byte{}
	}
	state, runAt = due(store.Micros(n.RunAt), now, StateScheduled)
	if n.OrderKey != "" {
		blocked = 1
	}
	return state, runAt, blocked
}

// due returns the state of a job that is to run at the given time (0 means now):
// available, or later while that is in the future.
func due(at, now int64, later State) (State, int64) {
	switch {
	case at == 0:
		return StateAvailable, now
	case at > now:
		return later, at
	}
	return StateAvailable, at
}

func (q *Queue) insertSQLite(ctx context.Context, tx store.Querier, jobs []New) (added int, err error) {
	now := q.now()
	for _, n := range jobs {
		state, runAt, blocked := q.fill(&n, now)
		r, err := tx.ExecContext(ctx, `
			INSERT INTO jobs (kind, key, order_key, blocked, payload, priority, state, attempt, max_attempts,
				run_at, created_at, lease_until, fence, last_error)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, 0, 0, '')
			ON CONFLICT DO NOTHING`,
			n.Kind, n.Key, n.OrderKey, blocked, n.Payload, n.Priority, string(state), n.MaxAttempts, runAt, now)
		if err != nil {
			return 0, err
		}
		affected, err := r.RowsAffected()
		if err != nil {
			return 0, err
		}
		added += int(affected)
	}
	return added, nil
}

// insertPostgres sends all jobs in one statement: round trips are what costs there.
func (q *Queue) insertPostgres(ctx context.Context, tx store.Querier, jobs []New) (added int, err error) {
	now := q.now()
	var kinds, keys, orders, states []string
	var payloads [][]byte
	var blocks, priorities, attempts, runs []int64
	for _, n := range jobs {
		state, runAt, blocked := q.fill(&n, now)
		kinds, keys, orders = append(kinds, n.Kind), append(keys, n.Key), append(orders, n.OrderKey)
		states, payloads = append(states, string(state)), append(payloads, n.Payload)
		blocks, priorities = append(blocks, int64(blocked)), append(priorities, int64(n.Priority))
		attempts, runs = append(attempts, int64(n.MaxAttempts)), append(runs, runAt)
	}
	r, err := tx.ExecContext(ctx, `
		INSERT INTO jobs (kind, key, order_key, blocked, payload, priority, state, attempt, max_attempts,
			run_at, created_at, lease_until, fence, last_error)
		SELECT n.kind, n.key, n.order_key, n.blocked, n.payload, n.priority, n.state, 0, n.max_attempts,
			n.run_at, $10::bigint, 0, 0, ''
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::text[], $8::bigint[], $9::bigint[])
			WITH ORDINALITY AS n(kind, key, order_key, blocked, payload, priority, state, max_attempts, run_at, ord)
		ORDER BY n.ord
		ON CONFLICT DO NOTHING`,
		kinds, keys, orders, blocks, payloads, priorities, states, attempts, runs, now)
	if err != nil {
		return 0, err
	}
	affected, err := r.RowsAffected()
	return int(affected), err
}
