package scan_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"testing"

	"heliograph/proxy/imapd/scan"
)

// next is what both scanners do.
type next interface {
	Next(p []byte) (scan.Event, int)
}

// recorder turns events into lines that do not depend on how the input was split.
type recorder struct {
	events  []string
	literal []byte
	bad     error
	taken   int
}

// note takes one event and the bytes that it stands for.
func (r *recorder) note(ev scan.Event, taken []byte) {
	r.taken += len(taken)
	switch ev.Kind {
	case scan.Literal:
		r.literal = append(r.literal, taken...)
		if ev.Done {
			r.events = append(r.events, "literal "+show(r.literal))
			r.literal = nil
		}
	case scan.Line:
		var b strings.Builder
		b.WriteString("line")
		if ev.First {
			b.WriteString(" first")
		}
		if ev.Last {
			b.WriteString(" last")
		}
		if ev.Cut {
			b.WriteString(" cut")
		}
		if !ev.Last {
			fmt.Fprintf(&b, " {%d", ev.Size)
			if ev.Binary {
				b.WriteString(" binary")
			}
			if ev.Synchronising {
				b.WriteString(" sync")
			}
			b.WriteByte('}')
		}
		b.WriteString(" " + show(ev.Text))
		if c := ev.Command; c.Verb != "" || c.Tag != nil {
			fmt.Fprintf(&b, " tag=%s verb=%q args=%s", show(c.Tag), c.Verb, show(c.Args))
		}
		r.events = append(r.events, b.String())
	case scan.Bad:
		r.bad = ev.Err
	case scan.More, scan.Wait:
	}
}

// show quotes short bytes, and tells long ones by their checksum.
func show(p []byte) string {
	if len(p) > 200 {
		return fmt.Sprintf("%q and %d bytes of %08x", p[:20], len(p), crc32.ChecksumIEEE(p))
	}
	return strconv.Quote(string(p))
}

// feed hands the input over in pieces, each of which is overwritten when it is used up.
// settle is asked what to do while a literal waits; it may be nil for a server.
func feed(s next, pieces [][]byte, settle func()) *recorder {
	r := &recorder{}
	var chunk []byte
	for _, piece := range pieces {
		for i := range chunk {
			chunk[i] = '}'
		}
		chunk = append(chunk[:0], piece...)
		for p := chunk; len(p) > 0; {
			ev, n := s.Next(p)
			r.note(ev, p[:n])
			if ev.Kind == scan.Bad {
				return r
			}
			if ev.Kind == scan.Wait {
				settle()
			}
			p = p[n:]
		}
	}
	if ev, _ := s.Next(nil); ev.Kind == scan.Literal || ev.Kind == scan.Bad { // one of no bytes
		r.note(ev, nil)
	}
	return r
}

// equalTo compares with what came of another split.
func (r *recorder) equalTo(t *testing.T, want *recorder, how string) {
	t.Helper()
	if !slices.Equal(r.events, want.events) || !errors.Is(r.bad, want.bad) || !bytes.Equal(r.literal, want.literal) {
		t.Fatalf("%s:\n got %s\n     %v\nwant %s\n     %v", how, strings.Join(r.events, "\n     "), r.bad,
			strings.Join(want.events, "\n     "), want.bad)
	}
}

// everySplit feeds the input in one, in two pieces cut at every offset, and byte by byte, and
// returns what always came of it.
func everySplit(t *testing.T, input string, run func(pieces [][]byte) *recorder) *recorder {
	t.Helper()
	in := []byte(input)
	want := run([][]byte{in})
	for i := 1; i < len(in); i++ {
		run([][]byte{in[:i], in[i:]}).equalTo(t, want, fmt.Sprintf("split at %d of %q", i, input))
	}
	run(singles(in)).equalTo(t, want, fmt.Sprintf("byte by byte %q", input))
	return want
}

func singles(in []byte) [][]byte {
	var pieces [][]byte
	for i := range in {
		pieces = append(pieces, in[i:i+1])
	}
	return pieces
}

// cutAt splits the input at lengths drawn from the given bytes.
func cutAt(in, lengths []byte) [][]byte {
	var pieces [][]byte
	for _, n := range lengths {
		k := min(int(n), len(in))
		pieces, in = append(pieces, in[:k]), in[k:]
	}
	return append(pieces, in)
}
