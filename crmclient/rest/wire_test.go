package rest_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

// recorded is a request as it came.
type recorded struct {
	*http.Request
	body string
}

// recorder answers by its function and keeps all requests.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex // guards requests
	requests []recorded
}

func record(t *testing.T, answer func(w http.ResponseWriter, r recorded)) *recorder {
	t.Helper()
	rec := &recorder{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		rec.requests = append(rec.requests, recorded{r.Clone(context.Background()), string(body)})
		rec.mu.Unlock()
		answer(w, recorded{r, string(body)})
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

func (r *recorder) last(t *testing.T) recorded {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == 0 {
		t.Fatal("there was no request")
	}
	return r.requests[len(r.requests)-1]
}

// people answers a search with nobody, and anything else with an id.
func people(w http.ResponseWriter, r recorded) {
	if strings.HasSuffix(r.URL.Path, "/people") {
		_, _ = io.WriteString(w, `{"items":[]}`)
		return
	}
	_, _ = io.WriteString(w, `{"id":"7"}`)
}

func TestFixedCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ auth, header, value, query string }{
		"none":       {"{kind: none}", "Authorization", "", ""},
		"key header": {`{kind: api_key, header: X-Key, prefix: "token ", key: k3y-s3cret}`, "X-Key", "token k3y-s3cret", ""},
		"key query":  {`{kind: api_key, query: key, key: k3y-s3cret}`, "X-Key", "", "k3y-s3cret"},
		"basic":      {`{kind: basic, user: heli, password: "p:w-s3cret"}`, "Authorization", "Basic aGVsaTpwOnctczNjcmV0", ""},
		"bearer":     {`{kind: bearer, token: t0ken-s3cret}`, "Authorization", "Bearer t0ken-s3cret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, func(w http.ResponseWriter, r recorded) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprintf(w, "%s %s", r.URL, r.Header)
			})
			client := open(t, section(t, "auth: "+c.auth+"\n"+minimal(rec.URL, "")), crmclient.Deps{})
			_, err := client.FindContacts(t.Context(), []string{"a+b@x.example"})
			wantClass(t, err, crmclient.ClassAuth)
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "aGVsaTpw") {
				t.Errorf("a secret is in %v", err)
			}
			r := rec.last(t)
			if r.Header.Get(c.header) != c.value || r.URL.Query().Get("key") != c.query || r.URL.Query().Get("email") != "a+b@x.example" {
				t.Errorf("got %s, %s %q", r.URL, c.header, r.Header.Get(c.header))
			}
		})
	}
}

func TestTokenRequest(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	logins, valid := 0, ""
	rec := record(t, func(w http.ResponseWriter, r recorded) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/login" {
			if r.body != `{"app":"a-1","secret":"app-s3cret"}` {
				_, _ = io.WriteString(w, `{"code":2,"msg":"bad secret app-s3cret"}`)
				return
			}
			logins++
			valid = fmt.Sprintf("t0ken-%d-s3cret", logins)
			_, _ = fmt.Fprintf(w, `{"code":0,"data":{"token":%q,"ttl":3600}}`, valid)
			return
		}
		if got := r.Header.Get("X-Token"); got != valid {
			_, _ = fmt.Fprintf(w, `{"code":1,"msg":"token %s has expired"}`, got)
			return
		}
		_, _ = io.WriteString(w, `{"code":0,"items":[]}`)
	})
	const auth = `
vars: {app: a-1}
secrets: {s: app-s3cret}
success: [{path: $.code, in: [0]}]
message_path: $.msg
errors:
  - {path: $.code, in: [1], class: expired}
  - {path: $.code, in: [2], class: auth}
auth:
  kind: token
  header: X-Token
  login: {path: /login, json: {app: "{{ vars.app }}", secret: "{{ secret.s }}"}, value: $.data.token, expires_in: $.data.ttl}
`
	client := open(t, section(t, auth+minimal(rec.URL, "")), crmclient.Deps{})
	find := func() error { _, err := client.FindContacts(t.Context(), []string{"a@x.example"}); return err }
	for range 3 {
		if err := find(); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	if logins != 1 {
		t.Errorf("logins: got %d, want 1", logins)
	}
	valid = "revoked"
	mu.Unlock()
	if err := find(); err != nil { // once more with a new token
		t.Error(err)
	}
	mu.Lock()
	if logins != 2 {
		t.Errorf("logins: got %d, want 2", logins)
	}
	mu.Unlock()
	// A token that is never taken ends as an error, which does not show it.
	always := record(t, func(w http.ResponseWriter, r recorded) {
		if r.URL.Path == "/login" {
			_, _ = io.WriteString(w, `{"code":0,"data":{"token":"t0ken-s3cret"}}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"code":1,"msg":"bad %s"}`, r.Header.Get("X-Token"))
	})
	client = open(t, section(t, auth+minimal(always.URL, "")), crmclient.Deps{})
	err := find()
	if wantClass(t, err, crmclient.ClassAuth); strings.Contains(err.Error(), "s3cret") || always.count() != 4 {
		t.Errorf("got %v after %d requests, want no secret and 4", err, always.count())
	}
	client = open(t, section(t, strings.Replace(auth, "app-s3cret", "wrong-s3cret", 1)+minimal(rec.URL, "")), crmclient.Deps{})
	err = find()
	if wantClass(t, err, crmclient.ClassAuth); err == nil || strings.Contains(err.Error(), "wrong-s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	tokens := record(t, func(w http.ResponseWriter, r recorded) {
		if !strings.Contains(r.body, "grant_type=client_credentials") || !strings.Contains(r.body, "audience=crm") || !strings.Contains(r.body, "scope=a+b") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_request"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"0auth-s3cret","token_type":"Bearer","expires_in":3600}`)
	})
	rec := record(t, people)
	client := open(t, section(t, "auth: {kind: oauth2, token_url: "+tokens.URL+", client_id: app, client_secret: cl1ent-s3cret, scopes: [a, b], token_params: {audience: crm}}\n"+
		minimal(rec.URL, "")), crmclient.Deps{Target: "x"})
	if _, err := client.FindContacts(t.Context(), []string{"a@x.example"}); err != nil {
		t.Fatal(err)
	}
	if got := rec.last(t).Header.Get("Authorization"); got != "Bearer 0auth-s3cret" {
		t.Errorf("got %q", got)
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, c := range map[string]struct {
		sign string
		want func(r recorded) bool
	}{
		"base64 of the body in a header": {
			`{secret: s3cret-key, encoding: base64, text: "{{ timestamp }}.{{ body }}", headers: {X-Sign: "t={{ timestamp }},v={{ signature }}"}}`,
			func(r recorded) bool {
				m := hmac.New(sha256.New, []byte("s3cret-key"))
				m.Write([]byte("1772600767." + r.body))
				return r.Header.Get("X-Sign") == "t=1772600767,v="+base64.StdEncoding.EncodeToString(m.Sum(nil))
			},
		},
		"md5 of sorted parameters in the query": {
			`{algorithm: md5, encoding: hex_upper, secret: s3cret-key, text: "{{ params }}{{ secret_key }}", query: {ts: "{{ timestamp_ms }}", sign: "{{ signature }}"}}`,
			func(r recorded) bool {
				sum := md5.Sum([]byte("a=1&ts=1772600767000&z=9s3cret-key"))
				return r.URL.Query().Get("sign") == strings.ToUpper(hex.EncodeToString(sum[:]))
			},
		},
		"in the body": {
			`{secret: czNjcmV0LWtleQ==, base64_secret: true, text: "{{ method }}{{ path }}{{ body }}", body: {ts: "{{ timestamp }}", sign: "{{ signature }}"}}`,
			func(r recorded) bool {
				m := hmac.New(sha256.New, []byte("s3cret-key"))
				m.Write([]byte(`POST/mails{"key":"k-1","ts":1772600767}`))
				return r.body == `{"key":"k-1","sign":"`+hex.EncodeToString(m.Sum(nil))+`","ts":1772600767}`
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, people)
			text := "auth: {kind: hmac, sign: " + c.sign + "}\n" + strings.Replace(minimal(rec.URL, ""), "    path: /mails\n", "    path: /mails\n    query: {z: \"9\", a: \"1\"}\n", 1)
			client := open(t, section(t, text), crmclient.Deps{Now: func() time.Time { return now }})
			if _, err := client.LogEmail(t.Context(), crmtest.Activity("k-1")); err != nil {
				t.Fatal(err)
			}
			if r := rec.last(t); !c.want(r) {
				t.Errorf("the signature is wrong: %s %s %s", r.URL, r.Header, r.body)
			}
		})
	}
}

func TestPagingKinds(t *testing.T) {
	t.Parallel()
	pages := [][]string{{"1", "2"}, {"3", "4"}, {"5"}}
	body := func(n int, more string) string {
		var items []string
		if n < len(pages) {
			for _, id := range pages[n] {
				items = append(items, fmt.Sprintf(`{"id":%s,"email":"A@x.example"}`, id))
			}
		}
		return `{"items":[` + strings.Join(items, ",") + "]" + more + "}"
	}
	for name, c := range map[string]struct {
		config string
		serve  func(w http.ResponseWriter, r recorded)
	}{
		"page": {`query: {e: "{{ address }}", p: "{{ page.number }}"}, paging: {kind: page, size: 2, first: 0}`, func(w http.ResponseWriter, r recorded) {
			_, _ = io.WriteString(w, body(int(r.URL.Query().Get("p")[0]-'0'), ""))
		}},
		"offset": {`query: {e: "{{ address }}", o: "{{ page.offset }}"}, paging: {kind: offset, size: 2, more: $.more}`, func(w http.ResponseWriter, r recorded) {
			n := int(r.URL.Query().Get("o")[0]-'0') / 2
			_, _ = io.WriteString(w, body(n, fmt.Sprintf(`,"more":%t`, n < 2)))
		}},
		"cursor": {`json: {e: "{{ address }}", c: "{{ page.cursor | optional }}"}, paging: {kind: cursor, next: $.next}`, func(w http.ResponseWriter, r recorded) {
			n := slices.Index([]string{`{"e":"a@x.example"}`, `{"c":"\"1","e":"a@x.example"}`, `{"c":"2","e":"a@x.example"}`}, r.body)
			_, _ = io.WriteString(w, body(n, []string{`,"next":"\"1"`, `,"next":2`, `,"next":null`}[n]))
		}},
		"link": {`query: {e: "{{ address }}"}, paging: {kind: link}`, func(w http.ResponseWriter, r recorded) {
			n := len(r.URL.Query()["p"])
			if n < 2 {
				w.Header().Set("Link", fmt.Sprintf(`</people?%s>; rel="next"`, strings.Repeat("p=1&", n+1)))
			}
			_, _ = io.WriteString(w, body(n, ""))
		}},
		"url": {`query: {e: "{{ address }}"}, paging: {kind: url, next: $.next}`, func(w http.ResponseWriter, r recorded) {
			n := len(r.URL.Query()["p"])
			_, _ = io.WriteString(w, body(n, []string{`,"next":"?p=1"`, `,"next":"http://` + r.Host + `/people?p=1&p=2"`, ``}[n]))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, c.serve)
			text := "url: " + rec.URL + "\noperations:\n  find_contacts: {path: /people, " + c.config + ", result: {items: $.items, id: $.id, address: $.email}}\n" +
				"  log_email: {path: /mails, idempotency_header: K, json: {}}\n"
			found, err := open(t, section(t, text), crmclient.Deps{}).FindContacts(t.Context(), []string{"a@x.example"})
			var ids []string
			for _, f := range found {
				ids = append(ids, f.ID)
			}
			if err != nil || !slices.Equal(ids, []string{"1", "2", "3", "4", "5"}) {
				t.Errorf("got %v, %v", ids, err)
			}
		})
	}
}

func TestPagesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	other := record(t, people)
	for name, c := range map[string]struct{ paging, answer string }{
		"numbers":     {"{kind: page, size: 1, max_pages: 5}", `{"items":[{"id":1,"email":"s@x.example"}]}`},
		"same cursor": {"{kind: cursor, next: $.next}", `{"items":[],"next":"c"}`},
		"same url":    {"{kind: url, next: $.next}", `{"items":[],"next":"/people?x=1"}`},
		"other host":  {"{kind: url, next: $.next}", `{"items":[],"next":"` + other.URL + `"}`},
		"long cursor": {"{kind: cursor, next: $.next}", `{"items":[],"next":"` + strings.Repeat("x", 9000) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, func(w http.ResponseWriter, _ recorded) { _, _ = io.WriteString(w, c.answer) })
			text := "url: " + rec.URL + "\noperations:\n  find_contacts: {path: /people, query: {a: '{{ address }}', p: '{{ page.number }}{{ page.cursor }}'}, paging: " + c.paging +
				", result: {items: $.items, id: $.id, address: $.email}}\n  log_email: {path: /mails, idempotency_header: K, json: {}}\n"
			found, err := open(t, section(t, text), crmclient.Deps{}).FindContacts(t.Context(), []string{"a@x.example"})
			if err == nil || len(found) != 0 || rec.count() > 6 {
				t.Errorf("got %v, %v after %d requests; want an error soon", found, err, rec.count())
			}
		})
	}
	if other.count() != 0 {
		t.Error("the other host got a request")
	}
}

// TestNothingIsInjected gives a mail that tries to leave its place everywhere.
func TestNothingIsInjected(t *testing.T) {
	t.Parallel()
	const evil = "\"},{\"x\":1}\r\nX-Evil: 1&a=b#?/../{{ key }}<b>"
	rec := record(t, people)
	text := "url: " + rec.URL + `
operations:
  find_contacts: {path: "/of/{{ address }}/people", result: {items: $.items, id: $.id}}
  log_email:
    at_least_once: true
    path: /mails/{{ subject }}
    query: {q: "{{ subject }}"}
    json: {a: "{{ subject }}", b: ["x {{ subject }}"]}
  create_ticket: {path: /tickets, unique_key: true, form: {k: "{{ key }}", s: "{{ subject }}", "t[]": "{{ attachments }}"}, result: {id: $.id}}
  create_record: {path: /records, at_least_once: true, headers: {X-Key: "{{ key }}"}, text: "<r>{{ fields.a | xml }}</r>{{ fields.a | json }}", content_type: text/xml, result: {id: $.id}}
`
	c := open(t, section(t, text), crmclient.Deps{})
	client := struct {
		crmclient.Client
		crmclient.TicketCreator
		crmclient.RecordCreator
	}{c, able[crmclient.TicketCreator](t, c), able[crmclient.RecordCreator](t, c)}
	a := crmtest.Activity("k")
	a.Subject = strings.NewReplacer("\r", "", "\n", "").Replace(evil)
	if _, err := client.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	r := rec.last(t)
	if got := r.URL.Query(); len(got) != 1 || got.Get("q") != a.Subject || r.URL.Path != "/mails/"+a.Subject || strings.Count(r.URL.EscapedPath(), "/") != 2 {
		t.Errorf("got %s", r.URL)
	}
	if want := `{"a":"\"},{\"x\":1}X-Evil: 1&a=b#?/../{{ key }}<b>","b":["x \"},{\"x\":1}X-Evil: 1&a=b#?/../{{ key }}<b>"]}`; r.body != want {
		t.Errorf("got  %s\nwant %s", r.body, want)
	}
	if _, err := client.CreateTicket(t.Context(), &crmclient.Ticket{Key: "k", Subject: evil, Files: []crmclient.Attachment{{Name: "a&b"}, {Name: "c"}}}); err != nil {
		t.Fatal(err)
	}
	r = rec.last(t)
	r.Request.Body = io.NopCloser(strings.NewReader(r.body))
	if err := r.ParseForm(); err != nil || len(r.PostForm) != 3 || r.PostForm.Get("s") != evil || !slices.Equal(r.PostForm["t[]"], []string{"a&b", "c"}) {
		t.Errorf("got %v, %v", r.PostForm, err)
	}
	if _, err := client.CreateRecord(t.Context(), "o", "k", map[string]any{"a": "<&\""}); err != nil {
		t.Fatal(err)
	}
	if r = rec.last(t); r.body != `<r>&lt;&amp;&#34;</r>"<&\""` || r.Header.Get("Content-Type") != "text/xml" || r.Header.Get("X-Key") != "k" {
		t.Errorf("got %s", r.body)
	}
	before := rec.count()
	_, err := client.CreateRecord(t.Context(), "o", "k\r\nX-Evil: 1", nil)
	if wantClass(t, err, crmclient.ClassPermanent); rec.count() != before {
		t.Error("a header with line ends was sent")
	}
	if _, err := client.FindContacts(t.Context(), []string{"../x@y"}); err != nil {
		t.Error(err)
	}
	if r = rec.last(t); r.URL.EscapedPath() != "/of/..%2Fx@y/people" {
		t.Errorf("got %s", r.URL.EscapedPath())
	}
}

// TestForeignAnswers: an API that ignores filters must give neither strangers nor the wrong mail.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	writes := 0
	rec := record(t, func(w http.ResponseWriter, r recorded) {
		if r.Method == http.MethodPost {
			writes++
			_, _ = io.WriteString(w, `{"id":"9"}`)
			return
		}
		_, _ = io.WriteString(w, `{"items":[{"id":"1","email":"stranger@x.example","k":"other"},{"id":"2","email":["B@x.example","x"],"k":"k-2"}]}`)
	})
	text := "url: " + rec.URL + `
operations:
  find_contacts: {path: /p, query: {e: "{{ address }}"}, result: {items: $.items, id: $.id, address: $.email}}
  find_email: {path: /m, query: {k: "{{ key }}"}, result: {items: $.items, id: $.id, key: $.k}}
  log_email: {path: /m, json: {k: "{{ key }}"}, result: {id: $.id, url: "https://crm/{{ id }}"}}
`
	client := open(t, section(t, text), crmclient.Deps{})
	found, err := client.FindContacts(t.Context(), []string{"b@x.example"})
	if err != nil || len(found) != 1 || found[0].ID != "2" || found[0].Address != "b@x.example" {
		t.Errorf("got %+v, %v", found, err)
	}
	if got, err := client.LogEmail(t.Context(), crmtest.Activity("k-1")); err != nil || got.RemoteID != "9" || got.URL != "https://crm/9" || got.Duplicate {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := client.LogEmail(t.Context(), crmtest.Activity("k-2")); err != nil || got.RemoteID != "2" || !got.Duplicate || writes != 1 {
		t.Errorf("got %+v, %v after %d writes", got, err, writes)
	}
}
