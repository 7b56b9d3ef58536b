package report

import (
	"cmp"
	"slices"
)

// Order is one key of a sort. Rows without a value come last either way.
type Order struct {
	By   string `json:"by"`
	Desc bool   `json:"desc,omitempty"`
}

// sorting orders rows, keeping the order of equal ones. Totals are dropped: they belong to an order that is gone.
type sorting []Order

func (sorting) name() string { return "sort" }

func (s sorting) check() error {
	for _, order := range s {
		if order.By == "" {
			return wrong("by which column?")
		}
	}
	return nil
}

func (s sorting) run(_ *run, t *Table) (*Table, error) {
	at := make([]int, len(s))
	for i, order := range s {
		var err error
		if at[i], err = t.column(order.By); err != nil {
			return nil, err
		}
	}
	data := t.data()
	out := &Table{Title: t.Title, Columns: t.Columns, Rows: slices.Clone(data.Rows)}
	slices.SortStableFunc(out.Rows, func(a, b []any) int {
		for i, order := range s {
			x, y := a[at[i]], b[at[i]]
			if t.Columns[at[i]].Kind.numeric() {
				x, y = plain(x), plain(y)
			}
			if x == nil || y == nil {
				if c := compare(x, y); c != 0 {
					return c
				}
				continue
			}
			c := compare(x, y)
			if order.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return out, nil
}

// Top keeps the first n rows by a column and makes one row of the rest.
type Top struct {
	N      int    `json:"n"`
	By     string `json:"by"`
	Lowest bool   `json:"lowest,omitempty"` // the smallest instead of the largest
	Rest   string `json:"rest,omitempty"`   // what the row of the rest is called; 其他 or Other if empty
	Drop   bool   `json:"drop,omitempty"`   // leave the rest out
}

func (p *Top) name() string { return "top" }

func (p *Top) check() error {
	if p.N < 1 || p.By == "" {
		return wrong("n of at least 1 and a column in by are wanted")
	}
	return nil
}

func (p *Top) run(r *run, t *Table) (*Table, error) {
	sorted, err := sorting{{By: p.By, Desc: !p.Lowest}}.run(r, t)
	if err != nil || len(sorted.Rows) <= p.N {
		return sorted, err
	}
	rest := sorted.Rows[p.N:]
	out := &Table{Title: t.Title, Columns: t.Columns, Rows: sorted.Rows[:p.N:p.N]}
	if p.Drop {
		return out, nil
	}
	row, err := totalRow(r, out.Columns, rest, cmp.Or(p.Rest, r.opts.word("其他", "Other")), nil)
	if err != nil {
		return nil, err
	}
	out.Roles = map[int]Role{len(out.Rows): Rest}
	out.Rows = append(out.Rows, row)
	return out, nil
}
