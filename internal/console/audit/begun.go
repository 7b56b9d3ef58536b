package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"heliograph/internal/store"
)

// begunID is where a change waits for its end, beside the views that are counted.
func begunID(id string) string { return begunPrefix + id }

const begunPrefix = "begun "

// Begin puts a change on record that is about to be made. Its row joins the chain when End says what came of it; if nobody does, as the gateway
// was stopped meanwhile, it joins as it is after a while (fold). id is that of the request.
func (l *Log) Begin(ctx context.Context, id string, e Event) error {
	r, err := l.row(e)
	if err != nil {
		return err
	}
	err = l.db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return l.putView(ctx, tx, view{begunID(id), r}) })
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Action, err)
	}
	return nil
}

// End makes a change that Begin has put on record one row of the chain, with what came of it. It is of the time when the change began.
func (l *Log) End(ctx context.Context, id string, e Event) error {
	r, err := l.row(e)
	if err != nil {
		return err
	}
	err = l.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := l.lock(ctx, tx); err != nil { // as fold does first
			return err
		}
		ended := r
		var begun Row
		err := begun.scan(tx.QueryRowContext(ctx, `DELETE FROM audit_views WHERE id = $1 RETURNING `+columns+`, key, mac`, begunID(id)), nil, &begun.key, &begun.mac)
		switch {
		case errors.Is(err, sql.ErrNoRows): // the change took so long that the chain has its beginning
		case err != nil:
			return err
		case l.keys.check(macView, begun.digest(begunID(id)), 0, begun.key, begun.mac) == nil:
			ended.At, ended.Until = begun.At, begun.At
		}
		return l.add(ctx, tx, ended)
	})
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Action, err)
	}
	return nil
}
