package socket

import (
	"net"
	"sync/atomic"
	"time"
)

// Writer writes to one connection, which fails when its peer takes nothing for a time. The deadline is moved at
// most once in half of that time: one for each write costs some percent of a small command. It is for one goroutine
// at a time, or for several if the connection is.
type Writer struct {
	conn    net.Conn
	timeout time.Duration
	armed   atomic.Int64 // Unix nanoseconds
}

// NewWriter returns a Writer whose peer has between half of timeout and all of it to take what is written.
func NewWriter(conn net.Conn, timeout time.Duration) *Writer {
	return &Writer{conn: conn, timeout: timeout}
}

// Write implements io.Writer.
func (w *Writer) Write(b []byte) (int, error) {
	now := time.Now()
	if now.UnixNano()-w.armed.Load() > int64(w.timeout/2) {
		w.armed.Store(now.UnixNano())
		_ = w.conn.SetWriteDeadline(now.Add(w.timeout)) // a closed connection fails at the write
	}
	return w.conn.Write(b)
}
