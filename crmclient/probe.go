package crmclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"
)

// Probe connects to the target and, for https, agrees on TLS. It sends no request, so that it can
// do no harm whatever the receiver is. It returns a line for a person. Through a proxy it tries the proxy only.
func (t *Transport) Probe(ctx context.Context) (string, error) {
	cause := errors.New("no connection within " + t.o.Timeout.String())
	ctx, cancel := context.WithTimeoutCause(ctx, t.o.Timeout, cause)
	defer cancel()
	u := t.o.URL
	if t.proxy != nil {
		u = t.proxy
	}
	conn, err := t.dialer().DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), probePort(u)))
	if err != nil {
		return "", t.failure(ctx, err, "")
	}
	defer conn.Close()
	line := "connected to " + u.Host
	if t.proxy != nil {
		return "connected to the proxy " + u.Host + "; the target itself was not tried", nil
	}
	if u.Scheme != "https" {
		return line + ", without TLS", nil
	}
	cfg := t.round.TLSClientConfig.Clone()
	cfg.ServerName = u.Hostname()
	tc := tls.Client(conn, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		return "", t.failure(ctx, err, "")
	}
	state := tc.ConnectionState()
	return fmt.Sprintf("%s, %s, certificate valid until %s", line,
		tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly)), nil
}

func probePort(u *url.URL) string {
	if u.Port() == "" && (u.Scheme == "socks5" || u.Scheme == "socks5h") {
		return "1080"
	}
	return portOf(u)
}

func tlsConfigFor(caFile string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", caFile)
	}
	cfg.RootCAs = pool
	return cfg, nil
}
