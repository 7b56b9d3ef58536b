package message_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"heliograph/internal/message"
)

// fuzzOptions are small, so that small mails reach the bounds.
var fuzzOptions = message.Options{Salt: "s", MaxHeaderBytes: 16 << 10, MaxFields: 100, MaxParts: 20, MaxDepth: 5, MaxText: 4 << 10}

// FuzzParse feeds any bytes; FuzzTree those of trees that are mails, nearly.
func FuzzParse(f *testing.F) {
	for _, file := range corpus(f) {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(submitted))
	f.Fuzz(func(t *testing.T, raw []byte) { checkProperties(t, raw) })
}

func FuzzTree(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(dice(seed))
	}
	f.Fuzz(func(t *testing.T, choices []byte) { checkProperties(t, grow(choices)) })
}

// TestTrees is a part of FuzzTree that always runs.
func TestTrees(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		raw := grow(dice(seed))
		checkProperties(t, raw)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, raw)
		}
	}
}

func dice(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, 40+r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// checkProperties holds for whatever bytes there are.
func checkProperties(t *testing.T, raw []byte) {
	t.Helper()
	m, err := message.Parse(bytes.NewReader(raw), fuzzOptions)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(m.Flags, message.FlagUnparsed) {
		t.Fatal("a panic was caught")
	}
	checkStrings(t, reflect.ValueOf(m).Elem(), "message")
	if len(m.Text) > 32*fuzzOptions.MaxText || len(m.HTML) > 32*fuzzOptions.MaxText || len(m.Attachments) > fuzzOptions.MaxParts {
		t.Fatalf("%d bytes of text, %d of HTML, %d attachments", len(m.Text), len(m.HTML), len(m.Attachments))
	}
	again, err := message.Parse(&stutter{b: raw, r: rand.New(rand.NewPCG(uint64(len(raw)), 1))}, fuzzOptions)
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Fatalf("read in pieces it is\n%+v, %v\nand whole\n%+v", again, err, m)
	}
	for i, a := range m.Attachments {
		r := message.OpenAttachment(io.NopCloser(bytes.NewReader(raw)), i, fuzzOptions)
		sum := sha256.New()
		n, err := io.Copy(sum, r)
		if err != nil || n != a.Size || hex.EncodeToString(sum.Sum(nil)) != a.SHA256 {
			t.Fatalf("attachment %d: %d bytes of other content than %d, %v", i, n, a.Size, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkStrings looks at all exported strings of v: they are valid UTF-8 without NUL.
func checkStrings(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Fatalf("%s is not clean: %q", path, s)
		}
	case reflect.Slice:
		for i := range v.Len() {
			checkStrings(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				checkStrings(t, v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	}
}

// stutter reads pieces of any size.
type stutter struct {
	b []byte
	r *rand.Rand
}

func (s *stutter) Read(b []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 1+s.r.IntN(40))], s.b)
	s.b = s.b[n:]
	return n, nil
}

// tree grows a mail out of choices: each octet decides one thing. When there are no more,
// the first choice is taken, which always ends.
type tree struct {
	choices []byte
	out     bytes.Buffer
	serial  int
}

func grow(choices []byte) []byte {
	g := &tree{choices: choices}
	if g.of(8) == 1 {
		g.line("From x@example.com Mon Mar  4 09:15:00 2024")
	}
	g.fields()
	g.entity(0)
	raw := g.out.Bytes()
	switch g.of(8) { // damage of the whole
	case 1:
		raw = raw[:len(raw)*g.of(256)/256]
	case 2:
		raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	case 3:
		raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\r\r\n"))
	case 4:
		for range 1 + g.of(8) {
			if len(raw) > 0 {
				raw[(g.of(256)<<8|g.of(256))%len(raw)] = byte(g.of(256))
			}
		}
	}
	return raw
}

func (g *tree) of(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := g.choices[0]
	g.choices = g.choices[1:]
	return int(c) % n
}

func (g *tree) line(s string) { g.out.WriteString(s + "\r\n") }

var fuzzCharsets = []struct {
	name string
	enc  encoding.Encoding
}{
	{"utf-8", encoding.Nop},
	{"gb2312", simplifiedchinese.GBK},
	{"gb18030", simplifiedchinese.GB18030},
	{"big5", traditionalchinese.Big5},
	{"iso-2022-jp", japanese.ISO2022JP},
	{"shift_jis", japanese.ShiftJIS},
	{"euc-jp", japanese.EUCJP},
	{"ks_c_5601-1987", korean.EUCKR},
	{"koi8-r", charmap.KOI8R},
	{"windows-1251", charmap.Windows1251},
	{"iso-8859-1", charmap.Windows1252},
	{"hz-gb-2312", simplifiedchinese.HZGB2312},
	{"utf-7", encoding.Nop},
	{"utf-16", encoding.Nop},
	{"iso-2022-kr", encoding.Nop},
	{"x-none", encoding.Nop},
}

var fuzzTexts = []string{
	"hello", "报价单见附件，请查收", "報價單請查收謝謝", "お世話になっております", "안녕하세요 견적서", "Здравствуйте, ответ", "Müller Grüße", "<p>Hi <b>there</b><blockquote>old</blockquote>",
	"On Monday Li wrote:\r\n> old\r\n", "begin 644 a.bin\r\n#86)C\r\n`\r\nend\r\n", "begin 600 b\r\n#86)C\r\nnonsense\r\n", "-- \r\nWang", "--b0\r\n--b1--\r\n", "+ZeVnLA- ok", "=?utf-8?B?5oql?=",
	"-----BEGIN PGP MESSAGE-----\r\n", "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n", "a\x00b\x1b$B!!\x1b(B", "\x0e\x30\x21\x0f", "Subject: in\r\n\r\nbody", "\xff\xfe\x00", "",
}

// text returns words in a charset, or in another than it says.
func (g *tree) text() (charset string, b []byte) {
	c := fuzzCharsets[g.of(len(fuzzCharsets))]
	s := fuzzTexts[g.of(len(fuzzTexts))]
	for range g.of(3) {
		s += fuzzTexts[g.of(len(fuzzTexts))]
	}
	enc := c.enc
	if g.of(6) == 1 {
		enc = fuzzCharsets[g.of(len(fuzzCharsets))].enc
	}
	b, err := enc.NewEncoder().Bytes([]byte(s))
	if err != nil {
		b = []byte(s)
	}
	return c.name, b
}

// words returns a header value: raw, or in encoded words cut anywhere.
func (g *tree) words() string {
	charset, b := g.text()
	if g.of(3) == 1 {
		return strings.NewReplacer("\r", " ", "\n", " ").Replace(string(b))
	}
	var out []string
	for range 4 {
		n := len(b)
		if g.of(2) == 1 {
			n = min(n, 1+g.of(16))
		}
		word := base64.StdEncoding.EncodeToString(b[:n])
		enc := "B"
		if g.of(3) == 1 {
			enc, word = "Q", escaped(b[:n], '=')
		}
		word = "=?" + charset + "?" + enc + "?" + word + "?="
		switch g.of(16) {
		case 1:
			word = word[:len(word)-1-g.of(3)]
		case 2:
			word = strings.Replace(word, "?", "*zh?", 1)
		}
		out = append(out, word)
		if b = b[n:]; len(b) == 0 {
			break
		}
	}
	return strings.Join(out, []string{"\r\n ", " ", "", "\r\n", "\" \""}[g.of(5)])
}

func escaped(b []byte, sign byte) string {
	var out strings.Builder
	for _, c := range b {
		fmt.Fprintf(&out, "%c%02X", sign, c)
	}
	return out.String()
}

func (g *tree) fields() {
	for range 1 + g.of(6) {
		switch g.of(8) {
		case 0:
			g.line("Subject: " + g.words())
		case 1:
			g.line("From: " + g.words() + " <a@example.com>")
		case 2:
			g.line("To: \"" + g.words() + "\" <b@customer.test>, <>; c@customer.test (" + g.words() + ")")
		case 3:
			g.line("Date: Mon, 4 Mar 2024 09:15:00 +0800")
		case 4:
			g.line("Message-ID: <" + strings.Repeat("a", g.of(4)) + "@example.com>")
		case 5:
			g.line("List-Id: " + g.words() + " <l.example.com>")
		case 6:
			g.line(g.words())
		case 7:
			g.line(strings.Repeat("X-F: y\r\n", g.of(120)) + "References: <a@x> <b@x")
		}
	}
}

// fileParams returns the parameters that name a file, in one of the ways they are written.
func (g *tree) fileParams(key string) string {
	charset, b := g.text()
	switch g.of(7) {
	case 1:
		return "; " + key + "=\"" + g.words() + "\""
	case 2:
		return "; " + key + "*=" + charset + "''" + escaped(b, '%')
	case 3:
		n := len(b) / 2
		return "; " + key + "*1*=" + escaped(b[n:], '%') + ";\r\n " + key + "*0*=" + charset + "'zh'" + escaped(b[:n], '%')
	case 4:
		return "; " + key + "=" + escaped(b, '%')
	case 5:
		return "; " + key + "=\"" + strings.NewReplacer("\r", "", "\n", "").Replace(string(b))
	case 6:
		return "; " + key + "=winmail.dat"
	}
	return ""
}

var (
	fuzzMultiparts = []string{"mixed", "alternative", "related", "signed", "encrypted", "report", "digest"}
	fuzzLeaves     = []string{
		"text/plain", "text/html", "text/calendar; method=request", "application/pdf", "application/ms-tnef", "message/rfc822", "message/delivery-status", "application/pkcs7-mime",
		"application/pgp-encrypted", "text", "html", "=?bad?=", "image/png", "application/octet-stream",
	}
	fuzzEncodings = []string{"", "base64", "quoted-printable", "8bit", "x-uuencode", "nonsense"}
)

// entity writes the rest of a header and the body below it.
func (g *tree) entity(depth int) {
	if depth < 8 && g.of(3) == 1 || depth == 0 && g.of(3) > 0 {
		g.multipart(depth)
		return
	}
	charset, b := g.text()
	mediaType := fuzzLeaves[g.of(len(fuzzLeaves))]
	if mediaType == "application/ms-tnef" || g.of(8) == 1 {
		b = g.tnef(0)
	}
	if g.of(8) > 0 {
		g.line("Content-Type: " + mediaType + "; charset=" + charset + g.fileParams("name"))
	}
	if g.of(3) == 1 {
		g.line("Content-Disposition: " + []string{"attachment", "inline", "=?x"}[g.of(3)] + g.fileParams("filename"))
	}
	if g.of(4) == 1 {
		g.line("Content-ID: <i@x>")
	}
	encoding := fuzzEncodings[g.of(len(fuzzEncodings))]
	if encoding != "" {
		g.line("Content-Transfer-Encoding: " + encoding)
	}
	if g.of(16) != 1 {
		g.line("")
	}
	g.line(g.encode(encoding, b))
}

func (g *tree) encode(encoding string, b []byte) string {
	if g.of(8) == 1 {
		encoding = fuzzEncodings[g.of(len(fuzzEncodings))]
	}
	switch encoding {
	case "base64":
		s := base64.StdEncoding.EncodeToString(b)
		if g.of(8) == 1 {
			s = s[:len(s)*g.of(256)/256] + "\r\n__footer__ x\r\n"
		}
		return s
	case "quoted-printable":
		return escaped(b, '=') + []string{"", "=", "= ", "=Z"}[g.of(4)]
	}
	return string(b)
}

func (g *tree) multipart(depth int) {
	boundary := fmt.Sprintf("b%d", g.serial)
	g.serial++
	switch g.of(12) {
	case 1:
		boundary = "b0"
	case 2:
		boundary = boundary + "--"
	case 3:
		boundary = "b" // a prefix of all others
	}
	declared := "; boundary=\"" + boundary + "\""
	switch g.of(12) {
	case 1:
		declared = ""
	case 2:
		declared = "; boundary=other"
	}
	g.line("Content-Type: multipart/" + fuzzMultiparts[g.of(len(fuzzMultiparts))] + declared)
	if g.of(8) == 1 {
		g.line("Content-Transfer-Encoding: base64")
	}
	g.line("")
	for range 1 + g.of(4) {
		g.line("--" + boundary)
		g.entity(depth + 1)
	}
	switch g.of(6) {
	case 0, 2, 3:
		g.line("--" + boundary + "--")
	case 1:
		g.line("--" + boundary + "--\r\n--" + boundary + "\r\n\r\nlate")
	}
}

// tnef makes a winmail.dat with attachments, perhaps messages, perhaps damaged.
func (g *tree) tnef(depth int) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 0x223e9f78)
	out = append(out, 1, 0)
	put := func(id uint32, b []byte) {
		out = append(out, 2)
		out = binary.LittleEndian.AppendUint32(out, id)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b)+boolTimes(g.of(16) == 1, 5)))
		out = append(append(out, b...), 0, 0)
	}
	put(0x00069007, []byte{0xa8, 3, 0, 0, 0, 0, 0, 0})
	if g.of(2) == 0 {
		put(0x00069003, mapi(0x001e, 0x1000, []byte("body")))
	} else {
		_, rtf := g.text()
		put(0x00069003, mapi(0x0102, 0x1009, append([]byte("....\xff\x0f\x00\x00LZFu...."), rtf...)))
	}
	for range g.of(4) {
		_, name := g.text()
		put(0x00069002, make([]byte, 14))
		put(0x00018010, name)
		if g.of(3) == 1 && depth < 6 {
			iid := "\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00F"
			put(0x00069005, mapi(0x000d, 0x3701, append([]byte(iid), g.tnef(depth+1)...)))
			continue
		}
		put(0x0006800f, name)
		put(0x00069005, mapi(uint16(g.of(256))|0x001e, 0x3707, name))
	}
	return out[:len(out)-boolTimes(g.of(8) == 1, g.of(40))%len(out)]
}

func boolTimes(b bool, n int) int {
	if b {
		return n
	}
	return 0
}

func mapi(kind, id uint16, value []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 1)
	out = binary.LittleEndian.AppendUint16(out, kind)
	out = binary.LittleEndian.AppendUint16(out, id)
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(value)))
	return append(append(out, value...), make([]byte, -len(value)&3)...)
}
