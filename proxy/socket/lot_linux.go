package socket

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// batch is how many sockets one look at the epoll finds.
	batch = 128
	// sweepEvery is how often the lot looks for connections that this process
	// has closed while they were parked: the kernel forgets those without a word.
	sweepEvery = 5 * time.Second
	// armed is what a parked connection waits for, once: bytes, the peer's end
	// of the stream, or (always) a reset.
	armed = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT
)

// Lot is where connections wait without a goroutine and without a buffer until
// something comes. One goroutine and one descriptor serve any number of them.
//
// A connection is in the epoll exactly while it is parked, and all changes
// of that are made under one lock. So an event may be late (its connection has
// left meanwhile, or has even parked again), which its ticket shows, but it cannot
// be lost: to park is to be told at once of what is there already.
type Lot struct {
	epoll *os.File // pollable itself, so that no thread waits in epoll_wait
	fd    int      // of epoll, used under mu while it is not closed, or inside its RawConn
	sweep time.Duration
	done  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex // guards all below, and the epoll
	closed bool
	spots  []*Spot // by the first half of the ticket; nil where nobody is parked
	free   []int32 // the nil ones
	count  int
	last   int32 // the second half of the last ticket

	sweeping bool // a sweep is due; never while nobody is parked, so that the processor may sleep
}

// Spot is the place of one parked connection.
type Spot struct {
	lot   *Lot
	tcp   *net.TCPConn
	wake  func()
	index int32 // in lot.spots, and the first half of the ticket
	turn  int32 // the second half: tells this spot from those before it with the same index
}

// NewLot opens a Lot. It must be closed.
func NewLot() (*Lot, error) { return newLot(sweepEvery) }

func newLot(sweep time.Duration) (*Lot, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // how os.NewFile knows that it can be polled
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	l := &Lot{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd, sweep: sweep, done: make(chan struct{})}
	conn, err := l.epoll.SyscallConn()
	if err == nil {
		err = l.epoll.SetReadDeadline(time.Time{}) // refused if it cannot be polled
	}
	if err != nil {
		_ = l.epoll.Close()
		return nil, fmt.Errorf("poll epoll: %w", err)
	}
	go l.run(conn)
	return l, nil
}

// Park lets c wait in the lot. wake is called once, in a goroutine of its own, when
// c has bytes to read, has ended or broken, has been closed by this process (then
// up to some seconds later), or the lot is closed; at once if that is so already.
// From Park until wake or until Leave has returned true nobody may read from c, and
// c must not be parked a second time; it may be written to. c must be a TCP
// connection, or TLS over one with nothing read ahead: see Reader.Quiet. False means
// that c has not parked, since the lot is closed, c is closed, or c is of
// another kind; wake is not called then.
func (l *Lot) Park(c net.Conn, wake func()) (*Spot, bool) {
	tcp := below(c)
	if tcp == nil {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, false
	}
	s := &Spot{lot: l, tcp: tcp, wake: wake}
	l.enter(s)
	if err := l.control(s, syscall.EPOLL_CTL_ADD); err != nil {
		l.remove(s)
		return nil, false
	}
	if !l.sweeping {
		l.sweepLater()
	}
	return s, true
}

// Leave takes the connection out of the lot. True means that wake has not been
// called and will not be; false that it has been or is about to be, or that Leave
// returned true before.
func (s *Spot) Leave() bool {
	l := s.lot
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spots[s.index] != s {
		return false
	}
	_ = l.control(s, syscall.EPOLL_CTL_DEL) // fails if the connection is closed, and so out of it
	l.remove(s)
	return true
}

// Len returns how many connections are parked.
func (l *Lot) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Close wakes all that are parked and lets nobody park any more. It may be called
// more than once.
func (l *Lot) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		for _, s := range l.spots {
			if s != nil {
				l.rouse(s)
			}
		}
		_ = l.epoll.Close() // wakes the goroutine
	}
	l.mu.Unlock()
	<-l.done
}

// enter gives s a place and a ticket. Called with mu held, as all below.
func (l *Lot) enter(s *Spot) {
	if n := len(l.free); n > 0 {
		s.index, l.free = l.free[n-1], l.free[:n-1]
		l.spots[s.index] = s
	} else {
		s.index = int32(len(l.spots))
		l.spots = append(l.spots, s)
	}
	if l.last++; l.last == math.MaxInt32 {
		l.last = 0
	}
	s.turn = l.last
	l.count++
}

func (l *Lot) remove(s *Spot) {
	l.spots[s.index] = nil
	l.free = append(l.free, s.index)
	l.count--
}

// rouse takes s out and wakes it.
func (l *Lot) rouse(s *Spot) {
	_ = l.control(s, syscall.EPOLL_CTL_DEL)
	l.remove(s)
	go s.wake()
}

// control changes what the epoll knows of the connection. While it does so the
// descriptor cannot be closed and given to another connection.
func (l *Lot) control(s *Spot, op int) error {
	conn, err := s.tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		ev := syscall.EpollEvent{Events: armed, Fd: s.index, Pad: s.turn}
		failed = syscall.EpollCtl(l.fd, op, int(fd), &ev)
	})
	return errors.Join(err, failed)
}

// run waits for events until the lot is closed.
func (l *Lot) run(conn syscall.RawConn) {
	defer close(l.done)
	events := make([]syscall.EpollEvent, batch)
	for {
		err := conn.Read(func(fd uintptr) bool { return l.look(int(fd), events) })
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		l.sweepNow()
	}
}

// look wakes whom the epoll names, until it names none. It always asks to wait on.
func (l *Lot) look(fd int, events []syscall.EpollEvent) (done bool) {
	for {
		n, err := syscall.EpollWait(fd, events, 0)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return false
		}
		l.mu.Lock()
		for _, ev := range events[:n] {
			if s := l.spots[ev.Fd]; s != nil && s.turn == ev.Pad {
				l.rouse(s)
			}
		}
		l.mu.Unlock()
	}
}

// sweepNow wakes those whose connection has been closed.
func (l *Lot) sweepNow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.spots {
		if s == nil {
			continue
		}
		conn, err := s.tcp.SyscallConn()
		if err == nil {
			err = conn.Control(func(uintptr) {})
		}
		if err != nil {
			l.rouse(s)
		}
	}
	l.sweepLater()
}

func (l *Lot) sweepLater() {
	var next time.Time
	if l.sweeping = l.count > 0; l.sweeping {
		next = time.Now().Add(l.sweep)
	}
	_ = l.epoll.SetReadDeadline(next)
}
