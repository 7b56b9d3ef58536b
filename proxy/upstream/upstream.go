package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"heliograph/config"
)

const (
	// defaultTimeout bounds connect, TLS, greeting and EHLO together where the
	// configuration is silent. Much less than the 5 minutes of RFC 5321,
	// 4.5.3.2.1, because a person waits.
	defaultTimeout = 30 * time.Second
	// tlsSessions is how many tickets an upstream's session cache keeps. Tickets
	// of TLS 1.3 are used once, so it is about the connections opened at a time.
	tlsSessions = 256
)

// Upstream is one mail provider as the proxy uses it. Its methods may be called
// concurrently.
type Upstream struct {
	cfg     config.Upstream
	router  *Router
	log     *slog.Logger
	metrics *metrics
	smtp    endpoint
	imap    endpoint
	preset  config.Preset
	ext     cache[Extensions]
	facts   cache[IMAPFacts]
	pool    *pool
}

// endpoint is one service of an upstream, ready to be dialled.
type endpoint struct {
	cfg      config.Endpoint
	protocol string      // label
	tls      *tls.Config // nil for tls: none
	dialer   net.Dialer
	timeout  time.Duration
}

func newUpstream(r *Router, c config.Upstream, m *metrics) (*Upstream, error) {
	u := &Upstream{cfg: c, router: r, metrics: m, log: r.log.With("upstream", c.Name)}
	u.pool = newPool(m.poolIdle.WithLabelValues(c.Name))
	u.ext = cache[Extensions]{u: u, learn: u.learnSMTP}
	u.facts = cache[IMAPFacts]{u: u, learn: u.learnIMAP}
	u.preset, _ = c.Preset()
	var err error
	if u.smtp, err = newEndpoint("smtp", c.SMTP, u.preset.LegacyTLS); err != nil {
		return nil, fmt.Errorf("upstream %s: smtp: %w", c.Name, err)
	}
	if u.imap, err = newEndpoint("imap", c.IMAP, u.preset.LegacyTLS); err != nil {
		return nil, fmt.Errorf("upstream %s: imap: %w", c.Name, err)
	}
	return u, nil
}

func newEndpoint(protocol string, c config.Endpoint, legacy bool) (endpoint, error) {
	e := endpoint{cfg: c, protocol: protocol, timeout: c.Timeout.D()}
	if e.timeout <= 0 {
		e.timeout = defaultTimeout
	}
	e.dialer.KeepAlive = time.Minute
	switch e.cfg.TLS {
	case config.TLSNone:
		return e, nil
	case config.TLSStartTLS, config.TLSImplicit:
	case "":
		e.cfg.TLS = config.TLSStartTLS // never in the clear by omission
	default:
		return e, fmt.Errorf("tls: %q is none of none, starttls, implicit", c.TLS)
	}
	if c.Address == "" {
		return e, nil
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return e, fmt.Errorf("address %q is not host:port: %w", c.Address, err)
	}
	e.tls = &tls.Config{
		ServerName:         host,
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
	}
	if c.ServerName != "" {
		e.tls.ServerName = c.ServerName
	}
	if legacy {
		e.tls.CipherSuites = legacyCiphers()
	}
	if c.CAFile != "" {
		if e.tls.RootCAs, err = loadRoots(c.CAFile); err != nil {
			return e, err
		}
	}
	return e, nil
}

// legacyCiphers are Go's defaults and the RSA key exchange that it left.
func legacyCiphers() []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}

func loadRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// Name returns the upstream's name in the configuration.
func (u *Upstream) Name() string { return u.cfg.Name }

// Config returns the upstream's section.
func (u *Upstream) Config() config.Upstream { return u.cfg }

// HasSMTP reports whether the upstream has an SMTP server.
func (u *Upstream) HasSMTP() bool { return u.smtp.cfg.Address != "" }

// HasIMAP reports whether the upstream has an IMAP server.
func (u *Upstream) HasIMAP() bool { return u.imap.cfg.Address != "" }

// asks reports whether Refresh and Probe ask a service.
func (u *Upstream) asks(e *endpoint) bool {
	return e.cfg.Address != "" && (u.router.services == nil || slices.Contains(u.router.services, e.protocol))
}

// NeedsID reports whether the IMAP server refuses SELECT until the client has
// sent ID (RFC 2971), as NetEase's does.
func (u *Upstream) NeedsID() bool { return u.preset.NeedsID }

// FetchBytesPerDay is how many bytes a user may download by IMAP in a day, zero
// if the provider is not known to have such a limit.
func (u *Upstream) FetchBytesPerDay() int64 { return int64(u.preset.FetchBytesPerDay) }

// fail makes an *Error of what went wrong at an endpoint.
func (u *Upstream) fail(e *endpoint, class Class, err error) *Error {
	return &Error{Upstream: u.cfg.Name, Service: e.protocol, Address: e.cfg.Address, Class: class, Err: err}
}

// refusedBy makes an *Error of a reply that ends the attempt.
func (u *Upstream) refusedBy(e *endpoint, reply Reply, doing string) *Error {
	class := ClassProtocol
	switch {
	case reply.Temporary():
		class = ClassBusy
	case reply.Permanent():
		class = ClassGreeting
	}
	out := u.fail(e, class, errors.New(doing+" was refused"))
	if class != ClassProtocol {
		out.Reply = &reply
	}
	return out
}
