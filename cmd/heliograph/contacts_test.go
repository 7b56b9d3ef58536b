package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// twoContacts is a CRM with two contacts that never change.
type twoContacts struct{}

func (twoContacts) FindContacts(context.Context, []string) ([]crmclient.Contact, error) {
	return nil, nil
}

func (twoContacts) LogEmail(context.Context, *crmclient.Activity) (crmclient.Receipt, error) {
	return crmclient.Receipt{}, errors.New("this CRM takes no mail")
}

func (twoContacts) ListContacts(context.Context, string) ([]crmclient.ContactRecord, string, error) {
	return []crmclient.ContactRecord{
		{
			ID: "a1", Kind: "contact", Name: "Li Lei", Company: "Acme Co., Ltd.", Owner: "wang@example.com", Addresses: []string{"li@acme.example"},
			Phones: []string{"138 0013 8000"}, Fields: map[string]string{crmclient.FieldTitle: "Boss"},
		},
		{ID: "b2", Kind: "contact", Name: "李雷", Company: "Acme", Addresses: []string{"lilei@freemail.example"}, Phones: []string{"+8613800138000"}},
	}, "", nil
}

// seedContacts follows the two, a day ago, and learns something else of one of them.
func seedContacts(t *testing.T, db *store.DB) {
	t.Helper()
	q := queue.Open(db, queue.Options{})
	defer q.Close()
	book := contacts.New(contacts.Options{
		Store: db, Queue: q, Targets: []contacts.Target{{Name: "crm", Client: twoContacts{}}},
		Config: config.Contacts{Region: "CN", Conflicts: config.ConflictsAsk},
		Now:    func() time.Time { return time.Now().Add(-24 * time.Hour) },
	})
	err := book.Sync(t.Context(), "crm")
	if err == nil {
		err = book.Learn(t.Context(), "crm", "li@acme.example", contacts.Fields{crmclient.FieldTitle: "Buyer"}, config.OriginSignature, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
}
