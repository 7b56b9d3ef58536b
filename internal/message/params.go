package message

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxParams of one field; a long file name takes a dozen.
const maxParams = 200

// parameters reads the value of Content-Type or Content-Disposition (RFC 2045, 5.1;
// RFC 2183; RFC 2231): the value in lower case and its parameters by lower-case name.
// Missing quotes, raw 8-bit text and encoded words in values are read as they are meant.
func (p *parser) parameters(raw []byte) (string, map[string]string) {
	s := p.rawText(raw)
	value, rest := cutParam(s)
	value = strings.ToLower(strings.TrimSpace(stripComments(value)))
	params := map[string]string{}
	sections := map[string][]section{}
	for n := 0; rest != "" && n < maxParams; n++ {
		var one string
		one, rest = cutParam(rest)
		name, v, ok := strings.Cut(one, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || name == "" {
			continue
		}
		v = unquote(strings.TrimSpace(v))
		base, sec, extended := splitName(name)
		if sec < 0 {
			if _, dup := params[name]; !dup {
				params[name] = oneLine(p.decodeWords(v))
			}
			continue
		}
		sections[base] = append(sections[base], section{sec, extended, v})
	}
	for name, secs := range sections { // the extended form wins over the plain one
		params[name] = oneLine(p.joinSections(secs))
	}
	return value, params
}

// section is one piece of a parameter that RFC 2231 cut or encoded.
type section struct {
	n        int
	extended bool
	value    string
}

// splitName reads name*, name*0, name*0*; n is -1 for a plain name.
func splitName(name string) (base string, n int, extended bool) {
	base, rest, ok := strings.Cut(name, "*")
	if !ok {
		return name, -1, false
	}
	if rest == "" {
		return base, 0, true
	}
	rest, extended = strings.CutSuffix(rest, "*")
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 || n > 10000 {
		return name, -1, false
	}
	return base, n, extended
}

// joinSections puts the octets together before the charset is decoded, since
// sections end anywhere in a character.
func (p *parser) joinSections(secs []section) string {
	slices.SortStableFunc(secs, func(a, b section) int { return a.n - b.n })
	secs = slices.CompactFunc(secs, func(a, b section) bool { return a.n == b.n }) // the first of equals
	var charset string
	var octets []byte
	for i, s := range secs {
		v := s.value
		if s.extended {
			if i == 0 {
				if parts := strings.SplitN(v, "'", 3); len(parts) == 3 {
					charset, v = parts[0], parts[2]
				}
			}
			octets = append(octets, unpercent(v)...)
			continue
		}
		octets = append(octets, v...)
	}
	s, sure := decode(charset, octets)
	p.flagUnless(sure, FlagCharset)
	return p.decodeWords(s) // which some programs put into either form
}

// unescaped reads a file name that was percent-encoded without RFC 2231: all of it is ASCII
// and it has two or more octets in a row that are not. Anything else stays as it is.
func (p *parser) unescaped(s string) string {
	if strings.Count(s, "%") < 2 || !plainASCII([]byte(s)) {
		return s
	}
	b := unpercent(s)
	row := 0
	for _, c := range b {
		if row++; c < 0x80 {
			row = 0
		} else if row == 2 {
			text, bad := decodeEscaped(b)
			if bad {
				return s
			}
			return oneLine(text)
		}
	}
	return s
}

// decodeEscaped reads UTF-8, which browsers write, or GBK, which Chinese servers write.
func decodeEscaped(b []byte) (s string, bad bool) {
	if utf8.Valid(b) {
		return string(b), false
	}
	s, faults := gb18030.read(b)
	return s, faults > 0
}

func unpercent(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}

// cutParam cuts at the first semicolon outside quotes.
func cutParam(s string) (one, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	if quoted { // a quote that never closes ends at the first semicolon
		if i := strings.IndexByte(s, ';'); i >= 0 {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote undoes a quoted string. Backslashes stay before anything but a quote or a
// backslash: file names of Windows come with them bare.
func unquote(s string) string {
	if len(s) == 0 || s[0] != '"' {
		return s
	}
	s = strings.TrimSuffix(s[1:], `"`)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s)
}

// stripComments removes what stands in parentheses (RFC 5322, 3.2.2), nested ones too.
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var out strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth == 0:
			out.WriteRune(r)
		}
	}
	return out.String()
}
