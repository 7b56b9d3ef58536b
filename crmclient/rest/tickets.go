package rest

import (
	"context"

	"heliograph/crmclient"
)

// CreateTicket makes a ticket, after looking for its key where find_ticket is configured, and gives it to the assignee.
func (c ticketCreator) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	op := c.ops.createTicket
	if t.Key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the ticket has no key"}
	}
	unlock, err := c.keys.lock(ctx, "ticket "+t.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	contents, err := c.contents(ctx, op, t.Files)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	s, err := c.withUser(ctx, op, c.scope(ticketValues(t, contents)), t.Assignee, true)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	receipt, err := c.write(ctx, op, c.ops.findTicket, s)
	if err != nil {
		return receipt, err
	}
	if err := c.attachAll(ctx, op, "", receipt.RemoteID, t.Files); err != nil {
		return receipt, err
	}
	if t.Assignee == "" || op.used["assignee"] || op.used["user"] || c.ops.assignTicket == nil {
		return receipt, nil
	}
	return receipt, ticketAssigner(c).AssignTicket(ctx, receipt.RemoteID, t.Assignee)
}

// FindTicket returns the ticket with the key.
func (c ticketFinder) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	op := c.ops.findTicket
	s := c.scope(map[string]any{"key": key})
	var out crmclient.Record
	there := false
	err := c.pages(ctx, op, s, func(r *reply, items []any) error {
		for _, item := range items {
			same, err := r.hasKey(item, s)
			if err != nil {
				return err
			}
			if there || !same {
				continue
			}
			if out, err = c.record(r, item, s, "ticket", nil); err != nil {
				return err
			}
			there = true
		}
		return nil
	})
	return out, there, err
}

// AssignTicket gives a ticket to an employee.
func (c ticketAssigner) AssignTicket(ctx context.Context, id, assignee string) error {
	op := c.ops.assignTicket
	s, err := c.withUser(ctx, op, c.scope(map[string]any{"id": id, "assignee": assignee}), assignee, true)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, op, s, pageState{})
	if crmclient.ClassOf(err) == crmclient.ClassDuplicate { // it is theirs already
		return nil
	}
	return err
}
