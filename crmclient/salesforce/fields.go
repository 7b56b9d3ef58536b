package salesforce

import (
	"errors"

	"heliograph/crmclient/fieldmap"
)

// The objects that the connector knows.
const (
	objectEmail    = "EmailMessage"
	objectRelation = "EmailMessageRelation"
	objectTask     = "Task"
	objectContact  = "Contact"
	objectLead     = "Lead"
	objectAccount  = "Account"
	objectUser     = "User"
	objectGroup    = "Group"
	objectCase     = "Case"
	objectVersion  = "ContentVersion"
	objectDocument = "ContentDocument"
)

// The lengths of standard fields, from the field reference.
const (
	emailSubject = 3000
	emailPeople  = 4000 // ToAddress, CcAddress, BccAddress
	emailFrom    = 1000 // FromAddress, FromName
	emailID      = 255  // MessageIdentifier, ThreadIdentifier
	taskSubject  = 255
	caseSubject  = 255
	caseText     = 32_000
	suppliedText = 80 // SuppliedEmail, SuppliedName
	firstName    = 40
	lastName     = 80
	leadCompany  = 255
)

// mailSources are those of an activity and what only this connector knows.
var mailSources = fieldmap.ActivitySources().With(fieldmap.Sources{
	"body":      fieldmap.Text, // text with the list of files that are left out, not longer than max_text
	"html_body": fieldmap.Text, "incoming": fieldmap.Bool,
	"to_ids": fieldmap.List, "cc_ids": fieldmap.List, "bcc_ids": fieldmap.List, // people whom Salesforce knows
	"to_others": fieldmap.List, "cc_others": fieldmap.List, "bcc_others": fieldmap.List, // addresses of the rest
	"message_identifier": fieldmap.Text, "company_id": fieldmap.Text, "who_id": fieldmap.Text, "what_id": fieldmap.Text, "owner_id": fieldmap.Text,
})

// emailFields are the defaults of an EmailMessage.
func emailFields() fieldmap.Fields {
	people := func(source string) fieldmap.Field {
		return fieldmap.From(source, fieldmap.Join("; "), fieldmap.Cut(emailPeople))
	}
	return fieldmap.Fields{
		"Subject":           fieldmap.From("subject", fieldmap.Cut(emailSubject)),
		"TextBody":          fieldmap.From("body"),
		"HtmlBody":          fieldmap.From("html_body"),
		"FromAddress":       fieldmap.From("from_address", fieldmap.Cut(emailFrom)),
		"FromName":          fieldmap.From("from_name", fieldmap.Cut(emailFrom)),
		"ToAddress":         people("to_others"),
		"CcAddress":         people("cc_others"),
		"BccAddress":        people("bcc_others"),
		"ToIds":             fieldmap.From("to_ids"),
		"CcIds":             fieldmap.From("cc_ids"),
		"BccIds":            fieldmap.From("bcc_ids"),
		"Incoming":          fieldmap.From("incoming"),
		"MessageDate":       fieldmap.From("date", fieldmap.Date(fieldmap.RFC3339, "")),
		"Status":            fieldmap.Value("3"), // sent; the digits are not in the reference
		"MessageIdentifier": fieldmap.From("message_identifier", fieldmap.Cut(emailID)),
		"ThreadIdentifier":  fieldmap.From("thread", fieldmap.Cut(emailID)),
		"RelatedToId":       fieldmap.From("company_id"),
	}
}

// taskFields are the defaults of a Task.
func taskFields() fieldmap.Fields {
	return fieldmap.Fields{
		"Subject":      fieldmap.From("subject", fieldmap.Cut(taskSubject)),
		"Description":  fieldmap.From("body"),
		"Status":       fieldmap.Value("Completed"),
		"TaskSubtype":  fieldmap.Value("Email"),
		"ActivityDate": fieldmap.From("date", fieldmap.Date(fieldmap.DateOnly, "")),
		"WhoId":        fieldmap.From("who_id"),
		"WhatId":       fieldmap.From("what_id"),
		"OwnerId":      fieldmap.From("owner_id"),
	}
}

var personSources = fieldmap.ContactSources().With(fieldmap.Sources{"owner_id": fieldmap.Text})

func contactFields(person bool) fieldmap.Fields {
	f := fieldmap.Fields{
		"FirstName": fieldmap.From("first_name", fieldmap.Cut(firstName)),
		"LastName":  fieldmap.From("last_name", fieldmap.Cut(lastName)),
		"Email":     fieldmap.From("address"),
		"OwnerId":   fieldmap.From("owner_id"),
	}
	if person {
		f["PersonEmail"] = f["Email"]
		delete(f, "Email")
	}
	return f
}

func leadFields() fieldmap.Fields {
	f := contactFields(false)
	f["Company"] = fieldmap.From("company", fieldmap.Default("-"), fieldmap.Cut(leadCompany)) // mandatory
	return f
}

var ticketSources = fieldmap.TicketSources().With(fieldmap.Sources{"owner_id": fieldmap.Text})

func ticketFields() fieldmap.Fields {
	return fieldmap.Fields{
		"Subject":       fieldmap.From("subject", fieldmap.Cut(caseSubject)),
		"Description":   fieldmap.From("text", fieldmap.Cut(caseText)),
		"Origin":        fieldmap.Value("Email"),
		"Priority":      fieldmap.From("priority", fieldmap.Lookup(map[string]any{"low": "Low", "normal": "Medium", "high": "High", "urgent": "High"}, nil)),
		"ContactId":     fieldmap.From("contact_id"),
		"SuppliedEmail": fieldmap.From("requester_address", fieldmap.Cut(suppliedText)),
		"SuppliedName":  fieldmap.From("requester_name", fieldmap.Cut(suppliedText)),
		"OwnerId":       fieldmap.From("owner_id"),
	}
}

// mappings are the four of a section.
type mappings struct{ mail, contact, lead, ticket *fieldmap.Map }

func newMappings(c Config) (mappings, error) {
	var m mappings
	mail := emailFields()
	if c.LogAs == LogAsTask {
		mail = taskFields()
	}
	var errs [4]error
	m.mail, errs[0] = fieldmap.New("fields", mailSources, mail, c.Fields)
	m.contact, errs[1] = fieldmap.New("contact_fields", personSources, contactFields(c.PersonRecordType != ""), c.ContactFields)
	m.lead, errs[2] = fieldmap.New("lead_fields", personSources, leadFields(), c.LeadFields)
	m.ticket, errs[3] = fieldmap.New("ticket_fields", ticketSources, ticketFields(), c.TicketFields)
	for i, err := range errs {
		if err != nil {
			return m, errors.Join(errs[i:]...)
		}
	}
	return m, nil
}
