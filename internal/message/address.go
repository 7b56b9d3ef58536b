package message

import "strings"

// maxAddresses of one field; more are left out. The header's size bounds them too.
const maxAddresses = 10000

// addresses reads an address field (RFC 5322, 3.4). Groups give their members,
// semicolons may separate as in Outlook, names may be encoded or raw.
func (p *parser) addresses(h *header, name string) []Address {
	out := []Address{}
	for _, f := range h.fields {
		if f.name != name {
			continue
		}
		for _, one := range splitAddresses(p.rawText(f.value)) {
			if a, ok := p.address(one); ok && len(out) < maxAddresses {
				out = append(out, a)
			}
		}
	}
	return out
}

// splitAddresses cuts at commas and semicolons that stand outside quotes, comments
// and angle brackets. A group's name is dropped at its colon.
func splitAddresses(s string) []string {
	var out []string
	start, depth := 0, 0
	quoted, angle, spec := false, false, false // spec: since start there was an "@" or "["
	lastAngle, lastWord := strings.LastIndexByte(s, '>'), strings.LastIndex(s, "?=")
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '=' && i < lastWord && s[i+1] == '?': // an encoded word may hold any of these
			if _, start, ok := wordHead(s[i:]); ok {
				_, n := wordEnd(s[i:], start)
				i += n - 1
			}
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == '@' || c == '[':
			spec = true
		case (c == ',' || c == ';') && (!angle || lastAngle < i):
			out = append(out, s[start:i])
			start, angle, spec = i+1, false, false
		case c == ':' && !angle && !spec:
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// address reads one mailbox. What has no "@" is no address.
func (p *parser) address(s string) (Address, bool) {
	s = strings.TrimSpace(s)
	name, spec := "", s
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		name = s[:i]
		spec, _, _ = strings.Cut(s[i+1:], ">")
		if route := strings.LastIndexByte(spec, ':'); strings.HasPrefix(spec, "@") && route >= 0 {
			spec = spec[route+1:] // obsolete source route (RFC 5322, 4.4)
		}
	} else if i := strings.IndexByte(s, '('); i >= 0 { // old style: address (name)
		spec = stripComments(s)
		name = strings.Trim(s[i:], "() ")
	}
	spec = NormalizeAddress(spec)
	if spec == "" {
		return Address{}, false
	}
	name = oneLine(p.decodeWords(unquote(strings.TrimSpace(name))))
	name = strings.TrimSpace(strings.Trim(name, `"'`))
	if strings.EqualFold(name, spec) {
		name = ""
	}
	return Address{Name: name, Address: spec}, true
}

// maxAddress is above what RFC 5321, 4.5.3.1.3 allows for a path.
const maxAddress = 320

// NormalizeAddress returns the address in lower case without brackets and blanks, or
// nothing where it cannot be one.
func NormalizeAddress(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "<>'")
	s = strings.ToLower(strings.TrimSpace(clean(s)))
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 || len(s) > maxAddress {
		return ""
	}
	if s[0] != '"' && strings.ContainsAny(s, " \t\r\n,;<>") {
		return ""
	}
	return strings.TrimSuffix(s, ".")
}
