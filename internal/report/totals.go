package report

import "cmp"

// Totals adds a last row over all rows, and one under each group of neighbours with equal keys.
type Totals struct {
	Label    string   `json:"label,omitempty"`    // 合计 or Total if empty
	By       []string `json:"by,omitempty"`       // keys whose change ends a group with a subtotal; none without
	Subtotal string   `json:"subtotal,omitempty"` // 小计 or Subtotal if empty
	NoGrand  bool     `json:"no_grand,omitempty"` // subtotals only
}

func (o *Totals) name() string { return "totals" }

func (o *Totals) check() error {
	if o.NoGrand && len(o.By) == 0 {
		return wrong("no_grand without by leaves nothing to do")
	}
	return nil
}

func (o *Totals) run(r *run, t *Table) (*Table, error) {
	data := t.data()
	keys, err := data.columns(o.By)
	if err != nil {
		return nil, err
	}
	out := &Table{Title: t.Title, Columns: t.Columns, Roles: make(map[int]Role)}
	rests := make(map[int]bool) // rows of the data that are the rest of a top
	n := 0
	for i := range t.Rows {
		switch t.Roles[i] {
		case Rest:
			rests[n] = true
			n++
		case "":
			n++
		}
	}
	start := 0
	for i, row := range data.Rows {
		if rests[i] {
			out.Roles[len(out.Rows)] = Rest
		}
		out.Rows = append(out.Rows, row)
		last := i+1 == len(data.Rows)
		if len(keys) == 0 || !last && identities(row, keys) == identities(data.Rows[i+1], keys) {
			continue
		}
		label := cmp.Or(o.Subtotal, r.opts.word("小计", "Subtotal"))
		total, err := totalRow(r, t.Columns, data.Rows[start:i+1], label, keys)
		if err != nil {
			return nil, err
		}
		out.Roles[len(out.Rows)] = Subtotal
		out.Rows = append(out.Rows, total)
		start = i + 1
	}
	if o.NoGrand {
		return out, nil
	}
	total, err := totalRow(r, t.Columns, data.Rows, cmp.Or(o.Label, r.opts.word("合计", "Total")), nil)
	if err != nil {
		return nil, err
	}
	out.Roles[len(out.Rows)] = Total
	out.Rows = append(out.Rows, total)
	return out, nil
}

// totalRow makes one row of many: sums where columns are to be summed, formulas over the sums where columns are formulas, so
// that the total of a percentage is the percentage of the totals. Columns in keep take the value of the first row, and the label
// stands in the first column of text that is free.
func totalRow(r *run, columns []Column, rows [][]any, label string, keep []int) ([]any, error) {
	row := make([]any, len(columns))
	kept := make(map[int]bool)
	for _, at := range keep {
		if len(rows) > 0 {
			row[at], kept[at] = rows[0][at], true
		}
	}
	for j, c := range columns {
		do := cmp.Or(c.Total, "none")
		if c.Total == "" && (c.Kind == Number || c.Kind == Money) {
			do = "sum"
		}
		if kept[j] || c.Expr != "" && c.Total == "" || do == "none" {
			continue
		}
		v, err := aggregate(do, rows, j)
		if err != nil {
			return nil, wrong("column %q: %w", c.Key, err)
		}
		row[j] = v
	}
	for j, c := range columns {
		if c.Expr == "" || c.Total != "" || kept[j] {
			continue
		}
		n, err := compileExpr(c.Expr, columns)
		if err != nil {
			return nil, wrong("column %q: %w", c.Key, err)
		}
		if n.gives != typeNumber && n.gives != typeBool {
			continue
		}
		if row[j], err = n.eval(row, r.zone()); err != nil {
			return nil, wrong("column %q: %w", c.Key, err)
		}
	}
	name(row, columns, label, kept)
	return row, nil
}

// name puts the label of a total where it can be read: in the first free column of text, else behind the text of the first.
func name(row []any, columns []Column, label string, kept map[int]bool) {
	for j, c := range columns {
		if c.valueType() == typeText && row[j] == nil && !kept[j] {
			row[j] = label
			return
		}
	}
	for j, c := range columns {
		if s, ok := row[j].(string); ok && c.valueType() == typeText {
			row[j] = s + " " + label
			return
		}
	}
	if len(row) > 0 && row[0] == nil {
		row[0] = label
	}
}
