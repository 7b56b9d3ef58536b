package dynamics

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"heliograph/crmclient"
)

// reference is a row that an address belongs to.
type reference struct{ table, id string }

// participants are those of a message whom Dynamics knows, by address.
type participants struct{ known map[string]reference }

// maxParticipants bounds for how many addresses of one message users are looked up, and how many parties a mail gets.
const maxParticipants = 200

// participants resolves addresses: users first, as Dynamics does, then contacts, accounts and leads that the mirror found.
func (c *Client) participants(ctx context.Context, a *crmclient.Activity) (participants, error) {
	p := participants{known: map[string]reference{}}
	for _, kind := range []person{personLead, personAccount, personContact} { // the later ones win
		for _, f := range a.Contacts {
			if f.Kind == kind.kind && guidForm.MatchString(f.ID) {
				p.known[f.Address] = reference{kind.table, f.ID}
			}
		}
	}
	addresses := []string{}
	add := func(address string) {
		if address != "" && !slices.Contains(addresses, address) && len(addresses) < maxParticipants {
			addresses = append(addresses, address)
		}
	}
	add(a.Owner)
	add(a.From.Address)
	for _, people := range [][]crmclient.Person{a.To, a.CC, a.BCC} {
		for _, who := range people {
			add(who.Address)
		}
	}
	users, err := c.usersOf(ctx, addresses)
	for address, id := range users {
		p.known[address] = reference{tableUser, id}
	}
	return p, err
}

// The values of participationtypemask.
const (
	partySender = 1
	partyTo     = 2 // then 3 Cc and 4 Bcc
)

// parties writes the people of a message.
func (p participants) parties(a *crmclient.Activity) []any {
	out := []any{}
	add := func(mask int, who crmclient.Person) {
		if who.Address == "" || len(out) >= maxParticipants {
			return
		}
		party := map[string]any{"participationtypemask": mask}
		if known, ok := p.known[who.Address]; ok {
			party["partyid_"+known.table+"@odata.bind"] = bind(known.table, known.id)
		} else {
			party["addressused"] = who.Address
		}
		out = append(out, party)
	}
	add(partySender, a.From)
	for i, people := range [][]crmclient.Person{a.To, a.CC, a.BCC} {
		for _, who := range people {
			add(partyTo+i, who)
		}
	}
	return out
}

// bindRegarding says what the mail is about: the first contact, else the first company, else the first lead.
func (c *Client) bindRegarding(ctx context.Context, a *crmclient.Activity, fields map[string]any) error {
	var about reference
	for _, f := range a.Contacts {
		switch {
		case f.Kind == crmclient.KindContact && about.table != tableContact:
			about = reference{tableContact, f.ID}
		case f.Kind == KindAccount && about.table != tableContact && about.table != tableAccount:
			about = reference{tableAccount, f.ID}
		case f.Kind == crmclient.KindLead && about.table == "":
			about = reference{tableLead, f.ID}
		}
	}
	if len(a.Companies) > 0 && (about.table == "" || about.table == tableLead) {
		about = reference{tableAccount, a.Companies[0].ID}
	}
	if about.table == "" || !guidForm.MatchString(about.id) {
		return nil
	}
	name, err := c.regardingName(ctx, about.table)
	if err != nil {
		return err
	}
	fields[name+"@odata.bind"] = bind(about.table, about.id)
	return nil
}

// regardingName returns the property of an email for what it regards: the name differs among environments.
func (c *Client) regardingName(ctx context.Context, table string) (string, error) {
	if name, ok := c.regarding.Get(table); ok {
		return name, nil
	}
	rows, err := c.list(ctx, "EntityDefinitions(LogicalName='"+table+"')/OneToManyRelationships", url.Values{
		"$select": {"ReferencingEntityNavigationPropertyName"},
		"$filter": {"ReferencingEntity eq 'email' and ReferencingAttribute eq 'regardingobjectid'"},
	}, 0)
	if err != nil {
		return "", fmt.Errorf("read what a mail can regard: %w", err)
	}
	for _, r := range rows {
		if name := r.text("ReferencingEntityNavigationPropertyName"); nameForm.MatchString(name) {
			c.regarding.Put(table, name)
			return name, nil
		}
	}
	return "", &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: "an email cannot regard a " + table,
		Remedy: "switch on activities for the table (Power Apps, Tables, Properties)",
	}
}
