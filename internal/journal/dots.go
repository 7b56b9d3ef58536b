package journal

import (
	"bytes"
	"io"
)

// undot undoes the dot-stuffing of RFC 5321, 4.5.2: a dot that begins a line goes.
type undot struct {
	io.ReadCloser
	inside bool // not at the begin of a line
	cr     bool // the last byte was a CR
}

// Read reads into p and closes the gaps there: the result is never longer than the input.
func (u *undot) Read(p []byte) (int, error) {
	for {
		n, err := u.ReadCloser.Read(p)
		if n = u.strip(p[:n]); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

var lineDot = []byte("\r\n.")

func (u *undot) strip(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	// The line break may lie on the border to what was read before.
	var from, to int
	switch {
	case !u.inside && p[0] == '.':
		from = 1
	case u.cr && p[0] == '\n' && len(p) > 1 && p[1] == '.':
		from, to = 2, 1
	}
	lineStart := len(p) == 1 && u.cr && p[0] == '\n'
	for {
		i := bytes.Index(p[from:], lineDot)
		if i < 0 {
			break
		}
		to += copy(p[to:], p[from:from+i+2])
		from += i + 3
	}
	rest := p[from:]
	u.inside = !bytes.HasSuffix(rest, lineDot[:2]) && !lineStart
	u.cr = bytes.HasSuffix(rest, lineDot[:1])
	return to + copy(p[to:], rest)
}
