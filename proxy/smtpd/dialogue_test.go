package smtpd_test

import (
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/internal/journal"
)

func TestMessageIsJournaledAndPassesWordForWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, lines(upLogin, `
		C= "MAIL FROM:<u@example.com> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<a@b.example> NOTIFY=NEVER\r\nRCPT TO:<gone@b.example>\r\nDATA\r\n"
		S= "250 2.1.0 Sender OK with me\r\n250 2.1.5 fine\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n354 go on then\r\n"
		C= "Subject: x\r\n\r\n..dot\r\n.\r\n"
		S: 250 2.0.0 Ok: queued as 4F1C2A
		C: QUIT
		S: 221 2.0.0 so long
	`))
	w.talk(lines(login, `
		C= "MAIL FROM:<u@example.com> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<a@b.example> NOTIFY=NEVER\r\nRCPT TO:<gone@b.example>\r\nDATA\r\n"
		S= "250 2.1.0 Sender OK with me\r\n250 2.1.5 fine\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n354 go on then\r\n"
		C= "Subject: x\r\n\r\n..dot\r\n.\r\n"
		S: 250 2.0.0 Ok: queued as 4F1C2A
		C: QUIT
		S: 221 2.0.0 so long
		-- eof
	`))
	e := w.entries(journal.StateConfirmed, 1)[0]
	if got, want := w.body(e), "Subject: x\r\n\r\n.dot\r\n"; got != want {
		t.Errorf("journal has %q, want %q", got, want)
	}
	if e.Account != "u@example.com" || e.ReversePath != "u@example.com" || e.Verdict.Code != 250 || !strings.Contains(e.Verdict.Text, "4F1C2A") {
		t.Errorf("entry %+v", e.Envelope)
	}
	if len(e.Recipients) != 2 || e.Recipients[0].Code != 250 || e.Recipients[0].Params != "NOTIFY=NEVER" || e.Recipients[1].Code != 550 {
		t.Errorf("recipients %+v", e.Recipients)
	}
}

func TestRefusedMessageIsDiscarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, lines(upLogin, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C: DATA
		S: 354 go
		C= "x\r\n.\r\n"
		S: 554 5.7.1 spam
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: QUIT
		S: 221 bye
	`))
	w.talk(lines(login, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C: DATA
		S: 354 go
		C= "x\r\n.\r\n"
		S: 554 5.7.1 spam
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: QUIT
		S: 221 bye
	`))
	w.entries(journal.StateConfirmed, 0)
	w.entries(journal.StateSealed, 0)
}

// Everything behind the dot in the same segment belongs to the next commands.
func TestPipelinedBytesBehindTheDot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, lines(upLogin, `
		C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
		S= "250 ok\r\n250 ok\r\n354 go\r\n"
		C= "x\r\n.\r\nMAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
		S= "250 first\r\n250 ok\r\n250 ok\r\n354 go\r\n"
		C= "y\r\n.\r\nQUIT\r\n"
		S= "250 second\r\n221 bye\r\n"
	`))
	w.talk(lines(login, `
		C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
		S= "250 ok\r\n250 ok\r\n354 go\r\n"
		C= "x\r\n.\r\nMAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
		S= "250 first\r\n250 ok\r\n250 ok\r\n354 go\r\n"
		C= "y\r\n.\r\nQUIT\r\n"
		S= "250 second\r\n221 bye\r\n"
		-- eof
	`))
	w.entries(journal.StateConfirmed, 2)
}

// A client that does not wait for 354 gets what the upstream makes of its bytes: commands
// when DATA was refused.
func TestBytesBeforeTheAnswerToDATA(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, lines(upLogin, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: DATA
		S: 503 5.5.1 RCPT first
		C: NOOP
		S: 250 still here
		C: QUIT
		S: 221 bye
	`))
	w.talk(lines(login, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C= "DATA\r\nNOOP\r\n"
		S: 503 5.5.1 RCPT first
		S: 250 still here
		C: QUIT
		S: 221 bye
	`))
}

func TestClientVanishesInsideDATA(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, lines(upLogin, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C: DATA
		S: 354 go
		C= "half a li"
		-- eof
	`))
	w.talk(lines(login, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C: DATA
		S: 354 go
		C= "half a li"
	`))
	w.entries(journal.StateSealed, 0)
	w.entries(journal.StateConfirmed, 0)
}

// The last chunk must not be announced as the last before all of it is here.
func TestClientVanishesInsideBDATLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, lines(upLogin, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		-- eof
	`))
	w.talk(lines(login, `
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C= "BDAT 100 LAST\r\nonly this much"
	`))
	w.entries(journal.StateSealed, 0)
}

func TestBDAT(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn, lines(upLogin, `
		C= "MAIL FROM:<u@example.com> BODY=BINARYMIME\r\nRCPT TO:<a@b.example>\r\n"
		S= "250 ok\r\n250 ok\r\n"
		C= "BDAT 5\r\na\x00\r\n\n"
		S: 250 5 octets
		C= "BDAT 4 LAST\r\n\n.\r\n"
		S: 250 whole
		C: QUIT
		S: 221 bye
	`))
	w.talk(lines(login, `
		C= "MAIL FROM:<u@example.com> BODY=BINARYMIME\r\nRCPT TO:<a@b.example>\r\nBDAT 5\r\na\x00\r\n\nBDAT 4 LAST\r\n\n.\r\n"
		S= "250 ok\r\n250 ok\r\n250 5 octets\r\n250 whole\r\n"
		C: QUIT
		S: 221 bye
	`))
	e := w.entries(journal.StateConfirmed, 1)[0]
	if got, want := w.body(e), "a\x00\r\n\n\n.\r\n"; got != want {
		t.Errorf("journal has %q, want %q", got, want)
	}
	if len(e.Recipients) != 1 {
		t.Errorf("recipients %+v", e.Recipients)
	}
}

func TestSmugglingFormsDoNotPass(t *testing.T) {
	t.Parallel()
	inner := `MAIL FROM:<ceo@example.com>\r\nRCPT TO:<victim@b.example>\r\nDATA\r\nforged\r\n.\r\n`
	t.Run("bare LF is a line of the message", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil, learn, lines(upLogin, `
			C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
			S= "250 ok\r\n250 ok\r\n354 go\r\n"
			C= "x\r\n..\r\n`+strings.ReplaceAll(inner, `.\r\n`, `.\r\n`)+`"
			S: 250 one message
			C: QUIT
			S: 221 bye
		`))
		w.talk(lines(login, `
			C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
			S= "250 ok\r\n250 ok\r\n354 go\r\n"
			C= "x\n.\r\n`+inner+`"
			S: 250 one message
			C: QUIT
			S: 221 bye
		`))
		w.entries(journal.StateConfirmed, 1)
	})
	for name, form := range map[string]string{"CR.CR": `x\r.\r`, "CR.CRLF": `x\r.\r\n`, "CRLF.CR": `x\r\n.\r`} {
		t.Run(name+" is refused", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, learn, lines(upLogin, `
				C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
				S= "250 ok\r\n250 ok\r\n354 go\r\n"
				-- eof
			`))
			w.talk(lines(login, `
				C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
				S= "250 ok\r\n250 ok\r\n354 go\r\n"
				C= "`+form+inner+`"
				S: 550 5.6.0 bare CR in the message (RFC 5321, 2.3.8)
				C: QUIT
				S: 221 2.0.0 gw.example closing
				-- eof
			`))
			w.entries(journal.StateSealed, 0)
			w.entries(journal.StateConfirmed, 0)
		})
	}
	t.Run("bare LF refused on request", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) { s.listener.BareLF = config.BareLFRefuse }, learn, lines(upLogin, `
			C: MAIL FROM:<u@example.com>
			S: 250 ok
			C: DATA
			S: 354 go
			-- eof
		`))
		w.talk(lines(login, `
			C: MAIL FROM:<u@example.com>
			S: 250 ok
			C: DATA
			S: 354 go
			C= "x\ny\r\n.\r\n"
			S: 550 5.6.0 bare LF in the message (RFC 5321, 2.3.8)
			C: NOOP
			S: 421 4.3.0 gw.example closing, connect again
			-- eof
		`))
	})
}

func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, reply string }{
		"bare LF": {`"NOOP\nRSET\r\n"`, "500 5.5.2 line does not end in CRLF (RFC 5321, 2.3.8)"},
		"bare CR": {`"NOOP\rRSET\r\n"`, "500 5.5.2 NUL or CR within a line (RFC 5321, 2.3.8)"},
		"NUL":     {`"MAIL FROM:<a\x00@b.example>\r\n"`, "500 5.5.2 NUL or CR within a line (RFC 5321, 2.3.8)"},
		"long":    {`"NOOP ` + strings.Repeat("x", 5000) + `\r\n"`, "500 5.5.2 line too long (RFC 5321, 2.3.8)"},
		"endless": {`"` + strings.Repeat("x", 16<<10) + `"`, "500 5.5.2 line too long (RFC 5321, 2.3.8)"},
		"bdat":    {`"BDAT -1 LAST\r\n"`, "501 5.5.4 syntax: BDAT size [LAST]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, learn, lines(upLogin, "-- hold"))
			w.talk(lines(login, "C= "+c.line, "S: "+c.reply, "S: 421 4.7.0 closing"))
		})
	}
}

func TestCommandsThatTheGatewayAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *setup) { s.limits.MessageBytes, s.limits.Recipients = 500000, 1 }, learn, lines(upLogin, `
		C: NOOP one
		S: 250 yes
		C: XUNKNOWN thing
		S: 502 5.5.2 never heard of it
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C: EHLO again.example
		S= `+ehlo+`
		C: QUIT
		S: 221 bye
	`))
	w.talk(lines(strings.Replace(login, "SIZE 1000000", "SIZE 500000", 1), `
		C= "NOOP one\r\nXCLIENT ADDR=1.2.3.4\r\nAUTH PLAIN x\r\nSTARTTLS\r\n"
		S: 250 yes
		S: 502 5.5.1 this command is not possible through the gateway
		S: 503 5.5.1 already authenticated
		S: 503 5.5.1 STARTTLS is not possible now
		C: XUNKNOWN thing
		S: 502 5.5.2 never heard of it
		C: BURL imap://x LAST
		S: 502 5.5.1 this command is not possible through the gateway
		C: MAIL FROM:<u@example.com> SIZE=600000
		S: 552 5.3.4 the message is larger than the 500000 bytes allowed here
		C= "MAIL FROM:<\xe5@example.com>\r\n"
		S: 553 5.6.7 a non-ASCII address needs SMTPUTF8 (RFC 6531)
		C: MAIL FROM:<u@example.com>
		S: 250 ok
		C: RCPT TO:<a@b.example>
		S: 250 ok
		C: RCPT TO:<c@b.example>
		S: 452 4.5.3 too many recipients, send the message to the rest of them separately
		C: EHLO again.example
		S= "250-up.example\r\n250-PIPELINING\r\n250-SIZE 500000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
		C: QUIT
		S: 221 bye
	`))
}

func TestBeforeLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, learn)
	w.talk(`
		S: 220 gw.example ESMTP
		C: MAIL FROM:<u@example.com>
		S: 530 5.7.0 authentication required
		C: AUTH PLAIN x
		S: 503 5.5.1 EHLO first
		C: EHLO
		S: 501 5.5.4 EHLO needs a host name
		C: EHLO me.example
		S= "250-gw.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
		C: AUTH SCRAM-SHA-256-PLUS
		S: 504 5.5.4 channel binding is not possible through this gateway
		C: AUTH PLAIN
		S= "334 \r\n"
		C: *
		S: 501 5.0.0 authentication cancelled
		C: NOOP
		S: 250 2.0.0 OK
		C: QUIT
		S: 221 2.0.0 gw.example closing
		-- eof
	`)
}

func TestTooManyCommandsBeforeLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.talk("S: 220 gw.example ESMTP\n" + strings.Repeat("C: NOOP\nS: 250 2.0.0 OK\n", 64) + `
		C: NOOP
		S: 421 4.7.0 gw.example too many commands without a login, closing
		-- eof
	`)
}

func TestUpstreamLost(t *testing.T) {
	t.Parallel()
	t.Run("before the verdict", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil, learn, lines(upLogin, `
			C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
			S= "250 ok\r\n250 ok\r\n354 go\r\n"
			C= "x\r\n.\r\n"
		`))
		w.talk(lines(login, `
			C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
			S= "250 ok\r\n250 ok\r\n354 go\r\n"
			C= "x\r\n.\r\n"
			S: 421 4.4.2 gw.example the connection to the mail server was lost, try again (session {any})
			-- eof
		`))
		w.entries(journal.StateSealed, 1) // nobody knows: it becomes unconfirmed in time
	})
	t.Run("while idle, with a word", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil, learn, lines(upLogin, `
			S: 421 4.4.2 up.example idle for too long
		`))
		w.talk(lines(login, `
			S: 421 4.4.2 up.example idle for too long
			-- eof
		`))
	})
	t.Run("client gone before the verdict", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil, learn, lines(upLogin, `
			C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
			S= "250 ok\r\n250 ok\r\n354 go\r\n"
			C= "x\r\n.\r\n"
			S: 250 taken all the same
			-- eof
		`))
		w.talk(lines(login, `
			C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
			S= "250 ok\r\n250 ok\r\n354 go\r\n"
			C= "x\r\n.\r\n"
		`))
		w.entries(journal.StateConfirmed, 1)
	})
}
