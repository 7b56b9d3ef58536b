package scenarios_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/catalog"
	shipped "heliograph/deploy/rules"
	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
	"heliograph/internal/mailtest"
)

// patience bounds the wait for anything.
const patience = 40 * time.Second

// password is everybody's.
const password = "correct horse"

// clock runs as the machine's does, from another time on, and can be moved.
type clock struct{ offset atomic.Int64 }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.offset.Store(int64(time.Until(at)))
	return c
}

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// shanghai is where the companies of the scenarios are.
var shanghai = time.FixedZone("Asia/Shanghai", 8*3600)

// wednesday is 4 March 2026, 10:00: a workday with nothing special before and behind.
var wednesday = time.Date(2026, 3, 4, 10, 0, 0, 0, shanghai)

// office is a company with a gateway, and all that is round it. Each has domains of its own at the shared mail server: example.com of the
// shipped rules stands for domain, customer.example for outside.
type office struct {
	t       *testing.T
	post    *mailtest.PostfixServer
	domain  string
	outside string
	clock   *clock
	erp     *business
	chat    *chat
	cfg     *config.Config
	gateway *gateway.Gateway
	crm     *builtin.CRM
	file    string
	service string    // who answers, service
	addrs   [3]string // of submission, IMAP and console
	silent  bool      // the CRMs are told of no mail that comes in
	ended   bool      // the gateway of this process was stopped
}

// staff and customers have mailboxes in each office.
var (
	staff = []string{
		"service", "finance", "purchasing", "quality", "li.wei", "wang", "sales-director", "service-lead", "purchasing-manager", "legal-director", "gu",
		"cfo", "vp", "rd-head", "sales-head", "quality-dept", "production-dept", "aftersales-dept", "zhao", "ceo",
	}
	customers = []string{"chen", "zhang.wei", "qian", "sun", "noreply"}
)

// domains are those of office n.
func domains(n int) (own, outside string) {
	return fmt.Sprintf("own%d.example", n), fmt.Sprintf("customer%d.example", n)
}

// everybody has a mailbox in one of n offices.
func everybody(n int) (all []mailtest.User) {
	for i := range n {
		own, outside := domains(i)
		for _, name := range staff {
			all = append(all, mailtest.User{Name: name + "@" + own, Password: password})
		}
		for _, name := range customers {
			all = append(all, mailtest.User{Name: name + "@" + outside, Password: password})
		}
	}
	return all
}

// newOffice prepares an office; open opens it.
func newOffice(t *testing.T, post *mailtest.PostfixServer, n int) *office {
	t.Helper()
	own, outside := domains(n)
	o := &office{t: t, post: post, domain: own, outside: outside, clock: newClock(wednesday), erp: newBusiness(t), chat: newChat(t), service: "service"}
	o.file = filepath.Join(t.TempDir(), "config.yaml")
	return o
}

// configure writes the configuration that the README of the rules shows, and what it needs besides.
func (o *office) configure() {
	o.t.Helper()
	readme, err := os.ReadFile("../../../deploy/rules/README.md")
	if err != nil {
		o.t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "```yaml\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok {
		o.t.Fatal("the README shows no configuration")
	}
	block = strings.ReplaceAll(block, "https://erp.example.com/api", o.erp.server.URL)
	block = strings.ReplaceAll(block, "{name: service, type: dingtalk, url_file: secrets/service-robot}", fmt.Sprintf("{name: service, type: webhook, url: %q}", o.chat.server.URL))
	block = strings.ReplaceAll(block, "service@", o.service+"@")
	if o.silent { // the CRMs are told of nothing: that is not what the test is about
		block = strings.ReplaceAll(block, "{name: crm, type: builtin,", "{name: crm, type: builtin, deliver: {mail: {directions: [outbound]}},")
		block = strings.ReplaceAll(block, "  - name: erp\n", "  - name: erp\n    deliver: {mail: {directions: [outbound]}}\n")
	}
	block = o.adapt(regexp.MustCompile(`"\$\{[A-Z]+_PASSWORD\}"`).ReplaceAllString(block, fmt.Sprintf("%q", password)))
	block = strings.ReplaceAll(block, `"${STOCK_TOKEN}"`, "a-token-of-the-stock-system")
	text := fmt.Sprintf(`
data_dir: data
console: {address: "127.0.0.1:0", public_url: "https://gw.example.org"}
upstreams:
  - name: main
    domains: [%s]
    default: true
    smtp: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
    imap: {address: %q, tls: implicit, ca_file: %[3]q, server_name: localhost}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: localhost}
  - {protocol: imap, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: localhost}
`, o.domain, o.post.SubmissionAddr, o.post.Certs.CAFile, o.post.Dovecot.IMAPSAddr)
	if err := os.WriteFile(o.file, []byte(text+block), 0o600); err != nil {
		o.t.Fatal(err)
	}
	if o.cfg, err = config.Load(o.file, catalog.Validate); err != nil {
		o.t.Fatal(err)
	}
}

// open starts the gateway.
func (o *office) open() {
	o.t.Helper()
	o.configure()
	o.start()
}

// stop ends the gateway of this process.
func (o *office) stop() {
	o.t.Helper()
	if o.ended {
		return
	}
	o.ended = true
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := o.gateway.Stop(ctx); err != nil {
		o.t.Error(err)
	}
}

func (o *office) start() {
	o.t.Helper()
	o.ended = false
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(o.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	var err error
	if o.gateway, err = gateway.New(o.t.Context(), o.cfg, gateway.Options{Version: "test", Logger: log, Now: o.clock.Now}); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() {
		if o.t.Failed() {
			o.tell()
		}
		o.stop()
	})
	if err := o.gateway.Start(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	o.eventually("open the store", func() error { // in the background
		var n int
		return o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `SELECT count(*) FROM rules`).Scan(&n)
	})
	o.addrs = [3]string{o.gateway.Addr(0).String(), o.gateway.Addr(1).String(), o.gateway.ConsoleAddr().String()}
	if o.crm, err = builtin.New(o.gateway.Store(), builtin.Config{Stages: []string{"线索", "意向", "报价", "谈判", "已成交", "已流失"}}); err != nil {
		o.t.Fatal(err)
	}
}

// tell says after a failure what the rules did.
func (o *office) tell() {
	for _, query := range []string{
		`SELECT rule || ' ' || title || ': ' || state || ' ' || reason FROM rule_runs ORDER BY made_at`,
		`SELECT run || ' ' || path || ' ' || kind || ' ' || title || ': ' || state || ' ' || reason FROM rule_effects ORDER BY made_at`,
		`SELECT kind || ' ' || key || ': ' || state || ' ' || last_error FROM jobs WHERE state <> 'completed' LIMIT 20`,
		`SELECT id || ' ' || kind || ' ' || account || ' ' || state FROM entries ORDER BY id DESC LIMIT 20`,
	} {
		rows, err := o.gateway.Store().Reader().QueryContext(context.Background(), query)
		if err != nil {
			o.t.Log(err)
			continue
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err == nil {
				o.t.Log(line)
			}
		}
		_ = rows.Err()
		_ = rows.Close()
	}
}

// adapt puts the office's domains into what is shipped.
func (o *office) adapt(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "example.com", o.domain), "customer.example", o.outside)
}

// own and customer are addresses.
func (o *office) own(name string) string      { return name + "@" + o.domain }
func (o *office) customer(name string) string { return name + "@" + o.outside }

// publish puts shipped rules in force, and waits until the records that they look at are watched.
func (o *office) publish(files ...string) {
	o.t.Helper()
	for _, file := range files {
		text, err := fs.ReadFile(shipped.Files, file)
		if err != nil {
			o.t.Fatal(err)
		}
		o.publishText(o.adapt(string(text)))
	}
	o.eventually("watch records", func() error {
		var waiting string
		err := o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `SELECT COALESCE(max(target || ' ' || object || ' ' || phase), '') FROM change_watches WHERE phase <> 'follow'`).Scan(&waiting)
		if err == nil && waiting != "" {
			err = errors.New(waiting)
		}
		return err
	})
}

func (o *office) publishText(text string) {
	o.t.Helper()
	rule, err := rules.Parse([]byte(text))
	if err != nil {
		o.t.Fatal(err)
	}
	around, err := gateway.Surroundings(o.cfg)
	if err != nil {
		o.t.Fatal(err)
	}
	if problems := rules.RunTests(o.t.Context(), rule, around); len(problems) > 0 {
		o.t.Fatal(problems)
	}
	book := rules.NewBook(o.gateway.Store(), o.clock.Now)
	if _, _, err := book.Publish(o.t.Context(), rule, rules.StateLive, -1, "", "test", around); err != nil {
		o.t.Fatal(err)
	}
	if !strings.Contains(text, "type: record") {
		return
	}
	o.eventually("begin to watch "+rule.ID, func() error {
		var n int
		var t struct{ Target, Object string }
		if err := json.Unmarshal(rule.Trigger.With, &t); err != nil {
			return err
		}
		err := o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `SELECT count(*) FROM change_watches WHERE target = $1 AND object = $2`, t.Target, t.Object).Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("nobody watches its records yet")
		}
		return err
	})
}

// eventually waits for something.
func (o *office) eventually(what string, f func() error) {
	o.t.Helper()
	o.eventuallyIn(patience, what, f)
}

func (o *office) eventuallyIn(limit time.Duration, what string, f func() error) {
	o.t.Helper()
	mailtest.Eventually(o.t, limit, func() error {
		if err := f(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// settle waits until no job is due: what could happen now has happened.
func (o *office) settle() {
	o.t.Helper()
	var since time.Time // real time: polls of mailboxes, changes and schedules come in between, each second
	o.eventually("settle", func() error {
		var n int
		var kinds string
		err := o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `
			SELECT count(*), COALESCE(group_concat(kind), '') FROM jobs WHERE state = 'running' OR state IN ('available', 'scheduled', 'retryable') AND run_at <= $1`,
			o.clock.Now().UnixMicro()).Scan(&n, &kinds)
		if err != nil {
			return err
		}
		if n > 0 {
			since = time.Time{}
			return fmt.Errorf("%d jobs are due: %s", n, kinds)
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < quiet {
			return errors.New("it is quiet for a moment only")
		}
		return nil
	})
}

// quiet is longer than all pauses of those who look for something to do.
const quiet = 1200 * time.Millisecond

// look lets the gateway ask all CRMs for changes, and act on them.
func (o *office) look() {
	o.t.Helper()
	asked := o.clock.Now().UnixMicro()
	o.after(2 * time.Minute) // each is asked once a minute
	o.eventually("ask for changes", func() error {
		var last int64
		err := o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `SELECT COALESCE(min(polled_at), 0) FROM change_watches`).Scan(&last)
		if err == nil && last <= asked {
			err = errors.New("nobody has asked yet")
		}
		return err
	})
	o.settle()
}

// after moves the clock, when nothing is under way, and lets what is due then happen.
func (o *office) after(d time.Duration) {
	o.t.Helper()
	o.settle()
	o.clock.offset.Add(int64(d))
	o.gateway.Queue().Wake("rule-run", "rule-event", "outbox")
}

// at moves the clock to a time.
func (o *office) at(when time.Time) {
	o.t.Helper()
	o.settle()
	d := when.Sub(o.clock.Now())
	if d < 0 {
		o.t.Fatalf("the clock would go back by %s", -d)
	}
	o.after(d)
}

// runs are the states of all runs of a rule, and why they failed.
func (o *office) runs(rule string) (states []string) {
	o.t.Helper()
	rows, err := o.gateway.Store().Reader().QueryContext(o.t.Context(), `SELECT state || ' ' || reason FROM rule_runs WHERE rule = $1 ORDER BY made_at`, rule)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			o.t.Fatal(err)
		}
		states = append(states, strings.TrimSpace(s))
	}
	if err := rows.Err(); err != nil {
		o.t.Fatal(err)
	}
	return states
}

// wantRuns waits until the runs of a rule are as they should be.
func (o *office) wantRuns(rule string, want ...string) {
	o.t.Helper()
	o.eventually("runs of "+rule, func() error {
		if got := sorted(o.runs(rule)); strings.Join(got, "|") != strings.Join(want, "|") {
			return fmt.Errorf("are %q, want %q", got, want)
		}
		return nil
	})
}

// chat is a group that is told of things.
type chat struct {
	server *httptest.Server
	mu     sync.Mutex // guards posts
	posts  []post
	told   func() // of each post; may be nil
}

type post struct {
	ID    string `json:"id"`
	Level string `json:"level"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Facts []struct{ Name, Value string }
}

func newChat(t *testing.T) *chat {
	c := &chat{}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Data post }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, p := range c.posts {
			if p.ID == body.Data.ID { // as a receiver of Standard Webhooks does
				w.WriteHeader(http.StatusOK)
				return
			}
		}
		c.posts = append(c.posts, body.Data)
		if c.told != nil {
			c.told()
		}
	}))
	t.Cleanup(c.server.Close)
	return c
}

func (c *chat) list() []post {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]post(nil), c.posts...)
}
