package twenty

import (
	"context"
	"errors"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	people       = "people"
	primaryEmail = "emails.primaryEmail"
	// addressesAtOnce is how many addresses one question holds, so that its URL stays short.
	addressesAtOnce = 20
)

// FindContacts asks for people by their primary addresses.
func (c *Client) FindContacts(ctx context.Context, asked []string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	for len(asked) > 0 {
		some := asked[:min(len(asked), addressesAtOnce)]
		asked = asked[len(some):]
		found, err := c.findPeople(ctx, some)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func (c *Client) findPeople(ctx context.Context, asked []string) ([]crmclient.Contact, error) {
	var filters []string
	for _, address := range asked {
		if where, err := compare(primaryEmail, "eq", address); err == nil { // one with a quotation mark in it Twenty does not take
			filters = append(filters, where)
		}
	}
	if len(filters) == 0 {
		return nil, nil
	}
	var out []crmclient.Contact
	l := listQuery{filter: compose("or", filters)}
	for {
		page, next, err := c.list(ctx, people, l)
		if err != nil {
			return nil, err
		}
		for _, row := range page {
			out = append(out, contact(row))
		}
		if next == "" {
			return out, nil
		}
		l.after = next
	}
}

func contact(row map[string]any) crmclient.Contact {
	name, _ := row["name"].(map[string]any)
	emails, _ := row["emails"].(map[string]any)
	return crmclient.Contact{
		ID: text(row, "id"), Kind: crmclient.KindContact, Address: strings.ToLower(text(emails, "primaryEmail")),
		Name: strings.TrimSpace(text(name, "firstName") + " " + text(name, "lastName")),
	}
}

// CreateContact adds a person. People of Twenty have no owner.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	release, err := c.turns.Take(ctx, "person "+p.Address)
	if err != nil {
		return crmclient.Contact{}, err
	}
	defer release()
	v := fieldmap.Contact(p, owner)
	made, _, err := c.once(ctx, people, primaryEmail, p.Address, map[string]any{
		"name":   map[string]any{"firstName": v["first_name"], "lastName": v["last_name"]},
		"emails": map[string]any{"primaryEmail": p.Address, "additionalEmails": []string{}},
	})
	if err != nil {
		return crmclient.Contact{}, err
	}
	out := contact(made)
	if out.Address == "" {
		out.Address = p.Address
	}
	return out, nil
}

// ContactByID returns a person.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	r, err := c.ReadRecord(ctx, people, id)
	if errors.Is(err, crmclient.ErrNoRecord) {
		return crmclient.Contact{}, false, nil
	}
	if err != nil {
		return crmclient.Contact{}, false, err
	}
	return contact(r.Fields), true, nil
}
