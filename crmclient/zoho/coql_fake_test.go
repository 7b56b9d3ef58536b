package zoho_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// question is a COQL query as far as the documentation shows the language.
type question struct {
	fields []string // read and asked for
	asked  []string
	module string
	where  func(map[string]any) bool
	order  []string
	limit  int
}

var lexer = regexp.MustCompile(`\s*('(?:[^'\\]|\\.|'')*'|[A-Za-z_$][A-Za-z0-9_.$]*|[0-9.]+|!=|<=|>=|[=<>(),])`)

type coqlParser struct {
	tokens []string
	asked  []string // fields of conditions
}

// parseCOQL reads a query; it panics with a text, which the fake answers as INVALID_QUERY.
func parseCOQL(query string) question {
	var p coqlParser
	rest := strings.TrimSpace(query)
	for rest != "" {
		m := lexer.FindStringSubmatch(rest)
		if m == nil || !strings.HasPrefix(rest, m[0]) {
			panic("unreadable at " + rest)
		}
		p.tokens = append(p.tokens, m[1])
		rest = strings.TrimSpace(rest[len(m[0]):])
	}
	var q question
	p.want("select")
	for {
		q.fields = append(q.fields, p.next())
		if p.peek() != "," {
			break
		}
		p.next()
	}
	p.want("from")
	q.module = p.next()
	p.want("where")
	q.where = p.condition()
	q.asked = p.asked
	if p.peek() == "order" {
		p.next()
		p.want("by")
		for {
			q.order = append(q.order, p.next())
			p.want("asc")
			if p.peek() != "," {
				break
			}
			p.next()
		}
	}
	p.want("limit")
	n, err := strconv.Atoi(p.next())
	if err != nil || n < 1 || n > 200 {
		panic("limit")
	}
	q.limit = n
	if len(p.tokens) > 0 {
		panic("more than a query: " + p.tokens[0])
	}
	return q
}

func (p *coqlParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *coqlParser) next() string {
	if len(p.tokens) == 0 {
		panic("the query ends too early")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *coqlParser) want(word string) {
	if got := p.next(); got != word {
		panic(fmt.Sprintf("%q where %q is wanted", got, word))
	}
}

// condition reads one test, or two in brackets: COQL takes no more than a pair in each.
func (p *coqlParser) condition() func(map[string]any) bool {
	if p.peek() != "(" {
		return p.test()
	}
	p.next()
	left := p.condition()
	op := p.next()
	right := p.condition()
	p.want(")")
	switch op {
	case "and":
		return func(r map[string]any) bool { return left(r) && right(r) }
	case "or":
		return func(r map[string]any) bool { return left(r) || right(r) }
	}
	panic("unknown " + op)
}

func (p *coqlParser) test() func(map[string]any) bool {
	field := p.next()
	p.asked = append(p.asked, field)
	switch op := p.next(); op {
	case "is":
		not := p.peek() == "not"
		if not {
			p.next()
		}
		p.want("null")
		return func(r map[string]any) bool { return (text(r[field]) == "") != not }
	case "in":
		p.want("(")
		var values []string
		for {
			values = append(values, p.literal())
			if p.next() == ")" {
				break
			}
		}
		return func(r map[string]any) bool { // without regard to case, as databases of this kind do
			return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, text(r[field])) })
		}
	case "like":
		part := strings.Trim(p.literal(), "%")
		return func(r map[string]any) bool { return strings.Contains(text(r[field]), part) }
	default:
		value := p.literal()
		return func(r map[string]any) bool {
			c := compare(text(r[field]), value)
			switch op {
			case "=":
				return c == 0
			case "!=":
				return c != 0 && text(r[field]) != ""
			case "<":
				return c < 0
			case "<=":
				return c <= 0
			case ">":
				return c > 0
			case ">=":
				return c >= 0
			}
			panic("unknown " + op)
		}
	}
}

func (p *coqlParser) literal() string {
	t := p.next()
	if inner, ok := strings.CutPrefix(t, "'"); ok {
		return strings.NewReplacer(`\'`, `'`, `\\`, `\`, `''`, `'`).Replace(strings.TrimSuffix(inner, "'"))
	}
	return t
}

func compare(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil && len(a) < 15 {
		return int(x - y)
	}
	if len(a) != len(b) && err1 == nil && err2 == nil {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case map[string]any:
		return text(x["id"])
	}
	return fmt.Sprint(v)
}
