package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/catalog"
	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// running is a gateway in this process, built from a file as serve builds it.
type running struct {
	*gateway.Gateway
	t     *testing.T
	certs *mailtest.Certs
	file  string
	crm   *builtin.CRM

	strangers int // who asked the console without a token
}

// basics are the sections that a test does not care about.
const basics = `
data_dir: data
tls: {cert_file: %q, key_file: %q}
console: {address: "127.0.0.1:0", public_url: "https://gw.example.com"}
`

// start runs a gateway with the given sections besides the basics, which edit changes.
func start(t *testing.T, sections string, edit ...func(*config.Config)) *running {
	t.Helper()
	r := &running{t: t, certs: mailtest.TLS(t), file: filepath.Join(t.TempDir(), "config.yaml")}
	cfg := r.load(sections)
	for _, change := range edit {
		change(cfg)
	}
	r.Gateway = r.build(cfg)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	var err error
	if r.crm, err = builtin.New(r.Store(), builtin.Config{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// load writes a configuration and reads it back.
func (r *running) load(sections string) *config.Config {
	r.t.Helper()
	text := fmt.Sprintf(basics, r.certs.CertFile, r.certs.KeyFile) + sections
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	cfg, err := config.Load(r.file, catalog.Validate)
	if err != nil {
		r.t.Fatal(err)
	}
	return cfg
}

func (r *running) build(cfg *config.Config) *gateway.Gateway {
	r.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(r.t.Output(), nil))
	}
	g, err := gateway.New(r.t.Context(), cfg, gateway.Options{Version: "test", Logger: log})
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

// upstreamTo is the section of a Postfix of the test kit.
func upstreamTo(p *mailtest.PostfixServer) string {
	return fmt.Sprintf(`
upstreams:
  - name: main
    domains: [example.com]
    default: true
    smtp: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
`, p.SubmissionAddr, p.Certs.CAFile)
}

const listeners = `
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: starttls, hostname: localhost}
  - {protocol: smtp, address: "127.0.0.1:0", tls: implicit, hostname: localhost}
`

// dial logs a go-smtp client in at listener 0.
func (r *running) dial(user mailtest.User) *smtp.Client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.Addr(0).String())
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := smtp.NewClientStartTLS(conn, r.clientTLS())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Auth(sasl.NewPlainClient("", user.Name, user.Password)); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *running) clientTLS() *tls.Config { return r.certs.Client() }

// activities waits until the CRM has n activities and returns them, newest first.
func (r *running) activities(n int) []builtin.Activity {
	r.t.Helper()
	var page builtin.Page[builtin.Activity]
	mailtest.Eventually(r.t, 30*time.Second, func() (err error) {
		page, err = r.crm.Activities(r.t.Context(), builtin.ActivityFilter{WithText: true, Paging: builtin.Paging{Limit: 500}})
		if err == nil && len(page.Items) < n {
			err = fmt.Errorf("the CRM has %d activities, want %d", len(page.Items), n)
		}
		return err
	})
	if len(page.Items) != n {
		r.t.Fatalf("the CRM has %d activities, want %d", len(page.Items), n)
	}
	return page.Items
}

// entries waits until the index has n entries in a state and returns them.
func (r *running) entries(state journal.State, n int) []journal.Entry {
	r.t.Helper()
	var es []journal.Entry
	mailtest.Eventually(r.t, 30*time.Second, func() (err error) {
		es, err = r.Journal().Entries(r.t.Context(), journal.Filter{State: state, Limit: 10000})
		if err == nil && len(es) != n {
			err = fmt.Errorf("%d entries are %s, want %d", len(es), state, n)
		}
		return err
	})
	return es
}

func (r *running) body(e journal.Entry) []byte {
	r.t.Helper()
	b, err := r.Journal().Body(r.t.Context(), e)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	all, err := io.ReadAll(b)
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// simple is a small mail.
func simple(from, to, subject, id string) []byte {
	return bytes.ReplaceAll([]byte(fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nDate: Sat, 21 Nov 2026 10:00:00 +0800\nMessage-ID: <%s>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nHello 你好\n", from, to, subject, id)), []byte("\n"), []byte("\r\n"))
}
