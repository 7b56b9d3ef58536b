package upstream_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// oldServer is a TLS configuration without forward secrecy, as some providers
// still have, and the file of its self-signed certificate.
func oldServer(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "old.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MaxVersion:   tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	}, file
}

// Old ciphers are for the providers that need them, and for no other.
func TestLegacyCiphers(t *testing.T) {
	t.Parallel()
	server, file := oldServer(t)
	section := func(provider, addr string) config.Upstream {
		e := config.Endpoint{Address: addr, TLS: config.TLSImplicit, CAFile: file, Timeout: config.Duration(10 * time.Second)}
		return config.Upstream{Name: "main", Provider: provider, SMTP: e}
	}
	addr := mailtest.Serve(t, server, "-- tls\nS: 220 mx\nC: EHLO {any}\nS: 250 mx\n-- eof")
	dial(t, newUpstreamWith(t, section("139", addr), upstream.Options{}), upstream.Client{})

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = mailtest.Play(conn, mailtest.Server, server, "-- tls")
		}
		done <- err
	}()
	t.Cleanup(func() { _ = l.Close() })
	dialError(t, newUpstreamWith(t, section("163", l.Addr().String()), upstream.Options{}), upstream.Client{}, upstream.ClassTLS)
	if err := <-done; err == nil {
		t.Error("the handshake succeeded")
	}
}
