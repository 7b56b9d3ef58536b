package fxiaoke_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/fxiaoke"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	callbackToken = "callback-token-secret"
	callbackKey   = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" // 0123456789abcdef twice
)

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
	for _, r := range f.objects["ActiveRecordObj"].rows {
		out = append(out, crmtest.Record{
			Key: text(r, keyField), Subject: text(r, "subject__c"), Text: text(r, "text__c"), Thread: text(r, "thread__c"),
			Attachments: split(text(r, "files__c")), Accounts: split(text(r, "accounts__c")), BCC: split(text(r, "bcc__c")),
		})
	}
	return out
}

func writes(r *http.Request, objects ...string) bool {
	if !strings.HasSuffix(r.URL.Path, "/data/create") {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return slices.ContainsFunc(objects, func(o string) bool { return bytes.Contains(body, []byte(`"dataObjectApiName":"`+o+`"`)) })
}

func (f *fake) Writes(r *http.Request) bool     { return writes(r, "ActiveRecordObj") }
func (f *fake) WritesTicket(*http.Request) bool { return false }
func (f *fake) WritesObject(*http.Request) bool { return false }
func (f *fake) WritesPerson(r *http.Request) bool {
	return writes(r, "ContactObj", "LeadsObj")
}

func (f *fake) AddContact(_ *testing.T, name, address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.insert(f.objects["ContactObj"], map[string]any{"name": name, "email": address}, "FSUID_other")
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
	return crmtest.Object{Name: "deal__c", Text: "title__c", Number: "amount__c", MissingID: "65a0000000000000ffffffff"}
}

func (f *fake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects["deal__c"]
	set := map[string]any{}
	for k, v := range fields {
		if n, ok := v.(json.Number); ok {
			v = n.String()
		}
		set[k] = v
	}
	for _, r := range o.rows {
		if r["_id"] == id {
			f.write(o, r, set)
			r["last_modified_time"], r["last_modified_by"] = f.tick(), []string{"FSUID_other"}
			return id
		}
	}
	return f.insert(o, set, "FSUID_other")
}

func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects["deal__c"]
	o.rows = slices.DeleteFunc(o.rows, func(r map[string]any) bool { return r["_id"] == id })
}

func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.objects["deal__c"].rows {
		if r["_id"] == id {
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
			ids = append(ids, text(r, "_id"))
		}
	}
	return ids
}

// seal encrypts an event as the vendor does.
func seal(t *testing.T, event string) string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(callbackKey + "=")
	if err != nil {
		t.Fatal(err)
	}
	plain := append([]byte("sixteen random b"), binary.BigEndian.AppendUint32(nil, uint32(len(event)))...)
	plain = append(plain, event...)
	pad := 32 - len(plain)%32
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(b, key[:16]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain)
}

func sign(parts ...string) string {
	slices.Sort(parts)
	h := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(h[:])
}

func delivery(nonce, content string, at time.Time) *crmclient.Delivery {
	stamp := fmt.Sprint(at.UnixMilli())
	body := fmt.Sprintf(`{"nonce":%q,"content":%q,"sig":%q,"timeStamp":%q}`, nonce, content, sign(callbackToken, stamp, nonce, content), stamp)
	return &crmclient.Delivery{Method: http.MethodPost, URL: &url.URL{Path: "/hook"}, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body), At: at}
}

func section(url string) fxiaoke.Config {
	cfg := fxiaoke.Config{
		AppID: "FSAID_1", AppSecret: config.NewSecret(appSecret), PermanentCode: config.NewSecret(permanentCode), ActingUser: actingUser,
		CallbackToken: config.NewSecret(callbackToken), CallbackKey: config.NewSecret(callbackKey), TextRunes: 400_000,
		Members: map[string]string{"wang@example.com": "FSUID_wang"},
	}
	cfg.URL = url
	cfg.Activities.Key = keyField
	cfg.Activities.Fields = fieldmap.Fields{
		"active_record_content": fieldmap.From("content", fieldmap.Cut(2000)),
		"subject__c":            fieldmap.From("subject"), "text__c": fieldmap.From("text"), "thread__c": fieldmap.From("thread"), "sent__c": fieldmap.From("date", fieldmap.Date(fieldmap.UnixMillis, "")),
		"accounts__c": fieldmap.From("accounts", fieldmap.Join(", ")), "bcc__c": fieldmap.From("bcc", fieldmap.Join(", ")), "files__c": fieldmap.From("attachments", fieldmap.Join(", ")),
	}
	cfg.Leads.Object = "LeadsObj"
	return cfg
}

func open(t *testing.T, cfg fxiaoke.Config, d crmclient.Deps) crmclient.Client {
	t.Helper()
	c, err := fxiaoke.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(io.Closer).Close() })
	return c
}

func code(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"errorCode":%d,"errorMessage":"x","traceId":"t"}`, n)
	}
}

func subject() crmtest.Subject {
	s := crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.URL)
			cfg.Timeout, cfg.RequestsPerSecond = config.Duration(c.Timeout), c.RequestsPerSecond
			return open(t, cfg, c.Deps("fxiaoke"))
		},
		Secrets: []string{appSecret, permanentCode, callbackToken, callbackKey, "corp-access-token-1"},
		Classes: map[int]crmclient.Class{http.StatusConflict: crmclient.ClassRetry},
		Refuse:  code(30004),
		Webhook: crmtest.Webhook{ID: "65a000000000000000000001", SignatureInBody: true, Window: 15 * time.Minute},
		Checks:  checks(),
	}
	for n, class := range map[int]crmclient.Class{
		-1: crmclient.ClassRetry, -2: crmclient.ClassRetry, 50009: crmclient.ClassRetry, 30004: crmclient.ClassRate, 14001: crmclient.ClassRate, 30002: crmclient.ClassRate,
		30003: crmclient.ClassConfiguration, 10006: crmclient.ClassAuth, 20016: crmclient.ClassAuth, 20005: crmclient.ClassAuth, 20022: crmclient.ClassAuth, 15003: crmclient.ClassAuth,
	} {
		s.Faults = append(s.Faults, crmtest.Fault{Name: fmt.Sprint("errorCode ", n), Class: class, Serve: code(n)})
	}
	s.Faults = append(s.Faults, crmtest.Fault{Name: "no errorCode", Class: crmclient.ClassRetry, Serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }})
	return s
}

func checks() map[string]crmtest.Check {
	with := func(change func(*fxiaoke.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(c.URL)
			change(&cfg)
			return open(t, cfg, c.Deps("fxiaoke"))
		}
	}
	broken := func(change func(*fake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(f.(*fake)) }
	}
	return map[string]crmtest.Check{
		"good":      {},
		"by mobile": {New: with(func(c *fxiaoke.Config) { c.ActingUser, c.ActingMobile = "", "13800138000" })},
		"wrong key": {Break: broken(func(f *fake) { f.secret = "another" }), Class: crmclient.ClassAuth, Says: "app_secret"},
		"wrong permanent code": {
			New: with(func(c *fxiaoke.Config) { c.PermanentCode = config.NewSecret("another-code") }), Class: crmclient.ClassAuth, Says: "永久授权码",
		},
		"nobody has the telephone": {
			New: with(func(c *fxiaoke.Config) { c.ActingUser, c.ActingMobile = "", "13900139000" }), Class: crmclient.ClassConfiguration, Says: "acting_mobile",
		},
		"unknown employee":   {New: with(func(c *fxiaoke.Config) { c.ActingUser = "FSUID_nobody" }), Class: crmclient.ClassConfiguration, Says: "openUserId"},
		"missing permission": {Break: broken(func(f *fake) { f.denied["/cgi/crm/v2/object/describe"] = 20022 }), Class: crmclient.ClassAuth, Says: "授权"},
		"no quota":           {Break: broken(func(f *fake) { f.denied["/cgi/crm/v2/data/query"] = 30003 }), Class: crmclient.ClassConfiguration, Says: "OpenAPI"},
		"no field for the key": {
			Break: broken(func(f *fake) { delete(f.objects["ActiveRecordObj"].fields, keyField) }), Class: crmclient.ClassConfiguration, Says: "销售记录",
		},
		"missing field": {Break: broken(func(f *fake) { delete(f.objects["ActiveRecordObj"].fields, "thread__c") }), Class: crmclient.ClassConfiguration, Says: "thread__c"},
		"no address":    {Break: broken(func(f *fake) { delete(f.objects["ContactObj"].fields, "email") }), Class: crmclient.ClassConfiguration, Says: "email"},
		"required field": {
			Break: broken(func(f *fake) { f.objects["ActiveRecordObj"].fields["active_record_type"]["is_required"] = true }), Class: crmclient.ClassConfiguration, Says: "active_record_type",
		},
		"no such object": {New: with(func(c *fxiaoke.Config) { c.Activities.Object = "NothingObj" }), Class: crmclient.ClassConfiguration, Says: "NothingObj"},
	}
}

func (f *fake) Delivery(t *testing.T, id string, at time.Time) *crmclient.Delivery {
	f.mu.Lock()
	f.nextID++
	nonce := fmt.Sprint("nonce", f.nextID)
	f.mu.Unlock()
	return delivery(nonce, seal(t, fmt.Sprintf(`{"event":"update","data":[{"objectApiName":"AccountObj","objectDataId":%q}]}`, id)), at)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject())
}

// The worked example of the specification.
func TestSignatureWorkedExample(t *testing.T) {
	t.Parallel()
	if got := sign("tok", "1700000000000", "abc", "ENC"); got != "264f6dc5ab70f5ef481cbecd7eec0bb3201ff01c" {
		t.Fatalf("the test signs wrongly: %s", got)
	}
	cfg := section("http://127.0.0.1:1")
	cfg.CallbackToken = config.NewSecret("tok")
	c := open(t, cfg, crmclient.Deps{}).(crmclient.WebhookReceiver)
	receive := func(sig string) error {
		body := fmt.Sprintf(`{"nonce":"abc","content":"ENC","sig":%q,"timeStamp":"1700000000000"}`, sig)
		_, _, _, err := c.ReceiveWebhook(&crmclient.Delivery{URL: &url.URL{}, Header: http.Header{}, Body: []byte(body), At: time.UnixMilli(1700000000000)})
		return err
	}
	// The signature is right; the content of the example is not what was encrypted.
	if err := receive("264f6dc5ab70f5ef481cbecd7eec0bb3201ff01c"); err == nil || !strings.Contains(err.Error(), "content") {
		t.Errorf("got %v", err)
	}
	if err := receive("264f6dc5ab70f5ef481cbecd7eec0bb3201ff01d"); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("got %v", err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	c := open(t, section("http://127.0.0.1:1"), crmclient.Deps{}).(crmclient.WebhookReceiver)
	now := time.Now()
	for event, want := range map[string]string{
		`{"objectApiName":"AccountObj","dataId":"65a0","openUserId":"FSUID_acting"}`: "[{AccountObj 65a0 true}]",
		`{"apiName":"deal__c","list":[{"_id":"1"},{"_id":"2"},{"_id":"2"}]}`:         "[{deal__c 1 false} {deal__c 2 false}]",
		`{"dataId":"65a0"}`: "[]", `[]`: "[]", `{"objectApiName":"../x","dataId":"65a0"}`: "[]", `{"objectApiName":"A","dataId":"../x"}`: "[]",
	} {
		_, wakes, reply, err := c.ReceiveWebhook(delivery("n", seal(t, event), now))
		if err != nil || fmt.Sprint(wakes) != want || string(reply.Body) != "success" {
			t.Errorf("%s: got %v, %q, %v; want %s", event, wakes, reply.Body, err, want)
		}
	}
	for _, content := range []string{"", "!", "AAAA", base64.StdEncoding.EncodeToString(make([]byte, 64))} {
		if _, wakes, _, err := c.ReceiveWebhook(delivery("n", content, now)); crmclient.ClassOf(err) != crmclient.ClassAuth || len(wakes) > 0 {
			t.Errorf("content %q: got %v, %v", content, wakes, err)
		}
	}
}

func FuzzContent(f *testing.F) {
	f.Add([]byte("sixteen random b\x00\x00\x00\x02{}"), uint8(10))
	f.Add([]byte("x"), uint8(0))
	f.Fuzz(func(t *testing.T, plain []byte, pad uint8) {
		cfg := section("http://127.0.0.1:1")
		c, err := fxiaoke.New(cfg, crmclient.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.(io.Closer).Close()
		key, _ := base64.StdEncoding.DecodeString(callbackKey + "=")
		for len(plain)%16 != 0 || len(plain) == 0 {
			plain = append(plain, pad)
		}
		b, _ := aes.NewCipher(key)
		sealed := make([]byte, len(plain))
		cipher.NewCBCEncrypter(b, key[:16]).CryptBlocks(sealed, plain)
		_, wakes, _, err := c.(crmclient.WebhookReceiver).ReceiveWebhook(delivery("n", base64.StdEncoding.EncodeToString(sealed), time.Now()))
		if err != nil && len(wakes) > 0 {
			t.Error("an event that was refused wakes")
		}
	})
}

func start(t *testing.T, change func(*fxiaoke.Config)) (*fake, crmclient.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(server.URL)
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{Target: "fxiaoke"})
}

func TestMailInItsRecord(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.silent = true // then the record is looked for
	a := crmtest.Activity("k")
	a.Owner = "wang@example.com"
	a.Contacts = []crmclient.Contact{{ID: "c1", Kind: crmclient.KindContact}, {ID: "l1", Kind: crmclient.KindLead}}
	a.Companies = []crmclient.Company{{ID: "a1"}}
	receipt, err := c.LogEmail(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	r := f.objects["ActiveRecordObj"].rows[0]
	related, _ := json.Marshal(r["related_object_data"])
	want := `[{"describe_api_name":"ContactObj","id":"c1"},{"describe_api_name":"LeadsObj","id":"l1"},{"describe_api_name":"AccountObj","id":"a1"}]`
	if receipt.RemoteID != r["_id"] || string(related) != want || fmt.Sprint(r["owner"]) != "[FSUID_wang]" || fmt.Sprint(r["sent__c"]) != "1772600767000" {
		t.Errorf("got %+v and %v", receipt, r)
	}
	content := text(r, "active_record_content")
	for _, part := range []string{"主题: Quotation 42\n", "时间: 2026-03-04 13:06\n", "发件人: Wang Fang <wang@example.com>\n", "附件: quotation.pdf\n", "\n\nHello,"} {
		if !strings.Contains(content, part) {
			t.Errorf("content: %q is not in %q", part, content)
		}
	}
	if strings.Contains(content, "archive@example.com") {
		t.Error("the blind recipients are in the text, which is not updated")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*fxiaoke.Config){
		"":                   func(*fxiaoke.Config) {},
		"app_id, app_secret": func(c *fxiaoke.Config) { c.AppSecret = config.Secret{} },
		"acting employee":    func(c *fxiaoke.Config) { c.ActingMobile = "1" },
		"key is missing":     func(c *fxiaoke.Config) { c.Activities.Key = "" },
		"API name":           func(c *fxiaoke.Config) { c.Contacts.Object = "a b" },
		"members":            func(c *fxiaoke.Config) { c.Members = map[string]string{"x": "y"} },
		"belong together":    func(c *fxiaoke.Config) { c.CallbackToken = config.Secret{} },
		"43 letters":         func(c *fxiaoke.Config) { c.CallbackKey = config.NewSecret("short") },
		"callback_window":    func(c *fxiaoke.Config) { c.CallbackWindow = config.Duration(time.Second) },
		"text_runes":         func(c *fxiaoke.Config) { c.TextRunes = 1 },
		"there is no source": func(c *fxiaoke.Config) { c.Activities.Fields = fieldmap.Fields{"x": fieldmap.From("sbject")} },
		"max_concurrent":     func(c *fxiaoke.Config) { c.MaxConcurrent = -1 },
	} {
		cfg := section("http://127.0.0.1:1")
		change(&cfg)
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
