package message

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
)

// decoder undoes a transfer encoding. It is pushed the lines of a part, each with
// the line end that belongs to it, and passes the decoded bytes on.
type decoder interface {
	io.Writer
	// Close passes on what was held back; broken tells whether the encoding had faults.
	Close() (broken bool, err error)
}

// newDecoder picks the decoder of a Content-Transfer-Encoding (RFC 2045, 6).
// known is false for a name that nobody knows; the bytes then pass as they are.
func newDecoder(cte string, w io.Writer) (d decoder, known bool) {
	cte, _, _ = strings.Cut(cte, ";")
	switch strings.ToLower(strings.Trim(cte, " \t\r\n\"'")) {
	case "base64":
		return &base64Decoder{w: w}, true
	case "quoted-printable":
		return &qpDecoder{w: w}, true
	case "x-uuencode", "uuencode", "x-uue", "x-uu", "uue":
		return &uuDecoder{w: w}, true
	case "", "7bit", "8bit", "binary", "7-bit", "8-bit":
		return identity{w}, true
	}
	return identity{w}, false
}

type identity struct{ io.Writer }

func (identity) Close() (bool, error) { return false, nil }

// base64Char says which octets are of the base64 alphabet (RFC 4648, 4).
var base64Char = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = true
	}
	return t
}()

// base64Decoder skips what is not of the alphabet, as RFC 2045, 6.8 asks, and
// takes padding in the middle as the seam of two encoded texts. Behind padding a line that
// is not all of the alphabet was added by somebody else, such as a list's footer.
type base64Decoder struct {
	w      io.Writer
	in     [4096]byte // a multiple of 4
	n      int
	out    [3072]byte
	broken bool
	padded bool // the text may have ended
}

func (d *base64Decoder) Write(b []byte) (int, error) {
	if d.padded && !base64Line(b) {
		d.broken = true
		return len(b), nil
	}
	n := len(b)
	for len(b) > 0 {
		run := 0
		for run < len(b) && base64Char[b[run]] {
			run++
		}
		if err := d.take(b[:run]); err != nil {
			return 0, err
		}
		if run == len(b) {
			break
		}
		switch c := b[run]; c {
		case '=':
			d.padded = true
			if d.n%4 != 0 {
				if err := d.flush(); err != nil {
					return 0, err
				}
			}
		case '\r', '\n', ' ', '\t':
		default:
			d.broken = true
		}
		b = b[run+1:]
	}
	return n, nil
}

// take adds octets of the alphabet to what is to be decoded.
func (d *base64Decoder) take(b []byte) error {
	for len(b) > 0 {
		n := copy(d.in[d.n:], b)
		b = b[n:]
		if d.n += n; d.n == len(d.in) {
			if err := d.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// base64Line tells whether a line, or its end, can be of an encoded text.
func base64Line(b []byte) bool {
	b = bytes.TrimSpace(b)
	for _, c := range b {
		if !base64Char[c] && c != '=' {
			return false
		}
	}
	return len(b)%4 == 0
}

func (d *base64Decoder) flush() error {
	if d.n%4 == 1 { // six bits make no octet
		d.broken = true
		d.n--
	}
	n, _ := base64.RawStdEncoding.Decode(d.out[:], d.in[:d.n])
	d.n = 0
	if n == 0 {
		return nil
	}
	_, err := d.w.Write(d.out[:n])
	return err
}

func (d *base64Decoder) Close() (bool, error) {
	err := d.flush()
	return d.broken, err
}

// qpDecoder reads quoted-printable (RFC 2045, 6.7). White space at a line's end is
// transport noise and dropped; a broken escape stays as it is.
type qpDecoder struct {
	w      io.Writer
	held   []byte // white space that may turn out to end the line, or an unfinished escape
	broken bool
}

func (d *qpDecoder) Write(b []byte) (int, error) {
	n := len(b)
	out := make([]byte, 0, len(b)+len(d.held))
	for _, c := range b {
		out = d.octet(out, c)
	}
	if len(out) == 0 {
		return n, nil
	}
	_, err := d.w.Write(out)
	return n, err
}

// maxHeldQP bounds the white space held back; more of it is content.
const maxHeldQP = 4096

func (d *qpDecoder) octet(out []byte, c byte) []byte {
	escape := len(d.held) > 0 && d.held[0] == '='
	switch {
	case escape && c == '\n': // soft line break, perhaps with blanks or CR after the sign
		d.held = d.held[:0]
		return out
	case escape && (c == '\r' || c == ' ' || c == '\t') && blank(d.held[1:]) && len(d.held) < maxHeldQP:
		d.held = append(d.held, c)
		return out
	case escape && len(d.held) == 1 && isHex(c):
		d.held = append(d.held, c)
		return out
	case escape && len(d.held) == 2 && isHex(d.held[1]) && isHex(c):
		out = append(out, unhex(d.held[1])<<4|unhex(c))
		d.held = d.held[:0]
		return out
	case escape:
		d.broken = true
		out = append(out, d.held...)
		d.held = d.held[:0]
	}
	switch c {
	case '=':
		out = append(out, d.held...)
		d.held = append(d.held[:0], c)
	case ' ', '\t', '\r':
		if len(d.held) >= maxHeldQP {
			out = append(out, d.held...)
			d.held = d.held[:0]
		}
		d.held = append(d.held, c)
	case '\n':
		d.held = d.held[:0]
		out = append(out, '\r', '\n')
	default:
		out = append(out, d.held...)
		d.held = d.held[:0]
		out = append(out, c)
	}
	return out
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

func (d *qpDecoder) Close() (bool, error) {
	held := d.held
	d.held = nil
	if len(held) == 0 || held[0] != '=' || len(held) == 1 || blank(held[1:]) {
		return d.broken, nil
	}
	_, err := d.w.Write(held)
	return true, err
}
