package smtpd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/journal/journaltest"
	"heliograph/proxy/upstream"
)

func TestSlowClients(t *testing.T) {
	t.Parallel()
	const patience = 200 * time.Millisecond
	for name, c := range map[string]struct {
		client   string
		upstream []string
	}{
		"before login": {"S: 220 gw.example ESMTP\nS: 421 4.4.2 gw.example timeout before login, closing\n-- eof", nil},
		"half a line":  {"S: 220 gw.example ESMTP\nC= \"EHL\"\nS: 421 4.4.2 gw.example timeout before login, closing\n-- eof", nil},
		"after login":  {login + "S: 421 4.4.2 gw.example timeout, closing\n-- eof", []string{learn, upLogin + "-- eof"}},
		"inside the message": {lines(login, `
			C: MAIL FROM:<u@example.com>
			S: 250 ok
			C: DATA
			S: 354 go
			C= "and then no"
			S: 421 4.4.2 gw.example timeout, closing
			-- eof`), []string{learn, lines(upLogin, `
			C: MAIL FROM:<u@example.com>
			S: 250 ok
			C: DATA
			S: 354 go
			C= "and then no"
			-- eof`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *setup) { s.patience = patience }, c.upstream...)
			w.talk(c.client)
			w.entries(journal.StateSealed, 0)
		})
	}
}

func TestEndlessCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, upLogin+strings.Repeat("C: NOOP\nS: 250 ok\n", 201)+"-- hold")
	w.talk(login + strings.Repeat("C: NOOP\nS: 250 ok\n", 201) + "S: 421 4.7.0 too many commands without a message, closing\n-- eof")
}

// A disk that fails: by policy the mail goes on without a copy, or the client comes again later
// and the upstream never sees the end.
func TestJournalFails(t *testing.T) {
	t.Parallel()
	message := `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C: DATA
		S: 354 go
		C= "x\r\n.\r\n"`
	broken := func(heal *atomic.Bool) func(*setup) {
		disk := journaltest.NewDisk()
		disk.Fail(func(op journaltest.Op) error {
			if op.Kind == journaltest.Sync && !heal.Load() {
				return syscall.EIO
			}
			return nil
		})
		return func(s *setup) { s.fs = disk }
	}
	t.Run("deliver", func(t *testing.T) {
		t.Parallel()
		var heal atomic.Bool
		w := newWorld(t, broken(&heal), learn, lines(upLogin, message, "S: 250 taken", "C: QUIT", "S: 221 bye"))
		t.Cleanup(func() { heal.Store(true) })
		w.talk(lines(login, message, "S: 250 taken", "C: QUIT", "S: 221 bye"))
	})
	t.Run("defer", func(t *testing.T) {
		t.Parallel()
		head, _, _ := strings.Cut(message, `C= "x`)
		var heal atomic.Bool
		disk := broken(&heal)
		w := newWorld(t, func(s *setup) { disk(s); s.failure = "defer" }, learn, lines(upLogin, head, "-- eof"))
		t.Cleanup(func() { heal.Store(true) })
		w.talk(lines(login, message, `
			S: 451 4.3.0 the mail cannot be journaled now and was not sent, try again later (session {any})
			C: QUIT
			S: 221 2.0.0 gw.example closing
			-- eof`))
	})
}

// TestMemoryOfALargeMessage: 50 MB under way cost no more than 1 MB.
func TestMemoryOfALargeMessage(t *testing.T) {
	const size = 50 << 20
	for _, verb := range []string{"DATA", "BDAT"} {
		t.Run(verb, func(t *testing.T) {
			up, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer func() { _ = up.Close() }()
			w := newWorld(t, func(s *setup) { s.upstream.SMTP.Address = up.Addr().String() })
			got := make(chan int64, 1)
			go func() {
				for {
					c, err := up.Accept()
					if err != nil {
						return
					}
					go swallow(c, got)
				}
			}()
			conn, err := net.Dial("tcp", w.addr)
			must(t, err)
			defer func() { _ = conn.Close() }()
			must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
			r := bufio.NewReader(conn)
			say := func(code int, line string) {
				t.Helper()
				if line != "" {
					_, err := io.WriteString(conn, line+"\r\n")
					must(t, err)
				}
				reply, err := upstream.ReadReply(r)
				must(t, err)
				if reply.Code != code {
					t.Fatalf("%s: %s", line, reply)
				}
			}
			say(220, "")
			say(250, "EHLO me.example")
			say(235, "AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==")
			chunk := bytes.Repeat([]byte(strings.Repeat("m", 62)+"\r\n"), 1<<10)
			// The median of what is in use while the message passes: the journal's groups, which all
			// messages share, come and go.
			send := func(size int) uint64 {
				t.Helper()
				say(250, "MAIL FROM:<u@example.com>")
				say(250, "RCPT TO:<a@b.example>")
				if verb == "DATA" {
					say(354, "DATA")
				} else {
					_, err := fmt.Fprintf(conn, "BDAT %d LAST\r\n", size)
					must(t, err)
				}
				var seen []uint64
				for sent := 0; sent < size; sent += len(chunk) {
					_, err := conn.Write(chunk)
					must(t, err)
					if sent%(3<<20) == 0 {
						seen = append(seen, inUse())
					}
				}
				slices.Sort(seen)
				if verb == "DATA" {
					say(250, ".")
				} else {
					say(250, "")
				}
				if n := <-got; n != int64(size) {
					t.Errorf("the upstream got %d bytes, want %d", n, size)
				}
				return seen[len(seen)/2]
			}
			send(4 << 20) // the journal's buffers, which all messages share, have their size now
			before := inUse()
			// The journal's groups are in use with any message, and larger while the disk is busy, so that a smaller message is
			// what to compare with; all together stays small too.
			small := send(size / 4)
			large := send(size)
			if large > small+1<<20 {
				t.Errorf("%d KiB more in use while a message of %d MiB passes than with one of %d MiB", (large-small)>>10, size>>20, size>>22)
			}
			if large > before+2<<20 {
				t.Errorf("%d KiB more in use while the message passes", (large-before)>>10)
			}
		})
	}
}

// swallow is an upstream that reads as fast as it can and keeps nothing.
func swallow(c net.Conn, got chan<- int64) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReaderSize(c, 64<<10)
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 up")
	var size int64
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, args, _ := strings.Cut(strings.TrimSpace(l), " "); verb {
		case "EHLO":
			say("250-up\r\n250-CHUNKING\r\n250 AUTH PLAIN")
		case "AUTH":
			say("235 in")
		case "DATA":
			say("354 go")
			for {
				l, err := r.ReadSlice('\n')
				if err != nil || string(l) == ".\r\n" {
					break
				}
				size += int64(len(l))
			}
			got <- size
			size = 0
			say("250 ok")
		case "BDAT":
			var n int64
			_, _ = fmt.Sscan(args, &n)
			_, _ = io.CopyN(io.Discard, r, n)
			if size += n; strings.HasSuffix(args, "LAST") {
				got <- size
				size = 0
			}
			say("250 ok")
		default:
			say("250 ok")
		}
	}
}

// inUse is what the heap holds after a collection.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
