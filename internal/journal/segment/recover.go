package segment

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
)

// found is a segment file as recovery sees it.
type found struct {
	seq    uint64
	size   int64
	header segmentHeader
	intact bool // the header is readable
	end    int64
}

// recover reads what earlier processes left, and starts a new segment behind it.
func (l *Log) recover() (*appender, error) {
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return nil, err
	}
	var err error
	if l.lock, err = l.fs.Lock(l.dir); err != nil {
		return nil, err
	}
	segs, err := l.find()
	if err != nil {
		return nil, err
	}
	a := &appender{Log: l}
	var empty []found
	for i := range segs {
		s := &segs[i]
		a.lastSeq = s.seq
		if err := l.findEnd(segs, s); err != nil {
			return nil, err
		}
		if s.end <= segmentHeaderSize {
			empty = append(empty, *s)
			continue
		}
		l.spans = append(l.spans, span{s.seq, s.end})
		l.synced = Position{s.seq, s.end}
		// One that stands between others stays: nothing but its header tells where the one
		// before it ends.
		empty = nil
	}
	l.metrics.segments.Set(float64(len(l.spans)))
	if err := a.create(); err != nil {
		if !transient(err) {
			return nil, err
		}
		l.metrics.failures.WithLabelValues(failCreate).Inc()
		a.failSegment(nil, err)
		return a, nil
	}
	// Only now, since the new segment states where the last one with records ends.
	for _, s := range empty {
		if err := l.fs.Remove(filePath(l.dir, s.seq)); err != nil {
			l.log.Warn("removing an empty journal segment", "segment", fileName(s.seq), "err", err)
		}
	}
	return a, nil
}

// transient tells a disk that is full or failing, which may heal, from a mistake in the set-up.
func transient(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Exists reports whether there is a log with at least one segment in dir.
func Exists(fs FS, dir string) (bool, error) {
	if fs == nil {
		fs = OS
	}
	names, err := fs.List(dir)
	if errors.Is(err, syscall.ENOENT) {
		return false, nil
	}
	return slices.ContainsFunc(names, func(n string) bool { _, ok := parseFileName(n); return ok }), err
}

// find lists the segments and reads their headers.
func (l *Log) find() ([]found, error) {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return nil, err
	}
	var segs []found
	for _, name := range names {
		seq, ok := parseFileName(name)
		if !ok {
			continue
		}
		s := found{seq: seq}
		if err := l.readHeader(&s); err != nil {
			return nil, err
		}
		segs = append(segs, s)
	}
	slices.SortFunc(segs, func(a, b found) int {
		if a.seq < b.seq {
			return -1
		}
		return 1
	})
	return segs, nil
}

func (l *Log) readHeader(s *found) error {
	f, err := l.fs.Open(filePath(l.dir, s.seq))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if s.size, err = f.Size(); err != nil {
		return err
	}
	b := make([]byte, segmentHeaderSize)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		// An unreadable block: treated as a damaged header, the records may still be good.
		l.log.Error("reading a journal segment's header", "segment", fileName(s.seq), "err", err)
	}
	h, err := decodeSegmentHeader(b)
	if errors.Is(err, errTooNew) {
		return fmt.Errorf("%s: %w", fileName(s.seq), err)
	}
	s.header, s.intact = h, err == nil && h.seq == s.seq
	if s.intact && !l.keys.has(h.current) {
		return fmt.Errorf("%s was written with master key %s: %w (restore the key file that belongs to this journal)",
			fileName(s.seq), h.current, ErrNoKey)
	}
	return nil
}

// findEnd sets the end of the acknowledged records of s: as a later segment states it, or by a scan.
func (l *Log) findEnd(segs []found, s *found) error {
	stated := false
	for _, later := range segs {
		if later.intact && later.header.prev.Segment == s.seq {
			s.end, stated = later.header.prev.Offset, true
		}
	}
	if !stated {
		var err error
		if s.end, err = l.scan(s); err != nil {
			return err
		}
	}
	if !s.intact && s.end > segmentHeaderSize {
		l.corrupt(Location{s.seq, 0}, segmentHeaderSize, errBadHeader)
	}
	return nil
}

// scan finds the end of a segment that no other tells of, most often the last one, and
// syncs it, because what we found may be in memory only.
//
// The end is before the first bytes that are not a whole record: a torn tail. But when a
// later record says that the log was synced beyond these bytes, they are damage, not a
// tail, and the records behind them count.
func (l *Log) scan(s *found) (end int64, err error) {
	f, err := l.fs.Open(filePath(l.dir, s.seq))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // only read
	type run struct{ begin, end int64 }
	runs := []run{{segmentHeaderSize, segmentHeaderSize}}
	var synced int64
	sc := scanner{win: window{src: f}, seq: s.seq, off: segmentHeaderSize, end: s.size, verify: true}
	for {
		h, off, skipped, err := sc.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", fileName(s.seq), err)
		}
		if skipped > 0 {
			runs = append(runs, run{begin: off})
		}
		runs[len(runs)-1].end = h.end(off)
		synced = max(synced, h.synced)
	}
	end = runs[0].end
	for _, r := range runs[1:] {
		if synced <= end {
			break
		}
		end = r.end
	}
	if err := f.Sync(); err != nil {
		l.log.Error("syncing the last journal segment", "segment", fileName(s.seq), "err", err)
	}
	return end, nil
}

// corrupt reports bytes that should have been records.
func (l *Log) corrupt(at Location, n int64, err error) {
	l.metrics.corruptions.Inc()
	l.log.Error("journal segment is damaged; reading goes on behind the damage",
		"segment", filePath(l.dir, at.Segment), "offset", at.Offset, "bytes", n, "err", err)
}
