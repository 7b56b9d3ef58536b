package report

import (
	"cmp"
	"encoding/json"
)

// Compare sets a budget against what was spent: per key the budget, the actual amount, the difference (budget less actual), the
// part of the budget that is used, and whether it is overspent. Both tables are summed per key first. A key that only one table
// has counts as zero in the other; the part of a budget of zero is not known.
type Compare struct {
	Table  string            `json:"table"`            // the name of the table with the budget
	On     []string          `json:"on"`               // keys in this table
	With   []string          `json:"with,omitempty"`   // keys in the budget, in the same order; the same names if empty
	Budget string            `json:"budget"`           // the column of amounts in the budget
	Actual string            `json:"actual"`           // the column of amounts in this table
	Labels map[string]string `json:"labels,omitempty"` // headings of budget, actual, difference, used, over
}

func (c *Compare) name() string { return "compare" }

func (c *Compare) check() error {
	if c.Budget == "" || c.Actual == "" {
		return wrong("the columns of amounts are wanted in budget and actual")
	}
	for key := range c.Labels {
		if _, ok := compareLabels[key]; !ok {
			return wrong("labels name budget, actual, difference, used and over, not %q", key)
		}
	}
	return c.join().check()
}

func (c *Compare) join() *Join {
	return &Join{Table: "budget", On: c.On, With: c.On, How: "full", Columns: []Column{{Key: "budget"}}}
}

var compareLabels = map[string][2]string{
	"budget":     {"预算", "Budget"},
	"actual":     {"实际", "Actual"},
	"difference": {"差额", "Difference"},
	"used":       {"使用率", "Used"},
	"over":       {"超支", "Over budget"},
}

func (c *Compare) run(r *run, t *Table) (*Table, error) {
	other, err := r.other(c.Table)
	if err != nil {
		return nil, err
	}
	budget, err := c.planned(r, t, other)
	if err != nil {
		return nil, wrong("table %q: %w", c.Table, err)
	}
	spent, err := (&Group{By: c.On, Values: []Aggregate{{Key: "actual", Do: "sum", Of: c.Actual}}}).run(r, t)
	if err != nil {
		return nil, err
	}
	// The budget leads, so that the departments stand in its order.
	inner := &run{tables: map[string]*Table{"actual": spent}, opts: r.opts}
	both, err := (&Join{Table: "actual", On: c.On, How: "full", Columns: []Column{{Key: "actual"}}}).run(inner, budget)
	if err != nil {
		return nil, err
	}
	n := len(c.On)
	for _, row := range both.Rows {
		for _, at := range []int{n, n + 1} {
			if row[at] == nil {
				row[at] = json.Number("0")
			}
		}
	}
	for i, key := range []string{"budget", "actual"} {
		both.Columns[n+i].Label = c.label(r, key)
	}
	planned, money := &both.Columns[n], &both.Columns[n+1]
	if planned.Currency != "" && money.Currency != "" && planned.Currency != money.Currency {
		return nil, wrong("the budget is in %s and the actual amounts are in %s", planned.Currency, money.Currency)
	}
	planned.Currency = cmp.Or(planned.Currency, money.Currency)
	money.Currency = planned.Currency
	if money.Kind == Number {
		money.Kind = planned.Kind
	}
	difference := Column{Key: "difference", Label: c.label(r, "difference"), Kind: money.Kind, Currency: money.Currency, Decimals: money.Decimals, Expr: "budget - actual", Warn: true}
	used := Column{Key: "used", Label: c.label(r, "used"), Kind: Percent, Expr: "actual / budget"}
	over := Column{Key: "over", Label: c.label(r, "over"), Kind: Bool, Expr: "actual > budget", Warn: true, Yes: r.opts.word("超支", "over")}
	return computation{difference, used, over}.run(r, both)
}

// planned sums the budget per key and gives its keys the names that this table uses.
func (c *Compare) planned(r *run, t, other *Table) (*Table, error) {
	with := c.With
	if len(with) == 0 {
		with = c.On
	}
	sums, err := (&Group{By: with, Values: []Aggregate{{Key: "budget", Do: "sum", Of: c.Budget}}}).run(r, other)
	if err != nil {
		return nil, err
	}
	keys, err := t.columns(c.On)
	if err != nil {
		return nil, err
	}
	for i, key := range c.On {
		sums.Columns[i].Label = cmp.Or(t.Columns[keys[i]].Label, sums.Columns[i].Label, key)
		sums.Columns[i].Key = key
	}
	return sums, unique(sums.Columns)
}

func (c *Compare) label(r *run, key string) string {
	return cmp.Or(c.Labels[key], r.opts.word(compareLabels[key][0], compareLabels[key][1]))
}
