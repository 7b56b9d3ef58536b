package freshsales

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"heliograph/crmclient"
)

// account is a company as Freshsales gives it.
type account struct {
	ID    json.Number `json:"id"`
	Name  string      `json:"name"`
	Owner json.Number `json:"owner_id"`
}

// FindCompany looks the domain up by company_field.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	var out struct {
		Accounts struct {
			Accounts []account `json:"sales_accounts"`
		} `json:"sales_accounts"`
	}
	q := url.Values{"q": {domain}, "f": {c.cfg.CompanyField}, "entities": {"sales_account"}}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/lookup", query: q}, &out); err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find company: %w", err)
	}
	for _, a := range out.Accounts.Accounts {
		if a.ID == "" {
			continue
		}
		owner, err := c.users.Email(ctx, a.Owner.String())
		return crmclient.Company{ID: a.ID.String(), Name: a.Name, Domain: domain, Owner: owner}, err == nil, err
	}
	return crmclient.Company{}, false, nil
}

// PlaceContact puts the contact under the account, unless it is under one.
func (c *Client) PlaceContact(ctx context.Context, contactID, companyID string) error {
	company, ok := number(companyID)
	k, there, err := c.read(ctx, contactID)
	switch {
	case err != nil:
		return err
	case !there || !ok:
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Freshsales has no such contact or account", Err: crmclient.ErrContactGone}
	case len(k.Accounts) > 0:
		return nil
	}
	body := map[string]any{"contact": map[string]any{"sales_accounts": []any{map[string]any{"id": company, "is_primary": true}}}}
	if _, err := c.call(ctx, request{method: http.MethodPut, path: "/contacts/" + contactID, body: body}, nil); err != nil {
		return fmt.Errorf("place contact: %w", err)
	}
	return nil
}
