package bench

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"

	"heliograph/internal/sandbox"
)

// keyPair is a certificate for [benchHost] that is made for one run and trusted by it alone.
type keyPair struct {
	CA   []byte `json:"ca"` // all PEM
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

func newKeyPair() (*keyPair, error) {
	c, err := sandbox.NewCertificate(benchHost)
	if err != nil {
		return nil, err
	}
	return &keyPair{CA: c.CAPEM, Cert: c.CertPEM, Key: c.KeyPEM}, nil
}

// server is the configuration of who ends TLS; nil for no key pair.
func (k *keyPair) server() (*tls.Config, error) {
	if k == nil {
		return nil, nil
	}
	pair, err := tls.X509KeyPair(k.Cert, k.Key)
	if err != nil {
		return nil, fmt.Errorf("read key pair: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// write puts the files of GatewaySpec.TLSFiles into a folder.
func (k *keyPair) write(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), k.Cert, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "key.pem"), k.Key, 0o600)
}
