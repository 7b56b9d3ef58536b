package message

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escapes finds the charset of ASCII octets with the escape sequences of ISO 2022, which
// nothing else in mail has, whatever is declared; nil where there are none.
func escapes(b []byte) *charset {
	for i := 0; i+2 < len(b); i++ {
		n := bytes.IndexByte(b[i:], 0x1b)
		if n < 0 || i+n+2 >= len(b) {
			return nil
		}
		i += n
		switch string(b[i+1 : i+3]) {
		case "$B", "$@", "(J", "(I":
			return iso2022JP
		case "$)":
			if i+3 < len(b) && b[i+3] == 'C' {
				return iso2022KR
			}
			return iso2022CN
		}
	}
	return nil
}

// markedByOrder finds the charset of octets that begin with a byte order mark, but for UTF-8.
func markedByOrder(b []byte) *charset {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(b, []byte{0, 0, 0xfe, 0xff}):
		return utf32BE
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return utf16Marked
	}
	return nil
}

// readUTF7 reads RFC 2152: base64 of UTF-16 between a plus sign and whatever is not of
// the alphabet, of which a minus sign is dropped.
func readUTF7(b []byte) (string, int) {
	var out strings.Builder
	bad := 0
	for len(b) > 0 {
		n := bytes.IndexByte(b, '+')
		if n < 0 {
			n = len(b)
		}
		bad += putASCII(&out, b[:n])
		if b = b[n:]; len(b) == 0 {
			break
		}
		b = b[1:]
		n = 0
		for n < len(b) && base64Char[b[n]] {
			n++
		}
		switch {
		case n == 0 && len(b) > 0 && b[0] == '-':
			out.WriteByte('+')
		case n == 0: // a plus sign that nobody encoded
			out.WriteByte('+')
			bad++
		default:
			s, faults := shifted(b[:n])
			out.WriteString(s)
			bad += faults
		}
		if b = b[n:]; len(b) > 0 && b[0] == '-' {
			b = b[1:]
		}
	}
	return out.String(), bad
}

// shifted reads one run of base64 as UTF-16.
func shifted(b []byte) (string, int) {
	raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
	n, _ := base64.RawStdEncoding.Decode(raw, b[:len(b)-boolInt(len(b)%4 == 1)])
	units := make([]uint16, 0, n/2)
	for i := 0; i+1 < n; i += 2 {
		units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
	}
	s := string(utf16.Decode(units))
	return s, strings.Count(s, string(utf8.RuneError)) + boolInt(len(units) == 0)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// putASCII writes b with U+FFFD for octets that are not ASCII and returns how many there were.
func putASCII(out *strings.Builder, b []byte) int {
	bad := 0
	for _, c := range b {
		if c >= 0x80 {
			bad++
			out.WriteRune(utf8.RuneError)
			continue
		}
		out.WriteByte(c)
	}
	return bad
}

// readISO2022KR reads RFC 1557: KS X 1001 between SO and SI.
func readISO2022KR(b []byte) (string, int) {
	return readISO2022(b, map[string]*charset{"$)C": eucKR}, eucKR)
}

// readISO2022CN reads RFC 1922 as far as mail has it: GB 2312 between SO and SI. The
// planes of CNS 11643 are counted as faults.
func readISO2022CN(b []byte) (string, int) {
	return readISO2022(b, map[string]*charset{"$)A": gb18030}, gb18030)
}

// readISO2022 reads octets of sets of 94x94 characters which SO shifts in; an escape sequence
// of sets says which one, until then it is the first.
func readISO2022(b []byte, sets map[string]*charset, set *charset) (string, int) {
	var out strings.Builder
	bad, wide := 0, false
	for len(b) > 0 {
		switch c := b[0]; {
		case c == 0x0e:
			wide = true
		case c == 0x0f, c == '\n' && wide: // each line begins with ASCII
			wide = false
			if c == '\n' {
				out.WriteByte(c)
			}
		case c == 0x1b && len(b) >= 4:
			set = sets[string(b[1:4])]
			b = b[3:]
		case wide && c > 0x20 && c < 0x7f:
			n := 0
			for n < len(b) && b[n] > 0x20 && b[n] < 0x7f {
				n++
			}
			s, faults := readHigh(set, b[:n])
			out.WriteString(s)
			bad += faults
			b = b[n:]
			continue
		default:
			bad += putASCII(&out, b[:1])
		}
		b = b[1:]
	}
	return out.String(), bad
}

// readHigh reads octets of seven bits as those of eight bits that the set's EUC form has.
func readHigh(set *charset, b []byte) (string, int) {
	if set == nil {
		return string(utf8.RuneError), 1
	}
	high := make([]byte, len(b))
	for i, c := range b {
		high[i] = c | 0x80
	}
	return set.read(high)
}
