package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// Kind is the form of a value.
type Kind string

// The kinds.
const (
	KindText     Kind = "text"
	KindInteger  Kind = "integer"
	KindNumber   Kind = "number"
	KindBoolean  Kind = "boolean"
	KindDuration Kind = "duration"
	KindBytes    Kind = "bytes"
	KindNetwork  Kind = "network"
	KindFile     Kind = "file"
	KindFolder   Kind = "folder"
	KindSecret   Kind = "secret"
	KindSection  Kind = "section"
	KindList     Kind = "list"
	KindMap      Kind = "map"
)

// Key is one key of the configuration. That of a list stands for the keys of its elements, too: targets[].name.
type Key struct {
	Path    string
	Kind    Kind
	Element Kind     // of lists and maps
	Enum    []string // the values that are allowed
	Default any      // as JSON; nil: none
	Doc     string   // English
	DocZH   string   // Chinese
	Restart bool     // a change needs a restart
}

// Setting is a key with what a configuration says of it.
type Setting struct {
	Key
	At    string // the path with positions: targets[0].name
	Value any    // as JSON; nil: none, or a secret
	Set   bool   // the file has the key, with a value
	From  string // of a secret: file, environment or inline
	Line  int    // of the file; 0: it has not the key
}

// Keys lists all keys in the order of the example, those that connectors read left out.
var Keys = sync.OnceValue(func() []Key {
	var list []Key
	docs := exampleDocs()
	var walk func(t reflect.Type, v reflect.Value, path string)
	walk = func(t reflect.Type, v reflect.Value, path string) {
		for _, f := range fieldsOf(t) {
			ft := t.FieldByIndex(f.index).Type
			if ft == sectionType {
				continue
			}
			k := keyOf(join(path, f.key), ft)
			k.Doc, k.DocZH = docs[k.Path].english, docs[k.Path].chinese
			if v.IsValid() && k.Kind != KindSection {
				k.Default = plainValue(v.FieldByIndex(f.index))
			}
			list = append(list, k)
			switch inner := deref(ft); {
			case k.Kind == KindSection:
				walk(inner, defaultOf(ft, v, f.index), k.Path)
			case k.Element == KindSection:
				item := reflect.New(deref(inner.Elem()))
				setDefaults(item)
				walk(item.Elem().Type(), item.Elem(), k.Path+"[]")
			}
		}
	}
	walk(reflect.TypeFor[Config](), reflect.ValueOf(defaults()).Elem(), "")
	return list
})

// defaultOf are the defaults of a section, also of one that is left out.
func defaultOf(t reflect.Type, parent reflect.Value, index []int) reflect.Value {
	if t.Kind() != reflect.Pointer && parent.IsValid() {
		return parent.FieldByIndex(index)
	}
	item := reflect.New(deref(t))
	setDefaults(item)
	return item.Elem()
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func keyOf(path string, t reflect.Type) Key {
	t = deref(t)
	k := Key{Path: path, Kind: kindOf(path, t), Restart: needsRestart(path)}
	if k.Kind == KindList || k.Kind == KindMap {
		t = deref(t.Elem())
		k.Element = kindOf("", t)
	}
	if e, ok := reflect.New(t).Elem().Interface().(Enum); ok {
		k.Enum = e.Allowed()
	}
	return k
}

func kindOf(path string, t reflect.Type) Kind {
	switch t {
	case secretType:
		return KindSecret
	case durationType, stdDurationType:
		return KindDuration
	case bytesType:
		return KindBytes
	case prefixType:
		return KindNetwork
	}
	switch t.Kind() {
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(textType) {
			return KindText
		}
		return KindSection
	case reflect.Slice:
		return KindList
	case reflect.Map:
		return KindMap
	case reflect.Bool:
		return KindBoolean
	case reflect.Float32, reflect.Float64:
		return KindNumber
	case reflect.String:
		switch {
		case strings.HasSuffix(path, fileSuffix):
			return KindFile
		case strings.HasSuffix(path, dirSuffix):
			return KindFolder
		}
		return KindText
	}
	if _, number := kindsWithNumbers[t.Kind()]; number {
		return KindInteger
	}
	return KindText
}

// needsRestart says whether a running gateway does not take over a key.
func needsRestart(path string) bool {
	if path == "journal.on_failure" {
		return false
	}
	top, _, _ := strings.Cut(strings.ReplaceAll(path, "[]", ""), ".")
	return slices.Contains([]string{"data_dir", "listeners", "redis", "store", "console", "journal"}, top)
}

// plainValue is a value as JSON has it, without secrets.
func plainValue(v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch value := v.Interface().(type) {
	case Secret, Section:
		return nil
	case Duration:
		return value.String()
	case Bytes:
		return value.String()
	case netip.Prefix:
		return value.String()
	case fmt.Stringer:
		if v.Kind() != reflect.Struct && v.Kind() != reflect.Slice {
			return value.String()
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		m := map[string]any{}
		for _, f := range fieldsOf(v.Type()) {
			if inner := v.FieldByIndex(f.index); inner.Type() != secretType && inner.Type() != sectionType {
				m[f.key] = plainValue(inner)
			}
		}
		return m
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plainValue(v.Index(i))
		}
		return list
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		m := map[string]any{}
		for _, key := range v.MapKeys() {
			m[key.String()] = plainValue(v.MapIndex(key))
		}
		return m
	case reflect.String:
		return withoutLogin(v.String())
	}
	return v.Interface()
}

// withoutLogin hides what an address may carry before the @ or behind the ?, as excerpts do.
func withoutLogin(text string) string {
	if _, rest, isURL := strings.Cut(text, "://"); isURL && strings.ContainsAny(rest, "@?#") {
		return hidden
	}
	return text
}

// Describe lists what a configuration says, key by key, in the order of Keys; elements of lists follow their list. The text must be one
// that was read without mistakes into cfg.
func Describe(cfg *Config, name string, text []byte) ([]Setting, error) {
	src, node, err := readSource(name, text)
	if err != nil {
		return nil, err
	}
	keys := map[string]Key{}
	for _, k := range Keys() {
		keys[k.Path] = k
	}
	d := &describer{src: src, keys: keys}
	d.section(reflect.ValueOf(cfg).Elem(), node, "", "")
	return d.list, nil
}

type describer struct {
	src  *source
	keys map[string]Key
	list []Setting
}

// section describes a struct and the node that it was read from, which may be nil.
func (d *describer) section(v reflect.Value, node ast.Node, key, at string) {
	given := map[string]pair{}
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		pairs, _ := newDecoder(d.src).pairs(node, "")
		for _, p := range pairs {
			given[p.key] = p
		}
	}
	for _, f := range fieldsOf(v.Type()) {
		k, ok := d.keys[join(key, f.key)]
		if !ok {
			continue
		}
		s := Setting{Key: k, At: join(at, f.key)}
		p, present := given[f.key]
		if present {
			_, empty := p.value.(*ast.NullNode)
			s.Line, s.Set = p.at.line, !empty
		}
		value := v.FieldByIndex(f.index)
		if k.Kind == KindSecret {
			d.secret(&s, given, f.key, value)
		} else if k.Kind != KindSection {
			s.Value = plainValue(value)
		}
		d.list = append(d.list, s)
		var inner ast.Node
		if present {
			inner = p.value
		}
		d.inside(value, inner, k, s.At)
	}
}

// secret tells where a secret comes from, and nothing else.
func (d *describer) secret(s *Setting, given map[string]pair, key string, value reflect.Value) {
	secret, _ := value.Interface().(Secret)
	s.Set = !secret.IsZero()
	if file, ok := given[key+fileSuffix]; ok && s.From == "" {
		if _, empty := file.value.(*ast.NullNode); !empty {
			s.From, s.Line = "file", file.at.line
			return
		}
	}
	if p, ok := notEmpty(given, key); ok {
		s.From = "inline"
		if text, _ := textOf(p.value); strings.HasPrefix(text, "${") {
			s.From = "environment"
		}
	}
}

// inside describes what is below a key.
func (d *describer) inside(v reflect.Value, node ast.Node, k Key, at string) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch {
	case k.Kind == KindSection:
		d.section(v, node, k.Path, at)
	case k.Kind == KindList && k.Element == KindSection:
		seq, _ := node.(*ast.SequenceNode)
		for i := range v.Len() {
			var inner ast.Node
			if seq != nil && i < len(seq.Values) {
				inner = seq.Values[i]
			}
			if item := reflect.Indirect(v.Index(i)); item.IsValid() {
				d.section(item, inner, k.Path+"[]", fmt.Sprintf("%s[%d]", at, i))
			}
		}
	}
}

// doc is what the example says of a key.
type doc struct{ english, chinese string }

var exampleKey = regexp.MustCompile(`^( *)(- )?\{?([a-z][a-z0-9_]*):(?: +[^#]*?)?(?: *# ?(.*))?$`)

// exampleDocs reads the comments of the example: those above a key, behind it, and below it further right.
var exampleDocs = sync.OnceValue(func() map[string]doc {
	type open struct {
		indent int
		path   string
	}
	texts := map[string][]string{}
	var stack []open
	var above []string
	last := ""
	for _, line := range strings.Split(uncommented(string(Example)), "\n") {
		m := exampleKey.FindStringSubmatch(line)
		if m == nil {
			text, isComment := strings.CutPrefix(strings.TrimSpace(line), "#")
			switch indent := len(line) - len(strings.TrimLeft(line, " ")); {
			case !isComment:
				above = nil
			case indent > 20 && last != "":
				texts[last] = append(texts[last], strings.TrimSpace(text))
			default:
				above = append(above, strings.TrimSpace(text))
			}
			continue
		}
		indent := len(m[1]) + len(m[2])
		for len(stack) > 0 && stack[len(stack)-1].indent >= indent {
			stack = stack[:len(stack)-1]
		}
		path := m[3]
		if len(stack) > 0 {
			parent := stack[len(stack)-1].path
			if slices.Contains(listPaths(), parent) {
				parent += "[]"
			}
			path = parent + "." + path
		}
		stack = append(stack, open{indent, path})
		if len(texts[path]) == 0 {
			texts[path] = append(above, m[4])
		}
		above, last = nil, path
	}
	docs := map[string]doc{}
	for path, lines := range texts {
		docs[path] = splitLanguages(strings.Join(lines, " "))
	}
	return docs
})

// listPaths are the lists of sections.
var listPaths = sync.OnceValue(func() (paths []string) {
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for _, f := range fieldsOf(t) {
			ft, at := deref(t.FieldByIndex(f.index).Type), join(path, f.key)
			switch {
			case kindOf(at, ft) == KindSection && ft != sectionType:
				walk(ft, at)
			case ft.Kind() == reflect.Slice && kindOf("", deref(ft.Elem())) == KindSection:
				paths = append(paths, at)
				walk(deref(ft.Elem()), at+"[]")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return paths
})

var switchedOff = regexp.MustCompile(`(?m)^ *# (?:redis|notifiers|watch|senders|related|lists|tables|phrases|webhooks|calls|roles):(?:\n *#   .*)*`)

// uncommented switches on the sections of the example that are comments.
func uncommented(text string) string {
	marks := regexp.MustCompile(`(?m)^( *)# `)
	return switchedOff.ReplaceAllStringFunc(text, func(section string) string { return marks.ReplaceAllString(section, "$1") })
}

// splitLanguages takes the sentences with Chinese signs apart from the others.
func splitLanguages(text string) (d doc) {
	var english, chinese []string
	for _, part := range regexp.MustCompile(`(?:[^.。;]|\.\S)+[.。;]*`).FindAllString(text, -1) {
		part = strings.TrimSpace(part)
		switch {
		case part == "":
		case strings.ContainsFunc(part, func(r rune) bool { return unicode.Is(unicode.Han, r) }):
			chinese = append(chinese, part)
		default:
			english = append(english, part)
		}
	}
	return doc{strings.Join(english, " "), strings.Join(chinese, " ")}
}
