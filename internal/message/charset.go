package message

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is one way to read octets as text.
type charset struct {
	name string
	// read returns the text, and how many places of it could not be read; they hold U+FFFD.
	read func(b []byte) (s string, bad int)
	// stateful charsets write other letters with ASCII octets.
	stateful bool
	// points says how likely a character is in a text of this charset; nil where nobody asks.
	points func(prev, r rune) float32
}

// transform makes a charset of one that the text library knows.
func transform(name string, e encoding.Encoding) *charset {
	return &charset{name: name, read: func(b []byte) (string, int) {
		out, err := e.NewDecoder().Bytes(b)
		if err != nil {
			return "", len(b)
		}
		return string(out), bytes.Count(out, replacement)
	}}
}

// wide tells whether ASCII has NUL octets in it.
func (c *charset) wide() bool { return c == utf16Marked || c == utf16Little || c == utf32BE }

var replacement = []byte(string(utf8.RuneError))

// decode turns b into clean UTF-8 by the chain declared, UTF-8, GB18030, detection,
// and at last the reading that loses least. sure is false when the result is a guess.
func decode(declared string, b []byte) (s string, sure bool) {
	c := lookupCharset(declared)
	if plainASCII(b) && (c == nil || !c.stateful || c.wide() && bytes.IndexByte(b, 0) < 0) {
		if g := escapes(b); g != nil {
			c = g
		} else {
			return clean(string(b)), true
		}
	}
	if c == nil {
		return guess(b)
	}
	if looksUTF8(c, b) {
		return clean(string(b)), false
	}
	s, bad := c.read(b)
	if c.points != nil || bad > 0 {
		if d := better(c, b, s, bad); d != nil {
			s, _ = d.read(b)
			return clean(s), false
		}
	}
	if bad == 0 {
		return clean(s), true
	}
	if utf8.Valid(b) && !(c.stateful && plainASCII(b)) {
		return clean(string(b)), true
	}
	return clean(s), false
}

// guess reads what nobody declared, or what is not what was declared.
func guess(b []byte) (s string, sure bool) {
	if c := markedByOrder(b); c != nil {
		s, bad := c.read(b)
		return clean(s), bad == 0
	}
	if utf8.Valid(b) {
		return clean(string(b)), true
	}
	if damagedUTF8(b) {
		return clean(string(bytes.ToValidUTF8(b, replacement))), false
	}
	s, _ = guessed(b).read(b)
	return clean(s), false
}

// guessed picks the charset of octets that are not UTF-8: what their pattern shows, else
// GB18030 where it reads them all and they are few, else what the detector finds.
func guessed(b []byte) *charset {
	if lonely(b) {
		return windows1252
	}
	if highOctets(b) >= minDetect {
		if c, _ := detect(b); c != nil {
			return c
		}
	}
	if _, bad := gb18030.read(b); bad == 0 {
		return gb18030
	}
	return windows1252
}

// damagedUTF8 tells whether b was UTF-8 before something cut or replaced a little of it.
func damagedUTF8(b []byte) bool {
	good, bad := 0, 0
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case n > 1:
			good++
		case r == utf8.RuneError:
			bad++
		}
		b = b[n:]
	}
	return good >= 3 && bad*10 <= good
}

// looksUTF8 tells whether text that is declared otherwise is UTF-8 beyond doubt. In a
// charset of single octets two such pairs are unheard of. Chinese and its neighbours
// have words that are valid UTF-8, but no sentences.
func looksUTF8(c *charset, b []byte) bool {
	if c.stateful || !utf8.Valid(b) {
		return false
	}
	wide, narrow := 0, 0
	for _, r := range string(b) {
		switch {
		case r >= 0x800:
			wide++
		case r >= 0x80:
			narrow++
		}
	}
	if isMultibyte(c) {
		return wide >= 3
	}
	return wide > 0 || narrow > 1
}

// plainASCII tells whether no octet has its high bit set.
func plainASCII(b []byte) bool {
	for len(b) >= 8 {
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c&0x80 != 0 {
			return false
		}
	}
	return true
}

// clean removes what no reader wants and no database takes: NUL and other control
// characters but tab and line ends, byte order marks, invalid sequences.
func clean(s string) string {
	if !dirty(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r == 0xfeff {
			return -1
		}
		return r
	}, s)
}

// dirty looks at octets, since nearly all texts are clean and most have wide characters.
func dirty(s string) bool {
	wide := false
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0x7f:
			return true
		case c >= 0x80:
			wide = true
		}
	}
	return wide && (!utf8.ValidString(s) || strings.Contains(s, "\ufeff"))
}

// oneLine is clean for a header value: no line ends either, white space collapsed.
func oneLine(s string) string {
	return strings.Join(strings.Fields(clean(s)), " ")
}

var gb18030 = scored(transform("gb18030", simplifiedchinese.GB18030), simplifiedPoints)

func scored(c *charset, points func(prev, r rune) float32) *charset {
	c.points = points
	return c
}
