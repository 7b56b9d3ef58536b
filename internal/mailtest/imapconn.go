package mailtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// imapPatience bounds the wait for one response. A server under load is slow, not silent.
const imapPatience = 20 * time.Second

// IMAPPart is a piece of an IMAP response: a line, or a line up to a literal and
// the literal's bytes.
type IMAPPart struct {
	Text    string // without the line's CRLF, with the announcement of the literal
	Literal []byte // nil if the text ends its line
}

// IMAPResponse is one whole response of a server, as it came.
type IMAPResponse []IMAPPart

// String returns the response's bytes without the last CRLF.
func (r IMAPResponse) String() string {
	var b strings.Builder
	for _, part := range r {
		b.WriteString(part.Text)
		if part.Literal != nil {
			b.WriteString("\r\n")
			b.Write(part.Literal)
		}
	}
	return b.String()
}

// IMAPConn is a client's end of an IMAP connection that knows of framing alone:
// what is sent is sent as it is, and what comes is returned as it came.
type IMAPConn struct {
	net.Conn

	br *bufio.Reader
}

// NewIMAPConn returns a client's end on a connection. The greeting is its first response.
func NewIMAPConn(conn net.Conn) *IMAPConn {
	return &IMAPConn{Conn: conn, br: bufio.NewReaderSize(conn, 64<<10)}
}

// Say sends text.
func (c *IMAPConn) Say(text string) error {
	if err := c.SetWriteDeadline(time.Now().Add(imapPatience)); err != nil {
		return err
	}
	_, err := io.WriteString(c.Conn, text)
	return err
}

// Response reads one response: untagged, a continuation or tagged.
func (c *IMAPConn) Response() (IMAPResponse, error) {
	if err := c.SetReadDeadline(time.Now().Add(imapPatience)); err != nil {
		return IMAPResponse{{}}, err
	}
	var r IMAPResponse
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return append(r, IMAPPart{Text: line}), err
		}
		text, ok := strings.CutSuffix(line, "\r\n")
		if !ok {
			return append(r, IMAPPart{Text: line}), fmt.Errorf("a line ends in a bare LF: %q", line)
		}
		if len(r) == 0 && !holdsLiterals(text) {
			return IMAPResponse{{Text: text}}, nil
		}
		size, ok := announced(text)
		if !ok {
			return append(r, IMAPPart{Text: text}), nil
		}
		literal := make([]byte, size)
		n, err := io.ReadFull(c.br, literal)
		r = append(r, IMAPPart{Text: text, Literal: literal[:n]})
		if err != nil {
			return r, err
		}
	}
}

// holdsLiterals reports whether braces at the end of a response's first line
// announce a literal. In words for people they do not.
func holdsLiterals(line string) bool {
	rest, untagged := strings.CutPrefix(line, "* ")
	word, _, _ := strings.Cut(rest, " ")
	switch strings.ToUpper(word) {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return false
	}
	return untagged
}

// maxIMAPLiteral bounds what a response may announce; no test moves more.
const maxIMAPLiteral = 256 << 20

// announced returns the size of the literal that a line announces at its end.
func announced(line string) (int, bool) {
	inner, ok := strings.CutSuffix(line, "}")
	open := strings.LastIndexByte(inner, '{')
	if !ok || open < 0 {
		return 0, false
	}
	size, err := strconv.Atoi(strings.TrimSuffix(inner[open+1:], "+"))
	return size, err == nil && size >= 0 && size <= maxIMAPLiteral
}

// Command sends a tag and the parts of a command and returns all responses up to
// the one with the tag, that included.
func (c *IMAPConn) Command(tag string, parts ...IMAPArgument) ([]IMAPResponse, error) {
	early, err := c.send(tag, parts)
	if err != nil || tagged(early, tag) {
		return early, err
	}
	rest, err := c.Until(tag + " ")
	return append(early, rest...), err
}

// send sends a command. Where a literal waits for the server's word, it reads up to
// the continuation, or up to the tagged response that comes in its place.
func (c *IMAPConn) send(tag string, parts []IMAPArgument) (early []IMAPResponse, err error) {
	var b bytes.Buffer
	b.WriteString(tag + " ")
	for _, part := range parts {
		b.WriteString(part.Text)
		if part.Literal == nil {
			continue
		}
		b.WriteString("\r\n")
		if !part.Waits {
			b.Write(part.Literal)
			continue
		}
		if err := c.Say(b.String()); err != nil {
			return early, err
		}
		b.Reset()
		answer, err := c.Until("+", tag+" ")
		early = append(early, answer...)
		if err != nil || tagged(early, tag) {
			return early, err
		}
		b.Write(part.Literal)
	}
	b.WriteString("\r\n")
	return early, c.Say(b.String())
}

// IMAPArgument is a piece of a command that ends at a literal or at the command's end.
type IMAPArgument struct {
	Text    string // with the announcement of the literal
	Literal []byte // nil if none follows
	Waits   bool   // the literal goes when the server has said "+"
}

func tagged(rs []IMAPResponse, tag string) bool {
	return len(rs) > 0 && strings.HasPrefix(rs[len(rs)-1][0].Text, tag+" ")
}

// Until reads responses up to the first that begins with one of the prefixes.
func (c *IMAPConn) Until(prefixes ...string) ([]IMAPResponse, error) {
	for i, prefix := range prefixes {
		prefixes[i] = regexp.QuoteMeta(prefix)
	}
	return c.until(regexp.MustCompile("^(" + strings.Join(prefixes, "|") + ")"))
}

// until reads responses up to the first whose first line matches.
func (c *IMAPConn) until(form *regexp.Regexp) ([]IMAPResponse, error) {
	var all []IMAPResponse
	for {
		r, err := c.Response()
		if err == nil || len(r) > 1 || r[0].Text != "" {
			all = append(all, r)
		}
		if err != nil {
			return all, fmt.Errorf("waiting for %q: %w", form, err)
		}
		if form.MatchString(r[0].Text) {
			return all, nil
		}
	}
}
