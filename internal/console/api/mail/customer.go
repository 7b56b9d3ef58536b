package mail

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/hooks/archive"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// What an id of a customer is made of.
const (
	idAddress = "a"
	idDomain  = "d"
	idContact = "c" // a target and its id
)

func customerID(kind string, parts ...string) string {
	return kind + "-" + base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

// customer is a person or company outside.
type customer struct {
	kind      CustomerKind
	id        string
	addresses []string // lower case
	domain    string
	records   []contacts.Found // the first is what it is called by
}

// domains are what mail with a company is found by.
func (c *customer) domains() []string {
	if c.domain == "" {
		return nil
	}
	return []string{c.domain}
}

// subjects are what the archive counts it by.
func (c *customer) subjects() []string {
	if c.domain != "" {
		return []string{"@" + c.domain}
	}
	return c.addresses
}

var errNoCustomer = api.NotFound("no_customer", "there is no such customer")

// customer reads an id, and finds who stands for it by now.
func (p *Part) customer(ctx context.Context, accounts []string, id string) (*customer, error) {
	kind, code, _ := strings.Cut(id, "-")
	text, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil {
		return nil, errNoCustomer
	}
	c := &customer{kind: Person, id: id}
	switch kind {
	case idDomain:
		c.kind, c.domain = Company, string(text)
	case idAddress:
		c.addresses = []string{string(text)}
		err = p.knownAs(ctx, c, string(text))
	case idContact:
		target, remote, _ := strings.Cut(string(text), "\x00")
		err = p.contact(ctx, c, target, remote)
	default:
		return nil, errNoCustomer
	}
	if err != nil {
		return nil, err
	}
	if len(c.records) > 0 {
		return c, nil
	}
	talks, err := p.o.Archive.Talks(ctx, archive.TalkFilter{Scope: accounts, Subjects: c.subjects()})
	if err == nil && len(talks) == 0 {
		if c.domain != "" {
			if name, _, err := p.companyAt(ctx, c.domain); err != nil || name != "" {
				return c, err
			}
		}
		err = errNoCustomer
	}
	return c, err
}

// knownAs fills in the contact that an address belongs to.
func (p *Part) knownAs(ctx context.Context, c *customer, address string) error {
	found, err := p.contactsAt(ctx, []string{address})
	if err != nil {
		return err
	}
	if f, ok := found[address]; ok {
		return p.contact(ctx, c, f.Target, f.ID)
	}
	return nil
}

// contact fills in a contact, and what other targets have with the same addresses.
func (p *Part) contact(ctx context.Context, c *customer, target, id string) error {
	if p.o.Contacts() == nil {
		return errNoCustomer
	}
	found, err := p.o.Contacts().Find(ctx, target, id)
	if err != nil {
		return err
	}
	f, ok := found[id]
	if !ok {
		return errNoCustomer
	}
	c.id, c.records = customerID(idContact, target, f.ID), []contacts.Found{f}
	c.addresses = append(c.addresses, lowered(f.Addresses)...)
	for _, other := range p.o.Targets() {
		if other == target {
			continue
		}
		same, _, err := p.o.Contacts().Lookup(ctx, other, f.Addresses)
		if err != nil {
			return err
		}
		for _, list := range same {
			for _, one := range list {
				if slices.ContainsFunc(c.records, func(r contacts.Found) bool { return r.Target == other && r.ID == one.ID }) {
					continue
				}
				c.records = append(c.records, contacts.Found{Target: other, ContactRecord: crmclient.ContactRecord{ID: one.ID, Kind: one.Kind, Name: one.Name}})
			}
		}
	}
	slices.Sort(c.addresses)
	c.addresses = slices.Compact(c.addresses)
	return nil
}

// GetCustomer shows a customer.
func (p *Part) GetCustomer(ctx context.Context, r GetCustomerRequestObject) (GetCustomerResponseObject, error) {
	who := access.From(ctx)
	accounts := scopeOf(who)
	c, err := p.customer(ctx, accounts, r.Id)
	if err != nil {
		return nil, err
	}
	m, err := maskOf(who)
	if err != nil {
		return nil, err
	}
	out := CustomerDetail{
		Id: c.id, Kind: c.kind, Addresses: append([]string{}, c.addresses...), Records: []CRMRecord{}, Colleagues: []Colleague{}, People: []CustomerSummary{},
	}
	talks, err := p.o.Archive.Talks(ctx, archive.TalkFilter{Scope: accounts, Subjects: c.subjects()})
	if err != nil {
		return nil, err
	}
	var sum archive.Talk
	for _, t := range talks {
		sum.Name = cmp.Or(sum.Name, t.Name)
		sum.LastAt, sum.LastIn, sum.LastOut = latest(sum.LastAt, t.LastAt), latest(sum.LastIn, t.LastIn), latest(sum.LastOut, t.LastOut)
	}
	out.LastAt, out.LastIn, out.LastOut = when(sum.LastAt), when(sum.LastIn), when(sum.LastOut)
	if out.Messages, err = p.o.Archive.Count(ctx, accounts, c.subjects()); err != nil {
		return nil, err
	}
	if c.kind == Company {
		err = p.company(ctx, &out, c, accounts, m)
	} else {
		p.person(&out, c, sum.Name, who, m)
	}
	if err != nil {
		return nil, err
	}
	colleagues, err := p.o.Archive.Colleagues(ctx, accounts, c.subjects(), maxListed)
	for _, t := range colleagues {
		out.Colleagues = append(out.Colleagues, Colleague{Account: t.Account, Messages: t.Messages, LastAt: when(t.LastAt), LastIn: when(t.LastIn), LastOut: when(t.LastOut)})
	}
	return GetCustomer200JSONResponse(out), err
}

// maxListed bounds the lists of a customer.
const maxListed = 50

// person fills in what CRMs say of a person.
func (p *Part) person(out *CustomerDetail, c *customer, name string, who *access.Caller, m mask) {
	if len(c.records) == 0 {
		out.Name = m.text(archive.Plain(cmp.Or(name, c.addresses[0])))
		if domain := p.o.Domains.Of(c.addresses[0]); domain != "" {
			out.CompanyId = some(customerID(idDomain, domain))
		}
		return
	}
	f := &c.records[0]
	s := personOf(f, name, m)
	out.Name, out.Company, out.Owner, out.Title, out.Known = s.Name, s.Company, s.Owner, s.Title, some(true)
	hide := func(number string) *string {
		if who.Masked("phone") && number != "" {
			number = stars(number)
		}
		return some(number)
	}
	out.Phone, out.Mobile = hide(f.Fields[crmclient.FieldPhone]), hide(f.Fields[crmclient.FieldMobile])
	if out.Phone == nil && out.Mobile == nil && len(f.Phones) > 0 {
		out.Phone = hide(f.Phones[0])
	}
	for _, a := range f.Addresses {
		if domain := p.o.Domains.Of(a); domain != "" {
			out.CompanyId = some(customerID(idDomain, domain))
			break
		}
	}
	for _, r := range c.records {
		out.Records = append(out.Records, CRMRecord{Target: r.Target, Id: r.ID, Name: some(m.text(archive.Plain(r.Name))), Kind: some(r.Kind)})
	}
}

// stars hides a number but for its last two digits.
func stars(number string) string {
	r := []rune(number)
	for i := range max(0, len(r)-2) {
		r[i] = '*'
	}
	return string(r)
}

// company fills in a company and who writes for it.
func (p *Part) company(ctx context.Context, out *CustomerDetail, c *customer, accounts []string, m mask) error {
	name, owner, err := p.companyAt(ctx, c.domain)
	if err != nil {
		return err
	}
	out.Name, out.Domain, out.Owner, out.Known = m.text(cmp.Or(name, c.domain)), &c.domain, some(owner), some(name != "")
	talks, err := p.o.Archive.Companions(ctx, accounts, c.domain, maxListed)
	if err != nil {
		return err
	}
	people, err := p.described(ctx, &customerQuery{scope: accounts, mask: m}, talks)
	out.People = append(out.People, people...)
	return err
}

// GetTimeline lists the mail with a customer.
func (p *Part) GetTimeline(ctx context.Context, r GetTimelineRequestObject) (GetTimelineResponseObject, error) {
	accounts := scopeOf(access.From(ctx))
	c, err := p.customer(ctx, accounts, r.Id)
	if err != nil {
		return nil, err
	}
	q := r.Params
	if len(c.subjects()) == 0 {
		return GetTimeline200JSONResponse(MessageList{Items: []MessageSummary{}}), nil
	}
	page, err := p.page(ctx, archive.Filter{
		Scope: accounts, Persons: c.addresses, Domains: c.domains(), Words: value(q.Q), Account: lower(q.Account), Direction: string(value(q.Direction)),
		Since: value(q.Since), Until: value(q.Until),
	}, q.Cursor, q.Limit)
	return GetTimeline200JSONResponse(page), err
}
