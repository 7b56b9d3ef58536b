package socket

import (
	"errors"
	"io"
	"net"
)

// errNoRoom is a mistake of the caller, whose take returned nothing.
var errNoRoom = errors.New("read into a buffer without room")

// Reader reads from one connection, with a buffer only while there is something
// to read. Only one goroutine may read at a time, and nobody else may read from
// the connection meanwhile.
type Reader struct {
	c      net.Conn
	quiet  bool
	system // waits without a buffer, where the system lets us
}

// NewReader returns a Reader for c. It waits without a buffer if c is a
// *net.TCPConn, a *Raw, or a *tls.Conn over a *Raw whose handshake is done or is
// done by the first Read; any other connection is read as usual, with a buffer
// while it waits.
func NewReader(c net.Conn) *Reader {
	r := &Reader{c: c}
	r.prepare()
	return r
}

// Read waits until there is something to read, takes a buffer, and reads once, or
// as many TLS records as are there and fit. It returns the buffer and how many
// bytes at its start were filled, always more than none; the buffer is the
// caller's then. With an error there is no buffer, and all that were taken have
// been given back: take and give may be called several times. The buffer should
// have room for a TLS record of 16 KiB and must have some.
//
// The end of the stream is io.EOF. After an os.ErrDeadlineExceeded the connection
// can be read again, also under TLS, once the deadline has been moved.
func (r *Reader) Read(take func() []byte, give func([]byte)) (buf []byte, n int, err error) {
	if r.waits() {
		return r.read(take, give)
	}
	r.quiet = false
	buf = take()
	if len(buf) == 0 {
		return nil, 0, errNoRoom
	}
	if n, err = r.c.Read(buf); n > 0 {
		return buf, n, nil // an error comes again
	}
	give(buf)
	if err == nil {
		err = io.ErrNoProgress
	}
	return nil, 0, err
}

// Quiet reports whether the last Read found the socket empty and ended while it
// waited. Then nothing that came is held back in memory by TLS, and the
// connection may park in a Lot. It is always false for connections that are read
// as usual.
func (r *Reader) Quiet() bool { return r.quiet }
