package builtin

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"heliograph/crmclient"
)

// CreateTicket makes a ticket, once for each key. The queue and the fields become custom fields, but those that are fields
// of a ticket; the names of files are added to the text, because this CRM keeps no files.
func (c *CRM) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	o, err := c.object(ObjectTickets)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	made := &Ticket{
		Subject: truncate(oneLine(t.Subject), maxLine), Body: truncate(ticketText(t), maxNote), Priority: t.Priority, Assignee: t.Assignee,
		Custom: map[string]any{"message_id": t.MessageID, "requester": t.Requester.Address},
	}
	if made.Subject == "" {
		made.Subject = "(no subject)"
	}
	if t.Queue != "" {
		made.Custom["queue"] = t.Queue
	}
	own := map[string]any{}
	for name, v := range t.Fields {
		if _, err := o.field(name); err == nil {
			own[name] = v
			continue
		}
		made.Custom[name] = v
	}
	if err := o.set(made, own); err != nil {
		return crmclient.Receipt{}, err
	}
	if made.ContactID, err = c.requester(ctx, t); err != nil {
		return crmclient.Receipt{}, err
	}
	return c.createOnce(ctx, o, t.Key, made)
}

// requester returns the contact who asks; zero where there is none.
func (c *CRM) requester(ctx context.Context, t *crmclient.Ticket) (int64, error) {
	if t.ContactID != "" {
		if found, ok, err := c.ContactByID(ctx, t.ContactID); err != nil || ok {
			return recordID(found.ID), err
		}
	}
	if t.Requester.Address == "" {
		return 0, nil
	}
	found, err := c.FindContacts(ctx, []string{t.Requester.Address})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return recordID(found[0].ID), nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

func ticketText(t *crmclient.Ticket) string {
	if len(t.Files) == 0 {
		return t.Text
	}
	names := make([]string, len(t.Files))
	for i, f := range t.Files {
		names[i] = oneLine(f.Name)
	}
	return t.Text + "\n\n[" + strings.Join(names, "; ") + "]"
}

// FindTicket returns the ticket that was made with the key.
func (c *CRM) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	var id int64
	err := c.db.Reader().QueryRowContext(ctx, `SELECT record FROM crm_keys WHERE object = $1 AND key = $2`, ObjectTickets, clean(key)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return crmclient.Record{}, false, nil
	}
	if err != nil {
		return crmclient.Record{}, false, fmt.Errorf("find ticket: %w", err)
	}
	r, err := c.ReadRecord(ctx, ObjectTickets, strconv.FormatInt(id, 10))
	if errors.Is(err, crmclient.ErrNoRecord) {
		return crmclient.Record{}, false, nil
	}
	return r, err == nil, err
}

// AssignTicket gives a ticket to an employee. There is no list of employees here, so that any address will do.
func (c *CRM) AssignTicket(ctx context.Context, id, assignee string) error {
	if !isAddress(normalAddress(assignee)) {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the assignee is not a mail address"}
	}
	return c.UpdateRecord(ctx, ObjectTickets, id, map[string]any{"assignee": assignee})
}
