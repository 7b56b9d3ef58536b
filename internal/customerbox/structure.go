package customerbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const (
	// maxParts and maxDepth bound the tree of a message; what is deeper or further on belongs to the part that
	// was open. Mail of people has a dozen parts and four levels.
	maxParts = 500
	maxDepth = 20
	// maxHeader bounds what is kept of a header to look at its fields, not what is sent of it.
	maxHeader = 256 << 10
	// maxBoundary is more than RFC 2046, 5.1.1 allows.
	maxBoundary = 200
	// maxFieldParams bounds the parameters of a field.
	maxFieldParams = 100
)

// structure is what one reading of a message tells. It is kept as JSON.
type structure struct {
	Size     int64    `json:"size"`
	Root     *part    `json:"root"`
	Envelope envelope `json:"envelope"`
}

// part is a message, or a part of one. Its places are bytes from the beginning of the whole message.
type part struct {
	Type        string            `json:"type"` // lower case, as are all names here
	Subtype     string            `json:"subtype"`
	Params      map[string]string `json:"params,omitempty"`
	ID          string            `json:"id,omitempty"`
	Description string            `json:"description,omitempty"`
	Encoding    string            `json:"encoding,omitempty"`
	Disposition string            `json:"disposition,omitempty"`
	DispParams  map[string]string `json:"disp_params,omitempty"`
	Language    []string          `json:"language,omitempty"`
	Location    string            `json:"location,omitempty"`

	Header int64 `json:"header"` // where it begins
	Body   int64 `json:"body"`   // where its body begins, behind the empty line
	End    int64 `json:"end"`
	Lines  int64 `json:"lines"` // line ends in the body

	Parts    []*part   `json:"parts,omitempty"`   // of a multipart
	Message  *part     `json:"message,omitempty"` // that a message/rfc822 holds
	Envelope *envelope `json:"envelope,omitempty"`
}

func (p *part) multipart() bool { return p.Type == "multipart" }

// readStructure reads a message to its end. The error is r's own: whatever the bytes are, they have a structure.
func readStructure(r io.Reader) (*structure, error) {
	s := &scanner{in: bufio.NewReaderSize(r, 32<<10), lineStart: true}
	root, head := s.part(0, false)
	if s.err != nil {
		return nil, fmt.Errorf("reading the structure of a message: %w", s.err)
	}
	return &structure{Size: s.at, Root: root, Envelope: readEnvelope(head)}, nil
}

// scanner reads a message line by line. Lines that are longer than its buffer come in pieces.
type scanner struct {
	in    *bufio.Reader
	err   error
	parts int
	open  []string // boundaries of the multiparts around

	piece     []byte // the current line or piece of one, with its line end
	at        int64  // behind the piece
	lines     int64  // line ends up to at
	lineStart bool   // the next piece begins a line
	began     bool   // the current one does
	lastEnd   int    // bytes of the line end before the current piece
	held      bool   // the current piece is to be read again
	level     int    // of the boundary in the current piece, -1 for none
	closes    bool   // it is a closing one
}

// next reads a piece. It reports false at the end of the message.
func (s *scanner) next() bool {
	if s.held {
		s.held = false
		return true
	}
	s.lastEnd = lineEnd(s.piece)
	piece, err := s.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
		s.err = err
	}
	s.piece = piece
	s.began = s.lineStart
	s.at += int64(len(piece))
	if len(piece) == 0 || s.err != nil {
		return false
	}
	s.lineStart = piece[len(piece)-1] == '\n'
	if s.lineStart {
		s.lines++
	}
	s.level, s.closes = s.boundary()
	return true
}

// lineEnd is the length of the CRLF or LF at the end of b.
func lineEnd(b []byte) int {
	switch {
	case bytes.HasSuffix(b, []byte("\r\n")):
		return 2
	case bytes.HasSuffix(b, []byte("\n")):
		return 1
	}
	return 0
}

// boundary tells whether the piece is a delimiter of an open multipart, the innermost first (RFC 2046, 5.1.1).
func (s *scanner) boundary() (level int, closes bool) {
	if !s.began || len(s.open) == 0 || !bytes.HasPrefix(s.piece, []byte("--")) {
		return -1, false
	}
	line := bytes.TrimRight(s.piece[2:], " \t\r\n")
	for i := len(s.open) - 1; i >= 0; i-- {
		rest, ok := bytes.CutPrefix(line, []byte(s.open[i]))
		if ok && (len(rest) == 0 || string(rest) == "--") {
			return i, len(rest) > 0
		}
	}
	return -1, false
}

// place is where what was open ends, and the line ends before that: at a held boundary, or else at the end of
// the message. The line end in front of a boundary belongs to it (RFC 2046, 5.1.1), if it is not before from.
func (s *scanner) place(from int64) (at, lines int64) {
	at, lines = s.at, s.lines
	if !s.held {
		return at, lines
	}
	at -= int64(len(s.piece))
	if s.lineStart {
		lines--
	}
	if s.lastEnd > 0 && at-int64(s.lastEnd) >= from {
		return at - int64(s.lastEnd), lines - 1
	}
	return at, lines
}

// part reads a part with its header, up to a boundary of a multipart around it, which is held, or to the end. In a
// digest parts are messages unless they say otherwise (RFC 2046, 5.1.5).
func (s *scanner) part(depth int, digest bool) (*part, []byte) {
	s.parts++
	p := &part{Header: s.at}
	head := s.header()
	var before, after int64
	p.Body, before = s.place(p.Header)
	known := readFields(head)
	p.describe(known)
	if digest && known.get("content-type") == "" {
		p.Type, p.Subtype, p.Params = "message", "rfc822", nil
	}
	switch {
	case p.multipart() && depth < maxDepth && p.boundary() != "":
		s.children(p, depth)
	case p.isMessage() && depth < maxDepth && s.parts < maxParts && !s.held:
		inner, innerHead := s.part(depth+1, false)
		env := readEnvelope(innerHead)
		inner.Envelope, p.Message = &env, inner
	default:
		s.skip()
	}
	p.End, after = s.place(p.Body)
	p.Lines = after - before
	for _, child := range p.inner() {
		child.within(p.End)
	}
	if p.multipart() && len(p.Parts) == 0 { // a multipart has at least one part (RFC 9051, 9: body-type-mpart)
		p.Parts = []*part{{Type: "text", Subtype: "plain", Header: p.End, Body: p.End, End: p.End}}
	}
	return p, head
}

// inner returns the parts that p is made of.
func (p *part) inner() []*part {
	if p.Message != nil {
		return []*part{p.Message}
	}
	return p.Parts
}

// within makes p end where the part around it does. It may end later by one line end: the empty line of its header
// is at the same time the line end that belongs to the boundary behind.
func (p *part) within(end int64) {
	if p.End <= end {
		return
	}
	p.Header, p.Body, p.End = min(p.Header, end), min(p.Body, end), end
	for _, child := range p.inner() {
		child.within(end)
	}
}

// header reads up to and with the empty line, and keeps as much as may be looked at.
func (s *scanner) header() []byte {
	var head []byte
	for s.next() {
		if s.level >= 0 {
			s.held = true
			break
		}
		if len(head)+len(s.piece) <= maxHeader {
			head = append(head, s.piece...)
		}
		if s.began && len(bytes.TrimRight(s.piece, "\r\n")) == 0 {
			break
		}
	}
	return head
}

// children reads the parts of a multipart.
func (s *scanner) children(p *part, depth int) {
	mine := len(s.open)
	s.open = append(s.open, p.boundary())
	for s.skip() {
		if s.level < mine { // of a multipart around this one, which is thereby over
			break
		}
		s.held = false
		if s.closes {
			s.open = s.open[:mine]
			s.skip() // the epilogue
			return
		}
		if s.parts >= maxParts {
			continue
		}
		child, _ := s.part(depth+1, p.Subtype == "digest")
		p.Parts = append(p.Parts, child)
	}
	s.open = s.open[:mine]
}

// skip reads up to a boundary, which is held. It reports false at the end of the message.
func (s *scanner) skip() bool {
	for s.next() {
		if s.level >= 0 {
			s.held = true
			return true
		}
	}
	return false
}

func (p *part) boundary() string {
	b := p.Params["boundary"]
	if len(b) > maxBoundary {
		return ""
	}
	return b
}

func (p *part) isMessage() bool {
	if p.Type != "message" || p.Subtype != "rfc822" && p.Subtype != "global" {
		return false
	}
	return p.Encoding != "base64" && p.Encoding != "quoted-printable"
}

// describe takes what the fields of the part's header say.
func (p *part) describe(f fields) {
	kind, params := parameters(f.get("content-type"))
	p.Type, p.Subtype, _ = strings.Cut(kind, "/")
	p.Params = params
	if p.Type == "" || p.Subtype == "" || strings.ContainsAny(kind, " \t\"") { // RFC 2045, 5.2
		p.Type, p.Subtype, p.Params = "text", "plain", map[string]string{"charset": "us-ascii"}
	}
	p.ID = f.get("content-id")
	p.Description = f.get("content-description")
	p.Encoding = strings.ToLower(strings.TrimSpace(f.get("content-transfer-encoding")))
	p.Disposition, p.DispParams = parameters(f.get("content-disposition"))
	p.Location = f.get("content-location")
	for language := range strings.SplitSeq(f.get("content-language"), ",") {
		if language = strings.TrimSpace(language); language != "" && len(p.Language) < maxFieldParams {
			p.Language = append(p.Language, language)
		}
	}
}

// fields are the fields of a header by their lower-case names, unfolded; of several, the first.
type fields map[string]string

func (f fields) get(name string) string { return f[name] }

func readFields(head []byte) fields {
	out := fields{}
	for name, value := range eachField(head) {
		key := strings.ToLower(name)
		if _, there := out[key]; !there {
			out[key] = legible(strings.TrimSpace(strings.NewReplacer("\r\n", "", "\n", "").Replace(string(value))))
		}
	}
	return out
}

// legible makes UTF-8 of a value. What is none is most often a file name in GB18030, undeclared.
func legible(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	if decoded, err := simplifiedchinese.GB18030.NewDecoder().String(s); err == nil {
		return decoded
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// eachField yields the fields of a header: the name, and all behind the colon with line ends and folding. What is no field
// comes without a name.
func eachField(head []byte) func(yield func(name string, value []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for len(head) > 0 {
			end := fieldLength(head)
			name, value, found := bytes.Cut(head[:end], []byte(":"))
			name = bytes.TrimRight(name, " \t")
			if !found || bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				name, value = nil, head[:end]
			}
			if !yield(string(name), value) {
				return
			}
			head = head[end:]
		}
	}
}

// fieldLength is the length of the first field with the lines that continue it (RFC 5322, 2.2.3).
func fieldLength(head []byte) int {
	end := 0
	for {
		i := bytes.IndexByte(head[end:], '\n')
		if i < 0 {
			return len(head)
		}
		if end += i + 1; end == len(head) || head[end] != ' ' && head[end] != '\t' {
			return end
		}
	}
}

// parameters reads a value with parameters (RFC 2045, 5.1), leniently. Both come as they are but for quotes; mail programs
// undo RFC 2231.
func parameters(s string) (string, map[string]string) {
	value, rest := cutParameter(s)
	value = strings.ToLower(strings.TrimSpace(value))
	var params map[string]string
	for n := 0; rest != "" && n < maxFieldParams; n++ {
		var one string
		one, rest = cutParameter(rest)
		name, v, ok := strings.Cut(one, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || name == "" {
			continue
		}
		v = strings.TrimSpace(v)
		if len(v) > 1 && v[0] == '"' {
			v = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.TrimSuffix(v[1:], `"`))
		}
		if params == nil {
			params = map[string]string{}
		}
		if _, there := params[name]; !there {
			params[name] = v
		}
	}
	return value, params
}

// cutParameter cuts at the first semicolon outside quotes.
func cutParameter(s string) (one, rest string) {
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
	return s, ""
}
