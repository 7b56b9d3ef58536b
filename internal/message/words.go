package message

import (
	"encoding/base64"
	"strings"
)

// word is one encoded word of RFC 2047, 2.
type word struct {
	charset string
	base64  bool
	text    string
	cut     bool // it has no end, and so no word behind it
}

// nextWord finds the first encoded word of s and where it stands. It takes more than RFC
// 2047, 2 allows: blanks inside, none around, a question mark in the text, a language
// (RFC 2231, 5), and a word that was cut before its end where none follows.
func nextWord(s string) (w word, from, to int, ok bool) {
	for at := 0; ; {
		n := strings.Index(s[at:], "=?")
		if n < 0 {
			return w, 0, 0, false
		}
		at += n
		if w, start, ok := wordHead(s[at:]); ok {
			end, length := wordEnd(s[at:], start)
			w.text = s[at+start : at+end]
			w.cut = !strings.HasSuffix(s[:at+length], "?=")
			return w, at, at + length, true
		}
		at += 2
	}
}

// wordHead reads how the encoded word begins that s begins with; its text begins at start.
func wordHead(s string) (w word, start int, ok bool) {
	head := s[2:min(len(s), 2+maxCharsetName+20)]
	mark := strings.IndexByte(head, '?')
	if mark < 1 || mark+2 >= len(head) || head[mark+2] != '?' || strings.ContainsAny(head[:mark], " \t\r\n") {
		return w, 0, false
	}
	switch head[mark+1] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return w, 0, false
	}
	w.charset, _, _ = strings.Cut(head[:mark], "*")
	return w, 2 + mark + 3, w.charset != ""
}

// maxPastEnd is how far the end of a word is looked for behind what may be one.
const maxPastEnd = 256

// wordEnd finds where the text that begins at start ends, and the word. A sign of the end that
// is followed by two hexadecimal digits is a question mark and an octet, if a better one follows.
func wordEnd(s string, start int) (end, length int) {
	n := strings.Index(s[start:], "?=")
	if n < 0 {
		return cutWord(s, start)
	}
	first := start + n
	for at := first; at >= 0 && at < first+maxPastEnd; {
		if at+3 >= len(s) || !isHex(s[at+2]) || !isHex(s[at+3]) {
			return at, at + 2
		}
		near := s[at+2 : min(len(s), first+maxPastEnd+2)]
		n := strings.Index(near, "?=")
		if n < 0 || strings.Contains(near[:n], "=?") || strings.ContainsAny(near[:n], " \t") {
			break
		}
		at += 2 + n
	}
	return first, first + 2
}

// cutWord ends a word that has no end: at most a question mark is there of it.
func cutWord(s string, start int) (end, length int) {
	end = start
	for end < len(s) && s[end] > ' ' && !strings.ContainsRune(`"<,;?`, rune(s[end])) {
		end++
	}
	length = end
	if length < len(s) && s[length] == '?' {
		length++
	}
	return end, length
}

// wordRun is a row of encoded words that are one text: neighbours in one charset are
// joined before they are decoded, since programs cut them within a character, and
// within four digits of base64.
type wordRun struct {
	open    bool
	name    string
	charset *charset
	octets  []byte
	digits  string // base64 that makes no whole group yet
}

func (r *wordRun) add(w word) {
	if !w.base64 {
		r.close()
		r.octets = append(r.octets, decodeQ(w.text)...)
		return
	}
	digits := w.text
	if r.digits != "" {
		digits, r.digits = r.digits+digits, ""
	}
	if keep := len(digits) % 4; keep != 0 && !strings.ContainsAny(digits, "= \t") {
		digits, r.digits = digits[:len(digits)-keep], digits[len(digits)-keep:]
	}
	r.octets = append(r.octets, decodeBase64(digits)...)
}

// close reads digits that nothing followed: their padding is missing.
func (r *wordRun) close() {
	r.octets = append(r.octets, decodeBase64(r.digits)...)
	r.digits = ""
}

// decodeWords decodes the encoded words of an unfolded header value.
func (p *parser) decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	var out strings.Builder
	var run wordRun
	flush := func() {
		if run.open {
			run.close()
			text, sure := decode(run.name, run.octets)
			p.flagUnless(sure, FlagCharset)
			out.WriteString(text)
			run = wordRun{}
		}
	}
	for {
		w, from, to, ok := nextWord(s)
		if !ok {
			break
		}
		between, c := s[:from], lookupCharset(w.charset)
		adjacent := run.open && blankOnly(between)
		if !adjacent || c != run.charset {
			flush()
		}
		if !adjacent { // white space between two encoded words is not shown (RFC 2047, 6.2)
			out.WriteString(between)
		}
		run.open, run.name, run.charset = true, w.charset, c
		run.add(w)
		s = s[to:]
		if w.cut { // looking for more would look through the rest once a word
			break
		}
	}
	flush()
	out.WriteString(s)
	return out.String()
}

func blankOnly(s string) bool { return strings.Trim(s, " \t\r\n") == "" }

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
