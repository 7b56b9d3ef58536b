package message

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// charsets are the names that mail uses and the indexes lack or map to less: what
// is declared as GB2312 is GBK or GB18030 as often as not, and GB18030 holds both.
var charsets = map[string]encoding.Encoding{
	"gb2312":         simplifiedchinese.GB18030,
	"gb_2312-80":     simplifiedchinese.GB18030,
	"gb2312-80":      simplifiedchinese.GB18030,
	"gbk":            simplifiedchinese.GB18030,
	"x-gbk":          simplifiedchinese.GB18030,
	"cp936":          simplifiedchinese.GB18030,
	"ms936":          simplifiedchinese.GB18030,
	"windows-936":    simplifiedchinese.GB18030,
	"euc-cn":         simplifiedchinese.GB18030,
	"gb18030":        simplifiedchinese.GB18030,
	"gb18030-2000":   simplifiedchinese.GB18030,
	"hz":             simplifiedchinese.HZGB2312,
	"hz-gb-2312":     simplifiedchinese.HZGB2312,
	"cp950":          traditionalchinese.Big5,
	"x-x-big5":       traditionalchinese.Big5,
	"ks_c_5601":      korean.EUCKR,
	"ks_c_5601-1987": korean.EUCKR,
	"cp949":          korean.EUCKR,
	"ms949":          korean.EUCKR,
	"cp932":          japanese.ShiftJIS,
	"ms932":          japanese.ShiftJIS,
	"x-sjis":         japanese.ShiftJIS,
	"cp1252":         charmap.Windows1252,
	"cp1251":         charmap.Windows1251,
	"cp1250":         charmap.Windows1250,
}

// lookupCharset returns nil for UTF-8, ASCII and names that nobody knows: they
// all go down the same chain.
func lookupCharset(name string) encoding.Encoding {
	name = strings.ToLower(strings.Trim(name, " \t\"'"))
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown", "8bit", "binary":
		return nil
	}
	if e, ok := charsets[name]; ok {
		return e
	}
	e, err := htmlindex.Get(name)
	if err != nil || e == encoding.Replacement {
		if e, err = ianaindex.MIME.Encoding(name); err != nil || e == encoding.Replacement {
			return nil
		}
	}
	return e
}

// decode turns b into clean UTF-8 by the chain declared, UTF-8, GB18030, and at
// last the reading that loses least. sure is false when the result is a guess.
func decode(declared string, b []byte) (s string, sure bool) {
	e := lookupCharset(declared)
	var lossy string
	if e != nil {
		s, ok := decodeWith(e, b)
		if ok {
			return clean(s), true
		}
		lossy = s
	}
	if utf8.Valid(b) {
		return clean(string(b)), true
	}
	if lossy != "" {
		return clean(lossy), false
	}
	if s, ok := decodeWith(simplifiedchinese.GB18030, b); ok {
		return clean(s), false
	}
	valid := bytes.ToValidUTF8(b, []byte(string(utf8.RuneError)))
	if bad := bytes.Count(valid, []byte(string(utf8.RuneError))); bad*20 < utf8.RuneCount(valid) && hasMultibyte(b) {
		return clean(string(valid)), false
	}
	s, _ = decodeWith(charmap.Windows1252, b)
	return clean(s), false
}

// hasMultibyte reports whether b has a whole UTF-8 sequence, the sign that it was UTF-8 once.
func hasMultibyte(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if n > 1 && r != utf8.RuneError {
			return true
		}
		b = b[n:]
	}
	return false
}

func decodeWith(e encoding.Encoding, b []byte) (string, bool) {
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return "", false
	}
	return string(out), !bytes.ContainsRune(out, utf8.RuneError)
}

// clean removes what no reader wants and no database takes: NUL and other control
// characters but tab and line ends, byte order marks, invalid sequences.
func clean(s string) string {
	dirty := func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r == 0xfeff || r == utf8.RuneError
	}
	if strings.IndexFunc(s, dirty) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r != utf8.RuneError && dirty(r) {
			return -1
		}
		return r
	}, s)
}

// oneLine is clean for a header value: no line ends either, white space collapsed.
func oneLine(s string) string {
	return strings.Join(strings.Fields(clean(s)), " ")
}
