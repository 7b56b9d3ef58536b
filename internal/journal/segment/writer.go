package segment

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrTooLarge says that a message or its metadata exceeds what an entry can hold.
	ErrTooLarge = errors.New("message is too large for the log")
	// ErrClosed says that the log, or the writer, was closed.
	ErrClosed = errors.New("log is closed")
	// ErrFailed says that the disk failed after a part of the message had been written.
	ErrFailed = errors.New("disk failed while the message was being written")
	// ErrTimeout says that the disk did not keep up.
	ErrTimeout = errors.New("disk is too slow")
	// ErrBehind says that a tee came faster than the disk could take it.
	ErrBehind = errors.New("disk is behind")
)

// Writer takes the body of one entry. It is used by one goroutine. It holds at
// most 300 KiB, whatever the size of the body; a tee may hold more while the disk is behind.
type Writer struct {
	log   *Log
	id    [16]byte
	epoch uint64 // of the log when the writer began
	err   error  // the first error; it stays

	plain  []byte // the part of the body that is not in a chunk yet
	size   int64  // of the whole body so far
	key    dataKey
	keyed  bool
	chunks []Location
	// The chunks that were handed over and whose places are not known yet: at most one, unless the writer is a tee.
	waiting []handedOver
	tee     bool
	held    [][]byte // chunks of a tee that found no room yet
	skip    int      // chunks to store without trying to compress them
	handed  bool
}

type handedOver struct {
	group  *group
	offset int
}

// Begin starts an entry. Errors show at the first Write or at Seal.
func (l *Log) Begin(id [16]byte) *Writer {
	w := &Writer{log: l, id: id}
	w.epoch, w.err = l.state()
	return w
}

// Tee makes Write wait for nothing. When the disk does not keep up, what comes is kept in memory, a few
// megabytes for all tees together; then Write returns ErrBehind. It is called before the first Write.
func (w *Writer) Tee() { w.tee = true }

// Expect says how large the body will be, so that its buffer need not grow. It may be wrong.
func (w *Writer) Expect(size int64) {
	if w.err == nil && size > 0 {
		w.grow(int(min(size, chunkBytes)))
	}
}

// Write adds p to the body; p may be reused afterwards. It waits for the disk only
// when the log is behind by more than a group, and at most for Options.Timeout.
// After an error all further calls return it.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for w.err == nil && len(p) > 0 {
		if len(w.plain) == chunkBytes {
			if w.err = w.flush(); w.err != nil {
				break
			}
		}
		part := min(len(p), chunkBytes-len(w.plain))
		w.grow(len(w.plain) + part)
		w.plain = append(w.plain, p[:part]...)
		w.size += int64(part)
		p = p[part:]
	}
	return n - len(p), w.err
}

func (w *Writer) grow(size int) {
	if size <= cap(w.plain) {
		return
	}
	if cap(w.plain) > 0 {
		size = max(size, min(4*cap(w.plain), chunkBytes))
	}
	bigger := append(w.log.bufs.get(size), w.plain...)
	w.log.bufs.put(w.plain)
	w.plain = bigger
}

// flush hands the full buffer over as a chunk record.
func (w *Writer) flush() error {
	n := len(w.chunks) + len(w.waiting) + len(w.held)
	if n+1 >= maxChunks {
		return ErrTooLarge
	}
	rec := beginRecord(w.log.bufs.get(chunkBytes + 4096))
	kept := false
	defer func() {
		if !kept {
			w.log.bufs.put(rec)
		}
	}()
	if err := w.needKey(); err != nil {
		return err
	}
	rec = w.appendPiece(rec, n, roleMiddle)
	endRecord(rec, kindChunk, w.id)
	var err error
	if w.tee {
		kept, err = w.pass(rec)
	} else {
		ctx, cancel := context.WithTimeoutCause(context.Background(), w.log.timeout, ErrTimeout)
		defer cancel()
		if err = w.await(ctx); err == nil {
			err = w.hand(ctx, rec)
		}
	}
	if err == nil {
		w.plain = w.plain[:0]
	}
	return err
}

// hand gives a chunk to the disk; it waits for room.
func (w *Writer) hand(ctx context.Context, rec []byte) error {
	g, offset, err := w.log.add(ctx, rec, w.epoch, written)
	if err == nil {
		w.waiting = append(w.waiting, handedOver{g, offset})
	}
	return err
}

// pass gives a chunk to the disk, or keeps it, behind those that are kept already.
func (w *Writer) pass(rec []byte) (kept bool, err error) {
	if err := w.learn(); err != nil {
		return false, err
	}
	for len(w.held) > 0 {
		ok, err := w.offer(w.held[0])
		if err != nil {
			return false, err
		}
		if !ok {
			break
		}
		w.drop()
	}
	if len(w.held) == 0 {
		if ok, err := w.offer(rec); ok || err != nil {
			return false, err
		}
	}
	if !w.log.hold(len(rec)) {
		return false, ErrBehind
	}
	w.held = append(w.held, rec)
	return true, nil
}

func (w *Writer) offer(rec []byte) (bool, error) {
	g, offset, ok, err := w.log.offer(rec, w.epoch, written)
	if ok {
		w.waiting = append(w.waiting, handedOver{g, offset})
	}
	return ok, err
}

// drop frees the first chunk that was kept.
func (w *Writer) drop() {
	w.log.hold(-len(w.held[0]))
	w.log.bufs.put(w.held[0])
	w.held = w.held[1:]
}

// appendPiece appends what is held back as piece n. Data that did not shrink is
// most likely followed by more of the same, so the next pieces are not even tried.
func (w *Writer) appendPiece(rec []byte, n int, r role) []byte {
	try := w.skip == 0
	rec, shrunk := w.log.codec.appendPiece(rec, w.plain, &w.key, n, r, try)
	switch {
	case try && !shrunk:
		w.skip = 7
	case !try:
		w.skip--
	}
	return rec
}

func (w *Writer) needKey() (err error) {
	if !w.keyed {
		w.key, err = w.log.codec.newDataKey(w.id)
		w.keyed = err == nil
	}
	return err
}

// await learns where the chunks went. It waits for them to be written.
func (w *Writer) await(ctx context.Context) error {
	for len(w.waiting) > 0 {
		if err := wait(ctx, w.waiting[0].group.written); err != nil {
			return err
		}
		if err := w.located(); err != nil {
			return err
		}
	}
	return nil
}

// learn is await for what is written by now.
func (w *Writer) learn() error {
	for len(w.waiting) > 0 {
		select {
		case <-w.waiting[0].group.written:
			if err := w.located(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// located notes the place of the first chunk that waits. Its group is written.
func (w *Writer) located() error {
	first := w.waiting[0]
	if err := first.group.writeErr; err != nil {
		return err
	}
	at := first.group.base
	at.Offset += int64(first.offset)
	w.chunks = append(w.chunks, at)
	w.waiting = w.waiting[1:]
	return nil
}

// Seal ends the entry: when it returns nil, the entry is on disk (with Options.Sync;
// else it is in memory, to be written and synced soon). meta is stored encrypted beside the body. After
// an error the entry may yet be found in the log if Handed says so. Seal waits at most
// until ctx ends or for Options.Timeout.
func (w *Writer) Seal(ctx context.Context, meta []byte) error {
	if w.err != nil {
		return w.err
	}
	begin := time.Now()
	if w.err = w.seal(ctx, meta); w.err != nil {
		w.log.metrics.failures.WithLabelValues(failureKind(w.err)).Inc()
		return w.err
	}
	w.log.metrics.append.Observe(time.Since(begin).Seconds())
	w.release(ErrClosed)
	return nil
}

func (w *Writer) seal(ctx context.Context, meta []byte) error {
	if len(meta) > maxMeta {
		return ErrTooLarge
	}
	if err := w.needKey(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.log.timeout, ErrTimeout)
	defer cancel()
	for len(w.held) > 0 {
		if err := w.hand(ctx, w.held[0]); err != nil {
			return err
		}
		w.drop()
	}
	if err := w.await(ctx); err != nil {
		return err
	}
	g, err := w.addEntry(ctx, meta)
	if err != nil || !w.log.sync {
		return err
	}
	return w.log.stored(ctx, g)
}

// addEntry gives the last piece of the body and the metadata to the disk. Its buffers are free when it returns: most
// of the writers that wait at a busy moment wait for a sync, and hold no memory for that.
func (w *Writer) addEntry(ctx context.Context, meta []byte) (*group, error) {
	// Both copies of the body: the encoder may write more than it reads before it gives up.
	rec := beginRecord(w.log.bufs.get(len(w.plain) + len(w.plain)/64 + len(meta) + len(w.chunks)*chunkRefSize + 1024))
	defer func() { w.log.bufs.put(rec) }()
	rec = appendEntryHead(rec, &w.key, entryHead{chunks: w.chunks, size: w.size, meta: meta})
	rec = w.appendPiece(rec, len(w.chunks), roleLast)
	endRecord(rec, KindEntry, w.id)
	w.log.bufs.put(w.plain)
	w.plain = nil

	h := synced
	if !w.log.sync {
		h = lazily
	}
	g, _, err := w.log.add(ctx, rec, w.epoch, h)
	w.handed = err == nil
	return g, err
}

// Handed reports whether the entry was given to the disk, so that it may be found
// in the log after a crash even though Seal failed.
func (w *Writer) Handed() bool { return w.handed }

// Abort gives the entry up and frees its memory. What was written of it stays in the
// log, refers to nothing and is never read. It does nothing after Seal.
func (w *Writer) Abort() { w.release(ErrClosed) }

func (w *Writer) release(err error) {
	if w.err == nil {
		w.err = err
	}
	w.log.bufs.put(w.plain)
	w.plain, w.waiting = nil, nil
	for len(w.held) > 0 {
		w.drop()
	}
}

// wait returns nil when ch is closed, or the cause why ctx ended first.
func wait(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	default:
	}
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
