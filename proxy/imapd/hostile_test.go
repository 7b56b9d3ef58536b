package imapd_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// patience is short enough to wait for, and long enough for a busy machine.
const patience = time.Second

// Framing that readers could disagree about ends the session, and nothing of it
// reaches the upstream.
func TestClientFraming(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("x", 9000)
	for name, c := range map[string]struct{ says, answer string }{
		"bare LF":                       {`a LOGIN u p\nb NOOP\r\n`, "* BAD line does not end in CRLF"},
		"bare CR":                       {`a LOGIN u\r p\r\n`, "* BAD NUL or CR within a line"},
		"NUL":                           {`a LOGIN u p\x00\r\n`, "* BAD NUL or CR within a line"},
		"NUL in a literal":              {`a LOGIN u {3+}\r\na\x00b\r\n`, "a BAD NUL within a literal"},
		"line of 9,000 bytes":           {`a LOGIN u ` + huge + `\r\n`, "* BAD line too long"},
		"endless line":                  {`a LOGIN u ` + huge, "* BAD line too long"},
		"line too long behind literal":  {`a LOGIN u {1+}\r\nx` + huge + `\r\n`, "a BAD line too long"},
		"AUTHENTICATE of 80 KB":         {`a AUTHENTICATE PLAIN ` + strings.Repeat("A", 80000) + `\r\n`, "* BAD line too long"},
		"literal bomb, non-sync":        {`a LOGIN {4294967295+}\r\n`, "a BAD literal too large"},
		"literals too large together":   {`a LOGIN {40000+}\r\n` + strings.Repeat("x", 40000) + ` {40000+}\r\n`, "a BAD literal too large"},
		"number of eleven digits":       {`a LOGIN {00000000005}\r\n`, "a BAD {any}"},
		"leading zero":                  {`a LOGIN {05}\r\n`, "a BAD {any}"},
		"no number":                     {`a LOGIN {}\r\n`, "a BAD {any}"},
		"two braces":                    {`a LOGIN u {5}}\r\n`, "a BAD {any}"},
		"blank in the number":           {`a LOGIN u {5 }\r\n`, "a BAD {any}"},
		"blank behind the number":       {`a LOGIN u {5} \r\n`, "a BAD {any}"},
		"minus":                         {`a LOGIN u {5-}\r\n`, "a BAD {any}"},
		"literal8":                      {`a LOGIN u ~{5}\r\n`, "a BAD {any}"},
		"literal within an open quote":  {`a LOGIN \"u {5}\r\n`, "a BAD {any}"},
		"literal behind an atom":        {`a LOGIN u{5}\r\n`, "a BAD {any}"},
		"third literal":                 {`a LOGIN u p {5}\r\n`, ""},
		"literal at a command without":  {`a NOOP {5}\r\n`, "a BAD {any}"},
		"literal at an unknown command": {`a XYZZY {5+}\r\n`, "a BAD {any}"},
		"literal as tag":                {`{5}\r\n`, "* BAD {any}"},
		"literal as verb":               {`a {5}\r\n`, "* BAD {any}"},
		"literal as mechanism":          {`a AUTHENTICATE {5+}\r\n`, "a BAD {any}"},
		"literal as response":           {`a AUTHENTICATE PLAIN\r\n{5+}\r\n`, ""},
		"TLS on the plain port":         {`\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n`, "* BAD {any}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, nil, learn)
			switch name {
			case "third literal": // it is announced properly, but there is no place for it
				f.talk(lines(hello, `C= "`+c.says+`"`, "S: + OK", `C= "xxxxx\r\n"`, "S: a BAD LOGIN takes a user name and a password", "C: b NOOP", "S: b OK NOOP completed"))
				return
			case "literal as response":
				f.talk(lines(hello, `C= "`+c.says+`"`, "S: + {any}", "S: a BAD syntax error", "C: b NOOP", "S: b OK NOOP completed"))
				return
			}
			f.talk(lines(hello, `C= "`+c.says+`"`, "S: "+c.answer, "S: * BYE the connection cannot go on after that", "-- eof"))
			if n := f.metric("heliograph_imap_refusals_total", "reason", "framing"); n != 1 {
				t.Errorf("%v refusals are counted, want 1", n)
			}
		})
	}
}

// What is only wrong is answered, and the session goes on.
func TestBadCommands(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn)
	f.talk(lines(hello, `
		C= "\r\n"
		S: * BAD syntax error
		C: a
		S: * BAD syntax error
		C: a*b NOOP
		S: * BAD syntax error
		C: a  NOOP
		S: * BAD syntax error
		C: a NOOP now
		S: a BAD NOOP takes no arguments
		C: a CAPABILITY IDLE
		S: a BAD CAPABILITY takes no arguments
		C: a SELECT INBOX
		S: a BAD log in first
		C: a XYZZY
		S: a BAD log in first
		C: a LOGIN
		S: a BAD LOGIN takes a user name and a password
		C: a LOGIN u
		S: a BAD LOGIN takes a user name and a password
		C: a LOGIN u p q
		S: a BAD LOGIN takes a user name and a password
		C: a LOGIN (u p)
		S: a BAD LOGIN takes a user name and a password
		C: a LOGIN "u""p"
		S: a BAD syntax error
		C: a LOGIN u "p\x"
		S: a BAD syntax error
		C: a LOGIN u "p
		S: a BAD syntax error
		C: a LOGIN u {65537}
		S: a BAD literal too large
		C: a LOGIN {4294967295}
		S: a BAD literal too large
		C= "a LOGIN u {1+}\r\nxy\r\n"
		S: a BAD syntax error
		C= "a LOGIN {3+}\r\nu\r\n p\r\n"
		S: a NO [AUTHENTICATIONFAILED] {any}
		C: a ID
		S: a BAD ID takes NIL or a list of pairs
		C: a ID ("name")
		S: a BAD ID takes NIL or a list of pairs
		C: a ID "name" "x"
		S: a BAD ID takes NIL or a list of pairs
		C: a ID ("name" x)
		S: a BAD ID takes NIL or a list of pairs
		C: a AUTHENTICATE
		S: a BAD AUTHENTICATE takes a mechanism
		C: a AUTHENTICATE PLAIN !
		S: a BAD the initial response is not base64
		C: a AUTHENTICATE SCRAM-SHA-256-PLUS
		S: a NO [CANNOT] {any}
		C: a STARTTLS
		S: a BAD STARTTLS is not offered here
		C: a LOGOUT
		S: * BYE logging out
		S: a OK LOGOUT completed
		-- eof`))
}

func TestFloodOfCommands(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn)
	f.talk(lines(hello, `C= "`+strings.Repeat(`a NOOP\r\n`, 64)+`"`, strings.Repeat("S: a OK NOOP completed\n", 64), "S: * BYE too many commands without a login\n-- eof"))
}

func TestSlowClients(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"silence":          ``,
		"half a line":      `C= "a LOG"`,
		"half a literal":   `C= "a LOGIN {5+}\r\nabc"`,
		"no literal":       "C: a LOGIN {5}\nS: + OK",
		"no response":      "C: a AUTHENTICATE PLAIN\nS: + {any}",
		"half a response":  "C: a AUTHENTICATE PLAIN\nS: + {any}\nC= \"AAAA\"",
		"nothing more":     "C: a NOOP\nS: a OK NOOP completed",
		"half behind NOOP": "C= \"a NOOP\\r\\nb \"\nS: a OK NOOP completed",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, func(s *setup) { s.patience = patience }, learn)
			f.talk(lines(hello, script, "S: * BYE timeout before login\n-- eof"))
		})
	}
}

// A byte at a time ends with the patience for one command, not for one byte.
func TestBytesThatTrickle(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(s *setup) { s.patience = patience }, learn)
	c, err := net.Dial("tcp", f.addr)
	must(t, err)
	defer c.Close()
	tick := time.NewTicker(patience / 20)
	defer tick.Stop()
	for n := 0; ; n++ {
		<-tick.C
		if _, err := io.WriteString(c, "x"); err != nil {
			break
		}
		if n > 8000 {
			t.Fatal("the client may trickle for ever")
		}
	}
}

// A client that says nothing else than that it goes.
func TestClientVanishes(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"at once":            ``,
		"inside a line":      `C= "a LOGIN u"`,
		"inside a literal":   `C= "a LOGIN u {10+}\r\nabc"`,
		"at a challenge":     "C: a AUTHENTICATE PLAIN\nS: + {any}",
		"with a reset":       "C= \"a LOGIN u\"\n-- reset",
		"before the literal": "C: a LOGIN {5}\nS: + OK",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newFront(t, nil, learn).talk(hello + script)
		})
	}
}

// Whatever the upstream does at a login, the client gets a clear answer in time and no
// success that the upstream did not give to this command.
func TestHostileUpstreams(t *testing.T) {
	t.Parallel()
	const (
		login     = `C= "a LOGIN u@example.com {6+}\r\nsecret\r\n"`
		unreached = `S: a NO [UNAVAILABLE] the mail server cannot be reached now, try again later (session {any})`
		lost      = `S: a NO [UNAVAILABLE] the mail server did not answer the login, try again later (session {any})`
	)
	waits, nonSync := upWith("IMAP4rev1 AUTH=PLAIN"), upHello
	endless := `S= "* OK ` + strings.Repeat("x", 70000) + `"`
	many := strings.Repeat(`S= "* OK `+strings.Repeat("y", 60000)+`\r\n"`+"\n", 19)
	for name, c := range map[string]struct{ upstream, client string }{
		"closes":                            {nonSync + login, lost},
		"resets":                            {nonSync + login + "\n-- reset", lost},
		"closes inside its answer":          {nonSync + login + "\nS= \"a OK i\"", lost},
		"silence":                           {nonSync + login + "\n-- hold", lost},
		"PREAUTH in the middle":             {nonSync + login + "\nS: * PREAUTH you are in\n-- hold", lost},
		"OK for another's tag":              {nonSync + login + "\nS: b OK in\n-- hold", lost},
		"a tag that begins like ours":       {nonSync + login + "\nS: aa OK in\n-- hold", lost},
		"neither tag nor response":          {nonSync + login + "\nS: hello\n-- hold", lost},
		"a status of its own":               {nonSync + login + "\nS: a YES in\n-- hold", lost},
		"a continuation for the password":   {nonSync + login + "\nS: + once more, please\n-- hold", lost},
		"endless line":                      {nonSync + login + "\n" + endless + "\n-- hold", lost},
		"endless lines":                     {nonSync + login + "\n" + many + "-- hold", ""},
		"literal bomb":                      {nonSync + login + "\nS: * LIST () {4294967295}\n-- hold", lost},
		"unfinished literal":                {nonSync + login + "\nS= \"* LIST () {10}\\r\\na OK in\\r\\n\"\n-- hold", lost},
		"OK before the password":            {waits + "C: a LOGIN u@example.com {6}\nS: a OK in\n-- eof", lost},
		"+ and OK in one":                   {waits + "C: a LOGIN u@example.com {6}\nS= \"+ go\\r\\na OK in\\r\\n\"\n-- eof", lost},
		"a forged answer with the greeting": {"S= \"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+] up ready\\r\\na OK in\\r\\n\"\n-- eof", lost},
		"no greeting":                       {"-- hold", unreached},
		"endless greeting":                  {"S= \"* OK " + strings.Repeat("x", 70000) + "\"\n-- hold", unreached},
		"PREAUTH":                           {"S: * PREAUTH you are in\n-- eof", unreached},
		"OK without a tag":                  {nonSync + login + "\nS= \"\\r\\nOK in\\r\\n\"\n-- hold", lost},
		"CAPABILITY of 1 MB":                {nonSync + login + "\nS= \"* CAPABILITY " + strings.Repeat("X ", 500000) + "\\r\\n\"\n-- hold", lost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, func(s *setup) {
				if name == "silence" || name == "no greeting" {
					s.patience = 2 * patience
				}
				s.upstreams[0].IMAP.Address = hostile(t, nil, learn, c.upstream)
			})
			if name == "endless lines" {
				c.client = strings.Repeat("S: * OK {any}\n", 17) + lost
			}
			f.talk(lines(hello, login, c.client, `
				C: b LOGOUT
				S: * BYE logging out
				S: b OK LOGOUT completed
				-- eof`))
			f.wantLogin("upstream_error")
		})
	}
}

// hostile serves the scripts; a peer that hangs up on it is no mistake.
func hostile(t *testing.T, tc *tls.Config, scripts ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, script := range scripts {
			c, err := l.Accept()
			if err != nil {
				t.Errorf("a script was not played: %v", err)
				return
			}
			wg.Go(func() {
				err := mailtest.Play(c, mailtest.Server, tc, script)
				if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
					t.Error(err)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// The same with AUTHENTICATE.
func TestHostileUpstreamsAtAuthenticate(t *testing.T) {
	t.Parallel()
	const lost = `S: a NO [UNAVAILABLE] {any}`
	for name, c := range map[string]struct{ upstream, client string }{
		"OK without a response": {
			upWith("IMAP4rev1 AUTH=PLAIN") + "C: a AUTHENTICATE PLAIN\nS: a OK in\n-- eof",
			"C: a AUTHENTICATE PLAIN\nS: + {any}\nC: AHVAZXhhbXBsZS5jb20AcA==\n" + lost,
		},
		"OK without a challenge": {
			upHello + "C: a AUTHENTICATE CRAM-MD5\nS: a OK in\n-- eof",
			"C: a AUTHENTICATE CRAM-MD5\n" + lost,
		},
		"OK to a cancelled one": {
			upHello + "C: a AUTHENTICATE CRAM-MD5\nS: + AAAA\nC: *\nS: a OK in\n-- eof",
			"C: a AUTHENTICATE CRAM-MD5\nS: + AAAA\nC: *\n" + lost,
		},
		"challenge and OK in one": {
			upHello + "C: a AUTHENTICATE CRAM-MD5\nS= \"+ AAAA\\r\\na OK in\\r\\n\"\n-- eof",
			"C: a AUTHENTICATE CRAM-MD5\nS: + AAAA\nC: BBBB\n" + lost,
		},
		"endless challenges": {
			upHello + "C: a AUTHENTICATE CRAM-MD5\n" + strings.Repeat("S: + AAAA\nC: BBBB\n", 16) + "S: + AAAA\n-- eof",
			"C: a AUTHENTICATE CRAM-MD5\n" + strings.Repeat("S: + AAAA\nC: BBBB\n", 16) + lost,
		},
		"a challenge of 70 KB": {
			upHello + "C: a AUTHENTICATE CRAM-MD5\nS: + " + strings.Repeat("A", 70000) + "\n-- hold",
			"C: a AUTHENTICATE CRAM-MD5\n" + lost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, func(s *setup) { s.upstreams[0].IMAP.Address = hostile(t, nil, learn, c.upstream) })
			f.talk(lines(hello, c.client, "C: b LOGOUT\nS: * BYE logging out\nS: b OK LOGOUT completed\n-- eof"))
			f.wantLogin("upstream_error")
		})
	}
}

// A command in the place of a response is none of the upstream's business: it may
// have ended the exchange meanwhile.
func TestCommandAsResponse(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn, upHello+"C: a AUTHENTICATE CRAM-MD5\nS: + AAAA\n-- eof")
	f.talk(lines(hello, "C: a AUTHENTICATE CRAM-MD5\nS: + AAAA\nC: b LOGIN u p\nS: a BAD syntax error\nC: c NOOP\nS: c OK NOOP completed"))
}

// An upstream that says BYE has had its say.
func TestUpstreamSaysBye(t *testing.T) {
	t.Parallel()
	t.Run("instead of an answer", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, nil, learn, lines(upHello, "C: a LOGIN u@example.com p\nS: * BYE [UNAVAILABLE] maintenance"))
		f.talk(lines(hello, "C: a LOGIN u@example.com p\nS: * BYE [UNAVAILABLE] maintenance\n-- eof"))
	})
	t.Run("before a refusal", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, nil, learn, lines(upHello, "C: a LOGIN u@example.com p\nS: * BYE you again\nS: a NO bad"))
		f.talk(lines(hello, "C: a LOGIN u@example.com p\nS: * BYE you again\nS: a NO bad\n-- eof"))
	})
	t.Run("instead of a greeting", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, nil, learn, "S: * BYE [LIMIT] too many of you", "S: * BYE come back later", "S: * BYE",
			lines(upHello, "C: d LOGIN u@example.com p\nS: d OK in", upTap))
		f.talk(lines(hello, `
			C: a LOGIN u@example.com p
			S: a NO [LIMIT] too many of you
			C: b LOGIN u@example.com p
			S: b NO [UNAVAILABLE] come back later
			C: c LOGIN u@example.com p
			S: c NO [UNAVAILABLE] {any}
			C: d LOGIN u@example.com p
			S: d OK in`, tap))
	})
	t.Run("to the first question", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, nil, "S: * BYE not now")
		f.talk("S: * BYE [UNAVAILABLE] the mail server cannot be reached now, try again later (session {any})\n-- eof")
	})
}

// An upstream that is lost between its OK and the end of the login has let nobody in.
func TestUpstreamLostAtID(t *testing.T) {
	t.Parallel()
	const hasty = "S: a NO [UNAVAILABLE] the mail server did not answer the login, try again later (session {any})\nC: b NOOP\nS: b OK NOOP completed"
	needsID := func(s *setup) { s.upstreams[0].Provider = "163" }
	for name, c := range map[string]struct {
		change           func(*setup)
		upstream, client string
	}{
		"behind the login": {
			needsID, "C: a LOGIN u@163.com p\nS: a OK in\nC: heliograph ID (\"name\" \"heliograph\")",
			"C: a LOGIN u@163.com p\n" + hasty,
		},
		"a continuation": {
			needsID, "C: a LOGIN u@163.com p\nS: a OK in\nC: heliograph ID (\"name\" \"heliograph\")\nS: + what\n-- eof",
			"C: a LOGIN u@163.com p\n" + hasty,
		},
		"the answer to the login once more": {
			needsID, "C: a LOGIN u@163.com p\nS: a OK in\nC: heliograph ID (\"name\" \"heliograph\")\nS: a OK in\n-- eof",
			"C: a LOGIN u@163.com p\n" + hasty,
		},
		"BYE before the login": {
			nil, "C: heliograph ID (\"name\" \"x\")\nS: * BYE not you",
			"C: i ID (\"name\" \"x\")\nS: * ID {any}\nS: i OK ID completed\nC: a LOGIN u@163.com p\nS: * BYE not you\n-- eof",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, c.change, learn, upHello+c.upstream)
			f.talk(hello + c.client)
			f.wantLogin("upstream_error")
		})
	}
}
