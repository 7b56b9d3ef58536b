package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	"heliograph/internal/gateway"
	"heliograph/internal/journal/segment"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"

	dto "github.com/prometheus/client_model/go"
)

// crashVariable makes the test binary a gateway of its own that can be killed. It names the configuration.
const crashVariable = "HELIOGRAPH_TEST_GATEWAY"

func TestMain(m *testing.M) {
	if file := os.Getenv(crashVariable); file != "" {
		if err := crashServe(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	storetest.Main(m)
}

// crashServe runs a gateway, says where it listens, and stays until its parent is gone.
func crashServe(file string) error {
	cfg, err := config.Load(file, catalog.Validate)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	g, err := gateway.New(context.Background(), cfg, gateway.Options{Version: "test", Logger: log})
	if err != nil {
		return err
	}
	if err := g.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(g.Addr(0))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return g.Stop(context.Background())
}

// crashProcess is a gateway in a process of its own.
type crashProcess struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer
	leash  io.Closer
}

func crashSpawn(t *testing.T, file string) *crashProcess {
	t.Helper()
	p := &crashProcess{cmd: exec.Command(os.Args[0], "-test.run=^$")}
	// A data race ends the process, so that the test sees it.
	p.cmd.Env = append(os.Environ(), crashVariable+"="+file, "GORACE=halt_on_error=1")
	p.cmd.Stderr = &p.stderr
	var err error
	if p.leash, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// addr waits until the gateway listens.
func (p *crashProcess) addr() (string, error) {
	late := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", errors.Join(fmt.Errorf("the gateway does not come up: %w", err), p.kill())
	}
	return strings.TrimSpace(line), nil
}

// kill ends the process with SIGKILL. The error says that it had ended by itself.
func (p *crashProcess) kill() error {
	_ = p.cmd.Process.Kill()
	_ = p.leash.Close()
	_ = p.cmd.Wait() // says how it ended, as ProcessState does
	if s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
		return fmt.Errorf("the gateway ended by itself: %v\n%s", p.cmd.ProcessState, &p.stderr)
	}
	return nil
}

// crashConfig writes a configuration without TLS for one provider and returns its file.
func crashConfig(t *testing.T, dir, provider, more string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`
data_dir: data
console: {address: "127.0.0.1:0"}
upstreams:
  - {name: main, domains: [corp.example], default: true, smtp: {address: %q, tls: none}}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: gw.example}
targets:
  - {name: crm, type: builtin}
%s`, provider, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// crashGateway starts a gateway in this process from a file, after change has had its way.
func crashGateway(t *testing.T, file string, fs segment.FS, change func(*config.Config)) *gateway.Gateway {
	t.Helper()
	cfg, err := config.Load(file, catalog.Validate)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(cfg)
	}
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	g, err := gateway.New(t.Context(), cfg, gateway.Options{Version: "test", Logger: log, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := g.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

const crashUser = "wang@corp.example"

// crashMail is the message with that id, which ends in "." and its size in bytes.
func crashMail(id string) []byte {
	size, err := strconv.Atoi(id[strings.LastIndexByte(id, '.')+1:])
	if err != nil {
		panic(err)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	kind := "text/plain; charset=utf-8"
	if size > 100<<10 {
		kind = "application/octet-stream" // a file, which costs the CRM less than a long text
	}
	b := fmt.Appendf(make([]byte, 0, size+1024), "From: %s\r\nTo: customer@elsewhere.example\r\nSubject: %s\r\n"+
		"Date: Sat, 21 Nov 2026 10:00:00 +0800\r\nMessage-ID: <%s@corp.example>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: %s\r\n\r\n.a dot\r\n..\r\n你好\r\n", crashUser, id, id, kind)
	var noise [32]byte
	for len(b) < size {
		for i := 0; i < len(noise); i += 8 {
			binary.BigEndian.PutUint64(noise[i:], r.Uint64())
		}
		b = append(hex.AppendEncode(b, noise[:]), "\r\n"...)
	}
	return b
}

// crashID finds the id of a message.
func crashID(body []byte) string {
	_, rest, _ := bytes.Cut(body, []byte("\r\nMessage-ID: <"))
	id, _, _ := bytes.Cut(rest, []byte("@"))
	return string(id)
}

// crashFate is what a provider does with a message that it has in full.
type crashFate struct {
	refuse bool
	drop   bool          // close the connection in place of a reply
	after  time.Duration // how long it thinks about it
}

// crashProvider is an SMTP server that writes down what it gets. It is not go-smtp's,
// because that takes a last BDAT chunk that was cut short for a whole one.
type crashProvider struct {
	addr   string
	decide func(id string) crashFate // nil: all is accepted

	stop chan struct{}
	wg   sync.WaitGroup
	mu   sync.Mutex // guards the fields below
	got  map[string][]crashFate
	bad  []string // ids of messages that were not as they were sent
	open map[net.Conn]bool
}

func newCrashProvider(t *testing.T, decide func(id string) crashFate) *crashProvider {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &crashProvider{addr: l.Addr().String(), decide: decide, stop: make(chan struct{}), got: map[string][]crashFate{}, open: map[net.Conn]bool{}}
	if decide == nil {
		p.decide = func(string) crashFate { return crashFate{} }
	}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.open[c] = true
			p.mu.Unlock()
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		close(p.stop)
		_ = l.Close()
		p.mu.Lock()
		for c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// quiet waits until all connections have ended.
func (p *crashProvider) quiet(t *testing.T) {
	t.Helper()
	mailtest.Eventually(t, 30*time.Second, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := len(p.open); n > 0 {
			return fmt.Errorf("the provider has %d connections", n)
		}
		return nil
	})
}

// has says how often a message came in full.
func (p *crashProvider) has(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.got[id])
}

func (p *crashProvider) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, c)
	}()
	in := bufio.NewReaderSize(c, 64<<10)
	say := func(reply string) { _, _ = io.WriteString(c, reply+"\r\n") } // a peer that is gone shows at the next read
	say("220 provider.example ESMTP")
	mail, recipients := false, 0
	var chunks []byte
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(strings.ToUpper(line))
		switch words[0] {
		case "EHLO":
			say("250-provider.example\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 AUTH PLAIN")
		case "AUTH":
			if strings.HasSuffix(line, crashAuth("wrong")+"\r\n") {
				say("535 5.7.8 wrong password")
				continue
			}
			say("235 2.7.0 welcome")
		case "MAIL", "RSET":
			mail, recipients, chunks = words[0] == "MAIL", 0, nil
			say("250 2.0.0 ok")
		case "RCPT":
			switch {
			case !mail:
				say("503 5.5.1 MAIL first")
			case strings.Contains(line, "nobody@"):
				say("550 5.1.1 no such user")
			default:
				recipients++
				say("250 2.1.5 ok")
			}
		case "DATA":
			if recipients == 0 {
				say("554 5.5.1 no valid recipients")
				continue
			}
			say("354 go on")
			body, err := crashReadData(in)
			if err != nil || !p.verdict(body, say) {
				return
			}
			mail, recipients = false, 0
		case "BDAT":
			n, err := strconv.Atoi(words[1])
			if err != nil {
				return
			}
			chunk := make([]byte, n)
			if _, err := io.ReadFull(in, chunk); err != nil {
				return
			}
			chunks = append(chunks, chunk...)
			switch {
			case recipients == 0:
				say("503 5.5.1 no valid recipients")
			case len(words) < 3:
				say("250 2.0.0 go on")
			case !p.verdict(chunks, say):
				return
			}
		case "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

func (p *crashProvider) verdict(body []byte, say func(string)) (goOn bool) {
	id := crashID(body)
	f := p.decide(id)
	if f.after > 0 {
		timer := time.NewTimer(f.after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.stop:
		}
	}
	p.mu.Lock()
	p.got[id] = append(p.got[id], f)
	if id == "" || !bytes.Equal(body, crashMail(id)) {
		p.bad = append(p.bad, id)
	}
	p.mu.Unlock()
	switch {
	case f.drop:
	case f.refuse:
		say("554 5.7.1 we do not want this")
	default:
		say("250 2.0.0 queued as " + id)
	}
	return !f.drop
}

// crashReadData reads a message up to its final dot and undoes the dot-stuffing.
func crashReadData(in *bufio.Reader) (body []byte, err error) {
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if string(line) == ".\r\n" {
			return body, nil
		}
		body = append(body, bytes.TrimPrefix(line, []byte("."))...)
	}
}

const (
	crashGaps  = "heliograph_journal_gap_total"
	crashIndex = "heliograph_journal_index_failures_total"
)

// crashMetric adds up the values of a metric whose labels, if any are given, have that value. What is away spoils its
// own metrics only.
func crashMetric(t *testing.T, g *gateway.Gateway, name string, label ...string) (sum float64) {
	t.Helper()
	families, err := g.Registry().Gather()
	if len(families) == 0 {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(label) == 0 || slices.ContainsFunc(m.GetLabel(), func(p *dto.LabelPair) bool { return p.GetValue() == label[0] }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
