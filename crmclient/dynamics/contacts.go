package dynamics

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// KindAccount is the kind of an account that has the address itself.
const KindAccount = "account"

// person says how people are found in a table.
type person struct {
	table, kind, name, company, more string
}

var (
	personContact = person{tableContact, crmclient.KindContact, "fullname", "parentcustomerid_account/name", "parentcustomerid_account($select=name)"}
	personLead    = person{tableLead, crmclient.KindLead, "fullname", "companyname", ""}
	personAccount = person{tableAccount, KindAccount, "name", "name", ""}
)

// FindContacts returns contacts, leads and accounts. Instead of a qualified lead it returns the contact that was made of it.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	found, err := c.find(ctx, personContact, addresses)
	if err != nil {
		return nil, err
	}
	if orTrue(c.cfg.Leads) {
		leads, err := c.find(ctx, personLead, addresses)
		if err != nil {
			return nil, err
		}
		for _, l := range leads {
			if !slices.ContainsFunc(found, func(f crmclient.Contact) bool { return f.ID == l.ID && f.Address == l.Address }) {
				found = append(found, l)
			}
		}
	}
	if orTrue(c.cfg.Accounts) {
		accounts, err := c.find(ctx, personAccount, addresses)
		if err != nil {
			return nil, err
		}
		found = append(found, accounts...)
	}
	return found, nil
}

// query returns the columns of people and what is expanded.
func (c *Client) query(p person, filter string) url.Values {
	columns := []string{sets[p.table][1], p.name}
	if p.table == tableLead {
		columns = append(columns, "companyname", "statecode")
	}
	for _, e := range c.cfg.EmailColumns {
		if !slices.Contains(columns, e) {
			columns = append(columns, e)
		}
	}
	expand := "owninguser($select=internalemailaddress)"
	if p.more != "" {
		expand += "," + p.more
	}
	return url.Values{"$select": {strings.Join(columns, ",")}, "$expand": {expand}, "$filter": {filter}}
}

func (c *Client) find(ctx context.Context, p person, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for _, batch := range batches(addresses, len(c.cfg.EmailColumns)) {
		rows, err := c.list(ctx, sets[p.table][0], c.query(p, anyOf(c.cfg.EmailColumns, batch)), 0)
		if err != nil {
			return nil, fmt.Errorf("find %ss: %w", p.table, err)
		}
		for _, r := range rows {
			for _, address := range c.matching(r, batch) {
				if p.table == tableLead && r.text("statecode") == "1" {
					more, err := c.qualified(ctx, r, address)
					if err != nil {
						return nil, err
					}
					found = append(found, more...)
					continue
				}
				found = append(found, contactOf(p, r, address))
			}
		}
	}
	return found, nil
}

// qualified returns the contacts that were made of a lead.
func (c *Client) qualified(ctx context.Context, lead row, address string) ([]crmclient.Contact, error) {
	rows, err := c.list(ctx, sets[tableContact][0], c.query(personContact, "_originatingleadid_value eq "+lead.text("leadid")), 0)
	if err != nil {
		return nil, fmt.Errorf("follow qualified leads: %w", err)
	}
	var found []crmclient.Contact
	for _, r := range rows {
		found = append(found, contactOf(personContact, r, address))
	}
	return found, nil
}

func (c *Client) matching(r row, addresses []string) []string {
	var out []string
	for _, column := range c.cfg.EmailColumns {
		has := strings.ToLower(strings.TrimSpace(r.text(column)))
		if has != "" && slices.Contains(addresses, has) && !slices.Contains(out, has) {
			out = append(out, has)
		}
	}
	return out
}

func contactOf(p person, r row, address string) crmclient.Contact {
	return crmclient.Contact{
		ID: r.text(sets[p.table][1]), Kind: p.kind, Address: address, Name: r.text(p.name), Company: r.text(p.company),
		Owner: strings.ToLower(r.text("owninguser/internalemailaddress")),
	}
}

// usersOf returns the ids of users by address. Addresses of others are left out.
func (c *Client) usersOf(ctx context.Context, addresses []string) (map[string]string, error) {
	return c.users.ReadAll(addresses, func(ask []string) (map[string]string, error) {
		ids := map[string]string{}
		for _, batch := range batches(ask, 1) {
			filter := "isdisabled eq false and " + anyOf([]string{"internalemailaddress"}, batch)
			rows, err := c.list(ctx, sets[tableUser][0], url.Values{"$select": {"systemuserid,internalemailaddress"}, "$filter": {filter}}, 0)
			if err != nil {
				return nil, fmt.Errorf("find users: %w", err)
			}
			for _, r := range rows {
				ids[strings.ToLower(r.text("internalemailaddress"))] = r.text("systemuserid")
			}
		}
		return ids, nil
	})
}

func (c *Client) userID(ctx context.Context, address string) (string, error) {
	if address == "" {
		return "", nil
	}
	found, err := c.usersOf(ctx, []string{strings.ToLower(address)})
	return found[strings.ToLower(address)], err
}

// CreateContact adds a contact.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.addPerson(ctx, personContact, p, owner)
}

// CreateLead adds a lead.
func (c *Client) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.addPerson(ctx, personLead, p, owner)
}

func (c *Client) addPerson(ctx context.Context, as person, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.turns.Person(ctx, as.kind, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makePerson(ctx, as, p, owner)
	})
}

func (c *Client) makePerson(ctx context.Context, as person, p crmclient.Person, owner string) (crmclient.Contact, error) {
	m := c.maps.contact
	if as.table == tableLead {
		m = c.maps.lead
	}
	fields, err := m.Apply(fieldmap.Contact(p, owner))
	if err != nil {
		return crmclient.Contact{}, err
	}
	user, err := c.userID(ctx, owner)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if user != "" {
		fields["ownerid@odata.bind"] = bind(tableUser, user)
	}
	r, err := c.create(ctx, sets[as.table][0], fields)
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("create %s: %w", as.table, err)
	}
	made := contactOf(as, r, p.Address)
	if made.ID == "" {
		return made, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer has no id of the new row"}
	}
	if user != "" {
		made.Owner = strings.ToLower(owner)
	}
	return made, nil
}

// bind writes a reference to a row.
func bind(table, id string) string { return "/" + sets[table][0] + "(" + id + ")" }

// FindCompany returns the account that a registrable domain belongs to. Where several could be meant, it returns none.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	if domain == "" {
		return crmclient.Company{}, false, nil
	}
	column, test, before := "websiteurl", "contains", ""
	if c.cfg.CompanyBy == CompanyByEmail {
		column, test, before = "emailaddress1", "endswith", "@"
	}
	var tests []string
	for _, f := range crmclient.DomainForms(domain) {
		tests = append(tests, fmt.Sprintf("%s(%s,%s)", test, column, text(before+f)))
	}
	rows, err := c.list(ctx, "accounts", url.Values{
		"$select": {"accountid,name," + column}, "$expand": {"owninguser($select=internalemailaddress)"}, "$filter": {strings.Join(tests, " or ")},
	}, 0)
	if err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find account: %w", err)
	}
	r, ok := crmclient.CompanyAt(rows, func(r row) string { return r.text(column) }, domain)
	if !ok {
		return crmclient.Company{}, false, nil
	}
	return crmclient.Company{ID: r.text("accountid"), Name: r.text("name"), Domain: domain, Owner: strings.ToLower(r.text("owninguser/internalemailaddress"))}, true, nil
}
