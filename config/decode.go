package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Enum is a string type with a closed set of values. The decoder refuses all others.
type Enum interface {
	Allowed() []string
}

// decoder reads YAML nodes into Go values and gathers every mistake.
type decoder struct {
	src      *source
	mistakes Errors
	places   map[string]place // where the value of a path begins
	broken   map[string]bool  // paths that have a mistake already
	reserved []string         // keys of the top mapping that somebody else reads
	inline   bool             // a secret stands in the file itself
}

func newDecoder(src *source) *decoder {
	return &decoder{src: src, places: map[string]place{}, broken: map[string]bool{}}
}

// fail notes a mistake. Its excerpt is made at the end, when it is known which
// values may be shown.
func (d *decoder) fail(path string, at place, message, remedy string) {
	d.broken[path] = true
	d.mistakes = append(d.mistakes, Mistake{
		File: d.src.name, Line: at.line, Column: at.column, Path: path, Message: message, Remedy: remedy,
	})
}

// result returns the mistakes with their excerpts, or nil.
func (d *decoder) result() error {
	for i := range d.mistakes {
		m := &d.mistakes[i]
		if m.Line > 0 && m.Excerpt == "" {
			m.Excerpt = d.src.excerpt(place{m.Line, m.Column}, d.src.isShown)
		}
	}
	return d.mistakes.orNil()
}

// join makes the path of a key.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

var (
	secretType       = reflect.TypeFor[Secret]()
	sectionType      = reflect.TypeFor[Section]()
	targetType       = reflect.TypeFor[Target]()
	durationType     = reflect.TypeFor[Duration]()
	stdDurationType  = reflect.TypeFor[time.Duration]()
	bytesType        = reflect.TypeFor[Bytes]()
	prefixType       = reflect.TypeFor[netip.Prefix]()
	enumType         = reflect.TypeFor[Enum]()
	textType         = reflect.TypeFor[encoding.TextUnmarshaler]()
	scalarTypes      = []reflect.Type{secretType, durationType, stdDurationType, bytesType, prefixType}
	kindsWithNumbers = map[reflect.Kind]string{
		reflect.Int: "a whole number", reflect.Int8: "a whole number", reflect.Int16: "a whole number",
		reflect.Int32: "a whole number", reflect.Int64: "a whole number",
		reflect.Uint: "a whole number from 0", reflect.Uint8: "a whole number from 0", reflect.Uint16: "a whole number from 0",
		reflect.Uint32: "a whole number from 0", reflect.Uint64: "a whole number from 0",
		reflect.Float32: "a number", reflect.Float64: "a number",
	}
)

// value reads node into v. A node without a value leaves v as it is.
func (d *decoder) value(node ast.Node, v reflect.Value, path string) {
	d.places[path] = startOf(node)
	switch node.(type) {
	case *ast.NullNode:
		return
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.fail(path, startOf(node), "anchors (&), aliases (*) and tags (!) are not supported",
			"Write the value itself; put it in quotes if it begins with &, * or !.")
		return
	}
	t := v.Type()
	switch {
	case t == sectionType:
		v.Set(reflect.ValueOf(content{node: node, src: d.src, path: path}.section()))
	case t == targetType:
		d.target(node, v, path)
	case slices.Contains(scalarTypes, t), reflect.PointerTo(t).Implements(textType):
		d.scalar(node, v, path)
	default:
		d.kind(node, v, path)
	}
}

// kind reads node by the kind of v's type.
func (d *decoder) kind(node ast.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			fresh.Elem().Set(v.Elem())
		} else {
			setDefaults(fresh)
		}
		d.value(node, fresh.Elem(), path)
		v.Set(fresh)
	case reflect.Struct:
		d.structure(node, v, path, false)
	case reflect.Slice:
		d.list(node, v, path)
	case reflect.Map:
		d.dictionary(node, v, path)
	case reflect.Interface:
		v.Set(reflect.ValueOf(d.anything(node, path)))
	default:
		d.scalar(node, v, path)
	}
}

// list reads a sequence. An explicit empty one becomes an empty slice, not nil.
func (d *decoder) list(node ast.Node, v reflect.Value, path string) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		remedy := "Begin each entry with \"- \"."
		if isScalarNode(node) {
			d.show(node, v.Type().Elem())
			remedy = "Put it in brackets: [value]."
		}
		d.fail(path, startOf(node), "a list is needed here, not "+describe(node), remedy)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(seq.Values))
	for i, entry := range seq.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, empty := entry.(*ast.NullNode); empty && v.Type().Elem().Kind() != reflect.Interface {
			d.fail(at, startOf(entry), "entry "+strconv.Itoa(i+1)+" of the list is empty", "Fill it in or take it out.")
			continue
		}
		item := reflect.New(v.Type().Elem())
		setDefaults(item)
		d.value(entry, item.Elem(), at)
		out = reflect.Append(out, item.Elem())
	}
	v.Set(out)
}

// dictionary reads a mapping with free keys.
func (d *decoder) dictionary(node ast.Node, v reflect.Value, path string) {
	pairs, ok := d.pairs(node, path)
	if !ok {
		return
	}
	if v.Type().Key().Kind() != reflect.String {
		d.fail(path, startOf(node), "a mapping is not supported here", "")
		return
	}
	out := reflect.MakeMap(v.Type())
	for _, pair := range pairs {
		item := reflect.New(v.Type().Elem())
		setDefaults(item)
		d.value(pair.value, item.Elem(), join(path, d.showKey(pair.key, pair.at)))
		out.SetMapIndex(reflect.ValueOf(pair.key).Convert(v.Type().Key()), item.Elem())
	}
	v.Set(out)
}

// anything reads a node as the types that encoding/json uses, but for whole
// numbers, which are int64.
func (d *decoder) anything(node ast.Node, path string) any {
	switch n := node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		out := map[string]any{}
		d.dictionary(n, reflect.ValueOf(&out).Elem(), path)
		return out
	case *ast.SequenceNode:
		out := []any{}
		d.list(n, reflect.ValueOf(&out).Elem(), path)
		return out
	case *ast.BoolNode:
		return n.Value
	case *ast.FloatNode:
		return n.Value
	case *ast.IntegerNode:
		if number, err := strconv.ParseInt(cleanNumber(n), 0, 64); err == nil {
			return number
		}
	}
	text, _ := textOf(node)
	return text
}

// pair is one key of a mapping with its value.
type pair struct {
	key   string
	at    place // of the key
	value ast.Node
}

// pairs lists a mapping without the keys that somebody else reads; a key given
// twice is a mistake.
func (d *decoder) pairs(node ast.Node, path string) ([]pair, bool) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.fail(path, startOf(node), "keys with values are needed here, not "+describe(node), "Write each as \"key: value\".")
		return nil, false
	}
	first := map[string]int{}
	var out []pair
	for _, entry := range values {
		at, key := startOf(entry.Key), ""
		if tk := entry.Key.GetToken(); tk != nil {
			key = tk.Value
		}
		if entry.Key.Type() == ast.MergeKeyType || entry.Key.Type() == ast.MappingKeyType || !isScalarNode(entry.Key) {
			d.fail(path, at, "merge keys (<<) and complex keys (?) are not supported", "Write the keys out as \"key: value\".")
			continue
		}
		if line, twice := first[key]; twice {
			d.fail(join(path, d.showKey(key, at)), at, fmt.Sprintf("given twice; the first is in line %d", line), "Remove one of them.")
			continue
		}
		first[key] = at.line
		out = append(out, pair{key: key, at: at, value: entry.Value})
	}
	return out, true
}

// keyForm is what keys of configurations look like.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,40}$`)

// showKey lets excerpts quote a key, and returns it for messages. Where a colon
// or a blank was forgotten, a secret became part of the key: nothing that does
// not look like a key is shown.
func (d *decoder) showKey(key string, at place) string {
	if !keyForm.MatchString(key) {
		return hidden
	}
	d.src.show(at)
	return key
}

// show lets excerpts quote a scalar that was read into a value of type t.
func (d *decoder) show(node ast.Node, t reflect.Type) {
	text, ok := textOf(node)
	if !ok || t == secretType || t.Kind() == reflect.Interface {
		return
	}
	// An address may carry a password before the @ or a token behind the ?.
	if _, rest, isURL := strings.Cut(text, "://"); isURL && strings.ContainsAny(rest, "@?#") {
		return
	}
	d.src.show(startOf(node))
}

// show lets excerpts quote the token that begins at a place.
func (s *source) show(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown[at] = true
}

// isShown reports whether an excerpt may quote a token.
func (s *source) isShown(tk *token.Token) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown[placeOf(tk)]
}

// describe names the kind of a node for a message.
func describe(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.NullNode:
		return "nothing"
	}
	return "text"
}

// isScalarNode reports whether a node is a single value.
func isScalarNode(node ast.Node) bool {
	_, ok := textOf(node)
	return ok
}

// textOf returns the text of a scalar as it was written.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// cleanNumber returns the digits of a number as strconv reads them.
func cleanNumber(node ast.Node) string {
	return strings.ReplaceAll(node.GetToken().Value, "_", "")
}
