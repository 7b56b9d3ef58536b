package odoo_test

import (
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/odoo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func section(s crmclient.Settings, p odoo.Protocol) odoo.Config {
	c := odoo.Config{Settings: s, Protocol: p, Database: database, Login: login, APIKey: config.NewSecret(apiKey)}
	c.Inbox.Model, c.Inbox.ID = "res.partner", inbox
	return c
}

func open(t *testing.T, cfg odoo.Config, d crmclient.Deps) *odoo.Client {
	t.Helper()
	c, err := odoo.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	client := c.(*odoo.Client)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func subject(p odoo.Protocol) crmtest.Subject {
	with := func(change func(*odoo.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.Settings(), p)
			change(&cfg)
			return open(t, cfg, c.Deps("odoo"))
		}
	}
	hide := func(model string) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { f.(*fake).hidden[model] = true }
	}
	return crmtest.Subject{
		Fake:          func(t *testing.T) crmtest.Fake { return newFake(t, p) },
		New:           with(func(*odoo.Config) {}),
		Secrets:       []string{apiKey},
		NoAttachments: true, // those of the suite have no content; TestNote has
		Checks: map[string]crmtest.Check{
			"good":               {},
			"wrong key":          {New: with(func(c *odoo.Config) { c.APIKey = config.NewSecret("wr0ng") }), Class: crmclient.ClassAuth, Says: "API key"},
			"expired key":        {Break: func(_ *testing.T, f crmtest.Fake) { f.(*fake).revoked = true }, Class: crmclient.ClassAuth, Says: "three months"},
			"missing field":      {New: with(func(c *odoo.Config) { c.EmailField = "email_normal" }), Class: crmclient.ClassConfiguration, Says: "email_field"},
			"missing permission": {Break: hide("mail.message"), Class: crmclient.ClassAuth, Says: "Settings > Users"},
			"wrong database":     {New: with(func(c *odoo.Config) { c.Database = "other" }), Class: crmclient.ClassConfiguration, Says: "database"},
			"no leads":           {Break: func(_ *testing.T, f crmtest.Fake) { delete(f.(*fake).fields, "crm.lead") }, Class: crmclient.ClassConfiguration, Says: "leads"},
			"leads are off": {
				Break: func(_ *testing.T, f crmtest.Fake) { delete(f.(*fake).fields, "crm.lead") },
				New:   with(func(c *odoo.Config) { c.Leads = new(bool) }),
			},
		},
	}
}

func TestConformanceJSON2(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject(odoo.JSON2))
}

func TestConformanceJSONRPC(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject(odoo.JSONRPC))
}

func start(t *testing.T, p odoo.Protocol, change func(*odoo.Config)) (*fake, *odoo.Client) {
	t.Helper()
	f := newFake(t, p)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(crmclient.Settings{URL: server.URL}, p)
	change(&cfg)
	return f, open(t, cfg, crmclient.Deps{Target: "odoo"})
}

func each(t *testing.T, f func(t *testing.T, p odoo.Protocol)) {
	t.Helper()
	for _, p := range []odoo.Protocol{odoo.JSON2, odoo.JSONRPC} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			f(t, p)
		})
	}
}

func TestNote(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p odoo.Protocol) {
		f, c := start(t, p, func(*odoo.Config) {})
		a := crmtest.Activity("note")
		a.Text = "<script>alert(1)</script>\n再见"
		sender := f.put("res.partner", row{"name": "Wang", "email": "wang@example.com"})
		leadID := f.put("crm.lead", row{"name": "Deal", "email_from": "li.lei@customer.example"})
		a.Contacts = []crmclient.Contact{{ID: "5", Kind: crmclient.KindLead}}
		a.Contacts[0].ID = itoa(leadID)
		a.Attachments = []crmclient.Attachment{crmtest.NewFile("报价单.pdf", "application/pdf", []byte(strings.Repeat("pdf\x00", 100_000)))}
		a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "film<b>.mp4", Reason: "too large"}}
		for range 2 {
			if _, err := c.LogEmail(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		a.Key, a.Contacts = "own", []crmclient.Contact{{ID: itoa(sender), Kind: crmclient.KindContact, Address: "wang@example.com"}}
		if _, err := c.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		var notes []row
		f.each("mail.message", func(r row) { notes = append(notes, r) })
		if len(notes) != 2 {
			t.Fatalf("%d notes", len(notes))
		}
		body := notes[0]["body"].(string)
		if notes[0]["model"] != "crm.lead" || notes[0]["res_id"] != leadID || notes[1]["model"] != "res.partner" || notes[1]["author_id"] == nil || notes[0]["date"] != "2026-03-04 05:06:07" {
			t.Errorf("notes %v", notes)
		}
		if strings.Contains(body, "<script") || strings.Contains(body, "<b>") || !strings.Contains(body, "再见") || !strings.Contains(body, "too large") {
			t.Errorf("body %s", body)
		}
		if files := f.Files(t, itoa(leadID)); len(files) != 1 || files[0].Name != "报价单.pdf" || len(files[0].Content) != 400_000 {
			t.Errorf("%d files", len(files))
		}
		for range 2 {
			if err := c.WithdrawEmail(t.Context(), "", "note"); err != nil {
				t.Error(err)
			}
		}
		if got := f.Records(t); len(got) != 1 || got[0].Key != "own" || len(f.Files(t, itoa(leadID))) != 0 {
			t.Errorf("after it: %v", got)
		}
	})
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func remedy(err error) string {
	var e *crmclient.Error
	if errors.As(err, &e) {
		return e.Remedy
	}
	return ""
}

func TestNobodyKnown(t *testing.T) {
	t.Parallel()
	_, c := start(t, odoo.JSON2, func(c *odoo.Config) { c.Inbox.Model, c.Inbox.ID = "", 0 })
	if _, err := c.LogEmail(t.Context(), crmtest.Activity("k")); crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("got %v", err)
	}
}

func TestCompany(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p odoo.Protocol) {
		f, c := start(t, p, func(*odoo.Config) {})
		f.put("res.partner", row{"name": "Not it", "website": "https://notcustomer.example", "is_company": true})
		f.put("res.partner", row{"name": "客户公司", "website": "https://www.customer.example/cn", "is_company": true, "user_id": int64(1)})
		got, ok, err := c.FindCompany(t.Context(), "customer.example")
		if err != nil || !ok || got.Name != "客户公司" || got.Owner != agent {
			t.Errorf("got %+v, %v, %v", got, ok, err)
		}
	})
}

// TestWrongProtocol: an old server is told of in words that help.
func TestWrongProtocol(t *testing.T) {
	t.Parallel()
	f := newFake(t, odoo.JSONRPC)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c := open(t, section(crmclient.Settings{URL: server.URL}, odoo.JSON2), crmclient.Deps{Target: "odoo"})
	_, err := c.Check(t.Context())
	if !strings.Contains(remedy(err), "protocol: jsonrpc") {
		t.Errorf("%v → %s", err, remedy(err))
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	bad := odoo.Config{Protocol: odoo.JSONRPC, EmailField: "e mail", TicketModel: "No Model", MaxAttachment: -1}
	bad.Inbox.Model = "res.partner"
	err := bad.Validate()
	for _, want := range []string{"url is missing", "api_key is missing", "email_field", "ticket_model", "max_attachment", "inbox needs", "database and login"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
