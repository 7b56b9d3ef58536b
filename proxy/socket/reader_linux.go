package socket

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// wouldBlock is the error of a Read that must not wait. Only an error that is a
// net.Error and temporary leaves a tls.Conn in working order.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read now" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var _ net.Error = wouldBlock{}

// direct is the state of a Raw. It belongs to the goroutine that reads.
type direct struct {
	on bool
	fd int // valid while on
}

// Read reads from the TCP connection. While a Reader uses the Raw, it returns an
// error that is temporary instead of waiting.
func (r *Raw) Read(p []byte) (int, error) {
	if !r.on {
		return r.TCPConn.Read(p)
	}
	return readNow(r.TCPConn, r.fd, p)
}

// readNow is read(2) on the descriptor of c, which does not wait.
func readNow(c *net.TCPConn, fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := syscall.Read(fd, p)
		switch {
		case err == nil && n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case errors.Is(err, syscall.EAGAIN):
			return 0, wouldBlock{}
		case !errors.Is(err, syscall.EINTR):
			return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", err)}
		}
	}
}

const (
	// maxRecord is the most that one TLS record holds (RFC 8446, 5.1).
	maxRecord = 16 << 10
	// bulk is the size of a record behind which the next may be expected at
	// once. To look for it costs a read(2) that may find nothing, which would be
	// dear behind each small command.
	bulk = 4 << 10
)

// system is the part of a Reader that waits without a buffer.
type system struct {
	tcp  *net.TCPConn
	tls  *tls.Conn // nil for plain TCP
	raw  *Raw      // below tls
	conn syscall.RawConn
	once func(fd uintptr) bool // a field, or each Read would allocate it

	// Of the Read that is under way.
	take func() []byte
	give func([]byte)
	buf  []byte
	n    int
	err  error
}

func (r *Reader) prepare() {
	switch c := r.c.(type) {
	case *net.TCPConn:
		r.tcp = c
	case *Raw:
		r.tcp = c.TCPConn
	case *tls.Conn:
		raw, ok := c.NetConn().(*Raw)
		if !ok {
			return
		}
		r.tls, r.raw, r.tcp = c, raw, raw.TCPConn
	default:
		return
	}
	conn, err := r.tcp.SyscallConn()
	if err != nil { // a connection that was never open; its Read says so
		return
	}
	r.conn, r.once = conn, r.attempt
}

func (r *Reader) waits() bool { return r.conn != nil }

func (r *Reader) read(take func() []byte, give func([]byte)) ([]byte, int, error) {
	r.quiet = false
	if r.tls != nil {
		// Shaken with reads that wait; at once when it is done already.
		if err := r.tls.Handshake(); err != nil {
			return nil, 0, err
		}
	}
	r.take, r.give = take, give
	err := r.conn.Read(r.once)
	buf, n := r.buf, r.n
	if n == 0 && err == nil {
		err = r.err
	}
	r.take, r.give, r.buf, r.n, r.err = nil, nil, nil, 0, nil
	return buf, n, err
}

// attempt reads without waiting. It is called at once and then each time that the
// socket becomes readable; false means to wait. It must do all its reading itself:
// the poller is armed before it is called, not after.
func (r *Reader) attempt(fd uintptr) (done bool) {
	buf := r.take()
	if len(buf) == 0 {
		r.err = errNoRoom
		return true
	}
	var n int
	var err error
	if r.tls == nil {
		n, err = readNow(r.tcp, int(fd), buf)
	} else {
		n, err = r.records(int(fd), buf)
	}
	_, later := err.(wouldBlock) //nolint:errorlint // never wrapped, and this is the hot path
	r.quiet = later
	if n > 0 {
		r.buf, r.n = buf, n // any other error comes again: TLS keeps it
		return true
	}
	r.give(buf)
	if later {
		return false
	}
	r.err = err
	return true
}

// records reads the TLS records that are there, as far as they fit.
func (r *Reader) records(fd int, buf []byte) (n int, err error) {
	r.raw.on, r.raw.fd = true, fd
	defer func() { r.raw.on = false }()
	for {
		m, err := r.tls.Read(buf[n:])
		n += m
		if err != nil || m < bulk || len(buf)-n < maxRecord {
			return n, err
		}
	}
}
