package imapd

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"heliograph/proxy"
)

// page is a client that reads everything.
type page struct {
	net.Conn
	bytes.Buffer
}

func (p *page) Write(b []byte) (int, error)      { return p.Buffer.Write(b) }
func (p *page) Read([]byte) (int, error)         { return 0, io.EOF }
func (p *page) SetWriteDeadline(time.Time) error { return nil }

// listen returns what the gateway makes of an upstream's bytes behind a login with
// the tag "a", and what the client sees of them before the verdict.
func listen(r io.Reader) (answer, string, error) {
	client := &page{}
	s := &session{conn: &proxy.Conn{Conn: client}}
	d := &dialogue{preamble: &preamble{session: s}, tag: "a", left: maxAnswers, in: newWire(r, nil)}
	v, err := d.answer()
	return v, client.String(), err
}

// Nothing but a tagged answer to this very command ends the wait, the client sees
// nothing but whole untagged lines before it, and the split does not matter.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"a OK [CAPABILITY IMAP4rev1] in\r\n", "* CAPABILITY X COMPRESS=DEFLATE\r\na NO [AUTHENTICATIONFAILED] no\r\n",
		"+ AAAA\r\n", "+\r\n", "* PREAUTH x\r\n", "b OK\r\n", "* LIST {5}\r\na OK x\r\n", "* OK {5}\r\na OK\n", "* BYE\r\n", "A OK in\r\n", "a OKAY\r\n", "a \r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, seen, err := listen(bytes.NewReader(in))
		v2, seen2, err2 := listen(iotest.OneByteReader(bytes.NewReader(in)))
		if v.status != v2.status || v.code != v2.code || seen != seen2 || (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %v, %q, %v; byte by byte %v, %q, %v", in, v, seen, err, v2, seen2, err2)
		}
		for line := range strings.Lines(seen) {
			if !strings.HasPrefix(line, "* ") && line != "*\r\n" && line != "*\n" || !strings.HasSuffix(line, "\n") {
				t.Fatalf("%q: the client sees %q", in, line)
			}
		}
		if err != nil {
			return
		}
		words := strings.Fields(string(v.line))
		switch {
		case v.status == continuation && words[0] == "+":
		case words[0] == "a" && len(words) > 1 && strings.HasPrefix(strings.ToUpper(words[1]), string(v.status)) && v.status != "":
		default:
			t.Fatalf("%q: believed %q as %q", in, v.line, v.status)
		}
	})
}
