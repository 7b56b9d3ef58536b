package administration

import (
	"context"

	"heliograph/internal/console/access"
)

// GetMe implements StrictServerInterface.
func (p *Part) GetMe(ctx context.Context, _ GetMeRequestObject) (GetMeResponseObject, error) {
	u, err := p.signIn.User(ctx, access.From(ctx).Person.ID)
	if err != nil {
		return nil, problem(err)
	}
	return GetMe200JSONResponse(me(u)), nil
}

func me(u *access.User) Me {
	return Me{
		Id: u.ID, Email: u.Email, Name: u.Name, Role: RoleName(u.Role), Scope: ScopeName(u.Scope), Language: Language(u.Lang), Accounts: filled(u.Accounts),
		Teams: teamRefs(u.Teams), HasPassword: u.HasPassword, SecondFactors: u.Factors,
	}
}

// filled is a list that is never null in JSON.
func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func teamRefs(list []access.TeamRef) []TeamRef {
	out := make([]TeamRef, 0, len(list))
	for _, t := range list {
		out = append(out, TeamRef{Id: t.ID, Name: t.Name, Manages: t.Manages})
	}
	return out
}

// ChangeMe implements StrictServerInterface.
func (p *Part) ChangeMe(ctx context.Context, r ChangeMeRequestObject) (ChangeMeResponseObject, error) {
	_, c, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	u, err := p.signIn.Change(ctx, c.Person.ID, access.Change{Name: r.Body.Name, Lang: string(r.Body.Language)})
	if err != nil {
		return nil, problem(err)
	}
	return ChangeMe200JSONResponse(me(u)), nil
}

// SetOwnPassword implements StrictServerInterface.
func (p *Part) SetOwnPassword(ctx context.Context, r SetOwnPasswordRequestObject) (SetOwnPasswordResponseObject, error) {
	v, _, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.signIn.ChangePassword(ctx, v, r.Body.Current, r.Body.New); err != nil {
		return nil, problem(err)
	}
	return SetOwnPassword204Response{}, nil
}

// ListOwnSessions implements StrictServerInterface.
func (p *Part) ListOwnSessions(ctx context.Context, _ ListOwnSessionsRequestObject) (ListOwnSessionsResponseObject, error) {
	c := access.From(ctx)
	list, err := p.sessions(ctx, c.Person.ID, c.Session)
	return ListOwnSessions200JSONResponse(list), err
}

func (p *Part) sessions(ctx context.Context, person, current string) (SignIns, error) {
	list, err := p.signIn.Sessions(ctx, person)
	if err != nil {
		return SignIns{}, err
	}
	out := SignIns{Items: []SignInRecord{}}
	for _, x := range list {
		out.Items = append(out.Items, SignInRecord{
			Id: x.ID, With: SignInRecordWith(x.Kind), Device: x.Device, Address: x.Address, CreatedAt: x.Created, LastUsedAt: x.Used, ExpiresAt: x.Expires, Current: x.ID == current,
		})
	}
	return out, nil
}

// EndOtherSessions implements StrictServerInterface.
func (p *Part) EndOtherSessions(ctx context.Context, _ EndOtherSessionsRequestObject) (EndOtherSessionsResponseObject, error) {
	_, c, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	return EndOtherSessions204Response{}, p.signIn.EndOthers(ctx, c.Person.ID, c.Session)
}

// EndOwnSession implements StrictServerInterface.
func (p *Part) EndOwnSession(ctx context.Context, r EndOwnSessionRequestObject) (EndOwnSessionResponseObject, error) {
	_, c, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.signIn.EndSession(ctx, c.Person.ID, r.Id); err != nil {
		return nil, problem(err)
	}
	return EndOwnSession204Response{}, nil
}
