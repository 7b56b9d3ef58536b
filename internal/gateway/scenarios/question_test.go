package scenarios_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	"heliograph/internal/message"
	"heliograph/internal/sandbox"
)

const questionRule = `
id: purchase
name: 采购审批
owner: li@example.com
trigger: {type: webhook, hook: oa}
steps:
  - {id: ask, do: approve, with: {approvers: [vp@example.com], title: '采购 {{.event.number}}', text: 请审批, expires: 5d, as: service@example.com}}
  - {id: tell, do: send_mail, with: {as: service@example.com, to: li@example.com, subject: '采购 {{.event.number}}：{{.steps.ask.decision}}', text: x}}
`

// TestAQuestionOverACrash kills the gateway between the final dot of a question and its verdict, and starts it again. Whether the provider took the question
// or not, who is asked has it once, and its link decides.
func TestAQuestionOverACrash(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]bool{"taken": true, "not taken": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			questionOverACrash(t, taken)
		})
	}
}

func questionOverACrash(t *testing.T, taken bool) {
	t.Helper()
	p, err := sandbox.Start(t.Context(), sandbox.Options{Domain: "example.com", AllowPlaintextAuth: true, Users: []sandbox.User{
		{Address: "service@example.com", Password: password}, {Address: "vp@example.com", Password: password}, {Address: "li@example.com", Password: password},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	r := newHolding(t, p.SMTPAddr, taken)
	o := &office{t: t, clock: newClock(wednesday), domain: "example.com", outside: "customer.example", file: filepath.Join(t.TempDir(), "config.yaml")}
	text := fmt.Sprintf(`
data_dir: data
console: {address: "127.0.0.1:0", public_url: "https://gw.example.org"}
upstreams:
  - {name: main, domains: [example.com], default: true, smtp: {address: %q, tls: none}, imap: {address: %q, tls: none}}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: localhost}
  - {protocol: imap, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: localhost}
targets: [{name: crm, type: builtin}]
outbox: {senders: [{address: service@example.com, password: %q}]}
rules: {sender: service@example.com, webhooks: [{name: oa, token: a-token-of-the-stock-system}]}
`, r.addr, p.IMAPAddr, password)
	if err := os.WriteFile(o.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.cfg, err = config.Load(o.file, catalog.Validate); err != nil {
		t.Fatal(err)
	}
	o.start()
	o.publishText(questionRule)
	o.stop()

	kill := o.child()
	o.event("oa", "msg_1", map[string]any{"number": "PR-1"})
	select {
	case <-r.held:
	case <-time.After(patience):
		kill()
		t.Fatal("no question came to the provider")
	}
	questions := func() (links []string) {
		for _, m := range p.Messages("vp@example.com") {
			if found := approveLink.FindStringSubmatch(parsed(t, m.Data).Text); found != nil {
				links = append(links, found[1])
			}
		}
		return links
	}
	if taken {
		o.eventually("the provider takes the question", func() error { return count(len(questions()), 1) })
		keepSent(t, p, "service@example.com", p.Messages("vp@example.com")[0].Data)
	}
	kill()
	r.letGo()
	if got := len(questions()); got != map[bool]int{true: 1}[taken] {
		t.Fatalf("when the gateway was killed the approver had %d questions; that the provider took one is %t", got, taken)
	}

	o.clock.offset.Add(int64(2 * time.Minute)) // leases end, copies are looked for
	o.start()
	o.eventually("the question is there", func() error { return count(len(questions()), 1) })
	o.decide(questions()[0], "approve", "")
	o.eventually("the decision has its effect", func() error { return count(len(p.Messages("li@example.com")), 1) })
	o.after(2 * time.Hour) // nothing goes again later
	o.settle()
	if got := questions(); len(got) != 1 {
		t.Errorf("the approver has %d questions, want one", len(got))
	}
	if got := parsed(t, p.Messages("li@example.com")[0].Data).Subject; got != "采购 PR-1：approved" {
		t.Errorf("the mail behind the approval is %q", got)
	}
	o.wantRuns("purchase", "done")
	var open, all int
	err = o.gateway.Store().Reader().QueryRowContext(t.Context(), `SELECT COALESCE(sum(CASE WHEN state <> 'delivered' THEN 1 ELSE 0 END), 0), count(*) FROM outbox_recipients`).Scan(&open, &all)
	if err != nil || open != 0 || all != 2 {
		t.Errorf("to the outbox %d of %d recipients have no mail (%v), want two who have", open, all, err)
	}
}

func parsed(t *testing.T, data []byte) *message.Message {
	t.Helper()
	m, err := message.Parse(bytes.NewReader(data), message.Options{Salt: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// keepSent does what many providers do with mail that they take: they keep a copy for the sender.
func keepSent(t *testing.T, p *sandbox.Provider, user string, data []byte) {
	t.Helper()
	c, err := imapclient.DialInsecure(p.IMAPAddr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatal(err)
	}
	w := c.Append("Sent", int64(len(data)), nil)
	_, err = w.Write(data)
	err = errors.Join(err, w.Close())
	if _, kept := w.Wait(); err != nil || kept != nil {
		t.Fatal(err, kept)
	}
}

// holding stands before a provider's submission, and holds the end of the first message until letGo: the provider's verdict, or the dot itself. Later
// messages pass.
type holding struct {
	addr string
	held chan struct{} // closed when it holds

	stop  chan struct{}
	taken bool // the provider has the message that is held
	mu    sync.Mutex
	done  bool // guarded by mu: the first message came
}

func newHolding(t *testing.T, provider string, taken bool) *holding {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &holding{addr: l.Addr().String(), held: make(chan struct{}), stop: make(chan struct{}), taken: taken}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { h.relay(c, provider) })
		}
	})
	t.Cleanup(func() {
		h.letGo()
		_ = l.Close()
		wg.Wait()
	})
	return h
}

// letGo ends the session that was held.
func (h *holding) letGo() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.stop:
	default:
		close(h.stop)
	}
}

// first says whether the end of a message is that of the first one.
func (h *holding) first() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := !h.done
	h.done = true
	return first
}

// relay passes a session on line by line, one side after the other: who submits waits for each answer but those that it pipelines.
func (h *holding) relay(c net.Conn, provider string) {
	defer func() { _ = c.Close() }()
	up, err := net.Dial("tcp", provider)
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }()
	var verdict, body sync.Mutex // verdict is held while the provider's answer is held back
	inBody := false              // guarded by body
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { _ = c.Close() }()
		in := bufio.NewReader(up)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			body.Lock()
			inBody = inBody || strings.HasPrefix(line, "354")
			body.Unlock()
			verdict.Lock()
			_, err = c.Write([]byte(line))
			verdict.Unlock()
			if err != nil {
				return
			}
		}
	})
	h.pass(bufio.NewReader(c), up, func(line string) (ends bool) {
		body.Lock()
		defer body.Unlock()
		if ends = inBody && line == ".\r\n"; ends {
			inBody = false
		}
		return ends
	}, &verdict)
	_ = up.Close()
	wg.Wait()
}

// pass copies what the client says. ends says whether a line is the end of a message.
func (h *holding) pass(in *bufio.Reader, up net.Conn, ends func(line string) bool, verdict *sync.Mutex) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if !ends(line) || !h.first() {
			if _, err := up.Write([]byte(line)); err != nil {
				return
			}
			continue
		}
		verdict.Lock()
		defer verdict.Unlock()
		if h.taken {
			_, _ = up.Write([]byte(line))
		}
		close(h.held)
		<-h.stop
		return
	}
}
