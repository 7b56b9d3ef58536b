package imapd

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// tap copies bytes both ways until one side ends, or ctx does.
func (s *session) tap(ctx context.Context) {
	defer s.end()
	stop := context.AfterFunc(ctx, func() {
		_ = s.conn.SetDeadline(time.Unix(1, 0))
		_ = s.up.SetDeadline(time.Unix(1, 0))
	})
	defer stop()
	var wg sync.WaitGroup
	pass := func(to, from net.Conn, first []byte) {
		if len(first) > 0 {
			if _, err := to.Write(first); err != nil {
				return
			}
		}
		_, _ = io.Copy(to, from) // either side may end it
		_ = s.up.Close()
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
	wg.Go(func() { pass(s.conn, s.up, s.upBuffered) })
	pass(s.up, s.conn, s.clientBuffered)
	wg.Wait()
}
