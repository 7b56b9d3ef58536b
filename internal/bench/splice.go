package bench

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// spliceBuffer is as large as the buffers of the gateway.
const spliceBuffer = 128 << 10

var spliceBuffers = sync.Pool{New: func() any { return new([spliceBuffer]byte) }}

// splice forwards each connection to an address and looks at nothing: the limit for a
// proxy. It ends TLS if it has a certificate.
type splice struct {
	to     string
	tls    *tls.Config
	kernel bool // copies without TLS are left to the kernel; no program can do that which looks at what it copies
}

func (splice) status(context.Context) (Status, error) { return Status{}, nil } // it knows of no messages

func (s splice) serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, func(ctx context.Context, c *net.TCPConn) {
		up, err := new(net.Dialer).DialContext(ctx, "tcp", s.to)
		if err != nil {
			return // the client sees it
		}
		defer context.AfterFunc(ctx, func() { _ = up.Close() })()
		defer up.Close()
		down := net.Conn(c)
		if s.tls != nil {
			down = tls.Server(c, s.tls)
		}
		back := make(chan struct{})
		go func() {
			defer close(back)
			s.forward(down, up)
		}()
		s.forward(up, down)
		<-back
	})
}

// forward copies until src ends, then tells dst. Either end may break off; the ends
// themselves notice.
func (s splice) forward(dst, src net.Conn) {
	if s.kernel {
		_, _ = io.Copy(dst, src)
	} else { // hide that they can do otherwise
		buf := spliceBuffers.Get().(*[spliceBuffer]byte)
		_, _ = io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, buf[:])
		spliceBuffers.Put(buf)
	}
	if c, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}
