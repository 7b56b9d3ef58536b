package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/decimal"
)

var sales = []map[string]any{
	{"dept": "销售部", "person": "李", "amount": json.Number("0.1"), "at": time.Date(2026, 1, 31, 17, 0, 0, 0, time.UTC), "company": map[string]any{"name": "甲"}},
	{"dept": "销售部", "person": "王", "amount": json.Number("0.2"), "at": time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)},
	{"dept": "市场部", "person": "张", "amount": "1,000.50", "at": time.Date(2026, 2, 4, 0, 0, 0, 0, time.UTC)},
	{"dept": "市场部", "person": "张", "amount": nil, "at": nil},
}

// rowsOf shows a table as people would see it.
func rowsOf(t *Table) []string {
	o := Options{Limits: DefaultLimits()}
	var rows []string
	for _, row := range t.Rows {
		var cells []string
		for j, v := range row {
			cells = append(cells, o.cell(v, t.Columns[j]))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	return rows
}

func TestOperations(t *testing.T) {
	t.Parallel()
	columns := "columns: [{key: dept}, {key: person}, {key: amount, kind: money}, {key: at, kind: date}]\n"
	for name, c := range map[string]struct {
		spec string
		want []string
	}{
		"sums are exact": {
			columns + "do: [{group: {by: [dept], values: [{key: total, do: sum, of: amount}, {key: n, do: count}, {key: people, do: distinct, of: person}]}}]",
			[]string{"销售部|0.30|2|2", "市场部|1,000.50|2|1"},
		},
		"average, smallest, largest leave out what is missing": {
			columns + "do: [{group: {by: [], values: [{key: a, do: avg, of: amount}, {key: b, do: min, of: at}, {key: c, do: max, of: at}, {key: d, do: count, of: amount}]}}]",
			[]string{"333.60|2026-01-31|2026-02-04|3"},
		},
		"months": {
			columns + "do: [{group: {by: [at], per: month, values: [{key: total, do: sum, of: amount}]}}]",
			[]string{"2026-01|0.10", "2026-02|1,000.70", "|"},
		},
		"subtotals and totals": {
			columns + "do: [{select: [{key: dept}, {key: person}, {key: amount}]}, {sort: [{by: dept, desc: true}, {by: amount, desc: true}]}, {totals: {by: [dept]}}]",
			[]string{"销售部|王|0.20", "销售部|李|0.10", "销售部|小计|0.30", "市场部|张|1,000.50", "市场部|张|", "市场部|小计|1,000.50", "合计||1,000.80"},
		},
		"the first, and the rest": {
			columns + "do: [{group: {by: [person], values: [{key: total, do: sum, of: amount}]}}, {top: {n: 1, by: total}}, {totals: {}}]",
			[]string{"张|1,000.50", "其他|0.30", "合计|1,000.80"},
		},
		"pivot by month": {
			columns + "do: [{pivot: {rows: [dept], column: at, per: month, value: amount, total: 合计}}]",
			[]string{"销售部|0.10|0.20||0.30", "市场部||1,000.50||1,000.50"},
		},
		"computed": {
			columns + "do: [{select: [{key: person}, {key: amount}]}, {compute: [{key: tax, expr: 'round(amount * 0.13, 2)', kind: money}, {key: big, expr: 'amount >= 1000', yes: 大}]}]",
			[]string{"李|0.10|0.01|", "王|0.20|0.03|", "张|1,000.50|130.07|大", "张|||"},
		},
		"paths into records": {
			"columns: [{key: company, from: company.name}, {key: n, from: amount, kind: number}]",
			[]string{"甲|0.1", "|0.2", "|1,000.5", "|"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, want := rowsOf(runSpec(t, c.spec, sales, nil)), c.want; !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	plan := &Table{Columns: []Column{{Key: "部门", Kind: Text}, {Key: "预算", Kind: Money, Currency: "CNY"}}, Rows: [][]any{
		{"市场部", n("100")}, {"销售部", n("0.1")}, {"销售部", n("0.2")}, {"法务部", n("0")},
	}}
	table := runSpec(t, `
columns: [{key: dept, label: 部门}, {key: amount, kind: money}]
do:
  - compare: {table: plan, on: [dept], with: [部门], budget: 预算, actual: amount, labels: {used: 执行率}}
  - totals: {}
`, append(sales, map[string]any{"dept": "新部门", "amount": n("5")}), map[string]*Table{"plan": plan})
	want := []string{
		"市场部|¥100.00|¥1,000.50|-¥900.50|1000.5%|超支",
		"销售部|¥0.30|¥0.30|¥0.00|100.0%|",
		"法务部|¥0.00|¥0.00|¥0.00|–|",
		"新部门|¥0.00|¥5.00|-¥5.00|–|超支",
		"合计|¥100.30|¥1,005.80|-¥905.50|1002.8%|超支",
	}
	if got := rowsOf(table); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if table.Roles[4] != Total || table.Columns[4].Label != "执行率" {
		t.Errorf("roles %v, columns %+v", table.Roles, table.Columns[4])
	}
	records := table.Records()
	if len(records) != 4 || records[0]["difference"] != n("-900.5") {
		t.Errorf("records %v", records)
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	other := &Table{Columns: []Column{{Key: "code", Kind: Number}, {Key: "name", Kind: Text}}, Rows: [][]any{{n("7"), "七"}, {n("8.0"), "八"}, {n("9"), "九"}}}
	records := []map[string]any{{"code": "7"}, {"code": "8"}, {"code": "007"}}
	for how, want := range map[string][]string{
		"left":  {"7|七", "8|八", "007|"},
		"inner": {"7|七", "8|八"},
		"full":  {"7|七", "8|八", "007|", "9|九"},
	} {
		table := runSpec(t, fmt.Sprintf("columns: [{key: code}]\ndo: [{join: {table: other, on: [code], how: %s}}]", how), records, map[string]*Table{"other": other})
		if got := rowsOf(table); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", how, got, want)
		}
	}
}

func TestLargeSumsStayExact(t *testing.T) {
	t.Parallel()
	var records []map[string]any
	for range 1000 {
		records = append(records, map[string]any{"a": n("1000000000000000.01")})
	}
	table := runSpec(t, "do: [{group: {by: [], values: [{key: sum, do: sum, of: a, kind: money, currency: CNY}]}}]", records, nil)
	if got := table.Rows[0][0]; got != n("1000000000000000010") {
		t.Errorf("got %v", got)
	}
	if got := rowsOf(table)[0]; got != "¥1,000,000,000,000,000,010.00" {
		t.Errorf("shown as %s", got)
	}
}

func TestSpecMistakes(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"colums: []":                                     "unknown field",
		"language: fr":                                   "zh or en",
		"columns: [{key: a, kind: colour}]":              `no kind "colour"`,
		"columns: [{key: a, expr: 1 + 1}]":               "belongs to compute",
		"columns: [{key: a}, {key: a}]":                  "two columns",
		"do: [{}]":                                       "exactly one",
		"do: [{top: {n: 0, by: a}}]":                     "n of at least 1",
		"do: [{sort: [{by: a}], totals: {}}]":            "there are 2",
		"do: [{compute: [{key: a}]}]":                    "needs an expr",
		"do: [{group: {by: [a], per: decade}}]":          "per is",
		"chart: {kind: radar, category: a, series: [b]}": "bar, line or pie",
	} {
		_, err := DecodeSpec([]byte(spec))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", spec, err, want)
		}
	}
}

func TestRunMistakes(t *testing.T) {
	t.Parallel()
	records := []map[string]any{{"a": n("1"), "b": "x"}, {"a": n("2"), "b": "y"}}
	for spec, want := range map[string]string{
		"do: [{sort: [{by: c}]}]":                                                  `no column "c"; there are a, b`,
		"do: [{join: {table: t, on: [a]}}]":                                        `no table "t"`,
		"do: [{compute: [{key: c, expr: a + b}]}]":                                 "takes numbers, not a text",
		"do: [{compute: [{key: c, expr: 'a +'}]}]":                                 "missing at the end",
		"do: [{compute: [{key: c, expr: '(a'}]}]":                                  "not closed",
		"do: [{compute: [{key: c, expr: 'a = b'}]}]":                               "compares values of one kind",
		"do: [{compute: [{key: c, expr: 'shell(a)'}]}]":                            `no function "shell"`,
		"do: [{compute: [{key: c, expr: 'a > 1', kind: money}]}]":                  "gives true or false",
		"do: [{group: {by: [a], values: [{key: s, do: sum, of: b}]}}]":             `"x" is not a number`,
		"do: [{compute: [{key: c, expr: " + strings.Repeat("(", 40) + "a" + "}]}]": "nested deeper",
	} {
		s, err := DecodeSpec([]byte(spec))
		if err == nil {
			_, err = s.FromRecords(t.Context(), records, nil, Options{})
		}
		var temporary interface{ Temporary() bool }
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", spec, err, want)
		} else if !asTemporary(err, &temporary) || temporary.Temporary() {
			t.Errorf("%s: %v should be permanent", spec, err)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	records := make([]map[string]any, 11)
	for i := range records {
		records[i] = map[string]any{"a": n(fmt.Sprint(i)), "same": "x"}
	}
	_, err := FromRecords(records, nil, Limits{Rows: 10})
	if err == nil || !strings.Contains(err.Error(), "11 rows, at most 10 are allowed") {
		t.Errorf("got %v", err)
	}
	self, err := FromRecords(records, []Column{{Key: "same"}, {Key: "b", From: "a"}}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s := Spec{Columns: []Column{{Key: "same"}}, Do: []Op{{Join: &Join{Table: "self", On: []string{"same"}}}}}
	_, err = s.FromRecords(t.Context(), records, map[string]*Table{"self": self}, Options{Limits: Limits{Rows: 100}})
	if err == nil || !strings.Contains(err.Error(), "101 rows, at most 100") {
		t.Errorf("a join that multiplies: %v", err)
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{"a - b", "a / b * 100", "if(a > b, 'x', 'y')", "round(-a, 2)", "[a b] + 1", "month(d)", "zero(a) = 1e9", "a % b", "((("} {
		f.Add(s)
	}
	columns := []Column{{Key: "a", Kind: Number}, {Key: "b", Kind: Money}, {Key: "d", Kind: Date}, {Key: "a b", Kind: Percent}}
	row := []any{n("3"), n("0"), someDay, nil}
	f.Fuzz(func(t *testing.T, text string) {
		node, err := compileExpr(text, columns)
		if err != nil {
			return
		}
		v, err := node.eval(row, time.UTC)
		if r, ok := v.(json.Number); err == nil && ok {
			if _, ok := decimal.Parse(string(r)); !ok {
				t.Errorf("%q gives %q", text, r)
			}
		}
	})
}
