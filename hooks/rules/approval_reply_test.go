package rules

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestReadReply(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"同意":                    {"approved", ""},
		"同意。":                   {"approved", ""},
		"\n\n  批准！ \n\n":        {"approved", ""},
		"Yes.":                  {"approved", ""},
		"ＹＥＳ":                   {"approved", ""},
		"APPROVE\nbut be quick": {"approved", "but be quick"},
		"不同意\n账期太长\n请重谈":        {"refused", "账期太长\n请重谈"},
		"拒绝":                    {"refused", ""},
		"no":                    {"refused", ""},
		"Reject!":               {"refused", ""},
		"":                      {},
		"   \n":                 {},
		"同意吗？":                  {},
		"同意，但金额改为 10 万":         {},
		"不太同意":                  {},
		"yes and no":            {},
		"no problem":            {},
		"张总：\n同意":               {},
		"收到":                    {},
		"同意\n不同意":               {},
		"> 同意":                  {},
		"我不在办公室，回来后处理\n同意":            {},
		"I am out of the office. Yes": {},
	} {
		decision, comment := readReply(text)
		if string(decision) != want[0] || comment != want[1] {
			t.Errorf("%q is %q with comment %q, want %q", text, decision, comment, want)
		}
	}
}

// byReply asks CFO and deputy, who may answer by mail.
const byReply = `approvers: ['role:finance'], need: all, expires: 24h, by_reply: true, refuse_needs_comment: true`

var codeOf = regexp.MustCompile(`\[#([a-z2-7]{16})\]$`)

// reply is what somebody answers to the mail that asked, with the code in the subject.
func (d *desk) reply(person, own string) *Reply {
	d.t.Helper()
	var asked *Effect
	for _, e := range d.mails(person) {
		if e.ask == askQuestion {
			asked = e
		}
	}
	if asked == nil || codeOf.FindString(asked.Mail.Subject) == "" {
		d.t.Fatalf("%s was asked by %+v, want a mail with a code", person, asked)
	}
	return &Reply{
		Entry: "reply-of-" + person, Message: "k", At: d.clock.Now(), Account: person, To: []string{"service@example.com"}, Answers: d.out.Foresee(asked),
		Subject: "回复：" + asked.Mail.Subject, Text: own + "\n> " + strings.ReplaceAll(asked.Mail.Text, "\n", "\n> "), Unquoted: own,
	}
}

// answer hands a mail in.
func (d *desk) answer(r *Reply) bool {
	d.t.Helper()
	taken, err := d.e.Answer(d.t.Context(), r)
	d.must(err)
	d.pump()
	return taken
}

// toldBack are the first words of the mails that say why an answer is no vote.
func (d *desk) toldBack(person string) (out []string) {
	for _, e := range d.mails(person) {
		if e.Mail.Answers != "" {
			first, _, _ := strings.Cut(e.Mail.Text, "，")
			out = append(out, first)
		}
	}
	return out
}

// votes are who decided, and how.
func (d *desk) votes(a Approval) string {
	d.t.Helper()
	now, err := d.book.Get(d.t.Context(), a.ID)
	d.must(err)
	var out []string
	for _, p := range now.Approvers {
		if p.Decision != "" {
			out = append(out, p.Person+" "+string(p.Decision)+" "+p.Comment)
		}
	}
	return strings.Join(out, "; ")
}

func TestAnswersByMailAreVotes(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(byReply)
		yes := d.reply("cfo@example.com", "同意\n尽快")
		for range 2 { // a hook sees a message again after a crash
			if !d.answer(yes) {
				t.Error("the answer is none")
			}
		}
		yes.Entry = "sent-again"
		d.answer(yes)
		if got := d.votes(a); got != "cfo@example.com approved 尽快" {
			t.Errorf("the votes are %q", got)
		}
		if got := d.toldBack("cfo@example.com"); len(got) != 0 {
			t.Errorf("the CFO is told %q", got)
		}
		no := d.reply("cfo@example.com", "不同意\n想清楚了")
		d.answer(no)
		if got := d.toldBack("cfo@example.com"); d.votes(a) != "cfo@example.com approved 尽快" || len(got) != 1 || got[0] != "您此前已做出决定" {
			t.Errorf("after a second vote they are %q, and the CFO is told %q", d.votes(a), got)
		}
		d.answer(d.reply("deputy@example.com", "yes"))
		d.wantTold("approved")
		late := d.reply("deputy@example.com", "no\nlate")
		d.answer(late)
		d.wantTold("approved")
		p, err := d.book.Get(t.Context(), a.ID)
		if err != nil || p.Approvers[0].Via != "mail reply-of-cfo@example.com" {
			t.Errorf("the vote came by %q, %v", p.Approvers[0].Via, err)
		}
	})
}

// TestAnswersThatAreNoVotes: nothing of these counts. Whoever is an approver is told why.
func TestAnswersThatAreNoVotes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(d *desk, r *Reply)
		taken  bool
		told   string // to whom the mail is from
	}{
		"another account":       {func(_ *desk, r *Reply) { r.Account = "mallory@example.com" }, true, "该审批询问的是另一个邮箱账号"},
		"the other approver's":  {func(_ *desk, r *Reply) { r.Account = "deputy@example.com" }, true, "该审批询问的是另一个邮箱账号"},
		"no code":               {func(_ *desk, r *Reply) { r.Subject, r.Text = "周五聚餐？", "同意" }, true, "您的回复中没有审批代码（主题末尾 # 之后的字符）"},
		"another's code":        {func(d *desk, r *Reply) { r.Subject, r.Text = d.reply("deputy@example.com", "").Subject, "同意" }, true, "您的回复中没有审批代码（主题末尾 # 之后的字符）"},
		"quoted only":           {func(_ *desk, r *Reply) { r.Unquoted = "" }, true, "无法从您的回复中看出决定"},
		"a question":            {func(_ *desk, r *Reply) { r.Unquoted = "同意什么？" }, true, "无法从您的回复中看出决定"},
		"no reason":             {func(_ *desk, r *Reply) { r.Unquoted = "拒绝" }, true, "拒绝需要说明原因"},
		"a reason by signature": {func(_ *desk, r *Reply) { r.Unquoted, r.Signature = "拒绝\n-- \n财务总监", "-- \n财务总监" }, true, "拒绝需要说明原因"},
		"to another mail":       {func(_ *desk, r *Reply) { r.Answers = "m1@customer.org" }, false, ""},
		"too late":              {func(d *desk, r *Reply) { d.clock.add(25 * time.Hour); r.At = d.clock.Now() }, true, "该审批已结束或已过期"},
		"after the run's end": {func(d *desk, _ *Reply) {
			d.must(Cancel(d.t.Context(), d.db, d.clock.Now(), d.runs()[0].ID, "enough"))
		}, true, "该审批已结束或已过期"},
		"the text was changed": {func(d *desk, _ *Reply) {
			d.sql(`UPDATE rule_approvals SET shown = replace(shown, '120,000', '920,000')`)
		}, true, "审批内容与您看到的不一致"},
		"all was changed": {func(d *desk, _ *Reply) { d.sql(`UPDATE rule_approvals SET hash = 'x' || hash`) }, true, "您的回复中没有审批代码（主题末尾 # 之后的字符）"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &desk{rig: newRig(t, storetest.SQLite(t))}
			d.restart()
			a := d.ask(byReply)
			r := d.reply("cfo@example.com", "同意")
			c.change(d, r)
			for range 3 {
				if taken := d.answer(r); taken != c.taken {
					t.Errorf("it is an answer: %t, want %t", taken, c.taken)
				}
			}
			if got := d.votes(a); got != "" {
				t.Errorf("the votes are %q, want none", got)
			}
			if got := strings.Join(d.toldBack(r.Account), "|"); got != c.told {
				t.Errorf("%s is told %q, want %q once", r.Account, got, c.told)
			}
			for _, e := range d.mails("mallory@example.com") {
				if strings.Contains(e.Mail.Subject+e.Mail.Text, "订单") || codeOf.MatchString(e.Mail.Subject) {
					t.Errorf("a stranger to the question gets\n%s\n%s", e.Mail.Subject, e.Mail.Text)
				}
			}
		})
	}
}

func (d *desk) sql(query string) {
	d.t.Helper()
	if err := d.db.Write(d.t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query)
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
}

// TestAskedBackOnceADay: two machines that answer each other come to an end.
func TestAskedBackOnceADay(t *testing.T) {
	t.Parallel()
	d := &desk{rig: newRig(t, storetest.SQLite(t))}
	d.restart()
	a := d.ask(byReply)
	for range 20 {
		d.answer(d.reply("cfo@example.com", "我在休假"))
	}
	if got := d.toldBack("cfo@example.com"); len(got) != 1 {
		t.Errorf("the CFO is told %q, want it once", got)
	}
	d.answer(d.reply("cfo@example.com", "同意"))
	if got := d.votes(a); got != "cfo@example.com approved " {
		t.Errorf("the votes are %q", got)
	}
}

// TestADelegateAnswersByMail: with the mail of his own, and the one before him no more.
func TestADelegateAnswersByMail(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(byReply)
		before := d.reply("cfo@example.com", "同意")
		_, err := d.book.Delegate(t.Context(), a.ID, Delegation{From: "cfo@example.com", To: "assistant@example.com", Via: "test"})
		d.must(err)
		d.pump()
		d.answer(before)
		hijacked := d.reply("assistant@example.com", "同意")
		hijacked.Account = "cfo@example.com"
		d.answer(hijacked)
		if got := d.votes(a); got != "cfo@example.com delegated " {
			t.Errorf("the votes are %q", got)
		}
		d.answer(d.reply("assistant@example.com", "不同意\n太贵"))
		d.wantTold("refused assistant@example.com: 太贵")
	})
}

// TestAnswersUnderAnotherKey: the key was changed after the question; a question whose rule does not say so cannot be answered by mail.
func TestAnswersUnderAnotherKey(t *testing.T) {
	t.Parallel()
	d := &desk{rig: newRig(t, storetest.SQLite(t))}
	d.restart()
	a := d.ask(byReply)
	r := d.reply("cfo@example.com", "同意")
	d.e.approvalKeys = [][]byte{[]byte("a key of later"), d.e.approvalKeys[0]}
	d.answer(r)
	if got := d.votes(a); got != "cfo@example.com approved " {
		t.Errorf("the votes are %q", got)
	}
	d = &desk{rig: newRig(t, storetest.SQLite(t))}
	d.restart()
	a = d.ask(replace(byReply, "by_reply: true, ", ""))
	asked := d.mails("cfo@example.com")[0]
	if strings.Contains(asked.Mail.Subject, "#") || strings.Contains(asked.Mail.Text, "同意”") {
		t.Errorf("the mail is\n%s\n%s", asked.Mail.Subject, asked.Mail.Text)
	}
	if d.answer(&Reply{Entry: "e", Account: "cfo@example.com", Answers: d.out.Foresee(asked), Unquoted: "同意"}) || d.votes(a) != "" {
		t.Error("an answer counts where none is asked for")
	}
}

// TestAnswersToOthersAreNone: a question that is forwarded, or answered to colleagues, is no answer to whom asked.
func TestAnswersToOthersAreNone(t *testing.T) {
	t.Parallel()
	d := &desk{rig: newRig(t, storetest.SQLite(t))}
	d.restart()
	d.out.from = "service@example.com"
	a := d.ask(byReply)
	r := d.reply("cfo@example.com", "同意")
	r.To = []string{"friend@example.com"}
	if d.answer(r) || d.votes(a) != "" {
		t.Error("a mail to a friend is an answer")
	}
	r.To = []string{"friend@example.com", "service@example.com"}
	d.answer(r)
	if got := d.votes(a); got != "cfo@example.com approved " {
		t.Errorf("the votes are %q", got)
	}
	d.must(d.e.looks(t.Context()))
	if !d.e.mail.Load() || !d.e.WantsMail() {
		t.Error("nobody looks at mail while a question can be answered by it")
	}
}

// TestAnswersWaitForTheStore: trouble of our own is no verdict on the answer.
func TestAnswersWaitForTheStore(t *testing.T) {
	t.Parallel()
	d := &desk{rig: newRig(t, storetest.SQLite(t))}
	d.restart()
	a := d.ask(byReply)
	r := d.reply("cfo@example.com", "看情况")
	d.out.fail = func(*Effect) error { return errors.New("the outbox is in trouble") }
	if _, err := d.e.Answer(t.Context(), r); err == nil {
		t.Error("the answer that could not be sent is forgotten")
	}
	d.out.fail = nil
	d.answer(r)
	if got := d.toldBack("cfo@example.com"); len(got) != 1 || d.votes(a) != "" {
		t.Errorf("the CFO is told %q; votes %q", got, d.votes(a))
	}
}

// TestChatsAskEachAlone: with the person's own link, which nobody else gets.
func TestChatsAskEachAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with  string
		mails int
	}{
		"and by mail":    {"channel: sales, personal: true", 1},
		"in chats alone": {"channel: sales, personal: true, mail: false", 0},
	} {
		d := &desk{rig: newRig(t, storetest.SQLite(t))}
		d.restart()
		a := d.ask("approvers: ['role:finance'], need: all, expires: 24h, " + c.with)
		tokens := map[string]string{}
		for _, e := range d.out.done {
			if e.Kind != EffectNotify {
				continue
			}
			n := e.Notice
			if len(n.To) != 1 || len(n.Links) != 1 || len(n.Mentions) != 0 || len(e.Recipients) != 1 || e.Recipients[0] != n.To[0] {
				t.Fatalf("%s: a post is %+v", name, n)
			}
			tokens[n.To[0]] = strings.TrimPrefix(n.Links[0][1], "https://mail.example.com/approve/")
		}
		if len(tokens) != 2 {
			t.Fatalf("%s: %v are asked in the chat, want both", name, tokens)
		}
		for person, token := range tokens {
			if n := len(d.mails(person)); n != c.mails {
				t.Errorf("%s: %s got %d mails, want %d", name, person, n, c.mails)
			}
			if c.mails > 0 && d.tokenOf(person) != token {
				t.Errorf("%s: the links of %s differ", name, person)
			}
			if _, p, err := d.book.ByToken(t.Context(), token); err != nil || p.Person != person {
				t.Errorf("%s: the link of %s leads to %+v, %v", name, person, p, err)
			}
		}
		if _, err := d.book.VoteByToken(t.Context(), tokens["cfo@example.com"], Vote{Decision: ApprovalRefused, Via: "link"}); err != nil {
			t.Error(err)
		}
		d.pump()
		if got := d.votes(a); got != "cfo@example.com refused " {
			t.Errorf("%s: the votes are %q", name, got)
		}
		d.wantTold("refused")
	}
}
