package neocrm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

// DescribeObject lists the fields of an object.
func (c *Client) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	s, err := c.describe(ctx, object)
	if err != nil {
		return nil, err
	}
	return s.fields, nil
}

func record(object string, r row) crmclient.Record {
	return crmclient.Record{Object: object, ID: r.id(), Fields: r, UpdatedAt: r.updated()}
}

// asConfiguration makes a refusal of the vendor one that an administrator must deal with: the object is not there, or not to be seen.
func asConfiguration(err error, object string) error {
	var code *codeError
	if crmclient.ClassOf(err) == crmclient.ClassPermanent && errors.As(err, &code) {
		return configuration(remedyRights, "object %s cannot be described: %v", object, err)
	}
	return err
}

// ReadRecord reads a record. XOQL wants all fields by name, so the description is read first.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	if !recordID.MatchString(id) {
		return crmclient.Record{}, gone()
	}
	s, err := c.schemaOf(ctx, object)
	if err != nil {
		return crmclient.Record{}, err
	}
	rows, err := c.query(ctx, object, s.names(), "id = "+id, "id", 0, 1)
	if err != nil {
		return crmclient.Record{}, fmt.Errorf("read record: %w", err)
	}
	if len(rows) == 0 || rows[0].id() != id {
		return crmclient.Record{}, gone()
	}
	return record(object, rows[0]), nil
}

// place is where a query is.
type place struct {
	Object string `json:"o"`
	After  string `json:"a"`
}

// operators are the comparisons that XOQL is known to have.
var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "=", crmclient.NotEqual: "<>", crmclient.Less: "<", crmclient.LessEqual: "<=", crmclient.Greater: ">", crmclient.GreaterEqual: ">=",
}

// literal writes a value for XOQL.
func (c *Client) literal(v any) (string, error) {
	switch x := v.(type) {
	case json.Number, int, int64:
		s := fmt.Sprint(x)
		const most = 60
		if len(s) <= most && json.Valid([]byte(s)) && !strings.ContainsAny(s, `"[{tfneE`) {
			return s, nil
		}
	case time.Time:
		return fmt.Sprint(x.UnixMilli()), nil
	case string:
		if q, ok := c.quoted(x); ok {
			return q, nil
		}
	}
	return "", configuration("设置 quote (set quote)", "a value cannot be written in XOQL")
}

// where writes the conditions. Lists become alternatives.
func (c *Client) where(s *schema, conditions []crmclient.Condition) (string, error) {
	var parts []string
	for _, w := range conditions {
		if !s.has(w.Field) || !apiKey.MatchString(w.Field) {
			return "", configuration(remedyFields, "there is no field %s", w.Field)
		}
		values, op := []any{w.Value}, operators[w.Is]
		if w.Is == crmclient.In {
			values, _ = w.Value.([]any)
			op = "="
		}
		if op == "" || len(values) == 0 || len(values) > maxOr {
			return "", configuration("换一种比较方式 (use another comparison)", "field %s cannot be compared with %s", w.Field, w.Is)
		}
		var either []string
		for _, v := range values {
			l, err := c.literal(v)
			if err != nil {
				return "", err
			}
			either = append(either, w.Field+" "+op+" "+l)
		}
		parts = append(parts, "("+strings.Join(either, " or ")+")")
	}
	return strings.Join(parts, " and "), nil
}

// QueryRecords searches an object. Each condition is checked once more on what comes.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, text string) ([]crmclient.Record, string, error) {
	at := place{Object: q.Object}
	if text != "" {
		if err := cursor.Decode(text, &at); err != nil || at.Object != q.Object || !recordID.MatchString(at.After) {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	s, err := c.schemaOf(ctx, q.Object)
	if err != nil {
		return nil, "", err
	}
	where, err := c.where(s, q.Where)
	if err != nil {
		return nil, "", err
	}
	names, err := c.readable(s, q)
	if err != nil {
		return nil, "", err
	}
	if at.After != "" {
		where = strings.TrimPrefix(where+" and id > "+at.After, " and ")
	}
	limit := maxPage
	if q.Limit > 0 && q.Limit < limit {
		limit = q.Limit
	}
	rows, err := c.query(ctx, q.Object, names, where, "id", 0, limit)
	if err != nil {
		return nil, "", fmt.Errorf("query records: %w", err)
	}
	var out []crmclient.Record
	for _, r := range rows {
		at.After = r.id()
		if holds(q.Where, r) {
			out = append(out, record(q.Object, r))
		}
	}
	if len(rows) < limit {
		return out, "", nil
	}
	return out, cursor.Encode(at), nil
}

// readable are the fields to ask for: those of the query and those that are compared.
func (c *Client) readable(s *schema, q crmclient.Query) ([]string, error) {
	if len(q.Fields) == 0 {
		return s.names(), nil
	}
	names := []string{"id"}
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range q.Fields {
		if !s.has(name) || !apiKey.MatchString(name) {
			return nil, configuration(remedyFields, "object %s has no field %s", q.Object, name)
		}
		add(name)
	}
	for _, w := range q.Where {
		add(w.Field)
	}
	return names, nil
}

// holds checks the conditions on a record.
func holds(where []crmclient.Condition, r row) bool {
	return !slices.ContainsFunc(where, func(w crmclient.Condition) bool { return !w.Holds(r[w.Field], compare) })
}

func compare(a, b any) int {
	if a == nil {
		return crmclient.Unordered
	}
	if t, ok := b.(time.Time); ok {
		b = t.UnixMilli()
	}
	_, isText := b.(string)
	return crmclient.CompareTexts(fmt.Sprint(a), fmt.Sprint(b), !isText)
}

// RecordChanges reads records by the time of their last change. Deleted records are not told.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, text string) ([]crmclient.RecordChange, string, error) {
	s, err := c.schemaOf(ctx, object)
	if err != nil {
		return nil, "", err
	}
	names, err := c.readable(s, crmclient.Query{Object: object, Fields: fields, Where: []crmclient.Condition{{Field: "updatedAt"}}})
	if err != nil {
		return nil, "", err
	}
	if !slices.Contains(names, "updatedAt") {
		names = append(names, "updatedAt")
	}
	rows, next, err := cursor.Changed[row]{
		Object: object, Page: maxPage,
		Read: func(since time.Time, offset int) ([]row, error) {
			return c.query(ctx, object, names, fmt.Sprintf("updatedAt > %d", since.UnixMilli()), "updatedAt", offset, maxPage)
		},
		Mark: func(r row) (string, time.Time, error) {
			when := r.updated()
			if when.IsZero() {
				return "", when, &crmclient.Error{Class: crmclient.ClassRetry, Message: "a record came without updatedAt"}
			}
			return r.id(), when, nil
		},
	}.Poll(text, c.now())
	if err != nil {
		return nil, "", fmt.Errorf("record changes: %w", err)
	}
	var out []crmclient.RecordChange
	for _, r := range rows {
		out = append(out, crmclient.RecordChange{Record: record(object, r)})
	}
	return out, next, nil
}
