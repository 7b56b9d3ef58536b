package yonyou_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/yonyou"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secrets = []string{appSecret, "token/s3cr3t", "token%2Fs3cr3t"}

func sectionFor(url string) yonyou.Config {
	return yonyou.Config{
		Settings: crmclient.Settings{URL: url}, TenantID: tenantID, AppKey: appKey, AppSecret: config.NewSecret(appSecret),
		Leads: yonyou.Leads{Source: "mail", Type: "web"},
		Mail: yonyou.Mail{Org: "org01", Length: 8000, Fields: fieldmap.Fields{
			"followRecordDefineCharacter.CRM01": fieldmap.From("key"),
		}},
	}
}

func open(t *testing.T, cfg yonyou.Config, d crmclient.Deps) *yonyou.Client {
	t.Helper()
	if d.Target == "" {
		d.Target = "crm"
	}
	c, err := yonyou.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	y := c.(*yonyou.Client)
	t.Cleanup(func() { _ = y.Close() })
	return y
}

func subject() crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newTenant(t) },
		New: func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := sectionFor(c.URL)
			cfg.Timeout, cfg.RequestsPerSecond = config.Duration(c.Timeout), c.RequestsPerSecond
			return open(t, cfg, c.Deps("crm"))
		},
		Secrets: secrets,
		MaxText: 4 * 8000,
		Webhook: crmtest.Webhook{Window: 25 * time.Hour, SignatureInBody: true},
		Faults: []crmtest.Fault{
			fault("token refused again and again", 200, "310036", "x", crmclient.ClassAuth),
			fault("no token", 200, "310001", "x", crmclient.ClassAuth),
			fault("path not registered", 404, "310404", "x", crmclient.ClassConfiguration),
			fault("rate", 200, "310032", "x", crmclient.ClassRate),
			fault("another rate", 200, "310046", "x", crmclient.ClassRate),
			fault("application disabled", 200, "10018", "x", crmclient.ClassAuth),
		},
	}
}

func fault(name string, status int, code, text string, class crmclient.Class) crmtest.Fault {
	return crmtest.Fault{Name: name, Class: class, Serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		say(w, code, text, nil)
	}}
}

// checks are set-ups of a connection, and what the check says of them.
func checks() map[string]crmtest.Check {
	with := func(change func(*yonyou.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := sectionFor(c.URL)
			change(&cfg)
			return open(t, cfg, c.Deps("crm"))
		}
	}
	breaking := func(do func(*tenant)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { do(f.(*tenant)) }
	}
	return map[string]crmtest.Check{
		"good":          {},
		"wrong app key": {New: with(func(c *yonyou.Config) { c.AppKey = "another" }), Class: crmclient.ClassAuth, Says: "自建应用"},
		"wrong secret":  {New: with(func(c *yonyou.Config) { c.AppSecret = config.NewSecret("another") }), Class: crmclient.ClassAuth, Says: "app_secret"},
		"switched off":  {Break: breaking(func(f *tenant) { f.closed = true }), Class: crmclient.ClassAuth, Says: "启用"},
		"wrong tenant":  {New: with(func(c *yonyou.Config) { c.TenantID = "elsewhere" }), Class: crmclient.ClassConfiguration, Says: "tenant_id"},
		"wrong clock": {
			Break: breaking(func(f *tenant) { f.now = func() time.Time { return time.Now().Add(time.Hour) } }), Class: crmclient.ClassAuth, Says: "clock",
		},
		"not the address": {New: with(func(c *yonyou.Config) { c.URL += "/portal" }), Class: crmclient.ClassConfiguration, Says: "apigateway"},
		"wrong path of tokens": {
			New:   with(func(c *yonyou.Config) { c.TokenPath = "/open-auth/selfAppAuth/getAccessToken" }),
			Class: crmclient.ClassConfiguration, Says: "310404",
		},
		"foreign data centre": {
			Break: breaking(func(f *tenant) { f.gateway = "https://c9.elsewhere.example" }), Class: crmclient.ClassConfiguration, Says: "hosts:",
		},
		"private data centre": {
			Break: breaking(func(f *tenant) { f.gateway = "http://10.0.0.1" }), Class: crmclient.ClassConfiguration, Says: "hosts:",
		},
		"no duplicate rules": {Break: breaking(func(f *tenant) { f.noRules = true }), Class: crmclient.ClassConfiguration, Says: "查重设置"},
		"missing permission": {
			Break: breaking(func(f *tenant) { f.denied = "/yonbip/crm/followup/list" }), Class: crmclient.ClassConfiguration, Says: "API 授权",
		},
		"missing permission for employees": {
			Break: breaking(func(f *tenant) { f.denied = "/yonbip/uspace/staff/info_by_mobile_email" }), Class: crmclient.ClassConfiguration, Says: "employees",
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := subject()
	s.Checks = checks()
	crmtest.Run(t, s)
}

// started opens a client for a fake without the suite.
func started(t *testing.T, change func(*tenant, *yonyou.Config)) (*tenant, *yonyou.Client) {
	t.Helper()
	f := newTenant(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := sectionFor(server.URL)
	change(f, &cfg)
	return f, open(t, cfg, crmclient.Deps{Now: f.now})
}

// A token that ran out, and a tenant that moved to another gateway, are found out by the next call.
func TestTenantMoves(t *testing.T) {
	t.Parallel()
	f, c := started(t, func(*tenant, *yonyou.Config) {})
	log := func(key string) {
		if _, err := c.LogEmail(t.Context(), crmtest.Activity(key)); err != nil {
			t.Fatal(err)
		}
	}
	log("before")
	f.moved = "/another-gateway"
	log("after")
	if f.found != 2 || f.issued != 2 || len(f.follows) != 2 {
		t.Errorf("got %d discoveries, %d tokens, %d records; want 2 each", f.found, f.issued, len(f.follows))
	}
}

// A mail is linked to what the tenant tells of its people.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, withIDs := range []bool{false, true} {
		f, c := started(t, func(f *tenant, cfg *yonyou.Config) {
			f.withIDs = withIDs
			cfg.Mail.Method = "other"
			cfg.Owners = map[string]string{"Zhao@example.com": "EMP2"}
		})
		f.AddContact(t, "李雷", "li.lei@customer.example")
		lead, err := c.CreateLead(t.Context(), crmclient.Person{Name: "韩梅梅", Address: "Han@lead.example"}, "wang@example.com")
		if err != nil {
			t.Fatal(err)
		}
		a := crmtest.Activity("k")
		a.Owner = "zhao@example.com"
		if a.Contacts, err = c.FindContacts(t.Context(), []string{"li.lei@customer.example", "han@lead.example"}); err != nil || len(a.Contacts) != 2 {
			t.Fatalf("contacts: got %+v, %v", a.Contacts, err)
		}
		if _, err := c.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		row, person := f.follows[0], f.contacts[0]
		want := map[string]any{"clue": lead.ID, "ower_code": "EMP2", "followMethodDoc_code": "other", "followTime": "2026-03-04 13:06:07"}
		if withIDs {
			want["contact"] = fmt.Sprint(person["id"])
		} else {
			want["customer"] = person["customer"]
		}
		for field, v := range want {
			if row[field] != v {
				t.Errorf("with ids %v: %s: got %v, want %v", withIDs, field, row[field], v)
			}
		}
		if f.leads[0]["ower_code"] != "EMP1" || f.leads[0]["mailbox"] != "han@lead.example" {
			t.Errorf("lead: got %v", f.leads[0])
		}
		for _, p := range a.Contacts[:1] {
			if got, ok, err := c.ContactByID(t.Context(), p.ID); err != nil || !ok || got.ID != p.ID || got.Name != "李雷" {
				t.Errorf("contact %s: got %+v, %v, %v", p.ID, got, ok, err)
			}
		}
		for _, id := range []string{"424242", "customer:1:nobody@customer.example", "x/../y"} {
			if got, ok, err := c.ContactByID(t.Context(), id); err != nil || ok {
				t.Errorf("contact %s: got %+v, %v, %v; want none", id, got, ok, err)
			}
		}
	}
}

// A mail that the tenant says it had before, but has no record of, is tried again, not given up and not made twice.
func TestSubmittedButNotSeen(t *testing.T) {
	t.Parallel()
	f, c := started(t, func(f *tenant, _ *yonyou.Config) { f.lose = true })
	for range 2 {
		if _, err := c.LogEmail(t.Context(), crmtest.Activity("k")); crmclient.ClassOf(err) != crmclient.ClassRetry {
			t.Errorf("got %v, want retry", err)
		}
	}
	if len(f.follows) != 0 {
		t.Errorf("records: got %d", len(f.follows))
	}
}

func TestLeadsNeedCodes(t *testing.T) {
	t.Parallel()
	_, c := started(t, func(_ *tenant, cfg *yonyou.Config) { cfg.Leads.Source = "" })
	_, err := c.CreateLead(t.Context(), crmclient.Person{Address: "a@b.example"}, "")
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != crmclient.ClassConfiguration || !strings.Contains(e.Remedy, "leads.source_code") {
		t.Errorf("got %v", err)
	}
}

// The words of a mail cannot become markup where the tenant shows content as HTML.
func TestContentAsHTML(t *testing.T) {
	t.Parallel()
	f, c := started(t, func(_ *tenant, cfg *yonyou.Config) { cfg.Mail.Content = "html" })
	a := crmtest.Activity("k")
	a.Subject, a.Text = "<b>", "<script>alert(1)</script>"
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "film.mp4", Size: 7, Reason: "too large"}}
	if _, err := c.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(f.follows[0]["followContext"])
	for _, want := range []string{"&lt;b&gt;<br>", "&lt;script&gt;", "film.mp4 (7 bytes, too large)", "Wang Fang (wang@example.com)"} {
		if !strings.Contains(got, want) {
			t.Errorf("content: got %q, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "<script>") {
		t.Errorf("content: got %q", got)
	}
}

// Answers with failures inside a 200 and answers in plain words are errors.
func TestErrorsInsideAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		body  string
		class crmclient.Class
	}{
		"part failure":  {`{"code":"200","data":{"sucessCount":0,"failCount":1,"messages":["组织不存在"]}}`, crmclient.ClassPermanent},
		"plain words":   {`非法token`, crmclient.ClassAuth},
		"token in 999":  {`{"code":999,"message":"通过accessToken获取用户信息失败:bTmptoken已失效"}`, crmclient.ClassAuth},
		"anything else": {`{"code":999,"message":"组织不存在"}`, crmclient.ClassPermanent},
		"number":        {`{"code":310039,"message":"限流"}`, crmclient.ClassRate},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newTenant(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if f.Writes(r) {
					_, _ = io.WriteString(w, tc.body)
					return
				}
				f.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			_, err := open(t, sectionFor(server.URL), crmclient.Deps{}).LogEmail(t.Context(), crmtest.Activity("k"))
			if got := crmclient.ClassOf(err); got != tc.class {
				t.Errorf("got %s of %v, want %s", got, err, tc.class)
			}
		})
	}
}
