package smtpd_test

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
)

func loopback() []netip.Prefix { return []netip.Prefix{prefix("127.0.0.0/8")} }

func startTLS(s *setup) {
	s.listener.TLS, s.listener.AllowPlaintextAuth = config.TLSStartTLS, false
}

func TestSTARTTLS(t *testing.T) {
	t.Parallel()
	hello := `
		S: 220 gw.example ESMTP
		C: EHLO me.example
		S= "250-gw.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250 STARTTLS\r\n"`
	t.Run("login only behind it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, startTLS, learn, lines(upLogin, "C: QUIT", "S: 221 bye"))
		_, secure, _ := strings.Cut(login, "ESMTP")
		w.talk(lines(hello, `
			C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==
			S: 530 5.7.0 must issue a STARTTLS command first
			C: MAIL FROM:<u@example.com>
			S: 530 5.7.0 must issue a STARTTLS command first
			C: STARTTLS x
			S: 501 5.5.4 STARTTLS takes no parameters
			C: STARTTLS
			S: 220 2.0.0 ready to start TLS
			-- tls
			C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==
			S: 503 5.5.1 EHLO first
			C: STARTTLS
			S: 503 5.5.1 TLS is active already
		`, secure, `
			C: QUIT
			S: 221 bye
		`))
	})
	t.Run("bytes behind it end the session", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, startTLS, learn)
		w.talk(lines(hello, `
			C= "STARTTLS\r\nEHLO injected.example\r\n"
			S: 503 5.5.1 commands must not be pipelined behind STARTTLS
			-- eof
		`))
	})
	t.Run("not offered", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		w.talk(`
			S: 220 gw.example ESMTP
			C: STARTTLS
			S: 502 5.5.1 STARTTLS is not offered here
			C: QUIT
			S: 221 2.0.0 gw.example closing
		`)
	})
}

func TestRelay(t *testing.T) {
	t.Parallel()
	hello := `
		S: 220 gw.example ESMTP
		C: EHLO printer.example
		S= "250-gw.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250 DSN\r\n"`
	upHello := strings.ReplaceAll(upHello, "me.example", "printer.example")
	t.Run("trusted network, fixed identity, connection reused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) {
			s.listener.Mode, s.listener.Networks = config.ModeRelay, loopback()
			s.listener.User, s.listener.Password = "svc@example.com", config.NewSecret("pw")
		}, learn, lines(upHello, `
			C: AUTH PLAIN AHN2Y0BleGFtcGxlLmNvbQBwdw==
			S: 235 ok
			C: MAIL FROM:<erp@example.com>
			S: 250 ok
			C: RCPT TO:<a@b.example>
			S: 250 ok
			C: DATA
			S: 354 go
			C= "one\r\n.\r\n"
			S: 250 first
			C: RSET
			S: 250 fresh
			C: MAIL FROM:<erp@example.com>
			S: 250 ok
			C: RCPT TO:<a@b.example>
			S: 250 ok
			C: DATA
			S: 354 go
			C= "two\r\n.\r\n"
			S: 250 second
			-- hold
		`))
		for _, m := range []string{"one first", "two second"} {
			text, reply, _ := strings.Cut(m, " ")
			w.talk(lines(hello, `
				C: AUTH PLAIN x
				S: 503 5.5.1 AUTH is not used on this listener
				C: MAIL FROM:<erp@example.com>
				S: 250 ok
				C: RCPT TO:<a@b.example>
				S: 250 ok
				C: DATA
				S: 354 go
				C= "`+text+`\r\n.\r\n"
				S: 250 `+reply+`
				C: QUIT
				S: 221 2.0.0 gw.example closing
				-- eof
			`))
		}
		for _, e := range w.entries(journal.StateConfirmed, 2) {
			if e.Kind != journal.KindRelay || e.ReversePath != "erp@example.com" {
				t.Errorf("entry %+v", e.Envelope)
			}
		}
	})
	t.Run("a client certificate stands for a network", func(t *testing.T) {
		t.Parallel()
		message := `
			C: MAIL FROM:<erp@example.com>
			S: 250 ok
			C: QUIT
			S: 221 bye`
		w := newWorld(t, func(s *setup) {
			s.listener.Mode, s.listener.TLS, s.listener.ClientCAFile = config.ModeRelay, config.TLSImplicit, s.ca.File
		}, learn, lines(upHello, message))
		stranger := mailtest.NewAuthority(t)
		for name, c := range map[string]struct {
			certs []tls.Certificate
			say   string
		}{
			"known":   {[]tls.Certificate{w.ca.Issue(time.Now().Add(time.Hour), "erp.example")}, message},
			"missing": {nil, "C: MAIL FROM:<erp@example.com>\nS: 554 5.7.1 relay access denied\nC: QUIT\nS: 221 2.0.0 gw.example closing"},
			"foreign": {[]tls.Certificate{stranger.Issue(time.Now().Add(time.Hour), "erp.example")}, ""},
		} {
			tc := &tls.Config{RootCAs: w.ca.Pool, ServerName: "gw.example"}
			if len(c.certs) > 0 { // shown whether the server asks for this authority or not
				tc.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.certs[0], nil }
			}
			conn, err := tls.Dial("tcp", w.addr, tc)
			must(t, err)
			if c.say == "" { // TLS 1.3 tells at the first read
				if _, err := conn.Read(make([]byte, 1)); err == nil {
					t.Errorf("%s: the certificate was taken", name)
				}
				_ = conn.Close()
				continue
			}
			if err := mailtest.Play(conn, mailtest.Client, nil, lines(hello, c.say)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("other networks are refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) {
			s.listener.Mode, s.listener.Networks = config.ModeRelay, []netip.Prefix{prefix("10.0.0.0/8")}
		}, learn)
		w.talk(lines(hello, `
			C: MAIL FROM:<erp@example.com>
			S: 554 5.7.1 relay access denied
			C: QUIT
			S: 221 2.0.0 gw.example closing
		`))
	})
}

func TestQueue(t *testing.T) {
	t.Parallel()
	queue := func(s *setup) {
		s.listener.Mode, s.listener.Networks = config.ModeQueue, loopback()
		s.listener.Upstream = "main"
	}
	hello := `
		S: 220 gw.example ESMTP Service Ready
		C: EHLO erp.example
		S: 250-{any}
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-ENHANCEDSTATUSCODES
		S: 250-CHUNKING
		S: 250-SMTPUTF8
		S: 250-DSN
		S: 250 SIZE
		C: MAIL FROM:<erp@example.com> RET=HDRS ENVID=x+2By
		S: 250 {any}
		C: RCPT TO:<a@b.example> NOTIFY=FAILURE ORCPT=rfc822;a@b.example
		S: 250 {any}`
	t.Run("accepts durably", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, queue)
		w.talk(lines(hello, `
			C: DATA
			S: 354 {any}
			C= "Subject: x\r\n\r\n..dot\nbare\r\n.\r\n"
			S: 250 2.0.0 queued as {any}
			C: QUIT
			S: 221 {any}
		`))
		e := w.entries(journal.StateConfirmed, 1)[0]
		if e.Kind != journal.KindQueue || e.MailParams != "RET=HDRS ENVID=x+2By" || e.Recipients[0].Params != "NOTIFY=FAILURE ORCPT=RFC822;a@b.example" {
			t.Errorf("entry %+v", e.Envelope)
		}
		head, rest, _ := strings.Cut(w.body(e), "Subject:")
		if !strings.HasPrefix(head, "Received: from erp.example ([127.0.0.1])\r\n") || rest != " x\r\n\r\n.dot\r\nbare\r\n" {
			t.Errorf("journal has %q", w.body(e))
		}
	})
	t.Run("client vanishes inside BDAT LAST", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, queue)
		w.talk(lines(hello, `C= "BDAT 100 LAST\r\nonly this much"`))
		w.entries(journal.StateConfirmed, 0)
		w.entries(journal.StateSealed, 0)
	})
	for name, c := range map[string]struct{ send, reply string }{
		"bare CR":                 {`DATA\r\nx\r.\ry\r\n.\r\n`, "550 5.6.0 bare CR in the message (RFC 5321, 2.3.8)"},
		"bare CR at the end":      {`BDAT 2 LAST\r\nx\r`, "550 5.6.0 bare CR in the message (RFC 5321, 2.3.8)"},
		"too many hops":           {`DATA\r\n` + strings.Repeat(`Received: x\r\n`, 51) + `\r\n.\r\n`, "554 5.4.6 too many hops: the message is in a loop"},
		"LF.LF is no end of DATA": {`DATA\r\nx\n.\ny\r\n.\r\n`, "250 2.0.0 queued as {any}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, queue)
			goAhead := ""
			if strings.HasPrefix(c.send, "DATA") {
				goAhead = "S: 354 {any}"
			}
			w.talk(lines(hello, `C= "`+c.send+`"`, goAhead, "S: "+c.reply, "C: QUIT", "S: 221 {any}"))
		})
	}
	t.Run("bad addresses", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, queue)
		w.talk(`
			S: 220 gw.example ESMTP Service Ready
			C: HELO erp.example
			S: 250 {any}
			C= "MAIL FROM:<\xe5@example.com>\r\n"
			S: 5{any}
			C= "MAIL FROM:<a\x00b@example.com>\r\n"
			S: 5{any}
		`)
	})
	t.Run("STARTTLS", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) { queue(s); startTLS(s) })
		w.talk(`
			S: 220 gw.example ESMTP
			C: EHLO erp.example
			S= "250-gw.example\r\n250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n"
			C: MAIL FROM:<erp@example.com>
			S: 530 5.7.0 must issue a STARTTLS command first
			C: STARTTLS x
			S: 501 5.5.4 STARTTLS takes no parameters
			C: STARTTLS
			S: 220 2.0.0 ready to start TLS
			-- tls
			C: EHLO erp.example
			S: 250-{any}
			S: 250-PIPELINING
			S: 250-8BITMIME
			S: 250-ENHANCEDSTATUSCODES
			S: 250-CHUNKING
			S: 250-SMTPUTF8
			S: 250-DSN
			S: 250 SIZE
			C: QUIT
			S: 221 {any}
		`)
	})
	t.Run("other networks are refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(s *setup) { queue(s); s.listener.Networks = []netip.Prefix{prefix("10.0.0.0/8")} })
		w.talk(`
			S: 554 5.7.1 gw.example this network may not queue mail here
			-- eof
		`)
	})
}
