package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// RunFilter selects runs. Empty fields select all.
type RunFilter struct {
	Rule         string
	Version      int
	State        RunState
	States       []RunState // any of these
	Mode         Mode
	Since, Until time.Time // when they began: from Since on, before Until
	Message      string    // about this message: an entry, or the key of a message
	ID           string
	// Accounts are those whose mail is seen: only runs about a message of which one of them has a copy, and with Others those about no message. nil
	// selects all.
	Accounts []string
	Others   bool
	Before   time.Time // only older ones: pass the last one's MadeAt to page on
	After    string    // and those as old as Before with an id behind this one: pass the last one's
	Limit    int       // 0 means 100
}

// Runs returns runs, the newest first, without their steps and effects: ReadRun has those. It needs nothing but the store.
func Runs(ctx context.Context, q store.Querier, f RunFilter) (list []*Run, err error) {
	where, args := f.where()
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	rows, err := q.QueryContext(ctx, fmt.Sprintf("SELECT "+runColumns+" FROM rule_runs WHERE %s ORDER BY made_at DESC, id LIMIT %d", where, limit), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// where is the filter in SQL.
func (f *RunFilter) where() (where string, args []any) {
	parts := []string{"1 = 1"}
	add := func(condition string, values ...any) {
		numbers := make([]any, len(values))
		for i, v := range values {
			args = append(args, v)
			numbers[i] = len(args)
		}
		parts = append(parts, fmt.Sprintf(condition, numbers...))
	}
	if f.Rule != "" {
		add("rule = $%d", f.Rule)
	}
	if f.Version > 0 {
		add("version = $%d", f.Version)
	}
	if f.State != "" {
		add("state = $%d", string(f.State))
	}
	if f.Mode != "" {
		add("mode = $%d", string(f.Mode))
	}
	if len(f.States) > 0 {
		places, values := list(f.States)
		add("state IN ("+places+")", values...)
	}
	if !f.Since.IsZero() {
		add("made_at >= $%d", store.Micros(f.Since))
	}
	if !f.Until.IsZero() {
		add("made_at < $%d", store.Micros(f.Until))
	}
	if f.Message != "" {
		add("(entry = $%d OR message = $%[1]d)", f.Message)
	}
	if f.ID != "" {
		add("id = $%d", f.ID)
	}
	if f.Accounts != nil {
		f.scope(add)
	}
	switch {
	case !f.Before.IsZero() && f.After != "":
		add("(made_at < $%[1]d OR made_at = $%[1]d AND id > $%[2]d)", store.Micros(f.Before), f.After)
	case !f.Before.IsZero():
		add("made_at < $%d", store.Micros(f.Before))
	}
	return strings.Join(parts, " AND "), args
}

// scope leaves the runs about mail of accounts.
func (f *RunFilter) scope(add func(condition string, values ...any)) {
	none := "1 = 0"
	if f.Others {
		none = "entry = ''"
	}
	if len(f.Accounts) == 0 {
		add(none)
		return
	}
	places, values := list(f.Accounts)
	add("("+none+" OR account IN ("+places+") OR message <> '' AND EXISTS (SELECT 1 FROM sightings s WHERE s.message_key = rule_runs.message AND lower(s.account) IN ("+places+")))", values...)
}

// list are the places of values in a query, and the values.
func list[T ~string](texts []T) (places string, values []any) {
	var out []string
	for i, t := range texts {
		out = append(out, fmt.Sprintf("$%%[%d]d", i+1))
		values = append(values, string(t))
	}
	return strings.Join(out, ", "), values
}

// RunCount is how often a rule ran, by the states of its runs, and when it last did.
type RunCount struct {
	States map[RunState]int
	Last   time.Time
}

// CountRuns counts the runs that began since a time, by rule. Last is told whenever it was.
func CountRuns(ctx context.Context, q store.Querier, since time.Time) (out map[string]RunCount, err error) {
	out = map[string]RunCount{}
	rows, err := q.QueryContext(ctx, `
		SELECT rule, '', 0, max(made_at) FROM rule_runs GROUP BY rule
		UNION ALL SELECT rule, state, count(*), 0 FROM rule_runs WHERE made_at >= $1 GROUP BY rule, state`, store.Micros(since))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var rule, state string
		var n int
		var last int64
		if err := rows.Scan(&rule, &state, &n, &last); err != nil {
			return nil, err
		}
		c := out[rule]
		if c.States == nil {
			c.States = map[RunState]int{}
		}
		if state == "" {
			c.Last = store.FromMicros(last)
		} else {
			c.States[RunState(state)] = n
		}
		out[rule] = c
	}
	return out, rows.Err()
}

// Waits are the keys of what a run waits for besides a time: reply:, thread:, approval: or effect: and an id.
func Waits(ctx context.Context, q store.Querier, run string) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT wait_key FROM rule_waits WHERE run = $1 ORDER BY wait_key`, run)
	if err != nil {
		return nil, err
	}
	return texts(rows)
}

// ErrNoRun says that there is no such run.
var ErrNoRun = errNoRun

// ReadRun returns a run with its steps and effects. It needs nothing but the store.
func ReadRun(ctx context.Context, q store.Querier, id string) (*Run, error) {
	return readRun(ctx, q, id)
}

// Retry lets a run that failed go on where it failed: after somebody mended what was wrong. What it did stays done. Call Wake of the queue after it.
func Retry(ctx context.Context, db *store.DB, q *queue.Queue, now time.Time, run string) error {
	err := db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		res, err := tx.ExecContext(ctx, `UPDATE rule_runs SET state = 'running', reason = '', changed_at = $2, signals = signals + 1 WHERE id = $1 AND state = 'failed'`, run, store.Micros(now))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("run %s is not there, or has not failed", run))
		}
		// What a step found out stays, such as the way that a branch took.
		if _, err := tx.ExecContext(ctx, `UPDATE rule_steps SET state = 'waiting', attempts = 0, due_at = 0, reason = '' WHERE run = $1 AND state = 'failed'`, run); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE rule_effects SET state = 'pending', reason = '' WHERE run = $1 AND state = 'failed'`, run); err != nil {
			return err
		}
		_, err = q.Add(ctx, tx, queue.New{Kind: runKind, Key: run, Payload: []byte(run), MaxAttempts: -1})
		return err
	})
	if err == nil {
		q.Wake(runKind)
	}
	return err
}
