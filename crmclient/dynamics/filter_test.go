package dynamics_test

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Filters as the specification has them, as far as the connector needs them. What it does not know is an error.

var filterToken = regexp.MustCompile(`^(?:\s*)('(?:[^']|'')*'|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d{4}-\d\d-\d\dT[0-9:]+Z|-?\d+(?:\.\d+)?|[A-Za-z_][A-Za-z0-9_]*|[(),])`)

type filter struct {
	tokens []string
	kind   func(column string) (string, bool)
	get    func(row map[string]any, column string) any
}

type test = func(row map[string]any) bool

func parseFilter(text string, kind func(string) (string, bool), get func(map[string]any, string) any) (test, error) {
	f := &filter{kind: kind, get: get}
	for rest := text; strings.TrimSpace(rest) != ""; {
		m := filterToken.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("syntax error at %q", rest)
		}
		f.tokens = append(f.tokens, m[1])
		rest = rest[len(m[0]):]
	}
	t, err := f.or()
	if err == nil && len(f.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", f.tokens[0])
	}
	return t, err
}

func (f *filter) next() string {
	if len(f.tokens) == 0 {
		return ""
	}
	t := f.tokens[0]
	f.tokens = f.tokens[1:]
	return t
}

func (f *filter) take(word string) bool {
	if len(f.tokens) > 0 && f.tokens[0] == word {
		f.next()
		return true
	}
	return false
}

func (f *filter) or() (test, error) {
	a, err := f.and()
	for err == nil && f.take("or") {
		var b test
		left := a
		if b, err = f.and(); err == nil {
			a = func(r map[string]any) bool { return left(r) || b(r) }
		}
	}
	return a, err
}

func (f *filter) and() (test, error) {
	a, err := f.leaf()
	for err == nil && f.take("and") {
		var b test
		left := a
		if b, err = f.leaf(); err == nil {
			a = func(r map[string]any) bool { return left(r) && b(r) }
		}
	}
	return a, err
}

func unquote(t string) (string, bool) {
	if len(t) < 2 || t[0] != '\'' {
		return "", false
	}
	return strings.ReplaceAll(t[1:len(t)-1], "''", "'"), true
}

func (f *filter) leaf() (test, error) {
	if f.take("(") {
		t, err := f.or()
		if err == nil && !f.take(")") {
			err = fmt.Errorf("a parenthesis is missing")
		}
		return t, err
	}
	word := f.next()
	if (word == "contains" || word == "endswith") && f.take("(") {
		column := f.next()
		kind, ok := f.kind(column)
		if !ok || kind != "String" && kind != "Memo" || !f.take(",") {
			return nil, fmt.Errorf("Could not find a property named '%s' on type 'x'", column)
		}
		part, ok := unquote(f.next())
		if !ok || !f.take(")") {
			return nil, fmt.Errorf("%s needs a text", word)
		}
		return func(r map[string]any) bool {
			v, _ := f.get(r, column).(string)
			v, p := strings.ToLower(v), strings.ToLower(part)
			return word == "contains" && strings.Contains(v, p) || word == "endswith" && strings.HasSuffix(v, p)
		}, nil
	}
	kind, ok := f.kind(word)
	if !ok {
		return nil, fmt.Errorf("Could not find a property named '%s' on type 'x'", word)
	}
	return f.compare(word, kind, f.next(), f.next())
}

func (f *filter) compare(column, kind, op, value string) (test, error) {
	order := func(n int) bool {
		switch op {
		case "eq":
			return n == 0
		case "ne":
			return n != 0
		case "lt":
			return n < 0
		case "le":
			return n <= 0
		case "gt":
			return n > 0
		}
		return n >= 0
	}
	if !strings.Contains(" eq ne lt le gt ge ", " "+op+" ") {
		return nil, fmt.Errorf("unknown operator %q", op)
	}
	if value == "null" {
		return func(r map[string]any) bool { v := f.get(r, column); return (v == nil || v == "") == (op == "eq") }, nil
	}
	wrong := fmt.Errorf("a %s cannot be compared with %q", kind, value)
	switch kind {
	case "String", "Memo":
		want, ok := unquote(value)
		if !ok {
			return nil, wrong
		}
		return func(r map[string]any) bool {
			v, ok := f.get(r, column).(string)
			return (ok || op == "ne") && order(cmp.Compare(strings.ToLower(v), strings.ToLower(want)))
		}, nil
	case "Uniqueidentifier", "Lookup", "Owner":
		if len(value) != 36 {
			return nil, wrong
		}
		return func(r map[string]any) bool {
			v, ok := f.get(r, column).(string)
			return ok && order(cmp.Compare(v, strings.ToLower(value)))
		}, nil
	case "Boolean":
		if value != "true" && value != "false" {
			return nil, wrong
		}
		return func(r map[string]any) bool { v, _ := f.get(r, column).(bool); return v == (value == "true") }, nil
	case "DateTime":
		at, err := time.Parse("2006-01-02T15:04:05Z", value)
		if err != nil {
			return nil, wrong
		}
		return func(r map[string]any) bool { v, ok := f.get(r, column).(time.Time); return ok && order(v.Compare(at)) }, nil
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return nil, wrong
	}
	return func(r map[string]any) bool {
		v, ok := f.get(r, column).(float64)
		return ok && order(cmp.Compare(v, n)) || !ok && op == "ne"
	}, nil
}
