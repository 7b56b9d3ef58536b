package upstream_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// outcomes writes findings as "dns ok, tcp ok".
func outcomes(t *testing.T, findings []upstream.Finding) string {
	t.Helper()
	var parts []string
	for _, f := range findings {
		parts = append(parts, f.Check+" "+string(f.Outcome))
		if (f.Remedy == "") != (f.Outcome == upstream.OutcomeOK) {
			t.Errorf("%s %s has the remedy %q", f.Check, f.Outcome, f.Remedy)
		}
	}
	return strings.Join(parts, ", ")
}

func TestProbe(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	soon := &tls.Config{Certificates: []tls.Certificate{a.Issue(time.Now().Add(5*24*time.Hour), "127.0.0.1")}}
	const reached = "" // the connection of the step tcp
	for name, c := range map[string]struct {
		mode    config.TLSMode
		forward config.ForwardMode
		server  *tls.Config
		script  string
		want    string
	}{
		"well": {
			mode: config.TLSNone, forward: config.ForwardXCLIENT,
			script: "S: 220 mx\nC: EHLO {any}\nS: 250-mx\nS: 250-XCLIENT ADDR\nS: 250 AUTH PLAIN\nC: QUIT\n-- eof",
			want:   "dns ok, tcp ok, greeting ok, tls warning, capabilities ok, client address ok",
		},
		"expires soon, no login": {
			mode: config.TLSImplicit, forward: config.ForwardXCLIENT, server: soon,
			script: "-- tls\nS: 220 mx\nC: EHLO {any}\nS: 250-mx\nS: 250 DSN\nC: QUIT\n-- eof",
			want:   "dns ok, tcp ok, greeting ok, tls warning, capabilities warning, client address warning",
		},
		"busy":           {mode: config.TLSNone, script: "S: 421 no\n-- eof", want: "dns ok, tcp ok, greeting failed"},
		"no STARTTLS":    {mode: config.TLSStartTLS, script: "S: 220 mx\nC: EHLO {any}\nS: 250 mx\n-- eof", want: "dns ok, tcp ok, tls failed"},
		"knows only EHL": {mode: config.TLSNone, script: "S: 220 mx\nC: EHLO {any}\nS: 250 mx\nC: QUIT\n-- eof", want: "dns ok, tcp ok, greeting ok, tls warning, capabilities warning"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := encrypted(mailtest.Serve(t, c.server, reached, c.script), c.mode, a)
			e.ForwardClient = c.forward
			if got := outcomes(t, newUpstream(t, e).Probe(t.Context())); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestProbeNobodyThere(t *testing.T) {
	t.Parallel()
	if got, want := outcomes(t, newUpstream(t, plain("no-such-host.invalid:25")).Probe(t.Context())), "dns failed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := outcomes(t, newUpstream(t, plain("127.0.0.1:1")).Probe(t.Context())), "dns ok, tcp failed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
