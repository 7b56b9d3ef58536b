package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// saved is the answer to a POST or an upsert.
type saved struct {
	ID      string `json:"id"`
	Success bool   `json:"success"`
	Created *bool  `json:"created"` // of upserts
}

// create makes a record and returns its id.
func (c *Client) create(ctx context.Context, object string, fields map[string]any, header map[string]string) (string, error) {
	answer, err := c.do(ctx, request{method: http.MethodPost, path: "/sobjects/" + object, body: fields, header: header})
	if err != nil {
		return "", err
	}
	var s saved
	if err := answer.Exact(&s); err != nil {
		return "", err
	}
	if s.ID == "" {
		return "", &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, Message: "the answer has no id of the new record", RequestID: answer.RequestID}
	}
	return s.ID, nil
}

// patch sets fields of a record.
func (c *Client) patch(ctx context.Context, object, id string, fields map[string]any) error {
	_, err := c.do(ctx, request{method: http.MethodPatch, path: "/sobjects/" + object + "/" + id, body: fields})
	return err
}

// remove deletes a record. One that is not there is success.
func (c *Client) remove(ctx context.Context, object, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: "/sobjects/" + object + "/" + id})
	if err != nil && gone(err) {
		return nil
	}
	return err
}

// CreateContact adds a contact, or an account of a person where person_record_type says so.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.addPerson(ctx, objectContact, p, owner)
}

// CreateLead adds a lead.
func (c *Client) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	return c.addPerson(ctx, objectLead, p, owner)
}

func (c *Client) addPerson(ctx context.Context, object string, p crmclient.Person, owner string) (crmclient.Contact, error) {
	kind := crmclient.KindContact
	if object == objectLead {
		kind = crmclient.KindLead
	}
	return c.turns.Person(ctx, kind, p.Address, c.FindContacts, func(address string) (crmclient.Contact, error) {
		ownerID, err := c.userID(ctx, owner)
		if err != nil {
			return crmclient.Contact{}, err
		}
		values := fieldmap.Contact(p, owner)
		values["address"], values["owner_id"] = address, ownerID
		return c.makePerson(ctx, object, address, values)
	})
}

func (c *Client) makePerson(ctx context.Context, object, address string, values fieldmap.Values) (crmclient.Contact, error) {
	m, made := c.maps.contact, object
	if object == objectLead {
		m = c.maps.lead
	}
	fields, err := m.Apply(values)
	if err != nil {
		return crmclient.Contact{}, err
	}
	if object == objectContact && c.cfg.PersonRecordType != "" {
		made = objectAccount
		fields["RecordTypeId"] = c.cfg.PersonRecordType
	}
	id, err := c.create(ctx, made, fields, c.duplicateHeader())
	if err != nil {
		if match, ok := c.matched(ctx, err); ok {
			match.Address = address
			return match, nil
		}
		return crmclient.Contact{}, fmt.Errorf("create %s: %w", strings.ToLower(object), err)
	}
	if made == objectAccount {
		r, err := c.one(ctx, "SELECT PersonContactId FROM Account WHERE Id = "+text(id))
		if err != nil {
			return crmclient.Contact{}, fmt.Errorf("read the contact of the person: %w", err)
		}
		id = r.text("PersonContactId")
	}
	p, ok, err := c.ContactByID(ctx, id)
	if err != nil {
		return p, err
	}
	if !ok {
		return p, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the new record cannot be read", Remedy: "give the user that the gateway acts as read access to what it creates"}
	}
	p.Address = address
	return p, nil
}

// duplicateHeader passes duplicate rules that only alert; those that block cannot be passed.
func (c *Client) duplicateHeader() map[string]string {
	if !c.cfg.AllowDuplicates {
		return nil
	}
	return map[string]string{"Sforce-Duplicate-Rule-Header": "allowSave=true; includeRecordDetails=true; runAsCurrentUser=true"}
}

// matched returns the person that a duplicate rule found.
func (c *Client) matched(ctx context.Context, err error) (crmclient.Contact, bool) {
	var v *vendorError
	if !errors.As(err, &v) || v.code != "DUPLICATES_DETECTED" {
		return crmclient.Contact{}, false
	}
	for _, m := range v.matches {
		if m.object != objectContact && m.object != objectLead {
			continue
		}
		if p, ok, err := c.ContactByID(ctx, m.id); ok && err == nil {
			return p, true
		}
	}
	return crmclient.Contact{}, false
}

// The first characters of ids tell the object.
const (
	prefixContact = "003"
	prefixLead    = "00Q"
)

// maxMerges bounds how often one person was merged into another.
const maxMerges = 10

// ContactByID returns a contact or lead; for one that was merged or converted, the one that is left.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	for range maxMerges {
		object, columns := objectContact, c.contactColumns()
		if strings.HasPrefix(id, prefixLead) {
			object, columns = objectLead, c.leadColumns()
		}
		if !idForm.MatchString(id) || object == objectContact && !strings.HasPrefix(id, prefixContact) {
			return crmclient.Contact{}, false, nil
		}
		rows, err := c.query(ctx, fmt.Sprintf("SELECT %s, IsDeleted, MasterRecordId FROM %s WHERE Id = %s LIMIT 1", columns, object, text(id)), true)
		if err != nil {
			return crmclient.Contact{}, false, fmt.Errorf("read %s: %w", strings.ToLower(object), err)
		}
		if len(rows) == 0 {
			return crmclient.Contact{}, false, nil
		}
		r := rows[0]
		switch master, into := r.text("MasterRecordId"), r.text("ConvertedContactId"); {
		case r.truth("IsDeleted") && master != "":
			id = master
		case r.truth("IsDeleted"):
			return crmclient.Contact{}, false, nil
		case r.truth("IsConverted") && into != "":
			id = into
		default:
			fields := c.cfg.ContactEmailFields
			if object == objectLead {
				fields = c.cfg.LeadEmailFields
			}
			return contactOf(object, r, firstAddress(r, fields)), true, nil
		}
	}
	return crmclient.Contact{}, false, nil
}

func firstAddress(r row, fields []string) string {
	for _, f := range fields {
		if a := strings.ToLower(strings.TrimSpace(r.text(f))); a != "" {
			return a
		}
	}
	return ""
}

// SuggestContacts returns people of the same name, or with addresses of the same company's domain.
func (c *Client) SuggestContacts(ctx context.Context, p crmclient.Person, limit int) ([]crmclient.Contact, error) {
	limit = min(max(limit, 1), maxMatches)
	var out []crmclient.Contact
	for _, object := range c.people() {
		columns, fields, rest := c.contactColumns(), c.cfg.ContactEmailFields, ""
		if object == objectLead {
			columns, fields, rest = c.leadColumns(), c.cfg.LeadEmailFields, " AND IsConverted = false"
		}
		var conds []string
		if name := strings.TrimSpace(p.Name); name != "" {
			conds = append(conds, "Name = "+text(name))
		}
		if domain := (crmclient.CompanyDomains{}).Of(p.Address); domain != "" {
			for _, f := range fields {
				conds = append(conds, f+" LIKE "+like("%@", domain, ""))
			}
		}
		if len(conds) == 0 {
			return nil, nil
		}
		rows, err := c.query(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE (%s)%s LIMIT %d", columns, object, strings.Join(conds, " OR "), rest, limit), false)
		if err != nil {
			return nil, fmt.Errorf("suggest people: %w", err)
		}
		for _, r := range rows {
			out = append(out, contactOf(object, r, firstAddress(r, fields)))
		}
	}
	return out[:min(len(out), limit)], nil
}

// people returns the objects that people are in.
func (c *Client) people() []string {
	if !orTrue(c.cfg.Leads) {
		return []string{objectContact}
	}
	return []string{objectContact, objectLead}
}

// nameParts splits a name as the mapping of new contacts does.
func nameParts(name string) (first, last string) {
	v := fieldmap.ContactFields(map[string]string{crmclient.FieldName: name})
	first, _ = v["first_name"].(string)
	last, _ = v["last_name"].(string)
	return first, last
}
