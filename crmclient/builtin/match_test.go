package builtin_test

import (
	"slices"
	"strconv"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/crmtest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestLeadsAreContactsOfTheirOwnKind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		lead, err := c.CreateLead(t.Context(), crmclient.Person{Name: "Li Lei", Address: "Li@Customer.example"}, "wang@example.com")
		if err != nil || lead.Kind != crmclient.KindLead || lead.Owner != "wang@example.com" || lead.Company != "customer.example" {
			t.Fatalf("lead: got %+v, %v", lead, err)
		}
		again, err := c.CreateContact(t.Context(), crmclient.Person{Address: "li@customer.example"}, "")
		if err != nil || again != lead {
			t.Errorf("created again: got %+v, %v, want %+v", again, err, lead)
		}
		found, err := c.FindContacts(t.Context(), []string{"li@customer.example"})
		if err != nil || !slices.Equal(found, []crmclient.Contact{lead}) {
			t.Errorf("found %+v, %v", found, err)
		}
		id, _ := strconv.ParseInt(lead.ID, 10, 64)
		p, err := c.Contact(t.Context(), id)
		if err != nil || p.Kind != crmclient.KindLead {
			t.Fatalf("contact: got %+v, %v", p, err)
		}
		p.Kind = crmclient.KindContact
		if p, err = c.UpdateContact(t.Context(), p); err != nil || p.Kind != crmclient.KindContact {
			t.Errorf("made a contact: got %+v, %v", p, err)
		}
		p.Kind = "friend"
		if _, err := c.UpdateContact(t.Context(), p); err == nil {
			t.Error("a contact of an unknown kind was stored")
		}
	})
}

func TestMergedContactIsFoundByEitherID(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		var ids []string
		for _, a := range []string{"a@one.example", "b@one.example", "c@one.example"} {
			p, err := c.CreateLead(t.Context(), crmclient.Person{Address: a}, "")
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, p.ID)
		}
		for _, pair := range [][2]string{{ids[1], ids[0]}, {ids[2], ids[1]}} {
			if err := c.MergeContacts(t.Context(), pair[0], pair[1]); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range ids {
			k, ok, err := c.ContactByID(t.Context(), id)
			if err != nil || !ok || k.ID != ids[2] || k.Address != "c@one.example" {
				t.Errorf("contact %s: got %+v, %t, %v, want %s", id, k, ok, err, ids[2])
			}
		}
		for _, id := range []string{"4711", "x", ""} {
			if k, ok, err := c.ContactByID(t.Context(), id); ok || err != nil {
				t.Errorf("contact %q: got %+v, %v", id, k, err)
			}
		}
	})
}

func TestCompaniesOfActivities(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		o, err := c.AddCompany(t.Context(), builtin.Company{Name: "Customer", Domain: "Customer.example", Owner: "wang@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		found, ok, err := c.FindCompany(t.Context(), "customer.example")
		want := crmclient.Company{ID: strconv.FormatInt(o.ID, 10), Name: "Customer", Domain: "customer.example", Owner: "wang@example.com"}
		if err != nil || !ok || found != want {
			t.Fatalf("got %+v, %t, %v, want %+v", found, ok, err, want)
		}
		if _, ok, err := c.FindCompany(t.Context(), "other.example"); ok || err != nil {
			t.Errorf("other company: got %t, %v", ok, err)
		}
		a := crmtest.Activity("one")
		a.Companies, a.Owner = []crmclient.Company{found, {ID: "4711"}, {ID: "x"}}, "Wang@example.com"
		for range 2 {
			if _, err := c.LogEmail(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		contact, err := c.CreateContact(t.Context(), crmclient.Person{Address: "zhao@customer.example"}, "")
		if err != nil {
			t.Fatal(err)
		}
		b := crmtest.Activity("two")
		b.To = []crmclient.Person{{Address: contact.Address}}
		if _, err := c.LogEmail(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.LogEmail(t.Context(), crmtest.Activity("three")); err != nil {
			t.Fatal(err)
		}
		page, err := c.Activities(t.Context(), builtin.ActivityFilter{CompanyID: o.ID})
		if err != nil || len(page.Items) != 2 {
			t.Fatalf("mail of the company: got %+v, %v", page.Items, err)
		}
		first := page.Items[1]
		if first.Key != "one" || !slices.Equal(first.CompanyIDs, []int64{o.ID}) || first.Owner != "wang@example.com" || page.Items[0].Key != "two" {
			t.Errorf("got %+v", page.Items)
		}
	})
}

func TestPlaceContact(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		p, err := c.CreateContact(t.Context(), crmclient.Person{Address: "li@qq.com"}, "")
		if err != nil || p.Company != "" {
			t.Fatalf("got %+v, %v", p, err)
		}
		var ids []string
		for _, name := range []string{"One", "Two"} {
			o, err := c.AddCompany(t.Context(), builtin.Company{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, strconv.FormatInt(o.ID, 10))
		}
		for _, id := range []string{"4711", ids[0], ids[1]} { // one that is not there, the right one, and one too late
			if err := c.PlaceContact(t.Context(), p.ID, id); err != nil {
				t.Fatal(err)
			}
		}
		if p, _, err = c.ContactByID(t.Context(), p.ID); err != nil || p.Company != "One" {
			t.Errorf("got %+v, %v", p, err)
		}
		if err := c.PlaceContact(t.Context(), p.ID, "x"); crmclient.ClassOf(err) != crmclient.ClassPermanent {
			t.Errorf("no company: got %v", err)
		}
	})
}

func TestSuggestContacts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		for _, p := range []crmclient.Person{
			{Name: "李雷", Address: "li.lei@qq.com"}, {Name: "Han Meimei", Address: "han@customer.example"}, {Name: "Jim", Address: "jim@other.example"},
		} {
			if _, err := c.CreateContact(t.Context(), p, ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			who   crmclient.Person
			limit int
			want  []string
		}{
			{crmclient.Person{Name: "李雷", Address: "lilei@mail.customer.example"}, 9, []string{"李雷", "Han Meimei"}},
			{crmclient.Person{Name: "李雷", Address: "lilei@mail.customer.example"}, 1, []string{"李雷"}},
			{crmclient.Person{Address: "new@qq.com"}, 9, nil},
		} {
			found, err := c.SuggestContacts(t.Context(), tt.who, tt.limit)
			var got []string
			for _, k := range found {
				got = append(got, k.Name)
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%+v: got %q, %v, want %q", tt.who, got, err, tt.want)
			}
		}
	})
}
