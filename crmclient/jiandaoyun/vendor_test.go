package jiandaoyun_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/jiandaoyun"
	"heliograph/internal/limit"
)

func start(t *testing.T, change func(*jiandaoyun.Config)) (*fake, crmclient.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, connect(t, f, server.URL, change)
}

func connect(t *testing.T, f *fake, url string, change func(*jiandaoyun.Config)) crmclient.Client {
	t.Helper()
	cfg := section(url)
	if change != nil {
		change(&cfg)
	}
	return open(t, f, cfg, crmclient.Deps{Target: "jiandaoyun"})
}

// log logs a mail and returns its row.
func (f *fake) log(t *testing.T, c crmclient.Client, a *crmclient.Activity) map[string]any {
	t.Helper()
	receipt, err := c.LogEmail(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.forms[activities].row(receipt.RemoteID)
	if r == nil {
		t.Fatalf("no record %s", receipt.RemoteID)
	}
	return r
}

func wantClass(t *testing.T, err error, want crmclient.Class, says string) {
	t.Helper()
	var e *crmclient.Error
	if crmclient.ClassOf(err) != want || !errors.As(err, &e) || !strings.Contains(err.Error()+e.Remedy, says) {
		t.Errorf("got %q of %v, want %q with %q", crmclient.ClassOf(err), err, want, says)
	}
}

func TestFieldsOfAMail(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *jiandaoyun.Config) {
		c.Members.Map = map[string]string{"Wang@Example.com": "wang"}
		c.Activities.Fields = fields("标题 mail_from: {from: from_address}\n  _widget_1700000003: {from: subject, then: [{prefix: '邮件: '}]}\n  subject: {remove: true}")
	})
	a := crmtest.Activity("k")
	a.Owner, a.Unconfirmed = "wang@example.com", true
	a.Contacts = []crmclient.Contact{{ID: "67221b4fac0a62acaaaaaaaa", Kind: crmclient.KindContact}}
	a.Companies = []crmclient.Company{{ID: "67221b4fac0a62acbbbbbbbb", Name: "客户公司"}}
	r := f.log(t, c, a)
	want := map[string]any{
		"message_key": "k", "message_id": "k@example.com", "thread": "thread-k", "subject": "邮件: Quotation 42", "direction": "发出",
		"sent_at": "2026-03-04T05:06:07.000Z", "mail_from": "wang@example.com", "mail_to": "Li Lei <li.lei@customer.example>", "unconfirmed": "是",
		"owner": f.person("wang"), "contact": map[string]any{"id": "67221b4fac0a62acaaaaaaaa"}, "customer": map[string]any{"id": "67221b4fac0a62acbbbbbbbb"},
		"attachment_count": json.Number("1"),
	}
	for name, v := range want {
		if !reflect.DeepEqual(r[name], v) {
			t.Errorf("%s: got %v, want %v", name, r[name], v)
		}
	}
}

// The vendor answers a filter that it does not understand with the whole form. That must not make repetitions of all mails.
func TestIgnoredFilterIsNoticed(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.log(t, c, crmtest.Activity("first"))
	f.put(contacts, "", map[string]any{"name": "x", "email": "x@customer.example"})
	f.mu.Lock()
	f.lenient = true
	f.forms[activities].widgets[0].Name = "renamed_since" // the fake's rows keep the old name, so that no filter on it works
	f.forms[contacts].widgets[1].Name = "renamed_since"
	f.mu.Unlock()
	_, err := c.LogEmail(t.Context(), crmtest.Activity("second"))
	wantClass(t, err, crmclient.ClassConfiguration, "message_key")
	_, err = c.FindContacts(t.Context(), []string{"y@customer.example"})
	wantClass(t, err, crmclient.ClassConfiguration, "email")
}

// An alias that is changed while we run replaces the name everywhere; the mapping by id goes on.
func TestChangedAliasIsReadAgain(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *jiandaoyun.Config) { c.Activities.Key = "_widget_1700000000" })
	f.log(t, c, crmtest.Activity("before"))
	f.mu.Lock()
	f.lenient = true
	form := f.forms[activities]
	form.widgets[0].Name = "mail_key"
	for _, r := range form.rows {
		r["mail_key"] = r["message_key"]
		delete(r, "message_key")
	}
	f.mu.Unlock()
	if r := f.log(t, c, crmtest.Activity("after")); r["mail_key"] != "after" {
		t.Errorf("got %v", r)
	}
	receipt, err := c.LogEmail(t.Context(), crmtest.Activity("before"))
	if err != nil || !receipt.Duplicate || len(form.rows) != 2 {
		t.Errorf("got %+v, %v with %d rows", receipt, err, len(form.rows))
	}
}

// A record that did not keep its key would be made again by each try.
func TestRecordWithoutItsKeyIsTakenAway(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.mu.Lock()
	f.lenient = true
	f.forms[activities].widgets[0] = fakeWidget{Name: "message_key", ID: "_widget_1", Type: "text"}
	f.dropKey = true
	f.mu.Unlock()
	_, err := c.LogEmail(t.Context(), crmtest.Activity("k"))
	wantClass(t, err, crmclient.ClassConfiguration, "message_key")
	if n := len(f.forms[activities].rows); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// The vendor knows the transaction of a record that was deleted since: it answers with an id that is no more.
func TestDeletedRecordIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, mode := range []txMode{txOverwrites, txRefuses, txForgets} {
		f, c := start(t, nil)
		f.tx = mode
		r := f.log(t, c, crmtest.Activity("again"))
		f.drop(activities, text(r, "_id"))
		_, err := c.LogEmail(t.Context(), crmtest.Activity("again"))
		if err != nil {
			wantClass(t, err, crmclient.ClassRetry, "")
			f.log(t, c, crmtest.Activity("again"))
		}
		if n := len(f.forms[activities].rows); n != 1 {
			t.Errorf("mode %d: got %d records, want 1", mode, n)
		}
		if err := c.(crmclient.ActivityWithdrawer).WithdrawEmail(t.Context(), "", "again"); err != nil {
			t.Error(err)
		}
		f.log(t, c, crmtest.Activity("again"))
	}
}

// A repetition that the vendor refuses, because the record is there but was not found yet, makes none.
func TestRefusedTransaction(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.tx = txRefuses
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.log(t, connect(t, f, server.URL, nil), crmtest.Activity("k"))
	f.mu.Lock()
	f.forms[activities].rows[0]["message_key"] = "not to be found yet"
	f.mu.Unlock()
	other := connect(t, f, server.URL, nil)
	_, err := other.LogEmail(t.Context(), crmtest.Activity("k"))
	wantClass(t, err, crmclient.ClassRetry, "17026")
	f.mu.Lock()
	f.forms[activities].rows[0]["message_key"] = "k"
	f.mu.Unlock()
	receipt, err := other.LogEmail(t.Context(), crmtest.Activity("k"))
	if err != nil || !receipt.Duplicate || len(f.forms[activities].rows) != 1 {
		t.Errorf("got %+v, %v", receipt, err)
	}
}

func TestUpdateLeavesWhatPeopleChanged(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	r := f.log(t, c, crmtest.Activity("k"))
	f.put(activities, text(r, "_id"), map[string]any{"subject": "by hand", "content": "by hand"})
	a := crmtest.Activity("k")
	a.Accounts = append(a.Accounts, "zhao@example.com")
	if _, err := c.(crmclient.ActivityUpdater).UpdateEmail(t.Context(), "", a); err != nil {
		t.Fatal(err)
	}
	if text(r, "subject") != "by hand" || text(r, "content") != "by hand" || text(r, "accounts") != "wang@example.com, zhao@example.com" {
		t.Errorf("got %v", r)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*jiandaoyun.Config)
		owner  string
		want   string // username; empty: nobody
	}{
		"map": {func(c *jiandaoyun.Config) {
			c.Members = jiandaoyun.Members{Map: map[string]string{"a@b.example": "boss"}}
		}, "a@b.example", "boss"},
		"local part":           {nil, "wang@example.com", "wang"},
		"nobody":               {nil, "nobody@example.com", ""},
		"nothing is given":     {func(c *jiandaoyun.Config) { c.Members = jiandaoyun.Members{} }, "wang@example.com", ""},
		"not a username":       {nil, "wang fang@example.com", ""},
		"address":              {func(c *jiandaoyun.Config) { c.Members.Guess = []jiandaoyun.Guess{jiandaoyun.GuessAddress} }, "wang@example.com", ""},
		"form":                 {func(c *jiandaoyun.Config) { c.Members = staffForm() }, "lao.ban@example.com", "boss"},
		"form has no such one": {func(c *jiandaoyun.Config) { c.Members = staffForm() }, "wang@example.com", ""},
	}
	for name, e := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c := start(t, e.change)
			f.put(staff, "", map[string]any{"email": "lao.ban@example.com", "member": f.person("boss")})
			for i := range 2 { // the second from memory
				a := crmtest.Activity(fmt.Sprint("k", i))
				a.Owner = e.owner
				got := ""
				if m, ok := f.log(t, c, a)["owner"].(map[string]any); ok {
					got = fmt.Sprint(m["username"])
				}
				if got != e.want {
					t.Errorf("got %q, want %q", got, e.want)
				}
			}
			asked := 0
			for _, call := range f.calls {
				if call == "/v5/corp/user/get" {
					asked++
				}
			}
			if asked > 1 {
				t.Errorf("the address book was asked %d times", asked)
			}
		})
	}
}

func staffForm() jiandaoyun.Members {
	var m jiandaoyun.Members
	m.Form.Form = jiandaoyun.Form{AppID: appID, EntryID: staff}
	return m
}

// Every type of widget is written in the vendor's shape (the fake refuses others) and read as what was meant.
func TestWidgets(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	id := f.put(deals, "", nil)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	set := map[string]any{
		"title": json.Number("12.50"), "amount": "1234.5600", "stage": "谈判", "tags": "重点", "closes": at, "region": json.Number("12"),
		"team": []any{"wang@example.com", "boss"}, "place": "上海市静安区", "call": "13800138000",
		"lines": []any{map[string]any{"product": "P-7", "count": json.Number("3")}, map[string]any{"标题 product": "P-8", "count": "4"}},
	}
	w := c.(crmclient.RecordWriter)
	if err := w.UpdateRecord(t.Context(), "deals", id, set); err != nil {
		t.Fatal(err)
	}
	r, err := c.(crmclient.RecordReader).ReadRecord(t.Context(), "deals", id)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"title": "12.50", "amount": json.Number("1234.5600"), "stage": "谈判", "tags": []any{"重点"}, "closes": at, "region": json.Number("12"),
		"team": []any{"wang", "boss"}, "place": map[string]any{"detail": "上海市静安区"}, "call": "13800138000",
	}
	for name, v := range want {
		if !reflect.DeepEqual(r.Fields[name], v) {
			t.Errorf("%s: got %#v, want %#v", name, r.Fields[name], v)
		}
	}
	lines, _ := r.Fields["lines"].([]any)
	if len(lines) != 2 || lines[1].(map[string]any)["product"] != "P-8" || lines[0].(map[string]any)["count"] != json.Number("3") {
		t.Errorf("lines: got %v", lines)
	}
	// What was read can be written again.
	for _, name := range []string{"amount", "tags", "closes", "region", "team", "place", "call"} {
		if err := w.UpdateRecord(t.Context(), "deals", id, map[string]any{name: r.Fields[name]}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, e := range map[string]struct {
		field string
		value any
		class crmclient.Class
	}{
		"a word is no number":     {"amount", "viel", crmclient.ClassPermanent},
		"a list is no number":     {"amount", []any{"1"}, crmclient.ClassConfiguration},
		"a word is no time":       {"closes", "2026/03/04", crmclient.ClassPermanent},
		"a word is no department": {"region", "华东", crmclient.ClassPermanent},
		"选择数据 is not written":     {"picked", "67221b4fac0a62ac00000001", crmclient.ClassConfiguration},
		"a text is no row":        {"lines", "x", crmclient.ClassConfiguration},
		"an unknown column":       {"lines", []any{map[string]any{"nothing": 1}}, crmclient.ClassConfiguration},
		"an object is no text":    {"title", map[string]any{"a": 1}, crmclient.ClassConfiguration},
	} {
		before := len(f.calls)
		if err := w.UpdateRecord(t.Context(), "deals", id, map[string]any{e.field: e.value}); crmclient.ClassOf(err) != e.class {
			t.Errorf("%s: got %v, want %s", name, err, e.class)
		}
		if slices.Contains(f.calls[before:], "/v5/app/entry/data/update") {
			t.Errorf("%s: it was sent", name)
		}
	}
}

func TestPeopleAndCompanies(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *jiandaoyun.Config) { c.Members.Map = map[string]string{"lao.ban@example.com": "boss"} })
	company := f.put(companies, "", map[string]any{"name": "客户公司", "domain": "customer.example", "owner": f.person("boss")})
	person := f.put(contacts, "", map[string]any{"name": "李雷", "email": "li@customer.example", "email2": "lei@customer.example", "domain": "customer.example", "owner": f.person("boss")})
	lead := f.put(leads, "", map[string]any{"name": "韩梅梅", "email": "han@customer.example"})
	found, err := c.FindContacts(t.Context(), []string{"lei@customer.example", "han@customer.example"})
	if err != nil || len(found) != 2 || found[0].ID != person || found[0].Owner != "lao.ban@example.com" || found[1].Kind != crmclient.KindLead || found[1].ID != lead {
		t.Errorf("find: got %+v, %v", found, err)
	}
	got, there, err := c.(crmclient.CompanyFinder).FindCompany(t.Context(), "customer.example")
	if want := (crmclient.Company{ID: company, Name: "客户公司", Domain: "customer.example", Owner: "lao.ban@example.com"}); err != nil || !there || got != want {
		t.Errorf("company: got %+v, %v, %v", got, there, err)
	}
	if _, there, err := c.(crmclient.CompanyFinder).FindCompany(t.Context(), "other.example"); err != nil || there {
		t.Errorf("no company: got %v, %v", there, err)
	}
	for range 2 {
		if err := c.(crmclient.CompanyPlacer).PlaceContact(t.Context(), person, company); err != nil {
			t.Fatal(err)
		}
	}
	if link := f.forms[contacts].row(person)["company_link"]; !reflect.DeepEqual(link, map[string]any{"id": company}) {
		t.Errorf("link: got %v", link)
	}
	suggested, err := c.(crmclient.ContactSuggester).SuggestContacts(t.Context(), crmclient.Person{Name: "Somebody", Address: "new@customer.example"}, 5)
	if err != nil || len(suggested) != 1 || suggested[0].ID != person {
		t.Errorf("suggested: got %+v, %v", suggested, err)
	}
	for id, kind := range map[string]string{person: crmclient.KindContact, lead: crmclient.KindLead} {
		if one, there, err := c.(crmclient.ContactGetter).ContactByID(t.Context(), id); err != nil || !there || one.Kind != kind {
			t.Errorf("by id: got %+v, %v, %v", one, there, err)
		}
	}
	if _, there, err := c.(crmclient.ContactGetter).ContactByID(t.Context(), "67221b4fac0a62acffffffff"); err != nil || there {
		t.Errorf("nobody: got %v, %v", there, err)
	}
}

// Without a form for them a client does not say that it can make leads or tickets.
func TestAbilitiesFollowTheForms(t *testing.T) {
	t.Parallel()
	for _, e := range []struct{ leads, tickets bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		cfg := section("http://127.0.0.1:1")
		if !e.leads {
			cfg.Leads = jiandaoyun.ContactForm{}
		}
		if !e.tickets {
			cfg.Tickets = jiandaoyun.TicketForm{}
		}
		c, err := jiandaoyun.New(cfg, crmclient.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		_, leads := c.(crmclient.LeadCreator)
		_, tickets := c.(crmclient.Ticketer)
		_, updater := c.(crmclient.ActivityUpdater)
		if leads != e.leads || tickets != e.tickets || !updater {
			t.Errorf("%+v: got leads %v, tickets %v, updates %v", e, leads, tickets, updater)
		}
	}
}

// A form may hold more than an answer takes: pages become smaller.
func TestLongRecordsComeInSmallPages(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	for i := range 7 {
		f.put(deals, "", map[string]any{"title": fmt.Sprint(i), "stage": strings.Repeat("长", 60_000)})
	}
	seen, cursor := map[string]bool{}, ""
	for {
		page, next, err := c.(crmclient.RecordQuerier).QueryRecords(t.Context(), crmclient.Query{Object: "deals"}, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			seen[r.ID] = true
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("got %d records, want 7", len(seen))
	}
}

// Each call has the rate of its page, and all together that of the company.
func TestDocumentedRates(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	rates := map[string]limit.Rate{}
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	used := map[string]int{}
	c := open(t, f, section(server.URL), crmclient.Deps{Limit: func(what string, r limit.Rate) crmclient.RateLimiter {
		rates[what] = r
		return counter{func() {
			mu.Lock()
			defer mu.Unlock()
			used[what]++
		}}
	}})
	f.log(t, c, crmtest.Activity("k"))
	want := map[string]int{
		"company": 50, "upload": 20, "/v5/app/list": 30, "/v5/app/entry/list": 30, "/v5/app/entry/widget/list": 30, "/v5/app/entry/data/get": 30,
		"/v5/app/entry/data/list": 30, "/v5/app/entry/data/create": 20, "/v5/app/entry/data/batch_create": 10, "/v5/app/entry/data/update": 20,
		"/v5/app/entry/data/delete": 20, "/v5/app/entry/file/get_upload_token": 20, "/v5/corp/user/get": 30,
	}
	for what, n := range want {
		if rates[what] != (limit.Rate{Count: n, Per: time.Second}) {
			t.Errorf("%s: got %+v, want %d a second", what, rates[what], n)
		}
	}
	if used["company"] != 4 || used["/v5/app/entry/data/batch_create"] != 1 || used["/v5/app/entry/data/list"] != 1 || used["/v5/app/entry/data/get"] != 1 {
		t.Errorf("used: %v", used)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*jiandaoyun.Config)
		want   string
	}{
		"good":            {func(*jiandaoyun.Config) {}, ""},
		"no key":          {func(c *jiandaoyun.Config) { c.APIKey = config.Secret{} }, "api_key is missing"},
		"key with blank":  {func(c *jiandaoyun.Config) { c.APIKey = config.NewSecret("a b") }, "api_key has a blank"},
		"no mails":        {func(c *jiandaoyun.Config) { c.Activities.Form = jiandaoyun.Form{} }, "activities is missing"},
		"no contacts":     {func(c *jiandaoyun.Config) { c.Contacts.Form = jiandaoyun.Form{} }, "contacts is missing"},
		"half a form":     {func(c *jiandaoyun.Config) { c.Companies.EntryID = "" }, "companies: entry_id"},
		"not an id":       {func(c *jiandaoyun.Config) { c.Tickets.AppID = "my app" }, "tickets: app_id"},
		"record taken":    {func(c *jiandaoyun.Config) { c.Records["contacts"] = c.Records["deals"] }, "contacts is taken"},
		"record name":     {func(c *jiandaoyun.Config) { c.Records["a/b"] = c.Records["deals"] }, "without blanks and slashes"},
		"record id":       {func(c *jiandaoyun.Config) { c.Records["x"] = jiandaoyun.Form{AppID: appID} }, "records: x: entry_id"},
		"member":          {func(c *jiandaoyun.Config) { c.Members.Map = map[string]string{"a@b.example": "王 芳"} }, "not a username"},
		"member address":  {func(c *jiandaoyun.Config) { c.Members.Map = map[string]string{"wang": "wang"} }, "not a mail address"},
		"api member":      {func(c *jiandaoyun.Config) { c.APIMember = "a b" }, "api_member"},
		"push window":     {func(c *jiandaoyun.Config) { c.PushWindow = config.Duration(time.Second) }, "push_window"},
		"text":            {func(c *jiandaoyun.Config) { c.TextRunes = 5 }, "text_runes"},
		"file":            {func(c *jiandaoyun.Config) { c.MaxFileBytes = 1 << 30 }, "max_file_bytes"},
		"host":            {func(c *jiandaoyun.Config) { c.UploadHosts = []string{"https://x"} }, "upload_hosts"},
		"source":          {func(c *jiandaoyun.Config) { c.Activities.Fields = fields("x: {from: sbject}") }, "subject"},
		"settings of all": {func(c *jiandaoyun.Config) { c.MaxConcurrent = -1 }, "max_concurrent"},
	}
	for name, e := range cases {
		cfg := section("http://127.0.0.1:1")
		e.change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (e.want == "") || err != nil && !strings.Contains(err.Error(), e.want) {
			t.Errorf("%s: got %v, want %q", name, err, e.want)
		}
	}
}

// counter counts what it allows.
type counter struct{ count func() }

func (c counter) Allow(context.Context) (time.Duration, error) {
	c.count()
	return 0, nil
}
