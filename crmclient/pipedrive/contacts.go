package pipedrive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"heliograph/crmclient"
)

const searchLimit = 50 // people with one address

// FindContacts searches for each address: Pipedrive has no other way. A search costs as much as four writes.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for _, address := range slices.Compact(slices.Sorted(slices.Values(addresses))) {
		some, err := c.search(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("find contacts: %w", err)
		}
		found = append(found, some...)
	}
	return found, nil
}

func (c *Client) search(ctx context.Context, address string) ([]crmclient.Contact, error) {
	var out struct {
		Data struct {
			Items []struct {
				Item struct {
					ID     json.Number `json:"id"`
					Name   string      `json:"name"`
					Emails []string    `json:"emails"`
					Owner  struct {
						ID json.Number `json:"id"`
					} `json:"owner"`
					Organization struct {
						Name string `json:"name"`
					} `json:"organization"`
				} `json:"item"`
			} `json:"items"`
		} `json:"data"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, version: v2, path: "/persons/search", query: url.Values{
		"term": {address}, "fields": {"email"}, "exact_match": {"true"}, "limit": {strconv.Itoa(searchLimit)},
	}}, &out)
	if err != nil {
		return nil, err
	}
	var found []crmclient.Contact
	for _, i := range out.Data.Items {
		p := i.Item
		if !slices.ContainsFunc(p.Emails, func(e string) bool { return strings.EqualFold(e, address) }) {
			continue
		}
		owner, err := c.users.Email(ctx, p.Owner.ID.String())
		if err != nil {
			return nil, err
		}
		found = append(found, crmclient.Contact{
			ID: p.ID.String(), Kind: crmclient.KindContact, Address: address, Name: p.Name, Company: p.Organization.Name, Owner: owner,
		})
	}
	return found, nil
}

// CreateContact adds a person unless one has the address. Pipedrive refuses no second one, so one is made at a time.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.turns.Person(ctx, crmclient.KindContact, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makeContact(ctx, p, owner)
	})
}

func (c *Client) makeContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	name := strings.TrimSpace(p.Name)
	if name == "" {
		name, _, _ = strings.Cut(p.Address, "@")
	}
	body := map[string]any{"name": name, "emails": []any{map[string]any{"value": p.Address, "primary": true, "label": "work"}}}
	if owner != "" {
		id, err := c.userID(ctx, owner)
		if err != nil {
			return crmclient.Contact{}, err
		}
		if id != 0 {
			body["owner_id"] = id
		}
	}
	var out struct {
		Data struct {
			ID json.Number `json:"id"`
		} `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodPost, version: v2, path: "/persons", body: body}, &out); err != nil {
		return crmclient.Contact{}, fmt.Errorf("create person: %w", err)
	}
	if out.Data.ID == "" {
		return crmclient.Contact{}, unclear()
	}
	return crmclient.Contact{ID: out.Data.ID.String(), Kind: crmclient.KindContact, Address: p.Address, Name: name, Owner: owner}, nil
}

// ContactByID reads a person.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	if _, err := strconv.ParseUint(id, 10, 63); err != nil {
		return crmclient.Contact{}, false, nil
	}
	var out struct {
		Data struct {
			ID     json.Number `json:"id"`
			Name   string      `json:"name"`
			Owner  json.Number `json:"owner_id"`
			Emails []struct {
				Value   string `json:"value"`
				Primary bool   `json:"primary"`
			} `json:"emails"`
		} `json:"data"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, version: v2, path: "/persons/" + id}, &out)
	if isGone(err) {
		return crmclient.Contact{}, false, nil
	}
	if err != nil {
		return crmclient.Contact{}, false, fmt.Errorf("read person: %w", err)
	}
	k := crmclient.Contact{ID: out.Data.ID.String(), Kind: crmclient.KindContact, Name: out.Data.Name}
	for _, e := range out.Data.Emails {
		if k.Address == "" || e.Primary {
			k.Address = strings.ToLower(e.Value)
		}
	}
	k.Owner, err = c.users.Email(ctx, out.Data.Owner.String())
	return k, err == nil, err
}

// readUsers is for crmclient.Users.
func (c *Client) readUsers(ctx context.Context) ([]crmclient.User, error) {
	var out struct {
		Data []struct {
			ID     json.Number `json:"id"`
			Email  string      `json:"email"`
			Active bool        `json:"active_flag"`
		} `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, version: v1, path: "/users"}, &out); err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	var all []crmclient.User
	for _, one := range out.Data {
		all = append(all, crmclient.User{ID: one.ID.String(), Email: one.Email, Active: one.Active})
	}
	return all, nil
}

// userID returns the id of the active user with the address, or zero.
func (c *Client) userID(ctx context.Context, email string) (int64, error) {
	id, err := c.users.ID(ctx, email)
	if err != nil || id == "" {
		return 0, err
	}
	return strconv.ParseInt(id, 10, 64)
}
