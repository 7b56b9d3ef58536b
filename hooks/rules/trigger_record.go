package rules

import (
	"slices"
	"strings"

	"heliograph/hooks/rules/condition"
)

// The kinds of changes of a record.
const (
	recordMade    = "made"
	recordChanged = "changed"
	recordDeleted = "deleted"
)

// recordTrigger fires when a record of a CRM changes. It says which fields are watched; who wants more of the change
// says so in the condition.
type recordTrigger struct {
	Target string   `json:"target"`
	Object string   `json:"object"`           // the CRM's own name
	Fields []string `json:"fields,omitempty"` // one of these has another value; with made: they are watched only
	On     []string `json:"on,omitempty"`     // made, changed, deleted; empty: changed
	From   []any    `json:"from,omitempty"`   // the first field had one of these values before
	To     []any    `json:"to,omitempty"`     // the first field has one of these values now
}

// Watches tells which fields of which records have to be watched for a rule to fire; ok is false for rules that other things start.
func Watches(r Rule) (target, object string, fields []string, ok bool) {
	parsed, err := parseTrigger(r.Trigger)
	t, ok := parsed.(*recordTrigger)
	if err != nil || !ok {
		return "", "", nil, false
	}
	return t.Target, t.Object, t.Fields, true
}

func (t *recordTrigger) keys() []string { return []string{"record:" + t.Target + "/" + t.Object} }

func (t *recordTrigger) fits(e *Event) bool {
	if e.Type != TypeRecord || e.Target != t.Target || e.Object != t.Object {
		return false
	}
	kind := e.text("change", "kind")
	if on := t.On; len(on) == 0 && kind != recordChanged || len(on) > 0 && !slices.Contains(on, kind) {
		return false
	}
	fields, _ := e.fact("change", "fields").(map[string]any)
	if kind == recordChanged && !slices.ContainsFunc(t.Fields, func(f string) bool { _, ok := fields[f]; return ok }) {
		return false
	}
	if len(t.From)+len(t.To) == 0 || len(t.Fields) == 0 {
		return true
	}
	change, ok := fields[t.Fields[0]].(map[string]any)
	return ok && among(change["old"], t.From) && among(change["new"], t.To)
}

// among says whether a value is one of those that are wanted; none wanted means any.
func among(v any, wanted []any) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w any) bool { return condition.Equal(v, w) })
}

func (t *recordTrigger) check(c *checker) {
	c.target("target", t.Target)
	c.required("object", t.Object)
	for i, on := range t.On {
		c.oneOf(at("on", i), on, recordMade, recordChanged, recordDeleted)
	}
	changes := len(t.On) == 0 || slices.Contains(t.On, recordChanged)
	if changes && len(t.Fields) == 0 {
		c.problem("/fields", "name the fields whose change counts", "请指明哪些字段的变化有效")
	}
	if len(t.From)+len(t.To) > 0 && len(t.Fields) == 0 {
		c.problem("/fields", "from and to are about the first field: name it", "from 和 to 针对第一个字段：请填写")
	}
}

func (t *recordTrigger) describe(l voice) string {
	on := t.On
	if len(on) == 0 {
		on = []string{recordChanged}
	}
	words := map[string]string{recordMade: l.of("is made", "新建"), recordChanged: l.of("changes", "变更"), recordDeleted: l.of("is deleted", "删除")}
	var kinds []string
	for _, k := range on {
		kinds = append(kinds, words[k])
	}
	of, first := RecordType{t.Target, t.Object}, ""
	text := l.of("When ", "当 ") + l.aRecord(of) + l.of(" ", "") + strings.Join(kinds, l.of(" or ", "或"))
	if len(t.Fields) > 0 {
		first = t.Fields[0]
		text += l.of(" in ", "，字段 ") + l.fields(of, t.Fields)
	}
	if len(t.From) > 0 {
		text += l.of(" from ", " 由 ") + l.values(of, first, t.From)
	}
	if len(t.To) > 0 {
		text += l.of(" to ", " 变为 ") + l.values(of, first, t.To)
	}
	return text
}
