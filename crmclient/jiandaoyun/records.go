package jiandaoyun

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
	"heliograph/internal/decimal"
)

var (
	_ crmclient.RecordQuerier = (*Client)(nil)
	_ crmclient.RecordWriter  = (*Client)(nil)
	_ crmclient.RecordChanges = (*Client)(nil)
	_ crmclient.Describer     = (*Client)(nil)
)

// record makes a record of what was read. Fields are by the names of the widgets.
func (s *schema) record(r row) crmclient.Record {
	out := crmclient.Record{Object: s.object, ID: r.id(), Fields: map[string]any{}, UpdatedAt: r.updated()}
	for _, w := range s.widgets {
		v, ok := r[w.Name]
		if !ok {
			continue
		}
		if rows, is := v.([]any); is && w.Type == "subform" {
			v = decodeRows(w, rows)
		}
		out.Fields[w.Name] = decode(w.Type, v)
	}
	return out
}

func decodeRows(w widget, rows []any) []any {
	out := make([]any, len(rows))
	for i, e := range rows {
		m, ok := e.(map[string]any)
		if !ok {
			out[i] = e
			continue
		}
		one := map[string]any{"_id": m["_id"]}
		for _, column := range w.Items {
			if v, ok := m[column.Name]; ok {
				one[column.Name] = decode(column.Type, v)
			}
		}
		out[i] = one
	}
	return out
}

// DescribeObject lists the widgets of a form.
func (c *Client) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	form, ok := c.form(object)
	if !ok {
		return nil, configuration("", "there is no form %q in the section", object)
	}
	s, err := c.fetchSchema(ctx, object, form)
	if err != nil {
		return nil, err
	}
	return s.fields(), nil
}

func (s *schema) fields() []crmclient.Field {
	out := make([]crmclient.Field, len(s.widgets))
	for i, w := range s.widgets {
		out[i] = crmclient.Field{Name: w.Name, Label: w.Label, Type: w.Type, ReadOnly: slices.Contains(unwritable, w.Type)}
	}
	return out
}

// ReadRecord reads a record of a form.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	s, err := c.schemaOf(ctx, object)
	if err != nil {
		return crmclient.Record{}, err
	}
	r, err := c.get(ctx, s, id)
	if err != nil {
		return crmclient.Record{}, fmt.Errorf("read record: %w", err)
	}
	return s.record(r), nil
}

// QueryRecords searches a form. The vendor compares texts for being equal only, so contains is refused.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, text string) (out []crmclient.Record, next string, err error) {
	at := place{Object: q.Object}
	if text != "" {
		if err := cursor.Decode(text, &at); err != nil || at.Object != q.Object || !objectID.MatchString(at.After) {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	limit := q.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	err = c.with(ctx, q.Object, func(s *schema) error {
		out, next = nil, ""
		f, tests, err := s.where(q.Where)
		if err != nil {
			return err
		}
		fields, err := s.fieldNames(q.Fields, tests)
		if err != nil {
			return err
		}
		rows, more, err := c.list(ctx, s, fields, f, at.After, limit)
		if err != nil {
			return err
		}
		for _, r := range rows {
			after := r.id()
			if more {
				next = cursor.Encode(place{q.Object, after})
			}
			keep, err := tests.hold(r)
			if err != nil {
				return err
			}
			if keep {
				out = append(out, s.record(r))
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("query records: %w", err)
	}
	return out, next, nil
}

// fieldNames are the names to ask for: those of the query and those that are compared. None means all.
func (s *schema) fieldNames(names []string, tests tests) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var out []string
	for _, name := range names {
		w, err := s.need(name)
		if err != nil {
			return nil, err
		}
		out = append(out, w.Name)
	}
	for _, t := range tests {
		if !slices.Contains(out, t.w.Name) {
			out = append(out, t.w.Name)
		}
	}
	return out, nil
}

// test is a condition as it is checked once more on what the vendor answered: a filter that it does not understand
// it passes over without a word. exact says that every record of the answer must hold it.
type test struct {
	w     *widget
	is    crmclient.Comparison
	value any
	exact bool
}

type tests []test

// textual are the types whose values are compared as texts.
var textual = []string{typeText, typeArea, "radiogroup", "combo", "sn", typeUser, "lookup", "linkdata"}

// where makes the filter of a query.
func (s *schema) where(conditions []crmclient.Condition) (*filter, tests, error) {
	if len(conditions) == 0 {
		return nil, nil, nil
	}
	f := &filter{Rel: "and"}
	var all tests
	for _, c := range conditions {
		w, err := s.need(c.Field)
		if err != nil {
			return nil, nil, err
		}
		one, err := w.condition(c)
		if err != nil {
			return nil, nil, err
		}
		f.Cond = append(f.Cond, one)
		exact := c.Is != crmclient.Less && c.Is != crmclient.Greater // these come as ranges with their ends
		all = append(all, test{w, c.Is, c.Value, exact})
	}
	return f, all, nil
}

// The ends of ranges that are open: the API has no word for less than.
const (
	lowest, highest = json.Number("-1000000000000000"), json.Number("1000000000000000")
	earliest        = "1900-01-01T00:00:00.000Z"
	latest          = "2999-12-31T00:00:00.000Z"
)

func (w *widget) condition(c crmclient.Condition) (condition, error) {
	refuse := func() (condition, error) {
		return condition{}, configuration("换一种比较方式 (use another comparison)", "简道云 cannot compare widget %s (%s) with %s", w.show(), typeName(w.Type), c.Is)
	}
	out := condition{Field: w.Name, Type: w.Type}
	isText, isNumber, isTime := slices.Contains(textual, w.Type), w.Type == "number", w.Type == "datetime"
	if c.Is == crmclient.Empty {
		out.Method = "empty"
		return out, nil
	}
	if !isText && !isNumber && !isTime {
		return refuse()
	}
	one := func(v any) (any, error) {
		switch {
		case isNumber:
			return w.number(v)
		case isTime:
			return w.time(v)
		}
		return w.plain(v, defaultTextRunes)
	}
	switch c.Is {
	case crmclient.Equal, crmclient.NotEqual:
		out.Method = map[crmclient.Comparison]string{crmclient.Equal: "eq", crmclient.NotEqual: "ne"}[c.Is]
		v, err := one(c.Value)
		if v == nil && err == nil {
			return refuse()
		}
		out.Value = []any{v}
		return out, err
	case crmclient.In:
		values, ok := c.Value.([]any)
		if !ok || !isText || len(values) == 0 || len(values) > maxIn {
			return refuse()
		}
		out.Method = "in"
		for _, v := range values {
			x, err := one(v)
			if err != nil {
				return out, err
			}
			out.Value = append(out.Value, x)
		}
		return out, nil
	case crmclient.Less, crmclient.LessEqual, crmclient.Greater, crmclient.GreaterEqual:
		if isText {
			return refuse()
		}
		v, err := one(c.Value)
		if err != nil || v == nil {
			return refuse()
		}
		var low, high any = lowest, highest
		if isTime {
			low, high = earliest, latest
		}
		out.Method = "range"
		if c.Is == crmclient.Less || c.Is == crmclient.LessEqual {
			high = v
		} else {
			low = v
		}
		out.Value = []any{low, high}
		return out, nil
	}
	return refuse()
}

// hold says whether a record is one that was asked for. A record that no understood filter would let through is an error.
func (t tests) hold(r row) (bool, error) {
	for _, one := range t {
		if one.holds(r[one.w.Name]) {
			continue
		}
		if one.exact {
			return false, ignored(one.w.schema, one.w.show())
		}
		return false, nil
	}
	return true, nil
}

func (t test) holds(v any) bool {
	got := decode(t.w.Type, v)
	switch t.is {
	case crmclient.Empty:
		if l, ok := got.([]any); ok {
			return len(l) == 0
		}
		return got == nil || got == ""
	case crmclient.In:
		for _, want := range t.value.([]any) {
			if compare(t.w, got, want) == same {
				return true
			}
		}
		return false
	}
	switch c := compare(t.w, got, t.value); t.is {
	case crmclient.Equal:
		return c == same
	case crmclient.NotEqual:
		return c != same
	case crmclient.Less:
		return c == below
	case crmclient.LessEqual:
		return c == below || c == same
	case crmclient.Greater:
		return c == above
	case crmclient.GreaterEqual:
		return c == above || c == same
	}
	return false
}

// order is how a value lies to another.
type order int

const (
	unlike order = iota
	below
	same
	above
)

func compare(w *widget, got, want any) order {
	switch w.Type {
	case "number":
		a, okA := decimal.Of(got)
		b, okB := decimal.Of(want)
		if !okA || !okB {
			return unlike
		}
		return order(a.Cmp(b)) + same
	case "datetime":
		a, okA := moment(got)
		b, okB := moment(want)
		if !okA || !okB {
			return unlike
		}
		return order(a.Compare(b)) + same
	}
	if strings.EqualFold(strings.TrimSpace(fmt.Sprint(got)), strings.TrimSpace(fmt.Sprint(want))) && got != nil {
		return same
	}
	return unlike
}

func moment(v any) (time.Time, bool) {
	switch x := v.(type) {
	case time.Time:
		return x, true
	case string:
		return parseTime(x)
	}
	return time.Time{}, false
}

// fields encodes fields that are named by the form's own names.
func (c *Client) fields(ctx context.Context, s *schema, fields map[string]any) (map[string]wrapped, error) {
	out := map[string]wrapped{}
	for name, value := range fields {
		w, err := s.need(name)
		if err != nil {
			return nil, err
		}
		x, err := c.encode(ctx, w, value)
		if err != nil {
			return nil, err
		}
		out[w.Name] = wrapped{x}
	}
	return out, nil
}

// recordKey is the alias of the single-line text by which a record that a rule made is found again.
const recordKey = "gateway_key"

// CreateRecord makes a record in a form that has a single-line text with the alias gateway_key, in which the key is kept.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	if err := usableKey(key); err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, object+"\x00"+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	var receipt crmclient.Receipt
	err = c.with(ctx, object, func(s *schema) error {
		by, err := s.needType(recordKey, typeText)
		if err != nil {
			return err
		}
		found, err := c.findByText(ctx, s, by, key)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			receipt = crmclient.Receipt{RemoteID: found[0].id(), Duplicate: true}
			return nil
		}
		data, err := c.fields(ctx, s, fields)
		if err != nil {
			return err
		}
		receipt.RemoteID, err = c.create(ctx, newRecord{schema: s, by: by, key: key, data: data})
		return err
	})
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("create record: %w", err)
	}
	return receipt, nil
}

// UpdateRecord sets widgets of a record. A sub-form is replaced as a whole: rows without their _id are new.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	err := c.with(ctx, object, func(s *schema) error {
		data, err := c.fields(ctx, s, fields)
		if err != nil {
			return err
		}
		return c.update(ctx, s, id, "", data)
	})
	if err != nil {
		return fmt.Errorf("update record: %w", err)
	}
	return nil
}
