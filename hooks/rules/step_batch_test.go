package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const batch = `
id: rfq
name: 询价
owner: buyer@example.com
trigger: {type: manual}
steps:
  - {id: s, do: find_records, with: {target: crm, object: supplier}}
  - id: b
    do: batch_send
    with:
      in: steps.s.records
      to: '{{.item.mail}}'
      subject: '询价 {{.item.name}}'
      text: '请报价'
      unsubscribe: rfq
  - {id: tell, do: notify, with: {channel: c, title: '{{.steps.b.sent}}/{{.steps.b.skipped}}/{{.steps.b.blocked}}/{{.steps.b.failed}}'}}
`

func suppliers(list ...string) testWorld {
	var records []any
	for i, mail := range list {
		r := map[string]any{"mail": mail, "name": fmt.Sprint(i)}
		if mail == "nameless@x.org" {
			r["name"] = nil
		}
		records = append(records, r)
	}
	return testWorld{"records": map[string]any{"supplier": records}}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.world = suppliers("a@x.org", "", "A@X.ORG", "no address", "b@x.org", "nameless@x.org", "gone@x.org")
		r.restart()
		r.publish(batch)
		r.out.fail = func(e *Effect) error {
			if slices.Contains(e.Recipients, "gone@x.org") {
				return Permanent(errors.New("there is nobody"))
			}
			return nil
		}
		r.post(manual("rfq", "x"))
		r.wantEffects("mail 询价 0", "mail 询价 4", "notify 2/2/0/3")
		run := r.runOf("x")
		if run.State != RunDone {
			t.Fatalf("the run is %s: %s", run.State, run.Reason)
		}
		for _, id := range r.out.order[:2] {
			if m := r.out.done[id].Mail; !m.Bulk || len(m.To) != 1 || m.Unsubscribe != "rfq" {
				t.Errorf("a mail of the batch is %+v", m)
			}
		}
		mails, _ := run.Steps[1].Output["mails"].([]any)
		var states []string
		for _, m := range mails {
			states = append(states, m.(map[string]any)["state"].(string))
		}
		if want := []string{"sent", "skipped", "skipped", "failed", "sent", "failed", "failed"}; !slices.Equal(states, want) {
			t.Errorf("states are %q, want %q", states, want)
		}
		if first := mails[0].(map[string]any); first["message_id"] == nil || first["to"] != "a@x.org" || first["item"].(map[string]any)["name"] != "0" {
			t.Errorf("the first mail is %v", first)
		}
	})
}

// A mail to many that was caused by one mail is no flood in that mail's conversation; the budget of each recipient holds all the same.
func TestBatchKeepsBudgets(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 12 {
		list = append(list, fmt.Sprintf("s%d@x.org", i))
	}
	text := strings.Replace(batch, "trigger: {type: manual}", "trigger: {type: mail}\nguards: {per_recipient: {count: 1, per: 24h}}", 1)
	rule := trialRule(t, text)
	result := tryOnce(t, rule, suppliers(list...), mailIn("m", "询价"))
	if got := result.Effects["mail shadow"]; got != 12 {
		t.Errorf("%d mails, want 12: %+v", got, result.Effects)
	}
	onBoth(t, func(t *testing.T, r *rig) {
		r.world = suppliers(list...)
		r.restart()
		r.publish(text)
		r.post(mailIn("m1", "询价"))
		r.post(mailIn("m2", "询价"))
		if out := r.runOf("m2").Steps[1].Output; out["blocked"] != json.Number("12") || out["sent"] != json.Number("0") {
			t.Errorf("the second batch gave %v", out)
		}
	})
}

// The process ends at each mail of a batch, before and after it is sent; each goes out once.
func TestBatchAfterCrashes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		for _, after := range []bool{false, true} {
			r.world = suppliers("a@x.org", "b@x.org", "c@x.org")
			r.restart()
			r.publish(strings.Replace(batch, "id: rfq", fmt.Sprintf("id: rfq-%t", after), 1))
			died := map[string]bool{}
			die := func(e *Effect) error {
				if died[e.ID] {
					return nil
				}
				died[e.ID] = true
				return errors.New("the process ends here")
			}
			r.out = newOutside()
			if r.out.fail = die; after {
				r.out.fail, r.out.forget = nil, die
			}
			r.restart()
			r.e.performer = dying{r}
			r.post(manual(fmt.Sprintf("rfq-%t", after), fmt.Sprint(after)))
			r.world["records"] = map[string]any{"supplier": []any{}} // what the list is, is fixed
			for range 6 {
				r.restart()
				r.e.performer = dying{r}
				r.after(time.Hour)
			}
			r.wantEffects("mail 询价 0", "mail 询价 1", "mail 询价 2", "notify 3/0/0/0")
		}
	})
}

func TestBatchThatIsWrong(t *testing.T) {
	t.Parallel()
	for old, c := range map[string]struct{ with, want string }{
		"in: steps.s.records":          {"in: ''", "needs a list"},
		"to: '{{.item.mail}}'":         {"to: '{{.item.mail}}'\n      cc: boss@example.com", "cc and bcc"},
		"unsubscribe: rfq":             {"limit: 9000", "limit"},
		"subject: '询价 {{.item.name}}'": {"subject: ''", "subject"},
	} {
		rule, err := Parse([]byte(strings.Replace(batch, old, c.with, 1)))
		if err == nil {
			if problems := Check(rule, Surroundings{}); len(problems) > 0 {
				err = errors.New(problems[0].En)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.with, err, c.want)
		}
	}
}

const appended = `
id: file
name: 归档
owner: lead@example.com
trigger: {type: mail}
steps:
  - {id: a, do: append, with: {account: 'Archive <Archive@example.com>', mailbox: '投诉/{{.time.year}}', create: true, flags: [seen]}}
  - {id: b, do: append, with: {account: lead@example.com, mailbox: INBOX, subject: '{{.mail.subject}}', text: '见 {{.steps.a.id}}'}}
`

func TestAppend(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		r.publish(appended)
		ev := mailIn("m1", "投诉")
		r.post(ev)
		r.wantEffects("append archive@example.com 投诉/2026", "append lead@example.com INBOX")
		first, second := r.out.done[r.out.order[0]], r.out.done[r.out.order[1]]
		if first.Append.Entry != "m1" || !first.Append.Create || first.Mail != nil {
			t.Errorf("the copy is %+v", first.Append)
		}
		if second.Append.Entry != "" || second.Mail.Subject != "投诉" || !strings.HasPrefix(second.Mail.Text, "见 remote-") || second.Mail.To[0] != "lead@example.com" {
			t.Errorf("the made mail is %+v", second.Mail)
		}
	})
	for old, c := range map[string]struct{ with, want string }{
		"flags: [seen]":             {"flags: [deleted]", "deleted"},
		"mailbox: INBOX, ":          {"", "account and mailbox"},
		"text: '见 {{.steps.a.id}}'": {"files: [a]", "subject"},
	} {
		problems := Check(trialRule(t, strings.Replace(appended, old, c.with, 1)), Surroundings{})
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.En, c.want) }) {
			t.Errorf("%s: problems are %v", c.with, problems)
		}
	}
}
