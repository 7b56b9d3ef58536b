package condition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Decode reads a condition from plain data, as JSON and YAML give it. It is strict about the shape: unknown keys, a
// missing key, a value of the wrong kind and what is beyond the bounds are errors, which name the place as a JSON pointer.
// Whether operators, paths and values make sense is for Check.
func Decode(data any) (*Node, error) {
	d := &decoder{}
	n, err := d.node(data, "", 1)
	if err != nil {
		return nil, fmt.Errorf("read the condition: %w", err)
	}
	return n, nil
}

// UnmarshalJSON reads a condition as Decode does; keys that occur twice are errors.
func (n *Node) UnmarshalJSON(text []byte) error {
	data, err := readJSON(text)
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

// decoder counts the nodes of one condition.
type decoder struct{ nodes int }

// shapes are the keys that each kind of node has; the first marks it, those behind the bar may be missing.
var shapes = []struct {
	kind           Kind
	needed, option []string
}{
	{All, nil, nil},
	{Any, nil, nil},
	{Not, nil, nil},
	{Leaf, []string{"op"}, []string{"value"}},
	{Some, []string{"where"}, []string{"as"}},
	{Every, []string{"where"}, []string{"as"}},
	{None, []string{"where"}, []string{"as"}},
	{Count, []string{"op", "value"}, []string{"where", "as"}},
	{CEL, nil, nil},
}

func mistakeAt(at, format string, args ...any) error {
	if at == "" {
		at = "/"
	}
	return fmt.Errorf("at %s: %s", cut(at, maxPath), fmt.Sprintf(format, args...))
}

func (d *decoder) node(data any, at string, depth int) (*Node, error) {
	if d.nodes++; d.nodes > maxNodes {
		return nil, errNodes
	}
	if depth > maxDepth {
		return nil, errDepth
	}
	m, ok := data.(map[string]any)
	if !ok {
		return nil, mistakeAt(at, "a condition is an object such as {field: …, op: …}, not %s", kindName(data))
	}
	n := &Node{}
	for _, shape := range shapes {
		if _, has := m[string(shape.kind)]; !has {
			continue
		}
		n.Kind = shape.kind
		for _, other := range shapes {
			if _, both := m[string(other.kind)]; both && other.kind != n.Kind {
				return nil, mistakeAt(at, "%s and %s do not go together", n.Kind, other.kind)
			}
		}
		for _, key := range shape.needed {
			if _, has := m[key]; !has {
				return nil, mistakeAt(at, "%s is missing beside %s", key, n.Kind)
			}
		}
		for key := range m {
			if key != string(n.Kind) && !slices.Contains(shape.needed, key) && !slices.Contains(shape.option, key) {
				return nil, mistakeAt(at, "unknown key %s beside %s", show(key), n.Kind)
			}
		}
	}
	if n.Kind == "" {
		return nil, mistakeAt(at, "a condition has one of the keys all, any, not, field, some, every, none, count, cel")
	}
	return n, d.fill(n, m, at, depth)
}

// fill reads the keys of a node whose kind is known.
func (d *decoder) fill(n *Node, m map[string]any, at string, depth int) (err error) {
	main := m[string(n.Kind)]
	switch n.Kind {
	case All, Any:
		list, ok := main.([]any)
		if !ok {
			return mistakeAt(pointer(at, n.Kind), "a list of conditions is wanted, not %s", kindName(main))
		}
		for i, item := range list {
			child, err := d.node(item, n.childAt(at, i), depth+1)
			if err != nil {
				return err
			}
			n.Nodes = append(n.Nodes, child)
		}
		return nil
	case Not:
		child, err := d.node(main, n.childAt(at, 0), depth+1)
		n.Nodes = []*Node{child}
		return err
	case CEL:
		n.CEL, err = text(main, pointer(at, n.Kind), maxCEL)
		return err
	}
	if n.Path, err = text(main, pointer(at, n.Kind), maxPath); err != nil {
		return err
	}
	if op, has := m["op"]; has {
		if n.Op, err = text(op, pointer(at, "op"), maxPath); err != nil {
			return err
		}
	}
	if as, has := m["as"]; has {
		if n.As, err = text(as, pointer(at, "as"), maxPath); err != nil {
			return err
		}
	}
	if value, has := m["value"]; has && value != nil {
		if n.Value, err = plain(value, pointer(at, "value"), 1); err != nil {
			return err
		}
	}
	if where, has := m["where"]; has {
		n.Where, err = d.node(where, pointer(at, "where"), depth+1)
	}
	return err
}

// text reads a text that is not empty.
func text(data any, at string, limit int) (string, error) {
	s, ok := data.(string)
	switch {
	case !ok:
		return "", mistakeAt(at, "a text is wanted, not %s", kindName(data))
	case s == "":
		return "", mistakeAt(at, "the text is empty")
	case len(s) > limit:
		return "", mistakeAt(at, "the text has %d bytes, more than %d", len(s), limit)
	case !utf8.ValidString(s):
		return "", mistakeAt(at, "the text is not UTF-8")
	}
	return s, nil
}

// plain copies a value and turns numbers into json.Number.
func plain(data any, at string, depth int) (any, error) {
	if depth > maxValueDepth {
		return nil, mistakeAt(at, "the value is deeper than %d levels", maxValueDepth)
	}
	switch v := data.(type) {
	case nil, bool, time.Time:
		return v, nil
	case string:
		if len(v) > maxValueText {
			return nil, mistakeAt(at, "the text has %d bytes, more than %d", len(v), maxValueText)
		}
		if !utf8.ValidString(v) {
			return nil, mistakeAt(at, "the text is not UTF-8")
		}
		return v, nil
	case []any:
		if len(v) > maxValueItems {
			return nil, mistakeAt(at, "the list has %d values, more than %d", len(v), maxValueItems)
		}
		out := make([]any, len(v))
		for i, item := range v {
			p, err := plain(item, pointer(at, i), depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = p
		}
		return out, nil
	case map[string]any:
		if len(v) > maxValueItems {
			return nil, mistakeAt(at, "the value has %d keys, more than %d", len(v), maxValueItems)
		}
		out := make(map[string]any, len(v))
		for key, item := range v {
			if len(key) > maxPath || !utf8.ValidString(key) {
				return nil, mistakeAt(at, "a key is too long or not UTF-8")
			}
			p, err := plain(item, pointer(at, key), depth+1)
			if err != nil {
				return nil, err
			}
			out[key] = p
		}
		return out, nil
	}
	n, ok := plainNumber(data)
	if !ok {
		return nil, mistakeAt(at, "%s is not a value", kindName(data))
	}
	return n, nil
}

// plainNumber turns any number of Go into an exact one.
func plainNumber(data any) (json.Number, bool) {
	switch v := data.(type) {
	case json.Number:
		return v, number(string(v)) != nil && json.Valid([]byte(v))
	case float64:
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64)), !math.IsNaN(v) && !math.IsInf(v, 0) && math.Abs(v) < 1e30 && (v == 0 || math.Abs(v) > 1e-30)
	case int:
		return json.Number(strconv.Itoa(v)), true
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), true
	case uint64:
		return json.Number(strconv.FormatUint(v, 10)), true
	}
	return "", false
}

// kindName says what a value is, for errors.
func kindName(data any) string {
	switch data.(type) {
	case nil:
		return "nothing"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case time.Time:
		return "a time"
	}
	if _, ok := plainNumber(data); ok {
		return "a number"
	}
	return fmt.Sprintf("a %T", data)
}

var errMore = errors.New("there is more behind the value")

// readJSON reads JSON into plain data with exact numbers. Keys that occur twice are errors.
func readJSON(text []byte) (any, error) {
	if len(text) > maxSource {
		return nil, fmt.Errorf("the text has %d bytes, more than %d", len(text), maxSource)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	data, err := jsonValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errMore
	}
	return data, nil
}

// jsonValue reads the next value.
func jsonValue(d *json.Decoder, depth int) (any, error) {
	if depth > 2*maxDepth+maxValueDepth+2 {
		return nil, errDepth
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		out := []any{}
		for d.More() {
			v, err := jsonValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err = d.Token()
		return out, err
	case json.Delim('{'):
		out := map[string]any{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string)
			if _, twice := out[name]; twice {
				return nil, fmt.Errorf("the key %s occurs twice", show(name))
			}
			if out[name], err = jsonValue(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return out, err
	}
	return token, nil
}
