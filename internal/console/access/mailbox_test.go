package access_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// The password of a mailbox is what its Dovecot says it is; a server that cannot be asked is no refusal.
func TestByUpstream(t *testing.T) {
	t.Parallel()
	dovecot := mailtest.Dovecot(t)
	router, err := upstream.New([]config.Upstream{{
		Name: "main", Domains: []string{"example.com"}, IMAP: config.Endpoint{Address: dovecot.IMAPAddr, TLS: config.TLSNone, Timeout: config.Duration(20 * time.Second)},
	}}, upstream.Options{Hostname: "gw.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(router.Close)
	ask := access.ByUpstream(func() *upstream.Router { return router }, slog.New(slog.DiscardHandler))
	login := func(address, password string) error {
		return ask(t.Context(), access.MailboxLogin{Address: address, Password: []byte(password), Client: netip.MustParseAddr("192.0.2.7")})
	}
	// One wrong password is enough: Dovecot makes whoever comes from an address wait longer after each.
	for _, c := range []struct {
		name, address, password string
		want                    error
	}{
		{"its password", "li@example.com", "correct horse", nil},
		{"one that needs a literal", "zhang@example.com", "π and ÿ", nil},
		{"an address of no upstream", "li@elsewhere.example", "correct horse", access.ErrRefused},
		{"a wrong password", "wang@example.com", "correct horse", access.ErrRefused},
	} {
		if err := login(c.address, c.password); !errors.Is(err, c.want) || c.want != nil && errors.Is(err, access.ErrMailServer) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	dovecot.Stop()
	if err := login("li@example.com", "correct horse"); !errors.Is(err, access.ErrMailServer) || errors.Is(err, access.ErrRefused) {
		t.Errorf("while the server is down: %v", err)
	}
}
