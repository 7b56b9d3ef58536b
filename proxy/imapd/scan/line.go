package scan

import "bytes"

const (
	// tailSize is how much of the end of a cut line is kept: the longest announcement of a
	// literal, the byte before it and the CR.
	tailSize = 32
	// keepLine is the largest line buffer that survives its line. Most split lines are short.
	keepLine = 1 << 10
)

// line puts together a line that is split over several reads.
type line struct {
	buf  []byte // its first MaxText+1 bytes: a CR more than MaxText
	size int64  // bytes so far
	tail []byte // its last bytes, once it is longer than buf
	used bool   // buf was given out with the last event
}

// open makes room for a line after the last one was given out.
func (l *line) open() {
	if !l.used {
		return
	}
	l.used, l.size, l.buf, l.tail = false, 0, l.buf[:0], l.tail[:0]
	if cap(l.buf) > keepLine {
		l.buf = nil
	}
}

// add notes bytes of a line that goes on.
func (l *line) add(p []byte) {
	l.size += int64(len(p))
	room := min(len(p), MaxText+1-len(l.buf))
	l.buf = append(l.buf, p[:room]...)
	if p = p[room:]; len(p) == 0 {
		return
	}
	if len(l.tail) == 0 {
		l.tail = append(l.tail, l.buf[len(l.buf)-tailSize:]...)
	}
	p = p[max(0, len(p)-tailSize):]
	keep := copy(l.tail, l.tail[min(len(l.tail), len(l.tail)+len(p)-tailSize):])
	l.tail = append(l.tail[:keep], p...)
}

// end returns the line of which p, without its LF, is the last piece. The end of the line is
// that of text, unless cut is set.
func (l *line) end(p []byte) (text, end []byte, cut bool) {
	if l.size > 0 {
		l.add(p)
		l.used = true
		p = l.buf
		if len(l.tail) > 0 {
			return l.buf[:MaxText], bytes.TrimSuffix(l.tail, crBytes), true
		}
	}
	p = bytes.TrimSuffix(p, crBytes)
	if len(p) > MaxText {
		return p[:MaxText], p, true
	}
	return p, p, false
}

var crBytes = []byte{'\r'}

// empty says that no byte of the next line has been seen.
func (l *line) empty() bool { return l.size == 0 || l.used }

// last returns the last byte of a line under way that is not cut, 0 if there is none.
func (l *line) last() byte {
	if l.empty() {
		return 0
	}
	return l.buf[len(l.buf)-1]
}

// release gives back what a long line has left behind.
func (l *line) release() {
	if l.used {
		*l = line{}
	}
}
