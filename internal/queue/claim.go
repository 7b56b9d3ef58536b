package queue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"heliograph/internal/store"
)

const (
	// promoteMax bounds how many jobs that fell due one claim makes available, so
	// that a crowd of them does not hold up other writers.
	promoteMax = 500
	// expireMax bounds the expired leases that one claim looks at.
	expireMax = 100
	// expiredReason is the LastError of a job whose worker went silent.
	expiredReason = "the lease expired: the worker crashed or hung"
)

const columns = `id, kind, key, order_key, payload, priority, state, attempt, max_attempts, blocked,
	run_at, created_at, lease_until, finished_at, fence, last_error`

// Claim takes up to n jobs of a kind for the time of lease: the lowest priority number
// first, then the longest due. Of jobs that share an order key it takes only the
// oldest live one. Jobs whose lease expired are claimed again; one that has no
// attempts left is discarded instead. No jobs is no error.
func (q *Queue) Claim(ctx context.Context, kind string, n int, lease time.Duration) ([]Job, error) {
	if n <= 0 {
		return nil, nil
	}
	if any, err := q.claimable(ctx, kind); err != nil || !any {
		return nil, err
	}
	var jobs []Job
	err := q.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		now := q.now()
		if err := q.promote(ctx, tx, kind, now); err != nil {
			return err
		}
		if err := q.expire(ctx, tx, kind, now); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, q.claimQuery(), kind, n, now+lease.Microseconds())
		if err != nil {
			return err
		}
		jobs, err = scanJobs(rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claiming %s jobs: %w", kind, err)
	}
	slices.SortFunc(jobs, func(a, b Job) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.RunAt.Compare(b.RunAt), cmp.Compare(a.ID, b.ID))
	})
	q.metrics.claimed(kind, len(jobs))
	return jobs, nil
}

// claimable looks without a write transaction, so that idle workers disturb nobody.
func (q *Queue) claimable(ctx context.Context, kind string) (any bool, err error) {
	var n int
	err = q.db.Reader().QueryRowContext(ctx, `
		SELECT CASE WHEN
			EXISTS (SELECT 1 FROM jobs WHERE kind = $1 AND state = 'available' AND blocked = 0)
			OR EXISTS (SELECT 1 FROM jobs WHERE kind = $1 AND state IN ('scheduled', 'retryable') AND run_at <= $2)
			OR EXISTS (SELECT 1 FROM jobs WHERE kind = $1 AND state = 'running' AND lease_until <= $2)
		THEN 1 ELSE 0 END`, kind, q.now()).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("looking for %s jobs: %w", kind, err)
	}
	return n == 1, nil
}

// skipLocked keeps claimers of several nodes out of each other's way.
func (q *Queue) skipLocked() string {
	if q.db.Dialect() == store.Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// claimQuery takes kind, limit and the end of the lease. MATERIALIZED matters: PostgreSQL
// may otherwise run the subquery more than once, and lock more rows than the limit. So does
// the sum in LIMIT: SQLite looks at a bare parameter there when it plans, and would prepare
// the statement again each time.
func (q *Queue) claimQuery() string {
	return `
		WITH picked AS MATERIALIZED (
			SELECT id AS picked_id FROM jobs WHERE kind = $1 AND state = 'available' AND blocked = 0
			ORDER BY priority, run_at, id LIMIT $2 + 0` + q.skipLocked() + `)
		UPDATE jobs SET state = 'running', attempt = attempt + 1, fence = fence + 1, lease_until = $3
		WHERE id IN (SELECT picked_id FROM picked)
		RETURNING ` + columns
}

// promote makes jobs available that have fallen due.
func (q *Queue) promote(ctx context.Context, tx store.Querier, kind string, now int64) error {
	_, err := tx.ExecContext(ctx, `
		WITH fallen AS MATERIALIZED (
			SELECT id AS fallen_id FROM jobs WHERE kind = $1 AND state IN ('scheduled', 'retryable') AND run_at <= $2
			ORDER BY run_at LIMIT $3 + 0`+q.skipLocked()+`)
		UPDATE jobs SET state = 'available' WHERE id IN (SELECT fallen_id FROM fallen)`, kind, now, promoteMax)
	if err != nil {
		return fmt.Errorf("promoting due jobs: %w", err)
	}
	return nil
}

// expire makes jobs available again whose lease has expired, and discards those
// whose last attempt that was: a job that kills its worker must not do so for ever.
func (q *Queue) expire(ctx context.Context, tx store.Querier, kind string, now int64) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT `+columns+` FROM jobs WHERE kind = $1 AND state = 'running' AND lease_until <= $2
		ORDER BY lease_until LIMIT $3 + 0`, kind, now, expireMax)
	if err != nil {
		return fmt.Errorf("looking for expired leases: %w", err)
	}
	jobs, err := scanJobs(rows)
	if err != nil || len(jobs) == 0 {
		return err
	}
	results := make([]Result, len(jobs))
	for i, j := range jobs {
		results[i] = Result{Job: j, Action: Retry, At: store.FromMicros(min(store.Micros(j.RunAt), now)), Reason: expiredReason}
	}
	// The rows are not locked before Finish, which locks order keys first. A job that
	// another node has taken or finished meanwhile is fenced and left alone.
	var fenced *FencedError
	if err := q.Finish(ctx, tx, results...); err != nil && !errors.As(err, &fenced) {
		return err
	}
	q.metrics.outcome(kind, "expired", len(jobs))
	q.o.Logger.WarnContext(ctx, "leases expired", "kind", kind, "jobs", len(jobs))
	return nil
}

// scanJobs reads and closes rows of columns.
func scanJobs(rows *sql.Rows) (jobs []Job, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var j Job
		var runAt, createdAt, leaseUntil int64
		var finishedAt sql.NullInt64
		if err := rows.Scan(&j.ID, &j.Kind, &j.Key, &j.OrderKey, &j.Payload, &j.Priority, &j.State, &j.Attempt, &j.MaxAttempts,
			&j.Blocked, &runAt, &createdAt, &leaseUntil, &finishedAt, &j.Fence, &j.LastError); err != nil {
			return nil, fmt.Errorf("reading jobs: %w", err)
		}
		j.RunAt, j.CreatedAt = store.FromMicros(runAt), store.FromMicros(createdAt)
		j.LeaseUntil, j.FinishedAt = store.FromMicros(leaseUntil), store.FromMicros(finishedAt.Int64)
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}
