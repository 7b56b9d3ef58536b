package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/export"
	"heliograph/crmclient/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	previous = "an older secret, as plain text"
	token    = "t0ken-in-the-query"
	header   = "Bearer s3cr3t-in-a-header"
	path     = "s3cr3t-in-the-path"
)

// receiver is a program behind the webhook: it verifies as the specification wants and honours the key.
type receiver struct {
	answer int // status for a known key; zero means 200

	mu       sync.Mutex // guards all below
	byKey    map[string]export.Payload
	order    []string
	requests []*http.Request
	bodies   [][]byte
	problems []string
}

func (f *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.bodies = append(f.requests, r), append(f.bodies, body)
	var p export.Payload
	if err := json.Unmarshal(body, &p); err != nil {
		f.problems = append(f.problems, "body: "+err.Error())
	}
	switch {
	case r.Method != http.MethodPost, r.Header.Get("Content-Type") != "application/json":
		f.problems = append(f.problems, "not a POST of JSON")
	case p.Type == export.Type && r.Header.Get("Idempotency-Key") != p.Key,
		!strings.HasPrefix(r.Header.Get("Idempotency-Key"), p.Key), p.Type != export.Type && r.Header.Get("Idempotency-Key") == p.Key:
		f.problems = append(f.problems, "the header Idempotency-Key is not that of the event")
	case !verify(r.Header, body, []byte("0123456789abcdef01234567")), !verify(r.Header, body, []byte(previous)):
		f.problems = append(f.problems, "the signature is wrong")
	case r.Header.Get("Authorization") != header, r.URL.Query().Get("token") != token:
		f.problems = append(f.problems, "the credentials are missing")
	}
	if p.Type == webhook.TypeWithdrawn {
		delete(f.byKey, p.Key)
		f.order = slices.DeleteFunc(f.order, func(k string) bool { return k == p.Key })
		return
	}
	known, there := f.byKey[p.Key]
	if p.Type == webhook.TypeUpdated {
		if there {
			known.Accounts, known.BCC, known.Thread, known.Sightings = p.Accounts, p.BCC, p.Thread, p.Sightings
			f.byKey[p.Key] = known
		}
		return
	}
	if there {
		if f.answer != 0 {
			w.WriteHeader(f.answer)
		}
		return
	}
	f.byKey[p.Key] = p
	f.order = append(f.order, p.Key)
}

// verify is the check of a receiver, after Standard Webhooks.
func verify(h http.Header, body, key []byte) bool {
	id, at := h.Get("webhook-id"), h.Get("webhook-timestamp")
	if id == "" || strings.Contains(id, ".") {
		return false
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + at + "."))
	m.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
	return slices.Contains(strings.Fields(h.Get("webhook-signature")), want)
}

func (f *receiver) Writes(*http.Request) bool { return true }

func (f *receiver) Records(t *testing.T) []crmtest.Record {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.problems {
		t.Error(p)
	}
	var out []crmtest.Record
	for _, key := range f.order {
		p := f.byKey[key]
		r := crmtest.Record{Key: p.Key, Subject: p.Subject, Text: p.Text, Accounts: slices.Clone(p.Accounts), Thread: p.Thread}
		for _, who := range p.BCC {
			r.BCC = append(r.BCC, who.Address)
		}
		for _, a := range p.Attachments {
			r.Attachments = append(r.Attachments, a.Name)
		}
		out = append(out, r)
	}
	return out
}

func newReceiver() *receiver { return &receiver{byKey: map[string]export.Payload{}} }

func fullConfig(url string) webhook.Config {
	return webhook.Config{
		URL:    config.NewSecret(url + "/" + path + "?token=" + token),
		Secret: config.NewSecret(secret), PreviousSecret: config.NewSecret(previous),
		Headers: map[string]config.Secret{"Authorization": config.NewSecret(header)},
	}
}

func open(t *testing.T, cfg webhook.Config, d crmclient.Deps) *webhook.Client {
	t.Helper()
	c, err := webhook.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func subject(answer int) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(*testing.T) crmtest.Fake {
			f := newReceiver()
			f.answer = answer
			return f
		},
		New: func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := fullConfig(c.URL)
			cfg.Timeout, cfg.RequestsPerSecond = config.Duration(c.Timeout), c.RequestsPerSecond
			return open(t, cfg, c.Deps("hook"))
		},
		Secrets: []string{secret, secret[len("whsec_"):], previous, token, "s3cr3t-in-a-header", path},
	}
}

// A receiver answers 200 again to what it has already, or 409.
func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject(0))
}

func TestConformanceWithConflicts(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject(http.StatusConflict))
}

func TestBodyNamesOwnerAndCompanies(t *testing.T) {
	t.Parallel()
	a := crmtest.Activity("k1")
	a.Owner, a.Companies = "wang@example.com", []crmclient.Company{{ID: "7", Name: "Customer Ltd", Domain: "customer.example"}}
	p := export.NewPayload(a, false)
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	const companies = `"companies":[{"id":"7","name":"Customer Ltd","domain":"customer.example","owner":""}]`
	if text := string(raw); !strings.Contains(text, `"owner":"wang@example.com"`) || !strings.Contains(text, companies) {
		t.Errorf("got %s", text)
	}
}

func TestBodyHasTheFieldsOfTheContract(t *testing.T) {
	t.Parallel()
	f := newReceiver()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c := open(t, fullConfig(server.URL), crmclient.Deps{})
	if _, err := c.LogEmail(t.Context(), crmtest.Activity("k1")); err != nil {
		t.Fatal(err)
	}
	f.Records(t)
	var got map[string]any
	if err := json.Unmarshal(f.bodies[0], &got); err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(`{
		"type": "mail.captured", "timestamp": "2026-03-04T05:06:07Z",
		"key": "k1", "message_id": "k1@example.com", "thread": "thread-k1", "direction": "outbound",
		"subject": "Quotation 42", "date": "2026-03-04T05:06:07Z",
		"from": {"name": "Wang Fang", "address": "wang@example.com"},
		"to": [{"name": "Li Lei", "address": "li.lei@customer.example"}],
		"cc": [{"name": "", "address": "boss@example.com"}],
		"bcc": [{"name": "", "address": "archive@example.com"}],
		"text": "Hello,\n\nplease find our quotation.\n\n> earlier words\n",
		"text_unquoted": "Hello,\n\nplease find our quotation.\n",
		"html": "<p>Hello,</p><p>please find our quotation.</p>",
		"attachments": [{"name": "quotation.pdf", "type": "application/pdf", "size": 12345, "inline": false,
			"sha256": "abababababababababababababababababababababababababababababababab"}],
		"accounts": ["wang@example.com"], "owner": "", "companies": [],
		"sightings": [{"entry": "01hzx0000000000000000000aa", "kind": "submission", "account": "wang@example.com", "at": "2026-03-04T05:06:07Z"}],
		"automated": false, "unconfirmed": false, "flags": [], "attachments_left": []
	}`), &want); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		g, _ := json.Marshal(got[name])
		w, _ := json.Marshal(want[name])
		if string(g) != string(w) {
			t.Errorf("%s: got %s, want %s", name, g, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("fields: got %d, want %d", len(got), len(want))
	}
}

func TestListsAreNeverNull(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(export.NewPayload(&crmclient.Activity{Key: "k"}, true))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "null") {
		t.Errorf("got %s", b)
	}
}

func TestRetriesHaveTheSameIDAndBody(t *testing.T) {
	t.Parallel()
	f := newReceiver()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	for range 2 { // as after a restart
		if _, err := open(t, fullConfig(server.URL), crmclient.Deps{}).LogEmail(t.Context(), crmtest.Activity("with.dots.in.it")); err != nil {
			t.Fatal(err)
		}
	}
	f.Records(t)
	first, second := f.requests[0].Header.Get("webhook-id"), f.requests[1].Header.Get("webhook-id")
	if first != second || string(f.bodies[0]) != string(f.bodies[1]) {
		t.Errorf("the retry differs: %s %s", first, second)
	}
}

func TestWithoutHTML(t *testing.T) {
	t.Parallel()
	f := newReceiver()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := fullConfig(server.URL)
	no := false
	cfg.IncludeHTML = &no
	if _, err := open(t, cfg, crmclient.Deps{}).LogEmail(t.Context(), crmtest.Activity("k")); err != nil {
		t.Fatal(err)
	}
	if got := f.byKey["k"].HTML; got != "" {
		t.Errorf("html: got %q, want nothing", got)
	}
}

func TestPrivateAddressBehindANameIsRefused(t *testing.T) {
	t.Parallel()
	f := newReceiver()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	no := false
	cfg := fullConfig(server.URL)
	cfg.AllowPrivate = &no
	_, err := open(t, cfg, crmclient.Deps{}).LogEmail(t.Context(), crmtest.Activity("k"))
	if got := crmclient.ClassOf(err); got != crmclient.ClassConfiguration {
		t.Errorf("class: got %q of %v, want configuration", got, err)
	}
	if len(f.requests) != 0 {
		t.Error("the request went out")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		cfg  webhook.Config
		want string // part of the error; empty means none
	}{
		"minimal":             {webhook.Config{URL: config.NewSecret("https://example.com/hook")}, ""},
		"no url":              {webhook.Config{}, "url is missing"},
		"file url":            {webhook.Config{URL: config.NewSecret("file:///etc/passwd")}, "scheme"},
		"metadata":            {webhook.Config{URL: config.NewSecret("http://169.254.169.254/latest")}, "link-local"},
		"short secret":        {webhook.Config{URL: config.NewSecret("https://e.com"), Secret: config.NewSecret("whsec_c2hvcnQ=")}, "24 to 64"},
		"broken secret":       {webhook.Config{URL: config.NewSecret("https://e.com"), Secret: config.NewSecret("whsec_!!")}, "base64"},
		"only previous":       {webhook.Config{URL: config.NewSecret("https://e.com"), PreviousSecret: config.NewSecret("x")}, "previous_secret without secret"},
		"own header":          {webhook.Config{URL: config.NewSecret("https://e.com"), Headers: map[string]config.Secret{"webhook-id": config.NewSecret("x")}}, "by the gateway itself"},
		"header with newline": {webhook.Config{URL: config.NewSecret("https://e.com"), Headers: map[string]config.Secret{"X-A": config.NewSecret("x\r\nY: z")}}, "does not allow"},
		"not a header":        {webhook.Config{URL: config.NewSecret("https://e.com"), Headers: map[string]config.Secret{"X A": config.NewSecret("x")}}, "not the name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.cfg.Validate()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
