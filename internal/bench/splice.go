package bench

import (
	"context"
	"io"
	"net"
)

// splice forwards each connection to an address and looks at nothing. Between two TCP
// connections io.Copy leaves the copying to the kernel: this is the limit for a proxy.
type splice struct{ to string }

func (splice) status(context.Context) (Status, error) { return Status{}, nil } // it knows of no messages

func (s splice) serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, func(ctx context.Context, down *net.TCPConn) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", s.to)
		if err != nil {
			return // the client sees it
		}
		up := c.(*net.TCPConn)
		defer context.AfterFunc(ctx, func() { _ = up.Close() })()
		defer c.Close()
		back := make(chan struct{})
		go func() {
			defer close(back)
			forward(down, up)
		}()
		forward(up, down)
		<-back
	})
}

// forward copies until src ends, then tells dst.
func forward(dst, src *net.TCPConn) {
	_, _ = io.Copy(dst, src) // either end may break off; the ends themselves notice
	_ = dst.CloseWrite()
}
