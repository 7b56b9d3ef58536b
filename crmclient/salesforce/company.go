package salesforce

import (
	"context"
	"fmt"
	"strings"

	"heliograph/crmclient"
)

// FindCompany returns the account that a registrable domain belongs to. Where several could be meant, it returns none.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	if domain == "" {
		return crmclient.Company{}, false, nil
	}
	forms := crmclient.DomainForms(domain)
	if c.cfg.CompanyBy == CompanyByContacts {
		return c.companyByContacts(ctx, domain, forms)
	}
	return c.companyByWebsite(ctx, domain, forms)
}

func (c *Client) companyByWebsite(ctx context.Context, domain string, forms []string) (crmclient.Company, bool, error) {
	conds := make([]string, len(forms))
	for i, f := range forms {
		conds[i] = "Website LIKE " + like("%", f, "%")
	}
	rows, err := c.query(ctx, fmt.Sprintf("SELECT Id, Name, Website, Owner.Email FROM Account WHERE %s ORDER BY Id LIMIT %d", strings.Join(conds, " OR "), maxMatches), false)
	if err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find account: %w", err)
	}
	r, ok := crmclient.CompanyAt(rows, func(r row) string { return r.text("Website") }, domain)
	if !ok {
		return crmclient.Company{}, false, nil
	}
	return companyOf(r, "", domain), true, nil
}

func (c *Client) companyByContacts(ctx context.Context, domain string, forms []string) (crmclient.Company, bool, error) {
	var conds []string
	for _, field := range c.cfg.ContactEmailFields {
		for _, f := range forms {
			conds = append(conds, field+" LIKE "+like("%@", f, ""), field+" LIKE "+like("%.", f, ""))
		}
	}
	soql := fmt.Sprintf("SELECT Id, AccountId, Account.Name, Account.Owner.Email FROM Contact WHERE AccountId != null AND (%s) LIMIT %d", strings.Join(conds, " OR "), maxMatches)
	rows, err := c.query(ctx, soql, false)
	if err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find account: %w", err)
	}
	count := map[string]int{}
	var best row
	most, tie := 0, false
	for _, r := range rows {
		id := r.text("AccountId")
		count[id]++
		switch n := count[id]; {
		case n > most:
			best, most, tie = r, n, false
		case n == most && best.text("AccountId") != id:
			tie = true
		}
	}
	if best == nil || tie {
		return crmclient.Company{}, false, nil
	}
	return companyOf(best, "Account.", domain), true, nil
}

func companyOf(r row, prefix, domain string) crmclient.Company {
	id := r.text("AccountId")
	if prefix == "" {
		id = r.text("Id")
	}
	return crmclient.Company{ID: id, Name: r.text(prefix + "Name"), Domain: domain, Owner: strings.ToLower(r.text(prefix + "Owner.Email"))}
}

// PlaceContact sets the account of a contact that has none. A lead is under no account until it is converted.
func (c *Client) PlaceContact(ctx context.Context, contactID, companyID string) error {
	if !idForm.MatchString(contactID) || !idForm.MatchString(companyID) || !strings.HasPrefix(contactID, prefixContact) {
		return noRecord(nil)
	}
	release, err := c.turns.Take(ctx, "write:"+contactID)
	if err != nil {
		return err
	}
	defer release()
	r, err := c.one(ctx, "SELECT Id, AccountId FROM Contact WHERE Id = "+text(contactID))
	if err != nil {
		return fmt.Errorf("read contact: %w", err)
	}
	switch {
	case r == nil:
		return noRecord(nil)
	case r.text("AccountId") != "":
		return nil
	}
	if err := c.patch(ctx, objectContact, contactID, map[string]any{"AccountId": companyID}); err != nil {
		return fmt.Errorf("place contact: %w", err)
	}
	return nil
}
