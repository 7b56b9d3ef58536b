package imapd

import (
	"net"
	"sync/atomic"
	"time"
)

// output writes to one connection under a deadline, which is moved at most once in half of its time:
// a deadline for each write costs some percent of a small command.
type output struct {
	conn    net.Conn
	timeout time.Duration
	armed   atomic.Int64 // Unix nanoseconds
}

func newOutput(conn net.Conn, timeout time.Duration) *output {
	return &output{conn: conn, timeout: timeout}
}

func (o *output) Write(b []byte) (int, error) {
	now := time.Now()
	if now.UnixNano()-o.armed.Load() > int64(o.timeout/2) {
		o.armed.Store(now.UnixNano())
		_ = o.conn.SetWriteDeadline(now.Add(o.timeout)) // a closed connection fails at the write
	}
	return o.conn.Write(b)
}
