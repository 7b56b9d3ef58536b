package dynamics

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// CreateTicket makes an incident unless there is one with the key. Files are named in its text.
func (c *Client) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	id, duplicate, err := c.makeOnce(ctx, tableIncident, "incidents", "incidentid", t.Key, func() (map[string]any, error) { return c.incident(ctx, t) })
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create incident: %w", err)
	}
	return c.receipt(tableIncident, id, duplicate), nil
}

func (c *Client) incident(ctx context.Context, t *crmclient.Ticket) (map[string]any, error) {
	values := fieldmap.Ticket(t)
	var left []crmclient.AttachmentLeft
	for _, f := range t.Files {
		left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: "files are not written to cases"})
	}
	n := note(left)
	values["text"] = fieldmap.CutRunes(t.Text, caseText-len([]rune(n))) + n
	fields, err := c.maps.ticket.Apply(values)
	if err != nil {
		return nil, err
	}
	if len(t.Fields) > 0 {
		meta, err := c.tableOf(ctx, tableIncident)
		if err != nil {
			return nil, err
		}
		more, err := meta.outValues(t.Fields)
		if err != nil {
			return nil, err
		}
		maps.Copy(fields, more)
	}
	if err := c.bindCustomer(ctx, t, fields); err != nil {
		return nil, err
	}
	return fields, c.bindOwner(ctx, t, fields)
}

// bindCustomer sets the contact, or the account of those who are none: a case cannot be without a customer.
func (c *Client) bindCustomer(ctx context.Context, t *crmclient.Ticket, fields map[string]any) error {
	contact := t.ContactID
	if !guidForm.MatchString(contact) {
		contact = ""
		found, err := c.find(ctx, personContact, []string{strings.ToLower(t.Requester.Address)})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			contact = found[0].ID
		}
	}
	switch {
	case contact != "":
		fields["customerid_contact@odata.bind"] = bind(tableContact, contact)
	case c.cfg.DefaultCustomer != "":
		fields["customerid_account@odata.bind"] = bind(tableAccount, c.cfg.DefaultCustomer)
	default:
		return &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "the requester is no contact, and a case cannot be without a customer",
			Remedy: "make a contact first, or set default_customer to the id of an account for such cases",
		}
	}
	return nil
}

// bindOwner sets the user or the team that the case is for.
func (c *Client) bindOwner(ctx context.Context, t *crmclient.Ticket, fields map[string]any) error {
	if t.Assignee != "" {
		user, err := c.needUser(ctx, t.Assignee)
		fields["ownerid@odata.bind"] = bind(tableUser, user)
		return err
	}
	if t.Queue == "" {
		return nil
	}
	team, err := c.one(ctx, "teams", "teamid", "name eq "+text(t.Queue))
	if err != nil {
		return fmt.Errorf("find team: %w", err)
	}
	if team == nil {
		return &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "Dynamics has no team of the name that the ticket asks for",
			Remedy: "compare the name with Power Platform admin center, Environments, Settings, Teams",
		}
	}
	fields["ownerid@odata.bind"] = "/teams(" + team.text("teamid") + ")"
	return nil
}

func (c *Client) needUser(ctx context.Context, address string) (string, error) {
	id, err := c.userID(ctx, address)
	if err == nil && id == "" {
		err = &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "Dynamics has no enabled user with the assignee's address",
			Remedy: "compare the address with the primary email of the user",
		}
	}
	return id, err
}

// FindTicket returns the incident that was made with the key.
func (c *Client) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	column, err := c.keyColumn(tableIncident)
	if err != nil {
		return crmclient.Record{}, false, err
	}
	r, err := c.one(ctx, "incidents", "incidentid", column+" eq "+text(keyHash(key)))
	if err != nil || r == nil {
		return crmclient.Record{}, false, err
	}
	record, err := c.ReadRecord(ctx, tableIncident, r.text("incidentid"))
	return record, err == nil, err
}

// AssignTicket gives an incident to a user.
func (c *Client) AssignTicket(ctx context.Context, id, assignee string) error {
	if !guidForm.MatchString(id) {
		return noRecord(nil)
	}
	user, err := c.needUser(ctx, assignee)
	if err != nil {
		return err
	}
	return c.set(ctx, "incidents", id, map[string]any{"ownerid@odata.bind": bind(tableUser, user)})
}
