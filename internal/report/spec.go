package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
)

// Spec says how a report comes out of records, as data. Filtering is done by the query that gets the records.
type Spec struct {
	Title    string   `json:"title,omitempty"`
	Language string   `json:"language,omitempty"` // of the words that operations add: zh or en
	Columns  []Column `json:"columns,omitempty"`  // what to take from the records; everything if empty
	Do       []Op     `json:"do,omitempty"`       // in this order
	Chart    *Chart   `json:"chart,omitempty"`
}

// Op is one operation on the table. Exactly one field is set.
type Op struct {
	Select  []Column `json:"select,omitempty"`
	Compute []Column `json:"compute,omitempty"`
	Join    *Join    `json:"join,omitempty"`
	Compare *Compare `json:"compare,omitempty"`
	Group   *Group   `json:"group,omitempty"`
	Pivot   *Pivot   `json:"pivot,omitempty"`
	Sort    []Order  `json:"sort,omitempty"`
	Top     *Top     `json:"top,omitempty"`
	Totals  *Totals  `json:"totals,omitempty"`
}

const (
	maxSpec       = 256 << 10 // bytes of a specification
	maxOperations = 50
)

// DecodeSpec reads a specification from YAML or JSON. Keys that do not exist are errors that name the line.
func DecodeSpec(data []byte) (*Spec, error) {
	if err := bound("bytes of a report specification", len(data), maxSpec); err != nil {
		return nil, err
	}
	s := new(Spec)
	if err := yaml.UnmarshalWithOptions(data, s, yaml.Strict()); err != nil {
		return nil, wrong("read report specification: %w", err)
	}
	return s, s.Check()
}

// Check finds the mistakes that can be seen without data: operations with none or several parts, unknown kinds. Names of columns
// are checked when the report runs, since they depend on the data.
func (s *Spec) Check() error {
	if !slices.Contains([]string{"", "zh", "en"}, s.Language) {
		return wrong("language is zh or en, not %q", s.Language)
	}
	if err := selection(s.Columns).check(); err != nil {
		return err
	}
	if err := bound("operations", len(s.Do), maxOperations); err != nil {
		return err
	}
	for i, op := range s.Do {
		steps := op.operations()
		if len(steps) != 1 {
			return wrong("operation %d: exactly one of select, compute, join, compare, group, pivot, sort, top, totals is wanted, there are %d", i+1, len(steps))
		}
		if err := steps[0].check(); err != nil {
			return wrong("operation %d, %s: %w", i+1, steps[0].name(), err)
		}
	}
	if s.Chart != nil {
		return s.Chart.check()
	}
	return nil
}

// operation is what each kind of Op can do.
type operation interface {
	name() string
	check() error
	run(r *run, t *Table) (*Table, error)
}

// run is what operations know beside their table.
type run struct {
	tables map[string]*Table
	opts   Options
}

func (o Op) operations() []operation {
	var all []operation
	if len(o.Select) > 0 {
		all = append(all, selection(o.Select))
	}
	if len(o.Compute) > 0 {
		all = append(all, computation(o.Compute))
	}
	if o.Join != nil {
		all = append(all, o.Join)
	}
	if o.Compare != nil {
		all = append(all, o.Compare)
	}
	if o.Group != nil {
		all = append(all, o.Group)
	}
	if o.Pivot != nil {
		all = append(all, o.Pivot)
	}
	if len(o.Sort) > 0 {
		all = append(all, sorting(o.Sort))
	}
	if o.Top != nil {
		all = append(all, o.Top)
	}
	if o.Totals != nil {
		all = append(all, o.Totals)
	}
	return all
}

// FromRecords makes the table of records and runs the specification over it.
func (s *Spec) FromRecords(ctx context.Context, records []map[string]any, tables map[string]*Table, o Options) (*Table, error) {
	t, err := FromRecords(records, s.Columns, o.Limits)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, t, tables, o)
}

// FromTable runs the specification over a table, like an uploaded one. The other tables are those that joins and comparisons
// name. No input is changed.
func (s *Spec) FromTable(ctx context.Context, t *Table, tables map[string]*Table, o Options) (*Table, error) {
	if err := t.check(o.Limits.orDefault()); err != nil {
		return nil, err
	}
	if len(s.Columns) > 0 {
		selected, err := selection(s.Columns).run(&run{opts: o}, t)
		if err != nil {
			return nil, err
		}
		t = selected
	}
	return s.run(ctx, t, tables, o)
}

func (s *Spec) run(ctx context.Context, t *Table, tables map[string]*Table, o Options) (*Table, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	o.Limits = o.Limits.orDefault()
	o.Language = cmp.Or(s.Language, o.Language)
	r := &run{tables: tables, opts: o}
	for i, op := range s.Do {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		step := op.operations()[0]
		next, err := step.run(r, t)
		if err == nil {
			err = o.Limits.table(next)
		}
		if err != nil {
			return nil, wrong("operation %d, %s: %w", i+1, step.name(), err)
		}
		t = next
	}
	result := *t
	result.Title = cmp.Or(s.Title, t.Title)
	return &result, nil
}

func (r *run) zone() *time.Location { return r.opts.zone() }

// other gives the table that a join or comparison names.
func (r *run) other(name string) (*Table, error) {
	t := r.tables[name]
	if t == nil {
		return nil, wrong("there is no table %q", name)
	}
	return t, t.check(r.opts.Limits)
}

// selection picks, orders and renames columns.
type selection []Column

func (selection) name() string { return "select" }

func (s selection) check() error {
	for _, c := range s {
		if c.Expr != "" {
			return wrong("column %q: an expr belongs to compute", c.Key)
		}
	}
	return unique(s)
}

func (s selection) run(_ *run, t *Table) (*Table, error) {
	at := make([]int, len(s))
	columns := make([]Column, len(s))
	renamed := make(map[string]string)
	for i, c := range s {
		var err error
		if at[i], err = t.column(cmp.Or(c.From, c.Key)); err != nil {
			return nil, err
		}
		renamed[t.Columns[at[i]].Key] = c.Key
		columns[i] = c.over(t.Columns[at[i]])
	}
	for i := range columns {
		// A formula is kept for the totals only while its columns are still there under their names.
		if n, err := compileExpr(columns[i].Expr, columns); columns[i].Expr != "" && (err != nil || !sameNames(n, columns, renamed)) {
			columns[i].Expr, columns[i].Total = "", "none"
		}
	}
	out := &Table{Title: t.Title, Columns: columns, Rows: make([][]any, len(t.Rows)), Roles: t.Roles}
	for i, row := range t.Rows {
		out.Rows[i] = make([]any, len(at))
		for j, from := range at {
			out.Rows[i][j] = row[from]
		}
	}
	return out, nil
}

func sameNames(n *node, columns []Column, renamed map[string]string) bool {
	for _, at := range n.reads {
		if renamed[columns[at].Key] != columns[at].Key {
			return false
		}
	}
	return true
}

// over lays what c says over what the column was.
func (c Column) over(was Column) Column {
	c.From = ""
	c.Label = cmp.Or(c.Label, was.Label, was.Key)
	c.Kind = cmp.Or(c.Kind, was.Kind)
	c.Align = cmp.Or(c.Align, was.Align)
	c.Width = cmp.Or(c.Width, was.Width)
	c.Currency = cmp.Or(c.Currency, was.Currency)
	c.Total = cmp.Or(c.Total, was.Total)
	c.Expr = cmp.Or(c.Expr, was.Expr)
	c.Yes, c.No = cmp.Or(c.Yes, was.Yes), cmp.Or(c.No, was.No)
	c.Warn = c.Warn || was.Warn
	if c.Decimals == nil {
		c.Decimals = was.Decimals
	}
	return c
}

// computation adds columns, each from an expression over those before it.
type computation []Column

func (computation) name() string { return "compute" }

func (c computation) check() error {
	for _, column := range c {
		if column.Expr == "" {
			return wrong("column %q needs an expr", column.Key)
		}
	}
	return unique(c)
}

func (c computation) run(r *run, t *Table) (*Table, error) {
	out := &Table{Title: t.Title, Columns: slices.Clone(t.Columns), Rows: make([][]any, len(t.Rows)), Roles: t.Roles}
	for i, row := range t.Rows {
		out.Rows[i] = append(make([]any, 0, len(row)+len(c)), row...)
	}
	for _, column := range c {
		n, err := compileExpr(column.Expr, out.Columns)
		if err != nil {
			return nil, wrong("column %q: %w", column.Key, err)
		}
		column.Kind = cmp.Or(column.Kind, n.gives.kind())
		if column.valueType() != n.gives {
			return nil, wrong("column %q is of kind %s, but its expression gives %s", column.Key, column.Kind, n.gives)
		}
		for i, row := range out.Rows {
			v, err := n.eval(row, r.zone())
			if err != nil {
				return nil, wrong("column %q, row %d: %w", column.Key, i+1, err)
			}
			out.Rows[i] = append(row, v)
		}
		out.Columns = append(out.Columns, column)
		if err := unique(out.Columns); err != nil {
			return nil, err
		}
	}
	return out, nil
}
