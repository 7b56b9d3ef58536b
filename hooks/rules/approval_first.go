package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// firstsExpire is how long one of the first mails of a version waits for approval.
	firstsExpire = 7 * 24 * time.Hour
	// firstsAgain is how often a mail behind them looks whether it may go.
	firstsAgain = 10 * time.Minute
)

// first holds the first mails of a version until somebody has approved what they say. It comes to done (go on), done with a reason (blocked), or
// waiting. What is sent then is what was shown, and not what the templates would give by now. Mails behind the first ones wait until those are approved; one
// that is refused leaves its place to another.
func (x *exec) first(n int, e *Effect) (outcome, error) {
	count := x.rule.rule.Guards.FirstNeedApproval
	if count <= 0 || e.Kind != EffectMail || e.ask != askNot || x.run.Mode != Live || x.e.answers != nil {
		return done(nil), nil
	}
	a, err := x.ledger.approval(x.Context, digest("first", e.ID))
	if err != nil {
		return outcome{}, &ledgerError{err}
	}
	if a == nil {
		var got slot
		if a, got, err = x.openFirst(e, count); err != nil {
			return outcome{}, err
		}
		switch got {
		case slotFree:
			return done(nil), nil
		case slotFull:
			return waiting(x.e.now().Add(firstsAgain), firstsKey(x.run.Rule, x.run.Version)), nil
		}
	}
	if a.State == ApprovalOpen && !x.e.now().Before(a.ExpiresAt) {
		if a, err = x.expire(a); err != nil {
			return outcome{}, err
		}
	}
	switch a.State {
	case ApprovalApproved:
		return done(nil), x.restore(a, e)
	case ApprovalRefused:
		return blocked("the first mails of a version have to be approved, and this one was refused%s", reasons(a)), nil
	case ApprovalExpired:
		return blocked("the first mails of a version have to be approved, and nobody approved this one in time"), nil
	}
	again, err := x.ask(a, asking{base: askBlock * (n + 1), mail: true})
	if err != nil {
		return outcome{}, err
	}
	return waiting(earliest(a.ExpiresAt, again), "approval:"+a.ID), nil
}

// reasons are what those said who refused.
func reasons(a *Approval) (text string) {
	for _, p := range a.Approvers {
		if p.Decision == ApprovalRefused {
			text += " by " + p.Person
			if p.Comment != "" {
				text += ": " + p.Comment
			}
		}
	}
	return text
}

func (x *exec) openFirst(e *Effect, count int) (*Approval, slot, error) {
	now := x.e.now().UTC().Truncate(time.Microsecond)
	r := x.rule.rule
	a := &Approval{
		ID: digest("first", e.ID), Kind: ApprovalMail, Run: x.run.ID, Path: x.path, Rule: x.run.Rule, Version: x.run.Version, Need: 1, State: ApprovalOpen,
		Shown: Shown{Title: e.Title, Mail: withoutFiles(e.Mail)}, Initiators: []string{}, AskedAt: now, ExpiresAt: now.Add(firstsExpire),
	}
	if text, err := json.Marshal(a.Shown); err != nil || len(text) > maxShown {
		return nil, "", Permanent(errors.Join(err, fmt.Errorf("the mail has %d bytes, more than %d can be shown to be approved", len(text), maxShown)))
	}
	from := r.Guards.FirstApprovers
	if len(from) == 0 {
		owner := line{}
		if err := owner.UnmarshalText([]byte(r.Owner)); err != nil {
			return nil, "", Permanent(err)
		}
		from = mailboxes{owner}
	}
	people, err := x.people(from, nil)
	if err != nil {
		return nil, "", err
	}
	if len(people) == 0 || len(people) > maxApprovers {
		return nil, "", Permanent(fmt.Errorf("%d people could approve the first mails", len(people)))
	}
	for i, box := range people {
		a.Approvers = append(a.Approvers, newApprover(i, box, now))
	}
	got, err := x.ledger.openApproval(x.Context, a, count)
	if err != nil {
		return nil, "", &ledgerError{err}
	}
	if got != slotOpened {
		return nil, got, nil
	}
	if a, err = x.ledger.approval(x.Context, a.ID); err != nil || a == nil {
		return nil, "", &ledgerError{errors.Join(err, errors.New("the approval of a first mail is not there"))}
	}
	return a, got, nil
}

// withoutFiles is a mail with the hash of each file in place of its content.
func withoutFiles(m *Mail) *Mail {
	out := *m
	out.Files = slices.Clone(m.Files)
	for i, f := range out.Files {
		sum := sha256.Sum256(f.Content)
		out.Files[i].Content = sum[:]
	}
	return &out
}

// restore makes an effect the mail that was approved.
func (x *exec) restore(a *Approval, e *Effect) error {
	if a.shown == "" || !same(hashShown(a.ID, a.shown), a.Hash) || a.Shown.Mail == nil {
		return Permanent(fmt.Errorf("approval %s is not of what was shown", a.ID))
	}
	m := *a.Shown.Mail
	m.Files = slices.Clone(m.Files)
	if len(m.Files) != len(e.Mail.Files) {
		return Permanent(errors.New("the files of the mail are others than those that were approved"))
	}
	for i, f := range e.Mail.Files {
		sum := sha256.Sum256(f.Content)
		if !bytes.Equal(m.Files[i].Content, sum[:]) {
			return Permanent(errors.New("the files of the mail are others than those that were approved"))
		}
		m.Files[i].Content = f.Content
	}
	e.Mail, e.Title, e.Recipients = &m, a.Shown.Title, nil
	for _, list := range [][]string{m.To, m.CC, m.BCC} {
		for _, box := range list {
			if to := addressIn(box); !slices.Contains(e.Recipients, to) {
				e.Recipients = append(e.Recipients, to)
			}
		}
	}
	return nil
}

// admit says whether an effect may happen: as the guards say, and people for the first mails of a version.
func (x *exec) admit(n int, e *Effect) (outcome, error) {
	out, err := x.guard(e)
	if err != nil || out.state == StepWaiting || out.reason != "" {
		return out, err
	}
	before := e.Mail
	if out, err = x.first(n, e); err != nil || out.state == StepWaiting || out.reason != "" {
		return out, err
	}
	if e.Mail != before { // what was approved passes the guards as well
		return x.guard(e)
	}
	return out, nil
}

// readmit makes an effect that was begun before a crash the mail that was approved.
func (x *exec) readmit(e *Effect) error {
	if x.rule.rule.Guards.FirstNeedApproval <= 0 || e.Kind != EffectMail || e.ask != askNot {
		return nil
	}
	a, err := x.ledger.approval(x.Context, digest("first", e.ID))
	if err != nil {
		return &ledgerError{err}
	}
	if a == nil || a.State != ApprovalApproved {
		return nil
	}
	if err := x.restore(a, e); err != nil {
		return err
	}
	_, err = x.guard(e) // who left a list meanwhile is left out
	return err
}
