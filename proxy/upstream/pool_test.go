package upstream_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

const (
	user     = "erp@example.com"
	password = "open sesame"
	// The same in base64: NUL user NUL password, user, password.
	plainStep     = "AGVycEBleGFtcGxlLmNvbQBvcGVuIHNlc2FtZQ=="
	loginUser     = "ZXJwQGV4YW1wbGUuY29t"
	loginPassword = "b3BlbiBzZXNhbWU="
	greets        = "S: 220 mx\nC: EHLO {any}\nS: 250-mx\n"
)

// login fails the test if it fails. The connection is to be released or closed.
func login(t *testing.T, u *upstream.Upstream, c upstream.Client) (*upstream.SMTPConn, bool) {
	t.Helper()
	conn, reused, err := u.DialAuthenticated(t.Context(), c, user, config.NewSecret(password))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return conn, reused
}

func TestDialAuthenticated(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"PLAIN": greets + "S: 250 AUTH LOGIN PLAIN\nC: AUTH PLAIN " + plainStep + "\nS: 235 2.7.0 ok\n-- eof",
		"LOGIN": greets + "S: 250 AUTH=LOGIN\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: " + loginUser +
			"\nS: 334 UGFzc3dvcmQ6\nC: " + loginPassword + "\nS: 235 ok\n-- eof",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, reused := login(t, newUpstream(t, plain(mailtest.Serve(t, nil, script))), upstream.Client{})
			if _ = conn.Close(); reused {
				t.Error("reused")
			}
		})
	}
}

func TestDialAuthenticatedFails(t *testing.T) {
	t.Parallel()
	const auth = greets + "S: 250 AUTH PLAIN\nC: AUTH PLAIN {any}\n"
	for name, c := range map[string]struct {
		script string
		class  upstream.Class
		code   int // of the reply that is kept; 0: none
	}{
		"refused":        {auth + "S: 535 5.7.8 bad credentials\n-- eof", upstream.ClassAuth, 535},
		"not now":        {auth + "S: 454 4.7.0 later\n-- eof", upstream.ClassAuth, 454},
		"no mechanism":   {greets + "S: 250 AUTH NTLM\n-- eof", upstream.ClassAuth, 0},
		"no AUTH":        {greets + "S: 250 DSN\n-- eof", upstream.ClassAuth, 0},
		"one more step":  {auth + "S: 334 more\n-- eof", upstream.ClassProtocol, 0},
		"nonsense":       {auth + "S: hello\n-- hold", upstream.ClassProtocol, 0},
		"gone":           {auth, upstream.ClassNetwork, 0},
		"bytes too many": {auth + "S= \"235 ok\\r\\n250 x\\r\\n\"\n-- hold", upstream.ClassProtocol, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, plain(mailtest.Serve(t, nil, c.script)))
			_, _, err := u.DialAuthenticated(t.Context(), upstream.Client{}, user, config.NewSecret(password))
			var e *upstream.Error
			if !errors.As(err, &e) || e.Class != c.class || e.Remedy() == "" {
				t.Fatalf("got %v, want class %s", err, c.class)
			}
			if c.code != 0 && (e.Reply == nil || e.Reply.Code != c.code) || c.code == 0 && e.Reply != nil {
				t.Errorf("reply %v, want %d", e.Reply, c.code)
			}
			if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), plainStep) {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	accepts := greets + "S: 250 AUTH PLAIN\nC: AUTH PLAIN {any}\nS: 235 ok\n"
	u := newUpstream(t, plain(mailtest.Serve(t, nil,
		accepts+"C: RSET\nS: 250 ok\nC: RSET\nS: 421 too long idle\n-- eof",
		accepts+"-- eof", // for another name
		accepts+"-- eof", // after the 421
		accepts+"C: QUIT\n-- eof",
	)))
	erp := upstream.Client{Helo: "erp"}
	first, _ := login(t, u, erp)
	u.Release(first)
	other, reused := login(t, u, upstream.Client{Helo: "printer"})
	if _ = other.Close(); reused {
		t.Error("a connection that said EHLO erp serves printer")
	}
	again, reused := login(t, u, erp)
	if !reused || again != first {
		t.Error("not reused")
	}
	u.Release(again)
	fresh, reused := login(t, u, erp)
	if _ = fresh.Close(); reused {
		t.Error("a connection that answered 421 is reused")
	}
	last, _ := login(t, u, erp)
	u.Release(last) // closed with the router, politely
}

func TestPoolAsksForTheSamePassword(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, plain(mailtest.Serve(t, nil,
		greets+"S: 250 AUTH PLAIN\nC: AUTH PLAIN "+plainStep+"\nS: 235 ok\nC: QUIT\n-- eof",
		greets+"S: 250 AUTH PLAIN\nC: AUTH PLAIN {any}\nS: 535 no\n-- eof",
	)))
	conn, _ := login(t, u, upstream.Client{})
	u.Release(conn)
	if _, _, err := u.DialAuthenticated(t.Context(), upstream.Client{}, user, config.NewSecret("guess")); err == nil {
		t.Error("a wrong password got an authenticated connection")
	}
}

func TestPoolKeepsForwardedClientsApart(t *testing.T) {
	t.Parallel()
	script := greets + "S: 250-XCLIENT ADDR\nS: 250 AUTH PLAIN\nC: XCLIENT ADDR={any}\n" + greets +
		"S: 250 AUTH PLAIN\nC: AUTH PLAIN {any}\nS: 235 ok\n"
	e := plain(mailtest.Serve(t, nil, script+"C: QUIT\n-- eof", script+"-- eof"))
	e.ForwardClient = config.ForwardXCLIENT
	u := newUpstream(t, e)
	conn, _ := login(t, u, upstream.Client{Addr: netip.MustParseAddrPort("192.0.2.1:1")})
	u.Release(conn)
	other, reused := login(t, u, upstream.Client{Addr: netip.MustParseAddrPort("192.0.2.2:1")})
	if _ = other.Close(); reused {
		t.Error("one client's connection serves another")
	}
}

func TestReleaseAfterClose(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, greets+"S: 250 AUTH PLAIN\nC: AUTH PLAIN {any}\nS: 235 ok\nC: QUIT\n-- eof")
	r, err := upstream.New([]config.Upstream{{Name: "main", SMTP: plain(addr)}}, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	u := r.Upstreams()[0]
	conn, _ := login(t, u, upstream.Client{})
	r.Close()
	r.Close()
	u.Release(conn)
}
