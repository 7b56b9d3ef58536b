package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
	"heliograph/internal/store"
)

// dates.go keeps what records were like when a deadline's rule looked at their dates: each state once. No CRM tells later which records it had; so
// this is what a replay knows of them.

const (
	// maxKeptValue and maxKeptRecord bound what is kept of a record, in bytes of JSON: enough for what rules ask of it.
	maxKeptValue, maxKeptRecord = 4 << 10, 32 << 10
	// maxLost bounds how many records one look asks for that its query brings no more; the others are for the next look.
	maxLost = 50
)

// dateState is what a record was like from a time on.
type dateState struct {
	target, object, record, rule string
	at                           int64
	present                      bool
	vals                         string
}

// lookedAt finds out which states a look has to keep: of records that are new, have changed, or that the query brings no more.
func (e *Engine) lookedAt(ctx context.Context, r *compiled, t *deadlineTrigger, records []map[string]any, now time.Time) ([]dateState, error) {
	last, err := lastDates(ctx, e.o.Store.Reader(), r.rule.ID, t.Target, t.Object)
	if err != nil {
		return nil, err
	}
	state := func(record string, present bool, vals string) dateState {
		return dateState{t.Target, t.Object, record, r.rule.ID, store.Micros(now), present, vals}
	}
	var out []dateState
	if _, ok := last[""]; !ok {
		out = append(out, state("", false, ""))
	}
	met := map[string]bool{"": true}
	for _, rec := range records {
		id, _ := rec["_id"].(string)
		if met[id] {
			continue
		}
		met[id] = true
		vals, err := keptValues(rec, t)
		if err != nil {
			return nil, err
		}
		if old, ok := last[id]; !ok || !old.present || old.vals != vals {
			out = append(out, state(id, true, vals))
		}
	}
	lost := 0
	for _, id := range slices.Sorted(maps.Keys(last)) {
		if met[id] || !last[id].present || lost == maxLost {
			continue
		}
		lost++
		rec, err := e.world.Record(ctx, t.Target, t.Object, id)
		vals := ""
		switch _, unknown := asUnknown(err); {
		case unknown || err != nil && !temporary(err): // it is gone, or cannot be read by itself
		case err != nil:
			return out, nil //nolint:nilerr // the CRM does not answer: the next look asks again
		default:
			if vals, err = keptValues(rec, t); err != nil {
				return nil, err
			}
		}
		out = append(out, state(id, false, vals))
	}
	return out, nil
}

// keptValues is what is kept of a record, as JSON: the date and what the trigger asks for first, and no large values.
func keptValues(rec map[string]any, t *deadlineTrigger) (string, error) {
	first := []string{t.Field}
	for _, s := range t.Where {
		first = append(first, s.Field)
	}
	out, size := map[string]any{}, 0
	for _, name := range slices.Concat(first, t.Fields, slices.Sorted(maps.Keys(rec))) {
		v, ok := rec[name]
		if _, there := out[name]; !ok || there {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		if len(text) > maxKeptValue || size+len(name)+len(text) > maxKeptRecord {
			continue
		}
		size += len(name) + len(text)
		out[name] = v
	}
	text, err := json.Marshal(out)
	return string(text), err
}

// lastDates are the last states that a rule kept, by record.
func lastDates(ctx context.Context, q store.Querier, rule, target, object string) (map[string]dateState, error) {
	list, err := readDates(ctx, q, `
		SELECT d.target, d.object, d.record, d.rule, d.seen_at, d.present, d.vals FROM rule_dates d
		WHERE d.rule = $1 AND d.target = $2 AND d.object = $3 AND d.seen_at = (
			SELECT MAX(o.seen_at) FROM rule_dates o WHERE o.target = d.target AND o.object = d.object AND o.record = d.record AND o.rule = d.rule)`, rule, target, object)
	out := map[string]dateState{}
	for _, s := range list {
		out[s.record] = s
	}
	return out, err
}

func readDates(ctx context.Context, q store.Querier, query string, args ...any) (out []dateState, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the dates in records: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s dateState
		var present int
		if err := rows.Scan(&s.target, &s.object, &s.record, &s.rule, &s.at, &present, &s.vals); err != nil {
			return nil, err
		}
		s.present = present == 1
		out = append(out, s)
	}
	return out, rows.Err()
}

// keepDates writes down the states of a look.
func keepDates(ctx context.Context, tx store.Querier, list []dateState) error {
	for _, s := range list {
		present := 0
		if s.present {
			present = 1
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO rule_dates (target, object, record, rule, seen_at, present, vals) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (target, object, record, rule, seen_at) DO UPDATE SET present = excluded.present, vals = excluded.vals`,
			s.target, s.object, s.record, s.rule, s.at, present, s.vals)
		if err != nil {
			return fmt.Errorf("keep the dates in records: %w", err)
		}
	}
	return nil
}

// forgetDates are what is forgotten of states from before a time: those that later ones followed before it, records that are in no look any more, and
// what rules kept that are gone.
var forgetDates = []string{
	`DELETE FROM rule_dates WHERE seen_at < $1 AND record <> '' AND EXISTS (
		SELECT 1 FROM rule_dates o WHERE o.target = rule_dates.target AND o.object = rule_dates.object AND o.record = rule_dates.record
		AND o.rule = rule_dates.rule AND o.seen_at > rule_dates.seen_at AND o.seen_at < $1)`,
	`DELETE FROM rule_dates WHERE seen_at < $1 AND record <> '' AND (present = 0 OR rule NOT IN (SELECT id FROM rules)) AND NOT EXISTS (
		SELECT 1 FROM rule_dates o WHERE o.target = rule_dates.target AND o.object = rule_dates.object AND o.record = rule_dates.record
		AND o.rule = rule_dates.rule AND o.seen_at > rule_dates.seen_at AND o.seen_at >= $1)`,
	`DELETE FROM rule_dates WHERE seen_at < $1 AND record = '' AND rule NOT IN (SELECT id FROM rules)`,
}

// Dates is what is known of records of one object with dates: what rules saw when they looked at them. Before a rule's first look, what that one
// brought is taken for what there was.
type Dates struct {
	states map[string][]dateState // by record, the oldest first
	times  []int64                // at which something became another, sorted
}

// ReadDates reads what rules saw of an object. Known is false where no rule ever looked.
func ReadDates(ctx context.Context, q store.Querier, target, object string) (d *Dates, known bool, err error) {
	list, err := readDates(ctx, q, `
		SELECT target, object, record, rule, seen_at, present, vals FROM rule_dates WHERE target = $1 AND object = $2 ORDER BY seen_at, rule, record`, target, object)
	if err != nil {
		return nil, false, err
	}
	d = &Dates{states: map[string][]dateState{}}
	first := map[string]int64{}
	for _, s := range list {
		if s.record == "" {
			first[s.rule] = s.at
			continue
		}
		if began, ok := first[s.rule]; ok && s.at == began {
			s.at = 0
		}
		d.states[s.record] = append(d.states[s.record], s)
		d.times = append(d.times, s.at)
	}
	slices.Sort(d.times)
	d.times = slices.Compact(d.times)
	return d, len(first) > 0, nil
}

// Record returns the fields of a record as of a time, as far as they were kept; ok is false where no look had brought it. Gone says that no look
// brings it any more.
func (d *Dates) Record(id string, at time.Time) (fields map[string]any, gone, ok bool, err error) {
	present := map[string]bool{}
	for _, s := range d.states[id] {
		if s.at > store.Micros(at) {
			continue
		}
		present[s.rule] = s.present
		if s.vals == "" {
			fields, ok = nil, false
			continue
		}
		var one map[string]any
		if err := decode([]byte(s.vals), &one); err != nil {
			return nil, false, false, fmt.Errorf("the kept values of record %s: %w", id, err)
		}
		if fields == nil {
			fields = map[string]any{}
		}
		maps.Copy(fields, one)
		ok = true
	}
	return fields, !slices.Contains(slices.Collect(maps.Values(present)), true), ok, nil
}

// IDs are the records that looks had brought up to a time and still brought, sorted.
func (d *Dates) IDs(at time.Time) ([]string, error) {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(d.states)) {
		_, gone, ok, err := d.Record(id, at)
		if err != nil {
			return nil, err
		}
		if ok && !gone {
			out = append(out, id)
		}
	}
	return out, nil
}

// Next is when something becomes another after a time; zero: it stays.
func (d *Dates) Next(after time.Time) time.Time {
	i, _ := slices.BinarySearch(d.times, store.Micros(after)+1)
	if i == len(d.times) {
		return time.Time{}
	}
	return store.FromMicros(d.times[i])
}

// Fits says whether a record meets all of the selections, as a CRM would see it. Days without a time are meant in the zone.
func Fits(rec map[string]any, where []Selection, zone *time.Location) bool {
	return !slices.ContainsFunc(where, func(s Selection) bool { return !s.holds(rec[s.Field], zone) })
}

func (s Selection) holds(got any, zone *time.Location) bool {
	sign, ordered := condition.Order(got, s.Value, zone)
	switch s.Is {
	case "eq":
		return condition.Equal(got, s.Value)
	case "ne":
		return !condition.Equal(got, s.Value)
	case "lt":
		return ordered && sign < 0
	case "le":
		return ordered && sign <= 0
	case "gt":
		return ordered && sign > 0
	case "ge":
		return ordered && sign >= 0
	case "in":
		in, _ := s.Value.([]any)
		return slices.ContainsFunc(in, func(v any) bool { return condition.Equal(got, v) })
	case "contains":
		return strings.Contains(condition.Fold(fmt.Sprint(got)), condition.Fold(fmt.Sprint(s.Value)))
	case "empty":
		list, isList := got.([]any)
		return got == nil || got == "" || isList && len(list) == 0
	}
	return false
}
