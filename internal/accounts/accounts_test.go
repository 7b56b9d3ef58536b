package accounts

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"heliograph/config"
	"heliograph/internal/journal/segment"
	"heliograph/internal/oauth"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// open opens a book over a store with these upstreams.
func open(t *testing.T, db *store.DB, keys *segment.Keyring, upstreams ...config.Upstream) *Book {
	t.Helper()
	k, err := oauth.NewKeeper(oauth.Options{Store: db, Sealer: keys})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(Options{Store: db, Keeper: k, Upstreams: upstreams})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(b.Close(), k.Close()) })
	return b
}

func codes() config.Upstream { return config.Upstream{Name: "codes", SignIn: config.SignInEnrolled} }

func TestGatewayPassword(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keys := segment.NewKeyring()
		b, other := open(t, db, keys, codes()), open(t, db, keys, codes())
		e := Enrolment{Address: " Li@Example.com", Upstream: "codes", Login: "li"}
		password, err := b.Enroll(t.Context(), e, Given{Password: "the-code"}, true)
		if err != nil || !IsPassword([]byte(password)) {
			t.Fatalf("got %q, %v", password, err)
		}
		for range 2 { // the second time from memory
			a, err := other.Open(t.Context(), "codes", "LI@example.com", []byte(password))
			if err != nil {
				t.Fatal(err)
			}
			c, err := a.Credential(t.Context())
			if err != nil || c.User != "li" || c.Password != "the-code" || c.OAuth() {
				t.Errorf("got %v", err)
			}
		}
		wrong := password[:len(password)-1] + "!"
		for user, try := range map[string][2]string{
			"li@example.com": {"codes", wrong}, "wang@example.com": {"codes", password}, "LI@EXAMPLE.COM": {"elsewhere", password},
		} {
			if _, err := other.Open(t.Context(), try[0], user, []byte(try[1])); !errors.Is(err, ErrPassword) {
				t.Errorf("%s at %s: got %v", user, try[0], err)
			}
		}
		again, err := b.Enroll(t.Context(), e, Given{Password: "another-code"}, true)
		if err != nil || again == password {
			t.Fatalf("got %q, %v", again, err)
		}
		if _, err := b.Open(t.Context(), "codes", "li@example.com", []byte(password)); !errors.Is(err, ErrPassword) {
			t.Errorf("the old gateway password: got %v", err)
		}
		a, err := b.Open(t.Context(), "codes", "li@example.com", []byte(again))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := a.Credential(t.Context()); err != nil || c.Password != "another-code" {
			t.Errorf("the old code is used: %v", err)
		}
		if found, _, err := b.Remove(t.Context(), "li@example.com"); !found || err != nil {
			t.Errorf("got %v, %v", found, err)
		}
		if _, found, err := b.Account(t.Context(), "li@example.com"); found || err != nil {
			t.Errorf("got %v, %v", found, err)
		}
	})
}

// An account for the gateway's own use cannot be opened by anybody's mail program.
func TestWithoutGatewayPassword(t *testing.T) {
	t.Parallel()
	b := open(t, storetest.SQLite(t), segment.NewKeyring(), codes())
	password, err := b.Enroll(t.Context(), Enrolment{Address: "support@example.com", Upstream: "codes"}, Given{Password: "the-code"}, false)
	if err != nil || password != "" {
		t.Fatalf("got %q, %v", password, err)
	}
	for _, try := range []string{"", "the-code", newPassword()} {
		if _, err := b.Open(t.Context(), "codes", "support@example.com", []byte(try)); !errors.Is(err, ErrPassword) {
			t.Errorf("%q: got %v", try, err)
		}
	}
	a, found, err := b.Account(t.Context(), "Support@example.com")
	if err != nil || !found {
		t.Fatalf("got %v, %v", found, err)
	}
	c, err := a.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := c.SASL([]string{"LOGIN", "PLAIN"}, "mx", 993); !ok || s == nil {
		t.Error("there is no way to sign in")
	} else if mech, response, err := s.Start(); mech != "PLAIN" || string(response) != "\x00support@example.com\x00the-code" || err != nil {
		t.Errorf("got %s, %v", mech, err)
	}
}

// A provider that refuses is left alone after two tries, until the account is enrolled again.
func TestRefusedAccountIsHeld(t *testing.T) {
	t.Parallel()
	b := open(t, storetest.SQLite(t), segment.NewKeyring(), codes())
	e := Enrolment{Address: "li@example.com", Upstream: "codes"}
	if _, err := b.Enroll(t.Context(), e, Given{Password: "wrong"}, true); err != nil {
		t.Fatal(err)
	}
	a, _, err := b.Account(t.Context(), "li@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for range maxRefusals {
		c, err := a.Credential(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Reject(t.Context())
	}
	var held *HeldError
	if _, err := a.Credential(t.Context()); !errors.As(err, &held) || held.Wait > holdPassword || held.Wait < holdPassword/2 {
		t.Errorf("got %v", err)
	}
	if _, err := b.Enroll(t.Context(), e, Given{Password: "right"}, true); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxRefusals { // one that works between resets the count
		c, err := a.Credential(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Reject(t.Context())
		c.Accept()
	}
}

// The gateway password goes on while the store is away, for those who were seen before.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	b := open(t, db, segment.NewKeyring(), codes())
	password, err := b.Enroll(t.Context(), Enrolment{Address: "li@example.com", Upstream: "codes"}, Given{Password: "the-code"}, true)
	if err != nil {
		t.Fatal(err)
	}
	use := func() error {
		a, err := b.Open(t.Context(), "codes", "li@example.com", []byte(password))
		if err == nil {
			_, err = a.Credential(t.Context())
		}
		return err
	}
	if err := use(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.cache["li@example.com"].at = b.cache["li@example.com"].at.Add(-2 * knownFor)
	b.mu.Unlock()
	if err := use(); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := b.Open(t.Context(), "codes", "new@example.com", []byte(newPassword())); err == nil || errors.Is(err, ErrPassword) {
		t.Errorf("somebody new: got %v", err)
	}
}

// An application with rights of its own needs no grant; all accounts share its token.
func TestApplicationsOwnAccess(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("client_secret") != "secret" || r.Form.Get("scope") != "mail/.default" {
			t.Errorf("got %v", r.Form)
		}
		fmt.Fprintf(w, `{"access_token":"access-%d","expires_in":3600}`, asked.Add(1))
	}))
	t.Cleanup(server.Close)
	u := config.Upstream{Name: "office", SignIn: config.SignInEnrolled, OAuth2: config.OAuth2{
		ClientID: "app", ClientSecret: config.NewSecret("secret"), Grant: config.GrantClient, TokenURL: server.URL, Scopes: []string{"mail/.default"},
	}}
	b := open(t, storetest.SQLite(t), segment.NewKeyring(), u)
	if ways, err := b.Ways("office"); err != nil || !slices.Equal(ways, []Way{WayNone}) {
		t.Errorf("got %v, %v", ways, err)
	}
	for _, address := range []string{"a@example.com", "b@example.com"} {
		password, err := b.Enroll(t.Context(), Enrolment{Address: address, Upstream: "office"}, Given{}, true)
		if err != nil {
			t.Fatal(err)
		}
		a, err := b.Open(t.Context(), "office", address, []byte(password))
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Credential(t.Context())
		if err != nil || c.User != address || c.Token != "access-1" {
			t.Errorf("got %s, %v", c.User, err)
		}
	}
}

func TestConsentNeedsRefreshToken(t *testing.T) {
	t.Parallel()
	b := open(t, storetest.SQLite(t), segment.NewKeyring(), codes())
	_, err := b.Enroll(t.Context(), Enrolment{Address: "a@example.com", Upstream: "codes"}, Given{Consent: &oauth.Consent{Token: oauth.Token{Access: "x"}}}, true)
	if !errors.Is(err, ErrNoRefresh) {
		t.Errorf("got %v", err)
	}
}

func TestPasswordForm(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		p := newPassword()
		if !IsPassword([]byte(p)) || seen[p] || strings.ToLower(p) != p {
			t.Fatalf("got %q", p)
		}
		seen[p] = true
	}
	for _, other := range []string{"", "hg-", "secret", "abcdefghijklmnop", strings.Repeat("x", passwordLength)} {
		if IsPassword([]byte(other)) {
			t.Errorf("%q is taken for a gateway password", other)
		}
	}
}
