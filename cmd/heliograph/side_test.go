package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/mailtest"
	"heliograph/proxy/backfill"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// serveMailbox runs a gateway in front of a Dovecot in which the first user has mail.
func (s *script) serveMailbox() error {
	d := mailtest.Dovecot(s.t)
	c, err := imapclient.DialStartTLS(d.IMAPAddr, &imapclient.Options{TLSConfig: d.Certs.Client()})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	u := mailtest.Users()[0]
	if err := c.Login(u.Name, u.Password).Wait(); err != nil {
		return err
	}
	const east = "客户.华东"
	if err := c.Create(east, nil).Wait(); err != nil {
		return err
	}
	for i := range 12 {
		mailbox, flags := "INBOX", []imap.Flag(nil)
		switch {
		case i >= 9:
			mailbox = east
		case i == 8:
			flags = []imap.Flag{imap.FlagDraft}
		}
		body := fmt.Sprintf("From: kunde@acme.example\r\nTo: li@example.com\r\nSubject: mail %d\r\nMessage-ID: <%d@acme.example>\r\n\r\nHello 你好\r\n", i, i)
		cmd := c.Append(mailbox, int64(len(body)), &imap.AppendOptions{Flags: flags, Time: time.Date(2026, 1, 1+i, 8, 0, 0, 0, time.UTC)})
		if _, err := io.WriteString(cmd, body); err != nil {
			return err
		}
		if err := cmd.Close(); err != nil {
			return err
		}
		if _, err := cmd.Wait(); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(`data_dir: data
console: {address: "127.0.0.1:0"}
upstreams:
  - name: main
    domains: [example.com]
    smtp: {address: "127.0.0.1:9", tls: none}
    imap: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true}
`, d.IMAPAddr, d.Certs.CAFile)
	if err := os.WriteFile(s.file("config.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	return s.serve()
}

// serve runs the gateway in a process of its own until the end of the test.
func (s *script) serve() error {
	cmd := exec.Command(os.Args[0], "serve")
	cmd.Dir, cmd.Env = s.dir, append(s.environment(), "PATH="+os.Getenv("PATH"))
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() {
		var all []string
		told := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			all = append(all, lines.Text())
			if !told && strings.Contains(lines.Text(), "heliograph is ready") {
				told = true
				ready <- nil
			}
		}
		if !told {
			ready <- fmt.Errorf("the gateway ended: %s", strings.Join(all, "\n"))
		}
	}()
	err = <-ready
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			s.t.Errorf("the gateway: %v", err)
		}
	})
	return err
}

// event is progress of a run of 2,000 messages.
func event(ended int, bytes int64) backfill.Event {
	return backfill.Event{
		Kind: backfill.EventProgress, Mailbox: "客户/华东", Total: 2000, Counts: backfill.Counts{Captured: ended, Bytes: bytes},
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	now, width := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC), 80
	var out strings.Builder
	m := &meter{out: &out, now: func() time.Time { return now }, width: func() int { return width }}
	step := func(e backfill.Event, d time.Duration) string {
		out.Reset()
		now = now.Add(d)
		m.event(e)
		return out.String()
	}
	if got, want := step(backfill.Event{Kind: backfill.EventPlan, Total: 2000}, 0), "2,000 messages to fetch\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	if got := step(event(500, 12_500_000), 10*time.Second); !strings.Contains(got, "[======") || !strings.HasSuffix(got, "]  500/2,000  50/s  1250 kB/s  31s left\x1b[K") || cells(got) > width+5 {
		t.Errorf("got %q", got)
	}
	wait := backfill.Event{Kind: backfill.EventWait, Mailbox: "客户/华东", Total: 2000, Text: "connection lost", Until: now.Add(20 * time.Second)}
	if got := step(wait, time.Second); !strings.Contains(got, "waiting until") {
		t.Errorf("while it waits: %q", got)
	}
	if got := step(event(1500, 40_000_000), 30*time.Second); !strings.Contains(got, "1,500/2,000") || strings.Contains(got, "waiting") {
		t.Errorf("after it: %q", got)
	}

	// Where nothing can be drawn, a line now and then.
	width = 0
	m.lined, m.drawn = now, false
	if got := step(event(1501, 40_100_000), time.Second); got != "" {
		t.Errorf("a line too early: %q", got)
	}
	if got := step(event(1600, 41_000_000), 5*time.Second); !strings.HasPrefix(got, "客户/华东  1,600/2,000  ") || !strings.HasSuffix(got, " left\n") {
		t.Errorf("got %q", got)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		500 * time.Millisecond: "1s", 59 * time.Second: "60s", 61 * time.Second: "1m01s", 3*time.Hour + 5*time.Minute: "3h05m", 50 * time.Hour: "2d2h",
	} {
		if got := remaining(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
