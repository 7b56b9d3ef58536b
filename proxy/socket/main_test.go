package socket

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/internal/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long any wait of these tests may last before it is a failure.
const limit = 30 * time.Second

// tcpPair returns both ends of a TCP connection.
func tcpPair(t testing.TB) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = here.Close()
		_ = c.Close()
	})
	return here, c.(*net.TCPConn)
}

// transport is a way from one end to another.
type transport struct {
	name    string
	version uint16 // of TLS; 0 for none
	client  bool   // our end is the client's
}

var transports = []transport{
	{name: "tcp"},
	{name: "tls 1.2 server", version: tls.VersionTLS12},
	{name: "tls 1.2 client", version: tls.VersionTLS12, client: true},
	{name: "tls 1.3 server", version: tls.VersionTLS13},
	{name: "tls 1.3 client", version: tls.VersionTLS13, client: true},
}

// pair returns our end, for a Reader, and the other; for TLS with the handshake done.
func (tr transport) pair(t testing.TB) (here, there net.Conn) {
	t.Helper()
	a, b := tcpPair(t)
	if tr.version == 0 {
		return a, b
	}
	return tr.encrypt(t, Wrap(a), b)
}

func (tr transport) encrypt(t testing.TB, a, b net.Conn) (here, there *tls.Conn) {
	t.Helper()
	c := mailtest.TLS(t)
	server, client := c.Server(), c.Client()
	server.MinVersion, server.MaxVersion = tr.version, tr.version
	client.MinVersion, client.MaxVersion = tr.version, tr.version
	if tr.client {
		here, there = tls.Client(a, client), tls.Server(b, server)
	} else {
		here, there = tls.Server(a, server), tls.Client(b, client)
	}
	done := make(chan error, 1)
	go func() { done <- there.HandshakeContext(t.Context()) }()
	if err := here.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return here, there
}

// pool counts the buffers that are out, and how often one was taken.
type pool struct {
	size       int
	out, taken atomic.Int64
}

func (p *pool) take() []byte {
	p.out.Add(1)
	p.taken.Add(1)
	return make([]byte, p.size)
}

func (p *pool) give(b []byte) {
	if len(b) != p.size {
		panic("another buffer came back")
	}
	p.out.Add(-1)
}
