package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// The pauses after an error of accept, doubling from the first to the last.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

var errStarted = errors.New("the server was started before")

// Start binds all listeners and begins to accept, or binds none: the error
// names the listener and what to do. ctx bounds the binding only.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock() // to the end: a Close meanwhile must find all sockets or none
	defer s.mu.Unlock()
	if s.started || s.stopped {
		return errStarted
	}
	s.started = true
	if err := s.bind(ctx); err != nil {
		for _, l := range s.listeners {
			if l.net != nil {
				_ = l.net.Close()
			}
		}
		return err
	}
	for _, l := range s.listeners {
		s.accepts.Go(func() { s.acceptLoop(l) })
	}
	return nil
}

func (s *Server) bind(ctx context.Context) error {
	lc := net.ListenConfig{KeepAlive: keepAlive}
	var errs []error
	for _, l := range s.listeners {
		n, err := lc.Listen(ctx, "tcp", l.config.Address)
		if err != nil {
			errs = append(errs, &BindError{Protocol: l.config.Protocol, Address: l.config.Address, Err: err})
			continue
		}
		l.net = n
	}
	return errors.Join(errs...)
}

// Addr returns the bound address of the i-th listener, for listeners on port 0.
// It is nil before Start.
func (s *Server) Addr(i int) net.Addr {
	if s.listeners[i].net == nil {
		return nil
	}
	return s.listeners[i].net.Addr()
}

// BindError says which listener could not be opened and what to do.
type BindError struct {
	Protocol, Address string
	Err               error
}

// Error names the listener, the cause and the remedy.
func (e *BindError) Error() string {
	return fmt.Sprintf("open listener %s %q: %v: %s", e.Protocol, e.Address, e.Err, e.Remedy())
}

// Unwrap returns the error of the operating system.
func (e *BindError) Unwrap() error { return e.Err }

// Remedy says what an operator can do.
func (e *BindError) Remedy() string {
	var dns *net.DNSError
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return "another program listens there; find it with `ss -ltnp` and stop it, or choose another address"
	case errors.Is(e.Err, syscall.EACCES):
		return "ports below 1024 need the capability CAP_NET_BIND_SERVICE, which the systemd unit gives; or choose a port above 1023"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address; see `ip address`, or leave the host empty for all addresses"
	case errors.As(e.Err, &dns):
		return "the host has no address; write an IP address, or leave the host empty for all addresses"
	default:
		return "check the address, it is host:port"
	}
}

func (s *Server) acceptLoop(l *listener) {
	pause := firstPause
	for {
		n, err := l.net.Accept()
		if err != nil {
			if s.draining.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors or memory: it passes, the listener must not die of it.
			s.metrics.acceptErrors.WithLabelValues(l.config.Protocol, l.config.Address).Inc()
			s.log.Error("accept failed", "listener", l.config.Address, "error", err, "pause", pause)
			if !s.wait(pause) {
				return
			}
			pause = min(2*pause, lastPause)
			continue
		}
		pause = firstPause
		if tcp, ok := n.(*net.TCPConn); ok {
			s.accepted(l, tcp)
		} else {
			_ = n.Close()
		}
	}
}

// wait pauses for d; false means that the server stopped meanwhile.
func (s *Server) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.draining.Done():
		return false
	}
}
