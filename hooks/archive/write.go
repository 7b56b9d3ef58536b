package archive

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// prepared is a message that is about to be written.
type prepared struct {
	key   string
	notes []int64
	d     *draft // nil: nothing to be shown, or the text is kept no longer
}

// copyOf is one sighting in scope.
type copyOf struct {
	entry   journal.ID
	mailbox bool
	account string
}

// state is what the mirror's tables say of a message now.
type state struct {
	direction string
	sentAt    int64
	firstSeen int64
	copies    []copyOf // visible ones, submissions first
}

// accounts returns who has a visible copy, sorted.
func (s *state) accounts() []string {
	set := map[string]bool{}
	for _, c := range s.copies {
		if c.account != "" {
			set[c.account] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// readState reads a message; nil: there is none, or none that anybody may see.
func readState(ctx context.Context, q store.Querier, key string) (*state, error) {
	var s state
	err := q.QueryRowContext(ctx, `SELECT direction, sent_at, first_seen FROM messages WHERE key = $1 AND joined = ''`, key).Scan(&s.direction, &s.sentAt, &s.firstSeen)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // it is no error
	}
	if err != nil {
		return nil, err
	}
	gone, err := readStones(ctx, q, key)
	if err != nil {
		return nil, err
	}
	err = each(ctx, q, `SELECT entry, kind, account FROM sightings WHERE message_key = $1 AND excluded = '' ORDER BY entry`, []any{key}, func(scan func(...any) error) error {
		var entry, kind string
		var c copyOf
		if err := scan(&entry, &kind, &c.account); err != nil {
			return err
		}
		var err error
		if c.entry, err = journal.ParseID(entry); err == nil && !gone.all(c.account) {
			c.mailbox = journal.Kind(kind).Mailbox()
			s.copies = append(s.copies, c)
		}
		return err
	})
	if err != nil || len(s.copies) == 0 {
		return nil, err
	}
	slices.SortStableFunc(s.copies, func(a, b copyOf) int {
		switch {
		case a.mailbox == b.mailbox:
			return 0
		case a.mailbox:
			return 1
		}
		return -1
	})
	return &s, nil
}

// stones say from where a message was taken back.
type stones struct {
	list    []struct{ target, account string }
	targets []string
}

func readStones(ctx context.Context, q store.Querier, key string) (s stones, err error) {
	err = each(ctx, q, `SELECT target, account FROM withdrawals WHERE message_key = $1`, []any{key}, func(scan func(...any) error) error {
		var one struct{ target, account string }
		err := scan(&one.target, &one.account)
		s.list = append(s.list, one)
		return err
	})
	if err != nil || len(s.list) == 0 {
		return s, err
	}
	err = each(ctx, q, `SELECT target FROM deliveries WHERE message_key = $1`, []any{key}, func(scan func(...any) error) error {
		var target string
		err := scan(&target)
		s.targets = append(s.targets, target)
		return err
	})
	return s, err
}

// all tells whether the copies of an account were taken back from everywhere.
func (s *stones) all(account string) bool {
	if len(s.list) == 0 {
		return false
	}
	from := func(target string) bool {
		return slices.ContainsFunc(s.list, func(one struct{ target, account string }) bool {
			return (one.target == "" || one.target == target) && (one.account == "" || one.account == account)
		})
	}
	if len(s.targets) == 0 {
		return from("")
	}
	return !slices.ContainsFunc(s.targets, func(t string) bool { return !from(t) })
}

// prepare reads what is needed before the transaction.
func (a *Archive) prepare(ctx context.Context, key string) (prepared, error) {
	p := prepared{key: key}
	s, err := readState(ctx, a.o.Store.Reader(), key)
	if err != nil || s == nil {
		return p, err
	}
	if d := a.drafts.take(s.copies[0].entry); d != nil {
		p.d = d
		return p, nil
	}
	if a.o.Journal == nil {
		return p, errors.New("there is no journal to read from")
	}
	var elsewhere error
	for _, c := range s.copies {
		p.d, err = a.read(ctx, c.entry)
		switch {
		case err == nil:
			return p, nil
		case errors.Is(err, journal.ErrNotFound):
		case errors.Is(err, journal.ErrElsewhere):
			elsewhere = err
		default:
			return p, err
		}
	}
	return p, elsewhere
}

// read makes the draft of an entry.
func (a *Archive) read(ctx context.Context, id journal.ID) (_ *draft, err error) {
	e, err := a.o.Journal.Entry(ctx, id)
	if err != nil {
		return nil, err
	}
	body, err := a.o.Journal.Body(ctx, e)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	msg, err := message.Parse(body, message.Options{Salt: e.ID.String()})
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", id, err)
	}
	return a.draft(e, msg), nil
}

// write brings one message up to date, in the caller's transaction.
func (a *Archive) write(ctx context.Context, tx store.Querier, p *prepared) error {
	if free, err := a.lock(ctx, tx, p.key); err != nil || !free {
		return err // who has it notes it again, or the note is still there
	}
	s, err := readState(ctx, tx, p.key)
	if err != nil {
		return err
	}
	switch {
	case s == nil:
		err = a.remove(ctx, tx, p.key)
	case p.d != nil:
		err = a.put(ctx, tx, p.key, s, p.d)
	default:
		err = a.putBare(ctx, tx, p.key, s)
	}
	if err != nil {
		return err
	}
	for _, seq := range p.notes {
		if _, err := tx.ExecContext(ctx, `DELETE FROM archive_dirty WHERE seq = $1`, seq); err != nil {
			return err
		}
	}
	return nil
}

// lock keeps the message from being changed meanwhile; false where somebody has it. SQLite has one writer anyway.
func (a *Archive) lock(ctx context.Context, tx store.Querier, key string) (bool, error) {
	if a.o.Store.Dialect() != store.Postgres {
		return true, nil
	}
	var n int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM messages WHERE key = $1 FOR UPDATE SKIP LOCKED`, key).Scan(&n)
	if !errors.Is(err, sql.ErrNoRows) {
		return err == nil, err
	}
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM messages WHERE key = $1`, key).Scan(&n)
	return n == 0, err
}

// row is what is written of a message already.
type row struct {
	id        int64
	direction string
	sender    string
	accounts  []string
	people    map[string]string // part by subject
}

func readRow(ctx context.Context, tx store.Querier, key string) (*row, error) {
	r := row{people: map[string]string{}}
	err := tx.QueryRowContext(ctx, `SELECT id, direction, sender FROM archive_messages WHERE key = $1`, key).Scan(&r.id, &r.direction, &r.sender)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // it is no error
	}
	if err != nil {
		return nil, err
	}
	err = each(ctx, tx, `SELECT account FROM archive_seen WHERE id = $1 ORDER BY account`, []any{r.id}, func(scan func(...any) error) error {
		var account string
		err := scan(&account)
		r.accounts = append(r.accounts, account)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &r, each(ctx, tx, `SELECT subject, part FROM archive_people WHERE id = $1`, []any{r.id}, func(scan func(...any) error) error {
		var subject, part string
		err := scan(&subject, &part)
		r.people[subject] = part
		return err
	})
}

// put writes a message with all that is known of it.
func (a *Archive) put(ctx context.Context, tx store.Querier, key string, s *state, d *draft) error {
	old, err := readRow(ctx, tx, key)
	if err != nil {
		return err
	}
	accounts := s.accounts()
	now := row{direction: s.direction, sender: sender(d), accounts: accounts, people: a.outside(d, accounts)}
	if old != nil && (old.direction != now.direction || old.sender != now.sender) {
		if err := a.remove(ctx, tx, key); err != nil { // so that what was counted of it is counted anew
			return err
		}
		old = nil
	}
	if old == nil {
		if now.id, err = a.insert(ctx, tx, key, s, d); err != nil {
			return err
		}
		old = &row{id: now.id}
	} else {
		now.id = old.id
		if err := a.update(ctx, tx, now.id, d); err != nil {
			return err
		}
	}
	if err := a.putTokens(ctx, tx, now.id, tokensOf(d, s.direction, accounts, a.domains)); err != nil {
		return err
	}
	return a.relate(ctx, tx, old, &now, names(d))
}

// putBare brings up to date who has a message of which the text is kept no longer.
func (a *Archive) putBare(ctx context.Context, tx store.Querier, key string, s *state) error {
	old, err := readRow(ctx, tx, key)
	if err != nil {
		return err
	}
	if old == nil {
		d := &draft{sentAt: s.sentAt}
		if d.sentAt == 0 || d.sentAt > s.firstSeen {
			d.sentAt = s.firstSeen
		}
		return a.put(ctx, tx, key, s, d)
	}
	now := *old
	now.accounts = s.accounts()
	if slices.Equal(now.accounts, old.accounts) {
		return nil
	}
	// Its words cannot be written with other accounts any more.
	if err := a.dropTokens(ctx, tx, old.id); err != nil {
		return err
	}
	return a.relate(ctx, tx, old, &now, nil)
}

func sender(d *draft) string {
	if len(d.people) == 0 {
		return ""
	}
	return d.people[0].Address
}

// names returns what people were called, by address.
func names(d *draft) map[string]string {
	out := map[string]string{}
	for _, p := range d.people {
		if p.Name != "" && out[p.Address] == "" {
			out[p.Address] = p.Name
		}
	}
	return out
}

// outside returns what part those outside had, by address and by @ and the company's domain.
func (a *Archive) outside(d *draft, accounts []string) map[string]string {
	out := map[string]string{}
	note := func(subject, part string) {
		if old, ok := out[subject]; !ok || part == "wrote" || part == "got" && old == "blind" {
			out[subject] = part
		}
	}
	for _, p := range d.people {
		if p.Internal || !strings.Contains(p.Address, "@") || slices.Contains(accounts, p.Address) {
			continue
		}
		part := "got"
		switch p.Role {
		case From:
			part = "wrote"
		case BCC:
			part = "blind"
		case To, CC:
		}
		note(p.Address, part)
		if domain := a.domains.Of(p.Address); domain != "" {
			note("@"+domain, part)
		}
	}
	return out
}

func (a *Archive) insert(ctx context.Context, tx store.Querier, key string, s *state, d *draft) (int64, error) {
	people, files := shown(d)
	for id := d.sentAt; ; id++ {
		r, err := tx.ExecContext(ctx, `
			INSERT INTO archive_messages (id, key, direction, sender, subject, preview, size, automated, attachments, files, people, people_count)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING`,
			id, key, s.direction, sender(d), d.subject, d.preview, d.size, number(d.automated), d.attachments, files, people, len(d.people))
		if err != nil {
			return 0, err
		}
		if n, err := r.RowsAffected(); err != nil || n == 1 {
			return id, err
		}
	}
}

func (a *Archive) update(ctx context.Context, tx store.Querier, id int64, d *draft) error {
	people, files := shown(d)
	_, err := tx.ExecContext(ctx, `UPDATE archive_messages SET subject = $2, preview = $3, size = $4, automated = $5, attachments = $6, files = $7, people = $8,
		people_count = $9 WHERE id = $1`, id, d.subject, d.preview, d.size, number(d.automated), d.attachments, files, people, len(d.people))
	return err
}

// shown returns the people and files that lists show, as JSON.
func shown(d *draft) (people, files string) {
	p, _ := json.Marshal(d.people[:min(len(d.people), maxShown)]) //nolint:errchkjson // strings only
	f, _ := json.Marshal(d.files[:min(len(d.files), maxShown)])   //nolint:errchkjson // strings only
	return string(p), string(f)
}

// remove deletes all that is known of a message.
func (a *Archive) remove(ctx context.Context, tx store.Querier, key string) error {
	old, err := readRow(ctx, tx, key)
	if err != nil || old == nil {
		return err
	}
	if err := a.dropTokens(ctx, tx, old.id); err != nil {
		return err
	}
	if err := a.relate(ctx, tx, old, &row{id: old.id}, nil); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM archive_messages WHERE id = $1`, old.id)
	return err
}

func (a *Archive) dropTokens(ctx context.Context, tx store.Querier, id int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM archive_tokens WHERE rowid = $1`, id)
	return err
}

func (a *Archive) putTokens(ctx context.Context, tx store.Querier, id int64, t tokens) error {
	if err := a.dropTokens(ctx, tx, id); err != nil {
		return err
	}
	query := `INSERT INTO archive_tokens (rowid, tokens) VALUES ($1, $2)`
	text := t.fts()
	if a.o.Store.Dialect() == store.Postgres {
		query = `INSERT INTO archive_tokens (rowid, tokens) VALUES ($1, $2::text::tsvector)`
		text = t.tsvector()
	}
	_, err := tx.ExecContext(ctx, query, id, text)
	return err
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// each calls row for each row of a query.
func each(ctx context.Context, q store.Querier, query string, args []any, row func(scan func(...any) error) error) (err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
