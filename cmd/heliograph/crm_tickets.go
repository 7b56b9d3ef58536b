package main

import (
	"context"
	"fmt"

	"heliograph/crmclient/builtin"
)

type crmTicketsCmd struct {
	Query    string `arg:"" optional:"" help:"Words that must be in subject or text. 关键词"`
	Status   string `help:"Only in this state: open, pending, solved or closed. 状态"`
	Assignee string `help:"Only of this employee, by mail address. 处理人"`
	Contact  string `help:"Only of this contact: number or mail address. 联系人"`
	listFlags
}

// Run lists tickets, the newest first.
func (c *crmTicketsCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		contact, err := contactID(ctx, crm, c.Contact)
		if err != nil {
			return err
		}
		items, more, err := pages(c.Limit, func(p builtin.Paging) (builtin.Page[builtin.Ticket], error) {
			return crm.Tickets(ctx, builtin.TicketFilter{Query: c.Query, Status: c.Status, Assignee: c.Assignee, ContactID: contact, Paging: p})
		})
		if err != nil {
			return err
		}
		t := &table{head: []string{"ID", "SUBJECT", "STATUS", "PRIORITY", "ASSIGNEE", "CONTACT", "CREATED", "CLOSED"}, right: []int{0, 5}}
		return printList(items, more, c.JSON, "tickets", t, func(k builtin.Ticket) []string {
			return []string{
				number(k.ID), k.Subject, k.Status, k.Priority, k.Assignee, number(k.ContactID), clock(k.Created), clock(k.Closed),
			}
		})
	})
}

type crmTicketCmd struct {
	Add crmTicketAddCmd `cmd:"" help:"Add a ticket. 新增工单"`
	Set crmTicketSetCmd `cmd:"" help:"Change a ticket. 修改工单"`
}

// ticketFlags are the fields of a ticket; those not given stay as they are.
type ticketFlags struct {
	Body     *string `help:"What is to be done. 内容"`
	Status   *string `help:"open, pending, solved or closed. 状态"`
	Priority *string `help:"low, normal, high or urgent. 优先级"`
	Assignee *string `help:"Employee in charge, by mail address. 处理人"`
	Contact  *string `help:"Contact: number or mail address; empty takes it off. 联系人"`
}

func (f *ticketFlags) apply(ctx context.Context, crm *builtin.CRM, k *builtin.Ticket) (err error) {
	set(&k.Body, f.Body)
	set(&k.Status, f.Status)
	set(&k.Priority, f.Priority)
	set(&k.Assignee, f.Assignee)
	if f.Contact != nil {
		k.ContactID, err = contactID(ctx, crm, *f.Contact)
	}
	return err
}

type crmTicketAddCmd struct {
	Subject string `arg:"" help:"Subject. 主题"`
	ticketFlags
}

// Run adds a ticket and prints its number.
func (c *crmTicketAddCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		k := builtin.Ticket{Subject: c.Subject}
		if err := c.apply(ctx, crm, &k); err != nil {
			return err
		}
		k, err := crm.AddTicket(ctx, k)
		if err != nil {
			return err
		}
		fmt.Printf("ticket %d added: %s, %s, %s\n", k.ID, oneLine(k.Subject), k.Status, k.Priority)
		return nil
	})
}

type crmTicketSetCmd struct {
	ID      int64   `arg:"" help:"Number of the ticket. 编号"`
	Subject *string `help:"Subject. 主题"`
	ticketFlags
}

// Run changes the fields that were given.
func (c *crmTicketSetCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		k, err := crm.Ticket(ctx, c.ID)
		if err != nil {
			return fmt.Errorf("ticket %d: %w", c.ID, err)
		}
		set(&k.Subject, c.Subject)
		if err := c.apply(ctx, crm, &k); err != nil {
			return err
		}
		if k, err = crm.UpdateTicket(ctx, k); err != nil {
			return err
		}
		fmt.Printf("ticket %d changed: %s, %s, %s\n", k.ID, oneLine(k.Subject), k.Status, k.Priority)
		return nil
	})
}
