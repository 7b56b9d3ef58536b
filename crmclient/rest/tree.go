package rest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The keys of a mapping in a body that do something. All others are names of the API.
const (
	keyEach  = "$each"  // name of a list or an object: one result per value
	keyItem  = "$item"  // the tree that is made for each value, which is {{ item }}
	keyKey   = "$key"   // template: the results become an object with these names
	keyMerge = "$merge" // list of objects that become one; later ones win
)

const (
	maxTreeDepth = 16     // of the YAML tree
	maxTreeItems = 10_000 // values that one $each makes
)

// node is a compiled YAML tree whose leaves are templates.
type node interface {
	build(s scope) (any, error)
	each(f func(*template))
}

// omission is the value of what is not to be written: a key whose value it is disappears.
type omission struct{}

var omitted = omission{}

type (
	leafNode   struct{ t *template }
	fixedNode  struct{ v any }
	listNode   []node
	objectNode struct {
		keys  []string
		nodes []node
	}
	eachNode struct {
		source *template
		item   node
		key    *template // nil: a list
	}
	mergeNode []node
)

// compileTree reads a YAML tree.
func compileTree(v any, depth int) (node, error) {
	if depth > maxTreeDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxTreeDepth)
	}
	switch v := v.(type) {
	case string:
		t, err := parseTemplate(v)
		if err != nil {
			return nil, err
		}
		return leafNode{t}, nil
	case nil, bool, int64, int, uint64, float64:
		return fixedNode{v}, nil
	case []any:
		var out listNode
		for i, item := range v {
			n, err := compileTree(item, depth+1)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			out = append(out, n)
		}
		return out, nil
	case map[string]any:
		return compileMapping(v, depth)
	}
	return nil, fmt.Errorf("a %T cannot be written as JSON", v)
}

func compileMapping(m map[string]any, depth int) (node, error) {
	switch {
	case has(m, keyEach):
		return compileEach(m, depth)
	case has(m, keyMerge):
		list, ok := m[keyMerge].([]any)
		if !ok || len(m) != 1 {
			return nil, fmt.Errorf("%s needs a list and stands alone", keyMerge)
		}
		n, err := compileTree(list, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s%w", keyMerge, err)
		}
		return mergeNode(n.(listNode)), nil
	}
	var out objectNode
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(key, "$") && slices.Contains([]string{keyItem, keyKey}, key) {
			return nil, fmt.Errorf("%s without %s", key, keyEach)
		}
		n, err := compileTree(m[key], depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out.keys, out.nodes = append(out.keys, key), append(out.nodes, n)
	}
	return out, nil
}

func has(m map[string]any, key string) bool { _, ok := m[key]; return ok }

func compileEach(m map[string]any, depth int) (node, error) {
	for key := range m {
		if !slices.Contains([]string{keyEach, keyItem, keyKey}, key) {
			return nil, fmt.Errorf("%s is not expected beside %s", key, keyEach)
		}
	}
	name, ok := m[keyEach].(string)
	if !ok || name == "" {
		return nil, fmt.Errorf("%s needs the name of a list", keyEach)
	}
	if !strings.Contains(name, "{{") {
		name = "{{ " + name + " }}"
	}
	var e eachNode
	var err error
	if e.source, err = parseTemplate(name); err != nil {
		return nil, fmt.Errorf("%s: %w", keyEach, err)
	}
	if !has(m, keyItem) {
		return nil, fmt.Errorf("%s without %s", keyEach, keyItem)
	}
	if e.item, err = compileTree(m[keyItem], depth+1); err != nil {
		return nil, fmt.Errorf("%s: %w", keyItem, err)
	}
	if has(m, keyKey) {
		text, ok := m[keyKey].(string)
		if !ok {
			return nil, fmt.Errorf("%s needs a text", keyKey)
		}
		if e.key, err = parseTemplate(text); err != nil {
			return nil, fmt.Errorf("%s: %w", keyKey, err)
		}
	}
	return e, nil
}

func (n leafNode) build(s scope) (any, error) {
	v, err := n.t.value(s)
	if err != nil {
		return nil, err
	}
	return plain(v), nil
}

// plain makes a value that encoding/json writes as meant: times in RFC 3339, bytes in base64.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		text, _ := textOf(v) // a time is always a text
		return text
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case json.Number:
		if !json.Valid([]byte(v)) { // numbers come from answers and rules
			return string(v)
		}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = plain(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = plain(item)
		}
		return out
	}
	return v
}

func (n leafNode) each(f func(*template)) { f(n.t) }

func (n fixedNode) build(scope) (any, error) { return n.v, nil }
func (n fixedNode) each(func(*template))     {}

func (n listNode) build(s scope) (any, error) {
	out := make([]any, 0, len(n))
	for _, item := range n {
		v, err := item.build(s)
		if err != nil {
			return nil, err
		}
		if v != any(omitted) {
			out = append(out, v)
		}
	}
	return out, nil
}

func (n listNode) each(f func(*template)) {
	for _, item := range n {
		item.each(f)
	}
}

func (n objectNode) build(s scope) (any, error) {
	out := make(map[string]any, len(n.keys))
	for i, key := range n.keys {
		v, err := n.nodes[i].build(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if !isOmitted(v) {
			out[key] = v
		}
	}
	return out, nil
}

func isOmitted(v any) bool { _, is := v.(omission); return is }

func (n objectNode) each(f func(*template)) {
	for _, item := range n.nodes {
		item.each(f)
	}
}

func (n eachNode) build(s scope) (any, error) {
	source, err := n.source.value(s)
	if err != nil {
		return nil, err
	}
	items, err := itemsOf(source)
	if err != nil {
		return nil, err
	}
	list, object := make([]any, 0, len(items)), map[string]any{}
	for _, item := range items {
		inner := s.with("item", item)
		v, err := n.item.build(inner)
		if err != nil {
			return nil, err
		}
		if isOmitted(v) {
			continue
		}
		if n.key == nil {
			list = append(list, v)
			continue
		}
		key, err := n.key.text(inner)
		if err != nil {
			return nil, err
		}
		object[key] = v
	}
	if n.key != nil {
		return object, nil
	}
	return list, nil
}

// itemsOf returns the values to go over: those of a list, or name and value of each entry of an object.
func itemsOf(v any) ([]any, error) {
	var items []any
	switch v := v.(type) {
	case nil, omission:
	case []any:
		items = v
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			items = append(items, map[string]any{"name": name, "value": v[name]})
		}
	default:
		return nil, fmt.Errorf("%s needs a list or an object, not a %T", keyEach, v)
	}
	if len(items) > maxTreeItems {
		return nil, fmt.Errorf("%s over more than %d values", keyEach, maxTreeItems)
	}
	return items, nil
}

func (n eachNode) each(f func(*template)) {
	f(n.source)
	n.item.each(f)
	if n.key != nil {
		f(n.key)
	}
}

func (n mergeNode) build(s scope) (any, error) {
	out := map[string]any{}
	for _, item := range n {
		v, err := item.build(s)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case nil, omission:
		case map[string]any:
			maps.Copy(out, v)
		default:
			return nil, errors.New(keyMerge + " of something that is not an object")
		}
	}
	return out, nil
}

func (n mergeNode) each(f func(*template)) { listNode(n).each(f) }
