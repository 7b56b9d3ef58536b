package smtpd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lineBuffer holds a command line. AUTH lines may have 12,288 octets (RFC 4954, 4).
	lineBuffer = 16 << 10
	// dataBuffer is what DATA and BDAT are read into when they are larger.
	dataBuffer = 128 << 10
	// maxCommandLine bounds every line but those of AUTH. RFC 5321 wants 512 and
	// more for each extension; ORCPT, ENVID and SMTPUTF8 addresses fit easily.
	maxCommandLine = 4096
)

var (
	linePool = sync.Pool{New: func() any { b := make([]byte, lineBuffer); return &b }}
	dataPool = sync.Pool{New: func() any { b := make([]byte, dataBuffer); return &b }}
)

// Errors of a line's framing.
var (
	errLineTooLong = errors.New("line too long")
	errLineBareLF  = errors.New("line does not end in CRLF")
	errLineControl = errors.New("NUL or CR within a line")
)

// inbound reads from one connection into a pooled buffer. The bytes between r and
// w are read but not used; they move from phase to phase with the buffer, so that
// nothing pipelined is lost.
type inbound struct {
	conn net.Conn
	idle idleDeadline
	pool *sync.Pool
	box  *[]byte
	r, w int
}

func newInbound(conn net.Conn, timeout time.Duration) *inbound {
	return &inbound{
		conn: conn,
		idle: idleDeadline{set: conn.SetReadDeadline, timeout: timeout},
		pool: &linePool, box: linePool.Get().(*[]byte),
	}
}

// release gives the buffer back. What it held is overwritten, since it may be a password.
func (in *inbound) release() {
	if in.box != nil {
		clear((*in.box)[:min(len(*in.box), lineBuffer)])
		in.pool.Put(in.box)
		in.box = nil
	}
}

// buffered returns what is read but not used; it is valid until the next fill.
func (in *inbound) buffered() []byte { return (*in.box)[in.r:in.w] }

// use marks n buffered bytes as used.
func (in *inbound) use(n int) {
	in.r += n
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// wipe marks n buffered bytes as used and overwrites them.
func (in *inbound) wipe(n int) {
	clear((*in.box)[in.r : in.r+n])
	in.use(n)
}

// fill reads once. It fails with errLineTooLong when the buffer is full.
func (in *inbound) fill() error {
	if in.w == len(*in.box) {
		if in.r == 0 {
			return errLineTooLong
		}
		in.w = copy(*in.box, (*in.box)[in.r:in.w])
		in.r = 0
	}
	in.idle.arm()
	n, err := in.conn.Read((*in.box)[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// grow changes to a large buffer while a message passes.
func (in *inbound) grow() { in.swap(&dataPool) }

// shrink goes back to the small one if what is left fits.
func (in *inbound) shrink() {
	if in.w-in.r <= lineBuffer {
		in.swap(&linePool)
	}
}

func (in *inbound) swap(pool *sync.Pool) {
	if in.pool == pool {
		return
	}
	box := pool.Get().(*[]byte)
	in.w, in.r = copy(*box, in.buffered()), 0
	in.pool.Put(in.box)
	in.pool, in.box = pool, box
}

// line returns the first whole line of p with its CRLF, nil if there is none yet.
// A line whose framing readers could disagree about is an error.
func line(p []byte, limit int) ([]byte, error) {
	nl := bytes.IndexByte(p, '\n')
	if nl < 0 {
		if len(p) > limit {
			return nil, errLineTooLong
		}
		return nil, nil
	}
	l := p[:nl+1]
	switch {
	case len(l) > limit:
		return nil, errLineTooLong
	case nl == 0 || l[nl-1] != '\r':
		return nil, errLineBareLF
	case bytes.IndexByte(l, 0) >= 0 || bytes.IndexByte(l[:nl-1], '\r') >= 0:
		return nil, errLineControl
	}
	return l, nil
}

// readLine waits for a whole line of at most limit bytes. It stays buffered until used.
func (in *inbound) readLine(limit int) ([]byte, error) {
	for {
		if l, err := line(in.buffered(), limit); l != nil || err != nil {
			return l, err
		}
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
}

// idleDeadline keeps a connection's deadline between half and all of its timeout
// ahead. A deadline for every read costs some 7 % of a command.
type idleDeadline struct {
	set     func(time.Time) error
	timeout time.Duration
	armed   time.Time
	expired atomic.Bool
}

func (d *idleDeadline) arm() {
	now := time.Now()
	if now.Sub(d.armed) <= d.timeout/2 {
		return
	}
	d.armed = now
	_ = d.set(now.Add(d.timeout)) // a closed connection fails at the read
	if d.expired.Load() {
		_ = d.set(past)
	}
}

// expire makes the read that is under way, and every later one, time out.
func (d *idleDeadline) expire() {
	d.expired.Store(true)
	_ = d.set(past)
}

// revive undoes expire, for the last words of a session.
func (d *idleDeadline) revive() {
	d.expired.Store(false)
	d.armed = time.Time{}
	d.arm()
}

// past is a deadline that has come.
var past = time.Unix(1, 0)
