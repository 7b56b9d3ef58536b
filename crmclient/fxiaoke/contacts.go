package fxiaoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// maxPage is the most that the API gives at once; half of it keeps the answers of long records short.
const maxPage = 50

// maxIn is how many values one condition gets.
const maxIn = 100

// condition is one test of a filter. The value is always a list of texts.
type condition struct {
	Field  string   `json:"field_name"`
	Is     string   `json:"operator"`
	Values []string `json:"field_values"`
}

// query returns a page of records.
func (c *Client) query(ctx context.Context, object string, filters []condition, orderBy string, offset, limit int) ([]row, error) {
	if filters == nil {
		filters = []condition{}
	}
	var answer struct {
		Data struct {
			List []row `json:"dataList"`
		} `json:"data"`
		List []row `json:"dataList"` // where the objects of a company's own have it
	}
	err := c.post(ctx, dataPath(object, "query"), map[string]any{"data": map[string]any{
		string(c.cfg.ObjectKey): object,
		"search_query_info": map[string]any{
			"offset": offset, "limit": limit, "filters": filters, "orders": []map[string]any{{"fieldName": orderBy, "isAsc": "true"}},
		},
	}}, &answer)
	if err != nil {
		return nil, err
	}
	rows := answer.Data.List
	if rows == nil {
		rows = answer.List
	}
	for _, r := range rows {
		if r.id() == "" {
			return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "a record came without an id"}
		}
	}
	return rows, nil
}

// walk calls each for all records of a filter, by their ids: offsets end at 10,000.
func (c *Client) walk(ctx context.Context, object string, filters []condition, each func(row) error) error {
	after := ""
	for {
		f := slices.Clone(filters)
		if after != "" {
			f = append(f, condition{"_id", "GT", []string{after}})
		}
		rows, err := c.query(ctx, object, f, "_id", 0, maxPage)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.id() <= after {
				return configuration(remedyFields, "object %s is not sorted by _id", object)
			}
			after = r.id()
			if err := each(r); err != nil {
				return err
			}
		}
		if len(rows) < maxPage {
			return nil
		}
	}
}

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

// contact makes a contact of a record.
func (c *Client) contact(k kind, r row, address string) crmclient.Contact {
	company := r.text(k.people.Company + "__r") // the name behind a reference
	if m, ok := r[k.people.Company+"__r"].(map[string]any); ok {
		company, _ = m["name"].(string)
	}
	if company == "" && k.name == crmclient.KindLead {
		company = r.text(k.people.Company)
	}
	return crmclient.Contact{ID: r.id(), Kind: k.name, Address: address, Name: r.text(k.people.Name), Company: company, Owner: c.mails[r.who("owner")]}
}

// FindContacts looks for the addresses in each of the fields that hold one.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	seen := map[string]bool{}
	for _, k := range c.kinds() {
		for _, name := range k.people.Address {
			for part := range slices.Chunk(addresses, maxIn) {
				err := c.walk(ctx, k.people.Object, []condition{{name, "IN", part}}, func(r row) error {
					address := strings.ToLower(strings.TrimSpace(r.text(name)))
					if !slices.Contains(part, address) {
						return configuration(remedyFields, "object %s answered with records that the filter on %s does not match", k.people.Object, name)
					}
					if id := r.id() + "\x00" + address; !seen[id] {
						seen[id] = true
						found = append(found, c.contact(k, r, address))
					}
					return nil
				})
				if err != nil {
					return nil, fmt.Errorf("find contacts: %w", err)
				}
			}
		}
	}
	return found, nil
}

// ContactByID reads a contact or lead.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	for _, k := range c.kinds() {
		r, err := c.get(ctx, k.people.Object, id)
		if errors.Is(err, crmclient.ErrNoRecord) {
			continue
		}
		if err != nil {
			return crmclient.Contact{}, false, fmt.Errorf("read contact: %w", err)
		}
		return c.contact(k, r, strings.ToLower(r.text(k.people.Address[0]))), true, nil
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
	if !strings.Contains(p.Address, "@") || usableKey(p.Address) != nil {
		return crmclient.Contact{}, permanent("a contact needs a mail address")
	}
	return c.turns.Person(ctx, k.name, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makePerson(ctx, k, p, owner)
	})
}

func (c *Client) makePerson(ctx context.Context, k kind, p crmclient.Person, owner string) (crmclient.Contact, error) {
	s, err := c.schemaOf(ctx, k.people.Object)
	if err != nil {
		return crmclient.Contact{}, err
	}
	v := fieldmap.Contact(p, owner)
	values, err := k.fields.Apply(v)
	if err != nil {
		return crmclient.Contact{}, err
	}
	values[k.people.Name], values[k.people.Address[0]] = v["name"], p.Address
	data, err := c.encodeAll(s, values)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if id := c.users[strings.ToLower(owner)]; id != "" {
		data["owner"] = []string{id}
	}
	id, err := c.create(ctx, s, k.people.Address[0], p.Address, data)
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("create %s: %w", k.name, err)
	}
	return crmclient.Contact{ID: id, Kind: k.name, Address: p.Address, Name: v["name"].(string), Owner: owner}, nil
}
