package hubspot_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/hubspot"
)

// bench is a fake behind a server, and a client of it.
func bench(t *testing.T, section func(*hubFake, string) hubspot.Config, change func(*hubspot.Config)) (*hubFake, *hubspot.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(f, server.URL)
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{Target: "hubspot"})
}

func mail(f *hubFake, key string) *crmclient.Activity {
	a := crmtest.Activity(key)
	a.Direction, a.Owner = crmclient.Inbound, "wang@example.com"
	a.Contacts = []crmclient.Contact{{ID: f.put("contacts", "", map[string]string{"email": key + "@customer.example"})}}
	a.Companies = []crmclient.Company{{ID: f.put("companies", "", map[string]string{"name": "Customer", "domain": "customer.example"})}}
	a.Attachments = append(a.Attachments,
		crmtest.NewFile("offer \"final\".pdf", "application/pdf", []byte("an offer")),
		crmtest.NewFile("evil.exe", "application/octet-stream", []byte("EICAR")))
	return a
}

// The index of the search is hours behind, and mails are single all the same.
func TestMailWithLinksAndFiles(t *testing.T) {
	t.Parallel()
	f, c := bench(t, private, func(cfg *hubspot.Config) { cfg.IncludeHTML = nil })
	f.lag = time.Hour
	a := mail(f, "linked")
	for i := range 3 {
		receipt, err := c.LogEmail(t.Context(), a)
		if err != nil || receipt.Duplicate != (i > 0) || receipt.RemoteID == "" {
			t.Fatalf("got %+v, %v", receipt, err)
		}
	}
	if len(f.rows["emails"]) != 1 || len(f.files) != 1 {
		t.Fatalf("got %d mails and %d files, want one of each", len(f.rows["emails"]), len(f.files))
	}
	for id, r := range f.rows["emails"] {
		if f.links["emails "+id+" contacts "+a.Contacts[0].ID] == 0 || f.links["emails "+id+" companies "+a.Companies[0].ID] == 0 {
			t.Errorf("links: got %v", f.links)
		}
		if r.props["hs_email_direction"] != "INCOMING_EMAIL" || r.props["hubspot_owner_id"] != wangOwner || r.props["hs_timestamp"] != "2026-03-04T05:06:07.000Z" {
			t.Errorf("mail: got %v", r.props)
		}
		for _, want := range []string{a.HTML, "evil.exe (5 bytes): HubSpot refused it", "quotation.pdf"} {
			if !strings.Contains(r.props["hs_email_html"], want) {
				t.Errorf("html: %q is not in %q", want, r.props["hs_email_html"])
			}
		}
		var headers struct {
			From map[string]string   `json:"from"`
			To   []map[string]string `json:"to"`
		}
		if err := json.Unmarshal([]byte(r.props["hs_email_headers"]), &headers); err != nil || headers.From["lastName"] != "Fang" || headers.To[0]["email"] != "li.lei@customer.example" {
			t.Errorf("headers: got %s", r.props["hs_email_headers"])
		}
	}
	if err := c.WithdrawEmail(t.Context(), "", a.Key); err != nil || len(f.Records(t)) != 0 {
		t.Errorf("withdrawn: %v, %d left", err, len(f.Records(t)))
	}
}

func TestLinksOfPlainCreate(t *testing.T) {
	t.Parallel()
	f, c := bench(t, searching, nil)
	if _, err := c.LogEmail(t.Context(), mail(f, "typed")); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(f.typed)
	if err != nil || !strings.Contains(string(b), `"associationTypeId":198`) || !strings.Contains(string(b), `"associationTypeId":186`) {
		t.Errorf("associations: got %s", b)
	}
}

func TestPeopleAndCompanies(t *testing.T) {
	t.Parallel()
	f, c := bench(t, private, func(cfg *hubspot.Config) { cfg.SearchAdditional = true })
	id := f.put("contacts", "", map[string]string{
		"firstname": "Lei", "lastname": "Li", "email": "Li.Lei@customer.example", "company": "Customer", "hubspot_owner_id": wangOwner,
		"hs_additional_emails": "li@old.example;lei@old.example",
	})
	found, err := c.FindContacts(t.Context(), []string{"li.lei@customer.example", "lei@old.example", "nobody@old.example"})
	if err != nil || len(found) != 2 || found[0].ID != id || found[1].ID != id || found[0].Name != "Lei Li" || found[0].Owner != "wang@example.com" {
		t.Errorf("found: %+v, %v", found, err)
	}
	f.put("companies", "", map[string]string{"name": "Customer", "domain": "customer.example", "hubspot_owner_id": wangOwner})
	company, there, err := c.FindCompany(t.Context(), "customer.example")
	if err != nil || !there || company.Name != "Customer" || company.Owner != "wang@example.com" {
		t.Errorf("company: %+v, %v, %v", company, there, err)
	}
	k, there, err := c.ContactByID(t.Context(), id)
	if err != nil || !there || k.Address != "li.lei@customer.example" {
		t.Errorf("contact: %+v, %v, %v", k, there, err)
	}
	for _, none := range []string{"424242", "../x"} {
		if _, there, err := c.ContactByID(t.Context(), none); err != nil || there {
			t.Errorf("contact %q: %v, %v", none, there, err)
		}
	}
	made, err := c.CreateContact(t.Context(), crmclient.Person{Name: "Han Meimei", Address: "han@customer.example"}, "wang@example.com")
	if err != nil || f.rows["contacts"][made.ID].props["hubspot_owner_id"] != wangOwner {
		t.Errorf("made: %+v, %v", made, err)
	}
}

func TestRetryAfterByPolicy(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Duration{"daily": time.Hour, "secondly": time.Second} {
		for _, fault := range faults() {
			if fault.Name != name {
				continue
			}
			server := httptest.NewServer(fault.Serve)
			t.Cleanup(server.Close)
			_, err := open(t, private(newFake(t), server.URL), crmclient.Deps{}).FindContacts(t.Context(), []string{"a@customer.example"})
			if got := crmclient.RetryAfter(err); got != want {
				t.Errorf("%s: got %s of %v, want %s", name, got, err, want)
			}
		}
	}
}

func TestWebhookEvents(t *testing.T) {
	t.Parallel()
	_, c := bench(t, section, nil)
	now := time.Now()
	body := `[{"subscriptionId":1,"occurredAt":1,"subscriptionType":"contact.creation","objectId":7,"changeSource":"INTEGRATION","sourceId":"54321","attemptNumber":0},
		{"subscriptionId":2,"occurredAt":1,"subscriptionType":"object.propertyChange","objectTypeId":"2-998","objectId":8,"changeSource":"CRM_UI","sourceId":"userId:54321"},
		{"subscriptionId":3,"occurredAt":1,"subscriptionType":"object.creation","objectTypeId":"0-49","objectId":9,"changeSource":"INTEGRATION","sourceId":"154321"},
		{"subscriptionId":4,"subscriptionType":"conversation.creation","objectId":10},{"objectId":"x"}]`
	id, wakes, _, err := c.ReceiveWebhook(delivery([]byte(body), now))
	if err != nil || len(wakes) != 3 {
		t.Fatalf("got %+v, %v", wakes, err)
	}
	want := []crmclient.Wake{{Object: "contacts", ID: "7", Own: true}, {Object: "2-998", ID: "8"}, {Object: "emails", ID: "9"}}
	for i, w := range want {
		if wakes[i] != w {
			t.Errorf("wake: got %+v, want %+v", wakes[i], w)
		}
	}
	// A repetition has another attempt number.
	again, _, _, err := c.ReceiveWebhook(delivery([]byte(strings.Replace(body, `"attemptNumber":0`, `"attemptNumber":1`, 1)), now.Add(time.Minute)))
	if err != nil || again != id {
		t.Errorf("repeated: got %q, %v; want %q", again, err, id)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := func() hubspot.Config { return hubspot.Config{Token: config.NewSecret("pat")} }
	if err := good().Validate(); err != nil {
		t.Fatalf("the smallest section: %v", err)
	}
	cases := map[string]struct {
		change func(*hubspot.Config)
		want   string
	}{
		"no token":      {func(c *hubspot.Config) { c.Token = config.Secret{} }, "token is missing"},
		"both":          {func(c *hubspot.Config) { c.ClientID = "x" }, "excludes"},
		"version":       {func(c *hubspot.Config) { c.APIVersion = "v4" }, "api_version"},
		"dedupe":        {func(c *hubspot.Config) { c.Dedupe = "hope" }, "dedupe"},
		"property":      {func(c *hubspot.Config) { c.KeyProperty = "My Key" }, "internal name"},
		"text":          {func(c *hubspot.Config) { c.MaxText = 10 }, "max_text"},
		"folder":        {func(c *hubspot.Config) { c.Folder = "x" }, "folder"},
		"webhook":       {func(c *hubspot.Config) { c.WebhookURL = "https://x.example/a%20b" }, "escapes"},
		"hook secret":   {func(c *hubspot.Config) { c.WebhookURL = "https://x.example/" }, "webhook_secret is missing"},
		"app":           {func(c *hubspot.Config) { c.AppID = "mine" }, "app_id"},
		"record object": {func(c *hubspot.Config) { c.RecordKeys = map[string]string{"../x": "key"} }, "record_keys"},
		"token url":     {func(c *hubspot.Config) { c.TokenURL = "x" }, "token_url"},
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

func TestTicketsWithoutKey(t *testing.T) {
	t.Parallel()
	_, c := bench(t, private, func(cfg *hubspot.Config) { cfg.TicketKeyProperty = "" })
	_, err := c.CreateTicket(t.Context(), crmtest.Ticket("x"))
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != crmclient.ClassConfiguration || !strings.Contains(e.Remedy, "ticket_key_property") {
		t.Errorf("got %v", err)
	}
}
