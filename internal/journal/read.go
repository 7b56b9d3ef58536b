package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"heliograph/internal/store"
)

// ReadLedger is Journal.Ledger for those who have the store but not the journal, such as a command beside a running
// gateway. The newest rows come first.
func ReadLedger(ctx context.Context, q store.Querier, f LedgerFilter) (out []LedgerRow, err error) {
	var where []string
	var args []any
	add := func(cond string, v any) {
		args = append(args, v)
		where = append(where, cond+" $"+strconv.Itoa(len(args)))
	}
	if f.Entry != (ID{}) {
		add("entry =", f.Entry.String())
	}
	if f.MessageID != "" {
		add("message_id =", f.MessageID)
	}
	if f.Account != "" {
		add("account =", f.Account)
	}
	if f.Target != "" {
		add("target =", f.Target)
	}
	if f.State != "" {
		add("state =", string(f.State))
	}
	if !f.From.IsZero() {
		add("at >=", store.Micros(f.From))
	}
	if !f.To.IsZero() {
		add("at <", store.Micros(f.To))
	}
	query := "SELECT entry, message_id, account, target, state, reason, at FROM ledger"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	args = append(args, f.Limit)
	rows, err := q.QueryContext(ctx, query+" ORDER BY at DESC, entry DESC, target DESC LIMIT $"+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r LedgerRow
		var entry string
		var at int64
		if err := rows.Scan(&entry, &r.MessageID, &r.Account, &r.Target, &r.State, &r.Reason, &at); err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		if r.Entry, err = ParseID(entry); err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		r.At = store.FromMicros(at)
		out = append(out, r)
	}
	return out, rows.Err()
}
