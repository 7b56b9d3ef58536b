package rules

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// TestLedger holds memory and both databases to one contract.
func TestLedger(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, l ledger, c *clock){
		"a run starts once":                   ledgerStarts,
		"what is saved is read again":         ledgerSaves,
		"a run parks unless it was signalled": ledgerParks,
		"an effect is noted and settled":      ledgerTakes,
		"budgets count by time":               ledgerCounts,
		"a repeated effect counts once":       ledgerCountsOnce,
		"files are kept":                      ledgerKeeps,
		"an ended run stays as it is":         ledgerEnds,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("memory", func(t *testing.T) {
				t.Parallel()
				c := &clock{now: monday}
				test(t, newMemory(c.Now), c)
			})
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := &clock{now: monday}
				test(t, &database{db: db, queue: queue.Open(db, queue.Options{Now: c.Now}), now: c.Now}, c)
			})
		})
	}
}

// ledgerRun is a run that begins.
func ledgerRun(event string) (*Event, *Run) {
	ev := mailIn(event, "订单")
	return &ev, &Run{ID: runID("order", ev.Type+" "+ev.Key), Rule: "order", Version: 3, Mode: Live, State: RunRunning, Title: "订单", Event: ev, MadeAt: monday, ChangedAt: monday}
}

func started(t *testing.T, l ledger, event string) *Run {
	t.Helper()
	ev, r := ledgerRun(event)
	ids, err := l.start(t.Context(), ev, []Decision{{Rule: "order", Version: 3, Result: decidedFires, Run: r.ID}}, []*Run{r})
	if err != nil || !slices.Equal(ids, []string{r.ID}) {
		t.Fatalf("start gives %q, %v, want the run's id", ids, err)
	}
	return loaded(t, l, r.ID)
}

func loaded(t *testing.T, l ledger, id string) *Run {
	t.Helper()
	r, err := l.load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ledgerStarts(t *testing.T, l ledger, _ *clock) {
	first := started(t, l, "a")
	if first.Rule != "order" || first.Version != 3 || first.Mode != Live || first.State != RunRunning || first.Title != "订单" || !first.MadeAt.Equal(monday) || first.Event.Key != "a" {
		t.Errorf("the run is %+v", first)
	}
	ev, again := ledgerRun("a")
	_, other := ledgerRun("b")
	ids, err := l.start(t.Context(), ev, nil, []*Run{again, other})
	if err != nil || !slices.Equal(ids, []string{other.ID}) {
		t.Errorf("start gives %q, %v, want the new run only", ids, err)
	}
	if _, err := l.load(t.Context(), "00"); !errors.Is(err, errNoRun) {
		t.Errorf("error for an unknown run is %v, want %v", err, errNoRun)
	}
}

func ledgerSaves(t *testing.T, l ledger, c *clock) {
	r := started(t, l, "a")
	c.add(time.Minute)
	r.Steps = append(r.Steps, &StepRow{Path: "0", Step: "x", Kind: "set", State: StepDone, Output: map[string]any{"n": jsonNumber(7)}, BeganAt: monday, ChangedAt: c.Now(), dirty: true})
	r.State, r.Reason, r.ChangedAt = RunFailed, "x: no", c.Now()
	if err := l.save(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got := loaded(t, l, r.ID)
	if got.State != RunFailed || got.Reason != "x: no" || !got.ChangedAt.Equal(c.Now()) || len(got.Steps) != 1 {
		t.Fatalf("the run is %+v", got)
	}
	if s := got.Steps[0]; s.Path != "0" || s.Step != "x" || s.Kind != "set" || s.State != StepDone || s.Output["n"] != jsonNumber(7) || !s.BeganAt.Equal(monday) {
		t.Errorf("the step is %+v", s)
	}
	if r.Steps[0].dirty {
		t.Error("the step is still marked as not written")
	}
}

func ledgerParks(t *testing.T, l ledger, c *clock) {
	r := started(t, l, "a")
	r.State, r.WakeAt = RunWaiting, c.Now().Add(time.Hour)
	called := 0
	then := func(context.Context, store.Querier) error { called++; return nil }
	signalled, err := l.park(t.Context(), r, []string{"thread:t", "thread:t", "reply:m"}, then)
	if err != nil || signalled || called != 1 {
		t.Fatalf("park gives %t, %v, and calls %d times; want false, none, once", signalled, err, called)
	}
	before := loaded(t, l, r.ID)
	if before.State != RunWaiting || !before.WakeAt.Equal(c.Now().Add(time.Hour)) {
		t.Errorf("the run is %s until %s", before.State, before.WakeAt)
	}
	if n := tell(t, l, "thread:t"); n != 1 {
		t.Errorf("the key woke %d runs, want 1", n)
	}
	if n := tell(t, l, "thread:other"); n != 0 {
		t.Errorf("another key woke %d runs", n)
	}
	if signalled, err := l.park(t.Context(), before, []string{"thread:t"}, then); err != nil || !signalled || called != 1 {
		t.Errorf("park after a signal gives %t, %v, and calls %d times; want true, none, not again", signalled, err, called)
	}
	now := loaded(t, l, r.ID)
	if signalled, err := l.park(t.Context(), now, []string{"reply:m"}, then); err != nil || signalled {
		t.Errorf("park gives %t, %v", signalled, err)
	}
	if n := tell(t, l, "thread:t"); n != 0 {
		t.Errorf("a key that the run waits for no longer woke %d runs", n)
	}
}

// tell signals a key, and returns how many runs waited for it.
func tell(t *testing.T, l ledger, key string) (n int) {
	t.Helper()
	switch l := l.(type) {
	case *memory:
		return len(l.signal(key))
	case *database:
		err := l.db.Write(t.Context(), func(ctx context.Context, tx store.Querier) (err error) {
			n, err = signal(ctx, tx, l.queue, key)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func ledgerTakes(t *testing.T, l ledger, c *clock) {
	r := started(t, l, "a")
	r.Steps = append(r.Steps, &StepRow{Path: "0", Step: "x", Kind: "send_mail", State: StepWaiting, BeganAt: monday, ChangedAt: monday, dirty: true})
	e := &EffectRow{ID: effectID(r.ID, "0", 0), Path: "0", Kind: EffectMail, State: EffectPending, Title: "你好", Recipients: []string{"li@customer.org"}, MessageID: "m@example.com", MadeAt: monday, ChangedAt: monday}
	r.Effects = append(r.Effects, e)
	if err := l.take(t.Context(), r, e, nil); err != nil {
		t.Fatal(err)
	}
	got := loaded(t, l, r.ID)
	if len(got.Steps) != 1 || len(got.Effects) != 1 || got.Effects[0].State != EffectPending || got.Effects[0].Recipients[0] != "li@customer.org" {
		t.Fatalf("the run has %d steps and effects %+v", len(got.Steps), got.Effects)
	}
	c.add(time.Second)
	e.State, e.Output, e.ChangedAt = EffectDone, map[string]any{"id": "9"}, c.Now()
	if err := l.settle(t.Context(), r, e); err != nil {
		t.Fatal(err)
	}
	run, found, err := l.effectOf(t.Context(), "m@example.com")
	if err != nil || run != r.ID || found.State != EffectDone || found.Output["id"] != "9" || found.Title != "你好" {
		t.Errorf("the effect of the mail is %+v of run %s, %v", found, run, err)
	}
	if _, _, err := l.effectOf(t.Context(), "other@example.com"); !errors.Is(err, errNoRun) {
		t.Errorf("error for a mail of somebody else is %v, want %v", err, errNoRun)
	}
}

// use1 takes an effect at the present time.
func use1(t *testing.T, l ledger, c *clock, r *Run, n int, budget Budget) error {
	t.Helper()
	e := &EffectRow{ID: effectID(r.ID, "0", n), Path: "0", Kind: EffectNotify, State: EffectPending, MadeAt: c.Now(), ChangedAt: c.Now(), Recipients: []string{}}
	return l.take(t.Context(), r, e, []charge{{"rule order", budget, window(c.Now(), budget)}})
}

func ledgerCounts(t *testing.T, l ledger, c *clock) {
	r := started(t, l, "a")
	budget := Budget{2, span{"1h", time.Hour}}
	for n := range 2 {
		if err := use1(t, l, c, r, n, budget); err != nil {
			t.Fatal(err)
		}
		c.add(10 * time.Minute)
	}
	var spent *budgetError
	if err := use1(t, l, c, r, 2, budget); !errors.As(err, &spent) || spent.subject != "rule order" {
		t.Fatalf("error is %v, want that the budget is used up", err)
	}
	if got := loaded(t, l, r.ID); len(got.Effects) != 2 {
		t.Errorf("%d effects are noted, want 2: the third was refused", len(got.Effects))
	}
	if n, err := l.count(t.Context(), "rule order", monday); err != nil || n != 2 {
		t.Errorf("count is %d, %v, want 2", n, err)
	}
	c.add(41 * time.Minute) // the first is an hour and a minute old
	if err := use1(t, l, c, r, 2, budget); err != nil {
		t.Errorf("error after the window moved on is %v", err)
	}
	if n, err := l.count(t.Context(), "rule order", c.Now().Add(-time.Hour)); err != nil || n != 2 {
		t.Errorf("count of the last hour is %d, %v, want 2", n, err)
	}
}

func ledgerCountsOnce(t *testing.T, l ledger, c *clock) {
	r := started(t, l, "a")
	budget := Budget{1, span{"1h", time.Hour}}
	for range 3 {
		if err := use1(t, l, c, r, 0, budget); err != nil {
			t.Fatalf("the same effect again: %v", err)
		}
	}
	if n, err := l.count(t.Context(), "rule order", monday); err != nil || n != 1 {
		t.Errorf("count is %d, %v, want 1", n, err)
	}
	if got := loaded(t, l, r.ID); len(got.Effects) != 1 {
		t.Errorf("%d effects are noted, want 1", len(got.Effects))
	}
}

func ledgerKeeps(t *testing.T, l ledger, _ *clock) {
	r := started(t, l, "a")
	for _, name := range []string{"first", "second"} { // a repetition replaces
		if err := l.keep(t.Context(), r.ID, "0", []File{{Name: name, Type: "text/csv", Content: []byte("a,b")}, {Name: "b.png", Type: "image/png", Content: []byte{0, 1}, Inline: "pic"}}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := l.kept(t.Context(), r.ID, "0")
	if err != nil || len(files) != 2 || files[0].Name != "second" || string(files[0].Content) != "a,b" || files[1].Inline != "pic" {
		t.Errorf("files are %+v, %v", files, err)
	}
	if files, err := l.kept(t.Context(), r.ID, "1"); err != nil || len(files) != 0 {
		t.Errorf("another step has files %+v, %v", files, err)
	}
}

func ledgerEnds(t *testing.T, l ledger, c *clock) {
	r := started(t, l, "a")
	r.State, r.WakeAt = RunWaiting, c.Now().Add(time.Hour)
	if _, err := l.park(t.Context(), r, []string{"thread:t"}, nil); err != nil {
		t.Fatal(err)
	}
	r = loaded(t, l, r.ID)
	r.State, r.WakeAt = RunDone, time.Time{}
	if err := l.save(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if n := tell(t, l, "thread:t"); n != 0 {
		t.Errorf("a run that ended was woken (%d)", n)
	}
	ev, again := ledgerRun("a")
	if ids, err := l.start(t.Context(), ev, nil, []*Run{again}); err != nil || len(ids) != 0 {
		t.Errorf("the same event starts %q again, %v", ids, err)
	}
	if m, ok := l.(*memory); ok { // as a trial does
		m.drop(r.ID)
		if ids, err := l.start(t.Context(), ev, nil, []*Run{again}); err != nil || len(ids) != 0 {
			t.Errorf("after it was forgotten the same event starts %q again, %v", ids, err)
		}
		if len(m.runs)+len(m.order)+len(m.waits)+len(m.keys)+len(m.files)+len(m.sent) != 0 {
			t.Errorf("something of the run is left: %+v", m)
		}
	}
}
