package smtpd_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/proxy/smtpd"
	"heliograph/proxy/upstream"
)

// TestSmugglingThroughTheListener sends each form in each segmentation to the real listener
// and looks at what the upstream gets. Over TLS each write is a record, and a record is a
// read, so the segmentation is what the test says.
func TestSmugglingThroughTheListener(t *testing.T) {
	t.Parallel()
	up, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = up.Close() })
	got := make(chan received, 1)
	go func() {
		for {
			c, err := up.Accept()
			if err != nil {
				return
			}
			go capture(c, got)
		}
	}()
	w := newWorld(t, func(s *setup) {
		s.listener.TLS = config.TLSImplicit
		s.upstream.SMTP.Address = up.Addr().String()
	})
	for _, f := range smtpd.DataForms() {
		for first := 0; first <= len(f.In); first++ {
			for _, rest := range []int{1, len(f.In)} {
				where := fmt.Sprintf("%s, split %d+%d", f.Name, first, rest)
				code := w.smuggle(f, first, rest)
				r := <-got
				want := received{data: f.Out, whole: f.Done}
				if f.Refused {
					want.data = r.data // whatever went before the refusal
				}
				if r != want || f.Refused && (code != 550 || strings.Contains(r.data, "\r.") || strings.HasSuffix(r.data, ".\r\n")) || f.Done && code != 250 {
					t.Fatalf("%s: reply %d, the upstream got %+v, want %+v", where, code, r, want)
				}
			}
		}
	}
}

// received is what an upstream got behind DATA.
type received struct {
	data  string // without the final dot
	whole bool   // the final dot came
}

// smuggle sends one form in parts and returns the code of the reply to it; 0 when the form
// does not end.
func (w *world) smuggle(f smtpd.DataForm, first, rest int) int {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.ca.Pool, ServerName: "gw.example"})
	must(w.t, err)
	defer func() { _ = conn.Close() }()
	must(w.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	r := bufio.NewReader(conn)
	say := func(line string, want int) {
		w.t.Helper()
		_, err := io.WriteString(conn, line)
		must(w.t, err)
		reply, err := upstream.ReadReply(r)
		must(w.t, err)
		if want != 0 && reply.Code != want {
			w.t.Fatalf("%q: %s", line, reply)
		}
	}
	say("", 220)
	for _, l := range []string{"EHLO me.example", "MAIL", "RCPT", "DATA"} {
		switch l {
		case "MAIL":
			say("AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==\r\n", 235)
			say("MAIL FROM:<u@example.com>\r\n", 250)
		case "RCPT":
			say("RCPT TO:<a@b.example>\r\n", 250)
		case "DATA":
			say("DATA\r\n", 354)
		default:
			say(l+"\r\n", 250)
		}
	}
	in := f.In
	if f.Refused {
		in += "\r\n.\r\n" // the refusal comes when the client has said all
	}
	for p, n := in, first; len(p) > 0; n = rest {
		n = min(n, len(p))
		if n > 0 {
			if _, err := io.WriteString(conn, p[:n]); err != nil {
				break // refused and closed already
			}
		}
		p = p[n:]
	}
	if !f.Done && !f.Refused {
		return 0
	}
	reply, err := upstream.ReadReply(r)
	must(w.t, err)
	return reply.Code
}

// capture is an upstream that tells what comes behind DATA, up to CRLF.CRLF or the end.
func capture(c net.Conn, got chan<- received) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 up")
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(l), " "); verb {
		case "EHLO":
			say("250-up\r\n250-8BITMIME\r\n250 AUTH PLAIN")
		case "AUTH":
			say("235 in")
		case "DATA":
			say("354 go")
			data := []byte("\r\n")
			for !bytes.HasSuffix(data, []byte("\r\n.\r\n")) {
				b, err := r.ReadByte()
				if err != nil {
					got <- received{data: string(data[2:])}
					return
				}
				data = append(data, b)
			}
			got <- received{data: string(data[2 : len(data)-3]), whole: true}
			say("250 taken")
		default:
			say("250 ok")
		}
	}
}
