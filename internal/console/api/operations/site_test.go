package operations_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
	"heliograph/hooks/contacts"
	"heliograph/internal/accounts"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/journal/segment"
	"heliograph/internal/notify"
	"heliograph/internal/oauth"
	"heliograph/internal/sandbox"
	"heliograph/internal/store"
	"heliograph/proxy/upstream"
	"heliograph/proxy/watch"
)

const support = "support@example.com"

// site is the part in a company whose mail provider, consent and group chat answer.
type site struct {
	*rig
	provider *sandbox.Provider
	consent  *consent
	chat     *chat
	recorded chan api.Act
}

// consent is a provider's OAuth 2.0, by device codes. Each is answered as the test says; until then it is pending.
type consent struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	down   bool
	given  int
	answer map[string]string // by device code: good, or an error
}

func newConsent(t *testing.T) *consent {
	t.Helper()
	c := &consent{answer: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		said := "authorization_pending"
		if err := q.ParseForm(); err != nil || c.down {
			said = "invalid_client"
		} else if q.URL.Path == "/device" {
			c.given++
			fmt.Fprintf(w, `{"device_code":"device-%d","user_code":"CODE-%d","verification_uri":"https://provider.example/device","expires_in":600,"interval":1}`, c.given, c.given)
			return
		} else if a := c.answer[q.Form.Get("device_code")]; a != "" {
			said = a
		}
		if said == "good" {
			fmt.Fprint(w, `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":3600}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q}`, said)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *consent) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// chat is a group that is told by a webhook.
type chat struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	status int
	posts  []string
}

func newChat(t *testing.T) *chat {
	t.Helper()
	c := &chat{status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		w.WriteHeader(c.status)
		if err == nil && q.Method == http.MethodPost && c.status == http.StatusOK {
			c.posts = append(c.posts, string(body))
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// told returns what was posted, and has the next posts answered with a status.
func (c *chat) told(next int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = next
	return c.posts
}

const siteSections = `
data_dir: %[1]q
upstreams:
  - {name: main, domains: [example.com], default: true, sign_in: enrolled, smtp: {address: %[2]q, tls: none}, imap: {address: %[3]q, tls: none}}
  - {name: cloud, domains: [cloud.example], sign_in: enrolled, oauth2: {client_id: app, token_url: "%[4]s/token", device_url: "%[4]s/device"}, smtp: {address: %[6]q, tls: none}}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, hostname: localhost, allow_plaintext_auth: true}
console: {address: "127.0.0.1:0", public_url: "https://gw.example.com"}
notifiers: [{name: ops, type: webhook, url: %[5]q}]
watch: [{address: support@example.com, mailboxes: [INBOX]}]
`

// newSite is a rig with a site over its store.
func newSite(t *testing.T, db *store.DB) *site {
	t.Helper()
	s := &site{rig: newRig(t, db), consent: newConsent(t), chat: newChat(t), recorded: make(chan api.Act, 10)}
	var err error
	s.provider, err = sandbox.Start(t.Context(), sandbox.Options{
		Domain: "example.com", AllowPlaintextAuth: true, Users: []sandbox.User{{Address: wang, Password: "wang's"}, {Address: support, Password: "support's"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.provider.Close() })
	cloud, err := sandbox.Start(t.Context(), sandbox.Options{
		Domain: "cloud.example", AllowPlaintextAuth: true, Users: []sandbox.User{{Address: "good@cloud.example"}}, Token: func(_, token string) bool { return token == "a" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cloud.Close() })
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, siteSections, t.TempDir(), s.provider.SMTPAddr, s.provider.IMAPAddr, s.consent.URL, s.chat.URL, cloud.SMTPAddr), catalog.Validate)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := oauth.NewKeeper(oauth.Options{Store: db, Sealer: segment.NewKeyring()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tokens.Close() })
	if s.accounts, err = accounts.Open(accounts.Options{Store: db, Keeper: tokens, Upstreams: cfg.Upstreams}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.accounts.Close() })
	router, err := upstream.New(cfg.Upstreams, upstream.Options{Hostname: "gw.example.com", Accounts: s.accounts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(router.Close)
	book := contacts.New(contacts.Options{Store: db, Queue: s.queue, Config: cfg.Contacts})
	part := operations.New(operations.Options{
		Store: db, Queue: s.queue, Pauses: s.pauses, Tokens: tokens, Accounts: func() *accounts.Book { return s.accounts }, Node: "n1", Host: "host", Version: "test",
		Config: func() *config.Config { return cfg }, Contacts: func() *contacts.Book { return book }, Clients: func() map[string]crmclient.Client { return nil },
		Router: func() *upstream.Router { return router }, Audit: recorder(s.recorded),
		Channel: func(n config.Notifier) (*notify.Channel, error) { return notify.New(n, notify.Deps{UserAgent: "test"}) },
		CheckWatch: func(ctx context.Context, w config.Watch) ([]watch.Finding, error) {
			return watch.Check(ctx, watch.Options{Settings: func() watch.Settings { return watch.Settings{Router: router, Book: s.accounts} }, Version: "test"}, w)
		},
	})
	t.Cleanup(part.Close)
	s.api = apitest.New(t, part.API())
	return s
}

// recorder takes what is told besides requests.
type recorder chan api.Act

func (r recorder) Record(_ context.Context, a api.Act) error {
	r <- a
	return nil
}

func (s *site) enroll(address, password string) {
	s.t.Helper()
	if _, err := s.accounts.Enroll(s.t.Context(), accounts.Enrolment{Address: address, Upstream: "main"}, accounts.Given{Password: password}, false); err != nil {
		s.t.Fatal(err)
	}
}
