package report

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// typeface is the pair of faces that a document is drawn with. It keeps book of the characters that neither has.
type typeface struct {
	regular, bold *face
	mark          rune // drawn for a character that is missing
	missing       map[rune]int
}

// marks are what a printer sets for a character that is not in the case, best first: the geta mark, then others.
const marks = "〓□*?"

func openTypeface(font Font) (*typeface, error) {
	if font.Regular == "" {
		return nil, wrong("there is no font to draw PDF with: install the package %s, or set %s", FontPackage, FontSetting)
	}
	t := &typeface{missing: make(map[rune]int)}
	var err error
	if t.regular, err = loadFace(font.Regular); err != nil {
		return nil, err
	}
	t.bold = t.regular
	if font.Bold != "" && font.Bold != font.Regular {
		if t.bold, err = loadFace(font.Bold); err != nil {
			return nil, err
		}
	}
	for _, r := range marks {
		if t.regular.draws(r) && t.bold.draws(r) {
			t.mark = r
			return t, nil
		}
	}
	return nil, wrong("%s: has not even a question mark", font.Regular)
}

// set prepares a text for drawing: what is invisible goes, what the font lacks is replaced by its plain form or by the mark. A
// bold text with a character that only the regular face has is set in regular.
func (t *typeface) set(s string, bold bool) (text string, isBold bool) {
	if bold && t.bold != t.regular {
		for _, r := range s {
			if !t.bold.draws(r) && t.regular.draws(r) {
				bold = false
				break
			}
		}
	}
	return t.setIn(s, bold), bold
}

// setIn is set for a text whose weight is given.
func (t *typeface) setIn(s string, bold bool) string {
	f := t.regular
	if bold {
		f = t.bold
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteRune(r)
		case r == '\t' || r == ' ' || r == '\u00a0' || r == '\u2028' || unicode.Is(unicode.Zs, r) && !f.draws(r):
			b.WriteRune(' ')
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r):
		case f.draws(r):
			b.WriteRune(r)
		default:
			b.WriteString(t.substitute(f, r))
		}
	}
	return b.String()
}

// substitute gives the compatibility form of a character, like that of a ligature or a full-width letter, or the mark.
func (t *typeface) substitute(f *face, r rune) string {
	for _, form := range []norm.Form{norm.NFC, norm.NFKC} {
		plain := form.String(string(r))
		fits := plain != string(r) && plain != ""
		for _, p := range plain {
			fits = fits && f.draws(p)
		}
		if fits {
			return plain
		}
	}
	t.missing[r]++
	return string(t.mark)
}

// lacking lists the characters that were replaced by the mark.
func (t *typeface) lacking() []rune {
	return slices.Sorted(maps.Keys(t.missing))
}
