package freshsales

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// contact is a contact as Freshsales gives it.
type contact struct {
	ID      json.Number `json:"id"`
	Display string      `json:"display_name"`
	First   string      `json:"first_name"`
	Last    string      `json:"last_name"`
	Email   string      `json:"email"`
	Emails  []struct {
		Value string `json:"value"`
	} `json:"emails"`
	Owner    json.Number `json:"owner_id"`
	Accounts []account   `json:"sales_accounts"`
}

func (k contact) name() string {
	if k.Display != "" {
		return k.Display
	}
	return strings.TrimSpace(k.First + " " + k.Last)
}

// has says whether the contact has the address. One that tells none was found by it.
func (k contact) has(address string) bool {
	if strings.EqualFold(k.Email, address) || k.Email == "" && len(k.Emails) == 0 {
		return true
	}
	for _, e := range k.Emails {
		if strings.EqualFold(e.Value, address) {
			return true
		}
	}
	return false
}

// FindContacts looks each address up: Freshsales has no other way.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for _, address := range slices.Compact(slices.Sorted(slices.Values(addresses))) {
		some, err := c.lookup(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("find contacts: %w", err)
		}
		found = append(found, some...)
	}
	return found, nil
}

func (c *Client) lookup(ctx context.Context, address string) ([]crmclient.Contact, error) {
	var out struct {
		Contacts struct {
			Contacts []contact `json:"contacts"`
		} `json:"contacts"`
	}
	q := url.Values{"q": {address}, "f": {"email"}, "entities": {"contact"}, "include": {"sales_accounts"}}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/lookup", query: q}, &out); err != nil {
		return nil, err
	}
	var found []crmclient.Contact
	for _, k := range out.Contacts.Contacts {
		if k.ID == "" || !k.has(address) {
			continue
		}
		one, err := c.contact(ctx, k, address)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

func (c *Client) contact(ctx context.Context, k contact, address string) (crmclient.Contact, error) {
	owner, err := c.users.Email(ctx, k.Owner.String())
	if err != nil {
		return crmclient.Contact{}, err
	}
	out := crmclient.Contact{ID: k.ID.String(), Kind: crmclient.KindContact, Address: address, Name: k.name(), Owner: owner}
	if len(k.Accounts) > 0 {
		out.Company = k.Accounts[0].Name
	}
	return out, nil
}

// CreateContact adds a contact unless one has the address. Freshsales itself keeps addresses apart, so that what is sent again makes no second
// one; what is there is looked up all the same, because sending would change its name.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.turns.Person(ctx, crmclient.KindContact, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makeContact(ctx, p, owner)
	})
}

func (c *Client) makeContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	v := fieldmap.Contact(p, owner)
	fields := map[string]any{"first_name": v["first_name"], "last_name": v["last_name"]}
	id, err := c.users.ID(ctx, owner)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if n, ok := number(id); ok {
		fields["owner_id"] = n
	}
	var out struct {
		Contact contact `json:"contact"`
	}
	body := map[string]any{"unique_identifier": map[string]any{"emails": p.Address}, "contact": fields}
	if _, err := c.call(ctx, request{method: http.MethodPost, path: "/contacts/upsert", body: body}, &out); err != nil {
		return crmclient.Contact{}, fmt.Errorf("create contact: %w", err)
	}
	if out.Contact.ID == "" {
		return crmclient.Contact{}, unclear()
	}
	return c.contact(ctx, out.Contact, p.Address)
}

// ContactByID reads a contact.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	k, there, err := c.read(ctx, id)
	if err != nil || !there {
		return crmclient.Contact{}, false, err
	}
	address := strings.ToLower(k.Email)
	if address == "" && len(k.Emails) > 0 {
		address = strings.ToLower(k.Emails[0].Value)
	}
	one, err := c.contact(ctx, k, address)
	return one, err == nil, err
}

func (c *Client) read(ctx context.Context, id string) (contact, bool, error) {
	if _, ok := number(id); !ok {
		return contact{}, false, nil
	}
	var out struct {
		Contact contact `json:"contact"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/contacts/" + id, query: url.Values{"include": {"sales_accounts"}}}, &out)
	if isGone(err) {
		return contact{}, false, nil
	}
	if err != nil {
		return contact{}, false, fmt.Errorf("read contact: %w", err)
	}
	return out.Contact, true, nil
}

// readUsers is for Users.
func (c *Client) readUsers(ctx context.Context) ([]crmclient.User, error) {
	var out struct {
		Users []struct {
			ID     json.Number `json:"id"`
			Email  string      `json:"email"`
			Active *bool       `json:"is_active"`
		} `json:"users"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, path: "/selector/owners"}, &out); err != nil {
		return nil, fmt.Errorf("read owners: %w", err)
	}
	var all []crmclient.User
	for _, u := range out.Users {
		all = append(all, crmclient.User{ID: u.ID.String(), Email: u.Email, Active: u.Active == nil || *u.Active})
	}
	return all, nil
}
