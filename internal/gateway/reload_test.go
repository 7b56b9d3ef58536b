package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient/builtin"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/store"
)

// TestReload changes targets and limits while a session is open, and refuses what needs a restart.
func TestReload(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	g := start(t, upstreamTo(p)+listeners+"targets: []\n")
	open := g.dial(p.Users[0])
	send := func(id string) error {
		return open.SendMail(p.Users[0].Name, []string{"c@elsewhere.example"}, bytes.NewReader(simple(p.Users[0].Name, "c@elsewhere.example", id, id+"@example.com")))
	}
	if err := send("before"); err != nil {
		t.Fatal(err)
	}
	g.entries(journal.StateConfirmed, 1)
	g.queueEmpty()
	if err := g.Reload(t.Context(), g.load(upstreamTo(p)+listeners+"targets: [{name: crm, type: builtin}]\n")); err != nil {
		t.Fatal(err)
	}
	if err := send("after"); err != nil {
		t.Fatalf("the open session did not survive the reload: %v", err)
	}
	if a := g.activities(1)[0]; a.Subject != "after" {
		t.Errorf("activity %q", a.Subject)
	}
	err := g.Reload(t.Context(), g.load(upstreamTo(p)+listeners+"store: {url: \"postgres://nobody@127.0.0.1:1/x\"}\njournal: {segment_bytes: 2MiB}\n"))
	if err == nil || !strings.Contains(err.Error(), "store, journal cannot change while running") {
		t.Errorf("error %v", err)
	}
	if err := send("still"); err != nil {
		t.Fatal(err)
	}
	g.activities(2)
	// A target whose own settings are wrong only at the building leaves the old state in force.
	if err := g.Reload(t.Context(), g.load(upstreamTo(p)+listeners+"limits: {messages_per_hour: 1}\n")); err != nil {
		t.Fatal(err)
	}
	limited := g.dial(p.Users[1])
	if err := limited.Mail(p.Users[1].Name, nil); err != nil {
		t.Fatal(err)
	}
	if err := limited.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := limited.Mail(p.Users[1].Name, nil); err == nil || !strings.Contains(err.Error(), "too many messages") {
		t.Errorf("the new limit is not in force: %v", err)
	}
}

// queueEmpty waits until no job is due.
func (r *running) queueEmpty() {
	r.t.Helper()
	mailtest.Eventually(r.t, 30*time.Second, func() error {
		stats, err := r.Queue().Stats(r.t.Context())
		for _, s := range stats {
			if s.Count > 0 && s.State != "discarded" {
				return fmt.Errorf("%d jobs of %s are %s", s.Count, s.Kind, s.State)
			}
		}
		lag, jerr := r.Journal().Stats(r.t.Context())
		if err == nil && jerr == nil && lag.Lag > 0 {
			return fmt.Errorf("the index is %v behind", lag.Lag)
		}
		return err
	})
}

// TestDrain lets a message that is under way come to its end, and tells idle sessions.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	g := start(t, upstreamTo(p)+listeners)
	busy := newRaw(t, g.Addr(0).String(), g.clientTLS(), p.Users[0])
	idle := newRaw(t, g.Addr(0).String(), g.clientTLS(), p.Users[1])
	busy.envelope(p.Users[0].Name, p.Users[1].Name, "")
	busy.say(354, "DATA")
	busy.write([]byte("Subject: first half\r\n"))
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		stopped <- g.Stop(ctx)
	}()
	idle.expect(421)
	busy.write([]byte("\r\nsecond half\r\n.\r\n"))
	busy.expect(250)
	busy.expect(421)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if d := p.AwaitDeliveries(p.Users[1].Name, 1); !strings.Contains(string(d[0].Data), "second half") {
		t.Errorf("delivered %q", d[0].Data)
	}
}

// TestConsole reads metrics and health as Prometheus and a supervisor would.
func TestConsole(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	g := start(t, upstreamTo(p)+listeners)
	c := g.dial(p.Users[0])
	if err := c.SendMail(p.Users[0].Name, []string{"c@elsewhere.example"}, bytes.NewReader(simple(p.Users[0].Name, "c@elsewhere.example", "geheim", "m@example.com"))); err != nil {
		t.Fatal(err)
	}
	g.activities(1)
	for path, want := range map[string][]string{
		"/livez":  {"ok"},
		"/readyz": {"ok"},
		"/metrics": {
			`heliograph_smtp_logins_total{outcome="ok"} 1`, `heliograph_smtp_messages_total{mode="proxy",outcome="accepted"} 1`,
			`heliograph_mirror_deliveries_total{outcome="mirrored",target="crm"} 1`, "heliograph_build_info",
		},
	} {
		resp, err := http.Get("http://" + g.ConsoleAddr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
		for _, w := range want {
			if !strings.Contains(string(b), w) {
				t.Errorf("%s lacks %q", path, w)
			}
		}
		for _, secret := range []string{"geheim", "elsewhere", p.Users[0].Name, p.Users[0].Password} {
			if strings.Contains(string(b), secret) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
	}
}

// TestStartsWithoutItsStore: a database that is away when the gateway starts costs no mail
// and no copy of it; the index and the CRM catch up when it is back.
func TestStartsWithoutItsStore(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	r := &running{t: t, certs: mailtest.TLS(t), file: filepath.Join(t.TempDir(), "config.yaml")}
	cfg := r.load(upstreamTo(p) + listeners)
	obstacle := filepath.Join(cfg.DataDir, "heliograph.db")
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	r.Gateway = r.build(cfg)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := r.dial(p.Users[0])
	to := []string{p.Users[1].Name, "c@elsewhere.example"}
	if err := c.SendMail(p.Users[0].Name, to, bytes.NewReader(simple(p.Users[0].Name, "c@elsewhere.example", "early", "early@example.com"))); err != nil {
		t.Fatal(err)
	}
	p.AwaitDeliveries(p.Users[1].Name, 1)
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.crm, err = builtin.New(r.Store(), builtin.Config{}); err != nil {
		t.Fatal(err)
	}
	mailtest.Eventually(t, 60*time.Second, func() error {
		return r.Store().Write(t.Context(), func(context.Context, store.Querier) error { return nil })
	})
	if a := r.activities(1)[0]; a.Subject != "early" {
		t.Errorf("activity %q", a.Subject)
	}
}
