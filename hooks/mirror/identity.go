package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/message"
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
	excluded    string     // why it is not in scope
	rule        scope.Kind // of the rule that excluded it
	veto        bool       // it shows that other copies may not leave either:
	vetoAll     bool       // all of them, not only those that are as good as the same
	decided     string     // generation of what decides now
	was         string     // generation of what decided before
	form        string     // key of what was seen
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
	excluded    scope.Kind // what keeps the sighting here, if anything does
	newMessage  bool
	newSighting bool
	duplicate   bool     // the place was seen before
	joined      int      // threads that turned out to be one
	bond        bond     // how a new form was recognised as another message's
	again       bool     // other entries are to be handled once more
	added       []string // targets that got a job
	recalled    []string // targets that are asked to give the message back
}

// record writes the sighting of a message. It runs in one transaction. read holds messages that it asked for with errCopies.
// The message's row is locked on PostgreSQL: so a delivery that ends meanwhile sees the sighting, or the sighting sees its end.
func (m *Mirror) record(ctx context.Context, tx store.Querier, s sighting, msg *message.Message, p people, read map[string]*message.Message) (recorded, error) {
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
	x, err := m.settleForm(ctx, tx, s, msg, p, read, &out)
	if err != nil {
		return out, err
	}
	if out.bond != bondNone {
		row := s.row(msg.MessageID, "", journal.LedgerCaptured, out.bond.reason(), m.o.Now())
		if err := m.o.Journal.Note(ctx, tx, row); err != nil {
			return out, err
		}
	}
	// From here on the message is meant, not the form in which it was seen.
	whole := *msg
	whole.Key, s.form = x.row(), x.key
	msg = &whole
	if !out.newMessage || out.bond != bondNone {
		if err := m.lock(ctx, tx, msg.Key); err != nil {
			return out, fmt.Errorf("message: %w", err)
		}
		if err := m.witness(ctx, tx, &s, msg.Key, msg.MessageID); err != nil {
			return out, fmt.Errorf("verdict: %w", err)
		}
	}
	alone := out.newMessage && out.bond == bondNone
	if out.recalled, err = m.vetoed(ctx, tx, &s, msg.Key, msg.MessageID, alone); err != nil {
		return out, fmt.Errorf("scope: %w", err)
	}
	out.excluded = s.rule
	if out.newSighting, err = writeSighting(ctx, tx, s, msg.Key); err != nil {
		return out, fmt.Errorf("sighting: %w", err)
	}
	thread := x.thread
	if s.excluded != "" {
		row := s.row(msg.MessageID, "", journal.LedgerExcluded, s.excluded, m.o.Now())
		return out, m.o.Journal.Note(ctx, tx, row)
	}
	added, err := m.requestAll(ctx, tx, thread, s, msg, p, out)
	if err != nil {
		return out, err
	}
	out.added = added
	return out, nil
}

// reason is what the ledger says of a copy that was recognised by more than its key.
func (b bond) reason() string {
	switch b {
	case bondStrong:
		return "a copy of a message whose id or date was replaced on its way"
	case bondWeak:
		return "taken for the copy of a message whose id and date were replaced: the same words to the same people within minutes"
	case bondList:
		return "a mailing list's copy of a message"
	}
	return ""
}

// lock keeps deliveries of a message from ending meanwhile. SQLite has one writer anyway.
func (m *Mirror) lock(ctx context.Context, tx store.Querier, key string) error {
	if m.o.Store.Dialect() != store.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT 1 FROM messages WHERE key = $1 FOR UPDATE`, key)
	return err
}

// reasonDuplicate begins the ledger's reason for an entry of a message that was captured twice at one place: two
// processes had it at once, or a crash came between an entry and its note in the ledger of the mailbox.
const reasonDuplicate = "already captured at this place, as entry "

// errRaced says that the same place or form is being recorded at this moment.
var errRaced = errors.New("another entry of the same place or message was recorded meanwhile")

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
		INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded, mailbox, uidvalidity, uid, place, form, decided)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
		s.entry.String(), key, string(s.kind), s.account, store.Micros(s.at), number(s.unconfirmed), s.excluded,
		s.mailbox, int64(s.uidValidity), int64(s.uid), s.place, s.form, s.decided)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	if err != nil || n == 1 {
		return n == 1, err
	}
	r, err = tx.ExecContext(ctx, `UPDATE sightings SET unconfirmed = $2, excluded = CASE WHEN excluded = '' THEN $3 ELSE excluded END, message_key = $4, form = $5,
		decided = $6 WHERE entry = $1`, s.entry.String(), number(s.unconfirmed), s.excluded, key, s.form, s.decided)
	if err != nil {
		return false, err
	}
	if n, err = r.RowsAffected(); err == nil && n == 0 {
		err = errRaced
	}
	return false, err
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s sighting) row(messageID, target string, state journal.LedgerState, reason string, at time.Time) journal.LedgerRow {
	return journal.LedgerRow{Entry: s.entry, MessageID: messageID, Account: s.account, Target: target, State: state, Reason: reason, At: at}
}

// copies are the sightings of a message, the oldest first, and what is known of them besides.
type copies struct {
	list      []sighting
	vetoed    bool // there are vetoes
	withdrawn bool // there are tombstones
}

// sightings returns the copies of a message, the oldest first.
func sightings(ctx context.Context, q store.Querier, key string) ([]sighting, error) {
	c, err := readCopies(ctx, q, key, "")
	return c.list, err
}

// readCopies reads the copies for which a condition holds; empty means all.
func readCopies(ctx context.Context, q store.Querier, key, condition string) (c copies, err error) {
	rows, err := q.QueryContext(ctx, `SELECT entry, kind, account, seen_at, unconfirmed, excluded, mailbox, uidvalidity, uid, form, decided,
			EXISTS (SELECT 1 FROM scope_vetoes v WHERE v.message_key = $1), EXISTS (SELECT 1 FROM withdrawals w WHERE w.message_key = $1)
		FROM sightings WHERE message_key = $1 `+condition+` ORDER BY entry`, key)
	if err != nil {
		return c, fmt.Errorf("reading sightings of %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s sighting
		var entry string
		var at int64
		var unconfirmed int
		err := rows.Scan(&entry, &s.kind, &s.account, &at, &unconfirmed, &s.excluded, &s.mailbox, &s.uidValidity, &s.uid, &s.form, &s.was,
			&c.vetoed, &c.withdrawn)
		if err != nil {
			return c, err
		}
		if s.entry, err = journal.ParseID(entry); err != nil {
			return c, err
		}
		s.at, s.unconfirmed = store.FromMicros(at), unconfirmed == 1
		c.list = append(c.list, s)
	}
	c.list = originalsFirst(c.list)
	return c, rows.Err()
}

// originalsFirst moves the copies of forms that were submitted before others, so that what a list or a
// provider made of a message is not what the CRM shows, whichever came first. Where all have one form nothing moves.
func originalsFirst(copies []sighting) []sighting {
	submitted := map[string]bool{}
	mixed := false
	for _, s := range copies {
		submitted[s.form] = submitted[s.form] || !s.kind.Mailbox()
		mixed = mixed || s.form != copies[0].form
	}
	if mixed {
		slices.SortStableFunc(copies, func(a, b sighting) int { return number(submitted[b.form]) - number(submitted[a.form]) })
	}
	return copies
}

func (s sighting) forCRM() crmclient.Sighting {
	return crmclient.Sighting{
		Entry: s.entry.String(), Kind: string(s.kind), Account: s.account, At: s.at,
		Mailbox: s.mailbox, UIDValidity: s.uidValidity, UID: s.uid,
	}
}
