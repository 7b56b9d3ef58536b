package contacts

import (
	"context"
	"fmt"
	"io"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
)

// ImportOptions say how a file is read, and what is done with it.
type ImportOptions struct {
	// File says what is known of the file; of it File, HeaderRow, Fields and Progress count.
	File   builtin.ImportOptions
	At     time.Time // when the file said so
	DryRun bool
	// Row is called for each row; refused ones are told as by builtin.ImportOptions. It may be nil.
	Row func(ImportedRow)
}

// ImportedRow says what the file says of one person.
type ImportedRow struct {
	builtin.ImportedRow
	Unknown bool // no contact of the target, or more than one, has the address
}

// ImportReport says what became of a file.
type ImportReport struct {
	builtin.ImportReport
	Known   int // rows about contacts that the target has
	Unknown int
	Learnt  int  // of Known, those that say something new
	Whole   bool // the copy of the contacts is complete and fresh: the unknown are unknown to the target
}

// Import lets a file say what it says of contacts that a target has. Where the CRM says something else, the policy decides as for
// all that is learnt, and both values stay. Nobody is added. Importing the same again changes nothing.
func (b *Book) Import(ctx context.Context, target string, r io.Reader, o ImportOptions) (ImportReport, error) {
	out := ImportReport{Whole: true}
	tell := func(row ImportedRow) {
		if o.Row != nil {
			o.Row(row)
		}
	}
	o.File.Row = func(row builtin.ImportedRow) { tell(ImportedRow{ImportedRow: row}) }
	inner := o.File.Progress
	o.File.Progress = func(r builtin.ImportReport) {
		if out.ImportReport = r; inner != nil {
			inner(r)
		}
	}
	report, err := builtin.ReadContacts(ctx, r, o.File, func(line int, p builtin.Contact) error {
		row := ImportedRow{ImportedRow: builtin.ImportedRow{Line: line, Outcome: builtin.RowSkipped, Key: p.Name}}
		if len(p.Addresses) > 0 {
			row.Key = p.Addresses[0]
		}
		address, id, whole, err := b.knownAddress(ctx, target, p.Addresses)
		if err != nil {
			return err
		}
		out.Whole = out.Whole && whole
		if address == "" {
			out.Unknown++
			row.Unknown = true
			tell(row)
			return nil
		}
		out.Known++
		row.Key = address
		fields := Fields{
			crmclient.FieldName: p.Name, crmclient.FieldTitle: p.Title, crmclient.FieldPhone: p.Phone, crmclient.FieldMobile: p.Mobile, crmclient.FieldCompany: p.Company,
		}
		if row.Changes, err = b.news(ctx, target, id, fields, o.At); err != nil {
			return err
		}
		if len(row.Changes) > 0 {
			row.Outcome = builtin.RowUpdated
			out.Learnt++
			if !o.DryRun {
				err = b.Learn(ctx, target, address, fields, config.OriginImport, o.At)
			}
		}
		tell(row)
		return err
	})
	out.ImportReport = report
	return out, err
}

// knownAddress returns the first address that just one contact has, and that contact. complete says that the copy is whole and fresh.
func (b *Book) knownAddress(ctx context.Context, target string, addresses []string) (address, id string, complete bool, err error) {
	found, complete, err := b.Lookup(ctx, target, addresses)
	if err != nil {
		return "", "", false, err
	}
	for _, a := range addresses {
		if len(found[a]) == 1 {
			return a, found[a][0].ID, complete, nil
		}
	}
	return "", "", complete, nil
}

// news returns what imports did not say before of a contact.
func (b *Book) news(ctx context.Context, target, contact string, fields Fields, at time.Time) ([]builtin.FieldChange, error) {
	said, err := readValues(ctx, b.o.Store.Reader(), target, contact, `origin = '`+string(config.OriginImport)+`'`)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	var out []builtin.FieldChange
	for _, field := range learnable {
		text := b.tidy(field, fields[field])
		if text == "" {
			continue
		}
		change := builtin.FieldChange{Field: field, After: text}
		known := false
		for _, old := range said {
			if old.field == field {
				change.Before = old.text
				known = b.same(field, old.text, text) || old.at > at.UnixMicro()
			}
		}
		if !known {
			out = append(out, change)
		}
	}
	return out, nil
}
