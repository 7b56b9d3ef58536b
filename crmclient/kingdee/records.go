package kingdee

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

var (
	_ crmclient.RecordQuerier = (*Client)(nil)
	_ crmclient.RecordWriter  = (*Client)(nil)
	_ crmclient.Describer     = (*Client)(nil)
)

// object returns what is known of a form by the name that rules use. A form that the section does not
// name has the fields that documents have.
func (c *Client) object(name string) (Object, error) {
	if o, ok := c.cfg.Objects[name]; ok {
		return o, nil
	}
	if !formName.MatchString(name) {
		return Object{}, refused("%q is neither in objects: nor the id of a form", name)
	}
	return Object{Form: name, ID: "FID", Modified: "FModifyDate"}, nil
}

// checkFields refuses what is no field, because names become part of a request.
func checkFields(fields []string) error {
	for _, f := range fields {
		if !fieldName.MatchString(f) {
			return refused("%q is not the name of a field", f)
		}
	}
	return nil
}

// sentTime is how the site writes a time: without a zone.
var sentTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,7})?$`)

// timeOf reads a time in the zone of the site.
func (c *Client) timeOf(v any) (time.Time, bool) {
	s, ok := v.(string)
	if !ok || !sentTime.MatchString(s) {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", strings.Replace(s, " ", "T", 1), c.zone)
	return t, err == nil
}

// isTimeField says whether a field is one of times by its name, so that a text that looks like a time stays one.
func isTimeField(field string) bool {
	last := strings.ToLower(field[strings.LastIndexByte(field, '.')+1:])
	return strings.Contains(last, "date") || strings.Contains(last, "time")
}

// record makes a record of a row. Names asked for only by us are left out.
func (c *Client) record(object string, o Object, r row, fields []string) crmclient.Record {
	out := crmclient.Record{Object: object, ID: r.text(o.ID), Fields: make(map[string]any, len(fields))}
	for _, f := range fields {
		v := r[f]
		if t, ok := c.timeOf(v); ok && isTimeField(f) {
			v = t
		}
		if s, ok := v.(string); ok && strings.TrimSpace(s) == "" {
			v = "" // the database pads empty texts with a blank
		}
		out.Fields[f] = v
	}
	out.UpdatedAt, _ = c.timeOf(r[o.Modified])
	return out
}

// wanted returns the fields that are read for a rule.
func (o Object) wanted(fields []string) []string {
	if len(fields) > 0 {
		return fields
	}
	if len(o.Fields) > 0 {
		return o.Fields
	}
	return slices.DeleteFunc([]string{o.ID, o.Number}, func(f string) bool { return f == "" })
}

func (c *Client) readRow(ctx context.Context, o Object, id string, fields []string) (row, error) {
	if _, err := strconv.ParseInt(id, 10, 64); err != nil {
		return nil, noRecord(o, id)
	}
	rows, err := c.query(ctx, question{form: o.Form, fields: append([]string{o.ID}, fields...), filter: o.ID + "=" + id, limit: 1})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Form, err)
	}
	if len(rows) == 0 {
		return nil, noRecord(o, id)
	}
	return rows[0], nil
}

func noRecord(o Object, id string) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("%s has no record %q", o.Form, id), Err: crmclient.ErrNoRecord}
}

// ReadRecord reads a document by its id: of one with entries the first of them.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	o, err := c.object(object)
	if err != nil {
		return crmclient.Record{}, err
	}
	fields := o.wanted(nil)
	r, err := c.readRow(ctx, o, id, append(slices.Clone(fields), o.Modified))
	if err != nil {
		return crmclient.Record{}, err
	}
	return c.record(object, o, r, fields), nil
}

// QueryRecords returns a page in the order of ids. Where the fields are those of entries, each entry is a record with the id of
// its document. Pages are by position, as the site has it: records that come or go meanwhile may move others between pages.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	o, err := c.object(q.Object)
	if err != nil {
		return nil, "", err
	}
	filter, err := c.filter(q.Where)
	if err != nil {
		return nil, "", err
	}
	if err := checkFields(q.Fields); err != nil {
		return nil, "", err
	}
	start := 0
	if cursor != "" {
		if start, err = strconv.Atoi(cursor); err != nil || start < 0 {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	limit := c.cfg.PageSize
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	fields := o.wanted(q.Fields)
	rows, err := c.query(ctx, question{
		form: o.Form, fields: append([]string{o.ID, o.Modified}, fields...), filter: filter, order: o.ID, start: start, limit: limit,
	})
	if err != nil {
		return nil, "", fmt.Errorf("query %s: %w", o.Form, err)
	}
	page := make([]crmclient.Record, 0, len(rows))
	for _, r := range rows {
		page = append(page, c.record(q.Object, o, r, fields))
	}
	if len(rows) < limit {
		return page, "", nil
	}
	return page, strconv.Itoa(start + len(rows)), nil
}

// CreateRecord makes a document, unless one with the key is there. The section must say which field holds the key.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	o, err := c.object(object)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if o.Key == "" {
		e := &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("records of %s cannot be made without a field for the key", o.Form)}
		e.Remedy = fmt.Sprintf("add a text field to the form in BOS 设计器 and name it as objects.%s.key", object)
		return crmclient.Receipt{}, e
	}
	done, err := c.turns.Take(ctx, o.Form+":"+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer done()
	look := func() (crmclient.Receipt, bool, error) {
		rows, err := c.query(ctx, question{form: o.Form, fields: []string{o.ID}, filter: o.Key + "=" + quote(recordKey(key)), order: o.ID, limit: 1})
		if err != nil || len(rows) == 0 {
			return crmclient.Receipt{}, false, err
		}
		return crmclient.Receipt{RemoteID: rows[0].text(o.ID), Duplicate: true}, true, nil
	}
	if there, ok, err := look(); err != nil || ok {
		return there, err
	}
	model := c.model(fields)
	model[o.Key] = recordKey(key)
	made, err := c.save(ctx, o.Form, model, nil)
	if err == nil {
		return crmclient.Receipt{RemoteID: made.ID}, nil
	}
	if crmclient.ClassOf(err) == crmclient.ClassPermanent { // another node may have been faster
		if there, ok, findErr := look(); findErr == nil && ok {
			return there, nil
		}
	}
	return crmclient.Receipt{}, fmt.Errorf("create %s: %w", o.Form, err)
}

// model writes values as the site takes them.
func (c *Client) model(fields map[string]any) map[string]any {
	m := make(map[string]any, len(fields)+1)
	for name, v := range fields {
		if t, ok := v.(time.Time); ok {
			v = t.In(c.zone).Format(time.DateTime)
		}
		m[name] = v
	}
	return m
}

// UpdateRecord sets fields of a document; its entries stay.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	o, err := c.object(object)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(fields))
	if err := checkFields(names); err != nil {
		return err
	}
	if _, err := c.readRow(ctx, o, id, nil); err != nil { // saving an id that is not there would make a record
		return err
	}
	model := c.model(fields)
	model[o.ID] = json.Number(id)
	if _, err := c.save(ctx, o.Form, model, names); err != nil {
		return fmt.Errorf("update %s: %w", o.Form, err)
	}
	return nil
}

// DescribeObject returns the fields of a form. Of their types the site tells only what they refer to.
func (c *Client) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	o, err := c.object(object)
	if err != nil {
		return nil, err
	}
	fields, err := c.describe(ctx, o.Form)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", o.Form, asConfiguration(err))
	}
	return fields, nil
}
