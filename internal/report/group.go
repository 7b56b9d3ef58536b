package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
)

// Group makes one row of all rows with equal keys, in order of first appearance.
type Group struct {
	By     []string    `json:"by"`            // keys of columns; none makes one row of the whole table
	Per    string      `json:"per,omitempty"` // day, month, quarter or year: what keys that are dates are cut to
	Values []Aggregate `json:"values"`
}

// Aggregate is one value of a group.
type Aggregate struct {
	Key      string `json:"key"`
	Do       string `json:"do"`           // sum, count, avg, min, max, distinct
	Of       string `json:"of,omitempty"` // the column; count without one counts rows
	Label    string `json:"label,omitempty"`
	Kind     Kind   `json:"kind,omitempty"` // that of the column if empty
	Currency string `json:"currency,omitempty"`
	Decimals *int   `json:"decimals,omitempty"`
}

func (g *Group) name() string { return "group" }

func (g *Group) check() error {
	if len(g.By)+len(g.Values) == 0 {
		return wrong("by or values are wanted")
	}
	if !slices.Contains([]string{"", "day", "month", "quarter", "year"}, g.Per) {
		return wrong("per is day, month, quarter or year, not %q", g.Per)
	}
	for _, a := range g.Values {
		if err := a.check(); err != nil {
			return err
		}
	}
	return nil
}

func (a Aggregate) check() error {
	switch {
	case a.Key == "":
		return wrong("a value needs a key")
	case !slices.Contains([]string{"sum", "count", "avg", "min", "max", "distinct"}, a.Do):
		return wrong("value %q: do is sum, count, avg, min, max or distinct, not %q", a.Key, a.Do)
	case a.Of == "" && a.Do != "count":
		return wrong("value %q: %s needs a column in of", a.Key, a.Do)
	}
	return Column{Key: a.Key, Kind: a.Kind, Decimals: a.Decimals}.check()
}

// column describes what the aggregate gives, after the column that it is of.
func (a Aggregate) column(of Column) Column {
	c := Column{Key: a.Key, Label: cmp.Or(a.Label, a.Key), Kind: cmp.Or(a.Kind, of.Kind), Align: of.Align, Currency: cmp.Or(a.Currency, of.Currency), Decimals: a.Decimals, Warn: of.Warn}
	if c.Decimals == nil {
		c.Decimals = of.Decimals
	}
	switch a.Do {
	case "count", "distinct":
		none := 0
		c.Kind, c.Currency, c.Decimals = Number, "", &none
		if a.Do == "distinct" {
			c.Total = "none"
		}
	case "sum":
		if !c.Kind.numeric() {
			c.Kind = Number
		}
	case "avg":
		if !c.Kind.numeric() {
			c.Kind = Number
		}
		c.Total = "none" // the average of averages is nobody's average
	default:
		c.Total = a.Do
	}
	return c
}

func (g *Group) run(r *run, t *Table) (*Table, error) {
	t = t.data()
	keys, err := t.columns(g.By)
	if err != nil {
		return nil, err
	}
	out := &Table{Title: t.Title}
	for _, at := range keys {
		c := t.Columns[at]
		if g.Per != "" && c.valueType() == typeTime {
			c.Kind = Text
		}
		c.Expr = ""
		out.Columns = append(out.Columns, c)
	}
	of := make([]int, len(g.Values))
	for i, a := range g.Values {
		of[i] = -1
		var source Column
		if a.Of != "" {
			if of[i], err = t.column(a.Of); err != nil {
				return nil, err
			}
			source = t.Columns[of[i]]
		}
		out.Columns = append(out.Columns, a.column(source))
	}
	if err := unique(out.Columns); err != nil {
		return nil, err
	}
	rows := t.Rows
	if g.Per != "" {
		rows = perPeriod(t, keys, g.Per, r)
	}
	for _, members := range groups(rows, keys) {
		row := make([]any, 0, len(out.Columns))
		for _, at := range keys {
			row = append(row, members[0][at])
		}
		for i, a := range g.Values {
			v, err := aggregate(a.Do, members, of[i])
			if err != nil {
				return nil, wrong("value %q: %w", a.Key, err)
			}
			row = append(row, v)
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// perPeriod replaces dates in key columns by the period that they lie in.
func perPeriod(t *Table, keys []int, per string, r *run) [][]any {
	rows := make([][]any, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = slices.Clone(row)
		for _, at := range keys {
			if p := period(row[at], per, r.zone()); p != nil {
				rows[i][at] = p
			}
		}
	}
	return rows
}

// groups gathers rows with equal keys, in order of first appearance. Without keys all rows are one group, even if there are none.
func groups(rows [][]any, keys []int) [][][]any {
	if len(keys) == 0 {
		return [][][]any{rows}
	}
	var all [][][]any
	index := make(map[string]int)
	for _, row := range rows {
		id := identities(row, keys)
		at, known := index[id]
		if !known {
			at = len(all)
			index[id] = at
			all = append(all, nil)
		}
		all[at] = append(all[at], row)
	}
	return all
}

// data is the table without the rows that are totals of others.
func (t *Table) data() *Table {
	if len(t.Roles) == 0 {
		return t
	}
	out := &Table{Title: t.Title, Columns: t.Columns}
	for i, row := range t.Rows {
		if role := t.Roles[i]; role == "" || role == Rest {
			out.Rows = append(out.Rows, row)
		}
	}
	return out
}

// aggregate makes one value of one column of many rows; column -1 is none. What is missing is left out; a text where a number
// should be is an error, not a zero.
func aggregate(do string, rows [][]any, column int) (any, error) {
	switch do {
	case "count":
		n := 0
		for _, row := range rows {
			if column < 0 || present(row[column]) {
				n++
			}
		}
		return json.Number(fmt.Sprint(n)), nil
	case "distinct":
		seen := make(map[string]bool)
		for _, row := range rows {
			if present(row[column]) {
				seen[identity(row[column])] = true
			}
		}
		return json.Number(fmt.Sprint(len(seen))), nil
	case "min", "max":
		return extreme(do, rows, column), nil
	}
	sum, n, err := addUp(rows, column)
	if err != nil || n == 0 {
		return nil, err
	}
	if do == "avg" {
		sum.Quo(sum, new(big.Rat).SetInt64(int64(n)))
	}
	return small(sum)
}

func present(v any) bool {
	s, isText := v.(string)
	return v != nil && (!isText || s != "")
}

func extreme(do string, rows [][]any, column int) any {
	var best any
	for _, row := range rows {
		v := row[column]
		if !present(v) {
			continue
		}
		order := compare(v, best)
		if best == nil || do == "min" && order < 0 || do == "max" && order > 0 {
			best = v
		}
	}
	return best
}

func addUp(rows [][]any, column int) (sum *big.Rat, n int, err error) {
	sum = new(big.Rat)
	for i, row := range rows {
		v := row[column]
		if !present(v) {
			continue
		}
		r, ok := rational(v)
		if !ok {
			return nil, 0, wrong("row %d: %q is not a number", i+1, shorten(fmt.Sprint(v), 40))
		}
		sum.Add(sum, r)
		n++
	}
	return sum, n, nil
}
