package watch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/pace"
	"heliograph/internal/store"
	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// Settings are what a reload of the configuration may change. They are taken anew with each connection.
type Settings struct {
	Router *upstream.Router
	Book   *accounts.Book
}

// Options are what a Watcher works with. Settings, Journal, Store and Claims are required.
type Options struct {
	Settings   func() Settings // must not wait
	Journal    *journal.Journal
	Store      *store.DB
	Claims     limit.Claimer             // one node watches an account at a time
	Limiter    limit.Limiter             // holds the daily budgets; nil: there are none
	Failures   *limit.Failures           // nil: failed logins are not counted
	Pace       *pace.Governor            // nil holds nothing back
	Paused     func(account string) bool // whether nothing of an account is to be captured for now; must not wait; nil: nothing is paused
	Node       string                    // name of this node, for people
	Version    string                    // in ID
	Logger     *slog.Logger              // nil means none
	Registerer prometheus.Registerer

	times times
}

// times are how long things take. Tests have less time.
type times struct {
	lease    time.Duration // how long a node that died keeps an account
	backoff  time.Duration // after the first lost connection; it doubles up to maxBackoff
	second   time.Duration // between the first and the second try of a login that is refused
	again    time.Duration // between two looks whether an account was enrolled again
	refused  time.Duration // after which a refused login is tried all the same: providers have bad hours
	silence  time.Duration // how long a server may say nothing while a command runs
	quiet    time.Duration // how long it may say nothing during IDLE
	whole    time.Duration // between two looks at all that is in a mailbox
	unsettle time.Duration // between two tries of a message that another session has claimed
	flush    time.Duration // between two writes of states
	trial    time.Duration // after which a server that is away is tried again; it doubles
	least    time.Duration // an IDLE that ends sooner without news is a broken one
}

// usual are the times outside of tests.
func usual() times {
	return times{
		lease: 30 * time.Second, backoff: time.Second, second: time.Minute, again: 5 * time.Second, refused: 6 * time.Hour,
		silence: time.Minute, quiet: 5 * time.Minute, whole: time.Hour, unsettle: 5 * time.Second, flush: 2 * time.Second,
		trial: 5 * time.Second, least: time.Second,
	}
}

const (
	// maxBackoff bounds the pause between two connections.
	maxBackoff = 5 * time.Minute
	// steady is how long a connection lasts that was a good one.
	steady = time.Minute
)

// Watcher watches mailboxes. It may be used concurrently. It must be closed.
type Watcher struct {
	opts    Options
	times   times
	log     *slog.Logger
	metrics *metrics
	record  *record
	owner   string // of leases

	ctx    context.Context // of all accounts
	cancel context.CancelFunc
	work   sync.WaitGroup
	writer sync.WaitGroup
	stop   context.CancelFunc // of the writer

	mu       sync.Mutex // guards the fields below
	accounts map[string]*account
	circuits map[string]*circuit // by upstream
	closed   bool
}

// New returns a Watcher that watches nothing yet.
func New(o Options) *Watcher {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{
		opts: o, times: o.times, log: o.Logger, owner: o.Node + "-" + rand.Text(),
		accounts: map[string]*account{}, circuits: map[string]*circuit{},
	}
	if w.times == (times{}) {
		w.times = usual()
	}
	w.metrics = newMetrics(o.Registerer, w.Rows)
	w.record = newRecord(o.Store, o.Node, w.metrics)
	w.ctx, w.cancel = context.WithCancel(context.Background())
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	w.writer.Go(func() { w.record.run(ctx, w.times.flush) })
	return w
}

// Set puts a list of watches in force. Accounts whose entry and upstream are as before go on undisturbed, but for one whose
// login was refused: it is tried again.
func (w *Watcher) Set(list []config.Watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	set := w.opts.Settings()
	watched := map[string]bool{}
	for _, cfg := range list {
		var up config.Upstream
		if u, err := set.Router.Route(cfg.Upstream, "", cfg.Address); err == nil {
			up = u.Config()
		}
		address := accountOf(cfg.Address)
		watched[address] = true
		old := w.accounts[address]
		switch {
		case old == nil:
		case reflect.DeepEqual(old.cfg, cfg) && reflect.DeepEqual(old.up, up):
			old.gate.kick()
			continue
		default:
			old.cancel()
		}
		w.accounts[address] = newAccount(w, cfg, up)
		w.accounts[address].start(old)
	}
	for address, old := range w.accounts {
		if watched[address] {
			continue
		}
		old.cancel()
		delete(w.accounts, address)
		w.work.Go(func() {
			<-old.done
			w.record.keep(address, nil)
		})
	}
	w.work.Go(func() { w.forget(watched) })
}

// forget deletes what is stored of other accounts, as soon as the store is there.
func (w *Watcher) forget(watched map[string]bool) {
	for pause := w.times.backoff; ; pause = min(2*pause, maxBackoff) {
		err := w.record.forget(w.ctx, watched)
		if err == nil || sleep(w.ctx, jitter(pause)) != nil {
			return
		}
	}
}

// Close ends all watches and waits for them, until ctx ends.
func (w *Watcher) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.work.Wait()
		w.stop()
		w.writer.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for watched mailboxes: %w", context.Cause(ctx))
	}
}

// Rows tells how it stands with each mailbox, sorted by account and name.
func (w *Watcher) Rows() []Row { return w.record.list() }

// Err says which mailboxes somebody must look after; nil: none.
func (w *Watcher) Err() error {
	var list []string
	for _, row := range w.Rows() {
		if row.State != StateRefused && row.State != StateFailed {
			continue
		}
		text := row.Account + ": " + row.Detail
		if row.State == StateFailed {
			text = row.Account + " " + row.Mailbox + ": " + row.Detail
		}
		if !slices.Contains(list, text) { // a refused login is all mailboxes'
			list = append(list, text)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return errors.New(strings.Join(list, "; "))
}

// circuit returns the one of an upstream.
func (w *Watcher) circuit(name string) *circuit {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.circuits[name]
	if c == nil {
		c = &circuit{first: w.times.trial}
		w.circuits[name] = c
	}
	return c
}

// jitter spreads those who wait for the same thing: between three quarters of d and all of it, and a quarter.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d*3/4 + mathrand.N(d/2+1)
}

// sleep waits for d. Its error is that of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// account names accounts as the journal does.
func accountOf(address string) string { return strings.ToLower(upstream.Account(address, "")) }
