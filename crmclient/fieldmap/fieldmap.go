// Package fieldmap says, as data, which of our values go into which fields of a CRM.
//
// A connector has a default as Go data: for each field of the vendor's object the source that fills it and a
// short chain of typed steps, such as to cut a text or to write a date. The key "fields" of the section in the
// configuration adds fields, replaces them as a whole and removes them:
//
//	fields:
//	  Subject: {from: subject, then: [{cut: 255}]}
//	  Description: {from: text_unquoted, or: [text], then: [{cut: 32000}]}
//	  ActivityDate: {from: date, then: [{date: date, zone: Asia/Shanghai}]}
//	  Direction__c: {from: direction, then: [{map: {outbound: "1", inbound: "2"}, else: "0"}]}
//	  Origin: {value: "E-mail"}
//	  Type: {remove: true}
//
// Nothing in it is evaluated: there are no expressions and no templates, so a mapping cannot loop, reach other
// data or fail by surprise. New checks the whole chain by the kinds of its values before any mail is written,
// and Validate compares it with what the CRM itself says of its fields.
//
//   - fieldmap.go: Fields, New, Apply
//   - step.go, run.go: the steps and what they do; text.go, date.go: cutting, HTML, dates
//   - source.go: the values of an activity, a contact and a ticket; letter.go: a mail as one text
//   - validate.go: comparing with the CRM's metadata
//
// It does not build nested bodies: what a vendor wants around the fields is the connector's. A step may
// wrap one value ({wrap: FNumber}).
package fieldmap

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// Fields are the fields of one object of a CRM by the CRM's own names. It is both the default in a connector and the type
// of the key in its section.
type Fields map[string]Field

// Field says what fills one field. It has either a source or a constant, or it is removed.
type Field struct {
	From string   `yaml:"from"` // name of a source
	Or   []string `yaml:"or"`   // further sources; the first that is not empty is taken
	// Value is a constant: text, number, true or false, or a list of these.
	Value any    `yaml:"value"`
	Then  []Step `yaml:"then"` // in this order
	// KeepEmpty writes the field also when there is nothing to write, as "" or null. Otherwise it is left out then.
	KeepEmpty bool `yaml:"keep_empty"`
	// Remove takes a default away.
	Remove bool `yaml:"remove"`
}

// From makes a Field that is filled by a source.
func From(source string, then ...Step) Field { return Field{From: source, Then: then} }

// FirstOf makes a Field that is filled by the first source that is not empty.
func FirstOf(sources []string, then ...Step) Field {
	return Field{From: sources[0], Or: sources[1:], Then: then}
}

// Value makes a Field with a constant.
func Value(v any) Field { return Field{Value: v} }

// Bounds of a section, far above what any real form has.
const (
	maxFields    = 500
	maxSteps     = 16
	maxSources   = 16
	maxNameRunes = 200
	maxConstant  = 8 << 10 // bytes of a constant text
)

// Map is a checked mapping. It is safe for concurrent use.
type Map struct {
	key    string
	names  []string // sorted
	fields map[string]compiled
}

// compiled is a field whose chain was checked.
type compiled struct {
	from      []string
	value     any
	steps     []runner
	keepEmpty bool
	kind      Kind // of the result
	limit     int  // runes of the result; unbounded where nothing bounds them
}

// New checks the defaults and the section together and returns the mapping. key is the name of the section's key, such as
// "fields"; the error names it and lists all mistakes. Sources are the values that Apply will get.
func New(key string, sources Sources, defaults, section Fields) (*Map, error) {
	merged, errs := merge(key, defaults, section)
	m := &Map{key: key, fields: make(map[string]compiled, len(merged))}
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		c, err := compile(merged[name], sources)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", key, show(name), err))
			continue
		}
		m.names = append(m.names, name)
		m.fields[name] = c
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return m, nil
}

func merge(key string, defaults, section Fields) (Fields, []error) {
	var errs []error
	merged := maps.Clone(defaults)
	if merged == nil {
		merged = Fields{}
	}
	if len(section) > maxFields {
		return nil, []error{fmt.Errorf("%s: %d fields are more than the %d that are taken", key, len(section), maxFields)}
	}
	for _, name := range slices.Sorted(maps.Keys(section)) {
		f := section[name]
		switch {
		case strings.TrimSpace(name) != name || name == "" || len([]rune(name)) > maxNameRunes:
			errs = append(errs, fmt.Errorf("%s: %s is not the name of a field", key, show(name)))
		case !f.Remove:
			merged[name] = f
		case f.From != "" || f.Value != nil || len(f.Or)+len(f.Then) > 0:
			errs = append(errs, fmt.Errorf("%s: %s: remove stands alone", key, show(name)))
		default:
			if _, ok := defaults[name]; !ok {
				errs = append(errs, fmt.Errorf("%s: %s: there is no default to remove%s", key, show(name), didYouMean(name, slices.Collect(maps.Keys(defaults)))))
			}
			delete(merged, name)
		}
	}
	return merged, errs
}

func compile(f Field, sources Sources) (compiled, error) {
	c := compiled{keepEmpty: f.KeepEmpty}
	if len(f.Then) > maxSteps {
		return c, fmt.Errorf("%d steps are more than the %d that are taken", len(f.Then), maxSteps)
	}
	k, limit, err := c.begin(f, sources)
	if err != nil {
		return c, err
	}
	markup := false
	for i, s := range f.Then {
		where := fmt.Sprintf("then[%d]", i)
		op, err := s.operation()
		if err != nil {
			return c, fmt.Errorf("%s: %w", where, err)
		}
		if markup && (op == opCut || op == opCutBytes) {
			return c, fmt.Errorf("%s: %s would cut within HTML: put it before %s and %s", where, op, opTextToHTML, opHTMLEscape)
		}
		markup = markup || op == opTextToHTML || op == opHTMLEscape
		run, out, outLimit, err := s.compile(op, k, limit)
		if err != nil {
			return c, fmt.Errorf("%s: %w", where, err)
		}
		c.steps, k, limit = append(c.steps, run), out, outLimit
	}
	c.kind, c.limit = k, limit
	return c, nil
}

// begin reads where the value comes from, and returns its kind and how long it may be.
func (c *compiled) begin(f Field, sources Sources) (Kind, int, error) {
	switch {
	case f.From == "" && f.Value == nil:
		return "", 0, errors.New("from is missing: name a source, or give a value")
	case f.From != "" && f.Value != nil, f.Value != nil && len(f.Or) > 0:
		return "", 0, errors.New("from and value exclude each other")
	case f.Value != nil:
		v, k, limit, err := constant(f.Value)
		c.value = v
		return k, limit, err
	case len(f.Or) >= maxSources:
		return "", 0, fmt.Errorf("or: more than %d sources", maxSources)
	}
	c.from = append([]string{f.From}, f.Or...)
	k, limit := Kind(""), 0
	for _, name := range c.from {
		s, ok := sources[name]
		if !ok {
			return "", 0, fmt.Errorf("from: there is no source %s%s", show(name), hintSources(name, sources))
		}
		if k != "" && k != s {
			return "", 0, fmt.Errorf("or: %s is a %s, the first is a %s", name, s, k)
		}
		k, limit = s, max(limit, sourceLimit(name, s))
	}
	return k, limit, nil
}

// Apply fills the fields. The result is ready for JSON: values are string, bool, int64, json.Number, nil, []any or
// map[string]any. The error, of ClassPermanent, names the field whose value cannot be made; it does not quote the value.
func (m *Map) Apply(v Values) (map[string]any, error) {
	out := make(map[string]any, len(m.names))
	for _, name := range m.names {
		c := m.fields[name]
		value, err := c.apply(v)
		if err != nil {
			return nil, &crmclient.Error{
				Class:   crmclient.ClassPermanent,
				Message: fmt.Sprintf("%s: %s: %v", m.key, show(name), err),
				Remedy:  fmt.Sprintf("change the steps of %s in %s, or give it a default step", show(name), m.key),
			}
		}
		switch {
		case !empty(value):
			out[name] = plain(value)
		case c.keepEmpty && c.kind == Text:
			out[name] = ""
		case c.keepEmpty:
			out[name] = nil
		}
	}
	return out, nil
}

func (c compiled) apply(v Values) (any, error) {
	value := c.value
	for _, name := range c.from {
		if value = v[name]; !empty(value) {
			break
		}
	}
	for _, run := range c.steps {
		var err error
		if value, err = run(value); err != nil {
			return nil, err
		}
	}
	return value, nil
}

// Names returns the fields of the CRM that the mapping fills, sorted.
func (m *Map) Names() []string { return slices.Clone(m.names) }

// Has says whether the mapping fills a field.
func (m *Map) Has(field string) bool {
	_, ok := m.fields[field]
	return ok
}

// NameOf returns the first field, by name, that a source fills, or nothing. With it a connector learns by which field
// it can find again what it wrote, such as the one with the key.
func (m *Map) NameOf(source string) string {
	for _, name := range m.names {
		if from := m.fields[name].from; len(from) > 0 && from[0] == source {
			return name
		}
	}
	return ""
}

// show quotes a name for a message and cuts a very long one.
func show(name string) string {
	const most = 60
	if r := []rune(name); len(r) > most {
		name = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", name)
}
