package changes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// chunk is how many records one transaction takes, so that on SQLite no mail waits for long.
const chunk = 100

// The kinds of changes.
const (
	Made    = "made"    // a record that was not there before
	Changed = "changed" // fields have other values
	Deleted = "deleted" // the record is gone; the fields have their last values as old ones
)

// difference is the old and new value of a field.
type difference struct {
	Old json.RawMessage `json:"old"`
	New json.RawMessage `json:"new"`
}

// event is a change before it has a number.
type event struct {
	record crmclient.RecordChange
	kind   string
	fields map[string]difference
}

// put compares the records with what was seen of them, tells the differences and stores next, in parts; the last part carries the
// cursors, so that a crash before it repeats the page. What is told is decided by the phase in which the records were
// read. wakes are those that the reading has answered.
func (w *Watcher) put(ctx context.Context, was, next state, records []crmclient.RecordChange, wakes []wake) error {
	for {
		part := records[:min(len(records), chunk)]
		records = records[len(part):]
		last := len(records) == 0
		var kinds []string
		own := 0
		err := w.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			to := was
			if last {
				to = next
			}
			if err := advance(ctx, tx, was, to); err != nil {
				return err
			}
			events, suppressed, err := w.compare(ctx, tx, was, part)
			if err != nil {
				return err
			}
			kinds, own = kindsOf(events), suppressed
			if err := w.tell(ctx, tx, was.watch, events); err != nil || !last {
				return err
			}
			return answered(ctx, tx, was.watch, wakes)
		})
		if err != nil {
			return err
		}
		w.metrics.told(was.target, kinds, own)
		was.step++
		if last {
			return nil
		}
	}
}

func kindsOf(events []event) []string {
	kinds := make([]string, len(events))
	for i, e := range events {
		kinds[i] = e.kind
	}
	return kinds
}

// seen are the kept values of a record.
type seen map[string]json.RawMessage

// compare returns the events that the records make and keeps their values.
func (w *Watcher) compare(ctx context.Context, tx store.Querier, s state, records []crmclient.RecordChange) (events []event, own int, err error) {
	if len(records) == 0 {
		return nil, 0, nil
	}
	var ids []string
	for _, r := range records {
		if !slices.Contains(ids, r.ID) {
			ids = append(ids, r.ID)
		}
	}
	known, err := readSeen(ctx, tx, s.watch, ids)
	if err != nil {
		return nil, 0, err
	}
	notes, err := w.readEchoes(ctx, tx, s.watch, ids)
	if err != nil {
		return nil, 0, err
	}
	for _, r := range records {
		before, there := known[r.ID]
		if r.Deleted {
			if there {
				events = append(events, gone(r, before))
				delete(known, r.ID)
			}
			continue
		}
		after := s.valuesOf(r)
		e, echoed := s.differences(r, before, there, after, notes[r.ID])
		own += len(echoed)
		if len(e.fields) > 0 || e.kind == Made && len(echoed) == 0 && !r.Own {
			events = append(events, e)
		}
		known[r.ID] = after
		for _, field := range echoed { // the next time somebody writes this value it is not us
			delete(notes[r.ID], field)
			if err := forgetEcho(ctx, tx, s.watch, r.ID, field); err != nil {
				return nil, 0, err
			}
		}
	}
	for _, id := range ids {
		if err := keep(ctx, tx, s, id, known[id]); err != nil {
			return nil, 0, err
		}
	}
	return events, own, nil
}

func readSeen(ctx context.Context, tx store.Querier, d watch, ids []string) (map[string]seen, error) {
	marks, args := placeholders(ids, d.target, d.object)
	rows, err := tx.QueryContext(ctx, `SELECT record, vals FROM change_records WHERE target = $1 AND object = $2 AND record IN (`+marks+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string]seen{}
	for rows.Next() {
		var id, vals string
		if err := rows.Scan(&id, &vals); err != nil {
			return nil, err
		}
		values := seen{}
		if err := json.Unmarshal([]byte(vals), &values); err != nil {
			return nil, fmt.Errorf("the last values of a record of %s: %w", d.target, err)
		}
		known[id] = values
	}
	return known, rows.Err()
}

func keep(ctx context.Context, tx store.Querier, s state, id string, values seen) error {
	if values == nil {
		_, err := tx.ExecContext(ctx, `DELETE FROM change_records WHERE target = $1 AND object = $2 AND record = $3`, s.target, s.object, id)
		return err
	}
	vals, err := json.Marshal(values)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO change_records (target, object, record, vals, generation) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (target, object, record) DO UPDATE SET vals = excluded.vals, generation = excluded.generation`,
		s.target, s.object, id, string(vals), s.generation)
	return err
}

func (s state) valuesOf(r crmclient.RecordChange) seen {
	out := make(seen, len(s.fields))
	for _, f := range s.fields {
		out[f] = kept(r.Fields[f])
	}
	return out
}

// differences compares a record with what was seen of it.
func (s state) differences(r crmclient.RecordChange, before seen, there bool, after seen, notes map[string]string) (e event, echoed []string) {
	e = event{record: r, kind: Changed, fields: map[string]difference{}}
	if !there {
		if s.phase == phaseLearn || !s.learned && len(r.Old) == 0 {
			return e, nil // first sight
		}
		if s.learned {
			e.kind = Made
		}
	}
	for _, f := range s.fields {
		old, known := before[f]
		if !there {
			switch former, told := r.Old[f]; {
			case e.kind == Made:
				old, known = json.RawMessage("null"), true
			case told: // the CRM says itself what it was
				old, known = kept(former), true
			}
		}
		if !known || string(old) == string(after[f]) {
			continue
		}
		if ours(r, f, notes) {
			echoed = append(echoed, f)
			continue
		}
		e.fields[f] = difference{old, after[f]}
	}
	return e, echoed
}

// ours says whether the new value of a field is our own writing. A CRM that tells who wrote tells it of the record's last change; if
// we noted what we wrote, only these fields are ours, because somebody may have changed another one before.
func ours(r crmclient.RecordChange, field string, notes map[string]string) bool {
	if hash, noted := notes[field]; noted && hash == echoHash(r.Fields[field]) {
		return true
	}
	return r.Own && len(notes) == 0
}

func gone(r crmclient.RecordChange, before seen) event {
	e := event{record: r, kind: Deleted, fields: map[string]difference{}}
	for f, old := range before {
		e.fields[f] = difference{old, json.RawMessage("null")}
	}
	return e
}

// tell numbers the events and writes them.
func (w *Watcher) tell(ctx context.Context, tx store.Querier, d watch, events []event) error {
	if len(events) == 0 {
		return nil
	}
	var last int64
	if err := tx.QueryRowContext(ctx, `UPDATE change_clock SET seq = seq + $1 WHERE one = 1 RETURNING seq`, len(events)).Scan(&last); err != nil {
		return err
	}
	now := store.Micros(w.o.Now())
	for i, e := range events {
		fields, err := json.Marshal(e.fields)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO change_events (seq, target, object, record, kind, fields, who, url, changed_at, seen_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			last-int64(len(events)-1-i), d.target, d.object, e.record.ID, e.kind, string(fields),
			clip(e.record.By), clip(e.record.URL), store.Micros(e.record.UpdatedAt), now)
		if err != nil {
			return err
		}
	}
	return nil
}

// clip bounds a text of a CRM that is only for people.
func clip(s string) string {
	const most = 1000
	if len(s) > most {
		return ""
	}
	return s
}
