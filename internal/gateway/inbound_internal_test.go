package gateway

import (
	"context"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/changes"
	"heliograph/hooks/contacts"
	"heliograph/internal/queue"
	"heliograph/internal/store/storetest"
)

// lister is a CRM with contacts and records that calls us.
type lister struct{ crmclient.Client }

func (lister) ListContacts(context.Context, string) ([]crmclient.ContactRecord, string, error) {
	return nil, "", nil
}

func (lister) ReadRecord(context.Context, string, string) (crmclient.Record, error) {
	return crmclient.Record{}, nil
}

func (lister) RecordChanges(context.Context, string, []string, string) ([]crmclient.RecordChange, string, error) {
	return nil, "1", nil
}

func (lister) ReceiveWebhook(*crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	return "", nil, crmclient.Reply{}, nil
}

func TestDeliveriesWakeTheirReaders(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	q := queue.Open(db, queue.Options{})
	g := new(Gateway)
	if g.receiver("crm") != nil || (waker{g}).Wake(t.Context(), "crm", crmclient.Wake{Object: "deals", ID: "1"}) != nil {
		t.Error("before the workers are built there is nobody")
	}
	in := &inbound{clients: map[string]crmclient.Client{"crm": lister{}, "plain": struct{ crmclient.Client }{}}}
	in.changes = changes.New(changes.Options{Store: db, Targets: []changes.Target{{Name: "crm", Client: lister{}}}})
	in.book = contacts.New(contacts.Options{Store: db, Queue: q, Targets: []contacts.Target{{Name: "crm", Client: lister{}}}, Config: config.Contacts{}})
	g.inbound.Store(in)
	if g.receiver("crm") == nil || g.receiver("plain") != nil || g.receiver("nobody") != nil {
		t.Error("not the receivers that there are")
	}
	if err := in.changes.Watch(t.Context(), "crm", "deals", []string{"stage"}); err != nil {
		t.Fatal(err)
	}
	count := func(query string) (n int) {
		t.Helper()
		if err := db.Reader().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, step := range []struct {
		target, object string
		wakes, syncs   int
	}{
		{"crm", "deals", 1, 0},     // watched, and not of people
		{"plain", "contact", 1, 0}, // lists no contacts
		{"crm", "Contacts", 1, 1},
		{"crm", "form 5f3a", 1, 1}, // nobody watches it, and it may be anything; the sync is asked for already
	} {
		if err := (waker{g}).Wake(t.Context(), step.target, crmclient.Wake{Object: step.object, ID: "1"}); err != nil {
			t.Fatal(err)
		}
		wakes, syncs := count(`SELECT COUNT(*) FROM change_wakes`), count(`SELECT COUNT(*) FROM jobs`)
		if wakes != step.wakes || syncs != step.syncs {
			t.Errorf("%s of %s: got %d records to read and %d syncs, want %d and %d", step.object, step.target, wakes, syncs, step.wakes, step.syncs)
		}
	}
}
