package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/store"
)

// Filter says which messages are meant. All that is set must hold.
type Filter struct {
	// Scope are the accounts whose mail may be seen, lower case; nil: all mail.
	Scope []string

	Words      string   // see terms
	Attachment string   // words in the name of an attachment
	From, To   string   // addresses
	Persons    []string // one of these addresses took part
	Domains    []string // somebody of one of these domains took part; with Persons, either
	Account    string   // has a copy
	Direction  string
	Since      time.Time // sent at or after
	Until      time.Time // sent before
	HasFiles   *bool
	Automated  *bool
	Thread     string
	Tag        string
	State      string // of the delivery to Target, or to any
	Target     string
}

// Search returns messages, the newest first, from before an id; zero: from the newest. next is where the page after it begins; zero: there
// is none. A page can be shorter than limit.
func (a *Archive) Search(ctx context.Context, f Filter, before int64, limit int) (page []Summary, next int64, err error) {
	q, ok := a.plan(&f)
	if !ok {
		return nil, 0, nil
	}
	if before > 0 {
		q.high = min(q.high, before)
	}
	found, err := q.run(ctx, a.o.Store, limit+1)
	if err != nil {
		return nil, 0, fmt.Errorf("searching messages: %w", err)
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].ID
	}
	page, err = a.visible(ctx, found, f.Scope)
	return page, next, err
}

// search is a query under construction.
type search struct {
	must, not []expr
	where     []string
	rare      bool // few messages are likely to fulfil a part of where
	args      []any
	account   string // the only one, where there is one
	low, high int64  // ids from low to before high
}

func (q *search) arg(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// plan makes a query; false: nothing can be found.
func (a *Archive) plan(f *Filter) (*search, bool) {
	q := &search{high: math.MaxInt64}
	scope := f.Scope
	if f.Account != "" {
		account := strings.ToLower(f.Account)
		if scope != nil && !slices.Contains(scope, account) {
			return nil, false
		}
		scope = []string{account}
	}
	if scope != nil && len(scope) == 0 {
		return nil, false
	}
	if !q.words(f) {
		return nil, false
	}
	if f.Direction != "" {
		q.where = append(q.where, `m.direction = `+q.arg(f.Direction))
	}
	if f.HasFiles != nil {
		q.where = append(q.where, `m.attachments `+map[bool]string{true: "> 0", false: "= 0"}[*f.HasFiles])
	}
	if f.Automated != nil {
		q.where = append(q.where, `m.automated = `+q.arg(number(*f.Automated)))
	}
	if f.Thread != "" {
		q.few(`m.key IN (SELECT key FROM messages WHERE thread = ` + q.arg(f.Thread) + `)`)
	}
	if f.Tag != "" {
		q.few(`m.key IN (SELECT message_key FROM message_tags WHERE tag = ` + q.arg(f.Tag) + `)`)
	}
	q.byState(f)
	if !f.Since.IsZero() {
		q.low = store.Micros(f.Since)
	}
	if !f.Until.IsZero() {
		q.high = store.Micros(f.Until)
	}
	switch {
	case len(scope) == 1 && len(q.must)+len(q.not) == 0:
		q.account = scope[0]
	case scope != nil:
		q.must = append(q.must, marks(markAccount, scope))
	}
	if len(q.must)+len(q.not) > 0 && f.Direction != "" {
		q.must = append(q.must, word(markDirection+f.Direction))
	}
	if len(q.must)+len(q.not) > 0 && f.HasFiles != nil && *f.HasFiles {
		q.must = append(q.must, word(markFiles))
	}
	if len(q.must) == 0 && len(q.not) > 0 {
		q.must = append(q.must, anyOf(word(markDirection+"inbound"), word(markDirection+"outbound"), word(markDirection+"internal")))
	}
	return q, true
}

func (q *search) byState(f *Filter) {
	if f.State == "" {
		return
	}
	state := `d.state = '` + strings.ReplaceAll(f.State, "'", "") + `'` // as it stands, so that the index of rare states is used
	if f.Target != "" {
		state += ` AND d.target = ` + q.arg(f.Target)
	}
	if f.State == "mirrored" {
		q.where = append(q.where, `EXISTS (SELECT 1 FROM deliveries d WHERE d.message_key = m.key AND `+state+`)`)
		return
	}
	q.few(`m.key IN (SELECT d.message_key FROM deliveries d WHERE ` + state + `)`)
}

// few adds a condition that few messages are likely to fulfil.
func (q *search) few(condition string) {
	q.where, q.rare = append(q.where, condition), true
}

func marks(kind string, values []string) expr {
	var list []expr
	for _, v := range values {
		list = append(list, word(mark(kind, v)))
	}
	return anyOf(list...)
}

// words adds what is found by words and people; false: nothing can be found.
func (q *search) words(f *Filter) bool {
	q.must, q.not = terms(f.Words)
	if strings.TrimSpace(f.Words) != "" && len(q.must)+len(q.not) == 0 {
		return false // no word is in it
	}
	if f.Attachment != "" {
		x, ok := phrase(f.Attachment)
		if !ok {
			return false
		}
		for i, w := range x.phrase {
			x.phrase[i] = markFile + strings.TrimPrefix(w, markSingle)
		}
		q.must = append(q.must, x)
	}
	if f.From != "" {
		q.must = append(q.must, word(mark(markFrom, strings.ToLower(f.From))))
	}
	if f.To != "" {
		address := strings.ToLower(f.To)
		q.must = append(q.must, anyOf(word(mark(markTo, address)), f.blind(address)))
	}
	if len(f.Persons)+len(f.Domains) > 0 {
		var list []expr
		for _, p := range f.Persons {
			address := strings.ToLower(p)
			list = append(list, word(mark(markFrom, address)), word(mark(markTo, address)), f.blind(address))
		}
		for _, d := range f.Domains {
			list = append(list, word(mark(markDomain, strings.ToLower(d))))
		}
		q.must = append(q.must, anyOf(list...))
	}
	return true
}

// blind finds a recipient whom only the sender knows: in mail of those who may be seen.
func (f *Filter) blind(address string) expr {
	x := word(mark(markBlind, address))
	if f.Scope == nil || slices.Contains(f.Scope, address) {
		return x
	}
	return expr{list: []expr{x, marks(markFrom, f.Scope)}}
}

const summaryColumns = `m.id, m.key, m.direction, m.subject, m.preview, m.size, m.automated, m.attachments, m.files, m.people, m.people_count`

// newest is in how many of the newest messages PostgreSQL looks for words before it asks the index: that gives all
// messages with the words, whatever is wanted of them.
const newest = 2000

// run returns rows.
func (q *search) run(ctx context.Context, db *store.DB, limit int) ([]Summary, error) {
	switch {
	case len(q.must) == 0:
		return q.byTime(ctx, db.Reader(), limit)
	case db.Dialect() == store.SQLite:
		return q.inSQLite(ctx, db.Reader(), limit)
	}
	switch isRare, err := q.isRare(ctx, db.Reader()); {
	case err != nil:
		return nil, err
	case isRare:
		return q.amongRare(ctx, db.Reader(), limit)
	}
	var edge int64
	err := db.Reader().QueryRowContext(ctx, `SELECT id FROM archive_messages WHERE id < $1 ORDER BY id DESC OFFSET $2 LIMIT 1`, q.high, newest-1).Scan(&edge)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	edge = max(edge, q.low)
	found, err := q.inWindow(ctx, db.Reader(), edge, limit)
	if err != nil || len(found) == limit || edge == q.low {
		return found, err
	}
	older, err := q.byIndex(ctx, db.Reader(), edge, limit-len(found))
	return append(found, older...), err
}

// rareMost is how many messages with a rare condition are looked at one by one for words.
const rareMost = 2000

// inSQLite walks the messages with the words, or where that is less to do, those with a rare condition. SQLite joins in the order that CROSS says.
func (q *search) inSQLite(ctx context.Context, db store.Querier, limit int) ([]Summary, error) {
	args := slices.Clone(q.args)
	match := `archive_tokens MATCH ` + place(&args, (expr{list: q.must, not: q.not}).fts())
	isRare, err := q.isRare(ctx, db)
	switch {
	case err != nil:
		return nil, err
	case isRare:
		return q.rows(ctx, db, "", `archive_messages m CROSS JOIN archive_tokens t ON t.rowid = m.id`, match, "m.id", args, q.low, q.high, limit)
	}
	return q.rows(ctx, db, "", `archive_tokens t CROSS JOIN archive_messages m ON m.id = t.rowid`, match, "t.rowid", args, q.low, q.high, limit)
}

// isRare tells whether few messages fulfil the conditions, some of which are likely to be rare. It asks for all of them, since PostgreSQL
// takes no argument that a query does not use.
func (q *search) isRare(ctx context.Context, db store.Querier) (bool, error) {
	if !q.rare {
		return false, nil
	}
	args := slices.Clone(q.args)
	var n int
	err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM archive_messages m WHERE `+strings.Join(q.where, " AND ")+` LIMIT `+place(&args, rareMost+1)+`) few`, args...).Scan(&n)
	return n <= rareMost, err
}

// amongRare looks for words in the messages that fulfil the conditions, of which there are few.
func (q *search) amongRare(ctx context.Context, db store.Querier, limit int) ([]Summary, error) {
	args := slices.Clone(q.args)
	query := place(&args, (expr{list: q.must, not: q.not}).tsquery())
	with := `WITH r AS MATERIALIZED (SELECT m.id FROM archive_messages m WHERE ` + strings.Join(q.where, " AND ") + `)`
	return q.rows(ctx, db, with, `r JOIN archive_tokens t ON t.rowid = r.id JOIN archive_messages m ON m.id = r.id`, `t.tokens @@ `+query+`::text::tsquery`, "m.id", args, q.low, q.high, limit)
}

// inWindow looks at all messages between edge and q.high.
func (q *search) inWindow(ctx context.Context, db store.Querier, edge int64, limit int) ([]Summary, error) {
	args := slices.Clone(q.args)
	query := place(&args, (expr{list: q.must, not: q.not}).tsquery())
	with := `WITH t AS MATERIALIZED (SELECT rowid, tokens FROM archive_tokens WHERE rowid >= ` + place(&args, edge) + ` AND rowid < ` + place(&args, q.high) + `)`
	return q.rows(ctx, db, with, `t JOIN archive_messages m ON m.id = t.rowid`, `t.tokens @@ `+query+`::text::tsquery`, "m.id", args, edge, q.high, limit)
}

// byIndex asks the index of words for what is older than edge.
func (q *search) byIndex(ctx context.Context, db store.Querier, edge int64, limit int) ([]Summary, error) {
	args := slices.Clone(q.args)
	with := `WITH t AS MATERIALIZED (SELECT rowid FROM archive_tokens WHERE tokens @@ ` + place(&args, (expr{list: q.must, not: q.not}).tsquery()) + `::text::tsquery)`
	return q.rows(ctx, db, with, `t JOIN archive_messages m ON m.id = t.rowid`, "", "m.id", args, q.low, edge, limit)
}

// byTime walks the messages, or those of one account, in their order.
func (q *search) byTime(ctx context.Context, db store.Querier, limit int) ([]Summary, error) {
	if q.account == "" {
		return q.rows(ctx, db, "", `archive_messages m`, "", "m.id", slices.Clone(q.args), q.low, q.high, limit)
	}
	args := slices.Clone(q.args)
	return q.rows(ctx, db, "", `archive_seen t JOIN archive_messages m ON m.id = t.id`, `t.account = `+place(&args, q.account), "t.id", args, q.low, q.high, limit)
}

func (q *search) rows(ctx context.Context, db store.Querier, with, from, first, id string, args []any, low, high int64, limit int) ([]Summary, error) {
	where := []string{id + ` >= ` + place(&args, low), id + ` < ` + place(&args, high)}
	if first != "" {
		where = append([]string{first}, where...)
	}
	where = append(where, q.where...)
	query := with + ` SELECT ` + summaryColumns + ` FROM ` + from + ` WHERE ` + strings.Join(where, " AND ") + ` ORDER BY ` + id + ` DESC LIMIT ` + place(&args, limit)
	return summaries(ctx, db, query, args)
}

func place(args *[]any, v any) string {
	*args = append(*args, v)
	return "$" + strconv.Itoa(len(*args))
}
