package tablefile

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
)

// maxParts bounds the files in a workbook; large ones have some hundred.
const maxParts = 2000

var (
	errOldExcel = wrong("this is an old Excel file (.xls), or one with a password; save it as .xlsx without password, or as CSV")
	errBroken   = wrong("the workbook is broken")
)

// OpenWorkbook opens a workbook after a look at how large it really is. Values are raw: numbers without their formats.
func OpenWorkbook(data []byte, maxUnzipped int64) (f *excelize.File, err error) {
	if bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")) {
		return nil, errOldExcel
	}
	if err := inflate(data, maxUnzipped); err != nil {
		return nil, err
	}
	defer broken(&err)
	f, err = excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true, UnzipSizeLimit: maxUnzipped})
	if err != nil {
		if f != nil {
			_ = f.Close() // what is wrong is said already
		}
		return nil, wrong("%w", err)
	}
	return f, nil
}

// broken turns a panic into an error: the library for workbooks was written for files of friends.
func broken(err *error) {
	if p := recover(); p != nil {
		*err = errBroken
	}
}

// inflate unpacks a workbook once into nothing: the sizes in its directory are a stranger's word.
func inflate(data []byte, limit int64) error {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return wrong("it is no workbook: %w", err)
	}
	if len(z.File) > maxParts {
		return wrong("%w", &BoundError{"files in the workbook", int64(len(z.File)), maxParts})
	}
	total := int64(0)
	for _, part := range z.File {
		r, err := part.Open()
		if err != nil {
			return wrong("unpack: %w", err)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, limit-total+1))
		if err := errors.Join(err, r.Close()); err != nil {
			return wrong("unpack: %w", err)
		}
		if total += n; total > limit {
			return wrong("%w", &BoundError{"bytes of a workbook after unpacking", total, limit})
		}
	}
	return nil
}

// xlsxRows reads one sheet of a workbook.
type xlsxRows struct {
	file *excelize.File
	rows *excelize.Rows
	line int
}

func openXLSX(r io.Reader, o Options) (_ *Rows, err error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = MaxWorkbook
	}
	if o.MaxUnzipped <= 0 {
		o.MaxUnzipped = MaxUnzipped
	}
	data, err := io.ReadAll(io.LimitReader(r, o.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > o.MaxBytes {
		return nil, wrong("read workbook: %w; save it as CSV", &BoundError{"bytes", int64(len(data)), o.MaxBytes})
	}
	file, err := OpenWorkbook(data, o.MaxUnzipped)
	if err != nil {
		return nil, wrong("read workbook: %w", err)
	}
	x := &xlsxRows{file: file}
	rows := &Rows{
		format: XLSX, encoding: func() Encoding { return Workbook }, sheets: VisibleSheets(file), next: x.next, close: x.close,
	}
	if rows.sheet, err = x.choose(rows.sheets, o.Sheet); err != nil {
		return nil, errors.Join(wrong("read workbook: %w", err), x.close())
	}
	return rows, nil
}

// VisibleSheets returns the names of the sheets that people see.
func VisibleSheets(file *excelize.File) (out []string) {
	for _, name := range file.GetSheetList() {
		if visible, err := file.GetSheetVisible(name); err == nil && visible {
			out = append(out, name)
		}
	}
	return out
}

// choose opens the sheet of a name, or the first that holds something.
func (x *xlsxRows) choose(sheets []string, name string) (_ string, err error) {
	defer broken(&err)
	if len(sheets) == 0 {
		return "", wrong("it has no visible sheet")
	}
	if name != "" {
		if !slices.Contains(sheets, name) {
			return "", wrong("there is no sheet %q; there are %s", name, strings.Join(sheets, ", "))
		}
		x.rows, err = x.file.Rows(name)
		return name, err
	}
	for _, name := range sheets {
		rows, err := x.file.Rows(name)
		if err != nil {
			continue // a sheet of charts
		}
		filled := rows.Next()
		if err := rows.Close(); err != nil {
			return "", err
		}
		if filled {
			x.rows, err = x.file.Rows(name)
			return name, err
		}
	}
	x.rows, err = x.file.Rows(sheets[0])
	return sheets[0], err
}

func (x *xlsxRows) next() (row []string, line int, err error) {
	defer broken(&err)
	if !x.rows.Next() {
		if err := x.rows.Error(); err != nil {
			return nil, 0, wrong("read workbook: %w", err)
		}
		return nil, 0, io.EOF
	}
	if x.line++; x.line > excelize.TotalRows {
		return nil, 0, wrong("read workbook: %w", &BoundError{"rows", int64(x.line), excelize.TotalRows})
	}
	if row, err = x.rows.Columns(); err != nil {
		return nil, 0, wrong("read workbook, row %d: %w", x.line, err)
	}
	total := 0
	for i, cell := range row {
		total += len(cell)
		row[i] = plainNumber(cell)
	}
	if total > MaxRow {
		return nil, 0, wrong("read workbook, row %d: %w", x.line, &BoundError{"bytes in a row", int64(total), MaxRow})
	}
	return row, x.line, nil
}

// close removes the temporary files of a large workbook.
func (x *xlsxRows) close() (err error) {
	if x.rows != nil {
		err = x.rows.Close()
	}
	return errors.Join(err, x.file.Close())
}

// plainNumber undoes the scientific notation in which Excel stores long numbers, such as phone numbers.
func plainNumber(cell string) string {
	if len(cell) > 30 || strings.Trim(cell, "0123456789.E+") != "" || !strings.Contains(cell, "E+") {
		return cell
	}
	f, _, err := big.ParseFloat(cell, 10, 200, big.ToNearestEven)
	if err != nil || f.MantExp(nil) > 100 {
		return cell
	}
	if i, accuracy := f.Int(nil); accuracy == big.Exact {
		return i.String()
	}
	return cell
}
