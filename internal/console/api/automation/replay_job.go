package automation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	// progressEvery is how often a replay says how far it is, and looks whether somebody ended it.
	progressEvery = time.Second
	// replaySamples is how many effects of a replay are kept with their content.
	replaySamples = 200
)

// errCancelled says that somebody ended a replay.
var errCancelled = errors.New("somebody ended the replay")

// Run works on replays until ctx ends. What a process that died had begun is begun anew.
func (p *Part) Run(ctx context.Context) error {
	return p.o.Queue.Work(ctx, queue.Worker{Kind: replayKind, Handle: p.handle})
}

// handle replays once.
func (p *Part) handle(ctx context.Context, job queue.Job) queue.Result {
	id := string(job.Payload)
	w, open, err := p.beginReplay(ctx, id)
	switch {
	case err != nil:
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	case !open:
		return queue.Result{Action: queue.Complete}
	}
	err = p.replayAll(ctx, id, w)
	switch {
	case err == nil, errors.Is(err, errCancelled):
		return queue.Result{Action: queue.Complete}
	case ctx.Err() != nil:
		return queue.Result{Action: queue.Retry, Reason: "the program stops"}
	}
	p.o.Logger.WarnContext(ctx, "a replay failed", "replay", id, "err", err)
	if err := p.endReplay(ctx, id, "failed", "the replay failed; the gateway's log says more", Replay{}, nil, nil); err != nil {
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	}
	return queue.Result{Action: queue.Complete}
}

// beginReplay reads what is wanted, and whether it still is.
func (p *Part) beginReplay(ctx context.Context, id string) (w replayWanted, open bool, err error) {
	var request string
	err = p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		return tx.QueryRowContext(ctx, `
			UPDATE rule_replays SET state = 'running', progress = 0, events = 0 WHERE id = $1 AND state IN ('queued', 'running') RETURNING request`, id).Scan(&request)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return w, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(request), &w)
	}
	return w, err == nil, err
}

// replayAll replays, and keeps what was found.
func (p *Part) replayAll(ctx context.Context, id string, w replayWanted) (err error) {
	bench, err := p.o.Gateway.Bench(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bench.Close()) }()
	past, err := bench.Past(ctx, w.Since, w.Until)
	if err != nil {
		return err
	}
	v := view{Caller: access.NewCaller(access.Person{Role: w.Role}, w.Scope, w.Accounts, nil, w.Masks...), accounts: w.Accounts, others: w.Others, hidden: w.Hidden}
	r := rules.Replay{
		Rule: rules.Version{Rule: w.Rule.ID, Number: w.Number, Body: w.Rule}, Options: bench.Stored, Since: w.Since, Until: w.Until, Fired: w.Limit, Samples: replaySamples,
		Progress: p.progress(ctx, id, w), Next: v.only(past),
	}
	if w.Diff != nil {
		r.Other = &rules.Version{Rule: w.Diff.ID, Number: w.DiffNo, Body: *w.Diff}
	}
	if w.WithAll {
		if r.All, err = p.book.InForce(ctx); err != nil {
			return err
		}
	}
	found, err := r.Run(ctx)
	if err != nil {
		return err
	}
	return p.keepReplay(ctx, id, w, v, found, past.Skipped())
}

// only gives the events that somebody sees.
func (v view) only(past Past) func(context.Context) (time.Time, rules.Event, error) {
	return func(ctx context.Context) (time.Time, rules.Event, error) {
		for {
			told, ev, err := past.Next(ctx)
			if err != nil || v.sees(&ev, accountOf(&ev)) {
				return told, ev, err
			}
		}
	}
}

// progress notes how far a replay is.
func (p *Part) progress(ctx context.Context, id string, w replayWanted) func(int, time.Time) error {
	var noted time.Time
	return func(events int, at time.Time) error {
		if time.Since(noted) < progressEvery {
			return nil
		}
		noted = time.Now()
		part := min(999, max(0, int64(1000*float64(at.Sub(w.Since))/float64(w.Until.Sub(w.Since)))))
		return p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			res, err := tx.ExecContext(ctx, `UPDATE rule_replays SET progress = $2, events = $3 WHERE id = $1 AND state = 'running'`, id, part, events)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return errors.Join(err, errCancelled)
			}
			return nil
		})
	}
}

// keepReplay writes down what was found.
func (p *Part) keepReplay(ctx context.Context, id string, w replayWanted, v view, found *rules.Replayed, skipped map[string]int) error {
	out := Replay{Report: reportOf(found.Report), Skipped: counted(skipped)}
	zh, en := rules.ReplayNotes(w.Rule)
	for i := range zh {
		out.Notes = append(out.Notes, Words{Zh: zh[i], En: en[i]})
	}
	if found.Other != nil {
		out.Other = reportOf(*found.Other)
	}
	var runs, differences []any
	for i := range found.Report.Fired {
		run, err := p.trialRun(ctx, v, &found.Report.Fired[i], false)
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	if d := found.Differences; d != nil {
		out.Differences = DifferenceCounts{Same: d.Same, Before: d.Before, After: d.After, Changed: d.Changed}
		for _, one := range d.List {
			title := one.Title
			if v.hidden {
				title = ""
			}
			differences = append(differences, Difference{Rule: one.Rule, Event: one.Event, At: one.At, Title: title, Before: saidLines(one.Before, v.hidden), After: saidLines(one.After, v.hidden)})
		}
	}
	return p.endReplay(ctx, id, "done", "", out, runs, differences)
}

// saidLines are what a run does, for who may see what is written or not.
func saidLines(lines []rules.Line, hidden bool) []Words {
	out := []Words{}
	for _, l := range lines {
		if hidden {
			l = l.Hidden()
		}
		out = append(out, Words{Zh: l.Zh, En: l.En})
	}
	return out
}

// endReplay notes how a replay ended, unless somebody ended it before.
func (p *Part) endReplay(ctx context.Context, id, state, reason string, result Replay, runs, differences []any) error {
	text, err := json.Marshal(struct {
		Report      TrialReport      `json:"report,omitzero"`
		Other       TrialReport      `json:"other,omitzero"`
		Differences DifferenceCounts `json:"differences,omitzero"`
		Skipped     []NameCount      `json:"skipped,omitempty"`
		Notes       []Words          `json:"notes,omitempty"`
	}{result.Report, result.Other, result.Differences, result.Skipped, result.Notes})
	if err != nil {
		return err
	}
	if state != "done" {
		text = nil
	}
	return p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		res, err := tx.ExecContext(ctx, `
			UPDATE rule_replays SET state = $2, error = $3, result = $4, events = $5, progress = 1000, finished_at = $6 WHERE id = $1 AND state = 'running'`,
			id, state, reason, string(text), result.Report.Events, store.Micros(p.o.Now()))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // it is forgotten, or was ended
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM rule_replay_items WHERE replay = $1`, id); err != nil {
			return err
		}
		for kind, items := range map[string][]any{"run": runs, itemsDiffer: differences} {
			for i, one := range items {
				body, err := json.Marshal(one)
				if err != nil {
					return fmt.Errorf("item %d of a replay: %w", i, err)
				}
				if _, err := tx.ExecContext(ctx, `INSERT INTO rule_replay_items (replay, kind, place, body) VALUES ($1, $2, $3, $4)`, id, kind, i, string(body)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
