package segment

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
)

const windowSize = 64 << 10

// window reads a file forwards in large pieces.
type window struct {
	src io.ReaderAt
	buf []byte
	off int64 // of buf[0] in src
}

// peek returns n bytes at off, or fewer at the end of the file. The result is valid
// until the next call.
func (w *window) peek(off int64, n int) ([]byte, error) {
	if from := off - w.off; from >= 0 && from+int64(n) <= int64(len(w.buf)) {
		return w.buf[from : from+int64(n)], nil
	}
	size := max(n, windowSize)
	if cap(w.buf) < size || cap(w.buf) > 4*size {
		w.buf = make([]byte, size)
	}
	w.buf = w.buf[:max(windowSize, size)]
	read, err := w.src.ReadAt(w.buf, off)
	w.off, w.buf = off, w.buf[:read]
	if err != nil && !errors.Is(err, io.EOF) {
		w.buf = w.buf[:0]
		return nil, err
	}
	return w.buf[:min(n, read)], nil
}

// scanner finds the records of one segment.
type scanner struct {
	win    window
	seq    uint64
	off    int64 // where the next record should begin
	end    int64
	verify bool // check payloads too; else bodies are not read
}

// next returns the header of the next record and where it begins. skipped counts
// bytes before it that are no record. At the end the error is io.EOF, with skipped
// set when something other than zeros was left.
func (s *scanner) next() (h recordHeader, off, skipped int64, err error) {
	begin := s.off
	for {
		h, ok, err := s.at(s.off)
		if err != nil {
			return h, 0, 0, err
		}
		if ok && s.verify {
			good, err := s.payloadGood(h)
			if err != nil {
				return h, 0, 0, err
			}
			if !good { // a whole header can be trusted to say where the next record is
				s.off = h.end(s.off)
				continue
			}
		}
		if ok {
			off = s.off
			s.off = h.end(off)
			return h, off, off - begin, nil
		}
		if s.off, err = s.resync(s.off + 1); err != nil {
			if errors.Is(err, io.EOF) {
				skipped = s.end - begin
				s.off = s.end
			}
			return h, 0, skipped, err
		}
	}
}

// at reads the header at off.
func (s *scanner) at(off int64) (h recordHeader, ok bool, err error) {
	if s.end-off < recordHeaderSize {
		return h, false, nil
	}
	b, err := s.win.peek(off, recordHeaderSize)
	if err != nil {
		return h, false, err
	}
	h, ok = parseRecordHeader(b, s.seq)
	return h, ok && h.end(off) <= s.end, nil
}

func (s *scanner) payloadGood(h recordHeader) (bool, error) {
	sum := uint32(0)
	at, left := s.off+recordHeaderSize, h.size
	for left > 0 {
		b, err := s.win.peek(at, min(left, windowSize))
		if err != nil {
			return false, err
		}
		if len(b) == 0 {
			return false, nil
		}
		sum = crc32.Update(sum, castagnoli, b)
		at, left = at+int64(len(b)), left-len(b)
	}
	return sum == h.payload, nil
}

// resync searches for the next record header at or behind off.
func (s *scanner) resync(off int64) (int64, error) {
	for s.end-off >= recordHeaderSize {
		b, err := s.win.peek(off, int(min(windowSize, s.end-off)))
		if err != nil {
			return 0, err
		}
		if len(b) < recordHeaderSize {
			break
		}
		if bytes.Equal(b, zeros[:len(b)]) { // what is allocated and not used, most often
			off += int64(len(b) - recordHeaderSize + 1)
			continue
		}
		for i := 0; i+recordHeaderSize <= len(b); i++ {
			if h, ok := parseRecordHeader(b[i:], s.seq); ok && h.end(off+int64(i)) <= s.end {
				return off + int64(i), nil
			}
		}
		off += int64(len(b) - recordHeaderSize + 1)
	}
	return 0, io.EOF
}

// forget makes the next peek read the file again.
func (w *window) forget() { w.buf = w.buf[:0] }
