package hooks_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/config"
	"heliograph/hooks"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// hook is a Hook with a function.
type hook struct {
	name   string
	calls  atomic.Int64
	handle func(ctx context.Context, n int64, e hooks.Event) hooks.Outcome
}

func (h *hook) Name() string { return h.name }

func (h *hook) Handle(ctx context.Context, e hooks.Event) hooks.Outcome {
	return h.handle(ctx, h.calls.Add(1), e)
}

// bench is a runner on a real journal.
type bench struct {
	t       *testing.T
	ahead   atomic.Int64
	journal *journal.Journal
	queue   *queue.Queue
	metrics *prometheus.Registry
}

func start(t *testing.T, db *store.DB, hs ...hooks.Hook) *bench {
	t.Helper()
	b := &bench{t: t, metrics: prometheus.NewRegistry()}
	now := func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }
	b.queue = queue.Open(db, queue.Options{Poll: 20 * time.Millisecond, Now: now})
	var names []string
	for _, h := range hs {
		names = append(names, h.Name())
	}
	dir := t.TempDir()
	var err error
	b.journal, err = journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "master.key"), Store: db, Queue: b.queue,
		Sync: config.SyncAlways, UnconfirmedAfter: time.Hour, SegmentBytes: 1 << 20, Consumers: names,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- hooks.NewRunner(b.journal, b.queue, hs, hooks.Options{Store: db, Now: now, Registerer: b.metrics}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := b.journal.Close(); err != nil {
			t.Error(err)
		}
		b.queue.Close()
	})
	return b
}

func (b *bench) submit() journal.ID {
	b.t.Helper()
	env := &journal.Envelope{ID: journal.NewID(time.Now()), Kind: journal.KindSubmission, Account: "a@example.com", Received: time.Now(), DotStuffed: true}
	p := b.journal.Begin(env)
	if _, err := p.Write([]byte("Subject: x\r\n\r\n..dot\r\n")); err != nil {
		b.t.Fatal(err)
	}
	if err := p.Seal(b.t.Context(), env); err != nil {
		b.t.Fatal(err)
	}
	p.Commit(journal.Verdict{Code: 250, At: time.Now()})
	return env.ID
}

func (b *bench) eventually(what string, cond func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			b.t.Fatalf("waiting in vain: %s", what)
		case <-tick.C:
		}
	}
}

// ledger returns the state and reason of the entry's row for a hook.
func (b *bench) ledger(id journal.ID, hook string) (journal.LedgerState, string) {
	b.t.Helper()
	rows, err := b.journal.Ledger(b.t.Context(), journal.LedgerFilter{Entry: id, Target: hooks.Kind(hook), Limit: 10})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(rows) == 0 {
		return "", ""
	}
	return rows[0].State, rows[0].Reason
}

func (b *bench) jobs(hook string, state queue.State) []queue.Job {
	b.t.Helper()
	jobs, err := b.queue.List(b.t.Context(), queue.Filter{Kind: hooks.Kind(hook), State: state})
	if err != nil {
		b.t.Fatal(err)
	}
	return jobs
}

func TestEachHookGetsEachEntry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		bodies := make(chan string, 8)
		read := func(ctx context.Context, _ int64, e hooks.Event) hooks.Outcome {
			r, err := e.Body(ctx)
			if err != nil {
				return hooks.Dead(err)
			}
			defer r.Close()
			body, err := io.ReadAll(r)
			if err != nil {
				return hooks.Dead(err)
			}
			bodies <- e.Entry.ID.String() + string(body)
			return hooks.Done()
		}
		one, two := &hook{name: "one", handle: read}, &hook{name: "two", handle: read}
		b := start(t, db, one, two)
		id := b.submit()
		for range 2 {
			if got, want := <-bodies, id.String()+"Subject: x\r\n\r\n.dot\r\n"; got != want {
				t.Errorf("the hook got %q, want %q", got, want)
			}
		}
		for _, name := range []string{"one", "two"} {
			b.eventually(name+" is done", func() bool { return len(b.jobs(name, queue.StateCompleted)) == 1 })
		}
	})
}

func TestPanicsAndFailuresAreRetried(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &hook{name: "shaky", handle: func(_ context.Context, n int64, _ hooks.Event) hooks.Outcome {
			switch n {
			case 1:
				panic("a bug")
			case 2:
				return hooks.Retry(errors.New("not yet"), 0)
			case 3:
				return hooks.Retry(errors.New("much later"), time.Hour)
			}
			return hooks.Done()
		}}
		steady := &hook{name: "steady", handle: func(context.Context, int64, hooks.Event) hooks.Outcome { return hooks.Done() }}
		b := start(t, db, h, steady)
		b.submit()
		b.eventually("the other hook works on", func() bool { return len(b.jobs("steady", queue.StateCompleted)) == 1 })
		for n, want := range []string{"panic: a bug", "not yet", "much later"} {
			b.eventually(want, func() bool {
				j := b.jobs("shaky", queue.StateRetryable)
				return len(j) == 1 && j[0].LastError == want
			})
			if h.calls.Load() != int64(n+1) {
				t.Fatalf("%d calls after %d failures", h.calls.Load(), n+1)
			}
			b.ahead.Add(int64(time.Hour))
		}
		b.eventually("done", func() bool { return len(b.jobs("shaky", queue.StateCompleted)) == 1 })
		const want = `
			# HELP heliograph_hook_events_total Events handled, by hook and outcome (complete, retry, snooze, discard, panic).
			# TYPE heliograph_hook_events_total counter
			heliograph_hook_events_total{hook="shaky",outcome="complete"} 1
			heliograph_hook_events_total{hook="shaky",outcome="panic"} 1
			heliograph_hook_events_total{hook="shaky",outcome="retry"} 3
			heliograph_hook_events_total{hook="steady",outcome="complete"} 1
		`
		if err := testutil.GatherAndCompare(b.metrics, strings.NewReader(want), "heliograph_hook_events_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestDeadLettersAreInTheLedger(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &hook{name: "h", handle: func(_ context.Context, n int64, _ hooks.Event) hooks.Outcome {
			if n == 1 {
				return hooks.Dead(errors.New("hopeless"))
			}
			return hooks.Done()
		}}
		b := start(t, db, h)
		id := b.submit()
		b.eventually("a dead letter", func() bool { return len(b.jobs("h", queue.StateDiscarded)) == 1 })
		if state, reason := b.ledger(id, "h"); state != journal.LedgerFailed || reason != "hopeless" {
			t.Errorf("ledger says %q %q", state, reason)
		}
		if n, err := b.queue.Redrive(t.Context(), b.jobs("h", queue.StateDiscarded)[0].ID); n != 1 || err != nil {
			t.Fatalf("Redrive = %d, %v", n, err)
		}
		b.eventually("done", func() bool { return len(b.jobs("h", queue.StateCompleted)) == 1 })
		if state, _ := b.ledger(id, "h"); state != journal.LedgerCaptured {
			t.Errorf("after the redrive the ledger says %q", state)
		}
	})
}

// A job of an entry that the journal does not have is a dead letter, not an endless retry.
func TestUnknownEntryIsDead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &hook{name: "h", handle: func(context.Context, int64, hooks.Event) hooks.Outcome { return hooks.Done() }}
		b := start(t, db, h)
		for _, payload := range []string{journal.NewID(time.Now()).String(), "rubbish"} {
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				_, err := b.queue.Add(ctx, tx, queue.New{Kind: hooks.Kind("h"), Key: payload, Payload: []byte(payload)})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		b.eventually("two dead letters", func() bool { return len(b.jobs("h", queue.StateDiscarded)) == 2 })
		if h.calls.Load() != 0 {
			t.Errorf("the hook was called %d times", h.calls.Load())
		}
	})
}
