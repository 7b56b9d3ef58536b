package administration

import (
	"context"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

func apiToken(t *access.Token, now time.Time) ApiToken {
	out := ApiToken{
		Id: t.ID, Name: t.Name, Owner: userRef(t.Owner), Permissions: []string{}, CreatedAt: t.Created, ExpiresAt: t.Expires, LastUsedAt: t.Used, State: ApiTokenStateActive,
	}
	switch {
	case !t.Expires.After(now):
		out.State = ApiTokenStateExpired
	case t.Disabled:
		out.State = ApiTokenStateOwnerDisabled
	}
	for _, perm := range t.Permissions {
		out.Permissions = append(out.Permissions, string(perm))
	}
	return out
}

// ListTokens implements StrictServerInterface.
func (p *Part) ListTokens(ctx context.Context, r ListTokensRequestObject) (ListTokensResponseObject, error) {
	c := access.From(ctx)
	f := access.TokenFilter{Owner: c.Person.ID, Limit: api.PageLimit(r.Params.Limit)}
	if r.Params.All {
		if !c.May(access.PeopleWrite) {
			return nil, api.Forbidden("forbidden", "only an administrator sees everybody's tokens")
		}
		f.Owner = ""
	}
	if _, err := api.DecodeCursor(r.Params.Cursor, &f.Before, &f.BeforeID); err != nil {
		return nil, err
	}
	list, more, err := p.signIn.Tokens(ctx, f)
	if err != nil {
		return nil, err
	}
	out := ListTokens200JSONResponse{Items: []ApiToken{}}
	for _, t := range list {
		out.Items = append(out.Items, apiToken(t, time.Now()))
	}
	if more {
		last := list[len(list)-1]
		out.Next, err = api.EncodeCursor(last.Created, last.ID)
	}
	return out, err
}

// CreateToken implements StrictServerInterface.
func (p *Part) CreateToken(ctx context.Context, r CreateTokenRequestObject) (CreateTokenResponseObject, error) {
	_, c, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	permissions := make([]access.Permission, 0, len(r.Body.Permissions))
	for _, perm := range r.Body.Permissions {
		permissions = append(permissions, access.Permission(perm))
	}
	t, secret, err := p.signIn.AddToken(ctx, c, r.Body.Name, permissions, r.Body.ExpiresAt)
	if err != nil {
		return nil, problem(err)
	}
	api.Named(ctx, t.Name)
	api.Note(ctx, "token", t.ID)
	api.Note(ctx, "permissions", r.Body.Permissions)
	return CreateToken201JSONResponse{
		Body: NewApiToken{Secret: secret, Token: apiToken(t, time.Now())}, Headers: CreateToken201ResponseHeaders{Location: "/api/v1/tokens/" + t.ID},
	}, nil
}

// RevokeToken implements StrictServerInterface.
func (p *Part) RevokeToken(ctx context.Context, r RevokeTokenRequestObject) (RevokeTokenResponseObject, error) {
	_, c, err := p.browser(ctx)
	if err != nil {
		return nil, err
	}
	t, err := p.signIn.Token(ctx, r.Id)
	if err == nil && t.Owner.ID != c.Person.ID && !c.May(access.PeopleWrite) {
		err = access.ErrNotFound
	}
	if err == nil {
		api.Named(ctx, t.Name)
		err = p.signIn.Revoke(ctx, r.Id)
	}
	if err != nil {
		return nil, problem(err)
	}
	return RevokeToken204Response{}, nil
}
