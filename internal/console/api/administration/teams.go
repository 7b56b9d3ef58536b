package administration

import (
	"context"
	"errors"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// teamProblem is problem, about teams.
func teamProblem(err error) error {
	switch {
	case errors.Is(err, access.ErrTaken):
		return api.Conflict("name_taken", "there is a team of this name already", "Choose another name.")
	case errors.Is(err, access.ErrNotFound):
		return api.NotFound("not_found", "there is no such team")
	}
	return problem(err)
}

func team(t *access.Team) Team {
	return Team{Id: t.ID, Name: t.Name, Members: userRefs(t.Members), Managers: userRefs(t.Managers)}
}

func userRefs(list []access.Person) []UserRef {
	out := make([]UserRef, 0, len(list))
	for _, who := range list {
		out = append(out, userRef(who))
	}
	return out
}

func userRef(who access.Person) UserRef {
	return UserRef{Id: who.ID, Email: who.Email, Name: who.Name}
}

func teamTag(t *access.Team) string { return api.ETag("team", t.ID, t.Version) }

// ListTeams implements StrictServerInterface.
func (p *Part) ListTeams(ctx context.Context, r ListTeamsRequestObject) (ListTeamsResponseObject, error) {
	var after string
	if _, err := api.DecodeCursor(r.Params.Cursor, &after); err != nil {
		return nil, err
	}
	list, more, err := p.signIn.Teams(ctx, after, api.PageLimit(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	out := ListTeams200JSONResponse{Items: []Team{}}
	for _, t := range list {
		out.Items = append(out.Items, team(t))
	}
	if more {
		out.Next, err = api.EncodeCursor(list[len(list)-1].Name)
	}
	return out, err
}

// GetTeam implements StrictServerInterface.
func (p *Part) GetTeam(ctx context.Context, r GetTeamRequestObject) (GetTeamResponseObject, error) {
	t, err := p.signIn.Team(ctx, r.Id)
	if err != nil {
		return nil, teamProblem(err)
	}
	return GetTeam200JSONResponse{Body: team(t), Headers: GetTeam200ResponseHeaders{ETag: teamTag(t)}}, nil
}

// CreateTeam implements StrictServerInterface.
func (p *Part) CreateTeam(ctx context.Context, r CreateTeamRequestObject) (CreateTeamResponseObject, error) {
	t, err := p.signIn.AddTeam(ctx, teamDraft(r.Body))
	if err != nil {
		return nil, teamProblem(err)
	}
	noteTeam(ctx, t)
	return CreateTeam201JSONResponse{Body: team(t), Headers: CreateTeam201ResponseHeaders{ETag: teamTag(t), Location: "/api/v1/teams/" + t.ID}}, nil
}

func teamDraft(b *TeamDraft) access.TeamDraft {
	return access.TeamDraft{Name: b.Name, Members: b.Members, Managers: b.Managers}
}

// noteTeam records who sees whose mail.
func noteTeam(ctx context.Context, t *access.Team) {
	api.Named(ctx, t.Name)
	for key, list := range map[string][]access.Person{"members": t.Members, "managers": t.Managers} {
		addresses := []string{}
		for _, who := range list {
			addresses = append(addresses, who.Email)
		}
		api.Note(ctx, key, addresses)
	}
}

// ChangeTeam implements StrictServerInterface.
func (p *Part) ChangeTeam(ctx context.Context, r ChangeTeamRequestObject) (ChangeTeamResponseObject, error) {
	old, err := p.knownTeam(ctx, r.Id, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	t, err := p.signIn.ChangeTeam(ctx, old.ID, old.Version, teamDraft(r.Body))
	if err != nil {
		return nil, teamProblem(err)
	}
	noteTeam(ctx, t)
	if t.Name != old.Name {
		api.Note(ctx, "team", map[string]string{"from": old.Name, "to": t.Name})
	}
	return ChangeTeam200JSONResponse{Body: team(t), Headers: ChangeTeam200ResponseHeaders{ETag: teamTag(t)}}, nil
}

func (p *Part) knownTeam(ctx context.Context, id, ifMatch string) (*access.Team, error) {
	t, err := p.signIn.Team(ctx, id)
	if err != nil {
		return nil, teamProblem(err)
	}
	api.Named(ctx, t.Name)
	return t, api.Match(ifMatch, teamTag(t))
}

// RemoveTeam implements StrictServerInterface.
func (p *Part) RemoveTeam(ctx context.Context, r RemoveTeamRequestObject) (RemoveTeamResponseObject, error) {
	t, err := p.knownTeam(ctx, r.Id, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := p.signIn.RemoveTeam(ctx, t.ID, t.Version); err != nil {
		return nil, teamProblem(err)
	}
	return RemoveTeam204Response{}, nil
}
