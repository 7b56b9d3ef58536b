package socket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// each runs a test on all transports.
func each(t *testing.T, test func(t *testing.T, tr transport)) {
	t.Helper()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			test(t, tr)
		})
	}
}

// send writes in the background; the error is looked at when the test is over.
func send(t *testing.T, c net.Conn, p []byte) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := c.Write(p)
		done <- err
	}()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Errorf("write: %v", err)
		}
	})
}

// waiting returns when the reader has tried to read once more than taken times and
// waits without a buffer.
func waiting(t *testing.T, p *pool, taken int64) {
	t.Helper()
	mailtest.Eventually(t, limit, func() error {
		if got, out := p.taken.Load(), p.out.Load(); got <= taken || out != 0 {
			return fmt.Errorf("%d buffers taken, %d out", got, out)
		}
		return nil
	})
}

// result is what one Read returned, but for its buffer, of which it has the part
// that was filled.
type result struct {
	got []byte
	err error
}

// reading reads once in the background.
func reading(r *Reader, p *pool) <-chan result {
	c := make(chan result, 1)
	go func() {
		buf, n, err := r.Read(p.take, p.give)
		c <- result{append([]byte(nil), buf[:n]...), err}
		if err == nil {
			p.give(buf)
		}
	}()
	return c
}

func TestReaderTakesBuffersLate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		here, there := tr.pair(t)
		r, p := NewReader(here), &pool{size: 100}
		for range 20 {
			before := p.taken.Load()
			c := reading(r, p)
			waiting(t, p, before)
			send(t, there, []byte("hello"))
			if got := <-c; string(got.got) != "hello" || got.err != nil {
				t.Fatalf("got %q, %v", got.got, got.err)
			}
		}
		before := p.taken.Load()
		c := reading(r, p)
		waiting(t, p, before)
		_ = there.Close()
		if got := <-c; !errors.Is(got.err, io.EOF) || p.out.Load() != 0 {
			t.Errorf("got %q, %v, %d buffers out", got.got, got.err, p.out.Load())
		}
		if _, _, err := r.Read(p.take, p.give); !errors.Is(err, io.EOF) || p.out.Load() != 0 {
			t.Errorf("again: got %v, %d buffers out", err, p.out.Load())
		}
	})
}

func TestReaderReadsWhatWasSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		here, there := tr.pair(t)
		sent := make([]byte, 3<<20)
		r := rand.NewChaCha8([32]byte{1})
		_, _ = r.Read(sent)
		random := rand.New(r)
		go func() { // in pieces of all sizes, while it reads too
			for rest := sent; len(rest) > 0; {
				n := min(1+random.IntN(1<<random.IntN(19)), len(rest))
				if _, err := there.Write(rest[:n]); err != nil {
					t.Errorf("write: %v", err)
				}
				rest = rest[n:]
			}
		}()
		back := make(chan []byte)
		go func() {
			got, err := io.ReadAll(io.LimitReader(there, int64(len(sent))))
			if err != nil {
				t.Errorf("read: %v", err)
			}
			back <- got
		}()
		reader, p := NewReader(here), &pool{size: 40 << 10}
		var got []byte
		for len(got) < len(sent) {
			buf, n, err := reader.Read(p.take, p.give)
			if err != nil || n <= 0 || n > len(buf) {
				t.Fatalf("got %d bytes, %v", n, err)
			}
			got = append(got, buf[:n]...)
			if _, err := here.Write(buf[:n]); err != nil {
				t.Fatal(err)
			}
			p.give(buf)
		}
		if !bytes.Equal(got, sent) || !bytes.Equal(<-back, sent) || p.out.Load() != 0 {
			t.Error("got something else than was sent")
		}
	})
}

// A deadline may pass at any byte of a record, and any number of times.
func TestReaderSurvivesDeadlines(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		a, b := tcpPair(t)
		slow := &gate{TCPConn: b, open: true}
		var here, there net.Conn = a, slow
		if tr.version != 0 {
			here, there = tr.encrypt(t, Wrap(a), slow)
		}
		r, p := NewReader(here), &pool{size: 100}
		slow.open = false
		if _, err := there.Write([]byte("one message")); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for len(slow.kept) > 0 {
			before := p.taken.Load()
			if err := here.SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			buf, n, err := r.Read(p.take, p.give)
			switch {
			case err == nil: // plain TCP gives what it has
				got = append(got, buf[:n]...)
				p.give(buf)
			case !errors.Is(err, os.ErrDeadlineExceeded):
				t.Fatal(err)
			case p.taken.Load() > before != r.Quiet():
				t.Fatalf("quiet is %t, tried %d times", r.Quiet(), p.taken.Load()-before)
			}
			if p.out.Load() != 0 {
				t.Fatalf("%d buffers out", p.out.Load())
			}
			slow.pass(t, 1)
		}
		if err := here.SetReadDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		for len(got) < len("one message") {
			buf, n, err := r.Read(p.take, p.give)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if string(got) != "one message" {
			t.Errorf("got %q", got)
		}
	})
}

// A deadline that has passed before the call is no silence: TLS may hold something.
func TestReaderIsNotQuietUnread(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		here, there := tr.pair(t)
		r, p := NewReader(here), &pool{size: 10}
		if _, err := there.Write([]byte("twenty bytes of text")); err != nil {
			t.Fatal(err)
		}
		if got := <-reading(r, p); len(got.got) != 10 {
			t.Fatalf("got %q, %v", got.got, got.err)
		}
		if err := here.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Read(p.take, p.give); !errors.Is(err, os.ErrDeadlineExceeded) || r.Quiet() {
			t.Errorf("got %v, quiet %t", err, r.Quiet())
		}
		if err := here.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got := <-reading(r, p); string(got.got) != "es of text" {
			t.Errorf("got %q, %v", got.got, got.err)
		}
	})
}

// gate is a connection that keeps what is written until it is let pass.
type gate struct {
	*net.TCPConn
	open bool
	kept []byte
}

func (g *gate) Write(p []byte) (int, error) {
	if g.open {
		return g.TCPConn.Write(p)
	}
	g.kept = append(g.kept, p...)
	return len(p), nil
}

func (g *gate) pass(t *testing.T, n int) {
	t.Helper()
	if _, err := g.TCPConn.Write(g.kept[:n]); err != nil {
		t.Fatal(err)
	}
	g.kept = g.kept[n:]
}

// A record that comes in two parts, cut at each offset, holds no buffer between them,
// and neither does one behind which the next has begun.
func TestReaderWaitsInsideRecords(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		if tr.version == 0 {
			return
		}
		a, b := tcpPair(t)
		slow := &gate{TCPConn: b, open: true}
		here, there := tr.encrypt(t, Wrap(a), slow)
		slow.open = false
		r, p := NewReader(here), &pool{size: 100}
		write := func(s string) {
			if _, err := there.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		for cut, size := 1, 2; cut < size; cut++ {
			write("first")
			first := len(slow.kept)
			write("second")
			size = first
			slow.pass(t, cut)
			before := p.taken.Load()
			c := reading(r, p)
			waiting(t, p, before)
			slow.pass(t, first) // and as much of the second record
			if got := <-c; string(got.got) != "first" {
				t.Fatalf("cut at %d: got %q, %v", cut, got.got, got.err)
			}
			before = p.taken.Load()
			c = reading(r, p)
			waiting(t, p, before)
			slow.pass(t, len(slow.kept))
			if got := <-c; string(got.got) != "second" {
				t.Fatalf("cut at %d: got %q, %v", cut, got.got, got.err)
			}
		}
	})
}

// Many large records that are there already come in one Read, as far as they fit.
func TestReaderGathersRecords(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		a, b := tcpPair(t)
		slow := &gate{TCPConn: b, open: true}
		var here, there net.Conn = a, slow
		if tr.version != 0 {
			here, there = tr.encrypt(t, Wrap(a), slow)
		}
		slow.open = false
		if _, err := there.Write(make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
		slow.pass(t, len(slow.kept)) // fits the buffers of loopback sockets
		r, p := NewReader(here), &pool{size: 64 << 10}
		reads := 0
		for got := 0; got < 100<<10; reads++ {
			buf, n, err := r.Read(p.take, p.give)
			if err != nil {
				t.Fatal(err)
			}
			got += n
			p.give(buf)
		}
		if reads > 20 { // 100 records of 1 KiB at the beginning of a TLS connection would be as many reads
			t.Errorf("%d reads", reads)
		}
	})
}

func TestReaderOfClosed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		here, _ := tr.pair(t)
		r, p := NewReader(here), &pool{size: 100}
		c := reading(r, p)
		waiting(t, p, 0)
		_ = here.Close()
		if got := <-c; !errors.Is(got.err, net.ErrClosed) {
			t.Errorf("while it waits: %v", got.err)
		}
		if got := <-reading(r, p); !errors.Is(got.err, net.ErrClosed) || p.out.Load() != 0 {
			t.Errorf("afterwards: %v, %d buffers out", got.err, p.out.Load())
		}
	})
}

func TestReaderOfReset(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		here, there := tr.pair(t)
		r, p := NewReader(here), &pool{size: 100}
		c := reading(r, p)
		waiting(t, p, 0)
		tcp := below(there)
		if err := tcp.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_ = tcp.Close()
		var op *net.OpError
		if got := <-c; !errors.As(got.err, &op) || op.Op != "read" || p.out.Load() != 0 {
			t.Errorf("got %v, %d buffers out", got.err, p.out.Load())
		}
	})
}

// Other connections are read as usual.
func TestReaderOfOthers(t *testing.T) {
	t.Parallel()
	tr := transports[3]
	a, b := tcpPair(t)
	plain, there := tr.encrypt(t, a, b) // TLS over no Raw
	pipe, other := net.Pipe()
	t.Cleanup(func() { _ = other.Close() })
	for name, c := range map[string][2]net.Conn{"tls": {plain, there}, "pipe": {pipe, other}} {
		r, p := NewReader(c[0]), &pool{size: 100}
		send(t, c[1], []byte("hello"))
		if got := <-reading(r, p); string(got.got) != "hello" {
			t.Errorf("%s: got %q, %v", name, got.got, got.err)
		}
		if err := c[0].SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if got := <-reading(r, p); !errors.Is(got.err, os.ErrDeadlineExceeded) || p.out.Load() != 0 || r.Quiet() {
			t.Errorf("%s: got %q, %v, %d out", name, got.got, got.err, p.out.Load())
		}
	}
	r, p := NewReader(lazy{pipe}), &pool{size: 1}
	if _, _, err := r.Read(p.take, p.give); !errors.Is(err, io.ErrNoProgress) || p.out.Load() != 0 {
		t.Errorf("got %v, %d out", err, p.out.Load())
	}
}

// lazy reads nothing.
type lazy struct{ net.Conn }

func (lazy) Read([]byte) (int, error) { return 0, nil }

func TestReaderNeedsRoom(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		here, there := tr.pair(t)
		pipe, other := net.Pipe()
		defer other.Close()
		for _, c := range []net.Conn{here, pipe} {
			if _, _, err := NewReader(c).Read(func() []byte { return nil }, func([]byte) {}); !errors.Is(err, errNoRoom) {
				t.Errorf("got %v", err)
			}
		}
		send(t, there, []byte("x")) // it is still good
		if got := <-reading(NewReader(here), &pool{size: 1}); string(got.got) != "x" {
			t.Errorf("got %q, %v", got.got, got.err)
		}
	})
}

// Without a Reader a Raw is a TCP connection, also between its reads.
func TestRawReadsAsUsual(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, tr transport) {
		here, there := tr.pair(t)
		r, p := NewReader(here), &pool{size: 5}
		for range 3 {
			send(t, there, []byte("12345"))
			if got := <-reading(r, p); string(got.got) != "12345" {
				t.Fatalf("got %q, %v", got.got, got.err)
			}
			waits := make(chan result, 1)
			go func() {
				buf := make([]byte, 5)
				n, err := here.Read(buf)
				waits <- result{buf[:n], err}
			}()
			send(t, there, []byte("67890"))
			if got := <-waits; string(got.got) != "67890" {
				t.Fatalf("got %q, %v", got.got, got.err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, tr := range transports {
		b.Run(tr.name, func(b *testing.B) {
			here, there := tr.pair(b)
			r := NewReader(here)
			buf := make([]byte, 32<<10)
			take, give := func() []byte { return buf }, func([]byte) {}
			line, back := []byte("a1 NOOP\r\n"), make([]byte, 9)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := there.Write(line); err != nil {
					b.Fatal(err)
				}
				_, n, err := r.Read(take, give)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := here.Write(buf[:n]); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(there, back); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
