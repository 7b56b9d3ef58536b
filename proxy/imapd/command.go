package imapd

import (
	"bytes"
	"errors"
	"strings"

	"heliograph/proxy/imapd/scan"
)

// Bounds on a command before the login.
const (
	maxLine = 8 << 10 // with its CRLF; also that of a line which goes on behind a literal
	// maxSecret bounds an initial response, a response and the literals of a command
	// together. Microsoft's OAuth tokens reach 10 KiB, Kerberos tickets 64 KiB.
	maxSecret = 64 << 10
	maxTag    = 128 // clients use less than ten
	maxTokens = 64  // of one command: 30 pairs of ID and their parentheses
)

// Errors of one command whose framing is clear; the session goes on.
var (
	errSyntax     = errors.New("syntax error")
	errStringSize = errors.New("literal too large")
	errAnswered   = errors.New("refused before its literal was sent")
)

// command is one command of a client that has not logged in. It may hold a
// password: wipe must be called.
type command struct {
	tag, verb string
	args      []byte // behind the verb, on the first line
	tokens    []token
	parts     []part // the whole command in its own words
}

// part is a piece of a command: words of a line, and the literal behind them, if
// the line ends in one. The announcement of the literal and CRLF are left out.
type part struct {
	text    []byte
	literal []byte // nil if the command ends here
}

// kind says what a token is.
type kind byte

const (
	atom    kind = 'a'
	str     kind = '"' // quoted or literal
	opening kind = '('
	closing kind = ')'
)

// token is a word of a command.
type token struct {
	kind  kind
	value []byte // of a quoted string without quotes and escapes
}

func (c *command) wipe() {
	for _, p := range c.parts {
		clear(p.text)
		clear(p.literal)
	}
	for _, t := range c.tokens {
		clear(t.value)
	}
}

// stringVerbs are the commands before the login whose arguments are strings, so
// that they may hold literals.
var stringVerbs = map[string]bool{"LOGIN": true, "ID": true}

// reader reads commands.
type reader struct {
	in *wire
	// ready asks whether the client may send the literal that c waits with, and
	// tells it so.
	ready func(c *command) error
}

// bound is how long the line that begins with p may be.
func bound(p []byte) int {
	_, rest, _ := bytes.Cut(p[:min(len(p), maxTag+1)], []byte(" "))
	verb, _, _ := bytes.Cut(rest, []byte(" "))
	if strings.EqualFold(string(verb), "AUTHENTICATE") {
		return maxSecret + maxLine
	}
	return maxLine
}

// lineBound is the bound of lines that are no commands of their own.
func lineBound([]byte) int { return maxLine }

// read reads one command, as much of it as is there when the error is not nil.
func (r *reader) read() (*command, error) {
	c := &command{}
	text, err := r.text(bound)
	if err != nil {
		return c, err
	}
	c.parts = append(c.parts, part{text: text})
	tag, rest, _ := bytes.Cut(text, []byte(" "))
	verb, args, _ := bytes.Cut(rest, []byte(" "))
	announced := announcement(text)
	if !scan.ValidTag(tag) || len(tag) > maxTag || !validVerb(verb) {
		return c, doubt(errSyntax, announced)
	}
	c.tag, c.verb, c.args = string(tag), strings.ToUpper(string(verb)), args
	if !stringVerbs[c.verb] {
		return c, doubt(nil, announced)
	}
	return c, r.strings(c, args)
}

// text takes one line out of the buffer.
func (r *reader) text(most func([]byte) int) ([]byte, error) {
	l, err := r.in.line(most)
	if err != nil {
		return nil, err
	}
	defer r.in.use(len(l))
	text, err := strict(l)
	return bytes.Clone(text), err
}

// strings reads the arguments of a command, and the lines and literals that they go on with.
func (r *reader) strings(c *command, args []byte) error {
	left := maxSecret
	for {
		rest, err := c.tokenise(args)
		if err != nil {
			return doubt(err, announcement(args))
		}
		if len(rest) == 0 {
			return nil
		}
		size, sync, ok := literalOf(rest)
		if !ok {
			return errLiteral
		}
		if size > left {
			if sync { // the client does not send it before it is asked
				return errStringSize
			}
			return errLiteralSize
		}
		if sync {
			if err := r.ready(c); err != nil {
				return err
			}
		}
		last := &c.parts[len(c.parts)-1]
		last.text = last.text[:len(last.text)-len(rest)]
		clear(rest)
		if last.literal, err = r.in.literal(size); err != nil {
			return err
		}
		left -= size
		if bytes.IndexByte(last.literal, 0) >= 0 {
			return errLiteralNUL
		}
		c.tokens = append(c.tokens, token{str, bytes.Clone(last.literal)})
		if args, err = r.text(lineBound); err != nil {
			return err
		}
		c.parts = append(c.parts, part{text: args})
		if len(args) > 0 && args[0] != ' ' && args[0] != ')' {
			return doubt(errSyntax, announcement(args))
		}
	}
}

// doubt turns err into one of framing where the line may announce a literal: who
// is to say whether bytes of a string or another command come next.
func doubt(err error, announced bool) error {
	if announced {
		return errLiteral
	}
	return err
}

// announcement reports whether some server may take the end of a line for the
// announcement of a literal.
func announcement(text []byte) bool {
	i := bytes.LastIndexByte(text, '{')
	text = bytes.TrimRight(text, " \t}")
	return i >= 0 && len(bytes.TrimLeft(text[min(i+1, len(text)):], "0123456789+- ")) == 0
}

// tokenise adds the words of a line to the command's. It returns what is left when
// a literal begins.
func (c *command) tokenise(p []byte) (rest []byte, err error) {
	spaced := true // a word may begin
	for len(p) > 0 {
		if len(c.tokens) >= maxTokens {
			return nil, errSyntax
		}
		var t token
		n := 1
		switch b := p[0]; {
		case b == ' ':
			p, spaced = p[1:], true
			continue
		case b == ')':
			t.kind = closing
		case !spaced:
			return nil, errSyntax
		case b == '(':
			t.kind = opening
		case b == '{':
			return p, nil
		case b == '"':
			if t.value, n = quoted(p); n == 0 {
				return nil, errSyntax
			}
			t.kind = str
		default:
			if n = atomLength(p); n == 0 {
				return nil, errSyntax
			}
			t = token{atom, bytes.Clone(p[:n])}
		}
		c.tokens = append(c.tokens, t)
		p, spaced = p[n:], t.kind == opening
	}
	return nil, nil
}

// quoted reads the quoted string that p begins with (RFC 9051, 4.3). n is its
// length with quotes, 0 if it is none.
func quoted(p []byte) (value []byte, n int) {
	value = make([]byte, 0, len(p))
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '"':
			return value, i + 1
		case '\\':
			if i++; i == len(p) || p[i] != '"' && p[i] != '\\' {
				clear(value)
				return nil, 0
			}
		}
		value = append(value, p[i])
	}
	clear(value)
	return nil, 0
}

// atomLength is the length of the atom that p begins with. Of the characters that
// RFC 9051 forbids, those are taken that end no word for any server: passwords and
// Windows' names hold them, and the upstream is the judge.
func atomLength(p []byte) int {
	for i, b := range p {
		switch {
		case b == ' ' || b == ')':
			return i
		case b < ' ' || b == 0x7f || b == '"' || b == '(' || b == '{':
			return 0
		}
	}
	return len(p)
}

// literalOf reads the announcement of a literal, of which p must be all.
func literalOf(p []byte) (size int, sync, ok bool) {
	digits, begins := bytes.CutPrefix(p, []byte("{"))
	digits, ends := bytes.CutSuffix(digits, []byte("}"))
	if !begins || !ends {
		return 0, false, false
	}
	digits, plus := bytes.CutSuffix(digits, []byte("+"))
	if len(digits) == 0 || len(digits) > 10 || digits[0] == '0' && len(digits) > 1 {
		return 0, false, false
	}
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false, false
		}
		size = size*10 + int(b-'0')
	}
	return size, !plus, true
}

func validVerb(p []byte) bool {
	for _, b := range p {
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && b != '-' && b != '.' {
			return false
		}
	}
	return len(p) > 0
}
