package administration

import (
	"context"
	"errors"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

var (
	errOwnRole    = api.Forbidden("own_role", "nobody changes the own role or scope")
	errOwnAccount = api.Forbidden("own_account", "nobody does this to the own account")
	errPerson     = api.NotFound("not_found", "there is no such person")
	errAddress    = api.Conflict("address_taken", "the address belongs to somebody already", "Change that person instead.")
)

// personProblem is problem, about people.
func personProblem(err error) error {
	switch {
	case errors.Is(err, access.ErrTaken):
		return errAddress
	case errors.Is(err, access.ErrNotFound):
		return errPerson
	}
	return problem(err)
}

func user(u *access.User) User {
	return User{
		Id: u.ID, Email: u.Email, Name: u.Name, Role: RoleName(u.Role), Scope: ScopeName(u.Scope), Language: Language(u.Lang), Accounts: filled(u.Accounts),
		Teams: teamRefs(u.Teams), Disabled: u.Disabled, HasPassword: u.HasPassword, SecondFactors: u.Factors, Issuer: u.Issuer, CreatedAt: u.Created, LastSignInAt: u.SignedIn,
	}
}

func userTag(u *access.User) string { return api.ETag("person", u.ID, u.Version) }

// ListPeople implements StrictServerInterface.
func (p *Part) ListPeople(ctx context.Context, r ListPeopleRequestObject) (ListPeopleResponseObject, error) {
	f := access.PeopleFilter{Search: r.Params.Search, Role: access.Role(r.Params.Role), Limit: api.PageLimit(r.Params.Limit)}
	if r.Params.State != "" {
		disabled := r.Params.State == ListPeopleParamsStateDisabled
		f.Disabled = &disabled
	}
	if _, err := api.DecodeCursor(r.Params.Cursor, &f.After); err != nil {
		return nil, err
	}
	list, more, err := p.signIn.People(ctx, f)
	if err != nil {
		return nil, err
	}
	out := ListPeople200JSONResponse{Items: []User{}}
	for _, u := range list {
		out.Items = append(out.Items, user(u))
	}
	if more {
		out.Next, err = api.EncodeCursor(list[len(list)-1].Email)
	}
	return out, err
}

// GetPerson implements StrictServerInterface.
func (p *Part) GetPerson(ctx context.Context, r GetPersonRequestObject) (GetPersonResponseObject, error) {
	u, err := p.signIn.User(ctx, r.Id)
	if err != nil {
		return nil, personProblem(err)
	}
	return GetPerson200JSONResponse{Body: user(u), Headers: GetPerson200ResponseHeaders{ETag: userTag(u)}}, nil
}

// CreatePerson implements StrictServerInterface.
func (p *Part) CreatePerson(ctx context.Context, r CreatePersonRequestObject) (CreatePersonResponseObject, error) {
	b := r.Body
	u, err := p.signIn.Add(ctx, access.Draft{
		Email: b.Email, Name: b.Name, Role: access.Role(b.Role), Scope: access.Scope(b.Scope), Lang: string(b.Language), Accounts: b.Accounts,
	})
	if err != nil {
		return nil, personProblem(err)
	}
	api.Named(ctx, u.Name)
	api.Note(ctx, "person", u.ID)
	api.Note(ctx, "email", u.Email)
	api.Note(ctx, "role", string(u.Role))
	return CreatePerson201JSONResponse{Body: user(u), Headers: CreatePerson201ResponseHeaders{ETag: userTag(u), Location: "/api/v1/people/" + u.ID}}, nil
}

// ChangePerson implements StrictServerInterface.
func (p *Part) ChangePerson(ctx context.Context, r ChangePersonRequestObject) (ChangePersonResponseObject, error) {
	old, err := p.known(ctx, r.Id, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	b := r.Body
	own := access.From(ctx).Person.ID == old.ID
	if own && (b.Role != "" && access.Role(b.Role) != old.Role || b.Scope != "" && access.Scope(b.Scope) != old.Scope || b.Accounts != nil) {
		return nil, errOwnRole
	}
	u, err := p.signIn.Change(ctx, old.ID, access.Change{
		Name: b.Name, Lang: string(b.Language), Role: access.Role(b.Role), Scope: access.Scope(b.Scope), Accounts: b.Accounts, Version: old.Version,
	})
	if err != nil {
		return nil, personProblem(err)
	}
	if old.Role != u.Role {
		api.Note(ctx, "role", map[string]string{"from": string(old.Role), "to": string(u.Role)})
	}
	if old.Scope != u.Scope {
		api.Note(ctx, "scope", map[string]string{"from": string(old.Scope), "to": string(u.Scope)})
	}
	if b.Accounts != nil {
		api.Note(ctx, "accounts", map[string][]string{"from": old.Accounts, "to": u.Accounts})
	}
	return ChangePerson200JSONResponse{Body: user(u), Headers: ChangePerson200ResponseHeaders{ETag: userTag(u)}}, nil
}

// known returns a person in the version that the caller knows.
func (p *Part) known(ctx context.Context, id, ifMatch string) (*access.User, error) {
	u, err := p.signIn.User(ctx, id)
	if err != nil {
		return nil, personProblem(err)
	}
	api.Named(ctx, u.Name)
	return u, api.Match(ifMatch, userTag(u))
}

// named puts the name of a person on record.
func (p *Part) named(ctx context.Context, id string) error {
	u, err := p.signIn.User(ctx, id)
	if err != nil {
		return personProblem(err)
	}
	api.Named(ctx, u.Name)
	return nil
}

// RemovePerson implements StrictServerInterface.
func (p *Part) RemovePerson(ctx context.Context, r RemovePersonRequestObject) (RemovePersonResponseObject, error) {
	u, err := p.known(ctx, r.Id, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := notOneself(ctx, u.ID); err != nil {
		return nil, err
	}
	if err := p.signIn.Remove(ctx, u.ID, u.Version); err != nil {
		return nil, personProblem(err)
	}
	api.Note(ctx, "email", u.Email)
	return RemovePerson204Response{}, nil
}

func notOneself(ctx context.Context, id string) error {
	if access.From(ctx).Person.ID == id {
		return errOwnAccount
	}
	return nil
}

// DisablePerson implements StrictServerInterface.
func (p *Part) DisablePerson(ctx context.Context, r DisablePersonRequestObject) (DisablePersonResponseObject, error) {
	if err := notOneself(ctx, r.Id); err != nil {
		return nil, err
	}
	disabled := true
	u, err := p.signIn.Change(ctx, r.Id, access.Change{Disabled: &disabled})
	if err != nil {
		return nil, personProblem(err)
	}
	api.Named(ctx, u.Name)
	return DisablePerson200JSONResponse{Body: user(u), Headers: DisablePerson200ResponseHeaders{ETag: userTag(u)}}, nil
}

// EnablePerson implements StrictServerInterface.
func (p *Part) EnablePerson(ctx context.Context, r EnablePersonRequestObject) (EnablePersonResponseObject, error) {
	disabled := false
	u, err := p.signIn.Change(ctx, r.Id, access.Change{Disabled: &disabled})
	if err != nil {
		return nil, personProblem(err)
	}
	api.Named(ctx, u.Name)
	return EnablePerson200JSONResponse{Body: user(u), Headers: EnablePerson200ResponseHeaders{ETag: userTag(u)}}, nil
}

// InvitePerson implements StrictServerInterface.
func (p *Part) InvitePerson(ctx context.Context, r InvitePersonRequestObject) (InvitePersonResponseObject, error) {
	if err := p.fresh(ctx); err != nil {
		return nil, err
	}
	if err := p.named(ctx, r.Id); err != nil {
		return nil, err
	}
	token, expires, err := p.signIn.Invite(ctx, r.Id)
	if err != nil {
		return nil, personProblem(err)
	}
	return InvitePerson201JSONResponse{Link: p.signIn.LinkURL(token), ExpiresAt: expires}, nil
}

// ListPersonSessions implements StrictServerInterface.
func (p *Part) ListPersonSessions(ctx context.Context, r ListPersonSessionsRequestObject) (ListPersonSessionsResponseObject, error) {
	if _, err := p.signIn.User(ctx, r.Id); err != nil {
		return nil, personProblem(err)
	}
	list, err := p.sessions(ctx, r.Id, access.From(ctx).Session)
	return ListPersonSessions200JSONResponse(list), err
}

// EndPersonSessions implements StrictServerInterface.
func (p *Part) EndPersonSessions(ctx context.Context, r EndPersonSessionsRequestObject) (EndPersonSessionsResponseObject, error) {
	if err := p.named(ctx, r.Id); err != nil {
		return nil, err
	}
	if err := p.signIn.EndSessions(ctx, r.Id); err != nil {
		return nil, personProblem(err)
	}
	return EndPersonSessions204Response{}, nil
}

// ResetFactors implements StrictServerInterface.
func (p *Part) ResetFactors(ctx context.Context, r ResetFactorsRequestObject) (ResetFactorsResponseObject, error) {
	if err := notOneself(ctx, r.Id); err != nil {
		return nil, err
	}
	if err := p.fresh(ctx); err != nil {
		return nil, err
	}
	if err := p.named(ctx, r.Id); err != nil {
		return nil, err
	}
	if err := p.signIn.ResetFactors(ctx, r.Id); err != nil {
		return nil, personProblem(err)
	}
	return ResetFactors204Response{}, nil
}

// ListRoles implements StrictServerInterface.
func (p *Part) ListRoles(context.Context, ListRolesRequestObject) (ListRolesResponseObject, error) {
	out := ListRoles200JSONResponse{Items: []RoleInfo{}}
	for _, role := range access.Roles() {
		info := RoleInfo{Name: RoleName(role), Masked: filled(access.Masks(role)), Permissions: []string{}}
		for _, s := range access.Scopes(role) {
			info.Scopes = append(info.Scopes, ScopeName(s))
		}
		for _, perm := range access.Granted(role) {
			info.Permissions = append(info.Permissions, string(perm))
		}
		out.Items = append(out.Items, info)
	}
	return out, nil
}
