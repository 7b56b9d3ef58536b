package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/store"
)

// defaultLimit is how many rows a list has when its filter says nothing.
const defaultLimit = 100

// Filter chooses entries. Zero fields choose all.
type Filter struct {
	State    State
	Kind     Kind
	Account  string
	From, To time.Time // of Received; To is exclusive
	Before   ID        // only older entries: the last one of the page before
	Limit    int       // zero means 100
}

// Stats are figures of the index.
type Stats struct {
	Entries map[State]int64
	Lag     time.Duration // for how long the index has been behind the log
}

// where collects conditions and their arguments.
type where struct {
	conditions []string
	args       []any
}

// add adds a condition in which ? stands for arg.
func (w *where) add(condition string, arg any) {
	w.args = append(w.args, arg)
	w.conditions = append(w.conditions, strings.Replace(condition, "?", fmt.Sprintf("$%d", len(w.args)), 1))
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

const entryColumns = `node, segment, pos, state, envelope, code, reply, verdict_at, sealed_at, uidvalidity, uid`

func scanEntry(scan func(...any) error) (e Entry, err error) {
	var envelope, state string
	var verdictAt, sealedAt int64
	var uidValidity, uid uint32
	if err := scan(&e.Node, &e.Location.Segment, &e.Location.Offset, &state, &envelope,
		&e.Verdict.Code, &e.Verdict.Text, &verdictAt, &sealedAt, &uidValidity, &uid); err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(envelope), &e.Envelope); err != nil {
		return e, fmt.Errorf("envelope in the index: %w", err)
	}
	if uid != 0 { // which the verdict told when the envelope was sealed already
		e.UIDValidity, e.UID = uidValidity, uid
	}
	e.State, e.Verdict.At, e.SealedAt = State(state), store.FromMicros(verdictAt), store.FromMicros(sealedAt)
	return e, nil
}

// Entry returns the entry with that id, or ErrNotFound when there is none: it was
// never sealed, was discarded, or is not in the index yet.
func (j *Journal) Entry(ctx context.Context, id ID) (Entry, error) {
	return ReadEntry(ctx, j.db.Reader(), id)
}

// ReadEntry is Entry for those who have the store but not the journal, as ReadLedger is.
func ReadEntry(ctx context.Context, q store.Querier, id ID) (Entry, error) {
	row := q.QueryRowContext(ctx, `SELECT `+entryColumns+` FROM entries WHERE id = $1`, id.String())
	e, err := scanEntry(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("entry %s: %w", id, err)
	}
	return e, nil
}

// Entries returns the entries that f chooses, newest first.
func (j *Journal) Entries(ctx context.Context, f Filter) (entries []Entry, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("listing entries: %w", err)
		}
	}()
	var w where
	if f.State != "" {
		w.add("state = ?", string(f.State))
	}
	if f.Kind != "" {
		w.add("kind = ?", string(f.Kind))
	}
	if f.Account != "" {
		w.add("account = ?", f.Account)
	}
	if !f.From.IsZero() {
		w.add("received >= ?", store.Micros(f.From))
	}
	if !f.To.IsZero() {
		w.add("received < ?", store.Micros(f.To))
	}
	if f.Before != (ID{}) {
		w.add("id < ?", f.Before.String())
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	rows, err := j.db.Reader().QueryContext(ctx,
		fmt.Sprintf(`SELECT %s FROM entries%s ORDER BY id DESC LIMIT %d`, entryColumns, &w, limit), w.args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e, err := scanEntry(rows.Scan)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// Stats counts the entries of all nodes by state.
func (j *Journal) Stats(ctx context.Context) (s Stats, err error) {
	s = Stats{Entries: map[State]int64{}, Lag: j.lag()}
	rows, err := j.db.Reader().QueryContext(ctx, `SELECT state, COUNT(*) FROM entries GROUP BY state`)
	if err != nil {
		return s, fmt.Errorf("counting entries: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var state State
		var n int64
		if err := rows.Scan((*string)(&state), &n); err != nil {
			return s, err
		}
		s.Entries[state] = n
	}
	return s, rows.Err()
}

func (j *Journal) lag() time.Duration {
	since := j.behindSince.Load()
	if since == 0 {
		return 0
	}
	return max(0, time.Since(store.FromMicros(since)))
}

// Confirm notes, in the caller's transaction, that the message was seen where only a
// sent one can be, such as the mailbox of sent mail. An entry that waits for its verdict is
// confirmed by that and goes to the consumers within half a minute; others stay as they are.
func (j *Journal) Confirm(ctx context.Context, tx store.Querier, id ID) error {
	_, err := tx.ExecContext(ctx, `UPDATE entries SET state = $1, verdict_at = $2 WHERE id = $3 AND state IN ($4, $5)`,
		string(StateConfirmed), store.Micros(j.now()), id.String(), string(StateSealed), string(StateUnconfirmed))
	if err != nil {
		return fmt.Errorf("confirming entry %s: %w", id, err)
	}
	return nil
}

// text makes s fit for a text column of both databases: UTF-8 without NUL.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
