package access

import (
	"context"
	"errors"
	"slices"

	"heliograph/internal/store"
)

// byIssuer returns the person whom an issuer knows: by its name for the person, else by the verified address, which it is then known by. Who is
// not in the book is entered where groups or default give a role.
func (s *SignIn) byIssuer(ctx context.Context, i *issuer, who *identity) (*User, error) {
	role := i.roleOf(who.Groups)
	var id string
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := holdAdmins(ctx, tx); err != nil {
			return err
		}
		u, err := s.find(ctx, tx, i, who)
		switch {
		case err != nil:
			return err
		case u == nil && role == "":
			return ErrNoRole
		case u == nil:
			if id, err = s.insert(ctx, tx, Draft{Email: who.Email, Name: who.Name, Role: role}); err != nil {
				return err
			}
		case u.Disabled:
			return ErrDisabled
		case role == "" && len(i.Roles) > 0:
			return ErrNoRole
		default:
			if id = u.ID; len(i.Roles) > 0 && role != u.Role {
				err = s.change(ctx, tx, id, Change{Role: role})
			}
			if errors.Is(err, ErrLastAdmin) {
				return err
			}
			if err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE access_people SET issuer = $2, subject = $3 WHERE id = $1`, id, i.Name, who.Subject)
		return err
	})
	if errors.Is(err, ErrLastAdmin) {
		return s.keepLastAdmin(ctx, i, who)
	}
	if err != nil {
		return nil, err
	}
	return s.User(ctx, id)
}

// keepLastAdmin lets the last admin in as such, whatever the groups say, so that somebody can put it right.
func (s *SignIn) keepLastAdmin(ctx context.Context, i *issuer, who *identity) (*User, error) {
	u, err := s.find(ctx, s.db.Reader(), i, who)
	if err != nil || u == nil {
		return nil, errors.Join(ErrNoRole, err)
	}
	s.log.Warn("the groups of the last admin do not make one; the role stays", "person", u.ID, "issuer", i.Name)
	return s.User(ctx, u.ID)
}

// find returns the person whom an issuer knows, or nil.
func (s *SignIn) find(ctx context.Context, q store.Querier, i *issuer, who *identity) (*User, error) {
	u, err := scanUser(q.QueryRowContext(ctx, `SELECT `+userColumns+` FROM access_people p WHERE p.issuer = $1 AND p.subject = $2`, i.Name, who.Subject))
	if !errors.Is(err, ErrNotFound) {
		return u, err
	}
	email, err := normalAddress(who.Email)
	if err != nil || !who.Verified {
		return nil, ErrNoEmail
	}
	who.Email = email
	u, err = userByEmail(ctx, q, email)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil //nolint:nilnil // nobody is no error
	case err != nil:
		return nil, err
	case u.Issuer != "": // the address has gone over to somebody else there, or another issuer knows the person
		return nil, ErrIssuer
	}
	return u, nil
}

// roleOf is the mightiest role of somebody's groups, else the default.
func (i *issuer) roleOf(groups []string) Role {
	for _, role := range Roles() {
		for _, r := range i.Roles {
			if Role(r.Role) == role && slices.Contains(groups, r.Group) {
				return role
			}
		}
	}
	return Role(i.DefaultRole)
}
