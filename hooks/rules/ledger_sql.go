package rules

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// runKind is the kind of the queue's jobs of runs: key and payload are the run's id.
const runKind = "rule-run"

// database is the ledger of what really happens.
type database struct {
	db    *store.DB
	queue *queue.Queue
	now   func() time.Time
}

func (d *database) start(ctx context.Context, e *Event, decided []Decision, runs []*Run) (started []string, err error) {
	text, err := json.Marshal(decided)
	if err != nil {
		return nil, err
	}
	err = d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		started = started[:0]
		if err := noteDecision(ctx, tx, e, decided, string(text)); err != nil {
			return err
		}
		for _, r := range runs {
			added, err := insertRun(ctx, tx, r)
			if err != nil {
				return err
			}
			if !added {
				continue
			}
			started = append(started, r.ID)
			job := queue.New{Kind: runKind, Key: r.ID, Payload: []byte(r.ID), MaxAttempts: -1}
			if !r.WakeAt.IsZero() {
				job.RunAt = r.WakeAt
			}
			if _, err := d.queue.Add(ctx, tx, job); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(started) > 0 {
		d.queue.Wake(runKind)
	}
	return started, err
}

// noteDecision keeps what rules said to an event. One that was offered and not posted is kept without its words.
func noteDecision(ctx context.Context, tx store.Querier, e *Event, decided []Decision, text string) error {
	if len(decided) == 0 {
		return nil
	}
	var before string
	err := tx.QueryRowContext(ctx, `SELECT decided FROM rule_events WHERE id = $1`, digest(e.Type, e.Key)).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if text, err = mergeDecisions(before, decided, text); err != nil {
		return err
	}
	slim := *e
	slim.Data = nil
	body, err := json.Marshal(slim)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO rule_events (id, type, event_key, entry, at, body, decided) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET decided = $7`, digest(e.Type, e.Key), e.Type, e.Key, e.Entry, store.Micros(e.At), string(body), text)
	return err
}

// mergeDecisions adds to what rules said of another copy of a message. That a rule fired stays.
func mergeDecisions(before string, decided []Decision, text string) (string, error) {
	if before == "" {
		return text, nil
	}
	var all []Decision
	if err := json.Unmarshal([]byte(before), &all); err != nil {
		return "", err
	}
	for _, d := range decided {
		i := slices.IndexFunc(all, func(o Decision) bool { return o.Rule == d.Rule })
		switch {
		case i < 0:
			all = append(all, d)
		case all[i].Result != decidedFires:
			all[i] = d
		}
	}
	out, err := json.Marshal(all)
	return string(out), err
}

func insertRun(ctx context.Context, tx store.Querier, r *Run) (bool, error) {
	event, err := json.Marshal(wordless(r.Event))
	if err != nil {
		return false, err
	}
	why, err := json.Marshal(r.Why)
	if err != nil {
		return false, err
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO rule_runs (id, rule, version, mode, state, title, event, why, reason, signals, made_at, changed_at, wake_at, entry, message, account)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, $9, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING`,
		r.ID, r.Rule, r.Version, string(r.Mode), string(r.State), r.Title, string(event), string(why), store.Micros(r.MadeAt), store.Micros(r.WakeAt),
		r.Event.Entry, r.Event.Message, strings.ToLower(r.Event.text("mail", "account")))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func (d *database) load(ctx context.Context, id string) (*Run, error) {
	return readRun(ctx, d.db.Reader(), id)
}

func (d *database) save(ctx context.Context, r *Run) error {
	err := d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := writeRun(ctx, tx, r); err != nil {
			return err
		}
		return writeSteps(ctx, tx, r)
	})
	return d.clean(r, err)
}

// clean marks the steps as written.
func (d *database) clean(r *Run, err error) error {
	if err == nil {
		for _, s := range r.Steps {
			s.dirty = false
		}
	}
	return err
}

func (d *database) park(ctx context.Context, r *Run, keys []string, then func(context.Context, store.Querier) error) (signalled bool, err error) {
	err = d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var signals int64
		if err := tx.QueryRowContext(ctx, `SELECT signals FROM rule_runs WHERE id = $1`, r.ID).Scan(&signals); err != nil {
			return err
		}
		signalled = signals != r.signals
		if err := writeSteps(ctx, tx, r); err != nil || signalled {
			return err
		}
		if err := writeRun(ctx, tx, r); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM rule_waits WHERE run = $1`, r.ID); err != nil {
			return err
		}
		for _, k := range keys {
			if _, err := tx.ExecContext(ctx, `INSERT INTO rule_waits (run, wait_key) VALUES ($1, $2) ON CONFLICT (run, wait_key) DO NOTHING`, r.ID, k); err != nil {
				return err
			}
		}
		if then == nil {
			return nil
		}
		return then(ctx, tx)
	})
	return signalled, d.clean(r, err)
}

// await notes what a run waits for besides a time, and reports whether some of it is new: then the run must look once more before it parks,
// since what came after it looked and before the note woke nobody.
func (d *database) await(ctx context.Context, r *Run, keys []string) (fresh bool, err error) {
	if len(keys) == 0 {
		return false, nil
	}
	err = d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		fresh = false
		if err := writeSteps(ctx, tx, r); err != nil {
			return err
		}
		for _, k := range keys {
			res, err := tx.ExecContext(ctx, `INSERT INTO rule_waits (run, wait_key) VALUES ($1, $2) ON CONFLICT (run, wait_key) DO NOTHING`, r.ID, k)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			fresh = fresh || n > 0
		}
		return nil
	})
	return fresh, d.clean(r, err)
}

// Signal tells the runs that wait for a key that it happened, in the caller's transaction. It returns how many there are;
// call Wake after the commit.
func signal(ctx context.Context, tx store.Querier, q *queue.Queue, key string) (int, error) {
	rows, err := tx.QueryContext(ctx, `SELECT run FROM rule_waits WHERE wait_key = $1 ORDER BY run`, key)
	if err != nil {
		return 0, err
	}
	ids, err := texts(rows)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := rouse(ctx, tx, q, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// rouse has a run go on now. Its job may be waiting for its time, or running: then it looks again when it parks.
func rouse(ctx context.Context, tx store.Querier, q *queue.Queue, run string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE rule_runs SET signals = signals + 1 WHERE id = $1 AND state IN ('running', 'waiting')`, run); err != nil {
		return err
	}
	_, err := q.Hurry(ctx, tx, runKind, run)
	return err
}

func (d *database) take(ctx context.Context, r *Run, e *EffectRow, budgets []charge) error {
	err := d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, c := range budgets {
			var n int
			err := tx.QueryRowContext(ctx, `SELECT count(*) FROM rule_counts WHERE subject = $1 AND at >= $2 AND effect <> $3`, c.subject, store.Micros(c.since), e.ID).Scan(&n)
			if err != nil {
				return err
			}
			if n >= c.budget.Count {
				return &budgetError{c.subject, c.budget}
			}
		}
		for _, c := range budgets {
			_, err := tx.ExecContext(ctx, `INSERT INTO rule_counts (subject, effect, at) VALUES ($1, $2, $3) ON CONFLICT (subject, effect) DO NOTHING`, c.subject, e.ID, store.Micros(e.MadeAt))
			if err != nil {
				return err
			}
		}
		if err := writeSteps(ctx, tx, r); err != nil {
			return err
		}
		return writeEffect(ctx, tx, r, e)
	})
	return d.clean(r, err)
}

func (d *database) settle(ctx context.Context, r *Run, e *EffectRow) error {
	err := d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := writeSteps(ctx, tx, r); err != nil {
			return err
		}
		return writeEffect(ctx, tx, r, e)
	})
	return d.clean(r, err)
}

func (d *database) effectOf(ctx context.Context, messageID string) (string, *EffectRow, error) {
	var run string
	row := d.db.Reader().QueryRowContext(ctx, `SELECT run FROM rule_effects WHERE message_id = $1 ORDER BY id LIMIT 1`, messageID)
	switch err := row.Scan(&run); {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil, errNoRun
	case err != nil:
		return "", nil, err
	}
	effects, err := readEffects(ctx, d.db.Reader(), `message_id = $1`, messageID)
	if err != nil {
		return "", nil, err
	}
	if len(effects) == 0 {
		return "", nil, errNoRun
	}
	return run, effects[0], nil
}

func (d *database) count(ctx context.Context, subject string, since time.Time) (n int, err error) {
	err = d.db.Reader().QueryRowContext(ctx, `SELECT count(*) FROM rule_counts WHERE subject = $1 AND at >= $2`, subject, store.Micros(since)).Scan(&n)
	return n, err
}

func writeRun(ctx context.Context, tx store.Querier, r *Run) error {
	res, err := tx.ExecContext(ctx, `UPDATE rule_runs SET state = $2, reason = $3, changed_at = $4, wake_at = $5 WHERE id = $1 AND state NOT IN ('done', 'failed', 'cancelled')`,
		r.ID, string(r.State), r.Reason, store.Micros(r.ChangedAt), store.Micros(r.WakeAt))
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return fmt.Errorf("run %s: %w", r.ID, errCancelled)
	}
	if err == nil && r.State.Final() {
		_, err = tx.ExecContext(ctx, `DELETE FROM rule_waits WHERE run = $1`, r.ID)
	}
	return err
}

// errCancelled says that somebody ended the run meanwhile.
var errCancelled = errors.New("the run was ended meanwhile")

func writeSteps(ctx context.Context, tx store.Querier, r *Run) error {
	for _, s := range r.Steps {
		if !s.dirty {
			continue
		}
		output, err := marshalOutput(s.Output)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO rule_steps (run, path, step, kind, state, attempts, due_at, output, reason, began_at, changed_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (run, path) DO UPDATE SET state = $5, attempts = $6, due_at = $7, output = $8, reason = $9, changed_at = $11`,
			r.ID, s.Path, s.Step, s.Kind, string(s.State), s.Attempts, store.Micros(s.DueAt), output, s.Reason, store.Micros(s.BeganAt), store.Micros(s.ChangedAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func writeEffect(ctx context.Context, tx store.Querier, r *Run, e *EffectRow) error {
	output, err := marshalOutput(e.Output)
	if err != nil {
		return err
	}
	recipients, err := json.Marshal(e.Recipients)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO rule_effects (id, run, path, rule, kind, state, title, recipients, message_id, output, reason, made_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET state = $6, output = $10, reason = $11, changed_at = $13`,
		e.ID, r.ID, e.Path, r.Rule, string(e.Kind), string(e.State), e.Title, string(recipients), e.MessageID, output, e.Reason, store.Micros(e.MadeAt), store.Micros(e.ChangedAt))
	return err
}

func marshalOutput(v map[string]any) (string, error) {
	if len(v) == 0 {
		return "", nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	if len(text) > maxOutput {
		return "", Permanent(fmt.Errorf("what the step gave has %d bytes, more than %d", len(text), maxOutput))
	}
	return string(text), nil
}

// maxOutput bounds what a step leaves behind.
const maxOutput = 1 << 20
