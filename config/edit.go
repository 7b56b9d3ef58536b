package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Change is one change of a configuration file.
type Change struct {
	Path  string // of a key, such as mirror.workers or targets[0].name
	Value any    // as encoding/json reads it; nil takes the key's value away
	Op    Op
}

// Op is what becomes of a key.
type Op string

// The operations.
const (
	OpSet    Op = ""       // the key gets the value
	OpAppend Op = "append" // the list gets one more element
	OpRemove Op = "remove" // the element of a list goes
)

var (
	// ErrPath says that there is no such place in the file.
	ErrPath = errors.New("there is no such place in the configuration")
	// ErrEdit says that a file is written in a way that Edit cannot change without touching more than it should.
	ErrEdit = errors.New("the file is written in a way that only a person can change here")
)

// Edit makes changes in the text of a configuration. All else stays as it is, comments and order included; only comments inside of a list or
// mapping that is replaced as a whole go with it. It does not check what the values mean.
func Edit(text []byte, changes []Change) ([]byte, error) {
	for _, c := range changes {
		after, err := edit(text, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Path, err)
		}
		text = after
	}
	return text, nil
}

// edit makes one change, and compares what the text says before and after.
func edit(text []byte, c Change) ([]byte, error) {
	steps, err := parsePath(c.Path)
	if err != nil {
		return nil, err
	}
	before, err := newEditor(text)
	if err != nil {
		return nil, err
	}
	want, err := apply(before.tree(), steps, c)
	if err != nil {
		return nil, err
	}
	if err := before.change(steps, c); err != nil {
		return nil, err
	}
	out := []byte(strings.Join(before.src.lines, "\n"))
	after, err := newEditor(out)
	if err != nil || !reflect.DeepEqual(bare(after.tree()), bare(want)) {
		return nil, ErrEdit
	}
	return out, nil
}

// step is a key, or a position in a list.
type step struct {
	key string
	at  int // with an empty key
}

var pathForm = regexp.MustCompile(`^([^.\[\]]+)|^\[(\d{1,4})\]`)

func parsePath(path string) (steps []step, err error) {
	for rest := path; rest != ""; {
		m := pathForm.FindStringSubmatch(rest)
		if m == nil {
			return nil, ErrPath
		}
		n, _ := strconv.Atoi(m[2]) // digits only
		steps = append(steps, step{m[1], n})
		rest = strings.TrimPrefix(rest[len(m[0]):], ".")
	}
	if len(steps) == 0 || steps[0].key == "" {
		return nil, ErrPath
	}
	return steps, nil
}

// apply makes a change in what a text says.
func apply(tree any, steps []step, c Change) (any, error) {
	if len(steps) == 0 {
		switch c.Op {
		case OpAppend:
			list, ok := tree.([]any)
			if tree != nil && !ok {
				return nil, ErrPath
			}
			return append(slices.Clone(list), c.Value), nil
		default:
			return c.Value, nil
		}
	}
	s := steps[0]
	if s.key != "" {
		old, ok := tree.(map[string]any)
		if tree != nil && !ok {
			return nil, ErrPath
		}
		m := map[string]any{}
		for k, v := range old {
			m[k] = v
		}
		value, err := apply(m[s.key], steps[1:], c)
		m[s.key] = value
		return m, err
	}
	list, ok := tree.([]any)
	if !ok || s.at >= len(list) {
		return nil, ErrPath
	}
	list = slices.Clone(list)
	if len(steps) == 1 && c.Op == OpRemove {
		return slices.Delete(list, s.at, s.at+1), nil
	}
	value, err := apply(list[s.at], steps[1:], c)
	list[s.at] = value
	return list, err
}

// bare is a tree as JSON, without keys that have no value, so that two can be compared.
func bare(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, v := range t {
			if v = bare(v); v != nil {
				m[k] = v
			}
		}
		if len(m) == 0 {
			return nil
		}
		return m
	case []any:
		list := make([]any, len(t))
		for i := range t {
			list[i] = bare(t[i])
		}
		return list
	case nil:
		return nil
	}
	return fmt.Sprint(tree)
}

// editor changes the lines of a text.
type editor struct {
	src  *source
	node ast.Node
}

func newEditor(text []byte) (*editor, error) {
	src, node, err := readSource("config.yaml", text)
	return &editor{src, node}, err
}

// tree is what the text says.
func (e *editor) tree() any { return treeOf(e.src, e.node) }

func treeOf(src *source, node ast.Node) any {
	if node == nil {
		return nil
	}
	switch n := node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.MappingNode, *ast.MappingValueNode:
		m := map[string]any{}
		pairs, _ := newDecoder(src).pairs(n, "") // mistakes are found when the file is read
		for _, p := range pairs {
			m[p.key] = treeOf(src, p.value)
		}
		return m
	case *ast.SequenceNode:
		list := make([]any, len(n.Values))
		for i, v := range n.Values {
			list[i] = treeOf(src, v)
		}
		return list
	}
	return newDecoder(src).anything(node, "")
}

// change finds the place of a change, and makes it there.
func (e *editor) change(steps []step, c Change) error {
	node, value := e.node, c.Value
	for i, s := range steps {
		rest := steps[i+1:]
		if s.key == "" {
			seq, ok := node.(*ast.SequenceNode)
			if !ok || s.at >= len(seq.Values) {
				return ErrPath
			}
			if len(rest) == 0 {
				return e.element(seq, s.at, c)
			}
			node = seq.Values[s.at]
			continue
		}
		entries, flow := mapping(node)
		if flow {
			return ErrEdit // the caller of a flow ancestor has replaced it as a whole
		}
		j := slices.IndexFunc(entries, func(p *ast.MappingValueNode) bool { return p.Key.GetToken().Value == s.key })
		if j < 0 {
			if c.Op == OpRemove {
				return ErrPath
			}
			fresh, err := apply(nil, rest, c)
			if err != nil {
				return err
			}
			return e.insert(entries, node, s.key, fresh)
		}
		next := entries[j].Value
		if len(rest) > 0 && !isFlow(next) {
			node = next
			continue
		}
		if seq, ok := next.(*ast.SequenceNode); ok && len(rest) == 0 && c.Op == OpAppend && !seq.IsFlowStyle && len(seq.Values) > 0 {
			return e.appendTo(seq, value)
		}
		fresh, err := apply(treeOf(e.src, next), rest, c)
		if err != nil {
			return err
		}
		return e.replace(entries[j], fresh)
	}
	return ErrPath
}

// mapping lists the entries of a block mapping.
func mapping(node ast.Node) (entries []*ast.MappingValueNode, flow bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, n.IsFlowStyle
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, false
	}
	return nil, false
}

// isFlow says whether a node is written in brackets, or has nothing in it.
func isFlow(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.IsFlowStyle
	case *ast.SequenceNode:
		return n.IsFlowStyle
	case *ast.MappingValueNode:
		return false
	}
	return true
}

// flowText writes a value in one line.
func flowText(value any) (string, error) {
	if value == nil {
		return "", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "", err
	}
	text := strings.TrimRight(b.String(), "\n")
	if s, ok := value.(string); ok && plainText.MatchString(s) && !spoken[strings.ToLower(s)] {
		return s, nil
	}
	return text, nil
}

// plainText needs no quotes.
var (
	plainText = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9_.@/-]*|[0-9]+[A-Za-z]+[A-Za-z0-9]*)$`)
	numbers   = regexp.MustCompile(`^0[xob]|^[0-9]+e`)
	spoken    = map[string]bool{"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true, "nan": true, "inf": true}
)

// replace gives an entry of a block mapping another value.
func (e *editor) replace(entry *ast.MappingValueNode, value any) error {
	text, err := flowText(value)
	if err != nil {
		return err
	}
	if s, ok := value.(string); ok && numbers.MatchString(s) {
		text = strconv.Quote(s)
	}
	at := startOf(entry.Key)
	first, last := at.line-1, e.extent(at)
	line := []rune(e.src.lines[first])
	comment, column := "", len(line)
	for _, tk := range e.src.tokens[at.line] {
		if tk.Type == token.CommentType {
			column = tk.Position.Column - 1
			comment = string(line[column:])
			break
		}
	}
	colon := at.column - 1 + len([]rune(entry.Key.GetToken().Value))
	if quoted := entry.Key.GetToken().Type; quoted == token.DoubleQuoteType || quoted == token.SingleQuoteType {
		colon += 2
	}
	if colon >= len(line) || line[colon] != ':' {
		return ErrEdit
	}
	out := strings.TrimRight(string(line[:colon+1])+" "+text, " ")
	if comment != "" {
		out += strings.Repeat(" ", max(1, column-len([]rune(out)))) + comment
	}
	e.src.lines = slices.Replace(e.src.lines, first, last+1, out)
	return nil
}

// extent returns the last line of what begins at a place of a block.
func (e *editor) extent(at place) int {
	last := at.line - 1
	for i := at.line; i < len(e.src.lines); i++ {
		line := e.src.lines[i]
		text := strings.TrimLeft(line, " ")
		indent := len(line) - len(text)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
			continue
		case indent >= at.column || indent == at.column-1 && (text == "-" || strings.HasPrefix(text, "- ")) && !e.isItem(at):
			last = i
		default:
			return last
		}
	}
	return last
}

// isItem says whether the dash of a list stands at a place.
func (e *editor) isItem(at place) bool {
	line := []rune(e.src.lines[at.line-1])
	return at.column <= len(line) && line[at.column-1] == '-'
}

// insert adds an entry to a block mapping, behind the last one.
func (e *editor) insert(entries []*ast.MappingValueNode, node ast.Node, key string, value any) error {
	text, err := flowText(value)
	if err != nil {
		return err
	}
	if len(entries) == 0 && node != nil {
		if _, empty := node.(*ast.NullNode); !empty || e.node != node {
			return ErrEdit
		}
	}
	at, after := place{1, 1}, len(e.src.lines)-1
	if len(entries) > 0 {
		at = startOf(entries[0].Key)
		after = e.extent(startOf(entries[len(entries)-1].Key))
	}
	if after < 0 {
		after = 0
	}
	line := strings.TrimRight(strings.Repeat(" ", at.column-1)+key+": "+text, " ")
	e.src.lines = slices.Insert(e.src.lines, min(after+1, len(e.src.lines)), line)
	return nil
}

// dash is where the dash of an element stands.
func (e *editor) dash(element ast.Node) (place, error) {
	at := startOf(element)
	line := e.src.lines[at.line-1]
	indent := len(line) - len(strings.TrimLeft(line, " "))
	if !strings.HasPrefix(line[indent:], "-") {
		return place{}, ErrEdit
	}
	return place{at.line, indent + 1}, nil
}

func (e *editor) appendTo(seq *ast.SequenceNode, value any) error {
	text, err := flowText(value)
	if err != nil {
		return err
	}
	at, err := e.dash(seq.Values[len(seq.Values)-1])
	if err != nil {
		return err
	}
	e.src.lines = slices.Insert(e.src.lines, e.extent(at)+1, strings.Repeat(" ", at.column-1)+"- "+text)
	return nil
}

// element replaces or removes one element of a block sequence.
func (e *editor) element(seq *ast.SequenceNode, i int, c Change) error {
	if seq.IsFlowStyle || c.Op == OpAppend || len(seq.Values) == 1 && c.Op == OpRemove {
		return ErrEdit
	}
	at, err := e.dash(seq.Values[i])
	if err != nil {
		return err
	}
	first, last := at.line-1, e.extent(at)
	if c.Op == OpRemove {
		e.src.lines = slices.Delete(e.src.lines, first, last+1)
		return nil
	}
	text, err := flowText(c.Value)
	if err != nil {
		return err
	}
	e.src.lines = slices.Replace(e.src.lines, first, last+1, strings.Repeat(" ", at.column-1)+"- "+text)
	return nil
}
