package message

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// field is one header field: its name in lower case and its value, unfolded, as it came.
type field struct {
	name  string
	value []byte
}

type header struct{ fields []field }

// raw returns the value of the first field of that name. Where there is more than one
// of what may be there once, the first is what mail programs show.
func (h *header) raw(name string) []byte {
	for i := range h.fields {
		if h.fields[i].name == name {
			return h.fields[i].value
		}
	}
	return nil
}

func (h *header) has(name string) bool { return h.raw(name) != nil }

// ascii returns a value that is read by machines only.
func (h *header) ascii(name string) string {
	return strings.TrimSpace(strings.ToValidUTF8(string(h.raw(name)), "?"))
}

// rawText returns a value in UTF-8, encoded words still encoded. What is no UTF-8 is in the
// charset of the text below the header, else in that of the other fields.
func (p *parser) rawText(b []byte) string {
	if plainASCII(b) || utf8.Valid(b) {
		s, sure := decode("", b)
		p.flagUnless(sure, FlagCharset)
		return s
	}
	s, _ := decode(p.rawCharset, b)
	p.flag(FlagCharset)
	return s
}

// unstructured returns the value of a field that people read.
func (p *parser) unstructured(h *header, name string) string {
	return oneLine(p.decodeWords(p.rawText(h.raw(name))))
}

// topHeader reads the header of the message itself. In front of it there may be an
// mbox line or empty lines.
func (p *parser) topHeader() *header {
	for p.in.next() {
		t := trimEOL(p.in.text)
		if len(t) == 0 && len(p.in.eol) > 0 {
			if next := p.in.peek(80); len(next) > 0 && next[0] != '\r' && next[0] != '\n' && fieldName(next) == "" {
				break // the header is empty
			}
			continue
		}
		if bytes.HasPrefix(t, []byte("From ")) || bytes.HasPrefix(t, []byte(">From ")) {
			continue
		}
		p.in.hold()
		break
	}
	h := p.header()
	if len(h.fields) == 0 {
		p.flag(FlagHeader)
	}
	p.rawCharset = rawCharset(h)
	return h
}

// rawCharset guesses the charset of the fields that hold octets which are neither ASCII nor
// UTF-8. Together they tell more than one name or subject does.
func rawCharset(h *header) string {
	var raw []byte
	for _, f := range h.fields {
		if len(raw) < maxSample && !plainASCII(f.value) && !utf8.Valid(f.value) {
			raw = append(append(raw, f.value...), '\n')
		}
	}
	if raw == nil {
		return ""
	}
	_, params := (&parser{flags: map[string]bool{}}).parameters(h.raw("content-type"))
	if c := lookupCharset(params["charset"]); c != nil && !c.stateful && c != windows1252 {
		if _, bad := c.read(raw); bad == 0 && better(c, raw, "", 0) == nil {
			return c.name
		}
	}
	return guessed(raw).name
}

// header reads fields up to the empty line, a boundary, or what must be the body.
func (p *parser) header() *header {
	h := &header{}
	size := 0
	room := true
	for p.in.next() {
		if !p.in.start { // the rest of a long line
			p.extend(h, p.in.text, &size, room)
			continue
		}
		t := trimEOL(p.in.text)
		if len(t) == 0 {
			if len(p.in.eol) > 0 || len(p.in.text) > 0 {
				return h
			}
			continue
		}
		if _, _, is := p.boundary(); is {
			p.in.hold()
			p.flag(FlagHeader)
			return h
		}
		name := fieldName(t)
		switch {
		case t[0] == ' ' || t[0] == '\t':
			p.extend(h, t, &size, room)
		case name != "":
			size += len(t)
			if room = size <= p.o.MaxHeaderBytes && len(h.fields) < p.o.MaxFields; !room {
				p.flag(FlagHeader)
				continue
			}
			_, v, _ := bytes.Cut(t, []byte(":"))
			h.fields = append(h.fields, field{name: name, value: append([]byte{}, bytes.TrimLeft(v, " \t")...)})
		case len(h.fields) > 0 && bytes.HasPrefix(t, []byte("=?")) && bytes.HasSuffix(bytes.TrimRight(t, " \t>"), []byte("?=")):
			p.flag(FlagHeader) // folded without the blank
			p.extend(h, append([]byte(" "), t...), &size, room)
		default:
			p.flag(FlagHeader)
			if !p.headerGoesOn() {
				p.in.hold()
				return h
			}
			room = false // what continues this line is dropped with it
		}
	}
	return h
}

// headerGoesOn tells whether the line behind the current one belongs to a header:
// then the current line is a damaged field and not the body.
func (p *parser) headerGoesOn() bool {
	next := p.in.peek(80)
	if len(next) == 0 {
		return false
	}
	return next[0] == ' ' || next[0] == '\t' || fieldName(next) != ""
}

// extend appends a folded line to the last field (RFC 5322, 2.2.3). Folding inside
// an encoded word or a long token adds the blank that stands there and no more.
func (p *parser) extend(h *header, t []byte, size *int, room bool) {
	*size += len(t)
	if *size > p.o.MaxHeaderBytes {
		p.flag(FlagHeader)
		return
	}
	if !room || len(h.fields) == 0 {
		return
	}
	last := &h.fields[len(h.fields)-1]
	last.value = append(last.value, t...)
}

// maxFieldName is far above any name in use.
const maxFieldName = 76

// fieldName returns the lower-case name of the field that the line begins, or nothing
// (RFC 5322, 2.2 and 3.6.8; blanks before the colon are obsolete and seen).
func fieldName(line []byte) string {
	n := 0
	for n < len(line) && n <= maxFieldName && line[n] > ' ' && line[n] < 0x7f && line[n] != ':' {
		n++
	}
	end := n
	for n < len(line) && (line[n] == ' ' || line[n] == '\t') {
		n++
	}
	if end == 0 || end > maxFieldName || n >= len(line) || line[n] != ':' {
		return ""
	}
	return strings.ToLower(string(line[:end]))
}

// trimEOL drops the CRs that a broken relay left before the line end.
func trimEOL(b []byte) []byte { return bytes.TrimRight(b, "\r") }
