package message_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jhillyerd/enmime/v2"
	"go.uber.org/goleak"

	"heliograph/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// large makes a mail with one attachment of n bytes, without holding it.
func large(n int64) io.Reader {
	head := "From: a@example.com\r\nDate: Mon, 4 Mar 2024 09:15:00 +0800\r\nMessage-ID: <large@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b\r\nContent-Type: application/pdf; name=big.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("heliograph-"), 6)[:57]) + "\r\n"
	return io.MultiReader(strings.NewReader(head), io.LimitReader(&repeat{unit: line}, n/57*int64(len(line))), strings.NewReader("--b--\r\n"))
}

type repeat struct {
	unit string
	off  int
}

func (r *repeat) Read(b []byte) (int, error) {
	for n := 0; ; {
		c := copy(b[n:], r.unit[r.off:])
		n += c
		r.off = (r.off + c) % len(r.unit)
		if n == len(b) {
			return n, nil
		}
	}
}

func TestMemoryDoesNotDependOnSize(t *testing.T) {
	cost := func(n int64) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := message.Parse(large(n), message.Options{})
		runtime.ReadMemStats(&after)
		if err != nil || len(m.Attachments) != 1 || m.Attachments[0].Size != n/57*57 {
			t.Fatalf("Parse = %+v, %v", m, err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	small, big := cost(57_000), cost(50<<20)
	if big > small+1<<20 {
		t.Errorf("50 MB allocated %d bytes, 57 KB %d", big, small)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	nest := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return b.String() + "\r\nthe end\r\n"
	}
	for name, c := range map[string]struct {
		raw  string
		flag string
	}{
		"deep multiparts":           {nest(5000), message.FlagLimits},
		"many parts":                {"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 100_000), message.FlagLimits},
		"many fields":               {strings.Repeat("X-A: b\r\n", 200_000) + "\r\nbody", message.FlagHeader},
		"one endless field":         {"Subject: " + strings.Repeat("a", 5<<20) + "\r\n\r\nbody", message.FlagHeader},
		"endless folding":           {"Subject: a\r\n" + strings.Repeat(" b\r\n", 1<<20) + "\r\nbody", message.FlagHeader},
		"long text":                 {"Subject: a\r\n\r\n" + strings.Repeat("word ", 2<<20), message.FlagTruncated},
		"encoded words":             {"Subject: " + strings.Repeat("=?utf-8?Q?a?= ", 40_000) + "\r\n\r\n", message.FlagHeader},
		"address separators":        {"To: <" + strings.Repeat(",", 500_000) + "\r\n\r\n", ""},
		"address colons":            {"To: a@" + strings.Repeat(":", 500_000) + "\r\n\r\n", ""},
		"open comments":             {"To: " + strings.Repeat("(", 500_000) + "\r\n\r\n", ""},
		"parameters":                {"Content-Type: text/plain" + strings.Repeat(";\"", 200_000) + "\r\n\r\n", ""},
		"open blockquotes":          {"Content-Type: text/html\r\n\r\n" + strings.Repeat("<blockquote>a<br>", 200_000), ""},
		"open links":                {"Content-Type: text/html\r\n\r\n" + strings.Repeat("<a href=http://x/>", 200_000) + strings.Repeat("</a>", 200_000), ""},
		"open lists":                {"Content-Type: text/html\r\n\r\n" + strings.Repeat("<ul><li>a", 200_000), ""},
		"attributes":                {"Content-Type: text/html\r\n\r\n<p " + strings.Repeat("a=b ", 500_000) + ">x", ""},
		"introductions":             {"Subject: a\r\n\r\n" + strings.Repeat("On 2024 wrote\r\n", 100_000), ""},
		"quoted-printable of signs": {"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.Repeat("= ", 1<<20), message.FlagEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			m := parse(t, c.raw, message.Options{})
			if took := time.Since(began); took > time.Minute { // each takes well under 1 s on an idle machine; quadratic ones take minutes
				t.Errorf("took %v", took)
			}
			if c.flag != "" && !slices.Contains(m.Flags, c.flag) {
				t.Errorf("flags %q lack %q", m.Flags, c.flag)
			}
		})
	}
}

func TestReadErrorIsTheOnlyError(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	r := io.MultiReader(strings.NewReader("Subject: a\r\n\r\nbody\r\n"), iotest.ErrReader(broken))
	if _, err := message.Parse(r, message.Options{}); !errors.Is(err, broken) {
		t.Errorf("Parse = %v, want %v", err, broken)
	}
}

// The result must not depend on how the bytes arrive.
func TestAnySplitOfTheInput(t *testing.T) {
	t.Parallel()
	for _, file := range corpus(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole := parse(t, string(raw), message.Options{})
		bytewise, err := message.Parse(iotest.OneByteReader(bytes.NewReader(raw)), message.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if whole.Key != bytewise.Key || whole.Text != bytewise.Text || !slices.Equal(whole.Flags, bytewise.Flags) {
			t.Errorf("%s: read whole %+v, bytewise %+v", file, whole, bytewise)
		}
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestOpenAttachment(t *testing.T) {
	t.Parallel()
	for _, file := range corpus(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := parse(t, string(raw), message.Options{})
		for i, a := range m.Attachments {
			src := &closer{Reader: bytes.NewReader(raw)}
			r := message.OpenAttachment(src, i, message.Options{})
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if err := r.Close(); err != nil || !src.closed {
				t.Errorf("%s: Close = %v, raw closed: %v", file, err, src.closed)
			}
			if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != a.SHA256 || int64(len(b)) != a.Size {
				t.Errorf("%s: attachment %d has other bytes than were hashed", file, i)
			}
		}
		r := message.OpenAttachment(io.NopCloser(bytes.NewReader(raw)), len(m.Attachments), message.Options{})
		if _, err := io.ReadAll(r); !errors.Is(err, message.ErrNoAttachment) {
			t.Errorf("%s: one attachment too many: %v", file, err)
		}
		_ = r.Close()
	}
	r := message.OpenAttachment(io.NopCloser(large(10<<20)), 0, message.Options{})
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil { // without reading the rest; goleak sees whether it ends
		t.Error(err)
	}
}

// On mail that keeps the rules an unrelated parser finds the same files.
func TestAgreesWithEnmime(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"alternative_attachment_rfc2231", "apple_mixed", "related_inline", "plain_utf8", "gb2312_words_split", "invitation"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "good_"+name+".eml"))
		if err != nil {
			t.Fatal(err)
		}
		env, err := enmime.ReadEnvelope(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, parts := range [][]*enmime.Part{env.Attachments, env.Inlines, env.OtherParts} {
			for _, p := range parts {
				sum := sha256.Sum256(p.Content)
				want = append(want, p.ContentType+" "+hex.EncodeToString(sum[:]))
			}
		}
		m := parse(t, string(raw), message.Options{})
		var got []string
		for _, a := range m.Attachments {
			got = append(got, a.Type+" "+a.SHA256)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestAutomatedByEnvelope(t *testing.T) {
	t.Parallel()
	raw := "From: a@example.com\r\n\r\nx"
	if parse(t, raw, message.Options{}).Automated || !parse(t, raw, message.Options{NullReturnPath: true}).Automated {
		t.Error("only the null return path makes this mail automated")
	}
	for _, c := range []struct {
		line string
		want bool
	}{
		{"Auto-Submitted: no", false},
		{"Auto-Submitted: auto-generated; x=y", true},
		{"Precedence: first-class", false},
		{"Precedence: Junk", true},
		{"X-Auto-Response-Suppress: None", false},
		{"X-Auto-Response-Suppress: OOF, AutoReply", true},
		{"List-Id: <a.b>", true},
		{"Return-Path: <>", true},
		{"Return-Path: <a@example.com>", false},
		{"Return-Path:", false},
		{`Content-Type: multipart/report; report-type=disposition-notification; boundary=x`, true},
	} {
		if got := parse(t, c.line+"\r\n"+raw, message.Options{}).Automated; got != c.want {
			t.Errorf("%s: automated %v", c.line, got)
		}
	}
}

func TestHTMLLoadsNothing(t *testing.T) {
	t.Parallel()
	m := parse(t, "Content-Type: text/html\r\n\r\n"+`<base href="http://evil.test/"><link rel=stylesheet href=http://evil.test/a.css><body background="http://evil.test/b.png">`+
		`<img src="http://evil.test/c.png"><img src="//evil.test/d.png" srcset="http://evil.test/e.png 2x"><div style="background:url(http://evil.test/f.png);color:red">x</div>`+
		`<video src="http://evil.test/g"></video><table background="http://evil.test/h"><tr><td>y</td></tr></table><style>@import url(http://evil.test/i)</style>`+
		`<input type=image src="http://evil.test/j"><svg><image href="http://evil.test/k"/></svg><a href="javascript:alert(1)">z</a>`, message.Options{})
	if strings.Contains(m.HTML, "evil.test") || strings.Contains(m.HTML, "javascript") {
		t.Errorf("HTML is %s", m.HTML)
	}
	for _, want := range []string{"color: red", "x", "y", "z"} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("HTML %s lacks %q", m.HTML, want)
		}
	}
}

// What is in a winmail.dat or in a text streams as well: it is never held, and a reader may
// stop early.
func TestFilesWithinPartsStream(t *testing.T) {
	const size = 30 << 20
	row := "abcdefghijklmnopqrstuvwxyz0123456789 abcdefg\n"
	attribute := func(id, n uint32) string {
		b := binary.LittleEndian.AppendUint32([]byte{2}, id)
		return string(binary.LittleEndian.AppendUint32(b, n))
	}
	const tnef = "\x78\x9f\x3e\x22\x01\x00"
	uu := "M" + strings.Repeat("86)C", 15) + "\r\n"
	for name, parts := range map[string][]io.Reader{
		"winmail.dat": {
			strings.NewReader("Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: binary\r\n\r\n" + tnef + attribute(0x00069002, 0) + "\x00\x00" + attribute(0x0006800f, size)),
			io.LimitReader(&repeat{unit: row}, size), strings.NewReader("\x00\x00"),
		},
		"uuencode": {
			strings.NewReader("\r\nbegin 644 a.bin\r\n"), io.LimitReader(&repeat{unit: uu}, size/int64(len(uu))*int64(len(uu))), strings.NewReader("`\r\nend\r\n"),
		},
	} {
		raw := &closer{Reader: io.MultiReader(parts...)}
		r := message.OpenAttachment(raw, 0, message.Options{})
		if _, err := io.ReadFull(r, make([]byte, 100<<10)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := io.Copy(io.Discard, io.LimitReader(r, size/2))
		runtime.ReadMemStats(&after)
		if err != nil || n < size/3 {
			t.Errorf("%s: read %d octets, %v", name, n, err)
		}
		if live := after.HeapAlloc; live > before.HeapAlloc+16<<20 {
			t.Errorf("%s: the heap grew from %d to %d", name, before.HeapAlloc, live)
		}
		if err := r.Close(); err != nil || !raw.closed { // before the end
			t.Errorf("%s: Close = %v", name, err)
		}
	}
}
