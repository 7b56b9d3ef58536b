package watch_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/mailtest"
	"heliograph/internal/oauth"
	"heliograph/internal/sandbox"
	"heliograph/proxy/watch"
)

// TestOAuth signs in by XOAUTH2. A token that was withdrawn is replaced at once; a grant that was withdrawn stops the watch
// until the account is enrolled again.
func TestOAuth(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	count, good, refuse := 0, "", false
	identity := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		rw.Header().Set("Content-Type", "application/json")
		if refuse {
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(rw, `{"error":"invalid_grant","error_description":"AADSTS50173 gone"}`)
			return
		}
		count++
		if count > 1 { // the first token is withdrawn before its time
			good = fmt.Sprintf("access-%d", count)
		}
		fmt.Fprintf(rw, `{"access_token":"access-%d","token_type":"Bearer","expires_in":3600}`, count)
	}))
	t.Cleanup(identity.Close)
	start := func() *sandbox.Provider {
		p, err := sandbox.Start(t.Context(), sandbox.Options{
			Domain: "example.com", Users: []sandbox.User{{Address: support}},
			Token: func(_, token string) bool {
				mu.Lock()
				defer mu.Unlock()
				return token == good
			},
		})
		must(t, err)
		return p
	}
	p := start()
	t.Cleanup(func() { _ = p.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, p.CAPEM, 0o600))
	c := newCutter(t, p.IMAPSAddr)
	up := config.Upstream{
		IMAP:   config.Endpoint{Address: c.addr, TLS: config.TLSImplicit, CAFile: ca, ServerName: "localhost", Timeout: config.Duration(5 * time.Second)},
		SignIn: config.SignInEnrolled,
		OAuth2: config.OAuth2{ClientID: "app", Grant: config.GrantConsent, TokenURL: identity.URL, AuthorizeURL: identity.URL},
	}
	w := newWorld(t, up, nil)
	enroll := func() {
		_, err := w.book.Enroll(t.Context(), accounts.Enrolment{Address: support, Upstream: "main"}, accounts.Given{Consent: &oauth.Consent{Refresh: "refresh"}}, false)
		must(t, err)
	}
	enroll()
	w.watcher.Set([]config.Watch{entry()})
	w.until("INBOX", watch.StateIdle)
	mail := content(1, 1000)
	must(t, p.Deliver("kunde@acme.example", []string{support}, mail))
	for uid, sum := range bodies(t, w.entries("INBOX", 1), w) {
		if uid != 1 || sum == sha256.Sum256(nil) {
			t.Errorf("UID %d is empty", uid)
		}
	}
	mu.Lock()
	refuse, good = true, "none"
	mu.Unlock()
	c.cut()
	w.seen(watch.StateRefused, "heliograph account enroll "+support)
	mu.Lock()
	refuse = false
	mu.Unlock()
	enroll()
	w.until("INBOX", watch.StateIdle)
	must(t, p.Deliver("kunde@acme.example", []string{support}, content(2, 1000)))
	w.entries("INBOX", 2)
	mailtest.Eventually(t, 5*time.Second, w.watcher.Err)
}
