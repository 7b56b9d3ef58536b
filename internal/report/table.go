package report

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind says what the values of a column are and thereby how they are shown.
type Kind string

// The kinds of columns.
const (
	Text     Kind = "text"
	Number   Kind = "number"
	Money    Kind = "money"
	Percent  Kind = "percent"  // a ratio: 0.25 is shown as 25.0%
	Date     Kind = "date"     // a day
	DateTime Kind = "datetime" // a day and a time to the minute
	Bool     Kind = "bool"
)

func (k Kind) known() bool {
	switch k {
	case "", Text, Number, Money, Percent, Date, DateTime, Bool:
		return true
	}
	return false
}

// numeric says whether values are numbers and stand on the right.
func (k Kind) numeric() bool { return k == Number || k == Money || k == Percent }

// Column describes one column.
type Column struct {
	Key      string  `json:"key"`                // the name in specifications and expressions
	From     string  `json:"from,omitempty"`     // where to take it from, when selecting: a key, or a dotted path into a record; the key itself if empty
	Label    string  `json:"label,omitempty"`    // the heading; the key if empty
	Kind     Kind    `json:"kind,omitempty"`     // guessed from the values if empty
	Align    string  `json:"align,omitempty"`    // left, right or center; by kind if empty
	Width    float64 `json:"width,omitempty"`    // a hint, in half-width characters; by content if 0
	Currency string  `json:"currency,omitempty"` // of money: an ISO 4217 code
	Decimals *int    `json:"decimals,omitempty"` // digits after the point; by kind if nil
	Total    string  `json:"total,omitempty"`    // what totals say of it: sum, avg, min, max, count, none; sum for numbers and money, none else
	Expr     string  `json:"expr,omitempty"`     // how it is computed from others; totals are computed the same way from the totals
	Yes      string  `json:"yes,omitempty"`      // what true is shown as
	No       string  `json:"no,omitempty"`       // what false is shown as, when Yes is set
	Warn     bool    `json:"warn,omitempty"`     // true values and negative numbers are shown in red
}

func (c Column) heading() string { return cmp.Or(c.Label, c.Key) }

func (c Column) check() error {
	switch {
	case c.Key == "":
		return wrong("a column needs a key")
	case !c.Kind.known():
		return wrong("column %q: there is no kind %q", c.Key, c.Kind)
	case !slices.Contains([]string{"", "left", "right", "center"}, c.Align):
		return wrong("column %q: align is left, right or center, not %q", c.Key, c.Align)
	case !slices.Contains([]string{"", "sum", "avg", "min", "max", "count", "none"}, c.Total):
		return wrong("column %q: total is sum, avg, min, max, count or none, not %q", c.Key, c.Total)
	case c.Decimals != nil && (*c.Decimals < 0 || *c.Decimals > 10):
		return wrong("column %q: decimals are 0 to 10, not %d", c.Key, *c.Decimals)
	case c.Width < 0 || c.Width > 500:
		return wrong("column %q: width is 0 to 500 characters", c.Key)
	}
	return nil
}

// Role says what a row is beside the data.
type Role string

// The roles of rows that are not plain data.
const (
	Subtotal Role = "subtotal"
	Total    Role = "total"
	Rest     Role = "rest" // what the first n left over
)

// Table is a report table. Values are those of CRM records: nil, bool, string, json.Number, time.Time, []any, map[string]any.
type Table struct {
	Title   string
	Columns []Column
	Rows    [][]any      // each as long as Columns
	Roles   map[int]Role // of rows that are not plain data, by index
}

// Records gives the rows as records again, without totals, with the columns' keys; what later steps of a rule see.
func (t *Table) Records() []map[string]any {
	records := make([]map[string]any, 0, len(t.Rows))
	for i, row := range t.Rows {
		if t.Roles[i] != "" {
			continue
		}
		record := make(map[string]any, len(t.Columns))
		for j, c := range t.Columns {
			record[c.Key] = row[j]
		}
		records = append(records, record)
	}
	return records
}

// column gives the index of a key.
func (t *Table) column(key string) (int, error) {
	for i, c := range t.Columns {
		if c.Key == key {
			return i, nil
		}
	}
	keys := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		keys[i] = c.Key
	}
	return 0, wrong("there is no column %q; there are %s", key, strings.Join(keys, ", "))
}

func (t *Table) columns(keys []string) ([]int, error) {
	found := make([]int, len(keys))
	for i, key := range keys {
		at, err := t.column(key)
		if err != nil {
			return nil, err
		}
		found[i] = at
	}
	return found, nil
}

// check makes sure that writers can rely on the shape.
func (t *Table) check(l Limits) error {
	if err := l.table(t); err != nil {
		return err
	}
	if len(t.Columns) == 0 {
		return wrong("the table has no columns")
	}
	for _, c := range t.Columns {
		if err := c.check(); err != nil {
			return err
		}
	}
	for i, row := range t.Rows {
		if len(row) != len(t.Columns) {
			return wrong("row %d has %d values for %d columns", i+1, len(row), len(t.Columns))
		}
	}
	return nil
}

// FromRecords makes a table of records. Without columns it takes every key that occurs, in alphabetical order. A column takes
// its value from the key or dotted path that From names, and its kind from the values if it has none.
func FromRecords(records []map[string]any, columns []Column, limits Limits) (*Table, error) {
	limits = limits.orDefault()
	if len(columns) == 0 {
		keys := make(map[string]bool)
		for _, record := range records {
			for key := range record {
				keys[key] = true
			}
			if err := bound("columns", len(keys), limits.Columns); err != nil {
				return nil, err
			}
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			columns = append(columns, Column{Key: key, From: key})
		}
	}
	if err := limits.size(len(records), len(columns)); err != nil {
		return nil, err
	}
	if err := unique(columns); err != nil {
		return nil, err
	}
	t := &Table{Columns: slices.Clone(columns), Rows: make([][]any, len(records))}
	for i, record := range records {
		row := make([]any, len(columns))
		for j, c := range columns {
			row[j] = lookup(record, cmp.Or(c.From, c.Key))
		}
		t.Rows[i] = row
	}
	for j := range t.Columns {
		t.Columns[j].From = ""
	}
	t.settle()
	return t, nil
}

func unique(columns []Column) error {
	seen := make(map[string]bool, len(columns))
	for _, c := range columns {
		if err := c.check(); err != nil {
			return err
		}
		if seen[c.Key] {
			return wrong("two columns have the key %q", c.Key)
		}
		seen[c.Key] = true
	}
	return nil
}

// lookup finds a value by its key, or by a dotted path through nested records.
func lookup(record map[string]any, path string) any {
	if v, ok := record[path]; ok {
		return v
	}
	head, rest, dotted := strings.Cut(path, ".")
	if !dotted {
		return nil
	}
	inner, ok := record[head].(map[string]any)
	if !ok {
		return nil
	}
	return lookup(inner, rest)
}

// settle gives columns without a kind the kind of their values.
func (t *Table) settle() {
	for j := range t.Columns {
		if t.Columns[j].Kind == "" {
			t.Columns[j].Kind = t.kindOf(j)
		}
	}
}

func (t *Table) kindOf(j int) Kind {
	kind := Kind("")
	for _, row := range t.Rows {
		var k Kind
		switch v := row[j].(type) {
		case nil:
			continue
		case json.Number:
			k = Number
		case bool:
			k = Bool
		case time.Time:
			k = DateTime
			if v.Equal(v.Truncate(24*time.Hour)) || v.Hour()+v.Minute()+v.Second() == 0 {
				k = Date
			}
		default:
			return Text
		}
		switch {
		case kind == "" || kind == k:
			kind = k
		case (kind == Date && k == DateTime) || (kind == DateTime && k == Date):
			kind = DateTime
		default:
			return Text
		}
	}
	return cmp.Or(kind, Text)
}
