package hubspot

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"heliograph/crmclient"
)

func checkName(name, id string) error {
	if !objectName.MatchString(name) {
		return misconfigured(remedyField, "this is not the name of an object of HubSpot")
	}
	if !digits.MatchString(id) {
		return noRecord("this id")
	}
	return nil
}

func record(name string, o object) crmclient.Record {
	r := crmclient.Record{Object: name, ID: o.ID, Fields: make(map[string]any, len(o.Properties)), UpdatedAt: o.UpdatedAt}
	for k, v := range o.Properties {
		r.Fields[k] = v
	}
	return r
}

// ReadRecord reads a record with all its properties.
func (c *Client) ReadRecord(ctx context.Context, name, id string) (crmclient.Record, error) {
	if err := checkName(name, id); err != nil {
		return crmclient.Record{}, err
	}
	properties, err := c.propertiesFor(ctx, name, nil)
	if err != nil {
		return crmclient.Record{}, err
	}
	var out objectList // by a batch, because all names would not fit into a URL
	_, err = c.call(ctx, request{method: http.MethodPost, path: c.objects(name) + "/batch/read", body: map[string]any{
		"inputs": []any{map[string]string{"id": id}}, "properties": properties, "propertiesWithHistory": []string{},
	}}, &out)
	if err != nil {
		return crmclient.Record{}, fmt.Errorf("read record: %w", err)
	}
	if len(out.Results) == 0 || out.Results[0].Archived {
		return crmclient.Record{}, noRecord("this id")
	}
	return record(name, out.Results[0]), nil
}

// propertiesFor are the properties to read: those asked for, or all.
func (c *Client) propertiesFor(ctx context.Context, name string, asked []string) ([]string, error) {
	if len(asked) > 0 {
		return asked, nil
	}
	known, err := c.description(ctx, name)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, f := range known {
		all = append(all, f.Name)
	}
	return all, nil
}

// QueryRecords searches in the order of the ids; the cursor is the last id. What was written in the last seconds may be missing.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	if !objectName.MatchString(q.Object) || cursor != "" && !digits.MatchString(cursor) {
		return nil, "", misconfigured("", "this is not the name of an object of HubSpot, or not a cursor of it")
	}
	groups, err := groupsOf(q.Where)
	if err != nil {
		return nil, "", err
	}
	properties, err := c.propertiesFor(ctx, q.Object, slices.Clone(q.Fields))
	if err != nil {
		return nil, "", err
	}
	for _, w := range q.Where {
		if !slices.Contains(properties, w.Field) {
			properties = append(properties, w.Field)
		}
	}
	if cursor != "" {
		for i := range groups {
			groups[i] = append(groups[i], filter{Property: "hs_object_id", Operator: "GT", Value: cursor})
		}
	}
	limit := q.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	var out objectList
	if _, err := c.call(ctx, searchGroups(c.objects(q.Object), groups, properties, limit, "hs_object_id", ""), &out); err != nil {
		return nil, "", fmt.Errorf("search: %w", err)
	}
	var page []crmclient.Record
	for _, o := range out.Results {
		if passes(o, q.Where) {
			page = append(page, record(q.Object, o))
		}
	}
	next := ""
	if len(out.Results) == limit {
		next = out.Results[len(out.Results)-1].ID
	}
	return page, next, nil
}

// CreateRecord makes a record of an object that has a key property, unless one with the key is there.
func (c *Client) CreateRecord(ctx context.Context, name, key string, fields map[string]any) (crmclient.Receipt, error) {
	property := c.cfg.RecordKeys[name]
	if property == "" {
		return crmclient.Receipt{}, misconfigured(
			"create a single-line text property of the object that requires unique values (Settings, Properties) and name it in record_keys",
			"records of this object need a property in record_keys, which keeps one from being made twice")
	}
	release, err := c.turns.Take(ctx, name+" "+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	there, err := c.byKey(ctx, name, property, key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if there != nil { // people may have changed it since: it stays
		return crmclient.Receipt{RemoteID: there.ID, Duplicate: true}, nil
	}
	made, err := c.upsert(ctx, name, property, storedKey(key), texts(fields))
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create record: %w", err)
	}
	return crmclient.Receipt{RemoteID: made.ID, Duplicate: !made.New}, nil
}

// UpdateRecord sets properties of a record.
func (c *Client) UpdateRecord(ctx context.Context, name, id string, fields map[string]any) error {
	if err := checkName(name, id); err != nil {
		return err
	}
	_, err := c.call(ctx, request{
		method: http.MethodPatch, path: c.objects(name) + "/" + url.PathEscape(id), body: map[string]any{"properties": texts(fields)},
	}, nil)
	if isGone(err) {
		return noRecord("this id")
	}
	if err != nil {
		return fmt.Errorf("update record: %w", err)
	}
	return nil
}

// descriptionAge is how long the properties of an object are believed.
const descriptionAge = 10 * time.Minute

func (c *Client) description(ctx context.Context, name string) ([]crmclient.Field, error) {
	return c.known.Read(name, func() ([]crmclient.Field, error) { return c.DescribeObject(ctx, name) })
}

// needs are what HubSpot demands of a new record but does not tell with the properties.
var needs = map[string][]string{objectEmails: {"hs_timestamp"}, objectTickets: {"subject", "hs_pipeline_stage"}}

// DescribeObject reads the properties of an object.
func (c *Client) DescribeObject(ctx context.Context, name string) ([]crmclient.Field, error) {
	if !objectName.MatchString(name) {
		return nil, misconfigured(remedyField, "this is not the name of an object of HubSpot")
	}
	var out struct {
		Results []struct {
			Name     string `json:"name"`
			Label    string `json:"label"`
			Type     string `json:"type"`
			Unique   bool   `json:"hasUniqueValue"`
			Archived bool   `json:"archived"`
			Metadata struct {
				ReadOnly bool `json:"readOnlyValue"`
			} `json:"modificationMetadata"`
		} `json:"results"`
	}
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/crm/v3/properties/" + name}, &out)
	var fields []crmclient.Field
	for _, p := range out.Results {
		if !p.Archived {
			fields = append(fields, crmclient.Field{
				Name: p.Name, Label: p.Label, Type: p.Type, Unique: p.Unique, ReadOnly: p.Metadata.ReadOnly, Required: slices.Contains(needs[name], p.Name),
			})
		}
	}
	switch {
	case isGone(err), crmclient.ClassOf(err) == crmclient.ClassPermanent, err == nil && len(fields) == 0:
		return nil, misconfigured(remedyField, "HubSpot has no object %s", name)
	case err != nil:
		return nil, fmt.Errorf("read properties of %s: %w", name, err)
	}
	return fields, nil
}

// recordKeys are the objects with a key property, sorted.
func (c *Config) recordKeys() []string { return slices.Sorted(maps.Keys(c.RecordKeys)) }
