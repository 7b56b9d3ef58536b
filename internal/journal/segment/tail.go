package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Record is an entry or a mark, without the body.
type Record struct {
	Kind Kind
	ID   [16]byte
	Loc  Location // where Read finds the entry
	Next Position // behind the record
	Meta []byte   // metadata of an entry, payload of a mark
	Size int64    // bytes of the body; zero for a mark
}

// Tail reads the durable records of a log in their order, and goes on when more
// have come. It is used by one goroutine and must be closed.
type Tail struct {
	log  *Log
	pos  Position
	file File
	seq  uint64
	scan scanner
	head []byte // memory for the begin of an entry
}

// Tail starts at pos, which is the zero Position or the Next of a Record.
func (l *Log) Tail(pos Position) *Tail { return &Tail{log: l, pos: pos} }

// Position is where the next record will be looked for; it is what to Wait for after io.EOF.
func (t *Tail) Position() Position { return t.pos }

// Close frees the file.
func (t *Tail) Close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

// Next returns the next entry or mark. At the end of what is durable the error is
// io.EOF; later calls find what has come since. Damage is logged, counted and
// skipped. Any other error is one of reading the disk and may go away.
func (t *Tail) Next(ctx context.Context) (Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Record{}, err
		}
		s, more, ok := t.log.span(t.pos.Segment)
		if !ok {
			return Record{}, io.EOF
		}
		if s.seq != t.pos.Segment || t.pos.Offset < segmentHeaderSize {
			t.pos = Position{s.seq, segmentHeaderSize}
		}
		if t.pos.Offset >= s.end {
			if !more {
				return Record{}, io.EOF
			}
			t.pos = Position{s.seq + 1, 0} // or the next that there is
			continue
		}
		if err := t.open(s); err != nil {
			return Record{}, err
		}
		rec, ok, err := t.read()
		if err != nil {
			return Record{}, fmt.Errorf("reading %s: %w", t.pos, err)
		}
		if ok {
			return rec, nil
		}
	}
}

// open brings the scanner to the position.
func (t *Tail) open(s span) error {
	if t.file == nil || t.seq != s.seq {
		if err := t.Close(); err != nil {
			return err
		}
		f, err := t.log.fs.Open(filePath(t.log.dir, s.seq))
		if err != nil {
			return fmt.Errorf("reading segment: %w", err)
		}
		t.file, t.seq = f, s.seq
		t.scan = scanner{win: window{src: f, buf: t.scan.win.buf[:0]}, seq: s.seq}
	}
	if s.end != t.scan.end {
		t.scan.win.forget() // it may hold zeros that are records now
	}
	t.scan.off, t.scan.end = t.pos.Offset, s.end
	return nil
}

// read returns the next record of the segment; ok is false when it is a chunk, damaged, or the last.
func (t *Tail) read() (rec Record, ok bool, err error) {
	h, off, skipped, err := t.scan.next()
	if skipped > 0 {
		t.log.corrupt(t.pos, skipped, ErrDamaged)
	}
	if errors.Is(err, io.EOF) {
		t.pos.Offset = t.scan.end
		return rec, false, nil
	}
	if err != nil {
		return rec, false, err
	}
	at := Location{t.seq, off}
	next := Position{t.seq, h.end(off)}
	if h.kind == kindChunk {
		t.pos = next
		return rec, false, nil
	}
	rec = Record{Kind: h.kind, ID: h.id, Loc: at, Next: next}
	damage, err := t.fill(&rec, h)
	if err != nil {
		return rec, false, err
	}
	if damage != nil {
		t.log.corrupt(at, int64(h.size)+recordHeaderSize, damage)
	}
	t.pos = next
	return rec, damage == nil, nil
}

// fill reads the metadata of rec. damage says why it cannot be read, ever.
func (t *Tail) fill(rec *Record, h recordHeader) (damage, err error) {
	at := rec.Loc.Offset + recordHeaderSize
	if h.kind.isMark() {
		b, err := t.scan.win.peek(at, h.size)
		if err != nil {
			return nil, err
		}
		rec.Meta, damage = openMark(t.log.keys, h, b)
		return damage, nil
	}
	b, err := t.scan.win.peek(at, min(h.size, wrappedKeySize+4))
	if err != nil {
		return nil, err
	}
	n, damage := sealedSize(b)
	if damage != nil {
		return damage, nil
	}
	if b, err = t.scan.win.peek(at, min(h.size, wrappedKeySize+4+n)); err != nil {
		return nil, err
	}
	t.head = append(t.head[:0], b...) // it is decrypted where it stands
	head, _, _, damage := t.log.codec.openEntryHead(h.id, t.head)
	rec.Meta, rec.Size = head.meta, head.size
	return damage, nil
}
