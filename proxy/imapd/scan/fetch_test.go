package scan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"heliograph/proxy/imapd/scan"
)

// readFetches runs the input through a Server and every FETCH in it through one Fetch. It
// returns what a gateway would see: a line behind each fragment that says something of a part
// of a message, and one at the end of each response.
func readFetches(t *testing.T, pieces [][]byte) []string {
	t.Helper()
	var s scan.Server
	var f scan.Fetch
	var out []string
	fetching := false
	fragment := func(ev scan.Event) {
		if ev.First {
			r := scan.ParseResponse(ev.Text)
			if fetching = r.Is("FETCH") || r.Is("UIDFETCH"); !fetching {
				return
			}
			if r.Is("FETCH") {
				f.Begin(r.Number, r.Rest)
			} else {
				f.BeginUID(r.Number, r.Rest)
			}
		} else if fetching {
			f.Fragment(ev.Text)
		}
		if !fetching {
			return
		}
		if !f.Lost && (f.Literal == ev.Last || f.Complete != ev.Last) {
			t.Fatalf("%q: Last %v, but Literal %v, Complete %v", ev.Text, ev.Last, f.Literal, f.Complete)
		}
		if f.Section != scan.SectionNone {
			out = append(out, part(&f, ev.Size))
		}
		if ev.Last {
			out = append(out, summary(&f))
		}
	}
	for _, piece := range pieces {
		p := slices.Clone(piece)
		for len(p) > 0 {
			ev, n := s.Next(p)
			switch ev.Kind {
			case scan.Line:
				fragment(ev)
			case scan.Literal:
				if ev.Done && fetching {
					f.LiteralDone()
				}
			case scan.More, scan.Wait, scan.Bad:
			}
			for i := range p[:n] {
				p[i] = 0xee
			}
			p = p[n:]
		}
	}
	return out
}

func part(f *scan.Fetch, size int64) string {
	b := f.Section.String()
	if f.Section == scan.SectionPartial {
		b += fmt.Sprintf("<%d>", f.Origin)
	}
	if f.Decoded {
		b += " decoded"
	}
	switch {
	case f.Literal:
		return b + fmt.Sprintf(" {%d}", size)
	case f.Nil:
		return b + " nil"
	}
	return b + fmt.Sprintf(" %q", f.Quoted)
}

func summary(f *scan.Fetch) string {
	b := fmt.Sprintf("%d uid=%d", f.Seq, f.UID)
	if f.Size >= 0 {
		b += fmt.Sprintf(" size=%d", f.Size)
	}
	if f.InternalDate != nil {
		b += fmt.Sprintf(" date=%q", f.InternalDate)
	}
	if kept := f.Kept(); len(kept) > 0 {
		b += fmt.Sprintf(" kept=%q", kept)
	}
	if f.Draft() {
		b += " draft"
	}
	if f.Touched {
		b += " touched"
	}
	if f.Lost {
		b += " lost"
	}
	return b
}

func TestFetch(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		`* 5 FETCH (UID 7 FLAGS (\Seen))`: {`5 uid=7 kept="FLAGS (\\Seen)"`},
		`* 5 fetch (flags () uid 7)`:      {`5 uid=7 kept="FLAGS ()"`},
		`* 5 FETCH (FLAGS (\Seen \Draft $X) MODSEQ (12345678901234) UID 4294967295)`: {
			`5 uid=4294967295 kept="FLAGS (\\Seen \\Draft $X) MODSEQ (12345678901234)" draft`,
		},
		`* 5 FETCH (MODSEQ (5))`:                      {`5 uid=0 kept="MODSEQ (5)"`},
		`* 5 FETCH (MODSEQ 5)`:                        {`5 uid=0 kept="MODSEQ (5)"`},
		`* 7 UIDFETCH (FLAGS (\Deleted))`:             {`0 uid=7 kept="FLAGS (\\Deleted)"`},
		`* 5 FETCH ()`:                                {`5 uid=0`},
		`* 5 FETCH  ( UID  7  RFC822.SIZE  99 ) junk`: {`5 uid=7 size=99`},
		`* 5 FETCH (INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 44827)`: {
			`5 uid=0 size=44827 date="17-Jul-1996 02:44:25 -0700"`,
		},
		"* 5 FETCH (UID 7 BODY[] {3}\r\nabc FLAGS (\\Seen))": {`whole {3}`, `5 uid=7 kept="FLAGS (\\Seen)" touched`},
		"* 5 FETCH (BODY[]{3}\r\nabcUID 7)":                  {`whole {3}`, `5 uid=7 touched`},
		"* 5 FETCH (RFC822 {0}\r\n UID 7)":                   {`whole {0}`, `5 uid=7 touched`},
		"* 5 FETCH (body.peek[] {1}\r\n) UID 7)":             {`whole {1}`, `5 uid=7 touched`},
		"* 5 FETCH (BODY[]<0> {3}\r\nabc UID 7)":             {`partial<0> {3}`, `5 uid=7 touched`},
		"* 5 FETCH (BODY[]<262144.5> {3}\r\nabc UID 7)":      {`partial<262144> {3}`, `5 uid=7 touched`},
		"* 5 FETCH (BODY[]<0>{3}\r\nabc UID 7)":              {`partial<0> {3}`, `5 uid=7 touched`},
		"* 5 FETCH (BODY[TEXT]<5> {3}\r\nabc UID 7)":         {`other {3}`, `5 uid=7 touched`},
		"* 5 FETCH (BINARY[1.2]<0> ~{3}\r\na\x00c UID 7)":    {`other decoded {3}`, `5 uid=7 touched`},
		"* 5 FETCH (BINARY[] ~{3}\r\na\x00c UID 7)":          {`whole decoded {3}`, `5 uid=7 touched`},
		"* 5 FETCH (BINARY[]<9> {3}\r\nabc UID 7)":           {`partial<9> decoded {3}`, `5 uid=7 touched`},
		"* 5 FETCH (BINARY.SIZE[1] 4321 UID 7)":              {`5 uid=7`},
		"* 5 FETCH (BINARY.SIZE[1.2.3] NIL UID 7)":           {`5 uid=7`},
		"* 5 FETCH (RFC822.HEADER {2}\r\n\r\n RFC822.TEXT \"x\" UID 7)": {
			`other {2}`, `other "x"`, `5 uid=7 touched`,
		},
		`* 5 FETCH (BODY[HEADER.FIELDS (A B)] "" UID 7)`: {`other ""`, `5 uid=7 touched`},
		"* 5 FETCH (BODY[HEADER.FIELDS (A \"B)]\" C]D)] {3}\r\nabc BODY[] {1}\r\nx UID 7)": {
			`other {3}`, `whole {1}`, `5 uid=7 touched`,
		},
		"* 5 FETCH (BODY[HEADER.FIELDS ({1}\r\n] {2}\r\nBB)] {3}\r\nabc UID 7)": {
			`other {1}`, `other {2}`, `other {3}`, `5 uid=7 touched`,
		},
		`* 5 FETCH (BODY[] NIL UID 7)`:                      {`whole nil`, `5 uid=7 touched`},
		`* 5 FETCH (BODY[]<10> "" UID 7)`:                   {`partial<10> ""`, `5 uid=7 touched`},
		`* 5 FETCH (BODY[] "a \"b\" \\ {5}" UID 7)`:         {`whole "a \"b\" \\ {5}"`, `5 uid=7 touched`},
		`* 5 FETCH (BODY[] "w" BODY[TEXT] "t" RFC822 nil)`:  {`whole nil`, `5 uid=0 touched`},
		`* 5 FETCH (BODY[TEXT] "t" BODY[] "w" BODY[1] NIL)`: {`whole "w"`, `5 uid=0 touched`},
		"* 5 FETCH (BODY[] \"w\" BODY[TEXT] {1}\r\nx)":      {`other {1}`, `5 uid=0 touched`},
		"* 5 FETCH (BODY[] {1}\r\nw BODY[TEXT] {1}\r\nx BODY[1] {1}\r\ny UID 7)": {
			`whole {1}`, `other {1}`, `other {1}`, `5 uid=7 touched`,
		},
		`* 5 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" ("CHARSET" "a)\"(") NIL NIL "7BIT" 5 1 NIL NIL NIL) UID 7)`: {`5 uid=7`},
		`* 5 FETCH (BODY (("TEXT" "PLAIN" NIL)("TEXT" "HTML" NIL) "ALTERNATIVE") UID 7)`:                      {`5 uid=7`},
		"* 5 FETCH (BODYSTRUCTURE ((\"TEXT\" {5}\r\nPL\")(({1}\r\nX)) NIL) UID 7)": {
			`other {5}`, `other {1}`, `5 uid=7`,
		},
		"* 5 FETCH (ENVELOPE (\"d\" {4}\r\n)))) ((NIL NIL \"a\" {3}\r\nb.c)) NIL NIL NIL NIL \"<x>\") UID 7)": {
			`other {4}`, `other {3}`, `5 uid=7 touched`,
		},
		"* 5 FETCH (X-GM-MSGID 1278455344230334866 X-GM-LABELS (\\Inbox \"a ) b\" {3}\r\nx)y) UID 7)": {
			`other {3}`, `5 uid=7`,
		},
		`* 5 FETCH (PREVIEW "hi (" UID 7)`:   {`5 uid=7`},
		`* 5 FETCH (PREVIEW NIL UID 7)`:      {`5 uid=7`},
		"* 5 FETCH (PREVIEW {1}\r\n( UID 7)": {`other {1}`, `5 uid=7`},
		`* 5 FETCH (EMAILID (M6d99ac3275bb4e) THREADID (T64b478a75b7ea9) SAVEDATE "01-Jan-2015 00:00:00 +0000" UID 7)`: {`5 uid=7`},
		`* 5 FETCH (THREADID NIL SAVEDATE NIL UID 7)`:                                                                  {`5 uid=7`},
		`* 5 FETCH (SNIPPET (FUZZY "x") ANNOTATION (/comment (value.priv "My (" size 3)) UID 7)`:                       {`5 uid=7`},
		`* 5 FETCH (X-FOO[BAR (x]y)] (1 (2)) X-BAR UID UID 7)`:                                                         {`5 uid=7`},
		`* 5 FETCH (X-A.NAME.LONGER.THAN.ANY 9 UID 7)`:                                                                 {`5 uid=7`},
		`* 5 FETCH (FLAGS (\Seen)UID 7)`:                                                                               {`5 uid=7 kept="FLAGS (\\Seen)"`},
		`* 5 FETCH (UID x RFC822.SIZE 99999999999999999999 MODSEQ (y))`:                                                {`5 uid=0`},
		// What cannot be followed is lost, but what was read before stays.
		`* 5 FETCH (UID 7`:                                 {`5 uid=7 lost`},
		`* 5 FETCH UID 7`:                                  {`5 uid=0 lost`},
		`* 5 FETCH`:                                        {`5 uid=0 lost`},
		"* 5 FETCH (UID \x01 FLAGS ())":                    {`5 uid=0 lost`},
		`* 5 FETCH (UID)`:                                  {`5 uid=0 lost`},
		`* 5 FETCH (UID `:                                  {`5 uid=0 lost`},
		`* 5 FETCH (UID 7 "x" FLAGS ())`:                   {`5 uid=7 lost`},
		`* 5 FETCH (UID 7 BODY[] "x FLAGS ())`:             {`5 uid=7 touched lost`},
		`* 5 FETCH (UID 7 BODY[ FLAGS ())`:                 {`5 uid=7 touched lost`},
		`* 5 FETCH (UID 7 BODY["x] FLAGS ())`:              {`5 uid=7 touched lost`},
		`* 5 FETCH (UID 7 BODY[]<x> NIL)`:                  {`5 uid=7 touched lost`},
		`* 5 FETCH (UID 7 BODY[]<1 NIL)`:                   {`5 uid=7 touched lost`},
		`* 5 FETCH (UID 7 BODYSTRUCTURE ("a"b" "c") X NIL`: {`5 uid=7 lost`},
		`* 5 FETCH (UID 7 FLAGS (\Seen`:                    {`5 uid=7 lost`},
		"* 5 FETCH (UID 7 {3}\r\nabc FLAGS ())":            {`5 uid=7 lost`},
		"* 5 FETCH (UID 7) {3}\r\nabc":                     {`5 uid=7 lost`},
		"* 5 FETCH (UID 7 PREVIEW \"x {3}\r\nabc)":         {`5 uid=7 lost`},
		"* 5 FETCH (UID 7 BODY[\"x {3}\r\nabc] NIL)":       {`5 uid=7 touched lost`},
		"* 5 FETCH (UID 7 BODYSTRUCTURE (\"x {3}\r\nabc))": {`5 uid=7 lost`},
		"* 5 FETCH (UID 7 BODY[]<1 {3}\r\nabc)":            {`5 uid=7 touched lost`},
		"* 5 FETCH (UID 7 PREVIEW ) {3}\r\nabc)":           {`5 uid=7 lost`},
		"* 5 FETCH {3}\r\nabc (UID 7)":                     {`5 uid=0 lost`},
	} {
		wire := in + "\r\n* 6 FETCH (UID 8)\r\n"
		everyWay(t, wire, append(want, "6 uid=8"))
	}
}

// everyWay reads the wire in one piece, cut at every offset, and byte by byte.
func everyWay(t *testing.T, wire string, want []string) {
	t.Helper()
	in := []byte(wire)
	check := func(pieces [][]byte, how string) {
		t.Helper()
		if got := readFetches(t, pieces); !slices.Equal(got, want) {
			t.Errorf("%q, %s:\n got %s\nwant %s", wire, how, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	check([][]byte{in}, "whole")
	for i := 1; i < len(in); i++ {
		check([][]byte{in[:i], in[i:]}, fmt.Sprint("split at ", i))
	}
	check(singles(in), "byte by byte")
}

// TestFetchLineCut loses a response whose line is longer than what is kept.
func TestFetchLineCut(t *testing.T) {
	t.Parallel()
	long := "* 5 FETCH (UID 7 BODYSTRUCTURE (" + strings.Repeat("(NIL)", scan.MaxText/5) + ") BODY[] {3}\r\nabc FLAGS (\\Seen))\r\n* 6 FETCH (UID 8)\r\n"
	want := []string{"5 uid=7 lost", "6 uid=8"}
	for _, pieces := range [][][]byte{{[]byte(long)}, cutAt([]byte(long), []byte(strings.Repeat("\xff", 300)))} {
		if got := readFetches(t, pieces); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFetchAllocatesNothing(t *testing.T) {
	var s scan.Server
	var f scan.Fetch
	in := []byte("* 5 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" MODSEQ (7) BODY[TEXT] \"a\\\"b\" BODY[] {3}\r\nabc)\r\n")
	run := func() {
		for p := in; len(p) > 0; {
			ev, n := s.Next(p)
			switch {
			case ev.Kind == scan.Literal:
				f.LiteralDone()
			case ev.First:
				r := scan.ParseResponse(ev.Text)
				f.Begin(r.Number, r.Rest)
			default:
				f.Fragment(ev.Text)
			}
			p = p[n:]
		}
		if f.Lost || !f.Complete || len(f.Kept()) == 0 {
			t.Fatal("the response was not followed")
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations a response", n)
	}
}

// TestFetchGivesMemoryBack keeps no large buffer for the next response.
func TestFetchGivesMemoryBack(t *testing.T) {
	t.Parallel()
	var f scan.Fetch
	f.Begin(1, []byte("(FLAGS ("+strings.Repeat("x", 60<<10)+"))"))
	if !f.Complete || len(f.Flags) != 60<<10 {
		t.Fatalf("%d bytes of flags", len(f.Flags))
	}
	f.Begin(2, []byte("(FLAGS (\\Seen))"))
	if string(f.Flags) != `\Seen` || cap(f.Flags) > 1<<10 {
		t.Errorf("%q in %d bytes", f.Flags, cap(f.Flags))
	}
}

func TestHasFlag(t *testing.T) {
	t.Parallel()
	flags := []byte(`\Answered  \seen $Foo`)
	for flag, want := range map[string]bool{`\Seen`: true, `\Answered`: true, `$foo`: true, `\See`: false, `\Draft`: false, "": false} {
		if scan.HasFlag(flags, flag) != want {
			t.Errorf("HasFlag(%q) = %v", flag, !want)
		}
	}
}

func FuzzFetch(f *testing.F) {
	f.Add([]byte("* 5 FETCH (UID 7 BODY[HEADER.FIELDS (A \"B\")] {3}\r\nabc FLAGS (\\Seen) BODY[]<0> NIL)\r\n"), []byte{3, 30, 9})
	f.Add([]byte("* 5 FETCH (ENVELOPE (\"d\" {4}\r\n)))) ((NIL)) NIL) BINARY[1]<0> ~{1}\r\nx)\r\n"), []byte{50, 1})
	f.Add([]byte("* 5 UIDFETCH (X[ {1}\r\n]] (\"\\\"\" {0}\r\n) Y z)\n"), []byte{})
	f.Fuzz(func(t *testing.T, in, lengths []byte) {
		want := readFetches(t, [][]byte{in})
		if got := readFetches(t, cutAt(in, lengths)); !slices.Equal(got, want) {
			t.Fatalf("%q cut at %v:\n got %q\nwant %q", in, lengths, got, want)
		}
	})
}
