package gateway_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"heliograph/internal/accounts"
	"heliograph/internal/mailtest"
	"heliograph/internal/oauth"
	"heliograph/internal/sandbox"
)

// identity is a provider's OAuth 2.0: it gives access tokens for refresh tokens, each of which is good once.
type identity struct {
	*httptest.Server
	mu      sync.Mutex
	count   int
	refresh map[string]string // refresh token to user
	access  map[string]string // access token to user
	refuse  string            // error of the token endpoint
}

func newIdentity(t *testing.T) *identity {
	i := &identity{refresh: map[string]string{}, access: map[string]string{}}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if err := r.ParseForm(); err == nil && r.URL.Path == "/introspect" { // RFC 7662
			user, ok := i.access[r.Form.Get("token")]
			fmt.Fprintf(w, `{"active":%v,"email":%q}`, ok, user)
			return
		}
		if err := r.ParseForm(); err != nil || r.Form.Get("client_id") != "app" || r.Form.Get("grant_type") != "refresh_token" {
			t.Errorf("the token endpoint was asked with %v", r.Form)
		}
		user, ok := i.refresh[r.Form.Get("refresh_token")]
		if i.refuse != "" || !ok {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"%s"}`, i.refuse)
			return
		}
		delete(i.refresh, r.Form.Get("refresh_token"))
		i.count++
		access, refresh := fmt.Sprintf("access-%d", i.count), fmt.Sprintf("refresh-%d", i.count)
		i.access[access], i.refresh[refresh] = user, user
		fmt.Fprintf(w, `{"access_token":%q,"refresh_token":%q,"token_type":"Bearer","expires_in":3600}`, access, refresh)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *identity) good(user, token string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.access[token] == user
}

// do changes the provider's mind.
func (i *identity) do(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

// oauthOffice is a gateway before a provider that takes nothing but tokens.
func oauthOffice(t *testing.T) (r *running, i *identity, p *sandbox.Provider) {
	t.Helper()
	i = newIdentity(t)
	p, err := sandbox.Start(t.Context(), sandbox.Options{
		Domain: "example.com", Users: []sandbox.User{{Address: "li@example.com"}, {Address: "wang@example.com"}}, Token: i.good,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, p.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, fmt.Sprintf(`
upstreams:
  - name: main
    domains: [example.com]
    smtp: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
    imap: {address: %q, tls: implicit, ca_file: %q, server_name: localhost}
    sign_in: enrolled
    oauth2: {client_id: app, token_url: "%s/token", authorize_url: "%s/authorize"}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: starttls, hostname: localhost}
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit}
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit, mode: customers}
limits: {login_per_minute: 3}
`, p.SMTPAddr, ca, p.IMAPSAddr, ca, i.URL, i.URL))
	return r, i, p
}

// enroll gives the gateway a consent, and returns the gateway password.
func (r *running) enroll(i *identity, user string) string {
	r.t.Helper()
	i.do(func() { i.refresh["refresh-of-"+user] = user })
	var password string
	mailtest.Eventually(r.t, 20*time.Second, func() (err error) { // the store opens in the background
		password, err = r.Accounts().Enroll(r.t.Context(), accounts.Enrolment{Address: user, Upstream: "main"},
			accounts.Given{Consent: &oauth.Consent{Refresh: "refresh-of-" + user}}, true)
		return err
	})
	return password
}

func (r *running) submission() *smtp.Client {
	r.t.Helper()
	c, err := smtp.DialStartTLS(r.Addr(0).String(), r.clientTLS())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// imapSay sends lines to the IMAP listener and returns the last answer to each.
func (r *running) imapSay(lines ...string) []string {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.Addr(1).String(), r.clientTLS())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := in.ReadString('\n'); err != nil {
		r.t.Fatal(err)
	}
	var answers []string
	for _, line := range lines {
		if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
			r.t.Fatal(err)
		}
		for {
			answer, err := in.ReadString('\n')
			if err != nil {
				r.t.Fatal(err)
			}
			if !strings.HasPrefix(answer, "*") {
				answers = append(answers, strings.TrimSpace(answer))
				break
			}
		}
	}
	return answers
}

const letter = "From: Li <li@example.com>\r\nTo: Kim <kim@customer.test>\r\nSubject: offer\r\nMessage-ID: <1@example.com>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0800\r\n\r\nThe offer.\r\n"

// A mail program that knows only passwords reads and sends at a provider that takes only tokens, and its mail is mirrored.
func TestEnrolledAccount(t *testing.T) {
	t.Parallel()
	r, i, p := oauthOffice(t)
	password := r.enroll(i, "li@example.com")

	for _, mech := range []sasl.Client{sasl.NewPlainClient("", "li@example.com", password), sasl.NewLoginClient("Li@example.com", password)} {
		c := r.submission()
		if err := c.Auth(mech); err != nil {
			t.Fatal(err)
		}
		if err := c.SendMail("li@example.com", []string{"kim@customer.test"}, strings.NewReader(letter)); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Messages("li@example.com"); len(got) > 0 {
		t.Errorf("the sender got %d messages", len(got))
	}
	if all := p.Accepted(); len(all) != 2 || all[0].User != "li@example.com" {
		t.Errorf("the provider accepted %+v", all)
	}
	if got := r.activities(1); got[0].Subject != "offer" {
		t.Errorf("the CRM has %q", got[0].Subject)
	}
	if i.count != 1 {
		t.Errorf("%d access tokens were fetched, want one", i.count)
	}

	if err := p.Deliver("kim@customer.test", []string{"li@example.com"}, []byte(strings.ReplaceAll(letter, "offer", "order"))); err != nil {
		t.Fatal(err)
	}
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, lines := range [][]string{
		{`a LOGIN "li@example.com" "` + password + `"`},
		{"a AUTHENTICATE PLAIN " + encode("\x00li@example.com\x00"+password)},
		{"a AUTHENTICATE PLAIN", encode("\x00li@example.com\x00" + password)},
		{"a AUTHENTICATE LOGIN", encode("li@example.com"), encode(password)},
	} {
		if got := r.imapSay(lines...); !strings.HasPrefix(got[len(got)-1], "a OK") {
			t.Errorf("%.30s: got %q", lines[0], got)
		}
	}
	c, err := imapclient.DialTLS(r.Addr(1).String(), &imapclient.Options{TLSConfig: r.clientTLS()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Login("li@example.com", password).Wait(); err != nil {
		t.Fatal(err)
	}
	if box, err := c.Select("INBOX", nil).Wait(); err != nil || box.NumMessages != 1 {
		t.Fatalf("the inbox: %+v, %v", box, err)
	}
	if _, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect(); err != nil {
		t.Fatal(err)
	}
	r.activities(2)

	// The mailboxes of customers take the same password, as long as the provider lets the account in.
	r.imap(2, mailtest.User{Name: "li@example.com", Password: password})
	i.do(func() { clear(i.access); clear(i.refresh) })
	shut, err := imapclient.DialTLS(r.Addr(2).String(), &imapclient.Options{TLSConfig: r.clientTLS()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shut.Close() }()
	if err := shut.Login("li@example.com", password).Wait(); err == nil {
		t.Error("an account that was shut out at the provider reads customers' mail")
	}
}

// A token that dies before its time is replaced without the user noticing.
func TestEnrolledTokenDies(t *testing.T) {
	t.Parallel()
	r, i, _ := oauthOffice(t)
	password := r.enroll(i, "li@example.com")
	for round := range 2 {
		if err := r.submission().Auth(sasl.NewPlainClient("", "li@example.com", password)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		i.do(func() { clear(i.access) })
		if got := r.imapSay(`a LOGIN li@example.com ` + password); !strings.HasPrefix(got[0], "a OK") {
			t.Fatalf("round %d: got %q", round, got)
		}
		i.do(func() { clear(i.access) })
	}
}

// A wrong gateway password never reaches the provider and counts as a guess; nothing is said about whether the account is enrolled.
func TestWrongGatewayPassword(t *testing.T) {
	t.Parallel()
	r, i, _ := oauthOffice(t)
	right := r.enroll(i, "li@example.com")
	wrong := right[:len(right)-5] + "aaaaa"
	var texts []string
	for _, user := range []string{"li@example.com", "wang@example.com"} {
		err := r.submission().Auth(sasl.NewPlainClient("", user, wrong))
		if e := new(smtp.SMTPError); !errors.As(err, &e) || e.Code != 535 {
			t.Fatalf("%s: got %v", user, err)
		}
		texts = append(texts, err.Error())
	}
	if texts[0] != texts[1] {
		t.Errorf("the answers differ: %q", texts)
	}
	limited := false
	for range 6 {
		got := r.imapSay(`a LOGIN li@example.com ` + wrong)[0]
		if !strings.HasPrefix(got, "a NO ") {
			t.Fatalf("got %q", got)
		}
		limited = limited || strings.Contains(got, "[LIMIT]")
	}
	if !limited {
		t.Error("guesses are not limited")
	}
	if i.count != 0 {
		t.Error("a token was fetched for a wrong password")
	}
}

// When the grant is withdrawn, the user reads what to do, and no guess is counted.
func TestGrantWithdrawn(t *testing.T) {
	t.Parallel()
	r, i, _ := oauthOffice(t)
	password := r.enroll(i, "li@example.com")
	i.do(func() { i.refuse = "AADSTS50173: The provided grant has expired due to it being revoked." })
	for range 5 {
		got := r.imapSay(`a LOGIN li@example.com ` + password)[0]
		if !strings.Contains(got, "AADSTS50173, the password was changed") || !strings.Contains(got, "heliograph account enroll li@example.com") {
			t.Fatalf("got %q", got)
		}
	}
	err := r.submission().Auth(sasl.NewPlainClient("", "li@example.com", password))
	if err == nil || !strings.Contains(err.Error(), "heliograph account enroll") {
		t.Errorf("got %v", err)
	}
}

// Whoever is not enrolled signs in with what the mail program has, as ever; so does who is.
func TestNotEnrolled(t *testing.T) {
	t.Parallel()
	r, i, _ := oauthOffice(t)
	r.enroll(i, "li@example.com")
	i.do(func() { i.access["own-token"] = "wang@example.com"; i.access["li-token"] = "li@example.com" })
	for user, token := range map[string]string{"wang@example.com": "own-token", "li@example.com": "li-token"} {
		initial := base64.StdEncoding.EncodeToString([]byte("user=" + user + "\x01auth=Bearer " + token + "\x01\x01"))
		if got := r.imapSay("a AUTHENTICATE XOAUTH2 " + initial); !strings.HasPrefix(got[0], "a OK") {
			t.Errorf("%s: got %q", user, got)
		}
	}
	if i.count != 0 {
		t.Error("a token was fetched for somebody who has one")
	}
	if err := r.submission().Auth(sasl.NewPlainClient("", "wang@example.com", "a password of theirs")); err == nil {
		t.Error("the provider takes no passwords, but this one passed")
	}
}

// The same against a real Dovecot, which asks the provider about each token.
func TestEnrolledAtDovecot(t *testing.T) {
	t.Parallel()
	i := newIdentity(t)
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Introspection: i.URL + "/introspect"})
	r := start(t, fmt.Sprintf(`
upstreams:
  - name: main
    domains: [example.com]
    imap: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
    sign_in: enrolled
    oauth2: {client_id: app, token_url: "%s/token", authorize_url: "%s/authorize"}
listeners:
  - {protocol: imap, address: "127.0.0.1:0", tls: starttls}
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit}
`, d.IMAPAddr, d.Certs.CAFile, i.URL, i.URL))
	password := r.enroll(i, "li@example.com")
	put(t, d, d.Users[0], []byte(letter))
	for range 2 {
		c := r.imap(1, mailtest.User{Name: "li@example.com", Password: password})
		if box, err := c.Select("INBOX", nil).Wait(); err != nil || box.NumMessages != 1 {
			t.Fatalf("the inbox: %+v, %v", box, err)
		}
		if _, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect(); err != nil {
			t.Fatal(err)
		}
		i.do(func() { clear(i.access) }) // the next login needs another token
	}
	r.activities(1)
	// Whoever is not enrolled has a password of the server's own.
	r.imap(1, d.Users[1])
	i.do(func() { clear(i.refresh) })
	if got := r.imapSay("a LOGIN li@example.com " + password)[0]; !strings.Contains(got, "heliograph account enroll li@example.com") {
		t.Errorf("after the grant was withdrawn: got %q", got)
	}
}
