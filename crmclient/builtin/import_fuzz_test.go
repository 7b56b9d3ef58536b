package builtin

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"heliograph/internal/tablefile"
)

// readAll returns what an import understands of a file, without a database.
func readAll(r io.Reader) (rows []importRow, report ImportReport, err error) {
	i := &importer{report: ImportReport{}, seen: map[string]bool{}}
	reader, err := tablefile.Open(r, tablefile.Options{Format: CSV})
	if err != nil {
		return nil, i.report, err
	}
	if err := i.readHeader(reader); err != nil {
		return nil, i.report, err
	}
	for {
		cells, line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return rows, i.report, nil
		}
		if err != nil {
			return rows, i.report, err
		}
		if row, ok := i.understand(cells, line); ok {
			rows = append(rows, row)
		}
	}
}

// FuzzImportCSV: no input panics; what is accepted can be stored on both engines; reading byte by byte gives the same.
func FuzzImportCSV(f *testing.F) {
	files, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, text := range []string{
		"name,email\n\"a\nb\",x@y.z\n", "email\r\nx@y.z\r\n", "email;name\n'=1@y.z;'=1\n", "email,custom\na@b.c,{\"a\":1}\n",
		"\xff\xfee\x00m\x00a\x00i\x00l\x00\n\x00\x00\xd8", "email\n\xc0\xee\xc0\xd7@b.c\n", "邮箱，姓名\na@b.c，x\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, report, err := readAll(strings.NewReader(string(raw)))
		for _, row := range rows {
			p := row.contact
			for _, s := range append([]string{p.Name, p.Title, p.Phone, p.Mobile, p.Owner, p.Note, row.company}, p.Addresses...) {
				if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
					t.Fatalf("line %d: %q cannot be stored", row.line, s)
				}
			}
			if p.Name == "" || row.line < 1 {
				t.Fatalf("accepted %+v", row)
			}
		}
		if len(rows)+report.Failed != report.Rows {
			t.Fatalf("%d rows, %d accepted, %d failed", report.Rows, len(rows), report.Failed)
		}
		slow, slowReport, slowErr := readAll(iotest.OneByteReader(strings.NewReader(string(raw))))
		if len(slow) != len(rows) || slowReport.Failed != report.Failed || (slowErr == nil) != (err == nil) {
			t.Fatalf("byte by byte: %d rows, %d failed, %v; else %d, %d, %v", len(slow), slowReport.Failed, slowErr, len(rows), report.Failed, err)
		}
	})
}

func TestHeaderNamesAreClear(t *testing.T) {
	t.Parallel()
	seen := map[string]field{}
	for f, names := range headerNames {
		for _, n := range names {
			if headerKey(n) != n {
				t.Errorf("%s: %q is not in the form of headerKey", f, n)
			}
			if other, ok := seen[n]; ok {
				t.Errorf("%q means both %s and %s", n, f, other)
			}
			seen[n] = f
		}
	}
	for _, f := range exportFields {
		if seen[headerKey(string(f))] != f || seen[headerKey(chineseHeaders[f])] != f {
			t.Errorf("import does not know the exported header of %s", f)
		}
	}
}
