package report

import (
	"encoding/json"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// n makes a number.
func n(s string) json.Number { return json.Number(s) }

// font is that of the Debian package, which .ci/deps installs.
func font(t testing.TB) Font {
	t.Helper()
	f, err := FindFont(Font{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var someDay = time.Date(2026, 10, 15, 0, 0, 0, 0, time.UTC)

// run decodes and runs a specification, which is how rules do it.
func runSpec(t testing.TB, spec string, records []map[string]any, tables map[string]*Table) *Table {
	t.Helper()
	s, err := DecodeSpec([]byte(spec))
	if err != nil {
		t.Fatal(err)
	}
	table, err := s.FromRecords(t.Context(), records, tables, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// budgetReport is the monthly report of eight departments.
func budgetReport(t testing.TB) (*Table, *Chart) {
	t.Helper()
	departments := []string{"研发中心", "市场部", "华东销售部", "华南销售部", "生产制造部", "供应链管理部", "人力资源部", "行政与法务部"}
	var budget, actual []map[string]any
	for i, d := range departments {
		amount := int64(800000 + 150000*i)
		budget = append(budget, map[string]any{"部门": d, "金额": n(json.Number(itoa(amount)).String())})
		actual = append(actual,
			map[string]any{"dept": d, "amount": n(itoa(amount-100000+int64(20000*i)) + ".37")},
			map[string]any{"dept": d, "amount": n("12345.63")})
	}
	plan, err := FromRecords(budget, []Column{{Key: "部门"}, {Key: "金额", Kind: Money, Currency: "CNY"}}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	table := runSpec(t, `
title: 2026年10月部门预算执行报告
columns:
  - {key: dept, label: 部门}
  - {key: amount, kind: money, currency: CNY}
do:
  - compare: {table: plan, on: [dept], with: [部门], budget: 金额, actual: amount}
  - totals: {}
`, actual, map[string]*Table{"plan": plan})
	return table, &Chart{Kind: "bar", Title: "预算与实际对比", Category: "dept", Series: []string{"budget", "actual"}}
}

func itoa(i int64) string {
	b, _ := json.Marshal(i)
	return string(b)
}

// orders is a table of many rows.
func orders(rows int) *Table {
	t := &Table{Title: "2026年10月订单明细", Columns: []Column{
		{Key: "no", Label: "订单号", Kind: Text},
		{Key: "customer", Label: "客户名称", Kind: Text},
		{Key: "note", Label: "备注", Kind: Text},
		{Key: "date", Label: "下单日期", Kind: Date},
		{Key: "amount", Label: "金额", Kind: Money, Currency: "CNY"},
		{Key: "margin", Label: "毛利率", Kind: Percent},
	}}
	for i := range rows {
		t.Rows = append(t.Rows, []any{
			"SO" + itoa(int64(2026000+i)),
			[]string{"苏州精密机械有限公司", "上海晨光国际贸易股份有限公司华东分公司", "Acme GmbH & Co. KG"}[i%3],
			[]string{"", "客户要求周五之前送到仓库，收货人张先生，电话另附。", "Please deliver to the back entrance (warehouse 3)"}[i%3],
			someDay.AddDate(0, 0, i%15), n(itoa(int64(1000+i)) + ".5"), n("0.1"),
		})
	}
	return t
}
