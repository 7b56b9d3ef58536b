package builtin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"heliograph/internal/store"
)

// Deal is a possible sale.
type Deal struct {
	ID        int64          `json:"id"`
	Title     string         `json:"title"`
	Stage     string         `json:"stage"`    // one of Config.Stages; empty becomes the first
	Amount    int64          `json:"amount"`   // in minor units of the currency, such as fen; records have it in units such as yuan
	Currency  string         `json:"currency"` // ISO 4217; empty becomes Config.Currency
	Owner     string         `json:"owner,omitempty"`
	CompanyID int64          `json:"company_id,omitempty"`
	ContactID int64          `json:"contact_id,omitempty"`
	CloseOn   string         `json:"close_on,omitempty"` // YYYY-MM-DD
	Note      string         `json:"note,omitempty"`
	Custom    map[string]any `json:"custom,omitempty"`
	Version   int64          `json:"version"`
	Created   time.Time      `json:"created"`
	Updated   time.Time      `json:"updated"`
}

// DealFilter selects deals. Zero fields select all.
type DealFilter struct {
	Query     string // words that must all be in title or note
	Stage     string
	Owner     string
	CompanyID int64
	ContactID int64
	Paging
}

const dealColumns = `id, title, stage, amount, currency, owner, COALESCE(company_id, 0), COALESCE(contact_id, 0), close_on, note, custom, version, created_at, updated_at`

func scanDeal(row scanner) (Deal, error) {
	var d Deal
	var custom string
	var created, updated int64
	err := row.Scan(&d.ID, &d.Title, &d.Stage, &d.Amount, &d.Currency, &d.Owner, &d.CompanyID, &d.ContactID, &d.CloseOn, &d.Note,
		&custom, &d.Version, &created, &updated)
	if err != nil {
		return d, err
	}
	d.Created, d.Updated = store.FromMicros(created), store.FromMicros(updated)
	d.Custom, err = customOf(custom)
	return d, err
}

func (c *CRM) checkDeal(ctx context.Context, tx store.Querier, d *Deal) (custom string, err error) {
	var k checks
	k.required("title", &d.Title, maxName)
	k.oneOf("stage", &d.Stage, c.cfg.Stages)
	if d.Currency == "" {
		d.Currency = c.cfg.Currency
	}
	if !isCurrency(d.Currency) {
		k.fail("currency", "is %q; it must be three capital letters, such as CNY", d.Currency)
	}
	if d.Amount < 0 {
		k.fail("amount", "must not be negative")
	}
	if d.Amount > maxAmount {
		k.fail("amount", "is too large")
	}
	if _, err := time.Parse(time.DateOnly, d.CloseOn); d.CloseOn != "" && err != nil {
		k.fail("close_on", "is not a date of the form YYYY-MM-DD")
	}
	k.line("owner", &d.Owner, maxAddress)
	d.Owner = normalAddress(d.Owner)
	k.text("note", &d.Note)
	custom = k.custom(d.Custom)
	if k.err != nil {
		return "", k.err
	}
	return custom, errorsFirst(
		exists(ctx, tx, "company_id", "crm_companies", d.CompanyID),
		exists(ctx, tx, "contact_id", "crm_contacts", d.ContactID),
	)
}

func errorsFirst(errs ...error) error {
	if i := slices.IndexFunc(errs, func(e error) bool { return e != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}

// exists checks a reference; zero refers to nothing.
func exists(ctx context.Context, tx store.Querier, field, table string, id int64) error {
	if id == 0 {
		return nil
	}
	var n int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table+` WHERE id = $1`, id).Scan(&n)
	if err == nil && n == 0 {
		err = &InvalidError{Field: field, Reason: "names no record"}
	}
	return err
}

// AddDeal stores a new deal and returns it with its id and version.
func (c *CRM) AddDeal(ctx context.Context, d Deal) (Deal, error) {
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) error {
		custom, err := c.checkDeal(ctx, tx, &d)
		if err != nil {
			return err
		}
		d, err = scanDeal(tx.QueryRowContext(ctx, `
			INSERT INTO crm_deals (title, stage, amount, currency, owner, company_id, contact_id, close_on, note, custom,
				version, created_at, updated_at, search)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $11, $12) RETURNING `+dealColumns,
			d.Title, d.Stage, d.Amount, d.Currency, d.Owner, nullID(d.CompanyID), nullID(d.ContactID), d.CloseOn, d.Note, custom,
			store.Micros(c.now()), searchText(d.Title, d.Note)))
		return err
	})
	if err != nil {
		return Deal{}, fmt.Errorf("add deal: %w", err)
	}
	return d, nil
}

// UpdateDeal stores all fields of d. Its Version must be the stored one (ErrConflict); it is returned with the new one.
func (c *CRM) UpdateDeal(ctx context.Context, d Deal) (Deal, error) {
	err := c.write(ctx, func(ctx context.Context, tx store.Querier) error {
		custom, err := c.checkDeal(ctx, tx, &d)
		if err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `
			UPDATE crm_deals SET title = $1, stage = $2, amount = $3, currency = $4, owner = $5, company_id = $6, contact_id = $7,
				close_on = $8, note = $9, custom = $10, search = $11, updated_at = $12, version = version + 1
			WHERE id = $13 AND version = $14`,
			d.Title, d.Stage, d.Amount, d.Currency, d.Owner, nullID(d.CompanyID), nullID(d.ContactID), d.CloseOn, d.Note, custom,
			searchText(d.Title, d.Note), store.Micros(c.now()), d.ID, d.Version)
		if err := changed(ctx, tx, r, err, "crm_deals", d.ID); err != nil {
			return err
		}
		d, err = scanDeal(tx.QueryRowContext(ctx, `SELECT `+dealColumns+` FROM crm_deals WHERE id = $1`, d.ID))
		return err
	})
	if err != nil {
		return Deal{}, fmt.Errorf("update deal: %w", err)
	}
	return d, nil
}

// Deal returns one deal, or ErrNotFound.
func (c *CRM) Deal(ctx context.Context, id int64) (Deal, error) {
	d, err := scanDeal(c.db.Reader().QueryRowContext(ctx, `SELECT `+dealColumns+` FROM crm_deals WHERE id = $1`, id))
	return d, notFound("read deal", err)
}

// Deals lists deals, the newest first.
func (c *CRM) Deals(ctx context.Context, f DealFilter) (Page[Deal], error) {
	var w where
	w.contains("search", f.Query)
	equal(&w, "stage", f.Stage)
	equal(&w, "owner", normalAddress(f.Owner))
	equal(&w, "company_id", f.CompanyID)
	equal(&w, "contact_id", f.ContactID)
	return list(ctx, c.db.Reader(), `SELECT `+dealColumns+` FROM crm_deals`, &w, "id", f.Paging, scanDeal, func(d Deal) int64 { return d.ID })
}
