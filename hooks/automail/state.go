package automail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// State says what became of one recipient.
type State string

// The states of a recipient. All but the first are final. The last three are those of rules' mail only.
const (
	StatePending    State = "pending"
	StateDelivered  State = "delivered" // the upstream accepted it, and reports on its own what was asked for
	StateRelayed    State = "relayed"   // the upstream accepted it, but knows no DSN (RFC 3461, 5.2.2)
	StateFailed     State = "failed"
	StateUnknown    State = "unknown"    // the verdict was lost, and it is not sent twice: an operator decides
	StateBounced    State = "bounced"    // accepted, and a report said later that it did not arrive
	StateSuppressed State = "suppressed" // not sent: an opt-out, or an address that does not exist
)

// OutboxMessage is one message of the outbox.
type OutboxMessage struct {
	Entry       journal.ID
	Upstream    string // of the last attempt; before it, of the listener
	ReversePath string // empty is the null path: a DSN of ours, or a machine's own notice
	QueuedAt    time.Time
	ExpiresAt   time.Time // what is not delivered by then fails
	NextTry     time.Time // zero once finished
	FinishedAt  time.Time // zero while it is in the outbox
	Attempts    int
	Warned      bool // the sender was told of the delay
	Recipients  []OutboxRecipient
	// Effect is what a rule sends; zero for machines' mail.
	Effect Effect
	Held   string // why it waits although it is due: a hold, or a used up budget

	askedAt   time.Time // when the final dot of a lost verdict went out
	looks     int       // how often the mailbox was asked about it since
	mirrored  bool
	retried   bool
	planned   int // DSNs decided on; those after written are not in the journal yet
	plannedAt time.Time
	written   int
}

// OutboxRecipient is one recipient of a message.
type OutboxRecipient struct {
	Address  string
	Params   string // ESMTP parameters of RCPT as they were sent
	State    State
	Code     int    // of the last reply; 0 without one
	Enhanced string // status code (RFC 3463); empty before the first attempt
	Text     string // of the last reply, or our own words where there was none
	Remote   string // the server that gave the reply; empty without one
	Attempts int
	LastTry  time.Time
	NextTry  time.Time // zero once not pending

	position int
	notice   int    // number of the DSN that last reports this recipient
	action   string // what it says
	changed  bool   // since it was read
	dotted   bool   // a final dot went out, or was about to, and its verdict is not written down
	told     State  // the state that the run was told of
	withheld bool   // this attempt is not for it
}

// pending returns those that the next attempt is for.
func (m *OutboxMessage) pending() []*OutboxRecipient {
	var list []*OutboxRecipient
	for i := range m.Recipients {
		if r := &m.Recipients[i]; r.State == StatePending && !r.withheld {
			list = append(list, r)
		}
	}
	return list
}

func (m *OutboxMessage) count(states ...State) int {
	n := 0
	for i := range m.Recipients {
		for _, s := range states {
			if m.Recipients[i].State == s {
				n++
			}
		}
	}
	return n
}

const messageColumns = `entry, upstream, reverse_path, queued_at, expires_at, next_try, finished_at, attempts,
	warned, mirrored, retried, planned, planned_at, written, effect, held, asked_at, looks`

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

func scanMessage(row scanner) (m OutboxMessage, err error) {
	var id string
	var queued, expires, next, finished, plannedAt, askedAt int64
	err = row.Scan(&id, &m.Upstream, &m.ReversePath, &queued, &expires, &next, &finished, &m.Attempts,
		&m.Warned, &m.mirrored, &m.retried, &m.planned, &plannedAt, &m.written, &m.Effect.ID, &m.Held, &askedAt, &m.looks)
	if err != nil {
		return m, err
	}
	m.askedAt = store.FromMicros(askedAt)
	m.QueuedAt, m.ExpiresAt, m.NextTry = store.FromMicros(queued), store.FromMicros(expires), store.FromMicros(next)
	m.FinishedAt, m.plannedAt = store.FromMicros(finished), store.FromMicros(plannedAt)
	m.Entry, err = journal.ParseID(id)
	return m, err
}

// readMessage returns sql.ErrNoRows if the outbox does not know the entry.
func readMessage(ctx context.Context, q store.Querier, id journal.ID) (OutboxMessage, error) {
	m, err := scanMessage(q.QueryRowContext(ctx, "SELECT "+messageColumns+" FROM outbox_messages WHERE entry = $1", id.String()))
	if err != nil {
		return m, err
	}
	if m.Effect.ID != "" {
		if m.Effect, err = readEffect(ctx, q, m.Effect.ID); err != nil {
			return m, err
		}
	}
	m.Recipients, err = readRecipients(ctx, q, id)
	return m, err
}

func readRecipients(ctx context.Context, q store.Querier, id journal.ID) (list []OutboxRecipient, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT position, recipient, params, state, code, enhanced, reply, remote, attempts, last_try, next_try, notice, notice_action, dotted, told
		FROM outbox_recipients WHERE entry = $1 ORDER BY position`, id.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r OutboxRecipient
		var last, next int64
		if err := rows.Scan(&r.position, &r.Address, &r.Params, &r.State, &r.Code, &r.Enhanced, &r.Text, &r.Remote,
			&r.Attempts, &last, &next, &r.notice, &r.action, &r.dotted, &r.told); err != nil {
			return nil, err
		}
		r.LastTry, r.NextTry = store.FromMicros(last), store.FromMicros(next)
		list = append(list, r)
	}
	return list, rows.Err()
}

// load returns the state of an entry, and makes it at the first sight.
func (o *Outbox) load(ctx context.Context, e journal.Entry) (OutboxMessage, error) {
	m, err := readMessage(ctx, o.o.Store.Reader(), e.ID)
	if !errors.Is(err, sql.ErrNoRows) {
		return m, wrapStore("reading", e.ID, err)
	}
	queued, expires := e.Received, e.Automation.ExpiresAt
	if expires.IsZero() {
		expires = later(queued, e.Automation.NotBefore).Add(o.o.Config.ExpireIn.D())
	}
	err = o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if e.Automated() { // the row is there, unless the database was lost and made anew from the journal
			if err := insertEffect(ctx, tx, effectOf(e), queued); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO outbox_messages (`+messageColumns+`)
			VALUES ($1, $2, $3, $4, $5, $4, 0, 0, 0, 0, 0, 0, 0, 0, $6, '', 0, 0) ON CONFLICT DO NOTHING`,
			e.ID.String(), e.Upstream, clean(e.ReversePath), store.Micros(queued), store.Micros(expires), e.Automation.Effect); err != nil {
			return err
		}
		for i, r := range e.Recipients {
			if r.Code < 200 || r.Code > 299 {
				continue // refused at the door: not ours
			}
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO outbox_recipients (entry, position, recipient, params, state, code, enhanced, reply, remote,
					attempts, last_try, next_try, notice, notice_action)
				VALUES ($1, $2, $3, $4, 'pending', 0, '', '', '', 0, 0, $5, 0, '') ON CONFLICT DO NOTHING`,
				e.ID.String(), i, clean(r.Address), clean(r.Params), store.Micros(queued)); err != nil {
				return err
			}
		}
		m, err = readMessage(ctx, tx, e.ID)
		return err
	})
	return m, wrapStore("adding", e.ID, err)
}

func wrapStore(doing string, id journal.ID, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s outbox message %s: %w", doing, id, err)
}

// save writes the message and those of its recipients that changed. What is final stays:
// a second worker, after a lost lease, must not make a delivered recipient pending again.
func save(ctx context.Context, tx store.Querier, m *OutboxMessage) error {
	id := m.Entry.String()
	if _, err := tx.ExecContext(ctx, `
		UPDATE outbox_messages SET upstream = $2, next_try = $3, finished_at = $4, attempts = $5, warned = $6,
			mirrored = $7, retried = $8, planned = $9, planned_at = $10, written = $11, held = $12, asked_at = $13, looks = $14
		WHERE entry = $1`,
		id, m.Upstream, store.Micros(m.NextTry), store.Micros(m.FinishedAt), m.Attempts, bit(m.Warned),
		bit(m.mirrored), bit(m.retried), m.planned, store.Micros(m.plannedAt), m.written, m.Held, store.Micros(m.askedAt), m.looks); err != nil {
		return err
	}
	for i := range m.Recipients {
		r := &m.Recipients[i]
		if !r.changed {
			continue
		}
		if _, err := tx.ExecContext(ctx, `
			UPDATE outbox_recipients SET state = $3, code = $4, enhanced = $5, reply = $6, remote = $7, attempts = $8,
				last_try = $9, next_try = $10, notice = $11, notice_action = $12, dotted = $13
			WHERE entry = $1 AND position = $2 AND (state = 'pending' OR state IN ('failed', 'unknown') AND $3 IN ('delivered', 'relayed'))`,
			id, r.position, string(r.State), r.Code, r.Enhanced, clip(r.Text), r.Remote, r.Attempts,
			store.Micros(r.LastTry), store.Micros(r.NextTry), r.notice, r.action, bit(r.dotted)); err != nil {
			return err
		}
	}
	return nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
