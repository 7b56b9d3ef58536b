package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

// approveStep asks people to decide, and waits until enough of them have. It gives decision (approved, refused or expired), by (who decided), comments,
// comment (all of them in one line), decided_at and expired.
type approveStep struct {
	Approvers mailboxes `json:"approvers"` // mailboxes, or role:NAME of the configuration
	Need      need      `json:"need,omitzero"`
	Title     line      `json:"title"`
	Text      text      `json:"text,omitempty"`
	Facts     []factRow `json:"facts,omitempty"`
	Expires   offset    `json:"expires"`
	// OnExpire says what it means that time runs out: refuse (the default: as if refused), approve-never (the decision is "expired", which is neither), or
	// escalate (those of EscalateTo are asked besides, with as much time again; after it the decision is "expired").
	OnExpire   string    `json:"on_expire,omitempty"`
	EscalateTo mailboxes `json:"escalate_to,omitempty"`
	// EscalateAfter asks those of EscalateTo already then. The word of one of them decides.
	EscalateAfter offset `json:"escalate_after,omitempty"`
	// ExcludeInitiator keeps who caused the event from deciding; nil means yes. Initiators names who that is beside what the event says of it.
	ExcludeInitiator   *bool     `json:"exclude_initiator,omitempty"`
	ExcludeOwner       bool      `json:"exclude_owner,omitempty"` // nor the owner of the rule
	Initiators         mailboxes `json:"initiators,omitempty"`
	RemindEvery        offset    `json:"remind_every,omitempty"`
	Channel            string    `json:"channel,omitempty"`  // a notifier that tells a group
	Personal           bool      `json:"personal,omitempty"` // the channel tells each person alone, with a link of their own: it needs an app
	Mail               *bool     `json:"mail,omitempty"`     // nil means yes
	ByReply            bool      `json:"by_reply,omitempty"` // answers to the mails decide, when they come through the gateway from the account that was asked
	As                 line      `json:"as,omitempty"`       // sender of the mails
	RefuseNeedsComment bool      `json:"refuse_needs_comment,omitempty"`
}

// What on_expire can be.
const (
	expireRefuses   = "refuse"
	expireNever     = "approve-never"
	expireEscalates = "escalate"
)

// rolePrefix marks a role among mailboxes.
const rolePrefix = "role:"

// need is how many have to say yes: a number, or all (which is the zero value).
type need struct{ n int }

func (n *need) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte(`"all"`)) {
		n.n = 0
		return nil
	}
	var v int
	if err := json.Unmarshal(b, &v); err != nil || v < 1 {
		return errors.New(`need is a number from 1, or "all"`)
	}
	n.n = v
	return nil
}

// MarshalJSON writes it as it was written.
func (n need) MarshalJSON() ([]byte, error) {
	if n.n == 0 {
		return []byte(`"all"`), nil
	}
	return []byte(strconv.Itoa(n.n)), nil
}

func (s *approveStep) compile(*compiler) error {
	switch {
	case len(s.Approvers) == 0:
		return errors.New("an approval needs approvers: mailboxes, or role:NAME")
	case s.Title.IsZero():
		return errors.New("an approval needs a title: what is to be decided")
	case s.Expires.IsZero():
		return errors.New("an approval needs an end: expires, such as 2 workdays")
	case s.Expires.negative() || s.EscalateAfter.negative() || s.RemindEvery.negative():
		return errors.New("the times of an approval must not be negative")
	case !slices.Contains([]string{"", expireRefuses, expireNever, expireEscalates}, s.OnExpire):
		return fmt.Errorf("on_expire is %s, %s or %s", expireRefuses, expireNever, expireEscalates)
	case s.OnExpire == expireEscalates && len(s.EscalateTo) == 0:
		return errors.New("on_expire: escalate needs escalate_to")
	case !s.EscalateAfter.IsZero() && len(s.EscalateTo) == 0:
		return errors.New("escalate_after needs escalate_to")
	case s.Personal && s.Channel == "":
		return errors.New("personal needs a channel")
	case s.ByReply && s.Mail != nil && !*s.Mail:
		return errors.New("by_reply needs mail")
	case len(s.EscalateTo) > 0 && s.OnExpire != expireEscalates && s.EscalateAfter.IsZero():
		return errors.New("escalate_to is never asked: write escalate_after, or on_expire: escalate")
	}
	return nil
}

func (s *approveStep) run(x *exec) (outcome, error) {
	id := effectID(x.run.ID, x.path, 0)
	a, err := x.ledger.approval(x.Context, id)
	if err != nil {
		return outcome{}, &ledgerError{err}
	}
	if a == nil {
		var out outcome
		if a, out, err = s.begin(x, id); err != nil || a == nil {
			return out, err
		}
	}
	if err := x.imagine(a); err != nil {
		return outcome{}, err
	}
	now := x.e.now()
	if a.State == ApprovalOpen && !now.Before(a.ExpiresAt) {
		if a, err = x.expire(a); err != nil {
			return outcome{}, err
		}
	}
	if a.State != ApprovalOpen {
		if m, ok := x.ledger.(*memory); ok { // nobody asks for it again
			delete(m.approvals, id)
		}
		return done(s.output(a)), nil
	}
	escalate, err := s.escalation(x, a)
	if err != nil {
		return outcome{}, err
	}
	if !escalate.IsZero() && !now.Before(escalate) {
		if a, err = s.escalate(x, a); err != nil {
			return outcome{}, err
		}
		escalate = time.Time{}
	}
	how, err := s.asking(x)
	if err != nil {
		return outcome{}, err
	}
	again, err := x.ask(a, how)
	if err != nil {
		return outcome{}, err
	}
	keys := []string{"approval:" + id}
	if a.Shown.ByReply {
		keys = append(keys, answerPrefix+id)
	}
	return waiting(earliest(a.ExpiresAt, escalate, again), keys...), nil
}

// earliest is the first of the times that are set.
func earliest(list ...time.Time) (first time.Time) {
	for _, t := range list {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// begin asks. It returns the approval, or what the step comes to without one: a run in shadow asks nobody, and takes it for approved.
func (s *approveStep) begin(x *exec, id string) (*Approval, outcome, error) {
	a, err := s.approval(x, id)
	if err != nil {
		return nil, outcome{}, err
	}
	q := &Question{Title: a.Shown.Title, Text: a.Shown.Text, Facts: a.Shown.Facts, Need: a.Need, ExpiresAt: a.ExpiresAt}
	for _, p := range a.Approvers {
		q.Approvers = append(q.Approvers, p.Person)
	}
	out, err := x.act(0, &Effect{Kind: EffectApproval, Title: a.Shown.Title, Recipients: q.Approvers, Question: q, approval: a})
	switch {
	case err != nil || out.state == StepWaiting:
		return nil, out, err
	case out.output["blocked"] != nil:
		return nil, outcome{}, Permanent(fmt.Errorf("nobody was asked: %v", out.output["blocked"]))
	}
	if x.run.Mode == Shadow {
		how, err := s.asking(x)
		if err != nil {
			return nil, outcome{}, err
		}
		if _, err := x.ask(a, how); err != nil {
			return nil, outcome{}, err
		}
		for i := range a.Approvers {
			a.Approvers[i].Decision = ApprovalApproved
		}
		a.close(ApprovalApproved, x.e.now())
		shadow := s.output(a)
		shadow["imagined"] = true
		return nil, done(shadow), nil
	}
	if a, err = x.ledger.approval(x.Context, id); err != nil || a == nil {
		return nil, outcome{}, &ledgerError{errors.Join(err, fmt.Errorf("approval %s is not there", id))}
	}
	return a, outcome{}, nil
}

// approval is what is asked, and whom.
func (s *approveStep) approval(x *exec, id string) (*Approval, error) {
	now := x.e.now().UTC().Truncate(time.Microsecond) // as the store has it
	a := &Approval{
		ID: id, Kind: ApprovalStep, Run: x.run.ID, Path: x.path, Rule: x.run.Rule, Version: x.run.Version, State: ApprovalOpen,
		NeedsComment: s.RefuseNeedsComment, AskedAt: now,
	}
	var err error
	if a.Shown.Title, err = s.Title.render(x.Context, x.facts); err != nil {
		return nil, err
	}
	if a.Shown.Text, err = s.Text.render(x.Context, x.facts); err != nil {
		return nil, err
	}
	if a.Shown.Facts, err = factRows(x, s.Facts); err != nil {
		return nil, err
	}
	a.Shown.ByReply = s.ByReply
	if text, err := json.Marshal(a.Shown); err != nil || len(text) > maxShown {
		return nil, Permanent(errors.Join(err, fmt.Errorf("what is to be decided has %d bytes, more than %d", len(text), maxShown)))
	}
	if a.ExpiresAt, err = s.expires(x, now); err != nil {
		return nil, err
	}
	if a.Initiators, err = s.initiators(x); err != nil {
		return nil, err
	}
	people, err := x.people(s.Approvers, a.Initiators)
	if err != nil {
		return nil, err
	}
	for i, box := range people {
		a.Approvers = append(a.Approvers, newApprover(i, box, now))
	}
	switch a.Need = s.Need.n; {
	case len(people) == 0:
		return nil, Permanent(errors.New("nobody is left to decide: who caused it does not"))
	case len(people) > maxApprovers:
		return nil, Permanent(fmt.Errorf("%d people are asked, more than %d", len(people), maxApprovers))
	case a.Need == 0:
		a.Need = len(people)
	case a.Need > len(people):
		return nil, Permanent(fmt.Errorf("%d have to approve, and only %d can (who caused it does not)", a.Need, len(people)))
	}
	return a, nil
}

// expires is when the last who are asked have no time any more.
func (s *approveStep) expires(x *exec, from time.Time) (time.Time, error) {
	end, err := s.Expires.apply(from, x.e, x.rule.rule.Calendar)
	if err == nil && s.OnExpire == expireEscalates {
		end, err = s.Expires.apply(end, x.e, x.rule.rule.Calendar)
	}
	if err == nil && !end.After(from) {
		err = Permanent(errors.New("there is no time to decide: expires is too short"))
	}
	return end.UTC().Truncate(time.Microsecond), err
}

// escalation is when others are asked besides; the zero time where they are already, or never.
func (s *approveStep) escalation(x *exec, a *Approval) (time.Time, error) {
	after := s.EscalateAfter
	if after.IsZero() && s.OnExpire == expireEscalates {
		after = s.Expires
	}
	if after.IsZero() || x.remembered("escalated") == true {
		return time.Time{}, nil
	}
	return after.apply(a.AskedAt, x.e, x.rule.rule.Calendar)
}

func (s *approveStep) escalate(x *exec, a *Approval) (*Approval, error) {
	people, err := x.people(s.EscalateTo, a.Initiators)
	if err != nil {
		return nil, err
	}
	now := x.e.now().UTC().Truncate(time.Microsecond)
	a, err = x.ledger.changeApproval(x.Context, a.ID, func(a *Approval) error {
		for _, box := range people {
			next := newApprover(len(a.Approvers), box, now)
			next.Escalated = true
			if a.State == ApprovalOpen && a.find(next.Person) == nil && len(a.Approvers) < maxAsked {
				a.Approvers = append(a.Approvers, next)
			}
		}
		return nil
	})
	if err != nil {
		return nil, &ledgerError{err}
	}
	return a, x.remember("escalated", true)
}

// initiators are the addresses of who caused the event, as far as it says so.
func (s *approveStep) initiators(x *exec) ([]string, error) {
	list := []string{}
	add := func(mailbox string) {
		if a := addressIn(mailbox); strings.Contains(a, "@") && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	if s.ExcludeOwner {
		add(x.rule.rule.Owner)
	}
	if s.ExcludeInitiator != nil && !*s.ExcludeInitiator {
		return list, nil
	}
	ev := &x.run.Event
	add(ev.text("change", "by"))
	add(ev.text("manual", "by"))
	if from, ok := ev.fact("mail", "from").(map[string]any); ok && ev.text("mail", "direction") != directionIn {
		address, _ := from["address"].(string)
		add(address)
	}
	boxes, err := s.Initiators.render(x)
	for _, b := range boxes {
		add(b)
	}
	return list, err
}

// people are the mailboxes of those who are asked, each once, without who caused it.
func (x *exec) people(from mailboxes, without []string) (out []string, err error) {
	seen := map[string]bool{}
	for _, t := range from {
		text, err := t.render(x.Context, x.facts)
		if err != nil {
			return nil, err
		}
		var boxes []string
		if role, ok := strings.CutPrefix(strings.TrimSpace(text), rolePrefix); ok {
			if boxes, err = x.e.role(strings.TrimSpace(role)); err != nil {
				return nil, err
			}
		} else if strings.TrimSpace(text) != "" {
			list, err := mail.ParseAddressList(text)
			if err != nil {
				return nil, Permanent(fmt.Errorf("%q is not a mail address", text))
			}
			for _, a := range list {
				boxes = append(boxes, a.String())
			}
		}
		for _, b := range boxes {
			if a := addressIn(b); !seen[a] && !slices.Contains(without, a) {
				seen[a] = true
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// role returns the members of a role. A trial that was given no roles imagines three for each.
func (c *core) role(name string) ([]string, error) {
	members, ok := c.roles[name]
	switch {
	case ok && len(members) > 0:
		return members, nil
	case c.roles == nil && c.answers != nil:
		return []string{name + "-1@role.invalid", name + "-2@role.invalid", name + "-3@role.invalid"}, nil
	case ok:
		return nil, Permanent(fmt.Errorf("the role %q has no members", name))
	}
	return nil, Permanent(fmt.Errorf("there is no role %q in rules.roles", name))
}

func (s *approveStep) asking(x *exec) (asking, error) {
	as, err := s.As.render(x.Context, x.facts)
	return asking{mail: s.Mail == nil || *s.Mail, as: as, channel: s.Channel, personal: s.Personal, every: s.RemindEvery}, err
}

// expire ends an approval whose time is over, unless it was decided at the last moment.
func (x *exec) expire(a *Approval) (*Approval, error) {
	a, err := x.ledger.changeApproval(x.Context, a.ID, func(a *Approval) error {
		a.close(ApprovalExpired, x.e.now())
		return nil
	})
	if err != nil {
		return nil, &ledgerError{err}
	}
	return a, nil
}

// imagine has a trial's people decide.
func (x *exec) imagine(a *Approval) error {
	if x.e.answers == nil || x.e.answers.Approve == string(ApprovalExpired) {
		return nil
	}
	how := ApprovalApproved
	if x.e.answers.Approve == string(ApprovalRefused) {
		how = ApprovalRefused
	}
	for i := range a.Approvers {
		if p := &a.Approvers[i]; a.State == ApprovalOpen && p.waits() {
			if err := a.vote(Vote{Person: p.Person, Decision: how, Comment: "imagined", Via: "trial"}, x.e.now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// output is what later steps know of the decision.
func (s *approveStep) output(a *Approval) map[string]any {
	decision := a.State
	if decision == ApprovalExpired && (s.OnExpire == "" || s.OnExpire == expireRefuses) {
		decision = ApprovalRefused
	}
	by, comments, said := []any{}, []any{}, []string{}
	for _, p := range a.Approvers {
		if p.Decision == ApprovalApproved || p.Decision == ApprovalRefused {
			by = append(by, p.Person)
		}
		if p.Comment != "" {
			comments = append(comments, map[string]any{"by": p.Person, "decision": string(p.Decision), "text": p.Comment})
			said = append(said, p.Person+": "+strings.Join(strings.Fields(p.Comment), " "))
		}
	}
	return map[string]any{
		"decision": string(decision), "expired": a.State == ApprovalExpired, "by": by, "comments": comments, "comment": strings.Join(said, "; "),
		"decided_at": a.DecidedAt, "approval": a.ID,
	}
}

// Question is what people are asked to decide, for a trial to show.
type Question struct {
	Title     string      `json:"title"`
	Text      string      `json:"text,omitempty"`
	Facts     [][2]string `json:"facts,omitempty"`
	Approvers []string    `json:"approvers"`
	Need      int         `json:"need"`
	ExpiresAt time.Time   `json:"expires_at"`
}
