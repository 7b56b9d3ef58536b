package imapd

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"heliograph/proxy/imapd/scan"
)

// Bounds of RFC 2971, 3.3.
const (
	maxIDFields = 30
	maxIDName   = 30
	maxIDValue  = 1024
)

// idField is one pair of ID. A nil value is NIL.
type idField struct{ name, value []byte }

// trusted are the names by which a proxy tells a server whom it speaks for
// (Dovecot's login_trusted_networks). The server trusts us, not the client.
var trusted = []string{"X-ORIGINATING-", "X-CONNECTED-", "X-PROXY-", "X-SESSION-", "X-FORWARD-", "X-CLIENT-"}

// id answers with what the upstream says of itself. What the client says is told
// the upstream before the login.
func (p *preamble) id(ctx context.Context, c *command) error {
	fields, ok := idFields(c.tokens)
	if !ok {
		return p.say("%s BAD ID takes NIL or a list of pairs", c.tag)
	}
	facts, err := p.facts(ctx)
	if err != nil {
		return p.unavailable(err)
	}
	answer := []byte("NIL")
	for _, f := range facts {
		if !f.Capabilities.Has("ID") {
			return p.say("%s BAD unknown command", c.tag)
		}
		// Which of several upstreams it will be is not known yet.
		if len(facts) == 1 && len(f.ID) > 0 && bytes.IndexByte(f.ID, 0) < 0 {
			answer = f.ID
		}
	}
	p.clientID = fields
	return p.say("* ID %s\r\n%s OK ID completed", answer, c.tag)
}

// idFields reads the arguments of ID.
func idFields(tokens []token) (fields []idField, ok bool) {
	if len(tokens) == 1 && isNIL(tokens[0]) {
		return nil, true
	}
	n := len(tokens)
	if n < 2 || n%2 != 0 || tokens[0].kind != opening || tokens[n-1].kind != closing || n-2 > 2*maxIDFields {
		return nil, false
	}
	for pair := range slices.Chunk(tokens[1:n-1], 2) {
		name, value := pair[0], pair[1]
		if name.kind != str || len(name.value) > maxIDName || len(value.value) > maxIDValue || value.kind != str && !isNIL(value) {
			return nil, false
		}
		f := idField{name: bytes.Clone(name.value)}
		if value.kind == str {
			f.value = append([]byte{}, value.value...)
		}
		fields = append(fields, f)
	}
	return fields, true
}

func isNIL(t token) bool { return t.kind == atom && strings.EqualFold(string(t.value), "NIL") }

// renderID writes the arguments of ID for the upstream. Fields that speak in the
// gateway's name, and those that fit no quoted string, are left out; nil if none stays.
func renderID(fields []idField) []byte {
	var out []byte
	for _, f := range fields {
		name := strings.ToUpper(string(f.name))
		if slices.ContainsFunc(trusted, func(t string) bool { return strings.HasPrefix(name, t) }) || !quotable(f.name) || !quotable(f.value) {
			continue
		}
		out = scan.AppendQuoted(append(out, ' '), f.name)
		if f.value == nil {
			out = append(out, " NIL"...)
		} else {
			out = scan.AppendQuoted(append(out, ' '), f.value)
		}
	}
	if out == nil {
		return nil
	}
	out[0] = '('
	return append(out, ')')
}

func quotable(p []byte) bool { return !bytes.ContainsAny(p, "\x00\r\n") }
