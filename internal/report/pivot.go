package report

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// Pivot spreads the values of one column over columns of their own, like months across the page.
type Pivot struct {
	Rows   []string `json:"rows"`            // keys that make a row
	Column string   `json:"column"`          // whose values become columns
	Per    string   `json:"per,omitempty"`   // day, month, quarter or year, when that column is a date
	Value  string   `json:"value,omitempty"` // what stands in the cells; none with do: count
	Do     string   `json:"do,omitempty"`    // sum (the default), count, avg, min, max, distinct
	Total  string   `json:"total,omitempty"` // the heading of a last column over all values; none if empty
}

func (p *Pivot) name() string { return "pivot" }

func (p *Pivot) check() error {
	if p.Column == "" {
		return wrong("a column is wanted")
	}
	if err := (&Group{By: []string{p.Column}, Per: p.Per}).check(); err != nil {
		return err
	}
	return p.aggregate().check()
}

func (p *Pivot) aggregate() Aggregate {
	return Aggregate{Key: "value", Do: cmp.Or(p.Do, "sum"), Of: p.Value}
}

func (p *Pivot) run(r *run, t *Table) (*Table, error) {
	t = t.data()
	across, err := t.column(p.Column)
	if err != nil {
		return nil, err
	}
	keys, err := t.columns(p.Rows)
	if err != nil {
		return nil, err
	}
	of, source := -1, Column{}
	if p.Value != "" {
		if of, err = t.column(p.Value); err != nil {
			return nil, err
		}
		source = t.Columns[of]
	}
	rows := t.Rows
	if p.Per != "" {
		rows = perPeriod(t, []int{across}, p.Per, r)
	}
	heads := make(map[string]any)
	for _, row := range rows {
		heads[identity(row[across])] = row[across]
	}
	order := slices.SortedFunc(maps.Keys(heads), func(a, b string) int { return compare(heads[a], heads[b]) })
	if err := bound("columns", len(order)+len(keys)+1, r.opts.Limits.Columns); err != nil {
		return nil, err
	}
	out := &Table{Title: t.Title}
	for _, at := range keys {
		out.Columns = append(out.Columns, t.Columns[at])
	}
	for _, id := range order {
		c := p.aggregate().column(source)
		label := cmp.Or(r.opts.show(heads[id], t.Columns[across]), noValue)
		c.Key, c.Label = label, label
		out.Columns = append(out.Columns, c)
	}
	if p.Total != "" {
		c := p.aggregate().column(source)
		c.Key, c.Label = "total", p.Total
		out.Columns = append(out.Columns, c)
	}
	if err := unique(out.Columns); err != nil {
		return nil, err
	}
	for _, members := range groups(rows, keys) {
		row, err := p.row(members, keys, across, of, order)
		if err != nil {
			return nil, err
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// row is one line of the pivot.
func (p *Pivot) row(members [][]any, keys []int, across, of int, order []string) ([]any, error) {
	do := p.aggregate().Do
	var row []any
	for _, at := range keys {
		row = append(row, members[0][at])
	}
	cells := make(map[string][][]any)
	for _, member := range members {
		id := identity(member[across])
		cells[id] = append(cells[id], member)
	}
	for _, id := range order {
		v, err := aggregate(do, cells[id], of)
		if err != nil {
			return nil, err
		}
		if v == json.Number("0") && len(cells[id]) == 0 {
			v = nil
		}
		row = append(row, v)
	}
	if p.Total == "" {
		return row, nil
	}
	v, err := aggregate(do, members, of)
	return append(row, v), err
}
