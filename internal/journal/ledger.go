package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/store"
)

// LedgerState says what became of an entry, or of its copy at one target.
type LedgerState string

// The states of ledger rows.
const (
	LedgerCaptured LedgerState = "captured" // stored in the journal
	LedgerRefused  LedgerState = "refused"  // by the upstream; nothing is kept but this row
	LedgerExcluded LedgerState = "excluded" // not for this target, by the rule in Reason
	LedgerPending  LedgerState = "pending"  // on its way to the target
	LedgerMirrored LedgerState = "mirrored" // in the target
	LedgerFailed   LedgerState = "failed"   // given up
	// LedgerWithdrawn says that the target had it, or was to have it, and that it was taken back.
	LedgerWithdrawn LedgerState = "withdrawn"
)

// LedgerRow answers "where is my mail?" for one entry and one target. The journal itself
// writes the row with the empty target.
type LedgerRow struct {
	Entry     ID
	MessageID string // Message-ID of the mail, when known
	Account   string
	Target    string
	State     LedgerState
	Reason    string
	At        time.Time // zero means now
}

// LedgerFilter chooses ledger rows. Zero fields choose all.
type LedgerFilter struct {
	Entry     ID
	MessageID string
	Account   string
	Target    string
	State     LedgerState
	From, To  time.Time // of At; To is exclusive
	Limit     int       // zero means 100
}

// insertRows is how many rows one statement inserts.
const insertRows = 50

// Note writes rows in the caller's transaction; a row replaces the one of the same entry
// and target. A row without a Message-ID or an account keeps what is known already.
func (j *Journal) Note(ctx context.Context, tx store.Querier, rows ...LedgerRow) error {
	return WriteLedger(ctx, tx, rows...)
}

// WriteLedger is Note for those who have the store but not the journal, as ReadLedger is.
func WriteLedger(ctx context.Context, tx store.Querier, rows ...LedgerRow) error {
	const columns = 7
	values := make([][]any, 0, len(rows))
	place := map[string]int{} // one statement must not change a row twice
	for _, r := range rows {
		if r.At.IsZero() {
			r.At = time.Now()
		}
		key := r.Entry.String() + r.Target
		row := []any{r.Entry.String(), text(r.Target), text(r.MessageID), text(r.Account), string(r.State), text(r.Reason), store.Micros(r.At)}
		if i, ok := place[key]; ok {
			values[i] = row
			continue
		}
		place[key] = len(values)
		values = append(values, row)
	}
	err := insert(ctx, tx, `INSERT INTO ledger (entry, target, message_id, account, state, reason, at) VALUES `, columns, values, `
		ON CONFLICT (entry, target) DO UPDATE SET state = excluded.state, reason = excluded.reason, at = excluded.at,
			message_id = CASE WHEN excluded.message_id = '' THEN ledger.message_id ELSE excluded.message_id END,
			account = CASE WHEN excluded.account = '' THEN ledger.account ELSE excluded.account END`)
	if err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	return nil
}

// insert runs head, the placeholders of some rows, and tail, as often as it takes.
func insert(ctx context.Context, tx store.Querier, head string, columns int, rows [][]any, tail string) error {
	for len(rows) > 0 {
		n := min(len(rows), insertRows)
		var q strings.Builder
		q.WriteString(head)
		args := make([]any, 0, n*columns)
		for i, row := range rows[:n] {
			if i > 0 {
				q.WriteByte(',')
			}
			for c, v := range row {
				args = append(args, v)
				fmt.Fprintf(&q, "%c$%d", "(,"[min(c, 1)], len(args))
			}
			q.WriteByte(')')
		}
		q.WriteString(tail)
		if _, err := tx.ExecContext(ctx, q.String(), args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// Ledger returns the rows that f chooses, newest first.
func (j *Journal) Ledger(ctx context.Context, f LedgerFilter) ([]LedgerRow, error) {
	return ReadLedger(ctx, j.db.Reader(), f)
}

// ReadLedger is Ledger for those who have the store but not the journal, which only one process
// at a time can open: a command beside a running gateway.
func ReadLedger(ctx context.Context, q store.Querier, f LedgerFilter) (rows []LedgerRow, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading the ledger: %w", err)
		}
	}()
	var w where
	if f.Entry != (ID{}) {
		w.add("entry = ?", f.Entry.String())
	}
	for _, c := range []struct{ condition, arg string }{
		{"message_id = ?", f.MessageID}, {"account = ?", f.Account}, {"target = ?", f.Target}, {"state = ?", string(f.State)},
	} {
		if c.arg != "" {
			w.add(c.condition, c.arg)
		}
	}
	if !f.From.IsZero() {
		w.add("at >= ?", store.Micros(f.From))
	}
	if !f.To.IsZero() {
		w.add("at < ?", store.Micros(f.To))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	result, err := q.QueryContext(ctx, fmt.Sprintf(`SELECT entry, target, message_id, account, state, reason, at
		FROM ledger%s ORDER BY at DESC, entry DESC, target LIMIT %d`, &w, limit), w.args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	for result.Next() {
		var r LedgerRow
		var entry string
		var at int64
		if err := result.Scan(&entry, &r.Target, &r.MessageID, &r.Account, (*string)(&r.State), &r.Reason, &at); err != nil {
			return nil, err
		}
		if r.Entry, err = ParseID(entry); err != nil {
			return nil, err
		}
		r.At = store.FromMicros(at)
		rows = append(rows, r)
	}
	return rows, result.Err()
}
