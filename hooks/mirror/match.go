package mirror

import (
	"context"
	"fmt"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/message"
)

// match finds the correspondents in the CRM and adds those whom policy wants added. That
// a contact cannot be added does not keep the mail from the CRM.
func (m *Mirror) match(ctx context.Context, t *target, a *crmclient.Activity, p *people, msg *message.Message) ([]crmclient.Contact, error) {
	if len(p.external) == 0 {
		return nil, nil
	}
	contacts, err := t.Client.FindContacts(ctx, p.addresses())
	if err != nil {
		return nil, fmt.Errorf("finding contacts: %w", err)
	}
	creator, ok := t.Client.(crmclient.ContactCreator)
	if !ok || m.o.Unmatched != config.UnmatchedCreate {
		return contacts, nil
	}
	known := map[string]bool{}
	for _, c := range contacts {
		known[c.Address] = true
	}
	for _, who := range p.external {
		if known[who.Address] || !creatable(who, msg, p) {
			continue
		}
		c, err := creator.CreateContact(ctx, who, m.owner(a, p))
		switch class := crmclient.ClassOf(err); {
		case err == nil:
			m.metrics.contacts.WithLabelValues(t.Name).Inc()
			contacts = append(contacts, c)
		case class == crmclient.ClassPermanent || class == crmclient.ClassDuplicate:
			m.o.Logger.WarnContext(ctx, "contact not created", "target", t.Name, "message_key", a.Key, "error", err)
		default:
			return nil, fmt.Errorf("creating a contact: %w", err)
		}
	}
	return contacts, nil
}

// owner is the employee whom a new contact belongs to: who wrote, or else who was written to.
func (m *Mirror) owner(a *crmclient.Activity, p *people) string {
	if p.from.Address != "" && m.o.Internal(p.from.Address) {
		return p.from.Address
	}
	if p.direction == crmclient.Outbound && len(a.Accounts) > 0 {
		return a.Accounts[0]
	}
	for _, list := range [][]crmclient.Person{p.to, p.cc, p.bcc} {
		for _, who := range list {
			if m.o.Internal(who.Address) {
				return who.Address
			}
		}
	}
	if len(a.Accounts) > 0 {
		return a.Accounts[0]
	}
	return ""
}
