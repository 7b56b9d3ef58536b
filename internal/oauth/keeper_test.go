package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal/segment"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// node opens a Keeper as one of several nodes that share a database and a key file.
func node(t *testing.T, db *store.DB, keys Sealer) *Keeper {
	t.Helper()
	k, err := NewKeeper(Options{Store: db, Sealer: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// later moves a node's clock.
func later(k *Keeper, d time.Duration) {
	now := k.now
	k.now = func() time.Time { return now().Add(d) }
}

// Many askers on several nodes: each refresh token is used once, although the vendor answers each with another.
func TestOneRefreshAmongNodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keys := segment.NewKeyring()
		v := newVendor(t)
		v.rotate = true
		var sources []Source
		for range 3 {
			sources = append(sources, node(t, db, keys).Refreshing("target:crm", v, v.app(), "refresh-0"))
		}
		rejected := ""
		for round := 1; round <= 4; round++ {
			var wg sync.WaitGroup
			got := make([]string, 12)
			for i := range got {
				wg.Go(func() {
					s := sources[i%len(sources)]
					s.Reject(t.Context(), rejected)
					token, err := s.Token(t.Context())
					if err != nil {
						t.Error(err)
					}
					got[i] = token.Access
				})
			}
			wg.Wait()
			for _, access := range got {
				if access != got[0] || access == "" || access == rejected {
					t.Fatalf("round %d: got %q after %q", round, got, rejected)
				}
			}
			rejected = got[0]
			if v.asked() != round {
				t.Fatalf("the vendor was asked %d times in %d rounds", v.asked(), round)
			}
		}
		if v.most != 1 {
			t.Errorf("%d requests were under way at once", v.most)
		}
	})
}

// A process that starts anew uses the token of the one before, and goes on from its refresh token.
func TestSurvivesRestart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keys := segment.NewKeyring()
		v := newVendor(t)
		v.rotate = true
		first, err := node(t, db, keys).Refreshing("target:crm", v, v.app(), "refresh-0").Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second := node(t, db, keys)
		s := second.Refreshing("target:crm", v, v.app(), "refresh-0")
		if got, err := s.Token(t.Context()); err != nil || got.Access != first.Access || got.Extra["instance_url"] == "" {
			t.Fatalf("got %+v, %v", got, err)
		}
		later(second, 2*time.Hour)
		if got, err := s.Token(t.Context()); err != nil || got.Access == first.Access {
			t.Fatalf("after it expired: got %+v, %v", got, err)
		}
	})
}

// What is stored cannot be read without the key, nor put under another name.
func TestEncryptedAtRest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keys := segment.NewKeyring()
		k := node(t, db, keys)
		if err := k.Connect(t.Context(), "account:a@example.com", Consent{Refresh: "the-refresh-token", Token: Token{Access: "the-access-token"}}); err != nil {
			t.Fatal(err)
		}
		if err := k.SetPassword(t.Context(), "account:b@example.com", "the-password"); err != nil {
			t.Fatal(err)
		}
		var sealed []byte
		for _, name := range []string{"account:a@example.com", "account:b@example.com"} {
			if err := db.Reader().QueryRowContext(t.Context(), `SELECT sealed FROM grants WHERE name = $1`, name).Scan(&sealed); err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"the-refresh-token", "the-access-token", "the-password"} {
				if strings.Contains(string(sealed), secret) {
					t.Errorf("%s is stored in plain", secret)
				}
			}
		}
		if got, found, err := k.Password(t.Context(), "account:b@example.com"); err != nil || !found || got != "the-password" {
			t.Errorf("got %q, %v, %v", got, found, err)
		}
		if _, _, err := node(t, db, segment.NewKeyring()).Password(t.Context(), "account:b@example.com"); !errors.Is(err, segment.ErrNoKey) {
			t.Errorf("with another key: got %v", err)
		}
		move := func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `UPDATE grants SET name = 'account:c@example.com' WHERE name = 'account:b@example.com'`)
			return err
		}
		if err := db.Write(t.Context(), move); err != nil {
			t.Fatal(err)
		}
		if got, _, err := k.Password(t.Context(), "account:c@example.com"); err == nil {
			t.Errorf("the row under another name says %q", got)
		}
	})
}

// A node dies between the vendor's answer and the store: the next one waits for its lease, tries the old refresh token, and
// says what may have happened if that is not good any more.
func TestDiesBeforeStoring(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keys := segment.NewKeyring()
		for name, rotate := range map[string]bool{"the vendor keeps the old one": false, "the vendor replaced it": true} {
			v := newVendor(t)
			v.rotate = rotate
			dead := node(t, db, keys)
			grant := "target:" + name
			if err := dead.Connect(t.Context(), grant, Consent{Refresh: "refresh-0"}); err != nil {
				t.Fatal(err)
			}
			r, got, err := dead.lease(t.Context(), grant, KindConsent, "the dead one")
			if err != nil || !got {
				t.Fatalf("no lease: %v", err)
			}
			if _, _, err := v.app().refresh(t.Context(), v, r.Refresh); err != nil {
				t.Fatal(err)
			}

			k := node(t, db, keys)
			s := k.Refreshing(grant, v, v.app(), "")
			ctx, cancel := context.WithTimeout(t.Context(), 3*pollTime)
			if _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) || v.asked() != 1 {
				t.Fatalf("%s: while the lease runs: got %v after %d requests", name, err, v.asked())
			}
			cancel()
			_ = k.Close() // ends the wait that goes on in the background
			k = node(t, db, keys)
			later(k, leaseTime+time.Second)
			_, err = k.Refreshing(grant, v, v.app(), "").Token(t.Context())
			if !rotate && err != nil {
				t.Errorf("%s: got %v", name, err)
			}
			if rotate && (KindOf(err) != Grant || !strings.Contains(err.Error(), "cut off")) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// While the store takes nothing, the answer is kept, its access token is not used, and the vendor is not asked again.
func TestStoreAwayAfterTheAnswer(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	keys := segment.NewKeyring()
	v := newVendor(t)
	v.rotate = true
	k := node(t, db, keys)
	if err := k.Connect(t.Context(), "target:crm", Consent{Refresh: "refresh-0"}); err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) {
		t.Helper()
		if err := db.Write(context.WithoutCancel(t.Context()), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `ALTER TABLE `+from+` RENAME TO `+to)
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	var away sync.Once
	v.before = func(url.Values) { away.Do(func() { rename("grants", "away") }) }
	s := k.Refreshing("target:crm", v, v.app(), "")
	for range 2 {
		if token, err := s.Token(t.Context()); err == nil {
			t.Fatalf("an access token whose refresh token is not stored was given away: %+v", token)
		}
	}
	rename("away", "grants")
	got, err := s.Token(t.Context())
	if err != nil || got.Access != "access-1" || v.asked() != 1 {
		t.Fatalf("got %+v, %v after %d requests", got, err, v.asked())
	}
	s.Reject(t.Context(), got.Access)
	if got, err := s.Token(t.Context()); err != nil || got.Access != "access-2" {
		t.Errorf("the next refresh: got %+v, %v", got, err)
	}
}

// What could not be stored is stored by Close at the latest.
func TestCloseStoresWhatWaits(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	keys := segment.NewKeyring()
	v := newVendor(t)
	v.rotate = true
	k := node(t, db, keys)
	s := k.Refreshing("target:crm", v, v.app(), "refresh-0").(*kept)
	r, got, err := k.lease(t.Context(), "target:crm", KindConsent, s.owner)
	if err != nil || !got {
		t.Fatalf("no lease: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	token, refresh, err := v.app().refresh(t.Context(), v, "refresh-0")
	if err != nil {
		t.Fatal(err)
	}
	next := secrets{Token: token, Got: time.Now(), Refresh: refresh, Seed: Seed("refresh-0")}
	if _, err := s.save(gone, answer{r, next}); err == nil {
		t.Fatal("it was stored although the store was away")
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := node(t, db, keys).Refreshing("target:crm", v, v.app(), "refresh-0").Token(t.Context()); err != nil || got.Access != token.Access {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := s.Token(t.Context()); err == nil && !s.token.usable(s.got, time.Now()) {
		t.Error("a closed keeper went on")
	}
}

// A caller that gives up does not stop a refresh: its answer is stored and the next caller has it.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	v := newVendor(t)
	v.rotate = true
	asked, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	v.before = func(url.Values) { once.Do(func() { close(asked); <-goOn }) }
	s := node(t, db, segment.NewKeyring()).Refreshing("target:crm", v, v.app(), "refresh-0")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := s.Token(ctx)
		failed <- err
	}()
	<-asked
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(goOn)
	if got, err := s.Token(t.Context()); err != nil || got.Access != "access-1" || v.asked() != 1 {
		t.Errorf("got %+v, %v after %d requests", got, err, v.asked())
	}
}

// A dead grant is not tried at the vendor all the time, but at once when a person has connected again.
func TestDeadGrant(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	v := newVendor(t)
	v.revoked = true
	k := node(t, db, segment.NewKeyring())
	if err := k.Connect(t.Context(), "target:crm", Consent{Refresh: "refresh-0"}); err != nil {
		t.Fatal(err)
	}
	s := k.Refreshing("target:crm", v, v.app(), "")
	for range 5 {
		if _, err := s.Token(t.Context()); KindOf(err) != Grant {
			t.Fatalf("got %v", err)
		}
	}
	if v.asked() != 1 {
		t.Errorf("the vendor was asked %d times", v.asked())
	}
	list, err := k.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Failed.IsZero() || !strings.Contains(list[0].Trouble, "invalid_grant") || strings.Contains(list[0].Trouble, "refresh-0") {
		t.Errorf("got %+v, %v", list, err)
	}
	later(k, refusedTime+time.Second)
	if _, err := s.Token(t.Context()); KindOf(err) != Grant || v.asked() != 2 {
		t.Errorf("after a while: got %v, %d requests", err, v.asked())
	}
	v.revoked, v.refresh = false, "refresh-new"
	if err := k.Connect(t.Context(), "target:crm", Consent{Refresh: "refresh-new"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context()); err != nil {
		t.Errorf("connected again: got %v", err)
	}
}

// A node notices soon that a grant was revoked or replaced by a command.
func TestRevokedElsewhere(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	keys := segment.NewKeyring()
	v := newVendor(t)
	k, command := node(t, db, keys), node(t, db, keys)
	if err := command.Connect(t.Context(), "account:a@example.com", Consent{Refresh: "refresh-0"}); err != nil {
		t.Fatal(err)
	}
	s := k.Refreshing("account:a@example.com", v, v.app(), "")
	if _, err := s.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	held, err := command.Forget(t.Context(), "account:a@example.com")
	if err != nil || held != "refresh-0" {
		t.Fatalf("got %q, %v", held, err)
	}
	later(k, checkTime)
	if got, err := s.Token(t.Context()); KindOf(err) != Grant {
		t.Errorf("after it was revoked: got %+v, %v", got, err)
	}
}

// A refresh token in the configuration counts until it is replaced, and again when a new one is written there.
func TestConfiguredRefreshToken(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	keys := segment.NewKeyring()
	v := newVendor(t)
	v.rotate = true
	k := node(t, db, keys)
	use := func(configured string) error {
		_, err := k.Refreshing("target:crm", v, v.app(), configured).Token(t.Context())
		return err
	}
	if err := use("refresh-0"); err != nil {
		t.Fatal(err)
	}
	later(k, 2*time.Hour)
	if err := use("refresh-0"); err != nil {
		t.Fatalf("the one that replaced it was not used: %v", err)
	}
	v.refresh = "by-hand"
	if err := use("by-hand"); err != nil || v.asked() != 3 {
		t.Fatalf("another one in the configuration: %v after %d requests", err, v.asked())
	}
	v.refresh = "by-a-person"
	if err := k.Connect(t.Context(), "target:crm", Consent{Refresh: "by-a-person", Seed: Seed("by-hand")}); err != nil {
		t.Fatal(err)
	}
	if err := use("by-hand"); err != nil {
		t.Fatalf("a person connected: %v", err)
	}
}

// Other settings need other tokens; secrets count, and only by their content.
func TestOtherSettings(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	v := newVendor(t)
	k := node(t, db, segment.NewKeyring())
	type settings struct {
		URL    string
		Secret config.Secret
		Scopes []string
		Params map[string]string
		Next   *settings
	}
	with := func(secret string) any {
		return settings{"https://x", config.NewSecret(secret), []string{"a"}, map[string]string{"b": "c", "d": "e"}, &settings{}}
	}
	access := func(s any) string {
		got, err := k.For(s).Source("target:crm", ClientCredentials(v, v.app())).Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got.Access
	}
	first := access(with("one"))
	if again := access(with("one")); again != first {
		t.Error("the same settings got another token")
	}
	if other := access(with("two")); other == first {
		t.Error("another secret got the same token")
	}
}

// Without the store, tokens that an application gets for itself go on.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	v := newVendor(t)
	k := node(t, db, segment.NewKeyring())
	own := k.Source("target:crm", ClientCredentials(v, v.app()))
	consent := k.Refreshing("target:other", v, v.app(), "refresh-0")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := own.Token(t.Context()); err != nil || got.Access != "access-1" {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if _, err := consent.Token(t.Context()); err == nil || v.asked() != 1 {
		t.Errorf("a consent was used without the store: %v", err)
	}
}

// When the vendor is away, a token is used to its last second.
func TestVendorAway(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	v := newVendor(t)
	k := node(t, db, segment.NewKeyring())
	s := k.Source("target:crm", ClientCredentials(v, v.app()))
	if _, err := s.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.answer = func(url.Values) (int, string) { return 503, "" }
	later(k, 59*time.Minute+30*time.Second)
	if got, err := s.Token(t.Context()); err != nil || got.Access != "access-1" || v.asked() != 2 {
		t.Errorf("got %+v, %v after %d requests", got, err, v.asked())
	}
	later(k, time.Minute)
	if _, err := s.Token(t.Context()); KindOf(err) != Passing {
		t.Errorf("got %v", err)
	}
}

func TestSealerIsTheKeyring(t *testing.T) {
	t.Parallel()
	var keys Sealer = segment.NewKeyring()
	aad := []byte(rand.Text())
	sealed := keys.Seal([]byte("secret"), aad)
	if plain, err := keys.Open(sealed, aad); err != nil || string(plain) != "secret" {
		t.Errorf("got %q, %v", plain, err)
	}
	if _, err := keys.Open(sealed, []byte("other")); err == nil {
		t.Error("it is not bound to its name")
	}
}
