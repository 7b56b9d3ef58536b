package suitecrm_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/suitecrm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func section(s crmclient.Settings) suitecrm.Config {
	return suitecrm.Config{Settings: s, ClientID: clientID, ClientSecret: config.NewSecret(clientSecret)}
}

func open(t *testing.T, cfg suitecrm.Config, d crmclient.Deps) *suitecrm.Client {
	t.Helper()
	c, err := suitecrm.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	client := c.(*suitecrm.Client)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, crmtest.Subject{
		Fake:    func(t *testing.T) crmtest.Fake { return newFake(t) },
		New:     with(func(*suitecrm.Config) {}),
		Secrets: []string{clientSecret, "s3cr3t-token"},
		MaxText: 60_000,
		Checks:  checks(),
	})
}

// with gives out tokens at another address, so that the suite's faults concern the API.
func with(change func(*suitecrm.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
	return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
		cfg := section(c.Settings())
		cfg.TokenURL = f.(*fake).login.URL + "/Api/access_token"
		change(&cfg)
		return open(t, cfg, c.Deps("suite"))
	}
}

func checks() map[string]crmtest.Check {
	spoil := func(change func(*fake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(f.(*fake)) }
	}
	return map[string]crmtest.Check{
		"good":                {},
		"wrong key":           {New: with(func(c *suitecrm.Config) { c.ClientSecret = config.NewSecret("wr0ng") }), Class: crmclient.ClassAuth, Says: "secret"},
		"missing key field":   {New: with(func(c *suitecrm.Config) { c.KeyField = "nothing_c" }), Class: crmclient.ClassConfiguration, Says: "key_field"},
		"missing email field": {New: with(func(c *suitecrm.Config) { c.EmailField = "nothing_c" }), Class: crmclient.ClassConfiguration, Says: "Studio"},
		"missing permission":  {Break: spoil(func(f *fake) { f.hidden["Accounts"] = true }), Class: crmclient.ClassAuth, Says: "Role Management"},
		"no RSA pair":         {Break: spoil(func(f *fake) { f.noKeys = true }), Class: crmclient.ClassRetry, Says: "private.key"},
		"wrong login":         {New: with(func(c *suitecrm.Config) { c.TokenURL += "s" }), Class: crmclient.ClassConfiguration, Says: "URL rewriting"},
		"wrong prefix":        {New: with(func(c *suitecrm.Config) { c.Prefix = "legacy" }), Class: crmclient.ClassConfiguration, Says: "prefix"},
	}
}

func start(t *testing.T, change func(*fake, *suitecrm.Config)) (*fake, *suitecrm.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(crmclient.Settings{URL: server.URL})
	if change != nil {
		change(f, &cfg)
	}
	return f, open(t, cfg, crmclient.Deps{Target: "suite"})
}

// TestParent: a note hangs under a contact before an account, and under nothing where nobody is known.
func TestParent(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(f *fake, cfg *suitecrm.Config) { f.prefix, cfg.Prefix = "/legacy", "legacy" })
	company := []crmclient.Company{{ID: "a1"}}
	for _, test := range []struct {
		contacts  []crmclient.Contact
		companies []crmclient.Company
		kind, id  any
	}{
		{[]crmclient.Contact{{ID: "c1", Kind: crmclient.KindContact}}, company, "Contacts", "c1"},
		{nil, company, "Accounts", "a1"},
		{nil, nil, nil, nil},
	} {
		a := crmtest.Activity("parent")
		a.Key += a.Subject + string(rune('0'+len(f.rows["Notes"])))
		a.Contacts, a.Companies = test.contacts, test.companies
		a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "film.mp4", Reason: "too large"}}
		r, err := c.LogEmail(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		note := f.rows["Notes"][len(f.rows["Notes"])-1]
		if note["id"] != r.RemoteID || note["parent_type"] != test.kind || note["parent_id"] != test.id {
			t.Errorf("note %v, want the parent %v %v", note, test.kind, test.id)
		}
		for _, want := range []string{"From: Wang Fang wang@example.com\n", "[film.mp4: too large]"} {
			if !strings.Contains(note["description"].(string), want) {
				t.Errorf("the note has no %q: %v", want, note["description"])
			}
		}
	}
}

func TestContactByID(t *testing.T) {
	t.Parallel()
	_, c := start(t, nil)
	made, err := c.CreateContact(t.Context(), crmclient.Person{Name: "Ann Lee", Address: "ann@example.com"}, "")
	if err != nil || made.Name != "Ann Lee" {
		t.Fatalf("got %+v, %v", made, err)
	}
	if got, ok, err := c.ContactByID(t.Context(), made.ID); err != nil || !ok || got != made {
		t.Errorf("got %+v, %v, %v; want %+v", got, ok, err, made)
	}
	if _, ok, err := c.ContactByID(t.Context(), "3d1a2b4c-0000-4000-8000-ffffffffffff"); ok || err != nil {
		t.Errorf("nobody: got %v, %v", ok, err)
	}
}

// TestLongNotes: pages of notes that are too long for one answer are read in smaller ones.
func TestLongNotes(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	_, cursor, err := c.RecordChanges(t.Context(), "Notes", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // together longer than an answer may be
		f.put("Notes", row{"description": strings.Repeat("<", 65_000)})
	}
	seen := map[string]bool{}
	for range 10 {
		if len(seen) == 3 {
			break
		}
		var changes []crmclient.RecordChange
		if changes, cursor, err = c.RecordChanges(t.Context(), "Notes", nil, cursor); err != nil {
			t.Fatal(err)
		}
		for _, change := range changes {
			seen[change.ID] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("got %d changes, want 3", len(seen))
	}
	for _, limit := range []int{0, 3} {
		clear(seen)
		for next := ""; len(seen) == 0 || next != ""; {
			var page []crmclient.Record
			if page, next, err = c.QueryRecords(t.Context(), crmclient.Query{Object: "Notes", Limit: limit}, next); err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				seen[r.ID] = true
			}
		}
		if len(seen) != 3 {
			t.Errorf("limit %d: got %d notes, want 3", limit, len(seen))
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	err := suitecrm.Config{Prefix: "../x", TokenURL: "ftp://x", KeyField: "Not a name", EmailField: "a-b"}.Validate()
	for _, want := range []string{"url is missing", "client_id", "prefix", "token_url", "key_field", "email_field"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
