package journal

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// stuff does what a client does (RFC 5321, 4.5.2).
func stuff(s string) string {
	s = strings.ReplaceAll(s, "\r\n.", "\r\n..")
	if strings.HasPrefix(s, ".") {
		s = "." + s
	}
	return s
}

func FuzzUndot(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a\r\n.b\r\n..c\r\n", ".\r\n.\r\n.", "\r\n\r\n.\r\r\n.x\n.y\r.z", "...\r\n...\r\n"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, size int) {
		wire := stuff(s)
		for name, r := range map[string]io.Reader{
			"whole":        strings.NewReader(wire),
			"byte wise":    iotest.OneByteReader(strings.NewReader(wire)),
			"half":         iotest.HalfReader(strings.NewReader(wire)),
			"data and EOF": iotest.DataErrReader(strings.NewReader(wire)),
		} {
			u := &undot{ReadCloser: io.NopCloser(r)}
			var got bytes.Buffer
			buf := make([]byte, 1+(size&0xff))
			if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{u}, buf); err != nil {
				t.Fatal(err)
			}
			if got.String() != s {
				t.Errorf("%s, buffer %d: %q became %q", name, len(buf), s, got.String())
			}
		}
	})
}
