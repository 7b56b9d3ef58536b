package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"heliograph/internal/pace"

	"heliograph/internal/store"
)

// Worker says how jobs of one kind are handled.
type Worker struct {
	Kind        string
	Concurrency int // handlers at once; zero means 1
	// Lease is how long a job belongs to this worker without a sign of life; zero means 1 min.
	// While the handler runs the lease is prolonged, so it bounds not the handler but how
	// long a crash delays a job.
	Lease time.Duration
	// Grace is how long handlers may go on after their ctx ended; zero means 10 s.
	Grace time.Duration
	// Handle does the work of one job. Its ctx ends when Work is to stop or the lease is lost. A
	// panic counts as Retry. Result.Job need not be set. After ctx ended, Retry is taken as
	// Snooze: to be stopped is not the job's failure.
	Handle func(ctx context.Context, job Job) Result
}

const (
	defaultLease = time.Minute
	defaultGrace = 10 * time.Second
	// finishMax bounds the results that one transaction finishes.
	finishMax = 128
	// maxPause bounds the wait after an error of the database.
	maxPause   = 10 * time.Second
	pruneEvery = time.Hour
)

// run is one running Work.
type run struct {
	Worker
	q       *Queue
	wake    chan struct{}
	freed   chan struct{} // a handler has returned
	results chan Result
	// abandoned is closed when handlers that overran Grace are no longer waited for.
	abandoned chan struct{}
	handlers  sync.WaitGroup

	mu     sync.Mutex
	held   map[int64]*held // guarded by mu: claimed and not finished yet
	inHand int             // guarded by mu: handlers that run
}

// held is a claimed job.
type held struct {
	job    Job
	cancel context.CancelCauseFunc
}

// Work claims and handles jobs until ctx ends. Then it claims no more, ends the
// handlers' ctx, writes down what they return, and gives back what they did not finish. It
// returns nil, or an error when handlers overran Grace: their jobs stay leased until
// the lease expires, so that nobody runs them a second time meanwhile.
func (q *Queue) Work(ctx context.Context, w Worker) error {
	if w.Kind == "" || w.Handle == nil {
		return errors.New("working on jobs: a worker needs a kind and a handler")
	}
	w.Concurrency = max(w.Concurrency, 1)
	if w.Lease <= 0 {
		w.Lease = defaultLease
	}
	if w.Grace <= 0 {
		w.Grace = defaultGrace
	}
	r := &run{
		Worker: w, q: q,
		wake: make(chan struct{}, 1), freed: make(chan struct{}, 1),
		results: make(chan Result, w.Concurrency), abandoned: make(chan struct{}),
		held: map[int64]*held{},
	}
	q.mu.Lock()
	q.wakers[r.wake] = w.Kind
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.wakers, r.wake)
		q.mu.Unlock()
	}()

	// Finishing and extending go on until the last handler has returned.
	after, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	returned, finished := make(chan struct{}), make(chan struct{})
	go func() {
		r.finishAll(after, returned)
		close(finished)
	}()
	var extender sync.WaitGroup
	extender.Go(func() { r.extendAll(after) })
	r.claimAll(ctx)

	err := r.awaitHandlers()
	close(returned)
	// What is left to write may take as long again, and no longer.
	timer := time.AfterFunc(w.Grace, stop)
	defer timer.Stop()
	<-finished
	stop()
	extender.Wait()
	return err
}

// claimAll starts handlers until ctx ends.
func (r *run) claimAll(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		free := r.free()
		var claimed []Job
		var err error
		if free > 0 {
			claimed, err = r.q.Claim(ctx, r.Kind, free, r.Lease)
		}
		for _, j := range claimed {
			r.start(ctx, j)
		}
		pause := r.q.o.Poll
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			pause = min(pause<<min(failures, 10), maxPause)
			r.q.o.Logger.WarnContext(ctx, "jobs not claimed", "kind", r.Kind, "error", err, "pause", pause)
		default:
			failures = 0
		}
		// When all slots are taken there may be more jobs, so a slot that comes free is filled at once.
		r.pause(ctx, pause, err != nil, len(claimed) == free)
		r.pruneSometimes(ctx)
	}
}

// pause waits for something to do.
func (r *run) pause(ctx context.Context, d time.Duration, failed, full bool) {
	wake, freed := r.wake, r.freed
	if failed {
		wake = nil // neither helps a database in trouble
	}
	if failed || !full {
		freed = nil
	}
	// A little spread, so that the nodes do not all ask at once.
	timer := time.NewTimer(d - rand.N(d/8+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-freed:
	case <-timer.C:
	}
}

func (r *run) free() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Concurrency - r.inHand
}

// start runs the handler of one job.
func (r *run) start(ctx context.Context, j Job) {
	ctx, cancel := context.WithCancelCause(ctx)
	r.mu.Lock()
	r.held[j.ID] = &held{job: j, cancel: cancel}
	r.inHand++
	r.mu.Unlock()
	r.handlers.Go(func() {
		defer cancel(nil)
		begin := time.Now()
		result := r.handle(ctx, j)
		r.q.metrics.handle.WithLabelValues(r.Kind).Observe(time.Since(begin).Seconds())
		select {
		case r.results <- result:
		case <-r.abandoned:
		}
		r.mu.Lock()
		r.inHand--
		r.mu.Unlock()
		signal(r.freed)
	})
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// handle calls the handler and makes its result complete.
func (r *run) handle(ctx context.Context, j Job) (result Result) {
	defer func() {
		if v := recover(); v != nil {
			r.q.metrics.outcome(r.Kind, "panic", 1)
			r.q.o.Logger.ErrorContext(ctx, "job handler panicked", "kind", r.Kind, "job", j.ID, "panic", v, "stack", string(debug.Stack()))
			result = Result{Action: Retry, Reason: fmt.Sprintf("panic: %v", v)}
		}
		result.Job = j
		if result.Action == Retry && ctx.Err() != nil {
			result.Action, result.At = Snooze, time.Time{}
		}
	}()
	if ctx.Err() != nil {
		return Result{Action: Snooze, Reason: "stopped before it began"}
	}
	if err := r.q.o.Pace.Do(ctx, pace.Waits, func() { result = r.Handle(ctx, j) }); err != nil {
		return Result{Action: Snooze, Reason: "stopped before it began"}
	}
	switch result.Action {
	case Complete, Retry, Snooze, Discard, Cancel, Settled:
		return result
	}
	return Result{Action: Retry, Reason: fmt.Sprintf("the handler returned the unknown action %q", result.Action)}
}

// finishAll writes results in batches until all handlers have returned.
func (r *run) finishAll(ctx context.Context, returned <-chan struct{}) {
	for {
		select {
		case first := <-r.results:
			r.finish(ctx, first)
		case <-returned:
			select {
			case first := <-r.results:
				r.finish(ctx, first)
			default:
				return
			}
		}
	}
}

// finish writes first and what came in with it, and tries until that is done.
func (r *run) finish(ctx context.Context, first Result) {
	batch := []Result{first}
	for len(batch) < finishMax {
		select {
		case next := <-r.results:
			batch = append(batch, next)
			continue
		default:
		}
		break
	}
	var write []Result
	ordered := false
	for _, b := range batch {
		ordered = ordered || b.Job.OrderKey != ""
		if b.Action != Settled {
			write = append(write, b)
		}
	}
	var fenced *FencedError
	for pause := 50 * time.Millisecond; len(write) > 0; pause = min(2*pause, maxPause) {
		err := r.q.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			fenced = nil
			err := r.q.Finish(ctx, tx, write...)
			if errors.As(err, &fenced) {
				return nil // the others count
			}
			return err
		})
		if err == nil {
			break
		}
		r.q.o.Logger.WarnContext(ctx, "job results not written", "kind", r.Kind, "results", len(write), "error", err)
		if !wait(ctx, pause) {
			return // the leases will expire
		}
	}
	r.release(batch, fenced)
	if ordered {
		signal(r.wake) // the next of the order key may go
	}
}

// release forgets jobs that are finished.
func (r *run) release(batch []Result, fenced *FencedError) {
	lost := map[int64]bool{}
	if fenced != nil {
		for _, id := range fenced.IDs {
			lost[id] = true
		}
		r.q.o.Logger.Warn("job results came too late", "kind", r.Kind, "jobs", fenced.IDs)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range batch {
		outcome := string(b.Action)
		if lost[b.Job.ID] {
			outcome = "fenced"
		}
		r.q.metrics.outcome(r.Kind, outcome, 1)
		delete(r.held, b.Job.ID)
	}
}

// wait returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// extendAll prolongs the leases of all held jobs each half lease.
func (r *run) extendAll(ctx context.Context) {
	pause := r.Lease / 2
	for wait(ctx, pause) {
		r.mu.Lock()
		jobs := make([]Job, 0, len(r.held))
		for _, h := range r.held {
			jobs = append(jobs, h.job)
		}
		r.mu.Unlock()
		pause = r.Lease / 2
		if len(jobs) == 0 {
			continue
		}
		fenced, err := r.q.extend(ctx, jobs, r.Lease)
		if err != nil && ctx.Err() == nil {
			r.q.o.Logger.WarnContext(ctx, "leases not extended", "kind", r.Kind, "jobs", len(jobs), "error", err)
			pause = r.Lease / 8
		}
		r.mu.Lock()
		for _, id := range fenced {
			if h := r.held[id]; h != nil {
				h.cancel(ErrFenced)
			}
		}
		r.mu.Unlock()
	}
}

// awaitHandlers waits for the handlers, whose ctx has ended, but not longer than Grace.
func (r *run) awaitHandlers() error {
	done := make(chan struct{})
	go func() {
		r.handlers.Wait()
		close(done)
	}()
	timer := time.NewTimer(r.Grace)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
	}
	close(r.abandoned)
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Errorf("stopping %s workers: %d handlers still run %v after they were told to end", r.Kind, r.inHand, r.Grace)
}

// pruneSometimes prunes once an hour per process.
func (r *run) pruneSometimes(ctx context.Context) {
	r.q.mu.Lock()
	due := time.Since(r.q.pruned) > pruneEvery
	if due {
		r.q.pruned = time.Now()
	}
	r.q.mu.Unlock()
	if !due || ctx.Err() != nil {
		return
	}
	if n, err := r.q.Prune(ctx); err != nil && ctx.Err() == nil {
		r.q.o.Logger.WarnContext(ctx, "old jobs not pruned", "error", err)
	} else if n > 0 {
		r.q.o.Logger.InfoContext(ctx, "old jobs pruned", "jobs", n)
	}
}
