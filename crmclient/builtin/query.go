package builtin

import (
	"cmp"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// where gathers conditions and their arguments. The text of conditions is constant; values only ever become arguments.
type where struct {
	conds []string
	args  []any
}

// add adds a condition; each "?" in it becomes the placeholder of the next value.
func (w *where) add(cond string, values ...any) {
	for _, v := range values {
		cond = strings.Replace(cond, "?", w.arg(v), 1)
	}
	w.conds = append(w.conds, cond)
}

func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// list returns placeholders for the inside of IN (…).
func (w *where) list(values []string) string {
	if len(values) == 0 {
		return "NULL" // IN () is not SQL; IN (NULL) is never true
	}
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = w.arg(v)
	}
	return strings.Join(marks, ", ")
}

// String returns the WHERE clause, or nothing.
func (w *where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// contains adds a substring search for each word of a query.
func (w *where) contains(column, query string) {
	for word := range strings.FieldsSeq(searchText(query)) {
		w.add(column+` LIKE ? ESCAPE '\'`, "%"+likeEscape(word)+"%")
	}
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func likeEscape(s string) string { return likeEscaper.Replace(s) }

// equal adds a condition unless the value is empty or zero, which means any.
func equal[T comparable](w *where, column string, value T) {
	var zero T
	if value != zero {
		w.add(column+" = ?", value)
	}
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // cursor of the next page; empty on the last one
}

// Paging is where a page begins and how long it is.
type Paging struct {
	Cursor string // Next of the page before; empty means the first page
	Limit  int    // zero means 50; at most 500
}

const (
	defaultLimit = 50
	maxLimit     = 500
)

func (p Paging) limit() int { return min(cmp.Or(max(p.Limit, 0), defaultLimit), maxLimit) }

// position is the last row of a page. Lists are in falling order of (At, ID), or of ID alone.
type position struct {
	At int64 `json:"t,omitempty"`
	ID int64 `json:"i"`
}

func (p position) cursor() string {
	b, _ := json.Marshal(p) // two integers cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func (p Paging) position() (position, error) {
	var at position
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil {
		return at, &InvalidError{Field: "cursor", Reason: "is not one that a list returned"}
	}
	return at, nil
}

// after adds the condition of the page after the cursor in a list by falling id.
func (p Paging) after(w *where, column string) error {
	if p.Cursor == "" {
		return nil
	}
	at, err := p.position()
	if err != nil {
		return err
	}
	w.add(column+" < ?", at.ID)
	return nil
}

// pageOf cuts the row off that was read only to learn whether there are more.
func pageOf[T any](items []T, limit int, at func(T) position) Page[T] {
	p := Page[T]{Items: items}
	if len(items) > limit {
		p.Items = items[:limit]
		p.Next = at(items[limit-1]).cursor()
	}
	if p.Items == nil {
		p.Items = []T{}
	}
	return p
}

type scanner interface{ Scan(dest ...any) error }

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) (items []T, err error) {
	defer func() {
		if closeErr := rows.Close(); err == nil {
			err = closeErr
		}
	}()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, rows.Err()
}

// placeholders returns "$1, $2, …, $n".
func placeholders(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	return b.String()
}

func nullID(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
