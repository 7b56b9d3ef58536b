package jiandaoyun

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

// place is where a listing is.
type place struct {
	Object string `json:"o"`
	After  string `json:"a,omitempty"` // id of the last record
}

// ListContacts lists the form contacts, then the form leads.
func (c *Client) ListContacts(ctx context.Context, text string) ([]crmclient.ContactRecord, string, error) {
	all := c.people()
	at := place{Object: all[0].object}
	if text != "" {
		if err := cursor.Decode(text, &at); err != nil || at.After != "" && !objectID.MatchString(at.After) {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	for i, e := range all {
		if e.object != at.Object {
			continue
		}
		records, next, err := c.listPeople(ctx, e.object, e.kind, e.form, at.After)
		if err != nil {
			return nil, "", fmt.Errorf("list contacts: %w", err)
		}
		switch {
		case next != "":
			return records, cursor.Encode(place{e.object, next}), nil
		case i+1 < len(all):
			return records, cursor.Encode(place{Object: all[i+1].object}), nil
		}
		return records, "", nil
	}
	return nil, "", crmclient.ErrCursorExpired
}

// listPeople returns a page and the id behind which the next begins; nothing after the last.
func (c *Client) listPeople(ctx context.Context, object, kind string, form ContactForm, after string) (out []crmclient.ContactRecord, next string, err error) {
	err = c.with(ctx, object, func(s *schema) error {
		out, next = nil, ""
		p, err := form.widgets(s, kind)
		if err != nil {
			return err
		}
		rows, more, err := c.list(ctx, s, p.names(), nil, after, maxPage)
		if err != nil {
			return err
		}
		for _, r := range rows {
			out = append(out, c.record(p, r))
			if more {
				next = r.id()
			}
		}
		return nil
	})
	return out, next, err
}

// record makes a contact as a whole.
func (c *Client) record(p *people, r row) crmclient.ContactRecord {
	out := crmclient.ContactRecord{
		ID: r.id(), Kind: p.kind, Name: shown(p.name, r), Company: shown(p.company, r), Addresses: p.addresses(r),
		Fields: map[string]string{}, UpdatedAt: r.updated(),
	}
	if p.owner != nil {
		out.Owner = c.mailOf(r[p.owner.Name])
	}
	for name, w := range map[string]*widget{crmclient.FieldTitle: p.title, crmclient.FieldPhone: p.phone, crmclient.FieldMobile: p.mobile} {
		if v := shown(w, r); v != "" {
			out.Fields[name] = v
		}
	}
	for _, name := range []string{crmclient.FieldPhone, crmclient.FieldMobile} {
		if v := out.Fields[name]; v != "" {
			out.Phones = append(out.Phones, v)
		}
	}
	return out
}

// WriteContact compares and writes. Between the two somebody else may write: the API has no condition for an update. The
// requests of this process do not come between each other.
func (c *Client) WriteContact(ctx context.Context, id string, fields, base map[string]string) error {
	release, err := c.turns.Take(ctx, "contact\x00"+id)
	if err != nil {
		return err
	}
	defer release()
	for _, e := range c.people() {
		err = c.with(ctx, e.object, func(s *schema) error {
			p, err := e.form.widgets(s, e.kind)
			if err != nil {
				return err
			}
			return c.writeFields(ctx, p, id, fields, base)
		})
		if !errors.Is(err, crmclient.ErrNoRecord) {
			break
		}
	}
	switch {
	case errors.Is(err, crmclient.ErrNoRecord):
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "no form of people has this record", Err: crmclient.ErrContactGone}
	case err != nil:
		return fmt.Errorf("write contact: %w", err)
	}
	return nil
}

func (c *Client) writeFields(ctx context.Context, p *people, id string, fields, base map[string]string) error {
	known := map[string]*widget{
		crmclient.FieldName: p.name, crmclient.FieldCompany: p.company, crmclient.FieldTitle: p.title, crmclient.FieldPhone: p.phone, crmclient.FieldMobile: p.mobile,
	}
	for name := range fields {
		if known[name] == nil {
			return permanent("form %s has no widget for the field %q", p.object, name)
		}
	}
	r, err := c.get(ctx, p.schema, id)
	if err != nil {
		return err
	}
	data := map[string]wrapped{}
	for name, value := range fields {
		w := known[name]
		switch strings.TrimSpace(shown(w, r)) {
		case strings.TrimSpace(value):
			continue
		case strings.TrimSpace(base[name]):
		default:
			return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the contact was changed in 简道云 meanwhile", Err: crmclient.ErrContactChanged}
		}
		x, err := c.encode(ctx, w, value)
		if err != nil {
			return err
		}
		data[w.Name] = wrapped{x}
	}
	return c.update(ctx, p.schema, id, "", data)
}

// withLeads is a Client whose section has a form of leads.
type withLeads struct{ *Client }

// withTickets is a Client whose section has a form of tickets.
type withTickets struct{ *Client }

// withBoth is a Client whose section has both.
type withBoth struct {
	*Client
	withLeads
	withTickets
}

var (
	_ crmclient.LeadCreator = withLeads{}
	_ crmclient.Ticketer    = withTickets{}
	_ crmclient.LeadCreator = withBoth{}
	_ crmclient.Ticketer    = withBoth{}
)

// able returns the client with the methods for which the section has forms.
func (c *Client) able() crmclient.Client {
	switch leads, tickets := c.cfg.Leads.set(), c.cfg.Tickets.set(); {
	case leads && tickets:
		return withBoth{c, withLeads{c}, withTickets{c}}
	case leads:
		return withLeads{c}
	case tickets:
		return withTickets{c}
	}
	return c
}

// CreateLead makes a lead unless there is a contact or lead with the address.
func (c withLeads) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.createPerson(ctx, objLeads, crmclient.KindLead, c.cfg.Leads, c.maps.leads, p, owner)
}
