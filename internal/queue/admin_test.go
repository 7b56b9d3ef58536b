package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestRedrive(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		b.add(queue.New{Kind: "k", Key: "a", OrderKey: "o"}, queue.New{Kind: "k", Key: "b", OrderKey: "o"}, queue.New{Kind: "k", Key: "c"})
		jobs := b.claim(9)
		b.finish(queue.Result{Job: jobs[0], Action: queue.Discard, Reason: "bad"}, queue.Result{Job: jobs[1], Action: queue.Complete})
		redrive := func(want int, ids ...int64) {
			t.Helper()
			if n, err := b.Redrive(t.Context(), ids...); n != want || err != nil {
				t.Fatalf("Redrive = %d, %v; want %d", n, err, want)
			}
		}
		dead, err := b.List(t.Context(), queue.Filter{State: queue.StateDiscarded})
		if err != nil || keys(dead) != "a" {
			t.Fatalf("dead letters: %q, %v", keys(dead), err)
		}
		running := b.claimOne() // b runs: a must wait behind it
		redrive(1, dead[0].ID, b.one("c").ID, 1<<40)
		if got := b.claim(9); len(got) != 0 {
			t.Fatalf("claimed %q beside b", keys(got))
		}
		b.finish(queue.Result{Job: running, Action: queue.Retry, At: b.clock.Now().Add(time.Hour)})
		redrive(1, running.ID) // a retry that need not wait
		running = b.claimOne()
		b.finish(queue.Result{Job: running, Action: queue.Complete})
		again := b.claimOne()
		if again.Key != "a" || again.Attempt != 1 || again.Fence <= jobs[0].Fence || again.LastError != "bad" {
			t.Errorf("redriven: %+v", again)
		}
		// Not while another job with its key is live.
		b.finish(queue.Result{Job: again, Action: queue.Discard})
		b.add(queue.New{Kind: "k", Key: "a"})
		redrive(0, again.ID)
		if n, err := b.Drop(t.Context(), "seen", again.ID); n != 1 || err != nil {
			t.Errorf("dropping a dead letter: %d, %v", n, err)
		}
	})
}

// What a job waits for may come while it runs and has looked already: it looks once more, and then waits as it says.
func TestRedriveOfWhatRuns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, action := range []queue.Action{queue.Snooze, queue.Retry} {
			b := newBench(t, db)
			kind := "k" + string(action)
			b.add(queue.New{Kind: kind, Key: "a"})
			later := b.clock.Now().Add(time.Hour)
			wait := func() {
				t.Helper()
				jobs, err := b.Claim(t.Context(), kind, 9, time.Minute)
				if err != nil || len(jobs) != 1 {
					t.Fatalf("%s: claimed %d, %v", action, len(jobs), err)
				}
				b.finish(queue.Result{Job: jobs[0], Action: action, At: later})
			}
			jobs, err := b.Claim(t.Context(), kind, 9, time.Minute)
			if err != nil || len(jobs) != 1 {
				t.Fatalf("%s: claimed %d, %v", action, len(jobs), err)
			}
			if n, err := b.Redrive(t.Context(), jobs[0].ID); n != 0 || err != nil {
				t.Fatalf("%s: Redrive = %d, %v", action, n, err)
			}
			b.finish(queue.Result{Job: jobs[0], Action: action, At: later})
			wait() // at once, without the clock
			if jobs, err := b.Claim(t.Context(), kind, 9, time.Minute); err != nil || len(jobs) != 0 {
				t.Errorf("%s: claimed %q before its time, %v", action, keys(jobs), err)
			}
		}
	})
}

func TestListPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		for i := range 5 {
			b.add(queue.New{Kind: "k", Key: fmt.Sprint(i), OrderKey: fmt.Sprint(i % 2)})
		}
		var got []string
		f := queue.Filter{Kind: "k", Limit: 2}
		for {
			jobs, err := b.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if len(jobs) == 0 {
				break
			}
			got = append(got, keys(jobs))
			f.Before = jobs[len(jobs)-1].ID
		}
		if s := strings.Join(got, "|"); s != "4 3|2 1|0" {
			t.Errorf("pages %q", s)
		}
		jobs, err := b.List(t.Context(), queue.Filter{OrderKey: "1", State: queue.StateAvailable, IDs: []int64{b.one("1").ID, b.one("2").ID}})
		if err != nil || keys(jobs) != "1" {
			t.Errorf("filtered: %q, %v", keys(jobs), err)
		}
	})
}

func TestPruneKeepsDeadLetters(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		var many []queue.New
		for i := range 600 { // more than one batch
			many = append(many, queue.New{Kind: "k", Key: fmt.Sprint("c", i)})
		}
		b.add(many...)
		var results []queue.Result
		for _, j := range b.claim(600) {
			results = append(results, queue.Result{Job: j, Action: queue.Complete})
		}
		b.finish(results...)
		b.add(queue.New{Kind: "k", Key: "dead"}, queue.New{Kind: "k", Key: "cancelled"})
		jobs := b.claim(2)
		b.finish(queue.Result{Job: jobs[0], Action: queue.Discard}, queue.Result{Job: jobs[1], Action: queue.Cancel})
		b.clock.Advance(7*24*time.Hour + time.Second)
		b.add(queue.New{Kind: "k", Key: "young"})
		b.finish(queue.Result{Job: b.claimOne(), Action: queue.Complete})
		if n, err := b.Prune(t.Context()); n != 601 || err != nil {
			t.Errorf("Prune = %d, %v; want 601", n, err)
		}
		left, err := b.List(t.Context(), queue.Filter{})
		if err != nil || keys(left) != "young dead" {
			t.Errorf("left: %q, %v", keys(left), err)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		start := b.clock.Now()
		b.add(queue.New{Kind: "k", Key: "a", OrderKey: "o"}, queue.New{Kind: "k", Key: "b", OrderKey: "o"})
		b.clock.Advance(time.Second)
		b.add(queue.New{Kind: "k", Key: "c"}, queue.New{Kind: "j", Key: "d"})
		jobs := b.claim(9)
		b.finish(queue.Result{Job: jobs[1], Action: queue.Discard})
		got, err := b.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []queue.Stat{
			{Kind: "j", State: queue.StateAvailable, Count: 1, Oldest: start.Add(time.Second)},
			{Kind: "k", State: queue.StateAvailable, Count: 1, Blocked: 1, Oldest: start},
			{Kind: "k", State: queue.StateDiscarded, Count: 1, Oldest: start.Add(time.Second)},
			{Kind: "k", State: queue.StateRunning, Count: 1, Oldest: start},
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestHurry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		hurry := func(key string, want bool, undo error) {
			t.Helper()
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				got, err := b.Hurry(ctx, tx, "k", key)
				if err != nil || got != want {
					t.Errorf("Hurry(%q) = %t, %v; want %t", key, got, err, want)
				}
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatal(err)
			}
		}
		later := b.clock.Now().Add(time.Hour)
		b.add(queue.New{Kind: "k", Key: "a", RunAt: later}, queue.New{Kind: "other", Key: "a", RunAt: later}, queue.New{Kind: "k", Key: "b", RunAt: later})
		hurry("nobody", false, nil)
		hurry("a", true, errors.New("the transaction fails"))
		if jobs := b.claim(9); len(jobs) != 0 {
			t.Fatalf("claimed %q of a transaction that was rolled back", keys(jobs))
		}
		hurry("a", true, nil)
		hurry("a", false, nil) // it waits for a worker only
		j := b.claimOne()
		if j.Key != "a" || j.Attempt != 1 {
			t.Fatalf("claimed %+v, want a alone", j)
		}
		hurry("a", false, nil) // it runs, and keeps its lease
		b.finish(queue.Result{Job: j, Action: queue.Retry, At: later})
		hurry("a", true, nil)
		if j = b.claimOne(); j.Key != "a" || j.Attempt != 2 {
			t.Fatalf("claimed %+v, want the retry", j)
		}
		b.finish(queue.Result{Job: j, Action: queue.Discard})
		hurry("a", false, nil) // a dead letter stays one
		if jobs, err := b.List(t.Context(), queue.Filter{Kind: "other"}); err != nil || len(jobs) != 1 || jobs[0].State != queue.StateScheduled {
			t.Errorf("the job of another kind is %+v, %v", jobs, err)
		}
	})
}
