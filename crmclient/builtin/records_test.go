package builtin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/crmtest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	var invalid *builtin.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != field {
		t.Errorf("got %v, want an invalid %s", err, field)
	}
}

func TestContactLifecycle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		p, err := c.AddContact(t.Context(), builtin.Contact{
			Name: " 李雷 ", Addresses: []string{"LI@Acme.com.cn", "li@acme.com.cn", "li@qq.com"}, Mobile: "+86 138 0013 8000",
			Owner: "Wang@Example.com", Custom: map[string]any{"wechat": "lilei", "order": json.Number("123456789012345678")},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := builtin.Contact{
			ID: p.ID, Kind: crmclient.KindContact, Name: "李雷", Addresses: []string{"li@acme.com.cn", "li@qq.com"}, CompanyID: p.CompanyID, Company: "acme.com.cn",
			Mobile: "+86 138 0013 8000", Owner: "wang@example.com", Source: builtin.SourceManual,
			Custom: map[string]any{"wechat": "lilei", "order": json.Number("123456789012345678")}, Version: 1, Created: p.Created, Updated: p.Updated,
		}
		if !reflect.DeepEqual(p, want) || p.ID == 0 || p.CompanyID == 0 || p.Created.IsZero() {
			t.Errorf("got %+v, want %+v", p, want)
		}
		p.Addresses, p.Note = []string{"new@acme.com.cn"}, "moved"
		changed, err := c.UpdateContact(t.Context(), p)
		if err != nil || changed.Version != 2 || !slices.Equal(changed.Addresses, p.Addresses) {
			t.Fatalf("update: got %+v, %v", changed, err)
		}
		if _, err := c.UpdateContact(t.Context(), p); !errors.Is(err, builtin.ErrConflict) {
			t.Errorf("update of an old version: got %v, want ErrConflict", err)
		}
		if _, err := c.UpdateContact(t.Context(), builtin.Contact{ID: 99999, Name: "X", Version: 1}); !errors.Is(err, builtin.ErrNotFound) {
			t.Errorf("update of nobody: got %v, want ErrNotFound", err)
		}
		if _, err := c.AddContact(t.Context(), builtin.Contact{Name: "Y", Addresses: []string{"NEW@acme.com.cn"}}); !errors.Is(err, builtin.ErrAddressTaken) {
			t.Errorf("same address: got %v, want ErrAddressTaken", err)
		}
		if _, err := c.AddContact(t.Context(), builtin.Contact{Name: "Z", Addresses: []string{"li@qq.com"}}); err != nil {
			t.Errorf("an address that was given up: %v", err)
		}
		if _, err := c.Contact(t.Context(), 99999); !errors.Is(err, builtin.ErrNotFound) {
			t.Errorf("nobody: got %v, want ErrNotFound", err)
		}
	})
}

func TestInvalidRecords(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t))
	ctx := t.Context()
	contact := func(p builtin.Contact) error { _, err := c.AddContact(ctx, p); return err }
	deal := func(d builtin.Deal) error { _, err := c.AddDeal(ctx, d); return err }
	ticket := func(k builtin.Ticket) error { _, err := c.AddTicket(ctx, k); return err }
	cases := map[string]struct {
		err   error
		field string
	}{
		"contact without name":     {contact(builtin.Contact{Name: " \t"}), "name"},
		"two lines":                {contact(builtin.Contact{Name: "a\nb"}), "name"},
		"long name":                {contact(builtin.Contact{Name: strings.Repeat("长", 101)}), "name"},
		"no address":               {contact(builtin.Contact{Name: "a", Addresses: []string{"nobody"}}), "addresses"},
		"unknown company":          {contact(builtin.Contact{Name: "a", CompanyID: 77}), "company_id"},
		"custom that is no JSON":   {contact(builtin.Contact{Name: "a", Custom: map[string]any{"f": func() {}}}), "custom"},
		"long custom":              {contact(builtin.Contact{Name: "a", Custom: map[string]any{"f": strings.Repeat("x", 70_000)}}), "custom"},
		"deal without title":       {deal(builtin.Deal{}), "title"},
		"unknown stage":            {deal(builtin.Deal{Title: "a", Stage: "dreaming"}), "stage"},
		"unknown currency":         {deal(builtin.Deal{Title: "a", Currency: "yuan"}), "currency"},
		"negative amount":          {deal(builtin.Deal{Title: "a", Amount: -1}), "amount"},
		"no date":                  {deal(builtin.Deal{Title: "a", CloseOn: "2026-02-30"}), "close_on"},
		"unknown contact":          {deal(builtin.Deal{Title: "a", ContactID: 77}), "contact_id"},
		"ticket without subject":   {ticket(builtin.Ticket{Body: "a"}), "subject"},
		"unknown status":           {ticket(builtin.Ticket{Subject: "a", Status: "lost"}), "status"},
		"unknown priority":         {ticket(builtin.Ticket{Subject: "a", Priority: "asap"}), "priority"},
		"ticket without a contact": {ticket(builtin.Ticket{Subject: "a", ContactID: 77}), "contact_id"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) { wantInvalid(t, k.err, k.field) })
	}
}

func TestCompanies(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		o, err := c.AddCompany(t.Context(), builtin.Company{Name: "Acme 有限公司", Domain: "ACME.com", Owner: "w@example.com"})
		if err != nil || o.Version != 1 || o.Domain != "acme.com" {
			t.Fatalf("got %+v, %v", o, err)
		}
		_, err = c.AddCompany(t.Context(), builtin.Company{Name: "Other", Domain: "acme.com"})
		wantInvalid(t, err, "domain")
		for range 2 { // several without a domain are fine
			if _, err := c.AddCompany(t.Context(), builtin.Company{Name: "100% natural_foods"}); err != nil {
				t.Fatal(err)
			}
		}
		o.Phone = "021-5555"
		if o, err = c.UpdateCompany(t.Context(), o); err != nil || o.Version != 2 {
			t.Errorf("update: got %+v, %v", o, err)
		}
		o.Version = 1
		if _, err := c.UpdateCompany(t.Context(), o); !errors.Is(err, builtin.ErrConflict) {
			t.Errorf("got %v, want ErrConflict", err)
		}
		for query, want := range map[string]int{"": 3, "acme": 1, "有限": 1, "限": 1, "５５５５": 1, "100%": 2, "l_f": 2, "l%f": 0, "_": 2, `\`: 0, "natural 100": 2} {
			page, err := c.Companies(t.Context(), builtin.CompanyFilter{Query: query})
			if err != nil || len(page.Items) != want {
				t.Errorf("%q: got %d, %v; want %d", query, len(page.Items), err, want)
			}
		}
	})
}

func TestDealsAndStats(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		p, err := c.AddContact(t.Context(), builtin.Contact{Name: "Li", Addresses: []string{"li@acme.com"}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.AddDeal(t.Context(), builtin.Deal{
			Title: "年度合同", Amount: 1_234_567_89, Owner: "w@example.com", ContactID: p.ID, CompanyID: p.CompanyID, CloseOn: "2026-12-31",
			Custom: map[string]any{"probability": json.Number("60")},
		})
		if err != nil || d.Stage != "lead" || d.Currency != "CNY" || d.Version != 1 {
			t.Fatalf("got %+v, %v", d, err)
		}
		d.Stage = "won"
		if d, err = c.UpdateDeal(t.Context(), d); err != nil || d.Version != 2 || d.Stage != "won" || d.Amount != 123456789 {
			t.Fatalf("update: got %+v, %v", d, err)
		}
		stored, err := c.Deal(t.Context(), d.ID)
		if err != nil || !reflect.DeepEqual(stored, d) {
			t.Errorf("read: got %+v, %v; want %+v", stored, err, d)
		}
		for i := range 3 {
			if _, err := c.AddDeal(t.Context(), builtin.Deal{Title: fmt.Sprint("Small ", i), Stage: "proposal", Amount: 100, Currency: "EUR"}); err != nil {
				t.Fatal(err)
			}
		}
		for want, f := range map[int]builtin.DealFilter{
			4: {}, 3: {Stage: "proposal"}, 1: {Query: "合同", Owner: "W@example.com", ContactID: p.ID, CompanyID: p.CompanyID, Stage: "won"}, 0: {Query: "nothing"},
		} {
			page, err := c.Deals(t.Context(), f)
			if err != nil || len(page.Items) != want {
				t.Errorf("%+v: got %d, %v; want %d", f, len(page.Items), err, want)
			}
		}
		if _, err := c.LogEmail(t.Context(), crmtest.Activity("s")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AddTicket(t.Context(), builtin.Ticket{Subject: "Help"}); err != nil {
			t.Fatal(err)
		}
		got, err := c.Stats(t.Context())
		want := builtin.Stats{
			Companies: 1, Contacts: 1, Activities: 1, Attachments: 1,
			Deals:      []builtin.DealStat{{Stage: "proposal", Currency: "EUR", Count: 3, Amount: 300}, {Stage: "won", Currency: "CNY", Count: 1, Amount: 123456789}},
			Tickets:    []builtin.TicketStat{{Status: "open", Count: 1}},
			Directions: []builtin.DirectionStat{{Direction: "outbound", Count: 1}},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("stats: got %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestTickets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		k, err := c.AddTicket(t.Context(), builtin.Ticket{Subject: "打印机坏了", Body: "It smokes.", Assignee: "IT@example.com"})
		if err != nil || k.Status != "open" || k.Priority != "normal" || !k.Closed.IsZero() {
			t.Fatalf("got %+v, %v", k, err)
		}
		k.Status = "solved"
		if k, err = c.UpdateTicket(t.Context(), k); err != nil || k.Closed.IsZero() {
			t.Fatalf("solved: got %+v, %v", k, err)
		}
		when := k.Closed
		k.Status = "closed"
		if k, err = c.UpdateTicket(t.Context(), k); err != nil || !k.Closed.Equal(when) {
			t.Errorf("closed: got %+v, %v; want the time of the solution, %s", k, err, when)
		}
		k.Status = "open"
		if k, err = c.UpdateTicket(t.Context(), k); err != nil || !k.Closed.IsZero() || k.Version != 4 {
			t.Errorf("opened again: got %+v, %v", k, err)
		}
		stored, err := c.Ticket(t.Context(), k.ID)
		if err != nil || !reflect.DeepEqual(stored, k) {
			t.Errorf("read: got %+v, %v; want %+v", stored, err, k)
		}
		page, err := c.Tickets(t.Context(), builtin.TicketFilter{Query: "打印 SMOKES", Status: "open", Assignee: "it@example.com"})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("list: got %d, %v", len(page.Items), err)
		}
	})
}

// Of many who change the same version at once, exactly one wins.
func TestOptimisticVersions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		k, err := c.AddTicket(t.Context(), builtin.Ticket{Subject: "race"})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex // guards wins
		wins := 0
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				mine := k
				mine.Body = fmt.Sprint("writer ", i)
				switch _, err := c.UpdateTicket(t.Context(), mine); {
				case err == nil:
					mu.Lock()
					wins++
					mu.Unlock()
				case !errors.Is(err, builtin.ErrConflict):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if wins != 1 {
			t.Errorf("got %d winners, want 1", wins)
		}
	})
}

func TestContactPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		for i := range 12 {
			_, err := c.AddContact(t.Context(), builtin.Contact{Name: fmt.Sprintf("Person %02d", i), Addresses: []string{fmt.Sprintf("p%d@acme.com", i), fmt.Sprintf("p%d@qq.com", i)}})
			if err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		f := builtin.ContactFilter{Query: "acme.com", Paging: builtin.Paging{Limit: 5}}
		for range 3 {
			page, err := c.Contacts(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Items {
				names = append(names, p.Name)
				if len(p.Addresses) != 2 || p.Company != "acme.com" {
					t.Errorf("got %+v", p)
				}
			}
			f.Cursor = page.Next
		}
		if len(names) != 12 || names[0] != "Person 11" || names[11] != "Person 00" || f.Cursor != "" {
			t.Errorf("got %v, cursor %q", names, f.Cursor)
		}
	})
}
