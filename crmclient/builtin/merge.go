package builtin

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

var (
	_ crmclient.ContactLister  = (*CRM)(nil)
	_ crmclient.ContactChanges = (*CRM)(nil)
	_ crmclient.ContactWriter  = (*CRM)(nil)
	_ crmclient.ContactMerger  = (*CRM)(nil)
)

// WriteContact sets fields of a contact while they have the values of base.
func (c *CRM) WriteContact(ctx context.Context, id string, fields, base map[string]string) error {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fmt.Errorf("write contact: %w", crmclient.ErrContactGone)
	}
	err = c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		p, err := readContact(ctx, tx, number)
		if err = notFound("read", err); err != nil {
			return err
		}
		return c.writeFields(ctx, tx, p, fields, base)
	})
	var invalid *InvalidError
	switch {
	case errors.Is(err, ErrNotFound):
		err = crmclient.ErrContactGone
	case errors.Is(err, ErrConflict):
		err = crmclient.ErrContactChanged
	case errors.As(err, &invalid):
		err = &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the contact cannot be stored: " + invalid.Error(), Err: err}
	}
	if err != nil {
		return fmt.Errorf("write contact: %w", err)
	}
	return nil
}

func (c *CRM) writeFields(ctx context.Context, tx store.Querier, p Contact, fields, base map[string]string) error {
	now := p.record()
	differs := false
	for name, value := range fields {
		if have := now.Field(name); have == value {
			continue
		} else if have != base[name] {
			return crmclient.ErrContactChanged
		}
		differs = true
		switch name {
		case crmclient.FieldName:
			p.Name = value
		case crmclient.FieldTitle:
			p.Title = value
		case crmclient.FieldPhone:
			p.Phone = value
		case crmclient.FieldMobile:
			p.Mobile = value
		case crmclient.FieldCompany:
			if err := c.chooseNamed(ctx, tx, &p, value); err != nil {
				return err
			}
		default:
			return &InvalidError{Field: name, Reason: "is no field of a contact here"}
		}
	}
	if !differs {
		return nil
	}
	return c.updateContact(ctx, tx, p)
}

// chooseNamed makes p belong to the company of that name; none where it is empty.
func (c *CRM) chooseNamed(ctx context.Context, tx store.Querier, p *Contact, name string) error {
	p.CompanyID = 0
	if name == "" {
		return nil
	}
	o := Company{Name: name}
	if _, err := o.check(); err != nil {
		return err
	}
	domain := ""
	for _, a := range p.Addresses {
		if domain = c.companyDomain(a); domain != "" {
			break
		}
	}
	var err error
	p.CompanyID, err = c.companyForName(ctx, tx, o.Name, domain)
	return err
}

// MergeContacts makes other part of survivor: addresses, mail, deals and tickets go over, and fields that
// survivor does not have.
func (c *CRM) MergeContacts(ctx context.Context, survivor, other string) error {
	keep, err := strconv.ParseInt(survivor, 10, 64)
	gone, err2 := strconv.ParseInt(other, 10, 64)
	if err != nil || err2 != nil || keep == gone {
		return fmt.Errorf("merge contacts: %w", crmclient.ErrContactGone)
	}
	err = c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return c.mergeContacts(ctx, tx, keep, gone) })
	if errors.Is(err, ErrNotFound) {
		err = crmclient.ErrContactGone
	}
	if err != nil {
		return fmt.Errorf("merge contacts: %w", err)
	}
	return nil
}

func (c *CRM) mergeContacts(ctx context.Context, tx store.Querier, keep, gone int64) error {
	var done int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM crm_contact_tombstones WHERE id = $1 AND merged_into = $2`, gone, keep).Scan(&done)
	if err != nil || done > 0 {
		return err
	}
	p, err := readContact(ctx, tx, keep)
	if err = notFound("read", err); err != nil {
		return err
	}
	q, err := readContact(ctx, tx, gone)
	if err = notFound("read", err); err != nil {
		return err
	}
	for _, table := range []string{"crm_deals", "crm_tickets"} {
		if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET contact_id = $1 WHERE contact_id = $2`, keep, gone); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO crm_activity_contacts (contact_id, activity_id, sent_at)
		SELECT $1, activity_id, sent_at FROM crm_activity_contacts WHERE contact_id = $2
		ON CONFLICT (contact_id, activity_id) DO NOTHING`, keep, gone)
	if err != nil {
		return err
	}
	if err := c.bury(ctx, tx, gone, keep); err != nil {
		return err
	}
	p.absorb(q)
	return c.updateContact(ctx, tx, p)
}

// absorb takes over what q has and p has not.
func (p *Contact) absorb(q Contact) {
	for _, f := range []struct {
		to    *string
		value string
	}{{&p.Title, q.Title}, {&p.Phone, q.Phone}, {&p.Mobile, q.Mobile}, {&p.Owner, q.Owner}} {
		if *f.to == "" {
			*f.to = f.value
		}
	}
	if q.Note != "" && q.Note != p.Note && len(p.Note)+len(q.Note) < maxNote {
		if p.Note != "" {
			p.Note += "\n\n"
		}
		p.Note += q.Note
	}
	if q.Kind == crmclient.KindContact { // more than a lead
		p.Kind = q.Kind
	}
	if p.CompanyID == 0 {
		p.CompanyID = q.CompanyID
	}
	for k, v := range q.Custom {
		if _, there := p.Custom[k]; !there {
			if p.Custom == nil {
				p.Custom = map[string]any{}
			}
			p.Custom[k] = v
		}
	}
	// What does not fit is the last of the addresses, whose mail is there already.
	p.Addresses = normalAddresses(append(p.Addresses, q.Addresses...))
	p.Addresses = p.Addresses[:min(len(p.Addresses), maxAddresses)]
}

// DeleteContact takes a contact away. Its mail stays, without it; so do its deals and tickets.
func (c *CRM) DeleteContact(ctx context.Context, id int64) error {
	err := c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := readContact(ctx, tx, id); err != nil {
			return notFound("read", err)
		}
		return c.bury(ctx, tx, id, 0)
	})
	if err != nil {
		return fmt.Errorf("delete contact: %w", err)
	}
	return nil
}

// bury deletes a contact and notes that it was.
func (c *CRM) bury(ctx context.Context, tx store.Querier, id, into int64) error {
	seq, err := nextChange(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM crm_contacts WHERE id = $1`, id); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO crm_contact_tombstones (id, merged_into, deleted_at, changed_seq) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO NOTHING`, id, into, store.Micros(c.now()), seq)
	return err
}
