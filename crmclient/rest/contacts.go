package rest

import (
	"context"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// FindContacts asks for the addresses, batch by batch, and keeps of the answers only who has one of them: some APIs search by
// parts of words, and one that ignores a filter it does not know must not give strangers.
func (c *Client) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	for _, l := range []struct {
		op   *operation
		kind string
	}{{c.ops.findContacts, crmclient.KindContact}, {c.ops.findLeads, crmclient.KindLead}} {
		if l.op == nil {
			continue
		}
		for batch := range slices.Chunk(addresses, l.op.batch) {
			found, err := c.findBatch(ctx, l.op, l.kind, batch)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	return out, nil
}

func (c *Client) findBatch(ctx context.Context, op *operation, kind string, addresses []string) ([]crmclient.Contact, error) {
	s := c.scope(map[string]any{"address": addresses[0], "addresses": texts(addresses)})
	var out []crmclient.Contact
	err := c.pages(ctx, op, s, func(r *reply, items []any) error {
		for _, item := range items {
			contacts, err := c.contact(r, item, s, kind, addresses)
			if err != nil {
				return err
			}
			out = append(out, contacts...)
		}
		return nil
	})
	return out, err
}

// contact reads a person from an item: once for each of the addresses that were asked for.
func (c *Client) contact(r *reply, item any, s scope, kind string, asked []string) ([]crmclient.Contact, error) {
	f, err := c.read(r, item, s)
	if err != nil {
		return nil, err
	}
	if f.id == "" {
		return nil, r.retry("a contact has no id where result.id says")
	}
	res, at := &r.op.result, r.place(item, s.with("id", f.id))
	who := crmclient.Contact{ID: f.id, Kind: kind}
	for _, e := range []struct {
		key  string
		from *extractor
		into *string
	}{{"name", res.name, &who.Name}, {"company", res.company, &who.Company}, {"owner", res.owner, &who.Owner}, {"kind", res.kind, &who.Kind}} {
		if e.from == nil {
			continue
		}
		if *e.into, err = e.from.text(at); err != nil {
			return nil, r.broken("result."+e.key, err)
		}
	}
	if gone, err := res.deleted.truth(at); err != nil || gone {
		return nil, err
	}
	if res.address == nil { // one address was asked for
		who.Address = asked[0]
		return []crmclient.Contact{who}, nil
	}
	values, err := res.address.all(at)
	if err != nil {
		return nil, r.broken("result.address", err)
	}
	var out []crmclient.Contact
	for _, v := range values {
		text, err := textOf(v)
		if err != nil {
			return nil, r.broken("result.address", err)
		}
		who.Address = strings.ToLower(strings.TrimSpace(text))
		if slices.Contains(asked, who.Address) && !slices.Contains(out, who) {
			out = append(out, who)
		}
	}
	return out, nil
}

// create adds a person unless somebody has the address.
func (c *Client) create(ctx context.Context, op *operation, kind string, p crmclient.Person, owner string) (crmclient.Contact, error) {
	unlock, err := c.keys.lock(ctx, "person "+p.Address)
	if err != nil {
		return crmclient.Contact{}, err
	}
	defer unlock()
	if known, err := c.known(ctx, kind, p.Address); err != nil || known.ID != "" {
		return known, err
	}
	v := map[string]any{"phone": "", "mobile": "", "title": "", "company": "", "source": ""}
	for k, value := range fieldmap.Contact(p, owner) {
		v[k] = value
	}
	s, err := c.withUser(ctx, op, c.scope(v), owner, false)
	if err != nil {
		return crmclient.Contact{}, err
	}
	made, err := c.make(ctx, op, s)
	if crmclient.ClassOf(err) == crmclient.ClassDuplicate {
		if known, err := c.known(ctx, kind, p.Address); err != nil || known.ID != "" {
			return known, err
		}
	}
	if err != nil {
		return crmclient.Contact{}, err
	}
	name, _ := v["name"].(string)
	return crmclient.Contact{ID: made.id, Kind: kind, Address: p.Address, Name: name, Owner: owner}, nil
}

// known returns who has the address already: a contact before a lead. A lead is no contact.
func (c *Client) known(ctx context.Context, kind, address string) (crmclient.Contact, error) {
	found, err := c.FindContacts(ctx, []string{address})
	if err != nil {
		return crmclient.Contact{}, err
	}
	for _, f := range found {
		if kind == crmclient.KindLead || f.Kind != crmclient.KindLead {
			return f, nil
		}
	}
	return crmclient.Contact{}, nil
}
