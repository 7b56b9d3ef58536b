package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

// lineBuffer is the longest run of octets handled at once. A longer line comes in
// pieces, of which only the first can be a boundary or begin a field.
const lineBuffer = 32 << 10

// lines cuts a stream into lines without copying. text is valid until the next call of next.
type lines struct {
	br    *bufio.Reader
	text  []byte // without its end
	eol   []byte // CRLF, LF, or nothing: a piece of a long line, or the stream's end
	start bool   // text begins a line
	held  bool   // next returns the same again
	err   error  // of the reader; io.EOF is none
}

// readers are used again: making their buffers would cost more than reading a short mail.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, lineBuffer) }}

func newLines(r io.Reader) *lines {
	br := readers.Get().(*bufio.Reader)
	br.Reset(r)
	return &lines{br: br, start: true, eol: lf}
}

// release gives the buffer back; text is no longer valid and there are no more lines.
func (l *lines) release() {
	br := l.br
	*l = lines{err: io.EOF}
	br.Reset(nil)
	readers.Put(br)
}

var (
	crlf = []byte("\r\n")
	lf   = []byte("\n")
)

// next moves on to the next line or piece; it returns false at the end or on an error.
func (l *lines) next() bool {
	if l.held {
		l.held = false
		return true
	}
	if l.err != nil {
		return false
	}
	l.start = len(l.eol) > 0
	b, err := l.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
		if b[len(b)-1] == '\r' { // it may belong to a line end
			_ = l.br.UnreadByte()
			b = b[:len(b)-1]
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	switch {
	case bytes.HasSuffix(b, crlf):
		l.text, l.eol = b[:len(b)-2], crlf
	case bytes.HasSuffix(b, lf):
		l.text, l.eol = b[:len(b)-1], lf
	default:
		l.text, l.eol = b, nil
	}
	return len(b) > 0
}

// hold makes the current line the next one.
func (l *lines) hold() { l.held = true }

// peek returns up to n octets behind the current line. It may move the buffer, so it
// first takes the current line out of it.
func (l *lines) peek(n int) []byte {
	if l.br.Buffered() < n {
		l.text = append([]byte(nil), l.text...)
	}
	b, _ := l.br.Peek(n)
	return b
}
