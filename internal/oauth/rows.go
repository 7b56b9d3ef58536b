package oauth

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/store"
)

// The kinds of grants.
const (
	KindToken    = "token"    // an application's own: it can be got again at any time
	KindConsent  = "consent"  // a person's: its refresh token is all there is
	KindPassword = "password" // a password or authorization code of a mail account
)

// secrets are the encrypted part of a row.
type secrets struct {
	Token    Token     `json:"token,omitzero"`
	Got      time.Time `json:"got,omitzero"`      // when the token was asked for
	Refresh  string    `json:"refresh,omitempty"` // refresh token
	Password string    `json:"password,omitempty"`
	// Seed tells by which configured refresh token this began, and Settings by which settings the token was got.
	Seed     string `json:"seed,omitempty"`
	Settings string `json:"settings,omitempty"`
}

// row is one row of the table.
type row struct {
	name    string
	kind    string
	version int64
	secrets
	grantedAt time.Time
	failedAt  time.Time
	trouble   string
	busyBy    string
	busyUntil time.Time
}

// sealLabel begins what each row's secrets are bound to, so that nothing else that the key encrypts can stand for them.
const sealLabel = "heliograph grant\x00"

func (k *keeper) seal(name string, s secrets) ([]byte, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write grant %s: %w", name, err)
	}
	return k.sealer.Seal(plain, []byte(sealLabel+name)), nil
}

func (k *keeper) open(name string, sealed []byte) (s secrets, err error) {
	plain, err := k.sealer.Open(sealed, []byte(sealLabel+name))
	if err != nil {
		return s, fmt.Errorf("read grant %s: %w: nodes that share a database need the same key file", name, err)
	}
	if err := json.Unmarshal(plain, &s); err != nil {
		return s, fmt.Errorf("read grant %s: what is stored is not readable by this version", name)
	}
	return s, nil
}

const rowColumns = `name, kind, version, sealed, granted_at, failed_at, trouble, busy_by, busy_until`

func (k *keeper) load(ctx context.Context, q store.Querier, name string) (r row, found bool, err error) {
	var sealed []byte
	var granted, failed, until int64
	err = q.QueryRowContext(ctx, `SELECT `+rowColumns+` FROM grants WHERE name = $1`, name).
		Scan(&r.name, &r.kind, &r.version, &sealed, &granted, &failed, &r.trouble, &r.busyBy, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return row{name: name}, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read grant %s: %w", name, err)
	}
	r.grantedAt, r.failedAt, r.busyUntil = store.FromMicros(granted), store.FromMicros(failed), store.FromMicros(until)
	r.secrets, err = k.open(name, sealed)
	return r, true, err
}

// version returns the version of a row; zero where there is none.
func (k *keeper) version(ctx context.Context, name string) (v int64, err error) {
	err = k.db.Reader().QueryRowContext(ctx, `SELECT version FROM grants WHERE name = $1`, name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return v, err
}

// put writes a grant as a person or the configuration gave it, whatever was there.
func (k *keeper) put(ctx context.Context, name, kind string, s secrets) error {
	sealed, err := k.seal(name, s)
	if err != nil {
		return err
	}
	now := store.Micros(k.now())
	err = k.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		// The time as first version keeps a row that was deleted and made again from looking like the one before.
		_, err := tx.ExecContext(ctx, `INSERT INTO grants (name, kind, version, sealed, expires_at, granted_at, fetched_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (name) DO UPDATE SET kind = $2, version = CASE WHEN grants.version < $3 THEN $3 ELSE grants.version + 1 END,
				sealed = $4, expires_at = $5, granted_at = $6, fetched_at = $7, failed_at = 0, trouble = '', busy_by = '', busy_until = 0`,
			name, kind, now, sealed, store.Micros(s.Token.Expires), now, store.Micros(s.Got))
		return err
	})
	if err != nil {
		return fmt.Errorf("store grant %s: %w", name, err)
	}
	return nil
}

// lease reserves a row for getting a token, making it where there is none. It returns the row as it was, and whether it was got.
func (k *keeper) lease(ctx context.Context, name, kind, by string) (r row, got bool, err error) {
	err = k.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		now := k.now()
		var found bool
		if r, found, err = k.load(ctx, tx, name); err != nil {
			return err
		}
		if !found {
			r.kind, r.version = kind, store.Micros(now)
			sealed, err := k.seal(name, secrets{})
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO grants (name, kind, version, sealed, granted_at) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (name) DO NOTHING`, name, kind, r.version, sealed, store.Micros(now))
			if err != nil {
				return err
			}
		}
		res, err := tx.ExecContext(ctx, `UPDATE grants SET busy_by = $1, busy_until = $2 WHERE name = $3 AND version = $4 AND (busy_by = '' OR busy_until < $5)`,
			by, store.Micros(now.Add(leaseTime)), name, r.version, store.Micros(now))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		got = n == 1
		return err
	})
	if err != nil {
		return r, false, fmt.Errorf("reserve grant %s: %w", name, err)
	}
	return r, got, nil
}

// replace writes new secrets over those that were seen, and ends the lease. It reports whether they still were there.
func (k *keeper) replace(ctx context.Context, seen row, kind string, s secrets) (version int64, ok bool, err error) {
	sealed, err := k.seal(seen.name, s)
	if err != nil {
		return 0, false, err
	}
	err = k.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		res, err := tx.ExecContext(ctx, `UPDATE grants SET kind = $1, version = version + 1, sealed = $2, expires_at = $3, fetched_at = $4,
			failed_at = 0, trouble = '', busy_by = '', busy_until = 0 WHERE name = $5 AND version = $6`,
			kind, sealed, store.Micros(s.Token.Expires), store.Micros(s.Got), seen.name, seen.version)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		ok = n == 1
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("store grant %s: %w", seen.name, err)
	}
	return seen.version + 1, ok, nil
}

// fail ends a lease without a token. Trouble is kept for who asks what is wrong; empty leaves what is known.
func (k *keeper) fail(ctx context.Context, name, by, trouble string) error {
	return k.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if trouble == "" {
			_, err := tx.ExecContext(ctx, `UPDATE grants SET busy_by = '', busy_until = 0 WHERE name = $1 AND busy_by = $2`, name, by)
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE grants SET busy_by = '', busy_until = 0, failed_at = $1, trouble = $2 WHERE name = $3 AND busy_by = $4`,
			store.Micros(k.now()), trouble, name, by)
		return err
	})
}
