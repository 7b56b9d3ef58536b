package access

import (
	"context"
	"database/sql"
	"errors"

	"heliograph/internal/store"
)

// Recheck tells who a caller is by now, for connections that last: nobody, without an error, where the session ended or the token was taken
// back. It is no use of the session.
func (s *SignIn) Recheck(ctx context.Context, c *Caller) (*Caller, error) {
	var u *User
	var limited []Permission
	if c.Token != "" {
		t, err := s.Token(ctx, c.Token)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, nil //nolint:nilnil // nobody is no error
		case err != nil:
			return nil, err
		case !t.Expires.After(s.now()):
			return nil, nil //nolint:nilnil // the same
		}
		limited = t.Permissions
	} else if lives, err := s.lives(ctx, c.Session); err != nil || !lives {
		return nil, err
	}
	u, err := s.User(ctx, c.Person.ID)
	if errors.Is(err, ErrNotFound) || err == nil && u.Disabled {
		return nil, nil //nolint:nilnil // the same
	}
	if err != nil {
		return nil, err
	}
	now, err := s.caller(ctx, u, limited)
	if now != nil {
		now.Token, now.Session = c.Token, c.Session
	}
	return now, err
}

// lives tells whether a session has neither ended nor been left alone for too long.
func (s *SignIn) lives(ctx context.Context, id string) (bool, error) {
	var used, expires int64
	err := s.db.Reader().QueryRowContext(ctx, `SELECT used_at, expires_at FROM access_sessions WHERE id = $1 AND state = $2`, id, string(StateDone)).Scan(&used, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && s.alive(&Session{Used: store.FromMicros(used), Expires: store.FromMicros(expires)}, s.now()), err
}

// Names tells the names of people by their addresses.
func (b *Book) Names(ctx context.Context) (map[string]string, error) {
	rows, err := b.db.Reader().QueryContext(ctx, `SELECT email, name FROM access_people`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names := map[string]string{}
	for rows.Next() {
		var email, name string
		if err := rows.Scan(&email, &name); err != nil {
			return nil, err
		}
		names[email] = name
	}
	return names, rows.Err()
}
