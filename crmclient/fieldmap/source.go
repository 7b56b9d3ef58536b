package fieldmap

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// Kind is the kind of a value while it passes the steps.
type Kind string

// The kinds.
const (
	Text   Kind = "text"
	List   Kind = "list" // of texts; steps for a text work on each of them
	Time   Kind = "time" // must become a text or number by the step "date"; without it, RFC 3339 in UTC
	Bool   Kind = "bool"
	Number Kind = "number"
	Object Kind = "object" // made by the step "wrap"; no step takes it but "list" and "wrap"
	Any    Kind = "value"  // known only when it is there
)

// Sources are the names of the values that Apply gets, with their kinds.
type Sources map[string]Kind

// Values are the values of one object by the names of the sources. Each is nil, string, []string, time.Time, bool, an
// integer, float64 or json.Number; for sources of the kind Any also what Record.Fields may hold.
type Values map[string]any

// With returns the sources and more, which a connector fills itself.
func (s Sources) With(more Sources) Sources {
	out := maps.Clone(s)
	maps.Copy(out, more)
	return out
}

// Names returns the names, sorted.
func (s Sources) Names() []string { return slices.Sorted(maps.Keys(s)) }

// ActivitySources are the sources that Activity fills. People are written as "Name <address>", in the lists and in "from".
func ActivitySources() Sources {
	return Sources{
		"key": Text, "message_id": Text, "thread": Text, "direction": Text, "subject": Text, "date": Time,
		"from": Text, "from_address": Text, "from_name": Text,
		"to": List, "cc": List, "bcc": List, "to_addresses": List, "cc_addresses": List, "bcc_addresses": List,
		"text": Text, "text_unquoted": Text, "html": Text,
		"accounts": List, "owner": Text, "automated": Bool, "unconfirmed": Bool, "flags": List,
		"contact_ids": List, "lead_ids": List, "company_ids": List, "contact_names": List, "company_names": List,
		"attachments": List, "attachments_left": List, "attachment_count": Number,
	}
}

// Activity returns the values of an activity. contact_ids are those of the kind contact, lead_ids those of the kind
// lead; contacts of kinds that only the vendor has are the connector's to add.
func Activity(a *crmclient.Activity) Values {
	v := Values{
		"key": a.Key, "message_id": a.MessageID, "thread": a.Thread, "direction": string(a.Direction),
		"subject": a.Subject, "date": a.Date,
		"from": person(a.From), "from_address": a.From.Address, "from_name": a.From.Name,
		"to": each(a.To, person), "cc": each(a.CC, person), "bcc": each(a.BCC, person),
		"to_addresses": each(a.To, address), "cc_addresses": each(a.CC, address), "bcc_addresses": each(a.BCC, address),
		"text": a.Text, "text_unquoted": a.TextUnquoted, "html": a.HTML,
		"accounts": a.Accounts, "owner": a.Owner, "automated": a.Automated, "unconfirmed": a.Unconfirmed, "flags": a.Flags,
		"company_ids":      each(a.Companies, func(c crmclient.Company) string { return c.ID }),
		"company_names":    each(a.Companies, func(c crmclient.Company) string { return c.Name }),
		"contact_names":    each(a.Contacts, func(c crmclient.Contact) string { return c.Name }),
		"attachments":      each(a.Attachments, func(f crmclient.Attachment) string { return f.Name }),
		"attachments_left": each(a.AttachmentsLeft, left),
		"attachment_count": len(a.Attachments),
	}
	var contacts, leads []string
	for _, c := range a.Contacts {
		switch c.Kind {
		case crmclient.KindContact, "":
			contacts = append(contacts, c.ID)
		case crmclient.KindLead:
			leads = append(leads, c.ID)
		}
	}
	v["contact_ids"], v["lead_ids"] = contacts, leads
	return v
}

// ContactSources are the sources that Contact and ContactFields fill.
func ContactSources() Sources {
	return Sources{
		"name": Text, "first_name": Text, "last_name": Text, "address": Text, "owner": Text,
		"phone": Text, "mobile": Text, "title": Text, "company": Text, "source": Text,
	}
}

// Contact returns the values of a person who is to be made a contact or lead. A person without a name is called by the part of
// the address before the @; last_name is never empty where there is an address, because most CRMs demand it.
func Contact(p crmclient.Person, owner string) Values {
	v := Values{"name": strings.TrimSpace(p.Name), "address": p.Address, "owner": owner}
	if v["name"] == "" {
		local, _, _ := strings.Cut(p.Address, "@")
		v["name"] = local
	}
	v["first_name"], v["last_name"] = splitName(v["name"].(string))
	return v
}

// ContactFields returns the values for the fields of a crmclient.ContactWriter, which are named as crmclient.FieldName
// and its companions are. An empty value is in the result, so that Field.KeepEmpty can clear a field.
func ContactFields(fields map[string]string) Values {
	v := Values{}
	for name, value := range fields {
		v[name] = value
	}
	if name, ok := fields[crmclient.FieldName]; ok {
		v["first_name"], v["last_name"] = splitName(strings.TrimSpace(name))
	}
	return v
}

// TicketSources are the sources that Ticket fills.
func TicketSources() Sources {
	return Sources{
		"key": Text, "subject": Text, "text": Text, "priority": Text, "queue": Text, "assignee": Text,
		"requester": Text, "requester_address": Text, "requester_name": Text, "contact_id": Text, "message_id": Text,
		"attachments": List,
	}
}

// Ticket returns the values of a ticket. Ticket.Fields have the CRM's own names and are the connector's to add.
func Ticket(t *crmclient.Ticket) Values {
	return Values{
		"key": t.Key, "subject": t.Subject, "text": t.Text, "priority": t.Priority, "queue": t.Queue, "assignee": t.Assignee,
		"requester": person(t.Requester), "requester_address": t.Requester.Address, "requester_name": t.Requester.Name,
		"contact_id": t.ContactID, "message_id": t.MessageID,
		"attachments": each(t.Files, func(f crmclient.Attachment) string { return f.Name }),
	}
}

func person(p crmclient.Person) string {
	switch {
	case p.Name == "":
		return p.Address
	case p.Address == "":
		return p.Name
	}
	return p.Name + " <" + p.Address + ">"
}

func address(p crmclient.Person) string { return p.Address }

func left(f crmclient.AttachmentLeft) string {
	return fmt.Sprintf("%s (%d bytes, %s)", f.Name, f.Size, f.Reason)
}

func each[T any](in []T, text func(T) string) []string {
	var out []string
	for _, v := range in {
		if s := text(v); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// splitName takes the last word as the family name, or what is before a comma. A name without a blank, as Chinese ones are, is
// a family name as a whole: CRMs show it unbroken then.
func splitName(name string) (first, last string) {
	if family, given, ok := strings.Cut(name, ","); ok && strings.TrimSpace(family) != "" {
		return strings.TrimSpace(given), strings.TrimSpace(family)
	}
	if i := strings.LastIndexAny(name, " \t"); i >= 0 {
		return strings.TrimSpace(name[:i]), name[i+1:]
	}
	return "", name
}

// unbounded is the length of what nothing bounds.
const unbounded = int(^uint(0) >> 1)

// sourceLimit returns how many runes a source may have. Of addresses and ids it is not told, as they are short in practice and cutting
// them would spoil them: Validate does not ask for it.
func sourceLimit(name string, k Kind) int {
	if k == Text || k == List {
		switch name {
		case "subject", "text", "text_unquoted", "html", "to", "cc", "bcc", "attachments", "attachments_left", "flags", "contact_names", "company_names":
			return unbounded
		}
	}
	return 0
}
