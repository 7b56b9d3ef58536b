package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const batch = 100 // records of one batch request

var contactDefaults = fieldmap.Fields{
	"firstname": fieldmap.From("first_name", fieldmap.Cut(200)),
	"lastname":  fieldmap.From("last_name", fieldmap.Cut(200)),
	"email":     fieldmap.From("address"),
}

var contactProperties = []string{"email", "firstname", "lastname", "company", "hubspot_owner_id", "hs_additional_emails"}

// FindContacts reads the contacts by their addresses, a hundred at a time, without the delay of the search.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	addresses = slices.Compact(slices.Sorted(slices.Values(addresses)))
	var found []crmclient.Contact
	for chunk := range slices.Chunk(addresses, batch) {
		some, err := c.contactsByAddress(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("find contacts: %w", err)
		}
		found = append(found, some...)
	}
	if !c.cfg.SearchAdditional {
		return found, nil
	}
	for _, address := range addresses {
		if slices.ContainsFunc(found, func(k crmclient.Contact) bool { return k.Address == address }) {
			continue
		}
		var out objectList
		r := searchFor(c.objects(objectContacts), []filter{{Property: "hs_additional_emails", Operator: "CONTAINS_TOKEN", Value: address}}, contactProperties, 10)
		if _, err := c.call(ctx, r, &out); err != nil {
			return nil, fmt.Errorf("find contacts: %w", err)
		}
		some, err := c.contactsOf(ctx, out.Results, []string{address})
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

func (c *Client) contactsByAddress(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	if len(addresses) == 0 {
		return nil, nil
	}
	inputs := make([]map[string]string, len(addresses))
	for i, a := range addresses {
		inputs[i] = map[string]string{"id": a}
	}
	var out objectList
	_, err := c.call(ctx, request{method: http.MethodPost, path: c.objects(objectContacts) + "/batch/read", body: map[string]any{
		"idProperty": "email", "inputs": inputs, "properties": contactProperties, "propertiesWithHistory": []string{},
	}}, &out)
	if err != nil {
		return nil, err
	}
	return c.contactsOf(ctx, out.Results, addresses)
}

// contactsOf returns the contacts under the addresses that were asked for.
func (c *Client) contactsOf(ctx context.Context, results []object, asked []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for _, r := range results {
		has := append([]string{r.Properties["email"]}, strings.Split(r.Properties["hs_additional_emails"], ";")...)
		for _, a := range has {
			if a = strings.ToLower(strings.TrimSpace(a)); !slices.Contains(asked, a) {
				continue
			}
			owner, err := c.owners.Email(ctx, r.Properties["hubspot_owner_id"])
			if err != nil {
				return nil, err
			}
			found = append(found, contactOf(r, a, owner))
		}
	}
	return found, nil
}

func contactOf(r object, address, owner string) crmclient.Contact {
	name := strings.TrimSpace(r.Properties["firstname"] + " " + r.Properties["lastname"])
	return crmclient.Contact{ID: r.ID, Kind: crmclient.KindContact, Address: address, Name: name, Company: r.Properties["company"], Owner: owner}
}

// CreateContact adds a contact unless one has the address. HubSpot refuses a second one itself.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.turns.Person(ctx, crmclient.KindContact, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makeContact(ctx, p, owner)
	})
}

func (c *Client) makeContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	filled, err := c.maps.contact.Apply(fieldmap.Contact(p, owner))
	if err != nil {
		return crmclient.Contact{}, err
	}
	properties := texts(filled)
	if err := c.own(ctx, properties, owner); err != nil {
		return crmclient.Contact{}, err
	}
	var out object
	_, err = c.call(ctx, request{method: http.MethodPost, path: c.objects(objectContacts), body: map[string]any{"properties": properties, "associations": []any{}}}, &out)
	var e *crmclient.Error
	switch {
	case errors.As(err, &e) && e.Status == http.StatusConflict: // somebody was quicker
		found, err := c.FindContacts(ctx, []string{p.Address})
		if err != nil {
			return crmclient.Contact{}, err
		}
		if len(found) == 0 {
			return crmclient.Contact{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "HubSpot has a contact with the address that it does not show yet"}
		}
		return found[0], nil
	case err != nil:
		return crmclient.Contact{}, fmt.Errorf("create contact: %w", err)
	case out.ID == "":
		return crmclient.Contact{}, unclear()
	}
	return contactOf(object{ID: out.ID, Properties: properties}, p.Address, owner), nil
}

// ContactByID reads a contact. Of one that was merged HubSpot gives the one that is left.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	if !digits.MatchString(id) {
		return crmclient.Contact{}, false, nil
	}
	var out object
	_, err := c.call(ctx, request{
		method: http.MethodGet, path: c.objects(objectContacts) + "/" + id, query: url.Values{"properties": {strings.Join(contactProperties, ",")}},
	}, &out)
	if isGone(err) {
		return crmclient.Contact{}, false, nil
	}
	if err != nil {
		return crmclient.Contact{}, false, fmt.Errorf("read contact: %w", err)
	}
	owner, err := c.owners.Email(ctx, out.Properties["hubspot_owner_id"])
	return contactOf(out, strings.ToLower(out.Properties["email"]), owner), err == nil, err
}

// FindCompany searches for a company by its domain, which HubSpot does not keep unique: the oldest is taken.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	var out objectList
	r := searchFor(c.objects(objectCompanies), []filter{{Property: "domain", Operator: "EQ", Value: domain}}, []string{"name", "domain", "hubspot_owner_id"}, 10)
	if _, err := c.call(ctx, r, &out); err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find company: %w", err)
	}
	for _, r := range out.Results {
		if !strings.EqualFold(r.Properties["domain"], domain) {
			continue
		}
		owner, err := c.owners.Email(ctx, r.Properties["hubspot_owner_id"])
		return crmclient.Company{ID: r.ID, Name: r.Properties["name"], Domain: domain, Owner: owner}, err == nil, err
	}
	return crmclient.Company{}, false, nil
}
