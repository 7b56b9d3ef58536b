package rules

import (
	"fmt"
	"slices"
	"strings"
)

// graph.go finds what cannot work before it runs: steps that are never reached, and rules that start each other for ever.

// unreachable finds steps behind a stop.
func unreachable(c *compiled) []Problem {
	var out []Problem
	var walk func(steps []*step, path string)
	walk = func(steps []*step, path string) {
		for i, s := range steps {
			here := fmt.Sprintf("%s/%d", path, i)
			if _, ends := s.action.(*stop); ends && s.Step.When == nil && i+1 < len(steps) {
				out = append(out, Problem{Path: fmt.Sprintf("%s/%d", path, i+1), Code: "unreachable", Warning: true, En: "this step is never reached: the one before ends the run", Zh: "此步骤永远不会执行：前一步已结束运行"})
			}
			if p, ok := s.action.(parent); ok {
				for _, b := range p.children() {
					walk(b.steps, here+b.path)
				}
			}
		}
	}
	walk(c.steps, "/steps")
	return out
}

// writes are the fields that a rule may change, as target/object/field.
func writes(c *compiled) []string {
	var out []string
	each(c.steps, func(s *step) {
		switch a := s.action.(type) {
		case *updateRecord:
			target, object := a.Target, a.Object
			if t, ok := c.trigger.(*recordTrigger); ok && target == "" {
				target, object = t.Target, t.Object
			}
			if t, ok := c.trigger.(*deadlineTrigger); ok && target == "" {
				target, object = t.Target, t.Object
			}
			for field := range a.Fields {
				out = append(out, target+"/"+object+"/"+field)
			}
		case *createRecord:
			out = append(out, a.Target+"/"+a.Object+"/")
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// starts are the fields whose change may start a rule, in the same form.
func starts(c *compiled) []string {
	t, ok := c.trigger.(*recordTrigger)
	if !ok {
		return nil
	}
	var out []string
	if slices.Contains(t.On, recordMade) {
		out = append(out, t.Target+"/"+t.Object+"/")
	}
	if len(t.On) == 0 || slices.Contains(t.On, recordChanged) {
		for _, f := range t.Fields {
			out = append(out, t.Target+"/"+t.Object+"/"+f)
		}
	}
	return out
}

// cycles finds ways by which a rule would start itself again, over those that are in force. What is written into the CRM with a fixed value that the
// trigger does not wait for is no cycle.
func cycles(r Rule, live []*compiled) []Problem {
	c, err := compile(r, 0, Live)
	if err != nil {
		return nil // Check says so
	}
	rules := []*compiled{c}
	for _, l := range live {
		if l.rule.ID != r.ID {
			rules = append(rules, l)
		}
	}
	way := circle(rules)
	if way == nil {
		return nil
	}
	path := strings.Join(way, " → ")
	return []Problem{{
		Path: "/trigger", Code: "cycle", En: "the rule would start itself again: " + path + "; let one of them not write the field that starts the next, or add a condition on the value that it had before (from, to)",
		Zh: "规则会反复触发自己：" + path + "；请避免写入触发下一条规则的字段，或限定变更前后的值（from、to）",
	}}
}

// circle finds a way from the first rule back to itself, by names.
func circle(rules []*compiled) []string {
	first := rules[0]
	type place struct {
		rule *compiled
		way  []string
	}
	seen := map[string]bool{}
	todo := []place{{first, []string{first.rule.ID}}}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		for _, next := range rules {
			if !leads(at.rule, next) {
				continue
			}
			way := append(slices.Clone(at.way), next.rule.ID)
			if next == first {
				return way
			}
			if !seen[next.rule.ID] {
				seen[next.rule.ID] = true
				todo = append(todo, place{next, way})
			}
		}
	}
	return nil
}

// leads says whether what one rule writes may start another.
func leads(from, to *compiled) bool {
	wanted := starts(to)
	for _, w := range writes(from) {
		if slices.Contains(wanted, w) && !excluded(from, to, w) {
			return true
		}
	}
	return false
}

// excluded says that a rule writes a value that the other does not wait for.
func excluded(from, to *compiled, field string) bool {
	t, ok := to.trigger.(*recordTrigger)
	if !ok || len(t.To) == 0 || len(t.Fields) == 0 || !strings.HasSuffix(field, "/"+t.Fields[0]) {
		return false
	}
	never := true
	each(from.steps, func(s *step) {
		a, ok := s.action.(*updateRecord)
		if !ok {
			return
		}
		v, ok := a.Fields[t.Fields[0]]
		if ok && (len(v.paths()) > 0 || len(v.texts) > 0 || among(v.raw, t.To)) {
			never = false
		}
	})
	return never
}
