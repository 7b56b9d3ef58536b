package customerbox

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// A beat names the mailboxes that it is about, so that the others are not read again.
func TestPulseKnowsWhatHasChanged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		do := func(query string, args ...any) {
			t.Helper()
			if err := db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
				_, err := tx.ExecContext(ctx, query, args...)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		contact := func(id int, company any) {
			do(`INSERT INTO crm_contacts (id, name, company_id, title, phone, mobile, owner, source, note, custom, last_activity_at, version, created_at, updated_at, search)
				VALUES ($1, 'x', $2, '', '', '', '', 'mail', '', '{}', 0, 1, 0, 0, '')`, id, company)
		}
		activity := func(id, contact int) {
			do(`INSERT INTO crm_activities (id, key, message_id, thread, direction, subject, sent_at, from_name, from_address, people, body, body_unquoted, html,
				accounts, sightings, flags, automated, unconfirmed, created_at, updated_at)
				VALUES ($1, $2, '', '', '', '', 0, '', '', '{}', '', '', '', '[]', '[]', '[]', 0, 0, 0, 0)`, id, fmt.Sprint("k", id))
			do(`INSERT INTO crm_activity_contacts (contact_id, activity_id, sent_at) VALUES ($1, $2, 0)`, contact, id)
			do(`INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen) VALUES ($1, '', '', '', 0, 0, 0)`, fmt.Sprint("k", id))
		}
		sighting := func(id int, at time.Time) {
			do(`INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded) VALUES ($1, $2, 'fetch', 'a', 0, 0, '')`,
				journal.NewID(at).String(), fmt.Sprint("k", id))
		}
		do(`INSERT INTO crm_companies (id, name, name_key, phone, website, address, owner, note, custom, version, created_at, updated_at, search)
			VALUES (7, 'c', 'c', '', '', '', '', '', '{}', 1, 0, 0, '')`)
		contact(1, nil)
		contact(2, 7)
		contact(3, nil)
		do(`INSERT INTO crm_tickets (id, subject, body, status, priority, assignee, contact_id, custom, version, created_at, updated_at, closed_at, search)
			VALUES (5, 's', '', 'open', 'normal', '', 2, '{}', 1, 0, 0, 0, '')`)
		now := time.Now()
		activity(1, 1)
		sighting(1, now.Add(-time.Hour))
		activity(1+2*lateActivities, 3)
		sighting(1+2*lateActivities, now.Add(-10*time.Second))

		p := &pulse{db: db, log: slog.New(slog.DiscardHandler), next: make(chan struct{})}
		look := func(last signature) (signature, map[ref]bool) {
			t.Helper()
			now, touched, err := p.look(ctx, last)
			if err != nil {
				t.Fatal(err)
			}
			return now, touched
		}
		first, touched := look(signature{})
		if touched != nil {
			t.Errorf("the first look knows of changes: %v", touched)
		}
		if same, _ := look(first); same != first {
			t.Errorf("nothing has changed, but %v is now %v", first, same)
		}
		check := func(what string, want ...ref) {
			t.Helper()
			var now signature
			if now, touched = look(first); now == first {
				t.Errorf("%s leaves no trace", what)
			}
			first = now
			since := p.beats
			p.beat(touched)
			concerned := map[ref]bool{}
			for _, r := range []ref{{kindContact, 1}, {kindContact, 2}, {kindContact, 3}, {kindContact, 4}, {kindCompany, 7}, {kindTicket, 5}} {
				if p.concerns(r, since) {
					concerned[r] = true
				}
			}
			for _, r := range want {
				if !concerned[r] {
					t.Errorf("%s does not concern %v", what, r)
				}
				delete(concerned, r)
			}
			delete(concerned, ref{kindContact, 3}) // whose mail is new enough to be looked at again
			if len(concerned) > 0 {
				t.Errorf("%s concerns %v too", what, concerned)
			}
		}
		activity(2+2*lateActivities, 2)
		check("an activity", ref{kindContact, 2}, ref{kindCompany, 7}, ref{kindTicket, 5})
		first, _ = look(signature{})
		activity(3+4*lateActivities, 3)
		first, _ = look(signature{})
		sighting(1, now.Add(-5*time.Second))
		check("another sighting of an old message", ref{kindContact, 1})
		first, _ = look(signature{})
		sighting(1, now.Add(-20*time.Second))
		check("a sighting that is written late", ref{kindContact, 1})
		contact(4, nil)
		check("a contact", ref{kindContact, 4}, ref{kindContact, 1})

		for range maxHistory + 1 {
			p.beat(map[ref]bool{})
		}
		if p.concerns(ref{kindContact, 1}, p.beats-maxHistory) || !p.concerns(ref{kindContact, 1}, p.beats-maxHistory-1) {
			t.Error("the history has another length")
		}
	})
}
