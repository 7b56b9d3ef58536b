package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// sighting is one entry as one copy of a message.
type sighting struct {
	entry       journal.ID
	kind        journal.Kind
	account     string
	at          time.Time // when it was captured
	date        time.Time // when the message came to be there, which may be long before
	unconfirmed bool
	excluded    string
	// The place in a mailbox, of the kinds that have one.
	mailbox     string
	uidValidity uint32
	uid         uint32 // 0 while it is not known
	place       string // id of the mailbox; empty while uid is 0
}

// sightingOf tells where and when the entry was seen.
func sightingOf(e journal.Entry) sighting {
	s := sighting{
		entry: e.ID, kind: e.Kind, account: strings.ToLower(e.Account), at: e.Received, date: e.Received,
		unconfirmed: e.State == journal.StateUnconfirmed,
	}
	if !e.Kind.Mailbox() {
		return s
	}
	if !e.InternalDate.IsZero() {
		s.date = e.InternalDate
	}
	if s.mailbox = e.Mailbox; e.UID != 0 {
		s.uidValidity, s.uid, s.place = e.UIDValidity, e.UID, e.Place().ID().String()
	}
	return s
}

// recorded is what record found and did.
type recorded struct {
	newMessage  bool
	newSighting bool
	duplicate   bool     // the place was seen before
	joined      int      // threads that turned out to be one
	added       []string // targets that got a job
}

// record writes the sighting of a message. It runs in one transaction. The message's row is
// touched first, which locks it on PostgreSQL: so a delivery that ends meanwhile sees the
// sighting, or the sighting sees its end.
func (m *Mirror) record(ctx context.Context, tx store.Querier, s sighting, msg *message.Message, p people) (recorded, error) {
	var out recorded
	first, err := seenBefore(ctx, tx, s)
	if err != nil {
		return out, fmt.Errorf("place: %w", err)
	}
	if first != "" {
		out.duplicate = true
		row := s.row(msg.MessageID, "", journal.LedgerExcluded, reasonDuplicate+first, m.o.Now())
		return out, m.o.Journal.Note(ctx, tx, row)
	}
	thread, isNew, err := m.touch(ctx, tx, s, msg, p)
	if err != nil {
		return out, fmt.Errorf("message: %w", err)
	}
	out.newMessage = isNew
	if isNew {
		if thread, out.joined, err = m.thread(ctx, tx, s, msg, p); err != nil {
			return out, fmt.Errorf("thread: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE messages SET thread = $2 WHERE key = $1`, msg.Key, thread); err != nil {
			return out, fmt.Errorf("thread: %w", err)
		}
	}
	if err := m.witness(ctx, tx, &s, msg.Key, msg.MessageID); err != nil {
		return out, fmt.Errorf("verdict: %w", err)
	}
	if out.newSighting, err = writeSighting(ctx, tx, s, msg.Key); err != nil {
		return out, fmt.Errorf("sighting: %w", err)
	}
	if s.excluded != "" {
		row := s.row(msg.MessageID, "", journal.LedgerExcluded, s.excluded, m.o.Now())
		return out, m.o.Journal.Note(ctx, tx, row)
	}
	for _, t := range m.targets {
		added, err := m.request(ctx, tx, t.Name, thread, s, msg)
		if err != nil {
			return out, fmt.Errorf("delivery to %s: %w", t.Name, err)
		}
		if added {
			out.added = append(out.added, t.Name)
		}
	}
	return out, nil
}

// touch inserts the message or finds it, and locks it.
func (m *Mirror) touch(ctx context.Context, tx store.Querier, s sighting, msg *message.Message, p people) (thread string, isNew bool, err error) {
	now := store.Micros(m.o.Now())
	err = tx.QueryRowContext(ctx, `
		INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen)
		VALUES ($1, $2, '', $3, $4, $5, $5)
		ON CONFLICT (key) DO UPDATE SET last_seen = excluded.last_seen
		RETURNING thread`,
		msg.Key, msg.MessageID, string(p.direction), store.Micros(msg.Date), now).Scan(&thread)
	// Only a row that this transaction inserted has no thread yet.
	return thread, thread == "", err
}

// reasonDuplicate begins the ledger's reason for an entry of a message that was captured twice at one place: two
// processes had it at once, or a crash came between an entry and its note in the ledger of the mailbox.
const reasonDuplicate = "already captured at this place, as entry "

// errPlaceTaken says that the same place is being recorded at this moment.
var errPlaceTaken = errors.New("another entry of the same place was recorded meanwhile")

// seenBefore returns the entry of an earlier sighting at the same place, or nothing.
func seenBefore(ctx context.Context, tx store.Querier, s sighting) (entry string, err error) {
	if s.place == "" {
		return "", nil
	}
	err = tx.QueryRowContext(ctx, `SELECT entry FROM sightings WHERE place = $1 AND uid = $2 AND uid <> 0 AND entry <> $3`,
		s.place, int64(s.uid), s.entry.String()).Scan(&entry)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return entry, err
}

// writeSighting is repeated when the journal learns the verdict of an entry that was unconfirmed.
func writeSighting(ctx context.Context, tx store.Querier, s sighting, key string) (isNew bool, err error) {
	r, err := tx.ExecContext(ctx, `
		INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded, mailbox, uidvalidity, uid, place)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		s.entry.String(), key, string(s.kind), s.account, store.Micros(s.at), number(s.unconfirmed), s.excluded,
		s.mailbox, int64(s.uidValidity), int64(s.uid), s.place)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	if err != nil || n == 1 {
		return n == 1, err
	}
	r, err = tx.ExecContext(ctx, `UPDATE sightings SET unconfirmed = $2, excluded = $3 WHERE entry = $1`,
		s.entry.String(), number(s.unconfirmed), s.excluded)
	if err != nil {
		return false, err
	}
	if n, err = r.RowsAffected(); err == nil && n == 0 {
		err = errPlaceTaken
	}
	return false, err
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The states of a delivery.
const (
	deliveryPending  = "pending"
	deliveryMirrored = "mirrored"
	deliveryFailed   = "failed"
)

// request asks for one delivery unless somebody has, and puts its state into the ledger.
func (m *Mirror) request(ctx context.Context, tx store.Querier, target, thread string, s sighting, msg *message.Message) (added bool, err error) {
	now := m.o.Now()
	r, err := tx.ExecContext(ctx, `
		INSERT INTO deliveries (message_key, target, state, reason, remote_id, url, received_at, updated_at)
		VALUES ($1, $2, $3, '', '', '', $4, $5) ON CONFLICT (message_key, target) DO NOTHING`,
		msg.Key, target, deliveryPending, store.Micros(s.at), store.Micros(now))
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return false, err
	}
	if n == 1 {
		_, err := m.o.Queue.Add(ctx, tx, queue.New{
			Kind: Kind(target), Key: msg.Key, OrderKey: thread, Payload: []byte(msg.Key), MaxAttempts: m.o.MaxAttempts,
		})
		if err != nil {
			return false, err
		}
		return true, m.o.Journal.Note(ctx, tx, s.row(msg.MessageID, target, journal.LedgerPending, "", now))
	}
	var state, reason string
	err = tx.QueryRowContext(ctx, `SELECT state, reason FROM deliveries WHERE message_key = $1 AND target = $2`, msg.Key, target).Scan(&state, &reason)
	if err != nil {
		return false, err
	}
	return false, m.o.Journal.Note(ctx, tx, s.row(msg.MessageID, target, ledgerState(state), reason, now))
}

func ledgerState(delivery string) journal.LedgerState {
	switch delivery {
	case deliveryMirrored:
		return journal.LedgerMirrored
	case deliveryFailed:
		return journal.LedgerFailed
	}
	return journal.LedgerPending
}

func (s sighting) row(messageID, target string, state journal.LedgerState, reason string, at time.Time) journal.LedgerRow {
	return journal.LedgerRow{Entry: s.entry, MessageID: messageID, Account: s.account, Target: target, State: state, Reason: reason, At: at}
}

// sightings returns the copies of a message, the oldest first.
func sightings(ctx context.Context, q store.Querier, key string) ([]sighting, error) {
	return someSightings(ctx, q, key, "")
}

// someSightings are those for which a condition holds.
func someSightings(ctx context.Context, q store.Querier, key, condition string) (out []sighting, err error) {
	rows, err := q.QueryContext(ctx, `SELECT entry, kind, account, seen_at, unconfirmed, excluded, mailbox, uidvalidity, uid
		FROM sightings WHERE message_key = $1 `+condition+` ORDER BY entry`, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s sighting
		var entry string
		var at int64
		var unconfirmed int
		if err := rows.Scan(&entry, &s.kind, &s.account, &at, &unconfirmed, &s.excluded, &s.mailbox, &s.uidValidity, &s.uid); err != nil {
			return nil, err
		}
		if s.entry, err = journal.ParseID(entry); err != nil {
			return nil, err
		}
		s.at, s.unconfirmed = store.FromMicros(at), unconfirmed == 1
		out = append(out, s)
	}
	return out, rows.Err()
}

func (s sighting) forCRM() crmclient.Sighting {
	return crmclient.Sighting{
		Entry: s.entry.String(), Kind: string(s.kind), Account: s.account, At: s.at,
		Mailbox: s.mailbox, UIDValidity: s.uidValidity, UID: s.uid,
	}
}
