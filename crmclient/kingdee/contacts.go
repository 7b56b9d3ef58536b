package kingdee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
	"heliograph/crmclient/fieldmap"
)

var (
	_ crmclient.ContactCreator = (*Client)(nil)
	_ crmclient.ContactGetter  = (*Client)(nil)
	_ crmclient.ContactLister  = (*Client)(nil)
	_ crmclient.ContactWriter  = (*Client)(nil)
	_ crmclient.CompanyFinder  = (*Client)(nil)
)

// addressesPerQuestion keeps filters short: a site's database reads them as one statement.
const addressesPerQuestion = 50

// keys are all fields of a person that are read.
func (p Person) keys() []string {
	return []string{p.ID, p.Number, p.Name, p.Address, p.Company, p.Phone, p.Mobile, p.Title, p.Owner, p.Changed}
}

// contactID is an id over all forms of people: those of the first are plain.
func (c *Client) contactID(form int, id string) string {
	if form == 0 || id == "" {
		return id
	}
	return c.cfg.Contacts[form].Form + ":" + id
}

// personOf is the reverse of contactID.
func (c *Client) personOf(contactID string) (form int, id string, ok bool) {
	name, id, split := strings.Cut(contactID, ":")
	if split {
		form = slices.IndexFunc(c.cfg.Contacts, func(p Person) bool { return p.Form == name })
	} else {
		id = contactID
	}
	_, err := strconv.ParseInt(id, 10, 64) // ids of the site are numbers
	return form, id, form >= 0 && err == nil
}

// FindContacts asks each form of people for the addresses. Whether the case of letters counts is up to the site's
// database; nearly all are set up so that it does not.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for i, p := range c.cfg.Contacts {
		for some := range slices.Chunk(addresses, addressesPerQuestion) {
			rows, err := c.rows(ctx, question{
				form: p.Form, fields: p.keys(), filter: p.Address + " IN (" + quoteAll(some) + ")", order: p.ID,
			})
			if err != nil {
				return nil, fmt.Errorf("find contacts in %s: %w", p.Form, err)
			}
			for _, r := range rows {
				contact := c.contact(i, r)
				if slices.Contains(some, contact.Address) {
					found = append(found, contact)
				}
			}
		}
	}
	return found, nil
}

// maxMatches bounds how many people may share the addresses of one question.
const maxMatches = 1000

// rows reads all pages of a question that has few answers.
func (c *Client) rows(ctx context.Context, q question) ([]row, error) {
	var all []row
	q.limit = c.cfg.PageSize
	for len(all) < maxMatches {
		page, err := c.query(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < q.limit {
			break
		}
		q.start += len(page)
	}
	return all, nil
}

func (c *Client) contact(form int, r row) crmclient.Contact {
	p := c.cfg.Contacts[form]
	contact := crmclient.Contact{
		ID: c.contactID(form, r.text(p.ID)), Kind: p.Kind, Address: strings.ToLower(r.text(p.Address)), Name: r.text(p.Name),
		Company: r.text(p.Company), Owner: strings.ToLower(r.text(p.Owner)),
	}
	c.numbers.put(contact.ID, r.text(p.Number))
	return contact
}

func (c *Client) contactRecord(form int, r row) crmclient.ContactRecord {
	p := c.cfg.Contacts[form]
	short := c.contact(form, r)
	out := crmclient.ContactRecord{
		ID: short.ID, Kind: short.Kind, Name: short.Name, Company: short.Company, Owner: short.Owner, Fields: map[string]string{},
	}
	if short.Address != "" {
		out.Addresses = []string{short.Address}
	}
	for name, field := range p.plainFields() {
		v := r.text(field)
		if v == "" {
			continue
		}
		out.Fields[name] = v
		if name != crmclient.FieldTitle {
			out.Phones = append(out.Phones, v)
		}
	}
	slices.Sort(out.Phones)
	if t, ok := c.timeOf(r[p.Changed]); ok {
		out.UpdatedAt = t
	}
	return out
}

// plainFields are the fields with names of ours that are kept in ContactRecord.Fields.
func (p Person) plainFields() map[string]string {
	m := map[string]string{crmclient.FieldPhone: p.Phone, crmclient.FieldMobile: p.Mobile, crmclient.FieldTitle: p.Title}
	maps.DeleteFunc(m, func(_, field string) bool { return field == "" })
	return m
}

// byID reads one person.
func (c *Client) byID(ctx context.Context, id string) (form int, r row, ok bool, err error) {
	form, plain, ok := c.personOf(id)
	if !ok {
		return 0, nil, false, nil
	}
	p := c.cfg.Contacts[form]
	rows, err := c.query(ctx, question{form: p.Form, fields: p.keys(), filter: p.ID + "=" + plain, limit: 1})
	if err != nil || len(rows) == 0 {
		return 0, nil, false, err
	}
	return form, rows[0], true, nil
}

// ContactByID returns the contact as it is now.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	form, r, ok, err := c.byID(ctx, id)
	if err != nil || !ok {
		return crmclient.Contact{}, false, err
	}
	return c.contact(form, r), true, nil
}

// CreateContact makes a person in the first form of people, unless the address is there already. The site has no
// key for it, so an earlier try whose outcome is not known is found by the address.
func (c *Client) CreateContact(ctx context.Context, who crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.turns.Person(ctx, "", who.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		return c.makePerson(ctx, crmclient.Person{Name: who.Name, Address: address}, owner)
	})
}

func (c *Client) makePerson(ctx context.Context, who crmclient.Person, owner string) (crmclient.Contact, error) {
	model, err := c.creating.Apply(fieldmap.Contact(who, owner))
	if err != nil {
		return crmclient.Contact{}, err
	}
	p := c.cfg.Contacts[0]
	made, err := c.save(ctx, p.Form, model, nil)
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("create contact: %w", err)
	}
	c.numbers.put(made.ID, made.Number)
	name, _ := fieldmap.Contact(who, owner)["name"].(string)
	return crmclient.Contact{ID: made.ID, Kind: p.Kind, Address: who.Address, Name: name, Owner: owner}, nil
}

// place is a cursor of ListContacts: by id, so that deletions shift nothing.
type place struct {
	Version int   `json:"v"`
	Form    int   `json:"f"`
	After   int64 `json:"a"`
}

const placeVersion = 1

// ListContacts lists the forms of people one after another, in the order of their ids.
func (c *Client) ListContacts(ctx context.Context, text string) ([]crmclient.ContactRecord, string, error) {
	at := place{Version: placeVersion}
	if text != "" {
		if cursor.Decode(text, &at) != nil || at.Version != placeVersion || at.Form < 0 || at.Form >= len(c.cfg.Contacts) {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	p := c.cfg.Contacts[at.Form]
	rows, err := c.query(ctx, question{
		form: p.Form, fields: p.keys(), filter: fmt.Sprintf("%s>%d", p.ID, at.After), order: p.ID, limit: c.cfg.PageSize,
	})
	if err != nil {
		return nil, "", fmt.Errorf("list contacts in %s: %w", p.Form, err)
	}
	page := make([]crmclient.ContactRecord, 0, len(rows))
	for _, r := range rows {
		page = append(page, c.contactRecord(at.Form, r))
	}
	if len(rows) == c.cfg.PageSize {
		if at.After, err = strconv.ParseInt(rows[len(rows)-1].text(p.ID), 10, 64); err != nil {
			return nil, "", refused("contacts: the field %s of %s is not the number of a record; set id", p.ID, p.Form)
		}
		return page, cursor.Encode(at), nil
	}
	if at.Form++; at.Form == len(c.cfg.Contacts) {
		return page, "", nil
	}
	at.After = 0
	return page, cursor.Encode(at), nil
}

// WriteContact changes a person where its fields are still what the writer saw.
func (c *Client) WriteContact(ctx context.Context, id string, fields, base map[string]string) error {
	done, err := c.turns.Take(ctx, "contact-id:"+id)
	if err != nil {
		return err
	}
	defer done()
	form, r, ok, err := c.byID(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the contact is not there", Err: crmclient.ErrContactGone}
	}
	p := c.cfg.Contacts[form]
	known := p.plainFields()
	known[crmclient.FieldName] = p.Name
	model := map[string]any{p.ID: json.Number(r.text(p.ID))}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field, ok := known[name]
		if !ok || strings.Contains(field, ".") {
			return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the contact has no field %q to write", name)}
		}
		now := r.text(field)
		if now == fields[name] {
			continue
		}
		if now != base[name] {
			return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("field %s was changed", name), Err: crmclient.ErrContactChanged}
		}
		model[field] = fields[name]
	}
	if len(model) == 1 {
		return nil
	}
	update := slices.Sorted(maps.Keys(model))
	update = slices.DeleteFunc(update, func(f string) bool { return f == p.ID })
	if _, err := c.save(ctx, p.Form, model, update); err != nil {
		return fmt.Errorf("write contact: %w", err)
	}
	return nil
}

// FindCompany finds the customer whose web site or mail domain is the domain, where the section names that field.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	f := c.cfg.Companies
	if f.Domain == "" || domain == "" {
		return crmclient.Company{}, false, nil
	}
	filter, err := c.filter([]crmclient.Condition{{Field: f.Domain, Is: crmclient.Contains, Value: domain}})
	if err != nil {
		return crmclient.Company{}, false, nil //nolint:nilerr // a domain with such signs is nobody's
	}
	rows, err := c.rows(ctx, question{form: f.Form, fields: []string{f.ID, f.Name, f.Domain}, filter: filter, order: f.ID})
	if err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find company: %w", err)
	}
	for _, r := range rows {
		if crmclient.AtDomain(r.text(f.Domain), domain) {
			return crmclient.Company{ID: r.text(f.ID), Name: r.text(f.Name), Domain: domain}, true, nil
		}
	}
	return crmclient.Company{}, false, nil
}

var errNoNumber = errors.New("no number")

// numberOf returns the number of a person, by which documents refer to it.
func (c *Client) numberOf(ctx context.Context, contactID string) (string, error) {
	if n, ok := c.numbers.get(contactID); ok {
		return n, nil
	}
	form, r, ok, err := c.byID(ctx, contactID)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", errNoNumber
	}
	n := r.text(c.cfg.Contacts[form].Number)
	c.numbers.put(contactID, n)
	return n, nil
}
