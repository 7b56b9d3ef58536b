package automation

import (
	"context"
	"errors"
	"strings"

	"heliograph/hooks/automail"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// ListHolds shows the kill switch.
func (p *Part) ListHolds(ctx context.Context, _ ListHoldsRequestObject) (ListHoldsResponseObject, error) {
	out, err := p.holds(ctx)
	return ListHolds200JSONResponse(out), err
}

// holds are the holds of rules and of their mail, those of one scope as one.
func (p *Part) holds(ctx context.Context) (HoldList, error) {
	out := HoldList{Items: []Hold{}}
	mail, err := p.outbox.Holds(ctx)
	if err != nil {
		return out, err
	}
	for _, h := range mail {
		out.Items = append(out.Items, Hold{Scope: HoldScope(h.Kind), Name: h.Name, Reason: h.Reason, Origin: h.Origin, At: h.At, Mail: true})
	}
	note := func(scope HoldScope, name, reason, by string) {
		for i := range out.Items {
			if out.Items[i].Scope == scope && out.Items[i].Name == name {
				out.Items[i].Rules = true
				return
			}
		}
		out.Items = append(out.Items, Hold{Scope: scope, Name: name, Reason: reason, Origin: by, Rules: true})
	}
	all, err := p.book.Held(ctx)
	if err != nil {
		return out, err
	}
	if all != "" {
		note(HoldScopeAll, "", all, "")
	}
	list, err := p.book.List(ctx)
	if err != nil {
		return out, err
	}
	for _, s := range list {
		if s.Held != "" {
			note(HoldScopeRule, s.ID, s.Held, s.UpdatedBy)
		}
	}
	for _, h := range out.Items {
		out.All = out.All || h.Scope == HoldScopeAll
	}
	return out, nil
}

// BeginHold holds rules or mail.
func (p *Part) BeginHold(ctx context.Context, request BeginHoldRequestObject) (BeginHoldResponseObject, error) {
	scope, err := scopeOf(string(request.Body.Scope), request.Body.Name)
	if err != nil {
		return nil, err
	}
	if err := p.hold(ctx, scope, request.Body.Reason); err != nil {
		return nil, err
	}
	out, err := p.holds(ctx)
	return BeginHold200JSONResponse(out), err
}

// EndHold releases a hold.
func (p *Part) EndHold(ctx context.Context, request EndHoldRequestObject) (EndHoldResponseObject, error) {
	scope, err := scopeOf(string(request.Body.Scope), request.Body.Name)
	if err != nil {
		return nil, err
	}
	if err := p.release(ctx, scope); err != nil {
		return nil, err
	}
	out, err := p.holds(ctx)
	return EndHold200JSONResponse(out), err
}

func scopeOf(kind, name string) (automail.Scope, error) {
	s := automail.Scope{Kind: automail.ScopeKind(kind), Name: name}
	if s.Kind == automail.HoldDomain {
		s.Name = strings.ToLower(strings.TrimPrefix(name, "@"))
	}
	if (s.Name == "") != (s.Kind == automail.HoldAll) || strings.Contains(s.Name, "@") {
		return s, api.Invalid("bad_hold", "a hold is of all, of a rule's id, or of a domain", api.Field{Pointer: "/name", Detail: "the id of a rule, a domain, or nothing for all"})
	}
	return s, nil
}

// hold holds rules, and their mail that is on its way out.
func (p *Part) hold(ctx context.Context, s automail.Scope, reason string) error {
	if err := needed("/reason", reason); err != nil {
		return err
	}
	by := who(access.From(ctx))
	if s.Kind == automail.HoldAll || s.Kind == automail.HoldRule {
		if err := p.book.Hold(ctx, s.Name, reason, by); err != nil {
			return ruleError(s.Name, err)
		}
	}
	return p.outbox.Hold(ctx, s, reason, by)
}

// release ends a hold of rules and of their mail. One that is not there is an error.
func (p *Part) release(ctx context.Context, s automail.Scope) error {
	was := false
	switch s.Kind {
	case automail.HoldAll:
		held, err := p.book.Held(ctx)
		if err != nil {
			return err
		}
		was = held != ""
	case automail.HoldRule:
		one, err := p.book.Get(ctx, s.Name)
		if err != nil && !errors.Is(err, rules.ErrNoRule) {
			return err
		}
		was = one.Held != ""
	case automail.HoldDomain, automail.HoldMessage:
	}
	if was {
		if err := p.book.Hold(ctx, s.Name, "", who(access.From(ctx))); err != nil {
			return ruleError(s.Name, err)
		}
	}
	err := p.outbox.Release(ctx, s)
	if errors.Is(err, automail.ErrUnknown) {
		if was {
			return nil
		}
		return api.NotFound("not_held", "this is not held").Because(err)
	}
	return err
}
