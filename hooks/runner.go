package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Options configure a Runner.
type Options struct {
	Store      *store.DB             // the one of the journal and the queue
	Workers    int                   // events at once per hook; zero means 2
	Now        func() time.Time      // the queue's clock; nil means time.Now
	Logger     *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: metrics are not registered
}

const defaultWorkers = 2

// Runner feeds hooks from the journal.
type Runner struct {
	journal *journal.Journal
	queue   *queue.Queue
	hooks   []Hook
	o       Options
	events  *prometheus.CounterVec
	latency *prometheus.HistogramVec
}

// NewRunner returns a Runner of the given hooks. The journal's Options.Consumers must
// name them.
func NewRunner(j *journal.Journal, q *queue.Queue, hooks []Hook, o Options) *Runner {
	if o.Workers <= 0 {
		o.Workers = defaultWorkers
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Runner{
		journal: j, queue: q, hooks: hooks, o: o,
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_hook_events_total",
			Help: "Events handled, by hook and outcome (complete, retry, snooze, discard, panic).",
		}, []string{"hook", "outcome"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "heliograph_hook_seconds",
			Help:    "Time a hook took for one event.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9), // 1 ms to 65 s
		}, []string{"hook"}),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(r.events, r.latency)
	}
	return r
}

// Run works until ctx ends and the hooks have returned.
func (r *Runner) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range r.hooks {
		g.Go(func() error {
			err := r.queue.Work(ctx, queue.Worker{
				Kind:        Kind(h.Name()),
				Concurrency: r.o.Workers,
				Handle:      func(ctx context.Context, j queue.Job) queue.Result { return r.handle(ctx, h, j) },
			})
			if err != nil {
				return fmt.Errorf("running hook %s: %w", h.Name(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// handle runs one job. What ends as a dead letter is put into the ledger in the same transaction.
func (r *Runner) handle(ctx context.Context, h Hook, job queue.Job) queue.Result {
	began := time.Now()
	id, err := journal.ParseID(string(job.Payload))
	var out Outcome
	if err != nil {
		out = Dead(fmt.Errorf("reading the job: %w", err))
	} else {
		out = r.event(ctx, h, id)
	}
	r.latency.WithLabelValues(h.Name()).Observe(time.Since(began).Seconds())
	r.events.WithLabelValues(h.Name(), string(out.Action)).Inc()

	result := queue.Result{Job: job, Action: out.Action}
	if out.Err != nil {
		result.Reason = out.Err.Error()
		r.o.Logger.WarnContext(ctx, "event not handled", "hook", h.Name(), "entry", id.String(), "attempt", job.Attempt, "action", string(out.Action), "error", out.Err)
	}
	if out.After > 0 {
		result.At = r.o.Now().Add(out.After)
	}
	dead := out.Action == queue.Discard || out.Action == queue.Retry && job.MaxAttempts >= 0 && job.Attempt >= job.MaxAttempts
	if err != nil || ctx.Err() != nil || !dead && !r.revived(ctx, h, id, job, out) {
		return result
	}
	return r.settle(ctx, h, id, result, dead)
}

// revived tells whether the event was a dead letter once and is done now.
func (r *Runner) revived(ctx context.Context, h Hook, id journal.ID, job queue.Job, out Outcome) bool {
	if out.Action != queue.Complete || job.LastError == "" {
		return false
	}
	rows, err := r.journal.Ledger(ctx, journal.LedgerFilter{Entry: id, Target: Kind(h.Name()), State: journal.LedgerFailed, Limit: 1})
	return err == nil && len(rows) > 0
}

// settle writes the result and the ledger row together.
func (r *Runner) settle(ctx context.Context, h Hook, id journal.ID, result queue.Result, dead bool) queue.Result {
	row := journal.LedgerRow{Entry: id, Target: Kind(h.Name()), State: journal.LedgerCaptured, Reason: "handled after " + result.Job.LastError, At: r.o.Now()}
	if dead {
		row.State, row.Reason = journal.LedgerFailed, result.Reason
	}
	if e, err := r.journal.Entry(ctx, id); err == nil {
		row.Account = e.Account
	}
	err := r.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := r.journal.Note(ctx, tx, row); err != nil {
			return err
		}
		return r.queue.Finish(ctx, tx, result)
	})
	switch {
	case err == nil:
		r.queue.Wake(result.Job.Kind)
		return queue.Result{Job: result.Job, Action: queue.Settled}
	case errors.Is(err, queue.ErrFenced):
		return result // the queue says so
	}
	r.o.Logger.WarnContext(ctx, "ledger not written", "hook", h.Name(), "entry", id.String(), "error", err)
	return result
}

// event reads the entry and calls the hook.
func (r *Runner) event(ctx context.Context, h Hook, id journal.ID) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			r.events.WithLabelValues(h.Name(), "panic").Inc()
			r.o.Logger.ErrorContext(ctx, "hook panicked", "hook", h.Name(), "entry", id.String(), "panic", v, "stack", string(debug.Stack()))
			out = Retry(fmt.Errorf("panic: %v", v), 0)
		}
	}()
	e, err := r.journal.Entry(ctx, id)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return Dead(fmt.Errorf("reading entry %s: %w", id, err))
	case err != nil:
		return Retry(fmt.Errorf("reading entry %s: %w", id, err), 0)
	}
	return h.Handle(ctx, Event{
		Entry: e,
		Body:  func(ctx context.Context) (io.ReadCloser, error) { return r.journal.Body(ctx, e) },
	})
}
