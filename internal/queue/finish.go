package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"heliograph/internal/store"
)

// outcome is what a Result writes into the row of its job.
type outcome struct {
	id, fence  int64
	state      State
	attempt    int
	runAt      int64
	claimedAt  int64 // the time for which it was due when it was claimed: an earlier one in its row means that it is to run again
	finishedAt int64 // 0 while live
	reason     string
}

// Finish writes the outcomes of attempts in the caller's transaction. Results of jobs whose
// lease was lost are left out and named in a *FencedError (errors.Is ErrFenced)
// after all others were written; a caller who returns it rolls back all, one who
// finishes unrelated jobs together may commit the others.
func (q *Queue) Finish(ctx context.Context, tx store.Querier, results ...Result) error {
	if len(results) == 0 {
		return nil
	}
	now := q.now()
	outcomes := make([]outcome, len(results))
	for i, r := range results {
		var err error
		if outcomes[i], err = r.outcome(now); err != nil {
			return fmt.Errorf("finishing job %d: %w", r.Job.ID, err)
		}
	}
	keys := orderKeys(results, func(r Result) orderKey { return orderKey{r.Job.Kind, r.Job.OrderKey} })
	if err := q.lockOrder(ctx, tx, keys); err != nil {
		return fmt.Errorf("finishing jobs: %w", err)
	}
	apply := applySQLite
	if q.db.Dialect() == store.Postgres {
		apply = applyPostgres
	}
	applied, err := apply(ctx, tx, outcomes)
	if err != nil {
		return fmt.Errorf("finishing jobs: %w", err)
	}
	var ended []orderKey
	var fenced []int64
	for _, o := range outcomes {
		key, ok := applied[o.id]
		switch {
		case !ok:
			fenced = append(fenced, o.id)
		case o.finishedAt != 0:
			ended = append(ended, key)
		}
	}
	if err := q.unblockNext(ctx, tx, orderKeys(ended, func(k orderKey) orderKey { return k })); err != nil {
		return fmt.Errorf("finishing jobs: %w", err)
	}
	if len(fenced) > 0 {
		return &FencedError{IDs: fenced}
	}
	return nil
}

// outcome works out what becomes of the job.
func (r Result) outcome(now int64) (outcome, error) {
	j := r.Job
	o := outcome{id: j.ID, fence: j.Fence, attempt: j.Attempt, runAt: store.Micros(j.RunAt), claimedAt: store.Micros(j.RunAt), reason: clip(r.Reason)}
	end := func(s State) { o.state, o.finishedAt = s, now }
	switch r.Action {
	case Complete:
		end(StateCompleted)
	case Discard:
		end(StateDiscarded)
	case Cancel:
		end(StateCancelled)
	case Snooze:
		o.attempt = max(0, j.Attempt-1)
		o.state, o.runAt = due(store.Micros(r.At), now, StateScheduled)
	case Retry:
		if j.MaxAttempts >= 0 && j.Attempt >= j.MaxAttempts {
			o.reason = clip(fmt.Sprintf("gave up after %d attempts: %s", j.Attempt, r.Reason))
			end(StateDiscarded)
			break
		}
		at := store.Micros(r.At)
		if at == 0 {
			at = now + Backoff(j.Attempt).Microseconds()
		}
		o.state, o.runAt = due(at, now, StateRetryable)
	default:
		return o, fmt.Errorf("unknown action %q", r.Action)
	}
	return o, nil
}

// clip makes a reason fit to be stored: bounded, and text that PostgreSQL takes.
func clip(reason string) string {
	reason = strings.ReplaceAll(strings.ToValidUTF8(reason, "\uFFFD"), "\x00", "\uFFFD")
	if len(reason) <= maxReason {
		return reason
	}
	cut := maxReason
	for !utf8.RuneStart(reason[cut]) {
		cut--
	}
	return reason[:cut] + "…"
}

// applySQLite writes outcomes and returns the order keys of the jobs it found.
func applySQLite(ctx context.Context, tx store.Querier, outcomes []outcome) (map[int64]orderKey, error) {
	applied := make(map[int64]orderKey, len(outcomes))
	for _, o := range outcomes {
		var key orderKey
		err := tx.QueryRowContext(ctx, `
			UPDATE jobs SET state = CASE WHEN run_at <> $8 AND $6 = 0 THEN 'available' ELSE $3 END, attempt = $4,
				run_at = CASE WHEN run_at <> $8 AND $6 = 0 THEN run_at ELSE $5 END, finished_at = NULLIF($6, 0), last_error = $7, lease_until = 0
			WHERE id = $1 AND fence = $2 AND state = 'running'
			RETURNING kind, order_key`,
			o.id, o.fence, string(o.state), o.attempt, o.runAt, o.finishedAt, o.reason, o.claimedAt).Scan(&key.kind, &key.key)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		applied[o.id] = key
	}
	return applied, nil
}

// applyPostgres does the same in one round trip.
func applyPostgres(ctx context.Context, tx store.Querier, outcomes []outcome) (_ map[int64]orderKey, err error) {
	var ids, fences, attempts, runs, finished, claimed []int64
	var states, reasons []string
	for _, o := range outcomes {
		ids, fences, attempts = append(ids, o.id), append(fences, o.fence), append(attempts, int64(o.attempt))
		runs, finished = append(runs, o.runAt), append(finished, o.finishedAt)
		states, reasons, claimed = append(states, string(o.state)), append(reasons, o.reason), append(claimed, o.claimedAt)
	}
	rows, err := tx.QueryContext(ctx, `
		UPDATE jobs SET state = CASE WHEN jobs.run_at <> o.claimed_at AND o.finished_at = 0 THEN 'available' ELSE o.state END, attempt = o.attempt,
			run_at = CASE WHEN jobs.run_at <> o.claimed_at AND o.finished_at = 0 THEN jobs.run_at ELSE o.run_at END,
			finished_at = NULLIF(o.finished_at, 0), last_error = o.reason, lease_until = 0
		FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[])
			AS o(id, fence, state, attempt, run_at, finished_at, reason, claimed_at)
		WHERE jobs.id = o.id AND jobs.fence = o.fence AND jobs.state = 'running'
		RETURNING jobs.id, jobs.kind, jobs.order_key`,
		ids, fences, states, attempts, runs, finished, reasons, claimed)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	applied := make(map[int64]orderKey, len(outcomes))
	for rows.Next() {
		var id int64
		var key orderKey
		if err := rows.Scan(&id, &key.kind, &key.key); err != nil {
			return nil, err
		}
		applied[id] = key
	}
	return applied, rows.Err()
}

// Extend prolongs the lease of a claimed job: it ends lease from now. It returns
// ErrFenced when the lease was lost.
func (q *Queue) Extend(ctx context.Context, job Job, lease time.Duration) error {
	fenced, err := q.extend(ctx, []Job{job}, lease)
	if err == nil && len(fenced) > 0 {
		err = &FencedError{IDs: fenced}
	}
	return err
}

// extend prolongs leases and returns the ids of the jobs that lost theirs.
func (q *Queue) extend(ctx context.Context, jobs []Job, lease time.Duration) (fenced []int64, err error) {
	err = q.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		fenced = nil
		until := q.now() + lease.Microseconds()
		for _, j := range jobs {
			r, err := tx.ExecContext(ctx, `UPDATE jobs SET lease_until = $3 WHERE id = $1 AND fence = $2 AND state = 'running'`,
				j.ID, j.Fence, until)
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			if err != nil {
				return err
			}
			if n == 0 {
				fenced = append(fenced, j.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("extending leases: %w", err)
	}
	return fenced, nil
}
