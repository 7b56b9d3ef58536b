package rules

import (
	"strings"
	"testing"
	"time"
)

func TestWhy(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(complaint)
		r.publish(replace(replace(nudge, "trigger: {type: mail}", "trigger: {type: mail, direction: out}"), "name: 提醒", "name: 外发"))
		r.post(mailIn("m1", "投诉：破损"))
		r.post(mailIn("m2", "询价"))
		verdicts := func(ev Event) map[string]Verdict {
			t.Helper()
			told, err := ReadEvents(t.Context(), r.db.Reader(), ev.Key)
			if err != nil {
				t.Fatal(err)
			}
			var decided []Decision
			if len(told) > 0 {
				decided = told[0].Decided
			}
			list, err := r.e.Book().Why(t.Context(), ev, decided, trialOptions(t, r.world))
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]Verdict{}
			for _, v := range list {
				out[v.Rule] = v
			}
			return out
		}
		fired := verdicts(mailIn("m1", "投诉：破损"))
		if v := fired["complaint"]; v.Result != decidedFires || v.Source != FromRun || v.Run == nil || v.Run.State != RunDone || v.Why == nil || v.Name != "投诉建工单" {
			t.Errorf("the verdict on what fired is %+v", v)
		}
		if v := fired["nudge"]; v.Result != VerdictUnfit || !strings.Contains(v.En, "not sent") {
			t.Errorf("the verdict of the other rule is %+v", v)
		}
		if v := verdicts(mailIn("m2", "询价"))["complaint"]; v.Result != decidedNot || v.Source != FromDecision || v.Why == nil || v.Why.ZH == "" || v.Run != nil {
			t.Errorf("the verdict on what did not fire is %+v", v)
		}
		if v := verdicts(mailIn("m2", "投诉"))["complaint"]; v.Result != decidedNot || v.Now != decidedFires {
			t.Errorf("with other facts the verdict is %+v, want what it was and what it would be", v)
		}
		if v := verdicts(mailIn("m3", "投诉"))["complaint"]; v.Result != decidedFires || v.Source != FromNow || v.Run != nil {
			t.Errorf("the verdict on what nobody looked at is %+v", v)
		}
		gone := mailIn("m4", "投诉")
		gone.Data = nil
		if v := verdicts(gone)["complaint"]; v.Result != VerdictGone || v.Zh == "" {
			t.Errorf("the verdict on what is not stored any more is %+v", v)
		}
		if err := r.e.Book().Hold(t.Context(), "", "test", "me"); err != nil {
			t.Fatal(err)
		}
		if v := verdicts(mailIn("m1", ""))["complaint"]; v.Held != "test" {
			t.Errorf("the verdict of a rule that is held is %+v", v)
		}
	})
}

func TestStartBesideAGateway(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		if _, err := Start(t.Context(), r.db, r.queue, "nudge", "me", Event{}, monday); err == nil {
			t.Error("a rule that is not there was started")
		}
		r.publish(replace(nudge, "trigger: {type: mail}\nwhen: {field: mail.subject, op: contains, value: 询价}", "trigger: {type: manual, about: mail}"))
		about := mailIn("m1", "你好")
		about.Entry = "e1"
		r.world["mail"] = about.Data["mail"]
		key, err := Start(t.Context(), r.db, r.queue, "nudge", "me", about, monday)
		if err != nil {
			t.Fatal(err)
		}
		var body string
		if err := r.db.Reader().QueryRowContext(t.Context(), `SELECT body FROM rule_events WHERE event_key = $1`, key).Scan(&body); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(body, "请尽快处理") {
			t.Error("the words of the mail are in the event")
		}
		r.pump()
		r.wantEffects("mail 已收到 你好")
	})
}

// TestAConditionAsksTheRulesCalendar: what is shared among rules must not hold the time of one of them.
func TestAConditionAsksTheRulesCalendar(t *testing.T) {
	t.Parallel()
	text := replace(nudge, "{field: mail.subject, op: contains, value: 询价}", "{all: [{field: time.workday, op: is, value: true}, {field: mail.unquoted, op: contains, value: SO-1001}]}")
	trial := newTrial(t, trialOptions(t, testWorld{}), text)
	sunday := monday.Add(-24 * time.Hour)
	feed(t, trial, mailAt("sunday", "x", sunday.AddDate(0, 0, 7)), mailAt("monday", "y", monday.AddDate(0, 0, 7)))
	if r := trial.Result(); r.Results["not"] != 1 || r.Results["fires"] != 1 {
		t.Errorf("decisions are %v, unknown %v; want no on Sunday and yes on Monday", r.Results, r.Unknown)
	}
}

func TestRefs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"a": 0, "a@3": 3} {
		if id, n, err := ParseRef(text); err != nil || id != "a" || n != want {
			t.Errorf("%s is %s %d, %v", text, id, n, err)
		}
	}
	for _, text := range []string{"a@", "a@0", "a@-1", "a@x", "a@1x"} {
		if _, _, err := ParseRef(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestFactsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	facts, err := ParseFacts([]byte("contact: {name: 李雷}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"contact.company": "Huaxia", "contact.fields.level": "VIP", "record.amount": "12.50", "record.open": "true"} {
		if err := SetFact(facts, path, text); err != nil {
			t.Fatal(err)
		}
	}
	contact, _ := facts["contact"].(map[string]any)
	record, _ := facts["record"].(map[string]any)
	if contact["name"] != "李雷" || contact["company"] != "Huaxia" || record["open"] != true || record["amount"] == "12.50" {
		t.Errorf("facts are %v", facts)
	}
	if SetFact(facts, "contact.name.first", "x") == nil || SetFact(facts, "a..b", "x") == nil {
		t.Error("a path that cannot be is taken")
	}
}

func TestAnElementHasTheNameOfItsLoop(t *testing.T) {
	t.Parallel()
	text := replace(nudge, "- {id: pause, do: wait, with: {for: 2h, reply_to: first}}", "- {id: all, do: for_each, with: {in: mail.to, as: person, steps: [{id: n, do: notify, with: {channel: c, title: '{{.person.name}}'}}]}}")
	if list := Check(versionOf(t, 1, text).Body, Surroundings{}); len(list) > 0 {
		t.Errorf("problems are %v", list)
	}
	if list := Check(versionOf(t, 1, replace(text, "'未回复 {{.mail.subject}}'", "'{{.person.name}}'")).Body, Surroundings{}); len(list) != 1 || !list[0].Warning {
		t.Errorf("outside the loop problems are %v, want one warning", list)
	}
}
