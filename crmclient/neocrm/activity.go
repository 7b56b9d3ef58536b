package neocrm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// mappings are the field mappings of the section.
type mappings struct {
	activity, contacts, leads *fieldmap.Map
	late                      []string // fields of a mail that may change after it was logged
}

// sourceContent is the whole mail as one text with its head, because a record has one field for all.
const sourceContent = "content"

func activityFields() fieldmap.Fields {
	return fieldmap.Fields{
		"content":   fieldmap.From(sourceContent, fieldmap.Cut(defaultTextRunes)),
		"startTime": fieldmap.From("date", fieldmap.Date(fieldmap.UnixMillis, "")), // a text is refused with code 5000047
	}
}

func (c Config) mappings() (mappings, error) {
	sources := fieldmap.ActivitySources().With(fieldmap.Sources{sourceContent: fieldmap.Text})
	var m mappings
	var err, err2, err3 error
	m.activity, err = fieldmap.New("activities: fields", sources, activityFields(), c.Activities.Fields)
	m.contacts, err2 = fieldmap.New("contacts: fields", fieldmap.ContactSources(), nil, c.Contacts.Fields)
	m.leads, err3 = fieldmap.New("leads: fields", fieldmap.ContactSources(), nil, c.Leads.Fields)
	m.late = c.Activities.Fields.Late()
	return m, errors.Join(err, err2, err3)
}

func usableKey(key string) error {
	const most = 500
	if key == "" || len(key) > most || strings.TrimSpace(key) != key || strings.ContainsAny(key, "\r\n") {
		return permanent("the activity has no usable key")
	}
	return nil
}

func (c *Client) values(a *crmclient.Activity) (map[string]any, error) {
	v := fieldmap.Activity(a)
	v[sourceContent] = fieldmap.Letter(a)
	return c.maps.activity.Apply(v)
}

// The kinds of records that an activity record may belong to.
const (
	fromAccount = 1
	fromContact = 2
	fromLead    = 11
)

// LogEmail makes an activity record of the mail.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if err := usableKey(a.Key); err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, "mail\x00"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	if id, err := c.findKey(ctx, a.Key); err != nil || id != "" {
		return crmclient.Receipt{RemoteID: id, Duplicate: id != ""}, err
	}
	data, err := c.values(a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	data[c.cfg.Activities.Key], data["entityType"] = a.Key, c.cfg.Activities.EntityType
	if c.cfg.Activities.Department != "" {
		data["dimDepart"] = c.cfg.Activities.Department
	}
	if owner := cmp.Or(c.users[a.Owner], c.cfg.Activities.Owner); owner != "" {
		data["ownerId"] = owner
	}
	if kind, id := c.about(a); id != "" {
		data["activityRecordFrom"], data["activityRecordFrom_data"] = kind, id
	}
	id, err := c.create(ctx, c.cfg.Activities.Object, data)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, nil
}

// about names the one record that the mail is about: a contact, else a company, else a lead.
func (c *Client) about(a *crmclient.Activity) (int, string) {
	lead := ""
	for _, p := range a.Contacts {
		if p.Kind != crmclient.KindLead {
			return fromContact, p.ID
		}
		lead = cmp.Or(lead, p.ID)
	}
	for _, company := range a.Companies {
		return fromAccount, company.ID
	}
	return fromLead, lead
}

// findKey returns the id of the record with the key; nothing where there is none.
func (c *Client) findKey(ctx context.Context, key string) (string, error) {
	rows, err := c.findBy(ctx, c.cfg.Activities.Object, c.cfg.Activities.Key, key)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].id(), nil
}

// UpdateEmail sets what became known of the mail since, in the fields of the section that tell it.
func (c *Client) UpdateEmail(ctx context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	if err := usableKey(a.Key); err != nil {
		return crmclient.Receipt{}, err
	}
	id, err := c.findKey(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if id == "" {
		return crmclient.Receipt{}, gone()
	}
	data, err := c.values(a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	for name := range data {
		if !slices.Contains(c.maps.late, name) {
			delete(data, name)
		}
	}
	if len(data) > 0 {
		var answer struct{}
		if err := c.write(ctx, http.MethodPatch, c.cfg.Activities.Object+"/"+id, data, &answer); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("update mail: %w", err)
		}
	}
	return crmclient.Receipt{RemoteID: id}, nil
}
