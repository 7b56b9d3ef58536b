package scan

import (
	"bytes"

	"heliograph/internal/uidset"
)

// Mailbox reads the mailbox name that arg begins with, and returns it as UTF-8, with INBOX in upper
// case, and what follows behind it. The name is an atom, a quoted string, or a literal whose
// bytes stand behind the CRLF of its announcement; without all of them it fails.
func Mailbox(arg []byte) (name string, rest []byte, ok bool) {
	arg = trimSpace(arg)
	if len(arg) == 0 {
		return "", nil, false
	}
	if arg[0] == '"' {
		n := quotedEnd(arg)
		if n < 0 {
			return "", nil, false
		}
		return DecodeMailbox(appendUnquoted(nil, arg[1:n-1])), trimSpace(arg[n:]), true
	}
	if line, behind, found := bytes.Cut(arg, []byte("\r\n")); found {
		if a, ok := announced(line); ok && a.at == 0 {
			if a.size > int64(len(behind)) {
				return "", nil, false
			}
			return DecodeMailbox(behind[:a.size]), trimSpace(behind[a.size:]), true
		}
	}
	n := 0
	for n < len(arg) && !isSpace(arg[n]) && arg[n] != '(' && arg[n] != ')' && arg[n] != '"' && arg[n] != '{' {
		n++
	}
	if n == 0 || n < len(arg) && arg[n] == '{' {
		return "", nil, false
	}
	return DecodeMailbox(arg[:n]), trimSpace(arg[n:]), true
}

// DecodeMailbox returns the name of a mailbox as UTF-8, with INBOX in upper case, from what
// stood in an atom, in quotes, or in a literal. What is no modified UTF-7 stays as it is.
func DecodeMailbox(raw []byte) string {
	if foldEqual(raw, "INBOX") {
		return "INBOX" // RFC 9051, 5.1
	}
	if bytes.IndexByte(raw, '&') < 0 {
		return string(raw)
	}
	if name, ok := decodeUTF7(raw); ok {
		return name
	}
	return string(raw)
}

// EncodeMailbox returns the name as an atom or a quoted string in modified UTF-7, ready to be
// sent. RFC 3501, 5.1.3.
func EncodeMailbox(name string) []byte {
	encoded := appendUTF7(nil, name)
	if ValidAtom(encoded) && !foldEqual(encoded, "NIL") {
		return encoded
	}
	return AppendQuoted(nil, encoded)
}

// AppendQuoted appends p as a quoted string. It must not hold CR, LF or NUL.
func AppendQuoted(b, p []byte) []byte {
	b = append(b, '"')
	for _, c := range p {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// ParseList reads what follows behind LIST, LSUB or XLIST: the attributes, such as "\Sent",
// and the name of the mailbox as Mailbox returns it.
func ParseList(rest []byte) (attrs []string, name string, ok bool) {
	list, rest, ok := parenthesis(trimSpace(rest))
	if !ok {
		return nil, "", false
	}
	for p := trimSpace(list); len(p) > 0; p = trimSpace(p) {
		var attr []byte
		attr, p = token(p)
		attrs = append(attrs, string(attr))
	}
	rest = trimSpace(rest) // the delimiter: NIL or one character in quotes
	if len(rest) > 0 && rest[0] == '"' {
		n := quotedEnd(rest)
		if n < 0 {
			return nil, "", false
		}
		rest = rest[n:]
	} else {
		_, rest = token(rest)
	}
	name, _, ok = Mailbox(rest)
	return attrs, name, ok
}

// parenthesis takes a list without nested ones, and returns what stands in it.
func parenthesis(p []byte) (list, rest []byte, ok bool) {
	if len(p) == 0 || p[0] != '(' {
		return nil, p, false
	}
	end := bytes.IndexByte(p, ')')
	if end < 0 {
		return nil, p, false
	}
	return p[1:end], p[end+1:], true
}

// ParseAppend reads the arguments of APPEND up to the announcement of the message: the
// mailbox as Mailbox returns it, and the flags without their parentheses. It is not ok where
// no whole message follows in the literal, as with CATENATE (RFC 4469).
func ParseAppend(args []byte) (mailbox string, flags []byte, ok bool) {
	mailbox, rest, ok := Mailbox(args)
	if !ok {
		return "", nil, false
	}
	flags, ok = ParseAppendNext(rest)
	return mailbox, flags, ok
}

// ParseAppendNext reads what stands before the announcement of a further message of the same
// APPEND (RFC 3502), which is what stands behind the mailbox for the first. It is not ok at
// the end of the command.
func ParseAppendNext(text []byte) (flags []byte, ok bool) {
	a, ok := announced(text)
	if !ok {
		return nil, false
	}
	p := trimSpace(bytes.TrimPrefix(text[:a.at], []byte{')'})) // RFC 6855, 4: UTF8 (~{5}…)
	if flags, rest, ok := parenthesis(p); ok {
		p = trimSpace(rest)
		return flags, appendData(p)
	}
	return nil, appendData(p)
}

// appendData tells whether nothing but a date and the opening of UTF8 stands before a message.
func appendData(p []byte) bool {
	if len(p) > 0 && p[0] == '"' {
		n := quotedEnd(p)
		if n < 0 {
			return false
		}
		p = trimSpace(p[n:])
	}
	word, rest := token(p)
	return len(word) == 0 || foldEqual(word, "UTF8") && string(trimSpace(rest)) == "(" ||
		foldEqual(word, "UTF8(") && len(trimSpace(rest)) == 0
}

// ParseVanished reads what follows behind VANISHED (RFC 7162, 3.2.10).
func ParseVanished(rest []byte) (set uidset.Set, earlier, ok bool) {
	rest = trimSpace(rest)
	if list, behind, found := parenthesis(rest); found {
		if !foldEqual(bytes.TrimSpace(list), "EARLIER") {
			return set, false, false
		}
		earlier, rest = true, trimSpace(behind)
	}
	word, _ := token(rest)
	set, err := uidset.Parse(string(word))
	return set, earlier, err == nil && !set.Empty()
}
