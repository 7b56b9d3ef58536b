package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// newIMAP makes a router over one upstream that has IMAP only.
func newIMAP(t *testing.T, e config.Endpoint) *upstream.Upstream {
	t.Helper()
	return newUpstreamWith(t, config.Upstream{Name: "main", IMAP: e}, upstream.Options{})
}

func dialIMAP(t *testing.T, u *upstream.Upstream, c upstream.Client) *upstream.IMAPConn {
	t.Helper()
	conn, err := u.DialIMAP(t.Context(), c)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestDialIMAPSTARTTLS(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	addr := mailtest.Serve(t, a.ServerTLS("127.0.0.1"), `
		S: * OK [CAPABILITY IMAP4rev1 STARTTLS XEVIL] ready
		C: hg1 STARTTLS
		S: * CAPABILITY IMAP4rev1 XWORSE
		S: hg1 OK go ahead
		-- tls
		C: hg2 CAPABILITY
		S: * CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN
		S: hg2 OK done
		C: a NOOP
		S: a OK fine
		-- eof
	`)
	conn := dialIMAP(t, newIMAP(t, encrypted(addr, config.TLSStartTLS, a)), upstream.Client{})
	if got, want := string(conn.Greeting), "* OK [CAPABILITY IMAP4rev1 STARTTLS XEVIL] ready"; got != want {
		t.Errorf("greeting %q, want %q", got, want)
	}
	if got, want := conn.Capabilities.String(), "IMAP4rev1 IDLE AUTH=PLAIN"; got != want || conn.TLSState() == nil {
		t.Errorf("capabilities %q, want those said under TLS: %q", got, want)
	}
	// The connection is free of our buffers and deadlines.
	if _, err := io.WriteString(conn, "a NOOP\r\n"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "a OK fine\r\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestDialIMAPSTARTTLSAsksWhereTheGreetingIsShort(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	addr := mailtest.Serve(t, a.ServerTLS("127.0.0.1"), `
		S: * OK ready
		C: hg1 CAPABILITY
		S: * CAPABILITY IMAP4rev1 StartTLS
		S: hg1 OK done
		C: hg2 STARTTLS
		S: hg2 OK [CAPABILITY IMAP4rev1 XEVIL] go ahead
		-- tls
		C: hg3 CAPABILITY
		S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
		S: hg3 OK done
		-- eof
	`)
	conn := dialIMAP(t, newIMAP(t, encrypted(addr, config.TLSStartTLS, a)), upstream.Client{})
	if got, want := conn.Capabilities.String(), "IMAP4rev1 AUTH=PLAIN"; got != want {
		t.Errorf("capabilities %q, want %q", got, want)
	}
}

func TestDialIMAPTrustsAnEncryptedGreeting(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	script := "-- tls\nS: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN] ready\n-- eof"
	u := newIMAP(t, encrypted(mailtest.Serve(t, a.ServerTLS("127.0.0.1"), script, script), config.TLSImplicit, a))
	for i, resumed := range []bool{false, true} {
		conn := dialIMAP(t, u, upstream.Client{})
		if got := conn.Capabilities.Atoms(); !slices.Equal(got, []string{"IMAP4rev1", "LITERAL+", "SASL-IR", "AUTH=PLAIN"}) {
			t.Errorf("capabilities %q", got)
		}
		if got := conn.TLSState().DidResume; got != resumed {
			t.Errorf("connection %d resumed: %v", i, got)
		}
		_ = conn.Close()
	}
}

func TestDialIMAPKeepsBytesSentUnasked(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, `
		S: * OK ready
		C: hg1 CAPABILITY
		S= "* CAPABILITY IMAP4rev1\r\nhg1 OK done\r\n* BYE shutting down\r\n"
		-- eof
	`)
	conn := dialIMAP(t, newIMAP(t, plain(addr)), upstream.Client{})
	if got, want := string(conn.Buffered), "* BYE shutting down\r\n"; got != want {
		t.Errorf("buffered %q, want %q", got, want)
	}
}

func TestIMAPFacts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, caps, id string }{
		"ID": {
			"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS: * ID (\"name\" \"Dovecot\")\nS: hg2 OK done\nC: hg LOGOUT\n-- eof",
			"IMAP4rev1 ID", `("name" "Dovecot")`,
		},
		"ID with literals": {
			"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS= \"* ID (\\\"name\\\" {3}\\r\\n{5} {2}\\r\\n\\r\\n)\\r\\n\"\nS: hg2 OK done\nC: hg LOGOUT\n-- eof",
			"IMAP4rev1 ID", "(\"name\" {3}\r\n{5} {2}\r\n\r\n)",
		},
		"a literal that looks like a literal": {
			"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS= \"* ID {3}\\r\\n{9}\\r\\n\"\nS: hg2 OK done\nC: hg LOGOUT\n-- eof",
			"IMAP4rev1 ID", "{3}\r\n{9}",
		},
		"NIL":         {"S: * OK [CAPABILITY IMAP4rev1 ID] hi {5}\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS: * ID NIL\nS: hg2 OK {7}\nC: hg LOGOUT\n-- eof", "IMAP4rev1 ID", "NIL"},
		"ID refused":  {"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS: hg2 BAD what\nC: hg LOGOUT\n-- eof", "IMAP4rev1 ID", ""},
		"no ID":       {"S: * OK [CAPABILITY IMAP4rev1 IDLE] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg LOGOUT\n-- eof", "IMAP4rev1 IDLE", ""},
		"newer by ID": {"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS: hg2 OK [CAPABILITY IMAP4rev1 ID X]\nC: hg LOGOUT\n-- eof", "IMAP4rev1 ID", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newIMAP(t, plain(mailtest.Serve(t, nil, c.script)))
			facts, err := u.IMAPFacts(t.Context())
			if err != nil || facts.Capabilities.String() != c.caps || string(facts.ID) != c.id {
				t.Errorf("got %q, ID %q, %v", facts.Capabilities, facts.ID, err)
			}
			if again, err := u.IMAPFacts(t.Context()); err != nil || again.Capabilities.String() != c.caps {
				t.Errorf("the second time: %q, %v", again.Capabilities, err)
			}
		})
	}
}

// TestGreetingThatTellsLess checks that both of a server's lists are kept, and that
// a new one in the greeting has the other asked for.
func TestGreetingThatTellsLess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, greeting, caps string }{
		"more on demand": {
			"S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\nC: hg1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 SORT AUTH=PLAIN\nS: hg1 OK\nC: hg LOGOUT\n-- eof",
			"IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 SORT AUTH=PLAIN",
		},
		"a bare greeting": {
			"S: * OK hi\nC: hg1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 SORT\nS: hg1 OK\nC: hg LOGOUT\n-- eof",
			"IMAP4rev1 SORT", "IMAP4rev1 SORT",
		},
		"refused": {
			"S: * OK [CAPABILITY IMAP4rev1] hi\nC: hg1 CAPABILITY\nS: hg1 NO\nC: hg LOGOUT\n-- eof",
			"IMAP4rev1", "IMAP4rev1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts, err := newIMAP(t, plain(mailtest.Serve(t, nil, c.script))).IMAPFacts(t.Context())
			if err != nil || facts.Greeting.String() != c.greeting || facts.Capabilities.String() != c.caps {
				t.Errorf("the greeting tells %q, CAPABILITY %q, %v", facts.Greeting, facts.Capabilities, err)
			}
		})
	}
	t.Run("a new greeting", func(t *testing.T) {
		t.Parallel()
		const learn = "C: hg1 CAPABILITY\nS: * CAPABILITY "
		const old, renewed = "S: * OK [CAPABILITY IMAP4rev1] hi\n", "S: * OK [CAPABILITY IMAP4rev1 ENABLE] hi\n"
		u := newIMAP(t, plain(mailtest.Serve(t, nil,
			old+learn+"IMAP4rev1 SORT\nS: hg1 OK\nC: hg LOGOUT\n-- eof", old+"-- eof", renewed+"-- eof",
			renewed+learn+"IMAP4rev1 ENABLE MOVE\nS: hg1 OK\nC: hg LOGOUT\n-- eof")))
		if err := u.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			dialIMAP(t, u, upstream.Client{})
		}
		mailtest.Eventually(t, 10*time.Second, func() error {
			facts, err := u.IMAPFacts(t.Context())
			if err == nil && (facts.Greeting.String() != "IMAP4rev1 ENABLE" || facts.Capabilities.String() != "IMAP4rev1 ENABLE MOVE") {
				err = fmt.Errorf("the greeting tells %q, CAPABILITY %q", facts.Greeting, facts.Capabilities)
			}
			return err
		})
	})
}

func TestDialTeachesIMAPCapabilities(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil,
		"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS: * ID (\"name\" \"x\")\nS: hg2 OK\nC: hg LOGOUT\n-- eof",
		"S: * OK [CAPABILITY IMAP4rev1 ID QRESYNC] hi\n-- eof")
	u := newIMAP(t, plain(addr))
	if err := u.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	dialIMAP(t, u, upstream.Client{})
	facts, err := u.IMAPFacts(t.Context())
	if err != nil || !facts.Capabilities.Has("qresync") || string(facts.ID) != `("name" "x")` {
		t.Errorf("got %q, ID %q, %v", facts.Capabilities, facts.ID, err)
	}
}

// TestWhatAServerShowsToAKnownClientIsForThatClient checks that others do not see it.
func TestWhatAServerShowsToAKnownClientIsForThatClient(t *testing.T) {
	t.Parallel()
	e := plain(mailtest.Serve(t, nil,
		"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg2 ID NIL\nS: * ID NIL\nS: hg2 OK\nC: hg LOGOUT\n-- eof",
		"S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 ID ({any})\nS: hg1 OK [CAPABILITY IMAP4rev1 ID XTRUSTED] hi\n-- eof"))
	e.ForwardClient = config.ForwardID
	u := newIMAP(t, e)
	if err := u.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if conn := dialIMAP(t, u, upstream.Client{Addr: netip.MustParseAddrPort("203.0.113.9:1")}); !conn.Capabilities.Has("XTRUSTED") {
		t.Errorf("the client is shown %q", conn.Capabilities)
	}
	if facts, err := u.IMAPFacts(t.Context()); err != nil || facts.Capabilities.String() != "IMAP4rev1 ID" {
		t.Errorf("all are shown %q, %v", facts.Capabilities, err)
	}
}

func TestRefreshLearnsBothServices(t *testing.T) {
	t.Parallel()
	u := newUpstreamWith(t, config.Upstream{
		Name: "main", SMTP: plain(mailtest.Serve(t, nil, offersDSN)),
		IMAP: plain(mailtest.Serve(t, nil, "S: * OK [CAPABILITY IMAP4rev1 IDLE] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg LOGOUT\n-- eof")),
	}, upstream.Options{})
	if err := u.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	ext, err := u.SMTPExtensions(t.Context())
	if err != nil || !ext.Has("DSN") {
		t.Errorf("SMTP: %+v, %v", ext, err)
	}
	if facts, err := u.IMAPFacts(t.Context()); err != nil || !facts.Capabilities.Has("IDLE") {
		t.Errorf("IMAP: %+v, %v", facts, err)
	}
}

func TestServicesThatNobodySpeaksAreLeftAlone(t *testing.T) {
	t.Parallel()
	nobody := plain("127.0.0.1:1")
	for service, c := range map[string]config.Upstream{
		"smtp": {Name: "main", SMTP: plain(mailtest.Serve(t, nil, offersDSN, "", offersDSN)), IMAP: nobody},
		"imap": {Name: "main", SMTP: nobody, IMAP: plain(mailtest.Serve(t, nil, "S: * OK [CAPABILITY IMAP4rev1] hi\nC: hg1 CAPABILITY\nS: hg1 OK\nC: hg LOGOUT\n-- eof", "", "S: * OK [CAPABILITY IMAP4rev1] hi\nC: hg LOGOUT\n-- eof"))},
	} {
		u := newUpstreamWith(t, c, upstream.Options{Services: []string{service}})
		if err := u.Refresh(t.Context()); err != nil {
			t.Errorf("refresh: %v", err)
		}
		findings := u.Probe(t.Context())
		if len(findings) == 0 || slices.ContainsFunc(findings, func(f upstream.Finding) bool { return f.Service != service }) {
			t.Errorf("findings %+v, want those of %s only", findings, service)
		}
	}
}

func TestRefreshTellsWhichServiceIsAway(t *testing.T) {
	t.Parallel()
	u := newUpstreamWith(t, config.Upstream{
		Name: "main", SMTP: plain(mailtest.Serve(t, nil, offersDSN)),
		IMAP: plain(mailtest.Serve(t, nil, "S: * BYE [UNAVAILABLE] later\n-- eof")),
	}, upstream.Options{})
	var e *upstream.Error
	if err := u.Refresh(t.Context()); !errors.As(err, &e) || e.Service != "imap" || e.Class != upstream.ClassBusy {
		t.Errorf("got %v", err)
	}
}

func TestIMAPOfAnUpstreamWithoutIt(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, plain("127.0.0.1:1"))
	if u.HasIMAP() || !u.HasSMTP() {
		t.Errorf("HasIMAP %v, HasSMTP %v", u.HasIMAP(), u.HasSMTP())
	}
	var e *upstream.Error
	if _, err := u.DialIMAP(t.Context(), upstream.Client{}); !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
	if _, err := u.IMAPFacts(t.Context()); !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

func TestWhatPresetsSayOfIMAP(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		needsID bool
		fetch   int64
	}{"163": {true, 0}, "gmail": {false, 2_500_000_000}, "dovecot": {false, 0}, "": {false, 0}} {
		u := newUpstreamWith(t, config.Upstream{Name: "main", Provider: name}, upstream.Options{})
		if u.NeedsID() != c.needsID || u.FetchBytesPerDay() != c.fetch {
			t.Errorf("%s: NeedsID %v, FetchBytesPerDay %d", name, u.NeedsID(), u.FetchBytesPerDay())
		}
	}
}

func TestDialIMAPForwardsTheClient(t *testing.T) {
	t.Parallel()
	client := upstream.Client{
		Addr: netip.MustParseAddrPort("[::ffff:203.0.113.9]:4711"), Local: netip.MustParseAddrPort("[2001:db8::1]:993"), Session: "s-42",
	}
	odd := client
	odd.Local, odd.Session = netip.AddrPort{}, "a\"\r\nx LOGOUT"
	const id = "S: * OK [CAPABILITY IMAP4rev1 ID] hi\nC: hg1 ID "
	for name, c := range map[string]struct {
		client upstream.Client
		script string
	}{
		"all": {client, id + `("x-originating-ip" "203.0.113.9" "x-originating-port" "4711" ` +
			`"x-connected-ip" "2001:db8::1" "x-connected-port" "993" "x-session-id" "s-42")` + "\nS: * ID NIL\nS: hg1 OK done\n-- eof"},
		"unfit session": {odd, id + `("x-originating-ip" "203.0.113.9" "x-originating-port" "4711")` + "\nS: hg1 OK done\n-- eof"},
		"refused":       {odd, id + "{any}\nS: hg1 NO I do not care\n-- eof"},
		"not offered":   {client, "S: * OK [CAPABILITY IMAP4rev1] hi\n-- eof"},
		"ourselves":     {upstream.Client{}, "S: * OK [CAPABILITY IMAP4rev1 ID] hi\n-- eof"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := plain(mailtest.Serve(t, nil, c.script))
			e.ForwardClient = config.ForwardID
			dialIMAP(t, newIMAP(t, e), c.client)
		})
	}
}

func TestDialIMAPSendsPROXYHeader(t *testing.T) {
	t.Parallel()
	// Version 2, PROXY, TCP over IPv4, 12 bytes: 203.0.113.9:4711 to 192.0.2.1:993.
	header := `"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc0\x00\x02\x01\x12\x67\x03\xe1"`
	addr := mailtest.Serve(t, nil, "C= "+header+"\nS: * OK [CAPABILITY IMAP4rev1] hi\n-- eof")
	e := plain(addr)
	e.ForwardClient = config.ForwardPROXY
	dialIMAP(t, newIMAP(t, e), upstream.Client{
		Addr: netip.MustParseAddrPort("203.0.113.9:4711"), Local: netip.MustParseAddrPort("192.0.2.1:993"),
	})
}

func TestProbeIMAP(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	const reached = "" // the connection of the step tcp
	for name, c := range map[string]struct {
		mode    config.TLSMode
		forward config.ForwardMode
		script  string
		want    string
	}{
		"well": {
			config.TLSImplicit, config.ForwardID,
			"-- tls\nS: * OK [CAPABILITY IMAP4rev1 ID AUTH=PLAIN LOGINDISABLED] hi\nC: hg LOGOUT\n-- eof",
			"dns ok, tcp ok, greeting ok, tls warning, capabilities ok, client address ok",
		},
		"no login": {
			config.TLSNone, config.ForwardID, "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\nC: hg LOGOUT\n-- eof",
			"dns ok, tcp ok, greeting ok, tls warning, capabilities warning, client address warning",
		},
		"no IMAP": {config.TLSNone, "", "S: * OK [CAPABILITY X] hi\nC: hg LOGOUT\n-- eof", "dns ok, tcp ok, greeting ok, tls warning, capabilities warning"},
		"a Dovecot that is not told": {
			config.TLSNone, config.ForwardNone, "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Dovecot (Debian) ready.\nC: hg LOGOUT\n-- eof",
			"dns ok, tcp ok, greeting ok, tls warning, capabilities ok, client address warning",
		},
		"a Dovecot that is told": {
			config.TLSNone, config.ForwardID, "S: * OK [CAPABILITY IMAP4rev1 ID] Dovecot ready.\nC: hg LOGOUT\n-- eof",
			"dns ok, tcp ok, greeting ok, tls warning, capabilities ok, client address ok",
		},
		"no STARTTLS": {config.TLSStartTLS, "", "S: * OK [CAPABILITY IMAP4rev1] hi\n-- eof", "dns ok, tcp ok, tls failed"},
		"bye":         {config.TLSNone, "", "S: * BYE go\n-- eof", "dns ok, tcp ok, greeting failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := encrypted(mailtest.Serve(t, a.ServerTLS("127.0.0.1"), reached, c.script), c.mode, a)
			e.ForwardClient = c.forward
			findings := newIMAP(t, e).Probe(t.Context())
			if got := outcomes(t, findings); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if slices.ContainsFunc(findings, func(f upstream.Finding) bool { return f.Service != "imap" }) {
				t.Errorf("findings %+v are not all of IMAP", findings)
			}
		})
	}
}

// TestProbeLeavesProvidersAlone checks that nobody is told to configure a provider's Dovecot.
func TestProbeLeavesProvidersAlone(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string]bool{"exmail": false, "dovecot": true} {
		u := newUpstreamWith(t, config.Upstream{
			Name: "main", Provider: provider,
			IMAP: plain(mailtest.Serve(t, nil, "", "S: * OK [CAPABILITY IMAP4rev1] Dovecot ready.\nC: hg LOGOUT\n-- eof")),
		}, upstream.Options{Services: []string{"imap"}})
		warned := slices.ContainsFunc(u.Probe(t.Context()), func(f upstream.Finding) bool { return f.Check == "client address" })
		if warned != want {
			t.Errorf("%s: warned %v, want %v", provider, warned, want)
		}
	}
}

func TestIMAPFactsOfASlowServer(t *testing.T) {
	t.Parallel()
	u := newIMAP(t, plain(mailtest.Serve(t, nil, "S: * OK hi\n-- hold")))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := u.IMAPFacts(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
