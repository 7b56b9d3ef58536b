package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// invoices is a CRM with one kind of records, which change.
type invoices struct {
	testWorld
	list map[string]map[string]any
}

func (c invoices) Query(_ context.Context, _, _ string, where []Selection, _ []string, _ int) (out []map[string]any, err error) {
	for _, id := range names(c.list) {
		if Fits(c.list[id], where, time.UTC) {
			out = append(out, c.list[id])
		}
	}
	return out, nil
}

func (c invoices) Record(_ context.Context, _, _, id string) (map[string]any, error) {
	if rec, ok := c.list[id]; ok {
		return rec, nil
	}
	if id == "1" {
		return nil, Permanent(errors.New("records cannot be read one by one"))
	}
	return testWorld{}.root("record")
}

func (c invoices) put(id, due, status string) {
	c.list[id] = map[string]any{"_id": id, "number": "INV-" + id, "due_on": due, "status": status}
}

// pastInvoices is what looks saw of them.
type pastInvoices struct {
	testWorld
	dates *Dates
	now   func() time.Time
}

func (p *pastInvoices) Clock(now func() time.Time) { p.now = now }

func (p *pastInvoices) Record(_ context.Context, _, _, id string) (map[string]any, error) {
	rec, _, ok, err := p.dates.Record(id, p.now())
	if err != nil || !ok {
		return testWorld{}.root("record")
	}
	return rec, nil
}

func (p *pastInvoices) Dated(ctx context.Context, target, object string, where []Selection, zone *time.Location) (out []map[string]any, until time.Time, err error) {
	ids, err := p.dates.IDs(p.now())
	if err != nil {
		return nil, until, err
	}
	for _, id := range ids {
		if rec, err := p.Record(ctx, target, object, id); err == nil && Fits(rec, where, zone) {
			out = append(out, rec)
		}
	}
	return out, p.dates.Next(p.now()), nil
}

const dunning = `
id: dunning
name: 催款
owner: lead@example.com
trigger: {type: deadline, target: erp, object: invoices, field: due_on, offset: 1 day, where: [{field: status, is: ne, value: paid}]}
when: {field: record.status, op: is_not, value: paid}
steps:
  - {id: first, do: notify, with: {channel: sales, title: 'first {{.record.number}}'}}
  - {id: week, do: wait, with: {for: 7 days}}
  - {id: paid, do: stop, when: {field: record.status, op: is, value: paid}}
  - {id: second, do: notify, with: {channel: sales, title: 'second {{.record.number}}'}}
`

// TestDeadlinesInAReplay: a replay does with dates in records what the gateway did, although it asks no CRM.
func TestDeadlinesInAReplay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		crm := invoices{testWorld{}, map[string]map[string]any{}}
		r.e.world = crm
		rule := r.publish(dunning)
		crm.put("1", "2026-03-03", "open")
		crm.put("2", "2026-03-03", "open")
		crm.put("3", "2026-03-20", "open")
		crm.put("4", "2026-03-03", "paid")
		hours := func(n int) {
			for range n / 6 {
				r.after(6 * time.Hour)
			}
		}
		hours(30)
		r.wantEffects()
		crm.put("5", "2026-03-02", "open") // it appears when its date is past
		hours(30)
		crm.put("2", "2026-03-03", "paid")
		crm.put("3", "2026-03-09", "open") // paid earlier than was agreed
		delete(crm.list, "4")
		hours(15 * 24)
		lived := r.out.titles()
		if len(lived) != 7 {
			t.Fatalf("the gateway did %q, want seven effects", lived)
		}
		dates, known, err := ReadDates(t.Context(), r.db.Reader(), "erp", "invoices")
		if err != nil || !known {
			t.Fatalf("what was seen: %t, %v", known, err)
		}
		replay := func() (titles []string, text []byte) {
			o := trialOptions(t, &pastInvoices{dates: dates})
			o.From = monday.Add(time.Minute)
			trial, err := NewTrial([]Version{{Rule: rule.ID, Number: 1, Body: rule}}, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := trial.Until(t.Context(), r.clock.Now()); err != nil {
				t.Fatal(err)
			}
			report := trial.Result()
			for _, f := range report.Fired {
				for _, e := range f.Effects {
					titles = append(titles, fmt.Sprintf("%s %s", e.Kind, e.Title))
				}
			}
			if text, err = json.Marshal(report); err != nil {
				t.Fatal(err)
			}
			return titles, text
		}
		got, first := replay()
		if want := slices.Sorted(slices.Values(lived)); strings.Join(slices.Sorted(slices.Values(got)), "|") != strings.Join(want, "|") {
			t.Errorf("the replay did %q, want %q", slices.Sorted(slices.Values(got)), want)
		}
		if _, again := replay(); !bytes.Equal(first, again) {
			t.Error("two replays differ")
		}
	})
}

// TestRecordsThatCannotBeRead: one that is in no look any more and cannot be read does not keep the others from being noted.
func TestRecordsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		crm := invoices{testWorld{}, map[string]map[string]any{}}
		r.e.world = crm
		r.publish(dunning)
		crm.put("1", "2026-03-03", "open")
		crm.put("2", "2026-03-03", "open")
		r.after(time.Minute)
		delete(crm.list, "1")
		crm.put("2", "2026-03-03", "paid")
		r.after(time.Hour)
		dates, _, err := ReadDates(t.Context(), r.db.Reader(), "erp", "invoices")
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := dates.IDs(r.clock.Now()); err != nil || len(ids) != 0 {
			t.Errorf("looks bring %q, %v, want none", ids, err)
		}
		if rec, gone, ok, err := dates.Record("2", r.clock.Now()); err != nil || !ok || !gone || rec["status"] != "paid" {
			t.Errorf("invoice 2 is %v, %t, %t, %v", rec, gone, ok, err)
		}
	})
}

// TestOldDatesAreForgotten: of records that are looked at still, the last state stays however old it is.
func TestOldDatesAreForgotten(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		crm := invoices{testWorld{}, map[string]map[string]any{}}
		r.e.world = crm
		r.publish(dunning)
		crm.put("1", "2026-03-03", "open")
		crm.put("2", "2026-03-03", "open")
		crm.put("3", "2026-03-03", "open")
		r.after(time.Minute)
		crm.put("2", "2026-03-03", "late")
		crm.put("3", "2026-03-03", "paid")
		r.after(time.Hour)
		count := func() (n int) {
			t.Helper()
			if err := r.db.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM rule_dates WHERE record <> ''`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		prune := func() {
			t.Helper()
			if err := r.e.prune(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		prune()
		if n := count(); n != 5 {
			t.Errorf("%d states are kept at first, want three of the first look and two of the second", n)
		}
		r.clock.add(200 * 24 * time.Hour)
		prune()
		dates, known, err := ReadDates(t.Context(), r.db.Reader(), "erp", "invoices")
		if err != nil || !known || count() != 2 {
			t.Fatalf("%d states are kept half a year later, %t, %v; want those of the two that were looked at still", count(), known, err)
		}
		if rec, gone, ok, err := dates.Record("2", r.clock.Now()); err != nil || !ok || gone || rec["status"] != "late" {
			t.Errorf("invoice 2 is %v, %t, %t, %v", rec, gone, ok, err)
		}
		if err := r.e.Book().SetState(t.Context(), "dunning", StateOff, 0, "test"); err != nil {
			t.Fatal(err)
		}
		if err := r.e.Book().Delete(t.Context(), "dunning"); err != nil {
			t.Fatal(err)
		}
		prune()
		if _, known, err := ReadDates(t.Context(), r.db.Reader(), "erp", "invoices"); err != nil || known {
			t.Errorf("of a rule that is gone: %t, %v, want nothing", known, err)
		}
	})
}

func TestSelections(t *testing.T) {
	t.Parallel()
	rec := map[string]any{"due": "2026-03-04", "at": "2026-03-04T02:00:00Z", "n": json.Number("10"), "status": "Open", "none": nil, "list": []any{}}
	for _, c := range []struct {
		s    Selection
		want bool
	}{
		{Selection{"due", "ge", "2026-03-04"}, true},
		{Selection{"due", "lt", "2026/03/04"}, false},
		{Selection{"due", "gt", "2026-02-28"}, true},
		{Selection{"at", "gt", "2026-03-03"}, true},
		{Selection{"at", "le", "2026-03-03"}, false},
		{Selection{"n", "gt", json.Number("9")}, true},
		{Selection{"n", "eq", "10"}, true},
		{Selection{"n", "in", []any{"9", "10"}}, true},
		{Selection{"status", "eq", "open"}, true},
		{Selection{"status", "ne", "paid"}, true},
		{Selection{"missing", "ne", "paid"}, true},
		{Selection{"missing", "lt", json.Number("3")}, false},
		{Selection{"status", "contains", "PE"}, true},
		{Selection{"none", "empty", nil}, true},
		{Selection{"list", "empty", nil}, true},
		{Selection{"n", "empty", nil}, false},
		{Selection{"n", "unheard of", nil}, false},
	} {
		if got := Fits(rec, []Selection{c.s}, time.UTC); got != c.want {
			t.Errorf("%+v fits: %t, want %t", c.s, got, c.want)
		}
	}
}
