package exchange

import (
	"context"
	"errors"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/onboard"
)

var errNoSettings = api.NotFound("no_settings", "the gateway does not serve the domain of this address")

// settings are those of an address. inside tells those who look after the gateway what is missing.
func (p *Part) settings(ctx context.Context, address string, inside bool) (*Onboarding, error) {
	if p.o.Onboard == nil {
		return nil, errNoSettings
	}
	enrolled := false
	if p.o.Enrolled != nil {
		var err error
		if enrolled, err = p.o.Enrolled(ctx, address); err != nil {
			return nil, err
		}
	}
	g, err := p.o.Onboard.Guide(address, enrolled)
	if errors.Is(err, onboard.ErrDomain) {
		return nil, errNoSettings
	}
	if err != nil {
		return nil, err
	}
	out := &Onboarding{
		Address: g.Address, DisplayName: g.Name, Incoming: servers(g.Incoming, address), Outgoing: servers(g.Outgoing, address),
		Password: PasswordHint{Kind: PasswordHintKind(g.Password), Text: text(g.PasswordText)}, Programs: []ProgramGuide{},
		ProfileUrl: ptr(g.ProfileURL), QrSvg: ptr(g.QR), Support: ptr(g.Support),
	}
	for _, one := range g.Programs {
		guide := ProgramGuide{Program: ProgramGuideProgram(one.ID), Name: text(one.Name), Automatic: one.Automatic, Link: ptr(one.Link), Steps: []BilingualText{}}
		for _, s := range one.Steps {
			guide.Steps = append(guide.Steps, text(s))
		}
		out.Programs = append(out.Programs, guide)
	}
	if problems := p.o.Onboard.Problems(); inside && len(problems) > 0 {
		out.Problems = &problems
	}
	return out, nil
}

func text(t onboard.Text) BilingualText { return BilingualText{En: t.EN, Zh: t.ZH} }

func servers(list []onboard.Server, user string) []MailServer {
	out := []MailServer{}
	for _, s := range list {
		out = append(out, MailServer{Protocol: MailServerProtocol(s.Protocol), Host: s.Host, Port: s.Port, Tls: MailServerTls(s.TLS), User: user})
	}
	return out
}

// GetMyOnboarding shows the caller's settings.
func (p *Part) GetMyOnboarding(ctx context.Context, _ GetMyOnboardingRequestObject) (GetMyOnboardingResponseObject, error) {
	out, err := p.settings(ctx, caller(ctx).Person.Email, false)
	if err != nil {
		return nil, err
	}
	return GetMyOnboarding200JSONResponse(*out), nil
}

// GetAccountOnboarding shows somebody's settings.
func (p *Part) GetAccountOnboarding(ctx context.Context, r GetAccountOnboardingRequestObject) (GetAccountOnboardingResponseObject, error) {
	c := caller(ctx)
	if !c.Sees(r.Address) {
		return nil, errNoSettings
	}
	out, err := p.settings(ctx, r.Address, c.May(access.SettingsRead))
	if err != nil {
		return nil, err
	}
	return GetAccountOnboarding200JSONResponse(*out), nil
}
