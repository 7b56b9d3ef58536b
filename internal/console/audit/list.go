package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/store"
)

// Filter chooses rows. Zero fields choose all.
type Filter struct {
	Person   string
	Action   string // with * at the end: all that begin so
	Kind     string
	Object   string
	Outcome  Outcome
	Via      Via
	From, To time.Time // To is exclusive
	Before   int64     // only rows with a smaller number
	Limit    int       // zero means 100
}

// defaultLimit is how many rows are listed at most when nothing is said.
const defaultLimit = 100

// where is the condition of a filter, with placeholders.
func (f *Filter) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, strings.ReplaceAll(condition, "?", fmt.Sprintf("$%d", len(args))))
	}
	for _, c := range []struct{ condition, arg string }{
		{"person = ?", strings.ToLower(f.Person)},
		{"kind = ?", f.Kind},
		{"object = ?", f.Object},
		{"outcome = ?", string(f.Outcome)},
		{"via = ?", string(f.Via)},
	} {
		if c.arg != "" {
			add(c.condition, c.arg)
		}
	}
	if begin, star := strings.CutSuffix(f.Action, "*"); star {
		add(`action >= ?`, begin)
		add(`action < ?`, begin+"\U0010FFFF")
	} else if f.Action != "" {
		add(`action = ?`, f.Action)
	}
	if !f.From.IsZero() {
		add("at >= ?", store.Micros(f.From))
	}
	if !f.To.IsZero() {
		add("at < ?", store.Micros(f.To))
	}
	if len(conditions) == 0 {
		return "1 = 1", nil
	}
	return strings.Join(conditions, " AND "), args
}

// List returns rows of the chain, the newest first.
func (l *Log) List(ctx context.Context, f Filter) ([]Row, error) {
	where, args := f.where()
	if f.Before > 0 {
		args = append(args, f.Before)
		where += fmt.Sprintf(" AND seq < $%d", len(args))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	return l.read(ctx, where, fmt.Sprintf("ORDER BY seq DESC LIMIT %d", limit), args)
}

// Open returns views that are still counted, the newest first: what List does not have yet.
func (l *Log) Open(ctx context.Context, f Filter) ([]Row, error) {
	if err := l.Flush(ctx); err != nil {
		return nil, err
	}
	where, args := f.where()
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	_, rows, err := readViews(ctx, l.db.Reader(), fmt.Sprintf("WHERE %s ORDER BY until DESC, id LIMIT %d", where, limit), args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit record: %w", err)
	}
	return rows, nil
}

func (l *Log) read(ctx context.Context, where, order string, args []any) (list []Row, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the audit record: %w", err)
		}
	}()
	rows, err := l.db.Reader().QueryContext(ctx, `SELECT seq, `+columns+`, hash, key, mac FROM audit_rows WHERE `+where+" "+order, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r Row
		if err := r.scan(rows, []any{&r.Seq}, &r.Hash, &r.key, &r.mac); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
