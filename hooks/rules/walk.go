package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"heliograph/hooks/rules/condition"
)

const (
	// maxAttempts is how often a step is tried that fails for a passing reason: over about a day.
	maxAttempts = 14
	// turn bounds how long one job works at one run, so that a run of a thousand mails does not hold up the others.
	turn = 20 * time.Second
)

// walker takes a run as far as it can go now. What is done already is read from the rows; so it makes no difference whether a run
// goes on in the same process, in another one, or after a crash.
type walker struct {
	e      *core
	rule   *compiled
	run    *Run
	facts  *scope
	ledger ledger
	rows   map[string]*StepRow
	effect map[string]*EffectRow
	began  time.Time
}

// exec is what an action sees of the run that it is part of.
type exec struct {
	context.Context
	*walker
	step *step
	row  *StepRow
	path string
}

// walk goes on with a run. The outcome is waiting, or final.
func (w *walker) walk(ctx context.Context) (outcome, error) {
	w.rows, w.effect = map[string]*StepRow{}, map[string]*EffectRow{}
	for _, r := range w.run.Steps {
		w.rows[r.Path] = r
		w.facts.gave(r)
	}
	for _, e := range w.run.Effects {
		w.effect[e.ID] = e
	}
	w.began = time.Now()
	return w.seq(ctx, w.rule.steps, "")
}

// seq takes steps one after the other until one waits, fails or ends the run.
func (w *walker) seq(ctx context.Context, steps []*step, prefix string) (outcome, error) {
	for i, s := range steps {
		out, err := w.one(ctx, s, prefix+strconv.Itoa(i))
		if err != nil || out.state != StepDone {
			return out, err
		}
	}
	return done(nil), nil
}

// one takes a step. An error is trouble of our own: the run stays as it was and is tried again.
func (w *walker) one(ctx context.Context, s *step, path string) (outcome, error) {
	row := w.row(s, path)
	switch row.State {
	case StepDone, StepSkipped:
		w.facts.gave(row) // of this item, where there are several
		return done(nil), nil
	case StepStopped:
		return outcome{state: StepStopped, reason: row.Reason}, nil
	case StepFailed:
		w.facts.gave(row)
		return w.failed(s, row), nil
	}
	if err := ctx.Err(); err != nil {
		return outcome{}, err
	}
	now := w.e.now()
	if row.Attempts > 0 && row.DueAt.After(now) { // tried in vain a moment ago
		return waiting(row.DueAt), nil
	}
	if w.overtime() {
		return waiting(now), nil
	}
	if row.BeganAt.IsZero() {
		if skip, err := w.skips(ctx, s, row); skip || err != nil {
			return done(nil), err
		}
		row.BeganAt = now
	}
	out, err := s.action.run(&exec{Context: ctx, walker: w, step: s, row: row, path: path})
	return w.note(ctx, s, row, out, err)
}

// overtime says that others are to have their turn.
func (w *walker) overtime() bool { return !w.e.patient && time.Since(w.began) > turn }

// skips evaluates the condition of a step.
func (w *walker) skips(ctx context.Context, s *step, row *StepRow) (bool, error) {
	if s.when == nil {
		return false, nil
	}
	why, err := w.e.evaluate(ctx, s.when, w.facts, w.rule)
	if err != nil {
		return false, err
	}
	if why.Result == condition.True {
		return false, nil
	}
	row.State, row.BeganAt, row.Reason = StepSkipped, w.e.now(), summary(why)
	w.touch(row)
	return true, nil
}

// note writes down what came of a step.
func (w *walker) note(ctx context.Context, s *step, row *StepRow, out outcome, err error) (outcome, error) {
	var ours *ledgerError
	switch {
	case err == nil:
		row.Attempts = 0
	case errors.As(err, &ours) || ctx.Err() != nil:
		return outcome{}, err
	case temporary(err) && row.Attempts+1 < maxAttempts:
		row.Attempts++
		row.Reason = err.Error()
		out = waiting(w.e.now().Add(backoff(row.Attempts)))
	default:
		row.Attempts++
		out = outcome{state: StepFailed, reason: err.Error()}
	}
	row.State, row.DueAt = out.state, out.until
	if out.output != nil {
		if row.Output, err = plain(out.output); err != nil {
			return outcome{}, fmt.Errorf("what step %s gave: %w", s.ID, err)
		}
	}
	switch out.state {
	case StepDone:
		row.Reason, row.DueAt = out.reason, time.Time{}
	case StepFailed, StepStopped:
		row.Reason, row.DueAt = out.reason, time.Time{}
	}
	w.touch(row)
	w.facts.gave(row)
	if out.state == StepFailed {
		return w.failed(s, row), nil
	}
	return out, nil
}

// failed is what a failed step means for those behind it.
func (w *walker) failed(s *step, row *StepRow) outcome {
	if s.OnError == ErrorContinues {
		return done(nil)
	}
	return outcome{state: StepFailed, reason: s.ID + ": " + row.Reason}
}

// row finds the row of a step at a path, or makes it.
func (w *walker) row(s *step, path string) *StepRow {
	row, ok := w.rows[path]
	if !ok {
		row = &StepRow{Path: path, Step: s.ID, Kind: s.Do}
		w.rows[path] = row
		w.run.Steps = append(w.run.Steps, row)
	}
	return row
}

// touch marks a row to be written.
func (w *walker) touch(row *StepRow) {
	row.ChangedAt, row.dirty = w.e.now(), true
}

// remember keeps what an action found out, so that it is the same when it goes on. It is written with the next effect, or when the run
// waits.
func (x *exec) remember(name string, v any) error {
	output := map[string]any{}
	for k, old := range x.row.Output {
		output[k] = old
	}
	output[name] = v
	plain, err := plain(output)
	if err != nil {
		return err
	}
	x.row.Output = plain
	if x.row.State == "" {
		x.row.State = StepWaiting
	}
	x.touch(x.row)
	return nil
}

// remembered returns what remember kept, or nil.
func (x *exec) remembered(name string) any { return x.row.Output[name] }

// moment returns a time that was fixed when the step first asked for it under this name.
func (x *exec) moment(name string, make func() (time.Time, error)) (time.Time, error) {
	if text, ok := x.remembered(name).(string); ok {
		return time.Parse(time.RFC3339Nano, text)
	}
	t, err := make()
	if err != nil {
		return t, err
	}
	t = t.UTC()
	return t, x.remember(name, t.Format(time.RFC3339Nano))
}

// inside takes nested steps as a part of this step.
func (x *exec) inside(steps []*step, name string) (outcome, error) {
	return x.seq(x.Context, steps, x.path+"."+name+".")
}

// all joins outcomes of rows of steps that go on side by side: failed and stopped win, then waiting for whichever is first.
func all(outs []outcome) outcome {
	joined := done(nil)
	for _, o := range outs {
		switch {
		case o.state == StepFailed || o.state == StepStopped:
			return o
		case o.state == StepWaiting && joined.state == StepWaiting:
			if joined.until.IsZero() || !o.until.IsZero() && o.until.Before(joined.until) {
				joined.until = o.until
			}
			joined.waits = slices.Concat(joined.waits, o.waits)
		case o.state == StepWaiting:
			joined = o
		}
	}
	return joined
}

// backoff is how long to wait after a step failed for the nth time: 5 s, doubled each time up to 4 h.
func backoff(n int) time.Duration {
	return min(5*time.Second<<min(n-1, 20), 4*time.Hour)
}

// ledgerError is trouble of our own store.
type ledgerError struct{ err error }

func (e *ledgerError) Error() string { return e.err.Error() }
func (e *ledgerError) Unwrap() error { return e.err }
