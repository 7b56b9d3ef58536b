package condition_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"heliograph/hooks/rules/condition"
)

var truths = []condition.Truth{condition.True, condition.False, condition.Unsure}

// TestKleene checks the tables of Kleene's strong logic: with true above unknown above false, and is the lower one, or the
// higher one.
func TestKleene(t *testing.T) {
	t.Parallel()
	rank := map[condition.Truth]int{condition.False: 0, condition.Unsure: 1, condition.True: 2}
	back := []condition.Truth{condition.False, condition.Unsure, condition.True}
	for _, a := range truths {
		if rank[a.Not()] != 2-rank[a] {
			t.Errorf("not %s is %s", a, a.Not())
		}
		for _, b := range truths {
			if got := a.And(b); got != back[min(rank[a], rank[b])] {
				t.Errorf("%s and %s is %s", a, b, got)
			}
			if got := a.Or(b); got != back[max(rank[a], rank[b])] {
				t.Errorf("%s or %s is %s", a, b, got)
			}
		}
	}
}

// The facts of random conditions: t is true, f is false, u is unknown; and lists of such.
func logicFacts() *world {
	return &world{tree: map[string]any{
		"record": map[string]any{"t": true, "f": false, "empty": []any{}, "list": []any{
			map[string]any{"t": true, "f": false, "v": true}, map[string]any{"t": true, "f": false}, map[string]any{"t": true, "f": false, "v": false},
		}},
	}}
}

// tree draws a condition whose leaves are true, false or unknown.
func drawTree(t *rapid.T, depth int, inList bool) *condition.Node {
	leaves := []string{"record.t", "record.f", "record.u"}
	if inList {
		leaves = append(leaves, "item.t", "item.f", "item.v")
	}
	leaf := func() *condition.Node {
		path := rapid.SampledFrom(leaves).Draw(t, "leaf")
		if !inList && rapid.Bool().Draw(t, "cel") {
			return &condition.Node{Kind: condition.CEL, CEL: path + " == true"}
		}
		return &condition.Node{Kind: condition.Leaf, Path: path, Op: "is", Value: true}
	}
	if depth == 0 {
		return leaf()
	}
	switch kind := rapid.SampledFrom([]condition.Kind{condition.Leaf, condition.All, condition.Any, condition.Not, condition.Some, condition.Every, condition.None, condition.Count}).Draw(t, "kind"); kind {
	case condition.Leaf:
		return leaf()
	case condition.All, condition.Any:
		n := &condition.Node{Kind: kind}
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			n.Nodes = append(n.Nodes, drawTree(t, depth-1, inList))
		}
		return n
	case condition.Not:
		return &condition.Node{Kind: kind, Nodes: []*condition.Node{drawTree(t, depth-1, inList)}}
	default:
		list := rapid.SampledFrom([]string{"record.list", "record.empty", "record.u"}).Draw(t, "list")
		n := &condition.Node{Kind: kind, Path: list, Where: drawTree(t, depth-1, true)}
		if kind == condition.Count {
			n.Op = rapid.SampledFrom([]string{"is", "lt", "ge", "is_not"}).Draw(t, "op")
			n.Value = json.Number(rapid.SampledFrom([]string{"0", "1", "2", "3"}).Draw(t, "value"))
		}
		return n
	}
}

func run(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, n *condition.Node,
) (condition.Truth, condition.Explanation) {
	t.Helper()
	p, err := condition.Compile(n)
	if err != nil {
		t.Fatalf("%s: %v", text(n), err)
	}
	x, err := p.Evaluate(ctx, logicFacts(), options())
	if err != nil {
		t.Fatalf("%s: %v", text(n), err)
	}
	bare, unknown, err := p.Test(ctx, logicFacts(), options())
	if err != nil || bare != x.Result || len(unknown) != len(x.Unknown) {
		t.Fatalf("%s: %s with an explanation, %s without (%v)", text(n), x.Result, bare, err)
	}
	return x.Result, x
}

func text(n *condition.Node) string {
	out, err := json.Marshal(n)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func negated(n *condition.Node) *condition.Node {
	return &condition.Node{Kind: condition.Not, Nodes: []*condition.Node{n}}
}

// TestLaws checks on random trees what holds in Kleene's logic.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTree(t, 3, false), drawTree(t, 2, false)
		group := func(kind condition.Kind, nodes ...*condition.Node) *condition.Node {
			return &condition.Node{Kind: kind, Nodes: nodes}
		}
		same := func(law string, x, y *condition.Node) {
			rx, _ := run(t, x)
			if ry, _ := run(t, y); rx != ry {
				t.Fatalf("%s: %s is %s, %s is %s", law, text(x), rx, text(y), ry)
			}
		}
		same("De Morgan", negated(group(condition.All, a, b)), group(condition.Any, negated(a), negated(b)))
		same("De Morgan", negated(group(condition.Any, a, b)), group(condition.All, negated(a), negated(b)))
		same("twice not", negated(negated(a)), a)
		same("order", group(condition.All, a, b), group(condition.All, b, a))
		same("idempotence", group(condition.Any, a, a), a)
		same("absorption", group(condition.All, a, group(condition.Any, a, b)), a)
		where := drawTree(t, 1, true)
		for _, list := range []string{"record.list", "record.empty", "record.u"} {
			some := &condition.Node{Kind: condition.Some, Path: list, Where: where}
			same("none is not some", &condition.Node{Kind: condition.None, Path: list, Where: where}, negated(some))
			same("every", &condition.Node{Kind: condition.Every, Path: list, Where: where},
				&condition.Node{Kind: condition.None, Path: list, Where: negated(where)})
			same("count", &condition.Node{Kind: condition.Count, Path: list, Where: where, Op: "ge", Value: json.Number("1")}, some)
		}
	})
}

// TestExplained checks that an explanation gives the result that its parts give, and survives JSON.
func TestExplained(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := drawTree(t, 3, false)
		result, x := run(t, n)
		if got := recomputed(t, &x); got != result {
			t.Fatalf("%s is %s, but its explanation gives %s:\n%s", text(n), result, got, x.Text("en"))
		}
		stored, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var back condition.Explanation
		if err := json.Unmarshal(stored, &back); err != nil {
			t.Fatal(err)
		}
		if back.Text("zh") != x.Text("zh") || back.Result != x.Result {
			t.Fatalf("stored and read again:\n%s\nbefore:\n%s", back.Text("zh"), x.Text("zh"))
		}
		if result == condition.Unsure && len(x.Unknown) == 0 {
			t.Fatalf("%s is unknown, and nothing says why", text(n))
		}
		for _, word := range []string{"%!", "<nil>"} {
			if strings.Contains(string(stored), word) {
				t.Fatalf("%s in %s", word, stored)
			}
		}
	})
}

// recomputed derives the result from the children's.
func recomputed(t *rapid.T, x *condition.Explanation) condition.Truth {
	var results []condition.Truth
	for _, c := range x.Children {
		if !c.Skipped {
			results = append(results, recomputed(t, c))
		}
	}
	fold := func(start condition.Truth, combine func(a, b condition.Truth) condition.Truth) condition.Truth {
		for _, r := range results {
			start = combine(start, r)
		}
		return start
	}
	unknownList := len(x.Unknown) > 0 && len(x.Children) == 0
	switch x.Kind {
	case condition.All:
		return fold(condition.True, condition.Truth.And)
	case condition.Any:
		return fold(condition.False, condition.Truth.Or)
	case condition.Not:
		return results[0].Not()
	case condition.Some, condition.Every, condition.None:
		switch {
		case unknownList:
			return condition.Unsure
		case x.Kind == condition.Every:
			return fold(condition.True, condition.Truth.And)
		case x.Kind == condition.None:
			return fold(condition.False, condition.Truth.Or).Not()
		}
		return fold(condition.False, condition.Truth.Or)
	}
	if !strings.Contains(x.EN, map[condition.Truth]string{condition.True: "→ yes", condition.False: "→ no", condition.Unsure: "→ unknown"}[x.Result]) {
		t.Fatalf("the sentence %q does not say %s", x.EN, x.Result)
	}
	return x.Result
}

func TestNestedQuantifiers(t *testing.T) {
	t.Parallel()
	facts := &world{tree: map[string]any{"record": map[string]any{"orders": []any{
		map[string]any{"limit": json.Number("5"), "lines": []any{map[string]any{"qty": json.Number("3")}, map[string]any{"qty": json.Number("4")}}},
		map[string]any{"limit": json.Number("2"), "lines": []any{map[string]any{"qty": json.Number("3")}}},
	}}}}
	for source, want := range map[string]string{
		`{"some": "record.orders", "as": "o", "where": {"some": "item.lines", "where": {"field": "item.qty", "op": "gt", "value": {"fact": "o.limit"}}}}`: "true",
		`{"every": "record.orders", "as": "o", "where": {"some": "o.lines", "where": {"field": "item.qty", "op": "gt", "value": {"fact": "o.limit"}}}}`:   "false",
		`{"none": "record.orders", "as": "o", "where": {"every": "o.lines", "where": {"cel": "item.qty > o.limit"}}}`:                                     "false",
		`{"count": "record.orders", "where": {"count": "item.lines", "op": "ge", "value": 2}, "op": "is", "value": 1}`:                                    "true",
		`{"count": "record.orders", "where": {"field": "item.nothing", "op": "is", "value": 2}, "op": "le", "value": 2}`:                                  "true",
		`{"count": "record.orders", "where": {"field": "item.nothing", "op": "is", "value": 2}, "op": "ge", "value": 1}`:                                  "unknown",
		`{"some": "record.orders", "where": {"field": "o.limit", "op": "is", "value": 2}}`:                                                                "unknown", // no such name here
		`{"some": "record.orders", "where": {"field": "item", "op": "is_empty"}}`:                                                                         "false",
	} {
		x, err := condition.Evaluate(ctx, node(t, source), facts, options())
		if err != nil || x.Result.String() != want {
			t.Errorf("%s: got %s, %v; want %s\n%s", source, x.Result, err, want, x.Text("en"))
		}
	}
}

// TestBounds checks that long lists of strangers end in unknown, with an explanation of bounded size.
func TestBounds(t *testing.T) {
	t.Parallel()
	long := make([]any, 5000)
	for i := range long {
		long[i] = map[string]any{"n": json.Number(fmt.Sprint(i)), "list": long[:min(i, 1500)]}
	}
	facts := &world{tree: map[string]any{"event": map[string]any{"list": long, "texts": manyTexts(3000)}}}
	for source, want := range map[string]string{
		`{"some": "event.list", "where": {"field": "item.n", "op": "is", "value": 700}}`:                                                                "true",
		`{"some": "event.list", "where": {"field": "item.n", "op": "is", "value": 4000}}`:                                                               "unknown",
		`{"every": "event.list", "where": {"field": "item.n", "op": "lt", "value": 700}}`:                                                               "false",
		`{"count": "event.list", "where": {"field": "item.n", "op": "ge", "value": 0}, "op": "ge", "value": 900}`:                                       "true",
		`{"count": "event.list", "op": "is", "value": 5000, "where": {"all": []}}`:                                                                      "unknown",
		`{"some": "event.list", "where": {"some": "item.list", "where": {"some": "item.list", "where": {"field": "item.n", "op": "is", "value": -1}}}}`: "unknown",
		`{"field": "event.texts", "op": "is", "value": {"fact": "event.texts"}}`:                                                                        "false",
		`{"field": "event.texts", "op": "contains_any", "value": {"fact": "event.list"}}`:                                                               "unknown",
		`{"cel": "event.list.all(a, event.list.all(b, event.list.all(c, a.n + b.n + c.n >= 0)))"}`:                                                      "unknown",
	} {
		x, err := condition.Evaluate(ctx, node(t, source), facts, options())
		if err != nil || x.Result.String() != want {
			t.Errorf("%s: got %s, %v; want %s", source, x.Result, err, want)
			continue
		}
		stored, err := json.Marshal(x)
		if err != nil || len(stored) > 200_000 {
			t.Errorf("%s: the explanation has %d bytes (%v)", source, len(stored), err)
		}
		if source == `{"some": "event.list", "where": {"field": "item.n", "op": "is", "value": 700}}` && !strings.Contains(x.Text("en"), "#701") {
			t.Errorf("the element that decides is left out:\n%s", x.Text("en"))
		}
	}
}

func manyTexts(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = fmt.Sprintf("text %d", i)
	}
	return out
}
