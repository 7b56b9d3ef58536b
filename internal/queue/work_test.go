package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// eventually fails the test unless ok becomes true in reasonable time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited too long for: %s", what)
		}
	}
}

// work runs a worker until the returned function is called or the test ends.
func work(t testing.TB, q *queue.Queue, w queue.Worker) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- q.Work(ctx, w) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func complete(context.Context, queue.Job) queue.Result { return queue.Result{Action: queue.Complete} }

// count counts the jobs in a state.
func (b *bench) count(state queue.State) int {
	b.t.Helper()
	var n int
	err := b.db.Reader().QueryRowContext(context.WithoutCancel(b.t.Context()), `SELECT count(*) FROM jobs WHERE kind = 'k' AND state = $1`, string(state)).Scan(&n)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// realTime returns a bench with the real clock.
func realTime(t testing.TB, db *store.DB) *bench {
	return &bench{queue.Open(db, queue.Options{Poll: 20 * time.Millisecond}), t, db, nil}
}

func TestWorkHandlesEachJobOnceAndOrderKeysInOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := realTime(t, db)
		const jobs, orders, workers = 210, 7, 4
		var mu sync.Mutex // guards seen, last and running
		seen, last, running := map[string]int{}, map[string]int{}, map[string]bool{}
		handle := func(_ context.Context, j queue.Job) queue.Result {
			mu.Lock()
			seen[j.Key]++
			var n int
			_, _ = fmt.Sscan(j.Key, &n)
			if j.OrderKey != "" {
				if running[j.OrderKey] {
					t.Errorf("two jobs of %s at once", j.OrderKey)
				}
				if prev, ok := last[j.OrderKey]; ok && n < prev {
					t.Errorf("%s: %d after %d", j.OrderKey, n, prev)
				}
				running[j.OrderKey], last[j.OrderKey] = true, n
			}
			mu.Unlock()
			mu.Lock()
			running[j.OrderKey] = false
			mu.Unlock()
			return queue.Result{Action: queue.Complete}
		}
		for range workers {
			work(t, b.Queue, queue.Worker{Kind: "k", Concurrency: 8, Handle: handle})
		}
		var batch []queue.New
		for i := range jobs {
			n := queue.New{Kind: "k", Key: fmt.Sprint(i)}
			if i%3 != 0 {
				n.OrderKey = fmt.Sprint("o", i%orders)
			}
			if batch = append(batch, n); len(batch) == 1+i%6 {
				b.add(batch...)
				b.Wake()
				batch = nil
			}
		}
		b.add(batch...)
		eventually(t, "all jobs", func() bool { return b.count(queue.StateCompleted) == jobs })
		mu.Lock()
		defer mu.Unlock()
		for key, n := range seen {
			if n != 1 {
				t.Errorf("job %s was handled %d times", key, n)
			}
		}
	})
}

// Adders, claimers and finishers of one order key at once: nobody is left blocked.
func TestOrderKeysUnderConcurrentAdds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := realTime(t, db)
		const adders, each = 6, 12
		var running, done atomic.Int64
		work(t, b.Queue, queue.Worker{Kind: "k", Concurrency: 4, Handle: func(context.Context, queue.Job) queue.Result {
			if running.Add(1) > 1 {
				t.Error("two at once")
			}
			running.Add(-1)
			done.Add(1)
			return queue.Result{Action: queue.Complete}
		}})
		var wg sync.WaitGroup
		for range adders {
			wg.Go(func() {
				for range each {
					b.add(queue.New{Kind: "k", OrderKey: "one"})
					b.Wake("k")
				}
			})
		}
		wg.Wait()
		eventually(t, "all jobs", func() bool { return done.Load() == adders*each })
	})
}

func TestConcurrentClaimersShareNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		const jobs = 200
		var all []queue.New
		for range jobs {
			all = append(all, queue.New{Kind: "k"})
		}
		b.add(all...)
		var mu sync.Mutex // guards claimed
		claimed := map[int64]int{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					got, err := b.Claim(t.Context(), "k", 7, time.Minute)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, j := range got {
						claimed[j.ID]++
					}
					n := len(claimed)
					mu.Unlock()
					if n == jobs {
						return
					}
				}
			})
		}
		wg.Wait()
		for id, n := range claimed {
			if n != 1 {
				t.Errorf("job %d was claimed %d times", id, n)
			}
		}
	})
}

// A worker that dies between claim and finish leaves a job that another one gets.
func TestCrashBetweenClaimAndFinish(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := realTime(t, db)
		b.add(queue.New{Kind: "k", Key: "a", OrderKey: "o"}, queue.New{Kind: "k", Key: "b", OrderKey: "o"})
		if jobs, err := b.Claim(t.Context(), "k", 1, 50*time.Millisecond); len(jobs) != 1 || err != nil {
			t.Fatalf("Claim = %v, %v", jobs, err)
		}
		var order []string
		var mu sync.Mutex // guards order
		work(t, b.Queue, queue.Worker{Kind: "k", Concurrency: 2, Handle: func(_ context.Context, j queue.Job) queue.Result {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, fmt.Sprint(j.Key, j.Attempt))
			return queue.Result{Action: queue.Complete}
		}})
		eventually(t, "both jobs", func() bool { return b.count(queue.StateCompleted) == 2 })
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(order, " "); got != "a2 b1" {
			t.Errorf("handled %q", got)
		}
	})
}

func TestWorkExtendsLeases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := realTime(t, db)
		b.add(queue.New{Kind: "k", Key: "a"})
		const lease = 400 * time.Millisecond
		var first time.Time
		var calls atomic.Int64
		work(t, b.Queue, queue.Worker{Kind: "k", Concurrency: 2, Lease: lease, Handle: func(ctx context.Context, j queue.Job) queue.Result {
			calls.Add(1)
			first = j.LeaseUntil
			eventually(t, "the lease to be prolonged twice", func() bool { return b.one("a").LeaseUntil.After(first.Add(lease * 3 / 4)) })
			return queue.Result{Action: queue.Complete}
		}})
		eventually(t, "the job", func() bool { return b.count(queue.StateCompleted) == 1 })
		if n := calls.Load(); n != 1 {
			t.Errorf("handled %d times", n)
		}
	})
}

// A handler whose job was dropped hears of it, and its result changes nothing.
func TestWorkTellsTheHandlerThatTheLeaseIsLost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := realTime(t, db)
		b.add(queue.New{Kind: "k", Key: "a"})
		started := make(chan struct{})
		cause := make(chan error, 1)
		work(t, b.Queue, queue.Worker{Kind: "k", Lease: 100 * time.Millisecond, Handle: func(ctx context.Context, _ queue.Job) queue.Result {
			close(started)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return queue.Result{Action: queue.Complete}
		}})
		<-started
		if n, err := b.Drop(t.Context(), "enough", b.one("a").ID); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if err := <-cause; !errors.Is(err, queue.ErrFenced) {
			t.Errorf("the handler's ctx ended with %v", err)
		}
		if j := b.one("a"); j.State != queue.StateCancelled {
			t.Errorf("got %+v", j)
		}
	})
}

func TestWorkContainsPanicsAndNonsense(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(context.Context, queue.Job) queue.Result{
		"panic: boom":    func(context.Context, queue.Job) queue.Result { panic("boom") },
		"unknown action": func(context.Context, queue.Job) queue.Result { return queue.Result{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := realTime(t, storetest.SQLite(t))
			b.add(queue.New{Kind: "k", Key: "a"})
			work(t, b.Queue, queue.Worker{Kind: "k", Handle: handle})
			eventually(t, "the retry", func() bool { return b.count(queue.StateRetryable) == 1 })
			if j := b.one("a"); !strings.Contains(j.LastError, name) || j.Attempt != 1 {
				t.Errorf("got %+v", j)
			}
		})
	}
}

func TestWorkStopsGracefully(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := realTime(t, db)
		b.add(queue.New{Kind: "k", Key: "done"}, queue.New{Kind: "k", Key: "failed"}, queue.New{Kind: "k", Key: "unclaimed"})
		var started sync.WaitGroup
		started.Add(2)
		stop := work(t, b.Queue, queue.Worker{Kind: "k", Concurrency: 2, Handle: func(ctx context.Context, j queue.Job) queue.Result {
			started.Done()
			<-ctx.Done()
			if j.Key == "done" {
				return queue.Result{Action: queue.Complete}
			}
			return queue.Result{Action: queue.Retry, Reason: ctx.Err().Error()}
		}})
		started.Wait()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if j := b.one("done"); j.State != queue.StateCompleted {
			t.Errorf("a job that was finished during the stop: %+v", j)
		}
		if j := b.one("failed"); j.State != queue.StateAvailable || j.Attempt != 0 {
			t.Errorf("a job that was interrupted: %+v", j)
		}
		if j := b.one("unclaimed"); j.State != queue.StateAvailable {
			t.Errorf("a job that nobody had claimed: %+v", j)
		}
	})
}

// A handler that does not end keeps its lease: nobody runs the job a second time beside it.
func TestWorkDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	b := realTime(t, storetest.SQLite(t))
	b.add(queue.New{Kind: "k", Key: "a"})
	started, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	stop := work(t, b.Queue, queue.Worker{Kind: "k", Grace: 20 * time.Millisecond, Handle: func(context.Context, queue.Job) queue.Result {
		defer close(ended)
		close(started)
		<-release
		return queue.Result{Action: queue.Complete}
	}})
	<-started
	if err := stop(); err == nil || !strings.Contains(err.Error(), "1 handlers still run") {
		t.Errorf("Work returned %v", err)
	}
	if j := b.one("a"); j.State != queue.StateRunning {
		t.Errorf("got %+v", j)
	}
	close(release)
	<-ended
}

// The handler ends the job itself, together with rows of its own.
func TestWorkLeavesSettledJobsAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := realTime(t, db)
		b.add(queue.New{Kind: "k", Key: "a"})
		work(t, b.Queue, queue.Worker{Kind: "k", Handle: func(ctx context.Context, j queue.Job) queue.Result {
			err := db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
				if _, err := b.Add(ctx, tx, queue.New{Kind: "next", Key: "x"}); err != nil {
					return err
				}
				return b.Finish(ctx, tx, queue.Result{Job: j, Action: queue.Complete})
			})
			if err != nil {
				t.Error(err)
			}
			return queue.Result{Action: queue.Settled}
		}})
		eventually(t, "the job", func() bool { return b.count(queue.StateCompleted) == 1 })
		if jobs, err := b.List(t.Context(), queue.Filter{Kind: "next"}); len(jobs) != 1 || err != nil {
			t.Errorf("got %v, %v", jobs, err)
		}
	})
}

// Without polling only Wake tells that there is work.
func TestWakeReachesTheWorkersOfItsKind(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	b := &bench{queue.Open(db, queue.Options{Poll: time.Hour}), t, db, nil}
	work(t, b.Queue, queue.Worker{Kind: "k", Handle: complete})
	b.add(queue.New{Kind: "k", Key: "first"})
	eventually(t, "the first job", func() bool { b.Wake("k"); return b.count(queue.StateCompleted) == 1 })
	b.add(queue.New{Kind: "k", Key: "a"})
	b.Wake("other")
	b.Wake()
	eventually(t, "the job", func() bool { return b.count(queue.StateCompleted) == 2 })
}

func TestWorkRefusesAWorkerWithoutKindOrHandler(t *testing.T) {
	t.Parallel()
	b := realTime(t, storetest.SQLite(t))
	if b.Work(t.Context(), queue.Worker{Kind: "k"}) == nil || b.Work(t.Context(), queue.Worker{Handle: complete}) == nil {
		t.Error("Work took an incomplete worker")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	r := prometheus.NewPedanticRegistry()
	c := newClock()
	b := &bench{queue.Open(db, queue.Options{Now: c.Now, Registerer: r}), t, db, c}
	b.add(queue.New{Kind: "k", Key: "a"}, queue.New{Kind: "k", Key: "b"})
	c.Advance(time.Minute)
	work(t, b.Queue, queue.Worker{Kind: "k", Handle: func(_ context.Context, j queue.Job) queue.Result {
		if j.Key == "a" {
			return queue.Result{Action: queue.Discard}
		}
		return queue.Result{Action: queue.Complete}
	}})
	want := `
# HELP heliograph_queue_outcomes_total What became of attempts: complete, retry, snooze, discard, cancel, settled, fenced, expired, panic.
# TYPE heliograph_queue_outcomes_total counter
heliograph_queue_outcomes_total{kind="k",outcome="complete"} 1
heliograph_queue_outcomes_total{kind="k",outcome="discard"} 1
# HELP heliograph_queue_attempts_total Jobs claimed, by kind.
# TYPE heliograph_queue_attempts_total counter
heliograph_queue_attempts_total{kind="k"} 2
`
	eventually(t, "both outcomes", func() bool {
		return testutil.GatherAndCompare(r, strings.NewReader(want), "heliograph_queue_outcomes_total", "heliograph_queue_attempts_total") == nil
	})
	b.Close()
	if got, err := testutil.GatherAndCount(r); got != 0 || err != nil {
		t.Errorf("%d metrics are left after Close, %v", got, err)
	}
}

// What waits is counted when someone asks, not before.
func TestDepthMetrics(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	r := prometheus.NewPedanticRegistry()
	c := newClock()
	b := &bench{queue.Open(db, queue.Options{Now: c.Now, Registerer: r}), t, db, c}
	b.add(queue.New{Kind: "k"}, queue.New{Kind: "k"})
	c.Advance(time.Minute)
	if err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP heliograph_queue_depth Jobs by kind and state (live and discarded ones).
# TYPE heliograph_queue_depth gauge
heliograph_queue_depth{kind="k",state="available"} 2
# HELP heliograph_queue_oldest_seconds Age of the oldest job by kind and state.
# TYPE heliograph_queue_oldest_seconds gauge
heliograph_queue_oldest_seconds{kind="k",state="available"} 60
`), "heliograph_queue_depth", "heliograph_queue_oldest_seconds"); err != nil {
		t.Error(err)
	}
}
