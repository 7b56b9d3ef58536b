package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
	"heliograph/internal/calendar"
)

// testTime is when the events of tests happen that do not say it: a Wednesday morning in Shanghai.
var testTime = time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)

// RunTests runs the tests inside a rule, and says which fail.
func RunTests(ctx context.Context, r Rule, around Surroundings) []Problem {
	var out []Problem
	for i, test := range r.Tests {
		if err := runTest(ctx, r, test, around); err != nil {
			out = append(out, Problem{Path: at("tests", i), Code: "test", En: "the test " + test.Name + " fails: " + err.Error(), Zh: "测试 " + test.Name + " 未通过：" + err.Error()})
		}
	}
	return out
}

func runTest(ctx context.Context, r Rule, test Test, around Surroundings) error {
	ev, err := testEvent(r, test)
	if err != nil {
		return err
	}
	cals := around.Calendars
	if cals == nil {
		if cals, err = calendar.NewSet(nil); err != nil {
			return err
		}
	}
	t, err := NewTrial([]Version{{Rule: r.ID, Number: 1, Body: r}}, TrialOptions{World: testWorld(test.Facts), Calendars: cals, Calendar: around.Calendar, Roles: around.Roles, Answers: test.Answers, Samples: 1000})
	if err != nil {
		return err
	}
	if r.Trigger.Type == TypeSchedule || r.Trigger.Type == TypeDeadline || r.Trigger.Type == TypeManual {
		ev.Rule = r.ID
	}
	if err := t.Feed(ctx, ev); err != nil {
		return err
	}
	if err := t.Until(ctx, ev.At.AddDate(1, 0, 0)); err != nil {
		return err
	}
	report := t.Result()
	if fires := len(report.Fired) > 0; fires != test.Fires {
		return fmt.Errorf("fires is %t, want %t", fires, test.Fires)
	}
	var effects []Imagined
	for _, f := range report.Fired {
		if f.State == RunFailed {
			return fmt.Errorf("the run failed: %s", f.Reason)
		}
		effects = append(effects, f.Effects...)
	}
	if test.Effects == nil {
		return nil
	}
	return compareEffects(effects, test.Effects)
}

func compareEffects(got []Imagined, want []map[string]any) error {
	if len(got) != len(want) {
		var titles []string
		for _, e := range got {
			titles = append(titles, string(e.Kind)+" "+e.Title)
		}
		return fmt.Errorf("there are %d effects (%s), want %d", len(got), strings.Join(titles, "; "), len(want))
	}
	for i, e := range got {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		var have map[string]any
		if err := decode(text, &have); err != nil {
			return err
		}
		if inner, ok := have["effect"].(map[string]any); ok {
			for k, v := range inner {
				have[k] = v
			}
		}
		if path, a, b, same := within(have, want[i], ""); !same {
			return fmt.Errorf("effect %d%s is %v, want %v", i+1, path, a, b)
		}
	}
	return nil
}

// within says whether all that is wanted is there.
func within(have, want any, path string) (where string, a, b any, same bool) {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return path, have, want, false
		}
		for k, v := range w {
			if where, a, b, same := within(h[k], v, path+"."+k); !same {
				return where, a, b, false
			}
		}
		return "", nil, nil, true
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return path, have, want, false
		}
		for i := range w {
			if where, a, b, same := within(h[i], w[i], fmt.Sprintf("%s[%d]", path, i)); !same {
				return where, a, b, false
			}
		}
		return "", nil, nil, true
	}
	return path, have, want, condition.Equal(have, want)
}

// TestEvent is the event of a test, as the tests inside rules have it.
func TestEvent(r Rule, test Test) (Event, error) { return testEvent(r, test) }

// testEvent makes the event of a test: its keys are the roots of facts that come with it, and "at".
func testEvent(r Rule, test Test) (Event, error) {
	ev := Event{Type: r.Trigger.Type, Key: "test " + test.Name, At: testTime, Data: map[string]any{}, Title: test.Name}
	if ev.Type == TypeAbsence { // what is missing is an answer to a mail
		ev.Type = TypeMail
	}
	if text, ok := test.Event["at"].(string); ok {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return ev, fmt.Errorf("at: %w", err)
		}
		ev.At = at
	}
	for root, v := range test.Event {
		if root != "at" {
			ev.Data[root] = v
		}
	}
	if m, ok := ev.Data["mail"].(map[string]any); ok {
		ev.Data["mail"] = testMail(m, r, ev.At)
		ev.Automated, _ = m["automated"].(bool)
		ev.Entry, ev.Message, ev.Thread = "test", "test", "test"
	}
	if t, err := parseTrigger(r.Trigger); err == nil {
		switch t := t.(type) {
		case *recordTrigger:
			ev.Target, ev.Object, ev.Record = t.Target, t.Object, "test"
		case *deadlineTrigger:
			ev.Target, ev.Object, ev.Record = t.Target, t.Object, "test"
		case *webhookTrigger:
			m, _ := ev.Data["event"].(map[string]any)
			if m == nil {
				m = map[string]any{}
			}
			m["_hook"] = t.Hook
			ev.Data["event"] = m
		}
	}
	if _, ok := test.Facts["record"]; ok && ev.Record == "" {
		ev.Record = "test"
	}
	return ev, nil
}

// testMail adds to a test's mail what it does not say.
func testMail(m map[string]any, r Rule, at time.Time) map[string]any {
	account, groups := "test@example.com", []any{}
	if t, err := parseTrigger(r.Trigger); err == nil {
		of, _ := t.(*mailTrigger)
		if absence, ok := t.(*absenceTrigger); ok {
			of = &absence.mailTrigger
		}
		if of != nil {
			account = firstOr(of.Accounts, account)
			for _, g := range of.Groups {
				groups = append(groups, g)
			}
		}
	}
	out := map[string]any{
		"subject": "", "text": "", "unquoted": "", "html": "", "language": "zh", "direction": directionIn, "date": at, "arrived": at, "account": account, "groups": groups, "mailbox": "INBOX",
		"automated": false, "bulk": false, "message_id": "test@example.org", "attachments": []any{}, "to": []any{person(account)}, "cc": []any{}, "recipients": []any{person(account)},
		"references": []any{}, "tags": []any{}, "not_answerable": "",
	}
	for k, v := range m {
		out[k] = v
	}
	for _, field := range []string{"from"} {
		if s, ok := out[field].(string); ok {
			out[field] = person(s)
		}
	}
	if out["unquoted"] == "" {
		out["unquoted"] = out["text"]
	}
	if from, ok := out["from"].(map[string]any); ok && out["correspondent"] == nil {
		out["correspondent"] = from["address"]
	}
	return out
}

func firstOr(list []string, otherwise string) string {
	if len(list) > 0 {
		return list[0]
	}
	return otherwise
}

// person is the value of a person in facts, from a mailbox.
func person(mailbox string) map[string]any {
	address := addressIn(mailbox)
	name, _, _ := strings.Cut(mailbox, "<")
	if !strings.Contains(mailbox, "<") {
		name = ""
	}
	_, domain, _ := strings.Cut(address, "@")
	return map[string]any{"address": address, "name": strings.Trim(strings.TrimSpace(name), `"`), "domain": domain}
}
