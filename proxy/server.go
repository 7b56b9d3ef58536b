package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
)

// Handler speaks the protocol of a listener.
type Handler interface {
	// ServeConn serves one connection and returns when it is over. It is called
	// in a goroutine of the connection. ctx is cancelled when the server drains:
	// the handler then says goodbye at the next boundary of its protocol and
	// returns. The server closes the connection afterwards, unless it is held: see
	// Conn.Hold.
	ServeConn(ctx context.Context, c *Conn)
}

// Listener is one address with the handler of its protocol.
type Listener struct {
	Config  config.Listener
	Handler Handler
}

// Options are what a Server needs.
type Options struct {
	Listeners []Listener
	// TLS is the source of the certificate (Certificates or GetCertificate); nil
	// if no listener uses TLS. Versions, client certificates and session tickets
	// are set per listener by the server.
	TLS    *tls.Config
	Limits config.Limits
	// OnRefuse returns the words for a client that is one connection too many,
	// such as "421 4.7.0 too many connections\r\n". They are sent on listeners
	// that begin in plain text; with implicit TLS the connection is closed, since
	// a handshake is the very cost that the limit is there to avoid. May be nil.
	OnRefuse   func(l *config.Listener) []byte
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
	// HandshakeTimeout bounds a TLS handshake, HeaderTimeout the PROXY header.
	// Zero means 30 s and 5 s.
	HandshakeTimeout, HeaderTimeout time.Duration
}

const (
	defaultHandshakeTimeout = 30 * time.Second
	defaultHeaderTimeout    = 5 * time.Second
	// refuseTimeout bounds the few words to a client that is one too many. They
	// fit any socket buffer, so that it is never reached in practice.
	refuseTimeout = time.Second
	// keepAlive finds clients that vanished without a word; below the usual
	// idle timeout of NAT gateways.
	keepAlive = 2 * time.Minute
	// shutTime is what handlers have, after their connections were shut down, to
	// let go of them.
	shutTime = time.Second
)

// Server accepts connections on all its listeners.
type Server struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	count   counter

	listeners []*listener

	draining context.Context // given to handlers
	drain    context.CancelFunc
	accepts  sync.WaitGroup // accept loops
	handlers sync.WaitGroup // connections

	mu      sync.Mutex // guards all below
	started bool
	stopped bool // no connection is taken any more
	conns   map[*Conn]struct{}
}

// listener is one bound address.
type listener struct {
	config  config.Listener
	handler Handler
	tls     atomic.Pointer[tls.Config] // nil inside: no TLS
	net     net.Listener
}

// New checks the options and loads what they name. It opens no socket.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = defaultHandshakeTimeout
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = defaultHeaderTimeout
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, log: o.Logger, metrics: m, conns: map[*Conn]struct{}{}}
	s.count = counter{limits: o.Limits, perIP: map[netip.Prefix]int{}}
	s.draining, s.drain = context.WithCancel(context.Background())
	for _, l := range o.Listeners {
		if l.Handler == nil {
			return nil, fmt.Errorf("listener %s %s has no handler", l.Config.Protocol, l.Config.Address)
		}
		s.listeners = append(s.listeners, &listener{config: l.Config, handler: l.Handler})
	}
	if err := s.Reload(o.Limits, o.TLS); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload puts new limits and a new certificate in force for connections to
// come, and reads the client authorities again. On an error everything stays as
// it was.
func (s *Server) Reload(limits config.Limits, base *tls.Config) error {
	configs := make([]*tls.Config, len(s.listeners))
	var errs []error
	for i, l := range s.listeners {
		c, err := listenerTLS(&l.config, base)
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %s %s: %w", l.config.Protocol, l.config.Address, err))
		}
		configs[i] = c
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, l := range s.listeners {
		l.tls.Store(configs[i])
	}
	s.count.setLimits(limits)
	return nil
}

// Drain stops accepting and cancels the context of all handlers, then waits
// until they have returned and nothing holds their connections. When ctx ends
// before, the remaining connections are closed hard and the error says how many
// there were. Drain may be called more than once; a Server that has drained does
// not start again.
func (s *Server) Drain(ctx context.Context) error {
	s.stopAccepting()
	done := s.over()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	n := s.closeConns(done)
	<-done
	if n == 0 {
		return nil
	}
	return fmt.Errorf("drain: closed %d connections that were still busy: %w", n, context.Cause(ctx))
}

// Close stops accepting, closes all connections and waits for their handlers
// and for all that holds them.
func (s *Server) Close() {
	s.stopAccepting()
	done := s.over()
	s.closeConns(done)
	<-done
}

func (s *Server) stopAccepting() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for _, l := range s.listeners {
		if l.net != nil {
			_ = l.net.Close() // a second Close is an error and no harm
		}
	}
	s.drain()
	s.accepts.Wait()
}

// over returns a channel that is closed when the last connection has ended.
func (s *Server) over() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.handlers.Wait()
	}()
	return done
}

// closeConns ends all connections. First it only shuts them down: a close takes
// a connection out of the Lot where it may be parked without a word, and its
// session would wait for ever. Who is not done soon, since a shut socket still
// hands out what comes in, loses it.
func (s *Server) closeConns(done <-chan struct{}) (n int) {
	n = s.each((*Conn).shut)
	if n == 0 {
		return 0
	}
	t := time.NewTimer(shutTime)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		s.each(func(c *Conn) { _ = c.tcp.Close() })
	}
	return n
}

func (s *Server) each(f func(*Conn)) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
	return len(s.conns)
}

// take makes the server the owner of c, unless it has stopped.
func (s *Server) take(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.conns[c] = struct{}{}
	s.handlers.Add(1)
	return true
}

// accepted takes one new connection from the accept loop. It does not wait for
// the peer.
func (s *Server) accepted(l *listener, tcp *net.TCPConn) {
	if !s.count.enter() {
		s.refuse(l, tcp, refusedTotal)
		return
	}
	c := &Conn{Conn: tcp, Listener: &l.config, tcp: tcp}
	c.server, c.users = s, 1
	if !s.take(c) {
		s.count.leave()
		s.refuse(l, tcp, refusedDraining)
		return
	}
	c.ctx, c.cancel = context.WithCancel(s.draining)
	go func() {
		defer c.leave()
		defer c.recovered()
		s.serve(l, c)
	}()
}

// serve learns who the client is, counts it and calls the handler.
func (s *Server) serve(l *listener, c *Conn) {
	peer, ok := c.tcp.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	c.ID, c.client, c.tlsConfig = newID(), unmap(peer.AddrPort()), l.tls.Load()
	counted := true
	if fromProxy(&l.config, c.client.Addr()) {
		client, forwarded, err := readHeader(c.tcp, c.client, s.o.HeaderTimeout)
		if err != nil {
			s.metrics.refused.WithLabelValues(l.config.Protocol, l.config.Address, refusedHeader).Inc()
			s.log.Warn("connection without a valid PROXY header", "listener", l.config.Address, "source", c.client.Addr(), "error", err)
			return
		}
		// A balancer's own health checks are not a client.
		c.client, counted = client, forwarded
	}
	if counted {
		if !s.count.enterIP(c.client.Addr()) {
			s.refuse(l, c.tcp, refusedPerIP)
			return
		}
		c.counted = true
	}
	s.metrics.accepted.WithLabelValues(l.config.Protocol, l.config.Address).Inc()
	s.metrics.open.WithLabelValues(l.config.Protocol, l.config.Address).Inc()
	c.open = true
	if l.config.TLS == config.TLSImplicit {
		if err := c.StartTLS(c.ctx); err != nil {
			s.log.Debug("TLS handshake failed", "session", c.ID, "client", c.client, "error", err)
			return
		}
	}
	c.speaking = true
	l.handler.ServeConn(c.ctx, c)
}

// refuse says a word to a client that is one too many, where the protocol
// begins in plain text, and closes.
func (s *Server) refuse(l *listener, tcp *net.TCPConn, reason string) {
	s.metrics.refused.WithLabelValues(l.config.Protocol, l.config.Address, reason).Inc()
	if s.o.OnRefuse != nil && l.config.TLS != config.TLSImplicit {
		if err := tcp.SetWriteDeadline(time.Now().Add(refuseTimeout)); err == nil {
			_, _ = tcp.Write(s.o.OnRefuse(&l.config))
		}
	}
	_ = tcp.Close()
}

// fromProxy says whether connections from a begin with a PROXY header. From
// all others such a header is just bytes of the protocol, and wrong ones.
func fromProxy(l *config.Listener, a netip.Addr) bool {
	for _, p := range l.ProxyProtocolFrom {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// newID returns a session id: 60 random bits, enough to find a session in a
// month of logs.
func newID() string { return strings.ToLower(rand.Text()[:12]) }
