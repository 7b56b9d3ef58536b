package transparency_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/gateway"
	"heliograph/internal/mailtest"
)

// running is a gateway in this process before an IMAP server, built from a file as
// serve builds it.
type running struct {
	*gateway.Gateway
	certs *mailtest.Certs
}

const configuration = `
data_dir: data
tls: {cert_file: %q, key_file: %q}
console: {address: "127.0.0.1:0"}
upstreams:
  - name: main
    domains: [example.com]
    default: true
    imap: {address: %q, tls: implicit, ca_file: %q, server_name: localhost}
listeners:
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit, hostname: localhost}
  - {protocol: imap, address: "127.0.0.1:0", tls: starttls, hostname: localhost}
  - {protocol: imap, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: localhost}
capture: {policy: %s, folders: {exclude: [Many]}}
`

// startGateway runs a gateway before a server.
func startGateway(t *testing.T, s mailtest.IMAPServer, policy string) *running {
	t.Helper()
	g := &running{certs: mailtest.TLS(t)}
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(configuration, g.certs.CertFile, g.certs.KeyFile, s.TLSAddr, s.Certs.CAFile, policy)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if g.Gateway, err = gateway.New(t.Context(), cfg, gateway.Options{Version: "test", Logger: log}); err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := g.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return g
}

// dial connects with TLS from the first byte.
func (g *running) dial() (net.Conn, error) {
	return tls.Dial("tcp", g.Addr(0).String(), g.certs.Client())
}
