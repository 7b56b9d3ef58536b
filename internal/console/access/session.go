package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"heliograph/internal/store"
)

// Kind says how a session began.
type Kind string

// The kinds of sessions.
const (
	KindPassword Kind = "password"
	KindMailbox  Kind = "mailbox"
	KindOIDC     Kind = "oidc"
	KindPasskey  Kind = "passkey"
	KindSetup    Kind = "setup" // a link that works once
)

// State says how far a sign-in is.
type State string

// The states of sessions.
const (
	StateDone State = "done"
	StateHalf State = "half" // a second factor is missing
)

const (
	halfLife    = 5 * time.Minute
	maxHalf     = 5 // wrong codes
	freshFor    = 15 * time.Minute
	maxSessions = 50 // of a person; the one that was not used for longest ends
)

// Session is a browser's.
type Session struct {
	ID       string
	State    State
	Kind     Kind
	Device   string
	Address  string // of the client when it began
	Created  time.Time
	Used     time.Time // to the minute
	Proven   time.Time
	Expires  time.Time
	User     *User // nil in lists
	FreshEnd time.Time
}

const sessionColumns = `s.id, s.state, s.kind, s.device, s.address, s.created_at, s.used_at, s.proven_at, s.expires_at`

// into are the places of sessionColumns.
type sessionRow struct {
	Session
	created, used, proven, expires int64
}

func (r *sessionRow) into() []any {
	return []any{&r.ID, &r.State, &r.Kind, &r.Device, &r.Address, &r.created, &r.used, &r.proven, &r.expires}
}

func (r *sessionRow) session() *Session {
	x := r.Session
	x.Created, x.Used, x.Proven, x.Expires = store.FromMicros(r.created), store.FromMicros(r.used), store.FromMicros(r.proven), store.FromMicros(r.expires)
	x.FreshEnd = x.Proven.Add(freshFor)
	return &x
}

// Session returns the session of a cookie, in whatever state, or ErrNobody.
func (s *SignIn) Session(ctx context.Context, v Visit) (*Session, error) {
	if v.Cookie == "" {
		return nil, ErrNobody
	}
	var row sessionRow
	u, err := scanUser(s.db.Reader().QueryRowContext(ctx, `
		SELECT `+userColumns+`, `+sessionColumns+` FROM access_sessions s JOIN access_people p ON p.id = s.person WHERE s.hash = $1`, digest(v.Cookie)), row.into()...)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, err
	}
	x, now := row.session(), s.now()
	x.User = u
	if u.Disabled || !s.alive(x, now) {
		return nil, ErrNobody
	}
	if now.Sub(x.Used) >= useStep {
		err = s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `UPDATE access_sessions SET used_at = $2 WHERE id = $1 AND used_at = $3`, x.ID, store.Micros(now), row.used)
			return err
		})
	}
	return x, err
}

func (s *SignIn) alive(x *Session, now time.Time) bool {
	return now.Before(x.Expires) && now.Before(x.Used.Add(s.options.Config.Sessions.Idle.D()))
}

// Fresh returns the session of a visit where the person has proven lately who it is, else ErrNotFresh or ErrNobody.
func (s *SignIn) Fresh(ctx context.Context, v Visit) (*Session, error) {
	x, err := s.Session(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case x.State != StateDone:
		return nil, ErrNobody
	case !s.now().Before(x.FreshEnd):
		return nil, ErrNotFresh
	}
	return x, nil
}

// Entered is a session that has just begun.
type Entered struct {
	*Session
	Cookie *http.Cookie
}

// enter begins a session of a person who has proven one thing. Where the person has a second factor that is only half of it.
func (s *SignIn) enter(ctx context.Context, v Visit, u *User, kind Kind) (*Entered, error) {
	if u.Factors > 0 && kind != KindPasskey {
		return s.open(ctx, v, u, kind, StateHalf)
	}
	return s.open(ctx, v, u, kind, StateDone)
}

// open begins a session under a new id and ends the one that the browser had, so that an id which somebody else knew is worth nothing.
func (s *SignIn) open(ctx context.Context, v Visit, u *User, kind Kind, state State) (*Entered, error) {
	now, secret := s.now(), newSecret()
	x := &Session{
		ID: newID(), State: state, Kind: kind, Device: v.Device, Created: now, Used: now, Proven: now, FreshEnd: now.Add(freshFor),
		Expires: now.Add(s.options.Config.Sessions.Longest.D()),
	}
	if state == StateHalf {
		x.Expires = now.Add(halfLife)
	}
	if v.Client.IsValid() {
		x.Address = v.Client.String()
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := s.sweep(ctx, tx, v, u.ID); err != nil {
			return err
		}
		if state == StateDone {
			if _, err := tx.ExecContext(ctx, `UPDATE access_people SET signed_in_at = $2 WHERE id = $1`, u.ID, store.Micros(now)); err != nil {
				return err
			}
		}
		r, err := tx.ExecContext(ctx, `
			INSERT INTO access_sessions (id, hash, person, state, kind, device, address, tries, created_at, used_at, proven_at, expires_at)
			SELECT $1, $2, p.id, $4, $5, $6, $7, 0, $8, $8, $8, $9 FROM access_people p WHERE p.id = $3 AND p.disabled = 0`,
			x.ID, digest(secret), u.ID, string(state), string(kind), x.Device, x.Address, store.Micros(now), store.Micros(x.Expires))
		if err != nil {
			return err
		}
		if errors.Is(changedOne(r), ErrChanged) {
			return ErrRefused // disabled or removed meanwhile
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if x.User, err = s.User(ctx, u.ID); err != nil {
		return nil, err
	}
	return &Entered{Session: x, Cookie: s.bake(s.cookie, secret, x.Expires)}, nil
}

// sweep removes the session that a browser had, what has ended, and the sessions that are too many.
func (s *SignIn) sweep(ctx context.Context, tx store.Querier, v Visit, person string) error {
	now := s.now()
	for _, q := range []struct {
		text string
		args []any
	}{
		{`DELETE FROM access_sessions WHERE hash = $1`, []any{digest(v.Cookie)}},
		{`DELETE FROM access_sessions WHERE expires_at <= $1`, []any{store.Micros(now)}},
		{`DELETE FROM access_sessions WHERE person = $1 AND used_at <= $2`, []any{person, store.Micros(now.Add(-s.options.Config.Sessions.Idle.D()))}},
		{`DELETE FROM access_ceremonies WHERE expires_at <= $1`, []any{store.Micros(now)}},
		{`DELETE FROM access_sessions WHERE person = $1 AND id NOT IN (SELECT id FROM access_sessions WHERE person = $1 ORDER BY used_at DESC, id LIMIT $2)`, []any{person, maxSessions - 1}},
	} {
		if _, err := tx.ExecContext(ctx, q.text, q.args...); err != nil {
			return err
		}
	}
	return nil
}

// bake makes a cookie. An end in the past removes it.
func (s *SignIn) bake(name, value string, until time.Time) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode, Expires: until}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// SignOut ends the session of a visit, and returns the cookie that removes its cookie.
func (s *SignIn) SignOut(ctx context.Context, v Visit) (*http.Cookie, error) {
	gone := s.bake(s.cookie, "", time.Unix(0, 0))
	if v.Cookie == "" {
		return gone, nil
	}
	return gone, s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM access_sessions WHERE hash = $1`, digest(v.Cookie))
		return err
	})
}

// Sessions lists where a person is signed in, last used first.
func (s *SignIn) Sessions(ctx context.Context, person string) ([]*Session, error) {
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT `+sessionColumns+` FROM access_sessions s WHERE s.person = $1 AND s.state = 'done' ORDER BY s.used_at DESC, s.id`, person)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*Session
	for rows.Next() {
		var row sessionRow
		if err := rows.Scan(row.into()...); err != nil {
			return nil, err
		}
		if x := row.session(); s.alive(x, s.now()) {
			list = append(list, x)
		}
	}
	return list, rows.Err()
}

// EndSession ends one session of a person.
func (s *SignIn) EndSession(ctx context.Context, person, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM access_sessions WHERE person = $1 AND id = $2`, person, id)
		if err != nil {
			return err
		}
		if errors.Is(changedOne(r), ErrChanged) {
			return ErrNotFound
		}
		return nil
	})
}

// EndOthers ends all sessions of a person but one.
func (s *SignIn) EndOthers(ctx context.Context, person, but string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return endSessions(ctx, tx, person, but) })
}

// Confirm proves again who sits there: with the password of the kind that the session began with, or with a code. The session gets a new id.
func (s *SignIn) Confirm(ctx context.Context, v Visit, password, code string) (*Entered, error) {
	x, err := s.Session(ctx, v)
	if err != nil {
		return nil, err
	}
	u := x.User
	switch {
	case x.State != StateDone:
		return nil, ErrNobody
	case code != "":
		err = s.takeCode(ctx, u, code)
	case password == "":
		err = ErrRefused
	case x.Kind == KindMailbox && !u.HasPassword:
		err = s.askMailbox(ctx, v, u.Email, password)
	default:
		err = s.guarded(ctx, v, "console "+u.Email, func() error {
			_, err := s.checkPassword(ctx, u.Email, password)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return s.open(ctx, v, u, x.Kind, StateDone)
}
