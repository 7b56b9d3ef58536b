package administration_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/administration"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(apitest.Whole(m)) }

const goodPassword = "correct horse battery"

// office is an API whose callers are who the requests' cookies and tokens say.
type office struct {
	t      *testing.T
	signIn *access.SignIn
	part   *administration.Part
	server *apitest.Server
}

func newOffice(t *testing.T, db *store.DB, change ...func(*access.Options)) *office {
	t.Helper()
	memory := limit.NewMemory(limit.MemoryOptions{})
	t.Cleanup(func() { _ = memory.Close() })
	o := access.Options{
		Store: db, Seal: segment.NewKeyring(), Failures: limit.NewFailures(memory, 5), HashMemory: 64,
		Config: config.Console{
			PublicURL: "https://console.example.com", MailboxSignIn: true,
			Sessions: config.ConsoleSessions{Idle: config.Duration(time.Hour), Longest: config.Duration(24 * time.Hour)},
		},
		Mailbox: func(_ context.Context, l access.MailboxLogin) error {
			if string(l.Password) != "mailbox" {
				return access.ErrRefused
			}
			return nil
		},
		Internal: func(address string) bool { return strings.HasSuffix(address, "@example.com") },
	}
	for _, f := range change {
		f(&o)
	}
	signIn, err := access.New(o)
	if err != nil {
		t.Fatal(err)
	}
	part := administration.New(administration.Options{SignIn: signIn})
	return &office{t: t, signIn: signIn, part: part, server: apitest.New(t, part.API())}
}

// browser is one that keeps its cookie, or a program with a token.
type browser struct {
	o      *office
	cookie string
	token  string
}

func (o *office) browser() *browser { return &browser{o: o} }

// do asks, and fails the test where the answer has another status. The answer is held against the document.
func (b *browser) do(want int, method, path string, body any, headers ...string) *apitest.Answer {
	t := b.o.t
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if b.cookie != "" {
		headers = append(headers, "Cookie", b.cookie)
	}
	if b.token != "" {
		headers = append(headers, "Authorization", "Bearer "+b.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	c, err := b.o.signIn.Authenticate(r)
	if err != nil {
		t.Fatal(err)
	}
	a := b.o.server.As(c).Do(method, path, body, headers...)
	if a.Status != want {
		t.Errorf("%s %s gives %d, want %d: %s", method, path, a.Status, want, a.Body)
	}
	for _, line := range a.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		b.cookie = ""
		if cookie.Value != "" {
			b.cookie = cookie.Name + "=" + cookie.Value
		}
	}
	return a
}

// refused asks for something and wants a problem.
func (b *browser) refused(status int, code, method, path string, body any, headers ...string) {
	b.o.t.Helper()
	a := b.do(status, method, path, body, headers...)
	if got := read[api.Problem](b.o.t, a).Code; got != code {
		b.o.t.Errorf("%s %s gives the code %s, want %s", method, path, got, code)
	}
}

func read[T any](t *testing.T, a *apitest.Answer) (v T) {
	t.Helper()
	if err := json.Unmarshal(a.Body, &v); err != nil {
		t.Fatalf("%s: %v", a.Body, err)
	}
	return v
}

type m = map[string]any

// setUp makes the first admin and returns the browser that did.
func (o *office) setUp() *browser {
	o.t.Helper()
	token, _, err := o.signIn.FirstAdminLink(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	b := o.browser()
	b.do(200, "POST", "/api/v1/session/setup", m{"token": token, "password": goodPassword, "email": "it@example.com", "name": "IT", "language": "zh"})
	return b
}

// enter has the admin add a person, who follows the invitation.
func (o *office) enter(admin *browser, email, role string) (*browser, string) {
	o.t.Helper()
	who := read[administration.User](o.t, admin.do(201, "POST", "/api/v1/people", m{"email": email, "name": email, "role": role}))
	link := read[administration.Invitation](o.t, admin.do(201, "POST", "/api/v1/people/"+who.Id+"/invitation", nil)).Link
	_, token, _ := strings.Cut(link, "/setup#")
	b := o.browser()
	b.do(200, "POST", "/api/v1/session/setup", m{"token": token, "password": goodPassword})
	return b, who.Id
}

func each(t *testing.T, body func(t *testing.T, o *office)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) { body(t, newOffice(t, db)) })
}
