package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// sink is an SMTP server that takes everything at the speed of memory and only counts.
type sink struct {
	messages atomic.Int64 // that were answered with 250
}

const sinkBuffer = 64 << 10 // above any command line; bodies pass through it piece by piece

func (s *sink) serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, func(_ context.Context, c *net.TCPConn) {
		ss := sinkSession{sink: s, r: bufio.NewReaderSize(c, sinkBuffer), w: bufio.NewWriter(c)}
		ss.run()
	})
}

func (s *sink) status(context.Context) (Status, error) {
	return Status{Messages: s.messages.Load()}, nil
}

type sinkSession struct {
	sink *sink
	r    *bufio.Reader
	w    *bufio.Writer
}

// run answers commands until the client goes. Answers wait while more commands of the
// same group are there (RFC 2920, 3.2).
func (s *sinkSession) run() {
	s.say("220 sink ESMTP")
	for {
		if s.r.Buffered() == 0 && s.w.Flush() != nil {
			return
		}
		line, err := s.r.ReadSlice('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
		if err := s.command(strings.ToUpper(verb), rest); err != nil {
			_ = s.w.Flush() // the session ends either way
			return
		}
	}
}

func (s *sinkSession) say(line string) { _, _ = s.w.WriteString(line + "\r\n") } // an error stays and Flush returns it

func (s *sinkSession) command(verb, rest string) error {
	switch verb {
	case "EHLO":
		s.say("250-sink\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN")
	case "AUTH":
		if !strings.Contains(rest, " ") { // no initial response (RFC 4954, 4)
			s.say("334 ")
			if err := s.w.Flush(); err != nil {
				return err
			}
			if _, err := s.r.ReadSlice('\n'); err != nil {
				return err
			}
		}
		s.say("235 2.7.0 welcome")
	case "HELO", "MAIL", "RCPT", "RSET", "NOOP":
		s.say("250 2.0.0 ok")
	case "DATA":
		s.say("354 go on")
		if err := s.w.Flush(); err != nil {
			return err
		}
		if err := skipData(s.r); err != nil {
			return err
		}
		s.taken()
	case "BDAT":
		return s.bdat(rest)
	case "QUIT":
		s.say("221 2.0.0 bye")
		return io.EOF
	default:
		s.say("500 5.5.1 no such command")
	}
	return nil
}

func (s *sinkSession) taken() {
	s.sink.messages.Add(1)
	s.say("250 2.0.0 taken")
}

// bdat takes one chunk (RFC 3030, 2).
func (s *sinkSession) bdat(args string) error {
	size, last, _ := strings.Cut(args, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("size of a chunk: %q", args)
	}
	if _, err := io.CopyN(io.Discard, s.r, n); err != nil {
		return err
	}
	if strings.EqualFold(last, "LAST") {
		s.taken()
		return nil
	}
	s.say("250 2.0.0 more")
	return nil
}

var endOfData = []byte("\r\n.\r\n")

// skipData reads a message up to its end (RFC 5321, 4.1.1.4).
func skipData(r *bufio.Reader) error {
	// The CRLF before the dot of an empty message is that of the DATA line.
	if b, err := r.Peek(3); err != nil {
		return err
	} else if bytes.Equal(b, endOfData[2:]) {
		_, err = r.Discard(3)
		return err
	}
	for {
		if _, err := r.Peek(len(endOfData)); err != nil {
			return err
		}
		b, _ := r.Peek(r.Buffered()) // cannot fail: it is there
		if i := bytes.Index(b, endOfData); i >= 0 {
			_, err := r.Discard(i + len(endOfData))
			return err
		}
		// The end may have begun in the last bytes.
		if _, err := r.Discard(len(b) - len(endOfData) + 1); err != nil {
			return err
		}
	}
}
