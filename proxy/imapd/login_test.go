package imapd_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/proxy/imapd"
	"heliograph/proxy/upstream"
)

// upWith is the greeting of an upstream with other capabilities than usual.
func upWith(caps string) string { return "S: * OK [CAPABILITY " + caps + "] up ready\n" }

// The upstream gets what the client said, in the client's words.
func TestLogin(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct{ client, upstream string }{
		"atoms": {
			`C: a LOGIN u@example.com secret`,
			`C: a LOGIN u@example.com secret`,
		},
		"atoms that RFC 9051 forbids": {
			`C: a login EXAMPLE\u@example.com p%*]ss}ü`,
			`C: a login EXAMPLE\u@example.com p%*]ss}ü`,
		},
		"quoted": {
			`C: a LOGIN "u@example.com" "p \"q\" \\ {5}"`,
			`C: a LOGIN "u@example.com" "p \"q\" \\ {5}"`,
		},
		"more blanks": {
			`C: a LOGIN  "u@example.com"  ""`,
			`C: a LOGIN  "u@example.com"  ""`,
		},
		"literals, synchronising": {`
			C: a LOGIN {13}
			S: + OK
			C= "u@example.com {6}\r\n"
			S: + OK
			C= "pa\r\nss\r\n"`, `
			C= "a LOGIN {13+}\r\nu@example.com {6+}\r\npa\r\nss\r\n"`},
		"literals, not synchronising": {
			`C= "a LOGIN {13+}\r\nu@example.com {6+}\r\npa\r\nss\r\n"`,
			`C= "a LOGIN {13+}\r\nu@example.com {6+}\r\npa\r\nss\r\n"`,
		},
		"quoted and literal": {`
			C: a LOGIN "u@example.com" {0}
			S: + OK
			C: {any}`, `
			C= "a LOGIN \"u@example.com\" {0+}\r\n\r\n"`},
		"literal and atom": {
			`C= "a LOGIN {13+}\r\nu@example.com secret\r\n"`,
			`C= "a LOGIN {13+}\r\nu@example.com secret\r\n"`,
		},
		"a literal that looks like commands": {
			`C= "a LOGIN u@example.com {23+}\r\n{5}\r\na OK\r\nb SELECT x\r\n\r\n"`,
			`C= "a LOGIN u@example.com {23+}\r\n{5}\r\na OK\r\nb SELECT x\r\n\r\n"`,
		},
		"upstream without LITERAL+": {
			`C= "a LOGIN {13+}\r\nu@example.com {6+}\r\nsecret\r\n"`,
			upWith("IMAP4rev1") + `
			C= "a LOGIN {13}\r\n"
			S: + send
			C= "u@example.com {6}\r\n"
			S: +
			C= "secret\r\n"`,
		},
		"upstream with LITERAL-": {
			`C= "a LOGIN {13+}\r\nu@example.com {5000+}\r\n` + long + `\r\n"`,
			upWith("IMAP4rev1 LITERAL-") + `
			C= "a LOGIN {13+}\r\nu@example.com {5000}\r\n"
			S: + send
			C= "` + long + `\r\n"`,
		},
		"the largest password": {
			`C= "a LOGIN u@example.com {65536+}\r\n` + strings.Repeat("x", 65536) + `\r\n"`,
			`C= "a LOGIN u@example.com {65536+}\r\n` + strings.Repeat("x", 65536) + `\r\n"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.client = strings.ReplaceAll(c.client, "C: {any}", `C= "\r\n"`)
			if !strings.Contains(c.upstream, "up ready") {
				c.upstream = upHello + c.upstream
			}
			f := newFront(t, nil, learn, lines(c.upstream, "S: a OK [CAPABILITY IMAP4rev1] Hello, u", upTap))
			f.talk(lines(hello, c.client, "S: a OK [CAPABILITY IMAP4rev1] Hello, u", tap))
			f.wantLogin("ok")
			if log := f.log.String(); !strings.Contains(log, "u@example.com upstream=main") {
				t.Errorf("the account is not u@example.com: %s", log)
			}
		})
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	const plain, bearer = "AHVAZXhhbXBsZS5jb20AcGFzcw==", "dXNlcj11QGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHlhMjkudG9rZW4BAQ=="
	for name, c := range map[string]struct{ client, upstream string }{
		"with initial response": {
			`C: a AUTHENTICATE PLAIN ` + plain,
			`C: a AUTHENTICATE PLAIN ` + plain,
		},
		"without": {
			"C: a AUTHENTICATE PLAIN\nS: + {any}\nC: " + plain,
			"C: a AUTHENTICATE PLAIN\nS: + \nC: " + plain,
		},
		"initial response, upstream without SASL-IR": {
			`C: a AUTHENTICATE XOAUTH2 ` + bearer,
			upWith("IMAP4rev1 AUTH=XOAUTH2") + "C: a AUTHENTICATE XOAUTH2\nS: +\nC: " + bearer,
		},
		"lower case": {
			`C: a authenticate plain ` + plain,
			`C: a AUTHENTICATE plain ` + plain,
		},
		"with authorization": { // wang for u
			`C: a AUTHENTICATE PLAIN dUBleGFtcGxlLmNvbQB3YW5nAHBhc3M=`,
			`C: a AUTHENTICATE PLAIN dUBleGFtcGxlLmNvbQB3YW5nAHBhc3M=`,
		},
		"LOGIN": {`
			C: a AUTHENTICATE LOGIN
			S: + VXNlcm5hbWU6
			C: dUBleGFtcGxlLmNvbQ==
			S: + UGFzc3dvcmQ6
			C: cGFzcw==`, `
			C: a AUTHENTICATE LOGIN
			S: + VXNlciBOYW1lAA==
			C: dUBleGFtcGxlLmNvbQ==
			S: + UGFzc3dvcmQ6
			C: cGFzcw==`},
		"CRAM-MD5": {`
			C: a AUTHENTICATE CRAM-MD5
			S: + PDEyMz4=
			C: dUBleGFtcGxlLmNvbSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==`, `
			C: a AUTHENTICATE CRAM-MD5
			S: + PDEyMz4=
			C: dUBleGFtcGxlLmNvbSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==`},
		"SCRAM": {`
			C: a AUTHENTICATE SCRAM-SHA-256 ` + base64.StdEncoding.EncodeToString([]byte("n,,n=u@example.com,r=abc")) + `
			S: + cj1hYmNkZWY=
			C: Yz1iaXdz
			S: + dj1PSw==
			C= "\r\n"`, `
			C: a AUTHENTICATE SCRAM-SHA-256 ` + base64.StdEncoding.EncodeToString([]byte("n,,n=u@example.com,r=abc")) + `
			S: + cj1hYmNkZWY=
			C: Yz1iaXdz
			S: + dj1PSw==
			C= "\r\n"`},
		"a token of 40 KiB": {
			`C: a AUTHENTICATE XOAUTH2 ` + token(40<<10),
			`C: a AUTHENTICATE XOAUTH2 ` + token(40<<10),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(c.upstream, "up ready") {
				c.upstream = upHello + c.upstream
			}
			f := newFront(t, nil, learn, lines(c.upstream, "S: * CAPABILITY IMAP4rev1\nS: a OK Hello, u", upTap))
			f.talk(lines(hello, c.client, "S: * CAPABILITY IMAP4rev1\nS: a OK Hello, u", tap))
			f.wantLogin("ok")
			if log := f.log.String(); !strings.Contains(log, "account=u@example.com") {
				t.Errorf("the account is not u@example.com: %s", log)
			}
		})
	}
}

func token(n int) string {
	return base64.StdEncoding.EncodeToString([]byte("user=u@example.com\x01auth=Bearer " + strings.Repeat("t", n*3/4) + "\x01\x01"))
}

// A mechanism that the gateway does not know passes, and the account stays unknown.
func TestUnknownMechanism(t *testing.T) {
	t.Parallel()
	script := `
		C: a AUTHENTICATE X_TOKEN =
		S: + AAAA
		C: BBBB
		S: a OK in`
	f := newFront(t, nil, learn, lines(upHello, script, upTap))
	f.talk(lines(hello, script, tap))
	if !strings.Contains(f.log.String(), "account=unknown") {
		t.Error(f.log.String())
	}
}

func TestEmptyInitialResponse(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn, lines(upWith("IMAP4rev1"), `
		C: a AUTHENTICATE EXTERNAL
		S: +
		C= "\r\n"
		S: a NO [CANNOT] not here
	`))
	f.talk(lines(hello, `
		C: a AUTHENTICATE EXTERNAL =
		S: a NO [CANNOT] not here
		C: b LOGOUT
		S: * BYE logging out
		S: b OK LOGOUT completed
		-- eof`))
	f.wantLogin("temporary")
}

// Each refusal is the upstream's own, and the client may try again.
func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn, lines(upHello, `
		C: a LOGIN u@example.com bad
		S: a NO [AUTHENTICATIONFAILED] sorry, u
		-- eof`), lines(upHello, `
		C: b AUTHENTICATE XOAUTH2 dXNlcj11QGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHgBAQ==
		S: + eyJzdGF0dXMiOiI0MDAifQ==
		C= "\r\n"
		S: b NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)
		-- eof`), lines(upHello, `
		C: c AUTHENTICATE CRAM-MD5
		S: + PDEyMz4=
		C: *
		S: c BAD cancelled by you
		-- eof`), lines(upHello, `
		C: d LOGIN u@example.com good
		S: * NO [ALERT] change your password
		S: d OK in at last`, upTap))
	f.talk(lines(hello, `
		C: a LOGIN u@example.com bad
		S: a NO [AUTHENTICATIONFAILED] sorry, u
		C: b AUTHENTICATE XOAUTH2 dXNlcj11QGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHgBAQ==
		S: + eyJzdGF0dXMiOiI0MDAifQ==
		C= "\r\n"
		S: b NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)
		C: c AUTHENTICATE CRAM-MD5
		S: + PDEyMz4=
		C: *
		S: c BAD cancelled by you
		C: cc AUTHENTICATE PLAIN
		S: + {any}
		C: *
		S: cc BAD authentication cancelled
		C: d LOGIN u@example.com good
		S: * NO [ALERT] change your password
		S: d OK in at last`, tap))
	f.wantLogin("ok")
	f.wantLogin("cancelled")
	f.wantLogin("temporary")
	if n := f.metric("heliograph_imap_logins_total", "outcome", "refused"); n != 2 {
		t.Errorf("%v logins are counted as refused, want 2", n)
	}
}

// Bytes behind the login, whichever side sends them, come out on the other side.
func TestBytesBehindTheLogin(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn, lines(upHello, `
		C: a LOGIN u@example.com secret
		S= "* OK warming up\r\na OK in\r\n* 3 EXISTS\r\n"
		C= "b SELECT \"x {3}\"\r\nc NOOP\r\n"
		S: c OK`))
	f.talk(lines(hello, `
		C= "a LOGIN u@example.com secret\r\nb SELECT \"x {3}\"\r\nc NOOP\r\n"
		S= "* OK warming up\r\na OK in\r\n* 3 EXISTS\r\n"
		S: c OK
		-- eof`))
}

// Pipelined commands before the login are answered in order.
func TestPipelinedPreamble(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn, lines(upHello, `
		C: heliograph ID ("name" "pipe \"line\"" "os" NIL)
		S: * ID NIL
		S: heliograph OK
		C: d LOGIN u@example.com secret
		S: d OK in`, upTap))
	f.talk(lines(hello, `
		C= "a CAPABILITY\r\nb NOOP\r\nc ID (\"name\" \"pipe \\\"line\\\"\" \"os\" NIL \"x-originating-ip\" \"192.0.2.66\" \"X-Forward-User\" \"root\")\r\nd LOGIN u@example.com secret\r\n"
		S: * CAPABILITY `+caps+`
		S: a OK CAPABILITY completed
		S: b OK NOOP completed
		S: * ID ("name" "Up" "quote" "\"")
		S: c OK ID completed
		S: d OK in`, tap))
}

func TestIDWithLiterals(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn, lines(upHello, `
		C: heliograph ID ("name" "a b")
		S: heliograph BAD go away
		C: d LOGIN u@example.com secret
		S: d OK in`, upTap))
	f.talk(lines(hello, `
		C: c ID ({4}
		S: + OK
		C= "name {3+}\r\na b \"split\" {4+}\r\n\r\n\r\n)\r\n"
		S: * ID ("name" "Up" "quote" "\"")
		S: c OK ID completed
		C: d LOGIN u@example.com secret
		S: d OK in`, tap))
}

// A mechanism may begin a layer of its own, which nobody could read. The upstream sees nothing
// of its first packet; without a layer the mechanism is as good as any.
func TestSecurityLayer(t *testing.T) {
	t.Parallel()
	const gssapi = "C: a AUTHENTICATE GSSAPI YIIC\nS: + YIGZ\nC= \"\\r\\n\"\nS: + BQQF\nC: BQQE\nS: a OK you\n"
	f := newFront(t, nil, learn, lines(upHello, gssapi, "-- eof"), lines(upHello, gssapi, upTap))
	f.talk(lines(hello, gssapi, `
		C= "\x00\x00\x00\x20\x05\x04\x06\xff\x00\x00z LOGOUT\r\nabcdefghijklmn"
		S: * BAD NUL in a command
		S: * BYE closing
		-- eof`))
	f.talk(lines(hello, gssapi, tap))
}

// Providers of NetEase refuse SELECT until they have seen an ID.
func TestProviderThatNeedsID(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(s *setup) { s.upstreams[0].Provider = "163" }, learn, lines(upHello, `
		C: a LOGIN u@163.com secret
		S: a OK LOGIN completed
		C: heliograph ID ("name" "heliograph")
		S= "* ID (\"name\" \"Coremail\")\r\n* OK [ALERT] for the client\r\nheliograph OK ID completed\r\n* 1 EXISTS\r\n"`, upTap))
	f.talk(lines(hello, `
		C: a LOGIN u@163.com secret
		S: * OK [ALERT] for the client
		S: a OK LOGIN completed
		S: * 1 EXISTS`, tap))
}

func TestForwardedClient(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(s *setup) { s.upstreams[0].IMAP.ForwardClient = config.ForwardID }, learn, lines(upHello, `
		C: hg1 ID ("x-originating-ip" "127.0.0.1" "x-originating-port" {any})
		S: hg1 OK
		C: heliograph ID ("name" "mutt")
		S: heliograph OK
		C: a LOGIN u@example.com secret
		S: a OK in`, upTap))
	f.talk(lines(hello, `
		C: i ID ("name" "mutt")
		S: * ID ("name" "Up" "quote" "\"")
		S: i OK ID completed
		C: a LOGIN u@example.com secret
		S: a OK in`, tap))
}

// Whoever has failed too often is not forwarded any more.
func TestFailedLoginsAreLimited(t *testing.T) {
	t.Parallel()
	refused := lines(upHello, `
		C: a LOGIN u@example.com bad
		S: a NO no`)
	f := newFront(t, nil, learn, refused, refused, refused, refused)
	client := strings.Repeat("C: a LOGIN u@example.com bad\nS: a NO no\n", 4)
	f.talk(lines(hello, client, `
		C: b LOGIN u@example.com bad
		S: b NO [LIMIT] too many failed logins, try again in {any} seconds
		C: c AUTHENTICATE CRAM-MD5
		S: c NO [LIMIT] too many failed logins, try again in {any} seconds
		C: d LOGOUT
		S: * BYE logging out
		S: d OK LOGOUT completed
		-- eof`))
}

// A mechanism in which the upstream speaks first names the user late, but before
// the upstream hears of it.
func TestLimitOfALateName(t *testing.T) {
	t.Parallel()
	const cram = "dUBleGFtcGxlLmNvbSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg=="
	var scripts []string
	for range 4 {
		scripts = append(scripts, lines(upHello, "C: a LOGIN u@example.com bad\nS: a NO no"))
	}
	scripts = append(scripts, lines(upHello, "C: b AUTHENTICATE CRAM-MD5\nS: + PDEyMz4=\n-- eof"))
	f := newFront(t, func(s *setup) { s.listener.ProxyProtocolFrom = loopback() }, append([]string{learn}, scripts...)...)
	proxied := func(ip string) string { return `C= "PROXY TCP4 ` + ip + ` 192.0.2.9 4711 143\r\n"` }
	f.talk(lines(proxied("192.0.2.1"), hello, strings.Repeat("C: a LOGIN u@example.com bad\nS: a NO no\n", 4), "C: q LOGOUT\nS: * BYE logging out\nS: q OK LOGOUT completed"))
	f.talk(lines(proxied("192.0.2.2"), hello, `
		C: b AUTHENTICATE CRAM-MD5
		S: + PDEyMz4=
		C: `+cram+`
		S: b NO [LIMIT] too many failed logins, try again in {any} seconds
		C: d LOGOUT
		S: * BYE logging out
		S: d OK LOGOUT completed
		-- eof`))
}

func TestTooManyRefusals(t *testing.T) {
	t.Parallel()
	var scripts []string
	for range 5 {
		scripts = append(scripts, lines(upHello, "C: a LOGIN u@example.com bad\nS: a NO no"))
	}
	f := newFront(t, func(s *setup) { s.limits.LoginPerMinute = 100 }, append([]string{learn}, scripts...)...)
	f.talk(lines(hello, strings.Repeat("C: a LOGIN u@example.com bad\nS: a NO no\n", 5), "S: * BYE too many failed logins\n-- eof"))
}

// The upstream is chosen by the user's domain, and what is shown before is what all offer.
func TestRouting(t *testing.T) {
	t.Parallel()
	one, two := upWith("IMAP4rev1 SASL-IR IDLE ID AUTH=PLAIN AUTH=LOGIN"), upWith("IMAP4rev1 MOVE IDLE ID AUTH=PLAIN")
	learnt := func(greeting string) string {
		return lines(greeting, "C: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS: * ID (\"name\" \"x\")\nS: hg2 OK\nC: {any} LOGOUT\n-- hold")
	}
	open := func(t *testing.T) *front {
		return newFront(t, func(s *setup) {
			s.listener.TLS, s.listener.AllowPlaintextAuth = config.TLSImplicit, false
			s.upstreams = []config.Upstream{
				{Name: "one", Domains: []string{"one.example"}, IMAP: endpoint(t, learnt(one), lines(one, "C: a LOGIN u@one.example x\nS: a OK one", upTap))},
				{Name: "two", Domains: []string{"two.example"}, IMAP: endpoint(t, learnt(two), lines(two, "C: a LOGIN u@two.example x\nS: a OK two", upTap))},
			}
		})
	}
	f := open(t)
	for _, name := range []string{"one", "two"} {
		f.talk(lines("-- tls", fmt.Sprintf(`
			S: * OK [CAPABILITY IMAP4rev1 IDLE ID AUTH=PLAIN] ready
			C: i ID NIL
			S: * ID NIL
			S: i OK ID completed
			C: n LOGIN u@three.example x
			S: n NO [AUTHENTICATIONFAILED] no mail server is configured for this user {any}
			C: a LOGIN u@%s.example x
			S: a OK %s`, name, name), tap))
	}
}

// Some servers tell less in the greeting than on demand. So do we, for each place
// what all upstreams say there.
func TestGreetingThatTellsLess(t *testing.T) {
	t.Parallel()
	learnt := func(greeting, whole string) string {
		return lines(upWith(greeting), "C: hg1 CAPABILITY\nS: * CAPABILITY "+whole+"\nS: hg1 OK\nC: {any} LOGOUT\n-- hold")
	}
	f := newFront(t, func(s *setup) {
		s.upstreams = []config.Upstream{
			{Name: "one", Domains: []string{"one.example"}, IMAP: endpoint(t, learnt("IMAP4rev1 ENABLE AUTH=PLAIN", "IMAP4rev1 SORT ENABLE COMPRESS=DEFLATE ACL AUTH=PLAIN"))},
			{Name: "two", Domains: []string{"two.example"}, IMAP: endpoint(t, learnt("IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 ACL MOVE SORT COMPRESS=DEFLATE AUTH=PLAIN"))},
		}
	})
	f.talk(`
		S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready
		C: a CAPABILITY
		S: * CAPABILITY IMAP4rev1 SORT ACL AUTH=PLAIN
		S: a OK CAPABILITY completed`)
}

// An upstream that does not know ID is not made to look as if it did.
func TestUpstreamWithoutID(t *testing.T) {
	t.Parallel()
	without := upWith("IMAP4rev1 AUTH=PLAIN")
	f := newFront(t, nil, lines(without, "C: {any} CAPABILITY\nS: hg1 OK\nC: {any} LOGOUT\n-- hold"), lines(without, "C: a LOGIN u@example.com p\nS: a OK in", upTap))
	f.talk(lines("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready", `
		C: i ID ("name" "x")
		S: i BAD unknown command
		C: a LOGIN u@example.com p
		S: a OK in`, tap))
}

// New sessions have new settings.
func TestReload(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn)
	f.talk(hello)
	router, err := upstream.New([]config.Upstream{{Name: "other", IMAP: endpoint(t, lines(upWith("IMAP4rev1 OTHER"), "C: {any} CAPABILITY\nS: hg1 OK\nC: {any} LOGOUT\n-- hold"))}}, upstream.Options{})
	must(t, err)
	t.Cleanup(router.Close)
	f.server.Reload(imapd.Settings{Router: router})
	f.talk("S: * OK [CAPABILITY IMAP4rev1 OTHER] ready")
}
