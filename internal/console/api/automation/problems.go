package automation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// CheckRule says what is wrong with a rule.
func (p *Part) CheckRule(ctx context.Context, request CheckRuleRequestObject) (CheckRuleResponseObject, error) {
	out, err := p.check(ctx, request.Body.Rule, request.Body.Tests)
	if err != nil {
		return nil, err
	}
	return CheckRule200JSONResponse(out), nil
}

// check looks at a rule as data.
func (p *Part) check(ctx context.Context, body RuleBody, tests bool) (CheckResult, error) {
	names, err := p.o.Gateway.Names()
	if err != nil {
		return CheckResult{}, err
	}
	r, err := rules.Parse(body)
	if err != nil {
		return CheckResult{Problems: []RuleProblem{syntaxProblem(body, err)}}, nil
	}
	found := rules.Check(r, names.Around)
	if tests && !grave(found) {
		found = append(found, rules.RunTests(ctx, r, names.Around)...)
	}
	live, err := p.book.InForce(ctx)
	if err != nil {
		return CheckResult{}, err
	}
	var others []rules.Rule
	for _, v := range live {
		others = append(others, v.Body)
	}
	found = append(found, rules.Cycles(r, others)...)
	return CheckResult{Valid: !grave(found), Problems: problemsOf(body, found), Words: described(r, p.o.Gateway.RecordNames())}, nil
}

func grave(problems []rules.Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

// problemsOf are problems with pointers that resolve in the rule.
func problemsOf(body RuleBody, found []rules.Problem) []RuleProblem {
	root := rootOf(body)
	out := []RuleProblem{}
	for _, p := range inConditions(root, found) {
		one := RuleProblem{
			Severity: RuleProblemSeverityError, Code: codeOf(p), Text: Words{Zh: p.Zh, En: p.En}, Suggestion: p.Suggestion, Line: p.Line, Column: p.Column,
		}
		if p.Warning {
			one.Severity = RuleProblemSeverityWarning
		}
		one.Pointer, one.Missing = resolve(root, p.Path)
		if one.Code == "template" {
			one.Pointer = templateAt(root, one.Pointer, p.En)
		}
		out = append(out, one)
	}
	return out
}

// inConditions has in place of a condition that does not compile what is wrong in it.
func inConditions(root any, found []rules.Problem) (out []rules.Problem) {
	for _, p := range found {
		node, trigger := conditionAt(root, p)
		if node == nil {
			out = append(out, p)
			continue
		}
		before := len(out)
		for _, c := range condition.Check(node, nil, trigger) {
			out = append(out, rules.Problem{
				Path: p.Path + c.At, Warning: c.Severity == condition.Warning, Zh: c.ZH, En: c.EN, Code: "condition_" + c.Code, Suggestion: c.Suggestion, Line: c.Line, Column: c.Column,
			})
		}
		if len(out) == before {
			out = append(out, p)
		}
	}
	return out
}

// conditionAt is the condition that a problem without a code is about; nil: it is about none.
func conditionAt(root any, p rules.Problem) (node *condition.Node, trigger string) {
	if p.Code != "" || !strings.HasSuffix(p.Path, "/when") {
		return nil, ""
	}
	at := valueAt(root, p.Path)
	text, err := json.Marshal(at)
	if err != nil || at == nil || json.Unmarshal(text, &node) != nil {
		return nil, ""
	}
	trigger, _ = valueAt(root, "/trigger/type").(string)
	return node, trigger
}

// valueAt is what a pointer leads to; nil: nothing.
func valueAt(root any, pointer string) any {
	at := root
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch x := at.(type) {
		case map[string]any:
			at = x[part]
		case []any:
			n, ok := index(part, len(x))
			if !ok {
				return nil
			}
			at = x[n]
		default:
			return nil
		}
	}
	return at
}

func rootOf(body RuleBody) any {
	var root any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&root) != nil {
		return nil
	}
	return root
}

// codeOf is the code of a problem; what has none is about the rule.
func codeOf(p rules.Problem) string {
	if p.Code == "" {
		return "rule"
	}
	return p.Code
}

// resolve follows a pointer as far as it leads. What is left of it is missing.
func resolve(root any, pointer string) (there, missing string) {
	at := root
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if pointer == "" {
		return "", ""
	}
	for i, part := range parts {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		var next any
		ok := false
		switch x := at.(type) {
		case map[string]any:
			next, ok = x[name]
		case []any:
			var n int
			if n, ok = index(name, len(x)); ok {
				next = x[n]
			}
		}
		if !ok {
			return there, strings.Join(parts[i:], "/")
		}
		at = next
		there += "/" + part
	}
	return there, ""
}

func index(text string, length int) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n < length
}

// templateAt finds the text below a pointer that is the template with a mistake.
func templateAt(root any, pointer, words string) string {
	at := valueAt(root, pointer)
	found := ""
	eachText(at, pointer, func(here, text string) bool {
		for _, kind := range []compose.Kind{compose.Text, compose.HTML} {
			for _, p := range compose.Check("", kind, text, compose.Options{}) {
				if p.En == words {
					found = here
					return false
				}
			}
		}
		return true
	})
	if found != "" {
		return found
	}
	return pointer
}

// eachText goes through the texts below a value, steps inside steps excepted.
func eachText(v any, pointer string, do func(pointer, text string) bool) bool {
	switch x := v.(type) {
	case string:
		return !strings.Contains(x, "{{") || do(pointer, x)
	case map[string]any:
		for name, e := range x {
			if !eachText(e, pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), do) {
				return false
			}
		}
	case []any:
		for i, e := range x {
			if !eachText(e, pointer+"/"+strconv.Itoa(i), do) {
				return false
			}
		}
	}
	return true
}

var unknownKey = regexp.MustCompile(`unknown field "([^"]*)"`)

// syntaxProblem is what is wrong with a rule that cannot be read.
func syntaxProblem(body RuleBody, err error) RuleProblem {
	out := RuleProblem{Severity: RuleProblemSeverityError, Code: "syntax", Text: Words{Zh: "无法读取规则：" + err.Error(), En: err.Error()}}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		out.Pointer, _ = resolve(rootOf(body), "/"+strings.ReplaceAll(wrong.Field, ".", "/"))
		out.Code = "value"
	}
	if m := unknownKey.FindStringSubmatch(err.Error()); m != nil {
		out.Code = "unknown_key"
		out.Text = Words{Zh: "没有名为 " + m[1] + " 的项", En: "there is no " + m[1] + " here"}
		out.Pointer = keyAt(rootOf(body), "", m[1])
	}
	return out
}

// keyAt finds the first place with a key.
func keyAt(v any, pointer, key string) string {
	switch x := v.(type) {
	case map[string]any:
		if _, ok := x[key]; ok {
			return pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		}
		for name, e := range x {
			if at := keyAt(e, pointer+"/"+name, key); at != "" {
				return at
			}
		}
	case []any:
		for i, e := range x {
			if at := keyAt(e, pointer+"/"+strconv.Itoa(i), key); at != "" {
				return at
			}
		}
	}
	return ""
}

// DrawRule makes the graph of a rule that is edited.
func (p *Part) DrawRule(ctx context.Context, request DrawRuleRequestObject) (DrawRuleResponseObject, error) {
	checked, err := p.check(ctx, request.Body.Rule, false)
	if err != nil {
		return nil, err
	}
	r, err := rules.Parse(request.Body.Rule)
	if err != nil {
		return nil, api.Invalid("rule_unreadable", err.Error())
	}
	return DrawRule200JSONResponse(graphOf(r, p.o.Gateway.RecordNames(), checked.Problems, nil)), nil
}

// GetRuleGraph makes the graph of a stored rule.
func (p *Part) GetRuleGraph(ctx context.Context, request GetRuleGraphRequestObject) (GetRuleGraphResponseObject, error) {
	var run *rules.Run
	version := request.Params.Version
	if request.Params.Run != "" {
		var err error
		if run, err = p.seenRun(ctx, request.Params.Run); err != nil {
			return nil, err
		}
		if run.Rule != request.Id {
			return nil, api.NotFound("no_run", "the rule has no such run")
		}
		version = strconv.Itoa(run.Version)
	}
	v, err := p.version(ctx, request.Id, version)
	if err != nil {
		return nil, err
	}
	out := graphOf(v.Body, p.o.Gateway.RecordNames(), nil, run)
	if since := request.Params.Since; run == nil && !since.IsZero() && v.Number > 0 {
		f := viewOf(access.From(ctx)).filter(rules.RunFilter{Rule: request.Id, Version: v.Number, Since: since})
		if err := p.count(ctx, &out, f); err != nil {
			return nil, err
		}
	}
	return GetRuleGraph200JSONResponse(out), nil
}

// count says of each node how often runs came by.
func (p *Part) count(ctx context.Context, g *Graph, f rules.RunFilter) error {
	runs, passed, err := rules.Passages(ctx, p.o.Store.Reader(), f)
	if err != nil {
		return err
	}
	for i, n := range g.Nodes {
		switch n.Kind {
		case GraphNodeKindTrigger, GraphNodeKindCondition:
			g.Nodes[i].Counts = NodeCounts{Times: runs}
		case GraphNodeKindStep:
			seen := passed[n.Id]
			g.Nodes[i].Counts = NodeCounts{Times: seen.Times, Waiting: seen.Waiting, Failed: seen.Failed}
		case GraphNodeKindEnd, GraphNodeKindJoin:
		}
	}
	return nil
}

// graphOf is a rule as a graph, with problems and what became of it in a run.
func graphOf(r rules.Rule, called *rules.RecordNames, problems []RuleProblem, run *rules.Run) Graph {
	flow := rules.Draw(r, called)
	out := Graph{Nodes: []GraphNode{}, Edges: []GraphEdge{}}
	for _, n := range flow.Nodes {
		node := GraphNode{Id: n.ID, Kind: GraphNodeKind(n.Kind), Pointer: n.Pointer, Step: n.Step, Do: n.Do, Label: Words{Zh: n.Zh, En: n.En}, Parent: n.Parent}
		for _, p := range problems {
			if n.Pointer != "" && (p.Pointer == n.Pointer || strings.HasPrefix(p.Pointer, n.Pointer+"/")) {
				node.Problems++
			}
		}
		if run != nil {
			for _, s := range run.Steps {
				if rules.FlowPlace(s.Path) == n.ID {
					node.State = GraphNodeState(s.State)
					node.Times++
				}
			}
		}
		out.Nodes = append(out.Nodes, node)
	}
	for _, e := range flow.Edges {
		out.Edges = append(out.Edges, GraphEdge{From: e.From, To: e.To, Kind: GraphEdgeKind(e.Kind), Label: Words{Zh: e.Zh, En: e.En}})
	}
	return out
}
