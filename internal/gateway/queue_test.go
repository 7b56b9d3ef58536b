package gateway_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const machines = `
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, mode: queue, networks: [127.0.0.0/8], hostname: localhost, user: %q, password: %q}
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, mode: relay, networks: [127.0.0.0/8], hostname: localhost, user: %q, password: %q}
`

// machine sends one mail without a login, as a printer does.
func machine(t *testing.T, addr net.Addr, from, to string, data []byte) error {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	c := smtp.NewClient(conn)
	defer func() { _ = c.Close() }()
	if err := c.SendMail(from, []string{to}, bytes.NewReader(data)); err != nil {
		return err
	}
	return c.Quit()
}

// TestMachines sends by the queue and the relay listener, to a Postfix that is away at
// first: the queue keeps the mail, the relay says so, and what cannot be delivered bounces.
func TestMachines(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	u := p.Users[0]
	g := start(t, upstreamTo(p)+fmt.Sprintf(machines, u.Name, u.Password, u.Name, u.Password))
	p.Stop()
	kept := simple(u.Name, "c@elsewhere.example", "kept", "kept@example.com")
	if err := machine(t, g.Addr(0), u.Name, p.Users[1].Name, kept); err != nil {
		t.Fatalf("queue: %v", err)
	}
	if err := machine(t, g.Addr(1), u.Name, p.Users[1].Name, kept); err == nil {
		t.Error("the relay took mail that it could not pass on")
	}
	p.Start()
	d := p.AwaitDeliveries(p.Users[1].Name, 1)
	if !bytes.HasPrefix(d[0].Data, []byte("Received: from ")) || !bytes.HasSuffix(d[0].Data, kept) {
		t.Errorf("the queue delivered %.300q", d[0].Data)
	}
	if err := machine(t, g.Addr(1), u.Name, p.Users[1].Name, simple(u.Name, "d@elsewhere.example", "relayed", "relayed@example.com")); err != nil {
		t.Fatalf("relay: %v", err)
	}
	if err := machine(t, g.Addr(0), u.Name, "nobody@example.com", simple(u.Name, "nobody@example.com", "lost", "lost@example.com")); err != nil {
		t.Fatalf("queue: %v", err)
	}
	bounce := string(p.AwaitDeliveries(u.Name, 1)[0].Data)
	for _, want := range []string{"multipart/report", "Final-Recipient: rfc822; nobody@example.com", "Action: failed", "Auto-Submitted: auto-replied", "Subject: lost"} {
		if !strings.Contains(bounce, want) {
			t.Errorf("the bounce lacks %q:\n%s", want, bounce)
		}
	}
	// The bounce is a mail of its own, so that the CRM gets it too.
	subjects := map[string]bool{}
	for _, a := range g.activities(3) {
		subjects[a.Subject] = true
	}
	if !subjects["kept"] || !subjects["relayed"] || subjects["lost"] {
		t.Errorf("the CRM has %v", subjects)
	}
}

// TestClientAddressIsHandedOn: a balancer in front of the gateway and a Postfix behind it
// agree on who the client is, by PROXY protocol and by XCLIENT.
func TestClientAddressIsHandedOn(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	for mode, addr := range map[string]string{"xclient": p.SubmissionAddr, "proxy": p.ProxiedAddr} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			g := start(t, fmt.Sprintf(`
upstreams: [{name: main, default: true, smtp: {address: %q, tls: starttls, ca_file: %q, server_name: localhost, forward_client: %s}}]
listeners: [{protocol: smtp, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, proxy_protocol_from: [127.0.0.0/8]}]
targets: []
`, addr, p.Certs.CAFile, mode))
			client := map[string]string{"xclient": "192.0.2.41", "proxy": "192.0.2.42"}[mode]
			conn, err := net.Dial("tcp", g.Addr(0).String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(conn, "PROXY TCP4 %s 192.0.2.1 40000 587\r\n", client); err != nil {
				t.Fatal(err)
			}
			c := smtp.NewClient(conn)
			defer func() { _ = c.Close() }()
			if err := c.Hello("laptop.example"); err != nil {
				t.Fatal(err)
			}
			if err := c.Auth(sasl.NewPlainClient("", p.Users[0].Name, p.Users[0].Password)); err != nil {
				t.Fatal(err)
			}
			mail := simple(p.Users[0].Name, p.Users[1].Name, mode, mode+"@example.com")
			if err := c.SendMail(p.Users[0].Name, []string{p.Users[1].Name}, bytes.NewReader(mail)); err != nil {
				t.Fatal(err)
			}
			mailtest.Eventually(t, 20*time.Second, func() error {
				for _, d := range p.Deliveries(p.Users[1].Name) {
					if bytes.Equal(d.Data, mail) && strings.Contains(d.Trace, "["+client+"]") && strings.Contains(d.Trace, "laptop.example") {
						return nil
					}
				}
				return fmt.Errorf("no delivery was traced to %s", client)
			})
			if e := g.entries(journal.StateConfirmed, 1)[0]; e.ClientIP != client {
				t.Errorf("the journal has client %s", e.ClientIP)
			}
		})
	}
}

// TestCheck tries a good configuration and one in which everything is wrong.
func TestCheck(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	r := &running{t: t, certs: mailtest.TLS(t), file: t.TempDir() + "/config.yaml"}
	var good []gateway.Finding
	if err := gateway.Check(t.Context(), r.load(upstreamTo(p)+listeners), func(f gateway.Finding) { good = append(good, f) }); err != nil {
		t.Errorf("%v: %+v", err, good)
	}
	closed := fmt.Sprintf("127.0.0.1:%d", mailtest.FreePort(t))
	cfg := r.load(fmt.Sprintf(`
upstreams:
  - {name: stranger, domains: [a.example], smtp: {address: %q, tls: starttls, server_name: localhost}}
  - {name: away, domains: [b.example], smtp: {address: %q, tls: starttls}}
redis: {address: %q}
targets: [{name: hook, type: webhook, url: "http://%s/x"}]
`, p.SubmissionAddr, closed, closed, closed) + listeners)
	failed := map[string]string{}
	err := gateway.Check(t.Context(), cfg, func(f gateway.Finding) {
		if f.Outcome == upstream.OutcomeFailed {
			failed[f.Part] = f.Remedy
		}
	})
	if err == nil {
		t.Error("no error")
	}
	for _, part := range []string{"upstream stranger smtp", "upstream away smtp", "redis", "target hook"} {
		if failed[part] == "" {
			t.Errorf("%s did not fail with a remedy: %v", part, failed)
		}
	}
}
