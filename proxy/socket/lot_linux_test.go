package socket

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

func openLot(t *testing.T, sweep time.Duration) *Lot {
	t.Helper()
	l, err := newLot(sweep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// alarm counts how often it was called.
type alarm struct {
	times atomic.Int64
	rang  chan struct{}
}

func newAlarm() *alarm { return &alarm{rang: make(chan struct{}, 10)} }

func (a *alarm) ring() {
	a.times.Add(1)
	a.rang <- struct{}{}
}

func (a *alarm) wait(t *testing.T) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-a.rang:
	case <-timer.C:
		t.Fatal("not woken")
	}
}

func park(t *testing.T, l *Lot, c net.Conn, wake func()) *Spot {
	t.Helper()
	s, ok := l.Park(c, wake)
	if !ok {
		t.Fatal("no room")
	}
	return s
}

func TestLotWakes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		for name, cause := range map[string]func(*testing.T, *Lot, net.Conn, net.Conn){
			"bytes": func(t *testing.T, _ *Lot, _, there net.Conn) { send(t, there, []byte("x")) },
			"end":   func(_ *testing.T, _ *Lot, _, there net.Conn) { _ = there.Close() },
			"half":  func(_ *testing.T, _ *Lot, _, there net.Conn) { _ = below(there).CloseWrite() },
			"reset": func(_ *testing.T, _ *Lot, _, there net.Conn) {
				_ = below(there).SetLinger(0)
				_ = below(there).Close()
			},
			"shut here":   func(_ *testing.T, _ *Lot, here, _ net.Conn) { _ = below(here).CloseRead() },
			"closed here": func(_ *testing.T, _ *Lot, here, _ net.Conn) { _ = below(here).Close() },
			"lot closed":  func(_ *testing.T, l *Lot, _, _ net.Conn) { l.Close() },
		} {
			for _, before := range []bool{false, true} {
				if before && name == "closed here" || before && name == "lot closed" {
					continue // no Park then: TestLotHasNoRoom
				}
				t.Run(fmt.Sprintf("%s, before %t", name, before), func(t *testing.T) {
					l := openLot(t, 10*time.Millisecond)
					here, there := tr.pair(t)
					if before {
						cause(t, l, here, there)
					}
					a := newAlarm()
					s := park(t, l, here, a.ring)
					if !before {
						cause(t, l, here, there)
					}
					a.wait(t)
					if s.Leave() || l.Len() != 0 {
						t.Errorf("may still leave, %d parked", l.Len())
					}
					l.Close()
					if n := a.times.Load(); n != 1 {
						t.Errorf("woken %d times", n)
					}
				})
			}
		}
	})
}

func TestLotHasNoRoom(t *testing.T) {
	t.Parallel()
	l := openLot(t, time.Hour)
	wake := func() { t.Error("woken") }
	here, _ := tcpPair(t)
	s := park(t, l, here, wake)
	if _, ok := l.Park(Wrap(here), wake); ok || l.Len() != 1 {
		t.Errorf("parked twice, %d", l.Len())
	}
	if !s.Leave() || s.Leave() || l.Len() != 0 {
		t.Errorf("leaves wrongly, %d parked", l.Len())
	}
	closed, _ := tcpPair(t)
	_ = closed.Close()
	pipe, other := net.Pipe()
	_ = other.Close()
	for name, c := range map[string]net.Conn{"closed": closed, "pipe": pipe} {
		if _, ok := l.Park(c, wake); ok {
			t.Errorf("%s: parked", name)
		}
	}
	l.Close()
	l.Close()
	if _, ok := l.Park(here, wake); ok || l.Len() != 0 {
		t.Error("parked in a closed lot")
	}
}

// What came, the leaving and the closing race: exactly one of wake and Leave takes the
// connection, each time.
func TestLotRaces(t *testing.T) {
	t.Parallel()
	for name, closing := range map[string]bool{"bytes": false, "bytes and close": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := openLot(t, 5*time.Millisecond)
			const rounds = 3000
			var left, woken int
			var here, there *net.TCPConn
			for i := range rounds {
				if i == 0 || closing {
					here, there = tcpPair(t)
				}
				a := newAlarm()
				s := park(t, l, here, a.ring)
				var wg sync.WaitGroup
				var gone bool
				write := func() { _, _ = there.Write([]byte("x")) }
				if i%2 == 0 {
					write() // the event is on its way already
				} else {
					wg.Go(write)
				}
				wg.Go(func() {
					for range i % 512 { // meets the others at another point each time
						runtime.Gosched()
					}
					gone = s.Leave()
				})
				if closing {
					wg.Go(func() { _ = here.Close() })
				}
				wg.Wait()
				if gone {
					left++
				} else {
					woken++
					a.wait(t)
				}
				if closing {
					_ = there.Close()
				} else { // what came is still there, and wakes whoever parks again
					again := newAlarm()
					park(t, l, here, again.ring)
					again.wait(t)
					if _, err := io.ReadFull(here, make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
					if n := again.times.Load(); n != 1 {
						t.Fatalf("round %d: parked again, woken %d times", i, n)
					}
				}
				if n := a.times.Load(); gone == (n > 0) || n > 1 {
					t.Fatalf("round %d: left %t, woken %d times", i, gone, n)
				}
			}
			t.Logf("left %d times, woken %d times", left, woken)
			if l.Len() != 0 {
				t.Errorf("%d parked", l.Len())
			}
		})
	}
}

// Several leave at once, and the lot closes: one of all takes the connection.
func TestLotLeavesOnce(t *testing.T) {
	t.Parallel()
	here, _ := tcpPair(t)
	for i := range 500 {
		l, err := newLot(time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		a := newAlarm()
		s := park(t, l, here, a.ring)
		var left atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if s.Leave() {
					left.Add(1)
				}
			})
		}
		wg.Go(l.Close)
		wg.Wait()
		if left.Load() == 0 {
			a.wait(t)
		}
		if left.Load()+a.times.Load() != 1 {
			t.Fatalf("round %d: left %d times, woken %d times", i, left.Load(), a.times.Load())
		}
	}
}

// A descriptor that was closed while parked comes back as another connection.
func TestLotKnowsConnectionsNotDescriptors(t *testing.T) {
	t.Parallel()
	l := openLot(t, 3*time.Millisecond)
	for range 200 {
		first, _ := tcpPair(t)
		a := newAlarm()
		park(t, l, first, a.ring)
		_ = first.Close()
		here, there := tcpPair(t) // takes the free number, as a rule
		b := newAlarm()
		s := park(t, l, here, b.ring)
		if _, err := there.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		b.wait(t)
		a.wait(t)
		if s.Leave() || a.times.Load() != 1 || b.times.Load() != 1 {
			t.Fatalf("woken %d and %d times", a.times.Load(), b.times.Load())
		}
		_, _ = here.Close(), there.Close()
	}
}

func TestLotHoldsThousandWithoutGoroutines(t *testing.T) { //nolint:paralleltest // it counts goroutines
	const many = 1000
	l := openLot(t, 50*time.Millisecond) // sweeps meanwhile
	var here, there [many]*net.TCPConn
	for i := range many {
		here[i], there[i] = tcpPair(t)
	}
	before := runtime.NumGoroutine()
	var woken [many]atomic.Int64
	events := make(chan int, many)
	var spots [many]*Spot
	for i := range many {
		spots[i] = park(t, l, here[i], func() {
			woken[i].Add(1)
			events <- i
		})
	}
	if now := runtime.NumGoroutine(); now > before+many/100 || l.Len() != many {
		t.Errorf("%d goroutines for %d parked", now-before, l.Len())
	}
	spoken := 0
	for i := range many {
		if i%3 == 0 {
			if _, err := there[i].Write([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
			spoken++
		}
	}
	for range spoken {
		i := <-events
		buf := make([]byte, 1)
		if _, err := io.ReadFull(here[i], buf); err != nil || buf[0] != byte(i) || i%3 != 0 {
			t.Errorf("connection %d: got %d, %v", i, buf[0], err)
		}
	}
	if l.Len() != many-spoken {
		t.Errorf("%d parked, want %d", l.Len(), many-spoken)
	}
	for i := range many {
		if spots[i].Leave() == (i%3 == 0) {
			t.Errorf("connection %d: leaves wrongly", i)
		}
		if woken[i].Load() > 1 {
			t.Errorf("connection %d: woken %d times", i, woken[i].Load())
		}
	}
}

// A session as a protocol front has it: reads, parks after a short silence, wakes,
// and somebody else makes it leave now and then. Nothing may be missing.
func TestSessionsReadAndPark(t *testing.T) {
	t.Parallel()
	l := openLot(t, 10*time.Millisecond)
	each(t, func(t *testing.T, tr transport) {
		here, there := tr.pair(t)
		const messages = 400
		go func() {
			random := rand.New(rand.NewPCG(1, 2))
			tick := time.NewTicker(300 * time.Microsecond)
			defer tick.Stop()
			for i := range messages {
				for range random.IntN(8) {
					<-tick.C
				}
				if _, err := fmt.Fprintf(there, "%08d", i); err != nil {
					t.Errorf("write: %v", err)
				}
			}
			_ = there.Close()
		}()
		s := &session{t: t, lot: l, conn: here, reader: NewReader(here), pool: &pool{size: 100}, over: make(chan struct{})}
		s.read()
		timer := time.NewTimer(2 * limit)
		defer timer.Stop()
		select {
		case <-s.over:
		case <-timer.C:
			t.Fatal("the session does not end")
		}
		if len(s.got) != 8*messages || s.pool.out.Load() != 0 {
			t.Fatalf("got %d bytes, want %d; %d buffers out", len(s.got), 8*messages, s.pool.out.Load())
		}
		for i := range messages {
			if got, want := string(s.got[8*i:8*i+8]), fmt.Sprintf("%08d", i); got != want {
				t.Fatalf("got message %s, want %s", got, want)
			}
		}
		t.Logf("parked %d times, left %d times", s.parked, s.left)
	})
}

// session is used by one goroutine at a time.
type session struct {
	t            *testing.T
	lot          *Lot
	conn         net.Conn
	reader       *Reader
	pool         *pool
	got          []byte
	parked, left int
	over         chan struct{}
}

func (s *session) read() {
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(200 * time.Microsecond)); err != nil {
			s.t.Error(err)
			return
		}
		buf, n, err := s.reader.Read(s.pool.take, s.pool.give)
		switch {
		case err == nil:
			s.got = append(s.got, buf[:n]...)
			s.pool.give(buf)
		case errors.Is(err, io.EOF):
			close(s.over)
			return
		case !errors.Is(err, os.ErrDeadlineExceeded):
			s.t.Errorf("read: %v", err)
			close(s.over)
			return
		case s.reader.Quiet():
			s.parked++
			leaves := s.parked%5 == 0
			spot, ok := s.lot.Park(s.conn, s.read)
			if !ok {
				s.t.Error("no room")
				close(s.over)
				return
			}
			if !leaves || !spot.Leave() {
				return // read goes on in another goroutine
			}
			s.left++
		}
	}
}

// The lot's own goroutine sleeps for good when nobody is parked.
func TestEmptyLotDoesNotSweep(t *testing.T) {
	t.Parallel()
	l := openLot(t, time.Millisecond)
	here, _ := tcpPair(t)
	if s := park(t, l, here, func() {}); !s.Leave() {
		t.Fatal("cannot leave")
	}
	// The sweep that was due finds nobody and asks for no other.
	mailtest.Eventually(t, limit, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.sweeping {
			return errors.New("it still sweeps")
		}
		return nil
	})
	a := newAlarm()
	closed, _ := tcpPair(t)
	park(t, l, closed, a.ring)
	_ = closed.Close()
	a.wait(t)
}
