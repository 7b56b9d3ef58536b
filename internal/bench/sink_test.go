package bench

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// skipData must find the end wherever the reads cut it, and nothing that looks like it.
func TestSkipData(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789\r\n", 20)
	for name, body := range map[string]string{
		"empty":         ".\r\n",
		"one line":      "a\r\n.\r\n",
		"blank lines":   "\r\n\r\n.\r\n",
		"dots":          "..\r\n.a\r\na.\r\n.\r\n",
		"bare LF":       "a\n.\n.\r\n\r\n.\r\n",
		"longer":        long + ".\r\n",
		"dot all along": strings.Repeat(".", 100) + "\r\n.\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for cut := 1; cut <= len(body); cut++ {
				r := bufio.NewReaderSize(io.MultiReader(strings.NewReader(body[:cut]), strings.NewReader(body[cut:]+"QUIT\r\n")), 16)
				if err := skipData(r); err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				rest, err := io.ReadAll(r)
				if err != nil || string(rest) != "QUIT\r\n" {
					t.Fatalf("cut at %d left %q, %v", cut, rest, err)
				}
			}
			if err := skipData(bufio.NewReader(strings.NewReader(body[:len(body)-1]))); err == nil {
				t.Error("took a message without its end")
			}
		})
	}
}

func TestSinkCountsWhatItTook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says string
		want int64
		last string // reply
	}{
		"data":            {"EHLO x\r\nAUTH PLAIN AAA=\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\na\r\n.\r\nQUIT\r\n", 1, "221"},
		"auth in a row":   {"AUTH PLAIN\r\nAAA=\r\nNOOP\r\nQUIT\r\n", 0, "221"},
		"chunks":          {"MAIL FROM:<>\r\nBDAT 5\r\nab\r\ncBDAT 0 LAST\r\nQUIT\r\n", 1, "221"},
		"cut off":         {"DATA\r\na\r\n", 0, "354"},
		"cut off a chunk": {"BDAT 10 LAST\r\nabc", 0, "220"},
		"bad chunk":       {"BDAT x\r\n", 0, "220"},
		"unknown":         {"HELP\r\nQUIT\r\n", 0, "221"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			s := &sink{}
			ss := sinkSession{sink: s, r: bufio.NewReader(strings.NewReader(c.says)), w: bufio.NewWriter(&out)}
			ss.run()
			lines := strings.Split(strings.TrimSpace(out.String()), "\r\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, c.last) || s.messages.Load() != c.want {
				t.Errorf("counted %d, want %d; last reply %q, want %s", s.messages.Load(), c.want, last, c.last)
			}
		})
	}
}
