package segment

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

const (
	// lazyDelay is how long what nobody waits for may stay in memory without the company of a
	// message: marks and, without Options.Sync, messages.
	lazyDelay = 50 * time.Millisecond

	// zeroAhead is how far zeros are written behind a group. Overwriting a block that was
	// written before needs no commit of the file system's journal, which makes the next
	// syncs about a third cheaper than on a file that is only allocated.
	zeroAhead = 256 << 10
	// minSegment is the least that is worth allocating on a disk that is nearly full.
	minSegment = 1 << 20

	// minGather is the duration of a sync below which it is not worth to wait for company.
	minGather = 400 * time.Microsecond

	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// zeros is never written to.
var zeros [zeroAhead]byte

// appender is the one that writes. All fields belong to its goroutine.
type appender struct {
	*Log
	file     File // nil while there is no segment to write to
	seq      uint64
	off      int64 // end of what was written
	synced   int64 // end of what is durable
	zeroed   int64 // zeros were written up to here
	capacity int64
	unsynced []mark // written but not durable
	lastSeq  uint64 // the highest number that was ever tried
	spare    []byte // buffer of the last group

	lastSync time.Duration
	expected int // how many writers there seem to be

	syncBy  time.Time // when something must reach the disk at the latest; zero: nothing waits
	backoff time.Duration
}

func (a *appender) run() {
	defer close(a.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-a.kick:
		case <-timer.C:
		case <-a.stop:
			a.finish()
			return
		}
		wait := a.waiting()
		due := !a.syncBy.IsZero() && !time.Now().Before(a.syncBy)
		if wait || due {
			a.turn(due)
		}
		if a.syncBy.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(a.syncBy))
		}
	}
}

// waiting reports whether somebody waits for records to be written, or so many have come that
// they should be. What nobody waits for is written when the lazy timer runs out.
func (a *appender) waiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down == nil && a.lazyDue {
		a.lazyDue = false
		a.needSyncWithin(0)
	}
	return a.next.urgent || len(a.next.buf) >= groupBytes/4
}

func (a *appender) needSyncWithin(d time.Duration) {
	if by := time.Now().Add(d); a.syncBy.IsZero() || by.Before(a.syncBy) {
		a.syncBy = by
	}
}

// turn writes the next group and syncs it if somebody waits for that or must is set.
func (a *appender) turn(must bool) {
	a.busySince.Store(time.Now().UnixNano())
	defer a.busySince.Store(0)

	a.gather()
	g, marks := a.take()
	if err := a.write(g); err != nil {
		a.fail(g, marks, err)
		return
	}
	a.unsynced = append(a.unsynced, marks...)
	close(g.written)
	if !must && g.waiters == 0 {
		close(g.synced) // nobody waits for it
		a.spare = g.buf
		return
	}
	if err := a.syncFile(); err != nil {
		g.syncErr = err
		close(g.synced)
		a.failSegment(nil, err)
		return
	}
	a.mu.Lock()
	a.expected = g.waiters + a.next.waiters
	a.mu.Unlock()
	close(g.synced)
	a.spare = g.buf
}

// gather waits a moment, an eighth of a sync at most, for as many writers as there were
// at the end of the last sync, those who had waited for it and those who came meanwhile.
// Without that the two camps take turns, and each message waits for two syncs.
func (a *appender) gather() {
	if a.expected < 2 || a.lastSync < minGather {
		return
	}
	timer := time.NewTimer(a.lastSync / 8)
	defer timer.Stop()
	for {
		a.mu.Lock()
		enough := a.next.waiters >= a.expected || len(a.next.buf) >= groupBytes/2
		a.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-a.kick:
		case <-timer.C:
			return
		}
	}
}

// take closes the next group and adds the marks that wait: they come after the
// records they belong to, which were written before or are in this group.
func (a *appender) take() (*group, []mark) {
	a.mu.Lock()
	g, marks := a.next, a.marks
	a.next, a.marks = newGroup(a.spare), nil
	a.mu.Unlock()
	a.spare = nil
	close(g.taken)
	for _, m := range marks {
		g.add(m.rec)
	}
	return g, marks
}

func (a *appender) write(g *group) error {
	if err := a.ready(int64(len(g.buf))); err != nil {
		return err
	}
	if len(g.buf) == 0 {
		return nil
	}
	for _, off := range g.recs {
		stampRecord(g.buf[off:off+recordHeaderSize], a.seq, a.synced)
	}
	n := len(g.buf)
	if end := a.off + int64(n); end > a.zeroed {
		g.buf = append(g.buf, zeros[:max(0, min(zeroAhead, a.capacity-end))]...)
		a.zeroed = a.off + int64(len(g.buf))
	}
	if _, err := a.file.WriteAt(g.buf, a.off); err != nil {
		a.metrics.failures.WithLabelValues(failWrite).Inc()
		return fmt.Errorf("writing %s: %w", fileName(a.seq), err)
	}
	g.base = Location{a.seq, a.off}
	a.off += int64(n)
	a.metrics.bytes.Add(float64(n))
	return nil
}

// ready sees to it that there is a segment with room for n bytes.
func (a *appender) ready(n int64) error {
	if a.file != nil {
		if a.off+n <= a.capacity || a.off == segmentHeaderSize {
			return nil
		}
		if err := a.syncFile(); err != nil {
			return err
		}
		a.closeFile()
	}
	if err := a.create(); err != nil {
		a.metrics.failures.WithLabelValues(failCreate).Inc()
		return err
	}
	return nil
}

// syncFile makes everything that was written durable and tells the readers.
func (a *appender) syncFile() error {
	a.syncBy = time.Time{}
	if a.file == nil || a.synced == a.off {
		return nil
	}
	begin := time.Now()
	if err := a.file.Sync(); err != nil {
		a.metrics.failures.WithLabelValues(failSync).Inc()
		return fmt.Errorf("syncing %s: %w", fileName(a.seq), err)
	}
	a.lastSync = time.Since(begin)
	a.metrics.syncs.Observe(a.lastSync.Seconds())
	a.synced = a.off
	a.unsynced = a.unsynced[:0]
	a.publish(Position{a.seq, a.off})
	return nil
}

// fail ends a group that did not reach the disk, and the segment with it.
func (a *appender) fail(g *group, marks []mark, err error) {
	a.failSegment(marks, err)
	a.lose(g, err)
	a.spare = g.buf
}

// failSegment ends the segment at its last acknowledged byte. After a failed sync the
// kernel may have dropped what was not on disk and report the next sync as a success,
// so nothing is tried again: the records that gather at this moment fail too,
// and writers with chunks in the log learn it by the epoch. Only marks, which nobody
// waits for, are kept for the next segment.
func (a *appender) failSegment(marks []mark, err error) {
	failed := a.file != nil
	if failed {
		end := a.synced
		if !a.Log.sync {
			end = a.off // acknowledged when written
		}
		a.off = end
		a.closeFile()
		a.log.Error("journal segment failed and is closed", "segment", fileName(a.seq), "end", end, "err", err)
	}
	// A new segment is tried at once; only when that fails too, we wait.
	var down error
	if failed {
		a.needSyncWithin(0)
	} else {
		down = err
		a.backoff = min(max(2*a.backoff, minBackoff), maxBackoff)
		a.syncBy = time.Now().Add(a.backoff)
	}

	kept := slices.Concat(a.unsynced, marks)
	a.unsynced = nil
	a.mu.Lock()
	if a.down == nil && down != nil {
		a.log.Error("journal cannot be written", "err", err)
		a.metrics.writable.Set(0)
	}
	a.epoch++
	a.down = down
	a.marks = append(kept, a.marks...)
	next := a.next
	a.next = newGroup(nil)
	a.mu.Unlock()
	close(next.taken)
	a.lose(next, err)
}

// lose fails everybody who waits for a group, and counts what nobody waits for.
func (a *appender) lose(g *group, err error) {
	g.fail(err)
	if g.lazy > 0 {
		a.metrics.failures.WithLabelValues(failLost).Add(float64(g.lazy))
		a.log.Error("messages did not reach the journal", "messages", g.lazy, "err", err)
	}
}

// closeFile ends the current segment at off.
func (a *appender) closeFile() {
	if err := a.file.Close(); err != nil {
		a.log.Warn("closing a journal segment", "segment", fileName(a.seq), "err", err)
	}
	a.file = nil
	a.mu.Lock()
	a.spans[len(a.spans)-1].end = a.off
	a.mu.Unlock()
}

// create starts the next segment: durably, file and name, before the first record.
func (a *appender) create() error {
	a.lastSeq++
	seq := a.lastSeq
	name := filePath(a.dir, seq)
	h := segmentHeader{seq: seq, current: a.keys.keys[0].id}
	a.mu.Lock()
	if n := len(a.spans); n > 0 {
		h.prev = Position{a.spans[n-1].seq, a.spans[n-1].end}
	}
	a.mu.Unlock()

	f, err := a.fs.Create(name)
	if err != nil {
		return fmt.Errorf("creating segment: %w", err)
	}
	capacity, err := a.allocate(f)
	if err == nil {
		_, err = f.WriteAt(h.encode(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = a.fs.SyncDir(a.dir)
	}
	if err != nil {
		_ = f.Close()         // err says more
		_ = a.fs.Remove(name) // if it stays, it is empty and ignored
		return fmt.Errorf("creating segment %s: %w", fileName(seq), err)
	}
	a.file, a.seq, a.capacity = f, seq, capacity
	a.off, a.synced, a.zeroed = segmentHeaderSize, segmentHeaderSize, segmentHeaderSize
	a.backoff = 0
	a.mu.Lock()
	if a.down != nil {
		a.log.Info("journal can be written again", "segment", fileName(seq))
	}
	a.down = nil
	a.spans = append(a.spans, span{seq, segmentHeaderSize})
	a.metrics.segments.Set(float64(len(a.spans)))
	a.mu.Unlock()
	a.metrics.writable.Set(1)
	a.publish(Position{seq, segmentHeaderSize})
	a.trim(h.prev)
	return nil
}

// allocate reserves a segment, or less of it on a disk that is nearly full.
func (a *appender) allocate(f File) (capacity int64, err error) {
	for capacity = a.segmentBytes; ; capacity /= 2 {
		err = f.Allocate(capacity)
		switch {
		case err == nil:
			return capacity, nil
		case errors.Is(err, errors.ErrUnsupported):
			return a.segmentBytes, nil
		case !errors.Is(err, syscall.ENOSPC) || capacity/2 < min(minSegment, a.segmentBytes):
			return 0, err
		}
	}
}

// trim gives back what a finished segment has allocated but not used. The end is
// on record in the next segment, so this may fail without harm.
func (a *appender) trim(prev Position) {
	if prev.Segment == 0 {
		return
	}
	if err := a.fs.Truncate(filePath(a.dir, prev.Segment), prev.Offset); err != nil {
		a.log.Warn("trimming a journal segment", "segment", fileName(prev.Segment), "err", err)
	}
}

// finish writes what is left and closes the segment.
func (a *appender) finish() {
	a.turn(true)
	if a.file == nil {
		a.turn(true) // the segment failed just now: the marks go to another
	}
	if a.file == nil {
		a.mu.Lock()
		a.closeErr = a.down
		a.mu.Unlock()
		return
	}
	pos := Position{a.seq, a.off}
	a.closeFile()
	a.trim(pos)
}
