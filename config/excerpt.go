package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
	"golang.org/x/text/width"
)

const (
	hidden       = "***" // what stands for text that may be a secret
	excerptWidth = 100   // characters of a line that are shown
)

// excerpt quotes the line of a mistake and puts a caret below its column. Only
// spaces, brackets and the tokens for which shown is true are quoted: what the
// line holds besides may be a secret, or the middle of one.
func (s *source) excerpt(at place, shown func(*token.Token) bool) string {
	text := s.withoutComment(at.line)
	if len(text) == 0 {
		return ""
	}
	quoted, caret := mask(text, s.visible(at.line, text, shown), min(at.column-1, len(text)))
	if from := caret - excerptWidth*3/4; from > 0 && len(quoted) > excerptWidth {
		quoted, caret = append([]rune{'…'}, quoted[from+1:]...), caret-from
	}
	if len(quoted) > excerptWidth {
		quoted = append(slices.Clone(quoted[:excerptWidth-1]), '…')
	}
	number := fmt.Sprintf("%5d", at.line)
	return number + " | " + strings.TrimRightFunc(string(quoted), unicode.IsSpace) + "\n" +
		strings.Repeat(" ", len(number)) + " | " + indentLike(quoted[:min(caret, len(quoted))]) + "^"
}

// withoutComment returns a line up to its comment, which may hold the old password.
func (s *source) withoutComment(line int) []rune {
	text := []rune(s.line(line))
	for _, tk := range s.tokens[line] {
		if tk.Type == token.CommentType {
			return text[:max(0, min(len(text), tk.Position.Column-1))]
		}
	}
	return text
}

// visible marks the characters of a line that may be shown. The library's
// columns are off by a little in some broken texts, so a token only counts
// where its text really stands.
func (s *source) visible(line int, text []rune, shown func(*token.Token) bool) []bool {
	seen := make([]bool, len(text))
	for _, tk := range s.tokens[line] {
		var want string
		switch {
		case isPunctuation(tk):
			want = tk.Value
		case !isScalar(tk) || !shown(tk):
			continue
		case tk.Type == token.DoubleQuoteType:
			want = `"` + tk.Value + `"`
		case tk.Type == token.SingleQuoteType:
			want = "'" + tk.Value + "'"
		default:
			want = tk.Value
		}
		from := max(0, tk.Position.Column-1)
		to := from + utf8.RuneCountInString(want)
		if to > len(text) || string(text[from:to]) != want {
			continue
		}
		for k := from; k < to; k++ {
			seen[k] = true
		}
	}
	return seen
}

// mask replaces each run of hidden characters, spaces inside included, and
// returns where the character at caret has gone.
func mask(text []rune, seen []bool, caret int) ([]rune, int) {
	var out []rune
	moved := -1
	for i := 0; i < len(text); {
		if seen[i] || unicode.IsSpace(text[i]) {
			if i == caret {
				moved = len(out)
			}
			out = append(out, text[i])
			i++
			continue
		}
		end := i // one past the last hidden character of the run
		for k := i; k < len(text) && !seen[k]; k++ {
			if !unicode.IsSpace(text[k]) {
				end = k + 1
			}
		}
		if caret >= i && caret < end {
			moved = len(out)
		}
		out = append(out, []rune(hidden)...)
		i = end
	}
	if moved < 0 {
		moved = len(out)
	}
	return out, moved
}

// indentLike returns white space as wide as text on a terminal, where Chinese
// characters take two columns.
func indentLike(text []rune) string {
	var b strings.Builder
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case r == '\t':
			b.WriteByte('\t')
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// isPunctuation reports whether a token is a sign of YAML itself.
func isPunctuation(tk *token.Token) bool {
	switch tk.Type {
	case token.SequenceEntryType, token.MappingValueType, token.CollectEntryType,
		token.SequenceStartType, token.SequenceEndType, token.MappingStartType, token.MappingEndType,
		token.MappingKeyType, token.AnchorType, token.AliasType:
		return true
	}
	return false
}

// isScalar reports whether a token is text that the file's author wrote.
func isScalar(tk *token.Token) bool {
	switch tk.Type {
	case token.StringType, token.SingleQuoteType, token.DoubleQuoteType, token.IntegerType,
		token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType, token.FloatType,
		token.BoolType, token.NullType, token.InfinityType, token.NanType:
		return true
	}
	return false
}
