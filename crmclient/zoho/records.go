package zoho

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

const maxFields = 50 // of a listing or a query

func checkName(object, id string) error {
	if !apiName.MatchString(object) {
		return misconfigured(remedyModule, "this is not the API name of a module")
	}
	if !recordID.MatchString(id) {
		return noRecord("this id")
	}
	return nil
}

func record(object string, r map[string]any) crmclient.Record {
	out := crmclient.Record{Object: object, ID: textOf(r["id"]), Fields: r}
	out.UpdatedAt, _ = time.Parse(time.RFC3339, textOf(r["Modified_Time"]))
	return out
}

// read returns a record, or false where there is none.
func (c *Client) read(ctx context.Context, p parent, fields []string) (map[string]any, bool, error) {
	q := url.Values{}
	if len(fields) > 0 {
		q.Set("fields", strings.Join(fields[:min(len(fields), maxFields)], ","))
	}
	var out listing
	_, err := c.call(ctx, request{method: http.MethodGet, path: p.path(), query: q}, &out)
	switch {
	case isGone(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read record: %w", err)
	case len(out.Data) == 0: // 204
		return nil, false, nil
	}
	return out.Data[0], true, nil
}

// ReadRecord reads a record of a module with all its fields.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	if err := checkName(object, id); err != nil {
		return crmclient.Record{}, err
	}
	r, there, err := c.read(ctx, parent{object, id}, nil)
	if err != nil {
		return crmclient.Record{}, err
	}
	if !there {
		return crmclient.Record{}, noRecord("this id")
	}
	return record(object, r), nil
}

// QueryRecords asks by COQL, in the order of the ids; the cursor is the last id.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	if !apiName.MatchString(q.Object) || cursor != "" && !recordID.MatchString(cursor) {
		return nil, "", misconfigured(remedyModule, "this is not the API name of a module, or not a cursor of it")
	}
	fields, err := c.fieldsFor(ctx, q.Object, q.Fields)
	if err != nil {
		return nil, "", err
	}
	var where []string
	for _, w := range q.Where {
		text, err := c.condition(w)
		if err != nil {
			return nil, "", err
		}
		where = append(where, text)
	}
	if cursor != "" {
		where = append(where, "id > "+cursor)
	}
	limit := q.Limit
	if limit <= 0 || limit > perPage {
		limit = perPage
	}
	rows, err := c.coql(ctx, fmt.Sprintf("select %s from %s where %s order by id asc limit %d", strings.Join(fields, ", "), q.Object, both(where), limit))
	if err != nil {
		return nil, "", err
	}
	page := make([]crmclient.Record, len(rows))
	for i, r := range rows {
		page[i] = record(q.Object, r)
	}
	next := ""
	if len(rows) == limit {
		next = page[len(page)-1].ID
	}
	return page, next, nil
}

// fieldsFor are the fields to read: those asked for, or the first that the module has. Id and time of change are always there.
func (c *Client) fieldsFor(ctx context.Context, object string, asked []string) ([]string, error) {
	fields := []string{"id", "Modified_Time"}
	if len(asked) == 0 {
		known, err := c.knownDescription(ctx, object)
		if err != nil {
			return nil, err
		}
		for _, f := range known {
			asked = append(asked, f.Name)
		}
		asked = asked[:min(len(asked), maxFields-len(fields)-1)]
	}
	for _, f := range asked {
		if !coqlName(f) {
			return nil, misconfigured(remedyField, "a field is asked for that cannot be one")
		}
		if f != "id" && f != "Modified_Time" {
			fields = append(fields, f)
		}
	}
	if len(fields) > maxFields {
		return nil, misconfigured("", "Zoho gives at most %d fields of a record at once", maxFields)
	}
	return fields, nil
}

// CreateRecord makes a record of a module that has a key field, unless one with the key is there.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	keyField := c.cfg.RecordKeys[object]
	if keyField == "" {
		return crmclient.Receipt{}, misconfigured(
			"make a field of the module with \"Do not allow duplicate values\" (Setup, Modules and Fields) and name it in record_keys",
			"records of this module need a field in record_keys, which keeps one from being made twice")
	}
	if err := c.knownFields(ctx, object, fields); err != nil {
		return crmclient.Receipt{}, err
	}
	unlock, err := c.turns.Take(ctx, object+" "+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	if id, err := c.idByKey(ctx, object, keyField, key); err != nil || id != "" { // people may have changed it since: it stays
		return crmclient.Receipt{RemoteID: id, Duplicate: id != ""}, err
	}
	record := maps.Clone(fields)
	if record == nil {
		record = map[string]any{}
	}
	record[keyField] = storedKey(key)
	id, updated, err := c.write(ctx, http.MethodPost, "/"+object+"/upsert", record, map[string]any{"duplicate_check_fields": []string{keyField}})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create record: %w", err)
	}
	return crmclient.Receipt{RemoteID: id, Duplicate: updated}, nil
}

// UpdateRecord sets fields of a record.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	if err := checkName(object, id); err != nil {
		return err
	}
	if err := c.knownFields(ctx, object, fields); err != nil {
		return err
	}
	_, _, err := c.write(ctx, http.MethodPut, parent{object, id}.path(), fields, nil)
	if isGone(err) {
		return noRecord("this id")
	}
	if err != nil {
		return fmt.Errorf("update record: %w", err)
	}
	return nil
}

// descriptionAge is how long the fields of a module are believed.
const descriptionAge = 10 * time.Minute

func (c *Client) knownDescription(ctx context.Context, object string) ([]crmclient.Field, error) {
	return c.known.Read(object, func() ([]crmclient.Field, error) { return c.DescribeObject(ctx, object) })
}

// knownFields refuses fields that the module does not have: Zoho would leave them out without a word.
func (c *Client) knownFields(ctx context.Context, object string, fields map[string]any) error {
	known, err := c.knownDescription(ctx, object)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.ContainsFunc(known, func(f crmclient.Field) bool { return f.Name == name && !f.ReadOnly }) {
			return &crmclient.Error{Class: crmclient.ClassPermanent, Remedy: remedyField, Message: fmt.Sprintf("%s has no field %q that can be written", object, name)}
		}
	}
	return nil
}

// DescribeObject reads the fields of a module.
func (c *Client) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	if !apiName.MatchString(object) {
		return nil, misconfigured(remedyModule, "this is not the API name of a module")
	}
	var out struct {
		Fields []struct {
			Name     string `json:"api_name"`
			Label    string `json:"field_label"`
			Type     string `json:"data_type"`
			Required bool   `json:"system_mandatory"`
			ReadOnly bool   `json:"read_only"`
			Locked   bool   `json:"field_read_only"`
			Length   int    `json:"length"`
			Unique   any    `json:"unique"`
		} `json:"fields"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/settings/fields", query: url.Values{"module": {object}}}, &out)
	if err != nil {
		return nil, fmt.Errorf("read fields of %s: %w", object, err)
	}
	fields := make([]crmclient.Field, len(out.Fields))
	for i, f := range out.Fields {
		unique, _ := f.Unique.(map[string]any) // an object with a name if it is, an empty one if not
		fields[i] = crmclient.Field{
			Name: f.Name, Label: f.Label, Type: f.Type, Required: f.Required, ReadOnly: f.ReadOnly || f.Locked, Unique: len(unique) > 0, Length: f.Length,
		}
	}
	if len(fields) == 0 {
		return nil, misconfigured(remedyModule, "Zoho CRM has no module %s", object)
	}
	return fields, nil
}
