package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const freshRule = `
id: unanswered
name: 无人回复
owner: lead@example.com
trigger: {type: absence, direction: in, within: 4 business hours, answered_by: contact}
steps: [{id: tell, do: notify, with: {channel: sales, title: '{{.mail.subject}}'}}]
tests:
  - {name: 另写新邮件, event: {mail: {from: li@customer.org, subject: x}}, facts: {correspondence: {last_out: '2026-03-04T03:00:00Z'}}, fires: true, effects: []}
  - {name: 之前的去信不算, event: {mail: {from: li@customer.org, subject: x}}, facts: {correspondence: {last_out: '2026-03-04T01:00:00Z'}}, fires: true, effects: [{title: x}]}
  - {name: 同一会话, event: {mail: {from: li@customer.org, subject: x}}, facts: {thread: {last_out: '2026-03-04T03:00:00Z'}, correspondence: {last_out: null}}, fires: true, effects: []}
  - {name: 无人知道, event: {mail: {from: li@customer.org, subject: x}}, fires: true, effects: [{title: x}]}
`

// mailOut is a fresh mail of a colleague to somebody outside.
func mailOut(key, to string, at time.Time) Event {
	ev := mailIn(key, key)
	ev.At = at
	m := ev.Data["mail"].(map[string]any)
	m["direction"], m["from"], m["correspondent"] = directionOut, person("colleague@example.com"), "other@elsewhere.org"
	m["to"], m["recipients"] = []any{person("other@elsewhere.org")}, []any{person("other@elsewhere.org"), person(to)}
	return ev
}

// TestAFreshMailIsTheAnswer: with answered_by contact the run ends when a colleague writes to the customer, in whatever thread; by default it does not.
func TestAFreshMailIsTheAnswer(t *testing.T) {
	t.Parallel()
	for by, want := range map[string][]string{"contact": {}, "thread": {"notify 询价"}} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, r *rig) {
				text, _, _ := strings.Cut(freshRule, "tests:") // they are of contact
				r.publish(replace(text, "answered_by: contact", "answered_by: "+by))
				r.post(mailIn("asked", "询价"))
				r.after(time.Hour)
				r.world["correspondence"] = map[string]any{"last_out": r.clock.Now()}
				r.post(mailOut("fresh", "Li@customer.org", r.clock.Now()))
				if run := r.runOf("asked"); (run.State == RunDone) != (by == "contact") {
					t.Errorf("after the fresh mail the run is %s: %s", run.State, run.Reason)
				}
				r.after(24 * time.Hour)
				r.wantEffects(want...)
			})
		})
	}
}

// TestWhatIsLaterThanAMail: it is mail in the other direction. An answer counts from when the mail came to be in its mailbox, not from when
// the gateway saw it there.
func TestWhatIsLaterThanAMail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		direction string
		arrived   time.Duration // after the gateway saw the mail
		last      map[string]any
		want      int
	}{
		"written to the customer before": {directionIn, 0, map[string]any{"last_out": monday.Add(-time.Minute)}, 1},
		"after it lay in the mailbox":    {directionIn, -time.Hour, map[string]any{"last_out": monday.Add(-time.Minute)}, 0},
		"before it lay there":            {directionIn, -time.Hour, map[string]any{"last_out": monday.Add(-2 * time.Hour)}, 1},
		"the customer wrote again":       {directionIn, 0, map[string]any{"last_in": monday.Add(time.Minute), "last_out": nil}, 1},
		"the customer wrote anew":        {directionOut, 0, map[string]any{"last_in": monday.Add(time.Minute)}, 0},
		"we wrote again":                 {directionOut, 0, map[string]any{"last_in": nil, "last_out": monday.Add(time.Minute)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trial := newTrial(t, trialOptions(t, testWorld{"correspondence": c.last}), replace(freshRule, "direction: in", "direction: "+c.direction))
			ev := mailIn("m", "x")
			if c.direction == directionOut {
				ev = mailOut("m", "li@customer.org", monday)
			}
			ev.Data["mail"].(map[string]any)["arrived"] = monday.Add(c.arrived).Format(time.RFC3339) // as a run is read from the store
			feed(t, trial, ev)
			if err := trial.Until(t.Context(), monday.AddDate(0, 0, 3)); err != nil {
				t.Fatal(err)
			}
			if r := trial.Result(); r.Effects["notify shadow"] != c.want || r.Runs["done"] != 1 {
				t.Errorf("the trial has %v and %v, want %d", r.Effects, r.Runs, c.want)
			}
		})
	}
}

// TestAFreshMailInWords: the rule's own tests, its sentence, the check and the designer know answered_by.
func TestAFreshMailInWords(t *testing.T) {
	t.Parallel()
	rule := versionOf(t, 1, freshRule).Body
	for _, p := range RunTests(t.Context(), rule, Surroundings{Calendar: "cn"}) {
		t.Error(p)
	}
	for lang, want := range map[Lang]string{Chinese: "收到邮件时，且 4 个工作小时 内既无人回复也无人另行去信", English: "When mail arrives and nobody has answered or written to the sender anew within 4 business hours"} {
		if got, err := Describe(rule, lang, nil); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("the sentence is %q (%v), want %q", got, err, want)
		}
	}
	wrong := versionOf(t, 1, replace(freshRule, "answered_by: contact", "answered_by: anybody")).Body
	if problems := fmt.Sprint(Check(wrong, Surroundings{})); !strings.Contains(problems, "/trigger/answered_by") {
		t.Errorf("the check says %s", problems)
	}
	found := false
	for _, kind := range TriggerKinds() {
		for _, p := range kind.Params {
			if p.Name != "answered_by" {
				continue
			}
			found = true
			if kind.Name != TypeAbsence || p.Type != "enum" || len(p.Choices) != 2 || p.Default != answeredByThread || p.Required {
				t.Errorf("%s has the parameter %+v", kind.Name, p)
			}
		}
	}
	schema, err := SchemaJSON()
	if err != nil || !found || !strings.Contains(string(schema), `"answered_by"`) {
		t.Errorf("the designer (%t) or the schema does not know it: %v", found, err)
	}
}

// TestManyPeopleOfAMail: what a mail names is bounded.
func TestManyPeopleOfAMail(t *testing.T) {
	t.Parallel()
	ev := mailOut("m", "li@customer.org", monday)
	var many []any
	for i := range 100 {
		many = append(many, person(fmt.Sprintf("a%d@customer.org", i/2)))
	}
	ev.Data["mail"].(map[string]any)["to"], ev.Data["mail"].(map[string]any)["recipients"] = many, many
	if got := partners(&ev); len(got) != maxPartners || got[0] != "other@elsewhere.org" || got[2] != "a1@customer.org" {
		t.Errorf("partners are %q", got)
	}
	if got := keysOf(&ev); len(got) != maxPartners+1 {
		t.Errorf("the keys are %q", got)
	}
}
