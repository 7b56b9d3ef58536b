package smtpd_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/proxy"
	"heliograph/proxy/smtpd"
	"heliograph/proxy/upstream"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a listener with everything below it real but the upstream, which plays scripts.
type world struct {
	t       *testing.T
	ca      *mailtest.Authority
	addr    string
	journal *journal.Journal
	server  *smtpd.Server
	proxy   *proxy.Server
}

// setup is what a test may change of the world.
type setup struct {
	ca       *mailtest.Authority
	listener config.Listener
	upstream config.Upstream
	limits   config.Limits
	failure  config.FailureMode
	fs       segment.FS
	handler  slog.Handler  // of the front's log; nil is the test's own
	patience time.Duration // with clients; zero means the usual
}

// The upstream's first connection is the gateway's own, to learn what it offers.
const (
	ehlo  = `"250-up.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250-XCLIENT NAME ADDR\r\n250-BURL\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256-PLUS\r\n"`
	learn = `
		S: 220 up.example ESMTP
		C: EHLO {any}
		S= ` + ehlo + `
		C: QUIT
		S: 221 bye`
	upHello = `
		S: 220 up.example ESMTP
		C: EHLO me.example
		S= ` + ehlo
	upLogin = upHello + `
		C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==
		S: 235 2.7.0 Welcome in, u
	`
	login = `
		S: 220 gw.example ESMTP
		C: EHLO me.example
		S: 250-gw.example
		S: 250-PIPELINING
		S: 250-SIZE 1000000
		S: 250-8BITMIME
		S: 250-CHUNKING
		S: 250-SMTPUTF8
		S: 250-DSN
		S: 250 AUTH PLAIN LOGIN CRAM-MD5
		C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==
		S: 235 2.7.0 Welcome in, u
	`
)

func newWorld(t *testing.T, change func(*setup), scripts ...string) *world {
	t.Helper()
	s := setup{
		ca: mailtest.NewAuthority(t),
		listener: config.Listener{
			Protocol: "smtp", Address: "127.0.0.1:0", TLS: config.TLSNone, Mode: config.ModeProxy,
			AllowPlaintextAuth: true, BareLF: config.BareLFNormalize, Hostname: "gw.example",
		},
		upstream: config.Upstream{Name: "main", Default: true},
		failure:  config.FailureDeliver,
	}
	s.upstream.SMTP = config.Endpoint{TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)}
	if change != nil {
		change(&s)
	}
	if s.upstream.SMTP.Address == "" {
		s.upstream.SMTP.Address = mailtest.Serve(t, nil, scripts...)
	}
	w := &world{t: t, ca: s.ca}
	w.open(s)
	return w
}

func (w *world) open(s setup) {
	t := w.t
	ctx := t.Context()
	db, err := store.Open(ctx, "sqlite", store.Options{Dir: t.TempDir()})
	must(t, err)
	q := queue.Open(db, queue.Options{})
	dir := t.TempDir()
	w.journal, err = journal.Open(ctx, journal.Options{
		Dir: dir + "/journal", Store: db, Queue: q, KeyFile: dir + "/master.key", Sync: config.SyncAlways,
		UnconfirmedAfter: time.Hour, SegmentBytes: 4 << 20, Consumers: []string{"mirror"}, Node: "test", FS: s.fs,
	})
	must(t, err)
	router, err := upstream.New([]config.Upstream{s.upstream}, upstream.Options{Hostname: "gw.example"})
	must(t, err)
	back := limit.NewMemory(limit.MemoryOptions{})
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	front := log
	if s.handler != nil {
		front = slog.New(s.handler)
	}
	w.server = smtpd.New(smtpd.Options{
		Settings: smtpd.Settings{Router: router, Limits: s.limits, OnFailure: s.failure},
		Journal:  w.journal, Limiter: back, Failures: limit.NewFailures(back, max(s.limits.LoginPerMinute, 3)),
		Hostname: "gw.example", Logger: front,
	})
	if s.patience > 0 {
		w.server.SetTimeouts(s.patience, s.patience)
	}
	var h proxy.Handler = w.server
	if s.listener.Mode == config.ModeQueue {
		machines := smtpd.NewQueue(w.server)
		t.Cleanup(func() { must(t, machines.Close()) })
		h = machines
	}
	w.proxy, err = proxy.New(proxy.Options{
		Listeners: []proxy.Listener{{Config: s.listener, Handler: h}},
		TLS:       &tls.Config{Certificates: []tls.Certificate{w.ca.Issue(time.Now().Add(time.Hour), "gw.example")}}, Limits: s.limits, Logger: log,
	})
	must(t, err)
	must(t, w.proxy.Start(ctx))
	w.addr = w.proxy.Addr(0).String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(t, w.proxy.Drain(ctx))
		router.Close()
		must(t, w.journal.Close())
		q.Close()
		must(t, db.Close())
		must(t, back.Close())
	})
}

func (w *world) talk(script string) {
	w.t.Helper()
	mailtest.Dialogue(w.t, w.addr, &tls.Config{RootCAs: w.ca.Pool, ServerName: "gw.example"}, script)
}

// entries waits until the index has n entries in the given state.
func (w *world) entries(state journal.State, n int) []journal.Entry {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		es, err := w.journal.Entries(w.t.Context(), journal.Filter{State: state})
		must(w.t, err)
		if len(es) == n {
			return es
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d entries are %s, want %d", len(es), state, n)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (w *world) body(e journal.Entry) string {
	w.t.Helper()
	r, err := w.journal.Body(w.t.Context(), e)
	must(w.t, err)
	b, err := io.ReadAll(r)
	must(w.t, err)
	must(w.t, r.Close())
	return string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// lines joins the lines of a script that is made of parts.
func lines(parts ...string) string { return strings.Join(parts, "\n") }
