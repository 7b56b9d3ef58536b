package builtin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/crmtest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// The tables as crmtest.ObjectKeeper and TicketKeeper: deals as its people change them, not through the connector.

func (f tables) Object() crmtest.Object {
	return crmtest.Object{Name: builtin.ObjectDeals, Text: "title", Number: "amount", MissingID: "99999999", TellsOwn: true, TellsOld: true}
}

func (f tables) PutObject(t *testing.T, id string, fields map[string]any) string {
	t.Helper()
	var d builtin.Deal
	if id != "" {
		d = f.deal(t, id)
	}
	if v, ok := fields["title"].(string); ok {
		d.Title = v
	}
	if v, ok := fields["amount"].(json.Number); ok {
		var err error
		if d.Amount, err = builtin.ParseAmount(v.String(), "CNY"); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if id == "" {
		d, err = f.crm.AddDeal(t.Context(), d)
	} else {
		d, err = f.crm.UpdateDeal(t.Context(), d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(d.ID)
}

func (f tables) deal(t *testing.T, id string) builtin.Deal {
	t.Helper()
	var n int64
	if _, err := fmt.Sscan(id, &n); err != nil {
		t.Fatal(err)
	}
	d, err := f.crm.Deal(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (f tables) DeleteObject(*testing.T, string) {} // nothing deletes deals yet: Object.Deletes is false

func (f tables) ObjectFields(t *testing.T, id string) (map[string]any, bool) {
	t.Helper()
	d := f.deal(t, id)
	return map[string]any{"title": d.Title, "amount": json.Number(strings.ReplaceAll(builtin.FormatAmount(d.Amount, d.Currency), ",", ""))}, true
}

func (f tables) ObjectsWithText(t *testing.T, text string) []string {
	t.Helper()
	var ids []string
	for paging := (builtin.Paging{Limit: 500}); ; {
		page, err := f.crm.Deals(t.Context(), builtin.DealFilter{Paging: paging})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Items {
			if d.Title == text {
				ids = append(ids, fmt.Sprint(d.ID))
			}
		}
		if paging.Cursor = page.Next; page.Next == "" {
			return ids
		}
	}
}

func (f tables) Tickets(t *testing.T) []crmtest.TicketRecord {
	t.Helper()
	page, err := f.crm.Tickets(t.Context(), builtin.TicketFilter{Paging: builtin.Paging{Limit: 500}})
	if err != nil {
		t.Fatal(err)
	}
	var out []crmtest.TicketRecord
	for _, ticket := range page.Items {
		key, _ := ticket.Custom["message_id"].(string)
		key, _, _ = cutLast(key, "@")
		out = append(out, crmtest.TicketRecord{ID: fmt.Sprint(ticket.ID), Key: key, Subject: ticket.Subject, Text: ticket.Body, Assignee: ticket.Assignee})
	}
	return out
}

func cutLast(s, sep string) (before, after string, found bool) {
	for i := len(s) - len(sep); i >= 0; i-- {
		if s[i:i+len(sep)] == sep {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

// Agent is nobody: the built-in CRM knows no employees, so that it cannot refuse one.
func (f tables) Agent(*testing.T) string { return "" }

func TestChangesOfEachObject(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		first := map[string]string{}
		for _, object := range []string{builtin.ObjectCompanies, builtin.ObjectContacts, builtin.ObjectDeals, builtin.ObjectTickets} {
			changes, cursor, err := c.RecordChanges(t.Context(), object, nil, "")
			if err != nil || len(changes) > 0 {
				t.Fatal(changes, err)
			}
			first[object] = cursor
		}
		contact, err := c.AddContact(t.Context(), builtin.Contact{Name: "Li Lei", Addresses: []string{"li@customer.example"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateTicket(t.Context(), crmtest.Ticket("k1")); err != nil {
			t.Fatal(err)
		}
		for object, want := range map[string]int{builtin.ObjectCompanies: 1, builtin.ObjectContacts: 1, builtin.ObjectDeals: 0, builtin.ObjectTickets: 1} {
			changes, cursor, err := c.RecordChanges(t.Context(), object, nil, first[object])
			if err != nil || len(changes) != want {
				t.Fatalf("%s: got %+v, %v; want %d changes", object, changes, err, want)
			}
			for _, change := range changes {
				if change.Own != (object == builtin.ObjectTickets) || change.Old != nil || change.UpdatedAt.IsZero() {
					t.Errorf("%s: got %+v", object, change)
				}
			}
			first[object] = cursor
		}
		// A mail is no change of a contact; another address is one, and so is a value.
		if _, err := c.LogEmail(t.Context(), func() *crmclient.Activity {
			a := crmtest.Activity("k")
			a.From.Address = "li@customer.example"
			return a
		}()); err != nil {
			t.Fatal(err)
		}
		if changes, _, err := c.RecordChanges(t.Context(), builtin.ObjectContacts, nil, first[builtin.ObjectContacts]); err != nil || len(changes) != 0 {
			t.Errorf("after a mail: got %+v, %v; want no change", changes, err)
		}
		contact.Addresses, contact.Title = append(contact.Addresses, "lei@customer.example"), "Buyer"
		if contact, err = c.UpdateContact(t.Context(), contact); err != nil {
			t.Fatal(err)
		}
		if err := c.UpdateRecord(t.Context(), builtin.ObjectContacts, fmt.Sprint(contact.ID), map[string]any{"title": "Chief buyer", "custom": map[string]any{"n": json.Number("1")}}); err != nil {
			t.Fatal(err)
		}
		changes, _, err := c.RecordChanges(t.Context(), builtin.ObjectContacts, []string{"title", "addresses", "custom"}, first[builtin.ObjectContacts])
		if err != nil || len(changes) != 1 {
			t.Fatalf("got %+v, %v; want one change", changes, err)
		}
		got := changes[0]
		if got.Own || fmt.Sprint(got.Fields) != "map[addresses:[li@customer.example lei@customer.example] custom:map[n:1] title:Chief buyer]" ||
			fmt.Sprint(got.Old) != "map[custom:<nil> title:]" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMergedContactIsADeletedRecord(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		var ids []string
		for i := range 2 {
			p, err := c.AddContact(t.Context(), builtin.Contact{Name: "Li Lei", Addresses: []string{fmt.Sprintf("li%d@customer.example", i)}})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, fmt.Sprint(p.ID))
		}
		_, cursor, err := c.RecordChanges(t.Context(), builtin.ObjectContacts, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.MergeContacts(t.Context(), ids[0], ids[1]); err != nil {
			t.Fatal(err)
		}
		changes, _, err := c.RecordChanges(t.Context(), builtin.ObjectContacts, nil, cursor)
		if err != nil {
			t.Fatal(err)
		}
		deleted := map[string]bool{}
		for _, change := range changes {
			deleted[change.ID] = change.Deleted
		}
		if !deleted[ids[1]] || deleted[ids[0]] {
			t.Errorf("got %+v, want %s deleted", changes, ids[1])
		}
	})
}

func TestTicketsOfTheConnector(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		if _, err := c.AddContact(t.Context(), builtin.Contact{Name: "Li Lei", Addresses: []string{"li.lei@customer.example"}}); err != nil {
			t.Fatal(err)
		}
		ticket := crmtest.Ticket("with everything")
		ticket.Queue, ticket.Files = "printers", []crmclient.Attachment{{Name: "photo.jpg"}}
		ticket.Fields = map[string]any{"status": "pending", "floor": json.Number("3")}
		receipt, err := c.CreateTicket(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AssignTicket(t.Context(), receipt.RemoteID, "Zhao@Example.com"); err != nil {
			t.Fatal(err)
		}
		r, there, err := c.FindTicket(t.Context(), ticket.Key)
		if err != nil || !there || r.Fields["assignee"] != "zhao@example.com" || r.Fields["status"] != "pending" || r.Fields["contact_id"] == json.Number("0") {
			t.Errorf("got %+v, %v, %v", r, there, err)
		}
		if got := fmt.Sprint(r.Fields["custom"]); got != "map[floor:3 message_id:with everything@customer.example queue:printers requester:li.lei@customer.example]" {
			t.Errorf("custom: got %s", got)
		}
		for _, bad := range []string{"", "not an address"} {
			if err := c.AssignTicket(t.Context(), receipt.RemoteID, bad); crmclient.ClassOf(err) != crmclient.ClassPermanent {
				t.Errorf("assignee %q: got %v, want a permanent error", bad, err)
			}
		}
		if err := c.AssignTicket(t.Context(), "999999", "zhao@example.com"); !errors.Is(err, crmclient.ErrNoRecord) {
			t.Errorf("no such ticket: got %v", err)
		}
	})
}

func TestSearchByTimeAddressAndList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		p, err := c.AddContact(t.Context(), builtin.Contact{Name: "Li Lei", Addresses: []string{"li@customer.example"}})
		if err != nil {
			t.Fatal(err)
		}
		for name, cond := range map[string]crmclient.Condition{
			"address": {Field: "addresses", Is: crmclient.Equal, Value: "LI@customer.example"},
			"since":   {Field: "created", Is: crmclient.GreaterEqual, Value: p.Created},
			"text":    {Field: "created", Is: crmclient.LessEqual, Value: p.Created.Format(time.RFC3339Nano)},
			"id":      {Field: "id", Is: crmclient.In, Value: []any{fmt.Sprint(p.ID), json.Number("77")}},
			"empty":   {Field: "title", Is: crmclient.Empty},
			"never":   {Field: "last_activity", Is: crmclient.Empty},
		} {
			page, next, err := c.QueryRecords(t.Context(), crmclient.Query{Object: builtin.ObjectContacts, Where: []crmclient.Condition{cond}}, "")
			if err != nil || len(page) != 1 || next != "" || page[0].Fields["name"] != "Li Lei" {
				t.Errorf("%s: got %+v, %q, %v; want the contact", name, page, next, err)
			}
		}
		for name, cond := range map[string]crmclient.Condition{
			"order of texts": {Field: "name", Is: crmclient.Less, Value: "Z"}, "custom": {Field: "custom", Is: crmclient.Equal, Value: "x"},
			"type": {Field: "id", Is: crmclient.Equal, Value: "x"}, "unknown": {Field: "nope", Is: crmclient.Equal, Value: "x"},
			"list": {Field: "name", Is: crmclient.In, Value: "x"}, "address in": {Field: "addresses", Is: crmclient.In, Value: []any{"x"}},
		} {
			_, _, err := c.QueryRecords(t.Context(), crmclient.Query{Object: builtin.ObjectContacts, Where: []crmclient.Condition{cond}}, "")
			if crmclient.ClassOf(err) != crmclient.ClassConfiguration {
				t.Errorf("%s: got %v, want a configuration error", name, err)
			}
		}
	})
}

func TestOwnIsOnlyWhatNobodyElseTouched(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		theirs, err := c.AddDeal(t.Context(), builtin.Deal{Title: "theirs"})
		if err != nil {
			t.Fatal(err)
		}
		_, cursor, err := c.RecordChanges(t.Context(), builtin.ObjectDeals, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint(theirs.ID)
		if err := c.UpdateRecord(t.Context(), builtin.ObjectDeals, id, map[string]any{"note": "ours"}); err != nil {
			t.Fatal(err)
		}
		for i := range 201 { // more than a page
			if _, err := c.CreateRecord(t.Context(), builtin.ObjectDeals, fmt.Sprint("many ", i), map[string]any{"title": "many"}); err != nil {
				t.Fatal(err)
			}
		}
		if theirs, err = c.Deal(t.Context(), theirs.ID); err != nil {
			t.Fatal(err)
		}
		theirs.Stage = "won"
		if _, err := c.UpdateDeal(t.Context(), theirs); err != nil {
			t.Fatal(err)
		}
		page, _, err := c.RecordChanges(t.Context(), builtin.ObjectDeals, nil, cursor)
		if err != nil || page[0].ID != id || page[0].Fields["stage"] != "won" || page[0].Own || !page[1].Own {
			t.Errorf("got %+v and %+v, %v; want the first as somebody else's", page[0], page[1], err)
		}
	})
}

// TestNames looks for fields without names, and for names of fields that are not there.
func TestNames(t *testing.T) {
	crm := open(t, storetest.SQLite(t))
	for _, o := range builtin.ObjectNames() {
		fields, err := crm.DescribeObject(t.Context(), o.Name)
		if err != nil || o.Zh == "" || o.En == "" || o.One == "" {
			t.Fatalf("%+v: %v", o, err)
		}
		if len(fields) != len(o.Fields) {
			t.Errorf("%s has %d fields and %d names", o.Name, len(fields), len(o.Fields))
		}
		for _, f := range fields {
			if f.Label == "" || f.LabelZh == "" || f.Label == f.Name {
				t.Errorf("%s.%s is called %q, %q", o.Name, f.Name, f.Label, f.LabelZh)
			}
		}
	}
}
