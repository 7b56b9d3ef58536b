package report

import (
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"heliograph/internal/decimal"
)

// valueType is what an expression gives.
type valueType string

const (
	typeNumber valueType = "a number"
	typeBool   valueType = "true or false"
	typeText   valueType = "a text"
	typeTime   valueType = "a date"
)

func (c Column) valueType() valueType {
	switch c.Kind {
	case Number, Money, Percent:
		return typeNumber
	case Bool:
		return typeBool
	case Date, DateTime:
		return typeTime
	}
	return typeText
}

func (t valueType) kind() Kind {
	switch t {
	case typeNumber:
		return Number
	case typeBool:
		return Bool
	case typeTime:
		return Date
	}
	return Text
}

// node is one part of a parsed expression. What is missing stays missing: an operator with nothing on one side gives nothing.
// eval gets the row and the zone in which days begin; it fails when a cell is not what its column says.
type node struct {
	gives valueType
	eval  func(row []any, zone *time.Location) (any, error)
	reads []int // indexes of the columns that it reads
}

// compileExpr parses an expression over the columns of t: a - b, round(a / b, 4), if(a > b, 'over', 'within'), month(created).
// A name with blanks or signs stands in brackets: [实际 金额].
func compileExpr(text string, columns []Column) (*node, error) {
	if err := bound("characters of an expression", len(text), maxExpression); err != nil {
		return nil, err
	}
	p := &exprParser{rest: text, columns: columns}
	n, err := p.comparison(0)
	if err == nil && p.peek() != "" {
		err = wrong("%q is not expected here", p.peek())
	}
	if err != nil {
		return nil, wrong("expression %q: %w", text, err)
	}
	return n, nil
}

func (n *node) number(row []any, zone *time.Location) (*big.Rat, error) {
	v, err := n.eval(row, zone)
	if err != nil || v == nil {
		return nil, err
	}
	r, ok := rational(v)
	if !ok {
		return nil, wrong("%q is not a number", shorten(fmt.Sprint(v), 40))
	}
	return r, nil
}

func columnNode(at int, c Column) *node {
	return &node{gives: c.valueType(), reads: []int{at}, eval: func(row []any, _ *time.Location) (any, error) {
		v := row[at]
		if s, ok := v.(string); ok && s == "" {
			return nil, nil
		}
		if v == nil {
			return nil, nil
		}
		ok := true
		switch c.valueType() {
		case typeNumber:
			_, ok = rational(v)
		case typeBool:
			_, ok = v.(bool)
		case typeTime:
			_, ok = v.(time.Time)
		}
		if !ok {
			return nil, wrong("column %q holds %q, which is not %s", c.Key, shorten(fmt.Sprint(v), 40), c.valueType())
		}
		return v, nil
	}}
}

func literal(v any, gives valueType) *node {
	return &node{gives: gives, eval: func([]any, *time.Location) (any, error) { return v, nil }}
}

// arithmetic joins two numbers by + - * /. Dividing by zero gives nothing.
func arithmetic(op string, a, b *node) (*node, error) {
	for _, side := range []*node{a, b} {
		if side.gives != typeNumber {
			return nil, wrong("%s takes numbers, not %s", op, side.gives)
		}
	}
	return &node{gives: typeNumber, reads: append(append([]int{}, a.reads...), b.reads...), eval: func(row []any, zone *time.Location) (any, error) {
		x, err := a.number(row, zone)
		if err != nil || x == nil {
			return nil, err
		}
		y, err := b.number(row, zone)
		if err != nil || y == nil {
			return nil, err
		}
		z := new(big.Rat)
		switch op {
		case "+":
			z.Add(x, y)
		case "-":
			z.Sub(x, y)
		case "*":
			z.Mul(x, y)
		case "/":
			if y.Sign() == 0 {
				return nil, nil
			}
			z.Quo(x, y)
		}
		return small(z)
	}}, nil
}

// small refuses numbers that grow without reason.
func small(z *big.Rat) (any, error) {
	n := number(z)
	if len(n) > decimal.MaxText {
		return nil, wrong("a number grew over %d digits", decimal.MaxText)
	}
	return n, nil
}

// comparing joins two values of one type by = != < <= > >=.
func comparing(op string, a, b *node) (*node, error) {
	if a.gives != b.gives {
		return nil, wrong("%s compares values of one kind, not %s with %s", op, a.gives, b.gives)
	}
	return &node{gives: typeBool, reads: append(append([]int{}, a.reads...), b.reads...), eval: func(row []any, zone *time.Location) (any, error) {
		x, err := a.eval(row, zone)
		if err != nil || x == nil {
			return nil, err
		}
		y, err := b.eval(row, zone)
		if err != nil || y == nil {
			return nil, err
		}
		if a.gives == typeNumber {
			x, y = plain(x), plain(y)
		}
		order := compare(x, y)
		switch op {
		case "<":
			return order < 0, nil
		case "<=":
			return order <= 0, nil
		case ">":
			return order > 0, nil
		case ">=":
			return order >= 0, nil
		case "!=":
			return order != 0, nil
		}
		return order == 0, nil
	}}, nil
}

// plain turns a number that came as text into one.
func plain(v any) any {
	if r, ok := rational(v); ok {
		return number(r)
	}
	return v
}

// call is a function with its arguments.
func call(name string, args []*node) (*node, error) {
	f, ok := functions[name]
	if !ok {
		return nil, wrong("there is no function %q", name)
	}
	if len(args) != len(f.takes) {
		return nil, wrong("%s takes %d values, not %d", name, len(f.takes), len(args))
	}
	gives := f.gives
	var reads []int
	for i, a := range args {
		want := f.takes[i]
		if want == anyType {
			if gives == anyType {
				gives = a.gives
			} else if f.gives == anyType && gives != a.gives {
				return nil, wrong("both results of %s must be of one kind, not %s and %s", name, gives, a.gives)
			}
		} else if a.gives != want {
			return nil, wrong("value %d of %s is %s, not %s", i+1, name, want, a.gives)
		}
		reads = append(reads, a.reads...)
	}
	return &node{gives: gives, reads: reads, eval: func(row []any, zone *time.Location) (any, error) {
		values := make([]any, len(args))
		for i, a := range args {
			v, err := a.eval(row, zone)
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
		return f.run(values, zone)
	}}, nil
}

const anyType valueType = ""

// functions are all that an expression can call.
var functions = map[string]struct {
	takes []valueType
	gives valueType
	run   func(v []any, zone *time.Location) (any, error)
}{
	"abs":     {[]valueType{typeNumber}, typeNumber, func(v []any, _ *time.Location) (any, error) { return numeric(v, new(big.Rat).Abs) }},
	"zero":    {[]valueType{typeNumber}, typeNumber, zeroed},
	"round":   {[]valueType{typeNumber, typeNumber}, typeNumber, rounded},
	"if":      {[]valueType{typeBool, anyType, anyType}, anyType, chosen},
	"month":   {[]valueType{typeTime}, typeText, func(v []any, zone *time.Location) (any, error) { return period(v[0], "month", zone), nil }},
	"quarter": {[]valueType{typeTime}, typeText, func(v []any, zone *time.Location) (any, error) { return period(v[0], "quarter", zone), nil }},
	"year":    {[]valueType{typeTime}, typeText, func(v []any, zone *time.Location) (any, error) { return period(v[0], "year", zone), nil }},
	"day":     {[]valueType{typeTime}, typeText, func(v []any, zone *time.Location) (any, error) { return period(v[0], "day", zone), nil }},
}

func numeric(v []any, f func(*big.Rat) *big.Rat) (any, error) {
	r, ok := rational(v[0])
	if !ok {
		return nil, nil
	}
	return small(f(r))
}

func zeroed(v []any, _ *time.Location) (any, error) {
	if v[0] == nil {
		return json.Number("0"), nil
	}
	return v[0], nil
}

func rounded(v []any, _ *time.Location) (any, error) {
	r, ok := rational(v[0])
	places, given := rational(v[1])
	if !ok || !given {
		return nil, nil
	}
	if !places.IsInt() || places.Sign() < 0 || places.Num().Cmp(big.NewInt(roundedPlaces)) > 0 {
		return nil, wrong("round takes 0 to %d places", roundedPlaces)
	}
	return json.Number(r.FloatString(int(places.Num().Int64()))), nil
}

func chosen(v []any, _ *time.Location) (any, error) {
	condition, known := v[0].(bool)
	switch {
	case !known:
		return nil, nil
	case condition:
		return v[1], nil
	}
	return v[2], nil
}

// period gives the day, month, quarter or year that a time lies in, as a text that sorts.
func period(v any, per string, zone *time.Location) any {
	t, ok := v.(time.Time)
	if !ok {
		return nil
	}
	t = t.In(zone)
	switch per {
	case "day":
		return t.Format(time.DateOnly)
	case "quarter":
		return fmt.Sprintf("%04d-Q%d", t.Year(), (int(t.Month())+2)/3)
	case "year":
		return t.Format("2006")
	}
	return t.Format("2006-01")
}
