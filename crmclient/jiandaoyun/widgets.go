package jiandaoyun

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient/fieldmap"
)

// The types of widgets, by the vendor's words.
const (
	typeText   = "text"
	typeArea   = "textarea"
	typeUpload = "upload"
	typeUser   = "user"
)

// typeNames are the words of the form editor.
var typeNames = map[string]string{
	typeText: "单行文本", typeArea: "多行文本", "number": "数字", "datetime": "日期时间", "radiogroup": "单选按钮组", "checkboxgroup": "复选框组",
	"combo": "下拉框", "combocheck": "下拉复选框", "address": "地址", "location": "定位", "image": "图片", typeUpload: "附件", "subform": "子表单",
	"linkdata": "选择数据", "lookup": "关联数据", "linkobject": "关联表单", typeUser: "成员单选", "usergroup": "成员多选", "dept": "部门单选", "deptgroup": "部门多选",
	"phone": "手机", "sn": "流水号", "signature": "手写签名", "richtext": "富文本", "separator": "分割线",
}

func typeName(t string) string {
	if n := typeNames[t]; n != "" {
		return t + " " + n
	}
	return t
}

// unwritable are the types that the API does not write: it takes them without an error and drops them.
var unwritable = []string{"linkdata", "sn", "autonum", "signature", "separator", "aggregation", "aggregationtext", "linkquery", "button"}

// valueError says why a value does not fit a widget. It does not quote the value.
func (w *widget) valueError(want string) error {
	return permanent("widget %s of form %s (%s) takes %s", w.show(), w.schema.object, typeName(w.Type), want)
}

// misfit says that a value of this kind never fits the widget, whatever it is.
func (w *widget) misfit(got string) error {
	return configuration(remedyFields, "widget %s of form %s is of the type %s, which does not take %s", w.show(), w.schema.object, typeName(w.Type), got)
}

// encode makes the value of a widget in the shape that is written, without the object around it. Wrong values must be noticed here: the
// API takes them without an error and stores nothing. A nil result means that nothing is written.
func (c *Client) encode(ctx context.Context, w *widget, v any) (any, error) {
	if slices.Contains(unwritable, w.Type) {
		return nil, configuration("换一个可写的字段, 或从 fields 中去掉它 (the API cannot write this type)", "widget %s of form %s is of the type %s, which cannot be written", w.show(), w.schema.object, typeName(w.Type))
	}
	if v == nil {
		return nil, nil
	}
	switch w.Type {
	case "checkboxgroup", "combocheck":
		return w.texts(v)
	case "number":
		return w.number(v)
	case "datetime":
		return w.time(v)
	case typeUser:
		return c.oneMember(ctx, w, v)
	case "usergroup":
		return c.severalMembers(ctx, w, v)
	case "dept":
		return w.department(v)
	case "deptgroup":
		return w.departments(v)
	case "phone":
		return w.phone(v)
	case "lookup":
		return w.link(v, c.cfg.LinkValue)
	case "linkobject":
		return w.linkObject(v)
	case typeUpload, "image":
		return c.fileKeys(w, v)
	case "address", "location":
		if m, ok := v.(map[string]any); ok {
			return m, nil
		}
		if w.Type == "address" {
			if s, ok := v.(string); ok {
				return map[string]any{"detail": s}, nil
			}
		}
		return nil, w.misfit("a plain text")
	case "subform":
		return c.subform(ctx, w, v)
	}
	return w.plain(v, c.cfg.TextRunes)
}

// plain writes texts, and what is chosen from a list.
func (w *widget) plain(v any, limit int) (any, error) {
	switch x := v.(type) {
	case string:
		return fieldmap.CutRunes(x, limit), nil
	case json.Number:
		return x.String(), nil
	case time.Time:
		return x.UTC().Format(time.RFC3339), nil
	case bool, int, int64, float64:
		return fmt.Sprint(x), nil
	case []any:
		var parts []string
		for _, e := range x {
			s, err := w.plain(e, limit)
			if err != nil {
				return nil, err
			}
			parts = append(parts, s.(string))
		}
		return fieldmap.CutRunes(strings.Join(parts, ", "), limit), nil
	}
	return nil, w.misfit("an object")
}

func (w *widget) texts(v any) (any, error) {
	out := []string{}
	for _, e := range list(v) {
		s, err := w.plain(e, defaultTextRunes)
		if err != nil {
			return nil, err
		}
		if s != "" {
			out = append(out, s.(string))
		}
	}
	return out, nil
}

// list makes a list of a value that is none.
func list(v any) []any {
	switch x := v.(type) {
	case []any:
		return x
	case []string:
		out := make([]any, len(x))
		for i, s := range x {
			out[i] = s
		}
		return out
	}
	return []any{v}
}

// first takes the first of a list; anything else is itself.
func first(v any) any {
	if l, ok := v.([]any); ok {
		if len(l) == 0 {
			return nil
		}
		return l[0]
	}
	return v
}

func (w *widget) number(v any) (any, error) {
	switch x := v.(type) {
	case json.Number:
		return x, nil
	case int, int64, float64:
		return x, nil
	case string:
		t := strings.TrimSpace(x)
		if t == "" {
			return nil, nil
		}
		if !json.Valid([]byte(t)) || strings.ContainsAny(t, `"[{tfn`) {
			return nil, w.valueError("a number")
		}
		return json.Number(t), nil
	}
	return nil, w.misfit("this kind of value")
}

// layouts are how a text may give a time. Without a zone it is meant as the vendor's users see it.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// beijing is the zone in which people read and write times in Jiandaoyun. It has no summer time.
var beijing = time.FixedZone("CST", 8*60*60)

const wireTime = "2006-01-02T15:04:05.000Z"

func parseTime(s string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, beijing); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func (w *widget) time(v any) (any, error) {
	switch x := v.(type) {
	case time.Time:
		if x.IsZero() {
			return nil, nil
		}
		return x.UTC().Format(wireTime), nil
	case string:
		if x == "" {
			return nil, nil
		}
		t, ok := parseTime(x)
		if !ok {
			return nil, w.valueError("a time such as 2026-03-04T05:06:07Z")
		}
		return t.Format(wireTime), nil
	}
	return nil, w.misfit("this kind of value")
}

func (w *widget) department(v any) (any, error) {
	v = first(v)
	if m, ok := v.(map[string]any); ok {
		v = m["dept_no"]
	}
	if v == nil {
		return nil, nil
	}
	n, err := w.number(v)
	if err != nil {
		return nil, w.valueError("the number of a department (部门编号 dept_no)")
	}
	return n, nil
}

func (w *widget) departments(v any) (any, error) {
	out := []any{}
	for _, e := range list(v) {
		n, err := w.department(e)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out = append(out, n)
		}
	}
	return out, nil
}

func (w *widget) phone(v any) (any, error) {
	v = first(v)
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		return map[string]any{"phone": x}, nil
	case json.Number:
		return map[string]any{"phone": x.String()}, nil
	case map[string]any:
		if s, ok := x["phone"].(string); ok {
			return map[string]any{"phone": s}, nil
		}
	}
	return nil, w.misfit("this kind of value")
}

// linkID takes the id out of what a link may be read as. The API does not check that there is such a record.
func (w *widget) linkID(v any) (string, error) {
	v = first(v)
	if m, ok := v.(map[string]any); ok {
		for _, name := range []string{"data_id", "link_id", "id", "_id"} {
			if s, ok := m[name].(string); ok && s != "" {
				v = s
				break
			}
		}
	}
	switch x := v.(type) {
	case nil:
		return "", nil
	case string:
		if x == "" || objectID.MatchString(x) {
			return x, nil
		}
	}
	return "", w.valueError("the id of a record (24 hexadecimal digits)")
}

func (w *widget) link(v any, shape LinkShape) (any, error) {
	id, err := w.linkID(v)
	switch {
	case err != nil || id == "":
		return nil, err
	case shape == LinkDataID:
		return map[string]any{"data_id": id}, nil
	}
	return id, nil
}

func (w *widget) linkObject(v any) (any, error) {
	id, err := w.linkID(v)
	if err != nil || id == "" {
		return nil, err
	}
	return map[string]any{"link_id": id}, nil
}

// fileKeys takes the keys that uploads gave.
func (c *Client) fileKeys(w *widget, v any) (any, error) {
	keys, ok := v.(uploaded)
	if !ok {
		return nil, w.misfit("texts, only files")
	}
	if len(keys) == 0 {
		return nil, nil
	}
	if c.cfg.FileValue == FileFirst {
		return keys[0], nil
	}
	return []string(keys), nil
}

// subform writes rows. A row is an object by the names of its columns; the _id of a row that stays is kept.
func (c *Client) subform(ctx context.Context, w *widget, v any) (any, error) {
	rows := []any{}
	inner := schema{form: w.schema.form, object: w.schema.object, widgets: w.Items}
	for _, e := range list(v) {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, w.misfit("anything but rows, which are objects by the names of the columns")
		}
		out := map[string]any{}
		for name, value := range m {
			if name == "_id" {
				out[name] = wrapped{value}
				continue
			}
			column, err := inner.need(name)
			if err != nil {
				return nil, err
			}
			x, err := c.encode(ctx, column, value)
			if err != nil {
				return nil, err
			}
			out[column.Name] = wrapped{x}
		}
		rows = append(rows, out)
	}
	return rows, nil
}

// wrapped is a value in the shape that is written.
type wrapped struct {
	Value any `json:"value"`
}

// decode makes a value of Record.Fields of one that was read: times become times, members their usernames, departments
// their numbers, links the ids, telephones their numbers. All else stays.
func decode(t string, v any) any {
	switch t {
	case "datetime":
		if s, ok := v.(string); ok {
			if at, ok := parseTime(s); ok {
				return at
			}
		}
	case typeUser:
		return part(v, "username")
	case "dept":
		return part(v, "dept_no")
	case "usergroup", "deptgroup":
		l, ok := v.([]any)
		if !ok {
			return v
		}
		out := make([]any, len(l))
		for i, e := range l {
			out[i] = decode(strings.TrimSuffix(t, "group"), e)
		}
		return out
	case "phone":
		return part(v, "phone")
	case "lookup", "linkdata":
		return part(v, "id")
	case "linkobject":
		return part(v, "link_id")
	}
	return v
}

// part takes one entry out of an object that has it.
func part(v any, name string) any {
	if m, ok := v.(map[string]any); ok {
		if x, ok := m[name]; ok {
			return x
		}
	}
	return v
}
