package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"heliograph/internal/store"
)

// TokenPrefix begins each API token, so that one that lies somewhere it should not is recognised.
const TokenPrefix = "hel_"

// The lives of tokens.
const (
	tokenLife    = 90 * 24 * time.Hour
	maxTokenLife = 2 * 366 * 24 * time.Hour
	maxTokens    = 100 // of a person
)

var (
	// ErrNotYours says that a token was to do what its owner may not.
	ErrNotYours = errors.New("a permission that the owner has not")
	// ErrExpiry says that a token was to end in the past or too late.
	ErrExpiry = errors.New("an end that is past, or more than 2 years away")
	// ErrTooMany says that a person has as many of something as there can be.
	ErrTooMany = errors.New("there are too many")
)

// newSecret makes what a browser or program proves itself with: 256 bits.
func newSecret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// digest is what of a secret is stored. The secrets are random, so that it need not be slow.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Token is an API token, without the secret.
type Token struct {
	ID, Name    string
	Owner       Person
	Disabled    bool // the owner is
	Permissions []Permission
	Created     time.Time
	Expires     time.Time
	Used        time.Time // to the minute; zero: never
}

// AddToken makes a token for a caller, and returns it with its secret, which is not stored. Expires may be zero.
func (b *Book) AddToken(ctx context.Context, owner *Caller, name string, permissions []Permission, expires time.Time) (*Token, string, error) {
	now := b.now()
	if expires.IsZero() {
		expires = now.Add(tokenLife)
	}
	if !expires.After(now) || expires.After(now.Add(maxTokenLife)) {
		return nil, "", ErrExpiry
	}
	permissions = slices.Compact(slices.Sorted(slices.Values(permissions)))
	for _, p := range permissions {
		if p == TokensOwn || !slices.Contains(Granted(owner.Person.Role), p) {
			return nil, "", ErrNotYours
		}
	}
	list, err := json.Marshal(permissions)
	if err != nil {
		return nil, "", err
	}
	id, secret := newID(), TokenPrefix+newSecret()
	err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM access_tokens WHERE person = $1`, owner.Person.ID).Scan(&n); err != nil {
			return err
		}
		if n >= maxTokens {
			return ErrTooMany
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO access_tokens (id, hash, person, name, permissions, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			id, digest(secret), owner.Person.ID, name, string(list), store.Micros(now), store.Micros(expires))
		return err
	})
	if err != nil {
		return nil, "", err
	}
	t, err := b.Token(ctx, id)
	return t, secret, err
}

const apiColumns = `t.id, t.name, t.permissions, t.created_at, t.expires_at, t.used_at, p.id, p.email, p.name, p.disabled`

func scanToken(row scanner) (*Token, error) {
	var t Token
	var permissions []byte
	var created, expires, used int64
	err := row.Scan(&t.ID, &t.Name, &permissions, &created, &expires, &used, &t.Owner.ID, &t.Owner.Email, &t.Owner.Name, &t.Disabled)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotFound
	case err != nil:
		return nil, err
	}
	t.Created, t.Expires, t.Used = store.FromMicros(created), store.FromMicros(expires), store.FromMicros(used)
	return &t, json.Unmarshal(permissions, &t.Permissions)
}

// Token returns a token, or ErrNotFound.
func (b *Book) Token(ctx context.Context, id string) (*Token, error) {
	return scanToken(b.db.Reader().QueryRowContext(ctx, `SELECT `+apiColumns+` FROM access_tokens t JOIN access_people p ON p.id = t.person WHERE t.id = $1`, id))
}

// TokenFilter says which tokens to list.
type TokenFilter struct {
	Owner    string    // id of a person; empty: everybody's
	Before   time.Time // made before, or then with an id below BeforeID; zero: all
	BeforeID string
	Limit    int
}

// Tokens lists tokens, the newest first, and tells whether there are more.
func (b *Book) Tokens(ctx context.Context, f TokenFilter) (list []*Token, more bool, err error) {
	before := store.Micros(f.Before)
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := b.db.Reader().QueryContext(ctx, `
		SELECT `+apiColumns+` FROM access_tokens t JOIN access_people p ON p.id = t.person
		WHERE ($1 = '' OR t.person = $1) AND (t.created_at < $2 OR t.created_at = $2 AND t.id < $3) ORDER BY t.created_at DESC, t.id DESC LIMIT $4`,
		f.Owner, before, f.BeforeID, f.Limit+1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		t, err := scanToken(rows)
		if err != nil {
			return nil, false, err
		}
		list = append(list, t)
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, rows.Err()
}

// Revoke ends a token.
func (b *Book) Revoke(ctx context.Context, id string) error {
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM access_tokens WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if errors.Is(changedOne(r), ErrChanged) {
			return ErrNotFound
		}
		return nil
	})
}

// byToken returns who has a token, and what it may do; nil where it is not, or no more, good.
func (b *Book) byToken(ctx context.Context, secret string) (*User, *Token, error) {
	var t Token
	var permissions []byte
	var expires, used int64
	u, err := scanUser(b.db.Reader().QueryRowContext(ctx, `
		SELECT `+userColumns+`, t.id, t.permissions, t.expires_at, t.used_at FROM access_tokens t JOIN access_people p ON p.id = t.person WHERE t.hash = $1`, digest(secret)),
		&t.ID, &permissions, &expires, &used)
	now := b.now()
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case u.Disabled || !store.FromMicros(expires).After(now):
		return nil, nil, nil
	}
	if err := json.Unmarshal(permissions, &t.Permissions); err != nil {
		return nil, nil, err
	}
	if now.Sub(store.FromMicros(used)) >= useStep {
		err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `UPDATE access_tokens SET used_at = $2 WHERE id = $1 AND used_at = $3`, t.ID, store.Micros(now), used)
			return err
		})
	}
	return u, &t, err
}

// useStep is how exactly it is known when a token or session was last used.
const useStep = time.Minute
