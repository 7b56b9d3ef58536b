package automail

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// query collects the conditions of a list.
type query struct {
	where []string
	args  []any
}

// and adds a condition in which each ? stands for the next value.
func (q *query) and(condition string, values ...any) {
	for _, v := range values {
		q.args = append(q.args, v)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(q.args)), 1)
	}
	q.where = append(q.where, condition)
}

func (q *query) text() string {
	if len(q.where) == 0 {
		return "1 = 1"
	}
	return strings.Join(q.where, " AND ")
}

// holding is a pattern for LIKE … ESCAPE '\' of what contains a text.
func holding(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(text)) + "%"
}

// BounceFilter selects reports. Empty fields select all.
type BounceFilter struct {
	Rule      string
	Entry     journal.ID // about this message
	Permanent *bool
	Recipient string    // whose address contains it
	Scope     *Seen     // nil: all
	Before    time.Time // older ones, or as old with a report, effect and recipient behind After: pass those of the last one to page on
	After     [3]string
	Limit     int // 0 means 100
}

// BounceRow is a report about mail of a rule.
type BounceRow struct {
	Report     string
	Effect     string
	Rule, Run  string
	Entry      journal.ID
	Recipient  string
	Action     string
	Status     string
	Diagnostic string
	Reporter   string
	Permanent  bool
	At         time.Time
}

// Bounces returns reports, the newest first.
func (c Control) Bounces(ctx context.Context, f BounceFilter) (list []BounceRow, err error) {
	q := &query{}
	if f.Rule != "" {
		q.and("e.rule = ?", f.Rule)
	}
	if f.Entry != (journal.ID{}) {
		q.and("e.entry = ?", f.Entry.String())
	}
	if f.Permanent != nil {
		q.and("b.permanent = ?", bit(*f.Permanent))
	}
	if f.Recipient != "" {
		q.and(`b.recipient LIKE ? ESCAPE '\'`, holding(f.Recipient))
	}
	if f.Scope != nil {
		f.Scope.of(q, "b.effect")
	}
	if !f.Before.IsZero() {
		at := store.Micros(f.Before)
		q.and("(b.at < ? OR b.at = ? AND (b.report > ? OR b.report = ? AND (b.effect > ? OR b.effect = ? AND b.recipient > ?)))",
			at, at, f.After[0], f.After[0], f.After[1], f.After[1], f.After[2])
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	rows, err := c.Store.Reader().QueryContext(ctx, fmt.Sprintf(`
		SELECT b.report, b.effect, e.rule, e.run, e.entry, b.recipient, b.action, b.status, b.diagnostic, b.reporter, b.permanent, b.at
		FROM outbox_bounces b JOIN outbox_effects e ON e.effect = b.effect WHERE %s ORDER BY b.at DESC, b.report, b.effect, b.recipient LIMIT %d`, q.text(), limit), q.args...)
	if err != nil {
		return nil, fmt.Errorf("listing bounces: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var b BounceRow
		var entry string
		var at int64
		if err := rows.Scan(&b.Report, &b.Effect, &b.Rule, &b.Run, &entry, &b.Recipient, &b.Action, &b.Status, &b.Diagnostic, &b.Reporter, &b.Permanent, &at); err != nil {
			return nil, err
		}
		b.At = store.FromMicros(at)
		if b.Entry, err = journal.ParseID(entry); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// Seen are the accounts whose mail somebody sees: mail of rules that goes as one of them, or because of a message of theirs, and with Others that
// because of no message.
type Seen struct {
	Accounts []string // lower case
	Others   bool
}

// of leaves in a query the effects that are seen.
func (s *Seen) of(q *query, effect string) {
	parts := []string{"1 = 0"}
	var values []any
	if s.Others {
		parts = append(parts, "r.id IS NOT NULL AND r.entry = ''")
	}
	if len(s.Accounts) > 0 {
		places := strings.TrimSuffix(strings.Repeat("?, ", len(s.Accounts)), ", ")
		parts = append(parts, "lower(x.sender) IN ("+places+")", "r.account IN ("+places+")")
		for range 2 {
			for _, a := range s.Accounts {
				values = append(values, a)
			}
		}
	}
	q.and(effect+" IN (SELECT x.effect FROM outbox_effects x LEFT JOIN rule_runs r ON r.id = x.run WHERE "+strings.Join(parts, " OR ")+")", values...)
}

// SuppressionFilter selects suppressed addresses. Empty fields select all.
type SuppressionFilter struct {
	Contains string // in the address
	Reason   SuppressReason
	Before   time.Time // older ones, or as old with an address and list behind After: pass those of the last one to page on
	After    [2]string
	Limit    int // 0 means 100
}

// SuppressionPage returns suppressed addresses, the newest first.
func (c Control) SuppressionPage(ctx context.Context, f SuppressionFilter) ([]Suppression, error) {
	q := &query{}
	if f.Contains != "" {
		q.and(`address LIKE ? ESCAPE '\'`, holding(f.Contains))
	}
	if f.Reason != "" {
		q.and("reason = ?", string(f.Reason))
	}
	if !f.Before.IsZero() {
		at := store.Micros(f.Before)
		q.and("(at < ? OR at = ? AND (address > ? OR address = ? AND list > ?))", at, at, f.After[0], f.After[0], f.After[1])
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	return readSuppressions(ctx, c.Store.Reader(), q.text()+" ORDER BY at DESC, address, list LIMIT "+strconv.Itoa(limit), q.args...)
}
