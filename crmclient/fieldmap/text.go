package fieldmap

import (
	"html"
	"strings"
	"unicode/utf8"
)

// ellipsis ends a text that was cut.
const ellipsis = "…"

// CutRunes shortens s to at most limit runes, the ellipsis included. With a limit of zero or less it returns s.
func CutRunes(s string, limit int) string {
	if limit <= 0 || len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit-1 {
			return s[:i] + ellipsis
		}
		n++
	}
	return s
}

// CutUTF8 shortens s to at most limit bytes, the ellipsis included where it fits, on a rune boundary. With a
// limit of zero or less it returns s.
func CutUTF8(s string, limit int) string {
	if limit <= 0 || len(s) <= limit {
		return s
	}
	end := ellipsis
	if limit < len(end) {
		end = ""
	}
	cut := limit - len(end)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + end
}

// HTMLFromText escapes a text and ends its lines with <br>.
func HTMLFromText(s string) string {
	s = strings.ReplaceAll(html.EscapeString(s), "\r\n", "\n")
	return strings.ReplaceAll(s, "\n", "<br>\n")
}
