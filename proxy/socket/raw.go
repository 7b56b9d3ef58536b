package socket

import "net"

// Raw is a TCP connection to put TLS over, as in tls.Server(socket.Wrap(tcp),
// config). It does what the TCP connection does, until a Reader over that TLS
// reads: then its Read does not wait. It may be used with and without a Reader,
// in turns. Writes are those of the TCP connection always.
type Raw struct {
	*net.TCPConn
	direct // what a Reader sets
}

// Wrap makes a Raw of a TCP connection.
func Wrap(c *net.TCPConn) *Raw { return &Raw{TCPConn: c} }

// below returns the TCP connection under c, nil if there is none that we know.
func below(c net.Conn) *net.TCPConn {
	for {
		switch t := c.(type) {
		case *net.TCPConn:
			return t
		case *Raw:
			return t.TCPConn
		case interface{ NetConn() net.Conn }: // *tls.Conn
			c = t.NetConn()
		default:
			return nil
		}
	}
}
