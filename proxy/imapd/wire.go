package imapd

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"heliograph/proxy"
)

// firstBuffer is what a connection begins with before the login; nearly all of
// them need no more.
const firstBuffer = 4 << 10

// Errors of framing: about such bytes two readers could disagree, so nobody
// else gets to read them.
var (
	errLineTooLong = errors.New("line too long")
	errLineEnd     = errors.New("line does not end in CRLF")
	errLineControl = errors.New("NUL or CR within a line")
	errLiteral     = errors.New("literal where none may be, or not announced as one")
	errLiteralSize = errors.New("literal too large")
	errLiteralNUL  = errors.New("NUL within a literal")
)

// framing reports whether err is one of those above.
func framing(err error) bool {
	for _, e := range []error{errLineTooLong, errLineEnd, errLineControl, errLiteral, errLiteralSize, errLiteralNUL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// wire buffers what is read from one peer before the login. What was used is
// overwritten at once, since it may be a password.
type wire struct {
	from io.Reader
	buf  []byte
	r, w int // what lies between is read but not used
}

func newWire(from io.Reader, buffered []byte) *wire {
	x := &wire{from: from, buf: make([]byte, max(firstBuffer, len(buffered)))}
	x.w = copy(x.buf, buffered)
	return x
}

// buffered returns what is read but not used; it is valid until the next read.
func (x *wire) buffered() []byte { return x.buf[x.r:x.w] }

// use overwrites n buffered bytes and marks them as used.
func (x *wire) use(n int) {
	clear(x.buf[x.r : x.r+n])
	x.r += n
	if x.r == x.w {
		x.r, x.w = 0, 0
	}
}

// take returns a copy of what is left and forgets everything.
func (x *wire) take() []byte {
	var rest []byte
	if x.w > x.r {
		rest = bytes.Clone(x.buffered())
	}
	clear(x.buf)
	x.r, x.w = 0, 0
	return rest
}

// fill reads once, with room for limit bytes in all.
func (x *wire) fill(limit int) error {
	if x.w == len(x.buf) {
		x.room(limit)
	}
	if x.w == len(x.buf) {
		return errLineTooLong
	}
	n, err := x.from.Read(x.buf[x.w:])
	x.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// room makes room behind w: at the front of the buffer, or in a larger one.
func (x *wire) room(limit int) {
	to := x.buf
	if x.r == 0 {
		if len(to) >= limit {
			return
		}
		to = make([]byte, min(2*len(to), limit))
	}
	n := copy(to, x.buffered())
	if x.r == 0 {
		clear(x.buf)
	} else {
		clear(x.buf[n:x.w])
	}
	x.buf, x.r, x.w = to, 0, n
}

// line returns the next line with its LF. It stays buffered until used. most tells
// from what there is of the line how many bytes it may have.
func (x *wire) line(most func(begun []byte) int) ([]byte, error) {
	for {
		p := x.buffered()
		limit := most(p)
		if nl := bytes.IndexByte(p, '\n'); nl >= 0 && nl < limit {
			return p[:nl+1], nil
		}
		if len(p) >= limit {
			return nil, errLineTooLong
		}
		if err := x.fill(limit); err != nil {
			return nil, err
		}
	}
}

// literal reads n bytes, of which nothing stays in the buffer.
func (x *wire) literal(n int) ([]byte, error) {
	out := make([]byte, n)
	got := copy(out, x.buffered())
	x.use(got)
	if _, err := io.ReadFull(x.from, out[got:]); err != nil {
		clear(out)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return nil, err
	}
	return out, nil
}

// strict returns a client's line without its CRLF, or what is wrong with it.
func strict(l []byte) ([]byte, error) {
	text, ok := bytes.CutSuffix(l, []byte("\r\n"))
	switch {
	case !ok:
		return nil, errLineEnd
	case bytes.IndexByte(text, 0) >= 0 || bytes.IndexByte(text, '\r') >= 0:
		return nil, errLineControl
	}
	return text, nil
}

// past is a deadline that has come.
var past = time.Unix(1, 0)

// patience reads from a client that has until end to log in, and from the first
// byte of each command a shorter time for the rest of it.
type patience struct {
	conn    *proxy.Conn
	end     time.Time
	command time.Duration
	began   time.Time // when the command began; zero between commands
	expired atomic.Bool
}

// Read reads once, under the deadline of the moment.
func (p *patience) Read(b []byte) (int, error) {
	deadline := p.end
	if !p.began.IsZero() && p.began.Add(p.command).Before(deadline) {
		deadline = p.began.Add(p.command)
	}
	_ = p.conn.SetReadDeadline(deadline) // a closed connection fails at the read
	if p.expired.Load() {
		_ = p.conn.SetReadDeadline(past)
	}
	n, err := p.conn.Read(b)
	if n > 0 && p.began.IsZero() {
		p.began = time.Now()
	}
	return n, err
}

// idle says that the client may take its time again, unless it has begun already.
func (p *patience) idle(begun bool) {
	p.began = time.Time{}
	if begun {
		p.began = time.Now()
	}
}

// asked says that the client is to send something now.
func (p *patience) asked() { p.began = time.Now() }

// expire makes the read that is under way, and every later one, time out.
func (p *patience) expire() {
	p.expired.Store(true)
	_ = p.conn.TCP().SetReadDeadline(past) // conn itself may be changing to TLS
}
