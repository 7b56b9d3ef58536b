package access_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const goodPassword = "correct horse battery"

// clock is set by the test.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a console's sign-in with a browser in front of it.
type rig struct {
	*access.SignIn
	t     *testing.T
	db    *store.DB
	clock *clock
	// mailbox answers for the mail server; forwarded counts what it was asked.
	mailbox   func(l access.MailboxLogin) error
	forwarded int
}

func newRig(t *testing.T, db *store.DB, change func(o *access.Options)) *rig {
	t.Helper()
	r := &rig{t: t, db: db, clock: &clock{now: time.Now().Truncate(time.Second).UTC()}, mailbox: func(access.MailboxLogin) error { return access.ErrRefused }}
	memory := limit.NewMemory(limit.MemoryOptions{Now: r.clock.Now})
	t.Cleanup(func() { _ = memory.Close() })
	o := access.Options{
		Store: db, Seal: segment.NewKeyring(), Failures: limit.NewFailures(memory, 5), Now: r.clock.Now, HashMemory: 64,
		Config: config.Console{
			Address: "127.0.0.1:8025", PublicURL: "https://console.example.com", MailboxSignIn: true,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			Sessions:       config.ConsoleSessions{Idle: config.Duration(12 * time.Hour), Longest: config.Duration(7 * 24 * time.Hour)},
		},
		Mailbox: func(_ context.Context, l access.MailboxLogin) error {
			r.forwarded++
			return r.mailbox(l)
		},
		Internal: func(address string) bool { return address[len(address)-len("@example.com"):] == "@example.com" },
	}
	if change != nil {
		change(&o)
	}
	var err error
	if r.SignIn, err = access.New(o); err != nil {
		t.Fatal(err)
	}
	return r
}

// each runs a test on both engines.
func each(t *testing.T, body func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) { body(t, newRig(t, db, nil)) })
}

// from is a visit of a browser at an address without a cookie.
func from(address string) access.Visit {
	return access.Visit{Client: netip.MustParseAddr(address), Device: "Firefox, Linux"}
}

// with is the visit of the browser that has just got a cookie.
func with(e *access.Entered) access.Visit {
	v := from("192.0.2.1")
	v.Cookie = e.Cookie.Value
	return v
}

// request is one of that browser.
func request(e *access.Entered) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/session", nil)
	r.AddCookie(e.Cookie)
	return r
}

// person enters somebody with a password.
func (r *rig) person(email string, role access.Role) *access.User {
	r.t.Helper()
	u, err := r.Add(r.t.Context(), access.Draft{Email: email, Role: role})
	if err != nil {
		r.t.Fatal(err)
	}
	token, _, err := r.Invite(r.t.Context(), u.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.SetUp(r.t.Context(), from("192.0.2.1"), token, goodPassword, access.Draft{}); err != nil {
		r.t.Fatal(err)
	}
	return u
}

func (r *rig) in(email string) *access.Entered {
	r.t.Helper()
	e, err := r.Password(r.t.Context(), from("192.0.2.1"), email, goodPassword)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// caller asks who sent a request, nil for nobody.
func (r *rig) caller(req *http.Request) *access.Caller {
	r.t.Helper()
	c, err := r.Authenticate(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s gives %v, want %v", what, err, want)
	}
}

func limited(t *testing.T, what string, err error) time.Duration {
	t.Helper()
	var l *access.LimitError
	if !errors.As(err, &l) {
		t.Fatalf("%s gives %v, want a limit", what, err)
	}
	return l.Wait
}
