package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// reasonWitness begins the ledger's reason for a message whose verdict was lost and that was sent all the same.
const reasonWitness = "the upstream's verdict was lost, but the message was sent: entry "

// witness settles doubts about an entry whose verdict is unknown: who has the message in a mailbox proves that it was sent.
// A program appends its own copy when it has sent the message; what the sender merely reads may be a draft. s is the sighting
// about to be written, as witness or in doubt.
func (m *Mirror) witness(ctx context.Context, tx store.Querier, s *sighting, key, messageID string) error {
	switch {
	case s.kind.Mailbox() && !s.unconfirmed:
		doubtful, err := m.doubtful(ctx, tx, *s, key)
		if err != nil {
			return err
		}
		for _, d := range doubtful {
			if err := m.confirm(ctx, tx, d, s.entry, messageID); err != nil {
				return err
			}
		}
		if len(doubtful) > 0 {
			return m.changed(ctx, tx, key)
		}
	case !s.kind.Mailbox() && s.unconfirmed:
		var text string
		err := tx.QueryRowContext(ctx, `SELECT entry FROM sightings WHERE message_key = $1 AND unconfirmed = 0
			AND (kind = $2 OR kind IN ($3, $4) AND account <> $5) ORDER BY entry LIMIT 1`, key,
			string(journal.KindAppend), string(journal.KindFetch), string(journal.KindBackfill), s.account).Scan(&text)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		by, err := journal.ParseID(text)
		if err != nil {
			return err
		}
		s.unconfirmed = false
		return m.confirm(ctx, tx, *s, by, messageID)
	}
	return nil
}

// doubtful returns the sightings whose verdict is unknown and for which s is a witness.
func (m *Mirror) doubtful(ctx context.Context, tx store.Querier, s sighting, key string) ([]sighting, error) {
	c, err := readCopies(ctx, tx, key, `AND unconfirmed = 1`)
	if err != nil {
		return nil, err
	}
	var out []sighting
	for _, d := range c.list {
		if !d.kind.Mailbox() && (s.kind == journal.KindAppend || s.account != d.account) {
			out = append(out, d)
		}
	}
	return out, nil
}

// confirm notes that the message of d was sent.
func (m *Mirror) confirm(ctx context.Context, tx store.Querier, d sighting, by journal.ID, messageID string) error {
	if err := m.o.Journal.Confirm(ctx, tx, d.entry); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE sightings SET unconfirmed = 0 WHERE entry = $1`, d.entry.String()); err != nil {
		return fmt.Errorf("confirming sighting %s: %w", d.entry, err)
	}
	if d.excluded != "" {
		return nil // which the ledger says
	}
	return m.o.Journal.Note(ctx, tx, d.row(messageID, "", journal.LedgerCaptured, reasonWitness+by.String(), m.o.Now()))
}
