package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
)

// maxBeforeLogin is how many bytes a server may send before the login, which no
// greeting, capability list and ID come near. A line has the bound of a reply.
const maxBeforeLogin = 1 << 20

// untagged is the tag of responses that answer no command.
const untagged = "*"

// imapResponse is one response before the login.
type imapResponse struct {
	line []byte // without its line end; literals are in it as they came
	tag  string // "*", "+" or that of the command
	word string // OK, NO, BAD, BYE, PREAUTH, CAPABILITY, ID …; upper case
	code string // name of the response code of a status response, upper case
	rest []byte // behind word
}

// read reads one response. Capabilities are taken from wherever they are told.
func (d *imapDialogue) read(ctx context.Context, doing string) (imapResponse, error) {
	line, err := d.readLine()
	if err != nil {
		return imapResponse{}, d.u.broken(ctx, d.e, doing, err)
	}
	r, ok := parseIMAP(line)
	if !ok {
		return r, d.u.fail(d.e, ClassProtocol, fmt.Errorf("%s: %w: %.40q is not IMAP", doing, ErrReply, line))
	}
	if !r.isStatus() {
		if r.line, err = d.literals(line); err != nil {
			return r, d.u.broken(ctx, d.e, doing, err)
		}
		r, _ = parseIMAP(r.line)
	}
	switch {
	case r.tag == untagged && r.word == "CAPABILITY":
		d.caps, d.known = ParseCapabilities(r.rest), true
	case r.isStatus() && r.code == "CAPABILITY":
		_, list, _ := bytes.Cut(r.rest, []byte("["))
		d.caps, d.known = ParseCapabilities(list[len(r.code):]), true
	}
	return r, nil
}

// readLine reads a line within the bounds, without its line end.
func (d *imapDialogue) readLine() ([]byte, error) {
	line, err := appendLine(nil, d.br)
	if err != nil {
		return nil, err
	}
	return trimEOL(line), d.spend(len(line))
}

// literals reads the literals that a line announces, each with the rest of the
// line behind it.
func (d *imapDialogue) literals(line []byte) ([]byte, error) {
	for size, more := announced(line); more; {
		if size > maxReplyBytes-len(line) {
			return nil, fmt.Errorf("%w: a literal of more than %d bytes", ErrReply, maxReplyBytes)
		}
		line = append(line, "\r\n"...)
		start := len(line)
		line = append(line, make([]byte, size)...)
		if _, err := io.ReadFull(d.br, line[start:]); err != nil {
			return nil, err
		}
		whole, err := appendLine(line, d.br)
		if err != nil {
			return nil, err
		}
		if err := d.spend(len(whole) - start); err != nil {
			return nil, err
		}
		line = trimEOL(whole)
		size, more = announced(line[min(start+size, len(line)):])
	}
	return line, nil
}

func (d *imapDialogue) spend(n int) error {
	if d.left -= n; d.left < 0 {
		return fmt.Errorf("%w: more than %d bytes before the login", ErrReply, maxBeforeLogin)
	}
	return nil
}

// parseIMAP takes a response apart as far as it matters here. It reports false
// for what is no response.
func parseIMAP(line []byte) (imapResponse, bool) {
	r := imapResponse{line: line}
	tag, rest, found := bytes.Cut(line, []byte(" "))
	r.tag = string(tag)
	if !found || r.tag == "" {
		return r, false
	}
	word, rest, _ := bytes.Cut(rest, []byte(" "))
	r.word, r.rest = strings.ToUpper(string(word)), rest
	if r.isStatus() && bytes.HasPrefix(rest, []byte("[")) {
		code, _, _ := bytes.Cut(rest[1:], []byte("]"))
		code, _, _ = bytes.Cut(code, []byte(" "))
		r.code = strings.ToUpper(string(code))
	}
	return r, r.word != ""
}

// isStatus reports whether text follows, in which nothing is a literal.
func (r imapResponse) isStatus() bool {
	switch r.word {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return r.tag != untagged
}

// announced returns the size of the literal that a line ends with
// (RFC 9051, 4.3). A number that is too large for any purpose is one too.
func announced(line []byte) (size int, ok bool) {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	digits := line[open+1 : len(line)-1]
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		size = min(size*10+int(c-'0'), maxBeforeLogin)
	}
	return size, len(digits) > 0
}
