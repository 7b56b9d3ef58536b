package jiandaoyun

import (
	"context"
	"fmt"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// ticketFields are the aliases that a form of tickets may have.
func ticketFields() fieldmap.Fields {
	return fieldmap.Fields{
		"subject": fieldmap.From("subject"),
		"content": fieldmap.From("text"),
		"priority": fieldmap.From("priority", fieldmap.Lookup(map[string]any{
			"low": "低", "normal": "普通", "high": "高", "urgent": "紧急",
		}, nil)),
		"queue":         fieldmap.From("queue"),
		"contact":       fieldmap.From("contact_id"),
		"contact_name":  fieldmap.From("requester_name"),
		"contact_email": fieldmap.From("requester_address"),
		"message_id":    fieldmap.From("message_id"),
		"file_names":    fieldmap.From("attachments", fieldmap.Join(", ")),
	}
}

// CreateTicket makes a record in the form tickets.
func (c withTickets) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	if err := usableKey(t.Key); err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, objTickets+"\x00"+t.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	var receipt crmclient.Receipt
	err = c.with(ctx, objTickets, func(s *schema) error {
		by, err := s.needType(c.cfg.Tickets.Key, typeText)
		if err != nil {
			return err
		}
		found, err := c.findByText(ctx, s, by, t.Key)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			receipt = crmclient.Receipt{RemoteID: found[0].id(), Duplicate: true}
			return nil
		}
		receipt.RemoteID, err = c.newTicket(ctx, s, by, t)
		return err
	})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create ticket: %w", err)
	}
	return receipt, nil
}

func (c *Client) newTicket(ctx context.Context, s *schema, by *widget, t *crmclient.Ticket) (string, error) {
	data, err := c.values(ctx, s, c.maps.ticket, fieldmap.Ticket(t), nil)
	if err != nil {
		return "", err
	}
	if t.Assignee != "" {
		assignee, err := c.assignee(ctx, s, t.Assignee)
		if err != nil {
			return "", err
		}
		for name, v := range assignee {
			data[name] = v
		}
	}
	further, err := c.fields(ctx, s, t.Fields)
	if err != nil {
		return "", err
	}
	for name, v := range further {
		data[name] = v
	}
	place, err := s.optional(c.cfg.Tickets.Attachments, "attachments")
	if err != nil {
		return "", err
	}
	keys, left, err := c.attach(ctx, s, place, c.transaction(s, t.Key), t.Files)
	if err != nil {
		return "", err
	}
	for _, f := range left {
		c.log.WarnContext(ctx, "file of a ticket left out", "reason", f.Reason)
	}
	if len(keys) > 0 {
		value, err := c.fileKeys(place, keys)
		if err != nil {
			return "", err
		}
		data[place.Name] = wrapped{value}
	}
	return c.create(ctx, newRecord{schema: s, by: by, key: t.Key, data: data, workflow: c.cfg.Tickets.StartWorkflow})
}

// assignee makes the value of the member widget. A person whom the vendor does not know is an error, unlike in an owner: a ticket that
// nobody gets is not dealt with.
func (c *Client) assignee(ctx context.Context, s *schema, address string) (map[string]wrapped, error) {
	w, err := s.needType(c.cfg.Tickets.Assignee, typeUser, "usergroup")
	if err != nil {
		return nil, err
	}
	one, err := c.oneMember(ctx, w, address)
	if err != nil {
		return nil, err
	}
	if one == nil {
		return nil, &crmclient.Error{
			Class: crmclient.ClassPermanent, Message: "no member has the assignee's mail address",
			Remedy: "在 members 中加入该邮箱对应的成员编号 (add the address and its username to members)",
		}
	}
	if w.Type == "usergroup" {
		return map[string]wrapped{w.Name: {[]any{one}}}, nil
	}
	return map[string]wrapped{w.Name: {one}}, nil
}

// FindTicket looks for the key in the form tickets.
func (c withTickets) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	if err := usableKey(key); err != nil {
		return crmclient.Record{}, false, err
	}
	var found crmclient.Record
	err := c.with(ctx, objTickets, func(s *schema) error {
		by, err := s.needType(c.cfg.Tickets.Key, typeText)
		if err != nil {
			return err
		}
		rows, err := c.findByText(ctx, s, by, key)
		if err != nil || len(rows) == 0 {
			return err
		}
		r, err := c.get(ctx, s, rows[0].id())
		if err != nil {
			return err
		}
		found = s.record(r)
		return nil
	})
	if err != nil {
		return crmclient.Record{}, false, fmt.Errorf("find ticket: %w", err)
	}
	return found, found.ID != "", nil
}

// AssignTicket sets the member widget.
func (c withTickets) AssignTicket(ctx context.Context, id, assignee string) error {
	err := c.with(ctx, objTickets, func(s *schema) error {
		data, err := c.assignee(ctx, s, assignee)
		if err != nil {
			return err
		}
		return c.update(ctx, s, id, "", data)
	})
	if err != nil {
		return fmt.Errorf("assign ticket: %w", err)
	}
	return nil
}
