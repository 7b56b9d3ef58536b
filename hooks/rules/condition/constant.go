package condition

import (
	"encoding/json"
	"reflect"
	"slices"
)

// constant reports parts of a condition that can never be true or always are. It finds what is obvious: an empty any, an
// all that asks for two values at once, bounds that exclude each other, a condition beside its opposite.
func (c *checker) constant(root *Node) {
	before := len(c.problems)
	t := c.always(root, "")
	if len(c.problems) > before && !slices.ContainsFunc(c.problems, func(p Problem) bool { return p.At == "" }) {
		c.report(t, "", words{"整个条件", "the whole condition"})
	}
}

// report adds a warning where a node has one value only.
func (c *checker) report(t Truth, at string, what words) {
	switch t {
	case False:
		c.add(&mistake{at, codeNever, what.zh + "永远不会成立", what.en + " can never be true", ""}, Warning)
	case True:
		c.add(&mistake{at, codeAlways, what.zh + "恒成立", what.en + " is always true", ""}, Warning)
	}
}

// always returns the one value that a node can have, or Unsure. It reports the node where that begins.
func (c *checker) always(n *Node, at string) Truth {
	children := make([]Truth, 0, len(n.Nodes))
	for i, child := range n.children() {
		children = append(children, c.always(child, n.childAt(at, i)))
	}
	switch n.Kind {
	case All:
		return c.group(n, at, children, Truth.And, True)
	case Any:
		return c.group(n, at, children, Truth.Or, False)
	case Not:
		return children[0].Not()
	case Some:
		if children[0] == False {
			return False
		}
	case None:
		if children[0] == False {
			return True
		}
	case Leaf, Count:
		return c.alone(n, at)
	}
	return Unsure
}

// group combines the children and looks for pairs that decide.
func (c *checker) group(n *Node, at string, children []Truth, combine func(t, u Truth) Truth, start Truth) Truth {
	if len(children) == 0 {
		if at != "" || n.Kind == Any { // at the top, an empty all is no condition
			what := words{"空的“全部成立”", "an empty all"}
			if n.Kind == Any {
				what = words{"空的“任一成立”", "an empty any"}
			}
			c.report(start, at, what)
		}
		return start
	}
	t := start
	for _, child := range children {
		t = combine(t, child)
	}
	if t != Unsure {
		return t
	}
	leaves := flatten(n, at, n.Kind, nil)
	for i, a := range leaves {
		for _, b := range leaves[i+1:] {
			x, y := a.node, b.node
			if n.Kind == Any { // a or b holds always where not a and not b never hold
				x, y = opposite(x), opposite(y)
			}
			if x == nil || y == nil || !c.exclude(x, y) {
				continue
			}
			t = start.Not()
			other := a.at
			if other == "" {
				other = "/"
			}
			c.report(t, b.at, words{"与 " + other + " 一起，条件", "together with " + other + " this"})
			return t
		}
	}
	return Unsure
}

// placed is a node and where it is.
type placed struct {
	node *Node
	at   string
}

// maxPairs bounds how many nodes of a group are compared with each other.
const maxPairs = 60

// flatten lists what a group combines, groups of the same kind inside it included.
func flatten(n *Node, at string, kind Kind, out []placed) []placed {
	for i, child := range n.Nodes {
		switch {
		case len(out) >= maxPairs:
			return out
		case child.Kind == kind:
			out = flatten(child, n.childAt(at, i), kind, out)
		default:
			out = append(out, placed{child, n.childAt(at, i)})
		}
	}
	return out
}

// opposites are operators that are true where the other is false.
var opposites = map[string]string{
	"is": "is_not", "is_not": "is", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "in_list": "not_in_list", "not_in_list": "in_list",
	"is_empty": "is_not_empty", "is_not_empty": "is_empty", "contains_any": "not_contains", "not_contains": "contains_any",
}

// opposite returns the condition that is true where n is false.
func opposite(n *Node) *Node {
	if n.Kind == Not {
		return n.Nodes[0]
	}
	if op, ok := opposites[n.Op]; ok && n.Kind == Leaf {
		out := *n
		out.Op = op
		return &out
	}
	return &Node{Kind: Not, Nodes: []*Node{n}}
}

// exclude reports whether two conditions can never both be true.
func (c *checker) exclude(a, b *Node) bool {
	if a.Kind == Not && reflect.DeepEqual(a.Nodes[0], b) || b.Kind == Not && reflect.DeepEqual(b.Nodes[0], a) {
		return true
	}
	if a.Kind == Not || b.Kind == Not {
		x, y := unwrapped(a), unwrapped(b)
		return (x != a || y != b) && c.exclude(x, y)
	}
	if a.Kind != Leaf || b.Kind != Leaf || a.Path != b.Path {
		return false
	}
	if opposites[a.Op] == b.Op && reflect.DeepEqual(a.Value, b.Value) {
		return true
	}
	if a.Op == "is_empty" && needsContent(b) || b.Op == "is_empty" && needsContent(a) {
		return true
	}
	return c.valuesExclude(a, b) || c.valuesExclude(b, a) || c.boundsExclude(a, b)
}

// unwrapped turns not around a leaf into the opposite leaf.
func unwrapped(n *Node) *Node {
	if n.Kind == Not && n.Nodes[0].Kind == Leaf {
		if o := opposite(n.Nodes[0]); o.Kind == Leaf {
			return o
		}
	}
	return n
}

// needsContent reports whether a leaf is true only of a fact that is not empty.
func needsContent(n *Node) bool {
	switch n.Op {
	case "lt", "le", "gt", "ge", "between", "before", "after", "within", "older_than", "is_not_empty", "matches_address", "in_list", "language_is", "on_workday", "in_business_hours":
		return true
	case "is":
		_, isFact := asFact(n.Value)
		return !isFact && !empty(n.Value)
	}
	return false
}

// valuesExclude reports whether a asks for values of which b takes none.
func (c *checker) valuesExclude(a, b *Node) bool {
	if f, ok := c.schema.Lookup(a.Path); ok && f.Type == TypeList {
		return false // a list may have both
	}
	wanted, ok := wants(a)
	if !ok {
		return false
	}
	others, ok := wants(b)
	negated := b.Op == "is_not" || b.Op == "not_in_list"
	if !ok && !negated {
		return false
	}
	if negated {
		if others, ok = constantsOf(b); !ok {
			return false
		}
	}
	for _, v := range wanted {
		among := slices.ContainsFunc(others, func(o any) bool { return c.same(a.Path, v, o) })
		if among != negated {
			return false
		}
	}
	return true
}

func (c *checker) same(path string, a, b any) bool {
	f, _ := c.schema.Lookup(path)
	x, y := constantOperand(a), constantOperand(b)
	x.prepared, y.prepared = false, false // words such as now are texts here
	return c.eval.equal(f.Type, &x, &y).truth != False
}

// wants are the values of which a leaf takes one.
func wants(n *Node) ([]any, bool) {
	if n.Op != "is" && n.Op != "in_list" {
		return nil, false
	}
	return constantsOf(n)
}

// constantsOf are the values of a leaf, if all are plain and none is the name of a list.
func constantsOf(n *Node) ([]any, bool) {
	list, isList := n.Value.([]any)
	switch {
	case !isList && (n.Op == "in_list" || n.Op == "not_in_list"):
		return nil, false
	case isList && (n.Op == "is" || n.Op == "is_not"):
		return nil, false
	case !isList:
		list = []any{n.Value}
	}
	if holdsFact(list) || slices.ContainsFunc(list, func(v any) bool { _, named := namedConstant(v); return named }) {
		return nil, false
	}
	return list, len(list) > 0
}

// namedConstant reports whether a value is a word such as now, whose meaning moves.
func namedConstant(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok && slices.ContainsFunc(namedMoments, func(w namedTime) bool { return w.name == s })
}

// bound is one end of what a leaf takes.
type bound struct {
	value any
	open  bool // the value itself is out
}

// bounds are the lowest and the highest value that a leaf takes; nil: no bound.
func bounds(n *Node) (low, high *bound) {
	if holdsFact(n.Value) {
		return nil, nil
	}
	if _, named := namedConstant(n.Value); named {
		return nil, nil
	}
	switch n.Op {
	case "gt", "after":
		return &bound{n.Value, true}, nil
	case "ge":
		return &bound{n.Value, false}, nil
	case "lt", "before":
		return nil, &bound{n.Value, true}
	case "le":
		return nil, &bound{n.Value, false}
	case "is":
		return &bound{n.Value, false}, &bound{n.Value, false}
	case "between":
		if list, ok := n.Value.([]any); ok && len(list) == 2 {
			return &bound{list[0], false}, &bound{list[1], false}
		}
	}
	return nil, nil
}

// boundsExclude reports whether the lowest value of one lies above the highest of the other.
func (c *checker) boundsExclude(a, b *Node) bool {
	lowA, highA := bounds(a)
	lowB, highB := bounds(b)
	return c.above(a.Path, lowA, highB) || c.above(a.Path, lowB, highA)
}

func (c *checker) above(path string, low, high *bound) bool {
	if low == nil || high == nil {
		return false
	}
	f, _ := c.schema.Lookup(path)
	sign, v := c.eval.order(f.Type, &operand{raw: low.value}, &operand{raw: high.value})
	return v.truth == True && (sign > 0 || sign == 0 && (low.open || high.open))
}

// alone finds leaves that have one value only.
func (c *checker) alone(n *Node, at string) Truth {
	low, high := bounds(n)
	if n.Op == "between" && c.above(n.Path, low, high) {
		c.report(False, at, words{"下限大于上限，条件", "the lowest value is above the highest: this"})
		return False
	}
	if n.Kind != Count {
		return Unsure
	}
	zero := &bound{value: json.Number("0")}
	switch {
	case high != nil && c.above("", zero, high):
		c.report(False, at, words{"个数不会小于零，条件", "a count is never below zero: this"})
		return False
	case n.Op == "ge" && low != nil && !c.above("", low, zero):
		c.report(True, at, words{"个数总不小于零，条件", "a count is never below zero: this"})
		return True
	}
	return Unsure
}
