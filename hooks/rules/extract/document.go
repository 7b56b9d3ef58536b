package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSource is how much of a part of the mail is looked at: about twenty pages.
const maxSource = 64 << 10

// document is one part of the mail.
type document struct {
	source Source
	// truncated says that not all of it is here.
	truncated bool
	text      string
	lines     []line
	tables    []table
	// folded is the text as labels are compared with it: small letters, half width, single spaces, no marks for bold. at is the
	// offset in text of each of its bytes, and at its end the length of text.
	folded string
	at     []int32
}

// line is a line of the text, without its end.
type line struct {
	start, end int
	inTable    bool
}

func newDocument(source Source, text string) (d *document, truncated bool) {
	text, truncated = head(text, maxSource)
	d = &document{source: source, text: text}
	d.split()
	d.findTables()
	d.fold()
	return d, truncated
}

// head is the beginning of a text, whole characters.
func head(text string, most int) (string, bool) {
	if len(text) <= most {
		return text, false
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most], true
}

func (d *document) split() {
	for start := 0; start < len(d.text); {
		end := strings.IndexByte(d.text[start:], '\n')
		next := len(d.text)
		if end < 0 {
			end = len(d.text)
		} else {
			end += start
			next = end + 1
		}
		d.lines = append(d.lines, line{start: start, end: start + len(strings.TrimSuffix(d.text[start:end], "\r"))})
		start = next
	}
}

func (d *document) line(i int) string { return d.text[d.lines[i].start:d.lines[i].end] }

// lineAt is the index of the line that holds an offset.
func (d *document) lineAt(offset int) int {
	low, high := 0, len(d.lines)
	for low < high {
		middle := (low + high) / 2
		if d.lines[middle].start <= offset {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low - 1
}

func (d *document) fold() {
	b := make([]byte, 0, len(d.text))
	at := make([]int32, 0, len(d.text)+1)
	for i, r := range d.text {
		f := foldRune(r)
		if f < 0 || f == ' ' && len(b) > 0 && b[len(b)-1] == ' ' {
			continue
		}
		before := len(b)
		b = utf8.AppendRune(b, f)
		for range len(b) - before {
			at = append(at, int32(i))
		}
	}
	d.folded, d.at = string(b), append(at, int32(len(d.text)))
}

// foldText is fold for a label or cell.
func foldText(s string) string {
	d := document{text: s}
	d.fold()
	return strings.TrimSpace(d.folded)
}

// foldRune is the form in which a character is compared; negative: it is left out.
func foldRune(r rune) rune {
	switch {
	case r == '*' || r == '\r' || r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\ufeff':
		return -1
	case r == '_' || r == '\u3000' || r == '\u00a0' || r == '\u202f':
		return ' '
	case r < 0x80:
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	case 0xff01 <= r && r <= 0xff5e:
		return foldRune(r - 0xfee0)
	}
	switch r {
	case '【', '〔', '「', '『', '〖':
		return '['
	case '】', '〕', '」', '』', '〗':
		return ']'
	}
	return unicode.ToLower(r)
}

// halfWidth makes full-width digits, letters and signs plain. The result may be shorter than s; at gives the offsets in s.
func halfWidth(s string) (out string, at func(int) int) {
	if isPlain(s) {
		return s, func(i int) int { return i }
	}
	b := make([]byte, 0, len(s))
	offsets := make([]int32, 0, len(s)+1)
	for i, r := range s {
		if 0xff01 <= r && r <= 0xff5e {
			r -= 0xfee0
		} else if r == '\u3000' || r == '\u00a0' || r == '\u202f' || r == '\u2009' {
			r = ' '
		}
		before := len(b)
		b = utf8.AppendRune(b, r)
		for range len(b) - before {
			offsets = append(offsets, int32(i))
		}
	}
	offsets = append(offsets, int32(len(s)))
	return string(b), func(i int) int { return int(offsets[i]) }
}

// isPlain tells that halfWidth would change nothing.
func isPlain(s string) bool {
	for _, r := range s {
		if 0xff01 <= r && r <= 0xff5e || r == '\u3000' || r == '\u00a0' || r == '\u202f' || r == '\u2009' || r == utf8.RuneError {
			return false
		}
	}
	return true
}
