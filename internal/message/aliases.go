package message

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// The charsets that have more than one name, or that are guessed.
var (
	big5        = scored(transform("big5", traditionalchinese.Big5), traditionalPoints)
	eucJP       = scored(transform("euc-jp", japanese.EUCJP), japanesePoints)
	shiftJIS    = scored(transform("shift_jis", japanese.ShiftJIS), japanesePoints)
	eucKR       = scored(transform("euc-kr", korean.EUCKR), koreanPoints)
	koi8R       = scored(transform("koi8-r", charmap.KOI8R), cyrillicPoints)
	koi8U       = transform("koi8-u", charmap.KOI8U)
	windows1251 = scored(transform("windows-1251", charmap.Windows1251), cyrillicPoints)
	windows1252 = scored(transform("windows-1252", charmap.Windows1252), westernPoints)
	iso2022JP   = stateful(transform("iso-2022-jp", japanese.ISO2022JP))
	iso2022KR   = &charset{name: "iso-2022-kr", read: readISO2022KR, stateful: true}
	iso2022CN   = &charset{name: "iso-2022-cn", read: readISO2022CN, stateful: true}
	hz          = stateful(transform("hz-gb-2312", simplifiedchinese.HZGB2312))
	utf7        = &charset{name: "utf-7", read: readUTF7, stateful: true}
	utf16Marked = stateful(transform("utf-16", unicode.UTF16(unicode.BigEndian, unicode.UseBOM)))
	utf16Little = stateful(transform("utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)))
	utf32BE     = stateful(transform("utf-32", utf32.UTF32(utf32.BigEndian, utf32.UseBOM)))
)

func stateful(c *charset) *charset {
	c.stateful = true
	return c
}

func isMultibyte(c *charset) bool {
	return c == gb18030 || c == big5 || c == eucJP || c == shiftJIS || c == eucKR
}

// aliases are the names that mail uses and the indexes lack or map to less, squashed:
// in lower case, letters and digits only. What is declared as GB2312 is GBK or GB18030
// as often as not, and GB18030 holds both; the like is true of its neighbours.
var aliases = func() map[string]*charset {
	t := map[string]*charset{}
	for _, row := range aliasTable {
		for _, name := range strings.Fields(row.names) {
			t[name] = row.c
		}
	}
	for n, e := range codePages {
		c := transform("windows-"+n, e)
		for _, prefix := range []string{"windows", "xcp", "cp", "win", "ansi", "ms", ""} {
			t[prefix+n] = c
		}
	}
	for n, e := range isoParts {
		c := transform("iso-8859-"+n, e)
		for _, name := range []string{"iso8859" + n, "xiso8859" + n, "8859" + n, "iso8859" + n + "i", "iso8859" + n + "e"} {
			t[name] = c
		}
	}
	return t
}()

var codePages = map[string]encoding.Encoding{
	"1250": charmap.Windows1250, "1253": charmap.Windows1253, "1254": charmap.Windows1254, "1255": charmap.Windows1255,
	"1256": charmap.Windows1256, "1257": charmap.Windows1257, "1258": charmap.Windows1258, "874": charmap.Windows874,
}

var isoParts = map[string]encoding.Encoding{
	"2": charmap.ISO8859_2, "3": charmap.ISO8859_3, "4": charmap.ISO8859_4, "5": charmap.ISO8859_5, "6": charmap.ISO8859_6,
	"7": charmap.ISO8859_7, "8": charmap.ISO8859_8, "9": charmap.Windows1254, "10": charmap.ISO8859_10, "11": charmap.Windows874,
	"13": charmap.ISO8859_13, "14": charmap.ISO8859_14, "15": charmap.ISO8859_15, "16": charmap.ISO8859_16,
}

var aliasTable = []struct {
	c     *charset
	names string
}{
	{gb18030, `gb2312 gb231280 gb23121980 xgb2312 xgb231280 csgb2312 csgb231280 csiso58gb231280 isoir58 chinese gbk xgbk csgbk cp936
		ms936 windows936 win936 xcp936 ibm936 ibm1386 cp1386 936 euccn xeuccn eucgb2312cn gb18030 gb180302000 gb180302005
		gb180302022 csgb18030 xgb18030 gb gb2313 chinesegb chinesegb2312 simplifiedchinese zhcn zhcngbk gb2312charset ansi936
		gb1988 gb2312gbk`},
	{big5, `big5 big5hkscs big5hkscs2004 big5hk big5eten big52003 big5uao xbig5 xxbig5 csbig5 cnbig5 cp950 ms950 windows950 win950
		950 ibm950 chinesebig5 traditionalchinese zhtw big5tw xbig5hkscs hkscsbig5 xwindows950 big5win`},
	{eucJP, `eucjp xeucjp xeuc cseucpkdfmtjapanese eucjpms eucjpwin ujis extendedunixcodepackedformatforjapanese cp51932 cp20932
		windows51932`},
	{shiftJIS, `shiftjis sjis xsjis mskanji csshiftjis cp932 ms932 windows932 windows31j cswindows31j xms932 xmscp932 932 sjiswin
		shiftjisms xshiftjis shiftjis2004 shiftjisx0213 cp943 ibm943`},
	{eucKR, `euckr cseuckr xeuckr ksc5601 ksc56011987 ksc56011989 ksc5601198 csksc56011987 ksc ks korean isoir149 cp949 ms949
		windows949 xwindows949 949 uhc xuhc ksc5861 ksx1001 kseuc ksc5601uhc cp1363 cp51949`},
	{iso2022JP, `iso2022jp csiso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jpms iso2022jp2004 cp50220 cp50221 cp50222 jis xjis
		jisencoding jis7 csjisencoding iso2022`},
	{iso2022KR, `iso2022kr csiso2022kr cp50225`},
	{iso2022CN, `iso2022cn csiso2022cn iso2022cnext cp50227 iso2022cngb`},
	{hz, `hz hzgb2312 hzgb cp52936`},
	{utf7, `utf7 unicode11utf7 xunicode11utf7 csunicode11utf7 unicode20utf7 xunicode20utf7 xutf7 csutf7 cp65000 65000`},
	{utf16Marked, `utf16 utf16be csutf16 csutf16be ucs2 ucs2be iso10646ucs2 unicode csunicode unicodefffe unicode11`},
	{utf16Little, `utf16le csutf16le ucs2le unicodefeff unicodelittle`},
	{utf32BE, `utf32 utf32be csutf32 ucs4 iso10646ucs4 ucs4be`},
	{koi8R, `koi8r koi8 koi cskoi8r cp878 koi8rcharset 20866`},
	{koi8U, `koi8u koi8ru cp21866 21866`},
	{windows1251, `windows1251 xcp1251 cp1251 win1251 ansi1251 1251 ms1251 mscyrl windowscyrillic`},
	{windows1252, `windows1252 xcp1252 cp1252 win1252 ansi1252 1252 ms1252 msansi ansi iso88591 isolatin1 latin1 l1 iso885911987 isoir100
		csisolatin1 ibm819 cp819 88591 xansi windowslatin1 westerneuropean iso8859 xlatin1 latin iso88591windows1252
		latin1windows1252`},
}

// lookupCharset returns nil for UTF-8, ASCII and names that nobody knows: they
// all go down the same chain.
func lookupCharset(name string) *charset {
	switch name { // nearly all mail
	case "", "utf-8", "UTF-8", "us-ascii":
		return nil
	}
	if c, ok := aliases[squash(name)]; ok {
		return c
	}
	name = strings.ToLower(strings.Trim(name, " \t\"'<>"))
	if i := strings.IndexAny(name, "; ,"); i > 0 {
		return lookupCharset(name[:i])
	}
	if strings.HasPrefix(name, "utf") || strings.HasPrefix(name, "unicode-1-1-utf-8") || name == "ascii" || strings.HasPrefix(name, "ansi_x3.4") {
		return nil
	}
	e, err := htmlindex.Get(name)
	if err != nil || e == encoding.Replacement {
		if e, err = ianaindex.MIME.Encoding(name); err != nil || e == nil || e == encoding.Replacement {
			if e, err = ianaindex.IANA.Encoding(name); err != nil || e == nil || e == encoding.Replacement {
				return nil
			}
		}
	}
	if e == encoding.Nop || e == unicode.UTF8 {
		return nil
	}
	if n, err := htmlindex.Name(e); err == nil {
		if c, ok := aliases[squash(n)]; ok {
			return c
		}
	}
	return transform(name, e)
}

// maxCharsetName is far above any name in use.
const maxCharsetName = 60

// squash leaves lower-case letters and digits.
func squash(name string) string {
	var out [maxCharsetName]byte
	n := 0
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			if n == len(out) {
				return ""
			}
			out[n] = c
			n++
		}
	}
	return string(out[:n])
}
