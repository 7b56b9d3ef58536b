package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

func (c *Config) ticketDefaults() fieldmap.Fields {
	return fieldmap.Fields{
		"subject":            fieldmap.From("subject", fieldmap.Default("(no subject)"), fieldmap.Cut(maxSubject)),
		"content":            fieldmap.From("text", fieldmap.Cut(c.maxText())),
		"hs_pipeline":        fieldmap.Value(or(c.Pipeline, "0")),
		"hs_pipeline_stage":  fieldmap.Value(or(c.Stage, "1")),
		"hs_ticket_priority": fieldmap.From("priority", fieldmap.Lookup(map[string]any{"low": "LOW", "normal": "MEDIUM", "high": "HIGH", "urgent": "HIGH"}, nil)),
	}
}

func (c *Client) wantTicketKey() error {
	if c.cfg.TicketKeyProperty != "" {
		return nil
	}
	return misconfigured("create a single-line text property of tickets that requires unique values (Settings, Properties, Tickets) and name it in ticket_key_property",
		"tickets need ticket_key_property, which keeps one from being made twice")
}

// CreateTicket makes a ticket, or finds the one with the key, and links it to the contact. Files are named in its text.
func (c *Client) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	release, err := c.turns.Take(ctx, "ticket "+t.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	r, there, err := c.FindTicket(ctx, t.Key) // an upsert would move a ticket back that somebody worked on
	if err != nil {
		return crmclient.Receipt{}, err
	}
	id := r.ID
	if !there {
		if id, err = c.newTicket(ctx, t); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("create ticket: %w", err)
		}
	}
	if t.ContactID != "" {
		path := c.associate(objectTickets, url.PathEscape(id), objectContacts, url.PathEscape(t.ContactID))
		if _, err := c.call(ctx, request{method: http.MethodPut, path: path}, nil); err != nil && !isGone(err) {
			return crmclient.Receipt{}, fmt.Errorf("link ticket: %w", err)
		}
	}
	return crmclient.Receipt{RemoteID: id, Duplicate: there}, nil
}

func (c *Client) newTicket(ctx context.Context, t *crmclient.Ticket) (string, error) {
	v := fieldmap.Ticket(t)
	var left []crmclient.AttachmentLeft
	for _, f := range t.Files {
		left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: "files of tickets stay in the mail"})
	}
	notice := fieldmap.CutRunes(leftNotice(left), maxNotice)
	v["text"] = fieldmap.CutRunes(t.Text, c.cfg.maxText()-len([]rune(notice))) + notice
	filled, err := c.maps.ticket.Apply(v)
	if err != nil {
		return "", err
	}
	properties := texts(filled)
	for name, value := range t.Fields {
		properties[name] = valueText(value)
	}
	if t.Assignee != "" {
		if properties["hubspot_owner_id"], err = c.assignee(ctx, t.Assignee); err != nil {
			return "", err
		}
	}
	made, err := c.upsert(ctx, objectTickets, c.cfg.TicketKeyProperty, storedKey(t.Key), properties)
	return made.ID, err
}

// FindTicket reads the ticket with the key.
func (c *Client) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	if err := c.wantTicketKey(); err != nil {
		return crmclient.Record{}, false, err
	}
	r, err := c.byKey(ctx, objectTickets, c.cfg.TicketKeyProperty, key, "subject", "hs_pipeline_stage", "hubspot_owner_id")
	if err != nil || r == nil {
		return crmclient.Record{}, false, err
	}
	return record(objectTickets, *r), true, nil
}

// AssignTicket sets the owner of a ticket.
func (c *Client) AssignTicket(ctx context.Context, id, assignee string) error {
	owner, err := c.assignee(ctx, assignee)
	if err != nil {
		return err
	}
	return c.UpdateRecord(ctx, objectTickets, id, map[string]any{"hubspot_owner_id": owner})
}
