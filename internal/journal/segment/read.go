package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrDamaged says that a record cannot be read as it was written.
var ErrDamaged = errors.New("journal record is damaged")

// Read returns the metadata and the body of the entry at loc. The body is checked
// while it is read: it ends in io.EOF only when it is whole and unchanged. The
// caller closes it.
func (l *Log) Read(loc Location) (meta []byte, body io.ReadCloser, err error) {
	r := &bodyReader{log: l}
	meta, err = r.open(loc)
	if err != nil {
		_ = r.Close() // err says more
		return nil, nil, fmt.Errorf("reading entry at %s: %w", loc, err)
	}
	return meta, r, nil
}

// bodyReader reads one piece of a body after the other.
type bodyReader struct {
	log    *Log
	id     [16]byte
	head   entryHead
	key    dataKey
	last   []byte // the last piece, still encrypted
	n      int    // the piece that comes next
	plain  []byte // what is left of the current piece
	left   int64  // bytes of the body that are not unpacked yet
	file   File
	seq    uint64
	record []byte // memory for a chunk record
	unpack []byte // memory for a piece
	err    error
}

func (r *bodyReader) open(loc Location) (meta []byte, err error) {
	h, payload, err := r.load(loc, nil)
	if err != nil {
		return nil, err
	}
	if h.kind != KindEntry {
		return nil, fmt.Errorf("%w: not an entry", ErrDamaged)
	}
	r.id = h.id
	if r.head, r.key, r.last, err = r.log.codec.openEntryHead(h.id, payload); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r.left = r.head.size
	return r.head.meta, nil
}

// load reads the record at loc into memory.
func (r *bodyReader) load(loc Location, memory []byte) (h recordHeader, payload []byte, err error) {
	if r.file == nil || r.seq != loc.Segment {
		if r.file != nil {
			_ = r.file.Close() // only read
			r.file = nil
		}
		if r.file, err = r.log.fs.Open(filePath(r.log.dir, loc.Segment)); err != nil {
			return h, nil, err
		}
		r.seq = loc.Segment
	}
	var b [recordHeaderSize]byte
	if _, err := r.file.ReadAt(b[:], loc.Offset); err != nil {
		return h, nil, unlessEOF(err)
	}
	h, ok := parseRecordHeader(b[:], loc.Segment)
	if !ok {
		return h, nil, ErrDamaged
	}
	if cap(memory) < h.size {
		memory = make([]byte, h.size)
	}
	payload = memory[:h.size]
	if _, err := r.file.ReadAt(payload, loc.Offset+recordHeaderSize); err != nil {
		return h, nil, unlessEOF(err)
	}
	if crc32.Checksum(payload, castagnoli) != h.payload {
		return h, nil, ErrDamaged
	}
	return h, payload, nil
}

// unlessEOF turns the end of a file, where a record should be, into damage: io.EOF must
// never be taken for the end of a body.
func unlessEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrDamaged
	}
	return err
}

func (r *bodyReader) Read(p []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.err == nil {
			r.err = r.piece()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// piece unpacks the next piece of the body.
func (r *bodyReader) piece() error {
	n := r.n
	r.n++
	var err error
	switch {
	case n < len(r.head.chunks):
		at := r.head.chunks[n]
		var h recordHeader
		if h, r.record, err = r.load(at, r.record); err != nil {
			return fmt.Errorf("reading chunk at %s: %w", at, err)
		}
		if h.kind != kindChunk || h.id != r.id {
			return fmt.Errorf("%w: no chunk of the entry at %s", ErrDamaged, at)
		}
		if cap(r.unpack) < chunkBytes {
			r.unpack = make([]byte, 0, chunkBytes)
		}
		r.plain, err = r.log.codec.openPiece(r.unpack, r.record, &r.key, n, roleMiddle)
	case n == len(r.head.chunks):
		r.plain, err = r.log.codec.openPiece(r.unpack, r.last, &r.key, n, roleLast)
	case r.left != 0:
		return fmt.Errorf("%w: body is %d bytes short", ErrDamaged, r.left)
	default:
		return io.EOF
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r.left -= int64(len(r.plain))
	return nil
}

// Close frees the file. It may be called more than once.
func (r *bodyReader) Close() error {
	if r.err == nil {
		r.err = ErrClosed
	}
	r.plain = nil
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
