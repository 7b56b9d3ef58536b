package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// serve hands each connection to handle until ctx ends; then it closes them all and
// waits for their handlers.
func serve(ctx context.Context, l net.Listener, handle func(context.Context, *net.TCPConn)) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accept: %w", err)
		}
		wg.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			defer c.Close()
			handle(ctx, c.(*net.TCPConn))
		})
	}
}

func listen(ctx context.Context) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}
