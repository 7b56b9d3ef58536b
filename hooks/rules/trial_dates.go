package rules

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// lookEvery is how long a change of a record waits until a deadline's rule sees it in a trial, as long as in the gateway.
const lookEvery = 5 * time.Minute

// Dated is a World that knows which records there were at its time.
type Dated interface {
	// Dated is Query for a look at dates. Until is when the answer may become another by itself; zero: it stays.
	Dated(ctx context.Context, target, object string, where []Selection, zone *time.Location) (records []map[string]any, until time.Time, err error)
}

// dating is a rule that looks at dates in records. A trial asks for records when they change and each day, and in between has the dates come that it
// found, so that it does the same as the gateway, which looks each five minutes.
type dating struct {
	rule    *compiled
	trigger *deadlineTrigger
	ask     time.Time       // when records are asked for; zero: never again
	began   bool            // they were once
	coming  []Event         // of dates that come before that, the first one first
	told    map[string]bool // keys of events that came
}

// next is when something is to be done; zero: never again.
func (d *dating) next() time.Time {
	if len(d.coming) > 0 && (d.ask.IsZero() || d.coming[0].At.Before(d.ask)) {
		return d.coming[0].At
	}
	return d.ask
}

// nextLook is the rule whose next date comes first; nil: none does.
func (t *Trial) nextLook() (first *dating, at time.Time) {
	for _, d := range t.datings {
		if next := d.next(); !next.IsZero() && (first == nil || next.Before(at)) {
			first, at = d, next
		}
	}
	return first, at
}

// look asks for records where it is time to, and has the dates come that have.
func (t *Trial) look(ctx context.Context, d *dating) error {
	if !d.ask.IsZero() && !d.ask.After(t.clock) {
		if err := t.askDates(ctx, d); err != nil {
			return err
		}
	}
	for len(d.coming) > 0 && !d.coming[0].At.After(t.clock) {
		ev := d.coming[0]
		d.coming = d.coming[1:]
		if d.told[ev.Key] {
			continue
		}
		d.told[ev.Key] = true
		if err := t.happen(ctx, ev); err != nil {
			return err
		}
	}
	return nil
}

// askDates finds the dates that come up to the next time that records are asked for. What came before the trial began is not of it.
func (t *Trial) askDates(ctx context.Context, d *dating) error {
	where, err := t.dated(d.rule, d.trigger, t.clock)
	if err != nil {
		return err
	}
	records, until, err := t.datedRecords(ctx, d, where)
	_, unknown := asUnknown(err)
	switch {
	case unknown || err != nil && !temporary(err):
		t.doubt(d.rule.rule.ID, err.Error())
		d.ask, d.coming = time.Time{}, nil
		return nil
	case err != nil:
		return err
	}
	if d.ask = t.clock.Add(24 * time.Hour); until.After(t.clock) && until.Before(d.ask) {
		d.ask = until
	}
	if d.coming, err = t.late(d.rule, d.trigger, records, t.clock, d.ask); err != nil {
		return err
	}
	slices.SortFunc(d.coming, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key)) })
	if !d.began {
		d.began = true
		for len(d.coming) > 0 && d.coming[0].At.Before(t.o.From) {
			d.told[d.coming[0].Key] = true
			d.coming = d.coming[1:]
		}
	}
	return nil
}

// datedRecords asks the World for the records.
func (t *Trial) datedRecords(ctx context.Context, d *dating, where []Selection) ([]map[string]any, time.Time, error) {
	world, ok := t.world.(Dated)
	if !ok {
		records, err := t.world.Query(ctx, d.trigger.Target, d.trigger.Object, where, d.trigger.Fields, maxFound)
		return records, time.Time{}, err
	}
	cal, err := t.Calendar(d.rule.rule.Calendar)
	if err != nil {
		return nil, time.Time{}, err
	}
	return world.Dated(ctx, d.trigger.Target, d.trigger.Object, where, cal.Location())
}

// touched has those look again soon that look at records of which one has changed.
func (t *Trial) touched(ev *Event) {
	if ev.Type != TypeRecord {
		return
	}
	for _, d := range t.datings {
		if soon := t.clock.Add(lookEvery); d.trigger.Target == ev.Target && d.trigger.Object == ev.Object && soon.Before(d.ask) {
			d.ask = soon
		}
	}
}

// doubt counts that nobody knows whether a rule fires.
func (t *Trial) doubt(rule, reason string) {
	u := t.report.Unknown[rule]
	if u.Events++; u.Events == 1 {
		u.Reason = reason
	}
	t.report.Unknown[rule] = u
}
