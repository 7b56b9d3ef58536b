package customerbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const (
	// maxCommand bounds one command with its literals. Sets of message numbers grow long (RFC 7162, 4 asks for
	// 8 KiB); imapserver gives up at 50 KiB, and then takes the rest of the line for commands.
	maxCommand = 32 << 10
	// maxLiteral is what LITERAL- lets clients send unasked (RFC 7888, 5); names and search texts are far shorter.
	maxLiteral = 4096
	// loginPatience is how long a client that has not logged in may think.
	loginPatience = time.Minute
	// idlePatience is more than the half hour that RFC 9051, 5.4 asks for.
	idlePatience = 35 * time.Minute
	// commandPatience is for the rest of a command that has begun.
	commandPatience = time.Minute
)

// command is one command with its literals turned into quoted strings, so that whoever reads it may
// stop anywhere without taking the rest for another command.
type command struct {
	tag     string
	verb    string // upper case
	line    []byte // all of it, without CRLF
	args    int    // where in line the arguments begin; a space in front of them is part of them
	refused string // why it must not be carried out, as a response without its tag
}

// errFraming says that it is not certain any more where commands begin.
var errFraming = errors.New("framing")

// framing makes an error of what a client sent that ends the session.
func framing(why string) error { return fmt.Errorf("%w: %s", errFraming, why) }

// input reads lines and literals, and forgets what it has handed out: passwords pass through it.
type input struct {
	conn io.Reader
	buf  []byte
	r, w int
}

func newInput(conn io.Reader) *input { return &input{conn: conn, buf: make([]byte, 4096)} }

// fill waits for bytes when none are left.
func (in *input) fill() error {
	for in.r == in.w {
		in.r, in.w = 0, 0
		n, err := in.conn.Read(in.buf)
		in.w = n
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// take appends the next n bytes of the buffer to out.
func (in *input) take(out []byte, n int) []byte {
	b := in.buf[in.r : in.r+n]
	out = append(out, b...)
	clear(b)
	in.r += n
	return out
}

// line appends the next line, without its CRLF, to out, which must stay below maxCommand.
func (in *input) line(out []byte) ([]byte, error) {
	start := len(out)
	for {
		if err := in.fill(); err != nil {
			return out, err
		}
		end := bytes.IndexByte(in.buf[in.r:in.w], '\n')
		n := end + 1
		if end < 0 {
			n = in.w - in.r
		}
		if len(out)+n > maxCommand {
			return out, framing("the command is too long")
		}
		out = in.take(out, n)
		if end >= 0 {
			break
		}
	}
	text, found := bytes.CutSuffix(out[start:], []byte("\r\n"))
	// A bare CR or LF is where another program may see the end of the line.
	if !found || bytes.ContainsAny(text, "\r\x00") {
		return out, framing("lines end in CRLF and have no CR, LF or NUL within")
	}
	return out[:start+len(text)], nil
}

// literal reads n bytes.
func (in *input) literal(n int) ([]byte, error) {
	out := make([]byte, 0, n)
	for len(out) < n {
		if err := in.fill(); err != nil {
			return out, err
		}
		out = in.take(out, min(n-len(out), in.w-in.r))
	}
	return out, nil
}

// readCommand reads a whole command. ask is called when the client waits for leave to send a literal.
// An error that wraps errFraming comes with what is known of the command.
func readCommand(in *input, ask func() error) (c command, err error) {
	if c.line, err = in.line(make([]byte, 0, 512)); err != nil {
		return c, err
	}
	if err := c.name(); err != nil {
		return c, err
	}
	for from := c.args; ; {
		size, announced, err := scanLine(c.line[from:])
		if err != nil || announced == 0 {
			return c, err
		}
		sync := c.line[len(c.line)-2] != '+'
		c.line = c.line[:len(c.line)-announced]
		switch {
		case sync && (size > maxLiteral || len(c.line)+2*size > maxCommand):
			c.refused = "NO [TOOBIG] literals are limited to " + strconv.Itoa(maxLiteral) + " bytes here"
			return c, nil
		case size > maxLiteral:
			return c, framing("literals sent unasked are limited to " + strconv.Itoa(maxLiteral) + " bytes")
		case sync && c.verb == "APPEND":
			c.refused = readOnly
			return c, nil
		}
		if sync {
			if err := ask(); err != nil {
				return c, err
			}
		}
		if err := c.literal(in, size); err != nil {
			return c, err
		}
		from = len(c.line)
		if c.line, err = in.line(c.line); err != nil {
			return c, err
		}
	}
}

// name finds tag and verb.
func (c *command) name() error {
	tag, rest, _ := bytes.Cut(c.line, []byte(" "))
	if len(tag) == 0 || len(tag) > 64 || bytes.ContainsFunc(tag, notTag) {
		return framing("a command begins with its tag")
	}
	c.tag = string(tag)
	verb, _, _ := bytes.Cut(rest, []byte(" "))
	if len(verb) == 0 || bytes.ContainsFunc(verb, notLetter) {
		return framing("behind the tag stands a command")
	}
	c.verb = strings.ToUpper(string(verb))
	c.args = len(tag) + 1 + len(verb)
	return nil
}

// notTag tells what no tag holds (RFC 9051, 9).
func notTag(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\+`, r) }

func notLetter(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.'
}

// scanLine checks the quotes of a line or of the rest of one, and finds the literal that its end announces:
// its size, and how many bytes the announcement has, 0 if there is none.
func scanLine(line []byte) (size, announced int, err error) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case quoted && b == '\\':
			if i++; i == len(line) || line[i] != '"' && line[i] != '\\' {
				return 0, 0, framing("a backslash escapes quotes and backslashes only")
			}
		case b == '"':
			quoted = !quoted
		case b == '{' && !quoted:
			size, ok := literalSize(line[i:])
			if !ok {
				return 0, 0, framing("this is not the size of a literal")
			}
			return size, len(line) - i, nil
		}
	}
	if quoted {
		return 0, 0, framing("a quoted string has no end")
	}
	return 0, 0, nil
}

// literalSize reads {n} or {n+} (RFC 9051, 4.3; RFC 7888).
func literalSize(b []byte) (int, bool) {
	digits, found := bytes.CutSuffix(b[1:], []byte("}"))
	digits, _ = bytes.CutSuffix(digits, []byte("+"))
	if !found || len(digits) == 0 || len(digits) > 10 {
		return 0, false
	}
	n := 0
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}

// literal reads a literal and appends it as a quoted string.
func (c *command) literal(in *input, size int) error {
	b, err := in.literal(size)
	defer clear(b)
	if err != nil {
		return err
	}
	if bytes.ContainsAny(b, "\r\n\x00") {
		c.refused = "BAD no line breaks in this place"
		return nil
	}
	c.line = append(c.line, '"')
	for _, x := range b {
		if x == '"' || x == '\\' {
			c.line = append(c.line, '\\')
		}
		c.line = append(c.line, x)
	}
	c.line = append(c.line, '"')
	if len(c.line) > maxCommand {
		return framing("the command is too long")
	}
	return nil
}

// strings returns the arguments when each is an atom or a quoted string. They share no memory with the line.
func (c *command) strings() (args [][]byte, ok bool) {
	rest := c.line[c.args:]
	for len(rest) > 0 {
		if rest[0] != ' ' || len(rest) == 1 {
			return nil, false
		}
		rest = rest[1:]
		var arg []byte
		if rest[0] != '"' {
			n := bytes.IndexByte(rest, ' ')
			if n < 0 {
				n = len(rest)
			}
			arg, rest = bytes.Clone(rest[:n]), rest[n:]
			if len(arg) == 0 || bytes.ContainsAny(arg, "(){\"") {
				return nil, false
			}
			args = append(args, arg)
			continue
		}
		i := 1
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			arg = append(arg, rest[i])
		}
		if i >= len(rest) {
			return nil, false
		}
		args, rest = append(args, arg), rest[i+1:]
	}
	return args, true
}
