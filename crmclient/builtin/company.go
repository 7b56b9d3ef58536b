package builtin

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/store"
)

// Company is an organisation that contacts work for.
type Company struct {
	ID      int64          `json:"id"`
	Name    string         `json:"name"`
	Domain  string         `json:"domain,omitempty"` // registrable domain; unique
	Phone   string         `json:"phone,omitempty"`
	Website string         `json:"website,omitempty"`
	Address string         `json:"address,omitempty"` // postal
	Owner   string         `json:"owner,omitempty"`   // mail address of an employee
	Note    string         `json:"note,omitempty"`
	Custom  map[string]any `json:"custom,omitempty"`
	Version int64          `json:"version"`
	Created time.Time      `json:"created"`
	Updated time.Time      `json:"updated"`
}

// CompanyFilter selects companies. Zero fields select all.
type CompanyFilter struct {
	Query string // words that must all be in name, domain, phone or note
	Owner string
	Paging
}

const companyColumns = `id, name, COALESCE(domain, ''), phone, website, address, owner, note, custom, version, created_at, updated_at`

func scanCompany(row scanner) (Company, error) {
	var o Company
	var custom string
	var created, updated int64
	err := row.Scan(&o.ID, &o.Name, &o.Domain, &o.Phone, &o.Website, &o.Address, &o.Owner, &o.Note, &custom, &o.Version, &created, &updated)
	if err != nil {
		return o, err
	}
	o.Created, o.Updated = store.FromMicros(created), store.FromMicros(updated)
	o.Custom, err = customOf(custom)
	return o, err
}

func (o *Company) check() (custom string, err error) {
	var k checks
	k.required("name", &o.Name, maxName)
	k.line("domain", &o.Domain, maxShort)
	o.Domain = strings.ToLower(o.Domain)
	k.line("phone", &o.Phone, maxShort)
	k.line("website", &o.Website, maxLine)
	k.text("address", &o.Address)
	k.line("owner", &o.Owner, maxAddress)
	o.Owner = normalAddress(o.Owner)
	k.text("note", &o.Note)
	custom = k.custom(o.Custom)
	return custom, k.err
}

func (o *Company) search() string {
	return searchText(o.Name, o.Domain, o.Phone, o.Website, o.Address, o.Note)
}

func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// AddCompany stores a new company and returns it with its id and version. A domain that
// another company has is an *InvalidError.
func (c *CRM) AddCompany(ctx context.Context, o Company) (Company, error) {
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) (err error) {
		o, err = c.insertCompany(ctx, tx, o)
		return err
	})
	return o, wrapCompany("add company", err)
}

func wrapCompany(what string, err error) error {
	if err == nil {
		return nil
	}
	if store.IsUnique(err) {
		err = &InvalidError{Field: "domain", Reason: "belongs to another company"}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (c *CRM) insertCompany(ctx context.Context, tx store.Querier, o Company) (Company, error) {
	custom, err := o.check()
	if err != nil {
		return o, err
	}
	now := store.Micros(c.now())
	err = tx.QueryRowContext(ctx, `
		INSERT INTO crm_companies (name, name_key, domain, phone, website, address, owner, note, custom, version, created_at, updated_at, search)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10, $11) RETURNING id`,
		o.Name, searchText(o.Name), nullText(o.Domain), o.Phone, o.Website, o.Address, o.Owner, o.Note, custom, now, o.search()).Scan(&o.ID)
	o.Version, o.Created, o.Updated = 1, store.FromMicros(now), store.FromMicros(now)
	return o, err
}

// companyForDomain returns the company of a domain, making it if there is none.
func (c *CRM) companyForDomain(ctx context.Context, tx store.Querier, domain string) (id int64, err error) {
	const find = `SELECT id FROM crm_companies WHERE domain = $1`
	if err := tx.QueryRowContext(ctx, find, domain).Scan(&id); !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	now := store.Micros(c.now())
	o := Company{Name: domain, Domain: domain}
	err = tx.QueryRowContext(ctx, `
		INSERT INTO crm_companies (name, name_key, domain, phone, website, address, owner, note, custom, version, created_at, updated_at, search)
		VALUES ($1, $1, $1, '', '', '', '', '', '{}', 1, $2, $2, $3) ON CONFLICT (domain) DO NOTHING RETURNING id`,
		domain, now, o.search()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) { // somebody else was faster
		err = tx.QueryRowContext(ctx, find, domain).Scan(&id)
	}
	return id, err
}

// companyForName returns the oldest company of a name, making one if there is none.
func (c *CRM) companyForName(ctx context.Context, tx store.Querier, name, domain string) (id int64, err error) {
	key := searchText(name)
	err = tx.QueryRowContext(ctx, `SELECT id FROM crm_companies WHERE name_key = $1 ORDER BY id LIMIT 1`, key).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	if domain != "" {
		// A company that mail has made is called like its domain until somebody knows better.
		var version int64
		err := tx.QueryRowContext(ctx, `SELECT id, version FROM crm_companies WHERE domain = $1 AND name = domain`, domain).Scan(&id, &version)
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE crm_companies SET name = $1, name_key = $2, search = $3, version = version + 1, updated_at = $4 WHERE id = $5`,
				name, key, searchText(name, domain), store.Micros(c.now()), id)
			if err != nil {
				return 0, err
			}
			return id, touched(ctx, tx, `company_id = $2`, id)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		var taken int64
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM crm_companies WHERE domain = $1`, domain).Scan(&taken); err != nil {
			return 0, err
		}
		if taken > 0 {
			domain = ""
		}
	}
	o, err := c.insertCompany(ctx, tx, Company{Name: name, Domain: domain})
	return o.ID, err
}

// UpdateCompany stores all fields of o. Its Version must be the stored one (ErrConflict); it is returned with the new one.
func (c *CRM) UpdateCompany(ctx context.Context, o Company) (Company, error) {
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) error {
		custom, err := o.check()
		if err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `
			UPDATE crm_companies SET name = $1, name_key = $2, domain = $3, phone = $4, website = $5, address = $6, owner = $7,
				note = $8, custom = $9, search = $10, updated_at = $11, version = version + 1
			WHERE id = $12 AND version = $13`,
			o.Name, searchText(o.Name), nullText(o.Domain), o.Phone, o.Website, o.Address, o.Owner,
			o.Note, custom, o.search(), store.Micros(c.now()), o.ID, o.Version)
		if err := changed(ctx, tx, r, err, "crm_companies", o.ID); err != nil {
			return err
		}
		if err := touched(ctx, tx, `company_id = $2`, o.ID); err != nil { // contacts tell its name
			return err
		}
		o, err = scanCompany(tx.QueryRowContext(ctx, `SELECT `+companyColumns+` FROM crm_companies WHERE id = $1`, o.ID))
		return err
	})
	return o, wrapCompany("update company", err)
}

// changed tells why an UPDATE with id and version changed nothing.
func changed(ctx context.Context, tx store.Querier, r sql.Result, err error, table string, id int64) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil || n > 0 {
		return err
	}
	var there int64
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table+` WHERE id = $1`, id).Scan(&there); err != nil {
		return err
	}
	if there == 0 {
		return ErrNotFound
	}
	return ErrConflict
}

// Company returns one company, or ErrNotFound.
func (c *CRM) Company(ctx context.Context, id int64) (Company, error) {
	o, err := scanCompany(c.db.Reader().QueryRowContext(ctx, `SELECT `+companyColumns+` FROM crm_companies WHERE id = $1`, id))
	return o, notFound("read company", err)
}

func notFound(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Companies lists companies, the newest first.
func (c *CRM) Companies(ctx context.Context, f CompanyFilter) (Page[Company], error) {
	var w where
	w.contains("search", f.Query)
	equal(&w, "owner", normalAddress(f.Owner))
	return list(ctx, c.db.Reader(), `SELECT `+companyColumns+` FROM crm_companies`, &w, "id", f.Paging, scanCompany, func(o Company) int64 { return o.ID })
}

// list runs a query over one page in falling order of id.
func list[T any](ctx context.Context, q store.Querier, query string, w *where, idColumn string, p Paging, scan func(scanner) (T, error), id func(T) int64) (Page[T], error) {
	if err := p.after(w, idColumn); err != nil {
		return Page[T]{}, err
	}
	rows, err := q.QueryContext(ctx, query+w.String()+" ORDER BY "+idColumn+" DESC LIMIT "+w.arg(p.limit()+1), w.args...)
	if err != nil {
		return Page[T]{}, fmt.Errorf("list: %w", err)
	}
	items, err := collect(rows, scan)
	if err != nil {
		return Page[T]{}, fmt.Errorf("list: %w", err)
	}
	return pageOf(items, p.limit(), func(t T) position { return position{ID: id(t)} }), nil
}
