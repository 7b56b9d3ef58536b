package odoo

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"heliograph/crmclient"
)

// addressesAtOnce is how many addresses one question holds.
const addressesAtOnce = 50

// maxSame bounds how many people with the same addresses are told: one address in a hundred records is a mistake of imports.
const maxSame = 1000

func (c *Client) peopleModels() []struct{ model, kind string } {
	out := []struct{ model, kind string }{{partner, crmclient.KindContact}}
	if c.hasLeads() {
		out = append(out, struct{ model, kind string }{lead, crmclient.KindLead})
	}
	return out
}

func personFields(model, emailField string) []string {
	if model == lead {
		return []string{"id", "name", "contact_name", "partner_name", "email_from", emailField, "user_id"}
	}
	return []string{"id", "name", "email", emailField, "parent_id", "user_id"}
}

// emailFieldOf is the field by which people of a model are found.
func (c *Client) emailFieldOf(model string) string {
	if model == lead && c.cfg.EmailField == "email" {
		return "email_from"
	}
	return c.cfg.EmailField
}

// FindContacts asks for partners, and for leads.
func (c *Client) FindContacts(ctx context.Context, asked []string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	for len(asked) > 0 {
		some := asked[:min(len(asked), addressesAtOnce)]
		asked = asked[len(some):]
		for _, m := range c.peopleModels() {
			field := c.emailFieldOf(m.model)
			rows, err := c.search(ctx, m.model, []any{[]any{field, "in", some}}, personFields(m.model, field), "id asc", maxSame, 0)
			if err != nil {
				return nil, err
			}
			for _, r := range rows {
				found, err := c.contact(ctx, m.kind, field, r)
				if err != nil {
					return nil, err
				}
				out = append(out, found)
			}
		}
	}
	return out, nil
}

func (c *Client) contact(ctx context.Context, kind, field string, r map[string]any) (crmclient.Contact, error) {
	owner, err := c.userOf(ctx, r["user_id"])
	out := crmclient.Contact{
		ID: strconv.FormatInt(number(r["id"]), 10), Kind: kind, Address: strings.ToLower(str(r[field])), Name: str(r["name"]), Company: refName(r["parent_id"]), Owner: owner,
	}
	if kind == crmclient.KindLead {
		if name := str(r["contact_name"]); name != "" {
			out.Name = name
		}
		out.Company = str(r["partner_name"])
	}
	return out, err
}

// str reads a text; Odoo writes false for none.
func str(v any) string {
	s, _ := v.(string)
	return s
}

// refID and refName read a many2one: a list of id and name, or false.
func refID(v any) int64 {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return number(list[0])
	}
	return 0
}

func refName(v any) string {
	if list, ok := v.([]any); ok && len(list) > 1 {
		return str(list[1])
	}
	return ""
}

// CreateContact adds a partner.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, partner, crmclient.KindContact, p, owner)
}

// CreateLead adds a lead.
func (c *Client) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, lead, crmclient.KindLead, p, owner)
}

func (c *Client) createPerson(ctx context.Context, model, kind string, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.turns.Person(ctx, kind, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makePerson(ctx, model, kind, p, owner)
	})
}

func (c *Client) makePerson(ctx context.Context, model, kind string, p crmclient.Person, owner string) (crmclient.Contact, error) {
	name := strings.TrimSpace(p.Name)
	if name == "" {
		name = p.Address
	}
	vals := map[string]any{"name": name, "email": p.Address}
	if model == lead {
		vals = map[string]any{"name": name, "contact_name": name, "email_from": p.Address, "type": "lead"}
	}
	user, err := c.userID(ctx, owner)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if user != 0 {
		vals["user_id"] = user
	} else {
		owner = ""
	}
	id, err := c.create(ctx, model, vals)
	if err != nil {
		return crmclient.Contact{}, err
	}
	return crmclient.Contact{ID: strconv.FormatInt(id, 10), Kind: kind, Address: p.Address, Name: name, Owner: owner}, nil
}

// ContactByID returns a partner. Ids of leads are of another count, so that one number may be both; a lead is not
// looked for.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	n, err := idOf(partner, id)
	if errors.Is(err, crmclient.ErrNoRecord) {
		return crmclient.Contact{}, false, nil
	}
	if err != nil {
		return crmclient.Contact{}, false, err
	}
	field := c.emailFieldOf(partner)
	rows, err := c.search(ctx, partner, []any{[]any{"id", "=", n}}, personFields(partner, field), "id asc", 1, 0)
	if err != nil || len(rows) == 0 {
		return crmclient.Contact{}, false, err
	}
	found, err := c.contact(ctx, crmclient.KindContact, field, rows[0])
	return found, err == nil, err
}

// FindCompany looks for a company with a website or address at the domain.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	rows, err := c.search(ctx, partner, []any{
		"&", []any{"is_company", "=", true}, "|", []any{"website", "ilike", domain}, []any{"email", "ilike", "@" + domain},
	}, []string{"id", "name", "website", "email", "user_id"}, "id asc", 50, 0)
	if err != nil {
		return crmclient.Company{}, false, err
	}
	for _, r := range rows {
		_, mail, _ := strings.Cut(strings.ToLower(str(r["email"])), "@")
		if !crmclient.AtDomain(str(r["website"]), domain) && mail != domain {
			continue
		}
		owner, err := c.userOf(ctx, r["user_id"])
		return crmclient.Company{ID: strconv.FormatInt(number(r["id"]), 10), Name: str(r["name"]), Domain: domain, Owner: owner}, err == nil, err
	}
	return crmclient.Company{}, false, nil
}

const maxUsers = 5000

// readUsers reads Odoo's users who are employees.
func (c *Client) readUsers(ctx context.Context) ([]crmclient.User, error) {
	rows, err := c.search(ctx, "res.users", []any{[]any{"share", "=", false}}, []string{"id", "login", "email"}, "id asc", maxUsers, 0)
	if crmclient.ClassOf(err) == crmclient.ClassAuth {
		return nil, nil // without the right to read users nobody is an owner
	}
	if err != nil {
		return nil, err
	}
	all := make([]crmclient.User, len(rows))
	for i, r := range rows {
		email := str(r["email"])
		if email == "" {
			email = str(r["login"])
		}
		all[i] = crmclient.User{ID: strconv.FormatInt(number(r["id"]), 10), Email: email, Active: strings.Contains(email, "@")}
	}
	return all, nil
}

// userID returns the number of the user with the address, or 0.
func (c *Client) userID(ctx context.Context, address string) (int64, error) {
	id, err := c.users.ID(ctx, address)
	if err != nil || id == "" {
		return 0, err
	}
	return strconv.ParseInt(id, 10, 64)
}

// userOf returns the address of the user whom a field refers to, or nothing.
func (c *Client) userOf(ctx context.Context, field any) (string, error) {
	id := refID(field)
	if id == 0 {
		return "", nil
	}
	return c.users.Email(ctx, strconv.FormatInt(id, 10))
}

// search reads records, numbers as json.Number.
func (c *Client) search(ctx context.Context, model string, domain []any, fields []string, order string, limit, offset int) ([]map[string]any, error) {
	kwargs := map[string]any{"domain": domain, "order": order, "limit": limit, "offset": offset}
	if fields != nil {
		kwargs["fields"] = fields
	}
	var rows []map[string]any
	err := c.call(ctx, model, "search_read", nil, kwargs, &rows)
	return rows, err
}

// create makes one record.
func (c *Client) create(ctx context.Context, model string, vals map[string]any) (int64, error) {
	body, err := encode(vals)
	if err != nil {
		return 0, err
	}
	head, tail, path, err := c.creation(ctx, model)
	if err != nil {
		return 0, err
	}
	var made any
	if err := c.send(ctx, path, strings.NewReader(head+body+tail), &made); err != nil {
		return 0, err
	}
	id := firstID(made)
	if id == 0 {
		return 0, &crmclient.Error{Class: crmclient.ClassRetry, Message: "Odoo told no number of the new record"}
	}
	return id, nil
}
