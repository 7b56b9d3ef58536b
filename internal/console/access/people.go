package access

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"heliograph/internal/store"
)

// The errors that callers act on.
var (
	ErrNotFound  = errors.New("there is no such thing")
	ErrTaken     = errors.New("the name or address is taken")
	ErrChanged   = errors.New("somebody changed it meanwhile")
	ErrLastAdmin = errors.New("it is the last active admin")
	ErrScope     = errors.New("the role has no such scope")
	ErrRole      = errors.New("there is no such role")
	ErrAddress   = errors.New("this is no mail address")
	ErrNoPerson  = errors.New("there is no such person")
)

// User is a person with all that the book says.
type User struct {
	Person
	Scope       Scope
	Accounts    []string // the person's own mail accounts, lower case
	Teams       []TeamRef
	Disabled    bool
	HasPassword bool
	Factors     int    // authenticator apps and passkeys
	Issuer      string // that knows the person; empty: none
	Version     int64
	Created     time.Time
	SignedIn    time.Time // zero: never
}

// TeamRef is a team that a person is in.
type TeamRef struct {
	ID, Name string
	Manages  bool
}

// Scopes lists what people with a role can have, the usual one first.
func Scopes(r Role) []Scope {
	switch r {
	case Admin, Auditor:
		return []Scope{ScopeAll}
	case Manager:
		return []Scope{ScopeTeam, ScopeAll, ScopeOwn}
	}
	return []Scope{ScopeOwn}
}

// Masks lists the kinds of fields that are hidden from a role.
func Masks(r Role) []string {
	if r == Auditor {
		return []string{"subject", "text", "phone", "address", "amount"}
	}
	return nil
}

// Book is who may sign in. It may be used concurrently.
type Book struct {
	db  *store.DB
	now func() time.Time
}

// NewBook returns the book of a store.
func NewBook(db *store.DB) *Book { return &Book{db: db, now: time.Now} }

// normalAddress is a mail address as it is stored.
func normalAddress(text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > 254 || strings.ContainsAny(text, "\" \t") {
		return "", ErrAddress
	}
	return text, nil
}

func newID() string { return strings.ToLower(rand.Text()) }

const userColumns = `p.id, p.email, p.name, p.role, p.scope, p.language, p.accounts, p.disabled, CASE WHEN p.password <> '' THEN 1 ELSE 0 END,
	(SELECT COUNT(*) FROM access_factors f WHERE f.person = p.id AND f.confirmed = 1), p.issuer, p.version, p.created_at, p.signed_in_at`

type scanner interface{ Scan(into ...any) error }

func scanUser(row scanner, more ...any) (*User, error) {
	var u User
	var created, signedIn int64
	err := row.Scan(append([]any{
		&u.ID, &u.Email, &u.Name, &u.Role, &u.Scope, &u.Lang, (*addresses)(&u.Accounts), &u.Disabled, &u.HasPassword, &u.Factors, &u.Issuer, &u.Version, &created, &signedIn,
	}, more...)...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotFound
	case err != nil:
		return nil, err
	}
	u.Created, u.SignedIn = store.FromMicros(created), store.FromMicros(signedIn)
	return &u, nil
}

// addresses is a list in JSON.
type addresses []string

// Scan implements sql.Scanner.
func (a *addresses) Scan(value any) error {
	switch text := value.(type) {
	case string:
		return json.Unmarshal([]byte(text), a)
	case []byte:
		return json.Unmarshal(text, a)
	}
	return fmt.Errorf("a list is stored as %T", value)
}

func userByID(ctx context.Context, q store.Querier, id string) (*User, error) {
	return scanUser(q.QueryRowContext(ctx, `SELECT `+userColumns+` FROM access_people p WHERE p.id = $1`, id))
}

func userByEmail(ctx context.Context, q store.Querier, email string) (*User, error) {
	return scanUser(q.QueryRowContext(ctx, `SELECT `+userColumns+` FROM access_people p WHERE p.email = $1`, email))
}

// User returns a person, or ErrNotFound.
func (b *Book) User(ctx context.Context, id string) (*User, error) {
	u, err := userByID(ctx, b.db.Reader(), id)
	if err != nil {
		return nil, err
	}
	return u, b.addTeams(ctx, []*User{u})
}

// ByEmail returns the person of an address, or ErrNotFound.
func (b *Book) ByEmail(ctx context.Context, email string) (*User, error) {
	u, err := userByEmail(ctx, b.db.Reader(), strings.ToLower(strings.TrimSpace(email)))
	if err != nil {
		return nil, err
	}
	return u, b.addTeams(ctx, []*User{u})
}

// addTeams fills in the teams of people who are in the order of their addresses.
func (b *Book) addTeams(ctx context.Context, people []*User) error {
	if len(people) == 0 {
		return nil
	}
	rows, err := b.db.Reader().QueryContext(ctx, `
		SELECT tp.person, t.id, t.name, MAX(tp.manages) FROM access_people p JOIN access_team_people tp ON tp.person = p.id JOIN access_teams t ON t.id = tp.team
		WHERE p.email >= $1 AND p.email <= $2 GROUP BY tp.person, t.id, t.name ORDER BY t.name`, people[0].Email, people[len(people)-1].Email)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var person string
		var t TeamRef
		if err := rows.Scan(&person, &t.ID, &t.Name, &t.Manages); err != nil {
			return err
		}
		if i := slices.IndexFunc(people, func(u *User) bool { return u.ID == person }); i >= 0 {
			people[i].Teams = append(people[i].Teams, t)
		}
	}
	return rows.Err()
}

// PeopleFilter says which people to list.
type PeopleFilter struct {
	Search   string // part of a name or address
	Role     Role   // empty: all
	Disabled *bool  // nil: all
	After    string // an address: those behind it
	Limit    int
}

// People lists people in the order of their addresses, and tells whether there are more.
func (b *Book) People(ctx context.Context, f PeopleFilter) (list []*User, more bool, err error) {
	disabled := -1
	if f.Disabled != nil {
		disabled = 0
		if *f.Disabled {
			disabled = 1
		}
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Search)) + "%"
	rows, err := b.db.Reader().QueryContext(ctx, `
		SELECT `+userColumns+` FROM access_people p
		WHERE p.email > $1 AND ($2 = '' OR p.role = $2) AND ($3 = -1 OR p.disabled = $3) AND (p.email LIKE $4 ESCAPE '\' OR LOWER(p.name) LIKE $4 ESCAPE '\')
		ORDER BY p.email LIMIT $5`, f.After, string(f.Role), disabled, pattern, f.Limit+1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, false, err
		}
		list = append(list, u)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, false, err
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, b.addTeams(ctx, list)
}
