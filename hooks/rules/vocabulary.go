package rules

import (
	"reflect"
	"slices"
	"strings"

	"heliograph/hooks/rules/condition"
	"heliograph/hooks/rules/extract"
)

// Param is a parameter of a trigger, a step or the rule itself, as a designer shows it.
type Param struct {
	Name string
	Zh   string
	En   string
	// Type says how it is edited: text, line, template, html, address, addresses, duration, schedule, number, integer, boolean, enum, target,
	// record_type, field, fields, field_map, selections, value, values, notifier, hook, call, calendar, sender, table, tags, texts, facts, links, fact,
	// list_fact, step, step_ids, steps, condition, cases, branches, object, objects, map_of_objects or json.
	Type      string
	Required  bool
	Repeated  bool // a list of these
	OneOrMore bool // a single one may stand without a list
	Negative  bool // a duration that may lie before
	Advanced  bool // few need it
	Default   any
	Choices   []Word
	DependsOn string // the parameter whose value says what can be chosen
	Fields    []Param
	Example   any
}

// Word is a value with what people call it.
type Word struct{ Value, Zh, En string }

// Kind is a kind of triggers or steps.
type Kind struct {
	Name      string
	Zh, En    string
	Group     string // of steps: mail, crm, people, data or flow
	Outside   bool   // it acts outside
	NeedsMail bool
	Params    []Param
	Outputs   []GivenFact
}

// GivenFact is a fact that a step gives to those behind it.
type GivenFact struct {
	Name   string // * stands for names that the parameters say
	Type   condition.Type
	Zh, En string
}

// TriggerKinds lists the kinds of triggers.
func TriggerKinds() []Kind {
	var out []Kind
	for _, name := range orderOfTriggers {
		w := triggerWords[name]
		out = append(out, Kind{Name: name, Zh: w.zh, En: w.en, Params: params(reflect.TypeOf(triggers[name]()).Elem(), "trigger."+name)})
	}
	return out
}

// StepKinds lists the kinds of steps, those of one group together.
func StepKinds() []Kind {
	var out []Kind
	for _, group := range groupsOfSteps {
		for _, name := range group.steps {
			w := stepWords[name]
			out = append(out, Kind{
				Name: name, Zh: w.zh, En: w.en, Group: group.name, Outside: outsideSteps[name], NeedsMail: mailSteps[name],
				Params: params(reflect.TypeOf(actions[name]()).Elem(), name), Outputs: givenBy[name],
			})
		}
	}
	return out
}

// RuleParams are the parameters of a rule itself, without those that have a kind; GuardParams, ExtractParams and TestParams those of its parts.
func RuleParams() []Param {
	return slices.DeleteFunc(params(reflect.TypeFor[Rule](), "rule"), func(p Param) bool {
		return slices.Contains([]string{"trigger", "extract", "when", "guards", "steps", "tests"}, p.Name)
	})
}

// GuardParams are the parameters of guards.
func GuardParams() []Param { return params(reflect.TypeFor[Guards](), "guards") }

// ExtractParams are the parameters of one value to be extracted.
func ExtractParams() []Param { return params(reflect.TypeFor[extract.Spec](), "extract") }

// TestParams are the parameters of a test.
func TestParams() []Param { return params(reflect.TypeFor[Test](), "test") }

// StepWords is what people call a kind of step.
func StepWords(kind string) (zh, en string) {
	if w, ok := stepWords[kind]; ok {
		return w.zh, w.en
	}
	return kind, kind
}

// TriggerWords is what people call a type of trigger.
func TriggerWords(kind string) (zh, en string) {
	if w, ok := triggerWords[kind]; ok {
		return w.zh, w.en
	}
	return kind, kind
}

// ParamWords is what people call a parameter of a kind of step, or of "rule", "guards", "extract" or "trigger." and a type.
func ParamWords(kind, name string) (zh, en string) {
	if w, ok := paramWords(kind, name); ok {
		return w.zh, w.en
	}
	return name, name
}

// params describes the fields of a struct. place is where it stands.
func params(t reflect.Type, place string) (out []Param) {
	for f := range fieldsOf(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			out = append(out, params(f.Type, place)...)
			continue
		}
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		p := Param{Name: name, Required: !strings.Contains(options, "omit")}
		p.Zh, p.En = ParamWords(place, name)
		p.of(f.Type, place+"."+name)
		p.adjust(place)
		out = append(out, p)
	}
	return out
}

// adjust sets what the type does not say.
func (p *Param) adjust(place string) {
	at := place + "." + p.Name
	if kind, ok := first(typesOfParams, at, p.Name); ok {
		p.Type, p.Fields = kind, nil
	}
	if required, ok := requiredParams[at]; ok {
		p.Required = required
	}
	if v, ok := defaultsOfParams[at]; ok {
		p.Default = v
	}
	if choices, ok := first(choicesOfParams, at, p.Name); ok {
		p.Choices = choices
		if p.Type == "text" || p.Type == "texts" || p.Type == "json" {
			p.Repeated = p.Repeated || p.Type == "texts"
			p.Type = "enum"
		}
	} else if values, ok := paramValues[at]; ok {
		p.Type = "enum"
		for _, v := range values {
			p.Choices = append(p.Choices, wordOf(v))
		}
	}
	if on, ok := dependsOn[p.Type]; ok {
		p.DependsOn = on
	}
	p.Negative = at == "trigger.deadline.offset" || at == "wait.plus"
	p.Advanced = slices.Contains(advancedParams, at) || slices.Contains(advancedParams, p.Name)
	if example, ok := first(examplesOfParams, at, p.Name); ok {
		p.Example = example
	}
}

// first is the entry for a place, or for a name everywhere.
func first[T any](table map[string]T, at, name string) (T, bool) {
	if v, ok := table[at]; ok {
		return v, true
	}
	v, ok := table[name]
	return v, ok
}

// wordOf is a value of few, with its words.
func wordOf(value string) Word {
	if w, ok := wordsOfValues[value]; ok {
		return Word{value, w.zh, w.en}
	}
	return Word{value, value, value}
}

// kindsOfTypes say how values of Go types are edited.
var kindsOfTypes = map[reflect.Type]string{
	nodeType:                            "condition",
	rawType:                             "json",
	wordsType:                           "addresses",
	reflect.TypeFor[line]():             "line",
	reflect.TypeFor[text]():             "template",
	reflect.TypeFor[page]():             "html",
	reflect.TypeFor[offset]():           "duration",
	reflect.TypeFor[span]():             "duration",
	reflect.TypeFor[value]():            "value",
	reflect.TypeFor[[]Step]():           "steps",
	reflect.TypeFor[[][]Step]():         "branches",
	reflect.TypeFor[[]branchCase]():     "cases",
	reflect.TypeFor[map[string]value](): "values",
	reflect.TypeFor[[]Selection]():      "selections",
	reflect.TypeFor[[]selectionValue](): "selections",
	reflect.TypeFor[[]factRow]():        "facts",
	reflect.TypeFor[[]string]():         "texts",
	reflect.TypeFor[map[string]any]():   "json",
	reflect.TypeFor[[]map[string]any](): "json",
	reflect.TypeFor[[]any]():            "values",
	reflect.TypeFor[Answers]():          "json",
	reflect.TypeFor[need]():             "integer",
	labelsType:                          "texts",
	sourcesType:                         "texts",
	specsType:                           "json",
}

// of finds how values of a type are edited.
func (p *Param) of(t reflect.Type, place string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if kind, ok := kindsOfTypes[t]; ok {
		p.Type = kind
		p.OneOrMore = t == wordsType || t == labelsType || t == sourcesType
		p.Repeated = p.OneOrMore
		return
	}
	pointer := reflect.PointerTo(t)
	switch t.Kind() {
	case reflect.Bool:
		p.Type = "boolean"
	case reflect.String:
		p.Type = "text"
	case reflect.Float32, reflect.Float64:
		p.Type = "number"
	case reflect.Int, reflect.Int32, reflect.Int64:
		p.Type = "integer"
	case reflect.Struct:
		if pointer.Implements(fromTexts) || pointer.Implements(fromJSON) {
			p.Type = "json"
			return
		}
		p.Type, p.Fields = "object", params(t, place)
	case reflect.Slice:
		p.of(t.Elem(), place)
		p.Repeated = true
		if p.Type == "object" {
			p.Type = "objects"
		}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Struct {
			p.Type, p.Fields = "map_of_objects", params(t.Elem(), place)
			return
		}
		p.Type = "json"
	default:
		p.Type = "json"
	}
}

// ValueWords is a value that several parameters or facts have, with what people call it.
func ValueWords(value string) Word { return wordOf(value) }
