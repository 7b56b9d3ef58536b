package salesforce

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"heliograph/crmclient"
)

// FindCompany returns the account that a registrable domain belongs to. Where several could be meant, it returns none.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	forms := []string{strings.ToLower(domain)}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil && ascii != forms[0] {
		forms = append(forms, ascii)
	}
	if domain == "" {
		return crmclient.Company{}, false, nil
	}
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
	rows = slices.DeleteFunc(rows, func(r row) bool { return !within(r.text("Website"), forms) })
	if len(rows) > 1 { // branches have pages of their own: the head office has the domain itself
		rows = slices.DeleteFunc(rows, func(r row) bool {
			host := hostOf(r.text("Website"))
			return !slices.Contains(forms, strings.TrimPrefix(host, "www."))
		})
	}
	if len(rows) != 1 {
		return crmclient.Company{}, false, nil
	}
	return companyOf(rows[0], "", domain), true, nil
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

// hostOf returns the host of what people write into a field for a website.
func hostOf(website string) string {
	website = strings.ToLower(strings.TrimSpace(website))
	if !strings.Contains(website, "://") {
		website = "http://" + website
	}
	u, err := url.Parse(website)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Hostname(), ".")
}

func within(website string, domains []string) bool {
	host := hostOf(website)
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
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
