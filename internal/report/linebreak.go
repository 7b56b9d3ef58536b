package report

import (
	"strings"
	"unicode"
)

// Characters that may not begin or end a line in Chinese typesetting (GB/T 15834, and 中文排版需求 section 3.1.3).
const (
	noLineStart = "，。、；：？！）》」』】〕〉”’…—·～％℃,.;:?!)]}%'\"‰°¢"
	noLineEnd   = "（《「『【〔〈“‘([{￥¥$€£#@"
)

// isWide says whether lines may break on both sides of a character.
func isWide(r rune) bool {
	return r >= 0x2E80 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo) ||
		r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFFEF)
}

// mayBreak says whether a line may end between a and b.
func mayBreak(a, b rune) bool {
	switch {
	case b == ' ' || strings.ContainsRune(noLineStart, b) || strings.ContainsRune(noLineEnd, a):
		return false
	case a == ' ' || isWide(a) || isWide(b):
		return true
	case a == '-' || a == '/' || a == '_' || a == '@' || a == '&' || a == '?':
		return unicode.IsLetter(b)
	}
	return strings.ContainsRune(noLineStart, a) && a > 0x7F
}

// wrap breaks a text into lines no wider than width. wide gives the width of one character. Line ends in the text stay; a word
// that is wider than a line is broken where the line ends.
func wrap(text string, width float64, wide func(rune) float64) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapLine([]rune(strings.TrimRight(paragraph, " ")), width, wide)...)
	}
	return lines
}

func wrapLine(runes []rune, width float64, wide func(rune) float64) []string {
	var lines []string
	start, opportunity := 0, 0 // opportunity: where the line may end, 0 if nowhere yet
	used := 0.0
	for i := 0; i < len(runes); i++ {
		if i > start && mayBreak(runes[i-1], runes[i]) {
			opportunity = i
		}
		used += wide(runes[i])
		if used <= width || i == start || runes[i] == ' ' {
			continue
		}
		end := opportunity
		if end <= start {
			end = i
		}
		lines = append(lines, strings.TrimRight(string(runes[start:end]), " "))
		for end < len(runes) && runes[end] == ' ' {
			end++
		}
		start, opportunity, used = end, 0, 0
		i = end - 1
	}
	return append(lines, strings.TrimRight(string(runes[start:]), " "))
}
