package builtin

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"
)

// ExportOptions say what to export and how.
type ExportOptions struct {
	Format  Format        // empty means CSV
	Chinese bool          // header names in Chinese
	Filter  ContactFilter // Paging is ignored: all pages are exported
	// Progress is called now and then with the number of contacts so far. It may be nil.
	Progress func(rows int)
}

const xlsxSheet = "Contacts"

// ExportContacts writes contacts, the newest first, page by page, and returns how many. Import reads the file
// back without loss. CSV is UTF-8 with a byte order mark, without which Excel takes it for the local code page.
// Texts that a spreadsheet would run as formulas are neutralised: in CSV by an apostrophe, in XLSX by their type.
func (c *CRM) ExportContacts(ctx context.Context, w io.Writer, o ExportOptions) (rows int, err error) {
	var out rowWriter
	switch o.Format {
	case "", CSV:
		out, err = newCSVWriter(w)
	case XLSX:
		out, err = newXLSXWriter(w)
	default:
		err = &InvalidError{Field: "format", Reason: "must be csv or xlsx"}
	}
	if err == nil {
		rows, err = c.export(ctx, out, o)
	}
	if err != nil {
		return rows, fmt.Errorf("export contacts: %w", err)
	}
	return rows, nil
}

func (c *CRM) export(ctx context.Context, out rowWriter, o ExportOptions) (rows int, err error) {
	defer func() { err = errors.Join(err, out.Close()) }()
	header := make([]string, len(exportFields))
	for i, f := range exportFields {
		header[i] = string(f)
		if o.Chinese {
			header[i] = chineseHeaders[f]
		}
	}
	if err := out.Write(header); err != nil {
		return 0, err
	}
	f := o.Filter
	f.Paging = Paging{Limit: maxLimit}
	for {
		page, err := c.Contacts(ctx, f)
		if err != nil {
			return rows, err
		}
		for _, p := range page.Items {
			row, err := exportRow(p)
			if err != nil {
				return rows, err
			}
			if err := out.Write(row); err != nil {
				return rows, err
			}
			rows++
		}
		if o.Progress != nil {
			o.Progress(rows)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return rows, out.Flush()
		}
	}
}

func exportRow(p Contact) ([]string, error) {
	custom := ""
	if len(p.Custom) > 0 {
		b, err := json.Marshal(p.Custom)
		if err != nil {
			return nil, fmt.Errorf("contact %d: %w", p.ID, err)
		}
		custom = string(b)
	}
	values := map[field]string{
		fieldName: p.Name, fieldAddresses: strings.Join(p.Addresses, "; "), fieldCompany: p.Company, fieldTitle: p.Title,
		fieldPhone: p.Phone, fieldMobile: p.Mobile, fieldOwner: p.Owner, fieldNote: p.Note, fieldCustom: custom,
	}
	row := make([]string, len(exportFields))
	for i, f := range exportFields {
		row[i] = values[f]
	}
	return row, nil
}

// rowWriter writes a file row by row. Flush completes the file; Close frees what it holds and may follow an error.
type rowWriter interface {
	Write(row []string) error
	Flush() error
	Close() error
}

type csvWriter struct {
	buf *bufio.Writer
	csv *csv.Writer
}

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
		safe[i] = neutralise(cell)
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

func newXLSXWriter(w io.Writer) (*xlsxWriter, error) {
	file := excelize.NewFile()
	if err := file.SetSheetName("Sheet1", xlsxSheet); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	stream, err := file.NewStreamWriter(xlsxSheet)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &xlsxWriter{to: w, file: file, stream: stream}, nil
}

// Write writes one row of cells of the type text, which are never run.
func (x *xlsxWriter) Write(row []string) error {
	x.row++
	cells := make([]any, len(row))
	for i, cell := range row {
		if restore(cell) != cell { // import would take the apostrophe away
			cell = neutralise(cell)
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
