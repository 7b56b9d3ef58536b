package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/journal/segment"
	"heliograph/internal/store"
	"heliograph/internal/uidset"
)

// The values of the column settled, and what the mark that sets it carries.
const (
	settledDropped  = 1 // the outbox gave the message up
	settledMirrored = 2 // the outbox delivered it, and the consumers got it
)

// batch is a piece of the log, brought into the form of the database. Most entries
// and their verdicts are in the same piece and cost one row.
type batch struct {
	rows     []*row
	byID     map[ID]*row
	marks    []change // of entries that are not in rows
	refused  []LedgerRow
	settled  []ID // that got their verdict
	enrolled []enrolment
	updates  map[MailboxKey]*mailboxUpdate // of the ledger of mailboxes; made by store
	next     segment.Position
	records  int
}

type row struct {
	Entry
	settled int
	gone    bool
}

// change is a mark that was understood.
type change struct {
	kind    segment.Kind
	id      ID
	verdict Verdict
	refusal refusal
	settled int
}

// add takes a record in. Its error is about the record itself and will not go away.
func (b *batch) add(rec segment.Record) error {
	b.next = rec.Next
	b.records++
	if rec.Kind == segment.KindEntry {
		var m meta
		if err := m.decode(rec.Meta); err != nil {
			return err
		}
		if first := b.byID[rec.ID]; first != nil && !first.gone {
			return nil // written again by who could not see the first one yet; between batches the database says so
		}
		r := &row{Entry: Entry{Envelope: m.Envelope, State: StateSealed, SealedAt: m.SealedAt, Location: rec.Loc}}
		r.ID, r.Size = rec.ID, rec.Size
		if r.decided() {
			r.State, r.Verdict.At = StateConfirmed, r.SealedAt
		}
		b.rows = append(b.rows, r)
		if b.byID == nil {
			b.byID = map[ID]*row{}
		}
		b.byID[r.ID] = r
		return nil
	}
	if rec.Kind == segment.KindEnrol {
		var e enrolment
		if err := json.Unmarshal(rec.Meta, &e); err != nil {
			return err
		}
		b.enrolled = append(b.enrolled, e)
		return nil
	}
	c := change{kind: rec.Kind, id: rec.ID}
	var err error
	switch c.kind {
	case segment.KindCommit:
		err = c.verdict.decode(rec.Meta)
	case segment.KindDiscard:
		err = json.Unmarshal(rec.Meta, &c.refusal)
	case segment.KindSettled:
		err = json.Unmarshal(rec.Meta, &c.settled)
	}
	if err != nil {
		return err
	}
	if c.kind != segment.KindSettled {
		b.settled = append(b.settled, c.id)
	}
	if r := b.byID[c.id]; r != nil {
		b.applyTo(r, c)
	} else {
		b.marks = append(b.marks, c)
	}
	return nil
}

// applyTo applies a mark to an entry of the same batch.
func (b *batch) applyTo(r *row, c change) {
	switch c.kind {
	case segment.KindCommit:
		r.State, r.Verdict = StateConfirmed, c.verdict
		if r.Kind == KindAppend && c.verdict.UID != 0 {
			r.UIDValidity, r.UID = c.verdict.UIDValidity, c.verdict.UID
		}
	case segment.KindDiscard:
		r.gone = true
		b.refused = append(b.refused, refusedRow(r.ID, r.Account, c.refusal))
	case segment.KindSettled:
		r.settled = c.settled
	}
}

func refusedRow(id ID, account string, f refusal) LedgerRow {
	return LedgerRow{Entry: id, Account: account, State: LedgerRefused, Reason: f.Reason, At: f.At}
}

// capturedRow is the ledger row of an entry that is kept.
func capturedRow(r *row) LedgerRow {
	row := LedgerRow{Entry: r.ID, Account: r.Account, State: LedgerCaptured, At: r.SealedAt}
	if r.State == StateSealed {
		row.Reason = reasonWaiting
	}
	return row
}

// The reasons in ledger rows of the journal's own.
const (
	reasonWaiting     = "waiting for the upstream's verdict"
	reasonUnconfirmed = "the upstream's verdict is not known"
)

// store writes the batch in tx. It may run again after a failure.
func (b *batch) store(ctx context.Context, tx store.Querier, j *Journal) error {
	b.updates = nil
	for _, e := range b.enrolled {
		b.update(e.MailboxKey, func(u *mailboxUpdate) {
			if u.since == 0 {
				u.since, u.at = e.Since, e.At
			}
		})
	}
	ledger := append([]LedgerRow(nil), b.refused...)
	var values [][]any
	for _, r := range b.rows {
		if r.gone {
			continue
		}
		envelope, err := json.Marshal(r.Envelope)
		if err != nil {
			return err
		}
		values = append(values, []any{
			r.ID.String(), j.node, int64(r.Location.Segment), r.Location.Offset, text(string(r.Kind)), text(r.Account),
			text(r.Upstream), string(r.State), text(r.ReversePath), store.Micros(r.Received), store.Micros(r.SealedAt),
			r.Size, text(string(envelope)), r.Verdict.Code, text(r.Verdict.Text), store.Micros(r.Verdict.At), 0, r.settled,
			text(r.Mailbox), int64(r.UIDValidity), int64(r.UID),
		})
		ledger = append(ledger, capturedRow(r))
		if r.Kind.Mailbox() && r.State == StateConfirmed {
			b.capture(r.Place(), r.UID)
		}
	}
	const columns = 21
	if err := insert(ctx, tx, `INSERT INTO entries (id, node, segment, pos, kind, account, upstream, state, reverse_path, received,
		sealed_at, size, envelope, code, reply, verdict_at, queued, settled, mailbox, uidvalidity, uid) VALUES `, columns, values, ` ON CONFLICT DO NOTHING`); err != nil {
		return fmt.Errorf("inserting entries: %w", err)
	}
	if err := j.Note(ctx, tx, ledger...); err != nil {
		return err
	}
	for _, c := range b.marks {
		if err := b.apply(ctx, tx, j, c); err != nil {
			return fmt.Errorf("marking entry %s: %w", c.id, err)
		}
	}
	if err := writeMailboxes(ctx, tx, time.Now(), b.mailboxes()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO journal_checkpoints (node, segment, pos, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (node) DO UPDATE SET segment = excluded.segment, pos = excluded.pos, updated_at = excluded.updated_at`,
		j.node, int64(b.next.Segment), b.next.Offset, store.Micros(time.Now()))
	if err != nil {
		return fmt.Errorf("moving the checkpoint: %w", err)
	}
	return nil
}

// update notes something new of a mailbox.
func (b *batch) update(key MailboxKey, f func(*mailboxUpdate)) {
	u := b.updates[key]
	if u == nil {
		if b.updates == nil {
			b.updates = map[MailboxKey]*mailboxUpdate{}
		}
		u = &mailboxUpdate{key: key, id: key.ID()}
		b.updates[key] = u
	}
	f(u)
}

// capture notes that a message in a mailbox is in the journal.
func (b *batch) capture(key MailboxKey, uid uint32) {
	if uid == 0 {
		return
	}
	b.update(key, func(u *mailboxUpdate) {
		if len(u.changes) == 0 {
			u.changes = []uidChange{capturedUIDs(uidset.Set{})}
		}
		u.changes[0].set.Add(uid, uid)
	})
}

// mailboxes returns what is new of mailboxes.
func (b *batch) mailboxes() []mailboxUpdate {
	out := make([]mailboxUpdate, 0, len(b.updates))
	for _, u := range b.updates {
		out = append(out, *u)
	}
	return out
}

// locate notes where the upstream put an appended message that is in the database.
func (b *batch) locate(ctx context.Context, tx store.Querier, c change) error {
	if c.verdict.UID == 0 {
		return nil
	}
	key := MailboxKey{UIDValidity: c.verdict.UIDValidity}
	err := tx.QueryRowContext(ctx, `UPDATE entries SET uidvalidity = $1, uid = $2 WHERE id = $3 AND kind = $4
		RETURNING upstream, account, mailbox`, int64(c.verdict.UIDValidity), int64(c.verdict.UID), c.id.String(), string(KindAppend)).
		Scan(&key.Upstream, &key.Account, &key.Mailbox)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		b.capture(key, c.verdict.UID)
	}
	return err
}

// apply applies a mark to an entry that is in the database. An entry that is not there was
// never durable, and its mark means nothing.
func (b *batch) apply(ctx context.Context, tx store.Querier, j *Journal, c change) error {
	switch c.kind {
	case segment.KindCommit:
		if err := b.locate(ctx, tx, c); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE entries SET state = $1, code = $2, reply = $3, verdict_at = $4 WHERE id = $5`,
			string(StateConfirmed), c.verdict.Code, text(c.verdict.Text), store.Micros(c.verdict.At), c.id.String()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE ledger SET reason = '' WHERE entry = $1 AND target = '' AND state = $2`,
			c.id.String(), string(LedgerCaptured))
		return err
	case segment.KindDiscard:
		var account string
		err := tx.QueryRowContext(ctx, `DELETE FROM entries WHERE id = $1 RETURNING account`, c.id.String()).Scan(&account)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return j.Note(ctx, tx, refusedRow(c.id, account, c.refusal))
	case segment.KindSettled:
		_, err := tx.ExecContext(ctx, `UPDATE entries SET settled = $1 WHERE id = $2`, c.settled, c.id.String())
		return err
	}
	return nil
}
