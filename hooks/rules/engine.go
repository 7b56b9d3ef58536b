package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"heliograph/hooks/rules/condition"
	"heliograph/internal/calendar"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// eventKind is the kind of the queue's jobs of events: key and payload are the id in rule_events.
const eventKind = "rule-event"

// Options are what an Engine needs.
type Options struct {
	Store     *store.DB
	Queue     *queue.Queue
	World     World
	Performer Performer
	// Calendars are the business calendars; Calendar names the default one.
	Calendars calendar.Set
	Calendar  string
	// Lists are named lists for conditions; nil: there are none.
	Lists condition.Lists
	// Internal says whether an address is a colleague's.
	Internal func(address string) bool
	// Roles are the members of roles, as mailboxes.
	Roles map[string][]string
	// Names are what people call records, for explanations; nil: what their systems call them.
	Names *RecordNames
	// PublicURL is where the links of approvals lead, and ApprovalKeys make the tokens in them, the first one new ones. Without both there are
	// no links.
	PublicURL    string
	ApprovalKeys [][]byte
	// Suppressed returns those of the addresses that must not get mail, with the reason; nil: everybody may.
	Suppressed func(ctx context.Context, list string, addresses []string) (map[string]string, error)
	// Watch has fields of records watched, so that their changes are told by Post; nil: nothing is watched.
	Watch      func(ctx context.Context, target, object string, fields []string) error
	Workers    int           // runs and events at once; zero means 2
	Deadlines  time.Duration // between two looks at dates in records; zero means 5 min
	Keep       time.Duration // how long ended runs and events are kept; zero means 180 days
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Engine runs the rules that are in force. Its methods may be called concurrently, and by several nodes on one database.
type Engine struct {
	core
	o       Options
	book    *Book
	rules   live
	ledger  *database
	queue   *queue.Queue
	log     *slog.Logger
	watched map[string]bool // by the goroutine of Run only
	mail    atomic.Bool     // somebody looks at mail
	looked  atomic.Bool     // mail says something
	next    map[string]look // by rule: when its times are to be looked at again; by the goroutine of Run only
}

// New returns an Engine that does nothing until Run.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Internal == nil {
		o.Internal = func(string) bool { return false }
	}
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Deadlines <= 0 {
		o.Deadlines = 5 * time.Minute
	}
	if o.Keep <= 0 {
		o.Keep = 180 * 24 * time.Hour
	}
	book := NewBook(o.Store, o.Now)
	book.called = o.Names
	e := &Engine{
		core: core{
			world: o.World, performer: o.Performer, now: o.Now, cals: o.Calendars, calendar: o.Calendar, lists: o.Lists,
			internal: o.Internal, suppressed: o.Suppressed, metrics: newMetrics(o.Registerer),
			roles: o.Roles, publicURL: o.PublicURL, approvalKeys: o.ApprovalKeys,
		},
		o: o, book: book, rules: live{book: book}, ledger: &database{o.Store, o.Queue, o.Now}, queue: o.Queue, log: o.Logger, watched: map[string]bool{}, next: map[string]look{},
	}
	e.follow = e.wrote
	return e
}

// Book holds the rules.
func (e *Engine) Book() *Book { return e.book }

// Post tells of events, each durably and once: the error is nil when they will be looked at, whatever happens.
func (e *Engine) Post(ctx context.Context, events ...Event) error {
	err := e.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error { return e.PostTx(ctx, tx, events...) })
	if err != nil {
		return fmt.Errorf("post events: %w", err)
	}
	e.queue.Wake(eventKind)
	return nil
}

// PostTx is Post in the caller's transaction.
func (e *Engine) PostTx(ctx context.Context, tx store.Querier, events ...Event) error {
	for i := range events {
		ev := &events[i]
		if ev.Key == "" || ev.Type == "" {
			return errors.New("an event needs type and key")
		}
		if ev.At.IsZero() {
			ev.At = e.now()
		}
		body, err := json.Marshal(ev)
		if err != nil {
			return err
		}
		id := digest(ev.Type, ev.Key)
		res, err := tx.ExecContext(ctx, `
			INSERT INTO rule_events (id, type, event_key, entry, at, body, decided) VALUES ($1, $2, $3, $4, $5, $6, '') ON CONFLICT (id) DO NOTHING`,
			id, ev.Type, ev.Key, ev.Entry, store.Micros(ev.At), string(body))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			if err != nil {
				return err
			}
			continue
		}
		if _, err := e.queue.Add(ctx, tx, queue.New{Kind: eventKind, Key: id, Payload: []byte(id)}); err != nil {
			return err
		}
	}
	return nil
}

// Offer decides about an event at once, without keeping it first: for callers that come again until it returns nil, such as a hook.
func (e *Engine) Offer(ctx context.Context, ev Event) error {
	began := time.Now()
	if _, err := e.rules.refresh(ctx); err != nil && e.rules.index.Load() == nil {
		return err
	}
	x := e.rules.index.Load()
	if err := e.signal(ctx, keysOf(&ev)...); err != nil {
		return err
	}
	decided, runs, err := e.decide(ctx, x.match(&ev), &ev)
	if err != nil {
		return err
	}
	for _, d := range decided {
		e.metrics.events.WithLabelValues(d.Result).Inc()
	}
	e.metrics.seconds.Observe(time.Since(began).Seconds())
	_, err = e.ledger.start(ctx, &ev, decided, runs)
	return err
}

// WantsMail says whether any rule, or any run that waits, looks at mail. It says yes while that is not known, as after a start, so that no
// mail is passed over. Of runs on other nodes it may lag a second behind; such a run learns of the answer when its time is over.
func (e *Engine) WantsMail() bool {
	x := e.rules.index.Load()
	if e.mail.Load() || x == nil || x.mail || !e.looked.Load() {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var tick int64
	err := e.o.Store.Reader().QueryRowContext(ctx, `SELECT tick FROM rule_clock WHERE one = 1`).Scan(&tick)
	return err != nil || tick != e.rules.tick.Load() // somebody has just published a rule
}

// looks finds out whether anything looks at mail.
func (e *Engine) looks(ctx context.Context) error {
	x := e.rules.index.Load()
	wants := x != nil && x.mail
	if !wants {
		var n int
		err := e.o.Store.Reader().QueryRowContext(ctx, `SELECT count(*) FROM rule_waits WHERE wait_key LIKE 'thread:%' OR wait_key LIKE 'reply:%' OR wait_key LIKE 'answer:%' OR wait_key LIKE 'contact:%'`).Scan(&n)
		if err != nil {
			return err
		}
		wants = n > 0
	}
	e.mail.Store(wants)
	e.looked.Store(x != nil)
	return nil
}

// keysOf are what an event tells to runs that wait.
func keysOf(e *Event) []string {
	if e.Type != TypeMail {
		return nil
	}
	var keys []string
	if e.Thread != "" {
		keys = append(keys, "thread:"+e.Thread)
	}
	refs, _ := e.fact("mail", "references").([]any)
	for _, r := range refs {
		if id, ok := r.(string); ok {
			keys = append(keys, "reply:"+id)
		}
	}
	for _, a := range concerned(e) {
		keys = append(keys, contactPrefix+a)
	}
	return keys
}

// Signal tells the runs that wait for a key that it happened, in the caller's transaction. Call Wake after the commit.
func (e *Engine) Signal(ctx context.Context, tx store.Querier, key string) error {
	_, err := signal(ctx, tx, e.queue, key)
	return err
}

// Wake has the workers look for what was signalled or posted.
func (e *Engine) Wake() { e.queue.Wake(runKind, eventKind) }

func (e *Engine) signal(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	args, places := make([]any, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		args[i], places[i] = k, "$"+strconv.Itoa(i+1)
	}
	woken := 0 // most keys wake nobody: look first
	err := e.o.Store.Reader().QueryRowContext(ctx, `SELECT count(*) FROM rule_waits WHERE wait_key IN (`+strings.Join(places, ", ")+`)`, args...).Scan(&woken)
	if err != nil || woken == 0 {
		return err
	}
	err = e.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, k := range keys {
			if _, err := signal(ctx, tx, e.queue, k); err != nil {
				return err
			}
		}
		return nil
	})
	e.queue.Wake(runKind)
	return err
}

// Run works until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.mind(ctx) })
	g.Go(func() error {
		return e.queue.Work(ctx, queue.Worker{Kind: eventKind, Concurrency: e.o.Workers, Handle: e.handleEvent})
	})
	g.Go(func() error {
		return e.queue.Work(ctx, queue.Worker{Kind: runKind, Concurrency: e.o.Workers, Handle: e.handleRun})
	})
	return g.Wait()
}

// mind keeps the rules in force up to date, and looks for times that have come.
func (e *Engine) mind(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var pruned time.Time
	var seen *index
	for {
		if _, err := e.rules.refresh(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("rules cannot be read", "err", err)
		}
		if x := e.rules.index.Load(); x != nil && x != seen {
			seen = x
			e.watch(ctx)
		}
		if err := e.looks(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("what runs wait for cannot be read", "err", err)
		}
		if err := e.times(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("schedules were not looked at; they are again in a second", "err", err)
		}
		if now := e.now(); now.Sub(pruned) > time.Hour {
			pruned = now
			if err := e.prune(ctx); err != nil && ctx.Err() == nil {
				e.log.Warn("old runs were not removed", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watch has the fields of records watched that rules wait for.
func (e *Engine) watch(ctx context.Context) {
	if e.o.Watch == nil {
		return
	}
	for _, r := range e.rules.index.Load().byID {
		t, ok := r.trigger.(*recordTrigger)
		if !ok || e.watched[r.rule.ID+digest(t.Fields...)] {
			continue
		}
		if err := e.o.Watch(ctx, t.Target, t.Object, t.Fields); err != nil {
			if ctx.Err() == nil {
				e.log.Error("records cannot be watched", "rule", r.rule.ID, "target", t.Target, "err", err)
			}
			continue
		}
		e.watched[r.rule.ID+digest(t.Fields...)] = true
	}
}

// handleEvent decides about an event that was posted.
func (e *Engine) handleEvent(ctx context.Context, job queue.Job) queue.Result {
	var body string
	if err := e.o.Store.Reader().QueryRowContext(ctx, `SELECT body FROM rule_events WHERE id = $1`, string(job.Payload)).Scan(&body); err != nil {
		return queue.Result{Action: queue.Retry, Reason: "read the event: " + err.Error()}
	}
	var ev Event
	if err := decode([]byte(body), &ev); err != nil {
		return queue.Result{Action: queue.Discard, Reason: "read the event: " + err.Error()}
	}
	if err := e.Offer(ctx, ev); err != nil {
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	}
	return queue.Result{Action: queue.Complete}
}

// heldFor is how long a run of a held rule waits before it looks again.
const heldFor = 30 * time.Second

// handleRun goes on with a run.
func (e *Engine) handleRun(ctx context.Context, job queue.Job) queue.Result {
	run, err := e.ledger.load(ctx, string(job.Payload))
	switch {
	case errors.Is(err, errNoRun):
		return queue.Result{Action: queue.Cancel, Reason: err.Error()}
	case err != nil:
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	case run.State.Final():
		return queue.Result{Action: queue.Complete}
	}
	rule, err := e.ruleOf(ctx, run)
	if errors.Is(err, ErrNoRule) {
		if err := Cancel(ctx, e.o.Store, e.now(), run.ID, "the rule was deleted"); err != nil {
			return queue.Result{Action: queue.Retry, Reason: err.Error()}
		}
		return queue.Result{Action: queue.Complete}
	}
	if err != nil {
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	}
	if rule.held != "" {
		return queue.Result{Action: queue.Snooze, At: e.now().Add(heldFor), Reason: "held: " + rule.held}
	}
	out, err := e.advance(ctx, e.ledger, rule, run)
	if errors.Is(err, errCancelled) {
		return queue.Result{Action: queue.Complete}
	}
	if err != nil {
		e.log.Warn("a run cannot go on; it is tried again", "rule", run.Rule, "run", run.ID, "err", err)
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	}
	if out.state != StepWaiting {
		e.log.Info("a run ended", "rule", run.Rule, "run", run.ID, "state", string(run.State))
		return queue.Result{Action: queue.Complete}
	}
	return e.parkRun(ctx, job, run, out)
}

// parkRun puts a run and its job to sleep in one transaction, unless something happened meanwhile that it waits for.
func (e *Engine) parkRun(ctx context.Context, job queue.Job, run *Run, out outcome) queue.Result {
	if out.until.IsZero() {
		run.WakeAt = e.now().Add(24 * time.Hour) // look again, lest a signal that was never sent keeps it for ever
	}
	result := queue.Result{Job: job, Action: queue.Snooze, At: run.WakeAt}
	if len(out.waits) > 0 {
		e.mail.Store(true)
	}
	if fresh, err := e.ledger.await(ctx, run, out.waits); err != nil {
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	} else if fresh {
		return queue.Result{Action: queue.Snooze, At: e.now()}
	}
	signalled, err := e.ledger.park(ctx, run, out.waits, func(ctx context.Context, tx store.Querier) error {
		return e.queue.Finish(ctx, tx, result)
	})
	switch {
	case err != nil:
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	case signalled:
		return queue.Result{Action: queue.Snooze, At: e.now()}
	}
	return queue.Result{Action: queue.Settled}
}

// ruleOf returns the version of the rule that a run is of.
func (e *Engine) ruleOf(ctx context.Context, run *Run) (*compiled, error) {
	x := e.rules.index.Load()
	if x == nil {
		return nil, errors.New("the rules are not loaded yet")
	}
	if r, ok := x.byID[run.Rule]; ok && r.version == run.Version {
		return r, nil
	}
	v, err := e.book.Version(ctx, run.Rule, run.Version)
	if err != nil {
		return nil, err
	}
	c, err := compileNamed(v.Body, run.Version, run.Mode, e.o.Names)
	if err != nil {
		return nil, err
	}
	c.held, err = e.book.held(ctx, run.Rule)
	return c, err
}

// wrote posts the change that an effect made in a CRM, since what we write ourselves is not told as a change by the CRM's stream.
func (e *Engine) wrote(ctx context.Context, ef *Effect, _ *EffectRow) error {
	ev, ok := changeBy(ef, e.now())
	if !ok {
		return nil
	}
	if err := e.Post(ctx, ev); err != nil {
		return &ledgerError{err}
	}
	return nil
}

// changeBy is the event that an effect causes.
func changeBy(ef *Effect, now time.Time) (Event, bool) {
	if ef.Kind != EffectUpdate || ef.Depth > maxDepth {
		return Event{}, false
	}
	fields := map[string]any{}
	for name, v := range ef.Record.Fields {
		fields[name] = map[string]any{"old": nil, "new": v}
	}
	return Event{
		Type: TypeRecord, Key: "effect " + ef.ID, At: now, Target: ef.Record.Target, Object: ef.Record.Object, Record: ef.Record.ID, Title: ef.Title, Depth: ef.Depth,
		Data: map[string]any{"change": map[string]any{"kind": recordChanged, "by": "rule " + ef.Rule, "fields": fields}},
	}, true
}
