package dynamics

import (
	"errors"

	"heliograph/crmclient/fieldmap"
)

// The tables that the connector knows.
const (
	tableEmail    = "email"
	tableContact  = "contact"
	tableLead     = "lead"
	tableAccount  = "account"
	tableUser     = "systemuser"
	tableIncident = "incident"
	tableFile     = "activitymimeattachment"
)

// sets are the entity sets of those tables, and their keys. Those of others are read from the metadata.
var sets = map[string][2]string{
	tableEmail: {"emails", "activityid"}, tableContact: {"contacts", "contactid"}, tableLead: {"leads", "leadid"},
	tableAccount: {"accounts", "accountid"}, tableUser: {"systemusers", "systemuserid"}, tableIncident: {"incidents", "incidentid"},
}

// The lengths of standard columns.
const (
	emailSubject  = 800
	emailID       = 320
	caseTitle     = 200
	caseText      = 2000
	personName    = 50
	personAddress = 100
	leadCompany   = 100
	leadTopic     = 300
)

// mailSources are those of an activity, the text and the HTML with the list of files that are left out.
var mailSources = fieldmap.ActivitySources().With(fieldmap.Sources{
	"text_body": fieldmap.Text, "html_body": fieldmap.Text, "outgoing": fieldmap.Bool, "bracketed_id": fieldmap.Text,
})

func mailFields() fieldmap.Fields {
	return fieldmap.Fields{
		"subject":       fieldmap.From("subject", fieldmap.Cut(emailSubject)),
		"description":   fieldmap.From("html_body"),
		"directioncode": fieldmap.From("outgoing"),
		"messageid":     fieldmap.From("bracketed_id", fieldmap.Cut(emailID)),
		"actualend":     fieldmap.From("date", fieldmap.Date(fieldmap.RFC3339, "")),
	}
}

func contactFields() fieldmap.Fields {
	return fieldmap.Fields{
		"firstname":     fieldmap.From("first_name", fieldmap.Cut(personName)),
		"lastname":      fieldmap.From("last_name", fieldmap.Cut(personName)),
		"emailaddress1": fieldmap.From("address", fieldmap.Cut(personAddress)),
	}
}

func leadFields() fieldmap.Fields {
	f := contactFields()
	f["companyname"] = fieldmap.From("company", fieldmap.Cut(leadCompany))
	f["subject"] = fieldmap.From("name", fieldmap.Cut(leadTopic))
	return f
}

func ticketFields() fieldmap.Fields {
	return fieldmap.Fields{
		"title":        fieldmap.From("subject", fieldmap.Cut(caseTitle)),
		"description":  fieldmap.From("text", fieldmap.Cut(caseText)),
		"prioritycode": fieldmap.From("priority", fieldmap.Lookup(map[string]any{"urgent": 1, "high": 1, "normal": 2, "low": 3}, nil)),
	}
}

// mappings are the four of a section.
type mappings struct{ mail, contact, lead, ticket *fieldmap.Map }

func newMappings(c Config) (mappings, error) {
	var m mappings
	var errs [4]error
	m.mail, errs[0] = fieldmap.New("fields", mailSources, mailFields(), c.Fields)
	m.contact, errs[1] = fieldmap.New("contact_fields", fieldmap.ContactSources(), contactFields(), c.ContactFields)
	m.lead, errs[2] = fieldmap.New("lead_fields", fieldmap.ContactSources(), leadFields(), c.LeadFields)
	m.ticket, errs[3] = fieldmap.New("ticket_fields", fieldmap.TicketSources(), ticketFields(), c.TicketFields)
	return m, errors.Join(errs[:]...)
}
