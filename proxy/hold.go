package proxy

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// life is when a Conn ends: when ServeConn has returned and nobody else uses it.
type life struct {
	server *Server
	ctx    context.Context //nolint:containedctx // it belongs to the connection, which outlives ServeConn
	cancel context.CancelFunc

	// Set before ServeConn is called.
	counted, open, speaking bool // per client, in the metric, and that a handler has it

	mu    sync.Mutex // guards users
	users int        // ServeConn, holds and goroutines; 0 for good when the connection is over
}

// Context returns the context that ServeConn was called with. It is cancelled when
// the server drains and when the connection is over.
func (c *Conn) Context() context.Context { return c.ctx }

// Hold keeps the connection from being closed when ServeConn returns: it stays the
// handler's until release is called, and counts as open; Drain and Close wait for
// that. Whoever holds a connection without a goroutine that reads from it must take
// notice of Context: a drain gives no other sign. A hard close ends the stream in both directions, which
// also wakes a connection that is parked in a socket.Lot. To hold is allowed before
// ServeConn returns and while another hold or goroutine of Go lasts. release may be
// called from anywhere and more than once; it does not wait.
func (c *Conn) Hold() (release func()) {
	if !c.use() {
		return func() {}
	}
	return sync.OnceFunc(func() {
		if c.done() {
			go c.end() // it lingers, and the caller may have other things to do
		}
	})
}

// Go calls f in a new goroutine of the connection: the connection is held until f
// returns, and a panic of f ends this connection and no other, as one of ServeConn does.
func (c *Conn) Go(f func()) {
	held := c.use()
	go func() {
		if held {
			defer c.leave()
		}
		defer c.recovered()
		f()
	}()
}

// Do is Go in the goroutine of the caller, for functions that others start, such
// as socket.Lot.
func (c *Conn) Do(f func()) {
	if c.use() {
		defer c.leave()
	}
	defer c.recovered()
	f()
}

// use counts one more user; false if the connection is over.
func (c *Conn) use() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == 0 {
		return false
	}
	c.users++
	return true
}

// done counts one user less and reports whether it was the last.
func (c *Conn) done() (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users--
	return c.users == 0
}

func (c *Conn) leave() {
	if c.done() {
		c.end()
	}
}

// end closes the connection and gives back its place.
func (c *Conn) end() {
	s, l := c.server, c.Listener
	if c.speaking {
		c.goodbye()
	}
	_ = c.Conn.Close() // the handler may have done so
	c.cancel()
	if c.open {
		s.metrics.open.WithLabelValues(l.Protocol, l.Address).Dec()
	}
	if c.counted {
		s.count.leaveIP(c.client.Addr())
	}
	s.count.leave()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.handlers.Done()
}

// recovered keeps the panic of one connection from the others. It ends the
// connection also for those that hold it.
func (c *Conn) recovered() {
	p := recover()
	if p == nil {
		return
	}
	c.server.metrics.panics.WithLabelValues(c.Listener.Protocol, c.Listener.Address).Inc()
	c.server.log.Error("connection handler panicked", "listener", c.Listener.Address, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	c.cancel()
	c.shut()
}

// shut ends both directions of the stream: reads and writes that wait fail, and a
// parked connection wakes. The descriptor stays open until the connection is over.
func (c *Conn) shut() {
	_ = c.tcp.CloseRead()
	_ = c.tcp.CloseWrite()
}
