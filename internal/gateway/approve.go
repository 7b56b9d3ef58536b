package gateway

import (
	"context"
	"errors"
	"net/mail"
	"time"

	"heliograph/config"
	"heliograph/hooks/rules"
	"heliograph/internal/console"
	"heliograph/internal/console/audit"
)

// roles are the members of the roles of a configuration.
func roles(cfg *config.Config) map[string][]string {
	out := map[string][]string{}
	for _, r := range cfg.Rules.Roles {
		out[r.Name] = r.Members
	}
	return out
}

// approvals is the part of the console that people decide in.
func (g *Gateway) approvals() *console.Approvals {
	return &console.Approvals{
		Book: approvalPages{g, rules.NewApprovals(g.store, g.queue, g.opts.Now)}, Failures: g.failures,
		PublicURL: func() string { return g.config().Console.PublicURL },
	}
}

// approvalPages shows approvals to the console.
type approvalPages struct {
	g    *Gateway
	book *rules.Approvals
}

var _ console.ApprovalBook = approvalPages{}

// Show implements console.ApprovalBook.
func (p approvalPages) Show(ctx context.Context, token string) (*console.Approval, error) {
	a, who, err := p.book.ByToken(ctx, token)
	if err != nil {
		return nil, approvalError(err)
	}
	return p.page(&a, who.Person), nil
}

// Decide implements console.ApprovalBook.
func (p approvalPages) Decide(ctx context.Context, token string, d console.ApprovalDecision) (*console.Approval, error) {
	asked, who, err := p.book.ByToken(ctx, token)
	if err != nil {
		return nil, approvalError(err)
	}
	if err := p.record(ctx, asked.ID, who.Person, d); err != nil {
		return nil, err
	}
	var a rules.Approval
	if d.HandTo != "" {
		if to, err := mail.ParseAddress(d.HandTo); err != nil || !internalTo(p.g.config())(to.Address) {
			return nil, console.ErrApprovalHand // a link must not carry a vote out of the company
		}
		a, err = p.book.DelegateByToken(ctx, token, rules.Delegation{To: d.HandTo, Comment: d.Comment, Via: "link", Hash: d.Hash})
	} else {
		decision := rules.ApprovalRefused
		if d.Approve {
			decision = rules.ApprovalApproved
		}
		a, err = p.book.VoteByToken(ctx, token, rules.Vote{Decision: decision, Comment: d.Comment, Via: "link", Hash: d.Hash})
	}
	if err != nil {
		return nil, approvalError(err)
	}
	p.g.log.InfoContext(ctx, "somebody decided", "approval", a.ID, "rule", a.Rule, "run", a.Run, "state", string(a.State))
	return p.page(&a, who.Person), nil
}

// record puts a decision on record before it is made. What cannot be recorded is not done.
func (p approvalPages) record(ctx context.Context, approval, person string, d console.ApprovalDecision) error {
	e := audit.Event{Person: person, Via: audit.ViaLink, Action: "decideApproval", Kind: "approvals", Object: approval, Outcome: audit.Allowed, Details: map[string]any{"approve": d.Approve}}
	if d.HandTo != "" {
		e.Action, e.Details = "delegateApproval", map[string]any{"to": d.HandTo}
	}
	return p.g.desk.audit.Record(ctx, e)
}

func (p approvalPages) now() time.Time {
	if p.g.opts.Now != nil {
		return p.g.opts.Now()
	}
	return time.Now()
}

// approvalErrors are what the console says of those of the rules.
var approvalErrors = []struct{ from, to error }{
	{rules.ErrNoApproval, console.ErrNoApproval},
	{rules.ErrNotAsked, console.ErrNoApproval},
	{rules.ErrApprovalChanged, console.ErrApprovalChanged},
	{rules.ErrNeedsComment, console.ErrApprovalComment},
	{rules.ErrDelegate, console.ErrApprovalHand},
	{rules.ErrApprovalVoted, console.ErrApprovalOver},
	{rules.ErrApprovalClosed, console.ErrApprovalOver},
	{rules.ErrApprovalExpired, console.ErrApprovalOver},
	{rules.ErrApprovalEnded, console.ErrApprovalOver},
}

func approvalError(err error) error {
	for _, e := range approvalErrors {
		if errors.Is(err, e.from) {
			return e.to
		}
	}
	return err
}

// page is what one of those who are asked sees.
func (p approvalPages) page(a *rules.Approval, person string) *console.Approval {
	out := &console.Approval{
		Person: person, Title: a.Shown.Title, Text: a.Shown.Text, Rows: a.Shown.Rows(), Hash: a.Hash, ExpiresAt: a.ExpiresAt, State: string(a.State),
		NeedsComment: a.NeedsComment, Rule: a.Rule, ID: a.ID, Need: a.Need,
	}
	if m := a.Shown.Mail; m != nil {
		out.Text = m.Text
		if m.HTML != "" {
			out.HTML = m.HTML
		}
	}
	switch {
	case a.State != rules.ApprovalOpen:
	case a.RunEnded:
		out.State = console.ApprovalEnded
	case !p.now().Before(a.ExpiresAt): // and the run has not seen it yet
		out.State = string(rules.ApprovalExpired)
	}
	for _, v := range a.Approvers {
		if v.Person == person {
			out.Yours = string(v.Decision)
		}
		if v.Decision != "" {
			out.Votes = append(out.Votes, console.ApprovalVote{Person: v.Person, Decision: string(v.Decision), Comment: v.Comment, At: v.DecidedAt})
		}
	}
	return out
}
