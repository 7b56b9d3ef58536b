package proxy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy"
)

// upgrade is a protocol that offers STARTTLS and says what it knows of the peer.
var upgrade = handler(func(ctx context.Context, c *proxy.Conn) {
	lines := bufio.NewReader(c)
	if c.TLSState() == nil {
		_, _ = fmt.Fprintf(c, "220 %v\r\n", c.CanStartTLS())
		if line, err := lines.ReadString('\n'); err != nil || line != "STARTTLS\r\n" {
			return
		}
		_, _ = io.WriteString(c, "220 go\r\n")
		if err := c.StartTLS(ctx); err != nil {
			return
		}
		lines.Reset(c)
	}
	name := "nobody"
	if cert := c.ClientCertificate(); cert != nil {
		name = cert.Subject.CommonName
	}
	_, _ = fmt.Fprintf(c, "sni %s certificate %s again %v\r\n", c.SNI(), name, c.CanStartTLS())
	_, _ = lines.ReadString('\n')
})

func tlsOptions(a *mailtest.Authority, l config.Listener) proxy.Options {
	return proxy.Options{Listeners: []proxy.Listener{listen(l, upgrade)}, TLS: a.ServerTLS("mail.example.com")}
}

func TestSTARTTLS(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	_, addr := serve(t, tlsOptions(a, config.Listener{TLS: config.TLSStartTLS}))
	mailtest.Dialogue(t, addr, a.ClientTLS("mail.example.com"), `
		S: 220 true
		C: STARTTLS
		S: 220 go
		-- tls
		S: sni mail.example.com certificate nobody again false
		C: bye
		-- eof
	`)
}

func TestNoTLSWithoutCertificate(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	_, addr := serve(t, tlsOptions(a, config.Listener{TLS: config.TLSNone}))
	mailtest.Dialogue(t, addr, nil, "S: 220 false\nC: STARTTLS\nS: 220 go\n-- eof")
	for _, mode := range []config.TLSMode{config.TLSStartTLS, config.TLSImplicit} {
		if _, err := proxy.New(proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{TLS: mode}, upgrade)}}); err == nil {
			t.Errorf("%s without a certificate is accepted", mode)
		}
	}
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	_, addr := serve(t, tlsOptions(a, config.Listener{TLS: config.TLSImplicit}))
	mailtest.Dialogue(t, addr, a.ClientTLS("mail.example.com"), "-- tls\nS: sni mail.example.com certificate nobody again false\nC: bye\n-- eof")
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	server, machines, strangers := mailtest.NewAuthority(t), mailtest.NewAuthority(t), mailtest.NewAuthority(t)
	o := tlsOptions(server, config.Listener{TLS: config.TLSImplicit, ClientCAFile: machines.File})
	_, addr := serve(t, o)
	with := func(certs ...tls.Certificate) *tls.Config {
		c := server.ClientTLS("mail.example.com")
		c.Certificates = certs
		return c
	}
	tomorrow, yesterday := time.Now().Add(24*time.Hour), time.Now().Add(-time.Hour)
	mailtest.Dialogue(t, addr, with(machines.Issue(tomorrow, "printer")), "-- tls\nS: {any} certificate printer again false\nC: bye\n-- eof")
	mailtest.Dialogue(t, addr, with(), "-- tls\nS: {any} certificate nobody again false\nC: bye\n-- eof")
	for name, cert := range map[string]tls.Certificate{
		"expired": machines.Issue(yesterday, "printer"), "of another authority": strangers.Issue(tomorrow, "printer"),
	} {
		c := with()
		// Present it although the server does not ask for its authority.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		conn := tls.Client(dial(t, addr), c)
		if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
			t.Errorf("a certificate that is %s is accepted: %q", name, line)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	_, addr := serve(t, tlsOptions(a, config.Listener{TLS: config.TLSImplicit}))
	c := a.ClientTLS("mail.example.com")
	c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := tls.Client(dial(t, addr), c).Handshake(); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

func TestTicketsAreOfOneListener(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	base := a.ServerTLS("mail.example.com")
	s, _ := serve(t, proxy.Options{TLS: base, Listeners: []proxy.Listener{
		listen(config.Listener{TLS: config.TLSImplicit}, upgrade),
		listen(config.Listener{TLS: config.TLSImplicit, ClientCAFile: a.File}, upgrade),
	}})
	c := a.ClientTLS("mail.example.com")
	c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for i, want := range []struct {
		listener int
		resumed  bool
	}{{0, false}, {0, true}, {1, false}, {1, true}} {
		conn := tls.Client(dial(t, s.Addr(want.listener).String()), c)
		hears(t, conn, "sni mail.example.com") // behind the ticket
		if got := conn.ConnectionState().DidResume; got != want.resumed {
			t.Errorf("connection %d to listener %d resumed: %v", i, want.listener, got)
		}
	}
}

func TestReloadChangesTheCertificate(t *testing.T) {
	t.Parallel()
	old, fresh := mailtest.NewAuthority(t), mailtest.NewAuthority(t)
	s, addr := serve(t, tlsOptions(old, config.Listener{TLS: config.TLSImplicit}))
	script := "-- tls\nS: sni {any}\nC: bye\n-- eof"
	mailtest.Dialogue(t, addr, old.ClientTLS("mail.example.com"), script)
	if err := s.Reload(config.Limits{}, nil); err == nil {
		t.Error("a reload without the certificate succeeds")
	}
	mailtest.Dialogue(t, addr, old.ClientTLS("mail.example.com"), script)
	if err := s.Reload(config.Limits{}, fresh.ServerTLS("mail.example.com")); err != nil {
		t.Fatal(err)
	}
	mailtest.Dialogue(t, addr, fresh.ClientTLS("mail.example.com"), script)
}

func TestHandshakeFailuresAreCounted(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	for class, client := range map[string]func(t *testing.T, c net.Conn){
		"not_tls": func(t *testing.T, c net.Conn) { _, _ = io.WriteString(c, "EHLO somebody.example\r\n") },
		"closed":  func(t *testing.T, c net.Conn) { _ = c.Close() },
		"timeout": func(*testing.T, net.Conn) {},
		"alert": func(t *testing.T, c net.Conn) {
			if err := tls.Client(c, a.ClientTLS("other.example.com")).Handshake(); err == nil {
				t.Error("the wrong name is accepted")
			}
		},
		"negotiation": func(t *testing.T, c net.Conn) {
			old := a.ClientTLS("mail.example.com")
			old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			if err := tls.Client(c, old).Handshake(); err == nil {
				t.Error("TLS 1.1 is accepted")
			}
		},
	} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			reg := prometheus.NewRegistry()
			o := tlsOptions(a, config.Listener{TLS: config.TLSImplicit})
			o.Registerer, o.HandshakeTimeout = reg, 10*time.Second
			if class == "timeout" {
				o.HandshakeTimeout = 50 * time.Millisecond
			}
			_, addr := serve(t, o)
			client(t, dial(t, addr))
			becomes(t, reg, "heliograph_tls_handshake_failures_total", class, 1)
		})
	}
}

func TestSilentHandshakeDelaysNobody(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	_, addr := serve(t, tlsOptions(a, config.Listener{TLS: config.TLSImplicit}))
	dial(t, addr) // says nothing
	mailtest.Dialogue(t, addr, a.ClientTLS("mail.example.com"), "-- tls\nS: sni {any}\nC: bye\n-- eof")
}

func TestLoadTLS(t *testing.T) {
	t.Parallel()
	if c, err := proxy.LoadTLS(config.TLS{}); c != nil || err != nil {
		t.Errorf("got %v, %v of nothing", c, err)
	}
	pair := mailtest.NewAuthority(t).Issue(time.Now().Add(time.Hour), "mail.example.com")
	key, err := x509.MarshalECPrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := config.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	if _, err := proxy.LoadTLS(files); err == nil {
		t.Error("missing files are no error")
	}
	write := func(path, kind string, der []byte) {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(files.CertFile, "CERTIFICATE", pair.Certificate[0])
	write(files.KeyFile, "EC PRIVATE KEY", key)
	if c, err := proxy.LoadTLS(files); err != nil || len(c.Certificates) != 1 {
		t.Errorf("got %v, %v", c, err)
	}
}
