package twenty_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/twenty"
	"heliograph/internal/limit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func section(s crmclient.Settings) twenty.Config {
	return twenty.Config{Settings: s, APIKey: config.NewSecret(apiKey), APIKeyID: apiKeyID, WebhookSecret: config.NewSecret(hookSecret)}
}

func open(t *testing.T, cfg twenty.Config, d crmclient.Deps) *twenty.Client {
	t.Helper()
	c, err := twenty.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	client := c.(*twenty.Client)
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
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			return open(t, section(c.Settings()), c.Deps("twenty"))
		},
		Secrets: []string{apiKey, hookSecret},
		Webhook: crmtest.Webhook{ID: "20202020-0000-4000-8000-000000000001", Window: 5 * time.Minute},
		Checks:  checks(),
	})
}

func checks() map[string]crmtest.Check {
	with := func(change func(*twenty.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.Settings())
			change(&cfg)
			return open(t, cfg, c.Deps("twenty"))
		}
	}
	hide := func(object string) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { f.(*fake).hidden[object] = true }
	}
	return map[string]crmtest.Check{
		"good":               {},
		"wrong key":          {New: with(func(c *twenty.Config) { c.APIKey = config.NewSecret("wr0ng") }), Class: crmclient.ClassAuth, Says: "APIs & Webhooks"},
		"missing field":      {New: with(func(c *twenty.Config) { c.KeyField = "heliograf" }), Class: crmclient.ClassConfiguration, Says: "Data model"},
		"missing permission": {Break: hide("people"), Class: crmclient.ClassAuth, Says: "reading people"},
		"no links":           {Break: hide("noteTargets"), Class: crmclient.ClassAuth, Says: "note targets"},
		"older server":       {Break: func(_ *testing.T, f crmtest.Fake) { older(f.(*fake)) }, Class: crmclient.ClassConfiguration, Says: "person_target: personId"},
		"another server":     {Break: func(_ *testing.T, f crmtest.Fake) { clear(f.(*fake).fields) }, Class: crmclient.ClassConfiguration, Says: "check url"},
	}
}

func older(f *fake) {
	f.old, f.fields["noteTargets"] = true, []string{"noteId", "personId", "companyId", "opportunityId"}
}

func start(t *testing.T, change func(*twenty.Config)) (*fake, *twenty.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(crmclient.Settings{URL: server.URL})
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{Target: "twenty"})
}

func related(key string) *crmclient.Activity {
	a := crmtest.Activity(key)
	a.Contacts = []crmclient.Contact{{ID: "p1", Kind: crmclient.KindContact}, {ID: "p2", Kind: crmclient.KindContact}, {ID: "p1", Kind: crmclient.KindContact}}
	a.Companies = []crmclient.Company{{ID: "c1"}}
	return a
}

// TestLinks: what an earlier try left undone is finished, and nothing is linked twice.
func TestLinks(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	first, err := c.LogEmail(t.Context(), related("linked"))
	if err != nil {
		t.Fatal(err)
	}
	links := func() string {
		var out []string
		for _, r := range f.rows["noteTargets"] {
			if r["noteId"] != first.RemoteID {
				t.Errorf("link %v", r)
			}
			for _, field := range []string{"targetPersonId", "targetCompanyId"} {
				if id, ok := r[field].(string); ok {
					out = append(out, id)
				}
			}
		}
		return strings.Join(out, " ")
	}
	if got := links(); got != "p1 p2 c1" {
		t.Errorf("links %s", got)
	}
	f.rows["noteTargets"] = f.rows["noteTargets"][:1]
	for range 2 {
		again, err := c.LogEmail(t.Context(), related("linked"))
		if err != nil || !again.Duplicate || again.RemoteID != first.RemoteID {
			t.Errorf("%+v, %v", again, err)
		}
		if got := links(); got != "p1 p2 c1" {
			t.Errorf("links %s", got)
		}
	}
}

// TestOlderServer: a link whose field was ignored is found out, and made under its other name.
func TestOlderServer(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	older(f)
	_, err := c.LogEmail(t.Context(), related("old"))
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != crmclient.ClassConfiguration || !strings.Contains(e.Remedy, "personId") {
		t.Errorf("got %v", err)
	}
	f, c = start(t, func(cfg *twenty.Config) { cfg.PersonTarget, cfg.CompanyTarget = "personId", "companyId" })
	older(f)
	if _, err := c.LogEmail(t.Context(), related("old")); err != nil || len(f.rows["noteTargets"]) != 3 {
		t.Errorf("links %v, %v", f.rows["noteTargets"], err)
	}
}

// TestMadeMeanwhile: a person whom somebody else made after the look-up is found.
func TestMadeMeanwhile(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.stolen = true
	got, err := c.CreateContact(t.Context(), crmclient.Person{Name: "Ann Lee", Address: "ann@example.com"}, "")
	if err != nil || got.Name != "Their Person" || got.ID == "" || len(f.rows["people"]) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	byID, ok, err := c.ContactByID(t.Context(), got.ID)
	if err != nil || !ok || byID != got {
		t.Errorf("by id: got %+v, %v, %v", byID, ok, err)
	}
	if _, ok, err := c.ContactByID(t.Context(), "20202020-0000-4000-8000-ffffffffffff"); ok || err != nil {
		t.Errorf("nobody: got %v, %v", ok, err)
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	for _, key := range []string{"a", "b"} {
		if _, err := c.LogEmail(t.Context(), related(key)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := c.WithdrawEmail(t.Context(), "", "a"); err != nil {
			t.Error(err)
		}
	}
	if got := f.Records(t); len(got) != 1 || got[0].Key != "b" || len(f.rows["noteTargets"]) != 3 {
		t.Errorf("records %+v, links %v", got, f.rows["noteTargets"])
	}
}

// TestKeyWithQuotes: a key that a filter cannot hold makes one note too.
func TestKeyWithQuotes(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	for range 2 {
		if _, err := c.LogEmail(t.Context(), crmtest.Activity(`"a\b"@example.com`)); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.Records(t); len(got) != 1 || !strings.HasPrefix(got[0].Key, "sha256:") {
		t.Errorf("records %+v", got)
	}
}

// TestMarkup: nothing that a stranger wrote becomes a link, a picture or code.
func TestMarkup(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	a := crmtest.Activity("markup")
	a.Subject, a.Text = "<b>", "![x](https://evil.example/p.png)\n    code\n\n\ttab\n---\n1. <script>&lt;\n> quote\n"
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "film.mp4", Reason: "too large"}}
	if _, err := c.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got := f.Records(t)
	if len(got) != 1 || got[0].Text != a.Text {
		t.Errorf("records %+v", got)
	}
	body := f.rows["notes"][0]["bodyV2"].(map[string]any)["markdown"].(string)
	for _, want := range []string{"- From: Wang Fang wang\\@example\\.com\n", "- Date: 2026-03", `- [film\.mp4\: too large]`} {
		if !strings.Contains(body, want) {
			t.Errorf("the note has no %q: %s", want, body)
		}
	}
}

// TestWebhookExample is the example of the documentation, in its shape.
func TestWebhookExample(t *testing.T) {
	t.Parallel()
	cfg := section(crmclient.Settings{URL: "http://127.0.0.1:1"})
	cfg.WebhookSecret = config.NewSecret("twenty-secret")
	c := open(t, cfg, crmclient.Deps{Target: "twenty"})
	d := &crmclient.Delivery{Method: http.MethodPost, Header: http.Header{}, At: time.UnixMilli(1700000000000), Body: []byte(`{"event":"person.created","data":{"id":"1"}}`)}
	d.Header.Set("X-Twenty-Webhook-Timestamp", "1700000000000")
	d.Header.Set("X-Twenty-Webhook-Signature", "75db7b20c98253856ea61778e534197ecfd0de32e390f68c267a7b0035beabb2")
	_, wakes, _, err := c.ReceiveWebhook(d)
	if err != nil || len(wakes) != 1 || wakes[0] != (crmclient.Wake{Object: "people", ID: "1"}) {
		t.Errorf("got %+v, %v", wakes, err)
	}
}

func TestWebhookObjects(t *testing.T) {
	t.Parallel()
	_, c := start(t, func(cfg *twenty.Config) { cfg.Objects = map[string]string{"staff": "staffMembers"} })
	at := time.UnixMilli(1700000000000)
	for one, many := range map[string]string{"person": "people", "company": "companies", "note": "notes", "survey": "surveys", "staff": "staffMembers"} {
		for _, key := range []string{apiKeyID, "20202020-0000-4000-8000-000000000009"} {
			d := sign(hookSecret, "1700000000000", `{"eventName":"`+one+`.updated","record":{"id":"r"},"apiKeyId":"`+key+`"}`)
			d.At = at
			_, wakes, _, err := c.ReceiveWebhook(d)
			if err != nil || len(wakes) != 1 || wakes[0] != (crmclient.Wake{Object: many, ID: "r", Own: key == apiKeyID}) {
				t.Errorf("%s: got %+v, %v", one, wakes, err)
			}
		}
	}
}

type never struct{}

func (never) Allow(context.Context) (time.Duration, error) { return 0, nil }

// TestRate: a workspace's 100 requests a minute are the limit, unless the section names another.
func TestRate(t *testing.T) {
	t.Parallel()
	for perSecond, want := range map[float64]limit.Rate{0: {Count: 100, Per: time.Minute}, 2: {Count: 2, Per: time.Second}} {
		var got []limit.Rate
		d := crmclient.Deps{Target: "twenty", Limit: func(_ string, r limit.Rate) crmclient.RateLimiter {
			got = append(got, r)
			return never{}
		}}
		open(t, section(crmclient.Settings{RequestsPerSecond: perSecond}), d)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%v: got %v, want %v", perSecond, got, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	err := twenty.Config{
		Settings: crmclient.Settings{URL: "ftp://x"}, KeyField: "not a name", PersonTarget: "a.b", Objects: map[string]string{"One": "x"},
	}.Validate()
	for _, want := range []string{"url", "api_key is missing", "key_field", "person_target", "objects"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
