package jiandaoyun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

var (
	_ crmclient.ContactCreator   = (*Client)(nil)
	_ crmclient.ContactGetter    = (*Client)(nil)
	_ crmclient.ContactLister    = (*Client)(nil)
	_ crmclient.ContactWriter    = (*Client)(nil)
	_ crmclient.ContactSuggester = (*Client)(nil)
	_ crmclient.CompanyFinder    = (*Client)(nil)
	_ crmclient.CompanyPlacer    = (*Client)(nil)
)

// contactFields are what a new contact gets besides name, address and owner, by aliases that the form may have.
func contactFields() fieldmap.Fields {
	return fieldmap.Fields{"source": fieldmap.Value("邮件")}
}

// people is a form of people with its widgets; those that the form does not have are nil.
type people struct {
	*schema
	kind                                                     string
	address                                                  []*widget
	name, company, link, owner, title, phone, mobile, domain *widget
}

func (f ContactForm) widgets(s *schema, kind string) (*people, error) {
	p := &people{schema: s, kind: kind}
	addresses := f.Address
	if len(addresses) == 0 {
		addresses = []string{"email"}
	}
	for _, name := range addresses {
		w, err := s.needType(name, typeText)
		if err != nil {
			return nil, err
		}
		p.address = append(p.address, w)
	}
	var errs []error
	for _, e := range []struct {
		into            **widget
		given, fallback string
	}{
		{&p.name, f.Name, "name"},
		{&p.company, f.Company, "company"},
		{&p.link, f.CompanyLink, "company_link"},
		{&p.owner, f.Owner, "owner"},
		{&p.title, f.Title, "title"},
		{&p.phone, f.Phone, "phone"},
		{&p.mobile, f.Mobile, "mobile"},
		{&p.domain, f.Domain, "domain"},
	} {
		w, err := s.optional(e.given, e.fallback)
		if err != nil {
			errs = append(errs, err)
		}
		*e.into = w
	}
	return p, errors.Join(errs...)
}

// names are the widgets to be read.
func (p *people) names() []string {
	var out []string
	for _, w := range append(slices.Clone(p.address), p.name, p.company, p.link, p.owner, p.title, p.phone, p.mobile) {
		if w != nil && !slices.Contains(out, w.Name) {
			out = append(out, w.Name)
		}
	}
	return out
}

// shown is the text of a widget as people see it.
func shown(w *widget, r row) string {
	if w == nil {
		return ""
	}
	switch v := r[w.Name].(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		for _, name := range []string{"phone", "name", "value"} {
			if s, ok := v[name].(string); ok {
				return s
			}
		}
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// addresses are the mail addresses of a person, in lower case.
func (p *people) addresses(r row) []string {
	var out []string
	for _, w := range p.address {
		if a := strings.ToLower(strings.TrimSpace(shown(w, r))); a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

func (c *Client) contact(p *people, r row, address string) crmclient.Contact {
	out := crmclient.Contact{ID: r.id(), Kind: p.kind, Address: address, Name: shown(p.name, r), Company: shown(p.company, r)}
	if p.owner != nil {
		out.Owner = c.mailOf(r[p.owner.Name])
	}
	return out
}

// people returns the objects of people that the section has, with their kinds.
func (c *Client) people() []struct {
	object, kind string
	form         ContactForm
} {
	type entry = struct {
		object, kind string
		form         ContactForm
	}
	all := []entry{{objContacts, crmclient.KindContact, c.cfg.Contacts}}
	if c.cfg.Leads.set() {
		all = append(all, entry{objLeads, crmclient.KindLead, c.cfg.Leads})
	}
	return all
}

// maxIn is how many values one condition takes.
const maxIn = 100

// FindContacts looks for the addresses in the forms contacts and leads.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	var found []crmclient.Contact
	for _, e := range c.people() {
		for part := range slices.Chunk(addresses, maxIn) {
			var got []crmclient.Contact
			err := c.with(ctx, e.object, func(s *schema) (err error) {
				p, err := e.form.widgets(s, e.kind)
				if err != nil {
					return err
				}
				got, err = c.findPeople(ctx, p, part)
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("find contacts: %w", err)
			}
			found = append(found, got...)
		}
	}
	return found, nil
}

// findPeople returns those who have one of the addresses.
func (c *Client) findPeople(ctx context.Context, p *people, addresses []string) ([]crmclient.Contact, error) {
	f := &filter{Rel: "or"}
	for _, w := range p.address {
		f.Cond = append(f.Cond, condition{w.Name, typeText, "in", list(addresses)})
	}
	var out []crmclient.Contact
	after := ""
	for {
		rows, more, err := c.list(ctx, p.schema, p.names(), f, after, maxPage)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			matches := false
			for _, a := range p.addresses(r) {
				if slices.Contains(addresses, a) {
					out, matches = append(out, c.contact(p, r, a)), true
				}
			}
			if !matches {
				return nil, ignored(p.schema, p.address[0].show())
			}
			after = r.id()
		}
		if !more {
			return out, nil
		}
	}
}

// ContactByID reads a contact or lead.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	for _, e := range c.people() {
		var got crmclient.Contact
		err := c.with(ctx, e.object, func(s *schema) error {
			p, err := e.form.widgets(s, e.kind)
			if err != nil {
				return err
			}
			r, err := c.get(ctx, s, id)
			if err != nil {
				return err
			}
			address := ""
			if all := p.addresses(r); len(all) > 0 {
				address = all[0]
			}
			got = c.contact(p, r, address)
			return nil
		})
		if err == nil {
			return got, true, nil
		}
		if !errors.Is(err, crmclient.ErrNoRecord) {
			return crmclient.Contact{}, false, fmt.Errorf("read contact: %w", err)
		}
	}
	return crmclient.Contact{}, false, nil
}

// CreateContact makes a contact unless there is one with the address.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, objContacts, crmclient.KindContact, c.cfg.Contacts, c.maps.contacts, p, owner)
}

func (c *Client) createPerson(ctx context.Context, object, kind string, form ContactForm, m mapping, p crmclient.Person, owner string) (crmclient.Contact, error) {
	address := strings.ToLower(strings.TrimSpace(p.Address))
	if !strings.Contains(address, "@") || usableKey(address) != nil {
		return crmclient.Contact{}, permanent("a contact needs a mail address")
	}
	return c.turns.Person(ctx, kind, address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		p.Address = address
		return c.makePerson(ctx, object, kind, form, m, p, owner)
	})
}

func (c *Client) makePerson(ctx context.Context, object, kind string, form ContactForm, m mapping, p crmclient.Person, owner string) (crmclient.Contact, error) {
	var made crmclient.Contact
	err := c.with(ctx, object, func(s *schema) error {
		w, err := form.widgets(s, kind)
		if err != nil {
			return err
		}
		v := fieldmap.Contact(p, owner)
		data, err := c.values(ctx, s, m, v, nil)
		if err != nil {
			return err
		}
		if err := c.person(ctx, w, v, data); err != nil {
			return err
		}
		id, err := c.create(ctx, newRecord{schema: s, by: w.address[0], key: p.Address, data: data})
		made = crmclient.Contact{ID: id, Kind: kind, Address: p.Address, Name: v["name"].(string), Owner: owner}
		return err
	})
	if err != nil {
		return crmclient.Contact{}, fmt.Errorf("create %s: %w", kind, err)
	}
	return made, nil
}

// person fills the widgets that the section names one by one.
func (c *Client) person(ctx context.Context, p *people, v fieldmap.Values, data map[string]wrapped) error {
	domain := v["address"].(string)
	domain = domain[strings.LastIndexByte(domain, '@')+1:]
	for _, e := range []struct {
		w     *widget
		value any
	}{{p.name, v["name"]}, {p.owner, v["owner"]}, {p.domain, domain}} {
		if e.w == nil || e.value == "" {
			continue
		}
		if _, given := data[e.w.Name]; given {
			continue
		}
		x, err := c.encode(ctx, e.w, e.value)
		if err != nil {
			return err
		}
		if x != nil {
			data[e.w.Name] = wrapped{x}
		}
	}
	return nil
}

// FindCompany looks for the domain in the form companies.
func (c *Client) FindCompany(ctx context.Context, domain string) (crmclient.Company, bool, error) {
	form := c.cfg.Companies
	if !form.set() || domain == "" {
		return crmclient.Company{}, false, nil
	}
	var found crmclient.Company
	err := c.with(ctx, objCompanies, func(s *schema) error {
		by, err := s.needType(cmp.Or(form.Domain, "domain"), typeText)
		if err != nil {
			return err
		}
		name, err := s.optional(form.Name, "name")
		if err != nil {
			return err
		}
		owner, err := s.optional(form.Owner, "owner")
		if err != nil {
			return err
		}
		var further []string
		for _, w := range []*widget{name, owner} {
			if w != nil {
				further = append(further, w.Name)
			}
		}
		rows, err := c.findByText(ctx, s, by, domain, further...)
		if err != nil || len(rows) == 0 {
			return err
		}
		found = crmclient.Company{ID: rows[0].id(), Name: shown(name, rows[0]), Domain: domain}
		if owner != nil {
			found.Owner = c.mailOf(rows[0][owner.Name])
		}
		return nil
	})
	if err != nil {
		return crmclient.Company{}, false, fmt.Errorf("find company: %w", err)
	}
	return found, found.ID != "", nil
}

// PlaceContact sets the link of a contact to its company, where the form has one and it is empty.
func (c *Client) PlaceContact(ctx context.Context, contactID, companyID string) error {
	err := c.with(ctx, objContacts, func(s *schema) error {
		p, err := c.cfg.Contacts.widgets(s, crmclient.KindContact)
		if err != nil {
			return err
		}
		if p.link == nil {
			return configuration("在联系人表单中添加别名为 company_link 的关联数据字段 (add a link with the alias company_link)", "form %s has no link to companies", s.object)
		}
		r, err := c.get(ctx, s, contactID)
		if err != nil {
			return err
		}
		if v := decode(p.link.Type, r[p.link.Name]); v != nil && v != "" {
			return nil
		}
		x, err := c.encode(ctx, p.link, companyID)
		if err != nil {
			return err
		}
		return c.update(ctx, s, contactID, "", map[string]wrapped{p.link.Name: {x}})
	})
	if err != nil {
		return fmt.Errorf("place contact: %w", err)
	}
	return nil
}

// SuggestContacts looks for people of the same name, and of the same domain where the form has a widget for it.
func (c *Client) SuggestContacts(ctx context.Context, p crmclient.Person, limit int) ([]crmclient.Contact, error) {
	_, domain, _ := strings.Cut(strings.ToLower(p.Address), "@")
	var found []crmclient.Contact
	err := c.with(ctx, objContacts, func(s *schema) error {
		found = nil
		w, err := c.cfg.Contacts.widgets(s, crmclient.KindContact)
		if err != nil {
			return err
		}
		f, wanted := &filter{Rel: "or"}, map[string]string{}
		for _, e := range []struct {
			w     *widget
			value string
		}{{w.name, p.Name}, {w.domain, domain}} {
			if e.w != nil && e.w.Type == typeText && e.value != "" {
				f.Cond = append(f.Cond, condition{e.w.Name, typeText, "eq", []any{e.value}})
				wanted[e.w.Name] = e.value
			}
		}
		if len(f.Cond) == 0 || limit <= 0 {
			return nil
		}
		names := slices.Compact(slices.Sorted(slices.Values(append(w.names(), slices.Collect(maps.Keys(wanted))...))))
		rows, _, err := c.list(ctx, s, names, f, "", min(limit, maxPage))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(wanted)), func(name string) bool { return strings.EqualFold(r.text(name), wanted[name]) }) {
				return ignored(s, f.Cond[0].Field)
			}
			address := ""
			if all := w.addresses(r); len(all) > 0 {
				address = all[0]
			}
			found = append(found, c.contact(w, r, address))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("suggest contacts: %w", err)
	}
	return found, nil
}
