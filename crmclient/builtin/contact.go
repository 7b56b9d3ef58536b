package builtin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// Where a contact came from.
const (
	SourceMail   = "mail"   // made by the mirror
	SourceImport = "import" // from a file
	SourceManual = "manual" // by a person
)

// Contact is one person.
type Contact struct {
	ID           int64          `json:"id"`
	Kind         string         `json:"kind,omitempty"` // crmclient.KindContact or KindLead; empty means the former
	Name         string         `json:"name"`
	Addresses    []string       `json:"addresses"` // lower case, the main one first; unique among all contacts
	CompanyID    int64          `json:"company_id,omitempty"`
	Company      string         `json:"company,omitempty"` // its name; not stored here
	Title        string         `json:"title,omitempty"`
	Phone        string         `json:"phone,omitempty"`
	Mobile       string         `json:"mobile,omitempty"`
	Owner        string         `json:"owner,omitempty"` // mail address of an employee
	Source       string         `json:"source"`
	Note         string         `json:"note,omitempty"`
	Custom       map[string]any `json:"custom,omitempty"`
	LastActivity time.Time      `json:"last_activity,omitzero"`
	Version      int64          `json:"version"`
	Created      time.Time      `json:"created"`
	Updated      time.Time      `json:"updated"`
}

// ContactFilter selects contacts. Zero fields select all.
type ContactFilter struct {
	Query     string // words that must all be in name, addresses, phones, title or note
	Owner     string
	CompanyID int64
	Paging
}

const contactQuery = `
	SELECT p.id, p.kind, p.name, COALESCE(p.company_id, 0), COALESCE(o.name, ''), p.title, p.phone, p.mobile, p.owner, p.source, p.note,
		p.custom, p.last_activity_at, p.version, p.created_at, p.updated_at
	FROM crm_contacts p LEFT JOIN crm_companies o ON o.id = p.company_id`

func scanContact(row scanner) (Contact, error) {
	var p Contact
	var custom string
	var last, created, updated int64
	err := row.Scan(&p.ID, &p.Kind, &p.Name, &p.CompanyID, &p.Company, &p.Title, &p.Phone, &p.Mobile, &p.Owner, &p.Source, &p.Note,
		&custom, &last, &p.Version, &created, &updated)
	if err != nil {
		return p, err
	}
	p.Addresses = []string{}
	p.LastActivity, p.Created, p.Updated = store.FromMicros(last), store.FromMicros(created), store.FromMicros(updated)
	p.Custom, err = customOf(custom)
	return p, err
}

func (p *Contact) check() (custom string, err error) {
	var k checks
	k.required("name", &p.Name, maxName)
	p.Addresses = orEmpty(normalAddresses(p.Addresses))
	for _, a := range p.Addresses {
		if !isAddress(a) {
			k.fail("addresses", "has %q, which is not a mail address", a)
		}
	}
	if len(p.Addresses) > maxAddresses {
		k.fail("addresses", "are more than %d", maxAddresses)
	}
	k.line("title", &p.Title, maxShort)
	k.line("phone", &p.Phone, maxShort)
	k.line("mobile", &p.Mobile, maxShort)
	k.line("owner", &p.Owner, maxAddress)
	p.Owner = normalAddress(p.Owner)
	if p.Source == "" {
		p.Source = SourceManual
	}
	k.oneOf("kind", &p.Kind, []string{crmclient.KindContact, crmclient.KindLead})
	k.oneOf("source", &p.Source, []string{SourceManual, SourceMail, SourceImport})
	k.text("note", &p.Note)
	custom = k.custom(p.Custom)
	return custom, k.err
}

func (p *Contact) search() string {
	return searchText(p.Name, strings.Join(p.Addresses, "\n"), p.Title, p.Phone, p.Mobile, p.Note)
}

// AddContact stores a new contact and returns it with its id. If it names no company, its first company address
// decides. Mail that was logged before is in its timeline at once.
func (c *CRM) AddContact(ctx context.Context, p Contact) (Contact, error) {
	var out Contact
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) error {
		id, err := c.insertContact(ctx, tx, p)
		if err != nil {
			return err
		}
		out, err = readContact(ctx, tx, id)
		return err
	})
	if err != nil {
		return Contact{}, fmt.Errorf("add contact: %w", err)
	}
	return out, nil
}

func (c *CRM) insertContact(ctx context.Context, tx store.Querier, p Contact) (id int64, err error) {
	custom, err := p.check()
	if err != nil {
		return 0, err
	}
	if err := c.chooseCompany(ctx, tx, &p); err != nil {
		return 0, err
	}
	now := store.Micros(c.now())
	err = tx.QueryRowContext(ctx, `
		INSERT INTO crm_contacts (name, kind, company_id, title, phone, mobile, owner, source, note, custom, last_activity_at,
			version, created_at, updated_at, search)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 1, $11, $11, $12) RETURNING id`,
		p.Name, p.Kind, nullID(p.CompanyID), p.Title, p.Phone, p.Mobile, p.Owner, p.Source, p.Note, custom, now, p.search()).Scan(&id)
	if err != nil {
		return 0, err
	}
	if err := setAddresses(ctx, tx, id, p.Addresses); err != nil {
		return 0, err
	}
	return id, touched(ctx, tx, `id = $2`, id)
}

func (c *CRM) chooseCompany(ctx context.Context, tx store.Querier, p *Contact) error {
	if p.CompanyID != 0 {
		var there int64
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM crm_companies WHERE id = $1`, p.CompanyID).Scan(&there)
		if err == nil && there == 0 {
			err = &InvalidError{Field: "company_id", Reason: "names no company"}
		}
		return err
	}
	for _, a := range p.Addresses {
		if domain := c.companyDomain(a); domain != "" {
			var err error
			p.CompanyID, err = c.companyForDomain(ctx, tx, domain)
			return err
		}
	}
	return nil
}

// setAddresses makes the addresses the contact's own, and links the mail that was exchanged with them.
func setAddresses(ctx context.Context, tx store.Querier, id int64, addresses []string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM crm_contact_addresses WHERE contact_id = $1`, id); err != nil {
		return err
	}
	for i, a := range addresses {
		r, err := tx.ExecContext(ctx, `
			INSERT INTO crm_contact_addresses (address, contact_id, position) VALUES ($1, $2, $3)
			ON CONFLICT (address) DO NOTHING`, a, id, i)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("%w: %s", ErrAddressTaken, a)
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO crm_activity_contacts (contact_id, activity_id, sent_at)
			SELECT $1, m.id, m.sent_at FROM crm_activity_people w JOIN crm_activities m ON m.id = w.activity_id
			WHERE w.address = $2
			ON CONFLICT (contact_id, activity_id) DO NOTHING`, id, a)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `
		UPDATE crm_contacts SET last_activity_at = COALESCE((SELECT MAX(sent_at) FROM crm_activity_contacts WHERE contact_id = $1), 0)
		WHERE id = $1`, id)
	return err
}

// UpdateContact stores all fields of p. Its Version must be the stored one (ErrConflict); it is returned with the new one.
func (c *CRM) UpdateContact(ctx context.Context, p Contact) (Contact, error) {
	var out Contact
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := c.updateContact(ctx, tx, p); err != nil {
			return err
		}
		var err error
		out, err = readContact(ctx, tx, p.ID)
		return err
	})
	if err != nil {
		return Contact{}, fmt.Errorf("update contact: %w", err)
	}
	return out, nil
}

func (c *CRM) updateContact(ctx context.Context, tx store.Querier, p Contact) error {
	custom, err := p.check()
	if err != nil {
		return err
	}
	if p.CompanyID != 0 { // none is a decision here, not a gap
		if err := c.chooseCompany(ctx, tx, &p); err != nil {
			return err
		}
	}
	r, err := tx.ExecContext(ctx, `
		UPDATE crm_contacts SET name = $1, company_id = $2, title = $3, phone = $4, mobile = $5, owner = $6, source = $7,
			note = $8, custom = $9, search = $10, updated_at = $11, kind = $14, version = version + 1
		WHERE id = $12 AND version = $13`,
		p.Name, nullID(p.CompanyID), p.Title, p.Phone, p.Mobile, p.Owner, p.Source, p.Note, custom, p.search(),
		store.Micros(c.now()), p.ID, p.Version, p.Kind)
	if err := changed(ctx, tx, r, err, "crm_contacts", p.ID); err != nil {
		return err
	}
	if err := setAddresses(ctx, tx, p.ID, p.Addresses); err != nil {
		return err
	}
	return touched(ctx, tx, `id = $2`, p.ID)
}

// Contact returns one contact, or ErrNotFound.
func (c *CRM) Contact(ctx context.Context, id int64) (Contact, error) {
	p, err := readContact(ctx, c.db.Reader(), id)
	return p, notFound("read contact", err)
}

func readContact(ctx context.Context, q store.Querier, id int64) (Contact, error) {
	p, err := scanContact(q.QueryRowContext(ctx, contactQuery+` WHERE p.id = $1`, id))
	if err != nil {
		return p, err
	}
	items := []Contact{p}
	err = fillAddresses(ctx, q, items)
	return items[0], err
}

// fillAddresses reads the addresses of the contacts.
func fillAddresses(ctx context.Context, q store.Querier, items []Contact) error {
	if len(items) == 0 {
		return nil
	}
	byID := make(map[int64]*Contact, len(items))
	var w where
	marks := make([]string, len(items))
	for i := range items {
		byID[items[i].ID] = &items[i]
		marks[i] = w.arg(items[i].ID)
	}
	rows, err := q.QueryContext(ctx, `SELECT contact_id, address FROM crm_contact_addresses
		WHERE contact_id IN (`+strings.Join(marks, ", ")+`) ORDER BY contact_id, position`, w.args...)
	if err != nil {
		return err
	}
	_, err = collect(rows, func(row scanner) (struct{}, error) {
		var id int64
		var a string
		err := row.Scan(&id, &a)
		if p := byID[id]; p != nil && err == nil {
			p.Addresses = append(p.Addresses, a)
		}
		return struct{}{}, err
	})
	return err
}

// Contacts lists contacts, the newest first.
func (c *CRM) Contacts(ctx context.Context, f ContactFilter) (Page[Contact], error) {
	var w where
	w.contains("p.search", f.Query)
	equal(&w, "p.owner", normalAddress(f.Owner))
	equal(&w, "p.company_id", f.CompanyID)
	page, err := list(ctx, c.db.Reader(), contactQuery, &w, "p.id", f.Paging, scanContact, func(p Contact) int64 { return p.ID })
	if err != nil {
		return page, err
	}
	return page, fillAddresses(ctx, c.db.Reader(), page.Items)
}
