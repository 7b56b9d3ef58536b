package builtin_test

import (
	"strconv"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func (f tables) PutContact(t *testing.T, r crmclient.ContactRecord) string {
	t.Helper()
	p := builtin.Contact{}
	if r.ID != "" {
		var err error
		if p, err = f.crm.Contact(t.Context(), number(t, r.ID)); err != nil {
			t.Fatal(err)
		}
	}
	p.Name, p.Addresses, p.Title = r.Name, r.Addresses, r.Fields[crmclient.FieldTitle]
	var err error
	if r.ID != "" {
		p, err = f.crm.UpdateContact(t.Context(), p)
	} else {
		p, err = f.crm.AddContact(t.Context(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(p.ID, 10)
}

func (f tables) DeleteContact(t *testing.T, id string) {
	t.Helper()
	if err := f.crm.DeleteContact(t.Context(), number(t, id)); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A contact tells the name of its company, so a company that is renamed changes its contacts.
func TestARenamedCompanyChangesItsContacts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		p, err := c.AddContact(t.Context(), builtin.Contact{Name: "李雷", Addresses: []string{"li@acme.com.cn"}})
		if err != nil {
			t.Fatal(err)
		}
		_, cursor, err := c.ContactChanges(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Company(t.Context(), p.CompanyID)
		if err != nil {
			t.Fatal(err)
		}
		o.Name = "顶点公司"
		if _, err := c.UpdateCompany(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		changes, _, err := c.ContactChanges(t.Context(), cursor)
		if err != nil || len(changes) != 1 || changes[0].Company != "顶点公司" {
			t.Errorf("got %+v, %v; want the contact with its company's new name", changes, err)
		}
	})
}

// Deals, tickets and mail go over to the survivor of a merge, and no address is lost.
func TestMergingMovesWhatBelongsToAContact(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		keep, err := c.AddContact(t.Context(), builtin.Contact{Name: "李雷", Addresses: []string{"li@acme.com.cn"}, Phone: "1"})
		if err != nil {
			t.Fatal(err)
		}
		gone, err := c.AddContact(t.Context(), builtin.Contact{
			Name: "Li Lei", Addresses: []string{"li.lei@freemail.example"}, Title: "采购", Phone: "2", Note: "Note", Custom: map[string]any{"tier": "A"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.AddDeal(t.Context(), builtin.Deal{Title: "20 套", ContactID: gone.ID}); err != nil {
			t.Fatal(err)
		}
		if err := c.MergeContacts(t.Context(), strconv.FormatInt(keep.ID, 10), strconv.FormatInt(gone.ID, 10)); err != nil {
			t.Fatal(err)
		}
		p, err := c.Contact(t.Context(), keep.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Addresses) != 2 || p.Title != "采购" || p.Phone != "1" || p.Note != "Note" || p.Custom["tier"] != "A" {
			t.Errorf("got %+v", p)
		}
		deals, err := c.Deals(t.Context(), builtin.DealFilter{ContactID: keep.ID})
		if err != nil || len(deals.Items) != 1 {
			t.Errorf("deals: got %+v, %v; want one", deals.Items, err)
		}
	})
}
