package neocrm_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/neocrm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func text(r map[string]any, name string) string {
	s, _ := r[name].(string)
	return s
}

func split(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ", "), func(p string) bool { return p == "" })
}

func (f *fake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, r := range f.objects["activityrecord"].rows {
		out = append(out, crmtest.Record{
			Key: text(r, keyField), Subject: text(r, "subject__c"), Text: text(r, "text__c"), Thread: text(r, "thread__c"),
			Attachments: split(text(r, "files__c")), Accounts: split(text(r, "accounts__c")), BCC: split(text(r, "bcc__c")),
		})
	}
	return out
}

func makes(r *http.Request, object string) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/xobjects/"+object)
}

func (f *fake) Writes(r *http.Request) bool       { return makes(r, "activityrecord") }
func (f *fake) WritesTicket(*http.Request) bool   { return false }
func (f *fake) WritesObject(*http.Request) bool   { return false }
func (f *fake) WritesPerson(r *http.Request) bool { return makes(r, "contact") || makes(r, "lead") }

func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.insert(f.objects["contact"], map[string]any{"contactName": name, "email": address})
}

func (f *fake) ExpireTokens(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

func (f *fake) RefuseCredentials(t *testing.T) {
	f.ExpireTokens(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = true
}

func (f *fake) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.issued
}

func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "deal__c", Text: "title__c", Number: "amount__c", MissingID: "999999999"}
}

func (f *fake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects["deal__c"]
	for _, r := range o.rows {
		if fmt.Sprint(r["id"]) == id {
			for k, v := range fields {
				r[k] = v
			}
			r["updatedAt"] = f.tick()
			return id
		}
	}
	return fmt.Sprint(f.insert(o, fields))
}

func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects["deal__c"]
	o.rows = slices.DeleteFunc(o.rows, func(r map[string]any) bool { return fmt.Sprint(r["id"]) == id })
}

func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.objects["deal__c"].rows {
		if fmt.Sprint(r["id"]) == id {
			return r, true
		}
	}
	return nil, false
}

func (f *fake) ObjectsWithText(_ *testing.T, want string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, r := range f.objects["deal__c"].rows {
		if r["title__c"] == want {
			ids = append(ids, fmt.Sprint(r["id"]))
		}
	}
	return ids
}

func section(url string) neocrm.Config {
	cfg := neocrm.Config{
		ClientID: "id", ClientSecret: config.NewSecret(clientSecret), RedirectURI: "https://crm.example.com", Username: "gateway@example.com",
		Password: config.NewSecret(password), SecurityToken: config.NewSecret(securityToken), Quote: neocrm.Double, TextRunes: 400_000,
		Members: map[string]string{"wang@example.com": "77"},
	}
	cfg.URL = url
	cfg.Activities = neocrm.Activity{
		Key: keyField, EntityType: "5", Department: "6", Owner: "7",
		Fields: fieldmap.Fields{
			"content": fieldmap.From("content", fieldmap.Cut(2000)), "subject__c": fieldmap.From("subject"), "text__c": fieldmap.From("text"), "thread__c": fieldmap.From("thread"),
			"accounts__c": fieldmap.From("accounts", fieldmap.Join(", ")), "bcc__c": fieldmap.From("bcc", fieldmap.Join(", ")), "files__c": fieldmap.From("attachments", fieldmap.Join(", ")),
		},
	}
	cfg.Leads.Object = "lead"
	return cfg
}

func open(t *testing.T, cfg neocrm.Config, d crmclient.Deps) crmclient.Client {
	t.Helper()
	c, err := neocrm.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(io.Closer).Close() })
	return c
}

func code(c string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"code":%s,"msg":"x"}`, c)
	}
}

func subject() crmtest.Subject {
	s := crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.URL)
			cfg.Timeout, cfg.RequestsPerSecond = config.Duration(c.Timeout), c.RequestsPerSecond
			return open(t, cfg, c.Deps("neocrm"))
		},
		Secrets: []string{clientSecret, password, securityToken, "access-token-1"},
		Classes: map[int]crmclient.Class{http.StatusConflict: crmclient.ClassRetry},
		Checks:  checks(),
	}
	for c, class := range map[string]crmclient.Class{
		`"401"`: crmclient.ClassAuth, `401`: crmclient.ClassAuth, `"403"`: crmclient.ClassAuth, `"500"`: crmclient.ClassRetry, `503`: crmclient.ClassRetry, `"429"`: crmclient.ClassRate,
	} {
		s.Faults = append(s.Faults, crmtest.Fault{Name: "code " + c, Class: class, Serve: code(c)})
	}
	s.Faults = append(s.Faults, crmtest.Fault{Name: "no code", Class: crmclient.ClassRetry, Serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }})
	return s
}

func checks() map[string]crmtest.Check {
	with := func(change func(*neocrm.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.URL)
			change(&cfg)
			return open(t, cfg, c.Deps("neocrm"))
		}
	}
	broken := func(change func(*fake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(f.(*fake)) }
	}
	drop := func(object, field string) func(*fake) {
		return func(f *fake) {
			o := f.objects[object]
			o.fields = slices.DeleteFunc(o.fields, func(e map[string]any) bool { return e["apiKey"] == field })
		}
	}
	return map[string]crmtest.Check{
		"good":               {},
		"unread description": {Break: broken(func(f *fake) { f.opaque = true })},
		"wrong key":          {Break: broken(func(f *fake) { f.password = "another" }), Class: crmclient.ClassAuth, Says: "security_token"},
		"wrong data centre":  {New: with(func(c *neocrm.Config) { c.URL += "/elsewhere" }), Class: crmclient.ClassConfiguration, Says: "url"},
		"bare token":         {Break: broken(func(f *fake) { f.bare = true }), New: with(func(c *neocrm.Config) { c.AuthHeader = neocrm.Bare })},
		"wrong token header": {Break: broken(func(f *fake) { f.bare = true }), Class: crmclient.ClassAuth, Says: "credentials"},
		"missing permission": {Break: broken(func(f *fake) { f.denied["contact"] = "403" }), Class: crmclient.ClassAuth, Says: "权限"},
		"no key field":       {Break: broken(drop("activityrecord", keyField)), Class: crmclient.ClassConfiguration, Says: "活动记录"},
		"missing field":      {Break: broken(drop("activityrecord", "thread__c")), Class: crmclient.ClassConfiguration, Says: "thread__c"},
		"no address":         {Break: broken(drop("contact", "email")), Class: crmclient.ClassConfiguration, Says: "email"},
		"nothing fills":      {New: with(func(c *neocrm.Config) { c.Activities.Department = "" }), Class: crmclient.ClassConfiguration, Says: "dimDepart"},
		"no such object":     {New: with(func(c *neocrm.Config) { c.Activities.Object = "nothing" }), Class: crmclient.ClassConfiguration, Says: "nothing"},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject())
}

func start(t *testing.T, change func(*neocrm.Config)) (*fake, crmclient.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(server.URL)
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{Target: "neocrm"})
}

func TestMailInItsRecord(t *testing.T) {
	t.Parallel()
	contact, lead := crmclient.Contact{ID: "21", Kind: crmclient.KindContact}, crmclient.Contact{ID: "22", Kind: crmclient.KindLead}
	cases := map[string]struct {
		contacts  []crmclient.Contact
		companies []crmclient.Company
		from      any
		id        any
	}{
		"contact first": {[]crmclient.Contact{lead, contact}, []crmclient.Company{{ID: "23"}}, json.Number("2"), "21"},
		"company":       {[]crmclient.Contact{lead}, []crmclient.Company{{ID: "23"}}, json.Number("1"), "23"},
		"lead":          {[]crmclient.Contact{lead}, nil, json.Number("11"), "22"},
		"nobody":        {nil, nil, nil, nil},
	}
	for name, e := range cases {
		f, c := start(t, nil)
		a := crmtest.Activity("k")
		a.Owner, a.Contacts, a.Companies = "wang@example.com", e.contacts, e.companies
		if _, err := c.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		r := f.objects["activityrecord"].rows[0]
		if r["activityRecordFrom"] != e.from || r["activityRecordFrom_data"] != e.id || r["ownerId"] != "77" || r["entityType"] != "5" || r["dimDepart"] != "6" || r["startTime"] != json.Number("1772600767000") {
			t.Errorf("%s: got %v", name, r)
		}
		if got := text(r, "content"); !strings.HasPrefix(got, "主题: Quotation 42\n时间: 2026-03-04 13:06\n") || strings.Contains(got, "archive@example.com") {
			t.Errorf("%s: content: %q", name, got)
		}
	}
}

// Without a word in the section on how to write it, a quote goes into no question.
func TestQuotesAreRefused(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *neocrm.Config) { c.Quote = "" })
	f.AddContact(t, "O'Hara", "o'hara@customer.example")
	f.AddContact(t, "Li Lei", "li@customer.example")
	found, err := c.FindContacts(t.Context(), []string{"o'hara@customer.example", `x\@customer.example`, "li@customer.example"})
	if err != nil || len(found) != 1 || found[0].Name != "Li Lei" {
		t.Errorf("got %+v, %v", found, err)
	}
	_, err = c.(crmclient.ContactCreator).CreateContact(t.Context(), crmclient.Person{Address: "o'hara@customer.example"}, "")
	if crmclient.ClassOf(err) != crmclient.ClassPermanent || len(f.objects["contact"].rows) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*neocrm.Config){
		"":                   func(*neocrm.Config) {},
		"client_id":          func(c *neocrm.Config) { c.ClientSecret = config.Secret{} },
		"security_token":     func(c *neocrm.Config) { c.SecurityToken = config.Secret{} },
		"token_path":         func(c *neocrm.Config) { c.TokenPath = "x" },
		"key is missing":     func(c *neocrm.Config) { c.Activities.Key = "" },
		"entity_type":        func(c *neocrm.Config) { c.Activities.EntityType = "" },
		"department":         func(c *neocrm.Config) { c.Activities.Department = "x" },
		"API key":            func(c *neocrm.Config) { c.Contacts.Name = "a b" },
		"members":            func(c *neocrm.Config) { c.Members = map[string]string{"a@b": "x"} },
		"text_runes":         func(c *neocrm.Config) { c.TextRunes = 1 },
		"there is no source": func(c *neocrm.Config) { c.Activities.Fields = fieldmap.Fields{"x": fieldmap.From("sbject")} },
		"max_concurrent":     func(c *neocrm.Config) { c.MaxConcurrent = -1 },
	} {
		cfg := section("http://127.0.0.1:1")
		change(&cfg)
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
