package mirror_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// TestWhoWroteToWhom: of people outside it is known when they last wrote and when they last got mail, whatever the thread and whoever here wrote. Machines do
// not write, and who is only named besides us did not either.
func TestWhoWroteToWhom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db, oneTarget(newCRM()))
		w.startHooks()
		began := time.Now().Add(-10 * time.Hour).Truncate(time.Second)
		before := time.Now()
		for _, m := range []mail{
			{kind: journal.KindRelay, reverse: "li@customer.test", recipients: to("wang@example.com"), at: began, raw: letter("a", monday, "Subject: a", "Cc: ann@customer.test")},
			{account: "zhao@example.com", recipients: to("li@customer.test", "blind@customer.test"), at: began.Add(time.Hour), raw: "Message-ID: <b@x>\nFrom: zhao@example.com\nTo: Li@Customer.test\nSubject: b\n\nb\n"},
			{account: "wang@example.com", recipients: to("li@customer.test"), at: began.Add(2 * time.Hour), raw: "Message-ID: <c@x>\nFrom: wang@example.com\nTo: li@customer.test\nSubject: c\nAuto-Submitted: auto-replied\n\nc\n"},
			{kind: journal.KindRelay, reverse: "li@customer.test", recipients: to("wang@example.com"), at: began.Add(3 * time.Hour), raw: letter("d", monday, "Subject: d", "Auto-Submitted: auto-replied")},
		} {
			w.submit(m)
		}
		w.awaitStates("crm", "pending", "pending", "pending", "pending")
		hour := func(t time.Time) string {
			if t.IsZero() {
				return "never"
			}
			return fmt.Sprint(t.Sub(began).Hours())
		}
		for who, want := range map[string]string{"li@customer.test": "0 1", "LI@customer.test": "0 1", "blind@customer.test": "never 1", "ann@customer.test": "never never", "nobody@customer.test": "never never"} {
			talks, ok, err := mirror.TalksAsOf(t.Context(), db.Reader(), []string{who}, time.Time{})
			if got := hour(talks.LastIn) + " " + hour(talks.LastOut); err != nil || !ok || got != want {
				t.Errorf("%s wrote and got mail in hour %s (%t, %v), want %s", who, got, ok, err, want)
			}
		}
		talks, ok, err := mirror.TalksAsOf(t.Context(), db.Reader(), []string{"ann@customer.test", "blind@customer.test", "li@customer.test"}, w.clock.now())
		if got := hour(talks.LastIn) + " " + hour(talks.LastOut); err != nil || !ok || got != "0 1" {
			t.Errorf("all together wrote and got mail in hour %s (%t, %v), want 0 1", got, ok, err)
		}
		talks, ok, err = mirror.TalksAsOf(t.Context(), db.Reader(), []string{"li@customer.test"}, before)
		if err != nil || !ok || !talks.LastIn.IsZero() || !talks.LastOut.IsZero() {
			t.Errorf("before the gateway saw any mail it knew %+v (%t, %v), want nothing", talks, ok, err)
		}
	})
}

// TestALookIntoThePastIsBounded: where more mail was seen later than is looked at, nobody can tell.
func TestALookIntoThePastIsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		then := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
		add := func(n int) {
			t.Helper()
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				for i := range 500 {
					sent := store.Micros(then.Add(-time.Duration(n+i) * time.Minute))
					if _, err := tx.ExecContext(ctx, `INSERT INTO correspondents (address, message_key, part, sent_at, seen_at) VALUES ('li@customer.test', $1, 'got', $2, $3)`,
						fmt.Sprint(n+i), sent, store.Micros(then.Add(time.Hour))); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for n, want := range []bool{true, false} { // 500, then 1,000
			add(n * 500)
			if talks, ok, err := mirror.TalksAsOf(t.Context(), db.Reader(), []string{"li@customer.test"}, then); err != nil || ok != want || !talks.LastOut.IsZero() {
				t.Errorf("of %d mails that were seen later is known %+v (%t, %v), want nothing, and %t", (n+1)*500, talks, ok, err, want)
			}
		}
		if talks, ok, err := mirror.TalksAsOf(t.Context(), db.Reader(), []string{"li@customer.test"}, time.Time{}); err != nil || !ok || !talks.LastOut.Equal(then) {
			t.Errorf("now the last mail to the customer is of %s (%t, %v), want %s", talks.LastOut, ok, err, then)
		}
	})
}
