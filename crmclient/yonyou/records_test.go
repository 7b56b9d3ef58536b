package yonyou_test

import (
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/yonyou"
)

// More changes than a window may hold are told in parts, none twice, and then there are none.
func TestMoreChangesThanAWindowHolds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	f, c := started(t, func(f *tenant, cfg *yonyou.Config) {
		f.now = func() time.Time { return at }
		cfg.PageSize = 2 // so that a window holds 80
	})
	_, cursor, err := c.RecordChanges(t.Context(), "clue", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for range 5 {
		at = at.Add(time.Hour)
		for range 50 {
			want[f.PutObject(t, "", map[string]any{"companyName": "x"})] = true
		}
	}
	for range 30 {
		changes, next, err := c.RecordChanges(t.Context(), "clue", []string{"companyName"}, cursor)
		if err != nil {
			t.Fatal(err)
		}
		if cursor = next; len(changes) == 0 {
			break
		}
		for _, change := range changes {
			if !want[change.ID] {
				t.Errorf("record %s is told twice", change.ID)
			}
			delete(want, change.ID)
			if len(change.Fields) != 1 || change.UpdatedAt.IsZero() {
				t.Errorf("record: got %+v", change.Record)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not told: %d", len(want))
	}
}

// What cannot be searched for sure is refused, with what to do.
func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	_, c := started(t, func(*tenant, *yonyou.Config) {})
	cases := map[string]crmclient.Query{
		"unknown object":   {Object: "nothing"},
		"no list":          {Object: "contact"},
		"unknown field":    {Object: "clue", Where: []crmclient.Condition{{Field: "phone", Is: crmclient.Equal, Value: "1"}}},
		"part of a name":   {Object: "clue", Where: []crmclient.Condition{{Field: "name", Is: crmclient.Contains, Value: "x"}}},
		"list of values":   {Object: "clue", Where: []crmclient.Condition{{Field: "createTime", Is: crmclient.In, Value: []any{"x"}}}},
		"value of a truth": {Object: "clue", Where: []crmclient.Condition{{Field: "createTime", Is: crmclient.Less, Value: true}}},
	}
	for name, q := range cases {
		if _, _, err := c.QueryRecords(t.Context(), q, ""); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
			t.Errorf("%s: got %v, want configuration", name, err)
		}
	}
	if _, _, err := c.RecordChanges(t.Context(), "followup", nil, ""); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("changes of what tells no times: got %v", err)
	}
	if _, err := c.ReadRecord(t.Context(), "followup", "1"); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("detail of what has none: got %v", err)
	}
}

// Times are compared in the zone of the tenant.
func TestQueryByTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 23, 30, 0, 0, time.UTC)
	f, c := started(t, func(f *tenant, _ *yonyou.Config) { f.now = func() time.Time { return at } })
	id := f.PutObject(t, "", map[string]any{"companyName": "2026-03-04 05:06:07"})
	for is, want := range map[crmclient.Comparison]int{crmclient.GreaterEqual: 1, crmclient.Greater: 0, crmclient.Equal: 1, crmclient.NotEqual: 0, crmclient.Less: 0, crmclient.LessEqual: 1} {
		found, _, err := c.QueryRecords(t.Context(), crmclient.Query{Object: "clue", Where: []crmclient.Condition{{Field: "createTime", Is: is, Value: at}}}, "")
		if err != nil || len(found) != want {
			t.Errorf("%s: got %d, %v; want %d", is, len(found), err, want)
		}
	}
	r, err := c.ReadRecord(t.Context(), "clue", id)
	if err != nil {
		t.Fatal(err)
	}
	if made, ok := r.Fields["createTime"].(time.Time); !ok || !made.Equal(at) || r.Fields["companyName"] != "2026-03-04 05:06:07" {
		t.Errorf("got %v; want the time %s, and a text that stays one", r.Fields, at)
	}
}
