// Package demo shows the whole path in one process: a sandbox mail provider, the gateway
// in front of it, the built-in CRM behind it, and a few realistic mails that are sent
// and read through the gateway as mail programs would (show.go, read.go). Everything that
// it prints is read from the running system; nothing is made up.
package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/catalog"
	"heliograph/internal/gateway"
	"heliograph/internal/sandbox"
)

// Options are the demo's settings.
type Options struct {
	Out      io.Writer
	Once     bool // end when the samples are mirrored, for scripts
	Version  string
	LogLevel string // of the gateway; empty means error
	// AnyPort listens at ports that are free, not at those that are easy to remember.
	AnyPort bool
	// Ready is told once all is there; nil: nobody is.
	Ready func(Ready)
}

// Domain is the demo company's.
const Domain = "sunrise.example"

// Password is the same for all three mailboxes.
const Password = "demo"

// users are the demo's employees.
var users = []sandbox.User{
	{Address: liwei.Address, Password: Password},
	{Address: fang.Address, Password: Password},
	{Address: support, Password: Password},
}

// preferred are the ports that mail programs are pointed at; where one is taken, any free one serves.
const (
	preferredSubmission  = "127.0.0.1:2587"
	preferredSubmissions = "127.0.0.1:2465"
	preferredIMAP        = "127.0.0.1:2143"
	preferredIMAPS       = "127.0.0.1:2993"
	preferredConsole     = "127.0.0.1:8025"
)

// Run runs the demo until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "heliograph-demo-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	o.Out = &shared{w: o.Out}
	log := gateway.NewLogger(config.Log{Level: o.LogLevel, Format: "text"}, o.Out)

	provider, err := sandbox.Start(ctx, sandbox.Options{Domain: Domain, Users: users, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("start the sandbox provider: %w", err)
	}
	defer func() { _ = provider.Close() }()
	cfg, ca, err := configuration(dir, provider, o.AnyPort)
	if err != nil {
		return err
	}
	g, err := gateway.New(ctx, cfg, gateway.Options{Version: o.Version, Logger: log, ConfigFile: filepath.Join(dir, "config.yaml")})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if serr := g.Stop(ctx); err == nil {
			err = serr
		}
	}()
	if err := g.Start(ctx); err != nil {
		return err
	}
	crm, err := builtin.New(g.Store(), builtin.Config{Stages: stages})
	if err != nil {
		return err
	}
	d := &demo{out: o.Out, gateway: g, cfg: cfg, crm: crm, provider: provider, ca: ca, dir: dir, told: o.Ready}
	if err = d.run(ctx, o.Once); ctx.Err() != nil {
		fmt.Fprintln(o.Out, "\nThe demo ends; its files are removed. 演示结束。")
		return nil
	}
	return err
}

// shared lets the demo and the gateway's log write to one place.
type shared struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// free returns the preferred address if it is free, else a free port of the same host.
func free(preferred string) string {
	l, err := net.Listen("tcp", preferred)
	if err != nil {
		return freePort()
	}
	_ = l.Close()
	return preferred
}

// freePort returns an address that is free now. It is a real port, since pages tell it to people.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// The gateway's listeners, as configuration lists them.
const (
	submission = iota
	submissions
	imapSTARTTLS
	imapTLS
)

// configuration writes the configuration of the demo's gateway as a file and loads it, the
// way serve does.
func configuration(dir string, p *sandbox.Provider, anyPort bool) (*config.Config, *sandbox.Certificate, error) {
	cert, err := sandbox.NewCertificate("localhost", "127.0.0.1")
	if err != nil {
		return nil, nil, err
	}
	free := free
	if anyPort {
		free = func(string) string { return freePort() }
	}
	at := free(preferredConsole)
	text := fmt.Sprintf(`data_dir: data
tls: {cert_file: cert.pem, key_file: key.pem}
upstreams:
  - name: sandbox
    domains: [%s]
    smtp: {address: %q, tls: starttls, ca_file: provider-ca.pem, server_name: localhost}
    imap: {address: %q, tls: implicit, ca_file: provider-ca.pem, server_name: localhost}
listeners:
  - {protocol: smtp, address: %q, tls: starttls, hostname: localhost}
  - {protocol: smtp, address: %q, tls: implicit, hostname: localhost}
  - {protocol: imap, address: %q, tls: starttls, hostname: localhost}
  - {protocol: imap, address: %q, tls: implicit, hostname: localhost}
targets:
  - {name: crm, type: builtin, stages: [线索, 报价, 谈判, 已成交, 失单]}
matching: {rules: [{domains: [163.example, qq.example, outlook.example], unmatched: review}]}
contacts: {interval: 10s, conflicts: ask}
outbox: {senders: [{address: %q, display_name: Sunrise Support, password: %q}]}
rules: {sender: %q}
console:
  address: %q
  public_url: "http://%s"
  mailbox_sign_in: true
  onboarding: {name: 日升机械, imap_host: localhost, smtp_host: localhost, support: %q}
`, Domain, p.SMTPAddr, p.IMAPSAddr, free(preferredSubmission), free(preferredSubmissions), free(preferredIMAP), free(preferredIMAPS),
		support, Password, support, at, at, support)
	for name, content := range map[string][]byte{
		"cert.pem": cert.CertPEM, "key.pem": cert.KeyPEM, "provider-ca.pem": p.CAPEM, "config.yaml": []byte(text),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, nil, err
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "config.yaml"), catalog.Validate)
	return cfg, cert, err
}
