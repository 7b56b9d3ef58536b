package rules

import (
	"encoding/json"
	"slices"
	"strings"

	"heliograph/hooks/rules/condition"
)

// RecordType is a type of records of a target.
type RecordType struct{ Target, Object string }

// RecordNames is what people call targets, their types of records, and the fields of these. It is read only; nil knows none, and then
// names stand as they are written, in quotation marks.
type RecordNames struct {
	Targets map[string]Word
	Objects map[RecordType]RecordName
	// Related are the types of records that stand behind roots of facts, such as deal.
	Related map[string]RecordType
}

// RecordName is what people call a type of records: En is of many, One of a single one. English names begin small.
type RecordName struct {
	Word

	One    string
	Fields []FieldName
}

// FieldName is what people call a field, and its values where they are few.
type FieldName struct {
	Word

	Values []Word
}

// of returns the names of a type of records.
func (n *RecordNames) of(t RecordType) (RecordName, bool) {
	if n == nil {
		return RecordName{}, false
	}
	out, ok := n.Objects[t]
	return out, ok
}

// field returns the names of a field.
func (r RecordName) field(name string) (FieldName, bool) {
	i := slices.IndexFunc(r.Fields, func(f FieldName) bool { return f.Value == name })
	if i < 0 {
		return FieldName{}, false
	}
	return r.Fields[i], true
}

// quoted is a name as a CRM writes it.
func (l Lang) quoted(name string) string { return l.of("“"+name+"”", "「"+name+"」") }

// target is what people call a target.
func (v voice) target(name string) string {
	if v.names != nil {
		if w, ok := v.names.Targets[name]; ok {
			return v.of(w.En, w.Zh)
		}
	}
	return name
}

// aRecord is one record of a type, with the word before it in English: "a deal of crm".
func (v voice) aRecord(t RecordType) string {
	if n, ok := v.names.of(t); ok {
		return v.of("a "+n.One+" of "+v.target(t.Target), v.target(t.Target)+" 的"+n.Zh)
	}
	return v.of("a record "+v.quoted(t.Object)+" of "+v.target(t.Target), v.target(t.Target)+" 的"+v.quoted(t.Object))
}

// newRecord is a record that is made, with the place where it is.
func (v voice) newRecord(t RecordType) string {
	if n, ok := v.names.of(t); ok {
		return v.of("make a "+n.One+" in "+v.target(t.Target), "在 "+v.target(t.Target)+" 新建"+n.Zh)
	}
	return v.of("make a record "+v.quoted(t.Object)+" in "+v.target(t.Target), "在 "+v.target(t.Target)+" 新建"+v.quoted(t.Object))
}

// records are those of a type.
func (v voice) records(t RecordType) string {
	if n, ok := v.names.of(t); ok {
		return v.of(n.En+" of "+v.target(t.Target), v.target(t.Target)+" 的"+n.Zh)
	}
	return v.of("records "+v.quoted(t.Object)+" of "+v.target(t.Target), v.target(t.Target)+" 的"+v.quoted(t.Object))
}

// field is what people call a field of a type of records.
func (v voice) field(t RecordType, name string) string {
	n, _ := v.names.of(t)
	if f, ok := n.field(name); ok {
		return v.of(f.En, f.Zh)
	}
	return v.quoted(name)
}

// fields are several of them.
func (v voice) fields(t RecordType, list []string) string {
	out := make([]string, len(list))
	for i, name := range list {
		out[i] = v.field(t, name)
	}
	return strings.Join(out, v.of(", ", "、"))
}

// values are what a field may be.
func (v voice) values(t RecordType, field string, list []any) string {
	n, _ := v.names.of(t)
	f, _ := n.field(field)
	names := valueNames(f.Values)
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = condition.Words(one, names, string(v.Lang))
	}
	return strings.Join(out, v.of(" or ", " 或 "))
}

func valueNames(list []Word) (out []condition.ValueName) {
	for _, w := range list {
		out = append(out, condition.ValueName{Value: w.Value, ZH: w.Zh, EN: w.En})
	}
	return out
}

// recordOf is the type of the records that start a rule; empty where others do.
func recordOf(t Trigger) RecordType {
	parsed, err := parseTrigger(t)
	if err != nil {
		return RecordType{}
	}
	switch x := parsed.(type) {
	case *recordTrigger:
		return RecordType{x.Target, x.Object}
	case *deadlineTrigger:
		return RecordType{x.Target, x.Object}
	}
	return RecordType{}
}

// facts are the fields of records that a rule can ask for, with their names: of the record that started it, of those that belong to
// the event, and of those that its steps find.
func (n *RecordNames) facts(r Rule) (out []condition.Fact) {
	if n == nil {
		return nil
	}
	add := func(root string, t RecordType, whose bool) {
		name, _ := n.of(t)
		for _, f := range name.Fields {
			zh, en := f.Zh, f.En
			if whose {
				zh, en = name.Zh+"的"+zh, name.One+"'s "+en
			}
			out = append(out, condition.Fact{Path: root + "." + f.Value, Type: condition.TypeOpen, ZH: zh, EN: en, Names: valueNames(f.Values)})
			if root == "record" {
				change := "change.fields." + f.Value
				out = append(out,
					condition.Fact{Path: change + ".old", Type: condition.TypeOpen, ZH: zh + "（原值）", EN: en + " before", Names: valueNames(f.Values)},
					condition.Fact{Path: change + ".new", Type: condition.TypeOpen, ZH: zh + "（新值）", EN: en + " now", Names: valueNames(f.Values)})
			}
		}
	}
	for root, t := range n.Related {
		add(root, t, true)
	}
	add("record", recordOf(r.Trigger), true)
	found := map[string]RecordType{} // by the path of the list
	everyStep(r.Steps, func(s Step) {
		var with struct{ Target, Object string }
		if s.Do == "find_records" && json.Unmarshal(s.With, &with) == nil {
			t := RecordType(with)
			found["steps."+s.ID+".records"] = t
			add("steps."+s.ID+".first", t, true)
			add("steps."+s.ID+".records[]", t, false)
		}
	})
	for name, t := range elements(r.Steps, found) {
		out = append(out, condition.Fact{Path: name + ".*", Type: condition.TypeOpen, ZH: "当前项", EN: "item"})
		add(name, t, true)
	}
	return out
}

// elements are what steps call the elements of lists that were found, where that is the same everywhere in the rule.
func elements(steps []Step, found map[string]RecordType) map[string]RecordType {
	out := map[string]RecordType{}
	everyStep(steps, func(s Step) {
		var with struct{ In, As string }
		if s.Do != "for_each" && s.Do != "batch_send" || json.Unmarshal(s.With, &with) != nil {
			return
		}
		for _, name := range []string{"item", with.As} {
			if t, ok := out[name]; ok && t != found[with.In] {
				out[name] = RecordType{}
			} else if name != "" {
				out[name] = found[with.In]
			}
		}
	})
	return out
}
