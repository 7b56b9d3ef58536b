package automation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/console/api"
)

// ErrNoFields says that a target cannot tell the fields of its records.
var ErrNoFields = errors.New("the target cannot tell the fields of its records")

// GetVocabulary says what rules can be made of.
func (p *Part) GetVocabulary(_ context.Context, request GetVocabularyRequestObject) (GetVocabularyResponseObject, error) {
	names, err := p.o.Gateway.Names()
	if err != nil {
		return nil, err
	}
	out := vocabulary()
	named(&out, names)
	etag := api.ETag(out)
	if request.Params.IfNoneMatch == etag {
		return GetVocabulary304Response{}, nil
	}
	return GetVocabulary200JSONResponse{Body: out, Headers: GetVocabulary200ResponseHeaders{ETag: etag}}, nil
}

// vocabulary is what all gateways have.
func vocabulary() Vocabulary {
	out := Vocabulary{
		Rule: parameters(rules.RuleParams()), Guards: parameters(rules.GuardParams()), Extract: parameters(rules.ExtractParams()), Test: parameters(rules.TestParams()),
		Facts: facts(), Operators: operators(), ExtractKinds: extractKinds(),
	}
	for _, k := range rules.TriggerKinds() {
		out.Triggers = append(out.Triggers, TriggerInfo{Type: TriggerType(k.Name), Label: Words{Zh: k.Zh, En: k.En}, Parameters: parameters(k.Params)})
	}
	for _, k := range rules.StepKinds() {
		out.Steps = append(out.Steps, StepInfo{
			Kind: k.Name, Label: Words{Zh: k.Zh, En: k.En}, Group: StepInfoGroup(k.Group), Outside: k.Outside, NeedsMail: k.NeedsMail, Parameters: parameters(k.Params),
			Outputs: outputs(k.Name, k.Outputs),
		})
	}
	for _, w := range rules.WordsOfRoots() {
		out.FactGroups = append(out.FactGroups, FactGroup{Name: w.Value, Label: Words{Zh: w.Zh, En: w.En}})
	}
	for _, f := range compose.Functions() {
		out.Functions = append(out.Functions, TemplateFunction{Name: f.Name, Usage: f.Usage, Label: Words{Zh: f.Zh, En: f.En}})
	}
	return out
}

func parameters(list []rules.Param) []Parameter {
	out := []Parameter{}
	for _, p := range list {
		one := Parameter{
			Name: p.Name, Label: Words{Zh: p.Zh, En: p.En}, Type: ParameterType(p.Type), Required: p.Required, Repeated: p.Repeated, OneOrMore: p.OneOrMore, Negative: p.Negative,
			Default: p.Default, DependsOn: p.DependsOn, Advanced: p.Advanced, Example: p.Example, Choices: choices(p.Choices),
		}
		if len(p.Fields) > 0 {
			one.Fields = parameters(p.Fields)
		}
		out = append(out, one)
	}
	return out
}

func choices(list []rules.Word) (out []Choice) {
	for _, w := range list {
		out = append(out, Choice{Value: w.Value, Label: Words{Zh: w.Zh, En: w.En}})
	}
	return out
}

func outputs(kind string, list []rules.GivenFact) []Output {
	out := []Output{}
	for _, g := range list {
		out = append(out, Output{Name: g.Name, Type: FactType(g.Type), Label: Words{Zh: g.Zh, En: g.En}, Choices: choices(rules.ValuesGiven(kind, g.Name))})
	}
	return out
}

func extractKinds() []ExtractKind {
	out := []ExtractKind{}
	for _, k := range rules.ExtractKinds() {
		one := ExtractKind{Kind: k.Value, Label: Words{Zh: k.Zh, En: k.En}, Type: FactType(k.Type)}
		if len(k.Fields) > 0 {
			one.Fields = outputs("", k.Fields)
		}
		out = append(out, one)
	}
	return out
}

// facts are those of the schema.
func facts() []FactInfo {
	out := []FactInfo{}
	ops := condition.Operators()
	var all []TriggerType
	for _, k := range rules.TriggerKinds() {
		all = append(all, TriggerType(k.Name))
	}
	for _, f := range condition.Standard().Facts() {
		root, _, _ := strings.Cut(f.Path, ".")
		one := FactInfo{
			Path: f.Path, Type: FactType(f.Type), Of: FactType(f.Of), Label: Words{Zh: f.ZH, En: f.EN}, Group: strings.TrimSuffix(root, "[]"), Triggers: all,
		}
		if len(f.Triggers) > 0 {
			one.Triggers = nil
			for _, t := range f.Triggers {
				one.Triggers = append(one.Triggers, TriggerType(t))
			}
		}
		for _, v := range f.Enum {
			one.Choices = append(one.Choices, choices([]rules.Word{rules.ValueWords(v)})...)
		}
		for _, o := range ops {
			if f.Type == condition.TypeOpen || slices.Contains(o.Types, f.Type) {
				one.Operators = append(one.Operators, o.Name)
			}
		}
		out = append(out, one)
	}
	return out
}

func operators() []Operator {
	out := []Operator{}
	for _, o := range condition.Operators() {
		one := Operator{Name: o.Name, Label: Words{Zh: o.ZH, En: o.EN}, Takes: OperatorTakes(o.Takes), Count: o.Count, Types: []FactType{}}
		for _, t := range o.Types {
			one.Types = append(one.Types, FactType(t))
		}
		out = append(out, one)
	}
	return out
}

// named adds the names of this company.
func named(out *Vocabulary, n Names) {
	around := n.Around
	out.Links = !around.NoLinks
	out.Notifiers, out.Hooks, out.Calls = nameList(around.Channels), nameList(around.Hooks), nameList(n.Calls)
	out.Senders, out.Tables, out.Calendars = nameList(around.Senders), nameList(n.Tables), []Named{}
	for i := range out.Senders {
		out.Senders[i].Default = out.Senders[i].Name == around.Sender
	}
	for _, name := range sorted(around.Calendars) {
		out.Calendars = append(out.Calendars, Named{Name: name, Default: name == around.Calendar})
	}
	out.Roles, out.Lists, out.Targets = []RuleRole{}, []ListInfo{}, []TargetInfo{}
	for _, name := range sorted(around.Roles) {
		out.Roles = append(out.Roles, RuleRole{Name: name, Members: list(around.Roles[name])})
	}
	for _, name := range sorted(n.Lists) {
		out.Lists = append(out.Lists, ListInfo{Name: name, Entries: n.Lists[name]})
	}
	for _, t := range n.Targets {
		one := TargetInfo{Name: t.Name, Type: t.Type, Default: t.Name == n.Target, Describes: t.Describes, Tickets: t.Tickets, Objects: []ObjectInfo{}}
		for _, o := range t.Objects {
			info := ObjectInfo{Name: o.Name, Label: Words{Zh: o.Zh, En: o.En}}
			for _, f := range o.Fields {
				info.Fields = append(info.Fields, fieldOf(f))
			}
			one.Objects = append(one.Objects, info)
		}
		out.Targets = append(out.Targets, one)
	}
}

func sorted[T any](m map[string]T) []string {
	out := []string{}
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func nameList(names []string) []Named {
	out := []Named{}
	for _, n := range names {
		out = append(out, Named{Name: n})
	}
	return out
}

func fieldOf(f crmclient.Field) FieldInfo {
	return FieldInfo{Name: f.Name, Label: f.Label, LabelZh: f.LabelZh, Type: f.Type, Required: f.Required, ReadOnly: f.ReadOnly, Unique: f.Unique, Length: f.Length}
}

// GetRuleSchema gives the JSON Schema of rules.
func (p *Part) GetRuleSchema(context.Context, GetRuleSchemaRequestObject) (GetRuleSchemaResponseObject, error) {
	return GetRuleSchema200JSONResponse(rules.Schema()), nil
}

// keepFields is how long the fields of a type of records are kept.
const keepFields = 10 * time.Minute

// keptFields are fields that a target told.
type keptFields struct {
	list []crmclient.Field
	at   time.Time
}

// ListFields asks a target for the fields of a type of records.
func (p *Part) ListFields(ctx context.Context, request ListFieldsRequestObject) (ListFieldsResponseObject, error) {
	key := [2]string{request.Params.Target, request.Params.Object}
	p.mu.Lock()
	kept, ok := p.fields[key]
	p.mu.Unlock()
	if !ok || p.o.Now().Sub(kept.at) > keepFields {
		fields, err := p.o.Gateway.Fields(ctx, key[0], key[1])
		var wrong *crmclient.Error
		switch {
		case errors.Is(err, ErrNoFields):
			return nil, api.NotFound("no_fields", "the target cannot tell the fields of its records, or there is no such target").Because(err)
		case errors.As(err, &wrong) && wrong.Class == crmclient.ClassConfiguration:
			return nil, api.NotFound("no_object", "the target has no such type of records").Because(err)
		case err != nil:
			return nil, api.Unavailable("target_away", "the target could not be asked", "Try again later, and look at the target's state.").Because(err)
		}
		kept = keptFields{fields, p.o.Now()}
		p.mu.Lock()
		if len(p.fields) > 1000 {
			clear(p.fields)
		}
		p.fields[key] = kept
		p.mu.Unlock()
	}
	out := FieldList{Items: []FieldInfo{}}
	for _, f := range kept.list {
		out.Items = append(out.Items, fieldOf(f))
	}
	return ListFields200JSONResponse(out), nil
}
