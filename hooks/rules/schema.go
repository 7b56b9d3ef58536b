package rules

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"heliograph/hooks/rules/condition"
	"heliograph/hooks/rules/extract"
)

// Schema is the JSON Schema (draft 2020-12) of a rule, for editors and forms. It is made from the tables of triggers, steps, operators and facts,
// so that it knows what Parse reads; what only Check finds, such as a missing text, it does not say. Titles and descriptions are in Chinese
// and English.
func Schema() map[string]any {
	s := &schema{defs: map[string]any{}}
	s.defs["step"] = s.step()
	s.defs["trigger"] = s.trigger()
	s.defs["condition"] = conditionSchema()
	s.defs["fact"] = factSchema()
	root := s.object(reflect.TypeFor[Rule](), "rule")
	root["$schema"], root["title"] = "https://json-schema.org/draft/2020-12/schema", "Heliograph 规则 / rule"
	root["required"] = []any{"id", "name", "owner", "trigger", "steps"}
	root["$defs"] = s.defs
	return root
}

// schema collects definitions that refer to each other.
type schema struct{ defs map[string]any }

func ref(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

var (
	nodeType    = reflect.TypeFor[condition.Node]()
	stepType    = reflect.TypeFor[Step]()
	triggerType = reflect.TypeFor[Trigger]()
	rawType     = reflect.TypeFor[json.RawMessage]()
	wordsType   = reflect.TypeFor[mailboxes]()
	labelsType  = reflect.TypeFor[extract.Words]()
	sourcesType = reflect.TypeFor[extract.Sources]()
	specsType   = reflect.TypeFor[extract.Specs]()
	fromTexts   = reflect.TypeFor[encoding.TextUnmarshaler]()
	fromJSON    = reflect.TypeFor[json.Unmarshaler]()
	oneOrMore   = []any{map[string]any{"type": "string"}, map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}
)

// of is the schema of values that are read into a type.
func (s *schema) of(t reflect.Type, place string) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case nodeType:
		return ref("condition")
	case stepType:
		return ref("step")
	case triggerType:
		return ref("trigger")
	case rawType:
		return map[string]any{}
	case wordsType, labelsType, sourcesType:
		return map[string]any{"anyOf": oneOrMore}
	case specsType:
		return map[string]any{"type": "object", "additionalProperties": s.object(reflect.TypeFor[extract.Spec](), "extract")}
	}
	switch pointer := reflect.PointerTo(t); {
	case t.Kind() == reflect.Slice && pointer.Implements(fromJSON): // one, or a list of them
		item := s.of(t.Elem(), place)
		return map[string]any{"anyOf": []any{item, map[string]any{"type": "array", "items": item}}}
	case pointer.Implements(fromJSON):
		return map[string]any{}
	case pointer.Implements(fromTexts):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.object(t, place)
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem(), place)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem(), place)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer"}
	}
	return map[string]any{}
}

// object is the schema of an object with the fields of a struct. place is where it stands, for descriptions.
func (s *schema) object(t reflect.Type, place string) map[string]any {
	properties := map[string]any{}
	s.fields(t, place, properties)
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

func (s *schema) fields(t reflect.Type, place string, into map[string]any) {
	for f := range fieldsOf(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			s.fields(f.Type, place, into)
			continue
		}
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		one := s.of(f.Type, place+"."+name)
		if words, ok := paramWords(place, name); ok {
			one = withWords(one, words)
		}
		if list, ok := paramValues[place+"."+name]; ok {
			one = maps.Clone(one)
			one["enum"] = texting(list)
		}
		into[name] = one
	}
}

// fieldsOf goes through the fields of a struct.
func fieldsOf(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

func withWords(one map[string]any, w words) map[string]any {
	out := maps.Clone(one)
	out["description"] = w.zh + " / " + w.en
	return out
}

func texting(list []string) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// step is the schema of a step: which parameters it has depends on what it does.
func (s *schema) step() map[string]any {
	out := s.object(stepType, "step")
	properties, _ := out["properties"].(map[string]any)
	var kinds, cases []any
	for _, name := range names(actions) {
		with := s.object(reflect.TypeOf(actions[name]()).Elem(), name)
		kinds = append(kinds, map[string]any{"const": name, "title": titleOf(stepWords, name)})
		cases = append(cases, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"do": map[string]any{"const": name}}},
			"then": map[string]any{"properties": map[string]any{"with": with}},
		})
	}
	properties["do"] = map[string]any{"oneOf": kinds, "description": "做什么 / what it does"}
	properties["with"] = map[string]any{"type": "object", "description": "参数，取决于 do / its parameters, which depend on do"}
	properties["on_error"] = map[string]any{"enum": []any{string(ErrorStops), string(ErrorContinues)}, "description": "失败后：停止（默认）或继续 / after a failure: stop, which is the default, or continue"}
	out["required"], out["allOf"] = []any{"id", "do"}, cases
	return out
}

// trigger is the schema of a trigger: its parameters stand beside its type.
func (s *schema) trigger() map[string]any {
	var cases []any
	for _, name := range names(triggers) {
		one := s.object(reflect.TypeOf(triggers[name]()).Elem(), "trigger."+name)
		properties, _ := one["properties"].(map[string]any)
		properties["type"] = map[string]any{"const": name}
		one["required"] = []any{"type"}
		one["title"] = titleOf(triggerWords, name)
		cases = append(cases, one)
	}
	return map[string]any{"oneOf": cases, "description": "什么启动规则 / what starts the rule"}
}

func titleOf(table map[string]words, name string) string {
	if w, ok := table[name]; ok {
		return w.zh + " / " + w.en
	}
	return name
}

// conditionSchema is that of a condition: an object that is marked by one of its keys.
func conditionSchema() map[string]any {
	node, text := ref("condition"), map[string]any{"type": "string"}
	list := map[string]any{"type": "array", "items": node}
	var operators []any
	for _, o := range condition.Operators() {
		operators = append(operators, map[string]any{"const": o.Name, "title": o.ZH + " / " + o.EN})
	}
	op := map[string]any{"oneOf": operators}
	form := func(title string, properties map[string]any, required ...string) map[string]any {
		return map[string]any{"type": "object", "title": title, "properties": properties, "required": texting(required), "additionalProperties": false}
	}
	cases := []any{
		form("全部满足 / all of them", map[string]any{"all": list}, "all"),
		form("任一满足 / any of them", map[string]any{"any": list}, "any"),
		form("不满足 / not", map[string]any{"not": node}, "not"),
		form("字段 / a fact", map[string]any{"field": ref("fact"), "op": op, "value": map[string]any{}}, "field", "op"),
		form("表达式 / an expression in CEL", map[string]any{"cel": text}, "cel"),
		form("个数 / how many", map[string]any{"count": ref("fact"), "op": op, "value": map[string]any{}, "where": node, "as": text}, "count", "op", "value"),
	}
	for _, q := range []struct {
		kind  condition.Kind
		title string
	}{{condition.Some, "存在 / some element"}, {condition.Every, "每个 / every element"}, {condition.None, "没有 / no element"}} {
		cases = append(cases, form(q.title, map[string]any{string(q.kind): ref("fact"), "where": node, "as": text}, string(q.kind), "where"))
	}
	return map[string]any{"oneOf": cases, "description": "条件 / a condition"}
}

// factSchema is that of the path of a fact: any text, with the known paths for completion.
func factSchema() map[string]any {
	var known []any
	for _, f := range condition.Standard().Facts() {
		known = append(known, map[string]any{"const": f.Path, "title": f.ZH + " / " + f.EN})
	}
	return map[string]any{"anyOf": append(known, map[string]any{"type": "string"}), "description": "字段路径 / the path of a fact"}
}

// SchemaJSON is Schema as indented JSON; equal programs give equal bytes.
func SchemaJSON() ([]byte, error) {
	text, err := json.MarshalIndent(Schema(), "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// paramWords are the words for a parameter: those of its place, or those that it has everywhere.
func paramWords(place, name string) (words, bool) {
	if w, ok := wordsOfParams[place+"."+name]; ok {
		return w, true
	}
	w, ok := wordsOfParams[name]
	return w, ok
}

// undescribed lists parameters without words, for a test.
func undescribed() []string {
	var out []string
	note := func(place string, t reflect.Type) {
		var walk func(t reflect.Type)
		walk = func(t reflect.Type) {
			for f := range fieldsOf(t) {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if f.Anonymous && name == "" {
					walk(f.Type)
				} else if _, ok := paramWords(place, name); f.IsExported() && name != "" && name != "-" && !ok {
					out = append(out, place+"."+name)
				}
			}
		}
		walk(t)
	}
	for name, make := range actions {
		note(name, reflect.TypeOf(make()).Elem())
	}
	for name, make := range triggers {
		note("trigger."+name, reflect.TypeOf(make()).Elem())
	}
	slices.Sort(out)
	return out
}
