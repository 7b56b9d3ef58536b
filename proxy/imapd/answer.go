package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"heliograph/proxy/imapd/scan"
	"heliograph/proxy/upstream"
)

// Bounds on an upstream that has not let us in.
const (
	maxAnswer  = 64 << 10 // of one line
	maxAnswers = 1 << 20  // of all lines of one login
	// maxNonSync is the largest literal that a server with LITERAL- takes unasked (RFC 7888, 5).
	maxNonSync = 4096
)

// What an upstream must not say at a login.
var (
	errUnasked      = errors.New("an answer to what was not asked yet")
	errForeignTag   = errors.New("an answer to a command of nobody")
	errTooMuch      = errors.New("more than 1 MiB without an answer to the login")
	errPreauth      = errors.New("PREAUTH in the middle of a login")
	errLateLiteral  = errors.New("a literal before the login")
	errContinuation = errors.New("a continuation where none can be")
	errUnproven     = errors.New("OK before anything was proven")
)

// upstreamError is trouble with the upstream, as opposed to the client.
type upstreamError struct{ err error }

func (e *upstreamError) Error() string { return "upstream: " + e.err.Error() }
func (e *upstreamError) Unwrap() error { return e.err }

// class is the label of the metric of upstreams' errors.
func (e *upstreamError) class() upstream.Class {
	switch {
	case errors.Is(e.err, os.ErrDeadlineExceeded):
		return upstream.ClassTimeout
	case errors.Is(e.err, io.EOF):
		return upstream.ClassNetwork
	}
	for _, err := range []error{errUnasked, errForeignTag, errTooMuch, errPreauth, errLateLiteral, errContinuation, errUnproven, errLineTooLong} {
		if errors.Is(e.err, err) {
			return upstream.ClassProtocol
		}
	}
	return upstream.ClassNetwork
}

// dialogue is the talk with the upstream during one login. What it says is
// believed only as an answer to what was asked.
type dialogue struct {
	*preamble
	tag   string // of the client's command
	in    *wire
	left  int           // bytes that the upstream may still say
	time  time.Duration // that it may still take
	bye   bool          // it has said BYE
	quiet bool          // the client does not see responses of ID
	stop  func() bool   // of what interrupts it when the server drains
}

// answer is a line that ends a wait.
type answer struct {
	status scan.Status // OK, NO, BAD, or "+" for a continuation
	code   string      // response code, upper case
	line   []byte      // with its line end
}

// continuation is the status of an answer that asks for more.
const continuation scan.Status = "+"

func newDialogue(p *preamble, tag string) *dialogue {
	return &dialogue{preamble: p, tag: tag, left: maxAnswers, time: p.srv.timeouts.answer}
}

// dial connects to the upstream and tells it what the client said of itself.
func (d *dialogue) dial(ctx context.Context, target *upstream.Upstream) error {
	start := time.Now()
	dialling, cancel := context.WithTimeout(ctx, d.time)
	defer cancel()
	up, err := target.DialIMAP(dialling, d.clientInfo())
	if err != nil {
		return err
	}
	d.time -= time.Since(start)
	d.target, d.up, d.caps = target, up, up.Capabilities
	d.in = newWire(up, up.Buffered)
	up.Buffered = nil
	d.stop = context.AfterFunc(ctx, func() { _ = up.SetDeadline(past) })
	if params := renderID(d.clientID); params != nil && d.caps.Has("ID") {
		return d.sendID(ctx, params)
	}
	return nil
}

// close forgets what was said.
func (d *dialogue) close() {
	if d.in != nil {
		d.stop()
		clear(d.in.take())
	}
}

// release hands the connection over, with what the upstream said behind its answer.
func (d *dialogue) release() ([]byte, error) {
	d.stop()
	if err := d.up.SetDeadline(time.Time{}); err != nil {
		return nil, &upstreamError{err}
	}
	return d.in.take(), nil
}

// ask sends a piece of the login and waits for what the upstream says to it.
func (d *dialogue) ask(ctx context.Context, b []byte) (answer, error) {
	if err := d.unasked(); err != nil {
		return answer{}, &upstreamError{err}
	}
	start := time.Now()
	defer func() { d.time -= time.Since(start) }()
	_ = d.up.SetDeadline(start.Add(d.time)) // a closed connection fails at the write
	if ctx.Err() != nil {
		_ = d.up.SetDeadline(past)
	}
	if _, err := d.up.Write(b); err != nil {
		return answer{}, &upstreamError{err}
	}
	return d.answer()
}

// unasked checks that nothing which the upstream has said already can pass for an
// answer to what is sent now.
func (d *dialogue) unasked() error {
	for l := range bytes.Lines(d.in.buffered()) {
		if l[0] != '*' {
			return errUnasked
		}
	}
	return nil
}

// answer reads up to a line that ends the wait; the others go to the client.
func (d *dialogue) answer() (answer, error) {
	for {
		l, err := d.in.line(func([]byte) int { return maxAnswer })
		if err != nil {
			return answer{}, &upstreamError{err}
		}
		if d.left -= len(l); d.left < 0 {
			return answer{}, &upstreamError{errTooMuch}
		}
		r := scan.ParseResponse(bytes.TrimRight(l, "\r\n"))
		switch {
		case r.Continuation:
			defer d.in.use(len(l))
			return answer{status: continuation, line: bytes.Clone(l)}, nil
		case l[0] == '*' && r.Tag == nil:
			err := d.untagged(l, &r)
			d.in.use(len(l))
			if err != nil {
				return answer{}, err
			}
		case string(r.Tag) != d.tag || r.Status != scan.StatusOK && r.Status != scan.StatusNo && r.Status != scan.StatusBad:
			return answer{}, &upstreamError{errForeignTag}
		default:
			defer d.in.use(len(l))
			d.learnCapabilities(l)
			return answer{status: r.Status, code: strings.ToUpper(string(r.Code)), line: bytes.Clone(l)}, nil
		}
	}
}

// untagged passes a line on to the client that answers no command.
func (d *dialogue) untagged(l []byte, r *scan.Response) error {
	switch {
	case r.Status == scan.StatusPreauth:
		return &upstreamError{errPreauth}
	case r.Status == scan.StatusBye:
		d.bye = true
	case r.Status == scan.StatusNone && announcement(bytes.TrimRight(l, "\r\n")):
		return &upstreamError{errLateLiteral}
	}
	d.learnCapabilities(l)
	if d.quiet && r.Is("ID") {
		return nil
	}
	return d.pass(hideCapabilities(l))
}

func (d *dialogue) learnCapabilities(l []byte) {
	if start, end := capabilityList(l); start < end {
		d.caps = upstream.ParseCapabilities(l[start:end])
	}
}

// login sends LOGIN as the client did, but for the form in which literals are announced.
func (d *dialogue) login(ctx context.Context, parts []part) (answer, error) {
	var piece []byte
	defer func() { clear(piece[:cap(piece)]) }()
	// All of it fits, so that no copy of a password is left behind by growing.
	size := 0
	for _, p := range parts {
		size += len(p.text) + len(p.literal) + len("{4294967295+}\r\n")
	}
	piece = make([]byte, 0, size)
	for _, p := range parts {
		piece = append(piece, p.text...)
		switch {
		case p.literal == nil:
			piece = append(piece, "\r\n"...)
		case d.caps.Has("LITERAL+") || d.caps.Has("LITERAL-") && len(p.literal) <= maxNonSync:
			piece = fmt.Appendf(piece, "{%d+}\r\n", len(p.literal))
			piece = append(piece, p.literal...)
		default:
			v, err := d.ask(ctx, fmt.Appendf(piece, "{%d}\r\n", len(p.literal)))
			if err == nil && v.status == scan.StatusOK {
				err = &upstreamError{errUnproven}
			}
			if err != nil || v.status != continuation {
				return v, err
			}
			piece = append(piece[:0], p.literal...)
		}
	}
	v, err := d.ask(ctx, piece)
	if err == nil && v.status == continuation {
		err = &upstreamError{errContinuation}
	}
	return v, err
}

// ownTag is the tag of commands that the client knows nothing of.
const ownTag = "heliograph"

// tellID sends ID after the login to a provider that refuses SELECT without
// (NetEase): the client's, or one of our own.
func (d *dialogue) tellID(ctx context.Context) error {
	params := renderID(d.clientID)
	if params == nil {
		params = []byte(`("name" "heliograph")`)
	}
	return d.sendID(ctx, params)
}

// sendID sends ID and keeps the answer from the client.
func (d *dialogue) sendID(ctx context.Context, params []byte) error {
	theirs := d.tag
	d.tag, d.quiet = ownTag, true
	defer func() { d.tag, d.quiet = theirs, false }()
	v, err := d.ask(ctx, fmt.Appendf(nil, "%s ID %s\r\n", ownTag, params))
	if err == nil && v.status == continuation {
		err = &upstreamError{errContinuation}
	}
	return err
}
