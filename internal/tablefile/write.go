package tablefile

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Writer writes a file row by row. Flush completes the file; Close frees what it holds and may follow an error.
type Writer interface {
	Write(row []string) error
	Flush() error
	Close() error
}

// NewWriter returns the writer of a format; title names the sheet of a workbook.
func NewWriter(w io.Writer, f Format, title string) (Writer, error) {
	if f == XLSX {
		return newXLSXWriter(w, title)
	}
	return newCSVWriter(w)
}

// Neutralise keeps a text from being run as a formula by the spreadsheet that opens the file (OWASP, "CSV injection"). Texts that begin
// with apostrophes and such a character get one more, so that Restore gives back what was there.
func Neutralise(s string) string {
	start := strings.TrimLeft(s, "' \u00a0\u3000")
	if start == "" || !strings.ContainsRune("=+-@\t\r\n|＝＋－＠", []rune(start)[0]) {
		return s
	}
	return "'" + s
}

// Restore undoes Neutralise.
func Restore(s string) string {
	rest, quoted := strings.CutPrefix(s, "'")
	if quoted && Neutralise(rest) == s {
		return rest
	}
	return s
}

type csvWriter struct {
	buf *bufio.Writer
	csv *csv.Writer
}

// newCSVWriter writes UTF-8 with a byte order mark, without which Excel takes it for the local code page.
func newCSVWriter(w io.Writer) (*csvWriter, error) {
	buf := bufio.NewWriter(w)
	if _, err := buf.WriteString("\ufeff"); err != nil {
		return nil, err
	}
	c := csv.NewWriter(buf)
	c.UseCRLF = true // RFC 4180, 2
	return &csvWriter{buf, c}, nil
}

// Write writes one record.
func (c *csvWriter) Write(row []string) error {
	safe := make([]string, len(row))
	for i, cell := range row {
		safe[i] = Neutralise(cell)
	}
	return c.csv.Write(safe)
}

// Flush writes what is buffered.
func (c *csvWriter) Flush() error {
	c.csv.Flush()
	return errors.Join(c.csv.Error(), c.buf.Flush())
}

// Close does nothing: the writer is its opener's.
func (c *csvWriter) Close() error { return nil }

type xlsxWriter struct {
	to     io.Writer
	file   *excelize.File
	stream *excelize.StreamWriter
	row    int
}

func newXLSXWriter(w io.Writer, title string) (*xlsxWriter, error) {
	file := excelize.NewFile()
	if err := file.SetSheetName("Sheet1", title); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	stream, err := file.NewStreamWriter(title)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &xlsxWriter{to: w, file: file, stream: stream}, nil
}

// Write writes one row of cells of the type text. They are not run here, but by whoever saves the file as CSV and opens that: so they are
// neutralised, too, but for numbers of phones, which are harmless.
func (x *xlsxWriter) Write(row []string) error {
	x.row++
	cells := make([]any, len(row))
	for i, cell := range row {
		if Restore(cell) != cell || strings.Trim(cell, "+-() .0123456789") != "" { // reading would take an apostrophe away
			cell = Neutralise(cell)
		}
		cells[i] = truncateCell(cell)
	}
	at, err := excelize.CoordinatesToCellName(1, x.row)
	if err != nil {
		return err
	}
	return x.stream.SetRow(at, cells)
}

// truncateCell cuts to what a cell may hold.
func truncateCell(s string) string {
	if len(s) <= excelize.TotalCellChars {
		return s
	}
	runes := []rune(s)
	if len(runes) <= excelize.TotalCellChars {
		return s
	}
	return string(runes[:excelize.TotalCellChars-1]) + "…"
}

// Flush writes the workbook.
func (x *xlsxWriter) Flush() error {
	if err := x.stream.Flush(); err != nil {
		return err
	}
	return x.file.Write(x.to)
}

// Close removes temporary files.
func (x *xlsxWriter) Close() error { return x.file.Close() }
