package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
	"heliograph/internal/calendar"
)

// Trial tries rules on events, with a clock of its own: no effect is taken, no socket opened, nothing stored. The same events give the same result,
// byte for byte. Its memory grows with the runs that wait and with what it was asked to list, not with the events. It is not safe for concurrent use.
type Trial struct {
	core
	index     *index
	mem       *memory
	clock     time.Time
	schedules []*ticking
	datings   []*dating
	pending   []Event // caused by effects
	answers   Answers
	o         TrialOptions
	report    Report
	slots     map[string]int // by run that goes on: its place in report.Fired
	contents  map[string]content
}

// Answers says how a trial answers what only people or other systems can.
type Answers struct {
	Approve string `json:"approve,omitempty"` // approved (the default), refused, or expired: nobody decides
}

// Bounds of what a report lists, where nothing else is asked for.
const (
	defaultFired   = 1000
	defaultSamples = 100
	maxRecipients  = 10000
)

// TrialOptions are what a Trial needs besides rules.
type TrialOptions struct {
	World     World // of what is stored. It may be a Clocked and a Follower
	Calendars calendar.Set
	Calendar  string
	Lists     condition.Lists
	Internal  func(address string) bool
	Roles     map[string][]string // members of roles; nil: three are imagined for each
	Answers   Answers
	Names     *RecordNames // for explanations; nil: names are as in the records' systems
	// From is when the clock begins. Schedules fire and dates come from then on as the clock moves; where it is zero they do not.
	From    time.Time
	Fired   int // runs that are listed, the first ones; zero means 1,000, less than zero none. The others are counted
	Samples int // effects of listed runs whose content is kept; zero means 100, less than zero none
	// Ended is told of each run when it ends, and of those that still wait by Result; nil: nobody is. What it gets has no contents.
	Ended func(Fired)
}

// Clocked is a World that depends on the time: a trial tells it its own.
type Clocked interface{ Clock(now func() time.Time) }

// Follower is a World that wants to know what would have been done, so that later rules see it.
type Follower interface {
	Follow(e *Effect, output map[string]any)
}

// Report is what a trial found.
type Report struct {
	Events  int            `json:"events"`
	Results map[string]int `json:"results"` // decisions by result
	Runs    map[string]int `json:"runs"`    // by how they ended, or wait
	Effects map[string]int `json:"effects"` // by kind and state
	// Unknown counts, by rule, the events of which nobody knows whether it fires, with the first reason.
	Unknown map[string]Unknowns `json:"unknown,omitempty"`
	// Fired are the first runs, in order, with what they would have done; Omitted counts the others.
	Fired   []Fired `json:"fired"`
	Omitted int     `json:"omitted,omitempty"`
	// Recipients counts effects by recipient; OtherRecipients those of recipients beyond the first 10,000.
	Recipients      map[string]int `json:"recipients"`
	OtherRecipients int            `json:"other_recipients,omitempty"`
}

// Unknowns are events that a rule could not decide.
type Unknowns struct {
	Events int    `json:"events"`
	Reason string `json:"reason"` // of the first
}

// Fired is one run of a trial.
type Fired struct {
	Run     string     `json:"run"`
	Rule    string     `json:"rule"`
	Version int        `json:"version,omitempty"`
	Event   string     `json:"event"`
	At      time.Time  `json:"at"`
	Title   string     `json:"title,omitempty"`
	State   RunState   `json:"state"`
	Reason  string     `json:"reason,omitempty"`
	Effects []Imagined `json:"effects,omitempty"`
}

// Imagined is an effect that would have happened.
type Imagined struct {
	At         time.Time   `json:"at"`
	Step       string      `json:"step"`
	State      EffectState `json:"state"` // shadow, or blocked by a guard
	Kind       EffectKind  `json:"kind"`
	Title      string      `json:"title,omitempty"`
	Recipients []string    `json:"recipients,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Digest     string      `json:"digest,omitempty"` // of its content: equal for equal effects
	Effect     *Effect     `json:"effect,omitempty"` // its content, for the first ones
}

// content is what an effect of a run that goes on was to do.
type content struct {
	digest string
	effect *Effect // nil beyond the samples
}

// ticking is a schedule whose times come.
type ticking struct {
	rule     *compiled
	schedule *calendar.Schedule
	next     time.Time // zero: never again
}

// NewTrial returns a trial of rules. Those that cannot be compiled are an error.
func NewTrial(rules []Version, o TrialOptions) (*Trial, error) {
	var list []*compiled
	for _, v := range rules {
		c, err := compileNamed(v.Body, v.Number, Live, o.Names)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", v.Body.ID, err)
		}
		list = append(list, c)
	}
	if o.Fired == 0 {
		o.Fired = defaultFired
	}
	if o.Samples == 0 {
		o.Samples = defaultSamples
	}
	if o.Internal == nil {
		o.Internal = func(string) bool { return false }
	}
	t := &Trial{index: newIndex(list), answers: o.Answers, o: o, clock: o.From, slots: map[string]int{}, contents: map[string]content{}}
	t.core = core{
		world: o.World, performer: imaginary{t}, now: t.Now, cals: o.Calendars, calendar: o.Calendar, lists: o.Lists,
		internal: o.Internal, metrics: newMetrics(nil), follow: t.caused, patient: true, roles: o.Roles, answers: &t.answers,
	}
	t.mem = newMemory(t.now)
	t.report = Report{
		Results: map[string]int{}, Runs: map[string]int{}, Effects: map[string]int{}, Recipients: map[string]int{}, Unknown: map[string]Unknowns{}, Fired: []Fired{},
	}
	if w, ok := o.World.(Clocked); ok {
		w.Clock(t.Now)
	}
	return t, t.begin(list)
}

// begin finds out when schedules fire and dates are looked at first.
func (t *Trial) begin(list []*compiled) error {
	if t.o.From.IsZero() {
		return nil
	}
	for _, c := range list {
		if trigger, ok := c.trigger.(*deadlineTrigger); ok {
			t.datings = append(t.datings, &dating{rule: c, trigger: trigger, ask: t.o.From, told: map[string]bool{}})
		}
		trigger, ok := c.trigger.(*scheduleTrigger)
		if !ok {
			continue
		}
		cal, err := t.Calendar(c.rule.Calendar)
		if err != nil {
			return err
		}
		s, err := trigger.parse(cal)
		if err != nil {
			return fmt.Errorf("rule %s: %w", c.rule.ID, err)
		}
		next, _ := s.Next(t.o.From)
		t.schedules = append(t.schedules, &ticking{c, s, next})
	}
	slices.SortFunc(t.schedules, func(a, b *ticking) int { return strings.Compare(a.rule.rule.ID, b.rule.rule.ID) })
	slices.SortFunc(t.datings, func(a, b *dating) int { return strings.Compare(a.rule.rule.ID, b.rule.rule.ID) })
	return nil
}

// Now is the time of the trial.
func (t *Trial) Now() time.Time { return t.clock }

// Feed moves the clock to the event, lets what is due until then happen, and decides about it. Events come in the order of their times.
func (t *Trial) Feed(ctx context.Context, ev Event) error { return t.FeedAt(ctx, ev.At, ev) }

// FeedAt is Feed of an event that rules were told of later than it happened.
func (t *Trial) FeedAt(ctx context.Context, at time.Time, ev Event) error {
	if err := t.Until(ctx, at); err != nil {
		return err
	}
	return t.happen(ctx, ev)
}

// Until lets runs go on, schedules fire and dates come up to a time, in the order of their times; at the same time runs come first, then schedules.
func (t *Trial) Until(ctx context.Context, end time.Time) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wake, tick := t.mem.nextWake(), t.nextTick()
		look, at := t.nextLook()
		switch {
		case !wake.IsZero() && !wake.After(end) && (tick == nil || !wake.After(tick.next)) && (look == nil || !wake.After(at)):
			t.advanceClock(wake)
			if err := t.goOn(ctx, t.mem.due(t.clock)); err != nil {
				return err
			}
			if err := t.drain(ctx); err != nil {
				return err
			}
		case tick != nil && !tick.next.After(end) && (look == nil || !tick.next.After(at)):
			t.advanceClock(tick.next)
			ev := scheduleEvent(tick.rule.rule.ID, tick.next, tick.schedule.Location())
			tick.next, _ = tick.schedule.Next(tick.next)
			if err := t.happen(ctx, ev); err != nil {
				return err
			}
		case look != nil && !at.After(end):
			t.advanceClock(at.UTC())
			if err := t.look(ctx, look); err != nil {
				return err
			}
		default:
			t.advanceClock(end)
			return nil
		}
	}
}

func (t *Trial) advanceClock(to time.Time) {
	if to.After(t.clock) {
		t.clock = to
	}
}

// nextTick is the schedule that fires next; nil: none does.
func (t *Trial) nextTick() (first *ticking) {
	for _, s := range t.schedules {
		if !s.next.IsZero() && (first == nil || s.next.Before(first.next)) {
			first = s
		}
	}
	return first
}

func (t *Trial) happen(ctx context.Context, ev Event) error {
	t.report.Events++
	t.touched(&ev)
	for _, k := range keysOf(&ev) {
		for _, id := range t.mem.signal(k) {
			if err := t.goOn(ctx, id); err != nil {
				return err
			}
		}
	}
	if rules := t.index.match(&ev); len(rules) > 0 {
		if err := t.started(ctx, rules, &ev); err != nil {
			return err
		}
	}
	return t.drain(ctx)
}

// started decides about an event and takes the runs that begin as far as they go.
func (t *Trial) started(ctx context.Context, rules []*compiled, ev *Event) error {
	decided, runs, err := t.decide(ctx, rules, ev)
	if err != nil {
		return fmt.Errorf("event %s: %w", ev.Key, err)
	}
	for _, d := range decided {
		t.report.Results[d.Result]++
		if d.Result == decidedUnknown || d.Result == decidedError {
			t.doubt(d.Rule, d.Reason)
		}
	}
	started, err := t.mem.start(ctx, ev, decided, runs)
	if err != nil {
		return err
	}
	for _, id := range started {
		if len(t.report.Fired) < t.o.Fired {
			t.slots[id] = len(t.report.Fired)
			t.report.Fired = append(t.report.Fired, Fired{})
		} else {
			t.report.Omitted++
		}
	}
	for _, id := range started {
		if err := t.goOn(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// drain has happen what effects caused.
func (t *Trial) drain(ctx context.Context) error {
	for len(t.pending) > 0 {
		next := t.pending[0]
		t.pending = t.pending[1:]
		if err := t.happen(ctx, next); err != nil {
			return err
		}
	}
	t.pending = nil
	return nil
}

// goOn takes a run as far as it goes at this time.
func (t *Trial) goOn(ctx context.Context, id string) error {
	run, err := t.mem.load(ctx, id)
	if err != nil {
		return err
	}
	out, err := t.advance(ctx, t.mem, t.index.byID[run.Rule], run)
	if err != nil {
		return fmt.Errorf("rule %s, event %s: %w", run.Rule, run.Event.Key, err)
	}
	if out.state == StepWaiting {
		_, err = t.mem.park(ctx, run, out.waits, nil)
		return err
	}
	t.over(run)
	return nil
}

// over counts a run that has ended, and forgets it.
func (t *Trial) over(run *Run) {
	t.tell(&t.report, run)
	t.mem.drop(run.ID)
	for _, e := range run.Effects {
		delete(t.contents, e.ID)
	}
	delete(t.slots, run.ID)
}

// tell adds a run to a report.
func (t *Trial) tell(report *Report, run *Run) {
	report.Runs[string(run.State)]++
	for _, e := range run.Effects {
		state := imaginedState(e.State)
		report.Effects[string(e.Kind)+" "+string(state)]++
		if state != EffectShadow {
			continue
		}
		for _, to := range e.Recipients {
			if _, ok := report.Recipients[to]; ok || len(report.Recipients) < maxRecipients {
				report.Recipients[to]++
			} else {
				report.OtherRecipients++
			}
		}
	}
	slot, listed := t.slots[run.ID]
	if !listed && t.o.Ended == nil {
		return
	}
	fired := t.fired(run)
	if listed {
		report.Fired[slot] = fired
	}
	if t.o.Ended != nil {
		fired.Effects = slices.Clone(fired.Effects)
		for i := range fired.Effects {
			fired.Effects[i].Effect = nil
		}
		t.o.Ended(fired)
	}
}

// imaginedState is the state of an effect in a report: what was done was done in the imagination.
func imaginedState(s EffectState) EffectState {
	if s == EffectDone {
		return EffectShadow
	}
	return s
}

func (t *Trial) fired(r *Run) Fired {
	out := Fired{Run: r.ID, Rule: r.Rule, Version: r.Version, Event: r.Event.Key, At: r.MadeAt, Title: r.Title, State: r.State, Reason: r.Reason}
	steps := map[string]string{}
	for _, s := range r.Steps {
		steps[s.Path] = s.Step
	}
	for _, e := range r.Effects {
		c := t.contents[e.ID]
		out.Effects = append(out.Effects, Imagined{
			At: e.MadeAt, Step: steps[e.Path], State: imaginedState(e.State), Kind: e.Kind, Title: e.Title, Recipients: e.Recipients, Reason: e.Reason,
			Digest: c.digest, Effect: c.effect,
		})
	}
	return out
}

// caused takes note of what an effect changes, so that later rules see it.
func (t *Trial) caused(_ context.Context, ef *Effect, row *EffectRow) error {
	if f, ok := t.world.(Follower); ok {
		f.Follow(ef, row.Output)
	}
	if ev, ok := changeBy(ef, t.clock); ok {
		t.pending = append(t.pending, ev)
	}
	return nil
}

// imaginary is the performer of a trial: it keeps what would have been done.
type imaginary struct{ t *Trial }

// Perform implements Performer.
func (p imaginary) Perform(_ context.Context, e *Effect) (map[string]any, error) {
	p.keep(e)
	return imagined(e, &EffectRow{MessageID: p.messageID(e)}), nil
}

// Foresee implements Foreseer.
func (p imaginary) Foresee(e *Effect) string { return p.messageID(e) }

func (imaginary) messageID(e *Effect) string {
	if e.Kind != EffectMail {
		return ""
	}
	return "imagined." + e.ID
}

// keep notes the content of an effect where somebody asks for it.
func (p imaginary) keep(e *Effect) {
	t := p.t
	_, listed := t.slots[e.Run]
	if !listed && t.o.Ended == nil {
		return
	}
	c := content{digest: contentOf(e)}
	if listed && t.o.Samples > 0 {
		t.o.Samples--
		c.effect = e
	}
	t.contents[e.ID] = c
}

// contentOf is a digest of what an effect is to do, whatever step it is of.
func contentOf(e *Effect) string {
	bare := *e
	bare.ID, bare.At = "", time.Time{}
	text, _ := json.Marshal(bare) // cannot fail: it came from JSON values
	return digest(string(text))
}

// Result says what would have happened up to now. Runs that wait are told as such.
func (t *Trial) Result() Report {
	out := t.report
	out.Results, out.Runs, out.Effects = maps.Clone(out.Results), maps.Clone(out.Runs), maps.Clone(out.Effects)
	out.Recipients, out.Unknown, out.Fired = maps.Clone(out.Recipients), maps.Clone(out.Unknown), slices.Clone(out.Fired)
	for _, r := range t.mem.alive() {
		t.tell(&out, r)
	}
	return out
}

// FactsOf are the facts that the templates of a rule find about an event, before its first step.
func FactsOf(r Rule, ev Event, o TrialOptions) (condition.Facts, error) {
	c, err := compile(Rule{ID: r.ID, Name: r.Name, Owner: r.Owner, Contact: r.Contact, Calendar: r.Calendar, Trigger: r.Trigger, Extract: r.Extract}, 0, Live)
	if err != nil {
		return nil, err
	}
	t, err := NewTrial(nil, o)
	if err != nil {
		return nil, err
	}
	t.clock = ev.At
	facts, err := t.scope(&ev, c, nil)
	if err != nil {
		return nil, err
	}
	facts.texts = newReadings()
	return facts, nil
}
