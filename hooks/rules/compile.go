package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"heliograph/hooks/rules/condition"
)

// compiled is a version of a rule, ready to run. It may be used concurrently.
type compiled struct {
	rule    Rule
	version int
	mode    Mode
	place   int    // in the index, by id
	held    string // why nothing of it is done at present
	trigger trigger
	when    *condition.Program // nil: always
	common  bool               // when asks for nothing of the rule's own
	// extracts tells what the rule extracts from what others do.
	extracts string
	contact  *text
	steps    []*step
}

// step is a compiled Step.
type step struct {
	Step
	when   *condition.Program // nil: always
	action action
}

// action is what a step does. Actions are values without state of their own: what they find out goes into the step's row.
type action interface {
	// compile prepares templates and nested steps.
	compile(c *compiler) error
	// run does the step, or a part of it: it is called again until its outcome is final, also by another process after a crash. What it
	// decides before it acts (a branch, a list of items) it keeps with exec.remember, and what it does outside goes through exec.effect.
	run(ctx *exec) (outcome, error)
	check(c *checker)
	describe(l voice) string
}

// parent is an action with steps inside.
type parent interface {
	children() []block
}

// block is a row of nested steps.
type block struct {
	path  string // JSON pointer inside the action's parameters
	when  *condition.Node
	steps []*step
}

// compiler collects what compiling a rule needs and finds.
type compiler struct {
	depth int
	count int
	ids   map[string]bool
	// aliases are what for_each calls its elements, where we are inside.
	aliases []string
	// facts are those that the rule can ask for, with names.
	facts *condition.Schema
}

// Bounds of a rule.
const (
	maxSteps = 200 // in all
	maxNest  = 8   // steps inside steps
)

// compile prepares a rule. Its errors are for the person who wrote the rule.
func compile(r Rule, version int, mode Mode) (*compiled, error) {
	return compileNamed(r, version, mode, nil)
}

// compileNamed is compile for who explains decisions: with what people call the facts.
func compileNamed(r Rule, version int, mode Mode, called *RecordNames) (*compiled, error) {
	out := &compiled{rule: r, version: version, mode: mode}
	c := &compiler{ids: map[string]bool{}, facts: condition.Standard().Called(namedFacts(r, called)...)}
	var err error
	if out.trigger, err = parseTrigger(r.Trigger); err != nil {
		return nil, &PathError{"/trigger", err}
	}
	if out.when, err = c.program(r.When); err != nil {
		return nil, &PathError{"/when", err}
	}
	out.common = !slices.ContainsFunc(conditionPaths(r.When), out.own)
	if r.Contact != "" {
		if out.contact, err = newText(r.Contact); err != nil {
			return nil, &PathError{"/contact", err}
		}
	}
	if len(r.Extract) > 0 {
		text, err := json.Marshal(r.Extract)
		if err != nil {
			return nil, &PathError{"/extract", err}
		}
		out.extracts = string(text)
	}
	out.steps, err = c.steps(r.Steps, "/steps")
	return out, err
}

// own says whether a fact may be another one for each rule, about the same event: by what it extracts, its calendar, whom it is about.
func (r *compiled) own(path string) bool {
	root, _, _ := strings.Cut(path, ".")
	switch root {
	case "fields":
		return len(r.rule.Extract) > 0
	case "contact", "company", "deal", "ticket", "order":
		return r.rule.Contact != ""
	}
	return root == "rule" || root == "time"
}

// program compiles a condition; nil stays nil.
func (c *compiler) program(n *condition.Node) (*condition.Program, error) {
	if n == nil {
		return nil, nil
	}
	return schemaWith(c.facts, c.aliases).Compile(n)
}

// schemaWith are the facts that conditions can ask for inside for_each steps that give their elements these names.
func schemaWith(known *condition.Schema, aliases []string) *condition.Schema {
	if len(aliases) == 0 {
		return known
	}
	var facts []condition.Fact
	for _, name := range aliases {
		facts = append(facts, condition.Fact{Path: name + ".*", Type: condition.TypeOpen, ZH: name, EN: name})
	}
	return known.With(facts...)
}

// PathError is a mistake at a place in a rule.
type PathError struct {
	Path string // JSON pointer
	Err  error
}

func (e *PathError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *PathError) Unwrap() error { return e.Err }

// steps compiles a row of steps.
func (c *compiler) steps(list []Step, path string) ([]*step, error) {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxNest {
		return nil, &PathError{path, fmt.Errorf("steps are nested deeper than %d", maxNest)}
	}
	var out []*step
	for i, s := range list {
		here := path + "/" + strconv.Itoa(i)
		one, err := c.step(s)
		if err != nil {
			var inner *PathError
			if errors.As(err, &inner) {
				return nil, &PathError{here + inner.Path, inner.Err}
			}
			return nil, &PathError{here, err}
		}
		out = append(out, one)
	}
	return out, nil
}

func (c *compiler) step(s Step) (*step, error) {
	if c.count++; c.count > maxSteps {
		return nil, fmt.Errorf("a rule has %d steps at most", maxSteps)
	}
	if !validID(s.ID) {
		return nil, fmt.Errorf("a step needs an id of letters, digits and underscores, not %q", s.ID)
	}
	if c.ids[s.ID] {
		return nil, fmt.Errorf("there are two steps %q", s.ID)
	}
	c.ids[s.ID] = true
	make, ok := actions[s.Do]
	if !ok {
		return nil, fmt.Errorf("there is no step %q%s", s.Do, meant(s.Do, names(actions)))
	}
	out := &step{Step: s, action: make()}
	with := s.With
	if len(with) == 0 {
		with = json.RawMessage("{}")
	}
	if err := decode(with, out.action); err != nil {
		return nil, &PathError{"/with", err}
	}
	var err error
	if out.when, err = c.program(s.When); err != nil {
		return nil, &PathError{"/when", err}
	}
	return out, out.action.compile(c)
}

// validID says whether an id can be part of a fact's path.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i, r := range id {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r >= '0' && r <= '9' && i > 0:
		default:
			return false
		}
	}
	return true
}

// each calls f for all steps, the nested ones too.
func each(steps []*step, f func(*step)) {
	for _, s := range steps {
		f(s)
		if p, ok := s.action.(parent); ok {
			for _, b := range p.children() {
				each(b.steps, f)
			}
		}
	}
}

// conditionPaths are the facts that a condition looks at.
func conditionPaths(n *condition.Node) []string {
	if n == nil {
		return nil
	}
	return condition.Paths(n)
}
