package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
)

// branch goes one of several ways: the first whose condition holds, or else.
type branch struct {
	Cases []branchCase `json:"cases"`
	Else  []Step       `json:"else,omitempty"`

	otherwise []*step
}

type branchCase struct {
	When  *condition.Node `json:"when"`
	Steps []Step          `json:"steps"`

	when  *condition.Program
	steps []*step
}

func (b *branch) compile(c *compiler) (err error) {
	if len(b.Cases) == 0 {
		return errors.New("a branch needs cases")
	}
	for i := range b.Cases {
		one := &b.Cases[i]
		here := "/with/cases/" + strconv.Itoa(i)
		if one.When == nil {
			return &PathError{here + "/when", errors.New("a case needs a condition; what is left goes into else")}
		}
		if one.when, err = c.program(one.When); err != nil {
			return &PathError{here + "/when", err}
		}
		if one.steps, err = c.steps(one.Steps, here+"/steps"); err != nil {
			return err
		}
	}
	b.otherwise, err = c.steps(b.Else, "/with/else")
	return err
}

func (b *branch) children() []block {
	var out []block
	for i, one := range b.Cases {
		out = append(out, block{path: "/with/cases/" + strconv.Itoa(i) + "/steps", when: one.When, steps: one.steps})
	}
	if len(b.otherwise) > 0 {
		out = append(out, block{path: "/with/else", steps: b.otherwise})
	}
	return out
}

func (b *branch) run(x *exec) (outcome, error) {
	way, ok := x.remembered("case").(string)
	if !ok {
		var err error
		if way, err = b.choose(x); err != nil {
			return outcome{}, err
		}
		if err := x.remember("case", way); err != nil {
			return outcome{}, err
		}
	}
	steps := b.otherwise
	if i, err := strconv.Atoi(way); err == nil && i < len(b.Cases) {
		steps = b.Cases[i].steps
	}
	out, err := x.inside(steps, way)
	if out.state == StepDone {
		out.output = x.row.Output
	}
	return out, err
}

// choose finds the way. A case whose condition asks for what is not known is passed over, as one that does not hold.
func (b *branch) choose(x *exec) (string, error) {
	for i, one := range b.Cases {
		why, err := x.e.evaluate(x.Context, one.when, x.facts, x.rule)
		if err != nil {
			return "", err
		}
		if why.Result == condition.True {
			return strconv.Itoa(i), nil
		}
	}
	return "else", nil
}

func (b *branch) check(*checker) {}

func (b *branch) describe(l voice) string {
	var parts []string
	for _, one := range b.Cases {
		parts = append(parts, l.of("if ", "若")+l.condition(one.When)+l.of(": ", "：")+describeSteps(one.steps, l))
	}
	if len(b.otherwise) > 0 {
		parts = append(parts, l.of("otherwise: ", "否则：")+describeSteps(b.otherwise, l))
	}
	return strings.Join(parts, l.of("; ", "；"))
}

// parallel takes several rows of steps side by side: one that waits does not hold up the others.
type parallel struct {
	Branches [][]Step `json:"branches"`

	rows [][]*step
}

func (p *parallel) compile(c *compiler) error {
	if len(p.Branches) < 2 {
		return errors.New("parallel needs two branches or more")
	}
	for i, list := range p.Branches {
		steps, err := c.steps(list, "/with/branches/"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		p.rows = append(p.rows, steps)
	}
	return nil
}

func (p *parallel) children() []block {
	var out []block
	for i, steps := range p.rows {
		out = append(out, block{path: "/with/branches/" + strconv.Itoa(i), steps: steps})
	}
	return out
}

func (p *parallel) run(x *exec) (outcome, error) {
	var outs []outcome
	for i, steps := range p.rows {
		out, err := x.inside(steps, strconv.Itoa(i))
		if err != nil {
			return outcome{}, err
		}
		outs = append(outs, out)
	}
	return all(outs), nil
}

func (p *parallel) check(*checker) {}

func (p *parallel) describe(l voice) string {
	var parts []string
	for _, steps := range p.rows {
		parts = append(parts, describeSteps(steps, l))
	}
	return l.of("at the same time: ", "同时：") + strings.Join(parts, l.of(" | ", "｜"))
}

// maxItems bounds a for_each.
const maxItems = 5000

// forEach takes steps for each element of a list. What the list is, is fixed when it begins.
type forEach struct {
	In    string `json:"in"`           // path of a fact that is a list
	As    string `json:"as,omitempty"` // what the element is called besides "item"
	Limit int    `json:"limit,omitempty"`
	Steps []Step `json:"steps"`

	steps []*step
}

func (f *forEach) compile(c *compiler) (err error) {
	if f.In == "" {
		return errors.New("for_each needs a list")
	}
	if f.As != "" {
		c.aliases = append(c.aliases, f.As)
		defer func() { c.aliases = c.aliases[:len(c.aliases)-1] }()
	}
	f.steps, err = c.steps(f.Steps, "/with/steps")
	return err
}

func (f *forEach) children() []block { return []block{{path: "/with/steps", steps: f.steps}} }

func (f *forEach) run(x *exec) (outcome, error) {
	items, err := f.items(x)
	if err != nil {
		return outcome{}, err
	}
	var outs []outcome
	for i, item := range items {
		inner := *x.walker
		inner.facts = x.facts.with(f.As, item)
		out, err := inner.seq(x.Context, f.steps, fmt.Sprintf("%s[%d].", x.path, i))
		if err != nil {
			return outcome{}, err
		}
		outs = append(outs, out)
		if out.state == StepWaiting && x.overtime() {
			break // the rest in the next turn
		}
	}
	out := all(outs)
	if out.state == StepDone {
		out.output = map[string]any{"items": items, "count": json.Number(strconv.Itoa(len(items)))}
	}
	return out, nil
}

func (f *forEach) items(x *exec) ([]any, error) {
	if kept, ok := x.remembered("items").([]any); ok {
		return kept, nil
	}
	v, err := factOf(x.Context, x.facts, f.In)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if v != nil && !ok {
		return nil, Permanent(fmt.Errorf("%s is not a list", f.In))
	}
	limit := maxItems
	if f.Limit > 0 {
		limit = min(limit, f.Limit)
	}
	if len(items) > limit {
		return nil, Permanent(fmt.Errorf("%s has %d elements, more than %d", f.In, len(items), limit))
	}
	if items == nil {
		items = []any{}
	}
	return items, x.remember("items", items)
}

func (f *forEach) check(c *checker) {
	c.fact("in", f.In)
	if f.As == "" {
		return
	}
	taken := slices.ContainsFunc(condition.Standard().Facts(), func(known condition.Fact) bool { return known.Path == f.As || strings.HasPrefix(known.Path, f.As+".") })
	if taken || !validID(f.As) || slices.Contains(c.aliases, f.As) {
		c.problem("/as", fmt.Sprintf("%q is the name of something else, or none: use letters, digits and underscores", f.As), fmt.Sprintf("%q 不能作别名：已有含义，或不是字母、数字和下划线", f.As))
	}
}

func (f *forEach) describe(l voice) string {
	return l.of("for each of ", "对每个 ") + l.fact(f.In) + l.of(": ", "：") + describeSteps(f.steps, l)
}

// wait goes on after a time, at a time, or when something happens, whichever is first.
type wait struct {
	For   offset `json:"for,omitempty"`   // from the moment when the step begins
	Until string `json:"until,omitempty"` // path of a fact that is a time …
	Plus  offset `json:"plus,omitempty"`  // … and what is added to it
	// ReplyTo is the id of an earlier step whose mail is answered; Thread says that any new message of the event's thread counts.
	ReplyTo string `json:"reply_to,omitempty"`
	Thread  bool   `json:"thread,omitempty"`
	// Delivery is the id of an earlier step whose mail has arrived or failed: delivered, failed and bounced say which.
	Delivery string `json:"delivery,omitempty"`
}

func (w *wait) compile(*compiler) error {
	if w.For.IsZero() && w.Until == "" {
		return errors.New("a wait needs an end: for or until; without one a run would never end")
	}
	if !w.For.IsZero() && w.Until != "" {
		return errors.New("for and until exclude each other")
	}
	return nil
}

func (w *wait) run(x *exec) (outcome, error) {
	end, err := x.moment("until", func() (time.Time, error) { return w.end(x) })
	if err != nil {
		return outcome{}, err
	}
	if w.Delivery != "" {
		if out, told, err := w.delivered(x); told || err != nil {
			return out, err
		}
	}
	key, happened, err := w.happened(x)
	switch {
	case err != nil:
		return outcome{}, err
	case happened:
		x.facts.fresh()
		return done(map[string]any{"happened": true}), nil
	case !x.e.now().Before(end):
		x.facts.fresh()
		return done(map[string]any{"happened": false}), nil
	case key == "":
		return waiting(end), nil
	}
	return waiting(end, key), nil
}

func (w *wait) end(x *exec) (time.Time, error) {
	if w.Until == "" {
		return w.For.apply(x.e.now(), x.e, x.rule.rule.Calendar)
	}
	v, err := factOf(x.Context, x.facts, w.Until)
	if err != nil {
		return time.Time{}, err
	}
	t, ok := asTime(v, x.facts.cal)
	if !ok {
		return time.Time{}, Permanent(fmt.Errorf("%s is not a time", w.Until))
	}
	return w.Plus.apply(t, x.e, x.rule.rule.Calendar)
}

// delivered says what became of the mail of an earlier step, once the outbox knows it for all recipients.
func (w *wait) delivered(x *exec) (out outcome, told bool, err error) {
	knows, ok := x.e.world.(Deliveries)
	if !ok || x.run.Mode == Shadow {
		return done(map[string]any{"happened": true, "delivered": true, "failed": []any{}, "bounced": []any{}}), true, nil // a try delivers
	}
	if sent, _ := x.facts.steps[w.Delivery].(map[string]any); sent["message_id"] == nil { // a guard kept it back
		return done(map[string]any{"happened": true, "delivered": false, "failed": []any{}, "bounced": []any{}}), true, nil
	}
	facts, err := knows.Delivery(x.Context, w.effect(x))
	if err != nil {
		return outcome{}, false, err
	}
	if facts["settled"] != true {
		return outcome{}, false, nil
	}
	facts["happened"] = true
	return done(facts), true, nil
}

// effect is the effect of the step whose mail is waited for.
func (w *wait) effect(x *exec) string {
	sent, _ := x.facts.steps[w.Delivery].(map[string]any)
	path, _ := sent["_path"].(string)
	return effectID(x.run.ID, path, 0)
}

// Deliveries is a World that knows what became of mail that rules sent.
type Deliveries interface {
	// Delivery returns settled (nobody is pending), delivered (all got it), and the addresses that failed, bounced, or are unknown.
	Delivery(ctx context.Context, effect string) (map[string]any, error)
}

// happened says whether what ends the wait has come, and the key under which it is told.
func (w *wait) happened(x *exec) (key string, happened bool, err error) {
	switch {
	case w.Delivery != "":
		return "effect:" + w.effect(x), false, nil
	case w.ReplyTo != "":
		sent, _ := x.facts.steps[w.ReplyTo].(map[string]any)
		id, _ := sent["message_id"].(string)
		if id == "" {
			return "", false, nil
		}
		thread, err := x.e.world.Thread(x.Context, "", id)
		if _, ok := asUnknown(err); ok || err == nil && thread["replied"] != true {
			return "reply:" + id, false, nil
		}
		return "", err == nil, err
	case w.Thread && x.run.Event.Thread != "":
		began, err := x.moment("since", func() (time.Time, error) { return x.e.now(), nil })
		if err != nil {
			return "", false, err
		}
		x.facts.fresh()
		v, err := x.facts.Fact(x.Context, "thread.last_at")
		if _, ok := asUnknown(err); ok {
			err = nil
		}
		last, _ := v.(time.Time)
		return "thread:" + x.run.Event.Thread, last.After(began), err
	}
	return "", false, nil
}

func (w *wait) check(c *checker) {
	c.offset("for", w.For, false)
	c.offset("plus", w.Plus, false)
	if w.Until != "" {
		c.fact("until", w.Until)
	}
	if w.ReplyTo != "" {
		c.earlier("reply_to", w.ReplyTo)
	}
	if w.Delivery != "" {
		c.earlier("delivery", w.Delivery)
	}
}

func (w *wait) describe(l voice) string {
	if w.Until != "" {
		return l.of("wait until ", "等到 ") + l.fact(w.Until)
	}
	return l.of("wait ", "等待 ") + w.For.String(l.Lang)
}

// stop ends the run.
type stop struct {
	Reason line `json:"reason,omitempty"`
}

func (s *stop) compile(*compiler) error { return nil }

func (s *stop) run(x *exec) (outcome, error) {
	reason, err := s.Reason.render(x.Context, x.facts)
	return outcome{state: StepStopped, reason: reason}, err
}

func (s *stop) check(c *checker)        { c.template("reason", s.Reason.template) }
func (s *stop) describe(l voice) string { return l.of("stop", "结束") }

// setStep keeps values under names of their own: steps.ID.NAME.
type setStep struct {
	Values map[string]value `json:"values"`
}

func (s *setStep) compile(*compiler) error {
	if len(s.Values) == 0 {
		return errors.New("set needs values")
	}
	return nil
}

func (s *setStep) run(x *exec) (outcome, error) {
	out := map[string]any{}
	for name, v := range s.Values {
		one, err := v.eval(x.Context, x.facts)
		if err != nil {
			return outcome{}, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = one
	}
	return done(out), nil
}

func (s *setStep) check(c *checker) {
	for name, v := range s.Values {
		c.value(at("values", name), &v)
	}
}

func (s *setStep) describe(l voice) string {
	return l.of("note ", "记下 ") + strings.Join(names(s.Values), l.of(", ", "、"))
}
