package fxiaoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

// recordID is what ids look like: hexadecimal digits, of two lengths in practice.
var recordID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// get reads one record. A record that is not there is ErrNoRecord.
func (c *Client) get(ctx context.Context, object, id string) (row, error) {
	if !recordID.MatchString(id) {
		return nil, gone()
	}
	// By a query, whose answer for no record is known; what the call for one record says then is not.
	rows, err := c.query(ctx, object, []condition{{"_id", "EQ", []string{id}}}, "_id", 0, 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].id() != id {
		return nil, gone()
	}
	return rows[0], nil
}

// DescribeObject lists the fields of an object.
func (c *Client) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	s, err := c.describe(ctx, object)
	if err != nil {
		return nil, err
	}
	return s.list(), nil
}

// ReadRecord reads a record.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	s, err := c.schemaOf(ctx, object)
	if err != nil {
		return crmclient.Record{}, err
	}
	r, err := c.get(ctx, object, id)
	if err != nil {
		return crmclient.Record{}, fmt.Errorf("read record: %w", err)
	}
	return s.record(r), nil
}

// place is where a query is.
type place struct {
	Object string `json:"o"`
	After  string `json:"a"`
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
	filters, err := s.filters(q.Where)
	if err != nil {
		return nil, "", err
	}
	limit := maxPage
	if q.Limit > 0 && q.Limit < limit {
		limit = q.Limit
	}
	if at.After != "" {
		filters = append(filters, condition{"_id", "GT", []string{at.After}})
	}
	rows, err := c.query(ctx, q.Object, filters, "_id", 0, limit)
	if err != nil {
		return nil, "", fmt.Errorf("query records: %w", err)
	}
	var out []crmclient.Record
	for _, r := range rows {
		if r.id() <= at.After {
			return nil, "", configuration(remedyFields, "object %s is not sorted by _id", q.Object)
		}
		at.After = r.id()
		if s.holds(q.Where, r) {
			out = append(out, s.record(r))
		}
	}
	if len(rows) < limit {
		return out, "", nil
	}
	return out, cursor.Encode(at), nil
}

// operators are the vendor's words for comparisons.
var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "EQ", crmclient.NotEqual: "N", crmclient.Less: "LT", crmclient.LessEqual: "LTE", crmclient.Greater: "GT", crmclient.GreaterEqual: "GTE",
	crmclient.In: "IN", crmclient.Contains: "LIKE",
}

// plain are the types whose values are compared as one text.
var plain = []string{"text", "long_text", "select_one", "email", "phone_number", "url", "object_reference", "master_detail", "auto_number"}

func (s *schema) filters(where []crmclient.Condition) ([]condition, error) {
	var out []condition
	for _, w := range where {
		f, ok := s.fields[w.Field]
		if !ok && w.Field != "_id" {
			return nil, configuration(remedyFields, "object %s has no field %s", s.object, w.Field)
		}
		op, known := operators[w.Is]
		number := slices.Contains([]string{"number", "currency", "percentile"}, f.Type)
		stamp := slices.Contains([]string{"date", "date_time"}, f.Type)
		text := slices.Contains(plain, f.Type) || w.Field == "_id"
		order := w.Is == crmclient.Less || w.Is == crmclient.LessEqual || w.Is == crmclient.Greater || w.Is == crmclient.GreaterEqual
		if !known || !(number || stamp || text) || order && text || w.Is == crmclient.Contains && !text {
			return nil, configuration("换一种比较方式 (use another comparison)", "field %s (%s) cannot be compared with %s", w.Field, f.Type, w.Is)
		}
		values := []any{w.Value}
		if l, ok := w.Value.([]any); ok && w.Is == crmclient.In {
			values = l
		}
		if len(values) == 0 || len(values) > maxIn {
			return nil, configuration("", "field %s is compared with %d values", w.Field, len(values))
		}
		one := condition{w.Field, op, nil}
		for _, v := range values {
			if t, ok := v.(time.Time); ok {
				v = t.UnixMilli()
			}
			one.Values = append(one.Values, fmt.Sprint(v))
		}
		out = append(out, one)
	}
	return out, nil
}

// holds checks the conditions on a record.
func (s *schema) holds(where []crmclient.Condition, r row) bool {
	return !slices.ContainsFunc(where, func(w crmclient.Condition) bool { return !w.Holds(s.decode(w.Field, r[w.Field]), compare) })
}

func compare(a, b any) int {
	if t, ok := a.(time.Time); ok {
		u, ok := b.(time.Time)
		if s, is := b.(string); is {
			var err error
			u, err = time.Parse(time.RFC3339, s)
			ok = err == nil
		}
		if !ok {
			return crmclient.Unordered
		}
		return t.Compare(u)
	}
	if a == nil {
		return crmclient.Unordered
	}
	_, number := a.(json.Number)
	return crmclient.CompareTexts(fmt.Sprint(a), fmt.Sprint(b), number)
}

// RecordChanges reads records by the time of their last change.
func (c *Client) RecordChanges(ctx context.Context, object string, _ []string, text string) ([]crmclient.RecordChange, string, error) {
	s, err := c.schemaOf(ctx, object)
	if err != nil {
		return nil, "", err
	}
	rows, next, err := cursor.Changed[row]{
		Object: object, Page: maxPage,
		Read: func(since time.Time, offset int) ([]row, error) {
			return c.query(ctx, object, []condition{{"last_modified_time", "GTE", []string{fmt.Sprint(since.UnixMilli())}}}, "last_modified_time", offset, maxPage)
		},
		Mark: func(r row) (string, time.Time, error) {
			when := r.modified()
			if when.IsZero() {
				return "", when, &crmclient.Error{Class: crmclient.ClassRetry, Message: "a record came without last_modified_time"}
			}
			return r.id(), when, nil
		},
	}.Poll(text, c.now())
	if err != nil {
		return nil, "", fmt.Errorf("record changes: %w", err)
	}
	var out []crmclient.RecordChange
	for _, r := range rows {
		by := r.who("last_modified_by")
		out = append(out, crmclient.RecordChange{Record: s.record(r), By: by, Own: by != "" && by == c.acting(ctx)})
	}
	return out, next, nil
}

// acting is the employee who does what we do.
func (c *Client) acting(ctx context.Context) string {
	t, err := c.tokens.Token(ctx)
	if err != nil {
		return ""
	}
	return t.Extra[extraUser]
}

var errEmpty = errors.New("the event is empty")
