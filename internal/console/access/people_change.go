package access

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"heliograph/internal/store"
)

// Draft is what a new person is.
type Draft struct {
	Email, Name, Lang string
	Role              Role
	Scope             Scope    // empty: the usual one of the role
	Accounts          []string // nil: the address
}

// check makes a draft as it is stored.
func (d *Draft) check() error {
	var err error
	if d.Email, err = normalAddress(d.Email); err != nil {
		return err
	}
	if d.Name = strings.TrimSpace(d.Name); d.Name == "" {
		d.Name, _, _ = strings.Cut(d.Email, "@")
	}
	if d.Scope, err = scopeFor(d.Role, d.Scope); err != nil {
		return err
	}
	if d.Accounts == nil {
		d.Accounts = []string{d.Email}
	}
	d.Accounts, err = normalAddresses(d.Accounts)
	return err
}

func scopeFor(r Role, s Scope) (Scope, error) {
	if !slices.Contains(Roles(), r) {
		return "", ErrRole
	}
	possible := Scopes(r)
	if s == "" {
		return possible[0], nil
	}
	if !slices.Contains(possible, s) {
		return "", ErrScope
	}
	return s, nil
}

func normalAddresses(list []string) ([]string, error) {
	out := make([]string, 0, len(list))
	for _, text := range list {
		a, err := normalAddress(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out, nil
}

// Add enters a person. ErrTaken says that the address has one.
func (b *Book) Add(ctx context.Context, d Draft) (*User, error) {
	var id string
	err := b.db.Write(ctx, func(ctx context.Context, tx store.Querier) (err error) {
		id, err = b.insert(ctx, tx, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.User(ctx, id)
}

func (b *Book) insert(ctx context.Context, tx store.Querier, d Draft) (id string, err error) {
	if err := d.check(); err != nil {
		return "", err
	}
	accounts, err := json.Marshal(d.Accounts)
	if err != nil {
		return "", err
	}
	id = newID()
	_, err = tx.ExecContext(ctx, `INSERT INTO access_people (id, email, name, role, scope, language, accounts, version, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)`,
		id, d.Email, d.Name, string(d.Role), string(d.Scope), d.Lang, string(accounts), store.Micros(b.now()))
	if store.IsUnique(err) {
		return "", ErrTaken
	}
	return id, err
}

// Change is what is to be different; what is empty stays.
type Change struct {
	Name, Lang string
	Role       Role
	Scope      Scope
	Accounts   []string
	Disabled   *bool
	// Version is the one that the change is for; 0: whatever there is.
	Version int64
}

// Change changes a person. A new role brings its usual scope where none is given.
func (b *Book) Change(ctx context.Context, id string, c Change) (*User, error) {
	err := b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return b.change(ctx, tx, id, c) })
	if err != nil {
		return nil, err
	}
	return b.User(ctx, id)
}

func (b *Book) change(ctx context.Context, tx store.Querier, id string, c Change) error {
	if err := holdAdmins(ctx, tx); err != nil {
		return err
	}
	u, err := userByID(ctx, tx, id)
	if err != nil {
		return err
	}
	if c.Version != 0 && c.Version != u.Version {
		return ErrChanged
	}
	wasAdmin := u.Role == Admin && !u.Disabled
	if err := u.apply(c); err != nil {
		return err
	}
	accounts, err := json.Marshal(u.Accounts)
	if err != nil {
		return err
	}
	disabled := 0
	if u.Disabled {
		disabled = 1
	}
	if _, err := tx.ExecContext(ctx, `UPDATE access_people SET name = $2, role = $3, scope = $4, language = $5, accounts = $6, disabled = $7, version = version + 1 WHERE id = $1`,
		id, u.Name, string(u.Role), string(u.Scope), u.Lang, string(accounts), disabled); err != nil {
		return err
	}
	if u.Disabled {
		if err := endSessions(ctx, tx, id, ""); err != nil {
			return err
		}
	}
	if wasAdmin {
		return needAdmin(ctx, tx)
	}
	return nil
}

func (u *User) apply(c Change) (err error) {
	if name := strings.TrimSpace(c.Name); name != "" {
		u.Name = name
	}
	if c.Lang != "" {
		u.Lang = c.Lang
	}
	if c.Role != "" && c.Role != u.Role {
		u.Role, u.Scope = c.Role, ""
	}
	if c.Scope != "" {
		u.Scope = c.Scope
	}
	if u.Scope, err = scopeFor(u.Role, u.Scope); err != nil {
		return err
	}
	if c.Disabled != nil {
		u.Disabled = *c.Disabled
	}
	if c.Accounts != nil {
		u.Accounts, err = normalAddresses(c.Accounts)
	}
	return err
}

// Remove removes a person with all that belongs to them. Version is as in Change.
func (b *Book) Remove(ctx context.Context, id string, version int64) error {
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := holdAdmins(ctx, tx); err != nil {
			return err
		}
		u, err := userByID(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case version != 0 && version != u.Version:
			return ErrChanged
		}
		for _, query := range []string{
			`DELETE FROM access_links WHERE person = $1`, `DELETE FROM access_ceremonies WHERE person = $1`, `DELETE FROM access_people WHERE id = $1`,
		} {
			if _, err := tx.ExecContext(ctx, query, id); err != nil {
				return err
			}
		}
		if u.Role == Admin && !u.Disabled {
			return needAdmin(ctx, tx)
		}
		return nil
	})
}

// holdAdmins lets one transaction at a time change who is an admin.
func holdAdmins(ctx context.Context, tx store.Querier) error {
	_, err := tx.ExecContext(ctx, `UPDATE access_clock SET changes = changes + 1 WHERE one = 1`)
	return err
}

func admins(ctx context.Context, q store.Querier) (n int, err error) {
	err = q.QueryRowContext(ctx, `SELECT COUNT(*) FROM access_people WHERE role = 'admin' AND disabled = 0`).Scan(&n)
	return n, err
}

func needAdmin(ctx context.Context, tx store.Querier) error {
	n, err := admins(ctx, tx)
	if err == nil && n == 0 {
		err = ErrLastAdmin
	}
	return err
}

// HasAdmin tells whether there is an admin who is not disabled.
func (b *Book) HasAdmin(ctx context.Context) (bool, error) {
	n, err := admins(ctx, b.db.Reader())
	return n > 0, err
}

// EndSessions signs a person out everywhere.
func (b *Book) EndSessions(ctx context.Context, id string) error {
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := userByID(ctx, tx, id); err != nil {
			return err
		}
		return endSessions(ctx, tx, id, "")
	})
}

// endSessions ends the sessions of a person but one.
func endSessions(ctx context.Context, tx store.Querier, person, but string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM access_sessions WHERE person = $1 AND id <> $2`, person, but)
	return err
}

// ResetFactors removes a person's second factors and recovery codes, and ends the sessions.
func (b *Book) ResetFactors(ctx context.Context, id string) error {
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		u, err := userByID(ctx, tx, id)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM access_factors WHERE person = $1`, u.ID)
		_, err2 := tx.ExecContext(ctx, `DELETE FROM access_recovery_codes WHERE person = $1`, u.ID)
		_, err3 := tx.ExecContext(ctx, `UPDATE access_people SET wrong_codes = 0, codes_after = 0, version = version + 1 WHERE id = $1`, u.ID)
		return errors.Join(err, err2, err3, endSessions(ctx, tx, u.ID, ""))
	})
}
