package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/internal/console/audit"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// A change is one row, of the time when it began, with what came of it; rows of older versions are as they were.
func TestChangesAreOneRow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		before := change(1)
		r.record(before) // as older versions did: allowed, then done
		before.Outcome = audit.Done
		r.record(before)

		begun := change(2)
		begun.Details = nil
		if err := r.Begin(t.Context(), "request-2", begun); err != nil {
			t.Fatal(err)
		}
		open, err := r.Open(t.Context(), audit.Filter{})
		if err != nil || len(open) != 1 || !open[0].Begun || open[0].Object != "rule-2" || open[0].Outcome != audit.Allowed {
			t.Fatalf("under way: %+v, %v", open, err)
		}
		r.whole(2)
		r.clock.add(time.Minute)
		ended := change(2)
		ended.Outcome, ended.Details = audit.Done, map[string]any{"name": "Complaints"}
		if err := r.End(t.Context(), "request-2", ended); err != nil {
			t.Fatal(err)
		}
		rows := r.list(audit.Filter{Object: "rule-2"})
		if len(rows) != 1 || rows[0].Seq != 3 || rows[0].Outcome != audit.Done || !rows[0].At.Equal(noon) || rows[0].Details != `{"name":"Complaints"}` {
			t.Errorf("ended: %+v", rows)
		}
		if open, err = r.Open(t.Context(), audit.Filter{}); err != nil || len(open) != 0 {
			t.Errorf("still under way: %+v, %v", open, err)
		}
		r.whole(3)
	})
}

// A change that nobody ended, as the gateway was stopped, joins the chain as it is; one that somebody changed in the database is of its end's time.
func TestChangesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		for n := range 2 {
			if err := r.Begin(t.Context(), fmt.Sprint("request-", n), change(n)); err != nil {
				t.Fatal(err)
			}
		}
		r.exec(`UPDATE audit_views SET at = at - 1000000 WHERE object = 'rule-1'`)
		r.clock.add(time.Minute)
		ended := change(1)
		ended.Outcome = audit.Failed
		if err := r.End(t.Context(), "request-1", ended); err != nil {
			t.Fatal(err)
		}
		if rows := r.list(audit.Filter{}); len(rows) != 1 || rows[0].Outcome != audit.Failed || !rows[0].At.Equal(noon.Add(time.Minute)) {
			t.Errorf("%+v", rows)
		}
		r.clock.add(time.Hour)
		if err := r.Fold(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rows := r.list(audit.Filter{Object: "rule-0"}); len(rows) != 1 || rows[0].Outcome != audit.Allowed || !rows[0].At.Equal(noon) || !strings.Contains(rows[0].Details, "complaints") {
			t.Errorf("%+v", rows)
		}
		late := change(0)
		late.Outcome = audit.Done
		if err := r.End(t.Context(), "request-0", late); err != nil {
			t.Fatal(err)
		}
		r.whole(3)
	})
}
