package mirror_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// clock runs with the wall and can be set forward, so that no test waits for a backoff.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// crm is the edge: a CRM in memory that is as idempotent as a Client promises.
type crm struct {
	mu         sync.Mutex
	contacts   map[string]crmclient.Contact
	created    []crmclient.Person
	owners     []string
	activities map[string]*crmclient.Activity
	order      []string // keys as they were first logged
	calls      int
	// before may fail a call before it has an effect, after when it had it. n counts calls from 1.
	before, after func(ctx context.Context, n int) error
	createErr     error
	changes       // what came after
}

func newCRM(known ...string) *crm {
	c := &crm{contacts: map[string]crmclient.Contact{}, activities: map[string]*crmclient.Activity{}}
	for _, a := range known {
		c.contacts[a] = crmclient.Contact{ID: "c-" + a, Kind: "contact", Address: a}
	}
	return c
}

func (c *crm) FindContacts(_ context.Context, addresses []string) ([]crmclient.Contact, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []crmclient.Contact
	for _, a := range addresses {
		if found, ok := c.contacts[a]; ok {
			out = append(out, found)
		}
	}
	return out, nil
}

func (c *crm) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	c.mu.Lock()
	c.calls++
	n, before, after := c.calls, c.before, c.after
	c.mu.Unlock()
	if before != nil {
		if err := before(ctx, n); err != nil {
			return crmclient.Receipt{}, err
		}
	}
	c.mu.Lock()
	_, known := c.activities[a.Key]
	if !known {
		c.activities[a.Key] = a
		c.order = append(c.order, a.Key)
	}
	c.mu.Unlock()
	if after != nil {
		if err := after(ctx, n); err != nil {
			return crmclient.Receipt{}, err
		}
	}
	return crmclient.Receipt{RemoteID: "r-" + a.Key, Duplicate: known}, nil
}

func (c *crm) CreateContact(_ context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.createErr != nil {
		return crmclient.Contact{}, c.createErr
	}
	if found, ok := c.contacts[p.Address]; ok {
		return found, nil // as the interface wants: two messages may find at the same moment that somebody is missing
	}
	c.created = append(c.created, p)
	c.owners = append(c.owners, owner)
	found := crmclient.Contact{ID: "n-" + p.Address, Kind: "contact", Address: p.Address, Name: p.Name}
	c.contacts[p.Address] = found
	return found, nil
}

func (c *crm) logged() []*crmclient.Activity {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*crmclient.Activity
	for _, k := range c.order {
		out = append(out, c.activities[k])
	}
	return out
}

func (c *crm) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.order)
}

func (c *crm) called() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// office is a gateway's second half: journal, queue, store, runner and mirror.
type office struct {
	t       testing.TB
	dir     string
	db      *store.DB
	clock   *clock
	options mirror.Options
	journal *journal.Journal
	queue   *queue.Queue
	mirror  *mirror.Mirror
	links   *mirror.Links
	workers int // events at once
	stops   []func()
}

func internal(address string) bool { return strings.HasSuffix(address, "@example.com") }

// linkURL is what stands before the tokens of links.
const linkURL = "https://gw.example.com/files/"

// open builds the office on a database. Nothing runs until start.
func open(t testing.TB, db *store.DB, o mirror.Options) *office {
	t.Helper()
	w := &office{t: t, dir: t.TempDir(), db: db, clock: &clock{}, options: o, workers: 8}
	w.reopen()
	t.Cleanup(w.close)
	return w
}

// reopen is what a restart of the process does.
func (w *office) reopen() {
	w.t.Helper()
	w.close()
	w.queue = queue.Open(w.db, queue.Options{Now: w.clock.now, Poll: 20 * time.Millisecond})
	j, err := journal.Open(w.t.Context(), journal.Options{
		Dir: filepath.Join(w.dir, "journal"), KeyFile: filepath.Join(w.dir, "master.key"), Store: w.db, Queue: w.queue,
		Sync: config.SyncAlways, UnconfirmedAfter: 300 * time.Millisecond, SegmentBytes: 1 << 20, Consumers: []string{mirror.Name},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.journal = j
	o := w.options
	o.Store, o.Queue, o.Journal, o.Now, o.Internal = w.db, w.queue, j, w.clock.now, internal
	w.links = mirror.NewLinks(mirror.LinkOptions{Store: w.db, Journal: j, Masking: o.Masking, URL: linkURL, Now: w.clock.now})
	o.Links = w.links
	w.mirror = mirror.New(o)
}

func (w *office) close() {
	w.stop()
	if w.journal != nil {
		if err := w.journal.Close(); err != nil {
			w.t.Error(err)
		}
		w.queue.Close()
		w.journal = nil
	}
}

// run starts something that ends with its ctx.
func (w *office) run(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	w.stops = append(w.stops, func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("stopping: %v", err)
		}
	})
}

func (w *office) startHooks() {
	w.run(hooks.NewRunner(w.journal, w.queue, []hooks.Hook{w.mirror}, hooks.Options{Store: w.db, Workers: w.workers}).Run)
}

func (w *office) start() {
	w.startHooks()
	w.run(w.mirror.Run)
}

func (w *office) stop() {
	for _, stop := range w.stops {
		stop()
	}
	w.stops = nil
}

// mail describes one submission.
type mail struct {
	account    string
	reverse    string
	recipients []journal.Recipient
	kind       journal.Kind
	raw        string
	unsure     bool      // the verdict never comes
	at         time.Time // when it was submitted; zero means now
}

func to(addresses ...string) []journal.Recipient {
	var out []journal.Recipient
	for _, a := range addresses {
		out = append(out, journal.Recipient{Address: a, Code: 250})
	}
	return out
}

// submit puts a mail into the journal as the proxy does.
func (w *office) submit(m mail) journal.ID {
	w.t.Helper()
	if m.kind == "" {
		m.kind = journal.KindSubmission
	}
	if m.reverse == "" && m.account != "" {
		m.reverse = m.account
	}
	if m.at.IsZero() {
		m.at = time.Now()
	}
	raw := strings.ReplaceAll(m.raw, "\n", "\r\n")
	env := &journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: m.kind, Account: m.account, Upstream: "main", Listener: ":587",
		ReversePath: m.reverse, Recipients: m.recipients, Received: m.at, Size: int64(len(raw)),
	}
	p := w.journal.Begin(env)
	if _, err := p.Write([]byte(raw)); err != nil {
		w.t.Fatal(err)
	}
	if err := p.Seal(w.t.Context(), env); err != nil {
		w.t.Fatal(err)
	}
	if !m.unsure {
		p.Commit(journal.Verdict{Code: 250, Text: "2.0.0 queued", At: time.Now()})
	}
	return env.ID
}

// eventually polls until cond holds.
func (w *office) eventually(what string, cond func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			rows, _ := w.journal.Ledger(w.t.Context(), journal.LedgerFilter{Limit: 50})
			jobs, _ := w.queue.List(w.t.Context(), queue.Filter{})
			w.t.Fatalf("waiting in vain: %s\nledger: %+v\njobs: %+v", what, rows, jobs)
		case <-tick.C:
		}
	}
}

// states returns "state" or "state: reason" of the ledger rows of a target, sorted.
func (w *office) states(target string) []string {
	w.t.Helper()
	rows, err := w.journal.Ledger(w.t.Context(), journal.LedgerFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	out := []string{}
	for _, r := range rows {
		if r.Target != target {
			continue
		}
		s := string(r.State)
		if r.Reason != "" {
			s += ": " + r.Reason
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// awaitStates waits until the ledger rows of a target are these.
func (w *office) awaitStates(target string, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	w.eventually(fmt.Sprintf("ledger of %s is %q", target, want), func() bool { return slices.Equal(w.states(target), want) })
}

func oneTarget(c crmclient.Client) mirror.Options {
	return mirror.Options{Targets: []mirror.Target{{Name: "crm", Client: c}}}
}
