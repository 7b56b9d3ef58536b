package mail

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/store"
)

// WithdrawMessage takes a message back.
func (p *Part) WithdrawMessage(ctx context.Context, r WithdrawMessageRequestObject) (WithdrawMessageResponseObject, error) {
	h, err := p.head(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	reason := strings.TrimSpace(r.Body.Reason)
	if reason == "" {
		return nil, noReason()
	}
	target := value(r.Body.Target)
	if target != "" && !slices.Contains(p.o.Targets(), target) {
		return nil, api.Invalid("no_target", "there is no such CRM connection", api.Field{Pointer: "/target", Detail: "no connection is called so"})
	}
	accounts := h.accounts
	if h.scope == nil {
		accounts = []string{""} // for everybody
	}
	dry := value(r.Body.DryRun)
	steps, err := p.withdraw(ctx, h.key, accounts, target, reason, dry)
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "reason", reason)
	return WithdrawMessage200JSONResponse(WithdrawResult{Done: !dry, Steps: steps}), nil
}

func noReason() error {
	return api.Invalid("reason_missing", "a reason is needed: it is all that will be known of the mail", api.Field{Pointer: "/reason", Detail: "must not be empty"})
}

// withdraw takes the copies of accounts back; an empty account is everybody.
func (p *Part) withdraw(ctx context.Context, key string, accounts []string, target, reason string, dry bool) ([]WithdrawStep, error) {
	out := []WithdrawStep{}
	for _, account := range accounts {
		w := mirror.Withdrawal{Key: key, Account: account, Target: target, Reason: reason}
		var steps []mirror.Withdrawn
		var err error
		if dry {
			steps, err = mirror.PlanWithdrawal(ctx, p.o.Store.Reader(), w)
		} else {
			steps, err = mirror.Withdraw(ctx, p.o.Store, p.o.Queue, w)
		}
		if err != nil {
			return nil, err
		}
		for _, s := range steps {
			out = append(out, WithdrawStep{Target: s.Target, Step: WithdrawStepStep(s.Step), RemoteId: some(s.RemoteID)})
		}
	}
	return out, nil
}

// RestrictMessage marks the caller's own mail as private.
func (p *Part) RestrictMessage(ctx context.Context, r RestrictMessageRequestObject) (RestrictMessageResponseObject, error) {
	h, err := p.head(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	own, err := p.own(ctx, access.From(ctx))
	if err != nil {
		return nil, err
	}
	accounts := slices.DeleteFunc(slices.Clone(h.accounts), func(a string) bool { return !slices.Contains(own, a) })
	if len(accounts) == 0 {
		return nil, api.Fail(http.StatusForbidden, "no_own_copy", "none of the copies is yours", "Ask the colleague whose mail it is, or take it back with withdraw.")
	}
	reason := strings.TrimSpace(r.Body.Reason)
	if reason == "" {
		return nil, noReason()
	}
	list, kept, err := p.keepOut(ctx, h, value(r.Body.KeepOut))
	if err != nil {
		return nil, err
	}
	out := WithdrawResult{Done: true}
	if out.Steps, err = p.withdraw(ctx, h.key, accounts, "", reason, false); err != nil {
		return nil, err
	}
	for _, account := range accounts {
		if len(list) == 0 {
			break
		}
		if err := p.o.Choices.Set(ctx, account, list...); err != nil {
			return nil, choiceProblem(err)
		}
	}
	if len(kept) > 0 {
		out.KeptOut = &kept
	}
	api.Note(ctx, "reason", reason)
	return RestrictMessage200JSONResponse(out), nil
}

// keepOut returns the choices that keep later mail with the same people out.
func (p *Part) keepOut(ctx context.Context, h *head, what RestrictRequestKeepOut) (list []scope.Choice, names []string, err error) {
	if what != People && what != Domains {
		return nil, nil, nil
	}
	found, err := p.o.Archive.Summaries(ctx, h.scope, h.key)
	if err != nil || len(found) == 0 {
		return nil, nil, err
	}
	for _, who := range found[0].People {
		if who.Internal || !strings.Contains(who.Address, "@") || slices.Contains(h.accounts, who.Address) {
			continue
		}
		text := who.Address
		if domain := p.o.Domains.Of(who.Address); what == Domains && domain != "" {
			text = domain
		}
		if slices.Contains(names, text) {
			continue
		}
		c, err := scope.ParseChoice(text)
		if err != nil {
			continue // an address that cannot be one can be in a mail
		}
		list, names = append(list, c), append(names, text)
	}
	return list, names, nil
}

func choiceProblem(err error) error {
	if errors.Is(err, scope.ErrInvalid) {
		return api.Invalid("bad_choice", err.Error()).Because(err)
	}
	return err
}

// TagMessage adds and removes tags.
func (p *Part) TagMessage(ctx context.Context, r TagMessageRequestObject) (TagMessageResponseObject, error) {
	h, err := p.head(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	clean := func(list *[]string) (out []string, err error) {
		for _, t := range value(list) {
			if t = strings.TrimSpace(t); t == "" || len(t) > 200 {
				return nil, api.Invalid("bad_tag", "a tag has 1 to 200 bytes", api.Field{Pointer: "/add", Detail: "a tag has 1 to 200 bytes"})
			}
			out = append(out, t)
		}
		return out, nil
	}
	add, err := clean(r.Body.Add)
	if err != nil {
		return nil, err
	}
	remove, err := clean(r.Body.Remove)
	if err != nil {
		return nil, err
	}
	by := access.From(ctx).Person.Email
	err = p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		return rules.SetTags(ctx, tx, h.key, add, remove, by, p.o.Now())
	})
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "add", add)
	api.Note(ctx, "remove", remove)
	tags, err := p.tags(ctx, []string{h.key})
	return TagMessage200JSONResponse(TagResult{Tags: append([]string{}, tags[h.key]...)}), err
}
