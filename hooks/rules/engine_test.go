package rules

import (
	"context"
	"errors"
	"testing"
	"time"

	"heliograph/internal/store"
)

const complaint = `
id: complaint
name: 投诉建工单
owner: lead@example.com
trigger: {type: mail}
extract: {order_no: {label: [订单号], kind: order_no}}
when: {all: [{field: mail.subject, op: contains_any, value: [投诉, complaint]}]}
steps:
  - {id: ticket, do: create_ticket, with: {target: crm, subject: '{{.mail.subject}}', text: '{{.mail.unquoted}}', assignee: lead@example.com}}
  - {id: tell, do: send_mail, with: {to: '{{.mail.from.address}}', subject: '已收到：{{.mail.subject}}', text: '您的订单 {{.fields.order_no}}，工单 {{.steps.ticket.id}}'}}
`

func TestARuleFiresOnceForAMessage(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(complaint)
		r.post(mailIn("m1", "投诉：货物损坏"))
		r.post(mailIn("m2", "询价"))
		r.post(mailIn("m1", "投诉：货物损坏")) // another copy
		if err := r.e.Offer(t.Context(), mailIn("m1", "投诉：货物损坏")); err != nil {
			t.Fatal(err)
		}
		r.pump()
		r.wantEffects("ticket 投诉：货物损坏", "mail 已收到：投诉：货物损坏")
		runs := r.runs()
		if len(runs) != 1 || runs[0].State != RunDone {
			t.Fatalf("runs are %+v, want one that is done", runs)
		}
		mail := r.out.done[r.out.order[1]].Mail
		if want := "您的订单 SO-1001，工单 " + runs[0].Effects[0].Output["id"].(string); mail.Text != want {
			t.Errorf("text is %q, want %q", mail.Text, want)
		}
		if runs[0].Why.ZH == "" {
			t.Error("the run does not say why it began")
		}
	})
}

// TestACrashRepeatsNothing ends the process at each point of a run with several effects, a wait and a loop, and goes on in a new one.
func TestACrashRepeatsNothing(t *testing.T) {
	t.Parallel()
	const text = `
id: order
name: 订单
owner: lead@example.com
trigger: {type: mail}
steps:
  - {id: a, do: notify, with: {channel: sales, title: one}}
  - {id: pause, do: wait, with: {for: 2h}}
  - id: both
    do: parallel
    with:
      branches:
        - [{id: b, do: send_mail, with: {to: li@customer.org, subject: two, text: x}}]
        - - {id: c, do: wait, with: {for: 1h}}
          - {id: d, do: update_record, with: {target: crm, object: deal, id: '7', fields: {stage: won}}}
  - {id: e, do: for_each, with: {in: mail.to, steps: [{id: f, do: send_mail, with: {to: '{{.item.address}}', subject: 'each', text: x}}]}}
`
	want := []string{"notify one", "mail two", "update_record crm deal 7", "mail each"}
	boom := errors.New("the process ends here")
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(text)
		// At each effect, before and after it happened, the worker dies: what it would have written is lost.
		for _, after := range []bool{false, true} {
			died := map[string]bool{}
			die := func(e *Effect) error {
				if died[e.ID] {
					return nil
				}
				died[e.ID] = true
				return boom
			}
			r.out = newOutside()
			if after {
				r.out.forget = die
			} else {
				r.out.fail = die
			}
			r.restart()
			ev := mailIn("order "+map[bool]string{true: "after", false: "before"}[after], "order")
			ev.Data["mail"].(map[string]any)["to"] = []any{person("wang@example.com")}
			r.e.performer = dying{r}
			r.post(ev)
			for range 12 {
				r.restart()
				r.e.performer = dying{r}
				r.after(time.Hour)
			}
			r.wantEffects(want...)
			for id, n := range r.out.asked {
				if n != 2 {
					t.Errorf("effect %s was asked for %d times, want 2: once before and once after the crash", r.out.done[id].Title, n)
				}
			}
		}
		for _, run := range r.runs() {
			if run.State != RunDone {
				t.Errorf("run %s is %s (%s), want done", run.Event.Key, run.State, run.Reason)
			}
		}
	})
}

// dying loses all that the process would have written after an effect, as a crash does: its ledger fails from then on.
type dying struct{ r *rig }

func (d dying) Perform(ctx context.Context, e *Effect) (map[string]any, error) {
	out, err := d.r.out.Perform(ctx, e)
	if err != nil {
		d.r.e.ledger.db = broken(d.r.t)
	}
	return out, err
}

func (d dying) Foresee(e *Effect) string { return d.r.out.Foresee(e) }

// broken is a store that is closed: nothing can be written any more.
func broken(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite", store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestWaitForAReply(t *testing.T) {
	t.Parallel()
	const text = `
id: remind
name: 催报价
owner: lead@example.com
trigger: {type: manual}
steps:
  - {id: ask, do: send_mail, with: {to: supplier@factory.org, subject: 询价, text: 请报价}}
  - {id: answer, do: wait, with: {for: 2d, reply_to: ask}}
  - {id: nudge, do: send_mail, when: {field: steps.answer.happened, op: is, value: false}, with: {to: supplier@factory.org, subject: 提醒, text: 请尽快}}
`
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(text)
		if _, err := r.e.Start(t.Context(), "remind", "me@example.com", Event{}); err != nil {
			t.Fatal(err)
		}
		r.pump()
		r.wantEffects("mail 询价")
		id := r.runs()[0].Effects[0].MessageID
		r.world["thread"] = map[string]any{"replied": true}
		answer := mailIn("answer", "Re: 询价")
		answer.Data["mail"].(map[string]any)["references"] = []any{id}
		r.post(answer)
		r.wantEffects("mail 询价")
		if run := r.runs()[0]; run.State != RunDone {
			t.Fatalf("the run is %s, want done at once when the answer comes", run.State)
		}
		delete(r.world, "thread")
		if _, err := r.e.Start(t.Context(), "remind", "you@example.com", Event{}); err != nil {
			t.Fatal(err)
		}
		r.pump()
		r.after(47 * time.Hour)
		r.wantEffects("mail 询价", "mail 询价")
		r.after(2 * time.Hour)
		r.wantEffects("mail 询价", "mail 询价", "mail 提醒")
	})
}

// TestAReplyBetweenLookingAndWaiting lets the answer come after the run looked for it and before it waits.
func TestAReplyBetweenLookingAndWaiting(t *testing.T) {
	t.Parallel()
	const text = `
id: quick
name: 快
owner: lead@example.com
trigger: {type: manual}
steps:
  - {id: ask, do: send_mail, with: {to: supplier@factory.org, subject: 询价, text: 请报价}}
  - {id: answer, do: wait, with: {for: 2d, reply_to: ask}}
`
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(text)
		r.e.world = looking{testWorld: r.world, then: func() { r.world["thread"] = map[string]any{"replied": true} }}
		if _, err := r.e.Start(t.Context(), "quick", "me@example.com", Event{}); err != nil {
			t.Fatal(err)
		}
		r.pump()
		if run := r.runs()[0]; run.State != RunDone {
			t.Errorf("the run is %s, want done: the answer was there before it waited", run.State)
		}
	})
}

// looking is a world in which something happens right after each look at a thread.
type looking struct {
	testWorld
	then func()
}

func (w looking) Thread(ctx context.Context, thread, message string) (map[string]any, error) {
	defer w.then()
	return w.testWorld.Thread(ctx, thread, message)
}

func TestNoAnswerWithinBusinessHours(t *testing.T) {
	t.Parallel()
	const text = `
id: unanswered
name: 无人回复
owner: lead@example.com
trigger: {type: absence, within: 4 business hours}
steps: [{id: tell, do: notify, with: {channel: sales, title: '{{.mail.subject}}'}}]
`
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(text)
		friday := monday.AddDate(0, 0, 4).Add(6 * time.Hour) // 16:00 in Shanghai
		r.clock.add(friday.Sub(monday))
		late, answered := mailIn("late", "等了很久"), mailIn("answered", "很快")
		late.At, answered.At = friday, friday
		r.world["thread"] = map[string]any{"last_out": nil}
		r.post(late)
		r.after(48 * time.Hour) // the week-end
		r.wantEffects()
		r.after(20 * time.Hour) // Monday 12:00 or so
		r.wantEffects("notify 等了很久")
		r.world["thread"] = map[string]any{"last_out": r.clock.Now().Add(time.Hour)}
		answered.At = r.clock.Now()
		r.post(answered)
		r.after(200 * time.Hour)
		r.wantEffects("notify 等了很久")
	})
}

func TestScheduleRunsOnceOnSeveralNodes(t *testing.T) {
	t.Parallel()
	const text = `
id: budget
name: 预算
owner: lead@example.com
trigger: {type: schedule, at: '每月1日 09:00', zone: Asia/Shanghai}
steps: [{id: tell, do: notify, with: {channel: boss, title: '{{.time.last_month}}'}}]
`
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(text)
		r.after(time.Second)
		r.wantEffects()
		r.after(31 * 24 * time.Hour)
		first := r.e
		r.restart()
		if err := first.times(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.after(time.Second)
		r.wantEffects("notify 2026-03")
		r.after(3 * 31 * 24 * time.Hour) // nobody ran for three months: once
		r.wantEffects("notify 2026-03", "notify 2026-06")
	})
}

func TestBudgetsAndMachines(t *testing.T) {
	t.Parallel()
	const text = `
id: receipt
name: 回执
owner: lead@example.com
trigger: {type: mail, automated: true}
guards: {per_recipient: {count: 2, per: 24h}}
steps: [{id: tell, do: send_mail, with: {to: '{{.mail.from.address}}', subject: '{{.mail.subject}}', text: x}}]
`
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(text)
		for _, key := range []string{"1", "2", "3"} {
			r.post(mailIn(key, key))
		}
		r.wantEffects("mail 1", "mail 2")
		if e := r.runOf("3").Effects[0]; e.State != EffectBlocked {
			t.Errorf("the third mail is %s, want blocked", e.State)
		}
		r.after(25 * time.Hour)
		machine := mailIn("4", "4")
		machine.Automated = true
		machine.Data["mail"].(map[string]any)["not_answerable"] = "自动回复 / an automatic reply"
		r.post(machine)
		r.post(mailIn("5", "5"))
		r.wantEffects("mail 1", "mail 2", "mail 5")
	})
}

func TestShadowTakesNoEffect(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.publishAs(complaint, StateShadow)
		r.post(mailIn("m1", "投诉"))
		r.wantEffects()
		run := r.runs()[0]
		if run.State != RunDone || len(run.Effects) != 2 || run.Effects[1].State != EffectShadow {
			t.Errorf("the run is %+v, want two effects in shadow", run)
		}
	})
}

func TestHoldAndRelease(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(complaint)
		for _, id := range []string{"complaint", ""} { // the rule, then all
			if err := r.e.Book().Hold(t.Context(), id, "something is wrong", "me"); err != nil {
				t.Fatal(err)
			}
			r.refresh()
			before := len(r.out.titles())
			r.post(mailIn("held"+id, "投诉"))
			if n := len(r.out.titles()); n != before {
				t.Fatalf("%d effects happened while the rule is held", n-before)
			}
			if err := r.e.Book().Hold(t.Context(), id, "", "me"); err != nil {
				t.Fatal(err)
			}
			r.refresh()
			r.after(time.Minute)
			if n := len(r.out.titles()); n != before+2 {
				t.Fatalf("%d effects happened after the release, want 2", n-before)
			}
		}
	})
}

func TestVersions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		const waits = `
id: v
name: 版本
owner: lead@example.com
trigger: {type: mail}
steps:
  - {id: pause, do: wait, with: {for: 1h}}
  - {id: tell, do: notify, with: {channel: sales, title: 'VERSION'}}
`
		r.publish(replace(waits, "VERSION", "one"))
		r.post(mailIn("a", "a"))
		r.publish(replace(waits, "VERSION", "two"))
		r.post(mailIn("b", "b"))
		r.after(time.Hour)
		r.wantEffects("notify one", "notify two") // a run goes on with the version that it began with
		if err := r.e.Book().SetState(t.Context(), "v", StateLive, 1, "me"); err != nil {
			t.Fatal(err)
		}
		r.refresh()
		r.post(mailIn("c", "c"))
		r.after(time.Hour)
		r.wantEffects("notify one", "notify two", "notify one")
		if _, _, err := r.e.Book().Publish(t.Context(), r.rule(waits), StateLive, 1, "", "me", Surroundings{}); !errors.Is(err, ErrConflict) {
			t.Errorf("publishing over a version that one does not know gives %v, want ErrConflict", err)
		}
		if err := r.e.Book().SetState(t.Context(), "v", StateOff, 0, "me"); err != nil {
			t.Fatal(err)
		}
		r.refresh()
		r.post(mailIn("d", "d"))
		r.after(time.Hour)
		if n := len(r.out.titles()); n != 3 {
			t.Errorf("a rule that is off did something: %q", r.out.titles())
		}
	})
}

func TestADeletedRuleEndsItsRuns(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(`{id: gone, name: x, owner: lead@example.com, trigger: {type: mail}, steps: [{id: pause, do: wait, with: {for: 1h}}, {id: tell, do: notify, with: {channel: sales, title: x}}]}`)
		r.post(mailIn("a", "a"))
		if err := r.e.Book().Delete(t.Context(), "gone"); !errors.Is(err, ErrNoRule) {
			t.Errorf("deleting a live rule gives %v, want that it is refused", err)
		}
		if err := r.e.Book().SetState(t.Context(), "gone", StateOff, 0, "me"); err != nil {
			t.Fatal(err)
		}
		if err := r.e.Book().Delete(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
		r.refresh()
		r.after(time.Hour)
		if run := r.runs()[0]; run.State != RunCancelled {
			t.Errorf("the run is %s, want cancelled", run.State)
		}
		r.wantEffects()
	})
}

// TestAFailedRunGoesOn lets a step in a branch fail for good, and repeats nothing that was done when somebody has mended it.
func TestAFailedRunGoesOn(t *testing.T) {
	t.Parallel()
	const text = `
id: mended
name: 重试
owner: lead@example.com
trigger: {type: mail}
steps:
  - {id: first, do: notify, with: {channel: sales, title: one}}
  - id: way
    do: branch
    with: {cases: [{when: {field: mail.subject, op: is, value: a}, steps: [{id: second, do: notify, with: {channel: sales, title: two}}]}]}
  - {id: third, do: notify, with: {channel: sales, title: three}}
`
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(text)
		r.out.fail = func(e *Effect) error {
			if e.Title == "two" {
				return Permanent(errors.New("there is no such channel"))
			}
			return nil
		}
		r.post(mailIn("a", "a"))
		run := r.runs()[0]
		if run.State != RunFailed {
			t.Fatalf("the run is %s, want failed", run.State)
		}
		r.wantEffects("notify one")
		r.out.fail = nil
		if err := Retry(t.Context(), r.db, r.queue, r.clock.Now(), run.ID); err != nil {
			t.Fatal(err)
		}
		r.pump()
		r.wantEffects("notify one", "notify two", "notify three")
		if run := r.runs()[0]; run.State != RunDone {
			t.Errorf("the run is %s (%s), want done", run.State, run.Reason)
		}
		if err := Retry(t.Context(), r.db, r.queue, r.clock.Now(), run.ID); err == nil {
			t.Error("a run that is done was started again")
		}
	})
}

func TestCheckKnowsTheSenders(t *testing.T) {
	t.Parallel()
	around := Surroundings{Senders: []string{"service@example.com"}}
	tests := map[string]struct {
		as, sender string
		warnings   int
	}{
		"one of the senders":      {"as: Service@Example.com,", "", 0},
		"a name and an address":   {"as: '客服 <service@example.com>',", "", 0},
		"somebody else":           {"as: li@example.com,", "", 1},
		"nobody":                  {"", "", 1},
		"the default one":         {"", "service@example.com", 0},
		"whom the record belongs": {"as: '{{.record.owner}}',", "", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule, err := Parse([]byte(replace(`{id: a, name: a, owner: me@example.com, trigger: {type: manual}, steps: [{id: s, do: send_mail, with: {AS to: x@example.org, subject: s, text: t}}]}`, "AS", test.as)))
			if err != nil {
				t.Fatal(err)
			}
			around := around
			around.Sender = test.sender
			problems := Check(rule, around)
			if len(problems) != test.warnings {
				t.Fatalf("problems are %v, want %d", problems, test.warnings)
			}
			for _, p := range problems {
				if !p.Warning || p.Path != "/steps/0/with/as" {
					t.Errorf("problem is %+v, want a warning about as", p)
				}
			}
		})
	}
}

// TestAChainedRuleSurvivesACrash has a rule change a record on which another waits. The process dies before, and after, the change is told to rules:
// the other rule fires once.
func TestAChainedRuleSurvivesACrash(t *testing.T) {
	t.Parallel()
	const first = `
id: first
name: 赢单
owner: lead@example.com
trigger: {type: mail}
steps: [{id: a, do: update_record, with: {target: crm, object: deal, id: '7', fields: {stage: won}}}]
`
	const second = `
id: second
name: 庆祝
owner: lead@example.com
trigger: {type: record, target: crm, object: deal, fields: [stage]}
when: {field: change.fields.stage.new, op: is, value: won}
steps: [{id: b, do: notify, with: {channel: sales, title: hooray}}]
`
	boom := errors.New("the process ends here")
	for name, told := range map[string]bool{"before it is told": false, "after it is told": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, r *rig) {
				r.publish(first)
				r.publish(second)
				died := false
				r.e.follow = func(ctx context.Context, e *Effect, row *EffectRow) error {
					if died {
						t.Error("the process goes on after its death")
					}
					died = true
					if told {
						if err := r.e.wrote(ctx, e, row); err != nil {
							return err
						}
						r.e.ledger.db = broken(t)
						return nil
					}
					r.e.ledger.db = broken(t)
					return &ledgerError{boom}
				}
				r.post(mailIn("m", "order"))
				if !died {
					t.Fatal("nothing was changed")
				}
				for range 3 {
					r.restart()
					r.after(time.Hour)
				}
				r.wantEffects("update_record crm deal 7", "notify hooray")
				if run := r.runOf("m"); run.State != RunDone {
					t.Errorf("the first run is %s (%s)", run.State, run.Reason)
				}
			})
		})
	}
}
