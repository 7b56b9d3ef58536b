package mail

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heliograph/hooks/archive"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// ledgerQuery says which entries are meant.
type ledgerQuery struct {
	accounts         []string // nil: all
	messageID        string
	address, account string
	target, state    string
	since, until     time.Time
}

// where makes the condition for a row of the ledger, by its name. All but state and target are the same for all rows of an entry.
func (q *ledgerQuery) where(row string, args *[]any) string {
	arg := func(v any) string {
		*args = append(*args, v)
		return "$" + strconv.Itoa(len(*args))
	}
	parts := []string{"1 = 1"}
	if q.accounts != nil {
		in := []string{"NULL"}
		for _, a := range q.accounts {
			in = append(in, arg(a))
		}
		parts = append(parts, row+`.account IN (`+strings.Join(in, ", ")+`)`)
	}
	for _, c := range []struct{ column, value string }{{"message_id", q.messageID}, {"account", q.account}, {"target", q.target}, {"state", q.state}} {
		if c.value != "" {
			parts = append(parts, row+"."+c.column+" = "+arg(c.value))
		}
	}
	if q.messageID != "" {
		parts = append(parts, row+".message_id <> ''") // so that the index of Message-IDs is used
	}
	if q.address != "" {
		at := arg(q.address)
		parts = append(parts, `(`+row+`.account = `+at+` OR `+row+`.entry IN (SELECT s.entry FROM correspondents c JOIN sightings s ON s.message_key = c.message_key
			WHERE c.address = `+at+` AND s.excluded = ''))`)
	}
	if !q.since.IsZero() {
		parts = append(parts, row+".at >= "+arg(store.Micros(q.since)))
	}
	if !q.until.IsZero() {
		parts = append(parts, row+".at < "+arg(store.Micros(q.until)))
	}
	return strings.Join(parts, " AND ")
}

// entries returns entries, the one of which the latest row fits first, from behind a row.
func (p *Part) entries(ctx context.Context, q *ledgerQuery, cursor string, limit int) (ids []string, next *string, err error) {
	var at int64
	var entry string
	some, err := api.DecodeCursor(cursor, &at, &entry)
	if err != nil {
		return nil, nil, err
	}
	var args []any
	where := q.where("l", &args)
	if some {
		args = append(args, at, entry)
		n := len(args)
		where += fmt.Sprintf(" AND l.at <= $%d AND (l.at < $%d OR l.entry < $%d)", n-1, n-1, n)
	}
	later := q.where("n", &args)
	args = append(args, limit+1)
	times := []int64{}
	err = p.each(ctx, `SELECT l.entry, l.at FROM ledger l WHERE `+where+` AND NOT EXISTS (SELECT 1 FROM ledger n WHERE n.entry = l.entry AND (n.at > l.at OR n.at = l.at AND n.target > l.target) AND `+later+`)
		ORDER BY l.at DESC, l.entry DESC LIMIT $`+strconv.Itoa(len(args)), args, func(scan func(...any) error) error {
		var id string
		var at int64
		err := scan(&id, &at)
		ids, times = append(ids, id), append(times, at)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the ledger: %w", err)
	}
	if len(ids) > limit {
		ids = ids[:limit]
		next, err = nextOf(true, times[limit-1], ids[limit-1])
	}
	return ids, next, err
}

// ListLedger searches the ledger.
func (p *Part) ListLedger(ctx context.Context, r ListLedgerRequestObject) (ListLedgerResponseObject, error) {
	c := access.From(ctx)
	q := r.Params
	ids, next, err := p.entries(ctx, &ledgerQuery{
		accounts: scopeOf(c), messageID: bare(value(q.MessageId)), address: lower(q.Address), account: lower(q.Account), target: value(q.Target),
		state: string(value(q.State)), since: value(q.Since), until: value(q.Until),
	}, value(q.Cursor), api.PageLimit(value(q.Limit)))
	if err != nil {
		return nil, err
	}
	items, err := p.items(ctx, c, ids)
	return ListLedger200JSONResponse(LedgerList{Items: items, Next: next}), err
}

// items reads all that the ledger has of entries, in their order.
func (p *Part) items(ctx context.Context, c *access.Caller, ids []string) ([]LedgerItem, error) {
	out := make([]LedgerItem, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	at := map[string]*LedgerItem{}
	for i, id := range ids {
		e, err := journal.ParseID(id)
		if err != nil {
			return nil, err
		}
		out[i] = LedgerItem{Entry: id, CapturedAt: e.Time().UTC(), Steps: []LedgerStep{}}
		at[id] = &out[i]
	}
	in, args := archive.In(ids)
	err := p.each(ctx, `SELECT entry, target, message_id, account, state, reason, at FROM ledger WHERE entry IN (`+in+`) ORDER BY at, target`, args, func(scan func(...any) error) error {
		var entry, target, messageID, account, reason string
		var s LedgerStep
		var micros int64
		if err := scan(&entry, &target, &messageID, &account, &s.State, &reason, &micros); err != nil {
			return err
		}
		i := at[entry]
		s.Target, s.Reason, s.At = some(target), some(reason), store.FromMicros(micros).UTC()
		if messageID != "" {
			i.MessageId = &messageID
		}
		if account != "" {
			i.Account = &account
		}
		i.Steps = append(i.Steps, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	err = p.each(ctx, `SELECT id, kind, mailbox, uid FROM entries WHERE id IN (`+in+`)`, args, func(scan func(...any) error) error {
		var id, kind, mailbox string
		var uid int64
		err := scan(&id, &kind, &mailbox, &uid)
		at[id].Kind, at[id].Mailbox, at[id].Uid = some(kind), some(mailbox), some(uid)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading entries: %w", err)
	}
	return out, p.linked(ctx, c, at, in, args)
}

// linked adds the messages of entries, as far as the caller may read mail, and where targets have them.
func (p *Part) linked(ctx context.Context, c *access.Caller, at map[string]*LedgerItem, in string, args []any) error {
	keys := map[string]string{}
	var list []string
	err := p.each(ctx, `SELECT entry, message_key FROM sightings WHERE excluded = '' AND entry IN (`+in+`)`, args, func(scan func(...any) error) error {
		var entry, key string
		err := scan(&entry, &key)
		keys[entry] = key
		list = append(list, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading sightings: %w", err)
	}
	deliveries, err := p.deliveries(ctx, list)
	if err != nil {
		return err
	}
	subjects, err := p.subjects(ctx, c, list)
	if err != nil {
		return err
	}
	for entry, key := range keys {
		i := at[entry]
		for n := range i.Steps {
			for _, d := range deliveries[key] {
				if s := &i.Steps[n]; d.Target == value(s.Target) && s.State == LedgerStateMirrored {
					s.RemoteId, s.Url = d.RemoteId, d.Url
				}
			}
		}
		if subject, ok := subjects[key]; ok {
			i.MessageKey, i.Subject = &key, &subject
		}
	}
	return nil
}

// subjects returns the subjects of messages that the caller may read.
func (p *Part) subjects(ctx context.Context, c *access.Caller, keys []string) (map[string]string, error) {
	out := map[string]string{}
	if !c.May(access.MailRead) || c.Masked("subject") {
		return out, nil
	}
	list, err := p.o.Archive.Summaries(ctx, scopeOf(c), keys...)
	if err != nil {
		return nil, err
	}
	m, err := maskOf(c)
	for i := range list {
		out[list[i].Key] = m.text(list[i].Subject)
	}
	return out, err
}
