package customerbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{}
	for _, tt := range []struct {
		r          ref
		name, want string
	}{
		{ref{kindCompany, 1}, "ACME", "Customers/ACME"},
		{ref{kindCompany, 2}, "Acme", "Customers/Acme (company 2)"},
		{ref{kindContact, 2}, "acme", "Customers/acme (contact 2)"},
		{ref{kindContact, 3}, "Acme (company 2)", "Customers/Acme (company 2) (contact 3)"},
		{ref{kindCompany, 4}, "a/b\\c", "Customers/a-b-c"},
		{ref{kindCompany, 5}, "100% *", "Customers/100_ _"},
		{ref{kindCompany, 6}, " \t上海\u3000公司\u202e\x00 \n", "Customers/上海 公司"},
		{ref{kindCompany, 7}, "\u200b", "Customers/company 7"},
		{ref{kindCompany, 8}, "e\u0301", "Customers/é"},
		{ref{kindCompany, 13}, "A\x00\u0300", "Customers/À"},
		{ref{kindCompany, 9}, "x\xff", "Customers/x\uFFFD"},
		{ref{kindCompany, 10}, strings.Repeat("长", 100), "Customers/" + strings.Repeat("长", maxNameRunes-1) + "…"},
		{ref{kindTicket, 11}, "", "Tickets/11"},
		{ref{kindTicket, 12}, "ACME", "Tickets/12 ACME"},
	} {
		if got := unique(taken, tt.r, cleanName(tt.name)); got != tt.want {
			t.Errorf("%q of %v is %q, want %q", tt.name, tt.r, got, tt.want)
		}
	}
}

func TestAnyNameIsFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := cleanName(rapid.String().Draw(t, "name"))
		if strings.ContainsAny(name, `/\*%`) || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxNameRunes ||
			strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name {
			t.Fatalf("%q", name)
		}
		if again := cleanName(name); again != name {
			t.Fatalf("%q becomes %q", name, again)
		}
	})
}

// A pattern matches as the regular expression does that says the same.
func TestMatchName(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"a", "b", "/", "%", "*", "王"})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(part, 0, 8).Draw(t, "pattern"), "")
		name := strings.NewReplacer("%", "", "*", "").Replace(strings.Join(rapid.SliceOfN(part, 0, 10).Draw(t, "name"), ""))
		expr := regexp.QuoteMeta(pattern)
		expr = strings.NewReplacer(`\*`, `.*`, `%`, `[^/]*`).Replace(expr)
		want := regexp.MustCompile(`^` + expr + `$`).MatchString(name)
		if got := matchName(squeeze(pattern), name); got != want {
			t.Fatalf("%q and %q: %v, want %v", pattern, name, got, want)
		}
	})
	if !matchName("inb%", "INBOX") || matchName("tickets", "Tickets") {
		t.Error("INBOX has any case, and nothing else has")
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var view []mail
		for uid := uint32(0); len(view) < rapid.IntRange(0, 9).Draw(t, "messages"); {
			uid += rapid.Uint32Range(1, 3).Draw(t, "gap")
			view = append(view, mail{uid: uid})
		}
		number := rapid.OneOf(rapid.Uint32Range(0, 30), rapid.Just(^uint32(0)))
		var uids imap.UIDSet
		var seqs imap.SeqSet
		want := [2]map[int]bool{{}, {}}
		for range rapid.IntRange(1, 4).Draw(t, "ranges") {
			a, b := number.Draw(t, "a"), number.Draw(t, "b")
			uids = append(uids, imap.UIDRange{Start: imap.UID(a), Stop: imap.UID(b)})
			seqs = append(seqs, imap.SeqRange{Start: a, Stop: b})
			if len(view) == 0 {
				continue
			}
			last := view[len(view)-1].uid
			for i, m := range view {
				lo, hi := ordered(a, b, last)
				want[0][i] = want[0][i] || lo <= m.uid && m.uid <= hi && (hi != ^uint32(0) || m.uid != hi)
				lo, hi = ordered(a, b, uint32(len(view)))
				want[1][i] = want[1][i] || lo <= uint32(i+1) && uint32(i+1) <= hi
			}
		}
		for k, set := range []imap.NumSet{uids, seqs} {
			got := map[int]bool{}
			at := 0
			for _, s := range spans(view, set) {
				if s.first < at || s.end <= s.first || s.end > len(view) {
					t.Fatalf("%v of %v: %v", set, view, spans(view, set))
				}
				for at = s.first; at < s.end; at++ {
					got[at] = true
				}
			}
			for i := range view {
				if got[i] != want[k][i] {
					t.Fatalf("%v of %v: message %d is %v", set, view, i, got[i])
				}
			}
		}
	})
}

// Whatever the pieces in which a client's bytes come, the same commands come out, each a single line that holds no
// byte of a line end and no literal.
func FuzzReadCommand(f *testing.F) {
	for _, s := range []string{
		"a NOOP\r\nb LOGIN {3+}\r\nabc {2}\r\nde\r\n", "a SELECT \"x\\\"y\"\r\n", "a APPEND x {4096}\r\n", "a X {5000}\r\nb\n", "a SEARCH {1+}\r\n\"\r\n", "{1+}\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		read := func(r io.Reader) (out []string) {
			in := newInput(r)
			for {
				asked := 0
				c, err := readCommand(in, func() error { asked++; return nil })
				if err != nil {
					return append(out, fmt.Sprint(errors.Is(err, errFraming), c.tag))
				}
				out = append(out, fmt.Sprintf("%q %q %q %d %s", c.tag, c.verb, c.line, asked, c.refused))
				if c.refused != "" {
					continue
				}
				if bytes.ContainsAny(c.line, "\r\n\x00") || len(c.line) > maxCommand {
					t.Fatalf("command %q", c.line)
				}
				if _, announced, err := scanLine(c.line[c.args:]); announced != 0 || err != nil {
					t.Fatalf("command %q announces a literal or has open quotes: %v", c.line, err)
				}
			}
		}
		whole, single := read(bytes.NewReader(raw)), read(iotest.OneByteReader(bytes.NewReader(raw)))
		if !slices.Equal(whole, single) {
			t.Fatalf("at once %q\nbyte by byte %q", whole, single)
		}
	})
}

func TestWithoutSmaller(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`a SEARCH SMALLER 100`:                           `a SEARCH NOT LARGER 99`,
		`a uid search (smaller 1 SINCE 1-Jan-2026)`:      `a uid search (NOT LARGER 0 SINCE 1-Jan-2026)`,
		`a SEARCH SUBJECT smaller 5`:                     `a SEARCH SUBJECT smaller 5`,
		`a SEARCH SUBJECT "SMALLER 5" OR SMALLER 7 SEEN`: `a SEARCH SUBJECT "SMALLER 5" OR NOT LARGER 6 SEEN`,
		`a SEARCH HEADER SMALLER SMALLER SMALLER 3`:      `a SEARCH HEADER SMALLER SMALLER NOT LARGER 2`,
		`a SEARCH SMALLER 0`:                             `a SEARCH SMALLER 0`,
		`a SEARCH SMALLER x`:                             `a SEARCH SMALLER x`,
		`a UID FETCH 1 SMALLER 5`:                        `a UID FETCH 1 SMALLER 5`,
		`a SEARCH TEXT "a\"SMALLER 5"`:                   `a SEARCH TEXT "a\"SMALLER 5"`,
	} {
		if got := string(withoutSmaller([]byte(in))); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}
