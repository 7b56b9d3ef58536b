package builtin_test

import (
	"fmt"
	"sync"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/crmtest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestWithdrawnActivityStaysAway(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		contact, err := c.CreateContact(t.Context(), crmclient.Person{Name: "Li Lei", Address: "li.lei@customer.example"}, "wang@example.com")
		if err != nil {
			t.Fatal(err)
		}
		a := crmtest.Activity("gone")
		a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "film.mp4", Size: 1 << 30, Reason: "larger than 20MB"}}
		receipt, err := c.LogEmail(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		page, err := c.Activities(t.Context(), builtin.ActivityFilter{})
		if err != nil || len(page.Items) != 1 || len(page.Items[0].AttachmentsLeft) != 1 || page.Items[0].AttachmentsLeft[0] != a.AttachmentsLeft[0] ||
			len(page.Items[0].Attachments) != 1 {
			t.Fatalf("got %+v, %v", page.Items, err)
		}
		if err := c.WithdrawEmail(t.Context(), receipt.RemoteID, a.Key); err != nil {
			t.Fatal(err)
		}
		again, err := c.LogEmail(t.Context(), a)
		if err != nil || !again.Duplicate {
			t.Errorf("written again: got %+v, %v, want a duplicate", again, err)
		}
		for table, want := range map[string]int{
			"crm_activities": 0, "crm_attachments": 0, "crm_activity_people": 0, "crm_activity_contacts": 0, "crm_activity_tokens": 0, "crm_withdrawn": 1,
		} {
			var n int
			if err := db.Reader().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n); err != nil || n != want {
				t.Errorf("%s: got %d rows, %v, want %d", table, n, err, want)
			}
		}
		var last int64
		err = db.Reader().QueryRowContext(t.Context(), `SELECT last_activity_at FROM crm_contacts`).Scan(&last)
		if err != nil || last != 0 {
			t.Errorf("contact %s: last activity %d, %v, want none", contact.ID, last, err)
		}
	})
}

// Whoever is first, nothing is left.
func TestWithdrawalMeetsLogEmail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		var group sync.WaitGroup
		for i := range 20 {
			a := crmtest.Activity(fmt.Sprint("race-", i))
			group.Go(func() {
				if _, err := c.LogEmail(t.Context(), a); err != nil {
					t.Error(err)
				}
			})
			group.Go(func() {
				if err := c.WithdrawEmail(t.Context(), "", a.Key); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		page, err := c.Activities(t.Context(), builtin.ActivityFilter{})
		if err != nil || len(page.Items) != 0 {
			t.Errorf("%d activities are left, %v", len(page.Items), err)
		}
	})
}
