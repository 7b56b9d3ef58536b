package upstream_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// TestDialIMAPForwardsToDovecot lets a real Dovecot say whom it takes the client for.
func TestDialIMAPForwardsToDovecot(t *testing.T) {
	t.Parallel()
	d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Extensions: true})
	for name, addr := range map[config.TLSMode]string{config.TLSStartTLS: d.IMAPAddr, config.TLSImplicit: d.IMAPSAddr} {
		e := config.Endpoint{
			Address: addr, TLS: name, CAFile: d.Certs.CAFile, ForwardClient: config.ForwardID, Timeout: config.Duration(10 * time.Second),
		}
		session := "heliograph-" + string(name)
		conn := dialIMAP(t, newIMAP(t, e), upstream.Client{Addr: netip.MustParseAddrPort("203.0.113.77:4711"), Session: session})
		if err := mailtest.Play(conn, mailtest.Client, nil, "C: i ID (\"name\" \"mutt\")\nS: * ID {any}\nS: i OK {any}\nC: a LOGIN li@example.com \"correct horse\"\nS: a OK {any}\nC: b LOGOUT\nS: * BYE {any}\nS: b OK {any}"); err != nil {
			t.Error(err)
		}
		mailtest.Eventually(t, 10*time.Second, func() error {
			log := d.Log()
			if !strings.Contains(log, "rip=203.0.113.77") || !strings.Contains(log, "session=<"+session+">") {
				return errors.New("Dovecot's log does not show the client")
			}
			return nil
		})
	}
}

func TestIMAPFactsOfDovecot(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	e := config.Endpoint{Address: d.IMAPAddr, TLS: config.TLSStartTLS, CAFile: d.Certs.CAFile, Timeout: config.Duration(10 * time.Second)}
	facts, err := newIMAP(t, e).IMAPFacts(t.Context())
	if err != nil || !facts.Capabilities.Has("IDLE") || facts.Capabilities.Has("LOGINDISABLED") || !strings.Contains(string(facts.ID), "Dovecot") {
		t.Errorf("got %q, ID %q, %v", facts.Capabilities, facts.ID, err)
	}
}
