package message_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"heliograph/internal/message"
)

// business makes a mail of about n octets as offices send it: many trace fields, text in
// Chinese and the same as HTML, and where there is room a file.
func business(n int) []byte {
	var b strings.Builder
	for i := range 6 {
		fmt.Fprintf(&b, "Received: from mx%d.example.com (mx%d.example.com [192.0.2.%d])\r\n\tby in.customer.test with ESMTPS id a%d\r\n\tfor <li.lei@customer.test>; Mon, 4 Mar 2024 09:15:0%d +0800\r\n", i, i, i, i, i)
	}
	b.WriteString("From: =?utf-8?B?546L6Iqz?= <wang.fang@example.com>\r\nTo: =?gb2312?B?wO7A1w==?= <li.lei@customer.test>, \"Han, Meimei\" <han@customer.test>\r\n" +
		"Subject: =?utf-8?B?5Zue5aSN77ya5oql5Lu35Y2V?= 2024\r\nDate: Mon, 4 Mar 2024 09:15:00 +0800\r\nMessage-ID: <bench@example.com>\r\n" +
		"In-Reply-To: <a@customer.test>\r\nReferences: <a@customer.test> <b@customer.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_mixed\"\r\n\r\n" +
		"--=_mixed\r\nContent-Type: multipart/alternative; boundary=\"=_alt\"\r\n\r\n--=_alt\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	text := "李经理，您好！\r\n\r\n附件是我们的报价单，请查收。价格有效期三十天。\r\n\r\n> 请报价\r\n> 谢谢\r\n\r\n-- \r\n王芳 销售部\r\n"
	b.WriteString(wrapped([]byte(text)) + "--=_alt\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body>")
	for range 4 {
		b.WriteString("<p style=3D\"color:red\">Please find our <b>quotation</b> attached. It is valid for thirty da=\r\nys.</p><table><tr><td>Item</td><td>12.00</td></tr></table>\r\n")
	}
	b.WriteString("</body></html>\r\n--=_alt--\r\n")
	if room := n - b.Len() - 300; room > 0 {
		file := make([]byte, room*57/78)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range file {
			file[i] = byte(r.Uint32())
		}
		b.WriteString("--=_mixed\r\nContent-Type: application/pdf; name=\"=?utf-8?B?5oql5Lu35Y2VLnBkZg==?=\"\r\nContent-Disposition: attachment;\r\n filename*=utf-8''%E6%8A%A5%E4%BB%B7%E5%8D%95.pdf\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\n" + wrapped(file))
	}
	b.WriteString("--=_mixed--\r\n")
	return []byte(b.String())
}

// wrapped is base64 in lines of 76 characters (RFC 2045, 6.8).
func wrapped(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(len(b), 57)
		out.WriteString(base64.StdEncoding.EncodeToString(b[:n]) + "\r\n")
		b = b[n:]
	}
	return out.String()
}

func BenchmarkParse(b *testing.B) {
	page := "From: a@example.com\r\nDate: Mon, 4 Mar 2024 09:15:00 +0800\r\nMessage-ID: <p@x>\r\nContent-Type: text/html; charset=gb2312\r\n\r\n<html><body>" +
		strings.Repeat("<div class=MsoNormal><span style='font-size:10pt;color:#1F497D'>Order 4711 <a href=\"https://example.com/o\">here</a></span></div>\r\n", 1500)
	for _, c := range []struct {
		name string
		raw  []byte
	}{{"5KB", business(5_000)}, {"200KB", business(200_000)}, {"10MB", business(10_000_000)}, {"page of 200KB", []byte(page)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := message.Parse(bytes.NewReader(c.raw), message.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
