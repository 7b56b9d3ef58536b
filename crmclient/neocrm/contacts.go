package neocrm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// maxOr is how many values one question has: they are joined by "or", as lists are not verified.
const maxOr = 20

type kind struct {
	name   string
	people People
	fields *fieldmap.Map
}

func (c *Client) kinds() []kind {
	all := []kind{{crmclient.KindContact, c.cfg.Contacts, c.maps.contacts}}
	if c.cfg.Leads.Object != "" {
		all = append(all, kind{crmclient.KindLead, c.cfg.Leads, c.maps.leads})
	}
	return all
}

func (k kind) names() []string {
	return append([]string{"id", k.people.Name, "ownerId"}, k.people.Address...)
}

func (c *Client) contact(k kind, r row, address string) crmclient.Contact {
	return crmclient.Contact{ID: r.id(), Kind: k.name, Address: address, Name: r.text(k.people.Name), Owner: c.mails[r.text("ownerId")]}
}

// FindContacts looks for the addresses. Those that XOQL cannot write are found nowhere.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for _, k := range c.kinds() {
		for part := range slices.Chunk(addresses, maxOr) {
			var tests []string
			for _, a := range part {
				if q, ok := c.quoted(a); ok {
					for _, name := range k.people.Address {
						tests = append(tests, name+" = "+q)
					}
				}
			}
			if len(tests) == 0 {
				continue
			}
			got, err := c.findPeople(ctx, k, part, strings.Join(tests, " or "))
			if err != nil {
				return nil, fmt.Errorf("find contacts: %w", err)
			}
			found = append(found, got...)
		}
	}
	return found, nil
}

func (c *Client) findPeople(ctx context.Context, k kind, addresses []string, where string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	for offset := 0; ; offset += maxPage {
		rows, err := c.query(ctx, k.people.Object, k.names(), where, "id", offset, maxPage)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			matches := false
			for _, name := range k.people.Address {
				if a := strings.ToLower(strings.TrimSpace(r.text(name))); slices.Contains(addresses, a) {
					out, matches = append(out, c.contact(k, r, a)), true
				}
			}
			if !matches {
				return nil, configuration(remedyFields, "object %s answered with records that the condition on %s does not match", k.people.Object, k.people.Address[0])
			}
		}
		if len(rows) < maxPage {
			return out, nil
		}
	}
}

// ContactByID reads a contact or lead.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	if !recordID.MatchString(id) {
		return crmclient.Contact{}, false, nil
	}
	for _, k := range c.kinds() {
		rows, err := c.query(ctx, k.people.Object, k.names(), "id = "+id, "id", 0, 1)
		if err != nil {
			return crmclient.Contact{}, false, fmt.Errorf("read contact: %w", err)
		}
		if len(rows) > 0 && rows[0].id() == id {
			return c.contact(k, rows[0], strings.ToLower(rows[0].text(k.people.Address[0]))), true, nil
		}
	}
	return crmclient.Contact{}, false, nil
}

// CreateContact makes a contact unless there is one with the address.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, c.kinds()[0], p, owner)
}

// withLeads is a Client whose section names the object of leads.
type withLeads struct{ *Client }

// CreateLead makes a lead unless there is a contact or lead with the address.
func (c withLeads) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, c.kinds()[1], p, owner)
}

func (c *Client) createPerson(ctx context.Context, k kind, p crmclient.Person, owner string) (crmclient.Contact, error) {
	p.Address = strings.ToLower(strings.TrimSpace(p.Address))
	if _, ok := c.quoted(p.Address); !ok || !strings.Contains(p.Address, "@") {
		return crmclient.Contact{}, permanent("a contact needs a mail address that can be searched for: see quote in the section")
	}
	return c.turns.Person(ctx, k.name, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makePerson(ctx, k, p, owner)
	})
}

func (c *Client) makePerson(ctx context.Context, k kind, p crmclient.Person, owner string) (crmclient.Contact, error) {
	v := fieldmap.Contact(p, owner)
	data, err := k.fields.Apply(v)
	if err != nil {
		return crmclient.Contact{}, err
	}
	data[k.people.Name], data[k.people.Address[0]] = v["name"], p.Address
	if id := c.users[strings.ToLower(owner)]; id != "" {
		data["ownerId"] = id
	}
	id, err := c.create(ctx, k.people.Object, data)
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("create %s: %w", k.name, err)
	}
	return crmclient.Contact{ID: id, Kind: k.name, Address: p.Address, Name: v["name"].(string), Owner: owner}, nil
}
