package builtin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"heliograph/crmclient/builtin"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// allContacts lists the contacts, the oldest first, without what differs between runs.
func allContacts(t *testing.T, c *builtin.CRM) []builtin.Contact {
	t.Helper()
	page, err := c.Contacts(t.Context(), builtin.ContactFilter{Paging: builtin.Paging{Limit: 500}})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(page.Items)
	for i := range page.Items {
		p := &page.Items[i]
		p.ID, p.CompanyID, p.Created, p.Updated = 0, 0, time.Time{}, time.Time{}
	}
	return page.Items
}

// The same people, in every encoding and with every delimiter, give the same contacts and the same report.
func TestImportEncodings(t *testing.T) {
	t.Parallel()
	encodings := map[string]string{
		"good_chinese_utf8.csv": "utf-8", "good_chinese_bom.csv": "utf-8", "good_chinese_gb18030.csv": "gb18030",
		"good_chinese_utf16.csv": "utf-16", "good_chinese_semicolon.csv": "gb18030",
	}
	for name, encoding := range encodings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t, storetest.SQLite(t))
			raw, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			report, err := c.ImportContacts(t.Context(), bytes.NewReader(raw), builtin.ImportOptions{Owner: "default@example.com"})
			if err != nil {
				t.Fatal(err)
			}
			if report.Encoding != encoding {
				t.Errorf("encoding: got %s, want %s", report.Encoding, encoding)
			}
			report.Encoding = ""
			b, err := json.MarshalIndent(map[string]any{"report": report, "contacts": allContacts(t, c)}, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "good_chinese.golden.json", append(b, '\n'))
		})
	}
}

func importText(t *testing.T, c *builtin.CRM, text string, o builtin.ImportOptions) builtin.ImportReport {
	t.Helper()
	report, err := c.ImportContacts(t.Context(), strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func wantCounts(t *testing.T, r builtin.ImportReport, rows, created, updated, skipped, failed int) {
	t.Helper()
	got := [5]int{r.Rows, r.Created, r.Updated, r.Skipped, r.Failed}
	if want := [5]int{rows, created, updated, skipped, failed}; got != want {
		t.Errorf("rows, created, updated, skipped, failed: got %v, want %v; errors %+v", got, want, r.Errors)
	}
}

func TestImportDuplicates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		first := "Name,Email,Title,Phone,Company,Custom\n" +
			"Li Lei,li@acme.com,Buyer,1,,\"{\"\"a\"\":1}\"\n" +
			"Only Phone,,,555,,\n"
		wantCounts(t, importText(t, c, first, builtin.ImportOptions{}), 2, 2, 0, 0, 0)
		second := "Name,Email,Title,Phone,Company,Custom\n" +
			"Li Lei 2,LI@acme.com; li@qq.com,,2,Acme Inc.,\"{\"\"b\"\":2}\"\n" +
			"Only Phone,,Boss,555,,\n" +
			"New,new@acme.com,,,,\n" +
			"New again,new@acme.com,,,,\n"
		for range 2 {
			wantCounts(t, importText(t, c, second, builtin.ImportOptions{DryRun: true}), 4, 1, 0, 3, 0)
			wantCounts(t, importText(t, c, second, builtin.ImportOptions{DryRun: true, Duplicates: builtin.UpdateDuplicates}), 4, 1, 3, 0, 0)
		}
		before := allContacts(t, c)
		if len(before) != 2 || before[0].Company != "acme.com" || before[0].Version != 1 {
			t.Fatalf("a dry run changed something: %+v", before)
		}
		wantCounts(t, importText(t, c, second, builtin.ImportOptions{Duplicates: builtin.UpdateDuplicates}), 4, 1, 3, 0, 0)
		after := allContacts(t, c)
		if len(after) != 3 {
			t.Fatalf("got %d contacts, want 3", len(after))
		}
		p := after[0]
		if p.Name != "Li Lei 2" || p.Title != "Buyer" || p.Phone != "2" || p.Company != "Acme Inc." || p.Version != 2 ||
			!slices.Equal(p.Addresses, []string{"li@acme.com", "li@qq.com"}) || len(p.Custom) != 2 {
			t.Errorf("updated: got %+v", p)
		}
		if after[1].Title != "Boss" || after[2].Name != "New again" || after[2].Company != "Acme Inc." {
			t.Errorf("got %+v", after[1:])
		}
		wantCounts(t, importText(t, c, second, builtin.ImportOptions{}), 4, 0, 0, 4, 0)
	})
}

// A row that takes an address of one person and another of somebody else collides; the rows around it are stored.
func TestImportOneBadRowCostsOnlyItself(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		importText(t, c, "name,email\nA,a@acme.com\nB,b@acme.com\n", builtin.ImportOptions{})
		report := importText(t, c, "name,email\nC,c@acme.com\nBoth,a@acme.com;b@acme.com\nD,d@acme.com\n",
			builtin.ImportOptions{Duplicates: builtin.UpdateDuplicates})
		wantCounts(t, report, 3, 2, 0, 0, 1)
		if len(report.Errors) != 1 || report.Errors[0].Line != 3 || !strings.Contains(report.Errors[0].Message, "another contact") {
			t.Errorf("errors: got %+v", report.Errors)
		}
		if got := len(allContacts(t, c)); got != 4 {
			t.Errorf("got %d contacts, want 4", got)
		}
	})
}

func TestImportFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t))
	cases := map[string]string{
		"":                            "empty",
		"\n\n\n":                      "empty",
		"a,b,c\n1,2,3\n":              "no row names a column",
		"\xd0\xcf\x11\xe0\xa1\xb1":    "old Excel file",
		"PK\x03\x04 not really a zip": "workbook",
		"email\n\"" + strings.Repeat("x,\n", 1<<20): "closing quote",
	}
	for text, want := range cases {
		_, err := c.ImportContacts(t.Context(), strings.NewReader(text), builtin.ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %q", text, err, want)
		}
	}
	broken := io.MultiReader(strings.NewReader("name,email\nA,a@acme.com\n"), failingReader{})
	report, err := c.ImportContacts(t.Context(), broken, builtin.ImportOptions{})
	if !errors.Is(err, errDisk) || report.Created > 1 {
		t.Errorf("got %+v, %v", report, err)
	}
}

var errDisk = errors.New("disk on fire")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errDisk }

func TestImportLateEncoding(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t))
	var b bytes.Buffer
	b.WriteString("name,email,ignored\n")
	filler := strings.Repeat("x", 500)
	for i := range 500 { // well beyond what is looked at in the beginning
		fmt.Fprintf(&b, "Person %d,p%d@acme.com,%s\n", i, i, filler)
	}
	b.WriteString("\xc0\xee\xc0\xd7,last@acme.com,\n") // 李雷 in GBK
	calls := 0
	report, err := c.ImportContacts(t.Context(), &b, builtin.ImportOptions{Progress: func(r builtin.ImportReport) {
		calls++
		if r.Created+r.Failed+r.Skipped > r.Rows {
			t.Errorf("progress: %+v", r)
		}
	}})
	if err != nil || report.Encoding != "gb18030" || report.Created != 501 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if calls != 3 {
		t.Errorf("progress was told %d times, want 3", calls)
	}
	page, err := c.Contacts(t.Context(), builtin.ContactFilter{Query: "last@acme.com"})
	if err != nil || len(page.Items) != 1 || page.Items[0].Name != "李雷" {
		t.Errorf("got %+v, %v", page.Items, err)
	}
}

func TestImportXLSX(t *testing.T) {
	t.Parallel()
	f := excelize.NewFile()
	rows := [][]any{
		{"客户名单 2026"},
		{},
		{"姓", "名", "E-mail 地址", "Email", "手机号", "公司名称"},
		{"李", "雷", nil, "li@acme.com", 13800138000, "阿克米"},
		{"Smith", "John", nil, "John Smith <john@acme.com>", 1.38001380001234e+16, ""},
		{"Bad", "Row", nil, "no address", nil, nil},
	}
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	c := open(t, storetest.SQLite(t))
	report, err := c.ImportContacts(t.Context(), &b, builtin.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, report, 3, 2, 0, 0, 1)
	if report.Errors[0].Line != 6 || report.Errors[0].Column != "addresses" {
		t.Errorf("errors: got %+v", report.Errors)
	}
	got := allContacts(t, c)
	if got[0].Name != "李雷" || got[0].Mobile != "13800138000" || got[0].Company != "阿克米" {
		t.Errorf("got %+v", got[0])
	}
	if got[1].Name != "John Smith" || got[1].Mobile != "13800138000123400" || !slices.Equal(got[1].Addresses, []string{"john@acme.com"}) {
		t.Errorf("got %+v", got[1])
	}
}

var nasty = []builtin.Contact{
	{Name: "=HYPERLINK(\"http://evil.example\")", Addresses: []string{"a@acme.com", "a@qq.com"}, Title: "+1", Phone: "+86 21 5555", Mobile: "-5", Note: "@SUM(A1)\nsecond line"},
	{Name: "'=quoted", Addresses: []string{"b@acme.com"}, Title: "''+twice", Phone: "'plain", Note: "=cmd|' /C calc'!A0"},
	{Name: "＝full width", Addresses: []string{"=c@acme.com"}, Note: "quotes \" and, commas; and 中文 🌟"},
	{Name: "O'Hara", Mobile: "1", Custom: map[string]any{"n": json.Number("123456789012345678"), "list": []any{"a"}}},
}

func addNasty(t *testing.T, c *builtin.CRM) {
	t.Helper()
	for _, p := range nasty {
		p.Source = builtin.SourceImport
		if _, err := c.AddContact(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExportGolden(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := open(t, db)
		addNasty(t, c)
		var b bytes.Buffer
		rows, err := c.ExportContacts(t.Context(), &b, builtin.ExportOptions{Chinese: true})
		if err != nil || rows != len(nasty) {
			t.Fatalf("got %d rows, %v", rows, err)
		}
		golden(t, "export.golden.csv", b.Bytes())
	})
}

// What is exported comes back unchanged, and an exported CSV file has no cell that a spreadsheet would run.
func TestExportImportRoundTrip(t *testing.T) {
	t.Parallel()
	for _, format := range []builtin.Format{builtin.CSV, builtin.XLSX} {
		for _, chinese := range []bool{false, true} {
			t.Run(fmt.Sprint(format, chinese), func(t *testing.T) {
				t.Parallel()
				c := open(t, storetest.SQLite(t))
				addNasty(t, c)
				var b bytes.Buffer
				if _, err := c.ExportContacts(t.Context(), &b, builtin.ExportOptions{Format: format, Chinese: chinese}); err != nil {
					t.Fatal(err)
				}
				other := open(t, storetest.SQLite(t))
				report, err := other.ImportContacts(t.Context(), bytes.NewReader(b.Bytes()), builtin.ImportOptions{})
				if err != nil || report.Created != len(nasty) || report.Failed != 0 {
					t.Fatalf("got %+v, %v", report, err)
				}
				want, got := allContacts(t, c), allContacts(t, other)
				slices.Reverse(got) // exported the newest first
				w, _ := json.MarshalIndent(want, "", " ")
				g, _ := json.MarshalIndent(got, "", " ")
				if !bytes.Equal(g, w) {
					t.Errorf("got\n%s\nwant\n%s", g, w)
				}
			})
		}
	}
}

func TestXLSXExportHasNoFormulas(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t))
	addNasty(t, c)
	var b bytes.Buffer
	if _, err := c.ExportContacts(t.Context(), &b, builtin.ExportOptions{Format: builtin.XLSX}); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sheet := f.GetSheetName(0)
	for row := 1; row <= len(nasty)+1; row++ {
		for col := 1; col <= 9; col++ {
			cell, err := excelize.CoordinatesToCellName(col, row)
			if err != nil {
				t.Fatal(err)
			}
			formula, err := f.GetCellFormula(sheet, cell)
			if err != nil || formula != "" {
				t.Errorf("%s: formula %q, %v", cell, formula, err)
			}
			if kind, err := f.GetCellType(sheet, cell); err != nil || kind != excelize.CellTypeInlineString && kind != excelize.CellTypeSharedString && kind != excelize.CellTypeUnset {
				t.Errorf("%s: type %v, %v", cell, kind, err)
			}
		}
	}
}

func TestImportCancelled(t *testing.T) {
	t.Parallel()
	c := open(t, storetest.SQLite(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var b bytes.Buffer
	b.WriteString("name,email\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "P,p%d@acme.com\n", i)
	}
	report, err := c.ImportContacts(ctx, &b, builtin.ImportOptions{Progress: func(builtin.ImportReport) { cancel() }})
	if err == nil || report.Created != 200 {
		t.Errorf("got %+v, %v; want an error after the first batch", report, err)
	}
}
