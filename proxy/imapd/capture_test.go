package imapd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
)

var seen = config.Capture{Policy: config.CaptureSeen, ChunkBytes: 2 << 10}

func TestWholeMessagesAreTeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	want := map[uint32][]byte{}
	for n := range 5 {
		m := mail(n, 1000*(n+1))
		w.deliver(m)
		want[uint32(n+1)] = m
	}
	c := w.dial().login()
	c.ok("SELECT INBOX")
	w.ledgerLoaded(1)
	c.ok("FETCH 1:5 (UID BODY.PEEK[])")
	w.wantCaptured(want)
	if n := w.metric("heliograph_imap_captured_messages_total", "way", "tee"); n != 5 {
		t.Errorf("%v messages were teed, want 5", n)
	}
	c.ok("UID FETCH 1:5 (BODY.PEEK[])") // they are known now
	c.ok("LOGOUT")
	w.wantCaptured(want)
}

func TestPartialReadsAreCompleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	want := map[uint32][]byte{}
	for n := range 4 {
		m := mail(n, 9000)
		w.deliver(m)
		want[uint32(n+1)] = m
	}
	c := w.dial().login()
	c.ok("SELECT INBOX")
	c.ok("FETCH 1:2 (UID FLAGS BODY.PEEK[HEADER])")
	c.ok("UID FETCH 3 (BODY.PEEK[]<0.100>)")
	c.ok("FETCH 4 (ENVELOPE)")
	w.wantCaptured(want)
	lines := c.ok("FETCH 1:4 (FLAGS)")
	if n := strings.Count(strings.Join(lines, ""), `\Seen`); n != 0 || len(lines) != 5 {
		t.Errorf("flags have changed, or there is more: %q", lines)
	}
}

func TestArrivalsAreCapturedInIdle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, config.Capture{Policy: config.CaptureNew, ChunkBytes: 2 << 10})
	w.deliver(mail(0, 500)) // old: not captured by this policy
	c := w.dial().login()
	c.ok("SELECT INBOX")
	tag := c.send("IDLE")
	c.until("+")
	want := map[uint32][]byte{}
	for n := 1; n <= 3; n++ {
		m := mail(n, 7000)
		w.deliver(m)
		want[uint32(n+1)] = m
		c.until(fmt.Sprintf("* %d EXISTS", n+1))
	}
	w.wantCaptured(want)
	c.write("DONE\r\n")
	for _, l := range c.until(tag + " OK") {
		if !strings.HasPrefix(l, tag+" OK") && !strings.HasSuffix(l, " RECENT\r\n") {
			t.Errorf("the client saw %q", l)
		}
	}
	c.ok("FETCH 1 (BODY.PEEK[])")
	c.ok("LOGOUT")
	w.wantCaptured(want)
}

func TestBacklogIsFoundAtTheNextSelect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, config.Capture{Policy: config.CaptureNew, ChunkBytes: 2 << 10})
	w.deliver(mail(0, 500))
	c := w.dial().login()
	c.ok("SELECT INBOX")
	w.ledgerLoaded(1)
	c.ok("LOGOUT")
	want := map[uint32][]byte{}
	for n := 1; n <= 4; n++ {
		m := mail(n, 3000)
		w.deliver(m)
		want[uint32(n+1)] = m
	}
	c = w.dial().login()
	c.ok("SELECT INBOX")
	c.ok("NOOP")
	w.wantCaptured(want)
}

func TestCaptureGoesOnWhenTheClientHasLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	want := map[uint32][]byte{}
	for n := range 3 {
		m := mail(n, 20_000)
		w.deliver(m)
		want[uint32(n+1)] = m
	}
	c := w.dial().login()
	c.ok("SELECT INBOX")
	w.ledgerLoaded(1)
	c.ok("FETCH 1:3 (UID BODY.PEEK[HEADER])")
	must(t, c.c.Close())
	w.wantCaptured(want)
}

func TestAppendIsCaptured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	c := w.dial().login()
	c.ok("CREATE Sent")
	c.ok("CREATE Drafts")
	m := mail(1, 5000)
	c.store("Sent", `\Seen`, m)
	c.store("Drafts", `\Seen`, mail(2, 500))
	c.store("INBOX", `\Draft`, mail(3, 500))
	tag := c.send("APPEND Nowhere {3}")
	c.until(tag + " NO")
	w.wantCaptured(map[uint32][]byte{1: m})
	c.ok("SELECT Sent")
	c.ok("FETCH 1 (UID BODY.PEEK[])")
	c.ok("LOGOUT")
	w.wantCaptured(map[uint32][]byte{1: m})
}

func TestPolicyNoneCapturesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, config.Capture{Policy: config.CaptureNone})
	w.deliver(mail(1, 500))
	c := w.dial().login()
	c.ok("SELECT INBOX")
	c.ok("FETCH 1 (UID BODY.PEEK[])")
	c.store("INBOX", "", mail(2, 500))
	c.ok("LOGOUT")
	w.wantCaptured(nil)
}

// A client that talks all the time waits for a chunk now and then, and sees nothing of it.
func TestBusyClientIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	m := mail(1, 40_000)
	w.deliver(m)
	c := w.dial().login()
	c.ok("SELECT INBOX")
	c.ok("FETCH 1 (UID BODY.PEEK[HEADER])")
	deadline := time.Now().Add(captureTime)
	for w.metric("heliograph_imap_captured_messages_total", "way", "interject") == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the message was not captured")
		}
		if lines := c.ok("FETCH 1 (FLAGS)"); len(lines) != 2 {
			t.Fatalf("the client saw %q", lines)
		}
	}
	w.wantCaptured(map[uint32][]byte{1: m})
}

// ledgerLoaded waits until so many mailboxes are known.
func (w *world) ledgerLoaded(n int) {
	w.t.Helper()
	w.eventually("the ledger of the mailbox is loaded", func() bool {
		all, err := w.journal.Mailboxes(w.t.Context(), journal.MailboxFilter{})
		must(w.t, err)
		return len(all) >= n
	})
}

func (w *world) wantCaptured(want map[uint32][]byte) {
	w.t.Helper()
	got := w.captured(len(want))
	for uid, body := range want {
		if !bytes.Equal(got[uid], body) {
			w.t.Errorf("UID %d: %d bytes are captured, want %d", uid, len(got[uid]), len(body))
		}
	}
}

// A program that reads by sequence number, asks for no UID and leaves at once, as fetchmail does.
func TestMessagesWithoutUIDAreCapturedOnce(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"LOGOUT", "CLOSE", "SELECT Other", "EXPUNGE"} {
		t.Run(last, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seen)
			want := map[uint32][]byte{}
			for n := range 5 {
				m := mail(n, 3000)
				w.deliver(m)
				want[uint32(n+1)] = m
			}
			c := w.dial().login()
			c.ok("CREATE Other")
			c.ok("SELECT INBOX")
			w.ledgerLoaded(1)
			c.write("a FETCH 1:5 (BODY.PEEK[])\r\nb STORE 1:3 +FLAGS (\\Deleted)\r\n")
			c.until("b OK")
			c.ok("%s", last)
			w.wantCaptured(want)
			c = w.dial().login()
			c.ok("SELECT INBOX")
			c.ok("FETCH 1:* (UID BODY.PEEK[])")
			c.ok("LOGOUT")
			w.wantCaptured(want)
		})
	}
}

// What the server puts together or stores in another form is not what the client sent: it is fetched.
func TestAppendsThatTheServerChangesAreFetched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	c := w.dial().login()
	c.ok("SELECT INBOX")
	w.ledgerLoaded(1)
	c.ok("CREATE Sent")
	tag := c.send("APPEND INBOX CATENATE (TEXT {12+}\r\nSubject: a\r\n TEXT {8+}\r\n\r\nbody\r\n)")
	c.until(tag + " OK")
	tag = c.send("APPEND INBOX () ~{20+}\r\nSubject: b\r\n\r\nbin\x00\r\n")
	c.until(tag + " OK")
	lines := c.ok("FETCH 1:2 (BODY.PEEK[HEADER])")
	if len(lines) < 3 {
		t.Fatalf("got %q", lines)
	}
	direct := dialIMAP(t, w.dovecot.IMAPAddr).login()
	direct.ok("SELECT INBOX")
	want := map[uint32][]byte{}
	for n := uint32(1); n <= 2; n++ {
		_, literal, _ := strings.Cut(direct.ok("FETCH %d BODY.PEEK[]", n)[0], "}\r\n")
		want[n] = []byte(strings.TrimSuffix(literal, ")\r\n"))
	}
	w.wantCaptured(want)
}

// A client that stops sending still gets its answers, as from a server.
func TestAnswersOfAHalfClosedClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	m := mail(1, 300_000)
	w.deliver(m)
	c := w.dial().login()
	c.write("a SELECT INBOX\r\nb FETCH 1 (UID BODY.PEEK[])\r\nc NOOP\r\n")
	must(t, c.c.(*net.TCPConn).CloseWrite())
	if all := strings.Join(c.until("c OK"), ""); !strings.Contains(all, string(m)) {
		t.Errorf("the message did not come: %d bytes", len(all))
	}
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the session did not end: %v", err)
	}
	w.wantCaptured(map[uint32][]byte{1: m})
}

// What a client read in part and left at once is fetched when the mailbox is selected again, by whomever; what
// was expunged meanwhile is known to be gone.
func TestPendingMessagesAreFetchedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seen)
	want := map[uint32][]byte{}
	for n := range 8 {
		m := mail(n, 3000)
		w.deliver(m)
		if n != 3 {
			want[uint32(n+1)] = m
		}
	}
	c := w.dial().login()
	c.ok("SELECT INBOX")
	w.ledgerLoaded(1)
	c.write("a FETCH 1:8 (UID BODY.PEEK[HEADER])\r\nb LOGOUT\r\n")
	c.until("b OK")
	w.eventually("all are pending", func() bool {
		all, err := w.journal.Mailboxes(t.Context(), journal.MailboxFilter{})
		must(t, err)
		return len(all) == 1 && all[0].Sets[journal.UIDPending].Len() == 8
	})
	direct := dialIMAP(t, w.dovecot.IMAPAddr).login()
	direct.ok("SELECT INBOX")
	direct.ok("STORE 4 +FLAGS (\\Deleted)")
	direct.ok("EXPUNGE")
	c = w.dial().login()
	c.ok("SELECT INBOX")
	w.wantCaptured(want)
	w.eventually("UID 4 is known to be gone", func() bool {
		all, err := w.journal.Mailboxes(t.Context(), journal.MailboxFilter{})
		must(t, err)
		gone := all[0].Sets[journal.UIDGone]
		return len(all) == 1 && gone.Contains(4)
	})
	if lines := c.ok("NOOP"); len(lines) != 1 {
		t.Errorf("the client saw %q", lines)
	}
}
