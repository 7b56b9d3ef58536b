package builtin

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

var (
	_ crmclient.LeadCreator      = (*CRM)(nil)
	_ crmclient.ContactGetter    = (*CRM)(nil)
	_ crmclient.CompanyFinder    = (*CRM)(nil)
	_ crmclient.CompanyPlacer    = (*CRM)(nil)
	_ crmclient.ContactSuggester = (*CRM)(nil)
)

// CreateLead adds a contact of kind lead with p's address unless there is a contact with it, and returns it.
func (c *CRM) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, p, owner, crmclient.KindLead)
}

// maxMerges bounds the chain of contacts that became others.
const maxMerges = 100

// ContactByID returns a contact, or what it became part of.
func (c *CRM) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return crmclient.Contact{}, false, nil //nolint:nilerr // nothing has such an id
	}
	for range maxMerges {
		p, err := readContact(ctx, c.db.Reader(), number)
		if err == nil {
			return p.forMirror(), true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return crmclient.Contact{}, false, fmt.Errorf("read contact: %w", err)
		}
		err = c.db.Reader().QueryRowContext(ctx, `SELECT merged_into FROM crm_contact_tombstones WHERE id = $1`, number).Scan(&number)
		if errors.Is(err, sql.ErrNoRows) || err == nil && number == 0 {
			return crmclient.Contact{}, false, nil
		}
		if err != nil {
			return crmclient.Contact{}, false, fmt.Errorf("read contact: %w", err)
		}
	}
	return crmclient.Contact{}, false, nil
}

// forMirror is the contact by its main address.
func (p *Contact) forMirror() crmclient.Contact {
	k := crmclient.Contact{ID: strconv.FormatInt(p.ID, 10), Kind: p.Kind, Name: p.Name, Company: p.Company, Owner: p.Owner}
	if len(p.Addresses) > 0 {
		k.Address = p.Addresses[0]
	}
	return k
}

// FindCompany returns the company with a domain.
func (c *CRM) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	o, err := scanCompany(c.db.Reader().QueryRowContext(ctx, `SELECT `+companyColumns+` FROM crm_companies WHERE domain = $1`, strings.ToLower(domain)))
	if errors.Is(err, sql.ErrNoRows) {
		return crmclient.Company{}, false, nil
	}
	if err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find company: %w", err)
	}
	return crmclient.Company{ID: strconv.FormatInt(o.ID, 10), Name: o.Name, Domain: o.Domain, Owner: o.Owner}, true, nil
}

// PlaceContact puts a contact under a company, unless it is under one.
func (c *CRM) PlaceContact(ctx context.Context, contactID, companyID string) error {
	contact, err := strconv.ParseInt(contactID, 10, 64)
	company, err2 := strconv.ParseInt(companyID, 10, 64)
	if err = errors.Join(err, err2); err != nil {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "no such contact or company", Err: err}
	}
	err = c.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `
			UPDATE crm_contacts SET company_id = $1, updated_at = $2, version = version + 1
			WHERE id = $3 AND company_id IS NULL AND EXISTS (SELECT 1 FROM crm_companies o WHERE o.id = $1)`, company, store.Micros(c.now()), contact)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return touched(ctx, tx, `id = $2`, contact)
	})
	if err != nil {
		return fmt.Errorf("place contact: %w", err)
	}
	return nil
}

// SuggestContacts returns contacts of the same name, then some of the same company.
func (c *CRM) SuggestContacts(ctx context.Context, p crmclient.Person, limit int) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	seen := map[int64]bool{}
	add := func(condition string, arg any) error {
		if len(found) >= limit {
			return nil
		}
		items, err := c.records(ctx, condition+` ORDER BY p.last_activity_at DESC, p.id LIMIT $2`, arg, limit)
		for i := range items {
			if !seen[items[i].ID] && len(found) < limit {
				seen[items[i].ID] = true
				found = append(found, items[i].forMirror())
			}
		}
		return err
	}
	if name := strings.TrimSpace(clean(p.Name)); name != "" {
		if err := add(`p.name = $1`, name); err != nil {
			return nil, fmt.Errorf("suggest contacts: %w", err)
		}
	}
	if domain := c.companyDomain(normalAddress(p.Address)); domain != "" {
		if err := add(`o.domain = $1`, domain); err != nil {
			return nil, fmt.Errorf("suggest contacts: %w", err)
		}
	}
	return found, nil
}

// linkAll puts the activity into all timelines that it belongs to.
func linkAll(ctx context.Context, tx store.Querier, id int64, a *crmclient.Activity) error {
	if err := linkContacts(ctx, tx, id, a); err != nil {
		return err
	}
	return linkCompanies(ctx, tx, id, a)
}

// linkCompanies puts the activity into the timelines of the companies that the caller found.
func linkCompanies(ctx context.Context, tx store.Querier, id int64, a *crmclient.Activity) error {
	for _, o := range a.Companies { // sorted, so that two transactions never wait for each other
		company, err := strconv.ParseInt(o.ID, 10, 64)
		if err != nil {
			continue
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO crm_activity_companies (company_id, activity_id, sent_at)
			SELECT o.id, m.id, m.sent_at FROM crm_companies o, crm_activities m WHERE o.id = $1 AND m.id = $2
			ON CONFLICT (company_id, activity_id) DO NOTHING`, company, id)
		if err != nil {
			return err
		}
	}
	return nil
}
