package jiandaoyun_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/jiandaoyun"
)

// part returns the parts of a text in a form, without empty ones.
func part(s, between string) []string {
	var out []string
	for p := range strings.SplitSeq(s, between) {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

func text(r map[string]any, name string) string {
	s, _ := r[name].(string)
	return s
}

// Records returns the rows of 邮件往来.
func (f *fake) Records(*testing.T) []crmtest.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.Record
	for _, r := range f.forms[activities].rows {
		out = append(out, crmtest.Record{
			Key: text(r, "message_key"), Subject: text(r, "subject"), Text: text(r, "content"), Thread: text(r, "thread"),
			Attachments: part(text(r, "file_names"), ", "), Accounts: part(text(r, "accounts"), ", "), BCC: part(text(r, "mail_bcc"), ", "),
		})
	}
	return out
}

// writesTo says whether a request makes a record in a form.
func writesTo(r *http.Request, forms ...string) bool {
	if !strings.HasSuffix(r.URL.Path, "create") {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	for _, form := range forms {
		if bytes.Contains(body, []byte(`"entry_id":"`+form+`"`)) {
			return true
		}
	}
	return false
}

func (f *fake) Writes(r *http.Request) bool       { return writesTo(r, activities) }
func (f *fake) WritesTicket(r *http.Request) bool { return writesTo(r, tickets) }
func (f *fake) WritesObject(r *http.Request) bool { return writesTo(r, deals) }
func (f *fake) WritesPerson(r *http.Request) bool { return writesTo(r, contacts, leads) }

// put makes or changes a row as the vendor's own users do.
func (f *fake) put(form, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.forms[form].row(id)
	if r == nil {
		r = f.forms[form].row(f.insert(f.forms[form], nil, "", "boss"))
	}
	for name, v := range fields {
		r[name] = v
	}
	r["updateTime"], r["updater"] = f.tick(), f.person("boss")
	return r["_id"].(string)
}

func (f *fake) drop(form, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := json.Marshal(map[string]any{"app_id": appID, "entry_id": form, "data_id": id})
	if _, err := f.remove(body); err != nil {
		f.t.Error(err)
	}
}

func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.put(contacts, "", map[string]any{"name": name, "email": address})
}

func (f *fake) PutContact(_ *testing.T, r crmclient.ContactRecord) string {
	fields := map[string]any{"name": r.Name, "title": r.Fields[crmclient.FieldTitle]}
	for i, a := range r.Addresses {
		fields[[]string{"email", "email2"}[i]] = a
	}
	return f.put(contacts, r.ID, fields)
}

func (f *fake) DeleteContact(_ *testing.T, id string) { f.drop(contacts, id) }

func (f *fake) Tickets(*testing.T) []crmtest.TicketRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.TicketRecord
	for _, r := range f.forms[tickets].rows {
		t := crmtest.TicketRecord{ID: text(r, "_id"), Key: text(r, "ticket_key"), Subject: text(r, "subject"), Text: text(r, "content")}
		if m, ok := r["assignee"].(map[string]any); ok {
			t.Assignee = fmt.Sprint(m["username"], "@example.com")
		}
		out = append(out, t)
	}
	return out
}

func (f *fake) Agent(*testing.T) string { return "agent@example.com" }

func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "deals", Text: "title", Number: "amount", MissingID: "67221b4fac0a62acffffffff", TellsOwn: true}
}

func (f *fake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	return f.put(deals, id, fields)
}

func (f *fake) DeleteObject(_ *testing.T, id string) { f.drop(deals, id) }

func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.forms[deals].row(id)
	return r, r != nil
}

func (f *fake) ObjectsWithText(_ *testing.T, want string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, r := range f.forms[deals].rows {
		if r["title"] == want {
			ids = append(ids, text(r, "_id"))
		}
	}
	return ids
}

// sign signs a push as the vendor's own examples do.
func sign(nonce, body, secret, timestamp string) string {
	sum := sha1.Sum([]byte(nonce + ":" + body + ":" + secret + ":" + timestamp))
	return hex.EncodeToString(sum[:])
}

func push(body string, at time.Time, deliver string) *crmclient.Delivery {
	stamp := fmt.Sprint(at.Unix())
	return &crmclient.Delivery{
		Method: http.MethodPost, At: at, Body: []byte(body),
		URL:    &url.URL{Path: "/hook/jiandaoyun", RawQuery: "nonce=0f5ade&timestamp=" + stamp},
		Header: http.Header{"Content-Type": {"application/json"}, "X-Jdy-Deliverid": {deliver}, "X-Jdy-Signature": {sign("0f5ade", body, pushSecret, stamp)}},
	}
}

func (f *fake) Delivery(_ *testing.T, id string, at time.Time) *crmclient.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	body := fmt.Sprintf(`{"op":"data_update","opTime":%d,"data":{"_id":%q,"appId":%q,"entryId":%q,"title":"客户 👋","updateTime":"2026-03-04T05:06:07.000Z"}}`, at.UnixMilli(), id, appID, deals)
	return push(body, at, fmt.Sprint("deliver-", f.nextID))
}

func section(url string) jiandaoyun.Config {
	form := func(entry string) jiandaoyun.Form { return jiandaoyun.Form{AppID: appID, EntryID: entry} }
	cfg := jiandaoyun.Config{
		APIKey: config.NewSecret(apiKey), PushSecret: config.NewSecret(pushSecret), TextRunes: 400_000,
		Records: map[string]jiandaoyun.Form{"deals": form(deals)},
		Members: jiandaoyun.Members{Guess: []jiandaoyun.Guess{jiandaoyun.GuessLocalPart}},
	}
	cfg.URL = url + "/api"
	cfg.Activities.Form = form(activities)
	cfg.Contacts.Form = form(contacts)
	cfg.Contacts.Address = []string{"email", "email2"}
	cfg.Leads.Form = form(leads)
	cfg.Companies.Form = form(companies)
	cfg.Tickets.Form = form(tickets)
	return cfg
}

// open builds a client. The store for files is the server of the API, as in a private installation.
func open(t *testing.T, f *fake, cfg jiandaoyun.Config, d crmclient.Deps) crmclient.Client {
	t.Helper()
	f.mu.Lock()
	if f.uploadURL == "" {
		f.uploadURL = strings.TrimSuffix(cfg.URL, "/api")
	}
	f.mu.Unlock()
	c, err := jiandaoyun.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(io.Closer).Close() })
	return c
}

func refuse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"code":8303,"msg":"Company Request Limit Exceeded"}`)
}

func subject(mode txMode, change func(*jiandaoyun.Config)) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake {
			f := newFake(t)
			f.tx = mode
			return f
		},
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.URL)
			cfg.Timeout, cfg.RequestsPerSecond = config.Duration(c.Timeout), c.RequestsPerSecond
			if change != nil {
				change(&cfg)
			}
			return open(t, f.(*fake), cfg, c.Deps("jiandaoyun"))
		},
		Secrets: []string{apiKey, pushSecret},
		Classes: map[int]crmclient.Class{http.StatusConflict: crmclient.ClassRetry},
		Faults:  faults(),
		Checks:  checks(),
		Refuse:  refuse,
		Webhook: crmtest.Webhook{ID: "67221b4fac0a62acfffffff0", Window: 15 * time.Minute},
	}
}

func faults() []crmtest.Fault {
	var out []crmtest.Fault
	for code, class := range map[int]crmclient.Class{
		8303: crmclient.ClassRate, 8304: crmclient.ClassRate, 8309: crmclient.ClassRate,
		8301: crmclient.ClassAuth, 17018: crmclient.ClassAuth, 8302: crmclient.ClassAuth, 17052: crmclient.ClassAuth, 17053: crmclient.ClassAuth, 17054: crmclient.ClassAuth,
		2004: crmclient.ClassConfiguration, 3000: crmclient.ClassConfiguration, 4815: crmclient.ClassConfiguration, 17032: crmclient.ClassConfiguration,
		7103: crmclient.ClassConfiguration, 7206: crmclient.ClassConfiguration, 7212: crmclient.ClassConfiguration, 7221: crmclient.ClassConfiguration,
		1: crmclient.ClassPermanent, 17017: crmclient.ClassPermanent, 3005: crmclient.ClassPermanent, 999999: crmclient.ClassPermanent,
		17026: crmclient.ClassRetry,
	} {
		for _, status := range []int{http.StatusBadRequest, http.StatusOK} {
			out = append(out, crmtest.Fault{Name: fmt.Sprintf("code %d with status %d", code, status), Class: class, Serve: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, `{"code":%d,"msg":"错误"}`, code)
			}})
		}
	}
	return append(out, crmtest.Fault{Name: "concurrency", Class: crmclient.ClassRate, Serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
	}}, crmtest.Fault{Name: "gateway", Class: crmclient.ClassRetry, Serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, `{"code":8303,"msg":"x"}`)
	}})
}

func checks() map[string]crmtest.Check {
	with := func(change func(*jiandaoyun.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.URL)
			change(&cfg)
			return open(t, f.(*fake), cfg, c.Deps("jiandaoyun"))
		}
	}
	broken := func(change func(*fake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(f.(*fake)) }
	}
	drop := func(form, name string) func(*fake) {
		return func(f *fake) {
			for i, w := range f.forms[form].widgets {
				if w.Name == name {
					f.forms[form].widgets = append(f.forms[form].widgets[:i:i], f.forms[form].widgets[i+1:]...)
					return
				}
			}
			f.t.Errorf("no widget %s", name)
		}
	}
	retype := func(form, name, kind string) func(*fake) {
		return func(f *fake) {
			for i := range f.forms[form].widgets {
				if w := &f.forms[form].widgets[i]; w.Name == name {
					w.Type = kind
				}
			}
		}
	}
	return map[string]crmtest.Check{
		"good":                   {},
		"wrong key":              {Break: broken(func(f *fake) { f.key = "another key" }), Class: crmclient.ClassAuth, Says: "密钥管理"},
		"missing permission":     {Break: broken(func(f *fake) { f.denied["/v5/app/entry/widget/list"] = 17054 }), Class: crmclient.ClassAuth, Says: "授权"},
		"app not in scope":       {Break: broken(func(f *fake) { f.denied["/v5/app/entry/list"] = 17053 }), Class: crmclient.ClassAuth, Says: "授权"},
		"not on the allow-list":  {Break: broken(func(f *fake) { f.denied["/v5/app/entry/list"] = 17052 }), Class: crmclient.ClassAuth, Says: "白名单"},
		"forms not listed":       {Break: broken(func(f *fake) { f.denied["/v5/app/entry/list"] = 17054 })},
		"no address book":        {Break: broken(func(f *fake) { f.denied["/v5/corp/user/get"] = 17054 }), Class: crmclient.ClassAuth, Says: "通讯录"},
		"wrong address":          {New: with(func(c *jiandaoyun.Config) { c.URL = strings.TrimSuffix(c.URL, "/api") + "/apj" }), Class: crmclient.ClassConfiguration, Says: "检查 url"},
		"wrong app":              {New: with(func(c *jiandaoyun.Config) { c.Contacts.AppID = otherApp }), Class: crmclient.ClassConfiguration, Says: "app_id"},
		"wrong form":             {New: with(func(c *jiandaoyun.Config) { c.Tickets.EntryID = "61a0000000000000000000ff" }), Class: crmclient.ClassConfiguration, Says: "tickets"},
		"no widget for the key":  {Break: broken(drop(activities, "message_key")), Class: crmclient.ClassConfiguration, Says: "message_key"},
		"no widget for mail":     {Break: broken(drop(contacts, "email2")), Class: crmclient.ClassConfiguration, Says: "email2"},
		"default may be missing": {Break: broken(drop(activities, "thread"))},
		"given may not": {New: with(func(c *jiandaoyun.Config) {
			c.Activities.Fields = fields(`来自: {from: from}`)
		}), Class: crmclient.ClassConfiguration, Says: "来自"},
		"key of the wrong type":   {Break: broken(retype(activities, "message_key", "combo")), Class: crmclient.ClassConfiguration, Says: "单行文本"},
		"files of the wrong type": {Break: broken(retype(activities, "attachments", "text")), Class: crmclient.ClassConfiguration, Says: "附件"},
		"time into a number":      {Break: broken(retype(activities, "sent_at", "number")), Class: crmclient.ClassConfiguration, Says: "sent_at"},
		"text into a department":  {Break: broken(retype(activities, "subject", "dept")), Class: crmclient.ClassConfiguration, Says: "部门"},
		"not writable":            {Break: broken(retype(activities, "customer", "linkdata")), Class: crmclient.ClassConfiguration, Says: "customer"},
		"assignee of the wrong type": {
			Break: broken(retype(tickets, "assignee", "text")), Class: crmclient.ClassConfiguration, Says: "成员单选",
		},
		"unknown api_member": {New: with(func(c *jiandaoyun.Config) { c.APIMember = "nobody" }), Class: crmclient.ClassConfiguration, Says: "api_member"},
	}
}
