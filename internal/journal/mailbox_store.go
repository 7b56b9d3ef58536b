package journal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/internal/store"
	"heliograph/internal/uidset"
)

// MailboxFilter chooses mailboxes. Zero fields choose all.
type MailboxFilter struct {
	Upstream    string
	Account     string
	Mailbox     string
	UIDValidity uint32
	Limit       int // zero means 100
}

// MailboxState is what the ledger knows of a mailbox.
type MailboxState struct {
	MailboxKey

	Since    uint32    // 0 means not enrolled: only entries are known
	Enrolled time.Time // when it was; zero while it is not
	Changed  time.Time // when the sets last changed
	Sets     map[UIDState]uidset.Set
	// Reasons are the words given to Settle, with the UIDs they stand for.
	Reasons map[string]uidset.Set
}

// Mailboxes returns the mailboxes that f chooses, sorted by account, upstream, name and UIDVALIDITY.
func (j *Journal) Mailboxes(ctx context.Context, f MailboxFilter) ([]MailboxState, error) {
	return ReadMailboxes(ctx, j.db.Reader(), f)
}

// ReadMailboxes is Mailboxes for those who have the store but not the journal, as ReadLedger is.
func ReadMailboxes(ctx context.Context, q store.Querier, f MailboxFilter) ([]MailboxState, error) {
	found, err := readMailboxes(ctx, q, f)
	for i := 0; err == nil && i < len(found); i++ {
		err = found[i].readSets(ctx, q)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ledger of mailboxes: %w", err)
	}
	return found, nil
}

func readMailboxes(ctx context.Context, q store.Querier, f MailboxFilter) (found []MailboxState, err error) {
	var w where
	for _, c := range []struct{ condition, arg string }{
		{"upstream = ?", f.Upstream}, {"account = ?", f.Account}, {"mailbox = ?", f.Mailbox},
	} {
		if c.arg != "" {
			w.add(c.condition, c.arg)
		}
	}
	if f.UIDValidity != 0 {
		w.add("uidvalidity = ?", int64(f.UIDValidity))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	rows, err := q.QueryContext(ctx, fmt.Sprintf(`SELECT upstream, account, mailbox, uidvalidity, since, enrolled_at, changed_at
		FROM mailboxes%s ORDER BY account, upstream, mailbox, uidvalidity LIMIT %d`, &w, limit), w.args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s MailboxState
		var enrolled, changed int64
		if err := rows.Scan(&s.Upstream, &s.Account, &s.Mailbox, &s.UIDValidity, &s.Since, &enrolled, &changed); err != nil {
			return nil, err
		}
		s.Enrolled, s.Changed = store.FromMicros(enrolled), store.FromMicros(changed)
		found = append(found, s)
	}
	return found, rows.Err()
}

func (s *MailboxState) readSets(ctx context.Context, q store.Querier) error {
	s.Sets, s.Reasons = map[UIDState]uidset.Set{}, map[string]uidset.Set{}
	return eachRange(ctx, q, s.ID(), func(r uidset.Range, l uidLabel) {
		set := s.Sets[l.state]
		set.Add(r.First, r.Last)
		s.Sets[l.state] = set
		if l.reason != "" {
			why := s.Reasons[l.reason]
			why.Add(r.First, r.Last)
			s.Reasons[l.reason] = why
		}
	})
}

// readUIDs returns what the database knows of a mailbox; rows is the number of ranges.
func readUIDs(ctx context.Context, q store.Querier, id ID) (since uint32, sets uidSets, rows int, err error) {
	found, err := q.QueryContext(ctx, `SELECT since FROM mailboxes WHERE id = $1`, id.String())
	if err != nil {
		return 0, nil, 0, err
	}
	if found.Next() {
		err = found.Scan(&since)
	}
	if err = errors.Join(err, found.Err(), found.Close()); err != nil {
		return 0, nil, 0, err
	}
	byState := map[UIDState]*uidset.Set{}
	err = eachRange(ctx, q, id, func(r uidset.Range, l uidLabel) {
		if byState[l.state] == nil {
			byState[l.state] = &uidset.Set{}
		}
		byState[l.state].Add(r.First, r.Last)
		rows++
	})
	for state, set := range byState {
		sets = append(sets, labelled{uidLabel{state: state}, *set})
	}
	return since, sets, rows, err
}

// eachRange calls f for the ranges of a mailbox, the lowest first.
func eachRange(ctx context.Context, q store.Querier, id ID, f func(uidset.Range, uidLabel)) (err error) {
	rows, err := q.QueryContext(ctx, `SELECT low, high, state, reason FROM mailbox_uids WHERE mailbox = $1 ORDER BY low`, id.String())
	if err != nil {
		return err
	}
	return scanRanges(rows, f)
}

func scanRanges(rows *sql.Rows, f func(uidset.Range, uidLabel)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r uidset.Range
		var l uidLabel
		if err := rows.Scan(&r.First, &r.Last, (*string)(&l.state), &l.reason); err != nil {
			return err
		}
		f(r, l)
	}
	return rows.Err()
}

// mailboxUpdate is what is new of one mailbox.
type mailboxUpdate struct {
	key     MailboxKey
	id      ID
	since   uint32    // where the mailbox was enrolled; 0 when it was not now
	at      time.Time // of the enrolment
	changes []uidChange
}

// writeMailboxes writes what is new of some mailboxes, each of which is named once. It touches the rows of the mailboxes
// first, in the order of their ids, which locks them on PostgreSQL: so that two who change one mailbox take turns.
func writeMailboxes(ctx context.Context, tx store.Querier, now time.Time, updates []mailboxUpdate) error {
	updates = slices.Clone(updates) // the order is not the caller's
	slices.SortFunc(updates, func(a, b mailboxUpdate) int { return slices.Compare(a.id[:], b.id[:]) })
	rows := make([][]any, 0, len(updates))
	for _, u := range updates {
		rows = append(rows, []any{
			u.id.String(), u.key.Upstream, u.key.Account, u.key.Mailbox, int64(u.key.UIDValidity), int64(u.since), store.Micros(u.at), store.Micros(now),
		})
	}
	const columns = 8
	err := insert(ctx, tx, `INSERT INTO mailboxes (id, upstream, account, mailbox, uidvalidity, since, enrolled_at, changed_at) VALUES `, columns, rows, `
		ON CONFLICT (id) DO UPDATE SET changed_at = excluded.changed_at,
			since = CASE WHEN mailboxes.since = 0 THEN excluded.since ELSE mailboxes.since END,
			enrolled_at = CASE WHEN mailboxes.since = 0 THEN excluded.enrolled_at ELSE mailboxes.enrolled_at END`)
	if err != nil {
		return fmt.Errorf("writing mailboxes: %w", err)
	}
	var ranges [][]any
	for _, u := range updates {
		sets, err := takeRanges(ctx, tx, u)
		if err != nil {
			return fmt.Errorf("reading ranges of a mailbox: %w", err)
		}
		for _, c := range u.changes {
			sets.apply(c)
		}
		ranges = sets.appendRows(ranges, u.id.String())
	}
	if err := insert(ctx, tx, `INSERT INTO mailbox_uids (mailbox, low, high, state, reason) VALUES `, 5, ranges, ``); err != nil {
		return fmt.Errorf("writing ranges of a mailbox: %w", err)
	}
	return nil
}

// takeRanges removes the ranges that overlap or touch what changes, and returns them.
func takeRanges(ctx context.Context, tx store.Querier, u mailboxUpdate) (uidSets, error) {
	var sets uidSets
	for _, c := range u.changes {
		for _, r := range c.set.Ranges() {
			// Ranges do not overlap: only the last that begins below can reach into this one.
			rows, err := tx.QueryContext(ctx, `DELETE FROM mailbox_uids WHERE mailbox = $1 AND high >= $2
				AND low BETWEEN COALESCE((SELECT MAX(low) FROM mailbox_uids WHERE mailbox = $1 AND low < $3), $3) AND $4
				RETURNING low, high, state, reason`, u.id.String(), int64(r.First)-1, int64(r.First), int64(r.Last)+1)
			if err != nil {
				return nil, err
			}
			err = scanRanges(rows, func(r uidset.Range, l uidLabel) {
				i := slices.IndexFunc(sets, func(s labelled) bool { return s.uidLabel == l })
				if i < 0 {
					i = len(sets)
					sets = append(sets, labelled{uidLabel: l})
				}
				sets[i].Add(r.First, r.Last)
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return sets, nil
}

func (s uidSets) appendRows(rows [][]any, mailbox string) [][]any {
	slices.SortFunc(s, func(a, b labelled) int {
		return cmp.Or(strings.Compare(string(a.state), string(b.state)), strings.Compare(a.reason, b.reason))
	})
	for _, l := range s {
		for _, r := range l.Ranges() {
			rows = append(rows, []any{mailbox, int64(r.First), int64(r.Last), string(l.state), l.reason})
		}
	}
	return rows
}
