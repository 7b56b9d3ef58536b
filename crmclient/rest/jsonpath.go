package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxPath   = 512     // bytes of one path: written by hand
	maxSelect = 32      // selectors of one path
	maxNodes  = 100_000 // values that one path may select: more than an answer of 1 MiB reasonably holds
)

// jsonPath is a JSONPath (RFC 9535) without slices, unions and descendants: $ · .name · ['name'] · [0] · [-1] · [*] · .* · and
// filters that compare one value with one literal, [?@.type == 'email'] and [?@.deleted].
type jsonPath struct {
	text      string
	selectors []selector
}

// selector chooses among the children of a value.
type selector struct {
	kind  selectorKind
	name  string
	index int
	test  *filter
}

type selectorKind int

const (
	byName selectorKind = iota
	byIndex
	all
	byFilter
)

// filter is a test of one value.
type filter struct {
	path     []selector // relative to the child
	operator string     // ==, !=, or empty: it is there
	literal  any        // string, json.Number, bool or nil
}

// parsePath reads a path.
func parsePath(text string) (*jsonPath, error) {
	if len(text) > maxPath || !utf8.ValidString(text) {
		return nil, fmt.Errorf("the path is longer than %d bytes or not UTF-8", maxPath)
	}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, errors.New("a path begins with $")
	}
	p := pathParser{rest: rest}
	selectors, err := p.selectors(true)
	if err == nil && p.rest != "" {
		err = fmt.Errorf("%q is not expected", excerpt(p.rest))
	}
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", text, err)
	}
	return &jsonPath{text: text, selectors: selectors}, nil
}

// String returns the path as it was written.
func (p *jsonPath) String() string { return p.text }

type pathParser struct{ rest string }

// selectors reads as many as there are. Filters cannot be nested.
func (p *pathParser) selectors(filters bool) ([]selector, error) {
	var out []selector
	for {
		var s selector
		var err error
		switch {
		case strings.HasPrefix(p.rest, ".."):
			return nil, errors.New("descendants (..) are not supported")
		case strings.HasPrefix(p.rest, ".*"):
			p.rest, s.kind = p.rest[2:], all
		case strings.HasPrefix(p.rest, "."):
			p.rest = p.rest[1:]
			if s.name = p.name(); s.name == "" {
				return nil, errors.New("a name is missing after the dot")
			}
		case strings.HasPrefix(p.rest, "["):
			p.rest = p.rest[1:]
			s, err = p.bracket(filters)
		default:
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, s); len(out) > maxSelect {
			return nil, fmt.Errorf("more than %d parts", maxSelect)
		}
	}
}

// name reads a member name in its short form (RFC 9535, 2.5.1.1).
func (p *pathParser) name() string {
	i := 0
	for i < len(p.rest) {
		c := p.rest[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
		if !letter && (i == 0 || c < '0' || c > '9') {
			break
		}
		i++
	}
	n := p.rest[:i]
	p.rest = p.rest[i:]
	return n
}

func (p *pathParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\n\r") }

func (p *pathParser) bracket(filters bool) (selector, error) {
	var s selector
	var err error
	p.space()
	switch {
	case p.rest == "":
		return s, errors.New("a bracket is not closed")
	case p.rest[0] == '*':
		p.rest, s.kind = p.rest[1:], all
	case p.rest[0] == '\'' || p.rest[0] == '"':
		s.name, err = p.quoted()
	case p.rest[0] == '?':
		if !filters {
			return s, errors.New("filters cannot be nested")
		}
		p.rest, s.kind = p.rest[1:], byFilter
		s.test, err = p.filter()
	default:
		s.kind = byIndex
		s.index, err = p.integer()
	}
	if err != nil {
		return s, err
	}
	p.space()
	rest, closed := strings.CutPrefix(p.rest, "]")
	if !closed {
		return s, errors.New("a bracket is not closed, or holds more than one selector")
	}
	p.rest = rest
	return s, nil
}

func (p *pathParser) integer() (int, error) {
	i := 0
	for i < len(p.rest) && (p.rest[i] == '-' && i == 0 || p.rest[i] >= '0' && p.rest[i] <= '9') {
		i++
	}
	n, err := strconv.ParseInt(p.rest[:i], 10, 32)
	if err != nil || strings.HasPrefix(p.rest, "-0") || i > 1 && p.rest[0] == '0' {
		return 0, fmt.Errorf("%q is neither a number, a name in quotes, * nor a filter", excerpt(p.rest))
	}
	p.rest = p.rest[i:]
	return int(n), nil
}

// quoted reads a text in single or double quotes, with a backslash before quotes and backslashes.
func (p *pathParser) quoted() (string, error) {
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == quote:
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\':
			if i++; i == len(p.rest) || !strings.ContainsRune(`\'"/`, rune(p.rest[i])) {
				return "", errors.New("only quotes and backslashes may follow a backslash")
			}
			b.WriteByte(p.rest[i])
		case c < ' ':
			return "", errors.New("a control character in a text")
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("a text in quotes is not closed")
}

func (p *pathParser) filter() (*filter, error) {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, "@")
	if !ok {
		return nil, errors.New("a filter begins with ?@")
	}
	p.rest = rest
	f := &filter{}
	var err error
	if f.path, err = p.selectors(false); err != nil {
		return nil, err
	}
	for _, s := range f.path {
		if s.kind == all {
			return nil, errors.New("a filter compares one value: no * in it")
		}
	}
	p.space()
	for _, op := range []string{"==", "!="} {
		if rest, ok := strings.CutPrefix(p.rest, op); ok {
			p.rest, f.operator = rest, op
			p.space()
			f.literal, err = p.literal()
			break
		}
	}
	return f, err
}

func (p *pathParser) literal() (any, error) {
	if p.rest != "" && (p.rest[0] == '\'' || p.rest[0] == '"') {
		return p.quoted()
	}
	for word, v := range map[string]any{"true": true, "false": false, "null": nil} {
		if rest, ok := strings.CutPrefix(p.rest, word); ok {
			p.rest = rest
			return v, nil
		}
	}
	i := 0
	for i < len(p.rest) && strings.IndexByte("+-.eE0123456789", p.rest[i]) >= 0 {
		i++
	}
	n := json.Number(p.rest[:i])
	if _, err := n.Float64(); err != nil || !json.Valid([]byte(n)) {
		return nil, errors.New("a filter compares with a text in quotes, a number, true, false or null")
	}
	p.rest = p.rest[i:]
	return n, nil
}

// Select returns the values at the path, in the order of the document; the members of an object by name.
func (p *jsonPath) Select(root any) []any { return choose([]any{root}, p.selectors) }

func choose(at []any, selectors []selector) []any {
	for _, s := range selectors {
		var next []any
		for _, v := range at {
			next = s.choose(v, next)
			if len(next) > maxNodes {
				return next[:maxNodes]
			}
		}
		at = next
	}
	return at
}

func (s *selector) choose(v any, out []any) []any {
	switch s.kind {
	case byName:
		if m, ok := v.(map[string]any); ok {
			if child, ok := m[s.name]; ok {
				return append(out, child)
			}
		}
		return out
	case byIndex:
		if list, ok := v.([]any); ok {
			i := s.index
			if i < 0 {
				i += len(list)
			}
			if i >= 0 && i < len(list) {
				return append(out, list[i])
			}
		}
		return out
	case all, byFilter:
	}
	for _, child := range children(v) {
		if s.kind == all || s.test.holds(child) {
			out = append(out, child)
		}
	}
	return out
}

func children(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		out := make([]any, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, v[k])
		}
		return out
	}
	return nil
}

func (f *filter) holds(child any) bool {
	found := choose([]any{child}, f.path)
	switch f.operator {
	case "==":
		return len(found) == 1 && sameValue(found[0], f.literal)
	case "!=":
		return len(found) == 0 || !sameValue(found[0], f.literal)
	}
	return len(found) > 0
}

// sameValue compares two single values; numbers by what they are worth.
func sameValue(a, b any) bool {
	na, isNumber := a.(json.Number)
	nb, both := b.(json.Number)
	if isNumber && both {
		if na == nb {
			return true
		}
		fa, errA := na.Float64()
		fb, errB := nb.Float64()
		return errA == nil && errB == nil && fa == fb
	}
	switch a.(type) {
	case nil, string, bool:
		return a == b
	}
	return false
}
