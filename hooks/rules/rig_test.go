package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/calendar"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// clock is the time of a rig.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// monday is 2 March 2026, 10:00 in Shanghai.
var monday = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)

// outside stands for all that effects reach. It knows effects by their ids, as the real ones do, and counts how often each was asked for.
type outside struct {
	mu     sync.Mutex
	done   map[string]*Effect
	order  []string
	asked  map[string]int
	fail   func(e *Effect) error // before it is done
	forget func(e *Effect) error // after it is done: the answer is lost
	from   string                // who mails are sent as; empty: nobody says
}

func newOutside() *outside { return &outside{done: map[string]*Effect{}, asked: map[string]int{}} }

func (o *outside) Perform(_ context.Context, e *Effect) (map[string]any, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked[e.ID]++
	if o.fail != nil {
		if err := o.fail(e); err != nil {
			return nil, err
		}
	}
	if _, ok := o.done[e.ID]; !ok {
		o.done[e.ID] = e
		o.order = append(o.order, e.ID)
	}
	if o.forget != nil {
		if err := o.forget(e); err != nil {
			return nil, err
		}
	}
	out := map[string]any{"id": "remote-" + e.ID[:6], "message_id": o.Foresee(e)}
	if o.from != "" {
		out["from"] = o.from
	}
	return out, nil
}

func (o *outside) Foresee(e *Effect) string { return "hg." + e.ID + "@example.com" }

// titles are the effects that happened, in order, a line each.
func (o *outside) titles() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []string{}
	for _, id := range o.order {
		out = append(out, fmt.Sprintf("%s %s", o.done[id].Kind, o.done[id].Title))
	}
	return out
}

type rig struct {
	t     *testing.T
	db    *store.DB
	queue *queue.Queue
	clock *clock
	out   *outside
	world testWorld
	e     *Engine
}

func newRig(t *testing.T, db *store.DB) *rig {
	t.Helper()
	r := &rig{t: t, db: db, clock: &clock{now: monday}, out: newOutside(), world: testWorld{}}
	r.restart()
	return r
}

// restart is what a new process does.
func (r *rig) restart() {
	r.t.Helper()
	set, err := calendar.NewSet(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.queue = queue.Open(r.db, queue.Options{Now: r.clock.Now})
	r.e = New(Options{
		Store: r.db, Queue: r.queue, World: r.world, Performer: r.out, Calendars: set, Calendar: "cn", Now: r.clock.Now,
		Internal: func(a string) bool { return len(a) > 12 && a[len(a)-12:] == "@example.com" },
	})
	r.refresh()
}

func (r *rig) refresh() {
	r.t.Helper()
	if _, err := r.e.rules.refresh(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) publish(text string) Rule {
	r.t.Helper()
	return r.publishAs(text, StateLive)
}

func (r *rig) publishAs(text string, state State) Rule {
	r.t.Helper()
	rule, err := Parse([]byte(text))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, _, err := r.e.Book().Publish(r.t.Context(), rule, state, -1, "", "test", Surroundings{}); err != nil {
		r.t.Fatal(err)
	}
	r.refresh()
	return rule
}

// pump works all jobs that are due, one after the other.
func (r *rig) pump() {
	r.t.Helper()
	for range 1000 {
		n := 0
		for kind, handle := range map[string]func(context.Context, queue.Job) queue.Result{eventKind: r.e.handleEvent, runKind: r.e.handleRun} {
			jobs, err := r.queue.Claim(r.t.Context(), kind, 10, time.Minute)
			if err != nil {
				r.t.Fatal(err)
			}
			for _, j := range jobs {
				n++
				r.finish(j, handle(r.t.Context(), j))
			}
		}
		if n == 0 {
			return
		}
	}
	r.t.Fatal("there is no end to the jobs")
}

// finish does what a worker does with the outcome of a job.
func (r *rig) finish(j queue.Job, res queue.Result) {
	r.t.Helper()
	if res.Action == queue.Settled {
		return
	}
	res.Job = j
	err := r.db.Write(r.t.Context(), func(ctx context.Context, tx store.Querier) error { return r.queue.Finish(ctx, tx, res) })
	if err != nil && !errors.Is(err, queue.ErrFenced) {
		r.t.Fatal(err)
	}
}

// after moves the clock and works what is due then.
func (r *rig) after(d time.Duration) {
	r.t.Helper()
	r.clock.add(d)
	if err := r.e.times(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.pump()
}

func (r *rig) post(ev Event) {
	r.t.Helper()
	if err := r.e.Post(r.t.Context(), ev); err != nil {
		r.t.Fatal(err)
	}
	r.pump()
}

// mailIn is a mail from a customer.
func mailIn(key, subject string) Event {
	return Event{
		Type: TypeMail, Key: key, At: monday, Message: key, Thread: "t-" + key, Title: subject,
		Data: map[string]any{"mail": testMail(map[string]any{"subject": subject, "text": "订单号：SO-1001\n请尽快处理。", "from": "Li Lei <li@customer.org>"}, Rule{}, monday)},
	}
}

func (r *rig) runs() []*Run {
	r.t.Helper()
	rows, err := r.db.Reader().QueryContext(r.t.Context(), `SELECT id FROM rule_runs ORDER BY made_at, id`)
	if err != nil {
		r.t.Fatal(err)
	}
	ids, err := texts(rows)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []*Run
	for _, id := range ids {
		run, err := readRun(r.t.Context(), r.db.Reader(), id)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, run)
	}
	return out
}

func (r *rig) wantEffects(want ...string) {
	r.t.Helper()
	if got := r.out.titles(); !slices.Equal(got, want) {
		r.t.Errorf("effects are %q, want %q", got, want)
	}
}

// each runs a test over both engines of the store.
func onBoth(t *testing.T, f func(t *testing.T, r *rig)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, newRig(t, db)) })
}

func replace(text, old, with string) string { return strings.ReplaceAll(text, old, with) }

func (r *rig) rule(text string) Rule {
	r.t.Helper()
	rule, err := Parse([]byte(text))
	if err != nil {
		r.t.Fatal(err)
	}
	return rule
}

// runOf is the run of the event with a key.
func (r *rig) runOf(key string) *Run {
	r.t.Helper()
	for _, run := range r.runs() {
		if run.Event.Key == key {
			return run
		}
	}
	r.t.Fatalf("no run of event %s", key)
	return nil
}
