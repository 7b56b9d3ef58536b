package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/store"
)

// Filter selects jobs for List. Empty fields select all.
type Filter struct {
	IDs                 []int64
	Kind, Key, OrderKey string
	State               State
	Kinds               []string // any of these; empty: all
	States              []State  // any of these; empty: all
	Before              int64    // only jobs with a lower id: pass the last one's to page on
	Limit               int      // 0 means 100
}

const defaultLimit = 100

// List returns jobs, the newest first.
func (q *Queue) List(ctx context.Context, f Filter) ([]Job, error) {
	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	for _, c := range []struct{ column, value string }{
		{"kind", f.Kind}, {"key", f.Key}, {"order_key", f.OrderKey}, {"state", string(f.State)},
	} {
		if c.value != "" {
			where = append(where, c.column+" = "+arg(c.value))
		}
	}
	oneOf := func(column string, values []string) {
		marks := make([]string, len(values))
		for i, v := range values {
			marks[i] = arg(v)
		}
		if len(values) > 0 {
			where = append(where, column+" IN ("+strings.Join(marks, ", ")+")")
		}
	}
	oneOf("kind", f.Kinds)
	states := make([]string, len(f.States))
	for i, s := range f.States {
		states[i] = string(s)
	}
	oneOf("state", states)
	if f.Before > 0 {
		where = append(where, "id < "+arg(f.Before))
	}
	if len(f.IDs) > 0 {
		marks := make([]string, len(f.IDs))
		for i, id := range f.IDs {
			marks[i] = arg(id)
		}
		where = append(where, "id IN ("+strings.Join(marks, ", ")+")")
	}
	query := "SELECT " + columns + " FROM jobs"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	rows, err := q.db.Reader().QueryContext(ctx, query+" ORDER BY id DESC LIMIT "+arg(f.Limit), args...)
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	return scanJobs(rows)
}

// Redrive makes jobs run again now, with all their attempts before them, and returns how
// many. It takes discarded and cancelled jobs, unless a job with the same key is
// live by now, and those that wait for their time. One that runs now is not counted, but runs once more at once
// where its attempt ends with a wait: what it waits for may be what has just come. The reason of the last
// failure stays until the next attempt ends.
func (q *Queue) Redrive(ctx context.Context, ids ...int64) (redriven int, err error) {
	redriven, err = q.change(ctx, ids, func(ctx context.Context, tx store.Querier, j Job) (bool, error) {
		switch j.State {
		case StateScheduled, StateRetryable:
			_, err := tx.ExecContext(ctx, `UPDATE jobs SET state = 'available', attempt = 0, run_at = $2 WHERE id = $1`, j.ID, q.now())
			return err == nil, err
		case StateRunning:
			// An earlier time than it was claimed for is the mark.
			_, err := tx.ExecContext(ctx, `UPDATE jobs SET run_at = run_at - 1 WHERE id = $1`, j.ID)
			return false, err
		case StateDiscarded, StateCancelled:
		default:
			return false, nil
		}
		r, err := tx.ExecContext(ctx, `
			UPDATE jobs SET state = 'available', attempt = 0, run_at = $2, finished_at = NULL,
				blocked = CASE WHEN order_key <> '' THEN 1 ELSE 0 END
			WHERE id = $1 AND NOT EXISTS (
				SELECT 1 FROM jobs l WHERE l.kind = jobs.kind AND l.key = jobs.key AND l.key <> '' AND l.finished_at IS NULL)`,
			j.ID, q.now())
		if err != nil {
			return false, err
		}
		n, err := r.RowsAffected()
		return n > 0, err
	})
	if err != nil {
		return 0, fmt.Errorf("redriving jobs: %w", err)
	}
	if redriven > 0 {
		q.Wake()
	}
	return redriven, nil
}

// Hurry makes the live job with a key run now if it waits for its time, in the caller's transaction, and returns whether it did. What
// runs, or may run already, stays as it is. Call Wake after the commit.
func (q *Queue) Hurry(ctx context.Context, tx store.Querier, kind, key string) (bool, error) {
	r, err := tx.ExecContext(ctx, `
		UPDATE jobs SET state = 'available', run_at = $3 WHERE kind = $1 AND key = $2 AND state IN ('scheduled', 'retryable')`, kind, key, q.now())
	if err != nil {
		return false, fmt.Errorf("hurrying a job: %w", err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// Drop cancels live jobs and dead letters and returns how many. A worker that runs one
// of them loses its lease.
func (q *Queue) Drop(ctx context.Context, reason string, ids ...int64) (dropped int, err error) {
	dropped, err = q.change(ctx, ids, func(ctx context.Context, tx store.Querier, j Job) (bool, error) {
		if !j.State.Live() && j.State != StateDiscarded {
			return false, nil
		}
		_, err := tx.ExecContext(ctx, `
			UPDATE jobs SET state = 'cancelled', finished_at = $2, last_error = $3, lease_until = 0 WHERE id = $1`,
			j.ID, q.now(), clip(reason))
		return err == nil, err
	})
	if err != nil {
		return 0, fmt.Errorf("dropping jobs: %w", err)
	}
	if dropped > 0 {
		q.Wake() // what waited behind them may go
	}
	return dropped, nil
}

// change calls do with each of the jobs, in one transaction, and returns how many it changed.
func (q *Queue) change(ctx context.Context, ids []int64, do func(context.Context, store.Querier, Job) (bool, error)) (changed int, err error) {
	err = q.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		changed = 0
		jobs, err := byID(ctx, tx, ids, "")
		if err != nil {
			return err
		}
		keys := orderKeys(jobs, func(j Job) orderKey { return orderKey{j.Kind, j.OrderKey} })
		if err := q.lockOrder(ctx, tx, keys); err != nil {
			return err
		}
		lock := ""
		if q.db.Dialect() == store.Postgres {
			lock = " FOR UPDATE"
		}
		// Again, now that nobody else can change them.
		if jobs, err = byID(ctx, tx, ids, lock); err != nil {
			return err
		}
		for _, j := range jobs {
			ok, err := do(ctx, tx, j)
			if err != nil {
				return err
			}
			if ok {
				changed++
			}
		}
		return q.unblockNext(ctx, tx, keys)
	})
	return changed, err
}

// byID reads jobs. Those that do not exist are left out.
func byID(ctx context.Context, tx store.Querier, ids []int64, lock string) ([]Job, error) {
	var jobs []Job
	for _, id := range ids {
		rows, err := tx.QueryContext(ctx, "SELECT "+columns+" FROM jobs WHERE id = $1"+lock, id)
		if err != nil {
			return nil, err
		}
		found, err := scanJobs(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, found...)
	}
	return jobs, nil
}

// pruneBatch bounds the rows that one transaction deletes.
const pruneBatch = 500

// Prune deletes completed and cancelled jobs that are older than Options.Retention
// and returns how many. Work does so once an hour. Discarded jobs stay.
func (q *Queue) Prune(ctx context.Context) (pruned int, err error) {
	before := store.Micros(q.o.Now().Add(-q.o.Retention))
	for {
		var n int64
		err := q.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			r, err := tx.ExecContext(ctx, `
				DELETE FROM jobs WHERE id IN (
					SELECT id FROM jobs WHERE state IN ('completed', 'cancelled') AND finished_at < $1
					ORDER BY finished_at LIMIT $2)`, before, pruneBatch)
			if err != nil {
				return err
			}
			n, err = r.RowsAffected()
			return err
		})
		if err != nil {
			return pruned, fmt.Errorf("pruning jobs: %w", err)
		}
		if pruned += int(n); n < pruneBatch {
			return pruned, nil
		}
	}
}

// Stat counts the jobs of one kind in one state.
type Stat struct {
	Kind    string
	State   State
	Count   int
	Blocked int       // of them, those behind an earlier job of their order key
	Oldest  time.Time // when the oldest of them was created
}

// Stats counts live and discarded jobs by kind and state. Completed and cancelled ones are
// not counted: there are many and nobody waits for them.
func (q *Queue) Stats(ctx context.Context) (stats []Stat, err error) {
	rows, err := q.db.Reader().QueryContext(ctx, `
		SELECT kind, state, count(*), sum(blocked), min(created_at) FROM jobs WHERE finished_at IS NULL GROUP BY kind, state
		UNION ALL
		SELECT kind, state, count(*), 0, min(created_at) FROM jobs WHERE state = 'discarded' GROUP BY kind, state
		ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("counting jobs: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s Stat
		var oldest int64
		if err := rows.Scan(&s.Kind, &s.State, &s.Count, &s.Blocked, &oldest); err != nil {
			return nil, fmt.Errorf("counting jobs: %w", err)
		}
		s.Oldest = store.FromMicros(oldest)
		stats = append(stats, s)
	}
	return stats, rows.Err()
}
