package rules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"heliograph/hooks/rules/condition"
)

// testWorld is a world that is written down: facts by root. Queries find what is under "records", by object.
type testWorld map[string]any

// Given is a World of facts that somebody wrote down, by root. What is not among them is unknown.
func Given(facts map[string]any) World { return testWorld(facts) }

// ParseFacts reads facts from YAML or JSON: an object with an object for each root, such as contact.
func ParseFacts(text []byte) (map[string]any, error) {
	if len(text) > maxRule {
		return nil, fmt.Errorf("the facts have %d bytes, more than %d", len(text), maxRule)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return map[string]any{}, nil
	}
	if text[0] != '{' {
		var err error
		if text, err = yamlToJSON(text); err != nil {
			return nil, err
		}
	}
	var out map[string]any
	if err := decode(text, &out); err != nil {
		return nil, fmt.Errorf("read the facts: %w", err)
	}
	return out, nil
}

// SetFact adds a fact with a dotted path to others. The value is a number, true, false, null or a list where it is written as such in JSON, and
// a text otherwise.
func SetFact(facts map[string]any, path, text string) error {
	var v any
	if decode([]byte(text), &v) != nil {
		v = text
	}
	names := strings.Split(path, ".")
	at := facts
	for i, name := range names {
		if name == "" {
			return fmt.Errorf("%q is not the path of a fact, such as contact.name", path)
		}
		if i == len(names)-1 {
			at[name] = v
			return nil
		}
		next, ok := at[name].(map[string]any)
		if !ok {
			if _, taken := at[name]; taken {
				return fmt.Errorf("%s: %s is a single value already", path, strings.Join(names[:i+1], "."))
			}
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
	return errors.New("a fact needs a path")
}

func (w testWorld) root(name string) (map[string]any, error) {
	v, ok := w[name].(map[string]any)
	if !ok {
		return nil, &condition.Unknown{Path: name, Reason: "it is not among the facts that were given"}
	}
	return v, nil
}

// Mail implements World: the words of a test's mail come with its event.
func (w testWorld) Mail(context.Context, string) (map[string]any, error) { return w.root("mail") }

// Thread implements World.
func (w testWorld) Thread(context.Context, string, string) (map[string]any, error) {
	return w.root("thread")
}

// Correspondence implements World.
func (w testWorld) Correspondence(context.Context, []string) (map[string]any, error) {
	return w.root("correspondence")
}

// Contact implements World.
func (w testWorld) Contact(context.Context, string) (map[string]any, error) { return w.root("contact") }

// Company implements World.
func (w testWorld) Company(context.Context, string) (map[string]any, error) { return w.root("company") }

// Record implements World.
func (w testWorld) Record(context.Context, string, string, string) (map[string]any, error) {
	return w.root("record")
}

// Related implements Relations: what the test says under the name.
func (w testWorld) Related(_ context.Context, what string, _ map[string]any) (map[string]any, error) {
	return w.root(what)
}

// Query implements World.
func (w testWorld) Query(_ context.Context, _, object string, _ []Selection, _ []string, limit int) (out []map[string]any, err error) {
	all, _ := w["records"].(map[string]any)
	list, _ := all[object].([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && len(out) < limit {
			out = append(out, m)
		}
	}
	return out, nil
}

// Tags implements World.
func (w testWorld) Tags(context.Context, string) ([]any, error) {
	list, _ := w["tags"].([]any)
	return list, nil
}
