package condition

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	celop "cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

var stringsType = reflect.TypeFor[[]string]()

// rewriter puts facts into an expression before it is checked: mail.from.address and record["客户级别"] become calls
// that ask for exactly this path, when the expression comes to it. Whole numbers that are computed or compared with a fact
// become doubles, as facts are: people write record.amount * 2.
type rewriter struct {
	scope *scope
	refs  []reference
	ids   int64
	bad   string // a path that is none
}

func nextID(a *ast.AST) int64 { return ast.MaxID(a) + 1 }

// locals are the variables that macros such as exists bring, and whether their values come from facts.
type locals map[string]bool

// walk rewrites an expression and reports whether its value comes from facts.
func (w *rewriter) walk(e ast.Expr, in locals) bool {
	if path, test, ok := w.path(e, in); ok {
		w.replace(e, path, test)
		return !test
	}
	switch e.Kind() {
	case ast.IdentKind:
		return in[e.AsIdent()]
	case ast.SelectKind:
		return w.walk(e.AsSelect().Operand(), in) && !e.AsSelect().IsTestOnly()
	case ast.CallKind:
		return w.call(e.AsCall(), in)
	case ast.ListKind:
		return w.all(e.AsList().Elements(), in)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			w.walk(entry.AsMapEntry().Key(), in)
			w.walk(entry.AsMapEntry().Value(), in)
		}
	case ast.ComprehensionKind:
		return w.comprehension(e.AsComprehension(), in)
	}
	return false
}

// all rewrites expressions and reports whether one comes from facts.
func (w *rewriter) all(list []ast.Expr, in locals) bool {
	any := false
	for _, e := range list {
		any = w.walk(e, in) || any
	}
	return any
}

func (w *rewriter) call(c ast.CallExpr, in locals) bool {
	if c.IsMemberFunction() {
		w.walk(c.Target(), in)
		w.all(c.Args(), in)
		return false // functions have types of their own
	}
	args := c.Args()
	switch c.FunctionName() {
	case celop.Add, celop.Subtract, celop.Multiply, celop.Divide,
		celop.Equals, celop.NotEquals, celop.Less, celop.LessEquals, celop.Greater, celop.GreaterEquals:
		left, right := w.walk(args[0], in), w.walk(args[1], in)
		if left {
			toDouble(args[1])
		}
		if right {
			toDouble(args[0])
		}
		return left || right
	case celop.Index:
		of := w.walk(args[0], in)
		w.walk(args[1], in)
		return of
	case celop.Conditional:
		w.walk(args[0], in)
		return w.all(args[1:], in)
	case celop.Negate:
		return w.all(args, in)
	}
	w.all(args, in)
	return c.FunctionName() == "number" || c.FunctionName() == "double" // doubles, as facts are
}

// toDouble turns a whole number that is written out into a double.
func toDouble(e ast.Expr) {
	if e.Kind() != ast.LiteralKind {
		return
	}
	if i, ok := e.AsLiteral().(types.Int); ok {
		e.SetKindCase(ast.NewExprFactory().NewLiteral(e.ID(), types.Double(i)))
	}
}

func (w *rewriter) comprehension(c ast.ComprehensionExpr, in locals) bool {
	fromFacts := w.walk(c.IterRange(), in)
	inside := maps.Clone(in)
	if inside == nil {
		inside = locals{}
	}
	inside[c.AccuVar()] = false
	w.walk(c.AccuInit(), in)
	result := maps.Clone(inside)
	inside[c.IterVar()] = fromFacts
	if c.HasIterVar2() {
		inside[c.IterVar2()] = fromFacts
	}
	w.walk(c.LoopCondition(), inside)
	w.walk(c.LoopStep(), inside)
	w.walk(c.Result(), result)
	return fromFacts // of map and filter; others give no numbers
}

// path reads an expression as the path of a fact: a name that stands for one, with .name and ["name"] behind it. test: it
// is inside has().
func (w *rewriter) path(e ast.Expr, in locals) (path string, test, ok bool) {
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		if _, local := in[name]; local {
			return "", false, false
		}
		return name, false, w.names(name)
	case ast.SelectKind:
		s := e.AsSelect()
		if above, tested, ok := w.path(s.Operand(), in); ok && !tested {
			return above + "." + s.FieldName(), s.IsTestOnly(), true
		}
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() != celop.Index || len(c.Args()) != 2 || c.Args()[1].Kind() != ast.LiteralKind {
			return "", false, false
		}
		key, isText := c.Args()[1].AsLiteral().(types.String)
		if above, tested, ok := w.path(c.Args()[0], in); ok && isText && !tested {
			return above + "." + string(key), false, true
		}
	}
	return "", false, false
}

// names reports whether a name is the root of facts here.
func (w *rewriter) names(name string) bool {
	return w.scope.schema.roots[name] || slices.ContainsFunc(w.scope.names, func(e element) bool { return e.name == name })
}

// replace puts a call in the place of a path.
func (w *rewriter) replace(e ast.Expr, path string, test bool) {
	i := slices.IndexFunc(w.refs, func(r reference) bool { return r.path == path })
	if i < 0 {
		ref, _, m := w.scope.resolve(path, "")
		if m != nil {
			w.bad = path
		}
		i = len(w.refs)
		w.refs = append(w.refs, ref)
	}
	name := celFact
	if test {
		name = celHas
	}
	f := ast.NewExprFactory()
	e.SetKindCase(f.NewCall(e.ID(), name, f.NewLiteral(w.ids, types.Int(i))))
	w.ids++
}

// undeclared returns the name that a message of the compiler says is not known.
func undeclared(message string) (string, bool) {
	_, rest, ok := strings.Cut(message, "undeclared reference to '")
	name, _, closed := strings.Cut(rest, "'")
	return name, ok && closed
}
