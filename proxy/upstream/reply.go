package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The bounds of one reply. RFC 5321, 4.5.3.1.5 asks for 512 octets a line; real
// servers send longer ones (policy texts with URLs), so only the whole is bounded.
const (
	maxReplyLines = 512
	maxReplyBytes = 64 << 10
)

// ErrReply is wrapped by the errors of ReadReply that come from the bytes and
// not from the connection: after one, the dialogue is out of step for good.
var ErrReply = errors.New("malformed reply")

// Reply is one SMTP reply, of one or more lines (RFC 5321, 4.2).
type Reply struct {
	Code int    // 200 to 599
	Raw  []byte // all lines as they came, line ends included, to be passed on word for word
}

// ReadReply reads one reply. It is strict where servers disagree at a price:
// three digits, the same in each line, then a hyphen, a space or the end of the
// line. The text may be anything. At most 512 lines and 64 KiB are read.
func ReadReply(r *bufio.Reader) (Reply, error) {
	var reply Reply
	for range maxReplyLines {
		start := len(reply.Raw)
		var err error
		if reply.Raw, err = appendLine(reply.Raw, r); err != nil {
			return Reply{}, err
		}
		code, last, err := parseReplyLine(reply.Raw[start:])
		if err != nil {
			return Reply{}, err
		}
		if start > 0 && code != reply.Code {
			return Reply{}, fmt.Errorf("%w: code %d continued with %d", ErrReply, reply.Code, code)
		}
		reply.Code = code
		if last {
			return reply, nil
		}
	}
	return Reply{}, fmt.Errorf("%w: more than %d lines", ErrReply, maxReplyLines)
}

// appendLine appends the next line to raw, with its LF.
func appendLine(raw []byte, r *bufio.Reader) ([]byte, error) {
	start := len(raw)
	for {
		part, err := r.ReadSlice('\n')
		if len(raw)+len(part) > maxReplyBytes {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrReply, maxReplyBytes)
		}
		raw = append(raw, part...)
		switch {
		case err == nil:
			return raw, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(raw) > start:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// parseReplyLine takes a line with its line end apart.
func parseReplyLine(line []byte) (code int, last bool, err error) {
	text := trimEOL(line)
	if len(text) < 3 || text[0] < '2' || text[0] > '5' || !isDigit(text[1]) || !isDigit(text[2]) {
		return 0, false, fmt.Errorf("%w: no reply code in %.40q", ErrReply, text)
	}
	code = int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
	if len(text) == 3 {
		return code, true, nil
	}
	switch text[3] {
	case ' ':
		return code, true, nil
	case '-':
		return code, false, nil
	}
	return 0, false, fmt.Errorf("%w: neither space nor hyphen behind the code in %.40q", ErrReply, text)
}

func trimEOL(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// Lines returns the text of each line, without code and line end. The slices
// point into Raw.
func (r Reply) Lines() [][]byte {
	var lines [][]byte
	for line := range bytes.Lines(r.Raw) {
		lines = append(lines, replyText(line))
	}
	return lines
}

func replyText(line []byte) []byte {
	text := trimEOL(line)
	return text[min(4, len(text)):]
}

// Text returns the text of all lines in one, for logs and operators.
func (r Reply) Text() string {
	var parts []string
	for _, line := range r.Lines() {
		parts = append(parts, strings.ToValidUTF8(string(line), "?"))
	}
	return strings.Join(parts, " ")
}

// Success reports whether the reply is of the 2xx class.
func (r Reply) Success() bool { return r.Code >= 200 && r.Code < 300 }

// Intermediate reports whether the reply is of the 3xx class: the upstream
// waits for more, a SASL response or the message.
func (r Reply) Intermediate() bool { return r.Code >= 300 && r.Code < 400 }

// Temporary reports whether the reply is of the 4xx class.
func (r Reply) Temporary() bool { return r.Code >= 400 && r.Code < 500 }

// Permanent reports whether the reply is of the 5xx class.
func (r Reply) Permanent() bool { return r.Code >= 500 }

// String returns code and text, for logs and operators.
func (r Reply) String() string { return fmt.Sprintf("%d %s", r.Code, r.Text()) }
