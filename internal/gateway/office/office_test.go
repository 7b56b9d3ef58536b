package office

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"heliograph/crmclient/builtin"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	defaultMails = 10_000
	senders      = 8
	kills        = 6
)

func setting(t *testing.T, name string, def uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestOffice(t *testing.T) {
	t.Parallel()
	mails := setting(t, "HELIOGRAPH_OFFICE_MAILS", defaultMails)
	seed := setting(t, "HELIOGRAPH_OFFICE_SEED", rand.Uint64())
	t.Logf("HELIOGRAPH_OFFICE_SEED=%d repeats these letters", seed)
	p := newProvider(t)
	hook := newReceiver(t)
	g := newGateway(t, p, hook.url)
	o := &office{t: t, p: p, g: g, gen: newGenerator(seed)}

	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	readers := o.openReaders(ctx)
	stopKilling := g.keepKilling(seed)
	o.work(ctx, int(mails))
	stopKilling()
	t.Logf("%d letters in %v, with %d kills: %v", o.gen.n, time.Since(began).Round(time.Second), g.killed, o.gen.kinds)

	o.settle()
	t.Logf("all is settled after %v", time.Since(began).Round(time.Second))
	cancel()
	readers.Wait()
	g.stop()
	o.compare("the built-in CRM", g.activities())
	o.compare("the webhook", hook.tokens())
}

// office is the office at work.
type office struct {
	t       *testing.T
	p       *provider
	g       *process
	gen     *generator
	readers []*reader
}

func (o *office) openReaders(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	for n := range employees {
		m := &reader{
			user: employee(n), addr: o.g.imap, style: n % 3, r: rand.New(rand.NewPCG(uint64(n), 5)),
			file: make(chan *letter, defaultMails), seen: map[string]int{},
		}
		o.readers = append(o.readers, m)
		wg.Go(func() { m.run(ctx) })
	}
	return &wg
}

// work writes the letters and sends them.
func (o *office) work(ctx context.Context, mails int) {
	var g errgroup.Group
	g.SetLimit(senders)
	for o.gen.n < mails {
		for _, l := range o.gen.next() {
			if n, ok := employeeNumber(l.from); ok {
				o.p.mu.Lock()
				o.p.copies[l.id] = l.sent
				o.p.mu.Unlock()
				g.Go(func() error {
					if err := submit(ctx, o.g.smtp, l); err != nil {
						return fmt.Errorf("%s: %w", l.token, err)
					}
					if l.sent == clientCopy {
						o.readers[n].file <- l
					}
					return nil
				})
				continue
			}
			if err := o.p.deliver(l.from, l.everybody(), l.raw); err != nil {
				o.t.Fatal(err)
			}
		}
	}
	if err := g.Wait(); err != nil {
		o.t.Fatal(err)
	}
}

func employeeNumber(address string) (n int, ok bool) {
	_, err := fmt.Sscanf(address, "e%02d@"+domain, &n)
	return n, err == nil
}

// settle waits until every message of every mailbox is captured and nothing waits to be mirrored. What was on its way when the gateway was
// killed waits for a proof that it was sent first.
func (o *office) settle() {
	o.t.Helper()
	db, err := store.Open(o.t.Context(), "sqlite", store.Options{Dir: o.g.data})
	if err != nil {
		o.t.Fatal(err)
	}
	defer db.Close()
	mailtest.Eventually(o.t, 12*time.Minute, func() error {
		for _, m := range o.readers {
			if len(m.file) > 0 {
				return fmt.Errorf("%s has %d letters to file", m.user, len(m.file))
			}
		}
		states, err := journal.ReadMailboxes(o.t.Context(), db.Reader(), journal.MailboxFilter{Limit: 1000})
		if err != nil {
			return err
		}
		var captured uint64
		for _, s := range states {
			captured += s.Sets[journal.UIDCaptured].Len()
		}
		stored, err := o.stored()
		if err != nil {
			return err
		}
		if captured < stored {
			return fmt.Errorf("%d of %d messages in mailboxes are captured", captured, stored)
		}
		var sealed int
		err = db.Reader().QueryRowContext(o.t.Context(), `SELECT count(*) FROM entries WHERE state = 'sealed'`).Scan(&sealed)
		if err != nil || sealed > 0 {
			return errors.Join(err, fmt.Errorf("%d letters have no verdict", sealed))
		}
		var jobs int
		err = db.Reader().QueryRowContext(o.t.Context(),
			`SELECT count(*) FROM jobs WHERE state IN ('available', 'scheduled', 'running', 'retryable')`).Scan(&jobs)
		if err == nil && jobs > 0 {
			err = fmt.Errorf("%d jobs are left", jobs)
		}
		return err
	})
}

// stored counts the messages in all maildirs.
func (o *office) stored() (n uint64, err error) {
	for i := range employees {
		for _, box := range []string{"", ".Sent", ".Projects"} {
			for _, sub := range []string{"cur", "new"} {
				names, err := os.ReadDir(filepath.Join(o.p.dovecot.Maildir(employee(i)), box, sub))
				if err != nil {
					return 0, err
				}
				n += uint64(len(names))
			}
		}
	}
	return n, nil
}

// compare wants in a CRM what the model says, and nothing else.
func (o *office) compare(crm string, got map[string]int) {
	o.t.Helper()
	var missing, doubled, private, unknown []string
	for token, want := range o.gen.want {
		switch n := got[token]; {
		case want == 0 && n > 0:
			private = append(private, token)
		case n < want:
			missing = append(missing, token)
		case n > want:
			doubled = append(doubled, token)
		}
	}
	for token := range got {
		if _, ok := o.gen.want[token]; !ok {
			unknown = append(unknown, token)
		}
	}
	o.t.Logf("%s: %d activities are expected; %d missing, %d doubled, %d private, %d unknown",
		crm, sum(o.gen.want), len(missing), len(doubled), len(private), len(unknown))
	for what, list := range map[string][]string{"missing": missing, "doubled": doubled, "private": private, "unknown": unknown} {
		if len(list) > 0 {
			slices.Sort(list)
			o.t.Errorf("%s: %d %s, such as %v", crm, len(list), what, list[:min(len(list), 10)])
		}
	}
}

func sum(m map[string]int) (n int) {
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

// process is the gateway, a real program.
type process struct {
	t          *testing.T
	binary     string
	config     string
	data       string
	smtp, imap string // host:port

	cmd    *exec.Cmd
	killed int
}

func newGateway(t *testing.T, p *provider, hook string) *process {
	t.Helper()
	dir := t.TempDir()
	g := &process{
		t: t, binary: filepath.Join(dir, "heliograph"), config: filepath.Join(dir, "config.yaml"), data: filepath.Join(dir, "data"),
		smtp: fmt.Sprintf("127.0.0.1:%d", mailtest.FreePort(t)), imap: fmt.Sprintf("127.0.0.1:%d", mailtest.FreePort(t)),
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", g.binary, "heliograph/cmd/heliograph")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the gateway: %v\n%s", err, out)
	}
	text := fmt.Sprintf(`
data_dir: data
journal: {unconfirmed_after: 30s}
console: {address: "127.0.0.1:0"}
upstreams:
  - name: main
    domains: [%s]
    default: true
    smtp: {address: %q, tls: none}
    imap: {address: %q, tls: none}
listeners:
  - {protocol: smtp, address: %q, tls: none, allow_plaintext_auth: true, hostname: gw.office.test}
  - {protocol: imap, address: %q, tls: none, allow_plaintext_auth: true, hostname: gw.office.test}
targets:
  - {name: crm, type: builtin}
  - {name: hook, type: webhook, url: %q, secret: "an office has a secret of its own"}
capture: {policy: all, chunk_bytes: 16KiB}
privacy:
  rules:
    - {name: lawyers, action: exclude, participants: ["*@law.test"]}
log: {level: error}
`, domain, p.smtp, p.dovecot.IMAPAddr, g.smtp, g.imap, hook)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.start()
	t.Cleanup(g.stop)
	mailtest.Eventually(t, time.Minute, func() error {
		c, err := dial(g.imap)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	g.run("scope", "opt-out", employee(optedOut), "--config", g.config)
	return g
}

// run runs one of the program's commands.
func (g *process) run(args ...string) {
	g.t.Helper()
	if out, err := exec.CommandContext(g.t.Context(), g.binary, args...).CombinedOutput(); err != nil {
		g.t.Fatalf("heliograph %v: %v\n%s", args, err, out)
	}
}

func (g *process) start() {
	g.cmd = exec.Command(g.binary, "serve", "--config", g.config)
	g.cmd.Stderr = os.Stderr
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not outlive the test
	if err := g.cmd.Start(); err != nil {
		g.t.Error(err) // the letters fail then
		g.cmd = nil
	}
}

func (g *process) stop() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill() // there is nothing more to lose
	_ = g.cmd.Wait()
	g.cmd = nil
}

// keepKilling kills the process at random moments and starts it again, until the function it returns is called.
func (g *process) keepKilling(seed uint64) (stop func()) {
	r := rand.New(rand.NewPCG(seed, 43))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for g.killed < kills {
			if pause(ctx, time.Duration(1000+r.IntN(2000))*time.Millisecond) != nil {
				return
			}
			g.stop()
			g.killed++
			g.start()
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// activities counts the tokens in the built-in CRM.
func (g *process) activities() map[string]int {
	g.t.Helper()
	db, err := store.Open(g.t.Context(), "sqlite", store.Options{Dir: g.data})
	if err != nil {
		g.t.Fatal(err)
	}
	defer db.Close()
	crm, err := builtin.New(db, builtin.Config{})
	if err != nil {
		g.t.Fatal(err)
	}
	got := map[string]int{}
	for f := (builtin.ActivityFilter{Paging: builtin.Paging{Limit: 500}}); ; {
		page, err := crm.Activities(g.t.Context(), f)
		if err != nil {
			g.t.Fatal(err)
		}
		for _, a := range page.Items { // a page has no texts
			whole, err := crm.Activity(g.t.Context(), a.ID)
			if err != nil {
				g.t.Fatal(err)
			}
			got[tokenOf(whole.Text)]++
			if slices.Contains(whole.Accounts, employee(optedOut)) {
				g.t.Errorf("activity %d names the employee who opted out", a.ID)
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return got
		}
	}
}

var tokens = regexp.MustCompile(`Token (ref-\d+)\.`)

func tokenOf(text string) string {
	if m := tokens.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return "none"
}

// receiver is a CRM behind a webhook. It fails in all ways, and knows a message by its key as its contract says.
type receiver struct {
	url string

	mu   sync.Mutex
	keys map[string]string // token by message key
	n    int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	h := &receiver{keys: map[string]string{}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var event struct {
		Key  string `json:"key"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	h.n++
	n := h.n
	if n%97 != 0 && event.Text != "" {
		h.keys[event.Key] = tokenOf(event.Text)
	}
	h.mu.Unlock()
	switch {
	case n%97 == 0:
		http.Error(w, "busy", http.StatusServiceUnavailable)
	case n%101 == 0:
		panic(http.ErrAbortHandler) // taken, but the sender will not know
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (h *receiver) tokens() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := map[string]int{}
	for _, token := range h.keys {
		got[token]++
	}
	return got
}
