package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"heliograph/config"
)

// errHandshakeTimeout is the cause of a handshake that took too long.
var errHandshakeTimeout = errors.New("the client did not finish the TLS handshake in time")

// LoadTLS reads the certificate and key that the listeners show. It returns nil
// without an error if no certificate is configured.
func LoadTLS(c config.TLS) (*tls.Config, error) {
	if c.CertFile == "" && c.KeyFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", c.CertFile, c.KeyFile, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// listenerTLS builds the configuration of one listener from the certificate
// source that all share. It is not a Clone: a clone may carry the session ticket
// keys of its origin, and a ticket of a listener that asks for no client
// certificate must be worth nothing on one that does.
func listenerTLS(l *config.Listener, base *tls.Config) (*tls.Config, error) {
	if base == nil {
		if l.TLS == config.TLSStartTLS || l.TLS == config.TLSImplicit {
			return nil, fmt.Errorf("tls: %s needs a certificate: set tls.cert_file and tls.key_file", l.TLS)
		}
		return nil, nil
	}
	if l.TLS == config.TLSNone || l.TLS == "" {
		return nil, nil
	}
	c := &tls.Config{
		Certificates:     base.Certificates,
		GetCertificate:   base.GetCertificate,
		NextProtos:       base.NextProtos,
		CipherSuites:     base.CipherSuites,
		CurvePreferences: base.CurvePreferences,
		MinVersion:       max(base.MinVersion, tls.VersionTLS12),
		MaxVersion:       base.MaxVersion,
	}
	if l.ClientCAFile != "" {
		pool, err := loadPool(l.ClientCAFile)
		if err != nil {
			return nil, err
		}
		// Asked for, not demanded: a client of a named network needs none.
		c.ClientCAs, c.ClientAuth = pool, tls.VerifyClientCertIfGiven
	}
	return c, nil
}

func loadPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read client_ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client_ca_file %s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// handshakeClass names why a handshake failed, from a closed set.
func handshakeClass(err error) string {
	var (
		header tls.RecordHeaderError
		verify *tls.CertificateVerificationError
		op     *net.OpError
	)
	switch {
	case errors.Is(err, errHandshakeTimeout), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "drain"
	case errors.As(err, &header):
		return "not_tls"
	case errors.As(err, &verify):
		return "client_certificate"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.As(err, &op) && op.Op == "remote error": // how crypto/tls shows an alert of the peer
		return "alert" // the client refused us, usually our certificate
	case errors.As(err, &op) && op.Op != "local error":
		return "network"
	default:
		return "negotiation" // no common version, cipher or the like
	}
}
