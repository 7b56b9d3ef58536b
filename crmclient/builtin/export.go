package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"heliograph/internal/tablefile"
)

// Format is a kind of contact file.
type Format = tablefile.Format

// The formats.
const (
	CSV  = tablefile.CSV
	XLSX = tablefile.XLSX
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
// Texts that a spreadsheet would run as formulas are neutralised by an apostrophe.
func (c *CRM) ExportContacts(ctx context.Context, w io.Writer, o ExportOptions) (rows int, err error) {
	var out tablefile.Writer
	switch o.Format {
	case "", CSV, XLSX:
		out, err = tablefile.NewWriter(w, o.Format, xlsxSheet)
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

func (c *CRM) export(ctx context.Context, out tablefile.Writer, o ExportOptions) (rows int, err error) {
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
