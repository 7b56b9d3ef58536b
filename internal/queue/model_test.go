package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// modelJob is what the model knows of a job.
type modelJob struct {
	id            int64
	key, orderKey string
	state         queue.State
	attempt, max  int
	priority      int
	runAt, lease  time.Time
	again         bool        // redriven while it runs
	claims        []queue.Job // all that were ever handed out; the last is in force while running
}

// model says what the queue has to do, in the simplest way.
type model struct {
	b    *bench
	kind string
	jobs []*modelJob
}

func (m *model) live(f func(*modelJob) bool) bool {
	return slices.ContainsFunc(m.jobs, func(j *modelJob) bool { return j.state.Live() && f(j) })
}

// head says whether no other job of the order key is in front. Redriven jobs come back
// with their old place but let the one that is going on finish.
func (m *model) head(j *modelJob, going map[string]int64) bool {
	return j.orderKey == "" || going[j.orderKey] == j.id
}

// settle picks, for each order key, who may go: whoever was going as long as it lives, else the oldest.
func (m *model) settle(going map[string]int64) {
	for key, id := range going {
		if !m.live(func(j *modelJob) bool { return j.id == id }) {
			delete(going, key)
		}
	}
	for _, j := range m.jobs { // in order of id
		if _, taken := going[j.orderKey]; j.orderKey != "" && j.state.Live() && !taken {
			going[j.orderKey] = j.id
		}
	}
}

// claimable returns the ids that Claim must hand out, in order.
func (m *model) claimable(n int, going map[string]int64) []int64 {
	now := m.b.clock.Now()
	var ready []*modelJob
	for _, j := range m.jobs {
		if j.state == queue.StateRunning && !j.lease.After(now) { // expired
			j.state = queue.StateAvailable
			if j.max >= 0 && j.attempt >= j.max {
				j.state = queue.StateDiscarded
			}
		}
	}
	m.settle(going)
	for _, j := range m.jobs {
		if j.state.Live() && j.state != queue.StateRunning && !j.runAt.After(now) && m.head(j, going) {
			ready = append(ready, j)
		}
	}
	slices.SortFunc(ready, func(a, b *modelJob) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), a.runAt.Compare(b.runAt), cmp.Compare(a.id, b.id))
	})
	var ids []int64
	for _, j := range ready[:min(n, len(ready))] {
		ids = append(ids, j.id)
	}
	return ids
}

func (m *model) byID(id int64) *modelJob {
	return m.jobs[slices.IndexFunc(m.jobs, func(j *modelJob) bool { return j.id == id })]
}

// finish says what a result makes of the model, and whether it is fenced.
func (m *model) finish(j *modelJob, claim queue.Job, action queue.Action, at time.Time) (fenced bool) {
	if j.state != queue.StateRunning || claim.Fence != j.claims[len(j.claims)-1].Fence {
		return true
	}
	switch action {
	case queue.Complete:
		j.state = queue.StateCompleted
	case queue.Discard:
		j.state = queue.StateDiscarded
	case queue.Cancel:
		j.state = queue.StateCancelled
	case queue.Snooze:
		if j.state, j.attempt = queue.StateScheduled, claim.Attempt-1; !j.again {
			j.runAt = at
		}
	case queue.Retry:
		if j.state = queue.StateRetryable; !j.again {
			j.runAt = at
		}
		if j.max >= 0 && claim.Attempt >= j.max {
			j.state = queue.StateDiscarded
		}
	}
	return false
}

// TestQueueBehavesAsTheModel plays random histories on the queue and on a model of it.
func TestQueueBehavesAsTheModel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			b := newBench(t, db)
			play(rt, &model{b: b, kind: fmt.Sprint("model", round)})
		})
	})
}

func play(t *rapid.T, m *model) {
	ctx := context.Background()
	going := map[string]int64{}
	write := func(fn func(ctx context.Context, tx store.Querier) error) error { return m.b.db.Write(ctx, fn) }
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	list := func() []queue.Job {
		jobs, err := m.b.List(ctx, queue.Filter{Kind: m.kind, Limit: 1000})
		check(err)
		slices.Reverse(jobs)
		return jobs
	}
	t.Repeat(map[string]func(*rapid.T){
		"add": func(t *rapid.T) {
			n := queue.New{
				Kind: m.kind, Key: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key"),
				OrderKey: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "order"),
				Priority: rapid.IntRange(0, 1).Draw(t, "priority"), MaxAttempts: rapid.SampledFrom([]int{-1, 1, 2}).Draw(t, "max"),
				RunAt: m.b.clock.Now().Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "in")) * 20 * time.Second),
			}
			want := 1
			if n.Key != "" && m.live(func(j *modelJob) bool { return j.key == n.Key }) {
				want = 0
			}
			var added int
			check(write(func(ctx context.Context, tx store.Querier) (err error) {
				added, err = m.b.Add(ctx, tx, n)
				return err
			}))
			if added != want {
				t.Fatalf("added %d, want %d", added, want)
			}
			if added == 1 {
				jobs := list()
				m.jobs = append(m.jobs, &modelJob{
					id: jobs[len(jobs)-1].ID, key: n.Key, orderKey: n.OrderKey, state: queue.StateAvailable,
					max: n.MaxAttempts, priority: n.Priority, runAt: n.RunAt,
				})
			}
		},
		"claim": func(t *rapid.T) {
			n := rapid.IntRange(1, 4).Draw(t, "n")
			want := m.claimable(n, going)
			jobs, err := m.b.Claim(ctx, m.kind, n, 30*time.Second)
			check(err)
			var got []int64
			for _, j := range jobs {
				got = append(got, j.ID)
				mj := m.byID(j.ID)
				mj.state, mj.lease, mj.attempt, mj.again = queue.StateRunning, m.b.clock.Now().Add(30*time.Second), mj.attempt+1, false
				if len(mj.claims) > 0 && j.Fence <= mj.claims[len(mj.claims)-1].Fence || j.Attempt != mj.attempt {
					t.Fatalf("claimed as %+v after %+v", j, mj)
				}
				mj.claims = append(mj.claims, j)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("claimed %v, want %v", got, want)
			}
		},
		"finish": func(t *rapid.T) {
			var claims []queue.Job
			for _, j := range m.jobs {
				claims = append(claims, j.claims...)
			}
			if len(claims) == 0 {
				return
			}
			c := rapid.SampledFrom(claims).Draw(t, "claim")
			action := rapid.SampledFrom([]queue.Action{queue.Complete, queue.Retry, queue.Snooze, queue.Discard, queue.Cancel}).Draw(t, "action")
			at := m.b.clock.Now().Add(20 * time.Second)
			fenced := m.finish(m.byID(c.ID), c, action, at)
			err := write(func(ctx context.Context, tx store.Querier) error {
				return m.b.Finish(ctx, tx, queue.Result{Job: c, Action: action, At: at})
			})
			if errors.Is(err, queue.ErrFenced) != fenced || err != nil && !fenced {
				t.Fatalf("finish: %v, want fenced %v", err, fenced)
			}
		},
		"redrive": func(t *rapid.T) {
			for _, j := range m.jobs {
				if j.state == queue.StateRunning && rapid.Bool().Draw(t, "while it runs") {
					if n, err := m.b.Redrive(ctx, j.id); n != 0 || err != nil {
						t.Fatalf("redrove %d that runs, %v", n, err)
					}
					j.runAt, j.again = j.runAt.Add(-time.Microsecond), true
					return
				}
				if j.state != queue.StateDiscarded && j.state != queue.StateCancelled {
					continue
				}
				want := 1
				if j.key != "" && m.live(func(l *modelJob) bool { return l.key == j.key }) {
					want = 0
				}
				n, err := m.b.Redrive(ctx, j.id)
				check(err)
				if n != want {
					t.Fatalf("redrove %d, want %d", n, want)
				}
				if n == 1 {
					j.state, j.attempt, j.runAt = queue.StateAvailable, 0, m.b.clock.Now()
				}
				return
			}
		},
		"drop": func(t *rapid.T) {
			if len(m.jobs) == 0 {
				return
			}
			j := rapid.SampledFrom(m.jobs).Draw(t, "job")
			want := 0
			if j.state.Live() || j.state == queue.StateDiscarded {
				want, j.state = 1, queue.StateCancelled
			}
			if n, err := m.b.Drop(ctx, "dropped", j.id); n != want || err != nil {
				t.Fatalf("dropped %d, %v; want %d", n, err, want)
			}
		},
		"time": func(t *rapid.T) { m.b.clock.Advance(15 * time.Second) },
		"": func(t *rapid.T) {
			m.settle(going)
			for i, j := range list() {
				want := m.jobs[i]
				if j.State.Live() != want.state.Live() || !j.State.Live() && j.State != want.state ||
					(j.State == queue.StateRunning) != (want.state == queue.StateRunning) {
					t.Fatalf("job %d is %s, want %s", j.ID, j.State, want.state)
				}
				if j.State.Live() && j.Blocked == m.head(want, going) {
					t.Fatalf("job %d: blocked %v", j.ID, j.Blocked)
				}
			}
		},
	})
}
