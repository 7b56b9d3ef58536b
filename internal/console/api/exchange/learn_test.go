package exchange_test

import (
	"net/http"
	"slices"
	"testing"

	"heliograph/crmclient/builtin"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/api/exchange"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// A file teaches what it says of contacts that a CRM has; it adds nobody there.
func TestLearnContacts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var book *contacts.Book
		r := newRig(t, db, func(o *exchange.Options) {
			o.Contacts, o.Targets = func() *contacts.Book { return book }, func() []string { return []string{"crm", "other"} }
		})
		q := queue.Open(db, queue.Options{})
		t.Cleanup(q.Close)
		book = contacts.New(contacts.Options{Store: db, Queue: q, Targets: []contacts.Target{{Name: "crm", Client: r.crm}}})
		var i exchange.Import
		r.upload(admin, map[string]string{"kind": "contacts_create"}, "a.csv", []byte("姓名,电子邮箱\n李雷,li@customer.cn\n")).JSON(http.StatusCreated, &i)
		if i = r.run(i.Id, "start"); i.Counts.Added != 1 {
			t.Fatalf("the CRM has nobody: %+v", i)
		}
		if err := book.Sync(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}

		const said = "姓名,电子邮箱,职位\n李雷,li@customer.cn,采购经理\n韩梅梅,han@customer.cn,总监\n坏,no-address,x\n"
		r.upload(admin, map[string]string{"kind": "contacts_learn"}, "b.csv", []byte(said)).Problem(http.StatusUnprocessableEntity, "bad_target")
		r.upload(admin, map[string]string{"kind": "contacts_learn", "target": "nowhere"}, "b.csv", []byte(said)).Problem(http.StatusUnprocessableEntity, "bad_target")
		r.upload(admin, map[string]string{"kind": "contacts_learn", "target": "crm"}, "b.csv", []byte(said)).JSON(http.StatusCreated, &i)
		path := "/api/v1/imports/" + i.Id
		for _, verb := range []string{"check", "start"} { // a check says what would be, and changes nothing
			if i = r.run(i.Id, verb); i.Counts.Read != 3 || i.Counts.Changed != 1 || i.Counts.Refused != 1 || i.Counts.Unknown == nil || *i.Counts.Unknown != 1 || i.Counts.Added != 0 {
				t.Fatalf("%s: %+v, %+v", verb, i.State, i.Counts)
			}
		}
		isTitle := func(c exchange.ImportFieldChange) bool {
			return c.Field == "title" && c.After != nil && *c.After == "采购经理"
		}
		var rows exchange.ImportRowPage
		r.server.As(admin).Get(path+"/rows?outcome=changed").JSON(http.StatusOK, &rows)
		if len(rows.Items) != 1 || *rows.Items[0].Key != "li@customer.cn" || rows.Items[0].Changes == nil || !slices.ContainsFunc(*rows.Items[0].Changes, isTitle) {
			t.Errorf("got %+v", rows)
		}
		if page, err := r.crm.Contacts(t.Context(), builtin.ContactFilter{}); err != nil || len(page.Items) != 1 {
			t.Errorf("the CRM has %+v, %v", page, err)
		}
		r.upload(admin, map[string]string{"kind": "contacts_learn", "target": "crm"}, "b.csv", []byte(said)).JSON(http.StatusCreated, &i)
		if i = r.run(i.Id, "start"); i.State != exchange.ImportStateDone || i.Counts.Changed != 0 {
			t.Errorf("the same again: %+v", i.Counts)
		}
	})
}
