package rules

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/calendar"
	"heliograph/internal/store"
)

// parse reads the schedule. The calendar may be nil.
func (t *scheduleTrigger) parse(cal *calendar.Calendar) (*calendar.Schedule, error) {
	o := calendar.ScheduleOptions{Calendar: cal, Adjust: calendar.Adjust(t.Holiday)}
	if t.Zone != "" {
		loc, err := time.LoadLocation(t.Zone)
		if err != nil {
			return nil, fmt.Errorf("there is no time zone %q", t.Zone)
		}
		o.Zone = loc
	}
	return calendar.ParseSchedule(t.At, o)
}

// times posts the events of schedules that are due, and looks at dates in records. Each node may do it: who moves the row posts.
func (e *Engine) times(ctx context.Context) error {
	x := e.rules.index.Load()
	if x == nil {
		return nil
	}
	now := e.now()
	for _, r := range x.byID {
		var err error
		switch t := r.trigger.(type) {
		case *scheduleTrigger:
			err = e.schedule(ctx, r, t, now)
		case *deadlineTrigger:
			err = e.deadline(ctx, r, t, now)
		}
		if err != nil {
			return fmt.Errorf("rule %s: %w", r.rule.ID, err)
		}
	}
	return nil
}

// look is when the times of a version of a rule are to be looked at again.
type look struct {
	version int
	at      time.Time
}

// due reads when a rule is to be looked at again; ok is false while that is later.
func (e *Engine) due(ctx context.Context, r *compiled, now time.Time) (last time.Time, known, ok bool, err error) {
	if seen, ok := e.next[r.rule.ID]; ok && seen.version == r.version && seen.at.After(now) {
		return time.Time{}, true, false, nil
	}
	var next, lastAt int64
	var version int
	err = e.o.Store.Reader().QueryRowContext(ctx, `SELECT next_at, last_at, version FROM rule_times WHERE rule = $1`, r.rule.ID).Scan(&next, &lastAt, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, true, nil
	}
	if err != nil {
		return time.Time{}, false, false, err
	}
	e.next[r.rule.ID] = look{version, store.FromMicros(next)}
	return store.FromMicros(lastAt), true, version != r.version || !store.FromMicros(next).After(now), nil
}

// schedule posts the times of a schedule that have come.
func (e *Engine) schedule(ctx context.Context, r *compiled, t *scheduleTrigger, now time.Time) error {
	last, known, ok, err := e.due(ctx, r, now)
	if err != nil || !ok {
		return err
	}
	cal, err := e.Calendar(r.rule.Calendar)
	if err != nil {
		return err
	}
	s, err := t.parse(cal)
	if err != nil {
		return err
	}
	if !known {
		last = now
	}
	runs, _ := s.Due(last, now, calendar.Missed{Policy: calendar.MissedPolicy(t.Missed)})
	var events []Event
	for _, at := range runs {
		events = append(events, scheduleEvent(r.rule.ID, at, s.Location()))
	}
	next, _ := s.Next(now)
	return e.moved(ctx, r, next, now, events)
}

// scheduleEvent is what a time of a schedule is to rules.
func scheduleEvent(rule string, at time.Time, zone *time.Location) Event {
	return Event{Type: TypeSchedule, Rule: rule, Key: rule + " " + at.UTC().Format(time.RFC3339), At: at, Title: at.In(zone).Format("2006-01-02 15:04")}
}

// moved writes down how far a rule's times were looked at, with the events that came of it and the records that were met.
func (e *Engine) moved(ctx context.Context, r *compiled, next, last time.Time, events []Event, states ...dateState) error {
	err := e.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO rule_times (rule, version, next_at, last_at, reason) VALUES ($1, $2, $3, $4, '')
			ON CONFLICT (rule) DO UPDATE SET version = $2, next_at = $3, last_at = $4, reason = ''`, r.rule.ID, r.version, store.Micros(next), store.Micros(last))
		if err != nil {
			return err
		}
		if err := keepDates(ctx, tx, states); err != nil {
			return err
		}
		return e.PostTx(ctx, tx, events...)
	})
	if err == nil && len(events) > 0 {
		e.queue.Wake(eventKind)
	}
	return err
}

// deadline asks the CRM for records whose date has come. A CRM that does not answer is asked again later, and nothing is missed: what is late by
// less than Late still counts.
func (e *Engine) deadline(ctx context.Context, r *compiled, t *deadlineTrigger, now time.Time) error {
	last, _, ok, err := e.due(ctx, r, now)
	if err != nil || !ok || r.held != "" {
		return err
	}
	events, states, err := e.dates(ctx, r, t, now)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Warn("records with a date cannot be asked for; they are again later", "rule", r.rule.ID, "target", t.Target, "err", err)
		}
		return e.put(ctx, r, now.Add(e.o.Deadlines), last, err)
	}
	return e.moved(ctx, r, now.Add(e.o.Deadlines), now, events, states...)
}

// dates asks for the records with dates: the events of those that have come, and what is to be kept of all.
func (e *Engine) dates(ctx context.Context, r *compiled, t *deadlineTrigger, now time.Time) ([]Event, []dateState, error) {
	where, err := e.dated(r, t, now)
	if err != nil {
		return nil, nil, err
	}
	records, err := e.world.Query(ctx, t.Target, t.Object, where, t.Fields, maxFound)
	if err != nil {
		return nil, nil, err
	}
	events, err := e.late(r, t, records, now, now)
	if err != nil {
		return nil, nil, err
	}
	states, err := e.lookedAt(ctx, r, t, records, now)
	return events, states, err
}

func (e *Engine) put(ctx context.Context, r *compiled, next, last time.Time, why error) error {
	return e.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO rule_times (rule, version, next_at, last_at, reason) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (rule) DO UPDATE SET version = $2, next_at = $3, reason = $5`, r.rule.ID, r.version, store.Micros(next), store.Micros(last), why.Error())
		return err
	})
}

// dated are the selections of records whose dates may have come: wide bounds for the CRM, as it does not know our calendar. Exact ones are in late.
func (c *core) dated(r *compiled, t *deadlineTrigger, now time.Time) ([]Selection, error) {
	cal, err := c.Calendar(r.rule.Calendar)
	if err != nil {
		return nil, err
	}
	back := calendar.Offset{N: -t.Offset.N, Unit: t.Offset.Unit}.Apply(now, cal)
	return append([]Selection{
		{t.Field, "ge", back.Add(-t.grace(now, cal) - 15*24*time.Hour).In(cal.Location()).Format(time.DateOnly)},
		{t.Field, "le", back.Add(15 * 24 * time.Hour).In(cal.Location()).Format(time.DateOnly)},
	}, t.Where...), nil
}

// grace is how long after its time a date still counts.
func (t *deadlineTrigger) grace(now time.Time, cal *calendar.Calendar) time.Duration {
	if t.Late.IsZero() {
		return 7 * 24 * time.Hour
	}
	return now.Sub(calendar.Offset{N: -t.Late.N, Unit: t.Late.Unit}.Apply(now, cal))
}

// late returns an event for each record whose date has come since Late ago, or comes up to a time.
func (c *core) late(r *compiled, t *deadlineTrigger, records []map[string]any, now, until time.Time) (events []Event, err error) {
	cal, err := c.Calendar(r.rule.Calendar)
	if err != nil {
		return nil, err
	}
	oldest := now.Add(-t.grace(now, cal))
	for _, rec := range records {
		date, ok := asTime(rec[t.Field], cal)
		if !ok {
			continue
		}
		due, err := t.Offset.apply(date, c, r.rule.Calendar)
		if err != nil {
			return nil, err
		}
		if due.After(until) || due.Before(oldest) {
			continue
		}
		id, _ := rec["_id"].(string)
		events = append(events, Event{
			Type: TypeDeadline, Rule: r.rule.ID, Key: strings.Join([]string{r.rule.ID, t.Target, t.Object, id, date.UTC().Format(time.RFC3339)}, " "), At: due,
			Target: t.Target, Object: t.Object, Record: id, Title: t.Object + " " + id,
			Data: map[string]any{"deadline": map[string]any{"date": date, "due": due}},
		})
	}
	return events, nil
}

// asTime reads a time or a date. A date is its beginning in the calendar's zone.
func asTime(v any, cal *calendar.Calendar) (time.Time, bool) {
	loc := time.UTC
	if cal != nil {
		loc = cal.Location()
	}
	if t, ok := v.(time.Time); ok {
		return t, true
	}
	text, _ := v.(string)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, true
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006/01/02", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// prune removes what ended long ago.
func (e *Engine) prune(ctx context.Context) error {
	before := store.Micros(e.now().Add(-e.o.Keep))
	return e.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, query := range append([]string{
			`DELETE FROM rule_runs WHERE id IN (SELECT id FROM rule_runs WHERE state IN ('done', 'failed', 'cancelled') AND changed_at < $1 LIMIT 1000)`,
			`DELETE FROM rule_events WHERE id IN (SELECT id FROM rule_events WHERE at < $1 LIMIT 1000)`,
			`DELETE FROM rule_counts WHERE at < $1`,
		}, forgetDates...) {
			if _, err := tx.ExecContext(ctx, query, before); err != nil {
				return err
			}
		}
		return forgetSuggestions(ctx, tx, before, maxSuggestions)
	})
}

// manualEvent is what a person starts a rule with.
func manualEvent(rule, by string, now time.Time, about Event) Event {
	about.Type, about.Rule, about.At = TypeManual, rule, now
	about.Key = rule + " " + digest(by, now.UTC().Format(time.RFC3339Nano), about.Entry, about.Record)
	if about.Data == nil {
		about.Data = map[string]any{}
	}
	about.Data["manual"] = map[string]any{"by": by}
	return about
}

// Start starts a rule by hand, about a message or a record if about names one. It returns the event's key.
func (e *Engine) Start(ctx context.Context, rule, by string, about Event) (string, error) {
	ev := manualEvent(rule, by, e.now(), about)
	return ev.Key, e.Post(ctx, ev)
}

// Cancel ends a run. What it did stays done.
func Cancel(ctx context.Context, db *store.DB, now time.Time, run, reason string) error {
	return db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		res, err := tx.ExecContext(ctx, `
			UPDATE rule_runs SET state = 'cancelled', reason = $2, changed_at = $3, wake_at = 0, signals = signals + 1 WHERE id = $1 AND state IN ('running', 'waiting')`, run, reason, store.Micros(now))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("run %s is not there, or has ended", run))
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM rule_waits WHERE run = $1`, run)
		return err
	})
}

// jsonNumber is an exact number as facts have it.
func jsonNumber(n int) json.Number { return json.Number(fmt.Sprint(n)) }
