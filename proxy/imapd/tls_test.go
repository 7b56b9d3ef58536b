package imapd_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
)

// A password is not said in clear, neither by the client nor to the upstream, and
// what came in clear does not count afterwards.
func TestTLSOfTheClient(t *testing.T) {
	t.Parallel()
	startTLS := func(s *setup) { s.listener.TLS, s.listener.AllowPlaintextAuth = config.TLSStartTLS, false }
	const clear = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED] ready\n"
	t.Run("STARTTLS", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, startTLS, learn, lines(upHello, "C: a LOGIN u@example.com p\nS: a OK in", upTap))
		f.talk(lines(clear, `
			C: i ID ("name" "forged in clear")
			S: * ID ("name" "Up" "quote" "\"")
			S: i OK ID completed
			C: a LOGIN u@example.com secret
			S: a NO [PRIVACYREQUIRED] logins need TLS
			C: b LOGIN {5}
			S: b NO [PRIVACYREQUIRED] logins need TLS
			C= "c LOGIN {1+}\r\nu {6+}\r\nsecret\r\n"
			S: c NO [PRIVACYREQUIRED] logins need TLS
			C: d AUTHENTICATE PLAIN AHUAcA==
			S: d NO [PRIVACYREQUIRED] logins need TLS
			C: e AUTHENTICATE PLAIN
			S: e NO [PRIVACYREQUIRED] logins need TLS
			C: s STARTTLS x
			S: s BAD STARTTLS takes no arguments
			C: s STARTTLS
			S: s OK begin TLS
			-- tls
			C: s STARTTLS
			S: s BAD TLS is active already
			C: c CAPABILITY
			S: * CAPABILITY `+caps+`
			S: c OK CAPABILITY completed
			C: a LOGIN u@example.com p
			S: a OK in`, tap))
	})
	t.Run("injection", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, startTLS, learn)
		f.talk(lines(clear, `
			C= "s STARTTLS\r\na NOOP\r\n"
			S: s BAD commands must not be pipelined behind STARTTLS
			S: * BYE the connection cannot go on after that
			-- eof`))
		if n := f.metric("heliograph_imap_refusals_total", "reason", "starttls_injection"); n != 1 {
			t.Errorf("%v injections are counted, want 1", n)
		}
	})
	t.Run("implicit", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, func(s *setup) { s.listener.TLS, s.listener.AllowPlaintextAuth = config.TLSImplicit, false }, learn,
			lines(upHello, "C: a LOGIN u@example.com p\nS: a OK in", upTap))
		f.talk(lines("-- tls", hello, "C: a LOGIN u@example.com p\nS: a OK in", tap))
	})
	t.Run("no TLS at all", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, func(s *setup) { s.listener.AllowPlaintextAuth = false }, learn)
		f.talk(lines("S: * OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ LOGINDISABLED] ready\nC: a LOGIN u p\nS: a NO [PRIVACYREQUIRED] logins need TLS"))
	})
}

// An upstream that must be encrypted and is not, for whatever reason, gets no password.
func TestTLSOfTheUpstream(t *testing.T) {
	t.Parallel()
	const plain, start = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] up\n", "C: {any} STARTTLS\n"
	const encrypted = "-- tls\nC: {any} CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\nS: hg2 OK\n"
	for name, script := range map[string]string{
		"no STARTTLS":      "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] up\n-- eof",
		"PREAUTH":          "S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] up\n-- eof",
		"STARTTLS refused": plain + start + "S: hg1 NO not today\n-- eof",
		"bytes behind it":  plain + start + "S= \"hg1 OK go\\r\\na OK in\\r\\n\"\n-- eof",
		"no TLS behind it": plain + start + "S= \"hg1 OK go\\r\\n\"\n-- hold",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mailtest.NewAuthority(t)
			tc := &tls.Config{Certificates: []tls.Certificate{ca.Issue(time.Now().Add(time.Hour), "127.0.0.1", "localhost")}}
			f := newFront(t, func(s *setup) {
				if name == "no TLS behind it" {
					s.patience = 2 * patience
				}
				e := &s.upstreams[0].IMAP
				e.TLS, e.CAFile, e.ServerName = config.TLSStartTLS, ca.File, "localhost"
				e.Address = hostile(t, tc, plain+start+"S: hg1 OK go\n"+encrypted+"C: {any} LOGOUT\n-- hold", script)
			})
			f.talk(lines("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready", `
				C: a LOGIN u@example.com secret
				S: a NO [UNAVAILABLE] the mail server cannot be reached now, try again later (session {any})
				C: b LOGOUT
				S: * BYE logging out
				S: b OK LOGOUT completed
				-- eof`))
			f.wantLogin("upstream_error")
			if log := f.log.String(); strings.Contains(log, "secret") {
				t.Error("the password is in the log")
			}
		})
	}
	t.Run("none and LOGINDISABLED", func(t *testing.T) {
		t.Parallel()
		disabled := upWith("IMAP4rev1 LOGINDISABLED")
		f := newFront(t, nil, lines(disabled, "C: hg1 CAPABILITY\nS: hg1 OK\nC: hg LOGOUT\n-- hold"), disabled+"-- eof")
		f.talk("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\nC: a LOGIN u@example.com p\nS: a NO [PRIVACYREQUIRED] the mail server takes no password without TLS (session {any})")
	})
}

// When the server drains, clients are told so wherever they are.
func TestDrain(t *testing.T) {
	t.Parallel()
	const bye = "S: * BYE the gateway is shutting down, connect again\n-- eof"
	for name, c := range map[string]struct {
		client, end string
		upstream    []string
	}{
		"idle":           {hello, bye, nil},
		"half a command": {hello + "C: a NOOP\nS: a OK NOOP completed\nC= \"b LOG\"", bye, nil},
		"at a challenge": {hello + "C: a AUTHENTICATE PLAIN\nS: + {any}", bye, nil},
		"at the upstream": {
			hello + "C: a LOGIN u@example.com p\nS: * OK wait",
			"S: a NO [UNAVAILABLE] {any}\n" + bye,
			[]string{upHello + "C: a LOGIN u@example.com p\nS: * OK wait\n-- eof"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, nil, append([]string{learn}, c.upstream...)...)
			conn, err := net.Dial("tcp", f.addr)
			must(t, err)
			defer conn.Close()
			half := &unclosed{conn}
			must(t, mailtest.Play(half, mailtest.Client, nil, c.client))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- f.proxy.Drain(ctx) }()
			must(t, mailtest.Play(conn, mailtest.Client, nil, c.end))
			must(t, <-drained)
		})
	}
}

// unclosed stays open behind a script.
type unclosed struct{ net.Conn }

func (unclosed) Close() error { return nil }

// A client that does not begin TLS behind STARTTLS has said its last word.
func TestNoHandshake(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(s *setup) { s.listener.TLS, s.listener.AllowPlaintextAuth = config.TLSStartTLS, false }, learn)
	f.talk("S: * OK {any}\nC: s STARTTLS\nS: s OK begin TLS\nC: a LOGIN u secret\n-- hold")
	if n := f.metric("heliograph_imap_commands_total", "verb", "LOGIN"); n != 0 {
		t.Error("a command in clear was read behind STARTTLS")
	}
}

// Deadlines and drains reach a client under TLS as well, and it can read why.
func TestEndsUnderTLS(t *testing.T) {
	t.Parallel()
	implicit := func(s *setup) { s.listener.TLS = config.TLSImplicit }
	t.Run("timeout", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, func(s *setup) {
			implicit(s)
			s.patience = patience
		}, learn)
		f.talk(lines("-- tls", hello, "C= \"a LOG\"\nS: * BYE timeout before login\n-- eof"))
	})
	t.Run("drain", func(t *testing.T) {
		t.Parallel()
		f := newFront(t, implicit, learn)
		c, err := tls.Dial("tcp", f.addr, f.clientTLS("gw.example"))
		must(t, err)
		must(t, mailtest.Play(&unclosed{c}, mailtest.Client, nil, hello+"C: a NOOP\nS: a OK NOOP completed"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		drained := make(chan error, 1)
		go func() { drained <- f.proxy.Drain(ctx) }()
		must(t, mailtest.Play(c, mailtest.Client, nil, "S: * BYE the gateway is shutting down, connect again\n-- eof"))
		must(t, <-drained)
	})
}
