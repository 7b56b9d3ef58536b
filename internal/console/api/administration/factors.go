package administration

import (
	"context"
	"encoding/json"
	"slices"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// ListFactors implements StrictServerInterface.
func (p *Part) ListFactors(ctx context.Context, _ ListFactorsRequestObject) (ListFactorsResponseObject, error) {
	_, c, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	list, codes, err := p.signIn.Factors(ctx, c.Person.ID)
	if err != nil {
		return nil, err
	}
	u, err := p.signIn.User(ctx, c.Person.ID)
	if err != nil {
		return nil, problem(err)
	}
	out := ListFactors200JSONResponse{Items: []SecondFactorInfo{}, RecoveryCodesLeft: codes, Required: u.Role == access.Admin && u.HasPassword}
	for _, f := range list {
		out.Items = append(out.Items, factor(f))
	}
	return out, nil
}

func factor(f access.Factor) SecondFactorInfo {
	return SecondFactorInfo{Id: f.ID, Kind: SecondFactorInfoKind(f.Kind), Name: f.Name, CreatedAt: f.Created, LastUsedAt: f.Used}
}

// RemoveFactor implements StrictServerInterface.
func (p *Part) RemoveFactor(ctx context.Context, r RemoveFactorRequestObject) (RemoveFactorResponseObject, error) {
	v, c, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	list, _, err := p.signIn.Factors(ctx, c.Person.ID)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list, func(f access.Factor) bool { return f.ID == r.Id }); i >= 0 {
		api.Named(ctx, list[i].Name)
	}
	if err := p.signIn.RemoveFactor(ctx, v, r.Id); err != nil {
		return nil, problem(err)
	}
	return RemoveFactor204Response{}, nil
}

// BeginTotp implements StrictServerInterface.
func (p *Part) BeginTotp(ctx context.Context, _ BeginTotpRequestObject) (BeginTotpResponseObject, error) {
	v, _, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	secret, uri, err := p.signIn.BeginTOTP(ctx, v)
	if err != nil {
		return nil, problem(err)
	}
	return BeginTotp200JSONResponse{Secret: secret, Uri: uri}, nil
}

// ConfirmTotp implements StrictServerInterface.
func (p *Part) ConfirmTotp(ctx context.Context, r ConfirmTotpRequestObject) (ConfirmTotpResponseObject, error) {
	v, _, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	f, codes, err := p.signIn.ConfirmTOTP(ctx, v, r.Body.Code)
	if err != nil {
		return nil, problem(err)
	}
	return ConfirmTotp200JSONResponse{Factor: factor(f), RecoveryCodes: codes}, nil
}

// BeginPasskeyEnrolment implements StrictServerInterface.
func (p *Part) BeginPasskeyEnrolment(ctx context.Context, _ BeginPasskeyEnrolmentRequestObject) (BeginPasskeyEnrolmentResponseObject, error) {
	v, _, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	name, options, err := p.signIn.BeginPasskeyEnrolment(ctx, v)
	if err != nil {
		return nil, problem(err)
	}
	c, err := ceremony(name, options)
	return BeginPasskeyEnrolment200JSONResponse(c), err
}

// FinishPasskeyEnrolment implements StrictServerInterface.
func (p *Part) FinishPasskeyEnrolment(ctx context.Context, r FinishPasskeyEnrolmentRequestObject) (FinishPasskeyEnrolmentResponseObject, error) {
	v, _, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r.Body.Credential)
	if err != nil {
		return nil, err
	}
	f, codes, err := p.signIn.FinishPasskeyEnrolment(ctx, v, r.Body.Ceremony, r.Body.Name, text)
	if err != nil {
		return nil, problem(err)
	}
	return FinishPasskeyEnrolment200JSONResponse{Factor: factor(f), RecoveryCodes: codes}, nil
}

// NewRecoveryCodes implements StrictServerInterface.
func (p *Part) NewRecoveryCodes(ctx context.Context, _ NewRecoveryCodesRequestObject) (NewRecoveryCodesResponseObject, error) {
	v, _, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	codes, err := p.signIn.RecoveryCodes(ctx, v)
	if err != nil {
		return nil, problem(err)
	}
	return NewRecoveryCodes200JSONResponse{RecoveryCodes: codes}, nil
}
