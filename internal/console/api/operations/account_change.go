package operations

import (
	"context"
	"errors"

	"heliograph/internal/accounts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/pause"
)

// PauseAccount stops capture.
func (p *Part) PauseAccount(ctx context.Context, r PauseAccountRequestObject) (PauseAccountResponseObject, error) {
	reason, err := reasonOf(ctx, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	before, err := p.detail(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	if err := p.o.Pauses.Pause(ctx, pause.Account, before.Address, reason, access.From(ctx).Person.Email); err != nil {
		return nil, err
	}
	now, err := p.detail(ctx, r.Address)
	return PauseAccount200JSONResponse(now), err
}

// ResumeAccount goes on with capture.
func (p *Part) ResumeAccount(ctx context.Context, r ResumeAccountRequestObject) (ResumeAccountResponseObject, error) {
	before, err := p.detail(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	if err := p.o.Pauses.Resume(ctx, pause.Account, before.Address); err != nil {
		return nil, err
	}
	now, err := p.detail(ctx, r.Address)
	return ResumeAccount200JSONResponse(now), err
}

// book returns the book of enrolled accounts.
func (p *Part) book() (*accounts.Book, error) {
	if p.o.Accounts != nil {
		if b := p.o.Accounts(); b != nil {
			return b, nil
		}
	}
	return nil, unavailable("the book of enrolled accounts")
}

var errNotEnrolled = api.Conflict("not_enrolled", "the account is not enrolled", "Make an enrolment link for the employee.")

// RevokeAccount ends an enrolment.
func (p *Part) RevokeAccount(ctx context.Context, r RevokeAccountRequestObject) (RevokeAccountResponseObject, error) {
	address, err := account(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	book, err := p.book()
	if err != nil {
		return nil, err
	}
	if err := p.dropLink(ctx, address); err != nil {
		return nil, err
	}
	found, told, err := book.Remove(ctx, address)
	switch {
	case !found && err != nil:
		return nil, err
	case !found:
		return nil, errNotEnrolled
	}
	out := RevokeAccount200JSONResponse{Address: address, ProviderTold: told}
	if err != nil {
		out.Detail = err.Error()
	}
	return out, nil
}

// TestAccount signs in at the provider.
func (p *Part) TestAccount(ctx context.Context, r TestAccountRequestObject) (TestAccountResponseObject, error) {
	address, err := account(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	book, err := p.book()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	a, found, err := book.Account(ctx, address)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errNotEnrolled
	case p.o.Router == nil:
		return nil, unavailable("the connection to the mail provider")
	}
	t := p.trial()
	p.signInOnce(ctx, t, a)
	return TestAccount200JSONResponse(t.result(ctx)), nil
}

// signInOnce tries each protocol that the upstream has.
func (p *Part) signInOnce(ctx context.Context, t *trial, a *accounts.Account) {
	u, err := p.o.Router().Route(a.Upstream, "", a.Address)
	if err != nil {
		t.step("", "route", err, "", "correct the upstreams of the configuration")
		return
	}
	const remedy = "enrol the account again, or look at what the provider says of it"
	if u.HasSMTP() {
		t.step("smtp", "sign_in", u.TrySMTP(ctx, a), "signed in as "+a.Login, remedy)
	}
	if u.HasIMAP() {
		t.step("imap", "sign_in", u.TryIMAP(ctx, a), "signed in as "+a.Login, remedy)
	}
	if len(t.steps) == 0 {
		t.step("", "sign_in", errors.New("the upstream has neither SMTP nor IMAP"), "", "name its addresses in the configuration")
	}
}
