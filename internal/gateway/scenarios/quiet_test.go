package scenarios_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
)

// autoReply answers each mail, also that of machines as far as the guards let it.
const autoReply = `
id: auto-reply
name: 自动回复
owner: service-lead@example.com
trigger: {type: mail, accounts: [service@example.com], automated: true}
steps:
  - {id: answer, do: reply, with: {as: service@example.com, text: '您的来信已收到。'}}
`

// machines are mails as auto-responders, lists and mail servers write them: more header fields of each.
var machines = map[string]string{
	"pigeonhole vacation": "Auto-Submitted: auto-replied (vacation)\r\nX-Sieve: Pigeonhole Sieve 0.5.19\r\nPrecedence: bulk\r\nX-Auto-Response-Suppress: All\r\n",
	"exchange absence":    "X-Auto-Response-Suppress: All\r\nauto-submitted: auto-generated\r\nX-MS-Exchange-Inbox-Rules-Loop: a@b.example\r\n",
	"gmail vacation":      "Precedence: bulk\r\nX-Autoreply: yes\r\nAuto-Submitted: auto-replied\r\n",
	"qq auto reply":       "X-QQ-Auto-Reply: yes\r\nAuto-Submitted: auto-replied\r\n",
	"list":                "List-Id: <dev.lists.example.org>\r\nList-Unsubscribe: <mailto:leave@lists.example.org>\r\nPrecedence: list\r\n",
	"cron":                "Auto-Submitted: auto-generated\r\n",
}

// loops has two gateways face each other with rules that answer everything, and machines of all kinds write to one.
func loops(o *office) {
	o.open()
	o.publishText(o.adapt(autoReply))
	other := newOffice(o.t, o.post, 0)
	other.domain, other.outside, other.service = o.outside, o.domain, "zhang.wei"
	other.open()
	other.publishText(strings.ReplaceAll(other.adapt(autoReply), "service@", "zhang.wei@"))

	// A person of the other company writes once; each side reads what comes, and may answer.
	o.come(o.customer("zhang.wei"), "service", "你好", "first@other", "请回复。", "")
	o.wantMail(o.customer("zhang.wei"), "回复：你好")
	for range 3 {
		other.read("zhang.wei", "")
		other.settle()
		o.read("service", "")
		o.settle()
	}
	o.once(map[string]int{o.customer("zhang.wei"): 1, o.own("service"): 1})

	for name, header := range machines {
		id := strings.ReplaceAll(name, " ", "-") + "@machine"
		o.come(o.customer("chen"), "service", name, id, "I am away.", header)
		o.eventually("it is mirrored", func() error { return o.seen(id) })
	}
	// A report of a real Postfix, of mail that an employee sent.
	o.submit(o.own("service"), "nobody@refused.example", o.write(o.own("service"), "nobody@refused.example", "offer", "offer@own", "Hello", ""))
	o.eventually("the report comes", func() error { return count(len(o.inbox(o.own("service"))), 2+len(machines)) })
	report := o.inbox(o.own("service"))
	if last := report[len(report)-1]; last.Report != "delivery-status" {
		o.t.Errorf("the report is %+v", last.Message)
	}
	o.read("service", "")
	o.settle()
	o.once(map[string]int{o.customer("chen"): 0, o.customer("zhang.wei"): 1, o.own("service"): 2 + len(machines)})
}

// seen says whether the mirror knows a message.
func (o *office) seen(id string) error {
	_, _, ok, err := mirror.ThreadOf(o.t.Context(), o.gateway.Store().Reader(), "", id)
	if err == nil && !ok {
		err = fmt.Errorf("%s was not seen", id)
	}
	return err
}

// oldMails are as many as a mailbox of some years has.
const oldMails = 10_000

// backfill brings ten thousand old mails, complaints all of them, into the journal: no rule looks at them.
func backfill(o *office) {
	o.silent = true
	o.open()
	o.publish("02-complaint.yaml", "11-no-reply.yaml")
	o.publishText(o.adapt(autoReply))
	began := time.Now()
	for i := range oldMails {
		o.old(i)
	}
	o.t.Logf("wrote %d mails in %s", oldMails, time.Since(began))
	o.eventuallyIn(6*time.Minute, "all are mirrored", func() error {
		var n int
		err := o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `SELECT count(*) FROM jobs WHERE state <> 'completed'`).Scan(&n)
		if err == nil {
			err = o.seen(fmt.Sprintf("old%d@old", oldMails-1))
		}
		if err == nil && n > 0 {
			err = fmt.Errorf("%d jobs are left", n)
		}
		return err
	})
	var runs, effects, events int
	err := o.gateway.Store().Reader().QueryRowContext(o.t.Context(), `SELECT (SELECT count(*) FROM rule_runs), (SELECT count(*) FROM rule_effects), (SELECT count(*) FROM rule_events)`).Scan(&runs, &effects, &events)
	if err != nil || runs+effects+events > 0 {
		o.t.Errorf("there are %d runs, %d effects, %d events, %v; want none", runs, effects, events, err)
	}
	o.once(map[string]int{o.customer("chen"): 0, o.own("service-lead"): 0})
	if posts := o.chat.list(); len(posts) > 0 {
		o.t.Errorf("the chat has %d posts", len(posts))
	}
	// A new mail does fire.
	o.come(o.customer("chen"), "service", "投诉：新", "new@customer", "新的", "")
	o.wantRuns("complaint-ticket", "done")
}

// old writes an old mail into the journal, as the backfill does.
func (o *office) old(i int) {
	at := wednesday.AddDate(-2, 0, 0).Add(time.Duration(i) * time.Hour) // each at a time of its own, as old mail is
	env := &journal.Envelope{
		Kind: journal.KindBackfill, Account: o.own("service"), Upstream: "main", Mailbox: "INBOX", UIDValidity: 7, UID: uint32(i + 1),
		InternalDate: at,
	}
	p := o.gateway.Journal().Begin(env)
	defer p.Close()
	if _, err := fmt.Fprintf(p, "From: Chen <%s>\r\nTo: %s\r\nSubject: complaint %d\r\nDate: %s\r\nMessage-ID: <old%d@old>\r\n\r\ncomplaint %d\r\n",
		o.customer("chen"), o.own("service"), i, at.Format(time.RFC1123Z), i, i); err != nil {
		o.t.Fatal(err)
	}
	if err := p.Seal(context.Background(), env); err != nil {
		o.t.Fatal(err)
	}
}
