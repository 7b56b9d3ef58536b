package imapd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
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
	"heliograph/proxy/imapd"
	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// world is a front with a journal before a real Dovecot.
type world struct {
	*front
	dovecot *mailtest.DovecotServer
	journal *journal.Journal
}

const (
	dovecotUser = "alice@example.com"
	captureTime = 30 * time.Second
)

// newWorld starts it all. Captures begin without the usual pauses.
func newWorld(t *testing.T, capture config.Capture) *world {
	t.Helper()
	d := mailtest.Dovecot(t)
	w := &world{front: &front{t: t, metrics: prometheus.NewRegistry()}, dovecot: d}
	end := config.Endpoint{Address: d.IMAPAddr, TLS: config.TLSNone, Timeout: config.Duration(10 * time.Second)}
	w.journal = w.capturing(end, capture, nil)
	w.server.SetCaptureTimes(time.Millisecond, 10*time.Second)
	return w
}

// capturing opens the front with a journal before an upstream. fs is that of the journal's files, nil for the usual.
func (f *front) capturing(end config.Endpoint, capture config.Capture, fs segment.FS) *journal.Journal {
	f.t.Helper()
	t, dir := f.t, f.t.TempDir()
	db, err := store.Open(t.Context(), "sqlite", store.Options{Dir: dir})
	must(t, err)
	q := queue.Open(db, queue.Options{})
	j, err := journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "master.key"), Store: db, Queue: q, SegmentBytes: 16 << 20, FS: fs,
	})
	must(t, err)
	router, err := upstream.New([]config.Upstream{{Name: "main", Default: true, IMAP: end}}, upstream.Options{Hostname: "gw.example"})
	must(t, err)
	back := limit.NewMemory(limit.MemoryOptions{})
	f.server, err = imapd.New(imapd.Options{
		Settings: imapd.Settings{Router: router, Capture: capture},
		Failures: limit.NewFailures(back, 100), Limiter: back, Journal: j,
		Hostname: "gw.example", Registerer: f.metrics,
		Logger: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	must(t, err)
	f.proxy, err = proxy.New(proxy.Options{Listeners: []proxy.Listener{{
		Config: config.Listener{
			Protocol: "imap", Address: "127.0.0.1:0", TLS: config.TLSNone, Mode: config.ModeProxy, AllowPlaintextAuth: true, Hostname: "gw.example",
		},
		Handler: f.server,
	}}})
	must(t, err)
	must(t, f.proxy.Start(t.Context()))
	f.addr = f.proxy.Addr(0).String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		must(t, f.proxy.Drain(ctx))
		f.server.Close()
		router.Close()
		must(t, back.Close())
		must(t, j.Close())
		q.Close()
		must(t, db.Close())
		if n := f.metric("heliograph_imap_sessions"); n != 0 {
			t.Errorf("%v sessions are counted after the end", n)
		}
		if t.Failed() {
			t.Log(f.log.String())
		}
	})
	return j
}

// deliver puts messages into the INBOX behind the gateway's back.
func (w *world) deliver(messages ...[]byte) {
	w.t.Helper()
	c := dialIMAP(w.t, w.dovecot.IMAPAddr)
	c.login()
	for _, m := range messages {
		c.store("INBOX", "", m)
	}
	c.ok("LOGOUT")
}

// captured waits until n entries of fetched or appended messages are in the index, and returns their
// bodies by UID.
func (w *world) captured(n int) map[uint32][]byte {
	w.t.Helper()
	var bodies map[uint32][]byte
	w.eventually(fmt.Sprintf("%d messages are captured", n), func() bool {
		entries, err := w.journal.Entries(w.t.Context(), journal.Filter{State: journal.StateConfirmed, Limit: 10_000})
		must(w.t, err)
		if len(entries) < n {
			return false
		}
		bodies = map[uint32][]byte{}
		for _, e := range entries {
			b := readBody(w.t, w.journal, e)
			uid := max(e.UID, e.Verdict.UID)
			if _, there := bodies[uid]; there {
				w.t.Fatalf("UID %d is captured twice", uid)
			}
			bodies[uid] = b
		}
		return true
	})
	if len(bodies) != n {
		w.t.Fatalf("%d messages are captured, want %d", len(bodies), n)
	}
	return bodies
}

func readBody(t *testing.T, j *journal.Journal, e journal.Entry) []byte {
	t.Helper()
	r, err := j.Body(t.Context(), e)
	must(t, err)
	b, err := io.ReadAll(r)
	must(t, err)
	must(t, r.Close())
	return b
}

// eventually waits for something that happens in the background.
func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	mailtest.Eventually(w.t, captureTime, func() error {
		if !cond() {
			return fmt.Errorf("waiting in vain: %s", what)
		}
		return nil
	})
}

// imap is a raw client.
type imap struct {
	t   *testing.T
	c   net.Conn
	in  *bufio.Reader
	tag int
}

func (w *world) dial() *imap { w.t.Helper(); return dialIMAP(w.t, w.addr) }

func dialIMAP(t *testing.T, addr string) *imap {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	i := &imap{t: t, c: c, in: bufio.NewReader(c)}
	if l := i.line(); !strings.HasPrefix(l, "* OK") {
		t.Fatalf("greeting %q", l)
	}
	return i
}

// line returns one line with its CRLF, and the literal and the line behind it where it announces one.
func (i *imap) line() string {
	i.t.Helper()
	must(i.t, i.c.SetReadDeadline(time.Now().Add(captureTime)))
	var all strings.Builder
	for {
		l, err := i.in.ReadString('\n')
		if err != nil {
			i.t.Fatalf("reading after %q%q: %v", all.String(), l, err)
		}
		all.WriteString(l)
		var n int
		at := strings.LastIndexByte(l, '{')
		if at < 0 || !strings.HasSuffix(l, "}\r\n") {
			return all.String()
		}
		if _, err := fmt.Sscanf(l[at:], "{%d}", &n); err != nil {
			return all.String()
		}
		literal := make([]byte, n)
		_, err = io.ReadFull(i.in, literal)
		must(i.t, err)
		all.Write(literal)
	}
}

func (i *imap) write(s string) {
	i.t.Helper()
	must(i.t, i.c.SetWriteDeadline(time.Now().Add(captureTime)))
	_, err := io.WriteString(i.c, s)
	must(i.t, err)
}

// send sends a command and returns its tag.
func (i *imap) send(format string, args ...any) string {
	i.t.Helper()
	i.tag++
	tag := fmt.Sprintf("t%d", i.tag)
	i.write(tag + " " + fmt.Sprintf(format, args...) + "\r\n")
	return tag
}

// until returns all lines up to the one with the prefix.
func (i *imap) until(prefix string) (lines []string) {
	i.t.Helper()
	for {
		l := i.line()
		lines = append(lines, l)
		if strings.HasPrefix(l, prefix) {
			return lines
		}
	}
}

// ok sends a command that must succeed, and returns what was said.
func (i *imap) ok(format string, args ...any) []string {
	i.t.Helper()
	tag := i.send(format, args...)
	lines := i.until(tag + " ")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, tag+" OK") {
		i.t.Fatalf("%s: %q", fmt.Sprintf(format, args...), last)
	}
	return lines
}

func (i *imap) login() *imap {
	i.t.Helper()
	u := mailtest.Users()[0]
	i.ok("LOGIN %q %q", u.Name, u.Password)
	return i
}

// store appends a message.
func (i *imap) store(mailbox, flags string, m []byte) string {
	i.t.Helper()
	tag := i.send("APPEND %s (%s) {%d}", mailbox, flags, len(m))
	if l := i.line(); !strings.HasPrefix(l, "+") {
		i.t.Fatalf("append: %q", l)
	}
	i.write(string(m) + "\r\n")
	lines := i.until(tag + " ")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, tag+" OK") {
		i.t.Fatalf("append: %q", last)
	}
	return last
}

// mail is a message of about size bytes.
func mail(n, size int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: kunde%d@kunde.example\r\nTo: alice@example.com\r\nSubject: Anfrage %d\r\nMessage-ID: <%d@kunde.example>\r\n\r\n", n, n, n)
	for b.Len() < size {
		fmt.Fprintf(&b, "line %d of message %d {%d}\r\n", b.Len(), n, b.Len())
	}
	return []byte(b.String())
}
