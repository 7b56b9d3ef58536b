package fxiaoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// mappings are the field mappings of the section.
type mappings struct {
	activity, contacts, leads *fieldmap.Map
	// late are the fields of a mail that may change after it was logged.
	late []string
}

// sourceContent is the whole mail as one text with its head, because a sales record has one field for all.
const sourceContent = "content"

func activityFields() fieldmap.Fields {
	return fieldmap.Fields{"active_record_content": fieldmap.From(sourceContent)}
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

// encodeAll makes the values of several fields.
func (c *Client) encodeAll(s *schema, values map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for name, v := range values {
		x, err := c.encode(s, name, v)
		if err != nil {
			return nil, err
		}
		if x != nil {
			out[name] = x
		}
	}
	return out, nil
}

// LogEmail makes a sales record of the mail.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if err := usableKey(a.Key); err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, "mail\x00"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	s, err := c.schemaOf(ctx, c.cfg.Activities.Object)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	if id, err := c.findKey(ctx, s, a.Key); err != nil || id != "" {
		return crmclient.Receipt{RemoteID: id, Duplicate: id != ""}, err
	}
	v := fieldmap.Activity(a)
	v[sourceContent] = fieldmap.Letter(a)
	values, err := c.maps.activity.Apply(v)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	values[c.cfg.Activities.Key] = a.Key
	data, err := c.encodeAll(s, values)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if owner := c.users[a.Owner]; owner != "" {
		data["owner"] = []string{owner}
	}
	if related := c.related(a); len(related) > 0 {
		data["related_object_data"] = related
	}
	id, err := c.create(ctx, s, c.cfg.Activities.Key, a.Key, data)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, nil
}

// related names what the mail is about.
func (c *Client) related(a *crmclient.Activity) []map[string]any {
	if c.cfg.Relate != nil && !*c.cfg.Relate {
		return nil
	}
	var out []map[string]any
	add := func(id, object string) {
		if id != "" && object != "" {
			out = append(out, map[string]any{"id": id, "describe_api_name": object})
		}
	}
	for _, p := range a.Contacts {
		if p.Kind == crmclient.KindLead {
			add(p.ID, c.cfg.Leads.Object)
		} else {
			add(p.ID, c.cfg.Contacts.Object)
		}
	}
	for _, company := range a.Companies {
		add(company.ID, accountObject)
	}
	return out
}

// accountObject is the object of companies.
const accountObject = "AccountObj"

// findKey returns the id of the record with the key; nothing where there is none.
func (c *Client) findKey(ctx context.Context, s *schema, key string) (string, error) {
	name := c.cfg.Activities.Key
	if f, ok := s.fields[name]; !ok || f.Type != "text" {
		return "", configuration("在 对象管理 > 销售记录 添加单行文本字段, 并把它的 API 名称写入 activities: key (add a text field and name it)",
			"object %s has no text field %s for the key of a mail", s.object, name)
	}
	rows, err := c.query(ctx, s.object, []condition{{name, "EQ", []string{key}}}, "_id", 0, 10)
	if err != nil {
		return "", fmt.Errorf("look the mail up: %w", err)
	}
	id := ""
	for _, r := range rows {
		if r.text(name) != key {
			return "", configuration(remedyFields, "object %s answered with records that the filter on %s does not match", s.object, name)
		}
		if id == "" {
			id = r.id()
		}
	}
	return id, nil
}

// create makes a record and returns its id. Some objects are said not to tell it; then it is looked for.
func (c *Client) create(ctx context.Context, s *schema, field, value string, data map[string]any) (string, error) {
	data["dataObjectApiName"] = s.object
	var answer struct {
		ID string `json:"dataId"`
	}
	err := c.post(ctx, dataPath(s.object, "create"), map[string]any{"data": map[string]any{"object_data": data, "details": map[string]any{}}}, &answer)
	if err != nil {
		return "", err
	}
	if answer.ID != "" {
		return answer.ID, nil
	}
	rows, err := c.query(ctx, s.object, []condition{{field, "EQ", []string{value}}}, "_id", 0, 1)
	if err != nil {
		return "", err
	}
	if len(rows) == 0 || rows[0].text(field) != value {
		return "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "the record that was made is not found"}
	}
	return rows[0].id(), nil
}

// UpdateEmail sets what became known of the mail since, in the fields of the section that tell it.
func (c *Client) UpdateEmail(ctx context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	if err := usableKey(a.Key); err != nil {
		return crmclient.Receipt{}, err
	}
	s, err := c.schemaOf(ctx, c.cfg.Activities.Object)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update mail: %w", err)
	}
	id, err := c.findKey(ctx, s, a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if id == "" {
		return crmclient.Receipt{}, gone()
	}
	v := fieldmap.Activity(a)
	v[sourceContent] = fieldmap.Letter(a)
	values, err := c.maps.activity.Apply(v)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	for name := range values {
		if !slices.Contains(c.maps.late, name) {
			delete(values, name)
		}
	}
	data, err := c.encodeAll(s, values)
	if err != nil || len(data) == 0 {
		return crmclient.Receipt{RemoteID: id}, err
	}
	data["_id"], data["dataObjectApiName"] = id, s.object
	var answer struct{}
	if err := c.post(ctx, dataPath(s.object, "update"), map[string]any{"data": map[string]any{"object_data": data, "details": map[string]any{}}}, &answer); err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: id}, nil
}

// maxDoubles bounds how many records of one key are taken back.
const maxDoubles = 20

// WithdrawEmail makes the records of the mail invalid (作废) and deletes them.
func (c *Client) WithdrawEmail(ctx context.Context, _, key string) error {
	if err := usableKey(key); err != nil {
		return err
	}
	release, err := c.turns.Take(ctx, "mail\x00"+key)
	if err != nil {
		return err
	}
	defer release()
	s, err := c.schemaOf(ctx, c.cfg.Activities.Object)
	if err != nil {
		return fmt.Errorf("withdraw mail: %w", err)
	}
	for range maxDoubles {
		id, err := c.findKey(ctx, s, key)
		if err != nil || id == "" {
			return err
		}
		var answer struct{}
		err = c.post(ctx, dataPath(s.object, "invalid"), map[string]any{"data": map[string]any{"dataObjectApiName": s.object, "object_data_id": id}}, &answer)
		if err != nil {
			return fmt.Errorf("withdraw mail: %w", err)
		}
		err = c.post(ctx, dataPath(s.object, "delete"), map[string]any{"data": map[string]any{"dataObjectApiName": s.object, "idList": []string{id}}}, &answer)
		if err != nil {
			return fmt.Errorf("withdraw mail: %w", err)
		}
	}
	return permanent("object %s has too many records of one mail", s.object)
}
