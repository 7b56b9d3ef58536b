package automation

import (
	"context"
	"encoding/json"

	"heliograph/hooks/automail"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// PublishRule puts the draft in force.
func (p *Part) PublishRule(ctx context.Context, request PublishRuleRequestObject) (PublishRuleResponseObject, error) {
	before, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	if err := api.Match(request.Params.IfMatch, etag); err != nil {
		return nil, err
	}
	warnings, err := p.publish(ctx, before, *request.Body)
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return PublishRule200JSONResponse{
		Body: Published{Rule: out, Warnings: problemsOf(out.Rule, warnings)}, Headers: PublishRule200ResponseHeaders{ETag: etag},
	}, nil
}

// publish makes the draft a version. A rule without one goes on as its newest version, unless its guards are to change.
func (p *Part) publish(ctx context.Context, before Rule, how Publish) ([]rules.Problem, error) {
	by := who(access.From(ctx))
	r, err := rules.Parse(before.Rule)
	if err != nil {
		return nil, err
	}
	if !before.Draft && before.Latest > 0 && how.FirstNeedApproval == nil && len(how.FirstApprovers) == 0 {
		return nil, p.book.SetState(ctx, before.Id, rules.State(how.State), before.Latest, by)
	}
	if r, err = withCanary(r, how); err != nil {
		return nil, err
	}
	names, err := p.o.Gateway.Names()
	if err != nil {
		return nil, err
	}
	_, warnings, err := p.book.Publish(ctx, r, rules.State(how.State), before.Latest, how.Note, by, names.Around)
	return warnings, err
}

// withCanary writes into a rule how many first mails wait.
func withCanary(r rules.Rule, how Publish) (rules.Rule, error) {
	if how.FirstNeedApproval == nil && len(how.FirstApprovers) == 0 {
		return r, nil
	}
	all, err := plain(r)
	if err != nil {
		return r, err
	}
	guards, _ := all["guards"].(map[string]any)
	if guards == nil {
		guards = map[string]any{}
		all["guards"] = guards
	}
	if how.FirstNeedApproval != nil {
		guards["first_need_approval"] = *how.FirstNeedApproval
	}
	if len(how.FirstApprovers) > 0 {
		guards["first_approvers"] = how.FirstApprovers
	}
	text, err := json.Marshal(all)
	if err != nil {
		return r, err
	}
	return readRule(text)
}

// SetRuleState turns a rule on, to shadow or off.
func (p *Part) SetRuleState(ctx context.Context, request SetRuleStateRequestObject) (SetRuleStateResponseObject, error) {
	before, err := p.book.Get(ctx, request.Id)
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	if before.Latest == 0 {
		return nil, api.Conflict("not_published", "nothing of the rule was published yet", "Publish it.")
	}
	if err := p.book.SetState(ctx, request.Id, rules.State(request.Body.State), 0, who(access.From(ctx))); err != nil {
		return nil, ruleError(request.Id, err)
	}
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return SetRuleState200JSONResponse{Body: out, Headers: SetRuleState200ResponseHeaders{ETag: etag}}, nil
}

// RollbackRule goes back to an earlier version.
func (p *Part) RollbackRule(ctx context.Context, request RollbackRuleRequestObject) (RollbackRuleResponseObject, error) {
	s, err := p.book.Get(ctx, request.Id)
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	if s.State != rules.StateLive && s.State != rules.StateShadow {
		return nil, api.Conflict("not_in_force", "nothing of the rule is in force", "Turn it on first.")
	}
	version := request.Body.Version
	if version == 0 {
		versions, err := p.book.Versions(ctx, request.Id)
		if err != nil {
			return nil, err
		}
		if version, err = rules.Before(versions, s.Version); err != nil {
			return nil, api.Conflict("no_earlier", "there is no earlier version", "").Because(err)
		}
	}
	if err := p.book.SetState(ctx, request.Id, s.State, version, who(access.From(ctx))); err != nil {
		return nil, ruleError(request.Id, err)
	}
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return RollbackRule200JSONResponse{Body: out, Headers: RollbackRule200ResponseHeaders{ETag: etag}}, nil
}

// HoldRule holds a rule and its mail.
func (p *Part) HoldRule(ctx context.Context, request HoldRuleRequestObject) (HoldRuleResponseObject, error) {
	if err := p.hold(ctx, automail.Scope{Kind: automail.HoldRule, Name: request.Id}, request.Body.Reason); err != nil {
		return nil, err
	}
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return HoldRule200JSONResponse{Body: out, Headers: HoldRule200ResponseHeaders{ETag: etag}}, nil
}

// ReleaseRule releases a rule and its mail.
func (p *Part) ReleaseRule(ctx context.Context, request ReleaseRuleRequestObject) (ReleaseRuleResponseObject, error) {
	if err := p.release(ctx, automail.Scope{Kind: automail.HoldRule, Name: request.Id}); err != nil {
		return nil, err
	}
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return ReleaseRule200JSONResponse{Body: out, Headers: ReleaseRule200ResponseHeaders{ETag: etag}}, nil
}
