package salesforce_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A query language as the specification has it, as far as the connector needs it. It is strict: what it does not know is an error.

type soqlToken struct {
	kind  byte // w word, s string, n number or date, p punctuation
	text  string
	exact []bool // of a string: the rune was escaped, so that LIKE takes it as it is
}

func soqlTokens(q string) ([]soqlToken, error) {
	var out []soqlToken
	rs := []rune(q)
	for i := 0; i < len(rs); {
		r := rs[i]
		switch {
		case r == ' ':
			i++
		case r == '\'':
			tok := soqlToken{kind: 's'}
			var b strings.Builder
			for i++; ; i++ {
				if i >= len(rs) {
					return nil, fmt.Errorf("the string does not end")
				}
				c, escaped := rs[i], false
				if c == '\'' {
					i++
					break
				}
				if c < ' ' {
					return nil, fmt.Errorf("a control character in a string")
				}
				if c == '\\' {
					i++
					switch rs[i] {
					case '\'', '\\', '%', '_':
						c = rs[i]
					case 'n':
						c = '\n'
					case 'r':
						c = '\r'
					default:
						return nil, fmt.Errorf("the escape \\%c is not known", rs[i])
					}
					escaped = true
				}
				b.WriteRune(c)
				tok.exact = append(tok.exact, escaped)
			}
			tok.text = b.String()
			out = append(out, tok)
		case unicode.IsLetter(r) || r == '_':
			j := i
			for j < len(rs) && (unicode.IsLetter(rs[j]) || unicode.IsDigit(rs[j]) || rs[j] == '_' || rs[j] == '.') {
				j++
			}
			out = append(out, soqlToken{kind: 'w', text: string(rs[i:j])})
			i = j
		case unicode.IsDigit(r) || r == '-':
			j := i
			for j < len(rs) && (unicode.IsDigit(rs[j]) || strings.ContainsRune("-:.TZ", rs[j])) {
				j++
			}
			out = append(out, soqlToken{kind: 'n', text: string(rs[i:j])})
			i = j
		default:
			two := string(rs[i:min(i+2, len(rs))])
			if slices.Contains([]string{"!=", "<=", ">="}, two) {
				out = append(out, soqlToken{kind: 'p', text: two})
				i += 2
				continue
			}
			if !strings.ContainsRune("(),=<>", r) {
				return nil, fmt.Errorf("unexpected %c", r)
			}
			out = append(out, soqlToken{kind: 'p', text: string(r)})
			i++
		}
	}
	return out, nil
}

// soqlQuery is a query that was read.
type soqlQuery struct {
	fields []string
	object string
	where  func(get func(string) any) bool
	order  []string // with a - before falling ones
	limit  int
}

type soqlParser struct {
	tokens []soqlToken
	at     int
	field  func(name string) (kind string, err error)
}

func (p *soqlParser) peek() soqlToken {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return soqlToken{}
}

func (p *soqlParser) take(word string) bool {
	t := p.peek()
	if t.kind != 's' && t.kind != 0 && strings.EqualFold(t.text, word) {
		p.at++
		return true
	}
	return false
}

func (p *soqlParser) need(word string) error {
	if !p.take(word) {
		return fmt.Errorf("expected %s, found %q", word, p.peek().text)
	}
	return nil
}

func (p *soqlParser) name() (string, error) {
	t := p.peek()
	if t.kind != 'w' {
		return "", fmt.Errorf("expected a name, found %q", t.text)
	}
	p.at++
	return t.text, nil
}

// parseSOQL reads a query. fieldOf returns the function that knows the fields of an object.
func parseSOQL(q string, fieldOf func(object string) (func(string) (string, error), error)) (*soqlQuery, error) {
	tokens, err := soqlTokens(q)
	if err != nil {
		return nil, err
	}
	p := &soqlParser{tokens: tokens}
	out := &soqlQuery{where: func(func(string) any) bool { return true }}
	if err := p.need("SELECT"); err != nil {
		return nil, err
	}
	for {
		n, err := p.name()
		if err != nil {
			return nil, err
		}
		out.fields = append(out.fields, n)
		if !p.take(",") {
			break
		}
	}
	if err := p.need("FROM"); err != nil {
		return nil, err
	}
	if out.object, err = p.name(); err != nil {
		return nil, err
	}
	if p.field, err = fieldOf(out.object); err != nil {
		return nil, err
	}
	for i, f := range out.fields {
		if _, err := p.field(f); err != nil {
			return nil, err
		}
		if slices.Contains(out.fields[:i], f) {
			return nil, fmt.Errorf("duplicate field selected: %s", f)
		}
	}
	if p.take("WHERE") {
		if out.where, err = p.or(); err != nil {
			return nil, err
		}
	}
	return out, p.tail(out)
}

func (p *soqlParser) tail(out *soqlQuery) error {
	if p.take("ORDER") {
		if err := p.need("BY"); err != nil {
			return err
		}
		for {
			n, err := p.name()
			if err != nil {
				return err
			}
			if _, err := p.field(n); err != nil {
				return err
			}
			if p.take("DESC") {
				n = "-" + n
			}
			out.order = append(out.order, n)
			if !p.take(",") {
				break
			}
		}
	}
	if p.take("LIMIT") {
		n, err := strconv.Atoi(p.peek().text)
		if err != nil {
			return err
		}
		p.at++
		out.limit = n
	}
	if p.at != len(p.tokens) {
		return fmt.Errorf("unexpected token: %s", p.peek().text)
	}
	return nil
}

type soqlTest = func(get func(string) any) bool

func (p *soqlParser) or() (soqlTest, error) {
	a, word, err := p.and()
	if err != nil {
		return nil, err
	}
	for p.take("OR") {
		b, _, err := p.and()
		if err != nil {
			return nil, err
		}
		if word { // Salesforce refuses AND and OR without parentheses
			return nil, fmt.Errorf("AND and OR are mixed without parentheses")
		}
		left := a
		a = func(g func(string) any) bool { return left(g) || b(g) }
	}
	return a, nil
}

func (p *soqlParser) and() (test soqlTest, several bool, err error) {
	a, err := p.leaf()
	if err != nil {
		return nil, false, err
	}
	for p.take("AND") {
		b, err := p.leaf()
		if err != nil {
			return nil, false, err
		}
		left := a
		a = func(g func(string) any) bool { return left(g) && b(g) }
		several = true
	}
	return a, several, nil
}

func (p *soqlParser) leaf() (soqlTest, error) {
	if p.take("(") {
		t, err := p.or()
		if err != nil {
			return nil, err
		}
		return t, p.need(")")
	}
	field, err := p.name()
	if err != nil {
		return nil, err
	}
	kind, err := p.field(field)
	if err != nil {
		return nil, err
	}
	if kind == "longtext" || kind == "idlist" {
		return nil, fmt.Errorf("field '%s' can not be filtered in a query call", field)
	}
	op := strings.ToUpper(p.peek().text)
	p.at++
	switch op {
	case "IN":
		if err := p.need("("); err != nil {
			return nil, err
		}
		var tests []soqlTest
		for {
			t, err := p.compare(field, kind, "=")
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
			if !p.take(",") {
				break
			}
		}
		return func(g func(string) any) bool {
			return slices.ContainsFunc(tests, func(t soqlTest) bool { return t(g) })
		}, p.need(")")
	case "LIKE":
		t := p.peek()
		p.at++
		if t.kind != 's' || kind != "string" {
			return nil, fmt.Errorf("LIKE needs a string and a field of text")
		}
		return func(g func(string) any) bool {
			v, _ := g(field).(string)
			return likeMatch([]rune(strings.ToLower(t.text)), t.exact, []rune(strings.ToLower(v)))
		}, nil
	case "=", "!=", "<", ">", "<=", ">=":
		return p.compare(field, kind, op)
	}
	return nil, fmt.Errorf("unknown operator %q", op)
}

func likeMatch(pattern []rune, exact []bool, v []rune) bool {
	if len(pattern) == 0 {
		return len(v) == 0
	}
	switch {
	case pattern[0] == '%' && !exact[0]:
		for i := range len(v) + 1 {
			if likeMatch(pattern[1:], exact[1:], v[i:]) {
				return true
			}
		}
		return false
	case len(v) == 0:
		return false
	case pattern[0] == '_' && !exact[0], pattern[0] == v[0]:
		return likeMatch(pattern[1:], exact[1:], v[1:])
	}
	return false
}

// compare reads a literal of the kind of the field.
func (p *soqlParser) compare(field, kind, op string) (soqlTest, error) {
	t := p.peek()
	p.at++
	order := func(n int) bool {
		switch op {
		case "=":
			return n == 0
		case "!=":
			return n != 0
		case "<":
			return n < 0
		case ">":
			return n > 0
		case "<=":
			return n <= 0
		}
		return n >= 0
	}
	wrong := fmt.Errorf("value of filter criterion for field '%s' must be of type %s", field, kind)
	switch {
	case t.kind == 'w' && strings.EqualFold(t.text, "null"):
		return func(g func(string) any) bool { v := g(field); return (v == nil || v == "") == (op == "=") }, nil
	case kind == "boolean":
		if t.kind != 'w' || t.text != "true" && t.text != "false" && t.text != "TRUE" && t.text != "FALSE" {
			return nil, wrong
		}
		want := strings.EqualFold(t.text, "true")
		return func(g func(string) any) bool { v, _ := g(field).(bool); return (v == want) == (op == "=") }, nil
	case kind == "datetime":
		at, err := time.Parse("2006-01-02T15:04:05.000Z", t.text)
		if t.kind != 'n' || err != nil {
			return nil, wrong
		}
		return func(g func(string) any) bool {
			v, ok := g(field).(time.Time)
			return ok && order(v.Compare(at))
		}, nil
	case kind == "date":
		if _, err := time.Parse(time.DateOnly, t.text); t.kind != 'n' || err != nil {
			return nil, wrong
		}
		return func(g func(string) any) bool {
			v, _ := g(field).(string)
			return v != "" && order(cmp.Compare(v, t.text))
		}, nil
	case kind == "double":
		n, err := strconv.ParseFloat(t.text, 64)
		if t.kind != 'n' || err != nil {
			return nil, wrong
		}
		return func(g func(string) any) bool {
			v, ok := g(field).(float64)
			return ok && order(cmp.Compare(v, n))
		}, nil
	case t.kind != 's':
		return nil, wrong
	case kind == "id":
		return func(g func(string) any) bool { v, _ := g(field).(string); return order(cmp.Compare(v, t.text)) }, nil
	}
	want := strings.ToLower(t.text)
	return func(g func(string) any) bool {
		v, _ := g(field).(string)
		return order(cmp.Compare(strings.ToLower(v), want))
	}, nil
}
