package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules/condition"
)

// text is a template of plain text.
type text struct{ template }

// line is a template of one line, such as a subject.
type line struct{ template }

// page is a template of HTML.
type page struct{ template }

// template is a template inside a rule: written as a text, compiled when the rule is read.
type template struct {
	source   string
	compiled *compose.Template
}

func newText(source string) (*text, error) {
	t := &text{}
	return t, t.UnmarshalText([]byte(source))
}

func (t *template) parse(kind compose.Kind, source []byte) error {
	compiled, problems := compose.New("", kind, string(source), compose.Options{})
	if compiled == nil {
		return problems.Err()
	}
	t.source, t.compiled = string(source), compiled
	return nil
}

func (t *text) UnmarshalText(source []byte) error { return t.parse(compose.Text, source) }
func (t *line) UnmarshalText(source []byte) error { return t.parse(compose.Line, source) }
func (t *page) UnmarshalText(source []byte) error { return t.parse(compose.HTML, source) }

// MarshalText writes the template as it was written.
func (t template) MarshalText() ([]byte, error) { return []byte(t.source), nil }

// IsZero says that there is none.
func (t template) IsZero() bool { return t.source == "" }

// paths are the facts that it looks at.
func (t *template) paths() []string {
	if t.compiled == nil {
		return nil
	}
	return t.compiled.Paths()
}

// render gives the text. A fact without a value is an error that no repetition mends.
func (t *template) render(ctx context.Context, facts condition.Facts) (string, error) {
	if t.compiled == nil {
		return "", nil
	}
	out, err := t.compiled.Render(ctx, facts, compose.Limits{})
	return out, ofTemplate(err)
}

// ofTemplate makes what a template is to blame for permanent.
func ofTemplate(err error) error {
	switch err.(type) { //nolint:errorlint // it is what Render promises
	case compose.Problem, *compose.Problem, compose.Problems:
		return Permanent(err)
	}
	return err
}

// value is a JSON value of a step's parameters: texts in it are templates, and {"fact": PATH} is a fact as it is.
type value struct {
	raw   any
	texts map[string]*text // by source
}

func (v *value) UnmarshalJSON(b []byte) error {
	if err := decode(b, &v.raw); err != nil {
		return err
	}
	v.texts = map[string]*text{}
	return v.prepare(v.raw)
}

// MarshalJSON writes it as it was written.
func (v value) MarshalJSON() ([]byte, error) { return json.Marshal(v.raw) }

func (v *value) prepare(raw any) error {
	switch x := raw.(type) {
	case string:
		if !strings.Contains(x, "{{") {
			return nil
		}
		t, err := newText(x)
		v.texts[x] = t
		return err
	case []any:
		for _, e := range x {
			if err := v.prepare(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, e := range x {
			if err := v.prepare(e); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// eval gives the value.
func (v *value) eval(ctx context.Context, facts condition.Facts) (any, error) {
	return v.at(ctx, facts, v.raw)
}

func (v *value) at(ctx context.Context, facts condition.Facts, raw any) (any, error) {
	switch x := raw.(type) {
	case string:
		if t, ok := v.texts[x]; ok {
			return t.render(ctx, facts)
		}
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			one, err := v.at(ctx, facts, e)
			if err != nil {
				return nil, err
			}
			out[i] = one
		}
		return out, nil
	case map[string]any:
		if path, ok := x["fact"].(string); ok && len(x) == 1 {
			return factOf(ctx, facts, path)
		}
		out := map[string]any{}
		for name, e := range x {
			one, err := v.at(ctx, facts, e)
			if err != nil {
				return nil, err
			}
			out[name] = one
		}
		return out, nil
	}
	return raw, nil
}

// paths are the facts that a value looks at.
func (v *value) paths() []string {
	var out []string
	for _, t := range v.texts {
		out = append(out, t.paths()...)
	}
	return append(out, factsIn(v.raw)...)
}

func factsIn(raw any) (out []string) {
	switch x := raw.(type) {
	case []any:
		for _, e := range x {
			out = append(out, factsIn(e)...)
		}
	case map[string]any:
		if path, ok := x["fact"].(string); ok && len(x) == 1 {
			return []string{path}
		}
		for _, e := range x {
			out = append(out, factsIn(e)...)
		}
	}
	return out
}

// factOf is a fact that a step cannot do without.
func factOf(ctx context.Context, facts condition.Facts, path string) (any, error) {
	v, err := facts.Fact(ctx, path)
	if unknown, ok := asUnknown(err); ok {
		return nil, Permanent(unknown)
	}
	return v, err
}
