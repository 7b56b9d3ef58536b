package report

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

func workbookOf(t testing.TB, sheets []Sheet) []byte {
	t.Helper()
	data, err := XLSX(t.Context(), "报告", sheets, Options{Created: someDay, Author: "财务"})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestXLSX(t *testing.T) {
	t.Parallel()
	table, chart := budgetReport(t)
	texts := &Table{Columns: []Column{{Key: "x", Kind: Text}, {Key: "n", Kind: Number}, {Key: "d", Kind: Date}, {Key: "b", Kind: Bool}, {Key: "p", Kind: Percent}}, Rows: [][]any{
		{"=1+1", n("12345678901234567.89"), someDay, true, n("0.125")}, {"@SUM(A1)", n("0.3"), nil, false, nil}, {"+1\x01", n("-7"), nil, nil, nil},
	}}
	sheets := []Sheet{{Table: table, Chart: chart}, {Name: "a/b:[c]", Table: texts}, {Name: "A B C", Table: texts}}
	data := workbookOf(t, sheets)
	if !bytes.Equal(data, workbookOf(t, sheets)) {
		t.Error("equal input gives different bytes")
	}
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.GetSheetList(), "|"); got != "2026年10月部门预算执行报告|a b c|A B C (2)" {
		t.Errorf("sheets %s", got)
	}
	first := f.GetSheetName(0)
	for cell, want := range map[string]string{"A1": "部门", "B2": "¥800,000.00", "D2": "¥87,654.00", "E2": "89.0%", "A10": "合计", "D7": "-¥12,346.00", "F7": "超支"} {
		if got, err := f.GetCellValue(first, cell); err != nil || got != want {
			t.Errorf("%s: got %q (%v), want %q", cell, got, err, want)
		}
	}
	for cell, want := range map[string]excelize.CellType{"B2": excelize.CellTypeUnset, "A2": excelize.CellTypeInlineString} {
		if got, err := f.GetCellType(first, cell); err != nil || got != want {
			t.Errorf("%s: got type %v (%v), want %v", cell, got, err, want)
		}
	}
	for cell, want := range map[string]string{"A2": "=1+1", "A3": "@SUM(A1)", "A4": "+1", "B2": "12345678901234567.89", "B3": "0.30", "C2": "2026-10-15", "D2": "TRUE", "E2": "12.5%"} {
		got, err := f.GetCellValue("a b c", cell)
		formula, _ := f.GetCellFormula("a b c", cell)
		if err != nil || got != want || formula != "" {
			t.Errorf("%s: got %q, formula %q (%v), want %q", cell, got, formula, err, want)
		}
	}
	panes, err := f.GetPanes(first)
	if err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("panes %+v, %v", panes, err)
	}
	props, err := f.GetDocProps()
	if err != nil || props.Title != "报告" || props.Creator != "财务" || props.Created != "2026-10-15T00:00:00Z" {
		t.Errorf("properties %+v, %v", props, err)
	}
	if id, _ := f.GetCellStyle(first, "B10"); !bold(t, f, id) {
		t.Error("the total is not bold")
	}
}

func bold(t *testing.T, f *excelize.File, style int) bool {
	t.Helper()
	s, err := f.GetStyle(style)
	return err == nil && s.Font != nil && s.Font.Bold
}

// part reads one file of a workbook.
func part(t *testing.T, data []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestXLSXCharts(t *testing.T) {
	t.Parallel()
	table, chart := budgetReport(t)
	data := workbookOf(t, []Sheet{{Name: "预算", Table: table, Chart: chart}})
	xml := part(t, data, "xl/charts/chart1.xml")
	for _, want := range []string{"barChart", "&#39;预算&#39;!$A$2:$A$9", "&#39;预算&#39;!$C$2:$C$9", "预算与实际对比"} {
		if !strings.Contains(xml, want) {
			t.Errorf("the chart has no %s: %s", want, xml)
		}
	}
	if sheet := part(t, data, "xl/worksheets/sheet1.xml"); !strings.Contains(sheet, "<drawing") {
		t.Error("the sheet does not show its chart")
	}
	split, err := (&Totals{By: []string{"dept"}}).run(&run{opts: Options{Limits: DefaultLimits()}}, table.data())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"line", "pie"} {
		c := &Chart{Kind: kind, Category: "dept", Series: []string{"actual"}}
		data = workbookOf(t, []Sheet{{Name: "小计", Table: split, Chart: c}})
		xml = part(t, data, "xl/charts/chart1.xml")
		if !strings.Contains(xml, kind+"Chart") || !strings.Contains(xml, "&#39;小计 图表数据&#39;!$C$2:$C$9") {
			t.Errorf("%s among subtotals: %s", kind, xml)
		}
	}
}

func TestReadXLSX(t *testing.T) {
	t.Parallel()
	f := excelize.NewFile()
	date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
	if err != nil {
		t.Fatal(err)
	}
	yuan, percent := `[$¥-804]#,##0.00`, "0.0%"
	money, err := f.NewStyle(&excelize.Style{CustomNumFmt: &yuan})
	if err != nil {
		t.Fatal(err)
	}
	part, err := f.NewStyle(&excelize.Style{CustomNumFmt: &percent})
	if err != nil {
		t.Fatal(err)
	}
	rows := [][]any{
		{"2026年预算"},
		{"部门", "金额", "日期", "占比", "编号", "启用", "部门"},
		{"销售部", 0.1 + 0.2, 46310, 0.25, "007", true, "甲"},
		{},
		{"市场部", 5, 46311.5, 0.5, "008", false, "乙"},
	}
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", "A"+itoa(int64(i+1)), &row); err != nil {
			t.Fatal(err)
		}
	}
	for column, style := range map[string]int{"B": money, "C": date, "D": part} {
		if err := f.SetCellStyle("Sheet1", column+"3", column+"5", style); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetCellFormula("Sheet1", "B5", "2+3"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	table, err := ReadXLSX(b.Bytes(), "", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if table.Title != "2026年预算" || table.Columns[6].Key != "部门_2" {
		t.Errorf("title %q, columns %+v", table.Title, table.Columns)
	}
	want := "销售部|¥0.30|2026-10-15 00:00|25.0%|007|是|甲\n市场部|¥5.00|2026-10-16 12:00|50.0%|008|否|乙"
	if got := strings.Join(rowsOf(table), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if v := table.Rows[0][1]; v != n("0.3") {
		t.Errorf("the noise of binary fractions stays: %v", v)
	}
	if _, err := ReadXLSX(b.Bytes(), "没有", Limits{}); err == nil || !strings.Contains(err.Error(), "there are Sheet1") {
		t.Errorf("got %v", err)
	}
}

func TestXLSXBackAndForth(t *testing.T) {
	t.Parallel()
	table := orders(300)
	back, err := ReadXLSX(workbookOf(t, []Sheet{{Table: table}}), "", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(rowsOf(back), "\n"), strings.Join(rowsOf(table), "\n"); got != want {
		t.Errorf("got\n%.500s\nwant\n%.500s", got, want)
	}
}

func TestXLSXRefuses(t *testing.T) {
	t.Parallel()
	bomb := func(content io.Reader) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, _ := z.Create("xl/worksheets/sheet1.xml")
		io.Copy(w, content)
		z.Close()
		return b.Bytes()
	}
	small := workbookOf(t, []Sheet{{Table: orders(1)}})
	cell := func(row, name string) []byte {
		return replacePart(t, small, "xl/worksheets/sheet1.xml", `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="`+row+`"><c r="`+name+`" t="str"><v>x</v></c></row></sheetData></worksheet>`)
	}
	many := workbookOf(t, []Sheet{{Table: orders(1200)}})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"bomb":        {bomb(io.LimitReader(zeros{}, 3<<20)), "bytes of a workbook after unpacking, at most 2097152"},
		"no zip":      {[]byte("hello"), "no workbook"},
		"password":    {[]byte("\xd0\xcf\x11\xe0\xa1\xb1"), "password"},
		"no workbook": {bomb(strings.NewReader("<a/>")), "read workbook"},
		"far row":     {cell("900000", "A900000"), "rows, at most 1000"},
		"far column":  {cell("1", "XFD1"), "16384 columns, at most 200"},
		"many rows":   {many, "rows, at most 1000"},
	} {
		_, err := ReadXLSX(c.data, "", Limits{Rows: 1000, UnzippedSize: 2 << 20})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// replacePart gives a workbook with other content in one file.
func replacePart(t *testing.T, data []byte, name, content string) []byte {
	t.Helper()
	from, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	to := zip.NewWriter(&b)
	for _, file := range from.File {
		if file.Name == name {
			w, _ := to.Create(name)
			io.WriteString(w, content)
		} else if err := to.Copy(file); err != nil {
			t.Fatal(err)
		}
	}
	to.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func FuzzReadXLSX(f *testing.F) {
	f.Add(workbookOf(f, []Sheet{{Table: orders(3)}}))
	table, chart := budgetReport(f)
	f.Add(workbookOf(f, []Sheet{{Table: table, Chart: chart}}))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ReadXLSX(data, "", Limits{Rows: 100, UnzippedSize: 1 << 20})
		if err != nil {
			return
		}
		if err := table.check(Limits{}.orDefault()); err != nil {
			t.Fatal(err)
		}
	})
}
