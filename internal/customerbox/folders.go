package customerbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"heliograph/internal/store"
)

const (
	// customersRoot and ticketsRoot are the mailboxes above the others; they hold no messages themselves.
	customersRoot = "Customers"
	ticketsRoot   = "Tickets"
	delimiter     = "/"
	inbox         = "INBOX" // empty; programs do not start without one

	// maxCustomers and maxTickets bound a list of mailboxes; the newest records are in it. A mail program
	// is of no use with more.
	maxCustomers = 20_000
	maxTickets   = 5_000
	// maxNameRunes keeps names usable; file systems of programs that store mailboxes take 255 bytes.
	maxNameRunes = 60

	// listAge is how old a list may be that a client asks for, nameAge how old one in which a mailbox is looked up
	// that is found there.
	listAge = 2 * time.Second
	nameAge = 15 * time.Second
	// maxLists bounds the lists in memory: one per reader with a scope of his own.
	maxLists = maxSessions + 1
)

const (
	kindCompany = "company"
	kindContact = "contact" // only those without a company
	kindTicket  = "ticket"
)

// ref names a record of the built-in CRM.
type ref struct {
	kind   string
	record int64
}

// folder is a mailbox as one reader sees it.
type folder struct {
	ref
	name     string // whole, in UTF-8
	scope    string // whose messages; empty means all
	mailbox  int64  // row; 0 when nobody has asked for it yet
	validity uint32
}

// folders is a reader's list of mailboxes, in the order of their names. It does not change.
type folders struct {
	list   []folder
	byName map[string]int
	at     time.Time
}

func (l *folders) find(name string) (folder, bool) {
	i, ok := l.byName[name]
	if !ok {
		return folder{}, false
	}
	return l.list[i], true
}

// boxes knows the mailboxes.
type boxes struct {
	db *store.DB

	mu    sync.Mutex // guards lists
	lists map[string]*cachedList
}

// cachedList is the list of all readers with one scope.
type cachedList struct {
	mu   sync.Mutex // held while it is loaded, so that one query serves all who wait
	list *folders
}

func newBoxes(db *store.DB) *boxes { return &boxes{db: db, lists: map[string]*cachedList{}} }

func (b *boxes) cached(scope string) *cachedList {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.lists[scope]
	if c == nil {
		if len(b.lists) >= maxLists {
			clear(b.lists)
		}
		c = &cachedList{}
		b.lists[scope] = c
	}
	return c
}

// folders returns the mailboxes of a scope, no older than age.
func (b *boxes) folders(ctx context.Context, scope string, age time.Duration) (*folders, error) {
	c := b.cached(scope)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list != nil && time.Since(c.list.at) <= age {
		return c.list, nil
	}
	list, err := b.load(ctx, scope)
	if err != nil {
		return nil, fmt.Errorf("listing customer mailboxes: %w", err)
	}
	c.list = list
	return list, nil
}

// folder looks a mailbox up and gives it a row when it has none. It reports false when the reader sees none of that name.
func (b *boxes) folder(ctx context.Context, scope, name string) (folder, bool, error) {
	list, err := b.folders(ctx, scope, nameAge)
	if err != nil {
		return folder{}, false, err
	}
	f, ok := list.find(name)
	if !ok {
		if list, err = b.folders(ctx, scope, listAge/4); err != nil {
			return folder{}, false, err
		}
		if f, ok = list.find(name); !ok {
			return folder{}, false, nil
		}
	}
	if f.mailbox != 0 {
		return f, true, nil
	}
	if list, err = b.enrolled(ctx, scope); err != nil {
		return folder{}, false, err
	}
	f, ok = list.find(name)
	return f, ok && f.mailbox != 0, nil
}

// enrolled returns the mailboxes of a scope, each with a row. All get theirs together, since programs that ask for the
// state of one often ask for all.
func (b *boxes) enrolled(ctx context.Context, scope string) (*folders, error) {
	list, err := b.folders(ctx, scope, nameAge)
	if err != nil {
		return nil, err
	}
	var missing []folder
	for _, f := range list.list {
		if f.mailbox == 0 && f.kind != "" {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return list, nil
	}
	now := store.Micros(time.Now())
	for part := range slices.Chunk(missing, enrolAtOnce) {
		if err := b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			return insertMailboxes(ctx, tx, part, now)
		}); err != nil {
			return nil, fmt.Errorf("enrolling customer mailboxes: %w", err)
		}
	}
	return b.folders(ctx, scope, 0)
}

// enrolAtOnce and insertAtOnce bound how long others wait who want to write, and the length of a query.
const (
	enrolAtOnce  = 1000
	insertAtOnce = 50
)

func insertMailboxes(ctx context.Context, tx store.Querier, list []folder, now int64) error {
	for part := range slices.Chunk(list, insertAtOnce) {
		args := make([]any, 0, 4*len(part))
		for _, f := range part {
			args = append(args, f.kind, f.record, f.scope, now)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO customerbox_mailboxes (kind, record, reader, created_at, uid_next) VALUES `+tuples(len(part), 4, ", 1")+`
			ON CONFLICT (reader, kind, record) DO NOTHING`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// tuples returns n rows of numbered placeholders, each with the same end.
func tuples(n, columns int, end string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for k := range columns {
			if k > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "$%d", i*columns+k+1)
		}
		b.WriteString(end + ")")
	}
	return b.String()
}

// load reads the list. Names are made from all records, so that each reader knows a customer by the same one.
func (b *boxes) load(ctx context.Context, scope string) (*folders, error) {
	at := time.Now()
	all, err := b.catalogue(ctx)
	if err != nil {
		return nil, err
	}
	var visible map[ref]bool
	if scope != "" {
		if visible, err = b.visible(ctx, scope); err != nil {
			return nil, err
		}
	}
	rows, err := b.rows(ctx, scope)
	if err != nil {
		return nil, err
	}
	out := &folders{byName: map[string]int{}, at: at}
	out.list = append(out.list, folder{name: inbox}, folder{name: customersRoot}, folder{name: ticketsRoot})
	for _, f := range all {
		if visible != nil && !visible[f.ref] {
			continue
		}
		r := rows[f.ref]
		f.scope, f.mailbox, f.validity = scope, r.mailbox, r.validity
		out.list = append(out.list, f)
	}
	slices.SortStableFunc(out.list, func(a, b folder) int { return strings.Compare(a.name, b.name) })
	for i, f := range out.list {
		out.byName[f.name] = i
	}
	return out, nil
}

// catalogue reads all customers and tickets and names them.
func (b *boxes) catalogue(ctx context.Context) ([]folder, error) {
	var out []folder
	taken := map[string]bool{}
	for _, part := range []struct{ kind, query string }{
		{kindCompany, `SELECT id, name FROM (SELECT id, name FROM crm_companies ORDER BY id DESC LIMIT $1) x ORDER BY id`},
		{kindContact, `SELECT id, name FROM (SELECT id, name FROM crm_contacts WHERE company_id IS NULL ORDER BY id DESC LIMIT $1) x ORDER BY id`},
		{kindTicket, `SELECT id, subject FROM crm_tickets ORDER BY id DESC LIMIT $1`},
	} {
		limit := maxCustomers
		if part.kind == kindTicket {
			limit = maxTickets
		}
		err := query(ctx, b.db.Reader(), func(scan func(...any) error) error {
			f := folder{ref: ref{kind: part.kind}}
			var name string
			if err := scan(&f.record, &name); err != nil {
				return err
			}
			f.name = unique(taken, f.ref, cleanName(name))
			out = append(out, f)
			return nil
		}, part.query, limit)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// unique makes a whole name of a clean one. Of several customers with one name the oldest company, or else the oldest
// contact, has it as it is; the others show which records they are. Programs that keep mailboxes in files may not tell upper
// from lower case.
func unique(taken map[string]bool, r ref, name string) string {
	if r.kind == kindTicket {
		return strings.TrimRight(fmt.Sprintf("%s%s%d %s", ticketsRoot, delimiter, r.record, name), " ")
	}
	mark := fmt.Sprintf("%s %d", r.kind, r.record)
	if name == "" {
		name = mark
	}
	for taken[strings.ToLower(name)] {
		name += " (" + mark + ")"
	}
	taken[strings.ToLower(name)] = true
	return customersRoot + delimiter + name
}

// cleanName makes a part of a mailbox name: no delimiter, no wildcards of LIST, nothing that cannot be seen.
func cleanName(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '\\':
			return '-'
		case r == '*' || r == '%':
			return '_'
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return r
	}, s)
	s = norm.NFC.String(strings.Join(strings.Fields(s), " ")) // last: what was between two characters may have gone
	if runes := []rune(s); len(runes) > maxNameRunes {
		s = strings.TrimRight(string(runes[:maxNameRunes-1]), " ") + "…"
	}
	return s
}

// mailboxRow is what is stored of a mailbox.
type mailboxRow struct {
	mailbox  int64
	validity uint32
}

// rows reads the rows of a scope. UIDVALIDITY grows from row to row, in this database and in one that takes its place
// later, so that a name whose mailbox is another one never has the same.
func (b *boxes) rows(ctx context.Context, scope string) (map[ref]mailboxRow, error) {
	out := map[ref]mailboxRow{}
	err := query(ctx, b.db.Reader(), func(scan func(...any) error) error {
		var r ref
		var id, created int64
		if err := scan(&r.kind, &r.record, &id, &created); err != nil {
			return err
		}
		out[r] = mailboxRow{mailbox: id, validity: uint32(store.FromMicros(created).Unix() + id)}
		return nil
	}, `SELECT kind, record, id, created_at FROM customerbox_mailboxes WHERE reader = $1`, scope)
	return out, err
}

// visible returns the records of which a reader sees a message, or which are his to look after.
func (b *boxes) visible(ctx context.Context, account string) (map[ref]bool, error) {
	out := map[ref]bool{}
	const contacts = `
		SELECT l.contact_id FROM sightings s JOIN crm_activities m ON m.key = s.message_key
		JOIN crm_activity_contacts l ON l.activity_id = m.id WHERE s.account = $1 AND s.excluded = ''`
	for _, part := range []struct{ kind, query string }{
		{kindCompany, `SELECT id FROM crm_companies WHERE owner = $1 OR id IN (SELECT c.company_id FROM crm_contacts c WHERE c.id IN (` + contacts + `))`},
		{kindContact, `SELECT id FROM crm_contacts WHERE company_id IS NULL AND (owner = $1 OR id IN (` + contacts + `))`},
		{kindTicket, `SELECT t.id FROM crm_tickets t WHERE t.assignee = $1 OR EXISTS (
			SELECT 1 FROM crm_activity_contacts l JOIN crm_activities m ON m.id = l.activity_id
			JOIN sightings s ON s.message_key = m.key AND s.account = $1 AND s.excluded = ''
			WHERE l.contact_id = t.contact_id AND ` + ofTicket + `)`},
	} {
		err := query(ctx, b.db.Reader(), func(scan func(...any) error) error {
			r := ref{kind: part.kind}
			err := scan(&r.record)
			out[r] = true
			return err
		}, part.query, account)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// query runs a query and calls each for its rows.
func query(ctx context.Context, q store.Querier, each func(scan func(...any) error) error, text string, args ...any) (err error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
