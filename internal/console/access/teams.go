package access

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"heliograph/internal/store"
)

// Team is people whose mail its managers see.
type Team struct {
	ID, Name string
	Members  []Person // in the order of their addresses; role and language are left out
	Managers []Person
	Version  int64
}

// TeamDraft is what a team is to be. People are named by their ids.
type TeamDraft struct {
	Name              string
	Members, Managers []string
}

// Team returns a team, or ErrNotFound.
func (b *Book) Team(ctx context.Context, id string) (*Team, error) {
	t := &Team{ID: id}
	err := b.db.Reader().QueryRowContext(ctx, `SELECT name, version FROM access_teams WHERE id = $1`, id).Scan(&t.Name, &t.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return t, b.fill(ctx, []*Team{t})
}

// Teams lists teams in the order of their names, from behind after on, and tells whether there are more.
func (b *Book) Teams(ctx context.Context, after string, most int) (list []*Team, more bool, err error) {
	rows, err := b.db.Reader().QueryContext(ctx, `SELECT id, name, version FROM access_teams WHERE name > $1 ORDER BY name LIMIT $2`, after, most+1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var t Team
		if err := rows.Scan(&t.ID, &t.Name, &t.Version); err != nil {
			return nil, false, err
		}
		list = append(list, &t)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, false, err
	}
	if more = len(list) > most; more {
		list = list[:most]
	}
	return list, more, b.fill(ctx, list)
}

// fill adds the people of teams, which are in the order of their names.
func (b *Book) fill(ctx context.Context, teams []*Team) error {
	if len(teams) == 0 {
		return nil
	}
	rows, err := b.db.Reader().QueryContext(ctx, `
		SELECT t.id, tp.manages, p.id, p.email, p.name FROM access_teams t JOIN access_team_people tp ON tp.team = t.id JOIN access_people p ON p.id = tp.person
		WHERE t.name >= $1 AND t.name <= $2 ORDER BY p.email`, teams[0].Name, teams[len(teams)-1].Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var team string
		var manages bool
		var p Person
		if err := rows.Scan(&team, &manages, &p.ID, &p.Email, &p.Name); err != nil {
			return err
		}
		i := slices.IndexFunc(teams, func(t *Team) bool { return t.ID == team })
		switch {
		case i < 0:
		case manages:
			teams[i].Managers = append(teams[i].Managers, p)
		default:
			teams[i].Members = append(teams[i].Members, p)
		}
	}
	return rows.Err()
}

// AddTeam makes a team. ErrTaken says that the name is in use, ErrNoPerson that somebody in it is not in the book.
func (b *Book) AddTeam(ctx context.Context, d TeamDraft) (*Team, error) {
	id := newID()
	err := b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO access_teams (id, name, version) VALUES ($1, $2, 1)`, id, strings.TrimSpace(d.Name))
		if err != nil {
			return taken(err)
		}
		return staff(ctx, tx, id, d)
	})
	if err != nil {
		return nil, err
	}
	return b.Team(ctx, id)
}

// ChangeTeam makes a team what the draft says. Version is the one that the change is for.
func (b *Book) ChangeTeam(ctx context.Context, id string, version int64, d TeamDraft) (*Team, error) {
	err := b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `UPDATE access_teams SET name = $3, version = version + 1 WHERE id = $1 AND version = $2`, id, version, strings.TrimSpace(d.Name))
		if err != nil {
			return taken(err)
		}
		if err := changedOne(r); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_team_people WHERE team = $1`, id); err != nil {
			return err
		}
		return staff(ctx, tx, id, d)
	})
	if err != nil {
		return nil, err
	}
	return b.Team(ctx, id)
}

// RemoveTeam removes a team. Its people stay.
func (b *Book) RemoveTeam(ctx context.Context, id string, version int64) error {
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM access_teams WHERE id = $1 AND version = $2`, id, version)
		if err != nil {
			return err
		}
		return changedOne(r)
	})
}

func staff(ctx context.Context, tx store.Querier, team string, d TeamDraft) error {
	for manages, list := range [][]string{d.Members, d.Managers} {
		for _, person := range slices.Compact(slices.Sorted(slices.Values(list))) {
			if _, err := userByID(ctx, tx, person); err != nil {
				if errors.Is(err, ErrNotFound) {
					return ErrNoPerson
				}
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO access_team_people (team, person, manages) VALUES ($1, $2, $3)`, team, person, manages); err != nil {
				return err
			}
		}
	}
	return nil
}

func taken(err error) error {
	if store.IsUnique(err) {
		return ErrTaken
	}
	return err
}

// changedOne is ErrChanged where a statement found no row of the version that was meant.
func changedOne(r sql.Result) error {
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		err = ErrChanged
	}
	return err
}

// seen lists the accounts whose mail a person sees; nil with ScopeAll.
func (b *Book) seen(ctx context.Context, u *User) ([]string, error) {
	switch u.Scope {
	case ScopeAll:
		return nil, nil
	case ScopeOwn:
		return u.Accounts, nil
	}
	rows, err := b.db.Reader().QueryContext(ctx, `
		SELECT DISTINCT p.accounts FROM access_team_people m JOIN access_team_people tp ON tp.team = m.team JOIN access_people p ON p.id = tp.person
		WHERE m.person = $1 AND m.manages = 1`, u.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := slices.Clone(u.Accounts)
	for rows.Next() {
		var accounts addresses
		if err := rows.Scan(&accounts); err != nil {
			return nil, err
		}
		list = append(list, accounts...)
	}
	slices.Sort(list)
	return slices.Compact(list), rows.Err()
}
