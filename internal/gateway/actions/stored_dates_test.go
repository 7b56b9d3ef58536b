package actions

import (
	"context"
	"fmt"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/hooks/contacts"
	"heliograph/hooks/rules"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// seen keeps a state of deal 7 as a look at dates does.
func seen(t *testing.T, db *store.DB, target, record, vals string, present int, at time.Time) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO rule_dates (target, object, record, rule, seen_at, present, vals) VALUES ($1, 'deals', $2, 'dunning', $3, $4, $5)`,
			target, record, store.Micros(at), present, vals)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDatesAreThoseThatWereSeen(t *testing.T) {
	t.Parallel()
	open := []rules.Selection{{Field: "stage", Is: "ne", Value: "won"}}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if _, _, err := storedWorld(db, then).Dated(t.Context(), "crm", "deals", open, time.UTC); !unknowable(err) {
			t.Errorf("before any look: %v, want that nobody knows", err)
		}
		seen(t, db, "crm", "", "", 0, then)
		seen(t, db, "crm", "7", `{"_id":"7","due":"2026-03-04","stage":"new","owner":"li"}`, 1, then)
		seen(t, db, "crm", "8", `{"_id":"8","due":"2026-03-05","stage":"new"}`, 1, then.Add(time.Hour))
		seen(t, db, "crm", "7", `{"_id":"7","due":"2026-03-04","stage":"won","owner":"li"}`, 0, then.Add(2*time.Hour))
		change(t, db, 1, "changed", `{"owner":{"old":"li","new":"han"}}`, then.Add(90*time.Minute))
		for after, want := range map[time.Duration]struct {
			ids   string
			until time.Duration
		}{
			-time.Hour: {"7", time.Hour}, 0: {"7", time.Hour}, time.Hour: {"78", 2 * time.Hour}, 2 * time.Hour: {"8", 0},
		} {
			found, until, err := storedWorld(db, then.Add(after)).Dated(t.Context(), "crm", "deals", open, time.UTC)
			ids := ""
			for _, rec := range found {
				ids += fmt.Sprint(rec["_id"])
			}
			if err != nil || ids != want.ids || want.until > 0 && !until.Equal(then.Add(want.until)) || want.until == 0 && !until.IsZero() {
				t.Errorf("after %s deals are %q until %s, %v; want %+v", after, ids, until, err, want)
			}
		}
		if rec, err := storedWorld(db, then.Add(3*time.Hour)).Record(t.Context(), "crm", "deals", "7"); err != nil || rec["stage"] != "won" || rec["owner"] != "li" {
			t.Errorf("the deal that no look brings any more is %v, %v", rec, err)
		}
	})
}

// TestDatesOfTheBuiltInCRM: its records are there without any look, and what was seen of them counts besides.
func TestDatesOfTheBuiltInCRM(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		crm, err := builtin.New(db, builtin.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for _, stage := range []string{"lead", "won"} {
			if _, err := crm.AddDeal(t.Context(), builtin.Deal{Title: "deal", Stage: stage, CloseOn: "2026-03-04"}); err != nil {
				t.Fatal(err)
			}
		}
		world := func(at time.Time) *Stored {
			w := NewStored(StoredOptions{
				Store: db, Book: contacts.New(contacts.Options{Store: db, Config: config.Contacts{}}), Local: map[string]crmclient.Client{"crm": crm}, Target: "crm",
			})
			w.Clock(func() time.Time { return at })
			return w
		}
		where := []rules.Selection{{Field: "close_on", Is: "le", Value: "2026-03-10"}, {Field: "stage", Is: "ne", Value: "won"}}
		dated := func(at time.Time) int {
			t.Helper()
			found, _, err := world(at).Dated(t.Context(), "crm", "deals", where, time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		if n := dated(then); n != 1 {
			t.Errorf("%d deals have dates, want the one that is not won", n)
		}
		seen(t, db, "crm", "", "", 0, then)
		seen(t, db, "crm", "2", `{"_id":"2","close_on":"2026-03-04","stage":"lead"}`, 1, then)
		seen(t, db, "crm", "2", `{"_id":"2","close_on":"2026-03-04","stage":"won"}`, 0, then.Add(time.Hour))
		if now, later := dated(then), dated(then.Add(time.Hour)); now != 2 || later != 1 {
			t.Errorf("%d deals had dates before one was won, and %d then; want 2 and 1", now, later)
		}
	})
}
