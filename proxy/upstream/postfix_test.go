package upstream_test

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// transact sends one message over a connection that is ready for MAIL.
func transact(t *testing.T, conn *upstream.SMTPConn, from, to string) {
	t.Helper()
	replies := bufio.NewReader(conn)
	for _, step := range []struct {
		send string
		code int
	}{
		{"MAIL FROM:<" + from + ">\r\n", 250}, {"RCPT TO:<" + to + ">\r\n", 250}, {"DATA\r\n", 354}, {"Subject: x\r\n\r\nx\r\n.\r\n", 250},
	} {
		if _, err := io.WriteString(conn, step.send); err != nil {
			t.Fatal(err)
		}
		if reply, err := upstream.ReadReply(replies); err != nil || reply.Code != step.code {
			t.Fatalf("%q: %s, %v", step.send, reply, err)
		}
	}
}

func TestPostfix(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	from, to := p.Users[0], p.Users[1].Name
	client := upstream.Client{
		Addr: netip.MustParseAddrPort("203.0.113.7:40000"), Local: netip.MustParseAddrPort("127.0.0.1:587"), Helo: "pc.example.org", TLS: true,
	}
	delivered := 0
	for name, c := range map[string]struct {
		addr    string
		mode    config.TLSMode
		forward config.ForwardMode
		trace   string
	}{
		"STARTTLS":     {p.SubmissionAddr, config.TLSStartTLS, config.ForwardNone, "127.0.0.1"},
		"implicit TLS": {p.SubmissionsAddr, config.TLSImplicit, config.ForwardNone, "127.0.0.1"},
		"XCLIENT":      {p.SubmissionAddr, config.TLSStartTLS, config.ForwardXCLIENT, "(unknown [203.0.113.7])"},
		"PROXY":        {p.ProxiedAddr, config.TLSStartTLS, config.ForwardPROXY, "203.0.113.7"},
	} {
		e := config.Endpoint{Address: c.addr, TLS: c.mode, CAFile: p.Certs.CAFile, ForwardClient: c.forward, Timeout: config.Duration(20 * time.Second)}
		u := newUpstream(t, e)
		if ext, err := u.SMTPExtensions(t.Context()); err != nil || !ext.Has("SIZE") || !slices.Contains(ext.Mechanisms(), "PLAIN") {
			t.Fatalf("%s: extensions %+v, %v", name, ext, err)
		}
		for i := range 2 {
			conn, reused, err := u.DialAuthenticated(t.Context(), client, from.Name, config.NewSecret(from.Password))
			if err != nil || reused != (i > 0) {
				t.Fatalf("%s: reused %v, %v", name, reused, err)
			}
			transact(t, conn, from.Name, to)
			u.Release(conn)
			delivered++
			trace := p.AwaitDeliveries(to, delivered)[delivered-1].Trace
			if !strings.Contains(trace, c.trace) || !strings.Contains(trace, "pc.example.org") {
				t.Errorf("%s: trace %q, want %q", name, trace, c.trace)
			}
		}
		for _, f := range u.Probe(t.Context()) {
			if f.Outcome != upstream.OutcomeOK && f.Check != "tls" { // the test's certificate may be short-lived
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func TestPostfixRefusesTheLogin(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	u := newUpstream(t, config.Endpoint{Address: p.SubmissionAddr, TLS: config.TLSStartTLS, CAFile: p.Certs.CAFile, Timeout: config.Duration(20 * time.Second)})
	_, _, err := u.DialAuthenticated(t.Context(), upstream.Client{}, p.Users[0].Name, config.NewSecret("wrong"))
	var e *upstream.Error
	if !errors.As(err, &e) || e.Class != upstream.ClassAuth || e.Reply == nil || e.Reply.Code != 535 || e.Temporary() {
		t.Errorf("got %v", err)
	}
}
