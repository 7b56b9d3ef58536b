package mailtest

import (
	"crypto/tls"
	"path/filepath"
	"testing"

	"heliograph/internal/sandbox"
)

// Certs is a certificate for localhost, 127.0.0.1 and ::1 and its authority, in files.
type Certs struct {
	CAFile, CertFile, KeyFile string // PEM

	cert *sandbox.Certificate
}

// TLS makes a certificate with an authority of its own.
func TLS(t testing.TB) *Certs {
	t.Helper()
	return certsIn(t, t.TempDir())
}

// certsIn makes the files in dir, for any user to read, since servers change theirs.
func certsIn(t testing.TB, dir string) *Certs {
	t.Helper()
	cert, err := sandbox.NewCertificate("localhost", "127.0.0.1", "::1")
	if err != nil {
		t.Fatal(err)
	}
	c := &Certs{
		CAFile:   filepath.Join(dir, "ca.pem"),
		CertFile: filepath.Join(dir, "cert.pem"),
		KeyFile:  filepath.Join(dir, "key.pem"),
		cert:     cert,
	}
	writeFile(t, c.CAFile, string(cert.CAPEM), 0o644)
	writeFile(t, c.CertFile, string(cert.CertPEM), 0o644)
	writeFile(t, c.KeyFile, string(cert.KeyPEM), 0o644)
	return c
}

// Server returns a server's TLS configuration with this certificate.
func (c *Certs) Server() *tls.Config { return c.cert.Config() }

// Client returns the TLS configuration of a client that trusts the authority and
// expects localhost.
func (c *Certs) Client() *tls.Config {
	config := c.cert.ClientConfig()
	config.ServerName = "localhost"
	return config
}
