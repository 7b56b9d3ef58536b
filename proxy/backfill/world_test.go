package backfill_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/proxy/backfill"
	"heliograph/proxy/upstream"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a runner over a real journal, and an upstream.
type world struct {
	t        *testing.T
	runner   *backfill.Runner
	journal  *journal.Journal
	router   *upstream.Router
	limits   *limit.Memory
	failures *limit.Failures

	mu      sync.Mutex // guards capture
	capture config.Capture
}

// newWorld makes a world with one upstream; change may make it and the options different.
func newWorld(t *testing.T, up config.Upstream, change func(*backfill.Options)) *world {
	t.Helper()
	return newWorldOn(t, nil, up, change)
}

// newWorldOn is newWorld with a file layer for the journal.
func newWorldOn(t *testing.T, fs segment.FS, up config.Upstream, change func(*backfill.Options)) *world {
	t.Helper()
	w := &world{t: t, capture: config.Capture{Policy: config.CaptureSeen, Folders: config.Folders{Exclude: []string{`\Drafts`, `\Junk`, `\Trash`}}}}
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	db, err := store.Open(ctx, "sqlite", store.Options{Dir: t.TempDir()})
	must(t, err)
	q := queue.Open(db, queue.Options{})
	w.journal, err = journal.Open(ctx, journal.Options{
		Dir: t.TempDir() + "/journal", Store: db, Queue: q, Sync: config.SyncAlways, SegmentBytes: 16 << 20, Consumers: []string{"mirror"}, Logger: log, FS: fs,
	})
	must(t, err)
	up.Name, up.Default = "main", true
	w.router, err = upstream.New([]config.Upstream{up}, upstream.Options{Hostname: "gw.example", Logger: log})
	must(t, err)
	now := time.Now()
	w.limits = limit.NewMemory(limit.MemoryOptions{Now: func() time.Time { return now }}) // what is to wait waits
	w.failures = limit.NewFailures(w.limits, 3)
	o := backfill.Options{
		Settings: w.settings, Journal: w.journal, Failures: w.failures, Limiter: w.limits, Logger: log, Backoff: 50 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	w.runner = backfill.New(o)
	t.Cleanup(func() {
		w.runner.Close()
		w.router.Close()
		must(t, w.journal.Close())
		q.Close()
		must(t, db.Close())
		must(t, w.limits.Close())
	})
	return w
}

func (w *world) settings() backfill.Settings {
	w.mu.Lock()
	defer w.mu.Unlock()
	return backfill.Settings{Router: w.router, Capture: w.capture}
}

func (w *world) configure(change func(*config.Capture)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.capture)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dovecotUpstream is a Dovecot of the kit as an upstream.
func dovecotUpstream(d *mailtest.DovecotServer) config.Upstream {
	return config.Upstream{IMAP: config.Endpoint{
		Address: d.IMAPAddr, TLS: config.TLSStartTLS, CAFile: d.Certs.CAFile, ServerName: "localhost", Timeout: config.Duration(10 * time.Second),
	}}
}

// run is one run with what it told.
type ran struct {
	backfill.Result
	events []backfill.Event
	err    error
}

func (w *world) backfill(req backfill.Request) ran { return w.run(w.runner.Backfill, req, nil) }

func (w *world) reconcile(req backfill.Request) ran { return w.run(w.runner.Reconcile, req, nil) }

type runFunc func(context.Context, *backfill.Request, func(backfill.Event)) (backfill.Result, error)

// run runs f with the first user of the kit, unless req says otherwise.
func (w *world) run(f runFunc, req backfill.Request, on func(backfill.Event)) (r ran) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	if req.Account == "" {
		req.Account = mailtest.Users()[0].Name
	}
	if req.Secret == nil {
		req.Secret = []byte(mailtest.Users()[0].Password)
	}
	r.Result, r.err = f(ctx, &req, func(e backfill.Event) {
		r.events = append(r.events, e)
		if on != nil {
			on(e)
		}
	})
	if strings.Trim(string(req.Secret), "\x00") != "" {
		w.t.Error("the secret was not wiped")
	}
	return r
}

func (r ran) ok(t *testing.T) ran {
	t.Helper()
	must(t, r.err)
	return r
}

func (r ran) row(t *testing.T, mailbox string) backfill.Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Mailbox == mailbox {
			return row
		}
	}
	t.Fatalf("no row of %s among %+v", mailbox, r.Rows)
	return backfill.Row{}
}

// content is a mail of about size bytes that no other number makes.
func content(n, size int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: kunde%d@acme.example\r\nTo: li@example.com\r\nSubject: =?UTF-8?B?5oql5Lu3?= %d\r\nMessage-ID: <%d@acme.example>\r\n\r\n", n%20, n, n)
	for line := 0; b.Len() < size; line++ {
		fmt.Fprintf(&b, "%d: line %d of mail %d, 请尽快回复\r\n", line*7919, line, n)
	}
	return []byte(b.String())
}

// sizeOf varies sizes: mostly small, now and then of several chunks.
func sizeOf(n int) int {
	switch {
	case n%97 == 0:
		return 700_000
	case n%10 == 0:
		return 60_000
	}
	return 500 + n%13*700
}

// deliver puts mails into the maildir of the first user's INBOX before Dovecot looks at it.
func deliver(t *testing.T, d *mailtest.DovecotServer, from, to int) {
	t.Helper()
	dir := d.Maildir(mailtest.Users()[0].Name)
	for _, sub := range []string{"cur", "new", "tmp"} {
		must(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for n := from; n < to; n++ {
		flags := ""
		if n%3 == 0 {
			flags = "S"
		}
		name := filepath.Join(dir, "cur", fmt.Sprintf("%d.M%dP1.host:2,%s", 1_700_000_000+n, n, flags))
		must(t, os.WriteFile(name, content(n, sizeOf(n)), 0o600))
		when := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, n%300)
		must(t, os.Chtimes(name, when, when))
	}
	d.Own(dir)
}

// client logs in directly, past everything of ours.
func client(t *testing.T, d *mailtest.DovecotServer) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialStartTLS(d.IMAPAddr, &imapclient.Options{TLSConfig: d.Certs.Client()})
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	u := mailtest.Users()[0]
	must(t, c.Login(u.Name, u.Password).Wait())
	return c
}

// held is what a server holds of a message.
type held struct {
	sum   [32]byte
	flags string
	date  time.Time
}

// holds reads a mailbox directly, without changing it.
func holds(t *testing.T, d *mailtest.DovecotServer, mailbox string) map[uint32]held {
	t.Helper()
	c := client(t, d)
	data, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	must(t, err)
	all := map[uint32]held{}
	if data.NumMessages == 0 {
		return all
	}
	list, err := c.Fetch(imap.UIDSet{imap.UIDRange{Start: 1}}, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	must(t, err)
	for _, m := range list {
		flags := slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == `\Recent` })
		slices.Sort(flags)
		all[uint32(m.UID)] = held{sha256.Sum256(m.BodySection[0].Bytes), fmt.Sprint(flags), m.InternalDate}
	}
	return all
}

// entries reads the journal's entries of a mailbox by UID. One that is there twice fails the test.
func (w *world) entries(mailbox string, n int) map[uint32]journal.Entry {
	w.t.Helper()
	all := map[uint32]journal.Entry{}
	mailtest.Eventually(w.t, 30*time.Second, func() error {
		clear(all)
		list, err := w.journal.Entries(w.t.Context(), journal.Filter{Limit: 100_000})
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Mailbox != mailbox {
				continue
			}
			if _, twice := all[e.UID]; twice {
				w.t.Fatalf("UID %d is in the journal twice", e.UID)
			}
			all[e.UID] = e
		}
		if len(all) < n {
			return fmt.Errorf("%d entries of %s, want %d", len(all), mailbox, n)
		}
		return nil
	})
	return all
}

// same fails the test unless the journal holds what the server holds, byte for byte, and nothing else.
func (w *world) same(mailbox string, want map[uint32]held) {
	w.t.Helper()
	got := w.entries(mailbox, len(want))
	if a, b := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(a, b) {
		w.t.Fatalf("the journal has UIDs %v, the mailbox %v", a, b)
	}
	for uid, e := range got {
		body, err := w.journal.Body(w.t.Context(), e)
		must(w.t, err)
		h := sha256.New()
		_, err = io.Copy(h, body)
		must(w.t, err)
		must(w.t, body.Close())
		switch {
		case [32]byte(h.Sum(nil)) != want[uid].sum:
			w.t.Errorf("UID %d is not as the server holds it", uid)
		case !e.InternalDate.Equal(want[uid].date):
			w.t.Errorf("UID %d has the date %v, want %v", uid, e.InternalDate, want[uid].date)
		case e.Kind != journal.KindBackfill || e.Account != mailtest.Users()[0].Name || e.Upstream != "main" || e.State != journal.StateConfirmed:
			w.t.Errorf("UID %d is stored as %+v", uid, e)
		}
	}
}
