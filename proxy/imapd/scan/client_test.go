package scan_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"heliograph/proxy/imapd/scan"
)

// runClient answers waiting literals by the script, a byte each: 'c' continues, 'r' refuses;
// at its end everything is continued.
func runClient(offer scan.Client, script string) func(pieces [][]byte) *recorder {
	return func(pieces [][]byte) *recorder {
		c, left := offer, script
		return feed(&c, pieces, func() {
			if strings.HasPrefix(left, "r") {
				c.Refuse()
			} else {
				c.Continue()
			}
			left = left[min(1, len(left)):]
		})
	}
}

func TestClientFrames(t *testing.T) {
	t.Parallel()
	all := scan.Client{LiteralPlus: true, Literal8: true}
	for name, c := range map[string]struct {
		offer  scan.Client
		script string
		in     string
		want   []string
	}{
		"commands": {in: "a1 noop\r\nb.2 uid fetch 1:* (FLAGS)\r\nc UID\r\nd x-Foo  bar\r\n", want: []string{
			`line first last "a1 noop" tag="a1" verb="NOOP" args=""`,
			`line first last "b.2 uid fetch 1:* (FLAGS)" tag="b.2" verb="UID FETCH" args="1:* (FLAGS)"`,
			`line first last "c UID" tag="c" verb="UID" args=""`,
			`line first last "d x-Foo  bar" tag="d" verb="X-FOO" args=" bar"`,
		}},
		"odd but clear": {in: "\r\nDONE\r\n a  NOOP\r\na\tselect\tx\r\n* OK\r\n+ X\r\na uid  Fetch 1 UID\r\na  \r\n", want: []string{
			`line first last "" tag="" verb="" args=""`,
			`line first last "DONE" tag="DONE" verb="" args=""`,
			`line first last " a  NOOP" tag="a" verb="NOOP" args=""`,
			`line first last "a\tselect\tx" tag="a" verb="SELECT" args="x"`,
			`line first last "* OK" tag="*" verb="OK" args=""`,
			`line first last "+ X" tag="+" verb="X" args=""`,
			`line first last "a uid  Fetch 1 UID" tag="a" verb="UID FETCH" args="1 UID"`,
			`line first last "a  " tag="a" verb="" args=""`,
		}},
		"braces in quotes": {in: "a SEARCH SUBJECT \"{5}\" TEXT \"\\\"{\" x\r\nb SELECT foo}\r\n", want: []string{
			`line first last "a SEARCH SUBJECT \"{5}\" TEXT \"\\\"{\" x" tag="a" verb="SEARCH" args="SUBJECT \"{5}\" TEXT \"\\\"{\" x"`,
			`line first last "b SELECT foo}" tag="b" verb="SELECT" args="foo}"`,
		}},
		"synchronising": {in: "a LOGIN {3}\r\nfoo {5}\r\na\r\nb}\r\nb NOOP\r\n", want: []string{
			`line first {3 sync} "a LOGIN {3}" tag="a" verb="LOGIN" args="{3}"`, `literal "foo"`,
			`line {5 sync} " {5}"`, `literal "a\r\nb}"`, `line last ""`,
			`line first last "b NOOP" tag="b" verb="NOOP" args=""`,
		}},
		"refused": {script: "rcr", in: "a APPEND x {3}\r\nb APPEND x {3}\r\nabc {3}\r\nc NOOP\r\n", want: []string{
			`line first {3 sync} "a APPEND x {3}" tag="a" verb="APPEND" args="x {3}"`,
			`line first {3 sync} "b APPEND x {3}" tag="b" verb="APPEND" args="x {3}"`, `literal "abc"`,
			`line {3 sync} " {3}"`,
			`line first last "c NOOP" tag="c" verb="NOOP" args=""`,
		}},
		"none": {in: "a LIST \"\" {0}\r\n\r\n", want: []string{
			`line first {0 sync} "a LIST \"\" {0}" tag="a" verb="LIST" args="\"\" {0}"`, `literal ""`, `line last ""`,
		}},
		"none at the end": {offer: all, in: "a LIST \"\" {0+}\r\n", want: []string{
			`line first {0} "a LIST \"\" {0+}" tag="a" verb="LIST" args="\"\" {0+}"`, `literal ""`,
		}},
		"largest": {offer: all, in: "a APPEND x {2147483647+}\r\nabc", want: []string{
			`line first {2147483647} "a APPEND x {2147483647+}" tag="a" verb="APPEND" args="x {2147483647+}"`,
		}},
		"LITERAL+": {offer: all, in: "a APPEND x {5000+}\r\n" + strings.Repeat("x", 5000) + " ~{3+}\r\na\x00b\r\n", want: []string{
			`line first {5000} "a APPEND x {5000+}" tag="a" verb="APPEND" args="x {5000+}"`, "literal " + show(bytes.Repeat([]byte("x"), 5000)),
			`line {3 binary} " ~{3+}"`, `literal "a\x00b"`, `line last ""`,
		}},
		"LITERAL-": {offer: scan.Client{LiteralMinus: true}, in: "a STATUS {4096+}\r\n" + strings.Repeat("x", 4096) + " (UNSEEN)\r\n", want: []string{
			`line first {4096} "a STATUS {4096+}" tag="a" verb="STATUS" args="{4096+}"`, "literal " + show(bytes.Repeat([]byte("x"), 4096)),
			`line last " (UNSEEN)"`,
		}},
		"literal8 when asked for": {in: "a APPEND x UTF8 (~{3}\r\na\x00b)\r\n", want: []string{
			`line first {3 binary sync} "a APPEND x UTF8 (~{3}" tag="a" verb="APPEND" args="x UTF8 (~{3}"`, `literal "a\x00b"`, `line last ")"`,
		}},
		"IDLE": {in: "a IDLE\r\ndone\r\nb idle\r\nDONE\r\nc NOOP\r\n", want: []string{
			`line first last "a IDLE" tag="a" verb="IDLE" args=""`, `line first last "done" tag="" verb="DONE" args=""`,
			`line first last "b idle" tag="b" verb="IDLE" args=""`, `line first last "DONE" tag="" verb="DONE" args=""`,
			`line first last "c NOOP" tag="c" verb="NOOP" args=""`,
		}},
		"login in base64": {in: "a AUTHENTICATE PLAIN\r\nAGZvbwBiYXI=\r\n*\r\n=\r\n", want: []string{
			`line first last "a AUTHENTICATE PLAIN" tag="a" verb="AUTHENTICATE" args="PLAIN"`,
			`line first last "AGZvbwBiYXI=" tag="AGZvbwBiYXI=" verb="" args=""`,
			`line first last "*" tag="*" verb="" args=""`, `line first last "=" tag="=" verb="" args=""`,
		}},
		"literals in many places": {in: "a FETCH 1 (BODY[HEADER.FIELDS ({4}\r\nDate)])\r\nb SETACL {1}\r\nx {1}\r\ny lr\r\nc ID (\"name\" {1}\r\nz)\r\n", want: []string{
			`line first {4 sync} "a FETCH 1 (BODY[HEADER.FIELDS ({4}" tag="a" verb="FETCH" args="1 (BODY[HEADER.FIELDS ({4}"`, `literal "Date"`, `line last ")])"`,
			`line first {1 sync} "b SETACL {1}" tag="b" verb="SETACL" args="{1}"`, `literal "x"`, `line {1 sync} " {1}"`, `literal "y"`, `line last " lr"`,
			`line first {1 sync} "c ID (\"name\" {1}" tag="c" verb="ID" args="(\"name\" {1}"`, `literal "z"`, `line last ")"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := everySplit(t, c.in, runClient(c.offer, c.script))
			if !slices.Equal(r.events, c.want) || r.bad != nil {
				t.Errorf("got\n%s\nwant\n%s\n%v", strings.Join(r.events, "\n"), strings.Join(c.want, "\n"), r.bad)
			}
			if r.taken != len(c.in) {
				t.Errorf("%d of %d bytes taken", r.taken, len(c.in))
			}
		})
	}
}

func TestClientRefusesWhatIsInDoubt(t *testing.T) {
	t.Parallel()
	plus := scan.Client{LiteralPlus: true}
	minus := scan.Client{LiteralMinus: true}
	for _, c := range []struct {
		offer scan.Client
		in    string
		want  error
	}{
		{in: "a NOOP\n", want: scan.ErrBareLF},
		{in: "\n", want: scan.ErrBareLF},
		{in: "a NOOP\rb\r\n", want: scan.ErrBareCR},
		{in: "a NOOP\r\r\n", want: scan.ErrBareCR},
		{in: "a NO\x00OP\r\n", want: scan.ErrNUL},
		{in: "a X\x00\n", want: scan.ErrNUL},
		{in: "a X\r\x00\n", want: scan.ErrBareCR},
		{in: "a LOGIN {2}\r\nab\x00\r\n", want: scan.ErrNUL},
		{in: "a LOGIN {}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {+}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5}}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5 }\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN { 5}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {05x\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {05}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {0x5}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {-5}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5} \r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5}\t\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5} x\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5}{5}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5}\"x\"\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {5-}\r\n", want: scan.ErrLiteralSyntax},
		{offer: plus, in: "a LOGIN {5++}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {{5}\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN (5} {\r\n", want: scan.ErrLiteralSyntax},
		{in: "a LOGIN {2147483648}\r\n", want: scan.ErrLiteralSize},
		{in: "a LOGIN {4294967301}\r\n", want: scan.ErrLiteralSize},
		{in: "a LOGIN {18446744073709551621}\r\n", want: scan.ErrLiteralSize},
		{in: "a LOGIN {99999999999999999999999999}\r\n", want: scan.ErrLiteralSize},
		{in: "a LOGIN x{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a LOGIN x~{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a LOGIN \"x\"{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a LOGIN {1}\r\nx{1}\r\n", want: scan.ErrLiteralPlace},
		{in: "a LOGIN ~{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a LOGIN\t{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "{5} NOOP\r\n", want: scan.ErrLiteralPlace},
		{in: "a{5} NOOP\r\n", want: scan.ErrLiteralPlace},
		{in: "a {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a LOGIN{5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a UID {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a UID NOOP {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a NOOP {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a IDLE {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a XFOO {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a UID EXPUNGE {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a  LOGIN {5}\r\n", want: scan.ErrLiteralPlace},
		{in: " a LOGIN {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a\tLOGIN {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a UID  SEARCH {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "* LOGIN {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "+ LOGIN {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "\"a\" LOGIN {5}\r\n", want: scan.ErrLiteralPlace},
		{in: "a LOGIN {5+}\r\n", want: scan.ErrLiteralPlus},
		{offer: minus, in: "a LOGIN {4097+}\r\n", want: scan.ErrLiteralPlus},
		{offer: plus, in: "a APPEND x ~{5+}\r\n", want: scan.ErrLiteralPlus},
		{in: "a LOGIN \"foo\r\n", want: scan.ErrQuote},
		{in: "a LOGIN \"foo\\\"\r\n", want: scan.ErrQuote},
		{in: "a LOGIN \"foo {5}\r\n", want: scan.ErrQuote},
		{in: "a SELECT fo\"o {5}\r\n", want: scan.ErrQuote},
		{in: "a IDLE\r\nb NOOP\r\n", want: scan.ErrIdle},
		{in: "a IDLE\r\nDONE \r\n", want: scan.ErrIdle},
		{in: "a IDLE\r\n\r\n", want: scan.ErrIdle},
		{in: "a IDLE x\r\n", want: scan.ErrIdle},
		{in: "a IDLE \r\n", want: scan.ErrIdle},
		{in: "a  IDLE\r\n", want: scan.ErrIdle},
		{in: "* IDLE\r\n", want: scan.ErrIdle},
		{in: "a IDLE\r\nDONE\n", want: scan.ErrBareLF},
		{in: "a " + strings.Repeat("x", scan.MaxCommandLine) + "\r\n", want: scan.ErrLineTooLong},
		{in: strings.Repeat("x", scan.MaxCommandLine+1), want: scan.ErrLineTooLong},
	} {
		name := c.in
		if len(name) > 40 {
			name = name[:40]
		}
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			t.Parallel()
			in := c.in
			if len(in) > 100 {
				checkLongCommand(t, in, c.want)
				return
			}
			r := everySplit(t, in+"z NOOP\r\n", runClient(c.offer, ""))
			if !errors.Is(r.bad, c.want) {
				t.Errorf("got %v, want %v\n%s", r.bad, c.want, strings.Join(r.events, "\n"))
			}
		})
	}
}

func checkLongCommand(t *testing.T, in string, want error) {
	t.Helper()
	whole := runClient(scan.Client{}, "")([][]byte{[]byte(in)})
	if !errors.Is(whole.bad, want) {
		t.Fatalf("got %v, want %v", whole.bad, want)
	}
	for i := len(in) - 10; i < len(in); i++ {
		runClient(scan.Client{}, "")([][]byte{[]byte(in[:i]), []byte(in[i:])}).equalTo(t, whole, fmt.Sprint("split at ", i))
	}
}

// TestClientLongestLine passes the longest line that is allowed, and finds the first of two
// faults around the limit whatever the split.
func TestClientLongestLine(t *testing.T) {
	t.Parallel()
	line := "a SEARCH " + strings.Repeat("1", scan.MaxCommandLine-len("a SEARCH "))
	for _, c := range []struct {
		in   string
		want error
	}{
		{line + "\r\n", nil},
		{line + "\n", scan.ErrBareLF},
		{line + "1\r\n", scan.ErrLineTooLong},
		{line + "\x00\r\n", scan.ErrNUL},
		{line + "1\x00\r\n", scan.ErrLineTooLong},
		{line + "\r1\r\n", scan.ErrBareCR},
		{line + "\r\x00", scan.ErrBareCR},
		{line + "1\r1", scan.ErrLineTooLong},
		{line[1:] + "\r1", scan.ErrBareCR},
		{line[1:] + "\r\n", nil},
	} {
		in := []byte(c.in)
		want := runClient(scan.Client{}, "")([][]byte{in})
		if !errors.Is(want.bad, c.want) {
			t.Errorf("%q: got %v, want %v", c.in[len(c.in)-5:], want.bad, c.want)
		}
		for i := len(in) - 6; i < len(in); i++ {
			runClient(scan.Client{}, "")([][]byte{in[:i], in[i:]}).equalTo(t, want, fmt.Sprint("split at ", i))
		}
		runClient(scan.Client{}, "")(cutAt(in, bytes.Repeat([]byte{13}, len(in)/13))).equalTo(t, want, "pieces of 13")
	}
}

func TestClientWaits(t *testing.T) {
	t.Parallel()
	var c scan.Client
	if c.Continue() || c.Refuse() {
		t.Error("a literal waits before there is one")
	}
	in := []byte("a APPEND x {3}\r\nabc\r\nb NOOP\r\n")
	ev, n := c.Next(in)
	if ev.Kind != scan.Line || !ev.Synchronising || c.AtBoundary() || !c.Waiting() {
		t.Fatalf("%+v, waiting %v", ev, c.Waiting())
	}
	in = in[n:]
	for range 3 {
		if ev, n := c.Next(in); ev.Kind != scan.Wait || n != 0 {
			t.Fatalf("%v, %d bytes while the literal waits", ev.Kind, n)
		}
	}
	if !c.Continue() || c.Continue() || c.Refuse() || c.Waiting() {
		t.Error("Continue counts once")
	}
	if ev, n := c.Next(in); ev.Kind != scan.Literal || n != 3 || !ev.Done {
		t.Errorf("%+v, %d bytes", ev, n)
	}
}

func TestClientIdleEnds(t *testing.T) {
	t.Parallel()
	var c scan.Client
	c.Next([]byte("a IDLE\r\n"))
	if !c.Idling() || !c.AtBoundary() {
		t.Error("not idling after IDLE")
	}
	c.Next([]byte("DO"))
	c.EndIdle() // the upstream refused while DONE was under way
	ev, _ := c.Next([]byte("NE\r\n"))
	if ev.Kind != scan.Line || ev.Command.Verb != "" || string(ev.Command.Tag) != "DONE" || c.Idling() {
		t.Errorf("%+v", ev)
	}
	if ev, _ := c.Next([]byte("b NOOP\r\n")); ev.Command.Verb != "NOOP" {
		t.Errorf("%+v", ev)
	}
}

func TestClientStaysBad(t *testing.T) {
	t.Parallel()
	var c scan.Client
	c.Next([]byte("a NOOP\n"))
	for _, in := range []string{"", "b NOOP\r\n"} {
		if ev, n := c.Next([]byte(in)); ev.Kind != scan.Bad || n != 0 || !errors.Is(ev.Err, scan.ErrBareLF) {
			t.Errorf("%+v, %d bytes", ev, n)
		}
	}
}

func TestClientOffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		caps                  []string
		plus, minus, literal8 bool
	}{
		{caps: []string{"IMAP4rev1"}},
		{caps: []string{"IMAP4rev1", "LITERAL+", "BINARY"}, plus: true, literal8: true},
		{caps: []string{"IMAP4rev1", "LITERAL-", "METADATA"}, minus: true, literal8: true},
		{caps: []string{"IMAP4rev2"}, minus: true, literal8: true},
	} {
		var client scan.Client
		client.Offer(func(name string) bool { return slices.Contains(c.caps, name) })
		if client.LiteralPlus != c.plus || client.LiteralMinus != c.minus || client.Literal8 != c.literal8 {
			t.Errorf("%v: %v %v %v", c.caps, client.LiteralPlus, client.LiteralMinus, client.Literal8)
		}
	}
}

// TestVerbsWithLiterals goes through the commands that may carry literals.
func TestVerbsWithLiterals(t *testing.T) {
	t.Parallel()
	with := strings.Fields(`LOGIN AUTHENTICATE SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB XLIST STATUS
		APPEND SEARCH SORT THREAD FETCH STORE COPY MOVE GETQUOTA GETQUOTAROOT SETQUOTA SETACL DELETEACL GETACL LISTRIGHTS MYRIGHTS
		GETMETADATA SETMETADATA GETANNOTATION SETANNOTATION ESEARCH REPLACE NOTIFY ID ENABLE GENURLAUTH URLFETCH RESETKEY`)
	for _, verb := range strings.Fields("SEARCH SORT THREAD FETCH STORE COPY MOVE REPLACE") {
		with = append(with, "UID "+verb)
	}
	for _, verb := range with {
		var c scan.Client
		in := "a " + strings.ToLower(verb) + " ({1}\r\n"
		if ev, n := c.Next([]byte(in)); ev.Kind != scan.Line || ev.Last || ev.Command.Verb != verb || n != len(in) {
			t.Errorf("%q: %+v", in, ev)
		}
	}
}

func TestClientMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var c scan.Client
	piece := bytes.Repeat([]byte("y"), 1000)
	for {
		ev, _ := c.Next(piece)
		if c.Held() > 3*scan.MaxText {
			t.Fatalf("%d bytes held", c.Held())
		}
		if ev.Kind == scan.Bad {
			break
		}
	}
	c = scan.Client{}
	for _, p := range bytes.SplitAfter(append(append([]byte("a SEARCH "), bytes.Repeat(piece, 60)...), "\r\n"...), []byte("yyyy")) {
		c.Next(p)
	}
	c.Release()
	if c.Held() != 0 || !c.AtBoundary() {
		t.Errorf("%d bytes held after Release", c.Held())
	}
}

func FuzzClient(f *testing.F) {
	f.Add([]byte("a LOGIN {3}\r\nfoo {3}\r\nbar\r\nb IDLE\r\nDONE\r\n"), []byte{3, 0, 20, 1, 1}, "cr", false)
	f.Add([]byte("a APPEND x {3+}\r\nfoo ~{1+}\r\n\x00\r\n"), []byte{9, 1}, "", true)
	f.Add([]byte("a SEARCH \"{5}\" {1}\r\n\r\n"), []byte{}, "r", false)
	f.Fuzz(func(t *testing.T, in, lengths []byte, script string, plus bool) {
		run := runClient(scan.Client{LiteralPlus: plus, Literal8: plus}, script)
		want := run([][]byte{in})
		got := run(cutAt(in, lengths))
		got.equalTo(t, want, "split")
		if want.bad == nil && (want.taken != len(in) || got.taken != len(in)) {
			t.Fatalf("%d and %d of %d bytes taken", want.taken, got.taken, len(in))
		}
	})
}
