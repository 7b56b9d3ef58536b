package salesforce

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// personColumns are what is read of a contact or lead as a whole.
func (c *Client) personColumns(object string) string {
	columns := []string{"Id", "Name", "Title", "Phone", "MobilePhone", "Owner.Email", "SystemModstamp", "IsDeleted", "MasterRecordId"}
	if object == objectLead {
		return strings.Join(append(append(columns, "Company", "IsConverted", "ConvertedContactId"), c.cfg.LeadEmailFields...), ", ")
	}
	return strings.Join(append(append(columns, "Account.Name"), c.cfg.ContactEmailFields...), ", ")
}

// personOf makes a ContactRecord of a row.
func (c *Client) personOf(object string, r row) crmclient.ContactRecord {
	p := crmclient.ContactRecord{ID: r.text("Id"), Kind: crmclient.KindContact, UpdatedAt: r.time("SystemModstamp")}
	emails := c.cfg.ContactEmailFields
	if object == objectLead {
		p.Kind, emails = crmclient.KindLead, c.cfg.LeadEmailFields
	}
	switch {
	case r.truth("IsDeleted"):
		p.Deleted, p.MergedInto = true, r.text("MasterRecordId")
		return p
	case r.truth("IsConverted"):
		p.Deleted, p.MergedInto = true, r.text("ConvertedContactId")
		return p
	}
	p.Name, p.Owner = r.text("Name"), strings.ToLower(r.text("Owner.Email"))
	if p.Company = r.text("Account.Name"); object == objectLead {
		p.Company = r.text("Company")
	}
	for _, f := range emails {
		if a := strings.ToLower(strings.TrimSpace(r.text(f))); a != "" && !slices.Contains(p.Addresses, a) {
			p.Addresses = append(p.Addresses, a)
		}
	}
	p.Fields = map[string]string{}
	for name, column := range map[string]string{crmclient.FieldTitle: "Title", crmclient.FieldPhone: "Phone", crmclient.FieldMobile: "MobilePhone"} {
		if v := r.text(column); v != "" {
			p.Fields[name] = v
		}
	}
	for _, name := range []string{crmclient.FieldPhone, crmclient.FieldMobile} {
		if n := p.Fields[name]; n != "" && !slices.Contains(p.Phones, n) {
			p.Phones = append(p.Phones, n)
		}
	}
	return p
}

func expired() error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the cursor is not one of this connector", Err: crmclient.ErrCursorExpired}
}

// ListContacts lists contacts, then leads, in the order of their ids. The cursor is the object and the last id.
func (c *Client) ListContacts(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	object, last, _ := strings.Cut(cursor, ".")
	if cursor == "" {
		object = objectContact
	}
	if !slices.Contains(c.people(), object) || last != "" && !idForm.MatchString(last) {
		return nil, "", expired()
	}
	var conds []string
	if object == objectLead {
		conds = append(conds, "IsConverted = false")
	}
	if last != "" {
		conds = append(conds, "Id > "+text(last))
	}
	where := ""
	if len(conds) > 0 {
		where = " WHERE " + strings.Join(conds, " AND ")
	}
	rows, err := c.query(ctx, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY Id LIMIT %d", c.personColumns(object), object, where, maxPage), false)
	if err != nil {
		return nil, "", fmt.Errorf("list %ss: %w", strings.ToLower(object), err)
	}
	out := make([]crmclient.ContactRecord, len(rows))
	for i, r := range rows {
		out[i] = c.personOf(object, r)
	}
	switch {
	case len(rows) == maxPage:
		return out, object + "." + out[len(out)-1].ID, nil
	case object == objectContact && orTrue(c.cfg.Leads):
		return out, objectLead + ".", nil
	}
	return out, "", nil
}

// ContactChanges polls contacts and leads. The cursor has one part for each.
func (c *Client) ContactChanges(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	parts := make([]string, 2)
	parts[0], parts[1] = splitCursor(cursor)
	var out []crmclient.ContactRecord
	for i, object := range c.people() {
		var f follower
		var err error
		switch {
		case cursor == "":
			f, err = c.begin(ctx, object, c.personColumns(object))
		default:
			if f, err = parseFollower(parts[i]); err != nil || parts[i] == "" {
				return nil, "", expired()
			}
			var rows []row
			rows, f, err = c.next(ctx, object, c.personColumns(object), f)
			for _, r := range rows {
				out = append(out, c.personOf(object, r))
			}
		}
		if err != nil {
			return nil, "", fmt.Errorf("follow %ss: %w", strings.ToLower(object), err)
		}
		parts[i] = f.String()
	}
	slices.SortStableFunc(out, func(a, b crmclient.ContactRecord) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	return out, strings.TrimSuffix(strings.Join(parts, "."), "."), nil
}

// writable are the fields of a person that can be written, with their names at Salesforce; those of an account of a person are in the second place.
var writable = map[string][2]string{
	crmclient.FieldTitle: {"Title", "PersonTitle"}, crmclient.FieldPhone: {"Phone", "Phone"},
	crmclient.FieldMobile: {"MobilePhone", "PersonMobilePhone"},
}

// WriteContact sets title and numbers of a contact or lead, the name of either, and the company of a lead.
func (c *Client) WriteContact(ctx context.Context, id string, fields, base map[string]string) error {
	object := objectContact
	if strings.HasPrefix(id, prefixLead) {
		object = objectLead
	}
	if !idForm.MatchString(id) {
		return contactGone()
	}
	release, err := c.turns.Take(ctx, "write:"+id)
	if err != nil {
		return err
	}
	defer release()
	columns := c.personColumns(object) + ", FirstName, LastName"
	if c.cfg.PersonAccounts && object == objectContact {
		columns += ", IsPersonAccount, AccountId"
	}
	r, err := c.one(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE Id = %s", columns, object, text(id)))
	if err != nil {
		return fmt.Errorf("read contact: %w", err)
	}
	if r == nil || r.truth("IsConverted") {
		return contactGone()
	}
	values, err := c.changedFields(object, r, fields, base)
	if err != nil || len(values) == 0 {
		return err
	}
	if r.truth("IsPersonAccount") { // Salesforce writes such a contact only through its account
		object, id = objectAccount, r.text("AccountId")
	}
	err = c.patch(ctx, object, id, values)
	if err != nil && gone(err) {
		return contactGone()
	}
	return err
}

func contactGone() error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Salesforce has no such contact", Err: crmclient.ErrContactGone}
}

// changedFields returns what is to be written, or ErrContactChanged.
func (c *Client) changedFields(object string, r row, fields, base map[string]string) (map[string]any, error) {
	now, out := c.personOf(object, r), map[string]any{}
	person := 0
	if r.truth("IsPersonAccount") {
		person = 1
	}
	for name, want := range fields {
		column := writable[name][person]
		switch {
		case column != "", name == crmclient.FieldName, name == crmclient.FieldCompany && object == objectLead:
		default:
			return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the field %.60q of a %s cannot be written", name, strings.ToLower(object))}
		}
		has := now.Field(name)
		if has == want {
			continue
		}
		if has != base[name] {
			return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the contact was changed in Salesforce meanwhile", Err: crmclient.ErrContactChanged}
		}
		switch name {
		case crmclient.FieldName:
			first, last := nameParts(want)
			out["FirstName"], out["LastName"] = first, last
		case crmclient.FieldCompany:
			out["Company"] = want
		default:
			out[column] = want
		}
	}
	return out, nil
}
