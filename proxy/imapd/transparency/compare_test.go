package transparency_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"heliograph/internal/mailtest"
)

// masks cover what differs between two runs against the same server. They see lines
// only, never the bytes of a literal.
var masks = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b\d+\.\d{3}( \+ \d+\.\d{3})* sec(s?)\b`), "sec$2"},
	{regexp.MustCompile(`SESSIONID=<[^>]*>`), "SESSIONID=<>"},
	{regexp.MustCompile(`\b(1[789]\d{8}|79\d{7})\b`), "<epoch>"}, // UIDVALIDITY, and other times; Courier has its own epoch
	{regexp.MustCompile(`[ 0123]\d-(Nov|Dec|Jan|Feb)-20\d\d \d\d:\d\d:\d\d [-+]\d{4}`), "<date>"},
	{regexp.MustCompile(`MAILBOXID \([^)]*\)`), "MAILBOXID ()"},
	{regexp.MustCompile(`(?i):internal:[0-9a-f]+`), ":internal:"},
	{regexp.MustCompile(`user-[a-d](@|%40)`), "user-?$1"},
	{regexp.MustCompile(`(?i)^(\* X?LIST \([^)]*?) ?\\(?:un)?marked`), "$1"}, // a guess that depends on the clock's seconds
}

// masked renders a response for the comparison.
func masked(r mailtest.IMAPResponse) string {
	var b strings.Builder
	for _, part := range r {
		text := part.Text
		for _, m := range masks {
			text = m.form.ReplaceAllString(text, m.with)
		}
		b.WriteString(text)
		if part.Literal != nil {
			fmt.Fprintf(&b, "\r\n%s", part.Literal)
		}
	}
	return b.String()
}

// deviation is a way in which the gateway answers on purpose unlike the server.
type deviation struct {
	why  string
	form *regexp.Regexp // in an answer of the server
	with string         // what the gateway says there
}

// documented are all the differences that the README lists.
var documented = []deviation{
	{
		why:  "what needs the server to see the client's TLS, or the gateway to see plain text, is not offered",
		form: regexp.MustCompile(`((?:\* |\[)CAPABILITY[^\]\r]*?) (?:STARTTLS|COMPRESS=\w+|UNAUTHENTICATE|AUTH=[-A-Z0-9]+-PLUS)\b`),
		with: "$1",
	},
}

// documentedAs turns an answer of the server into what the gateway says.
func documentedAs(text string, deviations []deviation) string {
	for _, d := range deviations {
		for old := ""; old != text; {
			old, text = text, d.form.ReplaceAllString(text, d.with)
		}
	}
	return text
}

// compare reports each step whose answers differ. With deviations, what the gateway
// says in its own words before the login is compared without the words.
func compare(t *testing.T, direct, through []mailtest.Exchange, deviations []deviation) {
	t.Helper()
	in := make(map[byte]bool) // sessions that are logged in
	for i := range max(len(direct), len(through)) {
		if i >= len(direct) || i >= len(through) {
			t.Errorf("%d steps and %d steps", len(direct), len(through))
			return
		}
		d, g := direct[i], through[i]
		want, got := make([]string, len(d.Responses)), make([]string, len(g.Responses))
		for i, r := range d.Responses {
			want[i] = documentedAs(masked(r), deviations)
		}
		for i, r := range g.Responses {
			got[i] = masked(r)
		}
		if session := d.Step[0]; deviations != nil && !in[session] {
			want, got = beforeLogin(want), beforeLogin(got)
			if in[session] = login.MatchString(d.Step); in[session] {
				want, got = welcome(want), welcome(got)
			}
		}
		if diff := difference(want, got); diff != "" {
			t.Errorf("line %d: %s\n%s", d.Line, d.Step, diff)
		}
		if d.Closed != g.Closed {
			t.Errorf("line %d: %s: closed is %v and %v", d.Line, d.Step, d.Closed, g.Closed)
		}
	}
}

var (
	login    = regexp.MustCompile(`^.(  LOGIN |< .{20})`)
	ownWords = regexp.MustCompile(`^((?:\*|\w+) OK(?: \[[^\]]*\])?) .*`)
	listed   = regexp.MustCompile(`^\* (CAPABILITY .*)`)
)

// beforeLogin takes away the words for people of answers that the gateway gives itself.
func beforeLogin(rs []string) []string {
	for i, r := range rs {
		rs[i] = ownWords.ReplaceAllString(r, "$1 (words)")
	}
	return rs
}

// welcome makes one of the two forms in which a server tells its capabilities at the
// login: Dovecot has one for clients that asked before and one for others, and the
// gateway asks for all in advance.
func welcome(rs []string) []string {
	if n := len(rs); n >= 2 {
		if list := listed.FindStringSubmatch(rs[n-2]); list != nil {
			return append(rs[:n-2], strings.Replace(rs[n-1], " OK ", " OK ["+list[1]+"] ", 1))
		}
	}
	return rs
}

// difference shows two lists of responses beside each other where they differ.
func difference(want, got []string) string {
	var b strings.Builder
	for i := range max(len(want), len(got)) {
		w, g := at(want, i), at(got, i)
		if w == g {
			continue
		}
		k := 0
		for k < min(len(w), len(g)) && w[k] == g[k] {
			k++
		}
		from := max(0, k-60)
		fmt.Fprintf(&b, "  response %d of %d and %d, from byte %d of %d and %d\n    direct  %.300q\n    through %.300q\n",
			i+1, len(want), len(got), from, len(w), len(g), w[from:], g[from:])
	}
	return b.String()
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(none)"
}
