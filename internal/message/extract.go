package message

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// ErrNoAttachment says that the message has no attachment of that index.
var ErrNoAttachment = errors.New("no such attachment")

// OpenAttachment returns the decoded bytes of the attachment that stands at index in
// Message.Attachments, where Parse with the same Options read the same message. It
// reads raw while the caller reads, holds no more than a buffer of it, and closes it
// when it is closed itself, which the caller must do. An index that is not there shows
// as ErrNoAttachment at the first Read.
func OpenAttachment(raw io.ReadCloser, index int, o Options) io.ReadCloser {
	pr, pw := io.Pipe()
	a := &attachmentReader{PipeReader: pr, raw: raw, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		p := newParser(raw, o.withDefaults())
		out := bufio.NewWriterSize(pw, lineBuffer) // a line at a time would cost a change of goroutines each
		p.want, p.wantOut = index, out
		h := p.topHeader()
		p.guarded(func() { p.body(h, part{}) })
		p.in.release()
		if err := out.Flush(); p.err == nil {
			p.err = err
		}
		switch {
		case p.err != nil:
			pw.CloseWithError(fmt.Errorf("reading attachment %d: %w", index, p.err))
		case index < 0 || index >= len(p.attachments):
			pw.CloseWithError(fmt.Errorf("attachment %d: %w", index, ErrNoAttachment))
		default:
			_ = pw.Close() // never fails
		}
	}()
	return a
}

type attachmentReader struct {
	*io.PipeReader
	raw  io.ReadCloser
	done chan struct{}
}

// Close waits until raw is no longer read.
func (a *attachmentReader) Close() error {
	_ = a.PipeReader.Close()
	<-a.done
	return a.raw.Close()
}
