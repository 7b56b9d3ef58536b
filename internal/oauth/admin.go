package oauth

import (
	"context"
	"fmt"
	"time"

	"heliograph/internal/store"
)

// Info is what may be shown of a grant.
type Info struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`             // KindToken, KindConsent or KindPassword
	Granted time.Time `json:"granted"`          // when a person or the configuration last gave it
	Fetched time.Time `json:"fetched,omitzero"` // when the access token was got
	Expires time.Time `json:"expires,omitzero"` // of the access token; zero: there is none, or its vendor did not say
	Failed  time.Time `json:"failed,omitzero"`  // when none could be got; zero: the last time one could
	Trouble string    `json:"trouble,omitempty"`
}

// Consent is what a person gave for a connection.
type Consent struct {
	Token   Token
	Refresh string // refresh token; empty where the vendor gives none
	// Seed is that of the refresh token in the configuration that this replaces: Seed(configured).
	Seed string
}

// Connect stores a consent in place of what was there.
func (k *Keeper) Connect(ctx context.Context, name string, c Consent) error {
	s := secrets{Token: c.Token, Refresh: c.Refresh, Seed: c.Seed, Settings: k.settings}
	if c.Token.Access != "" {
		s.Got = k.now()
	}
	return k.put(ctx, name, KindConsent, s)
}

// SetPassword stores the password or authorization code of a mail account in place of what was there.
func (k *Keeper) SetPassword(ctx context.Context, name, password string) error {
	return k.put(ctx, name, KindPassword, secrets{Password: password})
}

// Password returns what SetPassword stored; found is false where there is none.
func (k *Keeper) Password(ctx context.Context, name string) (password string, found bool, err error) {
	r, found, err := k.load(ctx, k.db.Reader(), name)
	if err != nil {
		return "", false, err
	}
	return r.Password, found && r.Password != "", nil
}

// Forget deletes a grant and returns its refresh token, or its access token where it has none, for the vendor to revoke. It is no error
// if there is no such grant.
func (k *Keeper) Forget(ctx context.Context, name string) (held string, err error) {
	r, _, err := k.load(ctx, k.db.Reader(), name)
	if err == nil {
		held = r.Refresh
		if held == "" {
			held = r.Token.Access
		}
	} // what cannot be read can still be deleted
	err = k.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM grants WHERE name = $1`, name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("delete grant %s: %w", name, err)
	}
	return held, nil
}

// List returns all grants, by name.
func (k *Keeper) List(ctx context.Context) (list []Info, err error) {
	rows, err := k.db.Reader().QueryContext(ctx, `SELECT name, kind, granted_at, fetched_at, expires_at, failed_at, trouble FROM grants ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var i Info
		var granted, fetched, expires, failed int64
		if err := rows.Scan(&i.Name, &i.Kind, &granted, &fetched, &expires, &failed, &i.Trouble); err != nil {
			return nil, fmt.Errorf("list grants: %w", err)
		}
		i.Granted, i.Fetched = store.FromMicros(granted), store.FromMicros(fetched)
		i.Expires, i.Failed = store.FromMicros(expires), store.FromMicros(failed)
		list = append(list, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	return list, nil
}
