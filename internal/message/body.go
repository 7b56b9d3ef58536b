package message

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
)

// parser is one walk over one message.
type parser struct {
	in          *lines
	o           Options
	bounds      []string // boundaries of the multiparts that are open, outermost first
	parts       int
	attachments []Attachment
	flags       map[string]bool
	err         error // of the reader, or of want's writer
	leafSeen    bool  // a part with content came before
	plainRoom   int   // what is left of MaxText
	htmlRoom    int
	shown       []shownText // what the key counts
	fileHashes  []string    // likewise
	rawDate     string
	rawCharset  string // of header fields with raw 8-bit text
	report      string
	calendar    string
	protection  Protection
	tnefText    string // of a winmail.dat, for a message that has no other text
	tnefHTML    string
	tnefRTF     []byte // compressed

	want    int       // index of the attachment to extract, or -1
	wantOut io.Writer // gets its decoded bytes
}

func newParser(r io.Reader, o Options) *parser {
	return &parser{in: newLines(r), o: o, flags: map[string]bool{}, plainRoom: o.MaxText, htmlRoom: o.MaxText, want: -1}
}

func (p *parser) flag(f string) { p.flags[f] = true }

func (p *parser) flagUnless(ok bool, f string) {
	if !ok {
		p.flag(f)
	}
}

func (p *parser) flagList() iter.Seq[string] { return slices.Values(slices.Sorted(maps.Keys(p.flags))) }

// part says where in the tree a part stands.
type part struct {
	path   string // empty for the message itself
	depth  int
	parent string // media type of the multipart it is in
}

// stop is the line that ended a part: the boundary of level, or the end of the
// stream when level is -1.
type stop struct {
	level   int
	closing bool
}

// boundary tells whether the current line is one of the open boundaries (RFC 2046, 5.1.1).
func (p *parser) boundary() (level int, closing, is bool) {
	t := p.in.text
	if !p.in.start || len(t) < 3 || t[0] != '-' || t[1] != '-' {
		return 0, false, false
	}
	t = bytes.TrimRight(t[2:], " \t\r")
	for i := len(p.bounds) - 1; i >= 0; i-- {
		if len(t) < len(p.bounds[i]) || string(t[:len(p.bounds[i])]) != p.bounds[i] {
			continue
		}
		switch string(t[len(p.bounds[i]):]) {
		case "":
			return i, false, true
		case "--":
			return i, true, true
		}
	}
	return 0, false, false
}

// copyPart pushes the lines up to the next open boundary into w. The line end
// before a boundary belongs to the boundary.
func (p *parser) copyPart(w io.Writer) stop {
	var eol []byte
	for p.in.next() {
		if level, closing, is := p.boundary(); is {
			return stop{level, closing}
		}
		if len(eol) > 0 {
			p.write(w, eol)
		}
		p.write(w, p.in.text)
		eol = p.in.eol
	}
	if len(eol) > 0 {
		p.write(w, eol)
	}
	if p.err == nil {
		p.err = p.in.err
	}
	return stop{level: -1}
}

func (p *parser) write(w io.Writer, b []byte) {
	if p.err != nil || len(b) == 0 {
		return
	}
	if _, err := w.Write(b); err != nil {
		p.err = err
		p.in.err = err // no further line
	}
}

// drain reads what is left, so that the reader has been read to its end.
func (p *parser) drain() {
	for p.in.next() {
		p.in.held = false
	}
	if p.err == nil {
		p.err = p.in.err
	}
}

// body reads the content that belongs to the header h.
func (p *parser) body(h *header, at part) content {
	_, c := p.entity(h, at)
	return c
}

// entity reads one part to the boundary behind it.
func (p *parser) entity(h *header, at part) (stop, content) {
	e := p.describe(h, at)
	p.recognize(e, at)
	p.parts++
	if strings.HasPrefix(e.mediaType, "multipart/") {
		if at.depth < p.o.MaxDepth {
			return p.multipart(e, at)
		}
		p.flag(FlagLimits)
	}
	if at.path == "" {
		at.path = "1"
	}
	switch {
	case p.parts > p.o.MaxParts:
		p.flag(FlagLimits)
		return p.copyPart(io.Discard), content{}
	case e.shown(p.leafSeen):
		p.leafSeen = true
		return p.textPart(e, at)
	}
	p.leafSeen = true
	return p.attachment(e, at), content{}
}

// multipart reads the parts of one multipart and combines what they show.
func (p *parser) multipart(e entity, at part) (stop, content) {
	level := len(p.bounds)
	name := e.params["boundary"]
	if name == "" || len(name) > maxBoundary {
		p.flag(FlagBoundary)
		name = "\x00" // matches no line; the preamble may show the real one
	}
	p.bounds = append(p.bounds, name)
	defer func() { p.bounds = p.bounds[:level] }()

	preamble := &preambleSink{p: p, level: level}
	st := preamble.read()
	closed := false
	var kids []content
	n := 0
	for st.level == level {
		if st.closing { // parts behind the end are parts all the same
			closed = true
			st = p.copyPart(io.Discard)
			continue
		}
		n++
		child := part{path: fmt.Sprint(n), depth: at.depth + 1, parent: e.mediaType}
		if at.path != "" {
			child.path = at.path + "." + child.path
		}
		h := p.header()
		if e.mediaType == "multipart/digest" && !h.has("content-type") {
			h.fields = append(h.fields, field{"content-type", []byte("message/rfc822")})
		}
		var c content
		st, c = p.entity(h, child)
		kids = append(kids, c)
	}
	p.flagUnless(closed, FlagBoundary)
	if n == 0 {
		p.leafSeen = true
		return st, preamble.content()
	}
	return st, p.combine(e.mediaType, kids)
}

// maxBoundary is above the 70 octets of RFC 2046, 5.1.1.
const maxBoundary = 250

// preambleSink reads what stands before the first boundary. It is text for programs
// that know no MIME and dropped, unless no part comes: then it is the message.
type preambleSink struct {
	p     *parser
	level int
	buf   []byte
}

// read also recognises a boundary that nobody declared: a line that begins with two
// dashes, followed by a Content- field.
func (s *preambleSink) read() stop {
	p := s.p
	for p.in.next() {
		level, closing, is := p.boundary()
		if !is && p.in.start && s.undeclared(p.in.text) {
			p.flag(FlagBoundary)
			p.bounds[s.level] = string(bytes.TrimRight(p.in.text[2:], " \t\r"))
			level, closing, is = s.level, false, true
		}
		if is {
			return stop{level, closing}
		}
		s.buf = append(s.buf, p.in.text[:min(len(p.in.text), p.o.MaxText-min(len(s.buf), p.o.MaxText))]...)
		if len(p.in.eol) > 0 && len(s.buf) < p.o.MaxText {
			s.buf = append(s.buf, '\n')
		}
	}
	if p.err == nil {
		p.err = p.in.err
	}
	return stop{level: -1}
}

func (s *preambleSink) undeclared(line []byte) bool {
	t := bytes.TrimRight(line, " \t\r")
	if len(t) < 4 || len(t) > maxBoundary || t[0] != '-' || t[1] != '-' {
		return false
	}
	const want = "content-"
	next := s.p.in.peek(len(want))
	return len(next) == len(want) && strings.EqualFold(string(next), want)
}

func (s *preambleSink) content() content {
	p := s.p
	text, sure := decode("", s.buf)
	p.flagUnless(sure, FlagCharset)
	p.shown = append(p.shown, shownText{"text", squeeze(text)})
	return content{text: tidy(text), plain: true}
}
