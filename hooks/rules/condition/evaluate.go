package condition

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Options are what an evaluation needs beside the facts. The same options, facts and program give the same explanation.
type Options struct {
	// Now is the current time. It is needed where a condition asks for an age or says now; leaving it out is an error then.
	Now      time.Time
	Zone     *time.Location // of days and of times that name no zone; nil: UTC
	Calendar Calendar       // nil: business time is unknown
	Lists    Lists          // nil: named lists are unknown
	// CELTime is the longest that one expression may compute, without the time that its facts take; 0: DefaultCELTime.
	CELTime time.Duration
}

// The bounds of an evaluation: lists come from strangers.
const (
	maxElements = 1000    // of a list that a quantifier looks at; what the others are is unknown
	maxSteps    = 50_000  // nodes that are run, over all elements; then the rest is unknown
	maxCompared = 200_000 // pairs of values, of lists above all; then the rest is unknown
)

// evaluation is one run of a program.
type evaluation struct {
	ctx     context.Context //nolint:containedctx // lives for one call
	options Options
	zone    *time.Location
	memo    *Memo
	slots   []any // the elements that are being looked at

	steps    int
	compared int
	explain  bool
	nodes    int // of the explanation so far
	unknowns []UnknownFact
	used     []words // the facts that the value of a leaf stood for, for the explanation
}

// Evaluate compiles and runs a condition. Who runs it often compiles once.
func Evaluate(ctx context.Context, node *Node, facts Facts, options Options) (Explanation, error) {
	p, err := Compile(node)
	if err != nil {
		return Explanation{}, err
	}
	return p.Evaluate(ctx, facts, options)
}

// Evaluate runs the program and explains what came out. An error is passing trouble of the facts or lists, the end of ctx,
// an expression that took too long, or a missing Options.Now; then nothing is decided.
func (p *Program) Evaluate(ctx context.Context, facts Facts, options Options) (Explanation, error) {
	e := newEvaluation(ctx, p, facts, options)
	e.explain = true
	out := Explanation{}
	result, err := e.run(p.root, &out)
	if err != nil {
		return Explanation{}, fmt.Errorf("evaluate the condition: %w", err)
	}
	out.Result, out.Unknown = result, e.unknowns
	return out, nil
}

// Test runs the program without an explanation, which is faster. It returns the facts that were unknown.
func (p *Program) Test(ctx context.Context, facts Facts, options Options) (Truth, []UnknownFact, error) {
	e := newEvaluation(ctx, p, facts, options)
	result, err := e.run(p.root, nil)
	if err != nil {
		return Unsure, nil, fmt.Errorf("evaluate the condition: %w", err)
	}
	return result, e.unknowns, nil
}

func newEvaluation(ctx context.Context, p *Program, facts Facts, options Options) *evaluation {
	e := &evaluation{ctx: ctx, options: options, zone: options.Zone, memo: NewMemo(facts)}
	if e.zone == nil {
		e.zone = time.UTC
	}
	if p.slots > 0 {
		e.slots = make([]any, p.slots)
	}
	return e
}

// UnknownFact is a fact that could not be told, and why.
type UnknownFact struct {
	Path string `json:"path"`
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}

func asUnknown(u *Unknown) *UnknownFact {
	return &UnknownFact{Path: u.Path, ZH: u.Reason, EN: u.Reason}
}

// maxUnknowns bounds the list of unknown facts; each path is in it once.
const maxUnknowns = 50

// miss notes an unknown fact.
func (e *evaluation) miss(u *UnknownFact) {
	if u == nil || len(e.unknowns) >= maxUnknowns {
		return
	}
	for i := range e.unknowns {
		if e.unknowns[i].Path == u.Path {
			return
		}
	}
	e.unknowns = append(e.unknowns, *u)
}

var tooMuch = UnknownFact{Path: "", ZH: "列表过长，没有全部检查", EN: "the lists are too long to look at all of them"}

// run decides a step. out is nil where nothing is explained.
func (e *evaluation) run(s *step, out *Explanation) (Truth, error) {
	out.begin(s)
	if e.steps++; e.steps > maxSteps {
		e.miss(&tooMuch)
		out.conclude(Unsure)
		return Unsure, nil
	}
	if e.steps%256 == 0 {
		if err := e.ctx.Err(); err != nil {
			return Unsure, err
		}
	}
	var result Truth
	var err error
	switch s.kind {
	case All, Any:
		result, err = e.group(s, out)
	case Not:
		result, err = e.run(s.children[0], e.child(out))
		result = result.Not()
	case Leaf:
		result, err = e.leaf(s, out)
	case CEL:
		result, err = e.cel(s, out)
	case Count:
		result, err = e.count(s, out)
	default:
		result, err = e.quantify(s, out)
	}
	out.conclude(result)
	return result, err
}

// group goes through the children from left to right until one decides.
func (e *evaluation) group(s *step, out *Explanation) (Truth, error) {
	combine, enough := Truth.And, False
	if s.kind == Any {
		combine, enough = Truth.Or, True
	}
	result := enough.Not()
	for i, child := range s.children {
		if result == enough {
			if out != nil {
				e.skip(s.children[i:], out)
			}
			break
		}
		t, err := e.run(child, e.child(out))
		if err != nil {
			return Unsure, err
		}
		result = combine(result, t)
	}
	return result, nil
}

// lookUp finds the value that a reference stands for.
func (e *evaluation) lookUp(ref *reference) (known, error) {
	if ref.slot < 0 {
		return e.memo.lookUp(e.ctx, ref.path)
	}
	value, ok := below(e.slots[ref.slot], ref.rest)
	if !ok {
		return known{unknown: &Unknown{Path: ref.path, Reason: "the element has no such field"}}, nil
	}
	return known{value: value}, nil
}

// below walks down a value.
func below(value any, path []string) (any, bool) {
	for _, name := range path {
		m, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = m[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// argument is a value of the condition: a constant or another fact.
func (e *evaluation) argument(c *constant) (*operand, *UnknownFact, error) {
	if c.ref == nil {
		return &c.operand, nil, nil
	}
	k, err := e.lookUp(c.ref)
	if err != nil {
		return nil, nil, err
	}
	if k.unknown != nil {
		return nil, asUnknown(k.unknown), nil
	}
	if e.explain && len(e.used) < maxSeen {
		s := c.ref.how.at(e.zone)
		e.used = append(e.used, words{c.ref.name.zh + " = " + s.quoted(k.value, zh), c.ref.name.en + " = " + s.quoted(k.value, en)})
	}
	o := &operand{raw: k.value, from: c.ref}
	if c.ref.slot < 0 {
		o.path = c.ref.path
	}
	return o, nil, nil
}

// arguments is argument for operators that take several: a fact that is a list stands for its elements.
func (e *evaluation) arguments(c *constant) ([]operand, *UnknownFact, error) {
	if c.ref == nil {
		return c.one, nil, nil
	}
	o, why, err := e.argument(c)
	if err != nil || why != nil {
		return nil, why, err
	}
	list, ok := o.raw.([]any)
	if !ok {
		return []operand{*o}, nil, nil
	}
	out := make([]operand, len(list))
	for i, item := range list {
		out[i] = operand{raw: item, from: c.ref}
	}
	return out, nil, nil
}

// leaf asks one fact.
func (e *evaluation) leaf(s *step, out *Explanation) (Truth, error) {
	l := s.leaf
	var v verdict
	var seen any
	var err error
	asked := true
	e.used = e.used[:0]
	if l.clock && e.options.Now.IsZero() {
		return Unsure, errNoClock
	}
	if l.op.isChange() {
		v, seen, err = e.changeLeaf(l)
		asked = seen != nil
	} else {
		var k known
		if k, err = e.lookUp(&l.ref); err != nil {
			return Unsure, err
		}
		seen = k.value
		if k.unknown != nil {
			v, asked = verdict{why: asUnknown(k.unknown)}, false
			if l.op.name == opKnown {
				v = verdict{truth: truth(!l.args.flag)}
			}
		} else {
			fact := &operand{raw: k.value, from: &l.ref}
			if l.ref.slot < 0 {
				fact.path = l.ref.path
			}
			v, err = l.op.run(e, l, fact)
		}
	}
	if err != nil {
		return Unsure, err
	}
	if l.op.negated {
		v = v.not()
	}
	if v.truth == Unsure {
		e.miss(v.why)
	}
	out.leaf(v, seen, asked, l.ref.how.at(e.zone))
	out.compared(e.used)
	return v.truth, nil
}

// elements are what a quantifier looks at. more is how many others there are.
func (e *evaluation) elements(s *step) (list []any, more int, why *UnknownFact, err error) {
	k, err := e.lookUp(&s.list)
	switch {
	case err != nil:
		return nil, 0, nil, err
	case k.unknown != nil:
		return nil, 0, asUnknown(k.unknown), nil
	case k.value == nil:
		return nil, 0, nil, nil
	}
	list, ok := k.value.([]any)
	if !ok {
		return []any{k.value}, 0, nil, nil
	}
	if len(list) > maxElements {
		return list[:maxElements], len(list) - maxElements, nil, nil
	}
	return list, 0, nil, nil
}

// quantify decides some, every and none.
func (e *evaluation) quantify(s *step, out *Explanation) (Truth, error) {
	list, more, why, err := e.elements(s)
	if err != nil || why != nil {
		e.miss(why)
		out.leaf(verdict{why: why}, nil, false, saying{})
		return Unsure, err
	}
	combine, enough := Truth.Or, True
	if s.kind == Every {
		combine, enough = Truth.And, False
	}
	result := enough.Not()
	for i, item := range list {
		t, err := e.element(s, item, i, out)
		if err != nil {
			return Unsure, err
		}
		if result = combine(result, t); result == enough {
			out.decides(i)
			break
		}
	}
	if more > 0 && result != enough {
		e.miss(&tooMuch)
		result = Unsure
	}
	out.elements(len(list), more)
	if s.kind == None {
		result = result.Not()
	}
	return result, nil
}

// element runs where for one element of a list.
func (e *evaluation) element(s *step, item any, i int, out *Explanation) (Truth, error) {
	e.slots[s.slot] = item
	child := e.elementChild(out)
	t, err := e.run(s.children[0], child)
	child.item(i, item)
	return t, err
}

// count compares how many elements are as in where. Elements of which this is unsure may or may not count: the result is
// unsure where that makes a difference.
func (e *evaluation) count(s *step, out *Explanation) (Truth, error) {
	list, more, why, err := e.elements(s)
	if err != nil || why != nil {
		e.miss(why)
		out.leaf(verdict{why: why}, nil, false, saying{})
		return Unsure, err
	}
	least, most := len(list)+more, len(list)+more
	if len(s.children) > 0 {
		least, most = 0, more
		for i, item := range list {
			t, err := e.element(s, item, i, out)
			if err != nil {
				return Unsure, err
			}
			switch t {
			case True:
				least, most = least+1, most+1
			case Unsure:
				most++
			}
		}
	}
	v, err := e.compareCount(s.leaf, least, most)
	if err != nil {
		return Unsure, err
	}
	if v.truth == Unsure {
		if v.why == nil && more > 0 {
			v.why = &tooMuch
		}
		e.miss(v.why)
	}
	out.elements(len(list), more)
	out.counted(least, most, v)
	return v.truth, nil
}

// compareCount tries the numbers that the count may be: the ends, and what lies round the values that it is compared with;
// between these nothing changes.
func (e *evaluation) compareCount(l *leaf, least, most int) (verdict, error) {
	tries := []int{least, most}
	for i := range l.args.values {
		value, why, err := e.argument(&l.args.values[i])
		if err != nil || why != nil {
			return verdict{why: why}, err
		}
		if r := value.rational(); r != nil {
			f, _ := r.Float64()
			for n := math.Floor(f) - 1; n <= math.Floor(f)+2; n++ {
				if float64(least) < n && n < float64(most) {
					tries = append(tries, int(n))
				}
			}
		}
	}
	var out verdict
	for i, n := range tries {
		v, err := l.op.run(e, l, &operand{raw: json.Number(strconv.Itoa(n)), path: l.ref.path, from: &l.ref})
		if err != nil {
			return verdict{}, err
		}
		if l.op.negated {
			v = v.not()
		}
		if i > 0 && v.truth != out.truth {
			return verdict{}, nil
		}
		if out = v; v.truth == Unsure {
			return v, nil
		}
	}
	return out, nil
}

// label is what people call a reference at a place of the condition.
func (sc *scope) label(path, lang string) string {
	in, canonical, rest := sc.split(path)
	f, ok := sc.schema.naming(canonical)
	switch {
	case in != nil && rest == "":
		return in.name
	case ok && f.Label(lang) != f.Path:
		return f.Label(lang)
	case in != nil:
		return rest
	}
	// The nearest fact or namespace around it tells the most; what it is called below is a name of somebody else's.
	for dot := strings.LastIndexByte(path, '.'); dot > 0; dot = strings.LastIndexByte(path[:dot], '.') {
		if around, ok := sc.schema.around(path[:dot]); ok {
			return around.Label(lang) + either(lang, "「"+path[dot+1:]+"」", " “"+path[dot+1:]+"”")
		}
	}
	return path
}
