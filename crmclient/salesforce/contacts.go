package salesforce

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// maxMatches bounds how many records of one batch of addresses are read.
const maxMatches = 1000

// contactColumns are what is read of a contact.
func (c *Client) contactColumns() string {
	columns := append([]string{"Id", "Name", "AccountId", "Account.Name", "Owner.Email"}, c.cfg.ContactEmailFields...)
	if c.cfg.PersonAccounts {
		columns = append(columns, "IsPersonAccount")
	}
	return strings.Join(columns, ", ")
}

func (c *Client) leadColumns() string {
	columns := append([]string{"Id", "Name", "Company", "Owner.Email", "IsConverted", "ConvertedContactId"}, c.cfg.LeadEmailFields...)
	return strings.Join(columns, ", ")
}

// anyIn writes "A IN (…) OR B IN (…)".
func anyIn(fields, values []string) string {
	conds := make([]string, len(fields))
	for i, f := range fields {
		conds[i] = f + " IN (" + texts(values) + ")"
	}
	return strings.Join(conds, " OR ")
}

// FindContacts returns contacts, persons with accounts of their own among them, and leads. Instead of a converted lead it
// returns the contact that the lead became.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	found, err := c.find(ctx, objectContact, addresses)
	if err != nil || !orTrue(c.cfg.Leads) {
		return found, err
	}
	leads, err := c.find(ctx, objectLead, addresses)
	if err != nil {
		return nil, err
	}
	for _, l := range leads {
		if !slices.ContainsFunc(found, func(f crmclient.Contact) bool { return f.ID == l.ID && f.Address == l.Address }) {
			found = append(found, l)
		}
	}
	return found, nil
}

// find returns the contacts, or the leads, with one of the addresses.
func (c *Client) find(ctx context.Context, object string, addresses []string) ([]crmclient.Contact, error) {
	columns, fields := c.contactColumns(), c.cfg.ContactEmailFields
	if object == objectLead {
		columns, fields = c.leadColumns(), c.cfg.LeadEmailFields
	}
	var found []crmclient.Contact
	for _, batch := range batches(addresses) {
		soql := fmt.Sprintf("SELECT %s FROM %s WHERE %s LIMIT %d", columns, object, anyIn(fields, batch), maxMatches)
		rows, err := c.query(ctx, soql, false)
		if err != nil {
			return nil, fmt.Errorf("find %ss: %w", strings.ToLower(object), err)
		}
		converted := map[string][]string{} // contact id to the addresses of its former leads
		for _, r := range rows {
			for _, address := range matching(r, fields, batch) {
				if into := r.text("ConvertedContactId"); r.truth("IsConverted") {
					if into != "" {
						converted[into] = append(converted[into], address)
					}
					continue
				}
				found = append(found, contactOf(object, r, address))
			}
		}
		more, err := c.follow(ctx, converted)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// follow reads the contacts that leads became.
func (c *Client) follow(ctx context.Context, converted map[string][]string) ([]crmclient.Contact, error) {
	var ids []string
	for id := range converted {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var found []crmclient.Contact
	for _, batch := range batches(ids) {
		rows, err := c.query(ctx, fmt.Sprintf("SELECT %s FROM Contact WHERE Id IN (%s)", c.contactColumns(), texts(batch)), false)
		if err != nil {
			return nil, fmt.Errorf("follow converted leads: %w", err)
		}
		for _, r := range rows {
			for _, address := range converted[r.text("Id")] {
				found = append(found, contactOf(objectContact, r, address))
			}
		}
	}
	return found, nil
}

// matching returns the addresses that one of the fields has.
func matching(r row, fields, addresses []string) []string {
	var out []string
	for _, f := range fields {
		has := strings.ToLower(strings.TrimSpace(r.text(f)))
		if has != "" && slices.Contains(addresses, has) && !slices.Contains(out, has) {
			out = append(out, has)
		}
	}
	return out
}

func contactOf(object string, r row, address string) crmclient.Contact {
	p := crmclient.Contact{ID: r.text("Id"), Kind: crmclient.KindContact, Address: address, Name: r.text("Name"), Owner: strings.ToLower(r.text("Owner.Email"))}
	p.Company = r.text("Account.Name")
	if object == objectLead {
		p.Kind, p.Company = crmclient.KindLead, r.text("Company")
	}
	return p
}

// usersOf returns the ids of active users by address. Addresses of others are left out.
func (c *Client) usersOf(ctx context.Context, addresses []string) (map[string]string, error) {
	return c.users.ReadAll(addresses, func(ask []string) (map[string]string, error) {
		ids := map[string]string{}
		for _, batch := range batches(ask) {
			soql := fmt.Sprintf("SELECT Id, %[1]s FROM User WHERE IsActive = true AND %[1]s IN (%[2]s) ORDER BY Id LIMIT %[3]d", c.cfg.UserField, texts(batch), maxMatches)
			rows, err := c.query(ctx, soql, false)
			if err != nil {
				return nil, fmt.Errorf("find users: %w", err)
			}
			for _, r := range rows {
				if a := strings.ToLower(r.text(c.cfg.UserField)); ids[a] == "" { // of several users with one address the oldest
					ids[a] = r.text("Id")
				}
			}
		}
		return ids, nil
	})
}

// userID returns the id of the user with the address, or nothing.
func (c *Client) userID(ctx context.Context, address string) (string, error) {
	if address == "" {
		return "", nil
	}
	found, err := c.usersOf(ctx, []string{strings.ToLower(address)})
	return found[strings.ToLower(address)], err
}
