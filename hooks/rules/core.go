package rules

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/hooks/rules/condition"
	"heliograph/hooks/rules/extract"
	"heliograph/internal/calendar"
)

// core is what deciding and running need, the same for what really happens and for what is only tried.
type core struct {
	world     World
	performer Performer
	now       func() time.Time
	cals      calendar.Set
	calendar  string // name of the default one
	lists     condition.Lists
	internal  func(address string) bool
	roles     map[string][]string
	// publicURL is where links lead, and approvalKeys make the tokens in them, the first one new ones; empty: there are no links.
	publicURL    string
	approvalKeys [][]byte
	answers      *Answers // of a trial; nil: people answer
	// suppressed returns, of the addresses, those that must not get mail (of a list, or any), with the reason. It may be nil.
	suppressed func(ctx context.Context, list string, addresses []string) (map[string]string, error)
	// follow is told of each effect that happened.
	follow  func(ctx context.Context, e *Effect, row *EffectRow) error
	metrics *metrics
	patient bool // one turn of a run may last as long as it likes
}

// Calendar finds a business calendar; the empty name is the default one.
func (c *core) Calendar(name string) (*calendar.Calendar, error) {
	if name == "" {
		name = c.calendar
	}
	return c.cals.Find(name)
}

// scope is what a rule knows of an event. The run may be nil.
func (c *core) scope(e *Event, r *compiled, run *Run) (*scope, error) {
	s := &scope{world: c.world, event: e, rule: r, run: run, now: c.now}
	if r == nil {
		return s, nil
	}
	var err error
	if s.cal, err = c.Calendar(r.rule.Calendar); err != nil {
		return nil, Permanent(err)
	}
	return s, nil
}

// readings are what was read in an event's mail: readers by the time zone in which dates are meant, and what they found, by zone and what was looked for.
// They are shared by the rules that look at it.
type readings struct {
	readers map[string]*extract.Reader
	values  map[string]map[string]any
}

func newReadings() *readings {
	return &readings{map[string]*extract.Reader{}, map[string]map[string]any{}}
}

// extract is what a rule extracts from a mail that came at a time. Rules that look for the same share it.
func (t *readings) extract(m map[string]any, at time.Time, r *compiled) map[string]any {
	if t == nil {
		return reader(m, at).Extract(r.rule.Extract).Values()
	}
	zone := at.Location().String()
	key := zone + "\n" + r.extracts
	if v, ok := t.values[key]; ok {
		return v
	}
	read, ok := t.readers[zone]
	if !ok {
		read = reader(m, at)
		t.readers[zone] = read
	}
	v := read.Extract(r.rule.Extract).Values()
	t.values[key] = v
	return v
}

// reader reads the words of a mail.
func reader(m map[string]any, at time.Time) *extract.Reader {
	text := func(name string) string {
		s, _ := m[name].(string)
		return s
	}
	return extract.NewReader(extract.Mail{
		Subject: text("subject"), Text: text("text"), Unquoted: text("unquoted"), HTML: text("html"), Language: text("language"), Date: at,
	})
}

// shared is what all rules that are asked about an event have together.
type shared struct {
	memo  *condition.Memo
	texts *readings
}

// share prepares what rules share about an event.
func (c *core) share(e *Event) (*shared, error) {
	facts, err := c.scope(e, nil, nil)
	if err != nil {
		return nil, err
	}
	return &shared{condition.NewMemo(facts), newReadings()}, nil
}

// evaluate asks a condition.
func (c *core) evaluate(ctx context.Context, p *condition.Program, s *scope, r *compiled) (Explanation, error) {
	return p.Evaluate(ctx, s, c.conditions(s))
}

// conditions are what conditions need beside the facts.
func (c *core) conditions(s *scope) condition.Options {
	o := condition.Options{Now: c.now(), Lists: c.lists}
	if s.cal != nil {
		o.Calendar, o.Zone = s.cal, s.cal.Location()
	}
	return o
}

// summary says in both languages what a condition came to.
func summary(why Explanation) string { return why.ZH + " / " + why.EN }

// Explanation says why a condition holds or not.
type Explanation = condition.Explanation

// decide asks the rules that may fit an event, and makes a run for each that fires.
func (c *core) decide(ctx context.Context, rules []*compiled, e *Event) (decided []Decision, runs []*Run, err error) {
	shared, err := c.share(e)
	if err != nil {
		return nil, nil, err
	}
	decided = make([]Decision, 0, len(rules))
	for _, r := range rules {
		d, run, err := c.decideOne(ctx, r, e, shared)
		if err != nil {
			return nil, nil, fmt.Errorf("rule %s: %w", r.rule.ID, err)
		}
		decided = append(decided, d)
		if run != nil {
			runs = append(runs, run)
		}
	}
	return decided, runs, nil
}

// decideOne asks one rule.
func (c *core) decideOne(ctx context.Context, r *compiled, e *Event, shared *shared) (Decision, *Run, error) {
	d := Decision{Rule: r.rule.ID, Version: r.version, Result: decidedNot}
	facts, err := c.scope(e, r, nil)
	if err != nil {
		d.Result, d.Reason = decidedError, err.Error()
		return d, nil, nil
	}
	var why Explanation
	if r.when != nil {
		var asked condition.Facts
		switch {
		case r.common:
			asked = shared.memo
		default:
			facts.texts = shared.texts
			asked = shared.memo.Over(facts, r.own)
		}
		truth, unknown, err := r.when.Test(ctx, asked, c.conditions(facts))
		switch {
		case err != nil && temporary(err):
			return d, nil, err
		case err != nil:
			d.Result, d.Reason = decidedError, err.Error()
			return d, nil, nil
		case truth == condition.Unsure:
			d.Result, d.Reason = decidedUnknown, unknowns(unknown)
			return d, nil, nil
		case truth == condition.False:
			return d, nil, nil
		}
		if why, err = r.when.Evaluate(ctx, asked, c.conditions(facts)); err != nil {
			return d, nil, err
		}
	}
	run := &Run{
		ID: runID(r.rule.ID, r.eventKey(e)), Rule: r.rule.ID, Version: r.version, Mode: r.mode, State: RunRunning,
		Title: e.Title, Event: *e, Why: why, MadeAt: c.now(), ChangedAt: c.now(),
	}
	d.Result, d.Run = decidedFires, run.ID
	return d, run, nil
}

// eventKey is what tells an event from its repetitions, for this rule.
func (r *compiled) eventKey(e *Event) string {
	if t, ok := r.trigger.(*webhookTrigger); ok && t.Key != "" {
		if v, err := descend(e.Data["event"], t.Key, t.Key); err == nil && v != nil {
			return fmt.Sprintf("%s %s %v", e.Type, t.Hook, v)
		}
	}
	return e.Type + " " + e.Key
}

// unknowns says which facts could not be told.
func unknowns(list []condition.UnknownFact) string {
	var parts []string
	for _, u := range list {
		parts = append(parts, u.Path+": "+u.ZH+" / "+u.EN)
	}
	return strings.Join(parts, "; ")
}

// advance takes a run as far as it can go now, and writes down how it ended unless it waits.
func (c *core) advance(ctx context.Context, l ledger, r *compiled, run *Run) (outcome, error) {
	facts, err := c.scope(&run.Event, r, run)
	if err != nil {
		return outcome{state: StepFailed, reason: err.Error()}, nil
	}
	w := &walker{e: c, rule: r, run: run, facts: facts, ledger: l}
	out, err := w.start(ctx)
	if err != nil {
		return out, err
	}
	run.ChangedAt = c.now()
	switch out.state {
	case StepWaiting:
		run.State, run.WakeAt = RunWaiting, out.until
		return out, nil
	case StepFailed:
		run.State, run.Reason = RunFailed, out.reason
	case StepStopped:
		run.State, run.Reason = RunDone, out.reason
	default:
		run.State = RunDone
	}
	run.WakeAt = time.Time{}
	c.metrics.runs.WithLabelValues(string(run.State)).Inc()
	return out, l.save(ctx, run)
}

// start waits where the trigger is that nothing happens, and goes on with the steps.
func (w *walker) start(ctx context.Context) (outcome, error) {
	t, ok := w.rule.trigger.(*absenceTrigger)
	if !ok || len(w.run.Steps) > 0 {
		return w.walk(ctx)
	}
	due, err := t.due(&w.run.Event, w.e, w.rule.rule.Calendar)
	if err != nil {
		return outcome{state: StepFailed, reason: err.Error()}, nil
	}
	answered, err := t.answered(ctx, w.facts)
	switch {
	case err != nil:
		return outcome{}, err
	case answered:
		return outcome{state: StepStopped, reason: "it was answered in time"}, nil
	case w.e.now().Before(due):
		return waiting(due, t.awaits(&w.run.Event)...), nil
	}
	return w.walk(ctx)
}

// asUnknown finds a *condition.Unknown in an error.
func asUnknown(err error) (*condition.Unknown, bool) {
	var u *condition.Unknown
	ok := errors.As(err, &u)
	return u, ok
}

// addressIn returns the address of a mailbox in lower case: of `"Li" <li@example.com>` as of li@example.com.
func addressIn(mailbox string) string {
	if a, err := mail.ParseAddress(mailbox); err == nil {
		return strings.ToLower(a.Address)
	}
	return strings.ToLower(strings.TrimSpace(mailbox))
}

// metrics count what rules do.
type metrics struct {
	events  *prometheus.CounterVec
	runs    *prometheus.CounterVec
	effects *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_rule_decisions_total", Help: "What rules said to events that may start them.",
		}, []string{"result"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_rule_runs_total", Help: "Runs of rules that ended, by how they did.",
		}, []string{"state"}),
		effects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_rule_effects_total", Help: "Outside actions of rules by kind, and what became of them.",
		}, []string{"kind", "state"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "heliograph_rule_decision_seconds", Help: "Time that all rules took to decide about one event.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // 0.1 ms to 6.5 s
		}),
	}
	if r != nil {
		r.MustRegister(m.events, m.runs, m.effects, m.seconds)
	}
	return m
}
