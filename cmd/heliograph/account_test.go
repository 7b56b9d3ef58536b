package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"heliograph/internal/sandbox"
)

// consents is a provider's OAuth 2.0 whose person always agrees.
func consents(t *testing.T) *httptest.Server {
	t.Helper()
	challenge := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		switch f := r.Form; r.URL.Path {
		case "/authorize": // the person agrees
			challenge = f.Get("code_challenge")
			http.Redirect(w, r, f.Get("redirect_uri")+"?code=the-code&state="+url.QueryEscape(f.Get("state")), http.StatusFound)
		case "/device":
			fmt.Fprint(w, `{"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"https://login.example.com/device","interval":1}`)
		case "/revoke":
			if f.Get("token") != "refresh" {
				t.Errorf("revoke %q", f.Get("token"))
			}
		case "/token":
			good := f.Get("client_id") == "app"
			switch f.Get("grant_type") {
			case "authorization_code":
				good = good && f.Get("code") == "the-code" && challenge != "" && f.Get("code_verifier") != ""
			case "refresh_token":
				good = good && f.Get("refresh_token") == "refresh"
			case "urn:ietf:params:oauth:grant-type:device_code":
				good = good && f.Get("device_code") == "dc"
			}
			if !good {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"error":"invalid_grant"}`)
				return
			}
			fmt.Fprint(w, `{"access_token":"access","refresh_token":"refresh","expires_in":3600}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// office is a folder with a configuration whose upstream takes tokens.
func office(t *testing.T) *script {
	t.Helper()
	s := &script{t: t, dir: t.TempDir(), path: "account_test.go"}
	login := consents(t)
	p, err := sandbox.Start(t.Context(), sandbox.Options{
		Domain: "example.com", Users: []sandbox.User{{Address: "li@example.com"}},
		Token: func(user, token string) bool { return user == "li@example.com" && token == "access" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	config := fmt.Sprintf(`data_dir: data
upstreams:
  - name: main
    domains: [example.com]
    smtp: {address: %q, tls: starttls, ca_file: ca.pem, server_name: localhost}
    imap: {address: %q, tls: implicit, ca_file: ca.pem, server_name: localhost}
    sign_in: enrolled
    oauth2: {client_id: app, token_url: "%[3]s/token", authorize_url: "%[3]s/authorize", device_url: "%[3]s/device", revoke_url: "%[3]s/revoke"}
  - name: codes
    domains: [example.org]
    smtp: {address: "mx.example.org:587"}
    sign_in: enrolled
  - name: plain
    domains: [example.net]
    smtp: {address: "mx.example.net:587"}
listeners:
  - {protocol: smtp, address: "127.0.0.1:2525", tls: none, allow_plaintext_auth: true}
`, p.SMTPAddr, p.IMAPSAddr, login.URL)
	for name, text := range map[string]string{"config.yaml": config, "ca.pem": string(p.CAPEM), "code": "abcdefghijklmnop\n"} {
		if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newStore(t, s.file("data"))
	return s
}

// must runs the program and matches its output.
func (s *script) must(want bool, out string, args ...string) {
	s.t.Helper()
	if err := s.program(want, append([]string{"account"}, args...)); err != nil {
		s.t.Fatalf("%q: %v\n%s%s", args, err, s.stdout, s.stderr)
	}
	if all := s.stdout + s.stderr; !regexp.MustCompile(out).MatchString(all) {
		s.t.Fatalf("%q printed, without %q:\n%s", args, out, all)
	}
}

var opened = regexp.MustCompile(`http://\S+/authorize\?\S+`)

// TestEnrollByBrowser enrols by the browser of this machine, and by one of another whose last address is pasted.
func TestEnrollByBrowser(t *testing.T) {
	t.Parallel()
	for name, pasted := range map[string]bool{"callback": false, "pasted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := office(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "account", "enroll", "Li@example.com", "--by", "code")
			cmd.Dir, cmd.Env = s.dir, s.environment()
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var errOut bytes.Buffer
			cmd.Stderr = &errOut
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out, printed := bufio.NewReader(pipe), ""
			for opened.FindString(printed) == "" {
				line, err := out.ReadString('\n')
				if err != nil {
					t.Fatalf("%v\n%s%s", err, printed, &errOut)
				}
				printed += line
			}
			client := http.Client{}
			if pasted {
				client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			}
			resp, err := client.Get(opened.FindString(printed))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if pasted {
				fmt.Fprintf(in, "nonsense\n%s\n", resp.Header.Get("Location"))
			} else if page, _ := io.ReadAll(resp.Body); !strings.Contains(string(page), "授权完成") {
				t.Errorf("the browser shows %q", page)
			}
			rest, err := io.ReadAll(out)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s%s", err, rest, &errOut)
			}
			if !regexp.MustCompile(`gateway password: hg-[a-z2-7]{5}(-[a-z2-7]{5}){4}\n`).Match(rest) || strings.Contains(string(rest), "refresh") {
				t.Errorf("printed:\n%s", rest)
			}
			s.must(true, `SMTP  signed in as li@example.com\nIMAP  signed in as li@example.com`, "test", "li@example.com")
		})
	}
}

// TestEnrollAndRevoke goes through the life of accounts.
func TestEnrollAndRevoke(t *testing.T) {
	t.Parallel()
	s := office(t)
	s.must(true, `no connections`, "list")
	s.must(false, `is not enrolled: run heliograph account enroll`, "show", "li@example.com")
	s.must(true, `type the code ABCD-EFGH[\s\S]*gateway password: hg-`, "enroll", "li@example.com")
	s.must(true, `li@example.com +mail +consent +main`, "list")
	s.must(true, `"kind":"consent"`, "list", "--json")
	s.must(true, `gateway password +yes`, "show", "LI@example.com")
	s.must(true, `signed in as li@example.com`, "test", "li@example.com")

	s.must(true, `chen@example.org is enrolled[\s\S]*gateway password: hg-`, "enroll", "chen@example.org", "--password-file", "code")
	s.must(true, `There is no gateway password`, "enroll", "support@example.org", "--password-file", "code", "--no-programs")
	s.must(true, `support@example.org +mail +password +codes`, "list")
	s.must(false, `does not offer device: there is password`, "enroll", "chen@example.org", "--by", "device")
	s.must(false, `there is no terminal`, "enroll", "chen@example.org")
	s.must(false, `set sign_in: enrolled there`, "enroll", "a@example.net")
	s.must(false, `is no mail address`, "enroll", "nobody")

	s.must(true, `the provider has ended the grant`, "revoke", "li@example.com")
	s.must(false, `is not enrolled`, "test", "li@example.com")
	s.must(true, `take the application out`, "revoke", "chen@example.org")
	s.must(false, `is not enrolled`, "revoke", "chen@example.org")
	s.must(false, `needs no consent of a person`, "connect", "crm")
	s.must(false, `there is no target "other": there are crm`, "connect", "other")
	s.must(false, `has no stored access`, "revoke", "other")
	if b, err := os.ReadFile(s.file("data/heliograph.db")); err != nil || bytes.Contains(b, []byte("abcdefghijklmnop")) {
		t.Errorf("an authorization code is in the database as it is (%v)", err)
	}
}
