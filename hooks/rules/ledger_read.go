package rules

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"heliograph/internal/store"
)

const runColumns = `id, rule, version, mode, state, title, event, why, reason, signals, made_at, changed_at, wake_at`

type scanner interface{ Scan(dest ...any) error }

func scanRun(row scanner) (*Run, error) {
	var r Run
	var mode, state, event, why string
	var made, changed, wake int64
	if err := row.Scan(&r.ID, &r.Rule, &r.Version, &mode, &state, &r.Title, &event, &why, &r.Reason, &r.signals, &made, &changed, &wake); err != nil {
		return nil, err
	}
	r.Mode, r.State = Mode(mode), RunState(state)
	r.MadeAt, r.ChangedAt, r.WakeAt = store.FromMicros(made), store.FromMicros(changed), store.FromMicros(wake)
	if err := decode([]byte(event), &r.Event); err != nil {
		return nil, fmt.Errorf("event of run %s: %w", r.ID, err)
	}
	if why != "" {
		if err := json.Unmarshal([]byte(why), &r.Why); err != nil {
			return nil, fmt.Errorf("explanation of run %s: %w", r.ID, err)
		}
	}
	return &r, nil
}

// readRun reads a run with its steps and effects.
func readRun(ctx context.Context, q store.Querier, id string) (*Run, error) {
	r, err := scanRun(q.QueryRowContext(ctx, `SELECT `+runColumns+` FROM rule_runs WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("run %s: %w", id, errNoRun)
	}
	if err != nil {
		return nil, err
	}
	if r.Steps, err = readSteps(ctx, q, id); err != nil {
		return nil, err
	}
	r.Effects, err = readEffects(ctx, q, `run = $1`, id)
	return r, err
}

func readSteps(ctx context.Context, q store.Querier, run string) (steps []*StepRow, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT path, step, kind, state, attempts, due_at, output, reason, began_at, changed_at FROM rule_steps WHERE run = $1 ORDER BY began_at, path`, run)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s StepRow
		var state, output string
		var due, began, changed int64
		if err := rows.Scan(&s.Path, &s.Step, &s.Kind, &state, &s.Attempts, &due, &output, &s.Reason, &began, &changed); err != nil {
			return nil, err
		}
		s.State, s.DueAt, s.BeganAt, s.ChangedAt = StepState(state), store.FromMicros(due), store.FromMicros(began), store.FromMicros(changed)
		if s.Output, err = unmarshalOutput(output); err != nil {
			return nil, fmt.Errorf("step %s of run %s: %w", s.Path, run, err)
		}
		steps = append(steps, &s)
	}
	return steps, rows.Err()
}

// readEffects reads effects by a condition with one argument.
func readEffects(ctx context.Context, q store.Querier, where, arg string) (effects []*EffectRow, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT id, path, kind, state, title, recipients, message_id, output, reason, made_at, changed_at FROM rule_effects WHERE `+where+` ORDER BY made_at, path, id`, arg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e EffectRow
		var kind, state, recipients, output string
		var made, changed int64
		if err := rows.Scan(&e.ID, &e.Path, &kind, &state, &e.Title, &recipients, &e.MessageID, &output, &e.Reason, &made, &changed); err != nil {
			return nil, err
		}
		e.Kind, e.State, e.MadeAt, e.ChangedAt = EffectKind(kind), EffectState(state), store.FromMicros(made), store.FromMicros(changed)
		if err := json.Unmarshal([]byte(recipients), &e.Recipients); err != nil {
			return nil, fmt.Errorf("effect %s: %w", e.ID, err)
		}
		if e.Output, err = unmarshalOutput(output); err != nil {
			return nil, fmt.Errorf("effect %s: %w", e.ID, err)
		}
		effects = append(effects, &e)
	}
	return effects, rows.Err()
}

func unmarshalOutput(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	var out map[string]any
	return out, decode([]byte(text), &out)
}

// texts reads rows of one text each, and closes them.
func texts(rows *sql.Rows) (out []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
