package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	defaultPage = 200
	maxPage     = 500 // rows; more may not fit into an answer
	// maxSelect bounds the names of fields in a query, so that its URL stays below 16 kB.
	maxSelect = 10_000
)

// ReadRecord returns all fields of a record.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	o, err := c.typesOf(ctx, object)
	if err != nil {
		return crmclient.Record{}, err
	}
	if !idForm.MatchString(id) {
		return crmclient.Record{}, noRecord(nil)
	}
	var r row
	if err := c.get(ctx, "/sobjects/"+object+"/"+id, nil, &r); err != nil {
		if gone(err) {
			return crmclient.Record{}, noRecord(err)
		}
		return crmclient.Record{}, fmt.Errorf("read %s: %w", object, err)
	}
	return c.record(object, o, r), nil
}

// record makes a Record of a row.
func (c *Client) record(name string, o *object, r row) crmclient.Record {
	out := crmclient.Record{Object: name, ID: r.text("Id"), Fields: map[string]any{}, UpdatedAt: r.time("SystemModstamp")}
	for field, v := range r {
		if field == "attributes" {
			continue
		}
		out.Fields[field] = v
		if f, ok := o.column(field); ok && v != nil {
			out.Fields[field] = inValue(f.Type, r, field)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out.URL = strings.TrimRight(c.instance, "/") + "/" + out.ID
	return out
}

func inValue(kind string, r row, field string) any {
	switch kind {
	case "datetime":
		if t := r.time(field); !t.IsZero() {
			return t
		}
	case "date":
		if t, err := time.Parse(time.DateOnly, r.text(field)); err == nil {
			return t
		}
	}
	return r[field]
}

// outValues writes values as JSON of the types that the fields have.
func (c *Client) outValues(ctx context.Context, object string, fields map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(fields))
	if len(fields) == 0 {
		return out, nil
	}
	o, err := c.typesOf(ctx, object)
	if err != nil {
		return nil, err
	}
	for name, v := range fields {
		if !nameForm.MatchString(name) {
			return nil, badQuery("%.100q is not the API name of a field", name)
		}
		f, known := o.column(name)
		if o != nil && !known {
			e := badQuery("field %s is not in object %s", name, object)
			e.Remedy = remedyField
			return nil, e
		}
		switch v := v.(type) {
		case time.Time:
			out[name] = moment(v)
			if f.Type == "date" {
				out[name] = v.Format(time.DateOnly)
			}
		case []any:
			parts := make([]string, len(v))
			for i, p := range v {
				parts[i] = fmt.Sprint(p)
			}
			out[name] = strings.Join(parts, ";") // multi-select picklist
		default:
			out[name] = v
		}
	}
	return out, nil
}

func badQuery(format string, args ...any) *crmclient.Error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf(format, args...), Remedy: "compare with Setup, Object Manager, Fields & Relationships"}
}

// QueryRecords searches records in the order of their ids. The cursor is the last id.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	o, err := c.typesOf(ctx, q.Object)
	if err != nil {
		return nil, "", err
	}
	columns, err := selection(q.Object, o, q.Fields, "Id")
	if err != nil {
		return nil, "", err
	}
	var conds []string
	for _, w := range q.Where {
		cond, err := condition(q.Object, o, w)
		if err != nil {
			return nil, "", err
		}
		conds = append(conds, cond)
	}
	if cursor != "" {
		if !idForm.MatchString(cursor) {
			return nil, "", badQuery("the cursor is not one of a query")
		}
		conds = append(conds, "Id > "+text(cursor))
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	soql := "SELECT " + columns + " FROM " + q.Object
	if len(conds) > 0 {
		soql += " WHERE " + strings.Join(conds, " AND ")
	}
	rows, err := c.query(ctx, fmt.Sprintf("%s ORDER BY Id LIMIT %d", soql, limit), false)
	if err != nil {
		return nil, "", fmt.Errorf("query %s: %w", q.Object, err)
	}
	out, next := make([]crmclient.Record, len(rows)), ""
	for i, r := range rows {
		out[i] = c.record(q.Object, o, r)
	}
	if len(rows) == limit {
		next = out[len(out)-1].ID
	}
	return out, next, nil
}

// compound types cannot be queried, or are repeated by their parts.
var compound = []string{"address", "location", "base64", "complexvalue", "json"}

// selection writes the fields of a query: those asked for, or all, and always some.
func selection(name string, o *object, fields []string, always ...string) (string, error) {
	columns := slices.Clone(always)
	for _, f := range fields {
		if !nameForm.MatchString(f) && !nameForm.MatchString(strings.ReplaceAll(f, ".", "")) {
			return "", badQuery("%.100q is not the API name of a field", f)
		}
		if !slices.Contains(columns, f) {
			columns = append(columns, f)
		}
	}
	if len(fields) == 0 && o != nil {
		for _, f := range o.Fields {
			if !slices.Contains(compound, f.Type) && !slices.Contains(columns, f.Name) {
				columns = append(columns, f.Name)
			}
		}
	}
	text := strings.Join(columns, ", ")
	if len(text) > maxSelect || len(fields) == 0 && o == nil {
		return "", badQuery("%s has too many fields for one query: name those that are wanted", name)
	}
	return text, nil
}

var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "=", crmclient.NotEqual: "!=", crmclient.Less: "<", crmclient.LessEqual: "<=",
	crmclient.Greater: ">", crmclient.GreaterEqual: ">=",
}

// condition writes one test with a literal of the field's type.
func condition(name string, o *object, w crmclient.Condition) (string, error) {
	if !nameForm.MatchString(w.Field) {
		return "", badQuery("%.100q is not the API name of a field", w.Field)
	}
	f, ok := o.column(w.Field)
	if o != nil && !ok {
		e := badQuery("field %s is not in object %s", w.Field, name)
		e.Remedy = remedyField
		return "", e
	}
	switch w.Is {
	case crmclient.Empty:
		return w.Field + " = null", nil
	case crmclient.Contains:
		s, isText := w.Value.(string)
		switch {
		case !isText, o != nil && !isTextual(f.Type):
			return "", badQuery("field %s of %s cannot be searched for a part of its value", w.Field, name)
		case f.Type == "multipicklist":
			return w.Field + " INCLUDES (" + text(s) + ")", nil
		}
		return w.Field + " LIKE " + like("%", s, "%"), nil
	case crmclient.In:
		list, isList := w.Value.([]any)
		if !isList || len(list) == 0 || len(list) > maxIn*4 {
			return "", badQuery("the comparison %q of field %s needs a list of 1 to %d values", w.Is, w.Field, maxIn*4)
		}
		literals := make([]string, len(list))
		for i, v := range list {
			l, err := literal(f, w.Field, v)
			if err != nil {
				return "", err
			}
			literals[i] = l
		}
		return w.Field + " IN (" + strings.Join(literals, ", ") + ")", nil
	}
	op, ok := operators[w.Is]
	if !ok {
		return "", badQuery("there is no comparison %.20q", string(w.Is))
	}
	l, err := literal(f, w.Field, w.Value)
	return w.Field + " " + op + " " + l, err
}

func isTextual(kind string) bool {
	switch kind {
	case "string", "picklist", "multipicklist", "email", "phone", "url", "textarea", "combobox", "encryptedstring", "id", "reference", "":
		return true
	}
	return false
}

// literal writes a value for a field. A value of another kind than the field's is refused: SOQL would refuse it with less to say.
func literal(f column, name string, v any) (string, error) {
	wrong := func() (string, error) {
		return "", badQuery("field %s is a %s and cannot be compared with the value given", name, f.Type)
	}
	switch v := v.(type) {
	case nil:
		return "null", nil
	case bool:
		if f.Type != "" && f.Type != "boolean" {
			return wrong()
		}
		return strings.ToUpper(fmt.Sprint(v)), nil
	case string:
		switch {
		case isTextual(f.Type):
			return text(v), nil
		case f.Type == "date":
			if t, err := time.Parse(time.DateOnly, v); err == nil {
				return t.Format(time.DateOnly), nil
			}
		case f.Type == "datetime":
			if t, err := time.Parse(time.RFC3339, v); err == nil {
				return moment(t), nil
			}
		}
		return wrong()
	case time.Time:
		switch f.Type {
		case "date":
			return v.Format(time.DateOnly), nil
		case "", "datetime":
			return moment(v), nil
		}
		return wrong()
	case json.Number, int, int64, float64:
		switch f.Type {
		case "", "int", "double", "currency", "percent", "long":
			n := fmt.Sprint(v)
			if !json.Valid([]byte(n)) {
				return wrong()
			}
			return n, nil
		}
		return wrong()
	}
	return wrong()
}

// CreateRecord makes a record unless there is one with the key.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	field, err := c.needKey(object)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	values, err := c.outValues(ctx, object, maps.Clone(fields))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, "record:"+object+":"+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	if !nameForm.MatchString(object) {
		return crmclient.Receipt{}, noObject(object, nil)
	}
	id, err := c.findByKey(ctx, object, field, keyHash(key))
	if err != nil || id != "" {
		return c.receipt(id, true), err
	}
	id, duplicate, err := c.upsert(ctx, object, field, keyHash(key), values)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create %s: %w", object, err)
	}
	return c.receipt(id, duplicate), nil
}

// UpdateRecord sets fields of a record.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	if !nameForm.MatchString(object) {
		return noObject(object, nil)
	}
	if !idForm.MatchString(id) {
		return noRecord(nil)
	}
	values, err := c.outValues(ctx, object, fields)
	if err != nil || len(values) == 0 {
		return err
	}
	_, err = c.do(ctx, request{method: http.MethodPatch, path: "/sobjects/" + object + "/" + id, body: values})
	if err != nil && gone(err) {
		return noRecord(err)
	}
	return err
}
