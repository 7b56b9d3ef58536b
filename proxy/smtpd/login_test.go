package smtpd_test

import (
	"net/netip"
	"strings"
	"testing"

	"heliograph/internal/journal"
)

func TestLoginsAreRelayed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ client, upstream, account string }{
		"LOGIN in steps": {client: `
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: dUBleGFtcGxlLmNvbQ==
			S: 334 UGFzc3dvcmQ6
			C: cGFzcw==
			S: 235 2.7.0 hello`, upstream: `
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: dUBleGFtcGxlLmNvbQ==
			S: 334 UGFzc3dvcmQ6
			C: cGFzcw==
			S: 235 2.7.0 hello`, account: "u@example.com"},
		"PLAIN without initial response": {client: `
			C: AUTH PLAIN
			S= "334 \r\n"
			C: AHVAZXhhbXBsZS5jb20AcGFzcw==
			S: 235 ok`, upstream: `
			C: AUTH PLAIN
			S= "334 \r\n"
			C: AHVAZXhhbXBsZS5jb20AcGFzcw==
			S: 235 ok`, account: "u@example.com"},
		"XOAUTH2": {client: `
			C: AUTH XOAUTH2 dXNlcj11c2VyQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHlhMjkudG9rZW4BAQ==
			S: 235 ok`, upstream: `
			C: AUTH XOAUTH2 dXNlcj11c2VyQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHlhMjkudG9rZW4BAQ==
			S: 235 ok`, account: "user@example.com"},
		"CRAM-MD5 verbatim": {client: `
			C: AUTH CRAM-MD5
			S: 334 PDEyMzQ1QHVwPg==
			C: dUBleGFtcGxlLmNvbSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==
			S: 235 ok`, upstream: `
			C: AUTH CRAM-MD5
			S: 334 PDEyMzQ1QHVwPg==
			C: dUBleGFtcGxlLmNvbSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==
			S: 235 ok`, account: "u@example.com"},
		"an unknown mechanism": {client: `
			C: AUTH X-TOKEN abc
			S: 334 more
			C: def
			S: 235 ok`, upstream: `
			C: AUTH X-TOKEN abc
			S: 334 more
			C: def
			S: 235 ok`, account: "unknown"},
		"LOGIN with a name that cannot be read": {client: `
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: dQFi
			S: 334 UGFzc3dvcmQ6
			C: c2VjcmV0
			S: 235 ok`, upstream: `
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: dQFi
			S: 334 UGFzc3dvcmQ6
			C: c2VjcmV0
			S: 235 ok`, account: "unknown"}, // above all not the password
		"second try": {client: `
			C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AYmFk
			S: 535 5.7.8 wrong, says the provider
			C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==
			S: 235 ok`, upstream: `
			C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AYmFk
			S: 535 5.7.8 wrong, says the provider
			C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AcGFzcw==
			S: 235 ok`, account: "u@example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := `
				C= "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
				S= "250 ok\r\n250 ok\r\n354 go\r\n"
				C= ".\r\n"
				S: 250 done
				C: QUIT
				S: 221 bye`
			hello, _, _ := strings.Cut(login, "C: AUTH")
			w := newWorld(t, nil, learn, lines(upHello, c.upstream, message))
			w.talk(lines(hello, c.client, message))
			if e := w.entries(journal.StateConfirmed, 1)[0]; e.Account != c.account || e.ReversePath != "" {
				t.Errorf("account %q, reverse path %q; want account %q", e.Account, e.ReversePath, c.account)
			}
		})
	}
}

func TestFailedLoginsAreLimitedBeforeTheyAreForwarded(t *testing.T) {
	t.Parallel()
	hello, _, _ := strings.Cut(login, "C: AUTH")
	try := `
		C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AYmFk
		S: 535 5.7.8 no`
	w := newWorld(t, func(s *setup) { s.limits.LoginPerMinute = 3 }, learn, lines(upHello, try, try, try, try, "-- hold"))
	w.talk(lines(hello, try, try, try, try, `
		C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AYmFk
		S: 454 4.7.0 too many failed logins, try again in {any} seconds
		C: QUIT
		S: 221 2.0.0 gw.example closing
	`))
}

// from is the header of a connection that a balancer hands on for a client.
func from(ip string) string {
	return "C: PROXY TCP4 " + ip + " 192.0.2.1 4711 587"
}

func TestStrangersDoNotLockOutWhoNameNobody(t *testing.T) {
	t.Parallel()
	hello, _, _ := strings.Cut(login, "C: AUTH")
	garbage := `
		C: AUTH X-TOKEN garbage
		S: 535 5.7.8 no`
	cram := `
		C: AUTH CRAM-MD5
		S: 334 PDEyMzQ1QHVwPg==
		C: dUBleGFtcGxlLmNvbSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==
		S: 235 ok`
	quit := `
		C: QUIT
		S: 221 bye`
	w := newWorld(t, func(s *setup) {
		s.listener.ProxyProtocolFrom = []netip.Prefix{prefix("127.0.0.0/8")}
		s.limits.LoginPerMinute = 3
	}, learn, lines(upHello, garbage, garbage, garbage, garbage, "-- hold"), lines(upHello, cram, quit))
	w.talk(lines(from("198.51.100.7"), hello, garbage, garbage, garbage, garbage, `
		C: AUTH X-TOKEN garbage
		S: 454 4.7.0 too many failed logins, try again in {any} seconds
		C: QUIT
		S: 221 2.0.0 gw.example closing
	`))
	w.talk(lines(from("203.0.113.9"), hello, cram, quit))
}

func TestLateNamesAreLimited(t *testing.T) {
	t.Parallel()
	hello, _, _ := strings.Cut(login, "C: AUTH")
	plain := `
		C: AUTH PLAIN AHVAZXhhbXBsZS5jb20AYmFk
		S: 535 5.7.8 no`
	challenge := `
		C: AUTH CRAM-MD5
		S: 334 PDEyMzQ1QHVwPg==`
	w := newWorld(t, func(s *setup) {
		s.listener.ProxyProtocolFrom = []netip.Prefix{prefix("127.0.0.0/8")}
		s.limits.LoginPerMinute = 3
	}, learn, lines(upHello, plain, plain, plain, plain, "-- hold"), lines(upHello, challenge, "-- eof"))
	w.talk(lines(from("198.51.100.7"), hello, plain, plain, plain, plain, "C: QUIT\nS: 221 2.0.0 gw.example closing"))
	w.talk(lines(from("203.0.113.9"), hello, challenge, `
		C: dUBleGFtcGxlLmNvbSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==
		S: 454 4.7.0 too many failed logins, try again in {any} seconds
		C: NOOP
		S: 250 {any}
		C: QUIT
		S: 221 2.0.0 gw.example closing
	`))
}
