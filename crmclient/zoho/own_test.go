package zoho_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/zoho"
)

// bench is a fake behind a server, and a client of it.
func bench(t *testing.T, change func(*zoho.Config)) (*zohoFake, crmclient.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(f, server.URL)
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{Target: "zoho"})
}

func TestMailOnSeveralRecords(t *testing.T) {
	t.Parallel()
	f, c := bench(t, func(cfg *zoho.Config) { cfg.IncludeHTML = nil })
	contact, lead := f.add("Contacts", "Li Lei", "li.lei@customer.example"), f.add("Leads", "Han", "han@customer.example")
	f.set("Accounts", "5545974000000777777", map[string]any{"Account_Name": "Customer", "Website": "www.customer.example"})
	a := crmtest.Activity("several")
	a.Direction, a.Subject = crmclient.Inbound, strings.Repeat("长", 400)
	a.Contacts = []crmclient.Contact{{ID: contact, Kind: crmclient.KindContact}, {ID: lead, Kind: crmclient.KindLead}}
	a.Companies = []crmclient.Company{{ID: "5545974000000777777"}}
	a.Attachments = append(a.Attachments,
		crmtest.NewFile("offer.pdf", "application/pdf", []byte("an offer")),
		crmtest.NewFile("evil.exe", "application/octet-stream", []byte("EICAR")),
		crmclient.Attachment{Name: "huge <b>.iso", Size: 1 << 40, Open: func(context.Context) (io.ReadCloser, error) { return nil, errors.New("must not be opened") }})
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "private.txt", Size: 3, Reason: "policy"}}
	for i := range 2 {
		receipt, err := c.LogEmail(t.Context(), a)
		if err != nil || receipt.Duplicate != (i > 0) || receipt.RemoteID == "" {
			t.Fatalf("got %+v, %v", receipt, err)
		}
	}
	var on []string
	for _, e := range f.emails {
		on = append(on, e.module)
		if e.fields["sent"] != false || e.fields["mail_format"] != "html" || len([]rune(text(e.fields["subject"]))) != 250 {
			t.Errorf("e-mail: got %v", e.fields)
		}
		content := text(e.fields["content"])
		for _, want := range []string{a.HTML, "evil.exe (5 bytes): Zoho found a virus", "huge &lt;b&gt;.iso", "private.txt", "quotation.pdf"} {
			if !strings.Contains(content, want) {
				t.Errorf("content: %q is not in %q", want, content)
			}
		}
		if files, _ := e.fields["attachments"].([]any); len(files) != 1 {
			t.Errorf("attachments: got %v, want one", files)
		}
	}
	if want := []string{"Contacts", "Leads", "Accounts"}; !slices.Equal(on, want) {
		t.Errorf("records: got %q, want %q", on, want)
	}
	if f.uploads != 2 {
		t.Errorf("uploads: got %d, want each file once", f.uploads)
	}
}

func TestMailOfNobody(t *testing.T) {
	t.Parallel()
	_, c := bench(t, func(cfg *zoho.Config) { cfg.DefaultRecord = "" })
	_, err := c.LogEmail(t.Context(), crmtest.Activity("nobody"))
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != crmclient.ClassPermanent || !strings.Contains(e.Remedy, "default_record") {
		t.Errorf("got %v, want a permanent error that names default_record", err)
	}
}

// Whatever email_available means in a company's Zoho, one of the settings keeps mails single.
func TestStoredWhen(t *testing.T) {
	t.Parallel()
	for setting, available := range map[string]bool{"available": true, "unavailable": false, "record": false, "": true} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			f, c := bench(t, func(cfg *zoho.Config) { cfg.Stored = setting })
			f.available = available
			for range 2 {
				if _, err := c.LogEmail(t.Context(), crmtest.Activity("twice")); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(f.Records(t)); n != 1 {
				t.Errorf("records: got %d, want 1", n)
			}
		})
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	f, c := bench(t, nil)
	var err error
	for range 30 {
		f.ExpireTokens(t)
		if _, err = c.FindContacts(t.Context(), []string{"a@customer.example"}); err != nil {
			break
		}
	}
	if crmclient.ClassOf(err) != crmclient.ClassRate || crmclient.RetryAfter(err) < time.Minute || f.TokensIssued(t) > 9 {
		t.Errorf("after %d tokens: got %v, want a rate error that names a time", f.TokensIssued(t), err)
	}
}

func TestFindByCOQL(t *testing.T) {
	t.Parallel()
	f, c := bench(t, func(cfg *zoho.Config) { cfg.Search = "coql" })
	var want, asked []string
	for i := range 120 {
		address := fmt.Sprintf("coql.%d@customer.example", i)
		asked = append(asked, address)
		if i%2 == 0 {
			want = append(want, f.add([]string{"Contacts", "Leads"}[i/2%2], fmt.Sprint("Person ", i), address))
		}
	}
	want = append(want, f.add("Contacts", "O'Hara", "o'hara@customer.example"))
	second := f.add("Contacts", "Two", "first@customer.example")
	f.set("Contacts", second, map[string]any{"Secondary_Email": "Second@customer.example"})
	want = append(want, second)
	found, err := c.FindContacts(t.Context(), append(asked, "o'hara@customer.example", "second@customer.example"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range found {
		got = append(got, k.ID)
		if k.ID == second && k.Address != "second@customer.example" || k.Owner != "wang@example.com" {
			t.Errorf("contact: got %+v", k)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d contacts, want %d", len(got), len(want))
	}
}

func TestCompaniesAndIDs(t *testing.T) {
	t.Parallel()
	f, client := bench(t, nil)
	c := client.(*zoho.Client)
	f.set("Accounts", "5545974000000777778", map[string]any{"Account_Name": "Not it", "Website": "https://customer.example.org/customer.example"})
	f.set("Accounts", "5545974000000777777", map[string]any{"Account_Name": "Customer", "Website": "HTTP://www.Customer.example/en"})
	company, there, err := c.FindCompany(t.Context(), "customer.example")
	if err != nil || !there || company.Name != "Customer" {
		t.Errorf("company: got %+v, %v, %v", company, there, err)
	}
	if _, there, err := c.FindCompany(t.Context(), "elsewhere.example"); err != nil || there {
		t.Errorf("no company: got %v, %v", there, err)
	}
	lead := f.add("Leads", "Han", "han@customer.example")
	k, there, err := c.ContactByID(t.Context(), lead)
	if err != nil || !there || k.Kind != crmclient.KindLead || k.Address != "han@customer.example" {
		t.Errorf("lead by id: got %+v, %v, %v", k, there, err)
	}
	for _, id := range []string{"5545974000000000404", "../x"} {
		if _, there, err := c.ContactByID(t.Context(), id); err != nil || there {
			t.Errorf("id %q: got %v, %v; want none", id, there, err)
		}
	}
}

func TestChannelsAreRenewed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	now := time.Now()
	poll := func() {
		t.Helper()
		c := open(t, section(f, server.URL), crmclient.Deps{Target: "zoho", Now: func() time.Time { return now }}).(*zoho.Client)
		for range 2 {
			if _, _, err := c.RecordChanges(t.Context(), "Deals", []string{"Deal_Name"}, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	poll()
	poll() // another node: it finds the channel
	if got := f.log(); got != "[POST]" {
		t.Fatalf("channels: got %s, want one", got)
	}
	if ch := f.watches[0]; ch["channel_id"] != dealsChannel || text(ch["token"]) != notifyToken || fmt.Sprint(ch["events"]) != "[Deals.all]" {
		t.Errorf("channel: got %v", ch)
	}
	now = now.Add(-4 * 24 * time.Hour) // the fake judges expiry by the real time, so the channel is made older instead
	f.watches[0]["channel_expiry"] = now.Add(3 * 24 * time.Hour).Format(time.RFC3339)
	now = now.Add(4*24*time.Hour - time.Hour)
	poll()
	if got := f.log(); got != "[POST PUT]" {
		t.Errorf("channels: got %s, want one that was renewed", got)
	}
}

// A channel that cannot be made costs nothing but speed.
func TestPollingGoesOnWithoutChannels(t *testing.T) {
	t.Parallel()
	f, client := bench(t, nil)
	f.denied["/actions/watch"] = "OAUTH_SCOPE_MISMATCH"
	c := client.(*zoho.Client)
	_, cursor, err := c.RecordChanges(t.Context(), "Deals", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	id := f.PutObject(t, "", map[string]any{"Deal_Name": "new"})
	changes, _, err := c.RecordChanges(t.Context(), "Deals", nil, cursor)
	if err != nil || len(changes) != 1 || changes[0].ID != id || changes[0].By != "wang@example.com" || changes[0].Own {
		t.Errorf("got %+v, %v; want the new deal by wang", changes, err)
	}
}

func TestCaseByRule(t *testing.T) {
	t.Parallel()
	f, client := bench(t, func(cfg *zoho.Config) { cfg.AssignmentRule = "5545974000000200001" })
	c := client.(*zoho.Client)
	ticket := crmtest.Ticket("by-rule")
	ticket.Fields = map[string]any{"Product_Line": "Pumps"}
	ticket.Files = []crmclient.Attachment{crmtest.NewFile("photo.jpg", "image/jpeg", []byte("a photo"))}
	var id string
	for range 2 {
		receipt, err := c.CreateTicket(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		id = receipt.RemoteID
	}
	row := f.rows["Cases"][id]
	if text(row["Owner"]) != "5545974000000000900" || row["Product_Line"] != "Pumps" || row["Priority"] != "High" || len(f.attached["Cases/"+id]) != 1 {
		t.Errorf("case: got %v with %d files", row, len(f.attached["Cases/"+id]))
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := func() zoho.Config {
		return zoho.Config{DataCenter: "cn", ClientID: "1000.X", ClientSecret: config.NewSecret("secret")}
	}
	if err := good().Validate(); err != nil {
		t.Fatalf("the smallest section: %v", err)
	}
	cases := map[string]struct {
		change func(*zoho.Config)
		want   string
	}{
		"data centre":     {func(c *zoho.Config) { c.DataCenter = "moon" }, "au, ca, cn, eu, in, jp, sa, us"},
		"no client":       {func(c *zoho.Config) { c.ClientID = "" }, "client_id"},
		"record":          {func(c *zoho.Config) { c.Record = "call" }, "record must be"},
		"no key field":    {func(c *zoho.Config) { c.Record = "activity" }, "key_field"},
		"bad key field":   {func(c *zoho.Config) { c.Record, c.KeyField = "activity", "Mail Key" }, "API name"},
		"key of an email": {func(c *zoho.Config) { c.KeyField = "Mail_Key" }, "belong to record: activity"},
		"default record":  {func(c *zoho.Config) { c.DefaultRecord = "Contacts" }, "Module/id"},
		"stored":          {func(c *zoho.Config) { c.Stored = "maybe" }, "stored_when"},
		"quotes":          {func(c *zoho.Config) { c.Quotes = "x" }, "coql_quotes"},
		"field name":      {func(c *zoho.Config) { c.EmailFields = []string{"Email') or ('"} }, "email_fields"},
		"notify":          {func(c *zoho.Config) { c.NotifyURL = "http://x" }, "https"},
		"notify token":    {func(c *zoho.Config) { c.NotifyURL = "https://x.example" }, "16 to 50"},
		"rule":            {func(c *zoho.Config) { c.AssignmentRule = "auto" }, "assignment_rule"},
		"accounts":        {func(c *zoho.Config) { c.AccountsURL = "ftp://x" }, "accounts_url"},
		"record keys":     {func(c *zoho.Config) { c.RecordKeys = map[string]string{"De als": "K"} }, "record_keys"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good()
			c.change(&cfg)
			if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

// A gateway before Zoho that repeats the request must not make the error tell the token.
func TestErrorsWithoutToken(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, 400, "INVALID_DATA", map[string]any{"api_name": r.Header.Get("Authorization")})
	}))
	t.Cleanup(server.Close)
	_, err := open(t, section(f, server.URL), crmclient.Deps{}).FindContacts(t.Context(), []string{"a@customer.example"})
	if err == nil || strings.Contains(err.Error(), accessPrefix) {
		t.Errorf("got %v, want an error without the token", err)
	}
}

func TestConnection(t *testing.T) {
	t.Parallel()
	for _, record := range []string{"", zoho.RecordActivity} {
		f := newFake(t)
		cfg := section(f, "")
		if record != "" {
			cfg = activitySection(f, "")
		}
		cfg.AccountsURL, cfg.URL = "", ""
		how := open(t, cfg, crmclient.Deps{Target: "crm"}).(crmclient.Connectable).Connection()
		if how.AuthorizeURL != "https://accounts.zoho.com.cn/oauth/v2/auth" || how.Grant != "target:crm" || how.Params.Get("access_type") != "offline" || !strings.Contains(how.Params.Get("scope"), "ZohoCRM.coql.READ,") {
			t.Errorf("%q: got %+v", record, how.Params)
		}
	}
}

func TestActivityWithFiles(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c := open(t, activitySection(f, server.URL), crmclient.Deps{Target: "zoho"})
	contact := f.add("Contacts", "Li Lei", "li.lei@customer.example")
	a := crmtest.Activity("files")
	a.Owner = "wang@example.com"
	a.Contacts = []crmclient.Contact{{ID: contact, Kind: crmclient.KindContact}}
	a.Companies = []crmclient.Company{{ID: "5545974000000777777"}}
	a.Attachments = append(a.Attachments,
		crmtest.NewFile("offer.pdf", "application/pdf", []byte("an offer")), crmtest.NewFile("evil.exe", "application/octet-stream", []byte("EICAR")))
	for range 2 {
		if _, err := c.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.rows["Tasks"]) != 1 {
		t.Fatalf("tasks: got %d, want 1", len(f.rows["Tasks"]))
	}
	for id, r := range f.rows["Tasks"] {
		if text(r["Who_Id"]) != contact || text(r["What_Id"]) != "5545974000000777777" || r["$se_module"] != "Accounts" || text(r["Owner"]) != wangID || r["Due_Date"] != "2026-03-04" {
			t.Errorf("task: got %v", r)
		}
		if len(f.attached["Tasks/"+id]) != 1 || !strings.Contains(text(r["Description"]), "evil.exe (5 bytes): Zoho found a virus in it") {
			t.Errorf("files: got %v and %q", f.attached, r["Description"])
		}
	}
}
