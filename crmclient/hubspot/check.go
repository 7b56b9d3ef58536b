package hubspot

import (
	"context"
	"fmt"
	"slices"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// Check reads a contact that is not there, the owners, and the properties that the section needs. It writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	if _, err := c.contactsByAddress(ctx, []string{"nobody@address.invalid"}); err != nil {
		return "", fmt.Errorf("read contacts: %w", err)
	}
	known, err := c.owners.Reload(ctx)
	if err != nil {
		return "", err
	}
	if err := c.checkProperties(ctx, objectContacts, c.maps.contact, ""); err != nil {
		return "", err
	}
	if err := c.checkProperties(ctx, objectEmails, c.maps.email, c.cfg.key()); err != nil {
		return "", err
	}
	if c.cfg.TicketKeyProperty != "" {
		if err := c.checkProperties(ctx, objectTickets, c.maps.ticket, c.cfg.TicketKeyProperty); err != nil {
			return "", err
		}
	}
	for _, name := range c.cfg.recordKeys() {
		if err := c.checkProperties(ctx, name, nil, c.cfg.RecordKeys[name]); err != nil {
			return "", err
		}
	}
	if _, err := c.byKey(ctx, objectEmails, c.cfg.key(), "check"); err != nil {
		return "", err
	}
	return fmt.Sprintf("HubSpot with %d owners, mail kept single by the property %s", known, c.cfg.key()), nil
}

// checkProperties compares a mapping with an object's properties, and looks whether its key property keeps records single.
func (c *Client) checkProperties(ctx context.Context, name string, m *fieldmap.Map, key string) error {
	fields, err := c.DescribeObject(ctx, name)
	if err != nil {
		return err
	}
	if m != nil {
		if err := m.Validate(name, fields); err != nil {
			return err
		}
	}
	if key == "" {
		return nil
	}
	unique := name != objectEmails || !c.cfg.searches()
	i := slices.IndexFunc(fields, func(f crmclient.Field) bool { return f.Name == key })
	how := fmt.Sprintf("create it once: POST /crm/v3/properties/%s {\"name\": %q, \"label\": \"Heliograph key\", \"type\": \"string\", \"fieldType\": \"text\", \"hasUniqueValue\": %t, \"groupName\": …}, or in Settings, Properties where HubSpot shows the object there", name, key, unique)
	switch {
	case i < 0:
		return misconfigured(how, "%s have no property %s, which keeps one from being stored twice", name, key)
	case unique && !fields[i].Unique:
		return misconfigured("HubSpot cannot make a property unique later: choose another name; "+how,
			"the property %s of %s takes the same value twice", key, name)
	}
	return nil
}
