package espocrm

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// addressesAtOnce is how many addresses one question holds, so that its URL stays short.
const addressesAtOnce = 20

var personFields = []string{"id", "name", "emailAddress", "accountName", "assignedUserId", "modifiedAt"}

// objects are Espo's people, in the order in which they are asked for.
var objects = []struct{ name, kind string }{{"Contact", crmclient.KindContact}, {"Lead", crmclient.KindLead}}

// FindContacts asks for contacts and leads.
func (c *Client) FindContacts(ctx context.Context, asked []string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	for len(asked) > 0 {
		some := asked[:min(len(asked), addressesAtOnce)]
		asked = asked[len(some):]
		for _, object := range objects {
			found, err := c.findPeople(ctx, object.name, object.kind, some)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	return out, nil
}

func (c *Client) findPeople(ctx context.Context, object, kind string, asked []string) ([]crmclient.Contact, error) {
	wanted := map[string]bool{}
	for _, a := range asked {
		wanted[a] = true
	}
	var out []crmclient.Contact
	l := listQuery{fields: personFields, where: []filter{{Type: "in", Attribute: "emailAddress", Value: asked}}, order: "createdAt"}
	for more := true; more; l.offset += pageSize {
		var page []map[string]any
		var err error
		if page, more, err = c.list(ctx, object, l); err != nil {
			return nil, err
		}
		for _, r := range page {
			found, err := c.addressesOf(ctx, object, r, wanted)
			if err != nil {
				return nil, err
			}
			for _, a := range found {
				owner, err := c.users.Email(ctx, text(r, "assignedUserId"))
				if err != nil {
					return nil, err
				}
				out = append(out, crmclient.Contact{
					ID: text(r, "id"), Kind: kind, Address: a, Name: text(r, "name"), Company: text(r, "accountName"), Owner: owner,
				})
			}
		}
	}
	return out, nil
}

// addressesOf returns those of the wanted addresses that a person has. A list holds only the first address of each; who was
// found by another is read as a whole.
func (c *Client) addressesOf(ctx context.Context, object string, r map[string]any, wanted map[string]bool) ([]string, error) {
	first := strings.ToLower(text(r, "emailAddress"))
	if wanted[first] {
		return []string{first}, nil
	}
	whole, err := c.ReadRecord(ctx, object, text(r, "id"))
	if errors.Is(err, crmclient.ErrNoRecord) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range allAddresses(whole.Fields) {
		if wanted[a] {
			out = append(out, a)
		}
	}
	return out, nil
}

// allAddresses returns the addresses of a person, the first one first.
func allAddresses(fields map[string]any) []string {
	var out []string
	add := func(a string) {
		if a = strings.ToLower(strings.TrimSpace(a)); a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	add(text(fields, "emailAddress"))
	list, _ := fields["emailAddressData"].([]any)
	for _, entry := range list {
		if m, ok := entry.(map[string]any); ok {
			add(text(m, "emailAddress"))
		}
	}
	return out
}

// CreateContact adds a contact.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, "Contact", crmclient.KindContact, p, owner)
}

// CreateLead adds a lead.
func (c *Client) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, "Lead", crmclient.KindLead, p, owner)
}

func (c *Client) createPerson(ctx context.Context, object, kind string, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.turns.Person(ctx, kind, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makePerson(ctx, object, kind, p, owner)
	})
}

func (c *Client) makePerson(ctx context.Context, object, kind string, p crmclient.Person, owner string) (crmclient.Contact, error) {
	v := fieldmap.Contact(p, owner)
	fields := map[string]any{"firstName": v["first_name"], "lastName": v["last_name"], "emailAddress": p.Address}
	user, err := c.users.ID(ctx, owner)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if user != "" {
		fields["assignedUserId"] = user
	} else {
		owner = ""
	}
	var made map[string]any
	answer, err := c.create(ctx, object, fields, &made)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if text(made, "id") == "" {
		return crmclient.Contact{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "EspoCRM told no id of the new " + object, RequestID: answer.RequestID}
	}
	return crmclient.Contact{ID: text(made, "id"), Kind: kind, Address: p.Address, Name: text(made, "name"), Owner: owner}, nil
}

// ContactByID returns a contact or lead. An id is of one object only.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	for _, object := range objects {
		r, err := c.ReadRecord(ctx, object.name, id)
		if errors.Is(err, crmclient.ErrNoRecord) {
			continue
		}
		if err != nil {
			return crmclient.Contact{}, false, err
		}
		owner, err := c.users.Email(ctx, text(r.Fields, "assignedUserId"))
		if err != nil {
			return crmclient.Contact{}, false, err
		}
		return crmclient.Contact{
			ID: id, Kind: object.kind, Name: text(r.Fields, "name"), Company: text(r.Fields, "accountName"), Owner: owner,
			Address: strings.ToLower(text(r.Fields, "emailAddress")),
		}, true, nil
	}
	return crmclient.Contact{}, false, nil
}

// FindCompany looks for an account whose website is at the domain.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	page, _, err := c.list(ctx, "Account", listQuery{
		fields: []string{"id", "name", "website", "assignedUserId"}, order: "createdAt",
		where: []filter{{Type: "contains", Attribute: "website", Value: domain}},
	})
	if err != nil {
		return crmclient.Company{}, false, err
	}
	for _, r := range page {
		if !crmclient.AtDomain(text(r, "website"), domain) {
			continue
		}
		owner, err := c.users.Email(ctx, text(r, "assignedUserId"))
		return crmclient.Company{ID: text(r, "id"), Name: text(r, "name"), Domain: domain, Owner: owner}, err == nil, err
	}
	return crmclient.Company{}, false, nil
}

// ListContacts lists contacts, then leads. The cursor names the object and the last time that was seen, with how many of that time: a
// list by offset alone would leave out people while others are deleted.
func (c *Client) ListContacts(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	at, offset := 0, 0
	if cursor != "" {
		name, number, ok := strings.Cut(cursor, " ")
		n, err := strconv.Atoi(number)
		at = -1
		for i, object := range objects {
			if object.name == name {
				at = i
			}
		}
		if !ok || err != nil || n < 0 || at < 0 {
			return nil, "", crmclient.ErrCursorExpired
		}
		offset = n
	}
	object := objects[at]
	page, more, err := c.list(ctx, object.name, listQuery{fields: append(personFields, "title", "phoneNumber"), order: "createdAt", offset: offset})
	if err != nil {
		return nil, "", err
	}
	out := make([]crmclient.ContactRecord, len(page))
	for i, r := range page {
		if out[i], err = c.contactRecord(ctx, r, object.kind); err != nil {
			return nil, "", err
		}
	}
	// Who is deleted meanwhile moves the others forward: the next page begins a little before its place.
	switch {
	case more:
		return out, object.name + " " + strconv.Itoa(offset+len(page)-min(len(page)-1, pageOverlap)), nil
	case at+1 < len(objects):
		return out, objects[at+1].name + " 0", nil
	}
	return out, "", nil
}

// pageOverlap is how many of a page are asked for again.
const pageOverlap = 10

func (c *Client) contactRecord(ctx context.Context, r map[string]any, kind string) (crmclient.ContactRecord, error) {
	owner, err := c.users.Email(ctx, text(r, "assignedUserId"))
	if err != nil {
		return crmclient.ContactRecord{}, err
	}
	out := crmclient.ContactRecord{
		ID: text(r, "id"), Kind: kind, Name: text(r, "name"), Company: text(r, "accountName"), Owner: owner,
		Addresses: allAddresses(r), Fields: map[string]string{}, UpdatedAt: timeOf(r, "modifiedAt"),
	}
	if s := text(r, "title"); s != "" {
		out.Fields[crmclient.FieldTitle] = s
	}
	if s := text(r, "phoneNumber"); s != "" {
		out.Phones, out.Fields[crmclient.FieldPhone] = []string{s}, s
	}
	return out, nil
}

func timeOf(r map[string]any, field string) time.Time {
	t, err := time.ParseInLocation(timeLayout, text(r, field), time.UTC)
	if err != nil {
		return time.Time{}
	}
	return t
}

const maxUsers = 5000

// readUsers reads Espo's users.
func (c *Client) readUsers(ctx context.Context) ([]crmclient.User, error) {
	var all []crmclient.User
	l := listQuery{fields: []string{"id", "userName", "emailAddress"}, order: "createdAt", size: 200}
	for more := true; more && len(all) < maxUsers; l.offset += l.size {
		var page []map[string]any
		var err error
		page, more, err = c.list(ctx, "User", l)
		if statusOf(err) == http.StatusForbidden {
			break // without the right to read users nobody is an owner
		}
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			all = append(all, crmclient.User{ID: text(r, "id"), Email: text(r, "emailAddress"), Active: true})
		}
	}
	return all, nil
}
