package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy"
	"heliograph/proxy/socket"
)

// holder is a protocol that returns at once and holds its connections.
type holder struct {
	conns    chan *proxy.Conn
	releases chan func()
}

func newHolder() holder {
	return holder{make(chan *proxy.Conn, 10), make(chan func(), 10)}
}

func (h holder) ServeConn(_ context.Context, c *proxy.Conn) {
	h.releases <- c.Hold()
	h.conns <- c
	_, _ = io.WriteString(c, "held\r\n")
}

func TestHoldKeepsConnectionAndItsPlace(t *testing.T) {
	t.Parallel()
	h := newHolder()
	reg := prometheus.NewRegistry()
	_, addr := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{}, h)}, Limits: config.Limits{ConnectionsPerIP: 1}, OnRefuse: refusal, Registerer: reg,
	})
	down := dial(t, addr)
	hears(t, down, "held")
	c, release := <-h.conns, <-h.releases
	var wg sync.WaitGroup
	wg.Go(func() { // the session goes on in a goroutine of its own, at any later time
		line := make([]byte, 7)
		_, _ = io.ReadFull(c, line)
		_, _ = c.Write(line)
	})
	hears(t, dial(t, addr), "421")
	if _, err := io.WriteString(down, "hello\r\n"); err != nil {
		t.Fatal(err)
	}
	hears(t, down, "hello")
	wg.Wait()
	if err := c.Context().Err(); err != nil {
		t.Errorf("the context of a held connection: %v", err)
	}
	becomes(t, reg, "heliograph_connections", "", 1)
	release()
	release()
	if n, err := down.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v after release", n, err)
	}
	_ = down.Close()
	becomes(t, reg, "heliograph_connections", "", 0)
	<-c.Context().Done()
	c.Hold()() // of a connection that is over: nothing
	hears(t, dial(t, addr), "held")
	(<-h.releases)()
}

func TestGoHoldsUntilTheLastGoroutine(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	reg := prometheus.NewRegistry()
	_, addr := serve(t, proxy.Options{Registerer: reg, Listeners: []proxy.Listener{listen(config.Listener{}, handler(func(_ context.Context, c *proxy.Conn) {
		c.Go(func() {
			<-next
			c.Go(func() { // begun when ServeConn has returned long ago
				<-next
				_, _ = io.WriteString(c, "last word\r\n")
			})
		})
	}))}})
	down := dial(t, addr)
	next <- struct{}{}
	becomes(t, reg, "heliograph_connections", "", 1)
	next <- struct{}{}
	hears(t, down, "last word")
	if n, err := down.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestDrainWaitsForHeld(t *testing.T) {
	t.Parallel()
	h := newHolder()
	s, addr := serve(t, proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{}, h)}})
	down := dial(t, addr)
	hears(t, down, "held")
	c, release := <-h.conns, <-h.releases
	context.AfterFunc(c.Context(), func() {
		c.Do(func() { _, _ = io.WriteString(c, "goodbye\r\n") })
		release()
	})
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
	hears(t, down, "goodbye")
}

// A session that is parked and deaf to its context is ended all the same.
func TestHardCloseWakesParked(t *testing.T) {
	t.Parallel()
	lot, err := socket.NewLot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lot.Close)
	a := mailtest.NewAuthority(t)
	for _, mode := range []config.TLSMode{config.TLSNone, config.TLSImplicit} {
		for name, end := range map[string]func(*proxy.Server) error{
			"close": func(s *proxy.Server) error { s.Close(); return nil },
			"drain": func(s *proxy.Server) error {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				if err := s.Drain(ctx); !errors.Is(err, context.Canceled) {
					return fmt.Errorf("drain: got %w", err)
				}
				return nil
			},
		} {
			t.Run(string(mode)+" "+name, func(t *testing.T) {
				t.Parallel()
				parked := make(chan bool, 1)
				s, addr := serve(t, proxy.Options{TLS: a.ServerTLS("127.0.0.1"), Listeners: []proxy.Listener{listen(config.Listener{TLS: mode}, handler(func(_ context.Context, c *proxy.Conn) {
					release := c.Hold()
					_, ok := lot.Park(c.Conn, func() { c.Do(release) })
					parked <- ok
				}))}})
				dialMode(t, addr, mode, a)
				if !<-parked {
					t.Fatal("not parked")
				}
				if err := end(s); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func dialMode(t *testing.T, addr string, mode config.TLSMode, a *mailtest.Authority) net.Conn {
	t.Helper()
	c := dial(t, addr)
	if mode != config.TLSImplicit {
		return c
	}
	encrypted := tlsClient(c, a)
	if err := encrypted.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return encrypted
}

// A handler that goes on reading from a client that goes on sending.
func TestHardCloseEndsFlood(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s, addr := serve(t, proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{}, handler(func(_ context.Context, c *proxy.Conn) {
		buf := make([]byte, 4096)
		close(begun)
		for {
			if _, err := c.Read(buf); err != nil && !errors.Is(err, io.EOF) {
				return
			}
		}
	}))}})
	c := dial(t, addr)
	<-begun
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := c.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}()
	s.Close()
	<-done
}

func TestPanicInGoroutineEndsItsConnectionOnly(t *testing.T) {
	t.Parallel()
	lot, err := socket.NewLot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lot.Close)
	reg := prometheus.NewRegistry()
	var all sync.WaitGroup
	_, addr := serve(t, proxy.Options{Registerer: reg, Listeners: []proxy.Listener{listen(config.Listener{}, handler(func(_ context.Context, c *proxy.Conn) {
		release := c.Hold()
		all.Add(3)
		cause := make(chan struct{})
		c.Go(func() { // panics
			defer all.Done()
			<-cause
			panic("asked for")
		})
		c.Go(func() { // writes to a client that does not read
			defer all.Done()
			for {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		})
		buf := make([]byte, 1)
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Error(err)
		}
		if _, ok := lot.Park(c.Conn, func() { // is parked
			defer all.Done()
			c.Do(release)
		}); !ok {
			t.Error("not parked")
		}
		close(cause)
	}))}})
	bad, good := dial(t, addr), dial(t, addr)
	becomes(t, reg, "heliograph_connections", "", 2)
	if _, err := bad.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	becomes(t, reg, "heliograph_handler_panics_total", "", 1)
	if _, err := io.Copy(io.Discard, bad); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	_ = bad.Close()
	becomes(t, reg, "heliograph_connections", "", 1)
	if _, err := io.ReadFull(good, make([]byte, 1<<20)); err != nil {
		t.Errorf("the other connection: %v", err)
	}
	if _, err := good.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	becomes(t, reg, "heliograph_handler_panics_total", "", 2)
	_ = good.Close()
	becomes(t, reg, "heliograph_connections", "", 0)
	all.Wait()
}

// What StartTLS makes can be waited on without a buffer.
func TestStartTLSLeavesRoomToWait(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	_, addr := serve(t, proxy.Options{TLS: a.ServerTLS("127.0.0.1"), Listeners: []proxy.Listener{listen(config.Listener{TLS: config.TLSImplicit}, handler(func(_ context.Context, c *proxy.Conn) {
		r := socket.NewReader(c.Conn)
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		taken := 0
		take := func() []byte { taken++; return make([]byte, 100) }
		give := func([]byte) { taken-- }
		if _, _, err := r.Read(take, give); !errors.Is(err, os.ErrDeadlineExceeded) || !r.Quiet() || taken != 0 {
			t.Errorf("got %v, quiet %t, %d buffers out", err, r.Quiet(), taken)
		}
		_, _ = io.WriteString(c, "go on\r\n")
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		buf, n, err := r.Read(take, give)
		if err != nil || taken != 1 {
			t.Errorf("got %v, %d buffers out", err, taken)
		}
		_, _ = c.Write(buf[:n])
	}))}})
	c := dialMode(t, addr, config.TLSImplicit, a)
	hears(t, c, "go on")
	if _, err := io.WriteString(c, "again\r\n"); err != nil {
		t.Fatal(err)
	}
	hears(t, c, "again")
}

func tlsClient(c net.Conn, a *mailtest.Authority) *tls.Conn {
	return tls.Client(c, a.ClientTLS("127.0.0.1"))
}
