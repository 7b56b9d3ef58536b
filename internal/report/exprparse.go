package report

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"heliograph/internal/decimal"
)

const (
	maxExpression = 1000 // bytes; people write a line
	maxNesting    = 30   // of brackets and functions
)

// exprParser reads an expression by recursive descent: comparison > sum > product > sign > value.
type exprParser struct {
	rest    string
	columns []Column
}

var exprSigns = []string{"<=", ">=", "!=", "<>", "==", "=", "<", ">", "+", "-", "*", "/", "(", ")", ","}

// peek shows the sign that comes next, or the first letter of something else.
func (p *exprParser) peek() string {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	for _, sign := range exprSigns {
		if strings.HasPrefix(p.rest, sign) {
			return sign
		}
	}
	_, size := utf8.DecodeRuneInString(p.rest)
	return p.rest[:size]
}

func (p *exprParser) take(signs ...string) string {
	next := p.peek()
	for _, sign := range signs {
		if next == sign {
			p.rest = p.rest[len(sign):]
			return sign
		}
	}
	return ""
}

func (p *exprParser) comparison(depth int) (*node, error) {
	if depth > maxNesting {
		return nil, wrong("nested deeper than %d", maxNesting)
	}
	a, err := p.sum(depth)
	if err != nil {
		return nil, err
	}
	op := p.take("<=", ">=", "!=", "<>", "==", "=", "<", ">")
	if op == "" {
		return a, nil
	}
	if op == "<>" {
		op = "!="
	}
	b, err := p.sum(depth)
	if err != nil {
		return nil, err
	}
	return comparing(op, a, b)
}

func (p *exprParser) sum(depth int) (*node, error) {
	a, err := p.product(depth)
	for err == nil {
		op := p.take("+", "-")
		if op == "" {
			return a, nil
		}
		var b *node
		if b, err = p.product(depth); err == nil {
			a, err = arithmetic(op, a, b)
		}
	}
	return nil, err
}

func (p *exprParser) product(depth int) (*node, error) {
	a, err := p.sign(depth)
	for err == nil {
		op := p.take("*", "/")
		if op == "" {
			return a, nil
		}
		var b *node
		if b, err = p.sign(depth); err == nil {
			a, err = arithmetic(op, a, b)
		}
	}
	return nil, err
}

func (p *exprParser) sign(depth int) (*node, error) {
	if p.take("-") == "" {
		return p.value(depth)
	}
	n, err := p.value(depth)
	if err != nil {
		return nil, err
	}
	return arithmetic("-", literal(json.Number("0"), typeNumber), n)
}

func (p *exprParser) value(depth int) (*node, error) {
	next := p.peek()
	switch {
	case next == "":
		return nil, wrong("something is missing at the end")
	case next == "(":
		p.take("(")
		n, err := p.comparison(depth + 1)
		if err == nil && p.take(")") == "" {
			err = wrong("a bracket is not closed")
		}
		return n, err
	case next == "'" || next == `"`:
		text, after, closed := strings.Cut(p.rest[1:], next)
		if !closed {
			return nil, wrong("a quote is not closed")
		}
		p.rest = after
		return literal(text, typeText), nil
	case next == "[":
		key, after, closed := strings.Cut(p.rest[1:], "]")
		if !closed {
			return nil, wrong("a bracket is not closed")
		}
		p.rest = after
		return p.column(key)
	case next[0] >= '0' && next[0] <= '9':
		return p.literalNumber()
	}
	name := p.name()
	if name == "" {
		return nil, wrong("%q is not expected here", next)
	}
	if p.take("(") == "" {
		return p.column(name)
	}
	args, err := p.arguments(depth)
	if err != nil {
		return nil, err
	}
	return call(name, args)
}

func (p *exprParser) arguments(depth int) ([]*node, error) {
	var args []*node
	for {
		n, err := p.comparison(depth + 1)
		if err != nil {
			return nil, err
		}
		args = append(args, n)
		if p.take(",") != "" {
			continue
		}
		if p.take(")") == "" {
			return nil, wrong("a bracket is not closed")
		}
		return args, nil
	}
}

func (p *exprParser) literalNumber() (*node, error) {
	end := strings.IndexFunc(p.rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(p.rest)
	}
	text := p.rest[:end]
	p.rest = p.rest[end:]
	r, ok := decimal.Parse(text)
	if !ok {
		return nil, wrong("%q is not a number", text)
	}
	if p.take("%") != "" {
		return nil, wrong("write %s%% as a fraction, like 0.05", text)
	}
	return literal(number(r), typeNumber), nil
}

func (p *exprParser) name() string {
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

func (p *exprParser) column(key string) (*node, error) {
	t := Table{Columns: p.columns}
	at, err := t.column(key)
	if err != nil {
		return nil, err
	}
	return columnNode(at, p.columns[at]), nil
}
