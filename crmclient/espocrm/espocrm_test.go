package espocrm_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/espocrm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func section(s crmclient.Settings, as espocrm.LogAs) espocrm.Config {
	return espocrm.Config{
		Settings: s, APIKey: config.NewSecret(apiKey), Secret: config.NewSecret(secretKey), LogAs: as,
		WebhookSecrets: map[string]config.Secret{hookID: config.NewSecret(hookSecret)},
	}
}

func open(t *testing.T, cfg espocrm.Config, d crmclient.Deps) *espocrm.Client {
	t.Helper()
	c, err := espocrm.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	client := c.(*espocrm.Client)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func subject(as espocrm.LogAs) crmtest.Subject {
	s := crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			return open(t, section(c.Settings(), as), c.Deps("espo"))
		},
		Secrets: []string{apiKey, secretKey, hookSecret},
		// An answer of 409 or 404 to an import has a meaning of its own, and one to a look-up none.
		NoAttachments: true, // these have no content; TestFiles has
	}
	return s
}

func checks() map[string]crmtest.Check {
	with := func(change func(*espocrm.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.Settings(), espocrm.LogEML)
			change(&cfg)
			return open(t, cfg, c.Deps("espo"))
		}
	}
	hide := func(object string) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { f.(*fake).hidden[object] = true }
	}
	return map[string]crmtest.Check{
		"good":               {},
		"wrong key":          {New: with(func(c *espocrm.Config) { c.APIKey = config.NewSecret("wr0ng") }), Class: crmclient.ClassAuth, Says: "API Users"},
		"wrong secret":       {New: with(func(c *espocrm.Config) { c.Secret = config.NewSecret("wr0ng") }), Class: crmclient.ClassAuth, Says: "secret_key"},
		"missing field":      {New: with(func(c *espocrm.Config) { c.KeyField = "heliograf" }), Class: crmclient.ClassConfiguration, Says: "Entity Manager"},
		"missing permission": {Break: hide("Lead"), Class: crmclient.ClassAuth, Says: "access to Lead"},
		"no mail":            {Break: hide("Email"), Class: crmclient.ClassAuth, Says: "Import scope"},
	}
}

func TestConformanceEML(t *testing.T) {
	t.Parallel()
	s := subject(espocrm.LogEML)
	s.Checks = checks()
	crmtest.Run(t, s)
}

func TestConformanceRecord(t *testing.T) {
	t.Parallel()
	s := subject(espocrm.LogRecord)
	crmtest.Run(t, s)
}

func start(t *testing.T, as espocrm.LogAs) (*fake, *espocrm.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, open(t, section(crmclient.Settings{URL: server.URL}, as), crmclient.Deps{Target: "espo"})
}

// TestSameMessageID: a forged or reused Message-ID keeps no message away, and nothing is there twice.
func TestSameMessageID(t *testing.T) {
	t.Parallel()
	f, c := start(t, espocrm.LogEML)
	for range 2 {
		for _, key := range []string{"real", "forged"} {
			a := crmtest.Activity(key)
			a.MessageID = "same@example.com"
			r, err := c.LogEmail(t.Context(), a)
			if err != nil || r.RemoteID == "" {
				t.Errorf("%s: %+v, %v", key, r, err)
			}
		}
	}
	if got := f.Records(t); len(got) != 2 || got[0].Key != "real" || got[1].Key != "forged" {
		t.Errorf("records %+v", got)
	}
}

// TestMailOfEspo: what Espo fetched itself is not doubled, but gets our key.
func TestMailOfEspo(t *testing.T) {
	t.Parallel()
	f, c := start(t, espocrm.LogEML)
	f.put("Email", map[string]any{"subject": "Quotation 42", "body": "…", "messageId": "k@example.com", "status": "Archived"})
	r, err := c.LogEmail(t.Context(), crmtest.Activity("k"))
	if err != nil || !r.Duplicate {
		t.Errorf("%+v, %v", r, err)
	}
	if got := f.Records(t); len(got) != 1 || got[0].Key != "k" {
		t.Errorf("records %+v", got)
	}
}

func TestRelations(t *testing.T) {
	t.Parallel()
	for _, as := range []espocrm.LogAs{espocrm.LogEML, espocrm.LogRecord} {
		t.Run(string(as), func(t *testing.T) {
			t.Parallel()
			f, c := start(t, as)
			a := crmtest.Activity("related")
			a.Owner = agent
			a.Contacts = []crmclient.Contact{{ID: "l1", Kind: crmclient.KindLead}, {ID: "c1", Kind: crmclient.KindContact}}
			a.Attachments = []crmclient.Attachment{crmtest.NewFile("报价单.pdf", "application/pdf", []byte(strings.Repeat("pdf\x00", 100_000)))}
			a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "film.mp4", Size: 1 << 30, Reason: "too large"}}
			r, err := c.LogEmail(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			row := f.rows["Email"][r.RemoteID]
			if row["parentType"] != "Contact" || row["parentId"] != "c1" || row["assignedUserId"] != f.order["User"][0] || row["status"] != "Archived" {
				t.Errorf("record %v", row)
			}
			if !strings.Contains(row["body"].(string), "film.mp4: too large") || row["from"] != "wang@example.com" || row["to"] != "li.lei@customer.example" {
				t.Errorf("record %v", row)
			}
			files, _ := row["attachmentsIds"].([]any)
			if len(files) != 1 || f.files[files[0].(string)].name != "报价单.pdf" || len(f.files[files[0].(string)].content) != 400_000 {
				t.Errorf("files %v", files)
			}
			if !strings.HasSuffix(r.URL, "/#Email/view/"+r.RemoteID) {
				t.Errorf("page %s", r.URL)
			}
		})
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	f, c := start(t, espocrm.LogEML)
	for _, key := range []string{"a", "b"} {
		if _, err := c.LogEmail(t.Context(), crmtest.Activity(key)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := c.WithdrawEmail(t.Context(), "", "a"); err != nil {
			t.Error(err)
		}
	}
	if got := f.Records(t); len(got) != 1 || got[0].Key != "b" {
		t.Errorf("records %+v", got)
	}
}

// TestSecondAddress: a person is found by any address, although lists hold the first one only.
func TestSecondAddress(t *testing.T) {
	t.Parallel()
	f, c := start(t, espocrm.LogEML)
	f.put("Lead", map[string]any{
		"name": "李雷", "emailAddress": "Li@home.example", "assignedUserId": f.order["User"][0],
		"emailAddressData": []any{map[string]any{"emailAddress": "Li@home.example"}, map[string]any{"emailAddress": "li@work.example"}},
	})
	got, err := c.FindContacts(t.Context(), []string{"li@work.example"})
	if err != nil || len(got) != 1 || got[0].Address != "li@work.example" || got[0].Kind != crmclient.KindLead || got[0].Owner != agent {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCompany(t *testing.T) {
	t.Parallel()
	f, c := start(t, espocrm.LogEML)
	f.put("Account", map[string]any{"name": "Not it", "website": "https://notcustomer.example"})
	f.put("Account", map[string]any{"name": "客户公司", "website": "https://www.customer.example:443/cn"})
	got, ok, err := c.FindCompany(t.Context(), "customer.example")
	if err != nil || !ok || got.Name != "客户公司" {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	if _, ok, err = c.FindCompany(t.Context(), "elsewhere.example"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestOldServer(t *testing.T) {
	t.Parallel()
	f, c := start(t, espocrm.LogEML)
	f.noEML = true
	_, err := c.LogEmail(t.Context(), crmtest.Activity("old"))
	if e := remedy(err); crmclient.ClassOf(err) != crmclient.ClassConfiguration || !strings.Contains(e, "log_as: record") {
		t.Errorf("%v → %s", err, e)
	}
}

func remedy(err error) string {
	var e *crmclient.Error
	if errors.As(err, &e) {
		return e.Remedy
	}
	return ""
}

// The worked examples of the API's documentation.
func TestSignatures(t *testing.T) {
	t.Parallel()
	if got := espocrm.HMACAuthorization("f00d", "s3cr3t", "GET", "Contact"); got != "ZjAwZDoxY2VmNTg3MTU3ZjE2NjMxYWNjOGMxZmRhYjBlOThlMTMxMGE4YTNhNWFhZWUxZjZkZTMxN2M0MWI1MGM4MWNm" {
		t.Errorf("HMAC: %s", got)
	}
	cfg := section(crmclient.Settings{URL: "http://127.0.0.1:1"}, espocrm.LogEML)
	cfg.WebhookSecrets = map[string]config.Secret{"64a1b2c3d4": config.NewSecret("s3cr3t")}
	c := open(t, cfg, crmclient.Deps{Target: "espo"})
	d := &crmclient.Delivery{
		Method: "POST", URL: &url.URL{RawQuery: "object=Contact"}, At: time.Now(), Body: []byte(`[{"id":"someId","name":"some name"}]`),
		Header: map[string][]string{"Signature": {"NjRhMWIyYzNkNDo4NzA0MjM0NzJjYTE4OGI0ZDA5MTYwZjg5NGMyNTYxYTc2MjVmMzY5Zjg1MThhN2JlNWE1Y2Y2NGMyNDM4ODZm"}},
	}
	if _, wakes, _, err := c.ReceiveWebhook(d); err != nil || len(wakes) != 1 || wakes[0].ID != "someId" || wakes[0].Object != "Contact" {
		t.Errorf("%+v, %v", wakes, err)
	}
}

func TestAPIKeyAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.signed = false
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(crmclient.Settings{URL: server.URL}, espocrm.LogEML)
	cfg.Secret = config.Secret{}
	if _, err := open(t, cfg, crmclient.Deps{Target: "espo"}).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	err := espocrm.Config{KeyField: "not a name", MaxAttachment: -1}.Validate()
	for _, want := range []string{"url is missing", "api_key is missing", "key_field", "max_attachment"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
