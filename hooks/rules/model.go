package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"

	"heliograph/hooks/rules/condition"
	"heliograph/hooks/rules/extract"
)

// maxRule bounds the text of a rule.
const maxRule = 256 << 10

// Rule is what somebody wants to happen: when a trigger fires and a condition holds, steps are taken. It is data; Parse
// reads it strictly, and Check says what is wrong with it.
type Rule struct {
	ID          string `json:"id"` // lower-case letters, digits and hyphens
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Owner       string `json:"owner"` // mail address of the person who answers for it
	// Contact is a template of the address whose contact and company the rule is about. Empty: the correspondent of the mail.
	Contact  string          `json:"contact,omitempty"`
	Calendar string          `json:"calendar,omitempty"` // name of the business calendar; empty: the default one
	Trigger  Trigger         `json:"trigger"`
	Extract  extract.Specs   `json:"extract,omitempty"`
	When     *condition.Node `json:"when,omitempty"` // nil: always
	Guards   Guards          `json:"guards,omitzero"`
	Steps    []Step          `json:"steps"`
	Tests    []Test          `json:"tests,omitempty"`
}

// Trigger says what starts a rule: a type of the table of triggers and its own parameters, written beside each other.
type Trigger struct {
	Type string
	With json.RawMessage // the parameters, an object
}

// Step is one thing to be done: a kind of the table of steps and its own parameters.
type Step struct {
	ID   string          `json:"id"` // unique in the rule; later steps find what this one gave under steps.ID
	Do   string          `json:"do"`
	When *condition.Node `json:"when,omitempty"` // the step is left out unless this is true
	With json.RawMessage `json:"with,omitempty"`
	// OnError says what happens when the step has failed for good: stop (the default) or continue.
	OnError OnError `json:"on_error,omitempty"`
}

// OnError says what a failed step means for those behind it.
type OnError string

// The ways to go on after a failed step.
const (
	ErrorStops     OnError = "stop" // the run fails
	ErrorContinues OnError = "continue"
)

// Test is an example inside a rule: what happens to one event. Save refuses to publish a rule whose tests fail.
type Test struct {
	Name string `json:"name"`
	// Event is what happens; Facts are what is known besides, by root: contact, record, company …
	Event map[string]any `json:"event"`
	Facts map[string]any `json:"facts,omitempty"`
	// Answers is what people say who are asked.
	Answers Answers `json:"answers,omitzero"`
	// Fires says whether the rule does; Effects are those that are expected, in order. Only the keys that are named are compared.
	Fires   bool             `json:"fires"`
	Effects []map[string]any `json:"effects,omitempty"`
}

// Parse reads a rule from JSON or YAML. Unknown keys are errors.
func Parse(text []byte) (Rule, error) {
	var r Rule
	if len(text) > maxRule {
		return r, fmt.Errorf("the rule has %d bytes, more than %d", len(text), maxRule)
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 {
		return r, errors.New("the rule is empty")
	} else if trimmed[0] != '{' || !json.Valid(trimmed) { // YAML has braces too
		var err error
		if text, err = yamlToJSON(text); err != nil {
			return r, err
		}
	}
	if err := decode(text, &r); err != nil {
		return r, fmt.Errorf("read the rule: %w", err)
	}
	return r, nil
}

func yamlToJSON(text []byte) ([]byte, error) {
	data, err := condition.Plain(text) // which keeps numbers as they are written
	if err != nil {
		return nil, fmt.Errorf("read the rule: %w", err)
	}
	return json.Marshal(data)
}

// YAML writes a rule as people keep it in files.
func (r *Rule) YAML() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(text)
}

// decode reads JSON strictly: unknown keys and what follows the value are errors, and numbers stay exact.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the value")
	}
	return nil
}

// UnmarshalJSON takes the type out of the parameters.
func (t *Trigger) UnmarshalJSON(text []byte) error {
	var all map[string]json.RawMessage
	if err := decode(text, &all); err != nil {
		return err
	}
	if err := json.Unmarshal(all["type"], &t.Type); err != nil {
		return errors.New(`a trigger needs "type"`)
	}
	delete(all, "type")
	with, err := json.Marshal(all)
	t.With = with
	return err
}

// MarshalJSON puts the type beside the parameters.
func (t Trigger) MarshalJSON() ([]byte, error) {
	all := map[string]json.RawMessage{}
	if len(t.With) > 0 {
		if err := json.Unmarshal(t.With, &all); err != nil {
			return nil, err
		}
	}
	name, err := json.Marshal(t.Type)
	if err != nil {
		return nil, err
	}
	all["type"] = name
	return json.Marshal(all)
}
