package access

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"heliograph/internal/store"
)

// The kinds of ceremonies.
const (
	ceremonyEnrol = "passkey_enrol"
	ceremonyLogin = "passkey_login"
	ceremonyOIDC  = "oidc"
)

const (
	passkeyTime = 5 * time.Minute
	issuerTime  = 10 * time.Minute
)

// begin keeps what a browser comes back to, and returns the name under which it does.
func (s *SignIn) begin(ctx context.Context, kind, person string, data any, life time.Duration) (string, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	name, now := newSecret(), s.now()
	return name, s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_ceremonies WHERE expires_at <= $1`, store.Micros(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO access_ceremonies (hash, kind, person, data, expires_at) VALUES ($1, $2, $3, $4, $5)`,
			digest(name), kind, person, string(text), store.Micros(now.Add(life)))
		return err
	})
}

// end takes what was begun, once. ErrOver says that there is nothing of the kind.
func (s *SignIn) end(ctx context.Context, kind, name string, data any) (person string, err error) {
	var text []byte
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var expires int64
		err := tx.QueryRowContext(ctx, `DELETE FROM access_ceremonies WHERE hash = $1 AND kind = $2 RETURNING person, data, expires_at`, digest(name), kind).Scan(&person, &text, &expires)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !store.FromMicros(expires).After(s.now()) {
			return ErrOver
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return person, json.Unmarshal(text, data)
}
