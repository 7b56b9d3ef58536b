package salesforce_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/salesforce"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	due, seen := time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC), time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	fields := map[string]any{"Subject": `it's 50% \ "ok"`, "Due__c": due, "Seen__c": seen, "Amount__c": json.Number("12.50"), "Open__c": true}
	first := must(c.CreateRecord(t.Context(), "Case", "k1", fields))(t)
	again := must(c.CreateRecord(t.Context(), "Case", "k1", map[string]any{"Subject": "other"}))(t)
	if first.RemoteID != again.RemoteID || !again.Duplicate {
		t.Errorf("got %+v, then %+v", first, again)
	}
	for i := range 5 {
		f.add("Case", map[string]any{"Subject": fmt.Sprintf("case %d", i), "Amount__c": float64(i)})
	}
	record := must(c.ReadRecord(t.Context(), "Case", first.RemoteID))(t)
	if record.Fields["Subject"] != fields["Subject"] || record.Fields["Due__c"] != due || record.Fields["Seen__c"] != seen ||
		record.Fields["Amount__c"] != json.Number("12.5") || record.Fields["Open__c"] != true || record.UpdatedAt.IsZero() {
		t.Errorf("record: %+v", record)
	}
	if err := c.UpdateRecord(t.Context(), "Case", first.RemoteID, map[string]any{"Amount__c": json.Number("3"), "Due__c": nil}); err != nil {
		t.Fatal(err)
	}
	if row := f.rows("Case")[0]; row["Amount__c"] != 3.0 || row["Due__c"] != nil {
		t.Errorf("row: %v", row)
	}
	if err := c.UpdateRecord(t.Context(), "Case", "500000000000999AAA", map[string]any{"Subject": "x"}); !errors.Is(err, crmclient.ErrNoRecord) {
		t.Errorf("no record: got %v", err)
	}
	if _, err := c.ReadRecord(t.Context(), "Case", "500000000000999AAA"); !errors.Is(err, crmclient.ErrNoRecord) || crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("no record: got %v", err)
	}
	wantClass(t, c.UpdateRecord(t.Context(), "Case", first.RemoteID, map[string]any{"Nothing__c": 1}), crmclient.ClassConfiguration)
	_, err := c.DescribeObject(t.Context(), "Nothing__c")
	wantClass(t, err, crmclient.ClassConfiguration)
}

func TestQueries(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	for i := range 7 {
		f.add("Case", map[string]any{
			"Subject": fmt.Sprintf("50%% of case '%d' \\", i), "Amount__c": float64(i), "Open__c": i%2 == 0,
			"Due__c": fmt.Sprintf("2026-05-%02d", i+1), "Seen__c": fmt.Sprintf("2026-05-%02dT00:00:00Z", i+1),
		})
	}
	f.add("Case", map[string]any{"Subject": "50 of nothing"})
	day := time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC)
	where := func(w ...crmclient.Condition) []crmclient.Condition { return w }
	cases := map[string]struct {
		where []crmclient.Condition
		want  int
	}{
		"all":           {nil, 8},
		"text":          {where(crmclient.Condition{Field: "Subject", Is: crmclient.Equal, Value: `50% of case '3' \`}), 1},
		"other text":    {where(crmclient.Condition{Field: "Subject", Is: crmclient.NotEqual, Value: `50% of case '3' \`}), 7},
		"part":          {where(crmclient.Condition{Field: "Subject", Is: crmclient.Contains, Value: "50%"}), 7},
		"number":        {where(crmclient.Condition{Field: "Amount__c", Is: crmclient.GreaterEqual, Value: json.Number("4")}), 3},
		"truth":         {where(crmclient.Condition{Field: "Open__c", Is: crmclient.Equal, Value: true}), 4},
		"date":          {where(crmclient.Condition{Field: "Due__c", Is: crmclient.LessEqual, Value: day}), 3},
		"date as text":  {where(crmclient.Condition{Field: "Due__c", Is: crmclient.Less, Value: "2026-05-03"}), 2},
		"moment":        {where(crmclient.Condition{Field: "Seen__c", Is: crmclient.Greater, Value: day}), 4},
		"list":          {where(crmclient.Condition{Field: "Amount__c", Is: crmclient.In, Value: []any{1, 2.0, json.Number("30")}}), 2},
		"empty":         {where(crmclient.Condition{Field: "Due__c", Is: crmclient.Empty}), 1},
		"several":       {where(crmclient.Condition{Field: "Open__c", Is: crmclient.Equal, Value: true}, crmclient.Condition{Field: "Amount__c", Is: crmclient.Less, Value: 3}), 2},
		"injected text": {where(crmclient.Condition{Field: "Subject", Is: crmclient.Equal, Value: "x' OR Subject != '"}), 0},
	}
	for name, k := range cases {
		got, cursor := 0, ""
		for pages := 0; ; pages++ {
			page, next, err := c.QueryRecords(t.Context(), crmclient.Query{Object: "Case", Where: k.where, Fields: []string{"Subject"}, Limit: 3}, cursor)
			if err != nil || len(page) > 3 || pages > 5 {
				t.Fatalf("%s: %d records, %v", name, len(page), err)
			}
			got += len(page)
			if cursor = next; cursor == "" {
				break
			}
		}
		if got != k.want {
			t.Errorf("%s: got %d records, want %d", name, got, k.want)
		}
	}
	for name, w := range map[string]crmclient.Condition{
		"no field":       {Field: "Nothing", Is: crmclient.Equal, Value: "x"},
		"injected field": {Field: "Id != null OR Id", Is: crmclient.Equal, Value: "x"},
		"wrong type":     {Field: "Amount__c", Is: crmclient.Equal, Value: "x"},
		"part of number": {Field: "Amount__c", Is: crmclient.Contains, Value: "1"},
		"no comparison":  {Field: "Subject", Is: "sounds like", Value: "x"},
		"empty list":     {Field: "Subject", Is: crmclient.In, Value: []any{}},
		"text for truth": {Field: "Open__c", Is: crmclient.Equal, Value: "true"},
	} {
		if _, _, err := c.QueryRecords(t.Context(), crmclient.Query{Object: "Case", Where: []crmclient.Condition{w}}, ""); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
			t.Errorf("%s: got %v, want configuration", name, err)
		}
	}
}

// follow reads changes until there are none, and returns the ids that were told.
func follow(t *testing.T, c *salesforce.Client, cursor string) (ids []string, changes []crmclient.RecordChange, next string) {
	t.Helper()
	for range 100 {
		page, after, err := c.RecordChanges(t.Context(), "Case", []string{"Subject"}, cursor)
		if err != nil {
			t.Fatal(err)
		}
		if cursor = after; len(page) == 0 {
			return ids, changes, cursor
		}
		for _, ch := range page {
			ids, changes = append(ids, ch.ID), append(changes, ch)
		}
	}
	t.Fatal("the changes do not end")
	return nil, nil, ""
}

func TestRecordChanges(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	before := f.add("Case", map[string]any{"Subject": "before"})
	_, _, cursor := func() (any, any, string) {
		_, next, err := c.RecordChanges(t.Context(), "Case", []string{"Subject"}, "")
		if err != nil {
			t.Fatal(err)
		}
		return nil, nil, next
	}()
	ids, _, cursor := follow(t, c, cursor)
	if len(ids) != 0 {
		t.Errorf("told of the past: %q", ids)
	}
	one := f.add("Case", map[string]any{"Subject": "one"})
	ids, changes, cursor := follow(t, c, cursor)
	if !reflect.DeepEqual(ids, []string{one}) || changes[0].Fields["Subject"] != "one" || !changes[0].Own {
		t.Errorf("got %q, %+v", ids, changes)
	}
	// Changed again within the same second, and by somebody else.
	f.change(func(tables map[string]*ftable) {
		row := tables["Case"].rows[one]
		row["Subject"], row["LastModifiedById"] = "one again", "005000000000002AAA"
	})
	ids, changes, cursor = follow(t, c, cursor)
	if !reflect.DeepEqual(ids, []string{one}) || changes[0].Fields["Subject"] != "one again" || changes[0].Own {
		t.Errorf("same second: got %q, %+v", ids, changes)
	}
	// A transaction that took a while: its stamp is older than what was told already.
	late := f.add("Case", map[string]any{"Subject": "late"})
	f.change(func(tables map[string]*ftable) {
		tables["Case"].rows[late]["SystemModstamp"] = tables["Case"].rows[one]["SystemModstamp"].(time.Time).Add(-time.Second / 2).Truncate(time.Second)
	})
	f.change(func(tables map[string]*ftable) {
		row := tables["Case"].rows[before]
		row["IsDeleted"] = true
		f.stamp(row)
	})
	ids, changes, cursor = follow(t, c, cursor)
	if !reflect.DeepEqual(ids, []string{late, before}) || !changes[1].Deleted || changes[1].Fields != nil {
		t.Errorf("late and deleted: got %q, %+v", ids, changes)
	}
	if ids, _, _ = follow(t, c, cursor); len(ids) != 0 {
		t.Errorf("told twice: %q", ids)
	}
	if _, _, err := c.RecordChanges(t.Context(), "Case", nil, "nonsense"); !errors.Is(err, crmclient.ErrCursorExpired) {
		t.Errorf("a foreign cursor: got %v", err)
	}
}

// A bulk load gives thousands of records one stamp.
func TestManyChangesWithOneStamp(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.add("Case", map[string]any{"Subject": "old"})
	_, cursor, err := c.RecordChanges(t.Context(), "Case", []string{"Subject"}, "")
	if err != nil {
		t.Fatal(err)
	}
	const many = 1050 // more than a cursor remembers
	want := map[string]bool{}
	for i := range many {
		want[f.add("Case", map[string]any{"Subject": fmt.Sprint(i)})] = true
	}
	f.change(func(tables map[string]*ftable) {
		at := f.now
		for id := range want {
			tables["Case"].rows[id]["SystemModstamp"] = at
		}
	})
	ids, _, cursor := follow(t, c, cursor)
	for _, id := range ids {
		delete(want, id)
	}
	if len(want) != 0 || len(cursor) > 16<<10 {
		t.Errorf("%d records were not told, cursor of %d bytes", len(want), len(cursor))
	}
	next := f.add("Case", map[string]any{"Subject": "next"})
	if ids, _, _ = follow(t, c, cursor); !reflect.DeepEqual(ids, []string{next}) {
		t.Errorf("after the load: %d told, want one", len(ids))
	}
}
