package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/internal/store"
)

// source is a table that tells of what happened.
type source struct {
	topic Topic
	// query returns at, id, what, object, target and account of rows behind $1 (a time) and $2 (an id), in that order, at most $3.
	query string
	// accounts finds whose mail it is about, where the row does not say. It is called for new events only.
	accounts string
}

// page is a query of a source: rows of a table behind a time and an id.
func page(columns, from, at, id, where string) string {
	return fmt.Sprintf(`SELECT %[3]s AS at, %[4]s AS id, %[1]s FROM %[2]s WHERE %[3]s >= $1 AND (%[3]s > $1 OR %[4]s > $2)%[5]s ORDER BY 1, 2 LIMIT $3`, columns, from, at, id, where)
}

// sources are looked at by time, over an index or in a table that is small by nature.
var sources = []source{
	{
		topic: Message,
		query: page(`l.state, l.entry, l.target, l.account`, `ledger l`, `l.at`, `l.entry || '/' || l.target`, ``),
		// The copy at a target may not say whose it is; the entry does.
		accounts: `SELECT account FROM entries WHERE id = $1 AND account <> ''`,
	},
	{topic: Run, query: page(`r.state, r.id, '', r.account`, `rule_runs r`, `r.changed_at`, `r.id`, ``)},
	{topic: Rule, query: page(`r.state, r.id, '', ''`, `rules r`, `r.updated_at`, `r.id`, ``)},
	{topic: Approval, query: page(`'open', a.id, '', ''`, `rule_approvals a`, `a.asked_at`, `a.id`, ``), accounts: approvalAccounts},
	{topic: Approval, query: page(`a.state, a.id, '', ''`, `rule_approvals a`, `a.decided_at`, `a.id`, ` AND a.decided_at <> 0`), accounts: approvalAccounts},
	{topic: Approval, query: page(`'voted', p.approval, '', ''`, `rule_approvers p`, `p.decided_at`, `p.approval`, ` AND p.decided_at <> 0`), accounts: approvalAccounts},
	{topic: Review, query: page(`r.state, r.subject, '', ''`, `reviews r`, `r.last_seen`, `r.subject`, ` AND r.state = 'open'`), accounts: reviewAccounts},
	{topic: Review, query: page(`r.state, r.subject, '', ''`, `reviews r`, `r.decided_at`, `r.subject`, ` AND r.decided_at <> 0`), accounts: reviewAccounts},
	{topic: Outbox, query: page(`CASE WHEN m.held = '' THEN 'queued' ELSE 'held' END, m.entry, '', ''`, `outbox_messages m`, `m.queued_at`, `m.entry`, ``), accounts: outboxAccounts},
	{topic: Outbox, query: page(`'finished', m.entry, '', ''`, `outbox_messages m`, `m.finished_at`, `m.entry`, ` AND m.finished_at <> 0`), accounts: outboxAccounts},
	{topic: Queue, query: page(`'dead', CAST(j.id AS TEXT), '', ''`, `jobs j`, `j.finished_at`, `CAST(j.id AS TEXT)`, ` AND j.state = 'discarded'`)},
	{topic: Queue, query: page(`'dropped', CAST(j.id AS TEXT), '', ''`, `jobs j`, `j.finished_at`, `CAST(j.id AS TEXT)`, ` AND j.state = 'cancelled'`)},
	{topic: Target, query: page(`CASE WHEN s.reason = '' THEN 'well' ELSE 'failing' END, s.target, s.target, ''`, `contact_syncs s`, `s.ran_at`, `s.target`, ` AND (s.reason <> '' OR s.failures > 0)`)},
	{topic: Account, query: page(`CASE WHEN w.state = '' THEN 'unknown' ELSE w.state END, w.account, '', ''`, `watches w`, `w.changed_at`, `w.account || '/' || w.mailbox`, ` AND w.changed_at <> 0`)},
	{topic: Account, query: page(`'access_lost', g.name, '', ''`, `grants g`, `g.failed_at`, `g.name`, ` AND g.failed_at <> 0`)},
	{topic: Account, query: page(`CASE WHEN p.active = 1 THEN 'paused' ELSE 'resumed' END, p.name, '', ''`, `pauses p`, pausedAt, `p.name`, ` AND p.kind = 'account'`)},
	{topic: Target, query: page(`CASE WHEN p.active = 1 THEN 'paused' ELSE 'resumed' END, p.name, p.name, ''`, `pauses p`, pausedAt, `p.name`, ` AND p.kind = 'target'`)},
	{topic: Backfill, query: page(`b.state, b.id, '', b.account`, `account_runs b`, `b.seen_at`, `b.id`, ``)},
}

// pausedAt is when a pause last began or ended.
const pausedAt = `(CASE WHEN p.paused_at > p.resumed_at THEN p.paused_at ELSE p.resumed_at END)`

const (
	approvalAccounts = `SELECT person FROM rule_approvers WHERE approval = $1 ORDER BY position LIMIT 50`
	reviewAccounts   = `SELECT DISTINCT s.account FROM review_messages m JOIN sightings s ON s.message_key = m.message_key WHERE m.subject = $1 LIMIT 50`
	outboxAccounts   = `SELECT account FROM entries WHERE id = $1 AND account <> ''`
)

// row is a row of a source.
type row struct {
	at                            int64
	id                            string
	what, object, target, account string
}

// read returns the next rows.
func (s *source) read(ctx context.Context, q store.Querier, at int64, id string, limit int) (list []row, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("look for events of topic %s: %w", s.topic, err)
		}
	}()
	rows, err := q.QueryContext(ctx, s.query, at, id, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.at, &r.id, &r.what, &r.object, &r.target, &r.account); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// owners finds whose mail a row is about.
func (s *source) owners(ctx context.Context, q store.Querier, r *row) (list []string, err error) {
	if r.account != "" {
		return []string{strings.ToLower(r.account)}, nil
	}
	if s.accounts == "" {
		return nil, nil
	}
	rows, err := q.QueryContext(ctx, s.accounts, r.object)
	if err != nil {
		return nil, fmt.Errorf("find whose event it is: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var account string
		if err := rows.Scan(&account); err != nil {
			return nil, err
		}
		if account = strings.ToLower(account); !slices.Contains(list, account) {
			list = append(list, account)
		}
	}
	return list, rows.Err()
}
