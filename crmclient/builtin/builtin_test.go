package builtin_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/crmtest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func open(t *testing.T, db *store.DB) *builtin.CRM {
	t.Helper()
	c, err := builtin.New(db, builtin.Config{FreeMailDomains: []string{"freemail.example"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tables is the fake of the conformance suite: the tables themselves.
type tables struct{ crm *builtin.CRM }

func (f tables) Records(t *testing.T) []crmtest.Record {
	t.Helper()
	page, err := f.crm.Activities(t.Context(), builtin.ActivityFilter{WithText: true, Paging: builtin.Paging{Limit: 500}})
	if err != nil {
		t.Fatal(err)
	}
	var out []crmtest.Record
	for _, a := range page.Items {
		r := crmtest.Record{Key: a.Key, Subject: a.Subject, Text: a.Text, Accounts: a.Accounts, Thread: a.Thread}
		for _, p := range a.BCC {
			r.BCC = append(r.BCC, p.Address)
		}
		for _, f := range a.Attachments {
			r.Attachments = append(r.Attachments, f.Name)
		}
		out = append(out, r)
	}
	return out
}

func (f tables) AddContact(t *testing.T, name, address string) {
	t.Helper()
	if _, err := f.crm.AddContact(t.Context(), builtin.Contact{Name: name, Addresses: []string{address}}); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, fresh func(testing.TB) *store.DB) {
		db := fresh(t)
		crmtest.Run(t, crmtest.Subject{
			Fake: func(t *testing.T) crmtest.Fake { return tables{open(t, db)} },
			New:  func(t *testing.T, _ crmtest.Fake, _ crmtest.Connection) crmclient.Client { return open(t, db) },
		})
	}
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); run(t, storetest.SQLite) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); run(t, storetest.Postgres) })
}

func TestCopiesOfAMessageAreMerged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		first := crmtest.Activity("merge")
		first.Unconfirmed = true
		one, err := c.LogEmail(t.Context(), first)
		if err != nil || one.Duplicate {
			t.Fatalf("first: got %+v, %v", one, err)
		}
		second := crmtest.Activity("merge")
		second.Accounts = []string{"colleague@example.com", "wang@example.com"}
		second.Sightings = append(second.Sightings, crmclient.Sighting{Entry: "01hzx0000000000000000000bb", Kind: "submission", Account: "colleague@example.com", At: second.Date})
		second.BCC = append(second.BCC, crmclient.Person{Address: "Hidden@Example.com"})
		second.Flags = []string{"charset"}
		two, err := c.LogEmail(t.Context(), second)
		if err != nil || !two.Duplicate || two.RemoteID != one.RemoteID {
			t.Fatalf("second: got %+v, %v; want the duplicate of %s", two, err, one.RemoteID)
		}
		got, err := c.ActivityByKey(t.Context(), "merge")
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"colleague@example.com", "wang@example.com"}; !slices.Equal(got.Accounts, want) {
			t.Errorf("accounts: got %q, want %q", got.Accounts, want)
		}
		if len(got.Sightings) != 2 || len(got.BCC) != 2 || !slices.Equal(got.Flags, []string{"charset"}) || got.Unconfirmed {
			t.Errorf("merged: got %+v", got)
		}
		page, err := c.Activities(t.Context(), builtin.ActivityFilter{Address: "hidden@example.com"})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("by the new Bcc: got %d activities, %v", len(page.Items), err)
		}
		// A worse copy takes nothing away.
		third := crmtest.Activity("merge")
		third.Unconfirmed, third.Accounts, third.Sightings, third.BCC = true, nil, nil, nil
		if _, err := c.LogEmail(t.Context(), third); err != nil {
			t.Fatal(err)
		}
		again, err := c.ActivityByKey(t.Context(), "merge")
		if err != nil || len(again.Accounts) != 2 || again.Unconfirmed || !again.Updated.Equal(got.Updated) {
			t.Errorf("after a copy that knows less: got %+v, %v", again, err)
		}
	})
}

func TestActivityKeepsAllFields(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		a := crmtest.Activity("all")
		a.Automated, a.Direction = true, crmclient.Inbound
		a.Subject += "\x00 and \xff"
		receipt, err := c.LogEmail(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := strconv.ParseInt(receipt.RemoteID, 10, 64)
		got, err := c.Activity(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != "Quotation 42 and \uFFFD" {
			t.Errorf("subject: got %q", got.Subject)
		}
		file := builtin.Attachment{Name: "quotation.pdf", Type: "application/pdf", Size: 12345, SHA256: a.Attachments[0].SHA256, Entry: a.Sightings[0].Entry}
		if !slices.Equal(got.Attachments, []builtin.Attachment{file}) {
			t.Errorf("attachments: got %+v", got.Attachments)
		}
		same := got.MessageID == a.MessageID && got.Thread == a.Thread && got.Direction == a.Direction && got.Date.Equal(a.Date) &&
			got.From == a.From && slices.Equal(got.To, a.To) && slices.Equal(got.CC, a.CC) && slices.Equal(got.BCC, a.BCC) &&
			got.Text == a.Text && got.TextUnquoted == a.TextUnquoted && got.HTML == a.HTML && got.Automated &&
			len(got.Sightings) == 1 && got.Sightings[0].At.Equal(a.Sightings[0].At)
		if !same {
			t.Errorf("got %+v, want %+v", got, a)
		}
	})
}

func TestContactMadeLaterFindsItsMail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		a := crmtest.Activity("before")
		if _, err := c.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		k, err := c.CreateContact(t.Context(), crmclient.Person{Name: "Li Lei", Address: "Li.Lei@Customer.example"}, "wang@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if k.Address != "li.lei@customer.example" || k.Kind != "contact" || k.Owner != "wang@example.com" || k.Company != "customer.example" {
			t.Errorf("contact: got %+v", k)
		}
		id, _ := strconv.ParseInt(k.ID, 10, 64)
		later := crmtest.Activity("after")
		later.Date = a.Date.Add(time.Hour)
		later.Contacts = []crmclient.Contact{k, {ID: "999999"}, {ID: "not a number"}}
		if _, err := c.LogEmail(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		page, err := c.Timeline(t.Context(), id, builtin.Paging{})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, m := range page.Items {
			keys = append(keys, m.Key)
			if !slices.Equal(m.ContactIDs, []int64{id}) {
				t.Errorf("%s: contacts: got %v", m.Key, m.ContactIDs)
			}
		}
		if !slices.Equal(keys, []string{"after", "before"}) {
			t.Errorf("timeline: got %v", keys)
		}
		p, err := c.Contact(t.Context(), id)
		if err != nil || !p.LastActivity.Equal(later.Date) {
			t.Errorf("last activity: got %v, %v; want %v", p.LastActivity, err, later.Date)
		}
	})
}

func TestCreateContactRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		const workers = 10
		ids := make([]string, workers)
		var group sync.WaitGroup
		for i := range workers {
			group.Go(func() {
				k, err := c.CreateContact(t.Context(), crmclient.Person{Name: fmt.Sprint("Racer ", i), Address: "race@customer.example"}, "")
				if err != nil {
					t.Error(err)
				}
				ids[i] = k.ID
			})
		}
		group.Wait()
		if slices.Sort(ids); ids[0] != ids[workers-1] || ids[0] == "" {
			t.Errorf("ids: got %v, want one", ids)
		}
		s, err := c.Stats(t.Context())
		if err != nil || s.Contacts != 1 || s.Companies != 1 {
			t.Errorf("stats: got %+v, %v", s, err)
		}
	})
}

func TestCompanyFromDomain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		want := map[string]string{
			"a@acme.com.cn":           "acme.com.cn",
			"b@mail.sales.acme.co.uk": "acme.co.uk",
			"c@qq.com":                "",
			"d@163.com":               "",
			"e@vip.163.com":           "",
			"f@gmail.com":             "",
			"g@freemail.example":      "",
			"h@localhost":             "",
			"i@[192.0.2.1]":           "",
			"j@com.cn":                "",
			"k@例子.公司.cn":              "例子.公司.cn",
		}
		for address, company := range want {
			k, err := c.CreateContact(t.Context(), crmclient.Person{Address: address}, "")
			if err != nil {
				t.Errorf("%s: %v", address, err)
			}
			if k.Company != company || k.Name != address {
				t.Errorf("%s: got %+v, want the company %q", address, k, company)
			}
		}
	})
}

func TestCreateContactWithoutAddress(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t))
	for _, address := range []string{"", "nobody", "a b@c.example", "@c.example", "a@"} {
		_, err := c.CreateContact(t.Context(), crmclient.Person{Name: "X", Address: address}, "")
		if crmclient.ClassOf(err) != crmclient.ClassPermanent {
			t.Errorf("%q: got %v, want a permanent error", address, err)
		}
	}
}

func TestSearchActivities(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		add := func(key, subject, text string) {
			a := crmtest.Activity(key)
			a.Subject, a.Text = subject, text
			if _, err := c.LogEmail(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		add("zh", "关于上海项目的报价单", "张经理您好，附件请查收。ＡＢＣ有限公司")
		add("en", "Invoice 2026-117", "The invoice for O'Hara & Sons is overdue. naïve")
		add("ru", "Счёт", "Добрый день, оплата прошла")
		cases := map[string][]string{
			"报价":                      {"zh"},
			"报价单 上海":                  {"zh"},
			"价":                       {"zh"},
			"北京":                      nil,
			"abc":                     {"zh"},
			"INVOICE":                 {"en"},
			"invoice overdu":          nil,
			"2026-117":                {"en"},
			"o'hara":                  {"en"},
			"naïve":                   {"en"},
			"СЧЁТ оплата":             {"ru"},
			"quotation.pdf":           {"ru", "en", "zh"}, // name of the attachment
			"li.lei@customer.example": {"ru", "en", "zh"},
			`" OR 1=1 --`:             nil,
			"!!!":                     nil,
			"NOT invoice":             nil,
		}
		for query, want := range cases {
			page, err := c.Activities(t.Context(), builtin.ActivityFilter{Query: query})
			if err != nil {
				t.Errorf("%q: %v", query, err)
				continue
			}
			var got []string
			for _, a := range page.Items {
				got = append(got, a.Key)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q: got %q, want %q", query, got, want)
			}
		}
	})
}

func TestActivityFiltersAndPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		k, err := c.CreateContact(t.Context(), crmclient.Person{Address: "li.lei@customer.example"}, "")
		if err != nil {
			t.Fatal(err)
		}
		id, _ := strconv.ParseInt(k.ID, 10, 64)
		start := crmtest.Activity("").Date
		for i := range 25 {
			a := crmtest.Activity(fmt.Sprintf("p%02d", i))
			a.Date = start.Add(time.Duration(i/3) * time.Minute) // some share a moment
			if i%5 == 0 {
				a.Direction, a.Accounts = crmclient.Inbound, []string{"a_b@example.com"}
			}
			if _, err := c.LogEmail(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		for name, f := range map[string]builtin.ActivityFilter{"all": {}, "timeline": {ContactID: id}} {
			var keys []string
			f.Limit = 7
			for pages := 0; ; pages++ {
				page, err := c.Activities(t.Context(), f)
				if err != nil || pages > 5 {
					t.Fatalf("%s: page %d: %v", name, pages, err)
				}
				for _, a := range page.Items {
					keys = append(keys, a.Key)
				}
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			if len(keys) != 25 || keys[0] != "p24" || keys[24] != "p00" || !slices.IsSortedFunc(keys, func(a, b string) int { return -cmpString(a, b) }) {
				t.Errorf("%s: got %v", name, keys)
			}
		}
		count := func(f builtin.ActivityFilter) int {
			t.Helper()
			page, err := c.Activities(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			return len(page.Items)
		}
		for name, c := range map[string]struct{ got, want int }{
			"direction":            {count(builtin.ActivityFilter{Direction: crmclient.Inbound}), 5},
			"account":              {count(builtin.ActivityFilter{Account: "A_B@example.com"}), 5},
			"account as a pattern": {count(builtin.ActivityFilter{Account: "a%b@example.com"}), 0},
			"part of an account":   {count(builtin.ActivityFilter{Account: "b@example.com"}), 0},
			"time":                 {count(builtin.ActivityFilter{From: start.Add(time.Minute), Until: start.Add(2 * time.Minute)}), 3},
			"thread":               {count(builtin.ActivityFilter{Thread: "thread-p03"}), 1},
			"message":              {count(builtin.ActivityFilter{MessageID: " <" + crmtest.Activity("p03").MessageID + ">"}), 1},
			"part of a message id": {count(builtin.ActivityFilter{MessageID: "p03"}), 0},
			"other contact":        {count(builtin.ActivityFilter{ContactID: id + 1}), 0},
		} {
			if c.got != c.want {
				t.Errorf("%s: got %d, want %d", name, c.got, c.want)
			}
		}
		_, err = c.Activities(t.Context(), builtin.ActivityFilter{Paging: builtin.Paging{Cursor: "x;DROP TABLE"}})
		var invalid *builtin.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "cursor" {
			t.Errorf("bad cursor: got %v", err)
		}
	})
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
