package sandbox

import (
	"net"
	"sync"
)

// tracker knows the open connections, since neither library waits for its own
// when it closes.
type tracker struct {
	open sync.WaitGroup

	mu     sync.Mutex // guards all below
	conns  map[*trackedConn]struct{}
	closed bool
}

type trackedListener struct {
	net.Listener
	tracker *tracker
}

type trackedConn struct {
	net.Conn
	tracker *tracker
	once    sync.Once
}

func (t *tracker) listener(l net.Listener) net.Listener {
	return &trackedListener{Listener: l, tracker: t}
}

func (l *trackedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tc := l.tracker.add(c); tc != nil {
			return tc, nil
		}
		_ = c.Close()
	}
}

// add returns nil once the tracker is closed.
func (t *tracker) add(c net.Conn) *trackedConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	if t.conns == nil {
		t.conns = make(map[*trackedConn]struct{})
	}
	tc := &trackedConn{Conn: c, tracker: t}
	t.conns[tc] = struct{}{}
	t.open.Add(1)
	return tc
}

func (c *trackedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.tracker.mu.Lock()
		delete(c.tracker.conns, c)
		c.tracker.mu.Unlock()
		c.tracker.open.Done()
	})
	return err
}

// close cuts all connections and refuses new ones. Their owners see an error
// and close them once more.
func (t *tracker) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.conns {
		_ = c.Conn.Close()
	}
}

// wait returns when each owner has closed its connection.
func (t *tracker) wait() { t.open.Wait() }
