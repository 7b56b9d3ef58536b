package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"heliograph/internal/tablefile"
)

// Duplicates says what an import does with a person who is there already.
type Duplicates string

// The treatments of duplicates. A person is known by any of the addresses, and without an address by name and phone.
const (
	SkipDuplicates   Duplicates = "skip"   // leave the stored contact as it is
	UpdateDuplicates Duplicates = "update" // cells that are not empty replace what is stored; addresses are added
)

// ImportOptions say how to import.
type ImportOptions struct {
	File tablefile.Options // of the file; what is zero is found out
	// HeaderRow is the line with the names of the columns, and Fields what each column means, by position: names as Fields returns them,
	// empty where a column is not imported. Without them both are found by the names of the columns.
	HeaderRow  int
	Fields     []string
	Duplicates Duplicates // empty: skip
	Owner      string     // of new contacts whose row names none
	DryRun     bool       // tell what would happen, and change nothing
	// Progress is called after each batch of rows, with the counts so far. It may be nil.
	Progress func(ImportReport)
	// Row is called for each row once it is settled: stored, skipped or refused; in a dry run, as it would be. It may be nil.
	Row func(ImportedRow)
}

// ImportReport says what became of a file.
type ImportReport struct {
	Encoding string     `json:"encoding"` // utf-8, utf-16, gb18030 or xlsx
	Columns  []Column   `json:"columns"`
	Rows     int        `json:"rows"` // without header and empty rows
	Created  int        `json:"created"`
	Updated  int        `json:"updated"`
	Skipped  int        `json:"skipped"` // duplicates, and rows that say nothing new
	Failed   int        `json:"failed"`
	Errors   []RowError `json:"errors"`  // of the first failed rows
	Preview  []Contact  `json:"preview"` // the first contacts as they were understood
}

// RowError says why a row was not imported.
type RowError struct {
	Line    int    `json:"line"` // of the file, from 1, the header included
	Column  string `json:"column,omitempty"`
	Message string `json:"message"`
}

const (
	importBatch     = 200 // rows per transaction
	maxRowErrors    = 1000
	maxPreview      = 20
	maxHeaderScan   = 20 // rows before the header, such as a title
	maxSeenInDryRun = 2_000_000
)

// importRow is one row as it was understood.
type importRow struct {
	line    int
	contact Contact
	company string
	filled  map[field]bool // cells that are not empty
	changes []FieldChange  // what storing it changes, once that is known
}

// importer is one run.
type importer struct {
	crm    *CRM
	visit  func(int, Contact) error // rows go here and nowhere else; nil: they are stored
	o      ImportOptions
	fields []field
	report ImportReport
	seen   map[string]bool // addresses of earlier rows, in a dry run, where the database does not learn them
}

// ImportContacts reads contacts from a CSV or XLSX file whose first row (or one soon after) has the names of the columns in
// English or Chinese. Rows are stored in batches while the file is read; one bad row costs only itself. The error is for
// trouble with the whole file or the database; the report then says how far it came.
func (c *CRM) ImportContacts(ctx context.Context, r io.Reader, o ImportOptions) (ImportReport, error) {
	if o.Duplicates == "" {
		o.Duplicates = SkipDuplicates
	}
	if o.Duplicates != SkipDuplicates && o.Duplicates != UpdateDuplicates {
		return ImportReport{}, &InvalidError{Field: "duplicates", Reason: "must be skip or update"}
	}
	i := &importer{crm: c, o: o, report: ImportReport{Errors: []RowError{}, Preview: []Contact{}}, seen: map[string]bool{}}
	if err := i.run(ctx, r); err != nil {
		return i.report, fmt.Errorf("import contacts: %w", err)
	}
	return i.report, nil
}

// ReadContacts reads a file as ImportContacts does, and hands each contact to visit; it stores nothing. The company of a contact is
// its name only. An error of visit ends it.
func ReadContacts(ctx context.Context, r io.Reader, o ImportOptions, visit func(line int, p Contact) error) (ImportReport, error) {
	i := &importer{visit: visit, o: o, report: ImportReport{Errors: []RowError{}, Preview: []Contact{}}, seen: map[string]bool{}}
	if err := i.run(ctx, r); err != nil {
		return i.report, fmt.Errorf("read contacts: %w", err)
	}
	return i.report, nil
}

func (i *importer) run(ctx context.Context, r io.Reader) (err error) {
	rows, err := tablefile.Open(r, i.o.File)
	if err != nil {
		return err
	}
	defer func() {
		i.report.Encoding = string(rows.Encoding())
		err = errors.Join(err, rows.Close())
	}()
	if err := i.readHeader(rows); err != nil {
		return err
	}
	batch := make([]importRow, 0, importBatch)
	for {
		cells, line, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, i.flush(ctx, batch))
		}
		if row, ok := i.understand(cells, line); ok {
			batch = append(batch, row)
		}
		if len(batch) == importBatch {
			if err := i.flush(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return i.flush(ctx, batch)
}

// readHeader finds the row with the names of the columns: the first one that names an address, or a name with a phone.
func (i *importer) readHeader(rows *tablefile.Rows) error {
	var first []string
	for n := range maxHeaderScan {
		cells, line, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first == nil {
			first = cells
		}
		if i.o.HeaderRow > 0 {
			if line >= i.o.HeaderRow || n == maxHeaderScan-1 {
				return i.chosen(cells)
			}
			continue
		}
		fields, columns := fieldsOf(cells)
		has := map[field]bool{}
		for _, f := range fields {
			has[f] = true
		}
		if has[fieldAddresses] || (has[fieldName] || has[fieldGiven]) && (has[fieldPhone] || has[fieldMobile]) {
			i.fields, i.report.Columns = fields, columns
			return nil
		}
	}
	if first == nil {
		return errors.New("the file is empty")
	}
	_, i.report.Columns = fieldsOf(first)
	return errors.New("no row names a column for the mail address (such as email or 邮箱), or for name and phone")
}

// chosen takes the fields that somebody named for the columns.
func (i *importer) chosen(header []string) error {
	i.fields, i.report.Columns = fieldsOf(header)
	if i.o.Fields == nil {
		return nil
	}
	i.fields = make([]field, len(i.o.Fields))
	for n, name := range i.o.Fields {
		if name != "" && headerNames[field(name)] == nil {
			return &InvalidError{Field: "fields", Reason: "there is no field " + name}
		}
		i.fields[n] = field(name)
		if n < len(i.report.Columns) {
			i.report.Columns[n].Field = name
		}
	}
	return nil
}

func (i *importer) fail(line int, column, message string) {
	i.report.Failed++
	i.tell(ImportedRow{Line: line, Outcome: RowRefused, Column: column, Reason: message})
	if len(i.report.Errors) < maxRowErrors {
		i.report.Errors = append(i.report.Errors, RowError{Line: line, Column: column, Message: message})
	}
}

// understand makes a contact of a row. Empty rows do not count.
func (i *importer) understand(cells []string, line int) (importRow, bool) {
	row := importRow{line: line, filled: map[field]bool{}}
	values := map[field]string{}
	for n, cell := range cells {
		broken := strings.ContainsRune(cell, utf8.RuneError)
		cell = strings.TrimFunc(clean(tablefile.Restore(cell)), func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
		if n >= len(i.fields) || i.fields[n] == "" || cell == "" {
			continue
		}
		f := i.fields[n]
		if broken && f == fieldAddresses {
			i.report.Rows++
			i.fail(line, string(f), "has bytes that are no text in the encoding of the file")
			return row, false
		}
		if f != fieldNote && f != fieldCustom && f != fieldAddresses {
			cell = strings.Join(strings.FieldsFunc(cell, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
		}
		row.filled[f] = true
		if values[f] != "" {
			cell = values[f] + ";" + cell
		}
		values[f] = cell
	}
	if len(row.filled) == 0 {
		return row, false
	}
	i.report.Rows++
	row.company = values[fieldCompany]
	p := &row.contact
	*p = Contact{
		Name: nameOf(values), Title: values[fieldTitle], Phone: values[fieldPhone], Mobile: values[fieldMobile],
		Owner: values[fieldOwner], Note: values[fieldNote], Source: SourceImport,
		Addresses: splitAddresses(values[fieldAddresses]),
	}
	if p.Name == "" && len(p.Addresses) > 0 {
		p.Name = p.Addresses[0]
	} else {
		row.filled[fieldName] = true
	}
	if p.Owner == "" {
		p.Owner = i.o.Owner
	}
	if err := i.checkRow(&row, values[fieldCustom]); err != nil {
		var invalid *InvalidError
		if errors.As(err, &invalid) {
			i.fail(line, invalid.Field, invalid.Reason)
		} else {
			i.fail(line, "", err.Error())
		}
		return row, false
	}
	if len(i.report.Preview) < maxPreview {
		shown := *p
		shown.Company = row.company
		i.report.Preview = append(i.report.Preview, shown)
	}
	return row, true
}

func (i *importer) checkRow(row *importRow, custom string) error {
	p := &row.contact
	if custom != "" {
		var err error
		if p.Custom, err = customOf(custom); err != nil {
			return &InvalidError{Field: "custom", Reason: "is not a JSON object"}
		}
	}
	if len(p.Addresses) == 0 && p.Phone == "" && p.Mobile == "" {
		return &InvalidError{Field: "email", Reason: "is missing, and so is a phone number"}
	}
	company := Company{Name: row.company}
	if row.company != "" {
		if _, err := company.check(); err != nil {
			return &InvalidError{Field: "company", Reason: "is too long or has a line break"}
		}
		row.company = company.Name
	}
	_, err := p.check()
	return err
}

// nameOf joins family and given name as their script wants.
func nameOf(values map[field]string) string {
	if n := values[fieldName]; n != "" {
		return n
	}
	family, given := values[fieldFamily], values[fieldGiven]
	if strings.ContainsFunc(family+given, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hangul) }) {
		return family + given
	}
	return strings.TrimSpace(given + " " + family)
}

// splitAddresses takes a cell apart that may hold several addresses, also in the form "Name <address>".
func splitAddresses(cell string) []string {
	var out []string
	for part := range strings.FieldsFuncSeq(cell, func(r rune) bool { return strings.ContainsRune(",;、，；|\n\r\t", r) }) {
		part = strings.TrimSpace(part)
		if open := strings.LastIndexByte(part, '<'); open >= 0 && strings.HasSuffix(part, ">") {
			part = part[open+1 : len(part)-1]
		}
		part = strings.TrimPrefix(strings.ReplaceAll(part, "＠", "@"), "mailto:")
		if part != "" {
			out = append(out, part)
		}
	}
	return out
}
