package dynamics

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// nobody is an address that no person has (RFC 2606): asking for it tries rights and columns, and reads nothing.
const nobody = "nobody@heliograph.invalid"

// whoAmI tells who the application user is. It changes nothing.
func (c *Client) whoAmI(ctx context.Context) (row, error) {
	answer, err := c.do(ctx, request{method: http.MethodGet, path: "WhoAmI()"})
	if err != nil {
		return nil, err
	}
	var r row
	return r, answer.Exact(&r)
}

// Check signs in, compares tables and columns with the metadata, tries the queries of the search, and writes nothing.
func (c *Client) Check(ctx context.Context) (string, error) {
	who, err := c.whoAmI(ctx)
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	for _, part := range []struct {
		table   string
		section fieldmap.Fields
		m       *fieldmap.Map
	}{
		{tableEmail, nil, c.maps.mail},
		{tableContact, c.cfg.ContactFields, c.maps.contact},
		{tableLead, c.cfg.LeadFields, c.maps.lead},
		{tableIncident, c.cfg.TicketFields, c.maps.ticket},
	} {
		if part.table != tableEmail && len(part.section) == 0 {
			continue
		}
		t, err := c.tableOf(ctx, part.table)
		if err == nil {
			// What must be filled is the form's matter, not the API's: only our own columns are compared.
			err = part.m.Validate(part.table, optional(t.fields()))
		}
		if err != nil {
			return "", fmt.Errorf("compare columns: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.KeyColumns)) {
		if err := c.checkKey(ctx, name, c.cfg.KeyColumns[name]); err != nil {
			return "", err
		}
	}
	if _, err := c.FindContacts(ctx, []string{nobody}); err != nil {
		return "", fmt.Errorf("search people: %w", err)
	}
	if _, err := c.usersOf(ctx, []string{nobody}); err != nil {
		return "", fmt.Errorf("search users: %w", err)
	}
	if _, err := c.findMail(ctx, &crmclient.Activity{Key: nobody}); err != nil {
		return "", fmt.Errorf("search mail: %w", err)
	}
	if _, err := c.regardingName(ctx, tableContact); err != nil {
		return "", err
	}
	return fmt.Sprintf("Dynamics 365 at %s, organisation %s, application user %s", c.root.Host, who.text("OrganizationId"), who.text("UserId")), nil
}

func optional(fields []crmclient.Field) []crmclient.Field {
	for i := range fields {
		fields[i].Required = false
	}
	return fields
}

// checkKey says what is wrong with a key column. That it has an alternate key is asked, too: without one two nodes may write twice.
func (c *Client) checkKey(ctx context.Context, name, column string) error {
	t, err := c.tableOf(ctx, name)
	if err != nil {
		return fmt.Errorf("check key column: %w", err)
	}
	bad := func(format string, args ...any) error {
		return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf(format, args...), Remedy: keyRemedy(name)}
	}
	if col, ok := t.columns[column]; !ok || col.kind != "String" || !col.creates {
		return bad("column %s of table %s is not there, or not a text that can be written", column, name)
	}
	rows, err := c.list(ctx, "EntityDefinitions(LogicalName='"+name+"')/Keys", nil, 0)
	if err != nil {
		return fmt.Errorf("check alternate keys: %w", err)
	}
	for _, r := range rows {
		if list, ok := r["KeyAttributes"].([]any); ok && len(list) == 1 && list[0] == column {
			return nil
		}
	}
	return bad("column %s of table %s has no alternate key", column, name)
}
