package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// dialIMAPError expects an error of this class, with a remedy.
func dialIMAPError(t *testing.T, u *upstream.Upstream, class upstream.Class) *upstream.Error {
	t.Helper()
	conn, err := u.DialIMAP(t.Context(), upstream.Client{})
	if err == nil {
		_ = conn.Close()
		t.Fatal("dial succeeded")
	}
	var e *upstream.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %T: %v", err, err)
	}
	if e.Class != class || e.Service != "imap" {
		t.Fatalf("class %s of %s, want %s: %v", e.Class, e.Service, class, err)
	}
	if e.Remedy() == "" || strings.Contains(e.Remedy(), "SMTP") || !e.Temporary() {
		t.Errorf("%v: remedy %q, temporary %v", e, e.Remedy(), e.Temporary())
	}
	return e
}

// TestHostileIMAP plays what a server, or somebody between, does to get at a
// login, or to do harm.
func TestHostileIMAP(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	const clear, starttls, implicit = config.TLSNone, config.TLSStartTLS, config.TLSImplicit
	for name, c := range map[string]struct {
		mode   config.TLSMode
		script string
		class  upstream.Class
		remedy string
	}{
		"bytes behind STARTTLS": {
			starttls, "S: * OK [CAPABILITY STARTTLS] hi\nC: hg1 STARTTLS\nS= \"hg1 OK go\\r\\n* CAPABILITY XEVIL\\r\\nhg2 OK\\r\\n\"\n-- eof",
			upstream.ClassTLS, "injects",
		},
		"half a line behind STARTTLS": {
			starttls, "S: * OK [CAPABILITY STARTTLS] hi\nC: hg1 STARTTLS\nS= \"hg1 OK go\\r\\n*\"\n-- eof",
			upstream.ClassTLS, "injects",
		},
		"STARTTLS stripped from the greeting": {
			starttls, "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\n-- eof", upstream.ClassTLS, "strips",
		},
		"STARTTLS stripped from CAPABILITY": {
			starttls, "S: * OK hi\nC: hg1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 XXXXTTLS\nS: hg1 OK\n-- eof", upstream.ClassTLS, "strips",
		},
		"STARTTLS refused":    {starttls, "S: * OK [CAPABILITY STARTTLS] hi\nC: hg1 STARTTLS\nS: hg1 NO later\n-- eof", upstream.ClassTLS, ""},
		"STARTTLS bad":        {starttls, "S: * OK [CAPABILITY STARTTLS] hi\nC: hg1 STARTTLS\nS: hg1 BAD what\n-- eof", upstream.ClassTLS, ""},
		"PREAUTH in clear":    {starttls, "S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\n-- eof", upstream.ClassTLS, "attack"},
		"PREAUTH unencrypted": {clear, "S: * PREAUTH [CAPABILITY IMAP4rev1] welcome\n-- eof", upstream.ClassProtocol, "everybody logs in"},
		"PREAUTH under TLS":   {implicit, "-- tls\nS: * preauth welcome\n-- eof", upstream.ClassProtocol, "everybody logs in"},
		"BYE":                 {clear, "S: * BYE go away\n-- eof", upstream.ClassGreeting, "allow its address"},
		"BYE for now":         {clear, "S: * BYE [UNAVAILABLE] too many connections\n-- eof", upstream.ClassBusy, ""},
		"BYE after greeting":  {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: * BYE [UNAVAILABLE] shutting down\nS: hg1 OK\n-- eof", upstream.ClassBusy, ""},
		"foreign tag":         {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a1 OK done\n-- eof", upstream.ClassProtocol, "IMAP server"},
		"tag of the future":   {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: hg2 OK done\n-- eof", upstream.ClassProtocol, ""},
		"tagged nonsense":     {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: hg1 FETCH done\n-- eof", upstream.ClassProtocol, ""},
		"continuation":        {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: + your password please\n-- eof", upstream.ClassProtocol, ""},
		"no capabilities":     {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: hg1 OK done\n-- eof", upstream.ClassProtocol, ""},
		"tagged greeting":     {clear, "S: a OK hi\n-- eof", upstream.ClassProtocol, ""},
		"NO greeting":         {clear, "S: * NO hi\n-- eof", upstream.ClassProtocol, ""},
		"SMTP":                {clear, "S: 220 mx.example.com ESMTP\n-- eof", upstream.ClassProtocol, ""},
		"HTTP":                {clear, "S: HTTP/1.1 400 Bad Request\n-- eof", upstream.ClassProtocol, ""},
		"empty line":          {clear, "S= \"\\r\\n\"\n-- eof", upstream.ClassProtocol, ""},
		"star only":           {clear, "S= \"*\\r\\n\"\n-- eof", upstream.ClassProtocol, ""},
		"star and space":      {clear, "S= \"* \\r\\n\"\n-- eof", upstream.ClassProtocol, ""},
		"zeros":               {clear, "S= \"\\x00\\x00\\x00 \\x00\\n\"\n-- eof", upstream.ClassProtocol, ""},
		"closed at once":      {clear, "", upstream.ClassNetwork, ""},
		"closed in greeting":  {clear, "S= \"* OK\"", upstream.ClassNetwork, ""},
		"garbage for TLS":     {implicit, "S: * OK this is plain text\n-- hold", upstream.ClassTLS, "143"},
		"bomb as greeting":    {clear, "S: * LIST {4294967295}\n-- eof", upstream.ClassProtocol, ""},
		"bomb after greeting": {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: * CAPABILITY {99999999999999999999999}\n-- eof", upstream.ClassProtocol, ""},
		"unfinished literal":  {clear, "S: * OK hi\nC: hg1 CAPABILITY\nS: * X {1000}\nS: short", upstream.ClassNetwork, ""},
		"many literals": {
			clear, "S: * OK hi\nC: hg1 CAPABILITY\nS= " + strconv.Quote("* X "+strings.Repeat("{30000}\r\n"+strings.Repeat("x", 30000), 3)+"\r\n") + "\n-- hold",
			upstream.ClassProtocol, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := mailtest.Serve(t, a.ServerTLS("127.0.0.1"), c.script)
			e := encrypted(addr, c.mode, a)
			if c.mode == clear {
				e.CAFile = ""
			}
			if got := dialIMAPError(t, newIMAP(t, e), c.class); !strings.Contains(got.Remedy(), c.remedy) {
				t.Errorf("remedy %q, want %q in it", got.Remedy(), c.remedy)
			}
		})
	}
}

func TestIMAPServerThatTurnsUsAwayIsQuoted(t *testing.T) {
	t.Parallel()
	u := newIMAP(t, plain(mailtest.Serve(t, nil, "S: * BYE [ALERT] {any} \\ 4711\n-- eof")))
	if e := dialIMAPError(t, u, upstream.ClassGreeting); string(e.Bye) != `BYE [ALERT] {any} \ 4711` {
		t.Errorf("got %q", e.Bye)
	}
}

// flood accepts one connection and sends head, then text for as long as it is taken.
func flood(t *testing.T, head, text string) (addr string, sent func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	total := make(chan int, 1)
	go func() {
		n := 0
		defer func() { total <- n }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, err = io.WriteString(conn, head)
		for err == nil {
			var k int
			k, err = io.WriteString(conn, text)
			n += k
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), func() int { return <-total }
}

// TestIMAPFloods has servers that never stop. What is read of them is bounded,
// and so is the memory it takes.
func TestIMAPFloods(t *testing.T) {
	for name, c := range map[string]struct{ head, text string }{
		"endless greeting":  {"* OK ", strings.Repeat("for ever and ever ", 500)},
		"endless responses": {"* OK hi\r\n", strings.Repeat("* OK still here\r\n", 500)},
		"endless literals":  {"* OK hi\r\n", "* X {30000}\r\n" + strings.Repeat("x", 30000) + "\r\n"},
		"endless zeros":     {"", strings.Repeat("\x00", 9000)},
	} {
		t.Run(name, func(t *testing.T) {
			addr, sent := flood(t, c.head, c.text)
			u := newIMAP(t, plain(addr))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			dialIMAPError(t, u, upstream.ClassProtocol)
			runtime.ReadMemStats(&after)
			// Each growing line is copied a few times; what the sockets hold comes on top of sent.
			const mostAllocated = 16 << 20
			if got := after.TotalAlloc - before.TotalAlloc; got > mostAllocated {
				t.Errorf("%d bytes were allocated to refuse %d", got, sent())
			}
		})
	}
}

func TestSilentIMAP(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	for name, c := range map[string]struct {
		mode   config.TLSMode
		script string
	}{
		"no greeting":      {config.TLSNone, "-- hold"},
		"half a greeting":  {config.TLSNone, "S= \"* OK\"\n-- hold"},
		"no answer":        {config.TLSNone, "S: * OK hi\n-- hold"},
		"no literal":       {config.TLSNone, "S: * OK hi\nC: hg1 CAPABILITY\nS: * CAPABILITY {9}\n-- hold"},
		"no STARTTLS":      {config.TLSStartTLS, "S: * OK [CAPABILITY STARTTLS] hi\n-- hold"},
		"no handshake":     {config.TLSStartTLS, "S: * OK [CAPABILITY STARTTLS] hi\nC: hg1 STARTTLS\nS: hg1 OK\n-- hold"},
		"silent under TLS": {config.TLSImplicit, "-- tls\n-- hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := encrypted(mailtest.Serve(t, a.ServerTLS("127.0.0.1"), c.script), c.mode, a)
			e.Timeout = config.Duration(200 * time.Millisecond)
			if c.mode == config.TLSNone {
				e.CAFile = ""
			}
			dialIMAPError(t, newIMAP(t, e), upstream.ClassTimeout)
		})
	}
}

func TestDialIMAPIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	addr := mailtest.Serve(t, nil, "S: * OK hi\n-- hold")
	time.AfterFunc(30*time.Millisecond, cancel)
	var e *upstream.Error
	if _, err := newIMAP(t, plain(addr)).DialIMAP(ctx, upstream.Client{}); !errors.As(err, &e) || e.Class != upstream.ClassCancelled {
		t.Errorf("got %v", err)
	}
}

func TestDialIMAPChecksCertificate(t *testing.T) {
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
		for mode, script := range map[config.TLSMode]string{
			config.TLSImplicit: "-- tls",
			config.TLSStartTLS: "S: * OK [CAPABILITY STARTTLS] hi\nC: hg1 STARTTLS\nS: hg1 OK\n-- tls",
		} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				u := newIMAP(t, encrypted(brokenOff(t, c.server, script), mode, ours))
				if e := dialIMAPError(t, u, upstream.ClassTLS); !strings.Contains(e.Remedy(), c.remedy) {
					t.Errorf("remedy %q", e.Remedy())
				}
			})
		}
	}
}
