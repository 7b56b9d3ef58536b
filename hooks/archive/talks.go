package archive

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"heliograph/internal/store"
)

// relate writes who has a message and who took part, and counts it where it is new. What is no more is counted again from what is left.
func (a *Archive) relate(ctx context.Context, tx store.Querier, old, now *row, names map[string]string) error {
	had, has := set(old.accounts), set(now.accounts)
	var again []talk
	for subject, part := range old.people {
		if now.people[subject] == part {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM archive_people WHERE subject = $1 AND id = $2`, subject, old.id); err != nil {
			return err
		}
		again = append(again, talk{subject, ""})
		for _, account := range old.accounts {
			again = append(again, talk{subject, account})
		}
	}
	for _, account := range old.accounts {
		if has[account] {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM archive_seen WHERE account = $1 AND id = $2`, account, old.id); err != nil {
			return err
		}
		for subject := range old.people {
			again = append(again, talk{subject, account})
		}
	}
	for _, account := range now.accounts {
		if had[account] {
			continue
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO archive_seen (account, id) VALUES ($1, $2)`, account, now.id); err != nil {
			return err
		}
	}
	for subject, part := range now.people {
		known := old.people[subject] == part
		if !known {
			if _, err := tx.ExecContext(ctx, `INSERT INTO archive_people (subject, id, part) VALUES ($1, $2, $3)`, subject, now.id, part); err != nil {
				return err
			}
			if err := now.count(ctx, tx, talk{subject, ""}, names[subject]); err != nil {
				return err
			}
		}
		for _, account := range now.accounts {
			if known && had[account] || part == "blind" && account != now.sender {
				continue
			}
			if err := now.count(ctx, tx, talk{subject, account}, names[subject]); err != nil {
				return err
			}
		}
	}
	for _, t := range again {
		if err := t.recount(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func set(list []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range list {
		out[s] = true
	}
	return out
}

// talk is somebody outside and one of us; an empty account is all of us.
type talk struct{ subject, account string }

// count adds a message to a talk.
func (r *row) count(ctx context.Context, tx store.Querier, t talk, name string) error {
	var in, out int64
	switch {
	case r.direction == "inbound" && r.people[t.subject] == "wrote":
		in = r.id
	case r.direction == "outbound":
		out = r.id
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO archive_talks (subject, account, name, messages, last_at, last_in, last_out) VALUES ($1, $2, $3, 1, $4, $5, $6)
		ON CONFLICT (subject, account) DO UPDATE SET messages = archive_talks.messages + 1,
			name = CASE WHEN excluded.name <> '' AND (archive_talks.name = '' OR excluded.last_at >= archive_talks.last_at) THEN excluded.name ELSE archive_talks.name END,
			last_at = CASE WHEN excluded.last_at > archive_talks.last_at THEN excluded.last_at ELSE archive_talks.last_at END,
			last_in = CASE WHEN excluded.last_in > archive_talks.last_in THEN excluded.last_in ELSE archive_talks.last_in END,
			last_out = CASE WHEN excluded.last_out > archive_talks.last_out THEN excluded.last_out ELSE archive_talks.last_out END`,
		t.subject, t.account, name, r.id, in, out)
	return err
}

// recount counts a talk from what is there.
func (t talk) recount(ctx context.Context, tx store.Querier) error {
	from := `FROM archive_people p JOIN archive_messages m ON m.id = p.id WHERE p.subject = $1`
	args := []any{t.subject}
	if t.account != "" {
		from += ` AND EXISTS (SELECT 1 FROM archive_seen s WHERE s.account = $2 AND s.id = p.id) AND (p.part <> 'blind' OR m.sender = $2)`
		args = append(args, t.account)
	}
	var n int
	var last, in, out sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*), MAX(p.id), MAX(CASE WHEN m.direction = 'inbound' AND p.part = 'wrote' THEN p.id END),
		MAX(CASE WHEN m.direction = 'outbound' THEN p.id END) `+from, args...).Scan(&n, &last, &in, &out)
	if err != nil {
		return err
	}
	if n == 0 {
		_, err = tx.ExecContext(ctx, `DELETE FROM archive_talks WHERE subject = $1 AND account = $2`, t.subject, t.account)
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE archive_talks SET messages = $3, last_at = $4, last_in = $5, last_out = $6 WHERE subject = $1 AND account = $2`,
		t.subject, t.account, n, last.Int64, in.Int64, out.Int64)
	return err
}

// domainOf returns what stands behind the @, lower case.
func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// Talk is who outside wrote with us.
type Talk struct {
	Subject  string // an address, or @ and a company's domain
	Account  string // one of us, where each is told of
	Name     string // as the person was last called in mail
	Messages int
	LastAt   time.Time
	LastIn   time.Time // when they wrote; zero: never
	LastOut  time.Time // when we wrote
}

// TalkFilter says which talks are meant.
type TalkFilter struct {
	Scope     []string // as in Filter
	Account   string   // only this account's
	Companies bool     // domains; else addresses
	Match     string   // occurs in the address or domain, or in the name; lower case
	Subjects  []string // only these
	// Before is where the page begins: behind a talk of that time and subject. Zero: with the last.
	Before  time.Time
	Subject string
	Limit   int // zero: no limit
}

// Talks returns who outside wrote with us, the last first.
func (a *Archive) Talks(ctx context.Context, f TalkFilter) (out []Talk, err error) {
	accounts, some := f.accounts()
	if !some {
		return nil, nil
	}
	var args []any
	list := func(values []string) string {
		in := make([]string, len(values))
		for i, v := range values {
			in[i] = place(&args, v)
		}
		return strings.Join(append(in, "NULL"), ", ")
	}
	where := []string{`account IN (` + list(accounts) + `)`}
	if len(accounts) == 1 {
		args = nil
		where[0] = `account = ` + place(&args, accounts[0])
	}
	if f.Subjects != nil {
		where = append(where, `subject IN (`+list(f.Subjects)+`)`)
	} else {
		where = append(where, `substr(subject, 1, 1) `+map[bool]string{true: "=", false: "<>"}[f.Companies]+` '@'`)
	}
	if f.Match != "" {
		pattern := place(&args, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Match)+"%")
		where = append(where, `(subject LIKE `+pattern+` ESCAPE '\' OR LOWER(name) LIKE `+pattern+` ESCAPE '\')`)
	}
	query := `SELECT subject, name, messages, last_at, last_in, last_out FROM archive_talks WHERE ` + strings.Join(where, " AND ")
	if len(accounts) > 1 {
		query = `SELECT subject, MAX(name) AS name, SUM(messages) AS messages, MAX(last_at) AS last_at, MAX(last_in) AS last_in, MAX(last_out) AS last_out FROM archive_talks WHERE ` +
			strings.Join(where, " AND ") + ` GROUP BY subject`
	}
	query = `SELECT subject, name, messages, last_at, last_in, last_out FROM (` + query + `) t`
	if !f.Before.IsZero() {
		at := store.Micros(f.Before)
		query += ` WHERE last_at <= ` + place(&args, at) + ` AND (last_at < ` + place(&args, at) + ` OR subject < ` + place(&args, f.Subject) + `)`
	}
	query += ` ORDER BY last_at DESC, subject DESC`
	if f.Limit > 0 {
		query += ` LIMIT ` + place(&args, f.Limit)
	}
	err = each(ctx, a.o.Store.Reader(), query, args, func(scan func(...any) error) error {
		var t Talk
		err := t.scan(scan, &t.Subject, &t.Name)
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading who wrote with us: %w", err)
	}
	return out, nil
}

// accounts returns whose rows of archive_talks are meant; false: nobody's.
func (f *TalkFilter) accounts() ([]string, bool) {
	switch {
	case f.Account != "":
		account := strings.ToLower(f.Account)
		return []string{account}, f.Scope == nil || set(f.Scope)[account]
	case f.Scope == nil:
		return []string{""}, true
	}
	return f.Scope, len(f.Scope) > 0
}

func (t *Talk) scan(scan func(...any) error, first ...any) error {
	var last, in, out int64
	if err := scan(append(first, &t.Messages, &last, &in, &out)...); err != nil {
		return err
	}
	t.LastAt, t.LastIn, t.LastOut = store.FromMicros(last), store.FromMicros(in), store.FromMicros(out)
	return nil
}

// Colleagues returns who of us wrote with somebody, the last first, at most so many. Each message counts once, whatever number
// of the subjects took part.
func (a *Archive) Colleagues(ctx context.Context, scope, subjects []string, limit int) (out []Talk, err error) {
	if len(subjects) == 0 || scope != nil && len(scope) == 0 {
		return nil, nil
	}
	in, args := In(subjects)
	query := `SELECT account, SUM(messages), MAX(last_at), MAX(last_in), MAX(last_out) FROM archive_talks WHERE subject IN (` + in + `) AND account <> ''`
	if scope != nil {
		some := make([]string, len(scope))
		for i, s := range scope {
			some[i] = place(&args, s)
		}
		query += ` AND account IN (` + strings.Join(some, ", ") + `)`
	}
	err = each(ctx, a.o.Store.Reader(), query+` GROUP BY account ORDER BY 3 DESC LIMIT `+place(&args, limit), args, func(scan func(...any) error) error {
		var t Talk
		err := t.scan(scan, &t.Account)
		out = append(out, t)
		return err
	})
	for i := range out {
		if len(subjects) == 1 || err != nil {
			break
		}
		out[i].Messages, err = a.Count(ctx, []string{out[i].Account}, subjects)
	}
	if err != nil {
		return nil, fmt.Errorf("reading who of us wrote: %w", err)
	}
	return out, nil
}

// Count returns how many messages with any of the subjects there are.
func (a *Archive) Count(ctx context.Context, scope, subjects []string) (n int, err error) {
	if len(subjects) == 0 || scope != nil && len(scope) == 0 {
		return 0, nil
	}
	in, args := In(subjects)
	query := `SELECT COUNT(DISTINCT p.id) FROM archive_people p JOIN archive_messages m ON m.id = p.id WHERE p.subject IN (` + in + `)`
	if scope != nil {
		some := make([]string, len(scope))
		for i, s := range scope {
			some[i] = place(&args, s)
		}
		mine := strings.Join(some, ", ")
		query += ` AND (p.part <> 'blind' OR m.sender IN (` + mine + `)) AND EXISTS (SELECT 1 FROM archive_seen s WHERE s.id = p.id AND s.account IN (` + mine + `))`
	}
	err = a.o.Store.Reader().QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}

// Companions returns the addresses at a company's domain that wrote with us.
func (a *Archive) Companions(ctx context.Context, scope []string, domain string, limit int) ([]Talk, error) {
	list, err := a.Talks(ctx, TalkFilter{Scope: scope, Match: "@" + domain, Limit: math.MaxInt32})
	var out []Talk
	for _, t := range list {
		if a.domains.Of(t.Subject) == domain && len(out) < limit {
			out = append(out, t)
		}
	}
	if sub, e := a.Talks(ctx, TalkFilter{Scope: scope, Match: "." + domain, Limit: limit}); e == nil {
		for _, t := range sub {
			if a.domains.Of(t.Subject) == domain && len(out) < limit {
				out = append(out, t)
			}
		}
	} else if err == nil {
		err = e
	}
	return out, err
}
