package dynamics

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

// ReadRecord returns all columns of a row.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	t, err := c.tableOf(ctx, object)
	if err != nil {
		return crmclient.Record{}, err
	}
	if !guidForm.MatchString(id) {
		return crmclient.Record{}, noRecord(nil)
	}
	answer, err := c.do(ctx, request{method: http.MethodGet, path: t.set + "(" + id + ")"})
	if err != nil {
		if gone(err) {
			return crmclient.Record{}, noRecord(err)
		}
		return crmclient.Record{}, fmt.Errorf("read %s: %w", object, err)
	}
	var r row
	if err := answer.Exact(&r); err != nil {
		return crmclient.Record{}, err
	}
	return c.record(t, r), nil
}

// record makes a Record of a row. Columns that are lookups have the names of their columns, not of their properties.
func (c *Client) record(t *table, r row) crmclient.Record {
	out := crmclient.Record{
		Object: t.name, ID: r.text(t.key), Fields: map[string]any{}, UpdatedAt: r.time("modifiedon"),
	}
	out.URL = c.receipt(t.name, out.ID, false).URL
	for name, v := range r {
		if strings.Contains(name, "@") {
			continue
		}
		if inner, ok := strings.CutPrefix(name, "_"); ok && strings.HasSuffix(inner, "_value") {
			name = strings.TrimSuffix(inner, "_value")
		}
		out.Fields[name] = v
		if at := r.time(name); t.columns[name].kind == "DateTime" && !at.IsZero() {
			out.Fields[name] = at
		}
	}
	return out
}

func wrong(format string, args ...any) *crmclient.Error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf(format, args...), Remedy: remedyColumn}
}

// selection writes the columns to be read; empty means all.
func (t *table) selection(fields []string, always ...string) (string, error) {
	if len(fields) == 0 {
		return "", nil
	}
	columns := slices.Clone(always)
	for _, f := range fields {
		if _, ok := t.columns[f]; !ok {
			return "", wrong("column %.100q is not in table %s", f, t.name)
		}
		if p := t.property(f); !slices.Contains(columns, p) {
			columns = append(columns, p)
		}
	}
	return strings.Join(columns, ","), nil
}

// QueryRecords searches rows in the order of their ids. The cursor is the last id.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	t, err := c.tableOf(ctx, q.Object)
	if err != nil {
		return nil, "", err
	}
	columns, err := t.selection(q.Fields, t.key)
	if err != nil {
		return nil, "", err
	}
	var tests []string
	for _, w := range q.Where {
		test, err := t.condition(w)
		if err != nil {
			return nil, "", err
		}
		tests = append(tests, test)
	}
	if cursor != "" {
		if !guidForm.MatchString(cursor) {
			return nil, "", wrong("the cursor is not one of a query")
		}
		tests = append(tests, t.key+" gt "+cursor)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = pageSize
	}
	limit = min(limit, pageSize)
	query := url.Values{"$orderby": {t.key}, "$top": {fmt.Sprint(limit)}}
	if columns != "" {
		query.Set("$select", columns)
	}
	if len(tests) > 0 {
		query.Set("$filter", strings.Join(tests, " and "))
	}
	rows, err := c.list(ctx, t.set, query, limit)
	if err != nil {
		return nil, "", fmt.Errorf("query %s: %w", q.Object, err)
	}
	out, next := make([]crmclient.Record, len(rows)), ""
	for i, r := range rows {
		out[i] = c.record(t, r)
	}
	if len(rows) == limit {
		next = out[len(out)-1].ID
	}
	return out, next, nil
}

var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "eq", crmclient.NotEqual: "ne", crmclient.Less: "lt", crmclient.LessEqual: "le",
	crmclient.Greater: "gt", crmclient.GreaterEqual: "ge",
}

// maxIn is how many values a list in a condition may have.
const maxIn = 100

func (t *table) condition(w crmclient.Condition) (string, error) {
	col, ok := t.columns[w.Field]
	if !ok {
		return "", wrong("column %.100q is not in table %s", w.Field, t.name)
	}
	name := t.property(w.Field)
	switch w.Is {
	case crmclient.Empty:
		return name + " eq null", nil
	case crmclient.Contains:
		s, isText := w.Value.(string)
		if !isText || col.kind != "String" && col.kind != "Memo" || w.Field == "description" && t.name == tableEmail {
			return "", wrong("column %s of %s cannot be searched for a part of its value", w.Field, t.name)
		}
		return "contains(" + name + "," + text(s) + ")", nil
	case crmclient.In:
		list, isList := w.Value.([]any)
		if !isList || len(list) == 0 || len(list) > maxIn {
			return "", wrong("the comparison in of column %s needs a list of 1 to %d values", w.Field, maxIn)
		}
		var tests []string
		for _, v := range list {
			l, err := literal(col, w.Field, v)
			if err != nil {
				return "", err
			}
			tests = append(tests, name+" eq "+l)
		}
		return "(" + strings.Join(tests, " or ") + ")", nil
	}
	op, ok := operators[w.Is]
	if !ok {
		return "", wrong("there is no comparison %.20q", string(w.Is))
	}
	l, err := literal(col, w.Field, w.Value)
	return name + " " + op + " " + l, err
}

// literal writes a value for a column. A value of another kind than the column's is refused.
func literal(col column, name string, v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case bool:
		if col.kind == "Boolean" {
			return fmt.Sprint(v), nil
		}
	case string:
		switch col.kind {
		case "String", "Memo":
			return text(v), nil
		case "Lookup", "Customer", "Owner", "Uniqueidentifier":
			if guidForm.MatchString(v) {
				return v, nil
			}
		case "DateTime":
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				return moment(at), nil
			}
			if day, err := time.Parse(time.DateOnly, v); err == nil {
				return day.Format(time.DateOnly), nil
			}
		}
	case time.Time:
		if col.kind == "DateTime" {
			return moment(v), nil
		}
	case json.Number, int, int64, float64:
		switch col.kind {
		case "Integer", "BigInt", "Decimal", "Double", "Money", "Picklist", "State", "Status":
			if n := fmt.Sprint(v); json.Valid([]byte(n)) {
				return n, nil
			}
		}
	}
	return "", wrong("column %s is a %s and cannot be compared with the value given", name, col.kind)
}

// outValues writes values for JSON. A lookup is written under its own property: give the name with @odata.bind and a path.
func (t *table) outValues(fields map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(fields))
	for name, v := range fields {
		plain := strings.TrimSuffix(name, "@odata.bind")
		if _, ok := t.columns[name]; !ok && (plain == name || !nameForm.MatchString(plain)) {
			return nil, wrong("column %.100q is not in table %s", name, t.name)
		}
		out[name] = v
		if at, ok := v.(time.Time); ok {
			out[name] = moment(at)
		}
	}
	return out, nil
}

// keyColumn returns the column with our key of a table that cannot do without.
func (c *Client) keyColumn(table string) (string, error) {
	if column := c.cfg.KeyColumns[table]; column != "" {
		return column, nil
	}
	return "", &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("rows of %s cannot be made without a column for the key", table),
		Remedy: keyRemedy(table),
	}
}

func keyRemedy(table string) string {
	return fmt.Sprintf("create a text column of 64 characters and an alternate key on it for the table %s (Power Apps, Tables, Keys), and name it in key_columns", table)
}

// CreateRecord makes a row unless there is one with the key.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	t, err := c.tableOf(ctx, object)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	values, err := t.outValues(fields)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	id, duplicate, err := c.makeOnce(ctx, t.name, t.set, t.key, key, func() (map[string]any, error) { return values, nil })
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create %s: %w", object, err)
	}
	return c.receipt(object, id, duplicate), nil
}

// makeOnce makes a row unless there is one with the key, and returns its id.
func (c *Client) makeOnce(ctx context.Context, table, set, idColumn, key string, fields func() (map[string]any, error)) (string, bool, error) {
	column, err := c.keyColumn(table)
	if err != nil {
		return "", false, err
	}
	release, err := c.turns.Take(ctx, "row:"+table+":"+key)
	if err != nil {
		return "", false, err
	}
	defer release()
	filter := column + " eq " + text(keyHash(key))
	r, err := c.one(ctx, set, idColumn, filter)
	if err != nil || r != nil {
		return r.text(idColumn), true, err
	}
	values, err := fields()
	if err != nil {
		return "", false, err
	}
	values[column] = keyHash(key)
	r, err = c.create(ctx, set, values)
	if crmclient.ClassOf(err) == crmclient.ClassDuplicate { // somebody else was faster
		if there, findErr := c.one(ctx, set, idColumn, filter); findErr == nil && there != nil {
			return there.text(idColumn), true, nil
		}
	}
	if err == nil && r.text(idColumn) == "" {
		err = &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer has no id of the new row"}
	}
	return r.text(idColumn), false, err
}

// UpdateRecord sets columns of a row.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	t, err := c.tableOf(ctx, object)
	if err != nil {
		return err
	}
	if !guidForm.MatchString(id) {
		return noRecord(nil)
	}
	values, err := t.outValues(fields)
	if err != nil || len(values) == 0 {
		return err
	}
	return c.set(ctx, t.set, id, values)
}

// set is patch with an error of its own for a row that is not there.
func (c *Client) set(ctx context.Context, set, id string, values map[string]any) error {
	err := c.patch(ctx, set, id, values)
	if err != nil && gone(err) {
		return noRecord(err)
	}
	return err
}
