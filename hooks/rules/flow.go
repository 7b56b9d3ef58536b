package rules

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"heliograph/hooks/rules/condition"
)

// Flow is a rule as a graph, for a view of it. It is drawn of what is written, so that a rule with mistakes has one too.
type Flow struct {
	Nodes []FlowNode
	Edges []FlowEdge
}

// FlowNode is the trigger, the condition, a step, or the end.
type FlowNode struct {
	// ID is trigger, condition, end, or where a step stands as runs have it (FlowPlace).
	ID      string
	Kind    string // trigger, condition, step or end
	Pointer string // JSON pointer into the rule
	Step    string // id of a step
	Do      string // its kind
	Zh, En  string
	Parent  string // the node inside which it lies
}

// FlowEdge leads from a node to one that may follow.
type FlowEdge struct {
	From, To string
	Kind     string // next, yes, no, case, else, parallel, each or out
	Zh, En   string
}

var rounds = regexp.MustCompile(`\[\d+\]`)

// FlowPlace is the node of a step's row.
func FlowPlace(path string) string { return rounds.ReplaceAllString(path, "") }

// flowEnd is the node behind all others.
const flowEnd = "end"

// Draw makes the graph of a rule, with what people call records; nil: as their systems do.
func Draw(r Rule, called *RecordNames) Flow {
	f := &flow{zh: newVoice(r, Chinese, called), en: newVoice(r, English, called)}
	zh, en := TriggerWords(r.Trigger.Type)
	if t, err := parseTrigger(r.Trigger); err == nil {
		zh, en = t.describe(f.zh), t.describe(f.en)
	}
	f.node(FlowNode{ID: "trigger", Kind: "trigger", Pointer: "/trigger", Zh: zh, En: en})
	open := []loose{{from: "trigger", kind: "next"}}
	if r.When != nil {
		f.node(FlowNode{ID: "condition", Kind: "condition", Pointer: "/when", Zh: f.zh.condition(r.When), En: f.en.condition(r.When)})
		f.join(open, "condition")
		f.Edges = append(f.Edges, FlowEdge{From: "condition", To: flowEnd, Kind: "no", Zh: "否", En: "no"})
		open = []loose{{from: "condition", kind: "yes", zh: "是", en: "yes"}}
	}
	open = f.row(r.Steps, "", "/steps", "", open)
	f.join(open, flowEnd)
	f.node(FlowNode{ID: flowEnd, Kind: "end", Zh: "结束", En: "the end"})
	return f.Flow
}

// flow is a graph while it is drawn.
type flow struct {
	Flow

	zh, en voice
}

// loose is an edge of which nobody knows yet where it leads.
type loose struct{ from, kind, zh, en string }

func (f *flow) node(n FlowNode) { f.Nodes = append(f.Nodes, n) }

func (f *flow) join(open []loose, to string) {
	for _, l := range open {
		f.Edges = append(f.Edges, FlowEdge{From: l.from, To: to, Kind: l.kind, Zh: l.zh, En: l.en})
	}
}

// row draws steps one behind the other. prefix is where they stand as runs have it. It returns the edges that leave the row.
func (f *flow) row(steps []Step, prefix, pointer, parent string, open []loose) []loose {
	for i, s := range steps {
		id := prefix + strconv.Itoa(i)
		here := fmt.Sprintf("%s/%d", pointer, i)
		zh, en := f.sentence(s)
		f.node(FlowNode{ID: id, Kind: "step", Pointer: here, Step: s.ID, Do: s.Do, Zh: zh, En: en, Parent: parent})
		f.join(open, id)
		open = f.behind(s, id, here)
	}
	return open
}

// behind draws what lies inside a step, and returns the edges behind it.
func (f *flow) behind(s Step, id, pointer string) (open []loose) {
	rows := nestedRows(s)
	complete := false
	for _, n := range rows {
		kind, zh, en := n.kind, "", ""
		switch {
		case kind == "else":
			complete, zh, en = true, "否则", "otherwise"
		case n.when != nil:
			zh, en = f.zh.condition(n.when), f.en.condition(n.when)
		case kind == "each":
			zh, en = "逐个", "each"
		}
		first := []loose{{from: id, kind: kind, zh: zh, en: en}}
		ends := f.row(n.steps, id+n.name+".", pointer+n.pointer, id, first)
		for i := range ends {
			if ends[i] != first[0] {
				ends[i].kind = "out"
			}
		}
		open = append(open, ends...)
	}
	switch {
	case s.Do == "stop" && s.When == nil:
		f.Edges = append(f.Edges, FlowEdge{From: id, To: flowEnd, Kind: "next"})
		return nil
	case s.Do == "stop":
		f.Edges = append(f.Edges, FlowEdge{From: id, To: flowEnd, Kind: "yes", Zh: "条件成立", En: "if so"})
		return []loose{{from: id, kind: "no", zh: "否", en: "no"}}
	case len(rows) == 0:
		return []loose{{from: id, kind: "next"}}
	case s.Do == "branch" && !complete:
		return append(open, loose{from: id, kind: "else", zh: "否则", en: "otherwise"})
	}
	return open
}

// sentence says what a step does; of one with steps inside only its kind.
func (f *flow) sentence(s Step) (zh, en string) {
	zh, en = StepWords(s.Do)
	if make, ok := actions[s.Do]; ok && len(nestedRows(s)) == 0 {
		a := make()
		if (len(s.With) == 0 || decode(s.With, a) == nil) && a.compile(&compiler{ids: map[string]bool{}, facts: condition.Standard()}) == nil {
			zh, en = a.describe(f.zh), a.describe(f.en)
		}
	}
	if s.When != nil {
		zh += "（若 " + f.zh.condition(s.When) + "）"
		en += " (if " + f.en.condition(s.When) + ")"
	}
	return zh, en
}

// nestedRow is a row of steps inside a step.
type nestedRow struct {
	name    string // as runs have it, behind the step's place
	pointer string // inside the step
	kind    string
	when    *condition.Node
	steps   []Step
}

// nestedRows are the rows inside a step, as far as they can be read.
func nestedRows(s Step) (out []nestedRow) {
	var with struct {
		Cases []struct {
			When  *condition.Node `json:"when"`
			Steps []Step          `json:"steps"`
		} `json:"cases"`
		Else     []Step   `json:"else"`
		Branches [][]Step `json:"branches"`
		Steps    []Step   `json:"steps"`
	}
	switch s.Do {
	case "branch", "parallel", "for_each":
		if json.Unmarshal(s.With, &with) != nil {
			return nil
		}
	}
	switch s.Do {
	case "branch":
		for i, c := range with.Cases {
			out = append(out, nestedRow{fmt.Sprintf(".%d", i), fmt.Sprintf("/with/cases/%d/steps", i), "case", c.When, c.Steps})
		}
		if len(with.Else) > 0 {
			out = append(out, nestedRow{".else", "/with/else", "else", nil, with.Else})
		}
	case "parallel":
		for i, b := range with.Branches {
			out = append(out, nestedRow{fmt.Sprintf(".%d", i), fmt.Sprintf("/with/branches/%d", i), "parallel", nil, b})
		}
	case "for_each":
		out = append(out, nestedRow{"", "/with/steps", "each", nil, with.Steps})
	}
	return out
}

// Kinds are the kinds of all steps of a rule, in their order, each once.
func (r *Rule) Kinds() []string {
	var out []string
	seen := map[string]bool{}
	var walk func(steps []Step)
	walk = func(steps []Step) {
		for _, s := range steps {
			if !seen[s.Do] {
				seen[s.Do] = true
				out = append(out, s.Do)
			}
			for _, n := range nestedRows(s) {
				walk(n.steps)
			}
		}
	}
	walk(r.Steps)
	return out
}
