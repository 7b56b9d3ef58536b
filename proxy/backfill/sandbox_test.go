package backfill_test

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/internal/sandbox"
	"heliograph/proxy/backfill"
)

// The sandbox provider is go-imap's memory server, an implementation that shares nothing with Dovecot.
func TestBackfillFromSandbox(t *testing.T) {
	t.Parallel()
	u := mailtest.Users()[0]
	p, err := sandbox.Start(t.Context(), sandbox.Options{Domain: "example.com", Users: []sandbox.User{{Address: u.Name, Password: u.Password}}})
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	sent := map[[32]byte]bool{}
	for n := range 100 { // of which some have several chunks
		body := content(n, sizeOf(n))
		sent[sha256.Sum256(body)] = true
		must(t, p.Deliver("kunde@acme.example", []string{u.Name}, body))
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, p.CAPEM, 0o600))
	w := newWorld(t, config.Upstream{IMAP: config.Endpoint{
		Address: p.IMAPSAddr, TLS: config.TLSImplicit, CAFile: ca, ServerName: "localhost", Timeout: config.Duration(10 * time.Second),
	}}, nil)
	if r := w.backfill(backfill.Request{All: true}).ok(t); r.Counts.Captured != 100 || r.Missing() != 0 {
		t.Errorf("the run says %+v", r.Result)
	}
	for uid, e := range w.entries("INBOX", 100) {
		body, err := w.journal.Body(t.Context(), e)
		must(t, err)
		h := sha256.New()
		_, err = io.Copy(h, body)
		must(t, err)
		must(t, body.Close())
		if !sent[[32]byte(h.Sum(nil))] {
			t.Errorf("UID %d is not as it was delivered", uid)
		}
	}
}
