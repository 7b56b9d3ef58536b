package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// UnmarshalYAML reads a condition as Decode does, with numbers as they are written. Keys that occur twice, anchors,
// aliases and tags are errors.
func (n *Node) UnmarshalYAML(source ast.Node) error {
	data, err := fromYAML(source, 0)
	if err != nil {
		return fmt.Errorf("read the condition: %w", err)
	}
	decoded, err := Decode(data)
	if err != nil {
		return err
	}
	*n = *decoded
	return nil
}

// maxPlain bounds how deep YAML may be nested.
const maxPlain = 200

// Plain reads one YAML document as plain data: nil, bool, string, json.Number as it is written, []any and map[string]any. Keys that occur
// twice, anchors, aliases and tags are errors. For rules, of which conditions are a part.
func Plain(text []byte) (any, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, err
	}
	switch len(file.Docs) {
	case 0:
		return nil, errors.New("there is nothing in it")
	case 1:
		return fromYAML(file.Docs[0].Body, 0)
	}
	return nil, errors.New("there is more than one document in it")
}

// fromYAML turns a YAML node into plain data.
func fromYAML(source ast.Node, depth int) (any, error) {
	if depth > maxPlain {
		return nil, errDepth
	}
	switch v := source.(type) {
	case nil, *ast.NullNode:
		return nil, nil
	case *ast.BoolNode:
		return v.Value, nil
	case *ast.StringNode:
		return v.Value, nil
	case *ast.LiteralNode:
		return v.Value.Value, nil
	case *ast.IntegerNode:
		return yamlNumber(v.Token.Value, v.Value)
	case *ast.FloatNode:
		return yamlNumber(v.Token.Value, v.Value)
	case *ast.SequenceNode:
		out := make([]any, 0, len(v.Values))
		for _, item := range v.Values {
			data, err := fromYAML(item, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, data)
		}
		return out, nil
	case *ast.MappingNode:
		return yamlMap(v.Values, depth)
	case *ast.MappingValueNode:
		return yamlMap([]*ast.MappingValueNode{v}, depth)
	}
	return nil, fmt.Errorf("line %d: %s is not allowed here", line(source), strings.ToLower(source.Type().String()))
}

func yamlMap(pairs []*ast.MappingValueNode, depth int) (any, error) {
	out := make(map[string]any, len(pairs))
	for _, pair := range pairs {
		var key string
		switch k := pair.Key.(type) {
		case *ast.StringNode:
			key = k.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
			key = k.GetToken().Value // names of fields may be 2024 or yes
		default:
			return nil, fmt.Errorf("line %d: a key is a plain text", line(pair.Key))
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("line %d: the key %s occurs twice", line(pair.Key), show(key))
		}
		data, err := fromYAML(pair.Value, depth+1)
		if err != nil {
			return nil, err
		}
		out[key] = data
	}
	return out, nil
}

// yamlNumber takes a number as it is written if JSON knows the form, else as the library understood it (0x1F, 1_000).
func yamlNumber(written string, value any) (any, error) {
	if n := json.Number(strings.TrimPrefix(written, "+")); json.Valid([]byte(n)) && number(string(n)) != nil {
		return n, nil
	}
	if n, ok := plainNumber(value); ok {
		return n, nil
	}
	return nil, fmt.Errorf("%s is not a number that we can use", show(written))
}

// line is where a node stands, from 1.
func line(node ast.Node) int {
	if t := node.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// MarshalYAML writes the condition with its keys in the usual order.
func (n *Node) MarshalYAML() (any, error) { return toYAML(n.ordered()), nil }

// writtenNumber is a number that YAML shows as it was written.
type writtenNumber string

// MarshalYAML writes the digits.
func (w writtenNumber) MarshalYAML() ([]byte, error) { return []byte(w), nil }

func toYAML(data any) any {
	switch v := data.(type) {
	case json.Number:
		return writtenNumber(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = toYAML(item)
		}
		return out
	case object:
		out := make(yaml.MapSlice, len(v))
		for i, p := range v {
			out[i] = yaml.MapItem{Key: p.key, Value: toYAML(p.value)}
		}
		return out
	}
	return data
}
