package queue_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) {
	// Each step of a history is a durable transaction or two: a hundred histories take
	// minutes on a busy disk. -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "12"); err != nil {
		panic(err)
	}
	storetest.Main(m)
}

// clock is a clock that stands still until it is told to go on.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a queue with a clock and the calls that tests make all the time.
type bench struct {
	*queue.Queue
	t     testing.TB
	db    *store.DB
	clock *clock
}

func newBench(t testing.TB, db *store.DB) *bench {
	c := newClock()
	return &bench{queue.Open(db, queue.Options{Now: c.Now}), t, db, c}
}

func (b *bench) add(jobs ...queue.New) int {
	b.t.Helper()
	var n int
	err := b.db.Write(b.t.Context(), func(ctx context.Context, tx store.Querier) (err error) {
		n, err = b.Add(ctx, tx, jobs...)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) claim(n int) []queue.Job {
	b.t.Helper()
	jobs, err := b.Claim(b.t.Context(), "k", n, time.Minute)
	if err != nil {
		b.t.Fatal(err)
	}
	return jobs
}

func (b *bench) claimOne() queue.Job {
	b.t.Helper()
	jobs := b.claim(1)
	if len(jobs) != 1 {
		b.t.Fatalf("claimed %d jobs, want 1", len(jobs))
	}
	return jobs[0]
}

func (b *bench) tryFinish(results ...queue.Result) error {
	return b.db.Write(b.t.Context(), func(ctx context.Context, tx store.Querier) error {
		return b.Finish(ctx, tx, results...)
	})
}

func (b *bench) finish(results ...queue.Result) {
	b.t.Helper()
	if err := b.tryFinish(results...); err != nil {
		b.t.Fatal(err)
	}
}

// one returns the only job with this key.
func (b *bench) one(key string) queue.Job {
	b.t.Helper()
	jobs, err := b.List(b.t.Context(), queue.Filter{Kind: "k", Key: key})
	if err != nil || len(jobs) != 1 {
		b.t.Fatalf("List(%q) = %d jobs, %v; want 1", key, len(jobs), err)
	}
	return jobs[0]
}

func keys(jobs []queue.Job) string {
	var s []string
	for _, j := range jobs {
		s = append(s, j.Key)
	}
	return strings.Join(s, " ")
}

func TestJobKeepsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		want := queue.New{
			Kind: "k", Key: "钥匙 1", OrderKey: "o", Payload: []byte{0, 1, 0xff, 0}, Priority: -3,
			MaxAttempts: 7, RunAt: b.clock.Now().Add(-time.Hour),
		}
		b.add(want, queue.New{Kind: "k", Key: "plain"})
		j := b.claimOne()
		if j.Kind != want.Kind || j.Key != want.Key || j.OrderKey != want.OrderKey || !bytes.Equal(j.Payload, want.Payload) ||
			j.Priority != want.Priority || j.MaxAttempts != want.MaxAttempts || !j.RunAt.Equal(want.RunAt) {
			t.Errorf("got %+v, want %+v", j, want)
		}
		if j.Attempt != 1 || j.State != queue.StateRunning || !j.CreatedAt.Equal(b.clock.Now()) ||
			!j.LeaseUntil.Equal(b.clock.Now().Add(time.Minute)) || !j.FinishedAt.IsZero() || j.Fence == 0 || j.Blocked {
			t.Errorf("after the claim: %+v", j)
		}
		j = b.claimOne()
		if len(j.Payload) != 0 || j.MaxAttempts != queue.DefaultMaxAttempts || !j.RunAt.Equal(b.clock.Now()) {
			t.Errorf("defaults: %+v", j)
		}
	})
}

func TestAddRefusesAJobWithoutKind(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	err := b.db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := b.Add(ctx, tx, queue.New{Key: "a"})
		return err
	})
	if err == nil {
		t.Error("Add took a job without a kind")
	}
}

func TestAddIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		sentinel := errors.New("no")
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			if n, err := b.Add(ctx, tx, queue.New{Kind: "k", Key: "a"}); n != 1 || err != nil {
				t.Errorf("Add = %d, %v", n, err)
			}
			return sentinel
		})
		if !errors.Is(err, sentinel) {
			t.Fatal(err)
		}
		if jobs := b.claim(9); len(jobs) != 0 {
			t.Errorf("claimed %v of a transaction that was rolled back", jobs)
		}
	})
}

func TestLiveKeyIsUniqueInItsKind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		a := queue.New{Kind: "k", Key: "a"}
		if n := b.add(a, a, queue.New{Kind: "other", Key: "a"}, queue.New{Kind: "k"}, queue.New{Kind: "k"}); n != 4 {
			t.Errorf("added %d, want 4: one of two with the same key, the other kind, two without a key", n)
		}
		if n := b.add(a); n != 0 {
			t.Errorf("added %d beside an available job", n)
		}
		j := b.claimOne()
		if n := b.add(a); n != 0 {
			t.Errorf("added %d beside a running job", n)
		}
		b.finish(queue.Result{Job: j, Action: queue.Retry})
		if n := b.add(a); n != 0 {
			t.Errorf("added %d beside a retryable job", n)
		}
		b.clock.Advance(time.Hour)
		for _, action := range []queue.Action{queue.Complete, queue.Discard, queue.Cancel} {
			jobs := b.claim(9)
			i := slices.IndexFunc(jobs, func(j queue.Job) bool { return j.Key == "a" })
			if i < 0 {
				t.Fatalf("not claimed before %s", action)
			}
			b.finish(queue.Result{Job: jobs[i], Action: action})
			if n := b.add(a); n != 1 {
				t.Errorf("after %s added %d, want 1", action, n)
			}
		}
	})
}

func TestClaimOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		now := b.clock.Now()
		b.add(
			queue.New{Kind: "k", Key: "later", RunAt: now.Add(time.Second)},
			queue.New{Kind: "k", Key: "low", Priority: 5},
			queue.New{Kind: "k", Key: "second"},
			queue.New{Kind: "k", Key: "third"},
			queue.New{Kind: "k", Key: "first", RunAt: now.Add(-time.Second)},
			queue.New{Kind: "k", Key: "urgent", Priority: -1},
			queue.New{Kind: "other", Key: "x"},
		)
		if got := keys(b.claim(2)) + "|" + keys(b.claim(9)); got != "urgent first|second third low" {
			t.Errorf("claimed %q", got)
		}
		b.clock.Advance(time.Second)
		if got := keys(b.claim(9)); got != "later" {
			t.Errorf("claimed %q once it was due", got)
		}
	})
}

func TestFinishActions(t *testing.T) {
	t.Parallel()
	in := 10 * time.Minute
	for name, c := range map[string]struct {
		max        int
		action     queue.Action
		at         bool
		state      queue.State
		attempt    int
		reason     string
		claimable  time.Duration // from now; 0 means at once, negative never
		unfinished bool
	}{
		"complete":           {3, queue.Complete, false, queue.StateCompleted, 1, "why", -1, false},
		"discard":            {3, queue.Discard, false, queue.StateDiscarded, 1, "why", -1, false},
		"cancel":             {3, queue.Cancel, false, queue.StateCancelled, 1, "why", -1, false},
		"snooze":             {3, queue.Snooze, true, queue.StateScheduled, 0, "why", in, true},
		"snooze at once":     {3, queue.Snooze, false, queue.StateAvailable, 0, "why", 0, true},
		"retry":              {3, queue.Retry, true, queue.StateRetryable, 1, "why", in, true},
		"retry with backoff": {3, queue.Retry, false, queue.StateRetryable, 1, "why", 2 * time.Second, true},
		"retry without end":  {-1, queue.Retry, true, queue.StateRetryable, 1, "why", in, true},
		"last retry":         {1, queue.Retry, true, queue.StateDiscarded, 1, "gave up after 1 attempts: why", -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				b := newBench(t, db)
				b.add(queue.New{Kind: "k", Key: "a", MaxAttempts: c.max})
				r := queue.Result{Job: b.claimOne(), Action: c.action, Reason: "why"}
				if c.at {
					r.At = b.clock.Now().Add(in)
				}
				b.finish(r)
				j := b.one("a")
				if j.State != c.state || j.Attempt != c.attempt || j.LastError != c.reason || j.FinishedAt.IsZero() != c.unfinished || !j.LeaseUntil.IsZero() {
					t.Errorf("got %+v", j)
				}
				if c.claimable > 0 {
					if jobs := b.claim(1); len(jobs) != 0 {
						t.Errorf("claimed before its time")
					}
					b.clock.Advance(c.claimable)
				}
				if got, want := len(b.claim(1)), 1; c.claimable < 0 && got != 0 || c.claimable >= 0 && got != want {
					t.Errorf("claimed %d", got)
				}
			})
		})
	}
}

func TestFinishRefusesUnknownActions(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.add(queue.New{Kind: "k", Key: "a"})
	j := b.claimOne()
	for _, action := range []queue.Action{"", "done", queue.Settled} {
		if err := b.tryFinish(queue.Result{Job: j, Action: action}); err == nil {
			t.Errorf("Finish took the action %q", action)
		}
	}
}

func TestReasonIsBoundedText(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		b.add(queue.New{Kind: "k", Key: "a"})
		b.finish(queue.Result{Job: b.claimOne(), Action: queue.Discard, Reason: "a\x00b\xff" + strings.Repeat("错", 1000)})
		got := b.one("a").LastError
		if !strings.HasPrefix(got, "a\uFFFDb\uFFFD错") || !strings.HasSuffix(got, "错…") || len(got) > 1010 {
			t.Errorf("reason of %d bytes: %.30q", len(got), got)
		}
	})
}

func TestFencing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		b.add(queue.New{Kind: "k", Key: "a"}, queue.New{Kind: "k", Key: "b"})
		slow, other := b.claimOne(), b.claimOne()
		if err := b.Extend(t.Context(), other, time.Hour); err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(time.Minute)
		second := b.claimOne()
		if second.ID != slow.ID || second.Fence <= slow.Fence || second.Attempt != 2 || second.LastError == "" {
			t.Fatalf("the expired job was claimed as %+v", second)
		}
		if err := b.Extend(t.Context(), slow, time.Minute); !errors.Is(err, queue.ErrFenced) {
			t.Errorf("extending a lost lease: %v", err)
		}
		// Together with another result: nothing is written if the caller passes the error on.
		both := []queue.Result{{Job: slow, Action: queue.Discard}, {Job: other, Action: queue.Complete}}
		var fenced *queue.FencedError
		if err := b.tryFinish(both...); !errors.Is(err, queue.ErrFenced) || !errors.As(err, &fenced) || !slices.Equal(fenced.IDs, []int64{slow.ID}) {
			t.Fatalf("finishing with a lost lease: %v", err)
		}
		if j := b.one("b"); j.State != queue.StateRunning {
			t.Errorf("the other result was written though the transaction failed: %+v", j)
		}
		// And the other is written if not.
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			if err := b.Finish(ctx, tx, both...); !errors.Is(err, queue.ErrFenced) {
				t.Errorf("again: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if j := b.one("b"); j.State != queue.StateCompleted {
			t.Errorf("the other result was not written: %+v", j)
		}
		b.finish(queue.Result{Job: second, Action: queue.Complete})
		if err := b.tryFinish(queue.Result{Job: second, Action: queue.Retry}); !errors.Is(err, queue.ErrFenced) {
			t.Errorf("finishing twice: %v", err)
		}
		if j := b.one("a"); j.State != queue.StateCompleted {
			t.Errorf("got %+v", j)
		}
	})
}

// A job whose worker dies each time is not tried for ever.
func TestExpiredLeasesCountAsAttempts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		b.add(queue.New{Kind: "k", Key: "a", MaxAttempts: 2}, queue.New{Kind: "k", Key: "next", OrderKey: "o"})
		for range 2 {
			b.claim(2)
			b.clock.Advance(time.Minute)
		}
		b.claim(2)
		j := b.one("a")
		if j.State != queue.StateDiscarded || j.Attempt != 2 || !strings.Contains(j.LastError, "lease expired") {
			t.Errorf("got %+v", j)
		}
	})
}

func TestOrderKeysRunOneAfterTheOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		for i := range 4 {
			b.add(queue.New{Kind: "k", Key: fmt.Sprint("a", i), OrderKey: "a", Priority: -i}, queue.New{Kind: "k", Key: fmt.Sprint("b", i), OrderKey: "b"})
		}
		jobs := b.claim(9)
		if keys(jobs) != "a0 b0" {
			t.Fatalf("claimed %q, want the heads", keys(jobs))
		}
		if got := b.claim(9); len(got) != 0 {
			t.Fatalf("claimed %q beside the heads", keys(got))
		}
		// The head of a is retried: a waits, b goes on.
		b.finish(queue.Result{Job: jobs[0], Action: queue.Retry, At: b.clock.Now().Add(30 * time.Second)}, queue.Result{Job: jobs[1], Action: queue.Complete})
		jobs = b.claim(9)
		if keys(jobs) != "b1" {
			t.Fatalf("claimed %q, want b1", keys(jobs))
		}
		b.finish(queue.Result{Job: jobs[0], Action: queue.Discard})
		b.clock.Advance(30 * time.Second)
		jobs = b.claim(9)
		if keys(jobs) != "b2 a0" {
			t.Fatalf("claimed %q, want b2 a0", keys(jobs))
		}
		b.finish(queue.Result{Job: jobs[1], Action: queue.Cancel})
		jobs = b.claim(9)
		if keys(jobs) != "a1" {
			t.Fatalf("claimed %q, want a1", keys(jobs))
		}
		// An expired lease does not let the next overtake.
		b.clock.Advance(time.Minute)
		if got := keys(b.claim(9)); got != "a1 b2" && got != "b2 a1" {
			t.Fatalf("claimed %q, want a1 and b2 again", got)
		}
		// Dropping the head and one in the middle.
		if n, err := b.Drop(t.Context(), "not wanted", b.one("a1").ID, b.one("a2").ID); n != 2 || err != nil {
			t.Fatalf("Drop = %d, %v", n, err)
		}
		if got := keys(b.claim(9)); got != "a3" {
			t.Fatalf("claimed %q, want a3", got)
		}
		if j := b.one("a1"); j.State != queue.StateCancelled || j.LastError != "not wanted" {
			t.Errorf("dropped: %+v", j)
		}
	})
}

func TestScheduledHeadHoldsUpItsOrderKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		b.add(queue.New{Kind: "k", Key: "later", OrderKey: "o", RunAt: b.clock.Now().Add(time.Hour)}, queue.New{Kind: "k", Key: "next", OrderKey: "o"})
		if got := b.claim(9); len(got) != 0 {
			t.Fatalf("claimed %q before the head", keys(got))
		}
		b.clock.Advance(time.Hour)
		b.finish(queue.Result{Job: b.claimOne(), Action: queue.Complete})
		if got := keys(b.claim(9)); got != "next" {
			t.Errorf("claimed %q", got)
		}
	})
}

// A twin that is live under another order key leaves the rest of this one unharmed.
func TestDuplicateKeyLeavesOrderKeyGoing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		b.add(queue.New{Kind: "k", Key: "twin", OrderKey: "x"})
		if n := b.add(queue.New{Kind: "k", Key: "twin", OrderKey: "y"}, queue.New{Kind: "k", Key: "second", OrderKey: "y"}); n != 1 {
			t.Fatalf("added %d", n)
		}
		if got := keys(b.claim(9)); got != "twin second" {
			t.Errorf("claimed %q", got)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{
		-1: 2 * time.Second, 0: 2 * time.Second, 1: 2 * time.Second, 2: 4 * time.Second, 10: 1024 * time.Second,
		14: 16384 * time.Second, 15: 6 * time.Hour, 25: 6 * time.Hour, 1000: 6 * time.Hour,
	} {
		for range 50 {
			if got := queue.Backoff(attempt); got > want || got < want*3/4 {
				t.Errorf("Backoff(%d) = %v, want up to a quarter below %v", attempt, got, want)
			}
		}
	}
}
