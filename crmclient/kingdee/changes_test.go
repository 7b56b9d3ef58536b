package kingdee_test

import (
	"fmt"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/kingdee"
)

// More changes in one second than a page holds, then later ones, are all told, and none is told for ever.
func TestManyChangesInOneSecond(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s, c := started(t, func(s *site, cfg *kingdee.Config) {
		s.now = func() time.Time { return at }
		cfg.PageSize = 10
	})
	_, cursor, err := c.RecordChanges(t.Context(), "orders", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	at = at.Add(time.Second)
	want := map[string]bool{}
	for range 25 {
		want[s.PutObject(t, "", map[string]any{"FNote": "same second"})] = true
	}
	at = at.Add(time.Second)
	for range 12 {
		want[s.PutObject(t, "", map[string]any{"FNote": "later"})] = true
	}
	for range 20 {
		changes, next, err := c.RecordChanges(t.Context(), "orders", nil, cursor)
		if err != nil {
			t.Fatal(err)
		}
		if cursor = next; len(changes) == 0 {
			break
		}
		for _, change := range changes {
			if !want[change.ID] {
				t.Errorf("record %s is told twice, or was not changed", change.ID)
			}
			delete(want, change.ID)
		}
	}
	if len(want) > 0 {
		t.Errorf("not told: %d", len(want))
	}
	changes, _, err := c.RecordChanges(t.Context(), "orders", nil, cursor)
	if err != nil || len(changes) != 0 {
		t.Errorf("afterwards: got %d changes, %v; want none", len(changes), err)
	}
}

// A change that the site dates back, as with clocks that differ, is told while it is within the overlap.
func TestChangesThatComeLate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s, c := started(t, func(s *site, cfg *kingdee.Config) { s.now = func() time.Time { return at } })
	_, cursor, err := c.RecordChanges(t.Context(), "orders", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	at = at.Add(-4 * time.Minute)
	late := s.PutObject(t, "", map[string]any{"FNote": "late"})
	at = at.Add(5 * time.Minute)
	s.PutObject(t, "", map[string]any{"FNote": "now"})
	changes, _, err := c.RecordChanges(t.Context(), "orders", nil, cursor)
	if err != nil || len(changes) != 2 || changes[0].ID != late {
		t.Errorf("got %+v, %v; want two, the late one first", changes, err)
	}
}

// Amounts stay exact, times are in the zone of the site, and a text that looks like a time stays one.
func TestTypesOfValues(t *testing.T) {
	t.Parallel()
	s, c := started(t, func(_ *site, cfg *kingdee.Config) {
		cfg.Objects["orders"] = kingdee.Object{Form: orders, Fields: []string{"FAmount", "FDate", "FNote", "FCloseStatus", "FCustId.FName"}}
	})
	const amount = "12345678901234567890.123456789"
	id := s.put(orders, map[string]any{
		"FAmount": jsonNumber(amount), "FDate": "2026-03-04T00:00:00", "FNote": "2026-03-04T00:00:00", "FCloseStatus": " ", "FCustId.FName": nil,
	})
	r, err := c.ReadRecord(t.Context(), "orders", id)
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 3, 3, 16, 0, 0, 0, time.UTC)
	if d, ok := r.Fields["FDate"].(time.Time); !ok || !d.Equal(want) {
		t.Errorf("FDate: got %v, want %s", r.Fields["FDate"], want)
	}
	for field, want := range map[string]any{"FAmount": jsonNumber(amount), "FNote": "2026-03-04T00:00:00", "FCloseStatus": "", "FCustId.FName": nil} {
		if r.Fields[field] != want {
			t.Errorf("%s: got %v, want %v", field, r.Fields[field], want)
		}
	}
	if r.UpdatedAt.IsZero() || fmt.Sprint(r.UpdatedAt.Location()) != "Asia/Shanghai" {
		t.Errorf("updated at %s", r.UpdatedAt)
	}
	found, _, err := c.QueryRecords(t.Context(), crmclient.Query{Object: "orders", Where: []crmclient.Condition{
		{Field: "FDate", Is: crmclient.GreaterEqual, Value: want}, {Field: "FDate", Is: crmclient.Less, Value: want.Add(time.Second)},
	}}, "")
	if err != nil || len(found) != 1 {
		t.Errorf("by time: got %d, %v", len(found), err)
	}
}
