package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// dial opens a connection and closes it at the end of the test.
func dial(t *testing.T, u *upstream.Upstream, c upstream.Client) *upstream.SMTPConn {
	t.Helper()
	conn, err := u.DialSMTP(t.Context(), c)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dialError expects an error of this class, with a remedy.
func dialError(t *testing.T, u *upstream.Upstream, c upstream.Client, class upstream.Class) *upstream.Error {
	t.Helper()
	conn, err := u.DialSMTP(t.Context(), c)
	if err == nil {
		_ = conn.Close()
		t.Fatal("dial succeeded")
	}
	var e *upstream.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %T: %v", err, err)
	}
	if e.Class != class {
		t.Fatalf("class %s, want %s: %v", e.Class, class, err)
	}
	if e.Remedy() == "" {
		t.Errorf("no remedy for %v", e)
	}
	return e
}

func TestDialSTARTTLS(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	addr := mailtest.Serve(t, a.ServerTLS("127.0.0.1"), `
		S: 220-mx.example.com ESMTP
		S: 220 ready
		C: EHLO [192.0.2.1]
		S: 250-mx.example.com
		S: 250-STARTTLS
		S: 250 XEVIL said in the clear
		C: STARTTLS
		S: 220 go ahead
		-- tls
		C: EHLO [192.0.2.1]
		S: 250-mx.example.com
		S: 250-AUTH PLAIN
		S: 250 SIZE 1000
		C: NOOP
		S: 250 fine
		-- eof
	`)
	conn := dial(t, newUpstream(t, encrypted(addr, config.TLSStartTLS, a)), upstream.Client{Helo: "[192.0.2.1]"})
	if conn.Greeting != "mx.example.com ESMTP ready" || len(conn.Buffered) != 0 || conn.TLSState() == nil {
		t.Errorf("greeting %q, buffered %q, TLS %v", conn.Greeting, conn.Buffered, conn.TLSState())
	}
	if conn.Ext.Has("XEVIL") || conn.Ext.Has("STARTTLS") || conn.Ext.Size() != 1000 {
		t.Errorf("extensions %+v are not those said under TLS", conn.Ext)
	}
	// The connection is free of our buffers and deadlines.
	if _, err := io.WriteString(conn, "NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "250 fine\r\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestDialImplicitTLSResumes(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	script := `
		-- tls
		S: 220 mx
		C: EHLO gw.example.net
		S: 250-mx
		S: 250 DSN
		-- eof
	`
	addr := mailtest.Serve(t, a.ServerTLS("127.0.0.1"), script, script)
	u := newUpstream(t, encrypted(addr, config.TLSImplicit, a))
	for i, want := range []bool{false, true} {
		conn := dial(t, u, upstream.Client{Helo: "unfit name"})
		if got := conn.TLSState().DidResume; got != want {
			t.Errorf("connection %d resumed: %v", i, got)
		}
		_ = conn.Close()
	}
}

func TestDialFallsBackToHELO(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, `
		S: 220 old
		C: EHLO gw.example.net
		S: 502 what
		C: HELO gw.example.net
		S: 250 old.example.com
		-- eof
	`)
	if conn := dial(t, newUpstream(t, plain(addr)), upstream.Client{}); len(conn.Ext.Keywords()) != 0 || conn.Ext.Domain != "old.example.com" {
		t.Errorf("extensions %+v", conn.Ext)
	}
}

func TestDialKeepsBytesSentUnasked(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, `
		S: 220 mx
		C: EHLO gw.example.net
		S= "250 mx\r\n421 4.3.2 shutting down\r\n"
		-- eof
	`)
	if conn := dial(t, newUpstream(t, plain(addr)), upstream.Client{}); string(conn.Buffered) != "421 4.3.2 shutting down\r\n" {
		t.Errorf("buffered %q", conn.Buffered)
	}
}

func TestDialRefusesStrippedSTARTTLS(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	addr := mailtest.Serve(t, nil, `
		S: 220 mx
		C: EHLO gw.example.net
		S: 250-mx
		S: 250 XXXXXXXA
		-- eof
	`, `
		S: 220 mx
		C: EHLO gw.example.net
		S: 250-mx
		S: 250 STARTTLS
		C: STARTTLS
		S: 454 4.7.0 not now
		-- eof
	`, `
		S: 220 mx
		C: EHLO gw.example.net
		S: 250-mx
		S: 250 STARTTLS
		C: STARTTLS
		S: 502 5.5.1 no such command
		-- eof
	`)
	u := newUpstream(t, encrypted(addr, config.TLSStartTLS, a))
	if e := dialError(t, u, upstream.Client{}, upstream.ClassTLS); !e.Temporary() || !strings.Contains(e.Remedy(), "strips") {
		t.Errorf("temporary %v, remedy %q", e.Temporary(), e.Remedy())
	}
	if e := dialError(t, u, upstream.Client{}, upstream.ClassTLS); e.Reply == nil || e.Reply.Code != 454 {
		t.Errorf("reply %v", e.Reply)
	}
	if e := dialError(t, u, upstream.Client{}, upstream.ClassTLS); e.Reply != nil || !e.Temporary() {
		t.Errorf("reply %v would refuse the client's mail for good", e.Reply)
	}
}

func TestDialRefusesInjectionBehindSTARTTLS(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	addr := mailtest.Serve(t, nil, `
		S: 220 mx
		C: EHLO gw.example.net
		S: 250-mx
		S: 250 STARTTLS
		C: STARTTLS
		S= "220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n"
		-- eof
	`)
	dialError(t, newUpstream(t, encrypted(addr, config.TLSStartTLS, a)), upstream.Client{}, upstream.ClassTLS)
}

func TestDialChecksCertificate(t *testing.T) {
	t.Parallel()
	ours, theirs := mailtest.NewAuthority(t), mailtest.NewAuthority(t)
	expired := &tls.Config{Certificates: []tls.Certificate{ours.Issue(time.Now().Add(-time.Hour), "127.0.0.1")}}
	for name, c := range map[string]struct {
		server *tls.Config
		remedy string
	}{
		"unknown authority": {theirs.ServerTLS("127.0.0.1"), "ca_file"},
		"wrong name":        {ours.ServerTLS("mx.example.org"), "server_name"},
		"expired":           {expired, "expired"},
	} {
		for _, mode := range []config.TLSMode{config.TLSImplicit, config.TLSStartTLS} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				script := "-- tls"
				if mode == config.TLSStartTLS {
					script = "S: 220 mx\nC: EHLO gw.example.net\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- tls"
				}
				addr := brokenOff(t, c.server, script)
				e := dialError(t, newUpstream(t, encrypted(addr, mode, ours)), upstream.Client{}, upstream.ClassTLS)
				if !strings.Contains(e.Remedy(), c.remedy) || !e.Temporary() {
					t.Errorf("remedy %q, temporary %v", e.Remedy(), e.Temporary())
				}
			})
		}
	}
}

// brokenOff plays the script on one connection, whose client breaks the handshake off.
func brokenOff(t *testing.T, tc *tls.Config, script string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		done <- mailtest.Play(conn, mailtest.Server, tc, script)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		var alert *net.OpError
		if err := <-done; !errors.As(err, &alert) || alert.Op != "remote error" {
			t.Errorf("server saw %v, not an alert", err)
		}
	})
	return l.Addr().String()
}

func TestDialServerName(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	addr := mailtest.Serve(t, a.ServerTLS("mx.example.org"), "-- tls\nS: 220 mx\nC: EHLO gw.example.net\nS: 250 mx\n-- eof")
	e := encrypted(addr, config.TLSImplicit, a)
	e.ServerName = "mx.example.org"
	dial(t, newUpstream(t, e), upstream.Client{})
}

func TestDialWithTheWrongTLSMode(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	addr := mailtest.Serve(t, nil, "S: 220 this is plain text\n-- hold")
	e := dialError(t, newUpstream(t, encrypted(addr, config.TLSImplicit, a)), upstream.Client{}, upstream.ClassTLS)
	if !strings.Contains(e.Remedy(), "tls: starttls") {
		t.Errorf("remedy %q", e.Remedy())
	}
}

func TestDialKeepsTheGreetingThatRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script    string
		class     upstream.Class
		raw       string
		temporary bool
	}{
		"busy":       {"S: 421 4.7.0 too many connections\n-- eof", upstream.ClassBusy, "421 4.7.0 too many connections\r\n", true},
		"refused":    {"S: 554-5.7.1 go\nS: 554 5.7.1 away\n-- eof", upstream.ClassGreeting, "554-5.7.1 go\r\n554 5.7.1 away\r\n", false},
		"after EHLO": {"S: 220 mx\nC: EHLO {any}\nS: 550 no\nC: HELO {any}\nS: 550 5.7.1 no\n-- eof", upstream.ClassGreeting, "550 5.7.1 no\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := dialError(t, newUpstream(t, plain(mailtest.Serve(t, nil, c.script))), upstream.Client{}, c.class)
			if e.Reply == nil || string(e.Reply.Raw) != c.raw || e.Temporary() != c.temporary {
				t.Errorf("reply %v, temporary %v", e.Reply, e.Temporary())
			}
		})
	}
}

func TestDialRefusesNonsense(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"http":          "S: HTTP/1.1 400 Bad Request\n-- hold",
		"imap":          "S: * OK ready\n-- hold",
		"354 greeting":  "S: 354 go\n-- hold",
		"250 greeting":  "S: 250 go\n-- hold",
		"changing code": "S: 220-mx\nS: 250 mx\n-- hold",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dialError(t, newUpstream(t, plain(mailtest.Serve(t, nil, script))), upstream.Client{}, upstream.ClassProtocol)
		})
	}
}

func TestDialEndsAnEndlessReply(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for err == nil {
			_, err = io.WriteString(conn, "220-for ever and ever\r\n")
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	dialError(t, newUpstream(t, plain(l.Addr().String())), upstream.Client{}, upstream.ClassProtocol)
}

func TestDialTimeouts(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	for name, c := range map[string]struct {
		script string
		mode   config.TLSMode
	}{
		"no greeting":       {"-- hold", config.TLSNone},
		"half a greeting":   {"S= \"220-m\"\n-- hold", config.TLSNone},
		"no TLS handshake":  {"-- hold", config.TLSImplicit},
		"none behind 220":   {"S: 220 mx\nC: EHLO {any}\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n-- hold", config.TLSStartTLS},
		"no answer to EHLO": {"S: 220 mx\nC: EHLO {any}\n-- hold", config.TLSNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := encrypted(mailtest.Serve(t, nil, c.script), c.mode, a)
			e.Timeout = config.Duration(50 * time.Millisecond)
			if err := dialError(t, newUpstream(t, e), upstream.Client{}, upstream.ClassTimeout); !err.Temporary() {
				t.Error("not temporary")
			}
		})
	}
}

func TestDialIsInterrupted(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, plain(mailtest.Serve(t, nil, "S: 220 mx\nC: EHLO {any}\n-- hold")))
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
	_, err := u.DialSMTP(ctx, upstream.Client{})
	var e *upstream.Error
	if !errors.As(err, &e) || e.Class != upstream.ClassCancelled {
		t.Errorf("got %v", err)
	}
}

func TestDialNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	dialError(t, newUpstream(t, plain(addr)), upstream.Client{}, upstream.ClassRefused)
	dialError(t, newUpstream(t, plain("no-such-host.invalid:25")), upstream.Client{}, upstream.ClassDNS)
	dialError(t, newUpstream(t, plain("")), upstream.Client{}, upstream.ClassDNS)
	dialError(t, newUpstream(t, plain(mailtest.Serve(t, nil, "S= \"220 m\""))), upstream.Client{}, upstream.ClassNetwork)
}

var client = upstream.Client{
	Addr: netip.MustParseAddrPort("[2001:db8::7]:4711"), Local: netip.MustParseAddrPort("192.0.2.9:587"), Helo: "pc=1.example.com",
}

func TestDialXCLIENT(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, `
		S: 220 mx
		C: EHLO pc=1.example.com
		S: 250-mx
		S: 250-XCLIENT NAME ADDR PROTO HELO PORT LOGIN
		S: 250 PIPELINING
		C: XCLIENT ADDR=IPV6:2001:db8::7 PORT=4711 NAME=[UNAVAILABLE] PROTO=ESMTP HELO=pc+3D1.example.com
		S: 220 mx again
		C: EHLO pc=1.example.com
		S: 250-mx
		S: 250 DSN
		-- eof
	`, `
		# refused: the mail goes on without
		S: 220 mx
		C: EHLO {any}
		S: 250-mx
		S: 250 XCLIENT ADDR
		C: XCLIENT ADDR=IPV6:2001:db8::7
		S: 550 5.7.0 insufficient authorization
		-- eof
	`, `
		# the client's address is not welcome
		S: 220 mx
		C: EHLO {any}
		S: 250-mx
		S: 250 XCLIENT ADDR
		C: XCLIENT {any}
		S: 554 5.7.1 listed
		-- eof
	`, `
		# not offered
		S: 220 mx
		C: EHLO {any}
		S: 250 mx
		-- eof
	`, `
		# we speak for ourselves
		S: 220 mx
		C: EHLO gw.example.net
		S: 250-mx
		S: 250 XCLIENT ADDR
		-- eof
	`)
	e := plain(addr)
	e.ForwardClient = config.ForwardXCLIENT
	u := newUpstream(t, e)
	if conn := dial(t, u, client); conn.Greeting != "mx again" || !conn.Ext.Has("DSN") || conn.Ext.Has("XCLIENT") {
		t.Errorf("greeting %q, extensions %+v", conn.Greeting, conn.Ext)
	}
	dial(t, u, client)
	if e := dialError(t, u, client, upstream.ClassGreeting); e.Reply == nil || e.Reply.Code != 554 {
		t.Errorf("reply %v", e.Reply)
	}
	dial(t, u, client)
	dial(t, u, upstream.Client{})
}

func TestDialPROXYHeader(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, `
		C= "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x09\x12\x67\x02\x4b"
		S: 220 mx
		C: EHLO pc
		S: 250 mx
		-- eof
	`, `
		# the same under TLS
		C= "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x14\xc0\x00\x02\x01\xc0\x00\x02\x09\x12\x67\x02\x4b\x20\x00\x05\x01\x00\x00\x00\x01"
		S: 220 mx
		C: EHLO pc
		S: 250 mx
		-- eof
	`, `
		C= "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
		S: 220 mx
		C: EHLO gw.example.net
		S: 250 mx
		-- eof
	`)
	e := plain(addr)
	e.ForwardClient = config.ForwardPROXY
	u := newUpstream(t, e)
	pc := upstream.Client{Addr: netip.MustParseAddrPort("192.0.2.1:4711"), Local: netip.MustParseAddrPort("192.0.2.9:587"), Helo: "pc"}
	dial(t, u, pc)
	pc.TLS = true
	dial(t, u, pc)
	dial(t, u, upstream.Client{})
}
