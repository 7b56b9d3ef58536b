package mailtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Mail is one message of a corpus.
type Mail struct {
	Name string // what is special about it, with a number
	Data []byte // lines end in CRLF, dots are not stuffed
	// Body is what the BODY parameter must say: "", "8BITMIME" or "BINARYMIME"
	// (RFC 6152, RFC 3030). BINARYMIME goes by BDAT alone.
	Body string
}

// kinds are the bodies of a corpus. Each writes what follows the common header fields.
var kinds = []struct {
	name string
	body string
	make func(r *rand.Rand, b *bytes.Buffer)
}{
	{"plain", "", func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("\r\n")
		lines(r, b, 1+r.IntN(200), ascii)
	}},
	{"empty body", "", func(_ *rand.Rand, b *bytes.Buffer) { b.WriteString("\r\n") }},
	{"header only", "", func(*rand.Rand, *bytes.Buffer) {}},
	{"blank lines", "", func(r *rand.Rand, b *bytes.Buffer) { b.WriteString(strings.Repeat("\r\n", 1+r.IntN(50))) }},
	{"lone dot", "", func(_ *rand.Rand, b *bytes.Buffer) { b.WriteString("\r\n.\r\n") }},
	{"dots", "", func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("\r\n")
		for range 1 + r.IntN(100) {
			b.WriteString(strings.Repeat(".", r.IntN(5)))
			b.WriteString([]string{"", " ", "x", "\t", "..x."}[r.IntN(5)])
			b.WriteString("\r\n")
		}
	}},
	{"white space", "", func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("X-Folded: a\r\n\tb\r\n   c \r\n\r\n")
		for range 1 + r.IntN(50) {
			b.WriteString(strings.Repeat(" ", r.IntN(6)) + strings.Repeat("\t", r.IntN(4)) + "\r\n")
		}
	}},
	{"smuggling words", "", func(_ *rand.Rand, b *bytes.Buffer) {
		b.WriteString("\r\nQUIT\r\nRSET\r\nDATA\r\n.RSET\r\nMAIL FROM:<x@example.com>\r\nBDAT 5 LAST\r\n250 ok\r\n")
	}},
	{"lines of 998", "", func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("\r\n")
		for range 1 + r.IntN(20) {
			b.WriteString(strings.Repeat("9", 998) + "\r\n")
		}
	}},
	{"long lines", "8BITMIME", func(r *rand.Rand, b *bytes.Buffer) {
		// Longer than RFC 5321, 4.5.3.1.6 allows, as real programs send.
		b.WriteString("\r\n")
		for range 1 + r.IntN(5) {
			b.WriteString(strings.Repeat("长", 400+r.IntN(20_000)) + "\r\n")
		}
	}},
	{"8-bit", "8BITMIME", func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		lines(r, b, 1+r.IntN(100), []rune("报价合同项目客户订单🙂éß "))
	}},
	{"every byte", "8BITMIME", func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		for range 1 + r.IntN(2000) {
			if c := byte(1 + r.IntN(255)); c != '\r' && c != '\n' {
				b.WriteByte(c)
			}
		}
		b.WriteString("\r\n")
	}},
	{"GBK", "8BITMIME", func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("Content-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		// 报价单 and 您好 in GBK, and a character whose second byte is an ASCII letter.
		for range 1 + r.IntN(50) {
			b.WriteString("\xb1\xa8\xbc\xdb\xb5\xa5 \xc4\xfa\xba\xc3 \x81\x5c\r\n")
		}
	}},
	{"multipart", "", func(r *rand.Rand, b *bytes.Buffer) {
		file := make([]byte, 10+r.IntN(60_000))
		for i := range file {
			file[i] = byte(r.Uint32())
		}
		b.WriteString("Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\npreamble\r\n--=_b\r\n" +
			"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
			"<p>=E6=8A=A5=E4=BB=B7</p>\r\n.=\r\n\r\n--=_b\r\n" +
			"Content-Type: application/pdf; name=\"=?UTF-8?B?5oql5Lu3LnBkZg==?=\"\r\n" +
			"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		for text := base64.StdEncoding.EncodeToString(file); text != ""; {
			n := min(76, len(text))
			b.WriteString(text[:n] + "\r\n")
			text = text[n:]
		}
		b.WriteString("--=_b--\r\nepilogue\r\n")
	}},
	{"many fields", "", func(r *rand.Rand, b *bytes.Buffer) {
		for i := range 1 + r.IntN(200) {
			fmt.Fprintf(b, "X-Field-%d: %x\r\n", i, r.Uint64())
		}
		b.WriteString("\r\nend\r\n")
	}},
}

// Corpus returns n messages of all kinds in turn. Equal seeds give equal
// messages. All may be sent with DATA or BDAT, and Postfix delivers each as it is.
func Corpus(seed uint64, n int) []Mail {
	out := make([]Mail, n)
	for i := range out {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		kind := kinds[i%len(kinds)]
		out[i] = Mail{Name: fmt.Sprintf("%s %d", kind.name, i), Data: compose(r, seed, i, kind.make), Body: kind.body}
	}
	return out
}

// Binary returns n messages that only BINARYMIME allows: NUL, bare CR, bare LF,
// no line end at the end.
func Binary(seed uint64, n int) []Mail {
	out := make([]Mail, n)
	for i := range out {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		data := compose(r, seed, i, func(r *rand.Rand, b *bytes.Buffer) {
			b.WriteString("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\r\x00\n.\r\n.\r\n")
			for range r.IntN(100_000) {
				b.WriteByte(byte(r.Uint32()))
			}
			b.WriteByte(0)
		})
		out[i] = Mail{Name: fmt.Sprintf("binary %d", i), Data: data, Body: "BINARYMIME"}
	}
	return out
}

// Big returns one message of at least size bytes in ordinary lines, with dots in front of some.
func Big(seed uint64, size int) Mail {
	r := rand.New(rand.NewPCG(seed, 0))
	data := compose(r, seed, 0, func(r *rand.Rand, b *bytes.Buffer) {
		b.WriteString("\r\n")
		b.Grow(size + 100)
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		line := make([]byte, 0, 80)
		for b.Len() < size {
			line = line[:0]
			if r.IntN(16) == 0 {
				line = append(line, '.')
			}
			for len(line) < 72 {
				bits := r.Uint64()
				for range 10 {
					line = append(line, letters[bits&63])
					bits >>= 6
				}
			}
			b.Write(append(line, '\r', '\n'))
		}
	})
	return Mail{Name: fmt.Sprintf("big %d", size), Data: data}
}

func compose(r *rand.Rand, seed uint64, i int, body func(*rand.Rand, *bytes.Buffer)) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Li <li@example.com>\r\nTo: wang@example.com\r\nSubject: corpus %d-%d\r\n"+
		"Date: Mon, 02 Mar 2026 10:%02d:%02d +0800\r\nMessage-ID: <%d.%d@example.com>\r\nMIME-Version: 1.0\r\n",
		seed, i, i/60%60, i%60, seed, i)
	body(r, &b)
	return b.Bytes()
}

var ascii = []rune("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 ,;:!?'\"()[]{}<>@#$%^&*-_=+\\|~`/")

func lines(r *rand.Rand, b *bytes.Buffer, n int, letters []rune) {
	for range n {
		for range r.IntN(78) {
			b.WriteRune(letters[r.IntN(len(letters))])
		}
		b.WriteString("\r\n")
	}
}
