package kingdee_test

import (
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
	"heliograph/crmclient/kingdee"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secrets must appear nowhere; sessions are those that the fake gives.
var secrets = []string{appSecret, "session-s3cr3t", identity, "AFBTDA4MDg4FBwEGAgBXUFNQBwUBAwIG"}

func sectionFor(url string) kingdee.Config {
	return kingdee.Config{
		Settings:  crmclient.Settings{URL: url + "/K3Cloud/"},
		AccountID: account, User: user, AppID: appID, AppSecret: config.NewSecret(appSecret),
		Contacts: []kingdee.Person{{Title: "FPost", Changed: "FModifyDate"}},
		Objects:  map[string]kingdee.Object{"orders": {Form: orders, Key: "F_HG_Key", Modifier: "FModifierId", Fields: []string{"FBillNo", "FNote", "FAmount"}}},
		Mail:     kingdee.Mail{Form: mailForm, Fields: fieldmap.Fields{"F_HG_Key": fieldmap.From("key")}},
	}
}

func open(t *testing.T, cfg kingdee.Config, d crmclient.Deps) *kingdee.Client {
	t.Helper()
	if d.Target == "" {
		d.Target = "erp"
	}
	c, err := kingdee.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	k := c.(*kingdee.Client)
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func subject(change func(*site, *kingdee.Config)) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake {
			s := newSite(t)
			var cfg kingdee.Config
			change(s, &cfg)
			return s
		},
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := sectionFor(c.URL)
			cfg.Timeout, cfg.RequestsPerSecond = config.Duration(c.Timeout), c.RequestsPerSecond
			change(f.(*site), &cfg)
			return open(t, cfg, c.Deps("erp"))
		},
		Secrets: secrets,
		MaxText: 150_000, // 50,000 characters
		Faults: []crmtest.Fault{
			fault("session lost again and again", "1", "会话信息已丢失", crmclient.ClassAuth),
			fault("session lost, in words", "0", "会话信息已丢失，请重新登录", crmclient.ClassAuth),
			fault("no permission", "2", "没有权限", crmclient.ClassAuth),
			fault("no licence", "7", "许可数不足", crmclient.ClassConfiguration),
			fault("exception", "4", "x", crmclient.ClassRetry),
			fault("database", "6", "x", crmclient.ClassRetry),
			fault("lock", "13", "网络控制冲突", crmclient.ClassRetry),
			fault("limit", "14", "x", crmclient.ClassRate),
			fault("validation", "11", "x", crmclient.ClassPermanent),
			fault("administrator", "15", "x", crmclient.ClassAuth),
			fault("no form", "0", "业务对象不存在", crmclient.ClassConfiguration),
			fault("unknown", "0", "x", crmclient.ClassPermanent),
			fault("unknown code", "99", "x", crmclient.ClassPermanent),
		},
	}
}

func fault(name, code, text string, class crmclient.Class) crmtest.Fault {
	return crmtest.Fault{Name: name, Class: class, Serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		(&site{}).answer(w, problem("Save", code, text))
	}}
}

// checks are set-ups of a connection, and what the check says of them.
func checks() map[string]crmtest.Check {
	with := func(change func(*kingdee.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := sectionFor(c.URL)
			change(&cfg)
			return open(t, cfg, c.Deps("erp"))
		}
	}
	breaking := func(do func(*site)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { do(f.(*site)) }
	}
	return map[string]crmtest.Check{
		"good":         {},
		"session lost": {Break: breaking(func(s *site) { s.lost = true })},
		"wrong secret": {New: with(func(c *kingdee.Config) { c.AppSecret = config.NewSecret("another") }), Class: crmclient.ClassAuth, Says: "第三方系统登录授权"},
		"wrong app id": {New: with(func(c *kingdee.Config) { c.AppID = "230002_x" }), Class: crmclient.ClassAuth, Says: "app_id"},
		"wrong user":   {New: with(func(c *kingdee.Config) { c.User = "nobody" }), Class: crmclient.ClassAuth, Says: "user"},
		"wrong data centre": {
			New: with(func(c *kingdee.Config) { c.AccountID = "elsewhere" }), Class: crmclient.ClassConfiguration, Says: "数据中心列表",
		},
		"switched off":    {Break: breaking(func(s *site) { s.closed = true }), Class: crmclient.ClassAuth, Says: "第三方系统登录授权"},
		"wrong clock":     {Break: breaking(func(s *site) { s.now = func() time.Time { return time.Now().Add(time.Hour) } }), Class: crmclient.ClassAuth, Says: "clock"},
		"not the address": {New: with(func(c *kingdee.Config) { c.URL = strings.Replace(c.URL, "K3Cloud", "portal", 1) }), Break: breaking(func(s *site) { s.quiet = true }), Class: crmclient.ClassConfiguration, Says: "K3Cloud/"},
		"missing field": {
			Break: breaking(func(s *site) { delete(s.forms[mailForm].fields, "F_HG_Subject") }), Class: crmclient.ClassConfiguration, Says: "F_HG_Subject",
		},
		"missing field of contacts": {
			Break: breaking(func(s *site) { delete(s.forms[people].fields, "FEMail") }), Class: crmclient.ClassConfiguration, Says: "has no field FEMail",
		},
		"missing key": {
			New: with(func(c *kingdee.Config) { c.Mail.Key = "F_HG_Nowhere" }), Class: crmclient.ClassConfiguration, Says: "F_HG_Nowhere",
		},
		"missing form": {
			Break: breaking(func(s *site) { delete(s.forms, mailForm) }), Class: crmclient.ClassConfiguration, Says: "BOS 设计器",
		},
		"missing permission": {Break: breaking(func(s *site) { s.denied = people }), Class: crmclient.ClassAuth, Says: "系统管理"},
		"missing permission for mail": {
			Break: breaking(func(s *site) { s.denied = mailForm }), Class: crmclient.ClassAuth, Says: mailForm,
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := subject(func(*site, *kingdee.Config) {})
	s.Checks = checks()
	crmtest.Run(t, s)
}

// started opens a client for a fake without the suite.
func started(t *testing.T, change func(*site, *kingdee.Config)) (*site, *kingdee.Client) {
	t.Helper()
	s := newSite(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := sectionFor(server.URL)
	change(s, &cfg)
	return s, open(t, cfg, crmclient.Deps{Now: s.now})
}

// Each way to log in and each form of a body logs a mail and finds it again.
func TestLoginsAndBodies(t *testing.T) {
	t.Parallel()
	for _, login := range []string{"sign", "app_secret", "headers"} {
		for _, body := range []string{"named", "positional", "wrapped"} {
			t.Run(login+" "+body, func(t *testing.T) {
				t.Parallel()
				s, c := started(t, func(s *site, cfg *kingdee.Config) {
					s.login, cfg.Login, s.body, cfg.Body = login, login, body, body
					s.identity, cfg.ClientIdentity = true, config.NewSecret(identity)
				})
				for _, duplicate := range []bool{false, true} {
					receipt, err := c.LogEmail(t.Context(), crmtest.Activity("k"))
					if err != nil || receipt.Duplicate != duplicate {
						t.Errorf("got %+v, %v", receipt, err)
					}
				}
				if n := len(s.Records(t)); n != 1 {
					t.Errorf("records: got %d, want 1", n)
				}
				if _, err := c.Check(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A document is brought into the state of the section, also where an earlier try broke off in between.
func TestFinishing(t *testing.T) {
	t.Parallel()
	cases := []struct{ finish, left, want string }{
		{"save", "", "A"},
		{"save", "A", "A"},
		{"save", "C", "C"},
		{"submit", "", "B"},
		{"submit", "A", "B"},
		{"submit", "B", "B"},
		{"submit", "C", "C"},
		{"submit", "D", "B"},
		{"audit", "", "C"},
		{"audit", "A", "C"},
		{"audit", "B", "C"},
		{"audit", "C", "C"},
		{"audit", "D", "C"},
	}
	for _, c := range cases {
		t.Run(c.finish+" after "+c.left, func(t *testing.T) {
			t.Parallel()
			s, client := started(t, func(_ *site, cfg *kingdee.Config) { cfg.Mail.Finish = c.finish })
			log := func() {
				if _, err := client.LogEmail(t.Context(), crmtest.Activity("k")); err != nil {
					t.Fatal(err)
				}
			}
			log()
			row := s.forms[mailForm].rows[0]
			if c.left != "" {
				row["FDocumentStatus"] = c.left
				log()
			}
			if row["FDocumentStatus"] != c.want {
				t.Errorf("state: got %v, want %s", row["FDocumentStatus"], c.want)
			}
		})
	}
}

// What became known later is written into an audited document too, and it can be taken back.
func TestAuditedMailChanges(t *testing.T) {
	t.Parallel()
	s, c := started(t, func(_ *site, cfg *kingdee.Config) { cfg.Mail.Finish = "audit" })
	a := crmtest.Activity("k")
	if _, err := c.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	a.Thread = "another"
	if _, err := c.UpdateEmail(t.Context(), "", a); err != nil {
		t.Fatal(err)
	}
	row := s.forms[mailForm].rows[0]
	if row["F_HG_Thread"] != "another" || row["FDocumentStatus"] != "C" {
		t.Errorf("got thread %v, state %v; want the new one, audited", row["F_HG_Thread"], row["FDocumentStatus"])
	}
	if err := c.WithdrawEmail(t.Context(), "", "k"); err != nil || len(s.Records(t)) != 0 {
		t.Errorf("withdraw: %v, %d records left", err, len(s.Records(t)))
	}
}

// The number of a mail is of a length that any number field has, and the same on every try.
func TestNumberOfAMail(t *testing.T) {
	t.Parallel()
	s, c := started(t, func(*site, *kingdee.Config) {})
	if _, err := c.LogEmail(t.Context(), crmtest.Activity("k")); err != nil {
		t.Fatal(err)
	}
	// echo -n k | sha256sum | xxd -r -p | base32
	if got, want := s.forms[mailForm].rows[0]["FBillNo"], "HGQJKMGKNJFBIPNVJZ3U3W6SAW5Y"; got != want {
		t.Errorf("number: got %v, want %s", got, want)
	}
}

// A mail refers to its contact, customer and employee by their numbers.
func TestNumbersOfPeople(t *testing.T) {
	t.Parallel()
	s, c := started(t, func(s *site, cfg *kingdee.Config) {
		for _, f := range []string{"F_HG_Customer", "F_HG_Owner"} {
			s.forms[mailForm].fields[f] = 0
		}
		s.forms["BD_Customer"].fields["FEMail"] = 0
		cfg.Contacts = append(cfg.Contacts, kingdee.Person{Kind: "customer", Form: "BD_Customer", ID: "FCUSTID"})
		cfg.Owners = kingdee.Person{Form: "BD_Empinfo", Address: "FEmail"}
		byNumber := fieldmap.Wrap("FNumber")
		cfg.Mail.Fields["F_HG_Contact"] = fieldmap.From("contact_number", byNumber)
		cfg.Mail.Fields["F_HG_Customer"] = fieldmap.From("customer_number", byNumber)
		cfg.Mail.Fields["F_HG_Owner"] = fieldmap.From("owner_number", byNumber)
	})
	s.put(people, map[string]any{"FNumber": "CXR1", "FName": "李雷", "FEMail": "Li.Lei@customer.example"})
	s.put("BD_Customer", map[string]any{"FNumber": "CUST1", "FName": "客户", "FEMail": "li.lei@customer.example"})
	s.put("BD_Empinfo", map[string]any{"FNumber": "EMP1", "FEmail": "wang@example.com"})
	a := crmtest.Activity("k")
	a.Owner = "wang@example.com"
	var err error
	if a.Contacts, err = c.FindContacts(t.Context(), []string{"li.lei@customer.example"}); err != nil || len(a.Contacts) != 2 {
		t.Fatalf("contacts: got %+v, %v", a.Contacts, err)
	}
	if _, err := c.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	row := s.forms[mailForm].rows[0]
	for field, want := range map[string]string{"F_HG_Contact": "CXR1", "F_HG_Customer": "CUST1", "F_HG_Owner": "EMP1"} {
		if got, ok := row[field].(map[string]any); !ok || got["FNumber"] != want {
			t.Errorf("%s: got %v, want the number %s", field, row[field], want)
		}
	}
	for _, p := range a.Contacts {
		if got, ok, err := c.ContactByID(t.Context(), p.ID); err != nil || !ok || got != p {
			t.Errorf("contact %s: got %+v, %v, %v", p.ID, got, ok, err)
		}
	}
}

func TestFilesLeftOutAreListed(t *testing.T) {
	t.Parallel()
	s, c := started(t, func(*site, *kingdee.Config) {})
	a := crmtest.Activity("k")
	a.Text = strings.Repeat("长", 60_000)
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "film.mp4", Size: 7, Reason: "too large"}}
	if _, err := c.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	text := s.Records(t)[0].Text
	if !strings.HasSuffix(text, "…\n\n[未保存的附件 / attachments left out:\nfilm.mp4 (7 bytes, too large)]") {
		t.Errorf("text ends in %q", text[len(text)-100:])
	}
}

func TestFindCompany(t *testing.T) {
	t.Parallel()
	s, c := started(t, func(_ *site, cfg *kingdee.Config) { cfg.Companies.Domain = "FWebSite" })
	for name, site := range map[string]string{"other": "https://www.notcustomer.example/", "right": "HTTPS://www.Customer.example:8080/index?x"} {
		s.put("BD_Customer", map[string]any{"FNumber": name, "FName": name, "FWebSite": site})
	}
	got, ok, err := c.FindCompany(t.Context(), "customer.example")
	if err != nil || !ok || got.Name != "right" {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	if got, ok, err := c.FindCompany(t.Context(), "nobody.example"); err != nil || ok {
		t.Errorf("nobody: got %+v, %v, %v", got, ok, err)
	}
}
