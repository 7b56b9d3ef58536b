package imapd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// transcript reads commands from r until none follows and writes down what was understood.
func transcript(r io.Reader) string {
	var out strings.Builder
	in := newWire(r, nil)
	rd := &reader{in: in, ready: func(c *command) error {
		fmt.Fprintf(&out, "ready %s\n", c.tag)
		return nil
	}}
	for range maxPreambleCommands {
		c, err := rd.read()
		fmt.Fprintf(&out, "%q %q %v\n", c.tag, c.verb, err)
		for _, t := range c.tokens {
			fmt.Fprintf(&out, "  %c %q\n", t.kind, t.value)
		}
		for _, p := range c.parts {
			fmt.Fprintf(&out, "  part %q %q %v\n", p.text, p.literal, p.literal == nil)
		}
		c.wipe()
		for _, p := range c.parts {
			if bytes.Trim(p.text, "\x00") != nil && len(bytes.Trim(p.text, "\x00")) > 0 || len(bytes.Trim(p.literal, "\x00")) > 0 {
				return "not wiped"
			}
		}
		if err != nil && !errors.Is(err, errSyntax) && !errors.Is(err, errStringSize) {
			break
		}
	}
	fmt.Fprintf(&out, "left %q\n", in.take())
	for _, b := range in.buf {
		if b != 0 {
			return "bytes stay in the buffer"
		}
	}
	return out.String()
}

// However the bytes come, they mean the same.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		"a LOGIN u p\r\nb NOOP\r\n",
		"a LOGIN {1+}\r\nu {3}\r\na\r\n\r\n",
		"a LOGIN \"\\\"\" \"\\\\\"\r\n",
		"a ID (\"name\" {2+}\r\nab \"x\" NIL)\r\n",
		"a AUTHENTICATE PLAIN AAAA\r\nBBBB\r\n",
		"a LOGIN {5}}\r\n", "a LOGIN {4294967295}\r\n", "a LOGIN u\r p\r\n", "\n", "a NOOP {3+}\r\nabc\r\n",
		strings.Repeat("x", maxLine+1), "a AUTHENTICATE " + strings.Repeat("x", maxLine) + "\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := transcript(bytes.NewReader(in))
		if split := transcript(iotest.OneByteReader(bytes.NewReader(in))); whole != split && !sameButEnd(whole, split) {
			t.Fatalf("%q is\n%s\nand byte by byte\n%s", in, whole, split)
		}
	})
}

// sameButEnd compares what was understood. What is left unread after an error is
// a matter of how much had come.
func sameButEnd(a, b string) bool {
	a, _, _ = strings.Cut(a, "left ")
	b, _, _ = strings.Cut(b, "left ")
	return a == b && a != ""
}

// Every split of the input in two is the same input.
func TestEverySplit(t *testing.T) {
	t.Parallel()
	in := "a LOGIN \"u\" {3+}\r\na\r\n \r\nb ID (\"name\" {2+}\r\n\r\n \"x\" NIL)\r\nc AUTHENTICATE PLAIN AAAA\r\nd LOGIN {1}\r\nx y\r\ne LOGIN {5}}\r\n"
	want := transcript(strings.NewReader(in))
	if n := strings.Count(want, "<nil>"); n != 4 || !strings.Contains(want, errLiteral.Error()) {
		t.Fatalf("%d commands are understood:\n%s", n, want)
	}
	for i := range len(in) {
		if got := transcript(io.MultiReader(strings.NewReader(in[:i]), strings.NewReader(in[i:]))); !sameButEnd(got, want) {
			t.Fatalf("split at %d:\n%s\nwant\n%s", i, got, want)
		}
	}
}

// What one client can make the gateway hold before its login is bounded.
func TestBufferIsBounded(t *testing.T) {
	t.Parallel()
	in := newWire(strings.NewReader("a AUTHENTICATE PLAIN "+strings.Repeat("A", 1<<20)), nil)
	if _, err := (&reader{in: in}).read(); !errors.Is(err, errLineTooLong) {
		t.Errorf("got %v", err)
	}
	if len(in.buf) > maxSecret+maxLine {
		t.Errorf("the buffer has %d bytes", len(in.buf))
	}
}
