package upstream

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// responses reads all responses that r holds.
func responses(r io.Reader) (all []imapResponse, caps string) {
	d := &imapDialogue{session: &session{u: &Upstream{}, e: &endpoint{}, br: bufio.NewReader(r)}, left: maxBeforeLogin}
	for {
		response, err := d.read(context.Background(), "read")
		if err != nil {
			return all, d.caps.String()
		}
		all = append(all, response)
	}
}

// FuzzIMAPResponse checks that responses do not depend on how the bytes arrive,
// and that what is kept of them is bounded.
func FuzzIMAPResponse(f *testing.F) {
	for _, seed := range []string{
		"* OK [CAPABILITY IMAP4rev1 ID] ready\r\n* ID (\"name\" {3}\r\n{5} {0}\r\n)\r\nhg1 OK done\r\n",
		"* CAPABILITY\r\nhg1 OK [capability x]\r\n", "* OK [CAPABILITY\r\n", "* BYE [] {4}\r\n", "* X {99999999999999999999}\r\n",
		"* X {4}\r\n{1}\n{1}\r\n\n", "+ \r\n", "* \r\n", " \r\n", "\x00\r\n", "* OK [CAPABILITY]\n", "* {3}\r\n\r\n\r\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, caps := responses(bytes.NewReader(text))
		bytewise, bytewiseCaps := responses(iotest.OneByteReader(bytes.NewReader(text)))
		equal := func(a, b imapResponse) bool {
			return bytes.Equal(a.line, b.line) && a.word == b.word && a.code == b.code
		}
		if !slices.EqualFunc(whole, bytewise, equal) || caps != bytewiseCaps {
			t.Errorf("read %+v (%s) at once, %+v (%s) byte by byte", whole, caps, bytewise, bytewiseCaps)
		}
		// The line end before a literal is CRLF whatever it was.
		bare := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r"), nil) }
		for _, r := range whole {
			if len(r.line) > maxReplyBytes+1 || !bytes.Contains(bare(text), bare(r.line)) {
				t.Errorf("%q is not in the input", r.line)
			}
		}
	})
}
