package watch_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
	"heliograph/internal/oauth"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/proxy/upstream"
	"heliograph/proxy/watch"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const support = "support@example.com"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a node: a watcher over a journal, a store, and an upstream.
type world struct {
	t       *testing.T
	db      *store.DB
	journal *journal.Journal
	book    *accounts.Book
	router  *upstream.Router
	claims  limit.Backend
	watcher *watch.Watcher
}

// shared is what nodes have in common.
type shared struct {
	db     *store.DB
	keys   *segment.Keyring
	claims limit.Backend
}

func newShared(t *testing.T, db *store.DB) shared {
	t.Helper()
	claims := limit.NewMemory(limit.MemoryOptions{})
	t.Cleanup(func() { must(t, claims.Close()) })
	return shared{db, segment.NewKeyring(), claims}
}

func newWorld(t *testing.T, up config.Upstream, change func(*watch.Options)) *world {
	t.Helper()
	return newNode(t, "one", newShared(t, storetest.SQLite(t)), up, change)
}

func newNode(t *testing.T, name string, s shared, up config.Upstream, change func(*watch.Options)) *world {
	t.Helper()
	w := &world{t: t, db: s.db, claims: s.claims}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", name)
	}
	q := queue.Open(w.db, queue.Options{})
	var err error
	w.journal, err = journal.Open(t.Context(), journal.Options{
		Dir: t.TempDir() + "/journal", Store: w.db, Queue: q, Sync: config.SyncBackground, SegmentBytes: 16 << 20, Consumers: []string{"mirror"}, Node: name, Logger: log,
	})
	must(t, err)
	if up.Name == "" {
		up.Name = "main"
	}
	up.Default, up.SignIn = true, config.SignInEnrolled
	keeper, err := oauth.NewKeeper(oauth.Options{Store: w.db, Sealer: s.keys})
	must(t, err)
	w.book, err = accounts.Open(accounts.Options{Store: w.db, Keeper: keeper, Upstreams: []config.Upstream{up}})
	must(t, err)
	w.router, err = upstream.New([]config.Upstream{up}, upstream.Options{Hostname: "gw.example", Logger: log, Accounts: w.book})
	must(t, err)
	o := watch.Options{
		Settings: func() watch.Settings { return watch.Settings{Router: w.router, Book: w.book} },
		Journal:  w.journal, Store: w.db, Claims: w.claims, Limiter: w.claims, Node: name, Version: "test", Logger: log,
	}
	watch.Quick(&o)
	if change != nil {
		change(&o)
	}
	w.watcher = watch.New(o)
	t.Cleanup(func() {
		w.stop()
		w.router.Close()
		must(t, errors.Join(w.book.Close(), keeper.Close(), w.journal.Close()))
		q.Close()
	})
	return w
}

func (w *world) stop() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must(w.t, w.watcher.Close(ctx))
}

func (w *world) enroll(address, password string) {
	w.t.Helper()
	_, err := w.book.Enroll(w.t.Context(), accounts.Enrolment{Address: address, Upstream: "main"}, accounts.Given{Password: password}, false)
	must(w.t, err)
}

// entry is a watch of support's INBOX.
func entry(change ...func(*config.Watch)) config.Watch {
	c := config.Watch{
		Address: support, Mailboxes: []string{"INBOX"}, Since: config.WatchNew, Connections: 3, Poll: config.Duration(100 * time.Millisecond), MaxMessage: 10 << 20,
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// until waits until the watch of a mailbox is in one of the states.
func (w *world) until(mailbox string, states ...watch.State) watch.Row {
	w.t.Helper()
	var found watch.Row
	mailtest.Eventually(w.t, 20*time.Second, func() error {
		for _, row := range w.watcher.Rows() {
			if row.Mailbox == mailbox && slices.Contains(states, row.State) {
				found = row
				return nil
			}
		}
		return fmt.Errorf("no state of %v in %+v", states, w.watcher.Rows())
	})
	return found
}

// entries waits for n entries of a mailbox. One that is there twice fails the test.
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
			return fmt.Errorf("%d entries of %s, want %d: %+v", len(all), mailbox, n, w.watcher.Rows())
		}
		return nil
	})
	return all
}

// bodies reads what the entries hold.
func bodies(t *testing.T, entries map[uint32]journal.Entry, of ...*world) map[uint32][32]byte {
	t.Helper()
	sums := map[uint32][32]byte{}
	for uid, e := range entries {
		for _, w := range of {
			body, err := w.journal.Body(t.Context(), e)
			if err != nil {
				continue // another node has it
			}
			h := sha256.New()
			_, err = io.Copy(h, body)
			must(t, errors.Join(err, body.Close()))
			sums[uid] = [32]byte(h.Sum(nil))
		}
	}
	return sums
}

// same fails the test unless the journals hold what the mailbox holds from a UID on, byte for byte, and nothing else.
func same(t *testing.T, entries map[uint32]journal.Entry, held map[uint32]held, of ...*world) {
	t.Helper()
	if a, b := slices.Sorted(maps.Keys(entries)), slices.Sorted(maps.Keys(held)); !slices.Equal(a, b) {
		t.Fatalf("the journal has UIDs %v, want %v", a, b)
	}
	for uid, sum := range bodies(t, entries, of...) {
		if sum != held[uid].sum {
			t.Errorf("UID %d is not as the server holds it", uid)
		}
	}
}

// gone are the UIDs of a mailbox that left it uncaptured.
func (w *world) state(mailbox string, validity uint32, s journal.UIDState) string {
	w.t.Helper()
	states, err := w.journal.Mailboxes(w.t.Context(), journal.MailboxFilter{Upstream: "main", Account: support, Mailbox: mailbox, UIDValidity: validity})
	must(w.t, err)
	text := ""
	for _, m := range states {
		set := m.Sets[s]
		text += set.String()
	}
	return text
}

// dovecot is a Dovecot with support's mailbox, and an upstream that reaches it by a proxy in plain text.
func dovecot(t *testing.T) (*mailtest.DovecotServer, *cutter, config.Upstream) {
	t.Helper()
	d := mailtest.Dovecot(t, mailtest.User{Name: support, Password: "secret"})
	c := newCutter(t, d.IMAPAddr)
	return d, c, plainUpstream(c.addr)
}

func plainUpstream(addr string) config.Upstream {
	return config.Upstream{IMAP: config.Endpoint{Address: addr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)}}
}

// program is a mail program of support's that speaks to Dovecot directly.
func program(t *testing.T, d *mailtest.DovecotServer) *imapclient.Client {
	t.Helper()
	conn, err := net.Dial("tcp", d.IMAPAddr)
	must(t, err)
	c := imapclient.New(conn, nil)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.Login(support, "secret").Wait())
	return c
}

// content is a mail of about size bytes that no other number makes.
func content(n, size int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: kunde%d@acme.example\r\nTo: support@example.com\r\nSubject: =?UTF-8?B?5oql5Lu3?= %d\r\nMessage-ID: <%d@acme.example>\r\n\r\n", n%20, n, n)
	for line := 0; b.Len() < size; line++ {
		fmt.Fprintf(&b, "%d: line %d of mail %d, 请尽快回复\r\n", line*7919, line, n)
	}
	return []byte(b.String())
}

// put stores mails in a mailbox.
func put(t *testing.T, c *imapclient.Client, mailbox string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		size := 500 + n%13*700
		if n%97 == 0 {
			size = 1_500_000
		}
		b := content(n, size)
		cmd := c.Append(mailbox, int64(len(b)), nil)
		_, err := cmd.Write(b)
		must(t, errors.Join(err, cmd.Close()))
		_, err = cmd.Wait()
		must(t, err)
	}
}

// drop delivers mails into the maildir of INBOX.
func drop(t *testing.T, d *mailtest.DovecotServer, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		size := 500 + n%13*700
		if n%97 == 0 {
			size = 1_500_000
		}
		name := fmt.Sprintf("%d.M%dP1.host", 1_700_000_000+n, n)
		tmp := filepath.Join(d.Maildir(support), "tmp", name)
		must(t, os.WriteFile(tmp, content(n, size), 0o600))
		d.Own(tmp)
		must(t, os.Rename(tmp, filepath.Join(d.Maildir(support), "new", name)))
	}
}

// held is what a server holds of a message.
type held struct {
	sum   [32]byte
	flags string
}

// holds reads a mailbox directly, without changing it.
func holds(t *testing.T, c *imapclient.Client, mailbox string, from uint32) map[uint32]held {
	t.Helper()
	_, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	must(t, err)
	all := map[uint32]held{}
	list, err := c.Fetch(imap.UIDSet{imap.UIDRange{Start: imap.UID(from)}}, &imap.FetchOptions{
		UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	must(t, err)
	for _, m := range list {
		flags := slices.DeleteFunc(m.Flags, func(f imap.Flag) bool { return f == `\Recent` })
		if uint32(m.UID) >= from {
			all[uint32(m.UID)] = held{sha256.Sum256(m.BodySection[0].Bytes), fmt.Sprint(flags)}
		}
	}
	return all
}

// cutter passes connections on to a server, and breaks them.
type cutter struct {
	addr   string
	target string
	l      net.Listener
	work   sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	conns  map[net.Conn]bool
	dead   bool                // connections stay open, but nothing passes
	refuse bool                // new connections end at once
	change func([]byte) []byte // what the server says
	count  int                 // of connections
	after  func() int          // how many bytes the server says before all connections are cut; nil: they are not
	left   int                 // of these
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cutter{addr: l.Addr().String(), target: target, l: l, conns: map[net.Conn]bool{}}
	c.work.Go(c.accept)
	t.Cleanup(func() {
		_ = l.Close()
		c.cut()
		c.work.Wait()
	})
	return c
}

func (c *cutter) accept() {
	for {
		client, err := c.l.Accept()
		if err != nil {
			return
		}
		var server net.Conn
		if !c.set(func() {}).refuse {
			server, err = net.Dial("tcp", c.target)
		}
		if server == nil || err != nil {
			_ = client.Close()
			continue
		}
		var change func([]byte) []byte
		c.set(func() { c.conns[client], c.conns[server] = true, true; c.count++; change = c.change })
		c.work.Go(func() { c.pass(server, client, nil, false) })
		c.work.Go(func() { c.pass(client, server, change, true) })
	}
}

// set changes the proxy, and returns it.
func (c *cutter) set(f func()) *cutter {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	return &cutter{dead: c.dead, refuse: c.refuse, count: c.count}
}

func (c *cutter) pass(to, from net.Conn, change func([]byte) []byte, says bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if c.set(func() {}).dead {
			continue
		}
		cut := false
		c.set(func() {
			if c.left -= n; says && c.after != nil && c.left < 0 {
				c.left, cut = c.after(), true
			}
		})
		if cut {
			c.cut()
			return
		}
		b := buf[:n]
		if change != nil {
			b = change(b)
		}
		if _, err := to.Write(b); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
	clear(c.conns)
}
