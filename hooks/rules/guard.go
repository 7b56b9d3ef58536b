package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/internal/calendar"
)

// Guards bound what a rule does outside. What is not said has the defaults of DefaultGuards.
type Guards struct {
	// PerRecipient bounds what one person gets from the rule, PerThread what goes into one conversation, PerRule all that it does.
	PerRecipient Budget `json:"per_recipient,omitzero"`
	PerThread    Budget `json:"per_thread,omitzero"`
	PerRule      Budget `json:"per_rule,omitzero"`
	// PerKey bounds what people get about one thing, such as an article or an order: each step that reaches them counts by itself.
	PerKey     KeyBudget            `json:"per_key,omitzero"`
	QuietHours *calendar.QuietHours `json:"quiet_hours,omitempty"` // mail and chat wait until they end
	// FirstNeedApproval is how many of the first mails of a version wait until the rule's owner has said yes.
	FirstNeedApproval int `json:"first_need_approval,omitempty"`
	// FirstApprovers are those who say it in the owner's place, each alone: mailboxes, or role:NAME.
	FirstApprovers mailboxes `json:"first_approvers,omitempty"`
	// AnswerMachines lets the rule write to whom an automatic mail came from. Without it no auto-responder ever gets an answer.
	AnswerMachines bool `json:"answer_machines,omitempty"`
}

// Budget is how much may happen in a time that always ends now.
type Budget struct {
	Count int  `json:"count"`
	Per   span `json:"per"`
}

// KeyBudget is a budget for each thing that a rule is about.
type KeyBudget struct {
	Key   text `json:"key"` // a template of what tells things apart: '{{.event.sku}}'
	Count int  `json:"count"`
	Per   span `json:"per"`
}

func (b Budget) String() string { return fmt.Sprintf("%d per %s", b.Count, b.Per.text) }

// span is a length of time without a calendar: "30m", "24h", "7d".
type span struct {
	text string
	d    time.Duration
}

// D is the length.
func (s span) D() time.Duration { return s.d }

// lengths are the units of time that are always as long.
var lengths = map[calendar.Unit]time.Duration{
	calendar.Second: time.Second, calendar.Minute: time.Minute, calendar.Hour: time.Hour, calendar.Day: 24 * time.Hour, calendar.Week: 7 * 24 * time.Hour,
}

// UnmarshalText reads it.
func (s *span) UnmarshalText(b []byte) error {
	o, err := calendar.ParseOffset(string(b))
	if err != nil {
		return err
	}
	unit, ok := lengths[o.Unit]
	if !ok || o.N <= 0 {
		return fmt.Errorf("%q is not a length of time such as 30m, 24h or 7d", b)
	}
	s.text, s.d = string(b), time.Duration(o.N)*unit
	return nil
}

// MarshalText writes it as it was written.
func (s span) MarshalText() ([]byte, error) { return []byte(s.text), nil }

// The budgets of rules that set none. Those per recipient and thread are for people outside; colleagues asked for what they get.
var (
	defaultPerRecipient = Budget{5, span{"24h", 24 * time.Hour}}
	defaultPerThread    = Budget{3, span{"24h", 24 * time.Hour}}
	defaultPerRule      = Budget{2000, span{"24h", 24 * time.Hour}}
	// perPerson bounds what all rules together send to one person outside.
	perPerson = Budget{20, span{"24h", 24 * time.Hour}}
)

func orDefault(b, otherwise Budget) Budget {
	if b.Count == 0 {
		return otherwise
	}
	return b
}

// reaches says whether an effect is something that people get.
func (k EffectKind) reaches() bool {
	return k == EffectMail || k == EffectNotify || k == EffectApproval
}

// about is the budget of the thing that an effect is about; none without a key.
func (x *exec) about(e *Effect) ([]charge, error) {
	g := x.rule.rule.Guards.PerKey
	if g.Count == 0 || !e.Kind.reaches() || e.ask != askNot { // the question counts, and not each mail that puts it
		return nil, nil
	}
	key, err := g.Key.render(x.Context, x.facts)
	if err != nil {
		return nil, fmt.Errorf("per_key: %w", err)
	}
	b := Budget{g.Count, g.Per}
	subject := "rule " + e.Rule + " step " + x.step.ID + " about " + digest(key)
	if x.run.Mode == Shadow {
		subject = "shadow of " + subject
	}
	return []charge{{subject, b, window(x.e.now(), b)}}, nil
}

// charges are the budgets that an effect uses up.
func (x *exec) charges(e *Effect) []charge {
	now, g := x.e.now(), x.rule.rule.Guards
	add := func(list []charge, subject string, b Budget) []charge {
		return append(list, charge{subject, b, window(now, b)})
	}
	prefix := "rule " + e.Rule
	if x.run.Mode == Shadow {
		prefix = "shadow of " + prefix
	}
	list := add(nil, prefix, orDefault(g.PerRule, defaultPerRule))
	if e.Kind != EffectMail || e.ask == askQuestion { // who has to decide is asked each time
		return list
	}
	outside := false
	for _, to := range e.Recipients {
		switch {
		case !x.e.internal(to):
			outside = true
			list = add(list, prefix+" to "+to, orDefault(g.PerRecipient, defaultPerRecipient))
			if x.run.Mode == Live {
				list = add(list, "all to "+to, perPerson)
			}
		case g.PerRecipient.Count > 0:
			list = add(list, prefix+" to "+to, g.PerRecipient)
		}
	}
	if e.Thread != "" && (outside || g.PerThread.Count > 0) {
		list = add(list, prefix+" in "+e.Thread, orDefault(g.PerThread, defaultPerThread))
	}
	return list
}

// guard says whether an effect may happen: done without a reason is yes, with a reason no; waiting is not now.
func (x *exec) guard(e *Effect) (outcome, error) {
	if e.Depth > maxDepth {
		return blocked("too many rules follow from each other (%d)", e.Depth), nil
	}
	if !e.Kind.reaches() {
		return done(nil), nil
	}
	if why := x.machine(e); why != "" {
		return blocked("%s", why), nil
	}
	left, why, err := x.e.unsubscribed(x.Context, e)
	if err != nil {
		return outcome{}, err
	}
	if e.Recipients = left; len(left) == 0 && why != "" {
		return blocked("%s", why), nil
	}
	if q := x.rule.rule.Guards.QuietHours; q != nil {
		quiet, err := q.Compile(x.facts.cal)
		if err != nil {
			return outcome{}, Permanent(err)
		}
		if now := x.e.now(); !quiet.Allowed(now) {
			return waiting(quiet.NextAllowed(now)), nil
		}
	}
	return done(nil), nil
}

func blocked(format string, args ...any) outcome {
	return outcome{state: StepDone, reason: fmt.Sprintf(format, args...)}
}

// machine says why an effect would answer a machine (RFC 3834, 2); empty: it does not.
func (x *exec) machine(e *Effect) string {
	if e.Mail == nil || x.rule.rule.Guards.AnswerMachines || x.run.Event.Type != TypeMail && x.run.Event.Type != TypeAbsence {
		return ""
	}
	why := x.run.Event.text("mail", "not_answerable")
	if why == "" {
		return ""
	}
	correspondent := x.run.Event.text("mail", "correspondent")
	if e.Mail.Answers != "" || slices.Contains(e.Recipients, strings.ToLower(correspondent)) {
		return "it would answer a machine: " + why
	}
	return ""
}

// unsubscribed leaves out who does not want mail.
func (c *core) unsubscribed(ctx context.Context, e *Effect) (left []string, why string, err error) {
	if c.suppressed == nil || e.Mail == nil {
		return e.Recipients, "", nil
	}
	out, err := c.suppressed(ctx, e.Mail.Unsubscribe, e.Recipients)
	if err != nil || len(out) == 0 {
		return e.Recipients, "", err
	}
	drop := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(mailbox string) bool { return out[addressIn(mailbox)] != "" })
	}
	e.Mail.To, e.Mail.CC, e.Mail.BCC = drop(e.Mail.To), drop(e.Mail.CC), drop(e.Mail.BCC)
	for _, to := range e.Recipients {
		if out[to] == "" {
			left = append(left, to)
		} else {
			why = out[to]
		}
	}
	return left, why, nil
}
