package imapd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/uidset"
	"heliograph/proxy"
	"heliograph/proxy/imapd"
	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// stage is a front with a journal whose upstream is played by the test itself, connection by connection.
// Tests that play at the same time are told apart by their accounts.
type stage struct {
	*front
	journal   *journal.Journal
	serverTLS *tls.Config // nil for none

	mu      sync.Mutex               // guards waiting
	waiting map[string]chan net.Conn // by account
}

// staging is what a test may change of the stage.
type staging struct {
	capture    config.Capture
	fs         segment.FS // of the journal
	arrival    time.Duration
	ours, pass time.Duration
	records    bool // the upstream speaks TLS, so that the gateway reads each of its writes by itself
}

const stageCaps = "IMAP4rev1 ENABLE IDLE LITERAL+ STARTTLS COMPRESS=DEFLATE UNAUTHENTICATE AUTH=PLAIN"

func newStage(t *testing.T, change func(*staging)) *stage {
	t.Helper()
	set := staging{capture: config.Capture{Policy: config.CaptureSeen, ChunkBytes: 100}, arrival: time.Millisecond, ours: time.Minute}
	if change != nil {
		change(&set)
	}
	w := &stage{front: &front{t: t, metrics: prometheus.NewRegistry()}, waiting: map[string]chan net.Conn{}}
	dir := t.TempDir()
	db, err := store.Open(t.Context(), "sqlite", store.Options{Dir: dir})
	must(t, err)
	q := queue.Open(db, queue.Options{})
	w.journal, err = journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "master.key"), Store: db, Queue: q, SegmentBytes: 16 << 20, FS: set.fs,
	})
	must(t, err)
	end := config.Endpoint{TLS: config.TLSNone, Timeout: config.Duration(20 * time.Second)}
	if set.records {
		certs := mailtest.TLS(t)
		end.TLS, end.CAFile, end.ServerName = config.TLSImplicit, certs.CAFile, "localhost"
		w.serverTLS = certs.Server()
	}
	end.Address = w.accept()
	router, err := upstream.New([]config.Upstream{{Name: "main", Default: true, IMAP: end}}, upstream.Options{Hostname: "gw.example"})
	must(t, err)
	back := limit.NewMemory(limit.MemoryOptions{})
	w.server, err = imapd.New(imapd.Options{
		Settings: imapd.Settings{Router: router, Capture: set.capture},
		Failures: limit.NewFailures(back, 100), Limiter: back, Journal: w.journal,
		Hostname: "gw.example", Registerer: w.metrics,
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	must(t, err)
	w.server.SetCaptureTimes(set.arrival, set.ours)
	if set.pass > 0 {
		w.server.SetPassTimeout(set.pass)
	}
	w.proxy, err = proxy.New(proxy.Options{Listeners: []proxy.Listener{{
		Config: config.Listener{
			Protocol: "imap", Address: "127.0.0.1:0", TLS: config.TLSNone, Mode: config.ModeProxy, AllowPlaintextAuth: true, Hostname: "gw.example",
		},
		Handler: w.server,
	}}})
	must(t, err)
	must(t, w.proxy.Start(t.Context()))
	w.addr = w.proxy.Addr(0).String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		must(t, w.proxy.Drain(ctx))
		w.server.Close()
		router.Close()
		must(t, back.Close())
		must(t, w.journal.Close())
		q.Close()
		must(t, db.Close())
		if n := w.metric("heliograph_imap_sessions"); n != 0 {
			t.Errorf("%v sessions are counted after the end", n)
		}
		if t.Failed() {
			t.Log(w.log.String())
		}
	})
	return w
}

// accept is the upstream up to the login, whose answer is the test's.
func (w *stage) accept() (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.greet(c) })
		}
	})
	w.t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func (w *stage) greet(c net.Conn) {
	if w.serverTLS != nil {
		c = tls.Server(c, w.serverTLS)
	}
	_ = c.SetDeadline(time.Now().Add(captureTime))
	in := bufio.NewReaderSize(c, 1) // bufio's least is 16 bytes: the login is the last that is said
	_, _ = fmt.Fprintf(c, "* OK [CAPABILITY %s] up ready\r\n", stageCaps)
	for {
		line, err := in.ReadString('\n')
		f := strings.Fields(line)
		if err != nil || len(f) < 2 {
			_ = c.Close()
			return
		}
		if f[1] == "LOGIN" {
			w.mu.Lock()
			to := w.waiting[f[2]]
			w.mu.Unlock()
			to <- c
			return
		}
		_, _ = fmt.Fprintf(c, "%s OK done\r\n", f[0])
	}
}

// play is one session: the test plays both its client and its upstream.
type play struct {
	t       *testing.T
	w       *stage
	account string
	c, u    *peer // client, upstream
	served  sync.WaitGroup
}

// serve answers what the upstream is asked, until it is asked no more.
func (x *play) serve() {
	idling := "i"
	for {
		line, err := x.u.in.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		var answer strings.Builder
		var lo, off int
		switch {
		case tag == "DONE":
			tag, idling = idling, ""
		case command == "IDLE":
			idling = tag
			answer.WriteString("+ idling\r\n")
			tag = ""
		case strings.HasSuffix(command, " (UID)"):
			set, err := uidset.Parse(strings.TrimSuffix(strings.TrimPrefix(command, "FETCH "), " (UID)"))
			if err != nil {
				x.t.Error(err)
			}
			for seq := range set.All() {
				fmt.Fprintf(&answer, "* %d FETCH (UID %d)\r\n", seq, seq+100)
			}
		case strings.HasPrefix(command, "SEARCH UID "):
			set, err := uidset.Parse(strings.TrimPrefix(command, "SEARCH UID "))
			if err != nil {
				x.t.Error(err)
			}
			answer.WriteString("* SEARCH")
			for uid := range set.All() {
				fmt.Fprintf(&answer, " %d", uid-100)
			}
			answer.WriteString("\r\n")
		case strings.HasPrefix(command, "FETCH "):
			if _, err := fmt.Sscanf(command, "FETCH %d", &lo); err != nil {
				x.t.Error(err)
			}
			_, rest, _ := strings.Cut(command, "<")
			if _, err := fmt.Sscanf(rest, "%d", &off); err != nil {
				x.t.Error(err)
			}
			m := stageMail(lo + 100)
			part := m[min(off, len(m)):]
			fmt.Fprintf(&answer, "* %d FETCH (UID %d RFC822.SIZE %d BODY[]<%d> {%d}\r\n%s)\r\n", lo, lo+100, len(m), off, len(part), part)
		}
		if tag != "" {
			answer.WriteString(tag + " OK done\r\n")
		}
		if err := x.u.write(answer.String()); err != nil {
			return
		}
	}
}

// peer is an end of a connection.
type peer struct {
	conn net.Conn
	in   *bufio.Reader
}

func newPeer(c net.Conn) *peer { return &peer{c, bufio.NewReaderSize(c, 64<<10)} }

var notAtom = regexp.MustCompile(`[^a-z0-9]+`)

// open logs in. The capabilities are what the upstream says then.
func (w *stage) open(t *testing.T, caps string) *play {
	t.Helper()
	x := &play{t: t, w: w, account: notAtom.ReplaceAllString(strings.ToLower(t.Name()), "-") + "@example.com"}
	came := make(chan net.Conn, 1)
	w.mu.Lock()
	w.waiting[x.account] = came
	w.mu.Unlock()
	c, err := net.Dial("tcp", w.addr)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(captureTime)))
	x.c = newPeer(c)
	x.run("c< * OK {any}")
	x.run("c> a LOGIN " + x.account + " p")
	select {
	case c := <-came:
		x.u = newPeer(c)
	case <-time.After(captureTime):
		t.Fatal("the login did not reach the upstream")
	}
	t.Cleanup(func() { _ = x.u.conn.Close() })
	x.run("u> a OK [CAPABILITY " + caps + "] in")
	x.run("c< a OK {any}")
	return x
}

// run plays a script step by step:
//
//	c> text    the client sends this line
//	c< text    the client gets this line, in which {any} is any run of bytes
//	u> text    the upstream sends it
//	u< text    the upstream gets it
//	c>= "raw"  the same with exactly these bytes; so with the others
//	c< eof     the client's connection has ended, and it got nothing more; so with u
//	c close    the client closes its connection; so with u
//	auto       from now on the upstream answers by itself, see serve
//	wait       as long as we are polite
//	ledger m v until the mailbox m with UIDVALIDITY v is known to the journal
func (x *play) run(script string) {
	x.t.Helper()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := x.step(line); err != nil {
			x.t.Fatalf("%s: %v", line, err)
		}
	}
}

func (x *play) step(line string) error {
	who, rest, _ := strings.Cut(line, " ")
	switch who {
	case "auto":
		x.served.Go(x.serve)
		x.t.Cleanup(func() {
			_ = x.u.conn.Close()
			x.served.Wait()
		})
		return nil
	case "wait":
		<-time.After(4 * imapd.QuietTime)
		return nil
	case "ledger":
		var name string
		var validity uint32
		_, err := fmt.Sscan(rest, &name, &validity)
		x.ledger(name, validity)
		return err
	}
	p := map[byte]*peer{'c': x.c, 'u': x.u}[who[0]]
	if len(who) == 3 {
		raw, err := strconv.Unquote(rest)
		if err != nil {
			return err
		}
		if who[1] == '>' {
			return p.write(raw)
		}
		return p.want([]byte(raw))
	}
	switch {
	case who[1:] == ">":
		return p.write(rest + "\r\n")
	case rest == "close":
		return p.conn.Close()
	case rest == "eof":
		got, err := io.ReadAll(p.in)
		if len(got) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("got %q and %w", got, err)
		}
		return nil
	}
	got, err := p.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("got %q and %w", got, err)
	}
	if text, ok := strings.CutSuffix(got, "\r\n"); !ok || !matches(rest, text) {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

func (p *peer) write(s string) error {
	_, err := io.WriteString(p.conn, s)
	return err
}

func (p *peer) want(want []byte) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.in, got)
	if !bytes.Equal(got[:n], want) || err != nil {
		return fmt.Errorf("got %q and %w", got[:n], err)
	}
	return nil
}

// matches compares a line with an expectation with at most one {any}.
func matches(want, got string) bool {
	head, tail, any := strings.Cut(want, "{any}")
	if !any {
		return want == got
	}
	return len(got) >= len(head)+len(tail) && strings.HasPrefix(got, head) && strings.HasSuffix(got, tail)
}

// selected selects a mailbox of so many messages, whose UIDs begin with 1 more than a hundred.
func (x *play) selected(exists int) {
	x.t.Helper()
	x.run(fmt.Sprintf(`
		c> s SELECT INBOX
		u< s SELECT INBOX
		u> * FLAGS (\Seen)
		c< * FLAGS (\Seen)
		u> * %[1]d EXISTS
		c< * %[1]d EXISTS
		u> * OK [UIDVALIDITY 7] valid
		c< * OK [UIDVALIDITY 7] valid
		u> * OK [UIDNEXT %[2]d] next
		c< * OK [UIDNEXT %[2]d] next
		u> s OK [READ-WRITE] selected
		c< s OK [READ-WRITE] selected`, exists, 101+exists))
	x.ledger("INBOX", 7)
}

// ledger waits until the mailbox is known to the journal.
func (x *play) ledger(mailbox string, validity uint32) {
	x.t.Helper()
	mailtest.Eventually(x.t, captureTime, func() error {
		all, err := x.w.journal.Mailboxes(x.t.Context(), journal.MailboxFilter{})
		must(x.t, err)
		for _, m := range all {
			if m.Account == x.account && m.Mailbox == mailbox && m.UIDValidity == validity {
				return nil
			}
		}
		return fmt.Errorf("the ledger of %s was not opened", mailbox)
	})
}

// touched lets the client read a piece of a message, so that we want the rest.
func (x *play) touched(seq int) {
	x.t.Helper()
	x.run(fmt.Sprintf(`
		c> t FETCH %[1]d (UID BODY.PEEK[]<0.1>)
		u< t FETCH %[1]d (UID BODY.PEEK[]<0.1>)
		u>= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"
		c<= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"`, seq, seq+100))
}

// ours is the command with which we ask for a message.
func ours(n, seq int) string {
	return fmt.Sprintf("u< heliograph%d FETCH %d (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0.100>)\n", n, seq)
}

// stageMail is what the upstream holds under a UID; it fits into one chunk.
func stageMail(uid int) string { return fmt.Sprintf("Subject: mail %d\r\n\r\nbody\r\n", uid) }

// reply is the whole answer to ours.
func reply(n, seq int) string {
	m := stageMail(seq + 100)
	return fmt.Sprintf("u>= %q\n", fmt.Sprintf("* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {%d}\r\n%s)\r\nheliograph%d OK done\r\n",
		seq, seq+100, len(m), len(m), m, n))
}

// touching is touched with something that the client says in the same breath, before which we say nothing.
func touching(seq int, next string) string {
	return fmt.Sprintf(`
		c>= %[3]q
		u<= %[3]q
		u>= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"
		c<= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"
	`, seq, seq+100, fmt.Sprintf("t FETCH %d (UID BODY.PEEK[]<0.1>)\r\n%s", seq, next))
}

// idling lets the client touch a message and go to IDLE.
func idling(seq int) string { return touching(seq, "i IDLE\r\n") + "u> + idling\nc< + idling\n" }

// fetches lets us fetch a message.
func fetches(n, seq int) string { return ours(n, seq) + reply(n, seq) }

// alive proves that the client and the upstream have got nothing else.
const alive = `
	c> z NOOP
	u< z NOOP
	u> z OK still here
	c< z OK still here
`

// idle is the beginning of the client's IDLE.
const idle = `
	c> i IDLE
	u< i IDLE
	u> + idling
	c< + idling
`

// has waits until exactly these messages of the account are captured, each once.
func (x *play) has(seqs ...int) {
	x.t.Helper()
	want := map[uint32]string{}
	for _, seq := range seqs {
		want[uint32(seq+100)] = stageMail(seq + 100)
	}
	x.holds(want)
}

func (x *play) holds(want map[uint32]string) {
	x.t.Helper()
	x.eventually(len(want))
	got := x.got()
	for uid, body := range want {
		if got[uid] != body {
			x.t.Fatalf("UID %d: %q is captured, want %q", uid, got[uid], body)
		}
	}
}

// got returns what is captured by UID. It fails when that is anything twice.
func (x *play) got() map[uint32]string {
	x.t.Helper()
	got := map[uint32]string{}
	entries, err := x.w.journal.Entries(x.t.Context(), journal.Filter{Account: x.account, State: journal.StateConfirmed})
	must(x.t, err)
	for _, e := range entries {
		uid := max(e.UID, e.Verdict.UID)
		if _, twice := got[uid]; twice {
			x.t.Errorf("UID %d is captured twice", uid)
		}
		got[uid] = string(readBody(x.t, x.w.journal, e))
	}
	return got
}

// ends waits until no session is left.
func (w *stage) ends(t *testing.T) {
	t.Helper()
	mailtest.Eventually(t, captureTime, func() error {
		if n := w.metric("heliograph_imap_sessions"); n != 0 {
			return fmt.Errorf("%v sessions are open", n)
		}
		return nil
	})
}

// eventually waits until so many messages of the account are captured.
func (x *play) eventually(n int) {
	x.t.Helper()
	mailtest.Eventually(x.t, captureTime, func() error {
		entries, err := x.w.journal.Entries(x.t.Context(), journal.Filter{Account: x.account, State: journal.StateConfirmed})
		must(x.t, err)
		if len(entries) != n {
			return fmt.Errorf("%d messages are captured, want %d", len(entries), n)
		}
		return nil
	})
}
