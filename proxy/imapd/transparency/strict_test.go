package transparency_test

import (
	"strings"
	"testing"

	"heliograph/internal/mailtest"
)

// TestDeviations says what the gateway answers on purpose unlike the server: what
// would take the wire out of its hands is refused and the session goes on; words whose
// framing is in doubt end it, and the server obeys none of them.
func TestDeviations(t *testing.T) {
	t.Parallel()
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Extensions: true})
	g := startGateway(t, d.IMAP(), "none")
	t.Run("refused", func(t *testing.T) {
		c := open(t, g.dial, d.Users[0])
		for _, command := range []string{"COMPRESS DEFLATE", "STARTTLS", "UNAUTHENTICATE"} {
			rs, err := c.Command("x", mailtest.IMAPArgument{Text: command})
			if err != nil {
				t.Fatalf("%s: %v", command, err)
			}
			if last := rs[len(rs)-1].String(); !strings.HasPrefix(last, "x BAD ") && !strings.HasPrefix(last, "x NO ") {
				t.Errorf("%s: %s", command, last)
			}
			c.say("SELECT INBOX")
		}
		for _, r := range c.say("CAPABILITY") {
			if text := r.String(); strings.Contains(text, "COMPRESS") || strings.Contains(text, "STARTTLS") {
				t.Errorf("offered: %s", text)
			}
		}
	})
	for name, words := range map[string]string{
		"empty literal":              "x CREATE {}\r\ny CREATE smuggled\r\n",
		"literal with a tail":        "x CREATE {5}}\r\ny CREATE smuggled\r\n",
		"literal with a space":       "x CREATE {5 }\r\ny CREATE smuggled\r\n",
		"hexadecimal literal":        "x CREATE {0x5}\r\ny CREATE smuggled\r\n",
		"endless literal":            "x CREATE {99999999999999999999}\r\ny CREATE smuggled\r\n",
		"literal as tag":             "{1}\r\nx CREATE smuggled\r\n",
		"literal as verb":            "x {6}\r\nCREATE smuggled\r\n",
		"literal on unknown verb":    "x XFOO {3+}\r\nabc\r\ny CREATE smuggled\r\n",
		"bare LF":                    "x NOOP\ny CREATE smuggled\n",
		"NUL":                        "x NOOP\x00\r\ny CREATE smuggled\r\n",
		"bare CR":                    "x NOOP\ry CREATE smuggled\r\n",
		"IDLE without DONE":          "x IDLE\r\ny CREATE smuggled\r\n",
		"quoted string not closed":   "x CREATE \"smug\r\ny CREATE smuggled\r\n",
		"quoted string with a NUL":   "x CREATE \"a\x00b\"\r\ny CREATE smuggled\r\n",
		"endless line":               "x CREATE " + strings.Repeat("a", 1<<20) + "\r\ny CREATE smuggled\r\n",
		"literal8 where none stands": "x CREATE ~{3+}\r\nabc\r\ny CREATE smuggled\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, g.dial, d.Users[1])
			// A write may fail once the gateway has closed.
			_ = c.Say(words)
			rs, err := c.Until("\x00")
			var said strings.Builder
			for _, r := range rs {
				said.WriteString(r.String() + "\r\n")
			}
			if err == nil || !strings.Contains("\r\n"+said.String(), "\r\n* BAD ") {
				t.Errorf("answered %q, %v; want BAD and the end", said.String(), err)
			}
		})
	}
	for _, r := range open(t, (&server{IMAPServer: d.IMAP()}).direct, d.Users[1]).say(`LIST "" "*"`) {
		if strings.Contains(r.String(), "smug") {
			t.Errorf("the server has obeyed: %s", r)
		}
	}
}
