package condition

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"heliograph/config"
)

// Program is a condition that is ready to run: patterns, constants and expressions are prepared. It is immutable and
// safe for concurrent use.
type Program struct {
	root  *step
	slots int // how many elements of lists are looked at at once
}

// step is a node that is ready to run.
type step struct {
	kind     Kind
	at       string
	phrase   words // what it asks
	children []*step
	leaf     *leaf // field, count
	list     reference
	slot     int // of the element
	cel      *expression
}

// leaf is a comparison that is ready to run.
type leaf struct {
	ref     reference
	fact    Fact
	op      *operator
	args    args
	changes string // the field that an operator about changes looks at
	clock   bool   // a value is a word such as now
}

// reference is a path that is resolved: a fact, or an element of a list that is being looked at, or below one.
type reference struct {
	path string
	slot int // -1: a fact
	rest []string
	name words // what people call it
	how  saying
}

// scope is what names mean at a place of the condition.
type scope struct {
	schema *Schema
	names  []element // the innermost last
	slots  *int      // the most that are in use at once
	depth  int       // how many are in use here
}

// element is a name of an element of a list.
type element struct {
	name, list string // list is the path with [] behind lists
	slot       int
}

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)
	// reservedNames are words of expressions.
	reservedNames = []string{"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"}
)

// Compile prepares a condition for the facts that all rules have. The error names the first mistake; Check finds all.
func Compile(node *Node) (*Program, error) { return standard.Compile(node) }

// Compile prepares a condition. Types that the schema knows decide how values are read: the text "100,000.00" is a number
// where the field is one.
func (s *Schema) Compile(node *Node) (*Program, error) {
	if node == nil {
		return nil, errors.New("compile the condition: there is none")
	}
	if _, err := node.size(1); err != nil {
		return nil, fmt.Errorf("compile the condition: %w", err)
	}
	p := &Program{}
	root, m := (&scope{schema: s, slots: &p.slots}).step(node, "")
	if m != nil {
		return nil, fmt.Errorf("compile the condition: %w", m)
	}
	p.root = root
	return p, nil
}

// step prepares a node and what is below it.
func (sc *scope) step(n *Node, at string) (*step, *mistake) {
	out := &step{kind: n.Kind, at: at}
	inner := sc
	switch n.Kind {
	case All, Any:
	case Not:
		if len(n.Nodes) != 1 {
			return nil, &mistake{at, codeShape, "“非”只能有一个条件", "not has exactly one condition", ""}
		}
	case Leaf:
		l, m := sc.leaf(n, at)
		if m != nil {
			return nil, m
		}
		out.leaf = l
	case CEL:
		x, m := sc.expression(n.CEL, pointer(at, CEL))
		if m != nil {
			return nil, m
		}
		out.cel = x
	case Some, Every, None, Count:
		var m *mistake
		if inner, m = sc.quantifier(n, at, out); m != nil {
			return nil, m
		}
	default:
		return nil, &mistake{at, codeShape, "未知的条件种类", "unknown kind of condition " + show(string(n.Kind)), ""}
	}
	for i, child := range n.children() {
		c, m := inner.step(child, n.childAt(at, i))
		if m != nil {
			return nil, m
		}
		out.children = append(out.children, c)
	}
	out.phrase = words{sc.phrase(n, zh), sc.phrase(n, en)}
	return out, nil
}

// quantifier prepares a node about the elements of a list, and returns what names mean inside.
func (sc *scope) quantifier(n *Node, at string, out *step) (*scope, *mistake) {
	if n.Where == nil && n.Kind != Count {
		return nil, &mistake{at, codeShape, "缺少 where 条件", "where is missing", ""}
	}
	ref, _, m := sc.resolve(n.Path, pointer(at, n.Kind))
	if m != nil {
		return nil, m
	}
	inner, m := sc.inside(n, at)
	if m != nil {
		return nil, m
	}
	out.list, out.slot = ref, sc.depth
	if n.Kind == Count {
		op := operatorsByName[n.Op]
		if op == nil || !slices.Contains(countOps, n.Op) {
			return nil, unknownOperator(n.Op, countOps, pointer(at, "op"))
		}
		a, m := sc.parseArgs(op, n.Value, pointer(at, "value"))
		if m != nil {
			return nil, m
		}
		for i := range a.values {
			if c := &a.values[i]; c.ref == nil && c.rat == nil {
				return nil, &mistake{pointer(at, "value"), codeValue, "个数应与数字比较", "a count is compared with a number", ""}
			}
		}
		out.leaf = &leaf{ref: ref, fact: Fact{Type: TypeNumber}, op: op, args: a}
	}
	return inner, nil
}

// inside is the scope of a quantifier's where.
func (sc *scope) inside(n *Node, at string) (*scope, *mistake) {
	_, canonical, _ := sc.split(n.Path)
	inner := &scope{schema: sc.schema, slots: sc.slots, depth: sc.depth + 1}
	*sc.slots = max(*sc.slots, inner.depth)
	inner.names = append(slices.Clone(sc.names), element{elementName, canonical + "[]", sc.depth})
	if n.As != "" {
		if !nameForm.MatchString(n.As) || sc.schema.roots[n.As] || slices.Contains(reservedNames, n.As) {
			return nil, &mistake{
				pointer(at, "as"), codeValue, show(n.As) + " 不能作为名称：请用小写字母、数字和下划线，且不与已有名称重复",
				show(n.As) + " cannot be a name: use small letters, digits and _, and no name that stands for something else", "",
			}
		}
		inner.names = append(inner.names, element{n.As, canonical + "[]", sc.depth})
	}
	return inner, nil
}

func unknownOperator(name string, known []string, at string) *mistake {
	best := config.Nearest(name, known)
	return &mistake{at, codeOperator, "未知的运算 " + show(name), "unknown operator " + show(name), best}
}

func (sc *scope) leaf(n *Node, at string) (*leaf, *mistake) {
	op := operatorsByName[n.Op]
	if op == nil {
		names := make([]string, 0, len(operators))
		for i := range operators {
			names = append(names, operators[i].name)
		}
		return nil, unknownOperator(n.Op, names, pointer(at, "op"))
	}
	ref, fact, m := sc.resolve(n.Path, pointer(at, Leaf))
	if m != nil {
		return nil, m
	}
	l := &leaf{ref: ref, fact: fact, op: op}
	if op.isChange() {
		name, ok := changedField(n.Path)
		if !ok || ref.slot >= 0 {
			return nil, &mistake{pointer(at, Leaf), codePath, "变更只能针对记录的字段，如 record.stage", "changes are about fields of the record, such as record.stage", ""}
		}
		l.changes = name
		if f, known := sc.schema.Lookup("record." + name); known {
			l.fact = f
		}
		called, _ := sc.schema.naming("record." + name)
		l.ref.how = saying{path: "record." + name, kind: called.Type, names: called.Names}
	}
	l.args, m = sc.parseArgs(op, n.Value, pointer(at, "value"))
	if op.takes == argMoment || op.takes == argOrdered || op.takes == argPair || l.fact.Type == TypeTime {
		l.clock = slices.ContainsFunc(l.args.values, func(c constant) bool { _, named := namedConstant(c.raw); return named })
	}
	return l, m
}

// split finds the element that a path begins with, if any, and the path with [] behind lists.
func (sc *scope) split(path string) (in *element, canonical, rest string) {
	first, rest, below := strings.Cut(path, ".")
	for i := len(sc.names) - 1; i >= 0; i-- {
		if e := &sc.names[i]; e.name == first {
			if below {
				return e, e.list + "." + rest, rest
			}
			return e, e.list, ""
		}
	}
	return nil, path, ""
}

// resolve finds what a path means. A path that the schema does not know is an open fact: whether it is there is found out
// when it is asked.
func (sc *scope) resolve(path, at string) (reference, Fact, *mistake) {
	if !validPath(path) {
		return reference{}, Fact{}, &mistake{at, codePath, show(path) + " 不是字段路径", show(path) + " is not a path of a fact", ""}
	}
	in, canonical, rest := sc.split(path)
	fact, known := sc.schema.Lookup(canonical)
	if !known {
		fact = Fact{Path: canonical, Type: TypeOpen}
	}
	called, _ := sc.schema.naming(canonical)
	ref := reference{path: path, slot: -1, how: saying{path: path, kind: called.Type, names: called.Names}, name: words{sc.label(path, zh), sc.label(path, en)}}
	if in != nil {
		ref.slot = in.slot
		if rest != "" {
			ref.rest = strings.Split(rest, ".")
		}
	}
	return ref, fact, nil
}

// validPath reports whether a path is made of names with dots between them.
func validPath(path string) bool {
	if path == "" || len(path) > maxPath || strings.Contains(path, "[]") {
		return false
	}
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || strings.TrimSpace(name) != name || strings.IndexFunc(name, unicode.IsControl) >= 0 {
			return false
		}
	}
	return true
}
