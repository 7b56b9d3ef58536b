package report

import (
	"cmp"
	"slices"
)

// Join puts the columns of another table beside those of this one where keys are equal.
type Join struct {
	Table   string   `json:"table"`             // the name of the other table
	On      []string `json:"on"`                // keys in this table
	With    []string `json:"with,omitempty"`    // keys in the other table, in the same order; the same names if empty
	Columns []Column `json:"columns,omitempty"` // what to take from the other table; all but the keys if empty
	How     string   `json:"how,omitempty"`     // left (the default) keeps rows without a partner, inner drops them, full keeps those of both tables
}

func (j *Join) name() string { return "join" }

func (j *Join) check() error {
	switch {
	case j.Table == "":
		return wrong("the name of a table is wanted")
	case len(j.On) == 0:
		return wrong("on which keys?")
	case len(j.With) != 0 && len(j.With) != len(j.On):
		return wrong("on has %d keys and with %d", len(j.On), len(j.With))
	case !slices.Contains([]string{"", "left", "inner", "full"}, j.How):
		return wrong("how is left, inner or full, not %q", j.How)
	}
	return unique(j.Columns)
}

func (j *Join) run(r *run, t *Table) (*Table, error) {
	other, err := r.other(j.Table)
	if err != nil {
		return nil, err
	}
	t, other = t.data(), other.data()
	left, err := t.columns(j.On)
	if err != nil {
		return nil, err
	}
	with := j.With
	if len(with) == 0 {
		with = j.On
	}
	right, err := other.columns(with)
	if err != nil {
		return nil, wrong("table %q: %w", j.Table, err)
	}
	take, columns, err := j.taken(other, right)
	if err != nil {
		return nil, wrong("table %q: %w", j.Table, err)
	}
	out := &Table{Title: t.Title, Columns: append(slices.Clone(t.Columns), columns...)}
	if err := unique(out.Columns); err != nil {
		return nil, err
	}
	err = j.match(t, other, left, right, func(a, b []any) error {
		out.Rows = append(out.Rows, joined(t, a, b, left, right, take))
		return r.opts.Limits.table(out)
	})
	return out, err
}

// taken gives the columns of the other table that the result has.
func (j *Join) taken(other *Table, right []int) (take []int, columns []Column, err error) {
	if len(j.Columns) == 0 {
		for i, c := range other.Columns {
			if !slices.Contains(right, i) {
				take, columns = append(take, i), append(columns, c)
			}
		}
		return take, columns, nil
	}
	for _, c := range j.Columns {
		at, err := other.column(cmp.Or(c.From, c.Key))
		if err != nil {
			return nil, nil, err
		}
		take, columns = append(take, at), append(columns, c.over(other.Columns[at]))
	}
	return take, columns, nil
}

// match calls pair for each pair of rows with equal keys, and for rows without a partner, with nil for it, as How says.
func (j *Join) match(t, other *Table, left, right []int, pair func(a, b []any) error) error {
	partners := make(map[string][]int)
	for i, row := range other.Rows {
		id := identities(row, right)
		partners[id] = append(partners[id], i)
	}
	met := make([]bool, len(other.Rows))
	for _, row := range t.Rows {
		found := partners[identities(row, left)]
		if len(found) == 0 && j.How != "inner" {
			if err := pair(row, nil); err != nil {
				return err
			}
		}
		for _, i := range found {
			met[i] = true
			if err := pair(row, other.Rows[i]); err != nil {
				return err
			}
		}
	}
	if j.How != "full" {
		return nil
	}
	for i, row := range other.Rows {
		if !met[i] {
			if err := pair(nil, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func joined(t *Table, a, b []any, left, right, take []int) []any {
	row := make([]any, len(t.Columns)+len(take))
	copy(row, a)
	if a == nil {
		for i, at := range left {
			row[at] = b[right[i]]
		}
	}
	if b != nil {
		for i, at := range take {
			row[len(t.Columns)+i] = b[at]
		}
	}
	return row
}
