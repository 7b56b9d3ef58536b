package condition

import (
	"slices"
	"strings"
	"time"

	"heliograph/config"
)

// Severity says what a Problem means.
type Severity string

// The severities.
const (
	Wrong   Severity = "error"   // the condition cannot work as it stands
	Warning Severity = "warning" // it works, but hardly as it was meant
)

// The codes of problems.
const (
	codeShape    = "shape"    // too large, or a part is missing
	codePath     = "path"     // nothing is known by this name
	codeTrigger  = "trigger"  // events of this trigger never have the fact
	codeOperator = "operator" // there is none of this name, or it does not fit the type
	codeValue    = "value"    // not a value for the operator or the fact
	codePattern  = "pattern"  // a bad regular expression
	codeCEL      = "cel"      // a bad expression
	codeNever    = "never"    // can never be true
	codeAlways   = "always"   // is always true
)

// Problem is something in a condition that its author should look at.
type Problem struct {
	At       string   `json:"at"` // JSON pointer into the condition
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	ZH       string   `json:"zh"`
	EN       string   `json:"en"`
	// Suggestion is the name that was probably meant.
	Suggestion string `json:"suggestion,omitempty"`
	// Line and Column are a place inside an expression, from 1; 0: none.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
}

// checker gathers the problems of one condition.
type checker struct {
	schema   *Schema
	trigger  string
	problems []Problem
	eval     *evaluation // compares constants
}

// Check finds what is wrong with a condition and what can never, or always, be true. trigger is the type of the rule's
// trigger; empty: any. schema nil: Standard.
func Check(node *Node, schema *Schema, trigger string) []Problem {
	if schema == nil {
		schema = standard
	}
	if node == nil {
		return nil
	}
	c := &checker{schema: schema, trigger: trigger, eval: &evaluation{zone: time.UTC, memo: &Memo{}}}
	if _, err := node.size(1); err != nil {
		c.add(&mistake{"", codeShape, "条件过大或不完整", err.Error(), ""}, Wrong)
		return c.problems
	}
	slots := 0
	c.node(&scope{schema: schema, slots: &slots}, node, "")
	if len(c.problems) == 0 || !slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Severity == Wrong }) {
		c.constant(node)
	}
	return c.problems
}

func (c *checker) add(m *mistake, severity Severity) {
	c.problems = append(c.problems, Problem{At: m.at, Code: m.code, Severity: severity, ZH: m.zh, EN: m.en, Suggestion: m.suggestion})
}

// node checks a node and those below it.
func (c *checker) node(sc *scope, n *Node, at string) {
	inner := sc
	switch n.Kind {
	case Leaf:
		c.leaf(sc, n, at)
		return
	case CEL:
		c.expression(sc, n, pointer(at, CEL))
		return
	case Some, Every, None, Count:
		fact, ok := c.path(sc, n.Path, pointer(at, n.Kind))
		if ok && fitOf[fact.Type]&(fitList|fitObject) == 0 {
			c.add(&mistake{pointer(at, n.Kind), codeValue, sc.label(n.Path, zh) + " 不是列表", sc.label(n.Path, en) + " is not a list", ""}, Wrong)
		}
		in, m := sc.quantifier(n, at, &step{})
		if m != nil {
			c.addOnce(m)
		}
		if in == nil {
			if in, m = sc.inside(n, at); m != nil {
				in = sc
			}
		}
		inner = in
		valuePaths(n.Value, func(path string) { c.path(sc, path, pointer(at, "value")) })
	case All, Any, Not:
		if n.Kind == Not && len(n.Nodes) != 1 {
			c.add(&mistake{at, codeShape, "“非”只能有一个条件", "not has exactly one condition", ""}, Wrong)
		}
	default:
		c.add(&mistake{at, codeShape, "未知的条件种类", "unknown kind of condition", ""}, Wrong)
	}
	for i, child := range n.children() {
		c.node(inner, child, n.childAt(at, i))
	}
}

// addOnce adds a mistake unless its place has an error already.
func (c *checker) addOnce(m *mistake) {
	if !slices.ContainsFunc(c.problems, func(p Problem) bool { return p.At == m.at && p.Severity == Wrong }) {
		c.add(m, Wrong)
	}
}

// path checks that a path is known and that the trigger's events have it.
func (c *checker) path(sc *scope, path, at string) (Fact, bool) {
	if !validPath(path) {
		c.addOnce(&mistake{at, codePath, show(path) + " 不是字段路径", show(path) + " is not a path of a fact", ""})
		return Fact{}, false
	}
	in, canonical, _ := sc.split(path)
	fact, ok := c.schema.Lookup(canonical)
	if !ok {
		best := c.schema.nearestPath(canonical)
		if in != nil {
			best = in.name + strings.TrimPrefix(best, in.list)
		}
		c.addOnce(&mistake{at, codePath, "没有名为 " + show(path) + " 的字段", "nothing is known as " + show(path), best})
		return Fact{}, false
	}
	if in == nil && !fact.has(c.trigger) {
		c.addOnce(&mistake{at, codeTrigger, "该触发方式没有 " + show(path), "events of the trigger " + c.trigger + " never have " + show(path), ""})
	}
	return fact, true
}

func (c *checker) leaf(sc *scope, n *Node, at string) {
	l, m := sc.leaf(n, at)
	if m != nil {
		c.add(m, Wrong)
	}
	op := operatorsByName[n.Op]
	if op != nil && op.isChange() {
		if _, ok := changedField(n.Path); ok && !(Fact{Triggers: withChange}).has(c.trigger) {
			c.addOnce(&mistake{pointer(at, Leaf), codeTrigger, "该触发方式没有变更内容", "events of the trigger " + c.trigger + " never have a change", ""})
		}
	} else {
		fact, ok := c.path(sc, n.Path, pointer(at, Leaf))
		if ok && op != nil && op.fits&fitOf[fact.Type] == 0 {
			c.addOnce(&mistake{
				pointer(at, "op"), codeOperator, "运算“" + op.zh + "”不适用于" + fact.Label(zh),
				"the operator " + op.name + " is not for " + fact.Label(en) + ", which is a " + string(fact.Type), "",
			})
		}
	}
	valuePaths(n.Value, func(path string) { c.path(sc, path, pointer(at, "value")) })
	if m == nil {
		c.values(l, pointer(at, "value"), n)
	}
}

// values checks that constants can be compared with the fact.
func (c *checker) values(l *leaf, at string, n *Node) {
	t := elementOrSelf(l.fact)
	constants := l.args.values
	for _, side := range l.args.sides {
		if side != nil {
			constants = append(slices.Clone(constants), *side)
		}
	}
	if l.op.takes == argText || l.op.takes == argTexts {
		t = TypeText
	}
	for i := range constants {
		v := &constants[i]
		if v.ref != nil || v.raw == nil {
			continue
		}
		place := at
		if _, isList := n.Value.([]any); isList && len(constants) > 1 {
			place = pointer(at, i)
		}
		if m := c.fits(t, l, v, place); m != nil {
			c.add(m, Wrong)
		}
		c.inEnum(l.fact, v, place)
	}
	if l.op.takes == argMoment || l.op.takes == argOrdered || l.op.takes == argPair || l.op.takes == argWindow || l.op.takes == argAge {
		return
	}
	if l.op.name == "contains" || l.op.name == "contains_any" || l.op.name == "starts_with" || l.op.name == "ends_with" {
		for i := range l.args.values {
			if v := &l.args.values[i]; v.ref == nil && v.folded == "" {
				c.add(&mistake{at, codeAlways, "任何文本都包含空文本，条件恒成立", "every text contains the empty text: this is always true", ""}, Warning)
			}
		}
	}
}

// fits checks one constant against the type of the fact.
func (c *checker) fits(t Type, l *leaf, v *constant, at string) *mistake {
	ordered := l.op.takes == argOrdered || l.op.takes == argPair
	_, isTime := c.moment(v)
	switch {
	case l.op.takes == argMoment && !isTime:
		return &mistake{at, codeValue, show(v.raw) + " 不是时间", show(v.raw) + " is not a time", ""}
	case ordered && t == TypeOpen && !isTime && v.rat == nil:
		return &mistake{at, codeValue, show(v.raw) + " 既不是数字也不是时间", show(v.raw) + " is neither a number nor a time", ""}
	case l.op.takes != argOne && l.op.takes != argList && l.op.takes != argFromTo && !ordered:
		return nil
	case (t == TypeNumber || t == TypeMoney) && v.rat == nil:
		return &mistake{at, codeValue, show(v.raw) + " 不是数字", show(v.raw) + " is not a number", ""}
	case t == TypeTime && !isTime:
		return &mistake{at, codeValue, show(v.raw) + " 不是时间", show(v.raw) + " is not a time", ""}
	case t == TypeBool:
		if _, ok := boolOf(&v.operand); !ok {
			return &mistake{at, codeValue, show(v.raw) + " 不是“是”或“否”", show(v.raw) + " is neither true nor false", ""}
		}
	}
	return nil
}

// moment reads a constant as a time; words such as now are times too.
func (c *checker) moment(v *constant) (span, bool) {
	if s, ok := v.raw.(string); ok {
		if _, named := namedMoment(s, time.Unix(0, 0), time.UTC); named {
			return span{}, true
		}
	}
	return c.eval.span(&operand{raw: v.raw})
}

// inEnum warns of a value that the fact never has.
func (c *checker) inEnum(f Fact, v *constant, at string) {
	if len(f.Enum) == 0 || slices.ContainsFunc(f.Enum, func(known string) bool { return Fold(known) == v.folded }) {
		return
	}
	text, _ := textOf(v.raw)
	c.add(&mistake{
		at, codeNever, show(v.raw) + " 不是“" + f.Label(zh) + "”的取值，可选：" + strings.Join(f.Enum, "、"),
		show(v.raw) + " is no value of " + f.Label(en) + "; it has " + strings.Join(f.Enum, ", "), config.Nearest(text, f.Enum),
	}, Warning)
}

// expression reports what the compiler says, then the paths that are not known.
func (c *checker) expression(sc *scope, n *Node, at string) {
	x, messages, m := sc.parseExpression(n.CEL, at)
	for _, message := range messages {
		p := message.mistake(at)
		if name, ok := undeclared(message.text); ok {
			var roots []string
			for root := range c.schema.roots {
				roots = append(roots, root)
			}
			slices.Sort(roots)
			p.suggestion = config.Nearest(name, roots)
		}
		c.add(p, Wrong)
		last := &c.problems[len(c.problems)-1]
		last.Line, last.Column = message.line, message.column
	}
	if m != nil && len(messages) == 0 {
		c.add(m, Wrong)
	}
	if m != nil {
		return
	}
	for _, ref := range x.refs {
		count := len(c.problems)
		c.path(sc, ref.path, pointer(at, ref.path))
		for i := count; i < len(c.problems); i++ {
			c.problems[i].At = at
		}
	}
}
