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
	"sync"
	"time"

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
		owner, err := c.userEmail(ctx, p.Owner.ID)
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
	release, err := c.turns.Take(ctx, "address "+p.Address)
	if err != nil {
		return crmclient.Contact{}, err
	}
	defer release()
	found, err := c.search(ctx, p.Address)
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("look for the person: %w", err)
	}
	if len(found) > 0 {
		return found[0], nil
	}
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
	k.Owner, err = c.userEmail(ctx, out.Data.Owner)
	return k, err == nil, err
}

// usersFresh is how long the list of users is believed: people join a company more rarely.
const usersFresh = 15 * time.Minute

// users are the company's users of Pipedrive.
type users struct {
	mu      sync.Mutex // guards all below, and lets one at a time read them
	read    time.Time
	byEmail map[string]int64 // lower case
	byID    map[string]string
}

func (c *Client) loadUsers(ctx context.Context) error {
	u := &c.users
	if u.byEmail != nil && c.d.Clock().Sub(u.read) < usersFresh {
		return nil
	}
	var out struct {
		Data []struct {
			ID     int64  `json:"id"`
			Email  string `json:"email"`
			Active bool   `json:"active_flag"`
		} `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodGet, version: v1, path: "/users"}, &out); err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	u.byEmail, u.byID, u.read = map[string]int64{}, map[string]string{}, c.d.Clock()
	for _, one := range out.Data {
		if one.Active {
			u.byEmail[strings.ToLower(one.Email)] = one.ID
		}
		u.byID[strconv.FormatInt(one.ID, 10)] = strings.ToLower(one.Email)
	}
	return nil
}

// userID returns the id of the active user with the address, or zero.
func (c *Client) userID(ctx context.Context, email string) (int64, error) {
	c.users.mu.Lock()
	defer c.users.mu.Unlock()
	err := c.loadUsers(ctx)
	return c.users.byEmail[strings.ToLower(email)], err
}

// userEmail returns the address of the user with the id, or nothing.
func (c *Client) userEmail(ctx context.Context, id json.Number) (string, error) {
	if id == "" {
		return "", nil
	}
	c.users.mu.Lock()
	defer c.users.mu.Unlock()
	err := c.loadUsers(ctx)
	return c.users.byID[id.String()], err
}
