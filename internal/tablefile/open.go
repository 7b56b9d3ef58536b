package tablefile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Format is a kind of file.
type Format string

// The formats.
const (
	CSV  Format = "csv" // delimited text of any kind
	XLSX Format = "xlsx"
)

const (
	sniffBytes = 64 << 10 // enough to judge an encoding
	// MaxRow bounds the bytes of one row: where a quote is missing, the rest of a CSV file is one row.
	MaxRow = 1 << 20
	// MaxColumns bounds the cells of a row. A workbook may have 16384.
	MaxColumns = 500
	// MaxWorkbook bounds an XLSX file, which has to be held as a whole. 100,000 contacts take about 5 MB.
	MaxWorkbook = 128 << 20
	// MaxUnzipped bounds what an XLSX file holds.
	MaxUnzipped = 1 << 30
)

// Options say what is known of a file. What is zero is found out.
type Options struct {
	Format      Format
	Encoding    Encoding // of CSV
	Delimiter   rune     // of CSV
	Sheet       string   // of a workbook; empty: the first visible one that holds something
	MaxBytes    int64    // of a workbook; zero means MaxWorkbook
	MaxUnzipped int64    // of a workbook; zero means MaxUnzipped
}

// Error is why a file cannot be read. It is about the file: reading it again gives the same.
type Error struct {
	err error
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap gives the cause, if there is one.
func (e *Error) Unwrap() error { return e.err }

// Temporary says that repeating does not help.
func (e *Error) Temporary() bool { return false }

func wrong(format string, args ...any) error { return &Error{fmt.Errorf(format, args...)} }

// BoundError says that something was larger than its bound, and names both.
type BoundError struct {
	What string // what was counted, in the plural
	Got  int64  // how many there were; what counting stopped at where the end is not known
	Max  int64  // how many are allowed
}

func (e *BoundError) Error() string {
	return fmt.Sprintf("%d %s, at most %d are allowed", e.Got, e.What, e.Max)
}

// Temporary says that repeating does not help.
func (e *BoundError) Temporary() bool { return false }

// Rows reads a file row by row. It is for one goroutine.
type Rows struct {
	format    Format
	encoding  func() Encoding
	delimiter rune
	sheets    []string
	sheet     string
	next      func() (row []string, line int, err error)
	close     func() error
}

// Open recognises what the file is. Rows do not close r.
func Open(r io.Reader, o Options) (*Rows, error) {
	b := bufio.NewReaderSize(r, sniffBytes)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if o.Format == "" {
		o.Format = CSV
		if bytes.Equal(head, []byte("PK\x03\x04")) {
			o.Format = XLSX
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0")):
		return nil, errOldExcel
	case o.Format == XLSX:
		return openXLSX(b, o)
	case bytes.Equal(head, []byte("PK\x03\x04")):
		return nil, wrong("this is a workbook or an archive, not CSV")
	}
	return openCSV(b, o)
}

// Next returns a row and the line of the file at which it begins, from 1; io.EOF after the last row. Rows are ragged: trailing cells
// may be missing. The row is the caller's.
func (r *Rows) Next() (row []string, line int, err error) {
	if row, line, err = r.next(); err != nil {
		return nil, 0, err
	}
	if len(row) > MaxColumns {
		return nil, 0, wrong("line %d: %w", line, &BoundError{"columns", int64(len(row)), MaxColumns})
	}
	return row, line, nil
}

// Format returns what the file is.
func (r *Rows) Format() Format { return r.format }

// Encoding returns the encoding of the text, which is certain once the last row was read; xlsx for a workbook.
func (r *Rows) Encoding() Encoding { return r.encoding() }

// Delimiter returns what stands between the cells of CSV; 0 for a workbook.
func (r *Rows) Delimiter() rune { return r.delimiter }

// Sheets returns the names of the visible sheets of a workbook, and which is read.
func (r *Rows) Sheets() (all []string, read string) { return r.sheets, r.sheet }

// Close frees what the reader holds, such as temporary files of a large workbook.
func (r *Rows) Close() error { return r.close() }
