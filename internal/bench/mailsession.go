package bench

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

const mailCapabilities = "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN IDLE UIDPLUS NAMESPACE ID ENABLE UNSELECT"

const (
	// mailBuffer is above any command line; bodies that are appended pass through it.
	mailBuffer = 8 << 10
	// maxString bounds a literal that is not a message.
	maxString = 1 << 10
)

var errLiteral = errors.New("a literal without a size that we take")

// mailSession is one connection to a mailStore.
type mailSession struct {
	store  *mailStore
	conn   net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	folder folder
	many   net.Buffers // of fetchFresh
	text   []byte      // likewise
}

func newMailSession(s *mailStore, c net.Conn) *mailSession {
	if s.tls != nil {
		c = tls.Server(c, s.tls)
	}
	return &mailSession{store: s, conn: c, r: bufio.NewReaderSize(c, mailBuffer), w: bufio.NewWriter(c)}
}

// say writes a line; an error stays and Flush returns it.
func (s *mailSession) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, format+"\r\n", args...)
}

// run answers commands until the client goes.
func (s *mailSession) run() {
	s.say("* OK [CAPABILITY %s] mail store", mailCapabilities)
	for {
		if s.r.Buffered() == 0 && s.w.Flush() != nil {
			return
		}
		tag, verb, args, err := s.next()
		if err == nil {
			err = s.command(tag, verb, args)
		}
		if err != nil {
			_ = s.w.Flush() // the session ends either way
			if c, ok := s.conn.(*tls.Conn); ok {
				_ = c.CloseWrite()
			}
			return
		}
	}
}

// next reads a command, its literals as quoted strings. The literal of an APPEND is left
// to be read.
func (s *mailSession) next() (tag, verb, args string, err error) {
	var text strings.Builder
	for {
		line, err := s.r.ReadSlice('\n')
		if err != nil {
			return "", "", "", err
		}
		rest, size, wait, ok := announced(bytes.TrimRight(line, "\r\n"))
		text.Write(rest)
		tag, verb, args = split(text.String())
		if !ok {
			return tag, verb, args, nil
		}
		if wait {
			s.say("+ go on")
			if err := s.w.Flush(); err != nil {
				return "", "", "", err
			}
		}
		if verb == "APPEND" {
			return tag, verb, args + strconv.FormatInt(size, 10), nil
		}
		if size > maxString {
			return "", "", "", errLiteral
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(s.r, b); err != nil {
			return "", "", "", err
		}
		fmt.Fprintf(&text, "%q", b)
	}
}

// announced takes the announcement of a literal off the end of a line.
func announced(line []byte) (rest []byte, size int64, wait, ok bool) {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' || len(line)-open > 20 {
		return line, 0, false, false
	}
	number, plus := bytes.CutSuffix(line[open+1:len(line)-1], []byte("+"))
	size, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || size < 0 {
		return line, 0, false, false
	}
	return line[:open], size, !plus, true
}

func split(line string) (tag, verb, args string) {
	tag, line, _ = strings.Cut(line, " ")
	verb, args, _ = strings.Cut(line, " ")
	return tag, strings.ToUpper(verb), args
}

func (s *mailSession) command(tag, verb, args string) error {
	done := "OK done"
	switch verb {
	case "CAPABILITY":
		s.say("* CAPABILITY %s", mailCapabilities)
	case "ID":
		s.say("* ID NIL")
	case "NAMESPACE":
		s.say(`* NAMESPACE (("" "/")) NIL NIL`)
	case "LIST":
		s.say(`* LIST (\HasNoChildren) "/" %s`, inbox)
		s.say(`* LIST (\HasNoChildren \Sent) "/" Sent`)
	case "NOOP", "CHECK", "ENABLE", "UNSELECT", "CLOSE":
	case "LOGIN":
		done = "OK [CAPABILITY " + mailCapabilities + "] welcome"
	case "AUTHENTICATE":
		if err := s.authenticate(args); err != nil {
			return err
		}
		done = "OK [CAPABILITY " + mailCapabilities + "] welcome"
	case "SELECT", "EXAMINE":
		s.open(strings.Trim(args, `"`))
		done = "OK [READ-WRITE] selected"
	case "FETCH":
		done = s.fetch(args, false)
	case "UID":
		verb, args, _ = strings.Cut(args, " ")
		done = "BAD no such command"
		if strings.EqualFold(verb, "FETCH") {
			done = s.fetch(args, true)
		}
	case "APPEND":
		var err error
		if done, err = s.take(args); err != nil {
			return err
		}
	case "IDLE":
		if err := s.idle(); err != nil {
			return err
		}
	case "LOGOUT":
		s.say("* BYE")
		s.say("%s OK done", tag)
		return io.EOF
	default:
		done = "BAD no such command"
	}
	s.say("%s %s", tag, done)
	return nil
}

func (s *mailSession) authenticate(args string) error {
	if strings.Contains(args, " ") { // an initial response (RFC 4959)
		return nil
	}
	return s.ask("+ ")
}

func (s *mailSession) idle() error { return s.ask("+ idling") }

// ask says something and reads one line.
func (s *mailSession) ask(line string) error {
	s.say("%s", line)
	if err := s.w.Flush(); err != nil {
		return err
	}
	_, err := s.r.ReadSlice('\n')
	return err
}

func (s *mailSession) open(name string) {
	s.folder = openFolder(name)
	s.say(`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`)
	s.say(`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] flags`)
	s.say("* %d EXISTS", s.folder.size)
	s.say("* 0 RECENT")
	s.say("* OK [UIDVALIDITY %d] valid", s.folder.validity())
	s.say("* OK [UIDNEXT %d] next", s.folder.size+1)
}

// take reads a message that is appended; the size is behind the other arguments.
func (s *mailSession) take(args string) (string, error) {
	name, rest, _ := strings.Cut(args, " ")
	size, err := strconv.ParseInt(rest[strings.LastIndexByte(rest, ' ')+1:], 10, 64)
	if err != nil {
		return "", errLiteral
	}
	h := sha256.New()
	if _, err := io.CopyN(h, s.r, size); err != nil {
		return "", err
	}
	if _, err := s.r.ReadSlice('\n'); err != nil {
		return "", err
	}
	name = strings.Trim(name, `"`)
	uid := s.store.took(name, h)
	return fmt.Sprintf("OK [APPENDUID %d %d] appended", openFolder(name).validity(), uid), nil
}
