package transparency_test

import (
	"bytes"
	"fmt"
	"strings"
)

// messages are the literals that the script calls by name.
func messages() map[string][]byte {
	return map[string][]byte{
		"plain":     mail("Subject: plain\r\nMessage-ID: <plain@example.com>\r\n", "Hello.\r\nSecond line.\r\n"),
		"reply":     mail("Subject: Re: plain\r\nMessage-ID: <reply@example.com>\r\nIn-Reply-To: <plain@example.com>\r\nReferences: <plain@example.com>\r\n", "Yes.\r\n"),
		"utf8":      mail("Subject: =?UTF-8?B?5oql5Lu3?=\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", "报价单见附件。\r\n"),
		"rawheader": mail("Subject: 报价 raw\r\nX-Gbk: \xb1\xa8\xbc\xdb\r\n", "Header fields in eight bits.\r\n"),
		"braces":    mail("Subject: ends like a literal {5}\r\nX-Braces: {12+}\r\nX-Quote: \"a\\\"b\" ~{3}\r\n", "* 1 FETCH (BODY[] {10}\r\na1 OK done\r\n+ go\r\n"),
		"names":     nastyNames(),
		"mixed":     mixed(),
		"broken":    broken(),
		"deep":      deep(12),
		"wide":      wide(900),
		"crowd":     crowd(1500),
		"longline":  mail("Subject: one line\r\nX-Long: "+strings.Repeat("y", 70_000)+"\r\n", strings.Repeat("x", 200_000)+"\r\n"),
		"big":       big(400_000),
		"header":    []byte("Subject: header only\r\nFrom: a@example.com\r\n\r\n"),
		"nothing":   []byte("\r\n"),
		"nul":       mail("Subject: binary\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n", "a\x00b\rc\nd\x00"),
		"tiny":      []byte("Subject: t\r\n\r\nt\r\n"),
		"query":     []byte("报价单"),
	}
}

func mail(fields, body string) []byte {
	return []byte("From: Li Lei <li@example.com>\r\nTo: \"Wang, \\\"W\\\"\" <wang@example.com>\r\n" +
		"Date: Mon, 02 Mar 2026 10:00:00 +0800\r\nMIME-Version: 1.0\r\n" + fields + "\r\n" + body)
}

// nastyNames has what quoting in ENVELOPE and BODYSTRUCTURE is for.
func nastyNames() []byte {
	return []byte("From: \"quo\\\"te\\\\back\" <\"a b\\\"c\"@example.com>\r\n" +
		"To: undisclosed-recipients:;\r\nCc: group: x@example.com, \"y {3}\" <y@example.com>;\r\n" +
		"Reply-To: <>\r\nSender: no at sign\r\nDate: not a date {7}\r\nSubject: \"unbalanced (( \\\r\n\t folded\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; name=\"a\\\"b.txt\"; charset=\"utf-8\"; x=\"{4}\"\r\n" +
		"Content-Disposition: attachment; filename*=UTF-8''%E6%8A%A5.pdf; filename=\"a{9}\"\r\n" +
		"Content-ID: <id\"x>\r\nContent-Description: desc \"(x)\" {2+}\r\nContent-Language: zh, en\r\nContent-Location: /a b\r\n\r\nbody\r\n")
}

func mixed() []byte {
	return mail("Subject: mixed\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n",
		"preamble\r\n--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"+
			"--b2\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E6=8A=A5=E4=BB=B7 =3D price\r\n"+
			"--b2\r\nContent-Type: text/html\r\n\r\n<p>price</p>\r\n--b2--\r\n"+
			"--b1\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@example.com\r\nSubject: inner\r\nContent-Type: text/plain\r\n\r\ninner body\r\n"+
			"--b1\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=x.pdf\r\n\r\n"+
			"AAECAwQFBgcICQoLDA0ODw==\r\n--b1--\r\nepilogue\r\n")
}

// broken is MIME that ends too early and says nonsense.
func broken() []byte {
	return mail("Subject: broken\r\nContent-Type: multipart/mixed; boundary=\"=_x\"\r\nContent-Type: text/plain\r\n",
		"--=_x\r\nContent-Type: ; ;charset\r\nContent-Transfer-Encoding: 9bit\r\n\r\nno type\r\n"+
			"--=_x\r\nContent-Type: multipart/mixed\r\n\r\nno boundary\r\n"+
			"--=_x\r\n\r\n\r\n--=_x\r\nContent-Type: message/rfc822\r\n\r\n--=_x\r\nContent-Type: text/plain")
}

func deep(levels int) []byte {
	var body strings.Builder
	for i := range levels {
		fmt.Fprintf(&body, "--d%d\r\nContent-Type: multipart/mixed; boundary=d%d\r\n\r\n", i, i+1)
	}
	fmt.Fprintf(&body, "--d%d\r\nContent-Type: text/plain\r\n\r\nbottom\r\n--d%d--\r\n", levels, levels)
	return mail("Subject: deep\r\nContent-Type: multipart/mixed; boundary=d0\r\n", body.String())
}

// wide has so many parts that its BODYSTRUCTURE is a line of more than 64 KB.
func wide(parts int) []byte {
	var body strings.Builder
	for i := range parts {
		fmt.Fprintf(&body, "--w\r\nContent-Type: application/x-part-%d; name=\"part number %d\"\r\nContent-Description: description of %d\r\n\r\n%d\r\n", i, i, i, i)
	}
	return mail("Subject: wide\r\nContent-Type: multipart/mixed; boundary=w\r\n", body.String()+"--w--\r\n")
}

// crowd has so many recipients that its ENVELOPE is a line of more than 64 KB.
func crowd(n int) []byte {
	var to bytes.Buffer
	for i := range n {
		fmt.Fprintf(&to, "\"Recipient {%d}\" <r%d@example.com>,\r\n ", i, i)
	}
	return []byte("From: li@example.com\r\nTo: " + to.String() + "last@example.com\r\nSubject: crowd\r\n\r\nx\r\n")
}

func big(size int) []byte {
	var body strings.Builder
	for i := 0; body.Len() < size; i++ {
		fmt.Fprintf(&body, "%08d the quick brown fox jumps over the lazy dog {%d}\r\n", i, i)
	}
	return mail("Subject: big\r\nMessage-ID: <big@example.com>\r\n", body.String())
}
