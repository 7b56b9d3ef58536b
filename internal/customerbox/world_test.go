package customerbox_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/hooks"
	"heliograph/hooks/mirror"
	"heliograph/internal/customerbox"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/sandbox"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/proxy"
	"heliograph/proxy/upstream"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// world is a listener of customer mailboxes with everything real: the provider that knows the passwords, the
// journal, the mirror and the built-in CRM that it fills.
type world struct {
	t       testing.TB
	db      *store.DB
	journal *journal.Journal
	crm     *builtin.CRM
	server  *customerbox.Server
	router  *upstream.Router
	proxy   *proxy.Server
	addr    string
	client  *tls.Config
	uid     *atomic.Uint32 // of the last mail in an employee's mailbox
}

const domain = "example.com"

// The employees.
const (
	anna, bert, chef = "anna@" + domain, "bert@" + domain, "chef@" + domain
	secret           = "open sesame"
)

// setup is what a test may change.
type setup struct {
	listener  config.Listener
	customers config.Customers
	upstream  func(*config.Upstream)
	perMinute int // failed logins
}

func newWorld(t testing.TB, db *store.DB, change func(*setup)) *world {
	t.Helper()
	s := setup{
		listener: config.Listener{
			Protocol: "imap", Mode: config.ModeCustomers, Address: "127.0.0.1:0", TLS: config.TLSStartTLS, AllowPlaintextAuth: true,
		},
		customers: config.Customers{Scope: config.ScopeOwn, Managers: []string{"Chef@Example.com"}},
		perMinute: 100,
	}
	if change != nil {
		change(&s)
	}
	w := &world{t: t, db: db, uid: new(atomic.Uint32)}
	w.startHalf()
	w.startFront(s)
	return w
}

// startHalf starts journal, mirror and CRM.
func (w *world) startHalf() {
	t := w.t
	q := queue.Open(w.db, queue.Options{Poll: 20 * time.Millisecond})
	dir := t.TempDir()
	var err error
	w.journal, err = journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), Store: w.db, Queue: q, Sync: config.SyncBackground, SegmentBytes: 1 << 20, Consumers: []string{mirror.Name},
	})
	must(t, err)
	w.crm, err = builtin.New(w.db, builtin.Config{})
	must(t, err)
	m := mirror.New(mirror.Options{
		Store: w.db, Journal: w.journal, Queue: q, Targets: []mirror.Target{{Name: "builtin", Client: w.crm}},
		Internal:  func(a string) bool { return strings.HasSuffix(a, "@"+domain) },
		Unmatched: config.UnmatchedCreate,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() {
		done <- hooks.NewRunner(w.journal, q, []hooks.Hook{m}, hooks.Options{Store: w.db, Workers: 4}).Run(ctx)
	}()
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("stopping: %v", err)
			}
		}
		if err := w.journal.Close(); err != nil {
			t.Error(err)
		}
		q.Close()
	})
}

// startFront starts the provider, the upstream and the listener.
func (w *world) startFront(s setup) {
	t := w.t
	var users []sandbox.User
	for _, u := range []string{anna, bert, chef} {
		users = append(users, sandbox.User{Address: u, Password: secret})
	}
	provider, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Options{Domain: domain, Users: users})
	must(t, err)
	t.Cleanup(func() { _ = provider.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, provider.CAPEM, 0o600))
	up := config.Upstream{Name: "main", Default: true}
	up.SMTP = config.Endpoint{Address: provider.SMTPAddr, TLS: config.TLSStartTLS, CAFile: ca, ServerName: "localhost", Timeout: config.Duration(10 * time.Second)}
	up.IMAP = config.Endpoint{Address: provider.IMAPAddr, TLS: config.TLSStartTLS, CAFile: ca, ServerName: "localhost", Timeout: config.Duration(10 * time.Second)}
	if s.upstream != nil {
		s.upstream(&up)
	}
	w.router, err = upstream.New([]config.Upstream{up}, upstream.Options{})
	must(t, err)
	back := limit.NewMemory(limit.MemoryOptions{})
	w.server, err = customerbox.New(customerbox.Options{
		Settings: customerbox.Settings{Router: w.router, Customers: s.customers},
		Store:    w.db, Journal: w.journal, Failures: limit.NewFailures(back, s.perMinute), Logger: logger(t), Poll: 20 * time.Millisecond,
	})
	must(t, err)
	authority := mailtest.NewAuthority(t)
	w.client = &tls.Config{RootCAs: authority.Pool, ServerName: "gw.example"}
	w.proxy, err = proxy.New(proxy.Options{
		Listeners: []proxy.Listener{{Config: s.listener, Handler: w.server}},
		TLS:       &tls.Config{Certificates: []tls.Certificate{authority.Issue(time.Now().Add(time.Hour), "gw.example")}},
	})
	must(t, err)
	must(t, w.proxy.Start(t.Context()))
	w.addr = w.proxy.Addr(0).String()
	t.Cleanup(func() {
		w.proxy.Close()
		w.server.Close()
		w.router.Close()
		must(t, back.Close())
	})
}

func logger(t testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil)).With("test", t.Name())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send captures a mail that an employee sent.
func (w *world) send(account, raw string, recipients ...string) string {
	w.t.Helper()
	return w.capture(journal.KindSubmission, account, raw, recipients...)
}

// receive captures a mail in an employee's mailbox.
func (w *world) receive(account, raw string) string {
	w.t.Helper()
	return w.capture(journal.KindFetch, account, raw)
}

func (w *world) capture(kind journal.Kind, account, raw string, recipients ...string) string {
	w.t.Helper()
	raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")
	env := &journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: kind, Account: account, Upstream: "main", Listener: ":587", ReversePath: account, Received: time.Now(),
	}
	body := raw
	if kind == journal.KindSubmission {
		env.DotStuffed = true
		body = strings.ReplaceAll(raw, "\r\n.", "\r\n..")
	} else {
		env.ReversePath, env.Mailbox, env.UIDValidity, env.UID = "", "INBOX", 1, w.uid.Add(1)
	}
	for _, r := range recipients {
		env.Recipients = append(env.Recipients, journal.Recipient{Address: r, Code: 250})
	}
	p := w.journal.Begin(env)
	_, err := io.WriteString(p, body)
	must(w.t, err)
	must(w.t, p.Seal(w.t.Context(), env))
	p.Commit(journal.Verdict{Code: 250, Text: "queued", At: time.Now()})
	return env.ID.String()
}

// mirrored waits until the CRM has n activities and the store n sightings at least.
func (w *world) mirrored(activities, sightings int) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d activities of %d sightings", activities, sightings), func() bool {
		var a, s int
		must(w.t, w.db.Reader().QueryRowContext(w.t.Context(),
			`SELECT (SELECT COUNT(*) FROM crm_activities), (SELECT COUNT(*) FROM sightings)`).Scan(&a, &s))
		return a >= activities && s >= sightings
	})
}

func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			w.t.Fatalf("waiting in vain for %s", what)
		case <-tick.C:
		}
	}
}

// letter is a plain mail.
func letter(id int, from, to, subject, text string) string {
	return fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nDate: Tue, 10 Nov 2026 08:%02d:00 +0000\nMessage-ID: <m%d@mail.example>\n"+
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s\n", from, to, subject, id%60, id, text)
}

// talk plays a script on the plain port; it begins behind the greeting.
func (w *world) talk(script string) {
	w.t.Helper()
	mailtest.Dialogue(w.t, w.addr, w.client, "S: * OK [CAPABILITY {any}] customer mailboxes ready\n"+script)
}

// as is talk for somebody who has logged in.
func (w *world) as(user, script string) {
	w.t.Helper()
	w.talk(fmt.Sprintf("C: l LOGIN %s \"%s\"\nS: l OK [CAPABILITY {any}] logged in\n%s", user, secret, script))
}

// login connects with a client that understands what it gets.
func (w *world) login(user string, o *imapclient.Options) *imapclient.Client {
	w.t.Helper()
	if o == nil {
		o = &imapclient.Options{}
	}
	o.TLSConfig = w.client
	c, err := imapclient.DialStartTLS(w.addr, o)
	must(w.t, err)
	w.t.Cleanup(func() { _ = c.Close() })
	must(w.t, c.Login(user, secret).Wait())
	return c
}

// names lists the mailboxes that a client sees.
func names(t testing.TB, c *imapclient.Client, pattern string) []string {
	t.Helper()
	list, err := c.List("", pattern, nil).Collect()
	must(t, err)
	var out []string
	for _, m := range list {
		out = append(out, m.Mailbox)
	}
	return out
}

// subjects opens a mailbox and lists what is in it.
func subjects(t testing.TB, c *imapclient.Client, mailbox string) []string {
	t.Helper()
	data, err := c.Select(mailbox, nil).Wait()
	must(t, err)
	out := []string{}
	if data.NumMessages == 0 {
		return out
	}
	all := imap.SeqSet{}
	all.AddRange(1, 0)
	messages, err := c.Fetch(all, &imap.FetchOptions{Envelope: true}).Collect()
	must(t, err)
	for _, m := range messages {
		out = append(out, m.Envelope.Subject)
	}
	return out
}
