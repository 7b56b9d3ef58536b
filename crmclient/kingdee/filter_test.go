package kingdee_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// condition is one comparison of a filter, as the site's database reads it.
var condition = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.]*)(=|<>|<=|>=|<|>| IN | LIKE )`)

// errNoField is what the site answers with a code of its own.
var errNoField = errors.New("no such field")

// parseFilter reads a filter: comparisons joined by AND, texts in quotes with quotes doubled.
func parseFilter(filter string, f *form) (func(map[string]any) bool, error) {
	var tests []func(map[string]any) bool
	rest := filter
	for rest != "" {
		m := condition.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("no condition at %q", rest)
		}
		field, op := m[1], strings.TrimSpace(m[2])
		if _, ok := f.fields[field]; !ok && field != f.id {
			return nil, errNoField
		}
		rest = rest[len(m[0]):]
		var values []string
		var err error
		if op == "IN" {
			if values, rest, err = parseList(rest); err != nil {
				return nil, err
			}
		} else {
			values = make([]string, 1)
			if values[0], rest, err = parseValue(rest); err != nil {
				return nil, err
			}
		}
		tests = append(tests, test(field, op, values))
		if rest == "" {
			break
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, " AND "); !ok || rest == "" {
			return nil, fmt.Errorf("nothing joins %q", rest)
		}
	}
	return func(r map[string]any) bool {
		for _, t := range tests {
			if !t(r) {
				return false
			}
		}
		return true
	}, nil
}

func parseList(s string) (values []string, rest string, err error) {
	s, ok := strings.CutPrefix(s, "(")
	for ok {
		var v string
		if v, s, err = parseValue(s); err != nil {
			return nil, "", err
		}
		values = append(values, v)
		if s, ok = strings.CutPrefix(s, ","); ok {
			continue
		}
		s, ok = strings.CutPrefix(s, ")")
		if !ok {
			break
		}
		return values, s, nil
	}
	return nil, "", errors.New("the list does not end")
}

func parseValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, "'") {
		i := strings.IndexAny(s, " ,)")
		if i < 0 {
			i = len(s)
		}
		if i == 0 || strings.Trim(s[:i], "-0123456789.") != "" {
			return "", "", fmt.Errorf("no number at %q", s)
		}
		return s[:i], s[i:], nil
	}
	var b strings.Builder
	for s = s[1:]; ; {
		i := strings.IndexByte(s, '\'')
		if i < 0 {
			return "", "", errors.New("the text does not end")
		}
		b.WriteString(s[:i])
		if s = s[i+1:]; !strings.HasPrefix(s, "'") {
			return b.String(), s, nil
		}
		b.WriteByte('\'')
		s = s[1:]
	}
}

func test(field, op string, values []string) func(map[string]any) bool {
	return func(r map[string]any) bool {
		v := r[field]
		text := strings.ToLower(fmt.Sprint(v))
		if v == nil {
			text = ""
		}
		first := values[0]
		c := compare(v, first)
		if n, ok := v.(int64); ok {
			var want int64
			_, _ = fmt.Sscan(first, &want)
			c = compare(n, want)
		}
		switch op {
		case "=":
			return text == strings.ToLower(first)
		case "<>":
			return text != strings.ToLower(first)
		case "<":
			return c < 0
		case "<=":
			return c <= 0
		case ">":
			return c > 0
		case ">=":
			return c >= 0
		case "IN":
			for _, want := range values {
				if text == strings.ToLower(want) {
					return true
				}
			}
			return false
		}
		return strings.Contains(text, strings.ToLower(strings.Trim(first, "%")))
	}
}
