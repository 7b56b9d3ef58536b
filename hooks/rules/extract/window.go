package extract

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Expressions are slow on long texts, so each kind first looks for what every one of its values has, digits or a word, and its expression
// sees only windows around these.

// part is a piece of a text.
type part struct{ from, to int }

const (
	maxWindow = 300 // bytes
	maxRun    = 30  // digits: a longer run is nothing that has a name
)

// digitRuns are the places of digits.
func digitRuns(s string) []part {
	var runs []part
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i-from <= maxRun {
			runs = append(runs, part{from, i})
		}
	}
	return runs
}

// around are the places of words, which are in small letters.
func around(s string, words ...string) []part {
	low := lower(s)
	var places []part
	for _, w := range words {
		for from := 0; ; {
			at := strings.Index(low[from:], w)
			if at < 0 {
				break
			}
			places = append(places, part{from + at, from + at + len(w)})
			from += at + len(w)
		}
	}
	slices.SortFunc(places, func(a, b part) int { return a.from - b.from })
	return places
}

// lower makes ASCII letters small and keeps all offsets.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// windows are the places with some text before and after, within a line; near ones are one.
func windows(s string, places []part, before, after int) []part {
	var list []part
	for _, p := range places {
		w := part{max(0, p.from-before), min(len(s), p.to+after)}
		if i := strings.LastIndexByte(s[w.from:p.from], '\n'); i >= 0 {
			w.from += i + 1
		}
		if i := strings.IndexByte(s[p.to:w.to], '\n'); i >= 0 {
			w.to = p.to + i
		}
		for w.from < p.from && !utf8.RuneStart(s[w.from]) {
			w.from++
		}
		for w.to < len(s) && w.to > p.to && !utf8.RuneStart(s[w.to]) {
			w.to--
		}
		if n := len(list); n > 0 && w.from <= list[n-1].to {
			if w.to-list[n-1].from <= maxWindow {
				list[n-1].to = max(list[n-1].to, w.to)
				continue
			}
			w.from = list[n-1].to
		}
		if w.from < w.to {
			list = append(list, w)
		}
	}
	return list
}

// costByte is what an expression costs for a byte of a window, in the units of maxWork.
const costByte = 250

// matches are those of an expression in windows, as FindAllStringSubmatchIndex has them for all of s.
func (r *reader) matches(re *regexp.Regexp, s string, in []part) [][]int {
	var list [][]int
	for _, w := range in {
		if len(list) >= maxHits || !r.search.afford((w.to-w.from)*costByte) {
			break
		}
		for _, m := range re.FindAllStringSubmatchIndex(s[w.from:w.to], maxHits) {
			for i := range m {
				if m[i] >= 0 {
					m[i] += w.from
				}
			}
			list = append(list, m)
		}
	}
	return list
}

// suffix is the longest of words that s ends with; one of letters is a word of its own. The words are in small letters, longest first.
func suffix(s string, words []string) string {
	for _, w := range words {
		if strings.HasSuffix(s, w) && !(isWord(w[0]) && isLatin(runeBefore(s, len(s)-len(w)))) {
			return w
		}
	}
	return ""
}

// prefix is the longest of words that s begins with; see suffix.
func prefix(s string, words []string) string {
	for _, w := range words {
		if strings.HasPrefix(s, w) && (!isWord(w[len(w)-1]) || len(s) == len(w) || !isLatin(rest(s, len(w)))) {
			return w
		}
	}
	return ""
}

// longestFirst splits a list.
func longestFirst(list string) []string {
	words := strings.Split(list, "|")
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	return words
}

// near are some bytes before and after a place, in small letters, whole characters.
func near(s string, from, to, most int) (before, after string) {
	a := max(0, from-most)
	for a < from && !utf8.RuneStart(s[a]) {
		a++
	}
	after, _ = head(s[to:], most)
	return lower(s[a:from]), lower(after)
}
