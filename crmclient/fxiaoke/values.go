package fxiaoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// schemaAge is how long the description of an object is believed.
const schemaAge = 10 * time.Minute

// field is a field of an object as the vendor describes it.
type field struct {
	Name     string `json:"api_name"`
	Label    string `json:"label"`
	Type     string `json:"type"`
	Required bool   `json:"is_required"`
	Active   *bool  `json:"is_active"`
	Length   int    `json:"max_length"`
	Default  any    `json:"default_value"`
}

// schema is what an object consists of.
type schema struct {
	object string
	fields map[string]field
}

// computed are the types that nobody writes.
var computed = []string{"auto_number", "formula", "count", "quote", "signature"}

func (c *Client) schemaOf(ctx context.Context, object string) (*schema, error) {
	return c.schemas.Read(object, func() (*schema, error) { return c.describe(ctx, object) })
}

func (c *Client) describe(ctx context.Context, object string) (*schema, error) {
	if !apiName.MatchString(object) {
		return nil, configuration("", "%q is not the API name of an object", object)
	}
	var answer struct {
		Data struct {
			Describe struct {
				Fields map[string]field `json:"fields"`
			} `json:"describe"`
		} `json:"data"`
	}
	err := c.post(ctx, pathDescribe, map[string]any{"includeDetail": false, "data": map[string]any{"apiName": object}}, &answer)
	var refused *codeError
	if crmclient.ClassOf(err) == crmclient.ClassPermanent && errors.As(err, &refused) {
		return nil, configuration(remedyRights, "object %s cannot be described: %v", object, err)
	}
	if err != nil {
		return nil, err
	}
	if len(answer.Data.Describe.Fields) == 0 {
		return nil, configuration(remedyRights, "object %s has no fields, or the acting employee may not see it", object)
	}
	s := &schema{object: object, fields: map[string]field{}}
	for name, f := range answer.Data.Describe.Fields {
		if f.Active == nil || *f.Active {
			s.fields[name] = f
		}
	}
	c.schemas.Put(object, s)
	return s, nil
}

// list returns the fields in the form of all connectors.
func (s *schema) list() []crmclient.Field {
	var out []crmclient.Field
	for name, f := range s.fields {
		out = append(out, crmclient.Field{
			Name: name, Label: f.Label, Type: f.Type, Required: f.Required && f.Default == nil && !slices.Contains(preset, name), Length: f.Length, ReadOnly: slices.Contains(computed, f.Type) || slices.Contains(system, name),
		})
	}
	slices.SortFunc(out, func(a, b crmclient.Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// system are fields that the vendor fills itself.
var system = []string{"_id", "create_time", "created_by", "last_modified_time", "last_modified_by", "is_deleted", "object_describe_api_name", "tenant_id"}

// preset are fields that every new record has a value in.
var preset = []string{"record_type", "life_status", "lock_status", "owner", "owner_department", "data_own_department"}

// encode makes the value of a field as it is written. Nothing is nil.
func (c *Client) encode(s *schema, name string, v any) (any, error) {
	f, ok := s.fields[name]
	if !ok {
		return nil, configuration("在 对象管理 中添加该字段, 或从 fields 中去掉 (add the field, or take it out of fields)", "object %s has no field %s", s.object, name)
	}
	if v == nil {
		return nil, nil
	}
	switch f.Type {
	case "number", "currency", "percentile":
		return f.number(v)
	case "date", "date_time", "time":
		return f.time(v)
	case "true_or_false":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, f.misfit("true or false")
	case "employee", "employee_many", "out_employee":
		return c.employees(v), nil
	case "select_many", "department", "department_many", "object_reference_many", "tag", "array":
		return texts(v), nil
	case "file_attachment", "image":
		if l, ok := v.([]any); ok {
			return l, nil
		}
		return nil, f.misfit("files")
	}
	switch x := v.(type) {
	case string:
		return fieldmap.CutRunes(x, c.cfg.TextRunes), nil
	case []any:
		return fieldmap.CutRunes(strings.Join(texts(x), ", "), c.cfg.TextRunes), nil
	case time.Time:
		return x.UTC().Format(time.RFC3339), nil
	case map[string]any:
		return x, nil
	}
	return fmt.Sprint(v), nil
}

func (f field) misfit(want string) error {
	return permanent("field %s (%s) takes %s", f.Name, f.Type, want)
}

// number writes a number: the vendor wants a text.
func (f field) number(v any) (any, error) {
	s := strings.TrimSpace(fmt.Sprint(v))
	if s == "" {
		return nil, nil
	}
	if !json.Valid([]byte(s)) || strings.ContainsAny(s, `"[{tfn`) {
		return nil, f.misfit("a number")
	}
	return s, nil
}

// time writes a time in milliseconds.
func (f field) time(v any) (any, error) {
	switch x := v.(type) {
	case time.Time:
		if x.IsZero() {
			return nil, nil
		}
		return x.UnixMilli(), nil
	case int64, json.Number:
		return x, nil
	case string:
		if x == "" {
			return nil, nil
		}
		t, err := time.Parse(time.RFC3339, x)
		if err != nil {
			return nil, f.misfit("a time such as 2026-03-04T05:06:07Z")
		}
		return t.UnixMilli(), nil
	}
	return nil, f.misfit("a time")
}

func texts(v any) []string {
	out := []string{}
	l, ok := v.([]any)
	if !ok {
		l = []any{v}
	}
	for _, e := range l {
		if s := fmt.Sprint(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// employees makes openUserIds of mail addresses; whom nobody knows is left out.
func (c *Client) employees(v any) any {
	out := []string{}
	for _, s := range texts(v) {
		if strings.Contains(s, "@") {
			s = c.users[strings.ToLower(s)]
		}
		if s != "" {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// decode makes a value of Record.Fields of one that was read.
func (s *schema) decode(name string, v any) any {
	switch s.fields[name].Type {
	case "number", "currency", "percentile":
		if t, ok := v.(string); ok && json.Valid([]byte(t)) && t != "" {
			return json.Number(t)
		}
	case "date", "date_time":
		if n, ok := v.(json.Number); ok {
			if ms, err := n.Int64(); err == nil {
				return time.UnixMilli(ms).UTC()
			}
		}
	}
	return v
}

// row is a record as it is read; empty fields are not in it.
type row map[string]any

func (r row) text(name string) string {
	switch v := r[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (r row) id() string { return r.text("_id") }

func (r row) modified() time.Time {
	ms, err := json.Number(r.text("last_modified_time")).Int64()
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// who returns the first openUserId of a field of employees.
func (r row) who(name string) string {
	switch v := r[name].(type) {
	case string:
		return v
	case []any:
		if len(v) > 0 {
			s, _ := v[0].(string)
			return s
		}
	}
	return ""
}

func (s *schema) record(r row) crmclient.Record {
	out := crmclient.Record{Object: s.object, ID: r.id(), Fields: map[string]any{}, UpdatedAt: r.modified()}
	for name, v := range r {
		out.Fields[name] = s.decode(name, v)
	}
	return out
}
