package rules

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// valid is a small validator of JSON Schema: as much as Schema uses. It says where a value does not fit; empty: it fits.
func valid(root, schema map[string]any, v any, at string) string {
	if name, ok := schema["$ref"].(string); ok {
		defs, _ := root["$defs"].(map[string]any)
		def, ok := defs[strings.TrimPrefix(name, "#/$defs/")].(map[string]any)
		if !ok {
			return at + ": there is no definition " + name
		}
		if why := valid(root, def, v, at); why != "" {
			return why
		}
	}
	if c, ok := schema["const"]; ok && !reflect.DeepEqual(c, v) {
		return fmt.Sprintf("%s: %v is not %v", at, v, c)
	}
	if list, ok := schema["enum"].([]any); ok && !slices.ContainsFunc(list, func(e any) bool { return reflect.DeepEqual(e, v) }) {
		return fmt.Sprintf("%s: %v is none of %v", at, v, list)
	}
	if kind, ok := schema["type"].(string); ok && !isKind(kind, v) {
		return fmt.Sprintf("%s: %v is no %s", at, v, kind)
	}
	if why := validCases(root, schema, v, at); why != "" {
		return why
	}
	switch x := v.(type) {
	case map[string]any:
		return validObject(root, schema, x, at)
	case []any:
		items, ok := schema["items"].(map[string]any)
		for i := 0; ok && i < len(x); i++ {
			if why := valid(root, items, x[i], fmt.Sprintf("%s/%d", at, i)); why != "" {
				return why
			}
		}
	}
	return ""
}

func isKind(kind string, v any) bool {
	switch kind {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "number":
		_, ok := v.(float64)
		return ok
	case "integer":
		n, ok := v.(float64)
		return ok && n == float64(int64(n))
	}
	return false
}

// validCases checks oneOf, anyOf, and allOf with its ifs.
func validCases(root, schema map[string]any, v any, at string) string {
	for _, word := range []string{"oneOf", "anyOf"} {
		list, ok := schema[word].([]any)
		if !ok {
			continue
		}
		fits, reasons := 0, []string{}
		for _, c := range list {
			one, _ := c.(map[string]any)
			if why := valid(root, one, v, at); why == "" {
				fits++
			} else {
				reasons = append(reasons, why)
			}
		}
		if fits == 0 || word == "oneOf" && fits > 1 {
			return fmt.Sprintf("%s: %d of %s fit: %s", at, fits, word, strings.Join(reasons, "; "))
		}
	}
	all, _ := schema["allOf"].([]any)
	for _, c := range all {
		one, _ := c.(map[string]any)
		when, _ := one["if"].(map[string]any)
		then, _ := one["then"].(map[string]any)
		if valid(root, when, v, at) == "" {
			if why := valid(root, then, v, at); why != "" {
				return why
			}
		}
	}
	return ""
}

func validObject(root, schema map[string]any, v map[string]any, at string) string {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[fmt.Sprint(name)]; !ok {
			return at + ": " + fmt.Sprint(name) + " is missing"
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, e := range v {
		if p, ok := properties[name].(map[string]any); ok {
			if why := valid(root, p, e, at+"/"+name); why != "" {
				return why
			}
			continue
		}
		switch more := schema["additionalProperties"].(type) {
		case bool:
			if !more {
				return at + ": there is no " + name
			}
		case map[string]any:
			if why := valid(root, more, e, at+"/"+name); why != "" {
				return why
			}
		}
	}
	return ""
}

// schemaOf is the schema as JSON has it.
func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	text, err := SchemaJSON()
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func asData(t *testing.T, text []byte) any {
	t.Helper()
	out, err := yamlToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRulesFitTheSchema holds the schema against rules that are known to be good: those that are shipped, and those of the tests.
func TestRulesFitTheSchema(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	files, err := filepath.Glob("../../deploy/rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string][]byte{"complaint": []byte(complaint), "nudge": []byte(nudge)}
	for _, file := range files {
		if rules[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range rules {
		if why := valid(schema, schema, asData(t, text), ""); why != "" {
			t.Errorf("%s does not fit: %s", name, why)
		}
	}
	if len(files) == 0 {
		t.Error("no rules are shipped")
	}
}

func TestTheSchemaFindsMistakes(t *testing.T) {
	t.Parallel()
	schema := schemaOf(t)
	for name, change := range map[string][2]string{
		"a step that is not there":      {"do: create_ticket", "do: make_ticket"},
		"a parameter that is not there": {"target: crm", "targt: crm"},
		"a trigger that is not there":   {"type: mail", "type: post"},
		"an operator":                   {"op: contains_any", "op: has"},
		"a key of the rule":             {"owner:", "ower:"},
		"a number for a text":           {"name: 投诉建工单", "name: 7"},
		"a field of an extraction":      {"kind: order_no", "knd: order_no"},
	} {
		if valid(schema, schema, asData(t, []byte(replace(complaint, change[0], change[1]))), "") == "" {
			t.Errorf("the schema does not find %s", name)
		}
	}
}

// TestParametersHaveWords says which parameters need a line in wordsOfParams.
func TestParametersHaveWords(t *testing.T) {
	t.Parallel()
	if list := undescribed(); len(list) > 0 {
		t.Logf("an editor shows these without a description: %q", list)
	}
	for name := range triggers {
		if triggerWords[name].zh == "" {
			t.Errorf("trigger %s has no line in triggerWords", name)
		}
	}
}
