package message

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// encodedWord is wider than RFC 2047, 2: blanks inside, no blanks around, and a
// language (RFC 2231, 5) are all seen in mail.
var encodedWord = regexp.MustCompile(`=\?([^?*\s]{1,60})(?:\*[^?\s]*)?\?([bBqQ])\?([^?\r\n]*)\?=`)

// decodeWords decodes the encoded words of an unfolded header value. Neighbours of
// one charset are joined before they are decoded, since programs cut them in
// the middle of a character.
func (p *parser) decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	var out strings.Builder
	var run []byte // decoded transfer bytes of the current run of words
	var charset string
	flush := func() {
		if run != nil {
			text, sure := decode(charset, run)
			p.flagUnless(sure, FlagCharset)
			out.WriteString(text)
			run = nil
		}
	}
	last := 0
	for _, m := range encodedWord.FindAllStringSubmatchIndex(s, -1) {
		between, cs := s[last:m[0]], strings.ToLower(s[m[2]:m[3]])
		adjacent := run != nil && strings.TrimSpace(between) == ""
		if !adjacent || cs != charset {
			flush()
		}
		if !adjacent { // white space between two encoded words is not shown (RFC 2047, 6.2)
			out.WriteString(between)
		}
		charset = cs
		run = append(orEmpty(run), decodeWord(s[m[4]], s[m[6]:m[7]])...)
		last = m[1]
	}
	flush()
	out.WriteString(s[last:])
	return out.String()
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func decodeWord(enc byte, text string) []byte {
	if enc == 'b' || enc == 'B' {
		return decodeBase64(text)
	}
	return decodeQ(text)
}

// decodeBase64 reads as much as is there: padding may be missing, blanks are skipped.
func decodeBase64(s string) []byte {
	in := make([]byte, 0, len(s))
	for i := range len(s) {
		if base64Char[s[i]] {
			in = append(in, s[i])
		}
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(in)))
	if len(in)%4 == 1 {
		in = in[:len(in)-1]
	}
	n, _ := base64.RawStdEncoding.Decode(out, in)
	return out[:n]
}

func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
