package automation

import (
	"context"
	"errors"
	"net/mail"
	"slices"
	"strings"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// ListApprovals lists what the caller is asked.
func (p *Part) ListApprovals(ctx context.Context, request ListApprovalsRequestObject) (ListApprovalsResponseObject, error) {
	c, q := access.From(ctx), request.Params
	if q.Everyone && !oversees(c) {
		return nil, api.Forbidden("forbidden", "only admins and managers see what others are asked")
	}
	limit := api.PageLimit(q.Limit)
	f := rules.ApprovalFilter{Person: c.Person.Email, Rule: q.Rule, Limit: limit}
	if q.Everyone {
		f.Person, f.Team = "", viewOf(c).accounts
	}
	switch q.State {
	case "all":
	case "decided":
		f.Closed = true
	default:
		f.Open, f.Mine = true, !q.Everyone
	}
	if _, err := api.DecodeCursor(q.Cursor, &f.Before, &f.After); err != nil {
		return nil, err
	}
	found, more, err := p.approvals.List(ctx, f)
	if err != nil {
		return nil, err
	}
	names, err := p.ruleNames(ctx)
	if err != nil {
		return nil, err
	}
	out := ApprovalList{Items: []Approval{}}
	for i := range found {
		one, err := p.approval(ctx, c, &found[i], names, false)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, one)
	}
	if more && len(found) > 0 {
		last := found[len(found)-1]
		if out.Next, err = api.EncodeCursor(last.AskedAt, last.ID); err != nil {
			return nil, err
		}
	}
	out.Open, err = p.approvals.Open(ctx, c.Person.Email)
	return ListApprovals200JSONResponse(out), err
}

// oversees tells whether a caller sees what others are asked: admins and managers, within their scope. Only who is asked decides.
func oversees(c *access.Caller) bool {
	return c.Person.Role == access.Admin || c.Person.Role == access.Manager
}

// seenApproval is one that the caller is or was asked about, or oversees.
func (p *Part) seenApproval(ctx context.Context, id string) (rules.Approval, error) {
	c := access.From(ctx)
	a, err := p.approvals.Get(ctx, id)
	if err != nil {
		return a, approvalError(err)
	}
	if asked(&a, c.Person.Email) != nil {
		return a, nil
	}
	if oversees(c) {
		if seen, err := p.approvals.Concerns(ctx, id, viewOf(c).accounts); seen || err != nil {
			return a, err
		}
	}
	return rules.Approval{}, approvalError(rules.ErrNoApproval)
}

// asked is the row of a person, or nil.
func asked(a *rules.Approval, email string) *rules.Approver {
	i := slices.IndexFunc(a.Approvers, func(v rules.Approver) bool { return strings.EqualFold(v.Person, email) })
	if i < 0 {
		return nil
	}
	return &a.Approvers[i]
}

// approvalErrors are what callers are told of refused decisions.
var approvalErrors = []struct {
	err  error
	told *api.Error
}{
	{rules.ErrNoApproval, api.NotFound("no_approval", "there is no such approval")},
	{rules.ErrNotAsked, api.Forbidden("not_asked", "you are not asked, or caused it yourself")},
	{rules.ErrApprovalVoted, api.Conflict("already_decided", "you have decided already", "")},
	{rules.ErrApprovalClosed, api.Conflict("approval_closed", "it is decided already", "")},
	{rules.ErrApprovalEnded, api.Conflict("approval_ended", "the run has ended: nothing is to be decided any more", "")},
	{rules.ErrApprovalExpired, api.Conflict("approval_expired", "the time to decide is over", "")},
	{rules.ErrApprovalChanged, api.Conflict("approval_changed", "what is to be decided is not what you saw", "Look at it again.")},
	{rules.ErrNeedsComment, api.Invalid("comment_needed", "who refuses has to say why", api.Field{Pointer: "/comment", Code: "missing", Detail: "it must not be empty"})},
	{rules.ErrDelegate, api.Invalid("bad_delegate", "the vote cannot be handed to this person", api.Field{Pointer: "/to", Detail: "a colleague who is not asked yet and did not cause it"})},
}

func approvalError(err error) error {
	for _, e := range approvalErrors {
		if errors.Is(err, e.err) {
			return e.told.Because(err)
		}
	}
	return err
}

// GetApproval shows one approval.
func (p *Part) GetApproval(ctx context.Context, request GetApprovalRequestObject) (GetApprovalResponseObject, error) {
	a, err := p.seenApproval(ctx, request.Approval)
	if err != nil {
		return nil, err
	}
	out, err := p.shownApproval(ctx, &a)
	return GetApproval200JSONResponse(out), err
}

func (p *Part) shownApproval(ctx context.Context, a *rules.Approval) (Approval, error) {
	names, err := p.ruleNames(ctx)
	if err != nil {
		return Approval{}, err
	}
	api.Named(ctx, names[a.Rule])
	return p.approval(ctx, access.From(ctx), a, names, true)
}

// approval is one as it is shown. pages says that HTML is kept to be looked at.
func (p *Part) approval(ctx context.Context, c *access.Caller, a *rules.Approval, names map[string]string, pages bool) (Approval, error) {
	out := Approval{
		Id: a.ID, Kind: ApprovalKind(a.Kind), Rule: a.Rule, RuleName: names[a.Rule], Version: a.Version, Run: a.Run, Need: a.Need, Title: a.Shown.Title, Text: a.Shown.Text,
		Facts: rows(a.Shown.Rows()), Hash: a.Hash, State: ApprovalState(a.State), NeedsComment: a.NeedsComment, Initiators: a.Initiators, AskedAt: a.AskedAt,
		ExpiresAt: a.ExpiresAt, DecidedAt: a.DecidedAt, Approvers: []Approver{},
	}
	switch {
	case a.State != rules.ApprovalOpen:
	case a.RunEnded:
		out.State = ApprovalStateEnded
	case !p.o.Now().Before(a.ExpiresAt): // and the run has not seen it yet
		out.State = ApprovalStateExpired
	}
	for _, v := range a.Approvers {
		out.Approvers = append(out.Approvers, Approver{
			Person: v.Person, Name: v.Name, Escalated: v.Escalated, From: v.From, AskedAt: v.AskedAt, Decision: ApproverDecision(v.Decision), Comment: v.Comment, Via: v.Via,
			DecidedAt: v.DecidedAt,
		})
	}
	if mine := asked(a, c.Person.Email); mine != nil {
		out.Mine = ApprovalMine(mine.Decision)
		out.CanDecide = mine.Decision == "" && out.State == ApprovalStateOpen && !slices.Contains(a.Initiators, mine.Person)
	}
	// Who decides has to see all of it. Fields are hidden from who only looks on: which parts of a text they are is not known.
	if asked(a, c.Person.Email) == nil && viewOf(c).masks() {
		if out.Text != "" {
			out.Text = maskedText
		}
		for i := range out.Facts {
			out.Facts[i].Value = maskedText
		}
		return out, nil
	}
	var err error
	if m := a.Shown.Mail; m != nil {
		out.Mail, err = p.mailContent(ctx, m, pages)
	}
	return out, err
}

// DecideApproval takes a decision.
func (p *Part) DecideApproval(ctx context.Context, request DecideApprovalRequestObject) (DecideApprovalResponseObject, error) {
	if _, err := p.seenApproval(ctx, request.Approval); err != nil {
		return nil, err
	}
	decision := rules.ApprovalRefused
	if request.Body.Decision == DecideDecisionYes {
		decision = rules.ApprovalApproved
	}
	a, err := p.approvals.Vote(ctx, request.Approval, rules.Vote{
		Person: access.From(ctx).Person.Email, Decision: decision, Comment: request.Body.Comment, Via: "console", Hash: request.Body.Hash,
	})
	if err != nil {
		return nil, approvalError(err)
	}
	out, err := p.shownApproval(ctx, &a)
	return DecideApproval200JSONResponse(out), err
}

// DelegateApproval hands the vote to a colleague.
func (p *Part) DelegateApproval(ctx context.Context, request DelegateApprovalRequestObject) (DelegateApprovalResponseObject, error) {
	if _, err := p.seenApproval(ctx, request.Approval); err != nil {
		return nil, err
	}
	names, err := p.o.Gateway.Names()
	if err != nil {
		return nil, err
	}
	to, err := mail.ParseAddress(strings.TrimSpace(request.Body.To))
	if err != nil || !names.Internal(to.Address) { // a vote must not leave the company
		return nil, approvalError(errors.Join(rules.ErrDelegate, err))
	}
	a, err := p.approvals.Delegate(ctx, request.Approval, rules.Delegation{
		From: access.From(ctx).Person.Email, To: to.String(), Comment: request.Body.Comment, Via: "console", Hash: request.Body.Hash,
	})
	if err != nil {
		return nil, approvalError(err)
	}
	out, err := p.shownApproval(ctx, &a)
	return DelegateApproval200JSONResponse(out), err
}
