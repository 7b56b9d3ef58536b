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
