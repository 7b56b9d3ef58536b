package gateway_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/proxy/backfill"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// controlConfig writes a configuration whose upstream is the Dovecot.
func controlConfig(t *testing.T, dir string, d *mailtest.DovecotServer) (file string) {
	t.Helper()
	file = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`
data_dir: data
console: {address: "127.0.0.1:0"}
upstreams:
  - name: main
    domains: [example.com]
    smtp: {address: "127.0.0.1:9", tls: none}
    imap: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: gw.example}
targets:
  - {name: crm, type: builtin}
`, d.IMAPAddr, d.Certs.CAFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// controlMails puts n mails into the maildir of the first user.
func controlMails(t *testing.T, d *mailtest.DovecotServer, n int) {
	t.Helper()
	dir := d.Maildir(mailtest.Users()[0].Name)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		body := append(simple("kunde@acme.example", "li@example.com", fmt.Sprint("mail ", i), fmt.Sprintf("%d@acme.example", i)),
			strings.Repeat(fmt.Sprintf("line of mail %d\r\n", i), i%50*20)...)
		if err := os.WriteFile(filepath.Join(dir, "cur", fmt.Sprintf("%d.M%dP1.host:2,", 1_700_000_000+i, i)), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.Own(dir)
}

// controlHeld reads the first user's INBOX directly: digests by UID.
func controlHeld(t *testing.T, d *mailtest.DovecotServer) map[uint32][32]byte {
	t.Helper()
	c, err := imapclient.DialStartTLS(d.IMAPAddr, &imapclient.Options{TLSConfig: d.Certs.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	u := mailtest.Users()[0]
	if err := c.Login(u.Name, u.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		t.Fatal(err)
	}
	list, err := c.Fetch(imap.UIDSet{imap.UIDRange{Start: 1}}, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint32][32]byte{}
	for _, m := range list {
		all[uint32(m.UID)] = sha256.Sum256(m.BodySection[0].Bytes)
	}
	return all
}

func controlRequest() *backfill.Request {
	u := mailtest.Users()[0]
	return &backfill.Request{Account: u.Name, Secret: []byte(u.Password)}
}

// The gateway is killed in the middle of a backfill, twice; the third run does what is left.
func TestBackfillOverKills(t *testing.T) {
	t.Parallel()
	const n = 1200
	d := mailtest.Dovecot(t)
	controlMails(t, d, n)
	dir := t.TempDir()
	file := controlConfig(t, dir, d)
	data := filepath.Join(dir, "data")
	for round := range 2 {
		p := crashSpawn(t, file)
		if _, err := p.addr(); err != nil {
			t.Fatal(err)
		}
		req, killed := controlRequest(), false
		req.Rate.Messages = 1000
		_, err := gateway.Control(t.Context(), data, gateway.ControlBackfill, req, func(e backfill.Event) {
			if e.Counts.Captured > 100 && !killed {
				killed = true
				if err := p.kill(); err != nil {
					t.Error(err)
				}
			}
		})
		if err == nil || !killed || !strings.Contains(err.Error(), "goes on where this one ended") {
			t.Fatalf("round %d: killed %v, %v", round, killed, err)
		}
	}
	g := crashGateway(t, file, nil, nil)
	r, err := gateway.Control(t.Context(), data, gateway.ControlBackfill, controlRequest(), func(backfill.Event) {})
	if err != nil || r.Counts.Captured == 0 || r.Counts.Captured > n-200 || r.Missing() != 0 {
		t.Errorf("the third run: %+v, %v", r, err)
	}
	want, got := controlHeld(t, d), map[uint32][32]byte{}
	mailtest.Eventually(t, time.Minute, func() error {
		clear(got)
		list, err := g.Journal().Entries(t.Context(), journal.Filter{Kind: journal.KindBackfill, Limit: 2 * n})
		if err != nil {
			return err
		}
		if len(list) < n {
			return fmt.Errorf("%d entries", len(list))
		}
		for _, e := range list {
			if _, twice := got[e.UID]; twice {
				t.Fatalf("UID %d is in the journal twice", e.UID)
			}
			body, err := crashBody(t.Context(), g, e)
			if err != nil {
				return err
			}
			got[e.UID] = sha256.Sum256(body)
		}
		return nil
	})
	if !maps.Equal(got, want) {
		t.Error("the journal does not hold what the mailbox holds")
	}
	r, err = gateway.Control(t.Context(), data, gateway.ControlReconcile, controlRequest(), func(backfill.Event) {})
	if err != nil || r.Missing() != 0 || r.Rows[0].Captured != n || r.Rows[0].Older != 0 {
		t.Errorf("reconciliation: %+v, %v", r, err)
	}
}

func TestControlStopsWithItsClientAndWithTheGateway(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	controlMails(t, d, 200)
	dir := t.TempDir()
	g := crashGateway(t, controlConfig(t, dir, d), nil, nil)
	data := filepath.Join(dir, "data")
	slow := func() *backfill.Request {
		req := controlRequest()
		req.Rate.Messages = 20
		return req
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := gateway.Control(ctx, data, gateway.ControlBackfill, slow(), func(e backfill.Event) {
		if e.Counts.Captured > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the client went away: %v", err)
	}
	// The run ends by itself, and with it the account's lock.
	req := controlRequest()
	req.DryRun = true
	mailtest.Eventually(t, 10*time.Second, func() error {
		req.Secret = []byte(mailtest.Users()[0].Password)
		r, err := gateway.Control(t.Context(), data, gateway.ControlBackfill, req, func(backfill.Event) {})
		if err == nil && r.Missing() == 0 {
			t.Fatal("the run went on without its client")
		}
		return err
	})
	stopped := make(chan error, 1)
	once := false
	_, err = gateway.Control(t.Context(), data, gateway.ControlBackfill, slow(), func(backfill.Event) {
		if !once {
			once = true
			go func() { stopped <- g.Stop(context.WithoutCancel(t.Context())) }()
		}
	})
	if err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("the gateway stopped: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err = os.Stat(filepath.Join(data, "control.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	_, err = gateway.Control(t.Context(), data, gateway.ControlBackfill, controlRequest(), func(backfill.Event) {})
	if err == nil || !strings.Contains(err.Error(), "heliograph serve") {
		t.Errorf("without a gateway: %v", err)
	}
}

func TestControlSocketIsForItsUserOnly(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	top, err := os.MkdirTemp("/tmp", "hg-control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	// A path that does not fit into the address of a socket.
	dir := filepath.Join(top, strings.Repeat("long", 30))
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	// What a killed gateway leaves.
	if err := os.WriteFile(filepath.Join(data, "control.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	crashGateway(t, controlConfig(t, dir, d), nil, nil)
	path := filepath.Join(data, "control.sock")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("the socket: %v, %v", info, err)
	}
	if _, err := gateway.Control(t.Context(), data, gateway.ControlReconcile, controlRequest(), func(backfill.Event) {}); err != nil {
		t.Errorf("for its own user: %v", err)
	}

	// Even with every mode open, another user is not heard.
	for p, mode := range map[string]os.FileMode{top: 0o755, dir: 0o755, data: 0o755, path: 0o666} {
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	answer := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends with its user
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), nobody, ^uintptr(0)); errno != 0 {
			answer <- fmt.Errorf("become nobody: %w", errno)
			return
		}
		answer <- askRaw(path)
	}()
	if err := <-answer; !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("another user: %v", err)
	}
}

// askRaw connects in its own thread and waits for an answer.
func askRaw(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "control")
	defer f.Close()
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))}); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := io.WriteString(f, "POST /reconcile HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	_, err = f.Read(make([]byte, 1))
	return err
}

func TestControlRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	dir := t.TempDir()
	crashGateway(t, controlConfig(t, dir, d), nil, nil)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", filepath.Join(dir, "data", "control.sock"))
	}, DisableKeepAlives: true}}
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, "/backfill", "{", http.StatusBadRequest},
		{http.MethodPost, "/backfill", `{"account":7}`, http.StatusBadRequest},
		{http.MethodPost, "/backfill", `{"account":"` + strings.Repeat("a", 4<<20) + `"}`, http.StatusBadRequest},
		{http.MethodGet, "/backfill", "", http.StatusMethodNotAllowed},
		{http.MethodPost, "/other", "{}", http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://heliograph"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = answer.Body.Close(); answer.StatusCode != c.want {
			t.Errorf("%s %s %.20s: %s, want %d", c.method, c.path, c.body, answer.Status, c.want)
		}
	}
	bad := controlRequest()
	bad.Mailboxes, bad.All = []string{"INBOX"}, true
	if _, err := gateway.Control(t.Context(), filepath.Join(dir, "data"), gateway.ControlBackfill, bad, func(backfill.Event) {}); err == nil || !strings.Contains(err.Error(), "not both") {
		t.Errorf("a request that contradicts itself: %v", err)
	}
}
