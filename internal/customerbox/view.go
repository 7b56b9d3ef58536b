package customerbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"heliograph/internal/store"
)

// queryTimeout bounds one look into the store; a reader waits.
const queryTimeout = 30 * time.Second

var errSlow = errors.New("the store did not answer in time")

// mail is one message of an open mailbox. There is one of these in memory for each message and session.
type mail struct {
	uid      uint32
	activity int64
}

// ofTicket tells whether mail m of ticket t's contact belongs to the ticket: its subject has the ticket's, or its number as
// [#12], or it is in one conversation with such a mail. There is no other link between tickets and mail.
const ofTicket = `(` + namesTicket + ` OR m.thread <> '' AND m.thread IN (
	SELECT o.thread FROM crm_activity_contacts k JOIN crm_activities o ON o.id = k.activity_id
	WHERE k.contact_id = t.contact_id AND (replace(lower(o.subject), lower(t.subject), '') <> lower(o.subject)
		OR replace(o.subject, '[#' || t.id || ']', '') <> o.subject)))`

const namesTicket = `replace(lower(m.subject), lower(t.subject), '') <> lower(m.subject) OR replace(m.subject, '[#' || t.id || ']', '') <> m.subject`

// members are the messages of a record ($1) that a scope ($2) sees, each with the copy that is shown.
var members = map[string]string{
	kindCompany: membersOf(`crm_contacts c JOIN crm_activity_contacts l ON l.contact_id = c.id`, ``, `c.company_id = $1`),
	kindContact: membersOf(`crm_activity_contacts l`, ``, `l.contact_id = $1`),
	kindTicket:  membersOf(`crm_tickets t JOIN crm_activity_contacts l ON l.contact_id = t.contact_id`, ``, `t.id = $1 AND `+ofTicket),
}

func membersOf(from, join, where string) string {
	return `SELECT m.id AS activity, m.sent_at AS sent_at, MIN(s.entry) AS entry
		FROM ` + from + ` JOIN crm_activities m ON m.id = l.activity_id ` + join + ` JOIN ` + inScope + `
		WHERE ` + where + ` GROUP BY m.id, m.sent_at`
}

// inScope joins the sightings of message m that may be shown, and whose bytes are there.
const inScope = `sightings s ON s.message_key = m.key AND s.excluded = '' AND ($2 = '' OR s.account = $2) JOIN entries e ON e.id = s.entry`

// state is what the store knows of a mailbox at one moment.
type state struct {
	shown []mail    // that have a UID, in its order
	fresh []arrival // that have none yet, the oldest first
	stale []uint32  // UIDs of messages that are not to be seen any more
	next  uint32    // UIDNEXT
}

// arrival is a message that needs a UID.
type arrival struct {
	activity int64
	entry    string
}

// look reads the state of a mailbox.
func (b *boxes) look(ctx context.Context, f folder) (st state, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, queryTimeout, errSlow)
	defer cancel()
	given := map[uint32]bool{} // false: not among the members
	r := b.db.Reader()
	err = query(ctx, r, func(scan func(...any) error) error {
		var uid uint32
		err := scan(&uid)
		given[uid] = false
		return err
	}, `SELECT uid FROM customerbox_uids WHERE mailbox = $1`, f.mailbox)
	if err != nil {
		return st, fmt.Errorf("reading UIDs: %w", err)
	}
	err = query(ctx, r, func(scan func(...any) error) error {
		var a arrival
		var uid uint32
		var same bool
		if err := scan(&a.activity, &a.entry, &uid, &same); err != nil {
			return err
		}
		if uid != 0 && same {
			st.shown = append(st.shown, mail{uid: uid, activity: a.activity})
			given[uid] = true
			return nil
		}
		st.fresh = append(st.fresh, a)
		return nil
	}, `SELECT x.activity, CASE WHEN u.uid IS NULL THEN x.entry ELSE '' END, COALESCE(u.uid, 0), u.entry IS NOT NULL AND (u.entry = x.entry OR EXISTS (
			SELECT 1 FROM crm_activities m JOIN `+inScope+` WHERE m.id = x.activity AND s.entry = u.entry))
		FROM (`+members[f.kind]+`) x LEFT JOIN customerbox_uids u ON u.activity = x.activity AND u.mailbox = $3
		ORDER BY x.sent_at, x.activity`, f.record, f.scope, f.mailbox)
	if err != nil {
		return st, fmt.Errorf("reading messages: %w", err)
	}
	for uid, member := range given {
		if !member {
			st.stale = append(st.stale, uid)
		}
	}
	// What has a UID but another copy now gets a new one in the next round, when the old one is gone.
	st.fresh = slices.DeleteFunc(st.fresh, func(a arrival) bool { return a.entry == "" })
	slices.SortFunc(st.shown, func(a, b mail) int { return cmp.Compare(a.uid, b.uid) })
	if err := r.QueryRowContext(ctx, `SELECT uid_next FROM customerbox_mailboxes WHERE id = $1`, f.mailbox).Scan(&st.next); err != nil {
		return st, fmt.Errorf("reading UIDNEXT: %w", err)
	}
	return st, nil
}

const (
	// assignAtOnce bounds how long others wait who want to write.
	assignAtOnce = 1000
	// maxRounds bounds how often a mailbox is looked at that changes while it is opened.
	maxRounds = 4
)

// open reads the state of a mailbox and gives UIDs to what has none.
func (b *boxes) open(ctx context.Context, f folder) (state, error) {
	for range maxRounds {
		st, err := b.look(ctx, f)
		if err != nil || len(st.fresh) == 0 && len(st.stale) == 0 {
			return st, err
		}
		if err := b.forget(ctx, f, st.stale); err != nil {
			return st, fmt.Errorf("taking UIDs back: %w", err)
		}
		for part := range slices.Chunk(st.fresh, assignAtOnce) {
			if err := b.assign(ctx, f, part); err != nil {
				return st, fmt.Errorf("giving UIDs: %w", err)
			}
		}
	}
	return b.look(ctx, f)
}

// forget takes back the UIDs of messages that are not to be seen any more. They are not used again: should a message
// come back, it is a new one to the mailbox, as its place among the others is.
func (b *boxes) forget(ctx context.Context, f folder, uids []uint32) error {
	if len(uids) == 0 {
		return nil
	}
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, uid := range uids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM customerbox_uids WHERE mailbox = $1 AND uid = $2`, f.mailbox, uid); err != nil {
				return err
			}
		}
		return nil
	})
}

// assign gives UIDs. Two who do so at once are one after the other by the row of the mailbox; what the first
// has done leaves a gap in the second's numbers.
func (b *boxes) assign(ctx context.Context, f folder, list []arrival) error {
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var end uint32
		err := tx.QueryRowContext(ctx, `UPDATE customerbox_mailboxes SET uid_next = uid_next + $1 WHERE id = $2 RETURNING uid_next`,
			len(list), f.mailbox).Scan(&end)
		if err != nil {
			return err
		}
		uid := end - uint32(len(list))
		for part := range slices.Chunk(list, insertAtOnce) {
			args := make([]any, 0, 4*len(part))
			for _, a := range part {
				args = append(args, f.mailbox, uid, a.activity, a.entry)
				uid++
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO customerbox_uids (mailbox, uid, activity, entry) VALUES `+tuples(len(part), 4, "")+`
				ON CONFLICT (activity, mailbox) DO NOTHING`, args...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
