package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// DefaultSegmentBytes is the size of a segment when Options say none.
	DefaultSegmentBytes = 256 << 20
	// defaultTimeout is how long an append may take before the disk counts as gone.
	defaultTimeout = 10 * time.Second

	// groupBytes bounds what gathers while the disk is busy.
	groupBytes = 1 << 20
	// heldBytes bounds what all tees together keep back while the group is full: the disk syncs, and
	// an upstream may send a few megabytes meanwhile.
	heldBytes = 4 << 20
	// maxQueuedMarks bounds the marks that wait for a disk that is away.
	maxQueuedMarks = 100_000
)

// Options configure a Log.
type Options struct {
	Dir          string
	FS           FS       // nil means OS
	Keys         *Keyring // required
	SegmentBytes int64    // zero means DefaultSegmentBytes
	// Sync makes Seal wait for the disk. Without it Seal waits for nothing, and a crash may cost the
	// last tenth of a second.
	Sync bool
	// Timeout bounds how long Write and Seal wait for the disk. Zero means 10 s.
	Timeout    time.Duration
	Logger     *slog.Logger          // nil means none
	Registerer prometheus.Registerer // nil means none
}

// Log is an open log. Its methods may be called concurrently.
type Log struct {
	dir          string
	fs           FS
	keys         *Keyring
	codec        *codec
	segmentBytes int64
	sync         bool
	timeout      time.Duration
	log          *slog.Logger
	metrics      *metrics
	registerer   prometheus.Registerer
	bufs         buffers
	lock         io.Closer

	kick      chan struct{} // tells the appender that there is something to do
	stop      chan struct{} // closed by Close
	done      chan struct{} // closed when the appender has ended
	busySince atomic.Int64  // Unix nanoseconds when the appender began its disk operation; 0 when idle
	closeOnce sync.Once
	closeErr  error

	mu    sync.Mutex // guards the fields below
	next  *group     // gathers records
	marks []mark     // wait for the next group
	// A timer runs for what nobody waits for; it has fired.
	lazyArmed, lazyDue bool
	held               int           // bytes of finished chunks that tees keep until there is room
	down               error         // why appends fail at the moment
	epoch              uint64        // number of segments that failed
	spans              []span        // all segments in order; the appender writes to the last while it has a file
	synced             Position      // records before this are durable
	moved              chan struct{} // closed and replaced when synced or spans change
	closed             bool
}

// span is what is known of one segment.
type span struct {
	seq uint64
	end int64 // no acknowledged record lies behind this; for the segment being written, what is durable
}

// group is what one write to the disk takes along.
type group struct {
	buf     []byte
	recs    []int // where the records begin in buf
	waiters int   // how many wait for synced
	urgent  bool  // somebody waits for written or synced
	lazy    int   // messages that nobody waits for

	base     Location // of buf[0]; valid when written is closed without writeErr
	writeErr error    // valid when written is closed
	syncErr  error    // valid when synced is closed
	taken    chan struct{}
	written  chan struct{}
	synced   chan struct{}
}

func newGroup(buf []byte) *group {
	return &group{buf: buf[:0], taken: make(chan struct{}), written: make(chan struct{}), synced: make(chan struct{})}
}

func (g *group) add(rec []byte) (offset int) {
	offset = len(g.buf)
	g.recs = append(g.recs, offset)
	g.buf = append(g.buf, rec...)
	return offset
}

// fail ends a group that was not written.
func (g *group) fail(err error) {
	g.writeErr, g.syncErr = err, err
	close(g.written)
	close(g.synced)
}

type mark struct{ rec []byte }

// Open opens the log in o.Dir, creating it when there is none, and starts its
// appender. A full or failing disk does not fail Open: appends fail until it heals.
func Open(o Options) (*Log, error) {
	l := &Log{
		dir: o.Dir, fs: o.FS, keys: o.Keys, sync: o.Sync,
		segmentBytes: o.SegmentBytes, timeout: o.Timeout, log: o.Logger,
		kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		next: newGroup(nil), moved: make(chan struct{}),
	}
	if l.fs == nil {
		l.fs = OS
	}
	if l.segmentBytes <= 0 {
		l.segmentBytes = DefaultSegmentBytes
	}
	if l.timeout <= 0 {
		l.timeout = defaultTimeout
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.keys == nil {
		return nil, errors.New("opening log: no keyring")
	}
	var err error
	if l.codec, err = newCodec(l.keys); err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	l.metrics, l.registerer = newMetrics(o.Registerer), o.Registerer
	a, err := l.recover()
	if err != nil {
		l.metrics.unregister(l.registerer)
		if l.lock != nil {
			_ = l.lock.Close() // err says more
		}
		return nil, fmt.Errorf("opening log %s: %w", l.dir, err)
	}
	go a.run()
	return l, nil
}

// Close writes and syncs what was handed over and ends the appender. It waits at most
// for Options.Timeout. Further calls return the first result.
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.stop)
		timer := time.NewTimer(l.timeout)
		defer timer.Stop()
		select {
		case <-l.done:
			l.metrics.unregister(l.registerer)
			if err := l.lock.Close(); err != nil && l.closeErr == nil {
				l.closeErr = err
			}
		case <-timer.C:
			l.closeErr = fmt.Errorf("closing log: %w", ErrTimeout)
		}
	})
	return l.closeErr
}

// Err returns why appends fail at the moment, or nil.
func (l *Log) Err() error {
	_, err := l.state()
	return err
}

func (l *Log) state() (epoch uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch, l.refuse()
}

// refuse says why an append would fail now. It needs the mutex.
func (l *Log) refuse() error {
	if l.closed {
		return ErrClosed
	}
	if l.down != nil {
		return l.down
	}
	if since := l.busySince.Load(); since != 0 && time.Since(time.Unix(0, since)) > l.timeout {
		return ErrTimeout
	}
	return nil
}

// haste says who waits for a record.
type haste uint8

const (
	lazily  haste = iota // nobody
	written              // somebody, until it is written
	synced               // somebody, until it is durable
)

// add hands a finished record over to the next group. It waits while that is full.
func (l *Log) add(ctx context.Context, rec []byte, epoch uint64, h haste) (*group, int, error) {
	for {
		g, offset, ok, err := l.offer(rec, epoch, h)
		if err != nil || ok {
			return g, offset, err
		}
		if err = wait(ctx, g.taken); err != nil {
			return nil, 0, err
		}
	}
}

// offer is add that does not wait: it reports false, and the group in question, when that is full.
func (l *Log) offer(rec []byte, epoch uint64, h haste) (g *group, offset int, ok bool, err error) {
	l.mu.Lock()
	if err = l.refuse(); err == nil && epoch != l.epoch {
		err = ErrFailed
	}
	if err != nil {
		l.mu.Unlock()
		return nil, 0, false, err
	}
	g = l.next
	if len(g.buf) > 0 && len(g.buf)+len(rec) > groupBytes {
		l.mu.Unlock()
		return g, 0, false, nil
	}
	offset = g.add(rec)
	switch h {
	case synced:
		g.waiters++
		g.urgent = true
	case written:
		g.urgent = true
	case lazily:
		g.lazy++
		l.later()
	}
	wake := g.urgent || len(g.buf) >= groupBytes/4
	l.mu.Unlock()
	if wake {
		l.wake()
	}
	return g, offset, true, nil
}

// hold takes n bytes of what tees may keep back, or gives them back when n is negative.
func (l *Log) hold(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 && l.held+n > heldBytes {
		return false
	}
	l.held += n
	return true
}

func (l *Log) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Mark notes what became of entry id, whose Seal has returned. It does not wait for
// the disk: the mark is written with the next group, or within 50 ms, and kept until it
// is durable. The error is ErrClosed, ErrTooLarge, or that too many marks wait.
func (l *Log) Mark(id [16]byte, kind Kind, payload []byte) error {
	rec, err := l.mark(id, kind, payload)
	if err != nil {
		return err
	}
	return l.queueMark(rec)
}

// MarkNow is Mark for a mark that must not be lost in a crash: it returns when that is as durable as an entry
// after Seal. A disk that fails, or is not done when ctx ends, makes it an ordinary mark.
func (l *Log) MarkNow(ctx context.Context, id [16]byte, kind Kind, payload []byte) error {
	rec, err := l.mark(id, kind, payload)
	if err != nil {
		return err
	}
	var g *group
	epoch, err := l.state()
	if err == nil {
		h := synced
		if !l.sync {
			h = written
		}
		g, _, err = l.add(ctx, rec, epoch, h)
	}
	if err == nil {
		err = l.stored(ctx, g)
	}
	if err != nil {
		return l.queueMark(rec) // a mark that is in the log twice says nothing new
	}
	return nil
}

// mark returns a mark as a record.
func (l *Log) mark(id [16]byte, kind Kind, payload []byte) (rec []byte, err error) {
	if !kind.isMark() {
		return nil, fmt.Errorf("record kind %d is not a mark", kind)
	}
	if len(payload) > maxMarkPayload {
		return nil, ErrTooLarge
	}
	rec = beginRecord(make([]byte, 0, recordHeaderSize+len(payload)+wrapOverhead+len(keyID{})))
	rec = appendMark(rec, l.keys, id, kind, payload)
	endRecord(rec, kind, id)
	return rec, nil
}

func (l *Log) queueMark(rec []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if len(l.marks) >= maxQueuedMarks {
		l.metrics.failures.WithLabelValues(failMark).Inc()
		return errors.New("too many marks wait for the disk")
	}
	l.marks = append(l.marks, mark{rec})
	l.later()
	return nil
}

// later sees to it that what nobody waits for is written and synced before long: one timer for
// all that comes until it fires. It needs the mutex.
func (l *Log) later() {
	if l.lazyArmed {
		return
	}
	l.lazyArmed = true
	time.AfterFunc(lazyDelay, func() {
		l.mu.Lock()
		l.lazyArmed, l.lazyDue = false, true
		l.mu.Unlock()
		l.wake()
	})
}

// stored waits until a group is durable or, without Options.Sync, written.
func (l *Log) stored(ctx context.Context, g *group) error {
	if !l.sync {
		if err := wait(ctx, g.written); err != nil {
			return err
		}
		return g.writeErr
	}
	if err := wait(ctx, g.synced); err != nil {
		return err
	}
	return g.syncErr
}

// Wait returns when there are durable records behind pos, when ctx ends, or with
// ErrClosed when the log is closed.
func (l *Log) Wait(ctx context.Context, pos Position) error {
	for {
		l.mu.Lock()
		ready, moved := pos.Before(l.synced), l.moved
		l.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-moved:
		case <-l.done:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// publish tells readers that records up to pos are durable.
func (l *Log) publish(pos Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = pos
	if n := len(l.spans); n > 0 && l.spans[n-1].seq == pos.Segment {
		l.spans[n-1].end = pos.Offset
	}
	close(l.moved)
	l.moved = make(chan struct{})
}

// span returns what is readable of segment seq or, when there is none of that
// number, of the next one. more says that a later segment exists.
func (l *Log) span(seq uint64) (s span, more, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.spans {
		if s.seq >= seq {
			return s, i+1 < len(l.spans), true
		}
	}
	return span{}, false, false
}
