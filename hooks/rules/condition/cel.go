package condition

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// DefaultCELTime is how long an expression may compute when Options do not say. The cost limit ends it long before on
// any machine that is not overloaded.
const DefaultCELTime = 500 * time.Millisecond

const (
	celCost       = 1_000_000 // of the library's units: about one per node that is run or per ten bytes of text
	celCheckEvery = 100       // elements of a list between two looks at the clock
	celDepth      = 50        // nesting of an expression, and of the values it sees
	celNodes      = 2000      // of an expression, macros expanded
	celValues     = 100_000   // of all facts of one run, elements and fields included
	celRegexp     = 2000      // instructions of a pattern
)

// The functions that stand for facts; people cannot write these names. They take the number of a reference.
const (
	celFact = "@fact"
	celHas  = "@has"
)

// errTooSlow is passing trouble: the machine was busy.
var errTooSlow = errors.New("the expression took too long")

// expression is a CEL leaf that is ready to run.
type expression struct {
	program cel.Program
	refs    []reference
}

// celEnv is the environment of all expressions.
var celEnv = sync.OnceValues(newCELEnv)

// environment is what expressions are compiled in.
type environment struct {
	*cel.Env
	checking sync.Mutex
}

// Check finds the types of a parsed expression. One is checked at a time: cel-go (v0.33.2, checker.Env.Catalog) makes
// its list of all names when it first meets an unknown one, and others that open a scope read that field unguarded.
func (e *environment) Check(parsed *cel.Ast) (*cel.Ast, *cel.Issues) {
	e.checking.Lock()
	defer e.checking.Unlock()
	return e.Env.Check(parsed)
}

// newCELEnv makes the environment: the standard library, the functions for facts, and a few of ours. Numbers of facts
// are doubles there, so amounts are exact to 15 digits; the operators of the form are exact always.
func newCELEnv() (*environment, error) {
	dyn, text, number, yes := cel.DynType, cel.StringType, cel.DoubleType, cel.BoolType
	env, err := cel.NewEnv(
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxCEL),
		cel.ParserRecursionLimit(celDepth),
		cel.ExpressionNodeLimit(celNodes),
		cel.RegexProgramSizeLimit(celRegexp),
		cel.Function(celFact, cel.Overload("fact_int", []*cel.Type{cel.IntType}, dyn, cel.LateFunctionBinding())),
		cel.Function(celHas, cel.Overload("has_int", []*cel.Type{cel.IntType}, yes, cel.LateFunctionBinding())),
		// number("￥1,200.50") is 1200.5.
		cel.Function("number", cel.Overload("number_dyn", []*cel.Type{dyn}, number, cel.UnaryBinding(celNumber))),
		// fold("ＡＢＣ ") is "abc": the form under which texts compare in the operators.
		cel.Function("fold", cel.Overload("fold_dyn", []*cel.Type{dyn}, text, cel.UnaryBinding(celFold))),
		// matches_address(mail.from.address, "example.com") is the operator of that name.
		cel.Function("matches_address",
			cel.Overload("matches_address_text", []*cel.Type{dyn, text}, yes, cel.BinaryBinding(celAddress)),
			cel.Overload("matches_address_list", []*cel.Type{dyn, cel.ListType(text)}, yes, cel.BinaryBinding(celAddress))),
	)
	return &environment{Env: env}, err
}

// expression compiles a CEL leaf.
func (sc *scope) expression(source, at string) (*expression, *mistake) {
	x, _, m := sc.parseExpression(source, at)
	if m != nil {
		return nil, m
	}
	return x, nil
}

// parseExpression compiles a CEL leaf and returns the environment's messages, of which the first is the mistake.
func (sc *scope) parseExpression(source, at string) (*expression, []celMessage, *mistake) {
	env, err := celEnv()
	if err != nil {
		return nil, nil, &mistake{at, codeCEL, "表达式环境有误", "set up expressions: " + err.Error(), ""}
	}
	if len(source) > maxCEL {
		return nil, nil, &mistake{at, codeCEL, "表达式过长", fmt.Sprintf("the expression has more than %d bytes", maxCEL), ""}
	}
	parsed, issues := env.Parse(source)
	if issues.Err() != nil {
		return nil, celMessages(issues), celMistake(issues, at)
	}
	w := &rewriter{scope: sc, ids: nextID(parsed.NativeRep())}
	w.walk(parsed.NativeRep().Expr(), nil)
	if w.bad != "" {
		return nil, nil, &mistake{at, codePath, show(w.bad) + " 不是字段路径", show(w.bad) + " is not a path of a fact", ""}
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, celMessages(issues), celMistake(issues, at)
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, nil, &mistake{at, codeCEL, "表达式的结果应为“是”或“否”", "the expression gives " + t.String() + ", not true or false", ""}
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(celCost), cel.InterruptCheckFrequency(celCheckEvery))
	if err != nil {
		return nil, nil, &mistake{at, codeCEL, "表达式有误：" + cut(err.Error(), 2*maxShown), cut(err.Error(), 2*maxShown), ""}
	}
	return &expression{program: program, refs: w.refs}, nil, nil
}

// celMessage is what the compiler says of one place.
type celMessage struct {
	line, column int // from 1
	text         string
	zh           string // empty: as text
}

// expecting is what the parser would have taken in a place: a list of tokens that tells nobody anything.
var expecting = regexp.MustCompile(` expecting (\{.*\}|'[^']*'|<[^>]*>)$`)

// celWords says what the parser says for people.
func celWords(text string) (en, zh string) {
	text = strings.ReplaceAll(text, " (in container '')", "")
	text = expecting.ReplaceAllString(text, "")
	switch rest, ok := strings.CutPrefix(text, "Syntax error: "); {
	case !ok:
		return text, ""
	case strings.Contains(rest, "'<EOF>'"):
		return "the expression is not complete", "表达式不完整"
	default:
		if _, input, found := strings.Cut(rest, "input "); found {
			return "this does not fit here: " + input, "此处写法不对：" + input
		}
		return rest, ""
	}
}

func celMessages(issues *cel.Issues) []celMessage {
	var out []celMessage
	for _, e := range issues.Errors() {
		en, zh := celWords(e.Message)
		out = append(out, celMessage{max(1, e.Location.Line()), max(0, e.Location.Column()) + 1, cut(en, 3*maxShown), cut(zh, 3*maxShown)})
	}
	return out
}

func celMistake(issues *cel.Issues, at string) *mistake {
	all := celMessages(issues)
	if len(all) == 0 {
		return &mistake{at, codeCEL, "表达式有误", cut(issues.Err().Error(), 3*maxShown), ""}
	}
	return all[0].mistake(at)
}

func (c celMessage) mistake(at string) *mistake {
	zh := cmp.Or(c.zh, c.text)
	return &mistake{
		at, codeCEL, fmt.Sprintf("表达式第 %d 行第 %d 列有误：%s", c.line, c.column, zh),
		fmt.Sprintf("line %d, column %d: %s", c.line, c.column, c.text), "",
	}
}

// celRun is one run of an expression.
type celRun struct {
	e       *evaluation
	x       *expression
	timer   *time.Timer
	left    time.Duration // computing time
	since   time.Time     // of the computing that goes on
	failed  error         // passing trouble of a fact
	unknown map[int64]*UnknownFact
	values  int      // turned so far
	seen    []string // the facts that were asked and what they were, for the explanation
}

// maxSeen is how many facts of an expression are shown.
const maxSeen = 6

// cel runs an expression. What cannot be computed, such as a text less a number, is unknown.
func (e *evaluation) cel(s *step, out *Explanation) (Truth, error) {
	limit := e.options.CELTime
	if limit <= 0 {
		limit = DefaultCELTime
	}
	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	r := &celRun{e: e, x: s.cel, left: limit, since: time.Now(), unknown: map[int64]*UnknownFact{}}
	r.timer = time.AfterFunc(limit, func() { cancel(errTooSlow) })
	defer r.timer.Stop()
	vars, err := cel.FunctionVars(cel.NoVars(), map[string]cel.LateBoundFunction{celFact: r.fact, celHas: r.has})
	if err != nil {
		return Unsure, err
	}
	value, _, err := s.cel.program.ContextEval(ctx, vars)
	switch {
	case r.failed != nil:
		return Unsure, r.failed
	case e.ctx.Err() != nil:
		return Unsure, e.ctx.Err()
	case errors.Is(err, interpreter.InterruptError{}), errors.Is(context.Cause(ctx), errTooSlow):
		return Unsure, errTooSlow
	}
	v := r.verdict(value, err)
	out.leaf(v, nil, false, saying{})
	out.computed(v, strings.Join(r.seen, ", "))
	return v.truth, nil
}

// verdict reads the result.
func (r *celRun) verdict(value ref.Val, err error) verdict {
	var cancelled interpreter.EvalCancelledError
	why := &UnknownFact{Path: string(CEL)}
	switch {
	case errors.As(err, &cancelled):
		why.ZH, why.EN = "表达式计算量过大", "the expression is too expensive"
	case err != nil:
		text := cut(err.Error(), 2*maxShown)
		why.ZH, why.EN = "无法计算："+text, "cannot be computed: "+text
	case types.IsUnknown(value):
		ids := value.(*types.Unknown).IDs()
		slices.Sort(ids)
		for _, id := range ids {
			if u := r.unknown[id]; u != nil {
				r.e.miss(u)
				if why.EN == "" {
					why = u
				}
			}
		}
	default:
		if b, ok := value.(types.Bool); ok {
			return decided(bool(b))
		}
		why.ZH, why.EN = "结果不是“是”或“否”", "the result is neither true nor false"
	}
	r.e.miss(why)
	return verdict{why: why}
}

// ask looks a reference up; the clock of the expression stands still meanwhile.
func (r *celRun) ask(arg ref.Val) (known, int64, bool) {
	i, ok := arg.(types.Int)
	if !ok || i < 0 || int(i) >= len(r.x.refs) || r.failed != nil {
		return known{}, 0, false
	}
	if r.timer.Stop() {
		r.left -= time.Since(r.since)
		defer func() {
			r.since = time.Now()
			r.timer.Reset(max(r.left, time.Microsecond))
		}()
	}
	k, err := r.e.lookUp(&r.x.refs[i])
	if err != nil {
		r.failed = err
		return known{}, 0, false
	}
	r.note(r.x.refs[i].path, k)
	return k, int64(i) + 1, true
}

// note keeps what a fact was, once.
func (r *celRun) note(path string, k known) {
	if !r.e.explain || k.unknown != nil || len(r.seen) >= maxSeen {
		return
	}
	if text := path + " = " + show(k.value); !slices.Contains(r.seen, text) {
		r.seen = append(r.seen, text)
	}
}

var errAbort = types.NewErr("the facts are not available")

// fact is the value of a fact, or CEL's own unknown.
func (r *celRun) fact(_ string, args ...ref.Val) ref.Val {
	k, id, ok := r.ask(args[0])
	if !ok {
		return errAbort
	}
	if k.unknown != nil {
		r.unknown[id] = asUnknown(k.unknown)
		return types.NewUnknown(id, types.NewAttributeTrail(r.x.refs[id-1].path))
	}
	return r.toCEL(k.value, 0)
}

// has reports whether a fact is known and there: it is never unknown.
func (r *celRun) has(_ string, args ...ref.Val) ref.Val {
	k, _, ok := r.ask(args[0])
	if !ok {
		return errAbort
	}
	return types.Bool(k.unknown == nil && k.value != nil)
}

// toCEL turns plain data into values of CEL.
func (r *celRun) toCEL(value any, depth int) ref.Val {
	if r.values++; depth > celDepth || r.values > celValues {
		return types.NewErr("the value is too large")
	}
	switch v := value.(type) {
	case nil:
		return types.NullValue
	case bool:
		return types.Bool(v)
	case string:
		return types.String(v)
	case time.Time:
		return types.Timestamp{Time: v}
	case json.Number:
		if n := number(string(v)); n != nil {
			return celDouble(n)
		}
		return types.NewErr("not a number")
	case []any:
		out := make([]ref.Val, len(v))
		for i, item := range v {
			if out[i] = r.toCEL(item, depth+1); types.IsError(out[i]) {
				return out[i]
			}
		}
		return types.NewRefValList(types.DefaultTypeAdapter, out)
	case map[string]any:
		out := make(map[ref.Val]ref.Val, len(v))
		for key, item := range v {
			field := r.toCEL(item, depth+1)
			if types.IsError(field) {
				return field
			}
			out[types.String(key)] = field
		}
		return types.NewRefValMap(types.DefaultTypeAdapter, out)
	}
	return types.NewErr("a value of an unknown kind")
}

func celDouble(r *big.Rat) ref.Val {
	f, _ := r.Float64()
	return types.Double(f)
}

func celNumber(arg ref.Val) ref.Val {
	switch v := arg.(type) {
	case types.Double:
		return v
	case types.Int:
		return types.Double(v)
	case types.Uint:
		return types.Double(v)
	case types.String:
		if r := amount(string(v)); r != nil {
			return celDouble(r)
		}
		return types.NewErr("%s is not a number", show(string(v)))
	}
	return types.NewErr("not a number")
}

func celFold(arg ref.Val) ref.Val {
	if s, ok := celText(arg); ok {
		return types.String(Fold(s))
	}
	return types.NewErr("not a text")
}

// celText is the text of a value, as the operators see it: an address object is its address.
func celText(arg ref.Val) (string, bool) {
	switch v := arg.(type) {
	case types.String:
		return string(v), true
	case types.Null:
		return "", true
	}
	if m, ok := arg.(interface {
		Find(key ref.Val) (ref.Val, bool)
	}); ok {
		if a, found := m.Find(types.String("address")); found {
			s, isText := a.(types.String)
			return string(s), isText
		}
	}
	return "", false
}

func celAddress(arg, patterns ref.Val) ref.Val {
	s, ok := celText(arg)
	if !ok {
		return types.NewErr("not an address")
	}
	list := []string{}
	if p, isText := patterns.(types.String); isText {
		list = append(list, string(p))
	} else if native, err := patterns.ConvertToNative(stringsType); err == nil {
		list, _ = native.([]string)
	} else {
		return types.NewErr("not a list of patterns")
	}
	var a addresses
	for _, p := range list {
		if !a.add(p) {
			return types.NewErr("%s is neither an address nor a domain", show(p))
		}
	}
	local, domain := splitAddress(Fold(s))
	return types.Bool(s != "" && a.has(local, domain))
}
