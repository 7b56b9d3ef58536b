package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// asking is how people are told that they are asked.
type asking struct {
	base    int    // first number of the effects
	mail    bool   // by mail, each alone
	as      string // sender; empty: the default one
	channel string // chat; empty: none
	// personal has the chat tell each person alone.
	personal bool
	every    offset // reminders; zero: none
}

// Effects of an approval are numbered from its base: askSpan for each person, the first for the question and the others for reminders;
// askChat for the chat.
const (
	askSpan      = 1000
	askChat      = 999_000
	askAlone     = 500       // behind a person's first: the question in the chat, which reminders by mail do not reach
	askBlock     = 1_000_000 // between approvals of one step
	maxReminders = 50
	askAgain     = time.Minute // after mail could not be handed over
)

// askKind tells the mails that ask people from those of steps.
type askKind int

const (
	askNot askKind = iota
	askQuestion
	askReminder
)

// ask tells all who have to decide and do not know yet. It returns when to do so again; the zero time means never. What keeps one mail from
// being sent does not keep the others, and decisions count without any.
func (x *exec) ask(a *Approval, how asking) (again time.Time, err error) {
	r := &round{exec: x}
	for i := range a.Approvers {
		p := &a.Approvers[i]
		if !p.waits() {
			continue
		}
		if how.personal {
			e, err := x.alone(a, p, how)
			if err == nil {
				err = r.tell(how.base+askSpan*(p.Position+1)+askAlone, e)
			}
			if err != nil {
				return r.again, err
			}
		}
		if !how.mail {
			continue
		}
		n := how.base + askSpan*(p.Position+1)
		due, next, err := x.reminders(p, how.every)
		if err != nil {
			return r.again, err
		}
		r.sooner(next)
		for _, k := range slices.Compact([]int{0, due}) { // the question, and the last reminder
			e, err := x.question(a, p, how, k)
			if err == nil {
				err = r.tell(n+k, e)
			}
			if err != nil {
				return r.again, err
			}
		}
	}
	if how.channel != "" && !how.personal {
		if err := r.tell(how.base+askChat, x.announcement(a, how)); err != nil {
			return r.again, err
		}
	}
	if r.told == 0 && len(r.troubles) > 0 {
		return r.again, Permanent(fmt.Errorf("nobody could be asked: %w", errors.Join(r.troubles...)))
	}
	return r.again, nil
}

// round is one attempt to tell all.
type round struct {
	*exec
	again    time.Time
	told     int
	troubles []error // for good
}

func (r *round) sooner(t time.Time) { r.again = earliest(r.again, t) }

// tell takes the effect that tells one person, or a group. An error is trouble of our own.
func (r *round) tell(n int, e *Effect) error {
	out, err := r.act(n, e)
	var ours *ledgerError
	switch {
	case errors.As(err, &ours) || r.Err() != nil:
		return errors.Join(err, r.Err())
	case err != nil && temporary(err):
		r.row.Reason = err.Error()
		r.sooner(r.e.now().Add(askAgain))
		r.told++
	case err != nil:
		r.troubles = append(r.troubles, err)
	case out.state == StepWaiting:
		r.sooner(out.until)
		r.told++
	case out.output["blocked"] != nil:
		r.troubles = append(r.troubles, fmt.Errorf("%v", out.output["blocked"]))
	default:
		r.told++
	}
	return nil
}

// reminders says how many reminders of a person have come due, and when the next one will. Those that were missed are not made up for.
func (x *exec) reminders(p *Approver, every offset) (due int, next time.Time, err error) {
	if every.IsZero() {
		return 0, time.Time{}, nil
	}
	at, now := p.AskedAt, x.e.now()
	for ; due < maxReminders; due++ {
		later, err := every.apply(at, x.e, x.rule.rule.Calendar)
		if err != nil || !later.After(at) {
			return due, time.Time{}, err
		}
		if at = later; at.After(now) {
			return due, at, nil
		}
	}
	return due, time.Time{}, nil
}

// question is the mail that asks one person; reminder counts from one.
func (x *exec) question(a *Approval, p *Approver, how asking, reminder int) (*Effect, error) {
	link, err := x.link(a, p)
	if err != nil {
		return nil, err
	}
	kind, subject := askQuestion, "[审批 Approval] "+a.Shown.Title
	if reminder > 0 {
		kind, subject = askReminder, "[催办 Reminder] "+a.Shown.Title
	}
	code := x.e.code(a, p)
	if code != "" {
		subject += " [#" + code + "]"
	}
	return &Effect{
		Kind: EffectMail, Title: subject, Recipients: []string{p.Person}, Thread: "approval " + a.ID + " " + p.Person, ask: kind,
		Mail: &Mail{As: how.as, To: []string{p.Box()}, Subject: subject, Text: x.words(a, p, link, code != ""), AtLeastOnce: true},
	}, nil
}

// words are the text of the mail. What came with mails and records stands behind a mark, so that none of it passes for our own words.
func (x *exec) words(a *Approval, p *Approver, link string, answers bool) string {
	var b strings.Builder
	deadline := a.ExpiresAt
	if x.facts.cal != nil {
		deadline = deadline.In(x.facts.cal.Location())
	}
	fmt.Fprintf(&b, "请您审批。\nYour decision is needed.\n\n")
	if p.From != "" {
		fmt.Fprintf(&b, "由 %s 转交给您。 Handed to you by %s.\n\n", p.From, p.From)
	}
	b.WriteString(marked(a.Shown.words()))
	fmt.Fprintf(&b, "\n截止 Until: %s\n\n", deadline.Format("2006-01-02 15:04 MST"))
	if link != "" {
		fmt.Fprintf(&b, "打开链接，同意或拒绝。链接只供您本人使用，请勿转发。\nOpen the link to approve or refuse. It is yours alone: do not forward it.\n%s\n", link)
	} else if !answers {
		fmt.Fprintf(&b, "请告诉管理员您的决定，由其执行。\nTell the operator what you decide, who then runs one of:\nheliograph approval decide %s --as %s --approve\nheliograph approval decide %s --as %s --refuse\n", a.ID, p.Person, a.ID, p.Person)
	}
	if answers {
		fmt.Fprintf(&b, "也可用本账号在您的邮件程序中直接回复本邮件，保留主题，第一行只写“同意”或“不同意”，意见写在下面。\nOr answer this mail from this account in your mail program, with its subject as it is: yes or no alone in the first line, comments below.\n")
	}
	fmt.Fprintf(&b, "\n规则 Rule: %s (%s)\n编号 Id: %s\n", x.rule.rule.Name, a.Rule, a.ID)
	return b.String()
}

// words are all that is shown, as text.
func (s *Shown) words() string {
	var b strings.Builder
	b.WriteString(s.Title + "\n")
	if m := s.Mail; m != nil {
		b.WriteString("\n")
		for _, row := range m.rows() {
			fmt.Fprintf(&b, "%s: %s\n", row[0], row[1])
		}
		b.WriteString("\n" + m.Text + "\n")
		if m.HTML != "" {
			b.WriteString("\nHTML:\n" + m.HTML + "\n")
		}
	}
	if s.Text != "" {
		b.WriteString("\n" + s.Text + "\n")
	}
	if len(s.Facts) > 0 {
		b.WriteString("\n")
	}
	for _, f := range s.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
	}
	return b.String()
}

// rows are what a mail's header would say.
func (m *Mail) rows() (out [][2]string) {
	add := func(name string, values ...string) {
		if v := strings.Join(values, ", "); v != "" {
			out = append(out, [2]string{name, v})
		}
	}
	add("发件人 From", m.As)
	add("收件人 To", m.To...)
	add("抄送 Cc", m.CC...)
	add("密送 Bcc", m.BCC...)
	add("回复 Reply-To", m.ReplyTo...)
	add("主题 Subject", m.Subject)
	var files []string
	for _, f := range m.Files {
		files = append(files, f.Name)
	}
	add("附件 Files", files...)
	return out
}

// Rows are what is shown beside the text, as names and values: of a mail its header, then the facts.
func (s *Shown) Rows() [][2]string {
	var out [][2]string
	if s.Mail != nil {
		out = s.Mail.rows()
	}
	return append(out, s.Facts...)
}

func marked(text string) string {
	text = strings.TrimRight(text, "\n")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n").Replace(text)
	return "> " + strings.ReplaceAll(text, "\n", "\n> ") + "\n"
}

// announcement tells a chat. A group cannot be given anybody's own link: its link leads to a page that says where the own one is.
func (x *exec) announcement(a *Approval, how asking) *Effect {
	var people []string
	for _, p := range a.Approvers {
		if p.waits() {
			people = append(people, p.Person)
		}
	}
	n := &Notice{Channel: how.channel, Level: "info", Text: a.Shown.Text, Facts: a.Shown.Facts, Mentions: people}
	if x.e.publicURL != "" {
		n.Links = [][2]string{{"如何审批 How to decide", x.e.publicURL + "/approve"}}
	}
	return &Effect{Kind: EffectNotify, Title: "[审批 Approval] " + a.Shown.Title, Recipients: people, Notice: n, ask: askQuestion}
}

// alone asks one person in a chat, with the link that is also in the mail.
func (x *exec) alone(a *Approval, p *Approver, how asking) (*Effect, error) {
	link, err := x.link(a, p)
	if err != nil {
		return nil, err
	}
	n := &Notice{Channel: how.channel, Level: "info", Text: a.Shown.Text, Facts: a.Shown.Facts, To: []string{p.Person}}
	if link != "" {
		n.Links = [][2]string{{"审批 Decide", link}}
	}
	return &Effect{Kind: EffectNotify, Title: "[审批 Approval] " + a.Shown.Title, Recipients: n.To, Notice: n, ask: askQuestion}, nil
}

// link is the person's own link; empty where nobody could follow one.
func (x *exec) link(a *Approval, p *Approver) (string, error) {
	keys := x.e.approvalKeys
	if x.e.publicURL == "" || len(keys) == 0 || a.shown == "" {
		return "", nil
	}
	for _, key := range keys { // a link that was sent stays the same when the key is changed
		if t := token(key, a.ID, p); p.tokenShows == a.Hash && same(tokenHash(t), p.tokenHash) {
			return x.e.publicURL + "/approve/" + t, nil
		}
	}
	t := token(keys[0], a.ID, p)
	p.tokenHash, p.tokenShows = tokenHash(t), a.Hash
	_, err := x.ledger.changeApproval(x.Context, a.ID, func(kept *Approval) error {
		q := kept.find(p.Person)
		if q == nil {
			return ErrNotAsked
		}
		q.tokenHash, q.tokenShows = p.tokenHash, p.tokenShows
		return nil
	})
	if err != nil {
		return "", &ledgerError{fmt.Errorf("approval %s: %w", a.ID, err)}
	}
	return x.e.publicURL + "/approve/" + t, nil
}

// carryOut has an effect happen: an approval in our own ledger, all others outside.
func (x *exec) carryOut(ctx context.Context, e *Effect) (map[string]any, error) {
	if e.approval == nil {
		return x.e.performer.Perform(ctx, e)
	}
	a := e.approval
	if _, err := x.ledger.openApproval(ctx, a, 0); err != nil {
		return nil, err
	}
	if x.e.answers != nil { // what a trial shows
		return x.e.performer.Perform(ctx, e)
	}
	return map[string]any{"id": a.ID}, nil
}
