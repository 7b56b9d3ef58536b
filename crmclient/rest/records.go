package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// Conditions makes a text of the conditions of a query, for APIs with a query language.
type Conditions struct {
	// Forms are templates by comparison (eq, ne, lt, le, gt, ge, in, contains, empty) over {{ item.field }} and {{ item.value }}. What
	// has no form cannot be asked for.
	Forms map[string]string `yaml:"forms"`
	Join  string            `yaml:"join"` // between conditions; empty means " AND "
}

// conditions are compiled Conditions.
type conditions struct {
	forms map[crmclient.Comparison]*template
	join  string
}

var comparisons = []crmclient.Comparison{
	crmclient.Equal, crmclient.NotEqual, crmclient.Less, crmclient.LessEqual, crmclient.Greater, crmclient.GreaterEqual,
	crmclient.In, crmclient.Contains, crmclient.Empty,
}

const maxConditions = 100 // of one query

func (c *compiler) compileConditions(from *Conditions) *conditions {
	if from == nil {
		return nil
	}
	out := &conditions{forms: map[crmclient.Comparison]*template{}, join: from.Join}
	if out.join == "" {
		out.join = " AND "
	}
	for _, name := range slices.Sorted(maps.Keys(from.Forms)) {
		if !slices.Contains(comparisons, crmclient.Comparison(name)) {
			c.bad("conditions.forms", "%q is not a comparison; known are %v", name, comparisons)
			continue
		}
		t := c.template("conditions.forms."+name, from.Forms[name])
		for _, p := range t.parts {
			if p.expr != nil && p.expr.name != "item.field" && len(p.expr.steps) == 0 {
				c.bad("conditions.forms."+name, "the placeholder %s must be escaped as the query language wants it, such as by backslash \"'\" or "+
					"double \"'\", or be marked raw", p.expr)
			}
		}
		out.forms[crmclient.Comparison(name)] = t
	}
	if !c.used["filter"] {
		c.bad("conditions", "the request does not use {{ filter }}")
	}
	return out
}

// text joins the conditions. Names of fields are checked, because a query language has no way to escape them.
func (f *conditions) text(where []crmclient.Condition, s scope) (string, error) {
	var texts []string
	for _, w := range where {
		t, ok := f.forms[w.Is]
		if !ok {
			return "", &crmclient.Error{
				Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("the target cannot compare with %q", w.Is),
				Remedy: "add the comparison to conditions.forms of query_records, if the API has it",
			}
		}
		text, err := t.text(s.with("item", conditionValue(w)))
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, f.join), nil
}

func conditionValue(w crmclient.Condition) map[string]any {
	return map[string]any{"field": w.Field, "is": string(w.Is), "value": w.Value}
}

// checkField refuses names that no CRM has but that a query language could read otherwise.
func checkField(name string) error {
	bad := name == "" || len(name) > 200
	for _, r := range name {
		bad = bad || r <= ' ' || r == 0x7f || strings.ContainsRune("'\"`;\\()=<>&|", r)
	}
	if bad {
		return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the name of a field in a query is not one"}
	}
	return nil
}

// record reads a record from an item. Where fields are named, the others are left out.
func (c *Client) record(r *reply, item any, s scope, object string, fields []string) (crmclient.Record, error) {
	f, err := c.read(r, item, s)
	if err != nil {
		return crmclient.Record{}, err
	}
	if f.id == "" {
		return crmclient.Record{}, r.retry("a record has no id where result.id says")
	}
	res, at := &r.op.result, r.place(item, s.with("id", f.id))
	out := crmclient.Record{Object: object, ID: f.id, URL: f.url, Fields: map[string]any{}}
	v, err := res.updatedAt.at(at)
	if err == nil && !isEmpty(v) {
		out.UpdatedAt, err = timeOf(v)
	}
	if err != nil {
		return out, r.broken("result.updated_at", err)
	}
	body := item
	if res.object != nil {
		if body, err = res.object.at(at); err != nil {
			return out, r.broken("result.object", err)
		}
	}
	switch {
	case len(res.fields) > 0:
		at.item = body
		for _, f := range res.fields {
			if out.Fields[f.name], err = f.at.at(at); err != nil {
				return out, r.broken("result.fields."+f.name, err)
			}
		}
	default:
		if m, ok := body.(map[string]any); ok {
			out.Fields = maps.Clone(m)
		}
	}
	if len(fields) > 0 {
		maps.DeleteFunc(out.Fields, func(name string, _ any) bool { return !slices.Contains(fields, name) })
	}
	return out, nil
}

// ReadRecord reads one record.
func (c recordReader) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	op := c.ops.readRecord
	s := c.scope(map[string]any{"object": object, "id": id, "fields": []any{}})
	r, err := c.call(ctx, op, s, op.paging.start())
	if err != nil {
		return crmclient.Record{}, err
	}
	items, err := r.items(s)
	if err != nil {
		return crmclient.Record{}, err
	}
	if len(items) == 0 {
		return crmclient.Record{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "read_record: no such record", Err: crmclient.ErrNoRecord}
	}
	return c.record(r, items[0], s, object, nil)
}

// QueryRecords reads one page of the records that the query selects.
func (c recordQuerier) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	op := c.ops.queryRecords
	at := op.paging.start()
	var err error
	if cursor != "" {
		if at, err = decodePage(cursor); err != nil {
			return nil, "", err
		}
	}
	s, err := c.queryScope(op, q)
	if err != nil {
		return nil, "", err
	}
	r, items, next, err := c.page(ctx, op, s, at)
	if err != nil {
		return nil, "", err
	}
	out := make([]crmclient.Record, 0, len(items))
	for _, item := range items {
		rec, err := c.record(r, item, s, q.Object, q.Fields)
		if err != nil {
			return nil, "", err
		}
		out = append(out, rec)
	}
	return out, next.encode(), nil
}

func (c *Client) queryScope(op *operation, q crmclient.Query) (scope, error) {
	if len(q.Where) > maxConditions {
		return scope{}, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the query has too many conditions"}
	}
	limit := q.Limit
	if limit <= 0 || limit > op.paging.size {
		limit = op.paging.size
	}
	where := make([]any, 0, len(q.Where))
	for _, w := range q.Where {
		if err := checkField(w.Field); err != nil {
			return scope{}, err
		}
		where = append(where, conditionValue(w))
	}
	if len(where) > 0 && !op.used["where"] && !op.used["filter"] {
		return scope{}, &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: "the request of query_records has no place for conditions",
			Remedy: "use {{ filter }} or $each: where in query_records",
		}
	}
	s := c.scope(map[string]any{"object": q.Object, "where": where, "fields": texts(q.Fields), "limit": int64(limit), "filter": ""})
	if op.conditions == nil {
		return s, nil
	}
	filter, err := op.conditions.text(q.Where, s)
	if err != nil {
		return s, templateError(op, err)
	}
	return s.with("filter", filter), nil
}

// CreateRecord makes a record, after looking for its key where find_record is configured.
func (c recordCreator) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	op := c.ops.createRecord
	if key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the record has no key"}
	}
	unlock, err := c.keys.lock(ctx, "record "+object+" "+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer unlock()
	return c.write(ctx, op, c.ops.findRecord, c.scope(map[string]any{"object": object, "key": key, "fields": fields}))
}

// UpdateRecord sets fields of a record.
func (c recordUpdater) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	op := c.ops.updateRecord
	_, err := c.call(ctx, op, c.scope(map[string]any{"object": object, "id": id, "fields": fields}), pageState{})
	return err
}

// DescribeObject returns the fields of an object.
func (c describer) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	op := c.ops.describe
	s := c.scope(map[string]any{"object": object})
	var out []crmclient.Field
	err := c.pages(ctx, op, s, func(r *reply, items []any) error {
		for _, item := range items {
			at, res := r.place(item, s), &op.result
			name, err1 := res.name.text(at)
			label, err2 := res.label.text(at)
			typ, err3 := res.typ.text(at)
			required, err4 := res.required.truth(at)
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				return r.broken("result", err)
			}
			out = append(out, crmclient.Field{Name: name, Label: label, Type: typ, Required: required})
		}
		return nil
	})
	if errors.Is(err, crmclient.ErrNoRecord) || err == nil && len(out) == 0 {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("the target has no object %q", object)}
	}
	return out, err
}
