package builtin

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

var (
	_ crmclient.ActivityUpdater    = (*CRM)(nil)
	_ crmclient.ActivityWithdrawer = (*CRM)(nil)
)

// UpdateEmail sets who has the message, where it was seen, its blind recipients, its thread and its verdict. Who took
// part stays findable by address, also those who are no blind recipients any more.
func (c *CRM) UpdateEmail(ctx context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	var id int64
	err := c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var before string
		err := tx.QueryRowContext(ctx, `UPDATE crm_activities SET updated_at = updated_at WHERE key = $1 RETURNING id, people`, clean(a.Key)).Scan(&id, &before)
		if errors.Is(err, sql.ErrNoRows) {
			return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "there is no activity with this key", Err: crmclient.ErrNoRecord}
		}
		if err != nil {
			return err
		}
		var m merged
		if err := m.read("[]", "[]", before, "[]"); err != nil {
			return fmt.Errorf("activity %d: %w", id, err)
		}
		m.people.BCC = a.BCC
		_, err = tx.ExecContext(ctx, `
			UPDATE crm_activities SET accounts = $1, sightings = $2, people = $3, thread = $4, unconfirmed = $5, updated_at = $6 WHERE id = $7`,
			toJSON(sorted(a.Accounts)), toJSON(a.Sightings), toJSON(m.people), clean(a.Thread), boolInt(a.Unconfirmed), store.Micros(c.now()), id)
		if err != nil {
			return err
		}
		if err := insertPeople(ctx, tx, id, a); err != nil {
			return err
		}
		return linkContacts(ctx, tx, id, a)
	})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update activity: %w", err)
	}
	return crmclient.Receipt{RemoteID: strconv.FormatInt(id, 10)}, nil
}

// WithdrawEmail deletes the activity with all that belongs to it. Its key stays, so that LogEmail makes no other.
func (c *CRM) WithdrawEmail(ctx context.Context, _, key string) error {
	err := c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := c.lockKey(ctx, tx, key); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO crm_withdrawn (key, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, clean(key), store.Micros(c.now()))
		if err != nil {
			return err
		}
		var id int64
		err = tx.QueryRowContext(ctx, `SELECT id FROM crm_activities WHERE key = $1`, clean(key)).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return deleteActivity(ctx, tx, id)
	})
	if err != nil {
		return fmt.Errorf("withdraw activity: %w", err)
	}
	return nil
}

// deleteActivity deletes an activity; what refers to it goes by itself, but for the search tokens, which are a table of
// another kind on SQLite.
func deleteActivity(ctx context.Context, tx store.Querier, id int64) error {
	rows, err := tx.QueryContext(ctx, `SELECT contact_id FROM crm_activity_contacts WHERE activity_id = $1 ORDER BY contact_id`, id)
	if err != nil {
		return err
	}
	linked, err := collect(rows, func(row scanner) (n int64, err error) {
		err = row.Scan(&n)
		return n, err
	})
	if err != nil {
		return err
	}
	for _, statement := range []string{`DELETE FROM crm_activity_tokens WHERE rowid = $1`, `DELETE FROM crm_activities WHERE id = $1`} {
		if _, err := tx.ExecContext(ctx, statement, id); err != nil {
			return err
		}
	}
	for _, contact := range linked { // in one order in all transactions
		_, err := tx.ExecContext(ctx, `
			UPDATE crm_contacts SET last_activity_at = (SELECT COALESCE(MAX(sent_at), 0) FROM crm_activity_contacts WHERE contact_id = $1)
			WHERE id = $1`, contact)
		if err != nil {
			return err
		}
	}
	return nil
}

// withdrawn tells whether the activity with this key was taken back.
func withdrawn(ctx context.Context, tx store.Querier, key string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM crm_withdrawn WHERE key = $1`, clean(key)).Scan(&n)
	return n > 0, err
}

// lockKey lets one transaction at a time write or withdraw an activity: neither sees the other's row before it is
// committed. SQLite has a single writer.
func (c *CRM) lockKey(ctx context.Context, tx store.Querier, key string) error {
	if c.db.Dialect() != store.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "crm activity "+clean(key))
	return err
}
