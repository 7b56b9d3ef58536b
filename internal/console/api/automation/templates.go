package automation

import (
	"context"
	"errors"
	"strings"

	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// kindsOfTemplates are the kinds of compose.
var kindsOfTemplates = map[TemplateKind]compose.Kind{
	TemplateKindText: compose.Text, TemplateKindHtml: compose.HTML, TemplateKindSubject: compose.Line, TemplateKindAddresses: compose.Addresses,
}

// PreviewTemplate shows what a template gives.
func (p *Part) PreviewTemplate(ctx context.Context, request PreviewTemplateRequestObject) (PreviewTemplateResponseObject, error) {
	b := request.Body
	bench, err := p.o.Gateway.Bench(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := p.templateFacts(ctx, bench, b)
	if err := errors.Join(err, bench.Close()); err != nil {
		return nil, err
	}
	t, problems := compose.New(string(b.Kind), kindsOfTemplates[b.Kind], b.Template, compose.Options{})
	out := TemplateShown{Problems: templateProblems(problems), Fields: []string{}}
	if t == nil {
		return PreviewTemplate200JSONResponse(out), nil
	}
	out.Fields = list(t.Paths())
	text, err := render(ctx, t, b, facts)
	if err != nil {
		found := compose.ProblemsOf(err)
		if len(found) == 0 && !errors.Is(err, compose.ErrTooLong) && !errors.Is(err, compose.ErrTooSlow) {
			return nil, err
		}
		if len(found) == 0 {
			found = compose.Problems{{Code: "limit", Zh: "模板超出限制：" + err.Error(), En: err.Error()}}
		}
		out.Problems = append(out.Problems, templateProblems(found)...)
		return PreviewTemplate200JSONResponse(out), nil
	}
	out.Output = text
	if b.Kind == TemplateKindHtml {
		if out.HtmlUrl, err = p.preview(ctx, text); err != nil {
			return nil, err
		}
	}
	return PreviewTemplate200JSONResponse(out), nil
}

// render gives the text of a template; of addresses those that a mail would go to, or, where samples are none, what stands for them.
func render(ctx context.Context, t *compose.Template, b *TemplatePreview, facts templateFacts) (string, error) {
	if b.Kind != TemplateKindAddresses {
		return t.Render(ctx, facts, compose.Limits{})
	}
	found, err := t.RenderAddresses(ctx, facts, compose.Limits{})
	if err != nil && b.Samples {
		if line, _ := compose.New(string(b.Kind), compose.Line, b.Template, compose.Options{}); line != nil {
			return line.Render(ctx, facts, compose.Limits{})
		}
	}
	var out []string
	for _, a := range found {
		out = append(out, a.String())
	}
	return strings.Join(out, ", "), err
}

func templateProblems(list compose.Problems) []TemplateProblem {
	out := []TemplateProblem{}
	for _, p := range list {
		one := TemplateProblem{Severity: TemplateProblemSeverityError, Code: p.Code, Text: Words{Zh: p.Zh, En: p.En}, Line: p.Line, Column: p.Column, Suggestions: p.Suggestions}
		if p.Warning {
			one.Severity = TemplateProblemSeverityWarning
		}
		out = append(out, one)
	}
	return out
}

// templateFacts are what a template is shown with: what was made up goes before what is stored.
func (p *Part) templateFacts(ctx context.Context, bench Bench, b *TemplatePreview) (templateFacts, error) {
	given, err := decodeObject(b.Facts)
	if err != nil {
		return templateFacts{}, api.Invalid("bad_facts", "the facts are no object", api.Field{Pointer: "/facts", Detail: "an object by root"})
	}
	rule := rules.Rule{ID: "preview", Name: "preview", Trigger: rules.Trigger{Type: rules.TypeMail}}
	if len(b.Rule) > 0 {
		read, err := readRule(b.Rule)
		if err != nil && b.Entry+b.MessageId != "" {
			return templateFacts{}, err
		}
		if err == nil { // one that is not finished yet says no names
			rule = read
		}
	}
	out := templateFacts{given: facted(given)}
	if b.Samples {
		out.sample = rules.Labels(rule, rules.Lang(b.Lang), p.o.Gateway.RecordNames())
	}
	if b.Entry == "" && b.MessageId == "" {
		return out, nil
	}
	v := viewOf(access.From(ctx))
	m, err := bench.Find(ctx, b.Entry+b.MessageId)
	switch {
	case err != nil:
		return templateFacts{}, err
	case m == nil || v.hidden || !v.sees(&rules.Event{Type: rules.TypeMail, Entry: "mail"}, m.Account):
		return templateFacts{}, api.NotFound("no_message", "there is no such message")
	case m.Skipped != nil:
		return templateFacts{}, api.Invalid("no_event", "no rule looks at this message: "+m.Skipped.En)
	}
	out.stored, err = rules.FactsOf(rule, m.Event, bench.Stored())
	return out, err
}

// templateFacts are facts that somebody made up, those of a message, and samples, in this order.
type templateFacts struct {
	given  map[string]any
	stored condition.Facts     // nil: none
	sample func(string) string // nil: nothing is shown for what is not known
}

// Fact implements condition.Facts.
func (f templateFacts) Fact(ctx context.Context, path string) (any, error) {
	if v, ok := dig(f.given, path); ok {
		return v, nil
	}
	var v any
	var err error = &condition.Unknown{Path: path, Reason: "it is not among the facts that were given"}
	if f.stored != nil {
		v, err = f.stored.Fact(ctx, path)
	}
	if _, unknown := errors.AsType[*condition.Unknown](err); f.sample != nil && (unknown || err == nil && v == nil) {
		return "‹" + f.sample(path) + "›", nil
	}
	return v, err
}

// dig finds the value at a path.
func dig(facts map[string]any, path string) (any, bool) {
	var at any = facts
	for name := range strings.SplitSeq(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = m[name]; !ok {
			return nil, false
		}
	}
	return at, true
}

// ConvertTemplate makes chips of a template, or a template of chips.
func (p *Part) ConvertTemplate(_ context.Context, request ConvertTemplateRequestObject) (ConvertTemplateResponseObject, error) {
	b := request.Body
	if (b.Template != "") && (len(b.Chips) > 0) {
		return nil, api.Invalid("one_form", "give the template, or its chips")
	}
	text := b.Template
	if len(b.Chips) > 0 {
		var chips []compose.Chip
		for _, c := range b.Chips {
			chips = append(chips, compose.Chip{Kind: compose.ChipKind(c.Kind), Text: c.Text, Path: c.Path, Default: c.Default})
		}
		var err error
		if text, err = compose.FromChips(chips); err != nil {
			return nil, api.Invalid("bad_chips", err.Error(), api.Field{Pointer: "/chips", Detail: err.Error()})
		}
	}
	out := TemplateChips{Template: text, Chips: []Chip{}}
	for _, c := range compose.Chips(text) {
		out.Chips = append(out.Chips, Chip{Kind: ChipKind(c.Kind), Text: c.Text, Path: c.Path, Default: c.Default})
	}
	return ConvertTemplate200JSONResponse(out), nil
}
