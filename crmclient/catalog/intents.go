package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// intentsKept is how long an intent is known. The queue gives up long before.
const intentsKept = 400 * 24 * time.Hour

// intents are the crmclient.Intents of one target, in the store.
type intents struct {
	db     *store.DB
	target string
}

func (d Deps) intents(target string) crmclient.Intents {
	if d.Store == nil {
		return nil
	}
	return intents{d.Store, target}
}

// Begin is that of crmclient.Intents.
func (i intents) Begin(ctx context.Context, key string) (before crmclient.Intent, err error) {
	now := time.Now()
	err = i.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if before, err = i.find(ctx, tx, key); err != nil || !before.Began.IsZero() {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM write_intents WHERE began_at < $1`, store.Micros(now.Add(-intentsKept))); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO write_intents (target, key, remote_id, began_at) VALUES ($1, $2, '', $3) ON CONFLICT (target, key) DO NOTHING`,
			i.target, key, store.Micros(now))
		return err
	})
	if err != nil {
		return crmclient.Intent{}, fmt.Errorf("note what will be written: %w", err)
	}
	return before, nil
}

// Find is that of crmclient.Intents.
func (i intents) Find(ctx context.Context, key string) (crmclient.Intent, error) {
	found, err := i.find(ctx, i.db.Reader(), key)
	if err != nil {
		return crmclient.Intent{}, fmt.Errorf("look for what was written: %w", err)
	}
	return found, nil
}

func (i intents) find(ctx context.Context, q store.Querier, key string) (crmclient.Intent, error) {
	var (
		remoteID, looked string
		began            int64
	)
	err := q.QueryRowContext(ctx, `SELECT remote_id, began_at, looked FROM write_intents WHERE target = $1 AND key = $2`, i.target, key).
		Scan(&remoteID, &began, &looked)
	if errors.Is(err, sql.ErrNoRows) {
		return crmclient.Intent{}, nil
	}
	if err != nil {
		return crmclient.Intent{}, err
	}
	return crmclient.Intent{RemoteID: remoteID, Began: store.FromMicros(began), Looked: looked}, nil
}

// Done is that of crmclient.Intents.
func (i intents) Done(ctx context.Context, key, remoteID string) error {
	return i.exec(ctx, "note what was written", `
		INSERT INTO write_intents (target, key, remote_id, began_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (target, key) DO UPDATE SET remote_id = excluded.remote_id, looked = ''`, i.target, key, remoteID, store.Micros(time.Now()))
}

// Looked is that of crmclient.Intents.
func (i intents) Looked(ctx context.Context, key, where string) error {
	return i.exec(ctx, "note where a search stands", `UPDATE write_intents SET looked = $3 WHERE target = $1 AND key = $2`, i.target, key, where)
}

// Forget is that of crmclient.Intents.
func (i intents) Forget(ctx context.Context, key string) error {
	return i.exec(ctx, "forget what was to be written", `DELETE FROM write_intents WHERE target = $1 AND key = $2`, i.target, key)
}

func (i intents) exec(ctx context.Context, what, query string, args ...any) error {
	err := i.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
