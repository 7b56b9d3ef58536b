package condition

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form under which texts compare: Unicode NFKC (full-width letters and digits become half-width),
// case folding, no white space round it. Folding twice gives the same. Entries of Lists are kept in this form.
func Fold(text string) string {
	ascii, upper := true, false
	for i := range len(text) {
		c := text[i]
		ascii = ascii && c < utf8.RuneSelf
		upper = upper || 'A' <= c && c <= 'Z'
	}
	if ascii {
		if upper {
			text = strings.ToLower(text)
		}
		return strings.TrimSpace(text)
	}
	text = norm.NFKC.String(text)
	if caseless(text) {
		return strings.TrimSpace(strings.ToLower(text))
	}
	// Folding may leave what normalises further, and the other way round: twice is enough for all of Unicode.
	for range 2 {
		text = norm.NFKC.String(cases.Fold().String(text))
	}
	return strings.TrimSpace(text)
}

// caseless reports whether a text holds only ASCII and scripts that have no upper case, as Chinese has none.
func caseless(text string) bool {
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf, 0x2e80 <= r && r < 0xa000, 0xac00 <= r && r < 0xd7a4, 0x20000 <= r && r < 0x40000:
		default:
			return false
		}
	}
	return true
}

// plainText is the text that patterns see beside the original: NFKC, no white space round it, letters as they are.
func plainText(text string) string { return strings.TrimSpace(norm.NFKC.String(text)) }

// cut shortens a text to a number of runes and says so with an ellipsis. Line breaks become spaces.
func cut(text string, runes int) string {
	n := 0
	for i := range text {
		if n == runes {
			text = text[:i] + "…"
			break
		}
		n++
	}
	if strings.ContainsAny(text, "\r\n\t") {
		text = strings.Join(strings.Fields(text), " ")
	}
	return text
}

// excerpt is the part of a text round the bytes from start to end, at most about maxShown runes.
func excerpt(text string, start, end int) string {
	if utf8.RuneCountInString(text) <= maxShown {
		return cut(text, maxShown)
	}
	before, after := []rune(text[:start]), []rune(text[end:])
	hit := cut(text[start:end], maxShown)
	left := max(0, len(before)-maxShown/3)
	right := min(len(after), maxShown/3)
	out := string(before[left:]) + hit + string(after[:right])
	if left > 0 {
		out = "…" + out
	}
	if right < len(after) {
		out += "…"
	}
	return cut(out, 2*maxShown)
}
