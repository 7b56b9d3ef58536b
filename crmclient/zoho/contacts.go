package zoho

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	searchEmail = "email"
	searchCOQL  = "coql"

	perPage = 200 // the largest page
	// maxPages bounds a search for one address. Nobody has a thousand contacts with one address.
	maxPages = 5
	// coqlValues is how many values one "in" takes.
	coqlValues = 50
)

// contactDefaults and leadDefaults fill a new contact and lead. A lead must have a company.
var (
	contactDefaults = fieldmap.Fields{
		"First_Name": fieldmap.From("first_name", fieldmap.Cut(40)),
		"Last_Name":  fieldmap.From("last_name", fieldmap.Cut(80)),
		"Email":      fieldmap.From("address"),
	}
	leadDefaults = fieldmap.Fields{
		"First_Name": fieldmap.From("first_name", fieldmap.Cut(40)),
		"Last_Name":  fieldmap.From("last_name", fieldmap.Cut(80)),
		"Email":      fieldmap.From("address"),
		"Company":    fieldmap.FirstOf([]string{"company"}, fieldmap.Default("-")),
	}
)

// module is where people are.
type module struct {
	name, kind string
	company    string // its field with the company
}

func (c *Client) modules() []module {
	all := []module{{moduleContact, crmclient.KindContact, "Account_Name"}}
	if c.cfg.leads() {
		all = append(all, module{moduleLead, crmclient.KindLead, "Company"})
	}
	return all
}

// personFields are what a search reads.
func (c *Client) personFields(m module) []string {
	return append([]string{"id", "Full_Name", "First_Name", "Last_Name", "Owner", m.company, "Modified_Time"}, c.cfg.emailFields()...)
}

// FindContacts asks the search of Zoho for each address in contacts and leads, or COQL for fifty at once. Leads that were
// converted are not found: their contact is.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	addresses = slices.Compact(slices.Sorted(slices.Values(addresses)))
	var found []crmclient.Contact
	for _, m := range c.modules() {
		if c.cfg.Search != searchCOQL {
			for _, address := range addresses {
				some, err := c.search(ctx, m, address)
				if err != nil {
					return nil, fmt.Errorf("find contacts: %w", err)
				}
				found = append(found, some...)
			}
			continue
		}
		some, err := c.searchCOQL(ctx, m, addresses)
		if err != nil {
			return nil, fmt.Errorf("find contacts: %w", err)
		}
		found = append(found, some...)
	}
	return found, nil
}

func (c *Client) search(ctx context.Context, m module, address string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for page := 1; page <= maxPages; page++ {
		var out listing
		_, err := c.call(ctx, request{method: http.MethodGet, path: "/" + m.name + "/search", query: url.Values{
			"email": {address}, "fields": {strings.Join(c.personFields(m), ",")}, "page": {fmt.Sprint(page)}, "per_page": {fmt.Sprint(perPage)},
		}}, &out)
		if err != nil {
			return nil, err
		}
		for _, r := range out.Data {
			if has := c.addressesOf(r); slices.Contains(has, address) {
				found = append(found, contactOf(m, r, address))
			}
		}
		if !out.Info.More {
			break
		}
	}
	return found, nil
}

// searchCOQL asks for many addresses at once. Those with characters that COQL texts may not have go the other way.
func (c *Client) searchCOQL(ctx context.Context, m module, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	var plain []string
	for _, address := range addresses {
		if !strings.ContainsAny(address, `'"\`) {
			plain = append(plain, address)
			continue
		}
		some, err := c.search(ctx, m, address)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	for chunk := range slices.Chunk(plain, coqlValues) {
		in := "('" + strings.Join(chunk, "','") + "')"
		for _, field := range c.cfg.emailFields() {
			rows, err := c.coqlAll(ctx, m.name, c.personFields(m), []string{field + " in " + in}, maxPages*perPage)
			if err != nil {
				return nil, err
			}
			for _, r := range rows {
				if a := strings.ToLower(textOf(r[field])); slices.Contains(chunk, a) {
					found = append(found, contactOf(m, r, a))
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b crmclient.Contact) int { return strings.Compare(a.ID+" "+a.Address, b.ID+" "+b.Address) })
	return slices.Compact(found), nil
}

func (c *Client) addressesOf(r map[string]any) []string {
	var out []string
	for _, f := range c.cfg.emailFields() {
		if a := strings.ToLower(textOf(r[f])); a != "" {
			out = append(out, a)
		}
	}
	return out
}

func contactOf(m module, r map[string]any, address string) crmclient.Contact {
	return crmclient.Contact{
		ID: textOf(r["id"]), Kind: m.kind, Address: address, Name: nameOf(r),
		Company: nameIn(r[m.company]), Owner: strings.ToLower(inside(r["Owner"], "email")),
	}
}

func nameOf(r map[string]any) string {
	if full := textOf(r["Full_Name"]); full != "" {
		return full
	}
	return strings.TrimSpace(textOf(r["First_Name"]) + " " + textOf(r["Last_Name"]))
}

// nameIn returns the name of a lookup, or the text that stands in its place.
func nameIn(v any) string {
	if s := textOf(v); s != "" {
		return s
	}
	return inside(v, "name")
}

// inside returns a text of an object.
func inside(v any, name string) string {
	m, _ := v.(map[string]any)
	return textOf(m[name])
}

// CreateContact adds a contact unless one has the address.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.create(ctx, module{moduleContact, crmclient.KindContact, "Account_Name"}, c.maps.contact, p, owner, false)
}

// CreateLead adds a lead unless a contact or lead has the address.
func (c *Client) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.create(ctx, module{moduleLead, crmclient.KindLead, "Company"}, c.maps.lead, p, owner, true)
}

// create looks, and then upserts by the address, so that whoever is quicker makes no second one.
func (c *Client) create(ctx context.Context, m module, fields *fieldmap.Map, p crmclient.Person, owner string, both bool) (crmclient.Contact, error) {
	look := []module{m}
	if both {
		look = append(look, module{moduleContact, crmclient.KindContact, "Account_Name"})
	}
	find := func(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
		for _, in := range look {
			found, err := c.search(ctx, in, addresses[0])
			if err != nil {
				return nil, fmt.Errorf("look for %s: %w", in.kind, err)
			}
			if len(found) > 0 {
				return found, nil
			}
		}
		return nil, nil
	}
	return c.turns.Person(ctx, m.kind, p.Address, find, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.upsert(ctx, m, fields, p, owner)
	})
}

func (c *Client) upsert(ctx context.Context, m module, fields *fieldmap.Map, p crmclient.Person, owner string) (crmclient.Contact, error) {
	record, err := fields.Apply(fieldmap.Contact(p, owner))
	if err != nil {
		return crmclient.Contact{}, err
	}
	if _, mapped := record["Owner"]; !mapped && owner != "" {
		id, err := c.users.ID(ctx, owner)
		if err != nil {
			return crmclient.Contact{}, err
		}
		if id != "" {
			record["Owner"] = map[string]any{"id": id}
		}
	}
	id, _, err := c.write(ctx, http.MethodPost, "/"+m.name+"/upsert", record, map[string]any{"duplicate_check_fields": []string{c.cfg.emailFields()[0]}})
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("create %s: %w", m.kind, err)
	}
	name := strings.TrimSpace(textOf(record["First_Name"]) + " " + textOf(record["Last_Name"]))
	return crmclient.Contact{ID: id, Kind: m.kind, Address: p.Address, Name: name, Owner: owner}, nil
}

// ContactByID looks among the contacts and then among the leads.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	if !recordID.MatchString(id) {
		return crmclient.Contact{}, false, nil
	}
	for _, m := range c.modules() {
		r, there, err := c.read(ctx, parent{m.name, id}, c.personFields(m))
		if err != nil {
			return crmclient.Contact{}, false, err
		}
		if there {
			address := ""
			if has := c.addressesOf(r); len(has) > 0 {
				address = has[0]
			}
			return contactOf(m, r, address), true, nil
		}
	}
	return crmclient.Contact{}, false, nil
}

// FindCompany searches the accounts for the domain as a word, and takes one whose website has it.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	var out listing
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/" + moduleAccount + "/search", query: url.Values{
		"word": {domain}, "fields": {"id,Account_Name,Website,Owner"}, "page": {"1"}, "per_page": {fmt.Sprint(perPage)},
	}}, &out)
	if err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find company: %w", err)
	}
	for _, r := range out.Data {
		if crmclient.AtDomain(textOf(r["Website"]), domain) {
			return crmclient.Company{
				ID: textOf(r["id"]), Name: textOf(r["Account_Name"]), Domain: domain, Owner: strings.ToLower(inside(r["Owner"], "email")),
			}, true, nil
		}
	}
	return crmclient.Company{}, false, nil
}
