package tablefile

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Encoding is how a text is written down.
type Encoding string

// The encodings. A workbook has its own.
const (
	UTF8     Encoding = "utf-8"
	UTF16    Encoding = "utf-16"
	GB18030  Encoding = "gb18030" // and with it GBK and GB2312
	Workbook Encoding = "xlsx"
)

// decode returns the text as UTF-8, by its byte order mark, by its line ends, or by its first bytes beyond ASCII. The name of the
// encoding is known for certain after the last read. Bytes that are no text become U+FFFD.
func decode(b *bufio.Reader, known Encoding) (text io.Reader, name func() Encoding) {
	fixed := func(name Encoding, e encoding.Encoding) (io.Reader, func() Encoding) {
		return transform.NewReader(b, e.NewDecoder()), func() Encoding { return name }
	}
	head, _ := b.Peek(3)
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = b.Discard(3)
		return fixed(UTF8, unicode.UTF8)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return fixed(UTF16, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM))
	}
	order, is16 := lineEnds(b)
	switch {
	case known == UTF16 || known == "" && is16:
		return fixed(UTF16, unicode.UTF16(order, unicode.IgnoreBOM))
	case known == UTF8:
		return fixed(UTF8, unicode.UTF8)
	case known == GB18030:
		return fixed(GB18030, simplifiedchinese.GB18030)
	}
	g := &guessingReader{b: b, name: UTF8}
	return g, func() Encoding { return g.name }
}

// lineEnds recognises UTF-16 without a mark by its line ends, which have a zero byte on one side. A zero byte alone says little: 一 has one.
func lineEnds(b *bufio.Reader) (unicode.Endianness, bool) {
	sample, _ := b.Peek(sniffBytes)
	little, big := 0, 0
	for i := 0; i+1 < len(sample); i += 2 {
		switch {
		case sample[i] == '\n' && sample[i+1] == 0:
			little++
		case sample[i] == 0 && sample[i+1] == '\n':
			big++
		}
	}
	if big > little {
		return unicode.BigEndian, true
	}
	return unicode.LittleEndian, little > 0
}

// guessingReader passes ASCII on, and decides between UTF-8 and GB18030 at the first byte that is not ASCII, however late in the
// file that is.
type guessingReader struct {
	b    *bufio.Reader
	rest io.Reader // after the decision
	name Encoding
}

// Read reads decoded text.
func (g *guessingReader) Read(p []byte) (int, error) {
	if g.rest != nil {
		return g.rest.Read(p)
	}
	if _, err := g.b.Peek(1); err != nil { // fills the buffer
		return 0, err
	}
	peeked, _ := g.b.Peek(min(g.b.Buffered(), len(p)))
	n := 0
	for n < len(peeked) && peeked[n] < utf8.RuneSelf {
		n++
	}
	if n > 0 {
		return g.b.Read(p[:n])
	}
	sample, _ := g.b.Peek(sniffBytes)
	if isUTF8(sample) {
		g.rest = transform.NewReader(g.b, unicode.UTF8.NewDecoder())
	} else {
		g.name = GB18030
		g.rest = transform.NewReader(g.b, simplifiedchinese.GB18030.NewDecoder())
	}
	return g.rest.Read(p)
}

// isUTF8 allows that the last character was cut.
func isUTF8(b []byte) bool {
	for i := 0; i < utf8.UTFMax && i < len(b); i++ {
		if utf8.Valid(b[:len(b)-i]) {
			return true
		}
	}
	return false
}
