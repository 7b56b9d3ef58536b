package imapd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/internal/mailtest"
)

const goodbye = "* BYE [UNAVAILABLE] the gateway is shutting down, connect again"

// A gateway that shuts down says so at the end of what is under way, and loses nothing before.
func TestDrainAfterLogin(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 20<<16)
	for name, d := range map[string]struct {
		before, after string
		has           []int
	}{
		"in a quiet moment":      {"", "c< " + goodbye + "\nc< eof\nu< eof", nil},
		"in IDLE":                {idle, "c< " + goodbye + "\nc< eof\nu< eof", nil},
		"within a client's line": {`c>= "n NO"`, "c< " + goodbye + "\nc< eof\nu< eof", nil},
		"while a command is under way": {`
			c>= "n NOOP\r\nm NOOP\r\n"
			u<= "n NOOP\r\nm NOOP\r\n"`, `
			u> n OK done
			c< n OK done
			u> m OK done
			c< m OK done
			c< ` + goodbye + `
			c< eof
			u< eof`, nil},
		"within a response": {`
			u>= "* 3 FETCH (FLAGS () ENVELOPE ({5}\r\nab"
			c<= "* 3 FETCH (FLAGS () ENVELOPE ({5}\r\nab"`, `
			u>= "cde))\r\n"
			c<= "cde))\r\n"
			c< ` + goodbye + `
			c< eof`, nil},
		"between SELECT and its answer": {`
			c> s SELECT Other
			u< s SELECT Other
			u> * 5 EXISTS
			c< * 5 EXISTS`, `
			u>= "* OK [UIDVALIDITY 9] v\r\n* OK [UIDNEXT 9] n\r\ns OK done\r\n"
			c<= "* OK [UIDVALIDITY 9] v\r\n* OK [UIDNEXT 9] n\r\ns OK done\r\n"
			c< ` + goodbye + `
			c< eof`, nil},
		"in the middle of APPEND": {`
			c>= "p APPEND Sent {10+}\r\n01234"
			u<= "p APPEND Sent {10+}\r\n01234"`, `
			c>= "56789\r\n"
			u<= "56789\r\n"
			u> p OK [APPENDUID 9 9] done
			c< p OK [APPENDUID 9 9] done
			c< ` + goodbye + `
			c< eof`, []int{-9}},
		"while we fetch": {touching(2, "") + ours(1, 2), reply(1, 2) + "c< " + goodbye + "\nc< eof\nu< eof", []int{2}},
		"while we leave IDLE": {idling(2) + "u< DONE", `
			u> i OK done
			auto
			c< ` + goodbye + `
			c< eof`, []int{-1}}, // it may be captured or not
		"in the middle of 20 MB": {`
			c> f FETCH 3 (UID BODY.PEEK[])
			u< f FETCH 3 (UID BODY.PEEK[])
			20MB first`, `
			20MB second
			c< ` + goodbye + `
			c< eof
			u< eof`, []int{3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStage(t, nil)
			x := w.open(t, stageCaps)
			x.selected(3)
			all := []byte(fmt.Sprintf("* 3 FETCH (UID 103 BODY[] {%d}\r\n%s)\r\nf OK done\r\n", len(big), big))
			run := func(script string) {
				if before, what, ok := strings.Cut(script, "20MB "); ok {
					what, after, _ := strings.Cut(what, "\n")
					x.run(before)
					half := map[string][]byte{"first": all[:len(all)/2], "second": all[len(all)/2:]}[what]
					x.reaches(x.u, x.c, half)
					script = after
				}
				x.run(script)
			}
			run(d.before)
			drained := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), captureTime)
				defer cancel()
				drained <- w.proxy.Drain(ctx)
			}()
			w.refuses(t)
			run(d.after)
			must(t, <-drained)
			want := map[uint32]string{}
			for _, seq := range d.has {
				switch seq {
				case -1:
					return
				case -9:
					want[9] = "0123456789"
				case 3:
					want[103] = big
				default:
					want[uint32(seq+100)] = stageMail(seq + 100)
				}
			}
			x.holds(want)
		})
	}
}

// refuses waits until the front takes no connection any more: it is shutting down.
func (w *stage) refuses(t *testing.T) {
	t.Helper()
	mailtest.Eventually(t, captureTime, func() error {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			return nil //nolint:nilerr // as it is to be
		}
		return errors.Join(errors.New("the front is open"), c.Close())
	})
}

// A real server that restarts, in the middle of a message and in IDLE, ends the sessions. What clients were given is
// right, and when they come back all is captured.
func TestDovecotRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, config.Capture{Policy: config.CaptureAll, ChunkBytes: 4 << 10})
	want := map[uint32][]byte{}
	for n, size := range []int{3000, 12 << 20, 100_000} {
		m := mail(n, size)
		w.deliver(m)
		want[uint32(n+1)] = m
	}
	idles, reads := w.dial().login(), w.dial().login()
	idles.ok("SELECT INBOX")
	idles.send("IDLE")
	idles.until("+")
	reads.ok("EXAMINE INBOX")
	reads.send("FETCH 2 (BODY.PEEK[])")
	head, err := reads.in.ReadString('\n')
	must(t, err)
	part := make([]byte, 1<<20)
	_, err = io.ReadFull(reads.in, part)
	must(t, err)
	w.dovecot.Stop()
	rest, _ := io.ReadAll(reads.in) // a reset says as much as an end
	got, whole, same := append(part, rest...), append(bytes.Clone(want[2]), ")\r\n"...), 0
	for same < min(len(got), len(whole)) && got[same] == whole[same] {
		same++
	}
	if more := got[same:]; len(more) > 0 && !bytes.HasPrefix(more, []byte("* BYE ")) { // Dovecot says so in the middle of a literal
		t.Errorf("behind %q come %d bytes of the message and then %.200q", head, same, more)
	}
	said, _ := io.ReadAll(idles.in)
	for l := range bytes.Lines(said) {
		if !bytes.HasPrefix(l, []byte("* ")) {
			t.Errorf("the client in IDLE got %q", l)
		}
	}
	w.dovecot.Start()
	c := w.dial().login()
	c.ok("SELECT INBOX")
	c.ok("NOOP")
	w.wantCaptured(want)
}
