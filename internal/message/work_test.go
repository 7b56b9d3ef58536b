package message_test

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"heliograph/internal/message"
)

// hostile are shapes of mail that cost much where something is looked at again and again.
// Each is made of n units.
var hostile = map[string]func(n int) string{
	"words":               func(n int) string { return "Subject: " + strings.Repeat("=?utf-8?Q?a?= ", n) + "\r\n\r\n" },
	"words without end":   func(n int) string { return "Subject: " + strings.Repeat("=?u?q?a ", n) + "\r\n\r\n" },
	"ends of words":       func(n int) string { return "Subject: " + strings.Repeat("=?u?q??=ab ", n) + "\r\n\r\n" },
	"half words":          func(n int) string { return "Subject: " + strings.Repeat("=?u?b?YQ", n) + "\r\n\r\n" },
	"names of words":      func(n int) string { return "To: " + strings.Repeat("=?u?q?a,b?= <a@b>,", n) + "\r\n\r\n" },
	"open words in names": func(n int) string { return "To: " + strings.Repeat("=?u?q?a,", n) + "?=\r\n\r\n" },
	"percent":             func(n int) string { return "Content-Disposition: x; filename=" + strings.Repeat("%B1", n) + "\r\n\r\n" },
	"sections":            func(n int) string { return "Content-Type: x/y" + strings.Repeat("; name*1*=a", n) + "\r\n\r\n" },
	"raw fields":          func(n int) string { return strings.Repeat("Subject: \xb1\xa8\xbc\xdb\r\n", n) + "\r\n" },
	"lines before a part": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--x\r\n", n)
	},
	"lines like a file":    func(n int) string { return "\r\n" + strings.Repeat("begin 644 a\r\n", n) },
	"files without end":    func(n int) string { return "\r\n" + strings.Repeat("begin 644 a\r\n#86)C\r\n", n) },
	"one line like a file": func(n int) string { return "\r\nbegin 644 " + strings.Repeat("aaaaaaaa", n) },
	"padding": func(n int) string {
		return "Content-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("YQ==\r\n", n)
	},
	"escapes": func(n int) string { return "\r\n" + strings.Repeat("\x1b$B!!\x1b(B", n) },
	"utf-7": func(n int) string {
		return "Content-Type: text/plain; charset=utf-7\r\n\r\n" + strings.Repeat("+AAA-+", n)
	},
	"any octet": func(n int) string { return "\r\n" + strings.Repeat("\x81\xfe\xb0a", n) },
}

// TestWorkIsLinear compares the work for a mail and for one of four times the size: what is
// allocated on the way, and how often a reader is asked. Reading takes no time worth
// naming, so what grows is what would grow in time.
func TestWorkIsLinear(t *testing.T) {
	work := func(raw string) (octets uint64, reads int) {
		r := &counter{r: strings.NewReader(raw)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := message.Parse(r, message.Options{}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc, r.reads
	}
	for name, grow := range hostile {
		work(grow(100)) // what is made once
		const n = 6_000
		small, reads := work(grow(n))
		large, more := work(grow(4 * n))
		if large > small*8+256<<10 { // buffers double; sixteen times were quadratic
			t.Errorf("%s: %d octets allocated, for four times the size %d", name, small, large)
		}
		if more > 4*reads+4 {
			t.Errorf("%s: read %d times, for four times the size %d", name, reads, more)
		}
	}
}

type counter struct {
	r     io.Reader
	reads int
}

func (c *counter) Read(b []byte) (int, error) {
	c.reads++
	return c.r.Read(b)
}

// TestHostileMailAtItsBounds parses as much of each shape as a header may have, and much more
// than that. A shape that is looked at again and again would keep the test from ending.
func TestHostileMailAtItsBounds(t *testing.T) {
	t.Parallel()
	for name, grow := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unit := len(grow(1000)) - len(grow(999))
			for _, size := range []int{500 << 10, 5 << 20} {
				m := parse(t, grow(size/unit), message.Options{})
				if len(m.Text) > 4<<20 {
					t.Errorf("%d octets of text", len(m.Text))
				}
			}
		})
	}
}
