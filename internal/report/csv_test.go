package report

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const upload = "部门,负责人,预算,占比,日期,启用\n销售部,\"李, 明\",\"¥1,000.10\",10%,2026-10-15,是\n市场部,=1+1,¥0.20,5.5%,2026/1/2,否\n"

func TestReadCSV(t *testing.T) {
	t.Parallel()
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(upload)
	if err != nil {
		t.Fatal(err)
	}
	wide := []byte("\xff\xfe")
	for _, u := range utf16.Encode([]rune(strings.ReplaceAll(upload, "\r", ""))) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	semicolons := strings.NewReplacer("\"李, 明\"", "李, 明", "\"¥1,000.10\"", "\"¥1,000.10\"").Replace(upload)
	semicolons = strings.ReplaceAll(strings.ReplaceAll(semicolons, ",", ";"), "李; 明", "李, 明")
	semicolons = strings.ReplaceAll(semicolons, "¥1;000", "¥1,000")
	for name, data := range map[string][]byte{
		"UTF-8":        []byte(upload),
		"mark":         []byte("\ufeff" + upload),
		"GB18030":      []byte(gb),
		"UTF-16":       wide,
		"semicolons":   []byte(semicolons),
		"title above":  []byte("2026年度预算,,,,,\n\n" + upload),
		"Windows ends": []byte(strings.ReplaceAll(upload, "\n", "\r\n")),
	} {
		table, err := ReadCSV(data, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := "销售部|李, 明|¥1,000.10|10.0%|2026-10-15|是\n市场部|=1+1|¥0.20|5.5%|2026-01-02|否"
		if got := strings.Join(rowsOf(table), "\n"); got != want {
			t.Errorf("%s: got\n%s", name, got)
		}
		kinds := ""
		for _, c := range table.Columns {
			kinds += string(c.Kind) + " "
		}
		if kinds != "text text money percent date bool " {
			t.Errorf("%s: kinds %s", name, kinds)
		}
	}
}

func TestGuesses(t *testing.T) {
	t.Parallel()
	for column, want := range map[string]Kind{
		"007,008":                         Text, // codes
		"11010519491231002X,110":          Text,
		"110105194912310021,110105194912": Text, // longer than any amount
		"1,2.5":                           Number,
		"5%,¥3":                           Text,
		"0,0.5":                           Number,
		"2026-01-02,2026-01-02 10:00":     DateTime,
		"1/2/2026,3/4/2026":               Text, // which is the month?
		"yes,No":                          Bool,
		"1,x":                             Text,
		",":                               Text,
	} {
		table, err := ReadCSV([]byte("h,k\n"+strings.ReplaceAll(column, ",", ",k\n")+",k\n"), Limits{})
		if err != nil {
			t.Errorf("%s: %v", column, err)
		} else if got := table.Columns[0].Kind; got != want {
			t.Errorf("%s: got %s, want %s", column, got, want)
		}
	}
}

func TestCSVRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data string
		want string
	}{
		"nothing":     {"", "empty"},
		"binary":      {"a\x00b", "no text"},
		"a workbook":  {"PK\x03\x04", "not CSV"},
		"too many":    {"a\n" + strings.Repeat("1\n", 200), "rows, at most 100"},
		"too wide":    {strings.Repeat("a,", 30), "columns, at most 20"},
		"too large":   {strings.Repeat("a", 2000), "bytes of a CSV file, at most 1000"},
		"not Chinese": {"a,b\n\xff\xff,\xff", "neither UTF-8 nor GB18030"},
	} {
		_, err := ReadCSV([]byte(c.data), Limits{InputBytes: 1000, Rows: 100, Columns: 20})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	table := &Table{Columns: []Column{{Key: "name", Label: "=名称", Kind: Text}, {Key: "amount", Kind: Money, Currency: "CNY"}}, Rows: [][]any{
		{"=HYPERLINK(\"http://x\")", n("-5.10")}, {" @SUM(A1)", nil}, {"a\"b\nc", n("1000000000000000.01")}, {"＝1", n("0")}, {"-3", nil},
	}}
	data, err := CSV(table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "\ufeff'=名称,amount\r\n\"'=HYPERLINK(\"\"http://x\"\")\",-5.1\r\n' @SUM(A1),\r\n\"a\"\"b\r\nc\",1000000000000000.01\r\n'＝1,0\r\n'-3,\r\n"
	if string(data) != want {
		t.Errorf("got %q\nwant %q", data, want)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte(upload))
	f.Add([]byte("\xff\xfea\x00,\x00"))
	f.Add([]byte("a;b\n1;\"2\n"))
	f.Add([]byte("sep=|\na|b\n1|2"))
	f.Add([]byte("\xd6\xd0,\xce\xc4\n1,2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ReadCSV(data, Limits{Rows: 500, Columns: 50})
		if err != nil {
			return
		}
		if err := table.check(Limits{}.orDefault()); err != nil {
			t.Fatal(err)
		}
		out, err := CSV(table, Options{})
		if err != nil || !bytes.HasPrefix(out, []byte("\ufeff")) {
			t.Fatal(err)
		}
	})
}
