package smtpd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// scan runs p through a scanner in parts of the given sizes (the last one repeats) and
// returns what was passed on and what was left behind the end.
func scan(p []byte, refuse bool, sizes ...int) (out, rest []byte, done bool, err error) {
	sc := dataScanner{refuseBareLF: refuse}
	var held []byte
	for i := 0; ; i++ {
		n := len(p)
		if len(sizes) > 0 {
			n = min(n, sizes[min(i, len(sizes)-1)])
		}
		held = append(held, p[:n]...)
		p = p[n:]
		o, used, done, err := sc.next(held)
		if err != nil {
			return nil, nil, false, err
		}
		out = append(out, o...)
		held = append([]byte(nil), held[used:]...)
		if done {
			return out, append(held, p...), true, nil
		}
		if len(p) == 0 {
			return out, held, false, nil
		}
	}
}

// The forms that servers have disagreed about (CVE-2023-51764 to 51766 and later).
var dataForms = []struct {
	name, in   string
	out        string // what goes on, if it is not refused
	rest       string // what stands behind the end
	done       bool
	err        error // with normalising
	errRefused error // with refusing
}{
	{name: "plain", in: "a\r\n.\r\nQUIT\r\n", out: "a\r\n", rest: "QUIT\r\n", done: true},
	{name: "empty", in: ".\r\n", out: "", done: true},
	{name: "stuffed dot", in: "..\r\n.\r\n", out: "..\r\n", done: true},
	{name: "dot inside", in: "a.\r\n.b\r\n.\r\n", out: "a.\r\n.b\r\n", done: true},
	{name: "LF.LF", in: "a\n.\nMAIL\r\n.\r\n", out: "a\r\n..\r\nMAIL\r\n", done: true, errRefused: errBareLF},
	{name: "LF.CRLF", in: "a\n.\r\nMAIL\r\n.\r\n", out: "a\r\n..\r\nMAIL\r\n", done: true, errRefused: errBareLF},
	{name: "CRLF.LF", in: "a\r\n.\nMAIL\r\n.\r\n", out: "a\r\n..\r\nMAIL\r\n", done: true, errRefused: errBareLF},
	{name: "LF.LF then CRLF.CRLF", in: "a\n.\n.\r\n.\r\n", out: "a\r\n..\r\n..\r\n", done: true, errRefused: errBareLF},
	{name: "CR.CR", in: "a\r.\rMAIL\r\n.\r\n", err: errBareCR, errRefused: errBareCR},
	{name: "CR.CRLF", in: "a\r.\r\nMAIL\r\n.\r\n", err: errBareCR, errRefused: errBareCR},
	{name: "CRLF.CR", in: "a\r\n.\rMAIL\r\n.\r\n", err: errBareCR, errRefused: errBareCR},
	{name: "CR LF.LF", in: "a\r\n.\n\r\n.\r\n", out: "a\r\n..\r\n\r\n", done: true, errRefused: errBareLF},
	{name: "CRCRLF.CRLF", in: "a\r\r\n.\r\n", err: errBareCR, errRefused: errBareCR},
	{name: "CRLF.CRCRLF", in: "a\r\n.\r\r\n", err: errBareCR, errRefused: errBareCR},
	{name: "LF CR.CRLF", in: "a\n\r.\r\n.\r\n", err: errBareCR, errRefused: errBareLF},
	{name: "NUL.", in: "a\r\n\x00.\r\n.\r\n", out: "a\r\n\x00.\r\n", done: true},
	{name: "dot stuffed behind LF", in: "a\n.b\r\n.\r\n", out: "a\r\n.b\r\n", done: true, errRefused: errBareLF},
	{name: "open", in: "a\r\n.", out: "a\r\n", rest: "."},
	{name: "open CR", in: "a\r", out: "a", rest: "\r"},
	{name: "open dot CR", in: "a\r\n.\r", out: "a\r\n", rest: ".\r"},
}

// Smuggling depends on segmentation as well as on bytes: each form is tried in every
// split into two, and byte by byte.
func TestDataFormsInEverySegmentation(t *testing.T) {
	t.Parallel()
	for _, f := range dataForms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for first := 0; first <= len(f.in); first++ {
				for _, rest := range []int{1, 2, 3, len(f.in)} {
					for _, refuse := range []bool{false, true} {
						want := f.err
						if refuse {
							want = f.errRefused
						}
						out, left, done, err := scan([]byte(f.in), refuse, first, rest)
						if !errors.Is(err, want) {
							t.Fatalf("split %d+%d refuse=%v: error %v, want %v", first, rest, refuse, err, want)
						}
						if want != nil {
							continue
						}
						if string(out) != f.out || string(left) != f.rest || done != f.done {
							t.Fatalf("split %d+%d: out %q rest %q done %v, want %q %q %v", first, rest, out, left, done, f.out, f.rest, f.done)
						}
					}
				}
			}
		})
	}
}

func TestSkipFindsTheSameEnd(t *testing.T) {
	t.Parallel()
	in := "a\r\n.\nb\n.\r\n\r.\r\n..\r\n.\r\nQUIT\r\n"
	end := strings.Index(in, "QUIT")
	for step := 1; step <= len(in); step++ {
		var s dataScanner
		var held []byte
		seen, ended := 0, false
		for p := []byte(in); len(p) > 0 && !ended; {
			n := min(step, len(p))
			held = append(held, p[:n]...)
			p = p[n:]
			var used int
			used, ended = s.skip(held)
			seen += used
			held = held[used:]
		}
		if !ended || seen != end {
			t.Fatalf("step %d: end at %d (%v), want %d", step, seen, ended, end)
		}
	}
}

// FuzzDataScanner: any split gives the same result; what goes on ends lines in CRLF only
// and holds no end of DATA; a message without bare CR and LF goes on as it came.
func FuzzDataScanner(f *testing.F) {
	for _, d := range dataForms {
		f.Add([]byte(d.in), uint8(1), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, first, step uint8) {
		out, rest, done, err := scan(in, false)
		out2, rest2, done2, err2 := scan(in, false, int(first), int(step)+1)
		if !errors.Is(err2, err) {
			// A bare CR behind an end that one split has not read yet cannot differ: both stop at the end.
			t.Fatalf("error %v whole, %v in parts", err, err2)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(out, out2) || !bytes.Equal(rest, rest2) || done != done2 {
			t.Fatalf("whole %q %q %v, in parts %q %q %v", out, rest, done, out2, rest2, done2)
		}
		if bytes.HasPrefix(out, []byte(".\r\n")) || bytes.Contains(out, []byte("\r\n.\r\n")) {
			t.Fatalf("an end of DATA goes on: %q", out)
		}
		if bytes.Count(out, []byte("\n")) != bytes.Count(out, []byte("\r\n")) || bytes.Count(out, []byte("\r")) != bytes.Count(out, []byte("\r\n")) {
			t.Fatalf("a bare CR or LF goes on: %q", out)
		}
		if done && bytes.Count(in, []byte("\n")) == bytes.Count(in, []byte("\r\n")) {
			if !bytes.Equal(append(append(out, ".\r\n"...), rest...), in) {
				t.Fatalf("changed: %q became %q", in, out)
			}
		}
	})
}

func BenchmarkDataScanner(b *testing.B) {
	body := bytes.Repeat([]byte(strings.Repeat("x", 76)+"\r\n"), dataBuffer/78)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var sc dataScanner
		if _, _, _, err := sc.next(body); err != nil {
			b.Fatal(err)
		}
	}
}
