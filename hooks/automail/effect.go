package automail

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// Policy says what happens when it is not known whether the upstream took a message: the connection was lost, or we died, between
// the final dot and its verdict (RFC 1047).
type Policy string

// The policies.
const (
	// AtLeastOnce sends it again: for alarms and questions to the company's own people, who would rather read it twice. That of a rule is looked for
	// first where the sender has a mailbox, and goes again with the same Message-ID where it is not found.
	AtLeastOnce Policy = "at_least_once"
	// AtMostOnce does not: it is looked for, and where it is not found a person decides.
	AtMostOnce Policy = "at_most_once"
)

// The priorities of jobs. Machines' mail has 0: somebody waits for it.
const (
	prioritySingle = 10
	priorityBulk   = 20
)

// Effect is one message that a rule sends.
type Effect struct {
	ID        string // deterministic, from the run and its step
	Entry     journal.ID
	MessageID string // without brackets
	Rule, Run string
	Sender    string // address of the account that sends it
	Policy    Policy
	List      string // what its recipients can opt out of
	Essential bool   // opting out does not keep it back
	Priority  int
	NotBefore time.Time // zero: at once
	Copy      CopyState
	CopyText  string // why there is none

	queued bool // the message is in the journal
}

// bulk reports whether the message is one of many.
func (e *Effect) bulk() bool { return e.Priority >= priorityBulk }

// CopyState says what became of the copy in the sender's mailbox of sent mail.
type CopyState string

// The states of a copy.
const (
	CopyNone     CopyState = ""         // nobody asked for one
	CopyWanted   CopyState = "wanted"   // it comes once the message is delivered
	CopyStored   CopyState = "stored"   // we put it there
	CopyFound    CopyState = "found"    // it was there already
	CopyProvider CopyState = "provider" // the provider puts it there
	CopyFailed   CopyState = "failed"   // given up
)

// effectOf reads what the journal's record says of an effect.
func effectOf(e journal.Entry) Effect {
	a := e.Automation
	f := Effect{
		ID: a.Effect, Entry: e.ID, MessageID: a.MessageID, Rule: a.Rule, Run: a.Run, Sender: a.Sender, Policy: AtLeastOnce,
		List: a.List, Essential: a.Essential, Priority: a.Priority, NotBefore: a.NotBefore, queued: true,
	}
	if a.AtMostOnce {
		f.Policy = AtMostOnce
	}
	if a.Copy {
		f.Copy = CopyWanted
	}
	return f
}

// effectEntry is the id of an effect's message. It follows from the effect, so that who repeats the step makes the same entry and not
// a second one. The time is that of the first try, for entries sort by it; the effect's row keeps it.
func effectEntry(effect string, first time.Time) journal.ID {
	sum := sha256.Sum256([]byte("effect " + effect))
	id := journal.ID(sum[:16])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(first.UnixMilli())<<16)
	copy(id[:6], ms[:6])
	return id
}

const effectColumns = `effect, entry, message_id, rule, run, sender, policy, list, essential, priority, not_before, created_at, queued_at, copy, copy_reason, copied_at`

// insertEffect adds an effect unless it is there.
func insertEffect(ctx context.Context, tx store.Querier, e Effect, now time.Time) error {
	queued := time.Time{}
	if e.queued {
		queued = now
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO outbox_effects (`+effectColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '', 0) ON CONFLICT DO NOTHING`,
		e.ID, e.Entry.String(), clean(e.MessageID), clean(e.Rule), clean(e.Run), clean(e.Sender), string(e.Policy), clean(e.List), bit(e.Essential),
		e.Priority, store.Micros(e.NotBefore), store.Micros(now), store.Micros(queued), string(e.Copy))
	return err
}

func scanEffect(row scanner) (e Effect, err error) {
	var entry string
	var notBefore, created, queued, copied int64
	if err := row.Scan(&e.ID, &entry, &e.MessageID, &e.Rule, &e.Run, &e.Sender, &e.Policy, &e.List, &e.Essential, &e.Priority,
		&notBefore, &created, &queued, &e.Copy, &e.CopyText, &copied); err != nil {
		return e, err
	}
	e.NotBefore, e.queued = store.FromMicros(notBefore), queued != 0
	e.Entry, err = journal.ParseID(entry)
	return e, err
}

// readEffect returns sql.ErrNoRows if there is no such effect.
func readEffect(ctx context.Context, q store.Querier, id string) (Effect, error) {
	return scanEffect(q.QueryRowContext(ctx, `SELECT `+effectColumns+` FROM outbox_effects WHERE effect = $1`, id))
}

// EffectOf returns the effect that sent the message with a Message-ID (without brackets). It is how a copy that turns up in a mailbox is known
// as a rule's own mail, on which no rule starts. It reports false for all other mail.
func (c Control) EffectOf(ctx context.Context, messageID string) (Effect, bool, error) {
	if messageID == "" {
		return Effect{}, false, nil
	}
	e, err := scanEffect(c.Store.Reader().QueryRowContext(ctx,
		`SELECT `+effectColumns+` FROM outbox_effects WHERE message_id = $1 ORDER BY created_at LIMIT 1`, messageID))
	if errors.Is(err, sql.ErrNoRows) {
		return e, false, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("looking for the effect of a message: %w", err)
	}
	return e, true, nil
}

// Effect returns one effect. The error wraps ErrUnknown if there is none.
func (c Control) Effect(ctx context.Context, id string) (Effect, error) {
	e, err := readEffect(ctx, c.Store.Reader(), id)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return e, fmt.Errorf("reading effect %q: %w", id, err)
	}
	return e, nil
}
