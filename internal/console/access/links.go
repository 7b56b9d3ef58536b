package access

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"heliograph/internal/store"
)

// LinkKind says what a link is for.
type LinkKind string

// The kinds of links.
const (
	LinkFirstAdmin LinkKind = "first_admin" // makes the first admin
	LinkPassword   LinkKind = "password"    // sets the password of a person
)

// The lives of links.
const (
	firstAdminLife = time.Hour
	invitationLife = 3 * 24 * time.Hour
)

var (
	// ErrLink says that a link is unknown, used or over.
	ErrLink = errors.New("the link is unknown, used or over")
	// ErrHasAdmin says that there is an admin, so that no link makes the first one.
	ErrHasAdmin = errors.New("there is an admin already")
)

// Link is what a link that works once is for.
type Link struct {
	Kind    LinkKind
	Person  *User // of LinkPassword
	Expires time.Time
}

// FirstAdminLink makes the token of a link with which somebody becomes the first admin. Links that were made before stay good.
func (b *Book) FirstAdminLink(ctx context.Context) (token string, expires time.Time, err error) {
	err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		n, err := admins(ctx, tx)
		if err != nil {
			return err
		}
		if n > 0 {
			return ErrHasAdmin
		}
		token, expires, err = b.addLink(ctx, tx, LinkFirstAdmin, "", firstAdminLife)
		return err
	})
	return token, expires, err
}

// Invite makes the token of a link with which a person sets a password. One that was made before ends.
func (b *Book) Invite(ctx context.Context, person string) (token string, expires time.Time, err error) {
	err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := userByID(ctx, tx, person); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_links WHERE person = $1`, person); err != nil {
			return err
		}
		token, expires, err = b.addLink(ctx, tx, LinkPassword, person, invitationLife)
		return err
	})
	return token, expires, err
}

func (b *Book) addLink(ctx context.Context, tx store.Querier, kind LinkKind, person string, life time.Duration) (string, time.Time, error) {
	token, now := newSecret(), b.now()
	if _, err := tx.ExecContext(ctx, `DELETE FROM access_links WHERE expires_at <= $1`, store.Micros(now)); err != nil {
		return "", time.Time{}, err
	}
	expires := now.Add(life)
	_, err := tx.ExecContext(ctx, `INSERT INTO access_links (hash, kind, person, expires_at) VALUES ($1, $2, $3, $4)`, digest(token), string(kind), person, store.Micros(expires))
	return token, expires, err
}

// Link tells what a link is for, or ErrLink.
func (b *Book) Link(ctx context.Context, token string) (*Link, error) {
	return b.link(ctx, b.db.Reader(), token)
}

func (b *Book) link(ctx context.Context, q store.Querier, token string) (*Link, error) {
	var l Link
	var person string
	var expires int64
	err := q.QueryRowContext(ctx, `SELECT kind, person, expires_at FROM access_links WHERE hash = $1`, digest(token)).Scan(&l.Kind, &person, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrLink
	}
	if err != nil {
		return nil, err
	}
	if l.Expires = store.FromMicros(expires); !l.Expires.After(b.now()) {
		return nil, ErrLink
	}
	if l.Kind == LinkFirstAdmin {
		n, err := admins(ctx, q)
		if err == nil && n > 0 {
			err = ErrLink
		}
		return &l, err
	}
	l.Person, err = userByID(ctx, q, person)
	if errors.Is(err, ErrNotFound) || err == nil && l.Person.Disabled {
		return nil, ErrLink
	}
	return &l, err
}

// useLink does what a link is for, and ends it. It returns the person whose password is set.
func (b *Book) useLink(ctx context.Context, token string, d Draft, hash string) (person string, kind LinkKind, err error) {
	err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := holdAdmins(ctx, tx); err != nil { // a link, and the place of the first admin, are taken once
			return err
		}
		l, err := b.link(ctx, tx, token)
		if err != nil {
			return err
		}
		query, arg := `DELETE FROM access_links WHERE hash = $1`, digest(token)
		if kind = l.Kind; kind == LinkFirstAdmin {
			query, arg = `DELETE FROM access_links WHERE kind = $1`, string(kind)
			person, err = b.firstAdmin(ctx, tx, d)
		} else {
			person = l.Person.ID
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, query, arg); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE access_people SET password = $2, version = version + 1 WHERE id = $1`, person, hash); err != nil {
			return err
		}
		return endSessions(ctx, tx, person, "")
	})
	return person, kind, err
}

// firstAdmin makes a person the admin, who may be in the book already: as an employee who came with the own mailbox.
func (b *Book) firstAdmin(ctx context.Context, tx store.Querier, d Draft) (string, error) {
	email, err := normalAddress(d.Email)
	if err != nil {
		return "", err
	}
	u, err := userByEmail(ctx, tx, email)
	if errors.Is(err, ErrNotFound) {
		d.Role, d.Scope = Admin, ScopeAll
		return b.insert(ctx, tx, d)
	}
	if err != nil {
		return "", err
	}
	_, err = tx.ExecContext(ctx, `UPDATE access_people SET role = 'admin', scope = 'all', disabled = 0 WHERE id = $1`, u.ID)
	return u.ID, err
}
