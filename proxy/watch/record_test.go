package watch

import (
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// TestRecord: both databases keep where a watch began, and the newest state of each mailbox.
func TestRecord(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		r := newRecord(db, "one", nil)
		key := journal.MailboxKey{Upstream: "main", Account: "a@example.com", Mailbox: "INBOX", UIDValidity: 7}
		for _, want := range []mark{{since: 5, renewed: false}, {since: 5}} {
			if got, err := r.begin(ctx, key, 5); err != nil || got != want {
				t.Fatalf("got %+v, %v, want %+v", got, err, want)
			}
		}
		r.set(key.Account, "main", []string{"INBOX", "订单"}, StateIdle, "")
		r.synced(key.Account, "INBOX", true)
		r.set("b@example.com", "main", []string{"INBOX"}, StateRefused, "the password")
		if err := r.flush(ctx); err != nil {
			t.Fatal(err)
		}
		synced := r.list()[0].Synced
		key.UIDValidity = 8
		got, err := r.begin(ctx, key, 3)
		if err != nil || got.since != 3 || !got.renewed || got.synced.Sub(synced).Abs() > time.Millisecond {
			t.Errorf("got %+v, %v", got, err)
		}
		r.keep(key.Account, []string{"INBOX"})
		if err := r.flush(ctx); err != nil {
			t.Fatal(err)
		}
		if err := r.forget(ctx, map[string]bool{key.Account: true}); err != nil {
			t.Fatal(err)
		}
		rows, err := List(ctx, db)
		if err != nil || len(rows) != 1 || rows[0].State != StateIdle || rows[0].Mailbox != "INBOX" || rows[0].Mail.IsZero() || rows[0].Node != "one" {
			t.Errorf("got %+v, %v", rows, err)
		}
	})
}
