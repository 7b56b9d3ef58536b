package dynamics

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"heliograph/crmclient"
)

func expired(err error) error {
	if !errors.Is(err, crmclient.ErrCursorExpired) {
		return err
	}
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the cursor is not one of this connector", Err: err}
}

// RecordChanges polls by modifiedon. It tells nothing of deleted rows.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	t, err := c.tableOf(ctx, object)
	if err != nil {
		return nil, "", err
	}
	by := "_modifiedby_value"
	columns, err := t.selection(fields, t.key, "modifiedon", by)
	if err != nil {
		return nil, "", err
	}
	query := url.Values{"$orderby": {"modifiedon asc," + t.key}}
	if columns != "" {
		query.Set("$select", columns)
	}
	if cursor == "" {
		return c.beginChanges(ctx, t, query)
	}
	at, err := crmclient.ParsePollCursor(cursor, momentForm)
	if err != nil {
		return nil, "", expired(err)
	}
	from := at.From(momentForm, c.cfg.Overlap.D())
	query.Set("$filter", "modifiedon ge "+from)
	rows, err := c.list(ctx, t.set, query, maxChanges)
	if err != nil {
		return nil, "", fmt.Errorf("follow %s: %w", object, err)
	}
	own, err := c.ownUser(ctx)
	if err != nil {
		return nil, "", err
	}
	var changes []crmclient.RecordChange
	for _, r := range rows {
		record := c.record(t, r)
		if at.Tell(record.ID, moment(record.UpdatedAt), r) {
			who := r.text(by)
			changes = append(changes, crmclient.RecordChange{Record: record, By: who, Own: who != "" && who == own})
		}
	}
	at.Forget(at.From(momentForm, c.cfg.Overlap.D()))
	return changes, at.String(), nil
}

// maxChanges bounds the rows of one poll, those of the overlap among them.
const maxChanges = 5000

// beginChanges returns the cursor of this moment: it knows the newest rows.
func (c *Client) beginChanges(ctx context.Context, t *table, query url.Values) ([]crmclient.RecordChange, string, error) {
	query.Set("$orderby", "modifiedon desc,"+t.key)
	query.Set("$top", fmt.Sprint(pageSize))
	rows, err := c.list(ctx, t.set, query, pageSize)
	if err != nil {
		return nil, "", fmt.Errorf("begin to follow %s: %w", t.name, err)
	}
	at := crmclient.NewPollCursor(momentForm)
	for _, r := range rows {
		at.Tell(r.text(t.key), moment(r.time("modifiedon")), r)
	}
	at.Forget(at.From(momentForm, c.cfg.Overlap.D()))
	return nil, at.String(), nil
}

// ownUser returns the id of the application user.
func (c *Client) ownUser(ctx context.Context) (string, error) {
	return c.regarding.Read("whoami", func() (string, error) {
		who, err := c.whoAmI(ctx)
		return who.text("UserId"), err
	})
}
