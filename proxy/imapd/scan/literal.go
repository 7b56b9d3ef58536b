package scan

import "bytes"

// announcement is what a line says of the literal that follows.
type announcement struct {
	size   int64
	at     int // where in the line it begins, with its "~"
	binary bool
	plus   bool // non-synchronising
}

// announced finds the announcement of a literal at the end of what a server sends: "{5}",
// "{5+}", "~{5}" and "~{5+}". It does not count where it ends an atom, as in "a{5}".
func announced(text []byte) (a announcement, ok bool) {
	n := len(text) - 1
	if n < 2 || text[n] != '}' {
		return a, false
	}
	if n--; text[n] == '+' {
		a.plus = true
		n--
	}
	first := n + 1
	for first > 0 && isDigit(text[first-1]) {
		first--
	}
	if first == 0 || text[first-1] != '{' {
		return a, false
	}
	size, ok := number(text[first : n+1])
	if !ok {
		return a, false
	}
	a.size, a.at = int64(size), first-1
	if a.at > 0 && text[a.at-1] == '~' {
		a.binary = true
		a.at--
	}
	if a.at > 0 {
		switch text[a.at-1] {
		case ' ', '(', ')', ']', '>', '"', '\t':
		default:
			return announcement{}, false
		}
	}
	return a, true
}

// clientLiteral finds the announcement of a literal in a line of a client. Whatever could be
// taken for one is in doubt unless it is one in any reading of the line: outside of quoted
// strings, at the end, and behind a space or a parenthesis.
func clientLiteral(text []byte) (a announcement, ok bool, err error) {
	if bytes.IndexByte(text, '{') < 0 && bytes.IndexByte(text, '"') < 0 {
		return a, false, nil
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '{' && !quoted:
			a, err = clientAnnouncement(text, i)
			return a, err == nil, err
		}
	}
	if quoted {
		// Most servers end the string with the line; some, such as go-imap's, read on.
		return a, false, ErrQuote
	}
	return a, false, nil
}

// clientAnnouncement reads the announcement whose brace is at i.
func clientAnnouncement(text []byte, i int) (a announcement, err error) {
	a.at = i
	if i > 0 && text[i-1] == '~' {
		a.binary = true
		a.at--
	}
	if a.at == 0 || text[a.at-1] != ' ' && text[a.at-1] != '(' {
		return a, ErrLiteralPlace
	}
	digits, ok := bytes.CutSuffix(text[i+1:], []byte{'}'})
	if !ok {
		return a, ErrLiteralSyntax
	}
	digits, a.plus = bytes.CutSuffix(digits, []byte{'+'})
	for _, c := range digits {
		if !isDigit(c) {
			return a, ErrLiteralSyntax
		}
	}
	if len(digits) == 0 || len(digits) > 1 && digits[0] == '0' { // some read 010 as 8
		return a, ErrLiteralSyntax
	}
	size, ok := number(digits)
	if !ok || size > MaxLiteral {
		return a, ErrLiteralSize
	}
	a.size = int64(size)
	return a, nil
}

// number reads digits, at least one and nothing else, up to 2^63-1 (RFC 9051, 9: number64).
func number(digits []byte) (v uint64, ok bool) {
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, v < 1<<63
}

func isDigit(c byte) bool { return c-'0' <= 9 }
