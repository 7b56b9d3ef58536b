package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxTemplate = 16 << 10 // bytes of one template: they are written by hand
	maxSteps    = 16       // transforms of one placeholder
	maxParts    = 256      // placeholders of one template
	// maxOutput bounds the text that one template gives: more than the longest mail text that a connector is given.
	maxOutput = 8 << 20
)

// template is a text with placeholders: {{ subject | cut 200 }}. A placeholder begins with the name of a value
// or with a text in quotes, and may lead it through transforms.
type template struct {
	parts []part
}

// part is a text or a placeholder.
type part struct {
	text string
	expr *expression // nil for a text
}

// expression is what stands in a placeholder.
type expression struct {
	name    string // dotted; empty for a literal
	literal any
	steps   []step
}

// step is one transform with its arguments.
type step struct {
	name string
	args []string
	do   transform
}

// parseTemplate reads a template. The error says what is wrong and where.
func parseTemplate(text string) (*template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the template is longer than %d bytes", maxTemplate)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("the template is not UTF-8")
	}
	t := &template{}
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "{{")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !found {
			break
		}
		p := parser{rest: after}
		e, err := p.placeholder()
		if err != nil {
			return nil, fmt.Errorf("in the placeholder at byte %d: %w", len(text)-len(after), err)
		}
		t.parts = append(t.parts, part{expr: e})
		if len(t.parts) > maxParts {
			return nil, fmt.Errorf("more than %d parts", maxParts)
		}
		rest = p.rest
	}
	return t, nil
}

// parser reads the inside of a placeholder.
type parser struct{ rest string }

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

func (p *parser) placeholder() (*expression, error) {
	e := &expression{}
	p.space()
	if strings.HasPrefix(p.rest, `"`) {
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		e.literal = text
	} else if e.name = p.word(); e.name == "" {
		return nil, errors.New("the name of a value is missing")
	}
	steps, err := p.pipeline("}}")
	if err != nil {
		return nil, err
	}
	e.steps = steps
	return e, nil
}

// pipeline reads transforms up to the end mark; an empty mark is the end of the text.
func (p *parser) pipeline(end string) ([]step, error) {
	var steps []step
	for {
		p.space()
		if end == "" && p.rest == "" {
			return steps, nil
		}
		if rest, done := strings.CutPrefix(p.rest, end); done && end != "" {
			p.rest = rest
			return steps, nil
		}
		rest, ok := strings.CutPrefix(p.rest, "|")
		if !ok {
			if p.rest == "" {
				return nil, errors.New("it is not closed by }}")
			}
			return nil, fmt.Errorf("%q is not expected here: transforms are parted by |", excerpt(p.rest))
		}
		p.rest = rest
		s, err := p.step()
		if err != nil {
			return nil, err
		}
		if steps = append(steps, s); len(steps) > maxSteps {
			return nil, fmt.Errorf("more than %d transforms", maxSteps)
		}
	}
}

func (p *parser) step() (step, error) {
	p.space()
	s := step{name: p.word()}
	if s.name == "" {
		return s, errors.New("the name of a transform is missing after |")
	}
	for {
		p.space()
		switch {
		case strings.HasPrefix(p.rest, `"`):
			text, err := p.quoted()
			if err != nil {
				return s, err
			}
			s.args = append(s.args, text)
			continue
		case p.rest != "" && (p.rest[0] == '-' || p.rest[0] >= '0' && p.rest[0] <= '9'):
			s.args = append(s.args, p.number())
			continue
		}
		def, known := transforms[s.name]
		if !known {
			return s, fmt.Errorf("unknown transform %q; known are %s", s.name, transformNames())
		}
		if len(s.args) < def.min || def.max >= 0 && len(s.args) > def.max {
			return s, fmt.Errorf("%s needs %s", s.name, def.usage)
		}
		var err error
		if s.do, err = def.make(s.args); err != nil {
			return s, fmt.Errorf("%s: %w", s.name, err)
		}
		return s, nil
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (p *parser) word() string {
	i := 0
	for i < len(p.rest) && isWord(p.rest[i]) {
		i++
	}
	w := p.rest[:i]
	p.rest = p.rest[i:]
	return w
}

func (p *parser) number() string {
	i := 1
	for i < len(p.rest) && (p.rest[i] == '.' || p.rest[i] >= '0' && p.rest[i] <= '9') {
		i++
	}
	n := p.rest[:i]
	p.rest = p.rest[i:]
	return n
}

// quoted reads a text in double quotes, with \" \\ \n and \t.
func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case '\\':
			i++
			if i == len(p.rest) {
				return "", errors.New("a text in quotes is not closed")
			}
			switch p.rest[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '"', '\\':
				b.WriteByte(p.rest[i])
			default:
				return "", fmt.Errorf(`\%c is not known in a text; known are \" \\ \n \t`, p.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("a text in quotes is not closed")
}

func excerpt(s string) string {
	if r := []rune(s); len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return s
}

// names calls f with the names of the values that the template uses.
func (t *template) names(f func(string)) {
	for _, p := range t.parts {
		if p.expr != nil && p.expr.name != "" {
			f(p.expr.name)
		}
	}
}

// uses says whether the template uses the value, or a part of it.
func (t *template) uses(name string) bool {
	found := false
	t.names(func(n string) { found = found || n == name || strings.HasPrefix(n, name+".") })
	return found
}

// value returns what the template gives: the value itself where it is one placeholder and nothing else, else a text. The
// value omitted says that nothing is to be written.
func (t *template) value(s scope) (any, error) {
	if len(t.parts) == 1 && t.parts[0].expr != nil {
		return t.parts[0].expr.eval(s)
	}
	return t.text(s)
}

// text returns what the template gives as a text.
func (t *template) text(s scope) (string, error) {
	return t.render(s, func(text string) (string, error) { return text, nil })
}

// render returns the text, with what the placeholders give led through escape.
func (t *template) render(s scope, escape func(string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		text := p.text
		if p.expr != nil {
			v, err := p.expr.eval(s)
			if err != nil {
				return "", err
			}
			if text, err = textOf(v); err == nil {
				text, err = escape(text)
			}
			if err != nil {
				return "", fmt.Errorf("%s: %w", p.expr, err)
			}
		}
		if b.Len()+len(text) > maxOutput {
			return "", fmt.Errorf("a template gives more than %d bytes", maxOutput)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// String returns the name of the value, for errors.
func (e *expression) String() string {
	if e.name == "" {
		return "a text in quotes"
	}
	return e.name
}

func (e *expression) eval(s scope) (any, error) {
	v := e.literal
	if e.name != "" {
		v = s.lookup(e.name)
	}
	v, err := runSteps(v, e.steps, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e, err)
	}
	return v, nil
}

func runSteps(v any, steps []step, s scope) (any, error) {
	for _, st := range steps {
		var err error
		if v, err = st.do(v, s); err != nil {
			return nil, fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return v, nil
}

// textOf writes a value as a text: times in RFC 3339 and UTC, lists with ", " between their values.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case nil, omission:
		return "", nil
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	case time.Time:
		if v.IsZero() {
			return "", nil
		}
		return v.UTC().Format(time.RFC3339), nil
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			text, err := textOf(item)
			if err != nil {
				return "", err
			}
			texts[i] = text
		}
		return strings.Join(texts, ", "), nil
	case map[string]any:
		return "", errors.New("it is an object, not a text; choose one of its values, or use json")
	}
	return "", fmt.Errorf("a %T is not a text", v)
}
