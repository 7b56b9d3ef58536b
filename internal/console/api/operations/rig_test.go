package operations_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
	"heliograph/hooks"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/internal/accounts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/oauth"
	"heliograph/internal/pause"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/proxy/backfill"
)

func TestMain(m *testing.M) { storetest.Main(apitest.Whole(m)) }

// rig is the second half of a gateway with the API over it.
type rig struct {
	t        *testing.T
	db       *store.DB
	cfg      *config.Config
	queue    *queue.Queue
	journal  *journal.Journal
	mirror   *mirror.Mirror
	pauses   *pause.Book
	part     *operations.Part
	api      *apitest.Server
	crm      *receiver
	other    *receiver
	runner   *fetcher
	accounts *accounts.Book
	sent     int
}

// newProvider is the token endpoint of a mail provider: it trades the code "good".
func newProvider(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := q.ParseForm(); err != nil || q.Form.Get("code") != "good" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
			return
		}
		fmt.Fprint(w, `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// receiver is a CRM over HTTP that takes mail as JSON.
type receiver struct {
	*httptest.Server
	status atomic.Int32 // of its answers; 0 is 200
	posts  atomic.Int32 // that it took
	tries  atomic.Int32
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodPost {
			return
		}
		r.tries.Add(1)
		if s := r.status.Load(); s != 0 {
			w.WriteHeader(int(s))
			return
		}
		r.posts.Add(1)
	}))
	t.Cleanup(r.Close)
	return r
}

// fetcher stands for what fetches mail: it tells of progress and ends when it is told to.
type fetcher struct {
	began chan *backfill.Request
	end   chan error
}

func (f *fetcher) Backfill(ctx context.Context, req *backfill.Request, report func(backfill.Event)) (backfill.Result, error) {
	report(backfill.Event{Kind: backfill.EventPlan, Total: 3})
	report(backfill.Event{Kind: backfill.EventProgress, Mailbox: "INBOX", Counts: backfill.Counts{Captured: 1}})
	f.began <- req
	select {
	case err := <-f.end:
		return backfill.Result{Total: 3, Counts: backfill.Counts{Captured: 3, Bytes: 300}, Rows: []backfill.Row{{Mailbox: "INBOX", Messages: 3, Counts: backfill.Counts{Captured: 3}}}}, err
	case <-ctx.Done():
		return backfill.Result{Total: 3, Counts: backfill.Counts{Captured: 1}}, ctx.Err()
	}
}

func (f *fetcher) Reconcile(ctx context.Context, req *backfill.Request, report func(backfill.Event)) (backfill.Result, error) {
	return f.Backfill(ctx, req, report)
}

const sections = `
data_dir: %[1]q
upstreams:
  - {name: main, domains: [example.com], default: true, sign_in: enrolled, oauth2: {client_id: app, token_url: "%[4]s/token", authorize_url: "%[4]s/authorize"}, smtp: {address: "127.0.0.1:9", tls: none}, imap: {address: "127.0.0.1:9", tls: none}}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, hostname: localhost, allow_plaintext_auth: true}
console: {address: "127.0.0.1:0", public_url: "https://gw.example.com"}
targets:
  - {name: crm, type: webhook, url: %[2]q, secret: "0123456789abcdef0123456789abcdef"}
  - {name: other, type: webhook, url: %[3]q, secret: "0123456789abcdef0123456789abcdef"}
capture: {accounts: [{match: [nobody@example.com], policy: none}]}
watch: [{address: support@example.com, mailboxes: [INBOX]}]
`

func newRig(t *testing.T, db *store.DB) *rig {
	t.Helper()
	r := &rig{t: t, db: db, crm: newReceiver(t), other: newReceiver(t), runner: &fetcher{began: make(chan *backfill.Request, 1), end: make(chan error, 1)}}
	dir := t.TempDir()
	var err error
	if r.cfg, err = config.Parse("test.yaml", fmt.Appendf(nil, sections, dir, r.crm.URL, r.other.URL, newProvider(t)), catalog.Validate); err != nil {
		t.Fatal(err)
	}
	r.queue = queue.Open(db, queue.Options{Poll: 20 * time.Millisecond})
	t.Cleanup(r.queue.Close)
	r.journal, err = journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "key"), Store: db, Queue: r.queue, Sync: config.SyncAlways, Consumers: []string{mirror.Name},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.journal.Close() })
	r.pauses = pause.New(db, nil, nil)
	clients := map[string]crmclient.Client{}
	var targets []mirror.Target
	for _, target := range r.cfg.Targets {
		c, err := catalog.New(target, catalog.Deps{UserAgent: "test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.(interface{ Close() error }).Close() })
		clients[target.Name] = c
		if target.Name == "crm" {
			targets = append(targets, mirror.Target{Name: target.Name, Client: c})
		}
	}
	keys, _, err := segment.LoadKeyring(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := oauth.NewKeeper(oauth.Options{Store: db, Sealer: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tokens.Close() })
	if r.accounts, err = accounts.Open(accounts.Options{Store: db, Keeper: tokens, Upstreams: r.cfg.Upstreams}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.accounts.Close() })
	book := contacts.New(contacts.Options{Store: db, Queue: r.queue, Config: r.cfg.Contacts})
	r.mirror = mirror.New(mirror.Options{
		Store: db, Journal: r.journal, Queue: r.queue, Targets: targets, MaxAttempts: 1, Internal: func(a string) bool { return strings.HasSuffix(a, "@example.com") },
		Paused: func(name string) (string, bool, time.Time) {
			p := r.pauses.Target(name)
			return p.Reason, p.Active, p.Resumed
		},
	})
	r.part = operations.New(operations.Options{
		Store: db, Queue: r.queue, Pauses: r.pauses, Tokens: tokens, Accounts: func() *accounts.Book { return r.accounts }, Node: "n1", Host: "host", Version: "test", Runner: r.runner,
		Config: func() *config.Config { return r.cfg }, Contacts: func() *contacts.Book { return book }, Clients: func() map[string]crmclient.Client { return clients },
		Targets: r.mirror.Targets, Sessions: func() (int, int, bool) { return 2, 3, true },
		Health: func(context.Context) []operations.Health {
			return []operations.Health{{Name: "space", Level: operations.LevelWarning, Optional: true, Kind: operations.Space, Detail: "10 MB free", Remedy: "make room"}}
		},
	})
	t.Cleanup(r.part.Close)
	r.api = apitest.New(t, r.part.API())
	r.start()
	return r
}

// start delivers until the test ends.
func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() {
		done <- hooks.NewRunner(r.journal, r.queue, []hooks.Hook{r.mirror}, hooks.Options{Store: r.db, Workers: 2}).Run(ctx)
	}()
	go func() { done <- r.mirror.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		}
	})
}

// submit is a mail of an employee to a customer.
func (r *rig) submit(account, to string) {
	r.t.Helper()
	r.sent++
	raw := fmt.Sprintf("Message-ID: <m%d@example.com>\r\nDate: Mon, 4 Mar 2024 09:15:%02d +0800\r\nFrom: %s\r\nTo: %s\r\nSubject: Offer %d\r\n\r\nHello %d\r\n", r.sent, r.sent, account, to, r.sent, r.sent)
	env := &journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: journal.KindSubmission, Account: account, Upstream: "main", Listener: ":587", Helo: "laptop", ReversePath: account,
		Recipients: []journal.Recipient{{Address: to, Code: 250}}, Size: int64(len(raw)),
	}
	p := r.journal.Begin(env)
	if _, err := p.Write([]byte(raw)); err != nil {
		r.t.Fatal(err)
	}
	if err := p.Seal(r.t.Context(), env); err != nil {
		r.t.Fatal(err)
	}
	p.Commit(journal.Verdict{Code: 250, Text: "2.0.0 queued", At: time.Now()})
}

func (r *rig) eventually(what string, cond func() bool) {
	r.t.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-end.C:
			jobs, _ := r.queue.List(context.Background(), queue.Filter{})
			r.t.Fatalf("waiting in vain: %s; jobs %+v", what, jobs)
		case <-tick.C:
		}
	}
}

// as asks as somebody of a role who sees all mail, or only that of accounts.
func (r *rig) as(role access.Role, accounts ...string) *apitest.Client {
	scope := access.ScopeAll
	if len(accounts) > 0 {
		scope = access.ScopeTeam
	}
	if role == access.Agent {
		scope = access.ScopeOwn
	}
	return r.api.As(access.NewCaller(access.Person{ID: string(role), Email: string(role) + "@example.com", Role: role}, scope, accounts, nil))
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	err := r.db.Write(r.t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
