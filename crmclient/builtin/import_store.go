package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/internal/store"
)

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

// RowOutcome is what became of one row.
type RowOutcome string

// The outcomes of a row.
const (
	RowCreated RowOutcome = "created"
	RowUpdated RowOutcome = "updated"
	RowSkipped RowOutcome = "skipped" // the person is there already, and is not to change or does not
	RowRefused RowOutcome = "refused"
)

// ImportedRow says what became of one row, or would.
type ImportedRow struct {
	Line    int
	Outcome RowOutcome
	Key     string        // address or name of the person
	Changes []FieldChange // of a created or updated contact
	Column  string        // of a refused row: the field that is wrong, if it is one
	Reason  string
}

// FieldChange is what an import changes of a field.
type FieldChange struct {
	Field, Before, After string
}

// changesOf compares two states of a contact. Company names are compared as the row and the contact say them.
func changesOf(before, after *Contact, company string) []FieldChange {
	custom := func(p *Contact) string {
		if len(p.Custom) == 0 {
			return ""
		}
		b, err := json.Marshal(p.Custom)
		if err != nil {
			return fmt.Sprint(p.Custom) // only compared and shown
		}
		return string(b)
	}
	if company == "" {
		company = before.Company
	}
	var out []FieldChange
	for _, c := range []FieldChange{
		{string(fieldName), before.Name, after.Name},
		{string(fieldTitle), before.Title, after.Title},
		{string(fieldAddresses), strings.Join(before.Addresses, "; "), strings.Join(after.Addresses, "; ")},
		{string(fieldCompany), before.Company, company},
		{string(fieldPhone), before.Phone, after.Phone},
		{string(fieldMobile), before.Mobile, after.Mobile},
		{string(fieldOwner), before.Owner, after.Owner},
		{string(fieldNote), before.Note, after.Note},
		{string(fieldCustom), custom(before), custom(after)},
	} {
		if c.Before != c.After {
			out = append(out, c)
		}
	}
	return out
}

func (i *importer) tell(r ImportedRow) {
	if i.o.Row != nil {
		i.o.Row(r)
	}
}

func (i *importer) count(o RowOutcome, row *importRow) {
	switch o {
	case RowCreated:
		i.report.Created++
	case RowUpdated:
		i.report.Updated++
	case RowSkipped:
		i.report.Skipped++
	}
	i.tell(ImportedRow{Line: row.line, Outcome: o, Key: rowKey(&row.contact), Changes: row.changes})
}

func rowKey(p *Contact) string {
	if len(p.Addresses) > 0 {
		return p.Addresses[0]
	}
	return p.Name
}

func (i *importer) store(ctx context.Context, batch []importRow) error {
	if i.visit != nil {
		for _, row := range batch {
			row.contact.Company = row.company
			if err := i.visit(row.line, row.contact); err != nil {
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
		for n, o := range outcomes {
			i.count(o, &batch[n])
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
			i.count(outcomes[0], &batch[n])
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

func (i *importer) write(ctx context.Context, batch []importRow) (outcomes []RowOutcome, err error) {
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

func (i *importer) writeRow(ctx context.Context, tx store.Querier, row *importRow) (RowOutcome, error) {
	id, err := findPerson(ctx, tx, &row.contact)
	if err != nil {
		return "", err
	}
	if id != 0 && i.o.Duplicates == SkipDuplicates {
		return RowSkipped, nil
	}
	p := row.contact
	row.changes = changesOf(&Contact{}, &p, row.company)
	if id != 0 {
		if p, err = i.merged(ctx, tx, id, row); err != nil || len(row.changes) == 0 {
			return RowSkipped, err
		}
	}
	if row.company != "" {
		domain := ""
		for _, a := range p.Addresses {
			if domain = i.crm.companyDomain(a); domain != "" {
				break
			}
		}
		before := p.CompanyID
		if p.CompanyID, err = i.crm.companyForName(ctx, tx, row.company, domain); err != nil {
			return "", err
		}
		if id != 0 && before == p.CompanyID { // the same company by another name
			row.changes = slices.DeleteFunc(row.changes, func(c FieldChange) bool { return c.Field == string(fieldCompany) })
			if len(row.changes) == 0 {
				return RowSkipped, nil
			}
		}
	}
	if id != 0 {
		return RowUpdated, i.crm.updateContact(ctx, tx, p)
	}
	_, err = i.crm.insertContact(ctx, tx, p)
	return RowCreated, err
}

// merged returns the stored contact with what the row says, and notes what that changes.
func (i *importer) merged(ctx context.Context, q store.Querier, id int64, row *importRow) (Contact, error) {
	p, err := readContact(ctx, q, id)
	if err != nil {
		return p, err
	}
	before := p
	before.Addresses, before.Custom = slices.Clone(p.Addresses), maps.Clone(p.Custom)
	row.mergeInto(&p)
	row.changes = changesOf(&before, &p, row.company)
	return p, nil
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
		known, id := false, int64(0)
		for _, k := range keys {
			known = known || i.seen[k]
			if len(i.seen) < maxSeenInDryRun {
				i.seen[k] = true
			}
		}
		if !known {
			var err error
			if id, err = findPerson(ctx, i.crm.db.Reader(), &row.contact); err != nil {
				return err
			}
			known = id != 0
		}
		row.changes = changesOf(&Contact{}, &row.contact, row.company)
		if id != 0 {
			if _, err := i.merged(ctx, i.crm.db.Reader(), id, row); err != nil {
				return err
			}
		}
		switch {
		case !known:
			i.count(RowCreated, row)
		case i.o.Duplicates == UpdateDuplicates && len(row.changes) > 0:
			i.count(RowUpdated, row)
		default:
			i.count(RowSkipped, row)
		}
	}
	return nil
}
