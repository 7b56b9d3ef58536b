package scan_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"heliograph/proxy/imapd/scan"
)

func runServer(pieces [][]byte) *recorder {
	return feed(new(scan.Server), pieces, nil)
}

func TestServerFrames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"lines": {"* OK hello\r\na OK done\r\n+ go on\r\n", []string{
			`line first last "* OK hello"`, `line first last "a OK done"`, `line first last "+ go on"`,
		}},
		"bare LF":     {"* OK a\n* 1 EXISTS\n", []string{`line first last "* OK a"`, `line first last "* 1 EXISTS"`}},
		"CR within":   {"* OK a\rb\r\r\n", []string{"line first last \"* OK a\\rb\\r\""}},
		"empty lines": {"\r\n\n", []string{`line first last ""`, `line first last ""`}},
		"literal": {"* 1 FETCH (BODY[] {5}\r\na\r\nb) UID 7)\r\n* 2 EXISTS\r\n", []string{
			`line first {5} "* 1 FETCH (BODY[] {5}"`, `literal "a\r\nb)"`, `line last " UID 7)"`, `line first last "* 2 EXISTS"`,
		}},
		"literal of no bytes": {"* 1 FETCH (BODY[] {0}\r\n)\r\n", []string{
			`line first {0} "* 1 FETCH (BODY[] {0}"`, `literal ""`, `line last ")"`,
		}},
		"literal at the end of the input": {"* 1 FETCH (BODY[] {0}\r\n", []string{
			`line first {0} "* 1 FETCH (BODY[] {0}"`, `literal ""`,
		}},
		"literal8": {"* 1 FETCH (BINARY[1] ~{3}\r\na\x00b)\r\n", []string{
			`line first {3 binary} "* 1 FETCH (BINARY[1] ~{3}"`, `literal "a\x00b"`, `line last ")"`,
		}},
		"non-synchronising": {"* 1 FETCH (BODY[] {3+}\r\nabc BINARY[] ~{1+}\r\nx)\r\n", []string{
			`line first {3} "* 1 FETCH (BODY[] {3+}"`, `literal "abc"`,
			`line {1 binary} " BINARY[] ~{1+}"`, `literal "x"`, `line last ")"`,
		}},
		"two literals behind each other": {"* LIST () \"/\" {1}\r\na{2}\r\nxy\r\n", []string{
			`line first {1} "* LIST () \"/\" {1}"`, `literal "a"`, `line {2} "{2}"`, `literal "xy"`, `line last ""`,
		}},
		"no space before": {"* 1 FETCH (BODY[]{1}\r\nx BODY[]<0>{1}\r\ny)\r\n", []string{
			`line first {1} "* 1 FETCH (BODY[]{1}"`, `literal "x"`, `line {1} " BODY[]<0>{1}"`, `literal "y"`, `line last ")"`,
		}},
		"text of status responses": {"* OK {5}\r\n* NO a {5}\r\n* BAD {5}\r\n* bye {5}\r\n* PREAUTH {5}\r\na OK {5}\r\n+ {5}\r\n+ {5+}\r\n", []string{
			`line first last "* OK {5}"`, `line first last "* NO a {5}"`, `line first last "* BAD {5}"`, `line first last "* bye {5}"`,
			`line first last "* PREAUTH {5}"`, `line first last "a OK {5}"`, `line first last "+ {5}"`, `line first last "+ {5+}"`,
		}},
		"keyword that begins like a status": {"* OKAY {1}\r\nx\r\n", []string{
			`line first {1} "* OKAY {1}"`, `literal "x"`, `line last ""`,
		}},
		"not an announcement": {"* X {}\r\n* X {+}\r\n* X {5\r\n* X 5}\r\n* X {5 }\r\n* X {5}}\r\n* X {-5}\r\n* X {5-}\r\n* X {5++}\r\n* X a{5}\r\n* X {5} \r\n* X {0x5}\r\n}\r\n{}\r\n", []string{
			`line first last "* X {}"`, `line first last "* X {+}"`, `line first last "* X {5"`, `line first last "* X 5}"`,
			`line first last "* X {5 }"`, `line first last "* X {5}}"`, `line first last "* X {-5}"`, `line first last "* X {5-}"`,
			`line first last "* X {5++}"`, `line first last "* X a{5}"`, `line first last "* X {5} "`, `line first last "* X {0x5}"`,
			`line first last "}"`, `line first last "{}"`,
		}},
		"too many digits": {"* X {9223372036854775808}\r\n* X {00000000000000000001}\r\n", []string{
			`line first last "* X {9223372036854775808}"`, `line first last "* X {00000000000000000001}"`,
		}},
		"largest size": {"* X {9223372036854775807}\r\nabc", []string{`line first {9223372036854775807} "* X {9223372036854775807}"`}},
		"binary garbage": {"\x00\xff{5}\r\n(((\r\n* \r\n*\r\n* 1\r\n", []string{
			`line first last "\x00\xff{5}"`, `line first last "((("`, `line first last "* "`, `line first last "*"`, `line first last "* 1"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := everySplit(t, c.in, runServer)
			if !slices.Equal(r.events, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(r.events, "\n"), strings.Join(c.want, "\n"))
			}
			if r.taken != len(c.in) {
				t.Errorf("%d of %d bytes taken", r.taken, len(c.in))
			}
		})
	}
}

func TestServerBoundary(t *testing.T) {
	t.Parallel()
	var s scan.Server
	for _, step := range []struct {
		in    string
		first bool // of the last event
		at    bool
	}{
		{"", true, true},
		{"* 1", true, false},
		{" FETCH (BODY[] {2}\r\n", true, false},
		{"a", false, false},
		{"b", false, false},
		{"", false, false},
		{")", false, false},
		{"\r", false, false},
		{"\n", false, true},
		{"", true, true},
		{"* OK\n", true, true},
	} {
		p := []byte(step.in)
		ev, n := s.Next(p)
		for n < len(p) {
			p = p[n:]
			ev, n = s.Next(p)
		}
		if ev.First != step.first || s.AtBoundary() != step.at {
			t.Errorf("after %q: First %v, AtBoundary %v", step.in, ev.First, s.AtBoundary())
		}
	}
}

// TestServerLongLines splits lines around MaxText at every offset that matters, with and
// without a literal at their end.
func TestServerLongLines(t *testing.T) {
	t.Parallel()
	for _, length := range []int{scan.MaxText - 1, scan.MaxText, scan.MaxText + 1, scan.MaxText + 2, scan.MaxText + 40, 3 * scan.MaxText} {
		for _, end := range []string{"\r\n", "\n", "\r\r\n"} {
			for _, suffix := range []string{"x", " {4}", " ~{4+}", "\r"} {
				text := "* 1 FETCH (BODYSTRUCTURE "
				text += strings.Repeat("y", length-len(text)-len(suffix)) + suffix
				checkLongLine(t, text, end)
			}
		}
	}
}

func checkLongLine(t *testing.T, text, end string) {
	t.Helper()
	in := []byte(text + end + "abcd)\r\n* BYE\r\n")
	want := runServer([][]byte{in})
	if cut := len(strings.TrimSuffix(text+end[:len(end)-1], "\r")) > scan.MaxText; strings.Contains(want.events[0][:30], " cut") != cut {
		t.Fatalf("line of %d bytes and %q: %s", len(text), end, want.events[0][:30])
	}
	if got, literal := len(want.events), strings.HasSuffix(text, "}"); literal && end != "\r\r\n" && want.events[1] != `literal "abcd"` {
		t.Fatalf("line of %d bytes: %d events, %s", len(text), got, want.events[1])
	}
	offsets := []int{1, 10, scan.MaxText, scan.MaxText + 1, scan.MaxText + 2}
	for i := -12; i < 8; i++ {
		offsets = append(offsets, len(text)+i)
	}
	for _, i := range offsets {
		if i > 0 && i < len(in) {
			runServer([][]byte{in[:i], in[i:]}).equalTo(t, want, fmt.Sprintf("split at %d", i))
			runServer([][]byte{in[:i/2], in[i/2 : i], in[i:]}).equalTo(t, want, fmt.Sprintf("split at %d and %d", i/2, i))
		}
	}
	runServer(cutAt(in, bytes.Repeat([]byte{77}, len(in)/77))).equalTo(t, want, "pieces of 77")
}

func TestServerMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var s scan.Server
	piece := bytes.Repeat([]byte("y"), 1000)
	for range 10_000 { // one line of 10 MB
		if ev, n := s.Next(piece); ev.Kind != scan.More || n != len(piece) {
			t.Fatal(ev, n)
		}
		if s.Held() > 3*scan.MaxText {
			t.Fatalf("%d bytes held", s.Held())
		}
	}
	if ev, _ := s.Next([]byte("\r\n")); !ev.Cut || len(ev.Text) != scan.MaxText {
		t.Fatalf("cut %v, %d bytes of text", ev.Cut, len(ev.Text))
	}
	s.Release()
	if s.Held() != 0 || !s.AtBoundary() {
		t.Errorf("%d bytes held after Release", s.Held())
	}
	s.Next([]byte("* OK"))
	s.Release() // keeps what is needed
	if ev, _ := s.Next([]byte(" hello\r\n")); string(ev.Text) != "* OK hello" {
		t.Errorf("%q after Release within a line", ev.Text)
	}
}

func FuzzServer(f *testing.F) {
	f.Add([]byte("* 1 FETCH (BODY[] {5}\r\nabcde UID 7)\r\na OK {3}\r\n"), []byte{3, 0, 20, 1, 1})
	f.Add([]byte("* X ~{2+}\na\x00{1}\r\nx\n"), []byte{9, 1})
	f.Fuzz(func(t *testing.T, in, lengths []byte) {
		want := runServer([][]byte{in})
		got := runServer(cutAt(in, lengths))
		got.equalTo(t, want, "split")
		if want.taken != len(in) || got.taken != len(in) {
			t.Fatalf("%d and %d of %d bytes taken", want.taken, got.taken, len(in))
		}
	})
}

// TestServerRandomSplits runs many responses made of real ones through random splits.
func TestServerRandomSplits(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{
		"* 5 FETCH (UID 7 BODY[] {12}\r\nhello\r\n{5}\r\n FLAGS (\\Seen))\r\n", "* 3 EXISTS\r\n", "a1 OK [X] {7}\r\n", "+ idling\r\n",
		"* LIST () \"/\" ~{3}\r\nabc\r\n", "* OK " + strings.Repeat("z", 300) + "\r\n", "\n", "* SEARCH" + strings.Repeat(" 17", 200) + "\r\n",
	}
	for range 300 {
		var in []byte
		for range 1 + rng.IntN(12) {
			in = append(in, parts[rng.IntN(len(parts))]...)
		}
		lengths := make([]byte, rng.IntN(40))
		for i := range lengths {
			lengths[i] = byte(rng.IntN(1 + rng.IntN(200)))
		}
		runServer(cutAt(in, lengths)).equalTo(t, runServer([][]byte{in}), fmt.Sprintf("%q cut at %v", in, lengths))
	}
}
