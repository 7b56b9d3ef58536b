package message_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	"heliograph/internal/message"
)

// meaning is what a mail says, apart from how it is written.
type meaning struct {
	id, from, subject, text, page string
	to                            []string
	date                          time.Time
	files                         []string
}

// spoken draws words that both GB18030 and UTF-8 can write, with lines that programs like to mistreat.
func spoken() *rapid.Generator[string] {
	word := rapid.SampledFrom([]string{"报价单", "Offer", "=3D", "From the start", ".", "..", "--", "付款", "客户，您好", "a b", "№17", "€100", "end"})
	return rapid.Custom(func(t *rapid.T) string {
		words := rapid.SliceOfN(word, 1, 12).Draw(t, "words")
		glue := rapid.SampledFrom([]string{" ", "\n", "\n\n"}).Draw(t, "glue")
		return "text: " + strings.Join(words, glue)
	})
}

func drawMeaning(t *rapid.T) meaning {
	m := meaning{
		id:      rapid.StringMatching(`[a-z0-9]{1,12}@example\.com`).Draw(t, "id"),
		from:    rapid.StringMatching(`[a-z]{1,8}@example\.com`).Draw(t, "from"),
		subject: rapid.SampledFrom([]string{"Offer 17", "报价 17", "Re: 关于付款", "x", "a  b"}).Draw(t, "subject"),
		to:      rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,8}@customer\.test`), 1, 4, rapid.ID[string]).Draw(t, "to"),
		date:    time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "date"), 0),
		text:    spoken().Draw(t, "text"),
		files:   rapid.SliceOfN(rapid.StringMatching(`[ -~]{1,200}`), 0, 3).Draw(t, "files"),
	}
	if rapid.Bool().Draw(t, "html") {
		m.page = strings.NewReplacer("<", "", ">", "", "&", "").Replace(spoken().Draw(t, "page"))
	}
	return m
}

// write writes the mail in one of many ways.
func (m meaning) write(t *rapid.T) string {
	nl := rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(t, "line end")
	boundary := rapid.StringMatching(`[A-Za-z0-9'+_]{1,30}`).Draw(t, "boundary")
	zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
	var recipients []string
	for _, a := range rapid.Permutation(m.to).Draw(t, "recipients") {
		recipients = append(recipients, rapid.SampledFrom([]string{a, "<" + a + ">", `"Li, Lei" <` + a + ">", strings.ToUpper(a)}).Draw(t, "address"))
	}
	fields := []string{
		rapid.SampledFrom([]string{"Message-ID", "Message-Id", "MESSAGE-ID"}).Draw(t, "name") + ": <" + m.id + ">",
		"Date: " + m.date.In(zone).Format(rapid.SampledFrom([]string{time.RFC1123Z, "Mon, 02 Jan 2006 15:04:05 -0700 (MST)", "2 Jan 2006 15:04:05 -0700"}).Draw(t, "date form")),
		"From: " + rapid.SampledFrom([]string{m.from, "Wang <" + m.from + ">", strings.ToUpper(m.from)}).Draw(t, "sender"),
		"To: " + strings.Join(recipients, rapid.SampledFrom([]string{", ", "," + nl + "\t", "," + nl + " "}).Draw(t, "fold")),
		"Subject: " + m.writeSubject(t),
		"MIME-Version: 1.0",
		"Content-Type: multipart/mixed;" + rapid.SampledFrom([]string{" ", nl + "\t"}).Draw(t, "fold") + `boundary="` + boundary + `"`,
	}
	for _, trace := range []string{"Received: from a by b; Mon, 4 Mar 2024 01:15:01 +0000", "X-Spam: no", "DKIM-Signature: v=1; b=abc", "Bcc: boss@example.com", "Return-Path: <a@b.test>"} {
		if rapid.Bool().Draw(t, "trace") {
			fields = append(fields, trace)
		}
	}
	fields = rapid.Permutation(fields).Draw(t, "order")
	var parts []string
	parts = append(parts, writePart(t, nl, "text/plain", m.text))
	if m.page != "" {
		parts = append(parts, writePart(t, nl, "text/html", "<html><body><p>"+strings.ReplaceAll(m.page, "\n", "<br>\n")+"</p></body></html>"))
	}
	for _, f := range rapid.Permutation(m.files).Draw(t, "files") {
		name := rapid.StringMatching(`[a-z]{1,9}\.bin`).Draw(t, "file name")
		encoded := base64.StdEncoding.EncodeToString([]byte(f))
		width := rapid.SampledFrom([]int{40, 76}).Draw(t, "width")
		for i := width; i < len(encoded); i += width + len(nl) {
			encoded = encoded[:i] + nl + encoded[i:]
		}
		parts = append(parts, "Content-Type: application/octet-stream; name="+name+nl+"Content-Disposition: attachment; filename="+name+nl+
			"Content-Transfer-Encoding: base64"+nl+nl+encoded)
	}
	out := strings.Join(fields, nl) + nl + nl
	for _, p := range parts {
		out += "--" + boundary + nl + p + nl
	}
	return out + "--" + boundary + "--" + nl + strings.Repeat(nl, rapid.IntRange(0, 2).Draw(t, "end"))
}

func (m meaning) writeSubject(t *rapid.T) string {
	switch rapid.IntRange(0, 2).Draw(t, "subject form") {
	case 0:
		return mime.BEncoding.Encode("utf-8", m.subject)
	case 1:
		gb, err := simplifiedchinese.GB18030.NewEncoder().String(m.subject)
		if err != nil {
			t.Fatal(err)
		}
		return "=?gb2312?B?" + base64.StdEncoding.EncodeToString([]byte(gb)) + "?="
	}
	return mime.QEncoding.Encode("utf-8", m.subject)
}

// writePart writes a text in a charset and a transfer encoding.
func writePart(t *rapid.T, nl, kind, text string) string {
	charset := rapid.SampledFrom([]string{"utf-8", "gb18030"}).Draw(t, "charset")
	body := strings.ReplaceAll(text, "\n", "\r\n")
	if charset == "gb18030" {
		var err error
		if body, err = simplifiedchinese.GB18030.NewEncoder().String(body); err != nil {
			t.Fatal(err)
		}
	}
	head := fmt.Sprintf("Content-Type: %s; charset=%s", kind, charset) + nl
	switch rapid.IntRange(0, 2).Draw(t, "encoding") {
	case 0:
		return head + "Content-Transfer-Encoding: base64" + nl + nl + base64.StdEncoding.EncodeToString([]byte(body))
	case 1:
		var out bytes.Buffer
		w := quotedprintable.NewWriter(&out)
		_, _ = w.Write([]byte(body))
		_ = w.Close()
		return head + "Content-Transfer-Encoding: quoted-printable" + nl + nl + strings.ReplaceAll(out.String(), "\r\n", nl)
	}
	body = strings.ReplaceAll(body, "\r\n", nl)
	if rapid.Bool().Draw(t, "blanks") { // which relays add and trim
		body = strings.ReplaceAll(body, nl, "  "+nl)
	}
	return head + "Content-Transfer-Encoding: 8bit" + nl + nl + body
}

func parsed(t *rapid.T, raw string) *message.Message {
	m, err := message.Parse(strings.NewReader(raw), message.Options{Salt: "e"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// However a mail is written, its key and its likeness are the same.
func TestKeySurvivesRewriting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMeaning(t)
		one, two := m.write(t), m.write(t)
		a, b := parsed(t, one), parsed(t, two)
		if a.Key != b.Key || a.Likeness != b.Likeness || a.Likeness == "" {
			t.Fatalf("keys %s and %s, likenesses %s and %s of\n%s\nand\n%s", a.Key, b.Key, a.Likeness, b.Likeness, one, two)
		}
	})
}

// Whatever is said otherwise, the key is another; the likeness is blind for id and date only.
func TestKeyTellsOtherMailsApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMeaning(t)
		other := m
		same := false
		switch change := rapid.IntRange(0, 7).Draw(t, "change"); change {
		case 0:
			other.id, same = "z"+m.id, true
		case 1:
			other.date, same = m.date.Add(time.Duration(rapid.IntRange(1, 1e6).Draw(t, "seconds"))*time.Second), true
		case 2:
			other.from = "z" + m.from
		case 3:
			other.subject += "!"
		case 4:
			other.text += " z"
		case 5:
			other.files = append(append([]string{}, m.files...), "one more")
		case 6:
			other.page += " z"
		case 7:
			if len(m.files) == 0 {
				m.files = []string{"file"}
			}
			other.files = append([]string{m.files[0] + "z"}, m.files[1:]...)
		}
		one, two := m.write(t), other.write(t)
		a, b := parsed(t, one), parsed(t, two)
		if a.Key == b.Key {
			t.Fatalf("key %s of\n%s\nand\n%s", a.Key, one, two)
		}
		if (a.Likeness == b.Likeness) != same {
			t.Fatalf("likenesses %s and %s of\n%s\nand\n%s", a.Likeness, b.Likeness, one, two)
		}
	})
}

func TestListCopyOf(t *testing.T) {
	t.Parallel()
	original := parse(t, submitted, message.Options{})
	list := strings.NewReplacer("Subject: =?utf-8?B?5oql5Lu35Y2V?=", "Subject: [sales] =?utf-8?B?5oql5Lu35Y2V?=\r\nList-Id: Sales <sales.example.com>\r\nReply-To: sales@example.com",
		"报价见附件。  \r\n", "报价见附件。\r\n____\r\nsales mailing list\r\n").Replace(submitted)
	copied := parse(t, list, message.Options{})
	if !copied.ListCopyOf(original) || original.ListCopyOf(copied) || original.ListCopyOf(original) || copied.ListID != "sales.example.com" {
		t.Fatalf("a list's copy is not known as one: %+v", copied)
	}
	for name, edit := range map[string][2]string{
		"other text":        {"报价见附件。", "请付款。"},
		"text before it":    {"报价见附件。", "请付款。报价见附件。"},
		"a long text after": {"____", strings.Repeat("请付款", 300)},
		"other subject":     {"5oql5Lu35Y2V?=", "5oql5Lu35Y2V?= now"},
		"a long mark":       {"[sales]", "[" + strings.Repeat("pay now", 20) + "]"},
		"other sender":      {"Wang.Fang@", "wang.feng@"},
		"other date":        {"09:15:00", "09:15:01"},
		"other id":          {"<k1@", "<k2@"},
		"other file":        {"1,2", "1,3"},
		"no list":           {"List-Id:", "X-List:"},
	} {
		raw := strings.Replace(list, edit[0], edit[1], 1)
		if raw == list {
			t.Fatalf("%s: nothing was edited", name)
		}
		if parse(t, raw, message.Options{}).ListCopyOf(original) {
			t.Errorf("%s: passes for the list's copy", name)
		}
	}
}
