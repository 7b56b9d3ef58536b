package tablefile_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"heliograph/internal/tablefile"
)

// read returns all rows, at most some.
func read(r io.Reader, o tablefile.Options) (rows [][]string, lines []int, file *tablefile.Rows, err error) {
	file, err = tablefile.Open(r, o)
	if err != nil {
		return nil, nil, nil, err
	}
	defer file.Close()
	for {
		row, line, err := file.Next()
		if errors.Is(err, io.EOF) {
			return rows, lines, file, nil
		}
		if err != nil {
			return rows, lines, file, err
		}
		rows, lines = append(rows, row), append(lines, line)
	}
}

const people = "姓名,邮箱\r\n李雷,li@customer.cn\r\n\"一,二\",er@customer.cn\r\n"

func TestEncodings(t *testing.T) {
	t.Parallel()
	want := [][]string{{"姓名", "邮箱"}, {"李雷", "li@customer.cn"}, {"一,二", "er@customer.cn"}}
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(people)
	if err != nil {
		t.Fatal(err)
	}
	utf16 := func(e unicode.Endianness, b unicode.BOMPolicy) string {
		s, err := unicode.UTF16(e, b).NewEncoder().String(people)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		name, text string
		want       tablefile.Encoding
	}{
		{"utf-8", people, tablefile.UTF8},
		{"utf-8 with mark", "\ufeff" + people, tablefile.UTF8},
		{"gbk", gbk, tablefile.GB18030},
		{"utf-16 le with mark", utf16(unicode.LittleEndian, unicode.UseBOM), tablefile.UTF16},
		{"utf-16 be with mark", utf16(unicode.BigEndian, unicode.UseBOM), tablefile.UTF16},
		{"utf-16 le", utf16(unicode.LittleEndian, unicode.IgnoreBOM), tablefile.UTF16},
		{"utf-16 be", utf16(unicode.BigEndian, unicode.IgnoreBOM), tablefile.UTF16},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows, lines, file, err := read(iotest.OneByteReader(strings.NewReader(c.text)), tablefile.Options{})
			if err != nil || fmt.Sprint(rows) != fmt.Sprint(want) || !slices.Equal(lines, []int{1, 2, 3}) {
				t.Fatalf("got %q at %v, %v", rows, lines, err)
			}
			if file.Encoding() != c.want || file.Format() != tablefile.CSV || file.Delimiter() != ',' {
				t.Errorf("got %s %s %q", file.Format(), file.Encoding(), file.Delimiter())
			}
		})
	}
	// What a person says goes before what looks likely.
	if rows, _, file, err := read(strings.NewReader(people), tablefile.Options{Encoding: tablefile.GB18030}); err != nil || rows[0][0] == "姓名" || file.Encoding() != tablefile.GB18030 {
		t.Errorf("got %q, %v", rows, err)
	}
}

func TestDelimiters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rune{
		"a,b\n1,2\n": ',', "a\tb\n1\t2,5\n": '\t', "a;b\n1,5;2,5\n": ';', "a|b\n1|2\n": '|', "邮箱，姓名\n1，2\n": '，',
		"sep=;\na,b;c\n1;2\n": ';', "\"a;b\",c\n1,2\n": ',', "alone\n": ',',
	} {
		rows, lines, file, err := read(strings.NewReader(text), tablefile.Options{})
		if err != nil || file.Delimiter() != want {
			t.Errorf("%q: got %q %v, want %q", text, file.Delimiter(), err, want)
		}
		if strings.HasPrefix(text, "sep=") && (len(rows) != 2 || lines[0] != 2) {
			t.Errorf("%q: got %q at %v", text, rows, lines)
		}
	}
	if r, ok := tablefile.DelimiterOf("tab"); !ok || r != '\t' {
		t.Error("tab is a delimiter")
	}
	if _, ok := tablefile.DelimiterOf("x"); ok {
		t.Error("x is none")
	}
}

func workbook(t testing.TB, fill func(f *excelize.File) error) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	var b bytes.Buffer
	if err := errors.Join(fill(f), f.Write(&b)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWorkbook(t *testing.T) {
	t.Parallel()
	data := workbook(t, func(f *excelize.File) error {
		_, err := f.NewSheet("客户")
		_, err2 := f.NewSheet("hidden")
		return errors.Join(err, err2, f.SetSheetVisible("hidden", false), f.SetSheetRow("客户", "A1", &[]any{"手机", "名"}),
			f.SetSheetRow("客户", "A2", &[]any{1.3800001111e+10, "=1+1"}), f.SetSheetRow("hidden", "A1", &[]any{"secret"}))
	})
	rows, lines, file, err := read(bytes.NewReader(data), tablefile.Options{})
	if err != nil || len(rows) != 2 || rows[1][0] != "13800001111" || lines[1] != 2 {
		t.Fatalf("got %q, %v", rows, err)
	}
	if all, sheet := file.Sheets(); sheet != "客户" || !slices.Equal(all, []string{"Sheet1", "客户"}) {
		t.Errorf("got %q of %q", sheet, all)
	}
	if rows, _, _, err := read(bytes.NewReader(data), tablefile.Options{Sheet: "Sheet1"}); err != nil || len(rows) != 0 {
		t.Errorf("got %q, %v", rows, err)
	}
	if _, _, _, err := read(bytes.NewReader(data), tablefile.Options{Sheet: "hidden"}); err == nil || !strings.Contains(err.Error(), "there is no sheet") {
		t.Errorf("got %v", err)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHostileFiles(t *testing.T) {
	t.Parallel()
	bomb := func() []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.Create("xl/worksheets/sheet1.xml")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, 3<<20); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}()
	long := strings.Repeat("x", 30_000)
	fat := workbook(t, func(f *excelize.File) error {
		for i := range 40 {
			at, err := excelize.CoordinatesToCellName(i+1, 1)
			if err := errors.Join(err, f.SetCellStr("Sheet1", at, long)); err != nil {
				return err
			}
		}
		return nil
	})
	far := workbook(t, func(f *excelize.File) error { return f.SetCellStr("Sheet1", "A1", "x") })
	far = replaceSheet(t, far, `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="9000000000"><c r="A1"><v>1</v></c></row></sheetData></worksheet>`)
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"far row", "rows, at most 1048576", far},
		{"bomb", "after unpacking, at most 1048576", bomb},
		{"no zip", "no workbook", []byte("PK\x03\x04 but then nothing")},
		{"old", "old Excel file", []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")},
		{"binary", "no text", []byte("MZ\x90\x00\x03\x00\x00\x00")},
		{"10 MB cell", "closing quote", []byte("a,b\n\"" + strings.Repeat("x", 10<<20))},
		{"wide", "columns, at most 500", []byte(strings.Repeat("a,", 600))},
		{"fat row", "bytes in a row", fat},
		{"large workbook", "save it as CSV", append([]byte("PK\x03\x04"), make([]byte, 3<<20)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, _, err := read(bytes.NewReader(c.data), tablefile.Options{MaxUnzipped: 1 << 20, MaxBytes: 2 << 20})
			var wrong *tablefile.Error
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &wrong) || wrong.Temporary() {
				t.Errorf("got %v (%T), want %q", err, err, c.want)
			}
		})
	}
}

// replaceSheet gives a workbook another first sheet.
func replaceSheet(t *testing.T, data []byte, content string) []byte {
	t.Helper()
	from, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	to := zip.NewWriter(&b)
	for _, file := range from.File {
		if file.Name != "xl/worksheets/sheet1.xml" {
			err = to.Copy(file)
		} else if w, werr := to.Create(file.Name); werr != nil {
			err = werr
		} else {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// nasty are texts that spreadsheets run.
var nasty = []string{"=1+1", "+1", "-1+2", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1", "|calc", "'=1", "''", "+86 138-0000", "plain", ""}

func TestWriters(t *testing.T) {
	t.Parallel()
	for _, format := range []tablefile.Format{tablefile.CSV, tablefile.XLSX} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			w, err := tablefile.NewWriter(&b, format, "People")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Write([]string{"head"}), w.Write(append(slices.Clone(nasty), "end")), w.Flush(), w.Close()); err != nil {
				t.Fatal(err)
			}
			if format == tablefile.CSV && !bytes.HasPrefix(b.Bytes(), []byte("\xef\xbb\xbf")) {
				t.Error("Excel needs the mark")
			}
			rows, _, _, err := read(&b, tablefile.Options{})
			if err != nil || len(rows) != 2 {
				t.Fatalf("got %q, %v", rows, err)
			}
			for i, text := range nasty {
				got := rows[1][i]
				phone := format == tablefile.XLSX && strings.Trim(text, "+-() .0123456789") == ""
				if start := strings.TrimLeft(got, " "); !phone && start != "" && strings.ContainsRune("=+-@\t\r＝|", []rune(start)[0]) {
					t.Errorf("%q is %q in the file", text, got)
				}
				if format == tablefile.CSV {
					text = strings.ReplaceAll(text, "\r", "") // line ends in cells are those of Go
				}
				if back := tablefile.Restore(got); back != text {
					t.Errorf("%q became %q, came back as %q", text, got, back)
				}
			}
		})
	}
}

// FuzzOpen: no input panics; rows are text and bounded; reading byte by byte gives the same.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{
		people, "a\tb\n", "sep=;\na;b\n", "\xff\xfea\x00\n\x00", "a\x00\n\x00", "\"a\nb\",c\n", "\xc0\xee\xc0\xd7,1\n", "PK\x03\x04", "\xd0\xcf\x11\xe0", "邮箱，姓名\n", "\xef\xbb\xbf",
	} {
		f.Add([]byte(seed))
	}
	f.Add(workbook(f, func(x *excelize.File) error { return x.SetSheetRow("Sheet1", "A1", &[]any{"a", 1.5, true}) }))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := tablefile.Options{MaxUnzipped: 1 << 20}
		rows, lines, _, err := read(bytes.NewReader(data), o)
		for i, row := range rows {
			total := 0
			for _, cell := range row {
				total += len(cell)
				if !utf8.ValidString(cell) {
					t.Fatalf("line %d: %q is no text", lines[i], cell)
				}
			}
			if len(row) > tablefile.MaxColumns || total > 2*tablefile.MaxRow {
				t.Fatalf("line %d: %d cells, %d bytes", lines[i], len(row), total)
			}
		}
		slow, _, _, slowErr := read(iotest.OneByteReader(bytes.NewReader(data)), o)
		if len(slow) != len(rows) || (slowErr == nil) != (err == nil) {
			t.Fatalf("byte by byte: %d rows, %v; else %d, %v", len(slow), slowErr, len(rows), err)
		}
	})
}

// FuzzNeutralise: what was neutralised is harmless, and restoring gives back what was there.
func FuzzNeutralise(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := tablefile.Neutralise(s)
		if start := strings.TrimLeft(n, " \u00a0\u3000"); start != "" && strings.ContainsRune("=+-@\t\r\n|＝＋－＠", []rune(start)[0]) {
			t.Errorf("%q became %q", s, n)
		}
		if got := tablefile.Restore(n); got != s {
			t.Errorf("%q became %q, came back as %q", s, n, got)
		}
	})
}
