package imapd_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
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
	"heliograph/internal/mailtest"
	"heliograph/internal/uidset"
	"heliograph/proxy/imapd"

	"github.com/prometheus/client_golang/prometheus"
)

// stage is a front with a journal whose upstream is played by the test itself, connection by connection.
// Tests that play at the same time are told apart by their accounts.
type stage struct {
	*front
	journal   *journal.Journal
	serverTLS *tls.Config // nil for none

	mu      sync.Mutex               // guards waiting
	waiting map[string]chan net.Conn // by account, or by SASL mechanism
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
	end := config.Endpoint{TLS: config.TLSNone, Timeout: config.Duration(20 * time.Second)}
	if set.records {
		certs := mailtest.TLS(t)
		end.TLS, end.CAFile, end.ServerName = config.TLSImplicit, certs.CAFile, "localhost"
		w.serverTLS = certs.Server()
	}
	end.Address = w.accept()
	w.journal = w.capturing(end, set.capture, set.fs)
	w.server.SetCaptureTimes(set.arrival, set.ours)
	if set.pass > 0 {
		w.server.SetPassTimeout(set.pass)
	}
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
		if f[1] == "LOGIN" || f[1] == "AUTHENTICATE" {
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
	account := notAtom.ReplaceAllString(strings.ToLower(t.Name()), "-") + "@example.com"
	x := w.begin(t, account, "LOGIN "+account+" p")
	x.run("u> a OK [CAPABILITY " + caps + "] in")
	x.run("c< a OK {any}")
	return x
}

// begin sends a login, whose second word is the key, and leaves it to the test to answer it.
func (w *stage) begin(t *testing.T, key, login string) *play {
	t.Helper()
	x := &play{t: t, w: w, account: key}
	came := make(chan net.Conn, 1)
	w.mu.Lock()
	w.waiting[key] = came
	w.mu.Unlock()
	c, err := net.Dial("tcp", w.addr)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(captureTime)))
	x.c = newPeer(c)
	x.run("c< * OK {any}")
	x.run("c> a " + login)
	select {
	case c := <-came:
		x.u = newPeer(c)
	case <-time.After(captureTime):
		t.Fatal("the login did not reach the upstream")
	}
	t.Cleanup(func() { _ = x.u.conn.Close() })
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
