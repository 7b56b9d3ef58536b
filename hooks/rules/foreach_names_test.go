package rules

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const perLine = `
id: lines
name: 订单行
owner: lead@example.com
trigger: {type: webhook, hook: erp}
steps:
  - id: each
    do: for_each
    with:
      in: event.lines
      as: line
      steps:
        - {id: big, do: notify, when: {all: [{field: line.qty, op: gt, value: 5}, {cel: 'line.price * 2.0 > 10.0'}]}, with: {channel: sales, title: '{{.line.name}}'}}
        - id: side
          do: branch
          with: {cases: [{when: {field: line.name, op: is, value: bolt}, steps: [{id: bolt, do: notify, with: {channel: sales, title: 'bolt {{.item.qty}}'}}]}]}
`

// TestConditionsKnowWhatForEachCallsItsElements: in fields and in expressions, inside the step and not behind it.
func TestConditionsKnowWhatForEachCallsItsElements(t *testing.T) {
	t.Parallel()
	rule, err := Parse([]byte(perLine))
	if err != nil {
		t.Fatal(err)
	}
	if problems := Check(rule, Surroundings{}); len(problems) > 0 {
		t.Errorf("the check says %v", problems)
	}
	trial := newTrial(t, trialOptions(t, testWorld{}), perLine)
	line := func(name string, qty, price json.Number) map[string]any {
		return map[string]any{"name": name, "qty": qty, "price": price}
	}
	feed(t, trial, Event{Type: TypeWebhook, Key: "1", At: monday, Data: map[string]any{"event": map[string]any{
		"_hook": "erp", "lines": []any{line("nut", "10", "7.5"), line("bolt", "3", "9"), line("pin", "8", "1")},
	}}})
	var titles []string
	for _, f := range trial.Result().Fired {
		for _, e := range f.Effects {
			titles = append(titles, e.Title)
		}
	}
	if got := strings.Join(titles, ", "); got != "nut, bolt 3" {
		t.Errorf("the effects are %q: %+v", got, trial.Result().Fired)
	}
	plain := replace(perLine, `, {cel: 'line.price * 2.0 > 10.0'}`, "")
	for name, text := range map[string]string{
		"/steps/1/when/field":                    perLine + "  - {id: after, do: stop, when: {field: line.qty, op: is, value: 1}}\n",
		"/steps/0/with/steps/0/when/all/0/field": replace(plain, "as: line", "as: row"),
		"/steps/0/with/as":                       replace(plain, "as: line", "as: mail"),
	} {
		rule, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if problems := Check(rule, Surroundings{}); !slices.ContainsFunc(problems, func(p Problem) bool { return p.Path == name && !p.Warning }) {
			t.Errorf("the check says %v, want a problem at %s", problems, name)
		}
	}
}
