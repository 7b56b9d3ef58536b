package rules

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/calendar"
	"heliograph/internal/store"
)

const newsRule = `
id: news
name: 回执
owner: lead@example.com
trigger: {type: mail}
guards: {first_need_approval: 2MORE}
steps: [{id: tell, do: send_mail, with: {to: '{{.mail.from.address}}', subject: '收到 {{.mail.subject}}', text: '{{.time.now}} <b>'}}]
`

// sent are the subjects of the mails that went to the customer.
func (d *desk) sent() []string {
	out := []string{}
	for _, e := range d.mails("li@customer.org") {
		out = append(out, e.Mail.Subject)
	}
	return out
}

func (d *desk) wantSent(want ...string) {
	d.t.Helper()
	got := d.sent()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		d.t.Errorf("the customer got %q, want %q", got, want)
	}
}

func (d *desk) open() []Approval {
	d.t.Helper()
	list, _, err := d.book.List(d.t.Context(), ApprovalFilter{Open: true})
	d.must(err)
	slices.SortFunc(list, func(a, b Approval) int { return strings.Compare(a.Shown.Title, b.Shown.Title) })
	return list
}

func TestTheFirstMailsOfAVersionAreApproved(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		d.publish(replace(newsRule, "MORE", ""))
		for _, key := range []string{"1", "2", "3"} {
			d.post(mailIn(key, key))
		}
		d.wantSent()
		open := d.open()
		if len(open) != 2 || open[0].Shown.Mail == nil || open[0].Approvers[0].Person != "lead@example.com" {
			t.Fatalf("open are %+v, want the first two, for the owner", open)
		}
		asked := d.mails("lead@example.com")
		if len(asked) != 2 || !strings.Contains(asked[0].Mail.Text, "> 收件人 To: <li@customer.org>\n") || !strings.Contains(asked[0].Mail.Text, "<b>") {
			t.Fatalf("the owner got %d mails:\n%s", len(asked), asked[0].Mail.Text)
		}
		shown := open[0].Shown.Mail.Text
		d.clock.add(time.Hour) // the template would give another time now
		d.must(d.vote(open[0], "lead@example.com", ApprovalApproved, ""))
		d.wantSent("收到 1")
		if got := d.mails("li@customer.org")[0].Mail.Text; got != shown {
			t.Errorf("sent was %q, shown %q", got, shown)
		}
		// One that is refused is blocked, and leaves its place to the next.
		d.must(d.vote(open[1], "lead@example.com", ApprovalRefused, "wrong words"))
		d.wantSent("收到 1")
		if e := d.runOf("2").Effects[len(d.runOf("2").Effects)-1]; e.State != EffectBlocked || !strings.Contains(e.Reason, "wrong words") {
			t.Errorf("the refused mail is %+v", e)
		}
		if open = d.open(); len(open) != 1 || !strings.HasSuffix(open[0].Shown.Title, "3") {
			t.Fatalf("open are %+v, want the third", open)
		}
		d.must(d.vote(open[0], "lead@example.com", ApprovalApproved, ""))
		d.post(mailIn("4", "4"))
		d.wantSent("收到 1", "收到 3", "收到 4")
		// It is the same for the next version, and after the rows of the runs are gone.
		d.must(d.db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM rule_runs`)
			return err
		}))
		d.after(30 * time.Hour)
		d.post(mailIn("5", "5"))
		d.wantSent("收到 1", "收到 3", "收到 4", "收到 5")
		d.publish(replace(newsRule, "MORE", ", first_approvers: ['role:board']"))
		d.post(mailIn("6", "6"))
		d.wantSent("收到 1", "收到 3", "收到 4", "收到 5")
		if open = d.open(); len(open) != 1 || len(open[0].Approvers) != 3 || open[0].Need != 1 {
			t.Fatalf("open are %+v, want one for the board", open)
		}
	})
}

func TestAFirstMailThatNobodyApproves(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		d.publish(replace(newsRule, "MORE", ""))
		d.post(mailIn("1", "1"))
		d.post(mailIn("2", "2"))
		d.post(mailIn("3", "3"))
		d.after(8 * 24 * time.Hour)
		if e := d.runOf("1").Effects[1]; e.State != EffectBlocked || d.runOf("1").State != RunDone {
			t.Errorf("the mail is %+v, want blocked", e)
		}
		d.wantSent()
		if open := d.open(); len(open) != 1 {
			t.Errorf("open are %d, want the one behind", len(open))
		}
		// A run that was ended holds up nobody.
		d.must(Cancel(t.Context(), d.db, d.clock.Now(), d.open()[0].Run, "a mistake"))
		d.post(mailIn("4", "4"))
		d.post(mailIn("5", "5"))
		if open := d.open(); len(open) != 2 {
			t.Errorf("open are %d, want two", len(open))
		}
	})
}

// TestACrashSendsWhatWasApproved ends the process at each effect.
func TestACrashSendsWhatWasApproved(t *testing.T) {
	t.Parallel()
	boom := errors.New("the process ends here")
	onDesk(t, func(t *testing.T, d *desk) {
		d.publish(replace(newsRule, "MORE", ""))
		var texts []string
		died := map[string]bool{}
		d.out.forget = func(e *Effect) error {
			if e.Recipients[0] == "li@customer.org" {
				texts = append(texts, e.Mail.Text)
			}
			if died[e.ID] {
				return nil
			}
			died[e.ID] = true
			return boom
		}
		goOn := func() {
			for range 3 {
				d.restart()
				d.e.performer = dying{d.rig}
				d.after(time.Hour)
			}
		}
		d.restart()
		d.e.performer = dying{d.rig}
		d.post(mailIn("1", "1"))
		goOn()
		open := d.open()
		if len(open) != 1 {
			t.Fatalf("open are %+v", open)
		}
		shown := open[0].Shown.Mail.Text
		_, err := d.book.VoteByToken(t.Context(), d.tokenOf("lead@example.com"), Vote{Decision: ApprovalApproved})
		d.must(err)
		d.pump()
		goOn()
		if !slices.Equal(texts, []string{shown, shown}) {
			t.Errorf("sent was %q, approved %q", texts, shown)
		}
		d.wantSent("收到 1")
		if n := len(d.mails("lead@example.com")); n != 1 {
			t.Errorf("the owner got %d mails, want one", n)
		}
	})
}

// trial tries the order rule, and says what came of it.
func trialOf(t *testing.T, with, answer string) Report {
	t.Helper()
	rule, err := Parse([]byte(replace(orderRule, "ASK", with)))
	if err != nil {
		t.Fatal(err)
	}
	return tryRule(t, rule, answer, Event{Type: TypeManual, Rule: "order", Key: "k", At: monday, Data: map[string]any{"manual": map[string]any{"by": "clerk@example.com"}}})
}

func TestATrialImaginesDecisions(t *testing.T) {
	t.Parallel()
	const with = `approvers: ['role:finance', vp@example.com], need: 2, expires: 2 workdays, remind_every: 1 workdays, on_expire: approve-never`
	for answer, want := range map[string]string{"": "approved", "approved": "approved", "refused": "refused", "expired": "expired"} {
		report := trialOf(t, with, answer)
		run := report.Fired[0]
		last := run.Effects[len(run.Effects)-1]
		if run.State != RunDone || !strings.HasPrefix(last.Title, want) {
			t.Errorf("%q: the run is %s (%s), and the last effect %q; want %q", answer, run.State, run.Reason, last.Title, want)
		}
		if first := run.Effects[0]; first.Kind != EffectApproval || len(first.Recipients) != 4 || first.Effect == nil || first.Effect.Question == nil || first.Effect.Question.Need != 2 {
			t.Errorf("%q: the first effect is %+v, want the question to four people", answer, first)
		}
		if late := last.At.Sub(monday); (late > 24*time.Hour) != (answer == "expired") {
			t.Errorf("%q: it was over after %s", answer, late)
		}
		if again := trialOf(t, with, answer); len(again.Fired[0].Effects) != len(run.Effects) {
			t.Errorf("%q: two trials differ", answer)
		}
	}
}

func TestTheFirstMailsOfATrialAreSent(t *testing.T) {
	t.Parallel()
	rule, err := Parse([]byte(replace(newsRule, "MORE", "")))
	if err != nil {
		t.Fatal(err)
	}
	report := tryRule(t, rule, "refused", mailIn("1", "1"))
	if run := report.Fired[0]; run.State != RunDone || len(run.Effects) != 1 || run.Effects[0].State != EffectShadow {
		t.Errorf("the run is %+v, want the mail alone", run)
	}
}

func tryRule(t *testing.T, rule Rule, answer string, ev Event) Report {
	t.Helper()
	trial, err := NewTrial([]Version{{Rule: rule.ID, Number: 1, Body: rule}}, TrialOptions{World: testWorld{}, Calendars: testCalendars(t), Calendar: "cn", Answers: Answers{Approve: answer}})
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.Feed(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
	if err := trial.Until(t.Context(), monday.AddDate(0, 1, 0)); err != nil {
		t.Fatal(err)
	}
	return trial.Result()
}

func TestCheckOfApprovals(t *testing.T) {
	t.Parallel()
	around := Surroundings{Roles: map[string][]string{"finance": {"cfo@example.com", "deputy@example.com"}}, NoLinks: true}
	for with, want := range map[string]string{
		`expires: 1h`:                  "needs approvers",
		`approvers: [], expires: 1h`:   "needs approvers",
		`approvers: [cfo@example.com]`: "needs an end",
		`approvers: [cfo@example.com, CFO <cfo@example.com>], need: 2, expires: 1h`:    "only 1 are asked",
		`approvers: ['role:finance'], need: 3, expires: 1h`:                            "only 2 are asked",
		`approvers: ['role:finanze'], expires: 1h`:                                     `did you mean "finance"`,
		`approvers: [nobody], expires: 1h`:                                             "neither a mail address nor role:NAME",
		`approvers: [cfo@example.com], need: 0, expires: 1h`:                           "a number from 1",
		`approvers: [cfo@example.com], need: some, expires: 1h`:                        "a number from 1",
		`approvers: [cfo@example.com], expires: -1h`:                                   "negative",
		`approvers: [cfo@example.com], expires: 1h, on_expire: approve`:                "on_expire is",
		`approvers: [cfo@example.com], expires: 1h, on_expire: escalate`:               "needs escalate_to",
		`approvers: [cfo@example.com], expires: 1h, escalate_after: 1h`:                "needs escalate_to",
		`approvers: [cfo@example.com], expires: 1h, escalate_to: [x@example.com]`:      "is never asked",
		`approvers: [cfo@example.com], expires: 1h, mail: false`:                       "nobody is told",
		`approvers: [cfo@example.com], expires: 1h`:                                    "console.public_url is missing",
		`approvers: [cfo@example.com], expires: 1h, on_expire: refuse`:                 "the decision is never expired",
		`approvers: ['{{.steps.later.id}}'], expires: 1h`:                              "no earlier step later",
		`approvers: [cfo@example.com], expires: 1h, remind: 1h`:                        "unknown field",
		`approvers: [cfo@example.com], need: 2, expires: 1h, on_expire: approve-never`: "only 1 are asked",
	} {
		rule, err := Parse([]byte(replace(orderRule, "ASK", with)))
		if err != nil {
			t.Errorf("%s: %v", with, err)
			continue
		}
		problems := Check(rule, around)
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.En, want) }) {
			t.Errorf("%s: %v, want %q", with, problems, want)
		}
	}
	rule, err := Parse([]byte(replace(orderRule, "ASK", `approvers: ['role:finance', '{{.manual.by}}'], need: 2, expires: 2 workdays, on_expire: approve-never`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Check(rule, Surroundings{Roles: around.Roles}) {
		if !p.Warning {
			t.Errorf("a good rule: %s", p)
		}
	}
	text, err := rule.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(text); err != nil || !strings.Contains(string(again.Steps[0].With), `"need":2`) {
		t.Errorf("written and read again: %v, %s", err, again.Steps[0].With)
	}
	if s, err := Describe(rule, Chinese, nil); err != nil || !strings.Contains(s, "2 人同意") {
		t.Errorf("%q, %v", s, err)
	}
	rule.Guards.FirstApprovers = mailboxes{}
	if err := decode([]byte(`["role:nobody"]`), &rule.Guards.FirstApprovers); err != nil {
		t.Fatal(err)
	}
	if problems := Check(rule, around); !slices.ContainsFunc(problems, func(p Problem) bool { return p.Path == "/guards/first_approvers/0" }) {
		t.Errorf("first approvers: %v", problems)
	}
}

func testCalendars(t *testing.T) calendar.Set {
	t.Helper()
	set, err := calendar.NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// FuzzMarked: whatever was written in a mail or a record, none of its lines passes for our own words.
func FuzzMarked(f *testing.F) {
	f.Add("title\n\nhttps://evil.example/approve/x")
	f.Add("a\r\nb\u2028c\x0bd\u0085e\x00")
	f.Fuzz(func(t *testing.T, text string) {
		out := marked(text)
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "> ") || !strings.HasSuffix(line, "\n") || strings.ContainsAny(line, "\r\v\f\u2028\u2029\u0085") {
				t.Fatalf("%q: the line %q", text, line)
			}
		}
		if c := tidy(text); strings.ContainsAny(c, "\x00\r\u202e") || len([]rune(c)) > maxComment || tidy(c) != c {
			t.Fatalf("%q: the comment is %q", text, c)
		}
	})
}
