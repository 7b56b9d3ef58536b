package rest

import (
	"context"

	"heliograph/crmclient"
)

// The abilities of a connection, each with its methods where its operations are. The client has one only where the section has all of its
// operations: what is missing is not there, in place of an error.
type (
	contactCreator  struct{ *Client }
	leadCreator     struct{ *Client }
	emailUpdater    struct{ *Client }
	emailWithdrawer struct{ *Client }
	ticketCreator   struct{ *Client }
	ticketFinder    struct{ *Client }
	ticketAssigner  struct{ *Client }
	recordReader    struct{ *Client }
	recordQuerier   struct{ recordReader }
	recordFollower  struct{ recordReader }
	recordCreator   struct{ *Client }
	recordUpdater   struct{ *Client }
	describer       struct{ *Client }
	fileAttacher    struct{ *Client }

	ticketer struct {
		ticketCreator
		ticketFinder
		ticketAssigner
	}
	recordWriter struct {
		recordCreator
		recordUpdater
	}
)

// CreateContact is that of crmclient.ContactCreator.
func (c contactCreator) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.create(ctx, c.ops.createContact, crmclient.KindContact, p, owner)
}

// CreateLead is that of crmclient.LeadCreator.
func (c leadCreator) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.create(ctx, c.ops.createLead, crmclient.KindLead, p, owner)
}

// Ability is that of crmclient.Selective.
func (c *Client) Ability(ability any) any {
	switch ability.(type) {
	case *crmclient.ContactCreator:
		return given(contactCreator{c}, c.ops.createContact)
	case *crmclient.LeadCreator:
		return given(leadCreator{c}, c.ops.createLead)
	case *crmclient.ActivityUpdater:
		return given(emailUpdater{c}, c.ops.updateEmail)
	case *crmclient.ActivityWithdrawer:
		return given(emailWithdrawer{c}, c.ops.withdrawEmail)
	case *crmclient.Describer:
		return given(describer{c}, c.ops.describe)
	case *crmclient.FileAttacher:
		return given(fileAttacher{c}, c.ops.attachFile)
	case *crmclient.TicketCreator:
		return given(ticketCreator{c}, c.ops.createTicket)
	case *crmclient.TicketFinder:
		return given(ticketFinder{c}, c.ops.findTicket)
	case *crmclient.TicketAssigner:
		return given(ticketAssigner{c}, c.ops.assignTicket)
	case *crmclient.Ticketer:
		return given(ticketer{ticketCreator{c}, ticketFinder{c}, ticketAssigner{c}}, c.ops.createTicket, c.ops.findTicket, c.ops.assignTicket)
	}
	return c.recordAbility(ability)
}

func (c *Client) recordAbility(ability any) any {
	switch ability.(type) {
	case *crmclient.RecordReader:
		return given(recordReader{c}, c.ops.readRecord)
	case *crmclient.RecordQuerier:
		return given(recordQuerier{recordReader{c}}, c.ops.readRecord, c.ops.queryRecords)
	case *crmclient.RecordChanges:
		return given(recordFollower{recordReader{c}}, c.ops.readRecord, c.ops.changes)
	case *crmclient.RecordCreator:
		return given(recordCreator{c}, c.ops.createRecord)
	case *crmclient.RecordUpdater:
		return given(recordUpdater{c}, c.ops.updateRecord)
	case *crmclient.RecordWriter:
		return given(recordWriter{recordCreator{c}, recordUpdater{c}}, c.ops.createRecord, c.ops.updateRecord)
	}
	return nil
}

// given returns what needs operations if they are all there.
func given(able any, needs ...*operation) any {
	for _, op := range needs {
		if op == nil {
			return nil
		}
	}
	return able
}
