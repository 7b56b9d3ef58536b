package store

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxToken bounds a word, in bytes: longer ones are base64 or the like, which nobody searches.
const maxToken = 64

// Bigrams returns the search tokens of text, separated by single spaces, in
// order and with repetitions. Words of letters and digits are lower-cased
// (after NFKC, so that full-width forms become plain); runs of Han, Kana and
// Hangul, which are written without spaces, become overlapping pairs, a run of one
// character stays one. A text matches a query when the text's tokens
// contain all tokens of the query.
func Bigrams(text string) string { return strings.Join(Tokens(text), " ") }

// Tokens returns the tokens of Bigrams one by one.
func Tokens(text string) []string {
	var tokens []string
	// Lower-casing may leave text that is not normal any more.
	text = norm.NFKC.String(strings.ToLower(norm.NFKC.String(text)))
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		kind := kindOf(r)
		end := size
		for end < len(text) {
			r, size = utf8.DecodeRuneInString(text[end:])
			if k := kindOf(r); k != kind && !unicode.Is(unicode.M, r) {
				break
			}
			end += size
		}
		switch kind {
		case word:
			if end <= maxToken {
				tokens = append(tokens, text[:end])
			}
		case ideograph:
			tokens = appendPairs(tokens, text[:end])
		}
		text = text[end:]
	}
	return tokens
}

type runeKind int

const (
	other runeKind = iota
	word
	ideograph
)

func kindOf(r rune) runeKind {
	switch {
	case r < 0x80: // most mail
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return word
		}
		return other
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul), r == 'ー':
		return ideograph
	case unicode.IsLetter(r), unicode.IsDigit(r):
		return word
	}
	return other
}

// appendPairs appends the overlapping pairs of a run. Marks, such as the variation
// selectors of names, are left out: nobody types them into a search.
func appendPairs(tokens []string, run string) []string {
	var runes []rune
	for _, r := range run {
		if !unicode.Is(unicode.M, r) {
			runes = append(runes, r)
		}
	}
	if len(runes) == 1 {
		return append(tokens, string(runes))
	}
	for i := range len(runes) - 1 {
		tokens = append(tokens, string(runes[i:i+2]))
	}
	return tokens
}
