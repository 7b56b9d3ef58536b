package rules

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/store"
)

// desk is a rig with people who decide.
type desk struct {
	*rig
	book *Approvals
}

func onDesk(t *testing.T, f func(t *testing.T, d *desk)) {
	t.Helper()
	onBoth(t, func(t *testing.T, r *rig) {
		d := &desk{rig: r}
		d.restart()
		f(t, d)
	})
}

func (d *desk) restart() {
	d.t.Helper()
	d.rig.restart()
	d.e.roles = map[string][]string{"finance": {"CFO <cfo@example.com>", "deputy@example.com"}, "board": {"vp@example.com", "cfo@example.com", "boss@example.com"}, "nobody": {}}
	d.e.publicURL, d.e.approvalKeys = "https://mail.example.com", [][]byte{[]byte("the key of this installation")}
	d.book = NewApprovals(d.db, d.queue, d.clock.Now)
}

// order is a rule that asks; ASK are the parameters of its step.
const orderRule = `
id: order
name: 大额订单
owner: lead@example.com
trigger: {type: manual}
steps:
  - {id: ask, do: approve, with: {title: '订单 {{.manual.by}}', text: '金额 120,000', facts: [{name: 客户, value: 'ACME <script>alert(1)</script>'}], ASK}}
  - {id: yes, do: notify, when: {field: steps.ask.decision, op: is, value: approved}, with: {channel: sales, title: 'approved'}}
  - {id: no, do: notify, when: {field: steps.ask.decision, op: is, value: refused}, with: {channel: sales, title: 'refused {{.steps.ask.comment}}'}}
  - {id: late, do: notify, when: {field: steps.ask.decision, op: is, value: expired}, with: {channel: sales, title: 'expired'}}
`

// ask publishes the rule with the parameters, starts it, and returns what is asked.
func (d *desk) ask(with string) Approval {
	d.t.Helper()
	d.publish(replace(orderRule, "ASK", with))
	return d.again("clerk@example.com")
}

func (d *desk) again(by string) Approval {
	d.t.Helper()
	d.clock.add(time.Second)
	if _, err := d.e.Start(d.t.Context(), "order", by, Event{}); err != nil {
		d.t.Fatal(err)
	}
	d.pump()
	list, _, err := d.book.List(d.t.Context(), ApprovalFilter{Open: true})
	if err != nil || len(list) == 0 {
		d.t.Fatalf("open approvals are %v, %v; want one; runs: %+v", list, err, d.runs()[0])
	}
	return list[0]
}

func (d *desk) vote(a Approval, person string, decision ApprovalState, comment string) error {
	d.t.Helper()
	_, err := d.book.Vote(d.t.Context(), a.ID, Vote{Person: person, Decision: decision, Comment: comment, Via: "test"})
	d.pump()
	return err
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// wantTold compares the notices: what the run did after the decision.
func (d *desk) wantTold(want ...string) {
	d.t.Helper()
	got := []string{}
	for _, t := range d.out.titles() {
		if rest, ok := strings.CutPrefix(t, "notify "); ok && !strings.HasPrefix(rest, "[") {
			got = append(got, rest)
		}
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("after the decision %q happened, want %q", got, want)
	}
}

var linkIn = regexp.MustCompile(`https://mail\.example\.com/approve/([A-Za-z0-9_-]{43})\n`)

// mails are those that went to a person.
func (d *desk) mails(person string) (list []*Effect) {
	d.out.mu.Lock()
	defer d.out.mu.Unlock()
	for _, id := range d.out.order {
		if e := d.out.done[id]; e.Mail != nil && slices.Contains(e.Recipients, person) {
			list = append(list, e)
		}
	}
	return list
}

func (d *desk) tokenOf(person string) string {
	d.t.Helper()
	list := d.mails(person)
	if len(list) == 0 {
		d.t.Fatalf("%s got no mail", person)
	}
	m := linkIn.FindStringSubmatch(list[len(list)-1].Mail.Text)
	if m == nil {
		d.t.Fatalf("the mail has no link:\n%s", list[len(list)-1].Mail.Text)
	}
	return m[1]
}

func TestApproversOfWhomSomeHaveToSayYes(t *testing.T) {
	t.Parallel()
	type vote struct {
		who string
		yes bool
	}
	cases := map[string]struct {
		need  string
		votes []vote
		told  string // "" while it is open
	}{
		"one of three":                     {"1", []vote{{"vp", true}}, "approved"},
		"one of three after a refusal":     {"1", []vote{{"cfo", false}, {"vp", true}}, "approved"},
		"all of three refuse":              {"1", []vote{{"cfo", false}, {"vp", false}, {"boss", false}}, "refused vp@example.com: no; cfo@example.com: no; boss@example.com: no"},
		"two of three":                     {"2", []vote{{"cfo", true}, {"boss", false}, {"vp", true}}, "approved"},
		"two of three, one is not enough":  {"2", []vote{{"cfo", true}}, ""},
		"two of three cannot be any more":  {"2", []vote{{"cfo", false}, {"boss", false}}, "refused"},
		"all":                              {"all", []vote{{"cfo", true}, {"vp", true}, {"boss", true}}, "approved"},
		"all, two are not enough":          {"all", []vote{{"cfo", true}, {"vp", true}}, ""},
		"all, the first refusal is enough": {"all", []vote{{"vp", false}}, "refused"},
	}
	onDesk(t, func(t *testing.T, d *desk) {
		for name, tc := range cases {
			d.out = newOutside()
			d.restart()
			a := d.ask(`approvers: ['role:board'], expires: 2 workdays, need: ` + tc.need)
			for _, v := range tc.votes {
				decision := ApprovalRefused
				if v.yes {
					decision = ApprovalApproved
				}
				d.must(d.vote(a, v.who+"@example.com", decision, map[bool]string{false: "no"}[v.yes]))
			}
			got := ""
			for _, title := range d.out.titles() {
				if rest, ok := strings.CutPrefix(title, "notify "); ok {
					got = rest
				}
			}
			if !strings.HasPrefix(got, tc.told) || tc.told == "" && got != "" {
				t.Errorf("%s: it came to %q, want %q", name, got, tc.told)
			}
			for _, who := range []string{"cfo", "vp", "boss"} {
				if n := len(d.mails(who + "@example.com")); n != 1 {
					t.Errorf("%s: %s got %d mails, want one", name, who, n)
				}
			}
			if tc.told == "" { // lest it is taken for the next one
				d.must(Cancel(t.Context(), d.db, d.clock.Now(), a.Run, "enough"))
			}
		}
	})
}

func TestWhatADecisionIsRefusedFor(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(`approvers: [cfo@example.com, vp@example.com, clerk@example.com, 'Lead <lead@example.com>'], need: 2, expires: 48h, refuse_needs_comment: true, exclude_owner: true`)
		if len(a.Approvers) != 2 || a.Need != 2 {
			t.Fatalf("%d people are asked, want two: neither who started it nor the owner", len(a.Approvers))
		}
		for name, tc := range map[string]struct {
			person, comment string
			decision        ApprovalState
			want            error
		}{
			"who caused it":        {"clerk@example.com", "", ApprovalApproved, ErrNotAsked},
			"the owner":            {"lead@example.com", "", ApprovalApproved, ErrNotAsked},
			"a stranger":           {"mallory@example.org", "", ApprovalApproved, ErrNotAsked},
			"nobody":               {"", "", ApprovalApproved, ErrNotAsked},
			"refused without word": {"cfo@example.com", " \x00\u202e ", ApprovalRefused, ErrNeedsComment},
		} {
			if err := d.vote(a, tc.person, tc.decision, tc.comment); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", name, err, tc.want)
			}
		}
		if err := d.vote(a, "cfo@example.com", "perhaps", ""); err == nil {
			t.Error("perhaps is taken for a decision")
		}
		_, err := d.book.Vote(t.Context(), a.ID, Vote{Person: "cfo@example.com", Decision: ApprovalApproved, Hash: strings.Repeat("0", 64)})
		if !errors.Is(err, ErrApprovalChanged) {
			t.Errorf("a decision on something else: %v, want ErrApprovalChanged", err)
		}
		if _, err := d.book.Vote(t.Context(), "none", Vote{Person: "cfo@example.com", Decision: ApprovalApproved}); !errors.Is(err, ErrNoApproval) {
			t.Errorf("an approval that is not there: %v", err)
		}
		d.must(d.vote(a, "CFO@Example.com", ApprovalApproved, "fine"))
		if err := d.vote(a, "cfo@example.com", ApprovalRefused, "I think again"); !errors.Is(err, ErrApprovalVoted) {
			t.Errorf("a second decision: %v, want ErrApprovalVoted", err)
		}
		d.wantTold()
		d.must(d.vote(a, "vp@example.com", ApprovalApproved, ""))
		d.wantTold("approved")
		out := d.runs()[0].Steps[0].Output
		if fmt.Sprint(out["by"]) != "[cfo@example.com vp@example.com]" || out["comment"] != "cfo@example.com: fine" || out["expired"] != false {
			t.Errorf("the step gave %v", out)
		}
	})
}

func TestNobodyIsLeftToDecide(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"alone":            `approvers: [clerk@example.com], expires: 1h`,
		"too few":          `approvers: [clerk@example.com, cfo@example.com], need: 2, expires: 1h`,
		"an empty role":    `approvers: ['role:nobody'], expires: 1h`,
		"no such role":     `approvers: ['role:sales'], expires: 1h`,
		"not an address":   `approvers: ['{{.manual.by}} and friends'], expires: 1h`,
		"named initiators": `approvers: [cfo@example.com], initiators: ['{{.manual.by}}', cfo@example.com], expires: 1h`,
	}
	onDesk(t, func(t *testing.T, d *desk) {
		for name, with := range cases {
			d.publish(replace(orderRule, "ASK", with))
			if _, err := d.e.Start(t.Context(), "order", "clerk@example.com", Event{}); err != nil {
				t.Fatal(err)
			}
			d.pump()
			if runs := d.runs(); runs[len(runs)-1].State != RunFailed {
				t.Errorf("%s: the run is %s, want that it fails", name, runs[len(runs)-1].State)
			}
			d.wantEffects()
			d.clock.add(time.Second)
		}
	})
}

func TestTwoDecideAtOnce(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(`approvers: ['role:board'], need: 2, expires: 48h`)
		var group sync.WaitGroup
		errs := make([]error, 12)
		for i := range errs {
			group.Go(func() { // each person four times
				who := []string{"cfo", "vp", "boss"}[i%3] + "@example.com"
				_, errs[i] = d.book.Vote(context.WithoutCancel(t.Context()), a.ID, Vote{Person: who, Decision: ApprovalApproved, Via: "test"})
			})
		}
		group.Wait()
		taken := 0
		for _, err := range errs {
			switch {
			case err == nil:
				taken++
			case !errors.Is(err, ErrApprovalVoted) && !errors.Is(err, ErrApprovalClosed):
				t.Error(err)
			}
		}
		if taken != 2 {
			t.Errorf("%d decisions were taken, want the two that are needed", taken)
		}
		d.pump()
		d.wantTold("approved")
	})
}

// TestACrashAsksNobodyTwice ends the process at each effect, before and after it happened.
func TestACrashAsksNobodyTwice(t *testing.T) {
	t.Parallel()
	boom := errors.New("the process ends here")
	onDesk(t, func(t *testing.T, d *desk) {
		d.publish(replace(orderRule, "ASK", `approvers: ['role:finance'], expires: 48h, channel: boss`))
		for _, after := range []bool{false, true} {
			died := map[string]bool{}
			links := map[string]string{}
			die := func(e *Effect) error {
				if e.Mail != nil {
					if before, ok := links[e.ID]; ok && before != e.Mail.Text {
						t.Errorf("the mail that is sent again is another:\n%s\n%s", before, e.Mail.Text)
					}
					links[e.ID] = e.Mail.Text
				}
				if died[e.ID] {
					return nil
				}
				died[e.ID] = true
				return boom
			}
			d.out = newOutside()
			if after {
				d.out.forget = die
			} else {
				d.out.fail = die
			}
			d.restart()
			d.e.performer = dying{d.rig}
			if _, err := d.e.Start(t.Context(), "order", "clerk@example.com", Event{}); err != nil {
				t.Fatal(err)
			}
			d.pump()
			for range 6 {
				d.restart()
				d.e.performer = dying{d.rig}
				d.after(time.Hour)
			}
			list, _, err := d.book.List(t.Context(), ApprovalFilter{Open: true})
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			for _, who := range []string{"cfo@example.com", "deputy@example.com"} {
				_, err := d.book.VoteByToken(t.Context(), d.tokenOf(who), Vote{Decision: ApprovalApproved, Via: "link"})
				d.must(err)
				d.pump()
			}
			for range 6 {
				d.restart()
				d.e.performer = dying{d.rig}
				d.after(time.Hour)
			}
			d.wantTold("approved")
			for id, n := range d.out.asked {
				if n != 2 {
					t.Errorf("%s was asked for %d times, want 2", d.out.done[id].Title, n)
				}
			}
		}
		for _, run := range d.runs() {
			if run.State != RunDone {
				t.Errorf("the run is %s (%s), want done", run.State, run.Reason)
			}
		}
	})
}

func TestAVoteIsHandedOn(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(`approvers: [cfo@example.com, vp@example.com], expires: 48h`)
		hand := func(from, to string) error {
			_, err := d.book.Delegate(t.Context(), a.ID, Delegation{From: from, To: to, Via: "test", Comment: "on leave"})
			d.pump()
			return err
		}
		for name, to := range map[string]string{
			"to who caused it": "Clerk <clerk@example.com>", "to oneself": "cfo@example.com", "to one who has a vote": "vp@example.com", "to nobody": "", "to two": "a@example.com, b@example.com",
		} {
			if err := hand("cfo@example.com", to); !errors.Is(err, ErrDelegate) {
				t.Errorf("%s: %v, want ErrDelegate", name, err)
			}
		}
		if err := hand("mallory@example.org", "b@example.com"); !errors.Is(err, ErrNotAsked) {
			t.Errorf("by a stranger: %v", err)
		}
		old := d.tokenOf("cfo@example.com")
		d.must(hand("cfo@example.com", "First <d1@example.com>"))
		if err := d.vote(a, "cfo@example.com", ApprovalApproved, ""); !errors.Is(err, ErrApprovalVoted) {
			t.Errorf("who handed the vote on votes: %v", err)
		}
		if _, err := d.book.VoteByToken(t.Context(), old, Vote{Decision: ApprovalApproved}); !errors.Is(err, ErrApprovalVoted) {
			t.Errorf("with the old link: %v", err)
		}
		d.must(hand("d1@example.com", "d2@example.com"))
		if err := hand("d2@example.com", "cfo@example.com"); !errors.Is(err, ErrDelegate) {
			t.Errorf("back to the first: %v", err)
		}
		d.must(hand("d2@example.com", "d3@example.com"))
		if err := hand("d3@example.com", "d4@example.com"); !errors.Is(err, ErrDelegate) {
			t.Errorf("a fourth time: %v", err)
		}
		d.must(d.vote(a, "vp@example.com", ApprovalApproved, ""))
		_, err := d.book.VoteByToken(t.Context(), d.tokenOf("d3@example.com"), Vote{Decision: ApprovalApproved, Via: "link"})
		d.must(err)
		d.pump()
		d.wantTold("approved")
		got, err := d.book.Get(t.Context(), a.ID)
		d.must(err)
		if p := got.Approvers[0]; p.Decision != VoteDelegated || p.Comment != "on leave" || got.Approvers[2].From != "cfo@example.com" {
			t.Errorf("what was handed on is not written down: %+v", got.Approvers)
		}
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(`approvers: [cfo@example.com, vp@example.com], expires: 48h`)
		cfo, vp := d.tokenOf("cfo@example.com"), d.tokenOf("vp@example.com")
		if cfo == vp {
			t.Fatal("two people have the same link")
		}
		got, who, err := d.book.ByToken(t.Context(), cfo)
		d.must(err)
		if got.ID != a.ID || who.Person != "cfo@example.com" {
			t.Errorf("the link leads %s to %s", who.Person, got.ID)
		}
		for _, wrong := range []string{"", "x", cfo[:42], cfo + "A", strings.Repeat("A", 43), tokenHash(cfo), tokenHash(cfo)[:43], "%"} {
			if _, _, err := d.book.ByToken(t.Context(), wrong); !errors.Is(err, ErrNoApproval) {
				t.Errorf("%q: %v, want ErrNoApproval", wrong, err)
			}
		}
		// Nothing in the database is a token, or makes one without the key.
		var hash, nonce string
		d.must(d.db.Reader().QueryRowContext(t.Context(), `SELECT token_hash, nonce FROM rule_approvers WHERE person = 'cfo@example.com'`).Scan(&hash, &nonce))
		if hash == cfo || hash != tokenHash(cfo) || strings.Contains(cfo, nonce) {
			t.Errorf("stored are %q and %q", hash, nonce)
		}
		// With another key the links that were sent go on to work, and reminders have them too while the old key is known.
		d.e.approvalKeys = [][]byte{[]byte("a new key"), d.e.approvalKeys[0]}
		full, err := d.e.ledger.approval(t.Context(), a.ID)
		d.must(err)
		x := &exec{Context: t.Context(), walker: &walker{e: &d.e.core, ledger: d.e.ledger}}
		if link, err := x.link(full, full.find("cfo@example.com")); err != nil || !strings.HasSuffix(link, cfo) {
			t.Errorf("after a change of keys the link is %q, %v", link, err)
		}
		// A link is for what was shown, and nothing else.
		d.must(d.db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `UPDATE rule_approvals SET shown = REPLACE(shown, '120,000', '999,000')`)
			return err
		}))
		if _, _, err := d.book.ByToken(t.Context(), cfo); !errors.Is(err, ErrApprovalChanged) {
			t.Errorf("other words than those that were shown: %v", err)
		}
		if err := d.vote(a, "cfo@example.com", ApprovalApproved, ""); !errors.Is(err, ErrApprovalChanged) {
			t.Errorf("a decision about them: %v", err)
		}
	})
}

func TestQuestionsAreText(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		d.ask(`approvers: [cfo@example.com], expires: 48h`)
		m := d.mails("cfo@example.com")[0].Mail
		if m.HTML != "" || !strings.Contains(m.Text, "\n> 客户: ACME <script>") || !m.AtLeastOnce || len(m.To) != 1 {
			t.Errorf("the mail is %+v", m)
		}
	})
	for text, want := range map[string]string{
		"a\nb":           "> a\n> b\n",
		"a\r\nb\rc":      "> a\n> b\n> c\n",
		"a\u2028b\u0085": "> a\n> b\n> \n",
		"":               "> \n",
	} {
		if got := marked(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// A team sees what one of it is asked, has caused or has the mail of.
func TestApprovalsOfATeam(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask("approvers: [cfo@example.com], expires: 2 workdays")
		for _, c := range []struct {
			name string
			team []string
			sees bool
		}{
			{"everybody", nil, true},
			{"nobody", []string{}, false},
			{"who is asked", []string{"x@example.com", "cfo@example.com"}, true},
			{"who caused it", []string{"clerk@example.com"}, true},
			{"others", []string{"erk@example.com", "x@example.com", "_fo@example.com", "%"}, false},
		} {
			list, _, err := d.book.List(t.Context(), ApprovalFilter{Team: c.team})
			if err != nil || (len(list) == 1) != c.sees {
				t.Errorf("%s: %+v, %v", c.name, list, err)
			}
			if sees, err := d.book.Concerns(t.Context(), a.ID, c.team); err != nil || sees != c.sees {
				t.Errorf("%s: %v, %v", c.name, sees, err)
			}
		}
	})
}
