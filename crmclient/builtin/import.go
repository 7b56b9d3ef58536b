package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"heliograph/internal/store"
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
	Format     Format     // empty: by content
	Duplicates Duplicates // empty: skip
	Owner      string     // of new contacts whose row names none
	DryRun     bool       // tell what would happen, and change nothing
	// Progress is called after each batch of rows, with the counts so far. It may be nil.
	Progress func(ImportReport)
}

// ImportReport says what became of a file.
type ImportReport struct {
	Encoding string     `json:"encoding"` // utf-8, utf-16, gb18030 or xlsx
	Columns  []Column   `json:"columns"`
	Rows     int        `json:"rows"` // without header and empty rows
	Created  int        `json:"created"`
	Updated  int        `json:"updated"`
	Skipped  int        `json:"skipped"` // duplicates
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
}

// importer is one run.
type importer struct {
	crm    *CRM
	visit  func(Contact) error // rows go here and nowhere else; nil: they are stored
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
func ReadContacts(ctx context.Context, r io.Reader, visit func(Contact) error) (ImportReport, error) {
	i := &importer{visit: visit, report: ImportReport{Errors: []RowError{}, Preview: []Contact{}}, seen: map[string]bool{}}
	if err := i.run(ctx, r); err != nil {
		return i.report, fmt.Errorf("read contacts: %w", err)
	}
	return i.report, nil
}

func (i *importer) run(ctx context.Context, r io.Reader) (err error) {
	rows, err := openRows(r, i.o.Format)
	if err != nil {
		return err
	}
	defer func() {
		i.report.Encoding = rows.Encoding()
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
func (i *importer) readHeader(rows rowReader) error {
	var first []string
	for range maxHeaderScan {
		cells, _, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first == nil {
			first = cells
		}
		if len(cells) > maxColumns {
			return fmt.Errorf("the file has more than %d columns", maxColumns)
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

func (i *importer) fail(line int, column, message string) {
	i.report.Failed++
	if len(i.report.Errors) < maxRowErrors {
		i.report.Errors = append(i.report.Errors, RowError{Line: line, Column: column, Message: message})
	}
}

// understand makes a contact of a row. Empty rows do not count.
func (i *importer) understand(cells []string, line int) (importRow, bool) {
	row := importRow{line: line, filled: map[field]bool{}}
	values := map[field]string{}
	for n, cell := range cells {
		cell = strings.TrimFunc(clean(restore(cell)), func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
		if n >= len(i.fields) || i.fields[n] == "" || cell == "" {
			continue
		}
		f := i.fields[n]
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

// flush stores a batch, and reports.
func (i *importer) flush(ctx context.Context, batch []importRow) error {
	if len(batch) > 0 {
		if err := i.store(ctx, batch); err != nil {
			return err
		}
	}
	if i.o.Progress != nil {
		i.o.Progress(i.report)
	}
	return ctx.Err()
}

// outcome is what became of one row.
type outcome int

const (
	rowCreated outcome = iota
	rowUpdated
	rowSkipped
)

func (i *importer) count(o outcome) {
	switch o {
	case rowCreated:
		i.report.Created++
	case rowUpdated:
		i.report.Updated++
	case rowSkipped:
		i.report.Skipped++
	}
}

func (i *importer) store(ctx context.Context, batch []importRow) error {
	if i.visit != nil {
		for _, row := range batch {
			row.contact.Company = row.company
			if err := i.visit(row.contact); err != nil {
				return err
			}
		}
		return nil
	}
	if i.o.DryRun {
		return i.rehearse(ctx, batch)
	}
	outcomes, err := i.write(ctx, batch)
	if err == nil {
		for _, o := range outcomes {
			i.count(o)
		}
		return nil
	}
	if ctx.Err() != nil || len(batch) > 1 && !rowTrouble(err) {
		return err
	}
	// One of the rows cannot be stored: find out which.
	for n := range batch {
		outcomes, err := i.write(ctx, batch[n:n+1])
		switch {
		case err == nil:
			i.count(outcomes[0])
		case rowTrouble(err):
			i.fail(batch[n].line, "", rowMessage(err))
		default:
			return err
		}
	}
	return nil
}

// rowTrouble says whether err is about a row and not about the database.
func rowTrouble(err error) bool {
	var invalid *InvalidError
	return errors.As(err, &invalid) || errors.Is(err, ErrAddressTaken) || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) || store.IsUnique(err)
}

func rowMessage(err error) string {
	for _, known := range []error{ErrAddressTaken, ErrConflict, ErrNotFound} {
		if errors.Is(err, known) {
			return err.Error()
		}
	}
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return invalid.Error()
	}
	return "it collides with a record that somebody else stored meanwhile"
}

func (i *importer) write(ctx context.Context, batch []importRow) (outcomes []outcome, err error) {
	err = i.crm.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		outcomes = outcomes[:0]
		for n := range batch {
			o, err := i.writeRow(ctx, tx, &batch[n])
			if err != nil {
				return fmt.Errorf("line %d: %w", batch[n].line, err)
			}
			outcomes = append(outcomes, o)
		}
		return nil
	})
	return outcomes, err
}

func (i *importer) writeRow(ctx context.Context, tx store.Querier, row *importRow) (outcome, error) {
	id, err := findPerson(ctx, tx, &row.contact)
	if err != nil {
		return 0, err
	}
	if id != 0 && i.o.Duplicates == SkipDuplicates {
		return rowSkipped, nil
	}
	p := row.contact
	if id != 0 {
		if p, err = readContact(ctx, tx, id); err != nil {
			return 0, err
		}
		row.mergeInto(&p)
	}
	if row.company != "" {
		domain := ""
		for _, a := range p.Addresses {
			if domain = i.crm.companyDomain(a); domain != "" {
				break
			}
		}
		if p.CompanyID, err = i.crm.companyForName(ctx, tx, row.company, domain); err != nil {
			return 0, err
		}
	}
	if id != 0 {
		return rowUpdated, i.crm.updateContact(ctx, tx, p)
	}
	_, err = i.crm.insertContact(ctx, tx, p)
	return rowCreated, err
}

// findPerson returns the id of the stored contact that the row is about, or 0.
func findPerson(ctx context.Context, q store.Querier, p *Contact) (id int64, err error) {
	if len(p.Addresses) > 0 {
		var w where
		err = q.QueryRowContext(ctx, `SELECT COALESCE(MIN(contact_id), 0) FROM crm_contact_addresses WHERE address IN (`+w.list(p.Addresses)+`)`, w.args...).Scan(&id)
		return id, err
	}
	err = q.QueryRowContext(ctx, `
		SELECT COALESCE(MIN(id), 0) FROM crm_contacts
		WHERE name = $1 AND ($2 <> '' AND phone = $2 OR $3 <> '' AND mobile = $3)`, p.Name, p.Phone, p.Mobile).Scan(&id)
	return id, err
}

// mergeInto puts the filled cells into a stored contact.
func (row *importRow) mergeInto(p *Contact) {
	set := func(f field, to *string, value string) {
		if row.filled[f] && value != "" {
			*to = value
		}
	}
	set(fieldName, &p.Name, row.contact.Name)
	set(fieldTitle, &p.Title, row.contact.Title)
	set(fieldPhone, &p.Phone, row.contact.Phone)
	set(fieldMobile, &p.Mobile, row.contact.Mobile)
	set(fieldOwner, &p.Owner, row.contact.Owner)
	set(fieldNote, &p.Note, row.contact.Note)
	p.Addresses = normalAddresses(append(p.Addresses, row.contact.Addresses...))
	for k, v := range row.contact.Custom {
		if p.Custom == nil {
			p.Custom = map[string]any{}
		}
		p.Custom[k] = v
	}
}

// rehearse counts what write would do.
func (i *importer) rehearse(ctx context.Context, batch []importRow) error {
	for n := range batch {
		row := &batch[n]
		keys := row.contact.Addresses
		if len(keys) == 0 {
			keys = []string{row.contact.Name + "\x00" + row.contact.Phone + "\x00" + row.contact.Mobile}
		}
		known := false
		for _, k := range keys {
			known = known || i.seen[k]
			if len(i.seen) < maxSeenInDryRun {
				i.seen[k] = true
			}
		}
		if !known {
			id, err := findPerson(ctx, i.crm.db.Reader(), &row.contact)
			if err != nil {
				return err
			}
			known = id != 0
		}
		switch {
		case !known:
			i.count(rowCreated)
		case i.o.Duplicates == UpdateDuplicates:
			i.count(rowUpdated)
		default:
			i.count(rowSkipped)
		}
	}
	return nil
}
