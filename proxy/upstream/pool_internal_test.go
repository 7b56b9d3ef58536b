package upstream

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// idleConn is a connection whose peer tells when it is closed.
func idleConn(key poolKey) (conn *SMTPConn, closed <-chan struct{}) {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, theirs)
	}()
	return &SMTPConn{Conn: ours, key: key}, done
}

func size(p *pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

func TestPoolForgetsIdleConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(prometheus.NewGauge(prometheus.GaugeOpts{Name: "idle"}))
		key := poolKey{user: "erp"}
		conn, closed := idleConn(key)
		if !p.put(conn) {
			t.Fatal("an empty pool is full")
		}
		time.Sleep(poolIdleTime - time.Second)
		if got := p.get(key); got != conn {
			t.Fatalf("got %v before the time", got)
		}
		p.put(conn) // begins anew
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if size(p) != 1 {
			t.Fatal("the first timer still runs")
		}
		<-closed
		if got := p.get(key); got != nil || size(p) != 0 {
			t.Errorf("got %v, %d left", got, size(p))
		}
	})
}

func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(prometheus.NewGauge(prometheus.GaugeOpts{Name: "idle"}))
		kept := 0
		for i := range 2 * poolTotal {
			conn, _ := idleConn(poolKey{user: string(rune('a' + i%16))})
			if p.put(conn) {
				kept++
			} else {
				_ = conn.Close()
			}
			if n := len(p.idle[conn.key]); n > poolPerKey {
				t.Fatalf("%d connections of one key", n)
			}
		}
		if kept != poolTotal {
			t.Errorf("kept %d, want %d", kept, poolTotal)
		}
		p.close()
		conn, _ := idleConn(poolKey{user: "a"})
		if p.put(conn) {
			t.Error("a closed pool takes connections")
		}
		_ = conn.Close()
	})
}
