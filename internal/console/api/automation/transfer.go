package automation

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	examples "heliograph/deploy/rules"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// ListExamples lists the rules to begin with.
func (p *Part) ListExamples(context.Context, ListExamplesRequestObject) (ListExamplesResponseObject, error) {
	names, err := fs.Glob(examples.Files, "*.yaml")
	if err != nil {
		return nil, err
	}
	out := ExampleList{Items: []Example{}}
	for _, file := range names {
		one, _, err := example(strings.TrimSuffix(file, ".yaml"), p.o.Gateway.RecordNames())
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, one)
	}
	return ListExamples200JSONResponse(out), nil
}

func example(name string, called *rules.RecordNames) (Example, rules.Rule, error) {
	if path.Base(name) != name {
		return Example{}, rules.Rule{}, fs.ErrNotExist
	}
	text, err := examples.Files.ReadFile(name + ".yaml")
	if err != nil {
		return Example{}, rules.Rule{}, err
	}
	r, err := rules.Parse(text)
	return Example{Name: name, Title: r.Name, Description: r.Description, Trigger: triggerOf(r, called), Words: described(r, called), Steps: r.Kinds()}, r, err
}

// GetExample shows a rule to begin with.
func (p *Part) GetExample(ctx context.Context, request GetExampleRequestObject) (GetExampleResponseObject, error) {
	out, r, err := example(request.Example, p.o.Gateway.RecordNames())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, api.NotFound("no_example", "there is no such example").Because(err)
	}
	if err != nil {
		return nil, err
	}
	if out.Rule, err = bodyOf(r); err != nil {
		return nil, err
	}
	checked, err := p.check(ctx, out.Rule, false)
	if err != nil {
		return nil, err
	}
	out.Problems = checked.Problems
	return GetExample200JSONResponse(out), nil
}

// ExportRule writes a rule as YAML.
func (p *Part) ExportRule(ctx context.Context, request ExportRuleRequestObject) (ExportRuleResponseObject, error) {
	v, err := p.version(ctx, request.Id, request.Params.Version)
	if err != nil {
		return nil, err
	}
	text, err := v.Body.YAML()
	if err != nil {
		return nil, err
	}
	return ExportRule200ApplicationyamlResponse{
		Body: bytes.NewReader(text), ContentLength: int64(len(text)),
		Headers: ExportRule200ResponseHeaders{ContentDisposition: `attachment; filename="` + v.Body.ID + `.yaml"`},
	}, nil
}

// ExportRules writes several rules as YAML.
func (p *Part) ExportRules(ctx context.Context, request ExportRulesRequestObject) (ExportRulesResponseObject, error) {
	list, err := p.book.List(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, id := range request.Params.Id {
		wanted[id] = true
	}
	var out bytes.Buffer
	for _, s := range list {
		if len(wanted) > 0 && !wanted[s.ID] {
			continue
		}
		delete(wanted, s.ID)
		text, err := s.Rule.YAML()
		if err != nil {
			return nil, err
		}
		if out.Len() > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
		if len(request.Params.Id) > 0 && len(wanted) == 0 {
			break
		}
	}
	for id := range wanted {
		return nil, ruleError(id, rules.ErrNoRule)
	}
	return ExportRules200ApplicationyamlResponse{
		Body: &out, ContentLength: int64(out.Len()), Headers: ExportRules200ResponseHeaders{ContentDisposition: `attachment; filename="rules.yaml"`},
	}, nil
}

// maxImport bounds the rules of one import.
const maxImport = 200

// ImportRules takes rules from YAML.
func (p *Part) ImportRules(ctx context.Context, request ImportRulesRequestObject) (ImportRulesResponseObject, error) {
	c, body := access.From(ctx), request.Body
	if body.State == "" {
		body.State = RuleImportStateKeep
	}
	names, err := p.o.Gateway.Names()
	if err != nil {
		return nil, err
	}
	out := ImportResult{Done: !body.DryRun, Items: []Imported{}}
	var list []rules.Rule
	for i, text := range divided(body.Yaml) {
		if i == maxImport {
			return nil, api.Invalid("too_many_rules", "more than 200 rules at once")
		}
		r, err := rules.Parse([]byte(text))
		one := Imported{Id: r.ID, Name: r.Name, State: RuleStateDraft, Problems: []RuleProblem{}}
		if err != nil {
			one.Problems = append(one.Problems, RuleProblem{Severity: RuleProblemSeverityError, Code: "syntax", Text: Words{Zh: err.Error(), En: err.Error()}})
			one.Action = ImportedActionInvalid
		} else if one, err = p.importable(ctx, r, body.State, names.Around); err != nil {
			return nil, err
		}
		out.Done = out.Done && one.Action != ImportedActionInvalid
		out.Items, list = append(out.Items, one), append(list, r)
	}
	if len(list) == 0 {
		return nil, api.Invalid("empty", "there is no rule in it", api.Field{Pointer: "/yaml", Detail: "no rule"})
	}
	if out.Done && !c.May(access.RulesPublish) && slices.ContainsFunc(out.Items, changesForce) {
		return nil, api.Forbidden("forbidden", "the import puts rules in force, which your role does not allow")
	}
	for i := range out.Items {
		if !out.Done {
			break
		}
		if err := p.importOne(ctx, list[i], &out.Items[i], body.Note, names.Around); err != nil {
			return nil, ruleError(list[i].ID, err)
		}
	}
	return ImportRules200JSONResponse(out), nil
}

// changesForce tells whether an imported rule comes into force by it.
func changesForce(one Imported) bool {
	return one.Action != ImportedActionUnchanged && one.State != RuleStateDraft
}

// divided are the documents of a YAML text.
func divided(text string) (out []string) {
	var one strings.Builder
	end := func() {
		if strings.TrimSpace(one.String()) != "" {
			out = append(out, one.String())
		}
		one.Reset()
	}
	for line := range strings.Lines(text) {
		if strings.TrimRight(line, " \r\n") == "---" {
			end()
			continue
		}
		one.WriteString(line)
	}
	end()
	return out
}

// importable says what would become of a rule.
func (p *Part) importable(ctx context.Context, r rules.Rule, state RuleImportState, around rules.Surroundings) (Imported, error) {
	out := Imported{Id: r.ID, Name: r.Name, Action: ImportedActionChanged, Problems: []RuleProblem{}}
	text, err := bodyOf(r)
	if err != nil {
		return out, err
	}
	found := rules.Check(r, around)
	if !grave(found) {
		found = append(found, rules.RunTests(ctx, r, around)...)
	}
	out.Problems = problemsOf(text, found)
	s, err := p.book.Get(ctx, r.ID)
	switch {
	case errors.Is(err, rules.ErrNoRule):
		out.Action = ImportedActionNew
	case err != nil:
		return out, err
	}
	switch {
	case state != RuleImportStateKeep:
		out.State = RuleState(state)
	case s.State == rules.StateLive || s.State == rules.StateShadow:
		out.State = RuleState(s.State)
	default:
		out.State = RuleStateDraft
	}
	if grave(found) || !validID(r.ID) {
		out.Action = ImportedActionInvalid
		return out, nil
	}
	if out.Action == ImportedActionNew {
		return out, nil
	}
	shown, _, err := p.bodies(ctx, s)
	if err != nil {
		return out, err
	}
	latest := shown
	if s.Latest > 0 && out.State != RuleStateDraft {
		v, err := p.book.Version(ctx, r.ID, s.Latest)
		if err != nil {
			return out, err
		}
		latest = v.Body
	}
	changes, err := rules.Compare(latest, r, nil) // not the texts: the same parameters may stand in another order
	out.Version = s.Latest
	if err != nil || len(changes) > 0 || s.Latest == 0 && out.State != RuleStateDraft {
		return out, err
	}
	if out.Action = ImportedActionState; out.State == RuleStateDraft || out.State == RuleState(s.State) && s.Version == s.Latest {
		out.Action, out.State = ImportedActionUnchanged, RuleState(s.State)
	}
	return out, nil
}

func (p *Part) importOne(ctx context.Context, r rules.Rule, one *Imported, note string, around rules.Surroundings) error {
	by := who(access.From(ctx))
	switch {
	case one.Action == ImportedActionUnchanged:
		return nil
	case one.Action == ImportedActionState:
		return p.book.SetState(ctx, r.ID, rules.State(one.State), one.Version, by)
	case one.State == RuleStateDraft:
		return p.book.SaveDraft(ctx, r, by)
	}
	version, _, err := p.book.Publish(ctx, r, rules.State(one.State), -1, note, by, around)
	one.Version = version
	return err
}
