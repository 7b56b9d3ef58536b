package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/pace"
	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// maxRuns bounds the runs at a time, over all accounts: each has a connection, and buffers of a few chunks.
const maxRuns = 8

// Settings are what a reload of the configuration may change. A run takes them anew with each connection.
type Settings struct {
	Router  *upstream.Router
	Capture config.Capture
}

// Options are what a Runner works with.
type Options struct {
	Settings   func() Settings
	Journal    *journal.Journal
	Failures   *limit.Failures           // nil: failed logins are not counted
	Limiter    limit.Limiter             // holds the daily budgets; nil: there are none
	Pace       *pace.Governor            // nil holds nothing back
	Paused     func(account string) bool // whether nothing of an account is to be captured for now; must not wait; nil: nothing is paused
	Logger     *slog.Logger              // nil means none
	Registerer prometheus.Registerer
	// Backoff is the pause after the first lost connection; zero means a second. It doubles up to a minute.
	Backoff time.Duration
}

// Runner runs backfills and reconciliations. It may be used concurrently.
type Runner struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics

	ctx    context.Context // of all runs; Close ends it
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	active map[string]bool // guarded by mu: accounts that have a run
	closed bool            // guarded by mu
	runs   sync.WaitGroup
}

var (
	// ErrBusy says that the account has a run already.
	ErrBusy = errors.New("a backfill or reconciliation of this account is running already: wait for it, or end it")
	// ErrTooMany says that as many runs go on as may.
	ErrTooMany = fmt.Errorf("%d accounts are worked on already: wait for one of them", maxRuns)
	// ErrClosed says that the gateway is stopping.
	ErrClosed = errors.New("the gateway is stopping; the same command goes on where this one ended")
)

// New returns a Runner. It must be closed.
func New(o Options) *Runner {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Backoff <= 0 {
		o.Backoff = time.Second
	}
	r := &Runner{opts: o, log: o.Logger, metrics: newMetrics(o.Registerer), active: map[string]bool{}}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	return r
}

// Close ends all runs and waits for them.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel(ErrClosed)
	r.runs.Wait()
}

// Backfill fetches what the ledger does not know the end of. report is called from one goroutine; a
// slow one slows the run. The end of ctx stops the run between two chunks. The secret of req is wiped.
func (r *Runner) Backfill(ctx context.Context, req *Request, report func(Event)) (Result, error) {
	return r.run(ctx, "backfill", req, report, (*run).backfill)
}

// Reconcile compares mailboxes with the ledger. With req.Fix it closes the gaps as Backfill does.
func (r *Runner) Reconcile(ctx context.Context, req *Request, report func(Event)) (Result, error) {
	return r.run(ctx, "reconcile", req, report, (*run).reconcile)
}

func (r *Runner) run(ctx context.Context, command string, req *Request, report func(Event), work func(*run, context.Context) error) (Result, error) {
	defer func() { clear(req.Secret) }()
	if err := req.validate(); err != nil {
		return Result{}, err
	}
	account := upstream.Account(req.Account, "")
	if err := r.take(account); err != nil {
		return Result{}, err
	}
	defer r.give(account)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()

	w := newRun(r, req, account, report)
	w.log.Info("side session begins", "command", command, "dry_run", req.DryRun, "fix", req.Fix)
	err := work(w, ctx)
	w.disconnect()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	r.metrics.run(command, err)
	c := w.result.Counts
	w.log.Info("side session ended", "command", command, "captured", c.Captured, "excluded", c.Excluded, "gone", c.Gone,
		"failed", c.Failed, "bytes", c.Bytes, "err", err)
	return w.result, err
}

// take reserves an account. The lock is one of this process, as the journal and its ledger are.
func (r *Runner) take(account string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case r.active[account]:
		return fmt.Errorf("%s: %w", account, ErrBusy)
	case len(r.active) >= maxRuns:
		return ErrTooMany
	}
	r.active[account] = true
	r.runs.Add(1)
	r.metrics.sessions.Inc()
	return nil
}

func (r *Runner) give(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, account)
	r.metrics.sessions.Dec()
	r.runs.Done()
}

// here is the address of those who give credentials: the control socket is on this machine.
var here = netip.MustParseAddr("127.0.0.1")

// mayLogIn asks the guard that all fronts share: the upstream counts all failures as ours.
func (r *Runner) mayLogIn(ctx context.Context, user string) error {
	if r.opts.Failures == nil {
		return nil
	}
	wait, err := r.opts.Failures.Check(ctx, here, user)
	if err != nil || wait <= 0 {
		return nil // a guard that cannot decide keeps nobody out
	}
	return fmt.Errorf("there were too many failed logins of %s: try again in %v", user, (wait + time.Second).Truncate(time.Second))
}

// loggedIn tells the guard what became of a login.
func (r *Runner) loggedIn(ctx context.Context, user string, err error) {
	if r.opts.Failures == nil {
		return
	}
	var refused *LoginError
	switch {
	case err == nil:
		err = r.opts.Failures.Succeeded(ctx, here, user)
	case errors.As(err, &refused) && refused.Tried:
		err = r.opts.Failures.Failed(ctx, here, user)
	default:
		return
	}
	if err != nil {
		r.log.Warn("login not counted", "err", err)
	}
}

// metrics count what side sessions do. Every label has a closed set of values.
type metrics struct {
	sessions   prometheus.Gauge
	runs       *prometheus.CounterVec
	messages   *prometheus.CounterVec
	bytes      prometheus.Counter
	reconnects prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "heliograph", Subsystem: "imap", Name: name, Help: help}
	}
	m := &metrics{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts(opts("side_sessions", "Backfills and reconciliations that are running."))),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts(opts("side_runs_total",
			"Backfills and reconciliations by outcome: ok, login, stopped, error.")), []string{"command", "outcome"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts(opts("side_messages_total",
			"Messages that side sessions brought to an end: captured, excluded, gone, failed.")), []string{"outcome"}),
		bytes:      prometheus.NewCounter(prometheus.CounterOpts(opts("side_bytes_total", "Bytes of messages that side sessions fetched."))),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts(opts("side_reconnects_total", "Connections that side sessions lost and made again."))),
	}
	if r != nil {
		r.MustRegister(m.sessions, m.runs, m.messages, m.bytes, m.reconnects)
	}
	return m
}

func (m *metrics) run(command string, err error) {
	outcome := "error"
	var login *LoginError
	switch {
	case err == nil:
		outcome = "ok"
	case errors.As(err, &login):
		outcome = "login"
	case errors.Is(err, context.Canceled), errors.Is(err, ErrClosed):
		outcome = "stopped"
	}
	m.runs.WithLabelValues(command, outcome).Inc()
}
