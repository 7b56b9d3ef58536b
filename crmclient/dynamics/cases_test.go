package dynamics_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/dynamics"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/limit"
)

func start(t *testing.T, change func(*dynamics.Config)) (*fake, *dynamics.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(f, crmclient.Settings{URL: server.URL})
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{Target: "dyn"})
}

func attachment(name, content string) crmclient.Attachment {
	sum := sha256.Sum256([]byte(content))
	return crmclient.Attachment{
		Name: name, Type: "text/plain", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
	}
}

func log(t *testing.T, c *dynamics.Client, a *crmclient.Activity) crmclient.Receipt {
	t.Helper()
	receipt, err := c.LogEmail(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func TestMailIsLinkedAndClosed(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	wang := f.add("systemusers", map[string]any{"internalemailaddress": "Wang@example.com", "isdisabled": false})
	lei := f.add("contacts", map[string]any{"fullname": "Li", "emailaddress1": "li.lei@customer.example"})
	a := crmtest.Activity("linked")
	a.Owner = "wang@example.com"
	a.Contacts = []crmclient.Contact{{ID: lei, Kind: crmclient.KindContact, Address: "li.lei@customer.example"}}
	content := strings.Repeat("content of a file ", 1000)
	a.Attachments = []crmclient.Attachment{attachment("a.txt", content), attachment("b.txt", "short"), attachment("b.txt", "short"), {Name: "huge.bin", Size: 1 << 40}}
	files := 0
	f.fail = func(r *http.Request) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/activitymimeattachments") && r.Method == http.MethodPost {
			if files++; files == 2 {
				return 503, `{"error":{"code":"0x80072322x","message":"busy"}}`
			}
		}
		return 0, ""
	}
	if _, err := c.LogEmail(t.Context(), a); crmclient.ClassOf(err) != crmclient.ClassRetry {
		t.Fatalf("got %v, want retry", err)
	}
	if row := f.rows("emails")[0]; row["statecode"] != 0.0 {
		t.Errorf("the mail is closed before its files are there: %v", row)
	}
	for range 2 {
		if receipt := log(t, c, a); !receipt.Duplicate || !strings.Contains(receipt.URL, receipt.RemoteID) {
			t.Errorf("receipt: %+v", receipt)
		}
	}
	row := f.rows("emails")[0]
	parties := fmt.Sprint(row["parties"])
	for _, want := range []string{"partyid_systemuser@odata.bind:/systemusers(" + wang, "partyid_contact@odata.bind:/contacts(" + lei, "addressused:boss@example.com participationtypemask:3", "addressused:archive@example.com participationtypemask:4"} {
		if !strings.Contains(parties, want) {
			t.Errorf("parties: got %s, want %s", parties, want)
		}
	}
	if row["regardingobjectid"] != lei || row["ownerid"] != wang || row["directioncode"] != true || row["messageid"] != "<linked@example.com>" ||
		row["statecode"] != 1.0 || row["statuscode"] != 3.0 || len(f.rows("emails")) != 1 {
		t.Errorf("mail: %v", row)
	}
	attached := f.rows("activitymimeattachments")
	if len(attached) != 3 {
		t.Fatalf("files: got %d, want 3", len(attached))
	}
	if data, err := base64.StdEncoding.DecodeString(attached[0]["body"].(string)); err != nil || string(data) != content {
		t.Errorf("the file of %d bytes came as %d, %v", len(content), len(data), err)
	}
	in := crmtest.Activity("in")
	in.Direction = crmclient.Inbound
	log(t, c, in)
	if row := f.rows("emails")[1]; row["directioncode"] != false || row["statuscode"] != 4.0 {
		t.Errorf("received mail: %v", row)
	}
	for _, call := range f.calls {
		if strings.Contains(call, "SendEmail") {
			t.Error("a mail was sent")
		}
	}
}

func TestNameOfTheRegardingPropertyIsRead(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.change(func() { f.regards = "" }) // the other of the two that there are
	lei := f.add("contacts", map[string]any{"fullname": "Li"})
	a := crmtest.Activity("regards")
	a.Contacts = []crmclient.Contact{{ID: lei, Kind: crmclient.KindContact, Address: "li.lei@customer.example"}}
	log(t, c, a)
	if f.rows("emails")[0]["regardingobjectid"] != lei {
		t.Errorf("mail: %v", f.rows("emails")[0])
	}
}

func TestWithoutKeyColumn(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *dynamics.Config) { c.KeyColumns = nil })
	a := crmtest.Activity("first")
	for range 3 {
		log(t, c, a)
	}
	same := crmtest.Activity("second") // claims the Message-ID of another mail
	same.MessageID, same.Date = a.MessageID, a.Date.Add(time.Hour)
	log(t, c, same)
	for range 2 {
		log(t, c, &crmclient.Activity{Key: "third", Date: a.Date})
	}
	if n := len(f.rows("emails")); n != 3 {
		t.Errorf("mails: got %d, want 3", n)
	}
	if err := c.WithdrawEmail(t.Context(), "", "third"); err != nil || len(f.rows("emails")) != 2 {
		t.Errorf("withdrawal: %v, %d are left", err, len(f.rows("emails")))
	}
	if _, err := c.CreateTicket(t.Context(), crmtest.Ticket("t")); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
		t.Errorf("a ticket without a key column: got %v", err)
	}
}

// Two nodes write at once: the alternate key tells the second one.
func TestAlternateKeyRefusesTheSecond(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	a := crmtest.Activity("raced")
	first := log(t, c, a)
	looks := 0
	f.change(func() {
		f.fail = func(r *http.Request) (int, string) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/emails") {
				if looks++; looks == 1 {
					return 200, `{"value":[]}`
				}
			}
			return 0, ""
		}
	})
	if second := log(t, c, a); second.RemoteID != first.RemoteID || !second.Duplicate {
		t.Errorf("got %+v, then %+v", first, second)
	}
}

func TestPeopleAndCompanies(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	boss := f.add("systemusers", map[string]any{"internalemailaddress": "Boss@example.com", "isdisabled": false})
	acme := f.add("accounts", map[string]any{"name": "Acme", "websiteurl": "https://www.acme.example/", "emailaddress1": "info@acme.example", "ownerid": boss})
	f.add("accounts", map[string]any{"name": "Acme shop", "websiteurl": "shop.acme.example"})
	f.add("accounts", map[string]any{"name": "Other", "websiteurl": "notacme.example"})
	lead := f.add("leads", map[string]any{"fullname": "Old", "emailaddress1": "old@acme.example", "statecode": 1.0})
	contact := f.add("contacts", map[string]any{"fullname": "New", "emailaddress2": "New@acme.example", "parentcustomerid": acme, "ownerid": boss, "originatingleadid": lead})
	found, err := c.FindContacts(t.Context(), []string{"new@acme.example", "old@acme.example", "info@acme.example"})
	if err != nil || len(found) != 3 {
		t.Fatalf("got %+v, %v", found, err)
	}
	want := crmclient.Contact{ID: contact, Kind: crmclient.KindContact, Address: "new@acme.example", Name: "New", Company: "Acme", Owner: "boss@example.com"}
	if found[0] != want || found[1].ID != contact || found[1].Address != "old@acme.example" || found[2].Kind != dynamics.KindAccount {
		t.Errorf("got %+v", found)
	}
	for _, by := range []dynamics.CompanyBy{dynamics.CompanyByWebsite, dynamics.CompanyByEmail} {
		cfg := section(f, crmclient.Settings{URL: f.url})
		cfg.CompanyBy = by
		company, ok, err := open(t, cfg, crmclient.Deps{}).FindCompany(t.Context(), "acme.example")
		if err != nil || !ok || company.ID != acme || company.Owner != "boss@example.com" {
			t.Errorf("%s: got %+v, %v, %v", by, company, ok, err)
		}
	}
	made, err := c.CreateLead(t.Context(), crmclient.Person{Name: "Ann Lee", Address: "Ann@lee.example"}, "boss@example.com")
	if err != nil || made.Kind != crmclient.KindLead || made.Owner != "boss@example.com" || f.rows("leads")[1]["ownerid"] != boss {
		t.Errorf("lead: got %+v, %v", made, err)
	}
}

func TestTicketsForTeamsAndCustomers(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *dynamics.Config) { c.DefaultCustomer = "" })
	if _, err := c.CreateTicket(t.Context(), crmtest.Ticket("nobody's")); crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("a case without a customer: got %v", err)
	}
	contact := f.add("contacts", map[string]any{"fullname": "Li", "emailaddress1": "li.lei@customer.example"})
	team := f.add("teams", map[string]any{"name": "Support 'A'"})
	k := crmtest.Ticket("somebody's")
	k.Queue, k.Files = "Support 'A'", []crmclient.Attachment{{Name: "log.txt"}}
	if _, err := c.CreateTicket(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if row := f.rows("incidents")[0]; row["customerid"] != contact || row["ownerid"] != team || row["prioritycode"] != 1.0 || !strings.Contains(row["description"].(string), "log.txt") {
		t.Errorf("case: %v", row)
	}
	k.Key, k.Queue = "other", "Nowhere"
	if _, err := c.CreateTicket(t.Context(), k); crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("an unknown team: got %v", err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status     int
		code, text string
		class      crmclient.Class
		remedy     string
	}{
		"requests":   {429, "0x80072322", "Number of requests exceeded the limit of 6000", crmclient.ClassRate, ""},
		"time":       {429, "0x80072321", "Combined execution time", crmclient.ClassRate, ""},
		"at once":    {429, "0x80072326", "Number of concurrent requests", crmclient.ClassRate, ""},
		"privilege":  {403, "0x80040220", "user is missing prvCreateEmail privilege", crmclient.ClassAuth, "security role"},
		"column":     {400, "0x80048d19", "An undeclared property 'new_x' which", crmclient.ClassConfiguration, "column"},
		"long value": {400, "0x80044331", "The length of 'Quotation 42' exceeded", crmclient.ClassPermanent, "cut"},
		"detection":  {412, "0x80040333", "A record was not created", crmclient.ClassPermanent, "duplicate detection"},
		"other":      {400, "0x8004ffff", "Quotation 42", crmclient.ClassPermanent, ""},
		"server":     {503, "", "", crmclient.ClassRetry, ""},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c := start(t, nil)
			f.fail = func(r *http.Request) (int, string) {
				if !f.Writes(r) {
					return 0, ""
				}
				return k.status, `{"error":{"code":"` + k.code + `","message":"` + k.text + `"}}`
			}
			_, err := c.LogEmail(t.Context(), crmtest.Activity("refused"))
			var e *crmclient.Error
			if !errors.As(err, &e) || e.Class != k.class || e.Status != k.status || !strings.Contains(e.Remedy, k.remedy) {
				t.Errorf("got %+v", e)
			}
			if strings.Contains(fmt.Sprint(err), "Quotation") {
				t.Errorf("the subject is in %v", err)
			}
		})
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	account := f.add("accounts", map[string]any{"name": "Acme"})
	id := f.add("contacts", map[string]any{"fullname": "O'Hara", "parentcustomerid": account})
	f.add("contacts", map[string]any{"fullname": "Nobody"})
	for name, w := range map[string]crmclient.Condition{
		"lookup": {Field: "parentcustomerid", Is: crmclient.Equal, Value: account},
		"full":   {Field: "parentcustomerid", Is: crmclient.NotEqual, Value: nil},
		"quote":  {Field: "fullname", Is: crmclient.Equal, Value: "O'Hara"},
		"time":   {Field: "modifiedon", Is: crmclient.LessEqual, Value: f.rows("contacts")[0]["modifiedon"]},
		"list":   {Field: "fullname", Is: crmclient.In, Value: []any{"O'Hara", "x"}},
	} {
		page, _, err := c.QueryRecords(t.Context(), crmclient.Query{Object: "contact", Fields: []string{"fullname", "parentcustomerid"}, Where: []crmclient.Condition{w}}, "")
		if err != nil || len(page) != 1 || page[0].ID != id || page[0].Fields["parentcustomerid"] != account {
			t.Errorf("%s: got %+v, %v", name, page, err)
		}
	}
	for name, w := range map[string]crmclient.Condition{
		"no column": {Field: "nothing", Is: crmclient.Equal, Value: "x"},
		"injected":  {Field: "fullname eq 'x' or fullname", Is: crmclient.Equal, Value: "x"},
		"type":      {Field: "modifiedon", Is: crmclient.Equal, Value: true},
		"no id":     {Field: "parentcustomerid", Is: crmclient.Equal, Value: "x' or"},
	} {
		if _, _, err := c.QueryRecords(t.Context(), crmclient.Query{Object: "contact", Where: []crmclient.Condition{w}}, ""); crmclient.ClassOf(err) != crmclient.ClassConfiguration {
			t.Errorf("%s: got %v, want configuration", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := dynamics.Config{Settings: crmclient.Settings{URL: "https://example.crm.dynamics.com"}, Tenant: "x", ClientID: "x", ClientSecret: config.NewSecret("secret")}
	cases := map[string]struct {
		change func(*dynamics.Config)
		want   string
	}{
		"good":        {func(*dynamics.Config) {}, ""},
		"nothing":     {func(c *dynamics.Config) { *c = dynamics.Config{} }, "url is missing"},
		"path":        {func(c *dynamics.Config) { c.URL += "/api/data" }, "without a path"},
		"tenant":      {func(c *dynamics.Config) { c.Tenant = "a/b" }, "tenant"},
		"secret":      {func(c *dynamics.Config) { c.ClientSecret = config.Secret{} }, "client_secret is missing"},
		"version":     {func(c *dynamics.Config) { c.APIVersion = "9" }, "api_version"},
		"key column":  {func(c *dynamics.Config) { c.KeyColumns = map[string]string{"email": "a b"} }, "key_columns"},
		"customer":    {func(c *dynamics.Config) { c.DefaultCustomer = "x" }, "default_customer"},
		"company way": {func(c *dynamics.Config) { c.CompanyBy = "name" }, "company_by"},
		"fields":      {func(c *dynamics.Config) { c.Fields = fieldmap.Fields{"x": fieldmap.From("nothing")} }, "fields: "},
		"text length": {func(c *dynamics.Config) { c.MaxText = 1 }, "max_text"},
		"login":       {func(c *dynamics.Config) { c.LoginURL = "ftp://x" }, "login_url"},
	}
	for name, k := range cases {
		c := good
		k.change(&c)
		if err := c.Validate(); k.want == "" && err != nil || k.want != "" && (err == nil || !strings.Contains(err.Error(), k.want)) {
			t.Errorf("%s: got %v, want %q", name, err, k.want)
		}
	}
}

// few lets a number of requests pass.
type few struct{ left atomic.Int32 }

func (f *few) Allow(context.Context) (time.Duration, error) {
	if f.left.Add(-1) >= 0 {
		return 0, nil
	}
	return time.Hour, nil
}

// What was opened for a request that is not sent is closed; what waits to be read would be found by goleak.
func TestFileOfARefusedRequestIsClosed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	limiter := &few{}
	limiter.left.Store(3) // look up, users, draft
	c := open(t, section(f, crmclient.Settings{URL: server.URL}), crmclient.Deps{
		Limit: func(string, limit.Rate) crmclient.RateLimiter { return limiter },
	})
	a := crmtest.Activity("refused")
	a.Attachments = []crmclient.Attachment{attachment("a.txt", strings.Repeat("x", 100_000))}
	_, err := c.LogEmail(t.Context(), a)
	if crmclient.ClassOf(err) != crmclient.ClassRate || len(f.rows("emails")) != 1 || len(f.rows("activitymimeattachments")) != 0 {
		t.Errorf("got %v", err)
	}
}
