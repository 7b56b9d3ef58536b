package message

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// samples are a few words of each language as the charsets write them that are guessed.
var samples = []struct {
	charset string
	enc     encoding.Encoding
	text    string
}{
	{"gb18030", simplifiedchinese.GB18030, "张经理，您好！附件是我们的报价单，请查收。"},
	{"gb18030", simplifiedchinese.GB18030, "订单 4711 已发货，预计周五到达上海仓库"},
	{"gb18030", simplifiedchinese.GBK, "镕基先生：关于朱老师所说的喆字，请于明天上午确认"},
	{"big5", traditionalchinese.Big5, "陳小姐您好：附件為本公司最新報價，請查收並回覆，謝謝。"},
	{"big5", traditionalchinese.Big5, "訂單已出貨，預計星期五到達高雄倉庫"},
	{"shift_jis", japanese.ShiftJIS, "お世話になっております。見積書を添付いたします。"},
	{"euc-jp", japanese.EUCJP, "お世話になっております。見積書を添付いたします。"},
	{"euc-kr", korean.EUCKR, "안녕하세요. 견적서를 첨부하오니 확인 부탁드립니다."},
	{"windows-1251", charmap.Windows1251, "Здравствуйте, коммерческое предложение во вложении."},
	{"koi8-r", charmap.KOI8R, "Здравствуйте, коммерческое предложение во вложении."},
	{"koi8-r", charmap.KOI8R, "Срочно: Договор поставки"},
	{"windows-1252", charmap.Windows1252, "Sehr geehrte Frau Müller, anbei die gewünschten Unterlagen für Köln – Grüße"},
	{"windows-1252", charmap.Windows1252, "Vous êtes invités à la réunion dès demain, où cela a été décidé"},
	{"windows-1252", charmap.Windows1252, "Caf\u00e9"},
}

func encoded(t *testing.T, e encoding.Encoding, s string) []byte {
	t.Helper()
	b, err := e.NewEncoder().Bytes([]byte(s))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

func TestGuess(t *testing.T) {
	t.Parallel()
	for _, c := range samples {
		b := encoded(t, c.enc, c.text)
		if got, sure := decode("", b); got != c.text || sure {
			t.Errorf("%s undeclared: got %q, sure %v", c.charset, got, sure)
		}
		for _, x := range candidates {
			t.Logf("%s: mark in %s is %.2f", c.charset, x.name, mark(x, b))
		}
		if got, sure := decode(strings.ToUpper(c.charset), b); got != c.text || !sure {
			t.Errorf("%s declared: got %q, sure %v", c.charset, got, sure)
		}
	}
}

func TestLookupCharset(t *testing.T) {
	t.Parallel()
	for want, names := range map[string]string{
		"gb18030":      `gb2312 gb2312; GBK cp936 x-gbk gb_2312-80 GB_2312-80 ms936 windows-936 EUC-CN gb18030-2022 "gb2312"`,
		"big5":         `Big5 big5-hkscs cp950 x-x-big5 BIG-5 cn-big5`,
		"shift_jis":    `Shift_JIS shift-jis x-sjis cp932 windows-31j MS_Kanji`,
		"euc-jp":       `EUC-JP x-euc-jp eucJP-ms`,
		"iso-2022-jp":  `ISO-2022-JP csISO2022JP cp50220 iso-2022-jp-ms`,
		"euc-kr":       `euc-kr ks_c_5601 ks_c_5601-1987 KSC5601 cp949 uhc`,
		"iso-2022-kr":  `ISO-2022-KR`,
		"utf-7":        `utf-7 unicode-1-1-utf-7 x-unicode-2-0-utf-7`,
		"koi8-r":       `KOI8-R koi8 cskoi8r`,
		"koi8-u":       `koi8-u KOI8-RU`,
		"windows-1251": `windows-1251 cp1251 win-1251 cp-1251`,
		"windows-1252": `iso-8859-1 latin1 ISO8859_1 windows-1252 cp1252`,
		"windows-1254": `windows-1254 cp1254`,
		"iso-8859-2":   `iso-8859-2 iso8859-2 latin2`,
		"windows-874":  `windows-874 cp874`,
	} {
		for _, name := range strings.Fields(names) {
			if c := lookupCharset(name); c == nil || c.name != want {
				t.Errorf("%s is %+v, want %s", name, c, want)
			}
		}
	}
	for _, name := range []string{"", "utf-8", "UTF8", "utf8mb4", "us-ascii", "ASCII", "unknown-8bit", "x-unknown", "default", "binary", "8bit", strings.Repeat("a", 500)} {
		if c := lookupCharset(name); c != nil {
			t.Errorf("%s is %s", name, c.name)
		}
	}
}

func TestISO2022OfOtherSets(t *testing.T) {
	t.Parallel()
	// Plane 1 of CNS 11643 is not read: the loss is flagged and what is around it stays.
	if s, sure := decode("iso-2022-cn", []byte("a\x1b$)G\x0e\x47\x3f\x0fb")); sure || !strings.HasPrefix(s, "a") || !strings.HasSuffix(s, "b") {
		t.Errorf("got %q, sure %v", s, sure)
	}
	for in, want := range map[string]string{"Hi Mom -+Jjo--!": "Hi Mom -☺-!", "A+ImIDkQ.": "A≢Α.", "1 +- 1": "1 + 1", "+ZeVnLIqe-": "日本語"} { // RFC 2152
		if s, sure := decode("utf-7", []byte(in)); s != want || !sure {
			t.Errorf("%s: got %q, sure %v", in, s, sure)
		}
	}
}
