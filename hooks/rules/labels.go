package rules

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"heliograph/hooks/rules/condition"
)

// voice says what is in a rule to people: in a language, with the names that facts have in this rule.
type voice struct {
	Lang

	facts  *condition.Schema
	names  *RecordNames
	record RecordType // that starts the rule
}

// newVoice knows the steps of a rule, and what people call records; nil: nothing.
func newVoice(r Rule, l Lang, called *RecordNames) voice {
	return voice{l, condition.Standard().Called(namedFacts(r, called)...), called, recordOf(r.Trigger)}
}

// namedFacts are those of a rule that have names only there.
func namedFacts(r Rule, called *RecordNames) []condition.Fact {
	return append(stepFacts(r), called.facts(r)...)
}

// stepFacts are what the steps of a rule give, with names such as "审批 · 决定": nobody knows a step by its id.
func stepFacts(r Rule) (facts []condition.Fact) {
	kinds, seen := map[string]int{}, map[string]int{}
	everyStep(r.Steps, func(s Step) { kinds[s.Do]++ })
	everyStep(r.Steps, func(s Step) {
		zh, en := StepWords(s.Do)
		if seen[s.Do]++; kinds[s.Do] > 1 {
			n := " " + strconv.Itoa(seen[s.Do])
			zh, en = zh+n, en+n
		}
		at := "steps." + s.ID
		facts = append(facts, condition.Fact{Path: at + ".*", Type: condition.TypeOpen, ZH: zh + " ·", EN: en + " ·"})
		for _, g := range givenBy[s.Do] {
			if g.Name != "*" {
				facts = append(facts, condition.Fact{Path: at + "." + g.Name, Type: g.Type, ZH: zh + " · " + g.Zh, EN: en + " · " + g.En, Names: namesGiven(s.Do, g.Name)})
			}
		}
		if s.Do == "classify" {
			for _, d := range choicesOfParams["classify.dimensions"] {
				facts = append(facts, condition.Fact{
					Path: at + "." + d.Value, Type: condition.TypeText, ZH: zh + " · " + d.Zh, EN: en + " · " + d.En, Names: namesGiven(s.Do, d.Value),
				})
			}
		}
	})
	return facts
}

// namesGiven is what people call the values of what a step gives.
func namesGiven(kind, name string) []condition.ValueName {
	return valueNames(ValuesGiven(kind, name))
}

// everyStep calls f for all steps, the nested ones too, as far as they can be read.
func everyStep(steps []Step, f func(Step)) {
	for _, s := range steps {
		f(s)
		for _, n := range nestedRows(s) {
			everyStep(n.steps, f)
		}
	}
}

// Labels gives what people call facts in a rule.
func Labels(r Rule, l Lang, called *RecordNames) func(path string) string {
	return newVoice(r, l, called).fact
}

// condition says a condition.
func (v voice) condition(n *condition.Node) string { return v.facts.Describe(n, string(v.Lang)) }

// fact is what people call a fact.
func (v voice) fact(path string) string { return v.facts.Label(path, string(v.Lang)) }

// What stands between the braces of a template: a field, by its path or as a text, or something else.
var (
	actionIn = regexp.MustCompile(`\{\{-?\s*((?:"(?:[^"\\]|\\.)*"|[^"}]|\}[^}])*?)\s*-?\}\}`)
	fieldIn  = regexp.MustCompile(`^(?:(?:first|last) )?(?:\.([\p{L}_][\p{L}\p{Nd}_.]*)|field ("(?:[^"\\]|\\.)*"))`)
	braceIn  = regexp.MustCompile(`^"(\{\{?)"$`)
)

// words is a template with the names of fields in the place of what is written for them.
func (v voice) words(source string) string {
	if !strings.Contains(source, "{{") {
		return source
	}
	return actionIn.ReplaceAllStringFunc(source, func(action string) string {
		inner := actionIn.FindStringSubmatch(action)[1]
		if m := braceIn.FindStringSubmatch(inner); m != nil {
			return m[1]
		}
		m := fieldIn.FindStringSubmatch(inner)
		switch {
		case strings.HasPrefix(inner, "/*"):
			return ""
		case m == nil:
			return "‹…›"
		case m[1] != "":
			return "‹" + v.fact(m[1]) + "›"
		}
		var path string
		if json.Unmarshal([]byte(m[2]), &path) != nil {
			return "‹…›"
		}
		return "‹" + v.fact(path) + "›"
	})
}
