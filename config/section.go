package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// Section is the part of the configuration that belongs to a connector. The
// connector reads it with Decode. The zero Section is an empty one.
type Section struct {
	// A function, because fmt may print what a pointer leads to, and that is
	// the text of the file with its secrets.
	content func() content
}

// content is what a section stands for.
type content struct {
	node     ast.Node // nil where the section is empty
	src      *source  // nil for the zero Section
	path     string
	reserved []string // keys that were read already
	err      error    // of NewSection
}

// section returns a Section that stands for c.
func (c content) section() Section { return Section{content: func() content { return c }} }

// open returns what the section stands for.
func (s Section) open() content {
	if s.content == nil {
		return content{}
	}
	return s.content()
}

// NewSection returns the section that a YAML text holds, as it would stand in
// the list of targets; the keys that are common to all may be in it. It is for tests of
// connectors: a text that is not YAML fails in Decode.
func NewSection(text string) Section {
	src, node, err := readSource("section.yaml", []byte(text))
	return content{node: node, src: src, reserved: commonKeys(), err: err}.section()
}

// Decode reads the section into a pointer to a struct with yaml tags. What the
// section does not name stays as it is, so defaults are set before. It is as
// strict as the rest of the file: the error is *Errors and lists all mistakes.
// A field of type Secret with the key k also accepts k_file; a string field
// whose key ends in _file names a file that must exist.
func (s Section) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decoding a section into %T: not a pointer to a struct", into)
	}
	c := s.open()
	if c.err != nil {
		return c.err
	}
	if c.node == nil {
		return nil
	}
	d := newDecoder(c.src)
	for _, key := range c.reserved {
		d.reserved = append(d.reserved, join(c.path, key))
	}
	if _, empty := c.node.(*ast.NullNode); !empty {
		d.structure(c.node, v.Elem(), c.path, false)
	}
	return d.result()
}

// Mistake returns an error that points at a key of the section, or at its
// beginning where it has no such key. For what a connector finds out itself:
// "is missing", "is not an https address". No secrets in the texts.
func (s Section) Mistake(key, message, remedy string) error {
	c := s.open()
	if c.src == nil {
		return &Errors{{Path: join(c.path, key), Message: message, Remedy: remedy}}
	}
	d, at := newDecoder(c.src), place{}
	if c.node != nil {
		at = startOf(c.node)
		pairs, _ := newDecoder(c.src).pairs(c.node, c.path)
		for _, p := range pairs {
			if p.key == key {
				d.src.show(p.at)
				at = startOf(p.value)
			}
		}
	}
	d.fail(join(c.path, key), at, message, remedy)
	return d.result()
}

// Path returns where the section stands in the file, such as targets[1].
func (s Section) Path() string { return s.open().path }

// String says that this is a section; its values may be secrets.
func (s Section) String() string { return "<section>" }

// Target is one CRM connection. The fields with a key are common to all; the rest of
// the section belongs to the connector, which reads it with Decode.
type Target struct {
	Name    string   `yaml:"name"` // unique; letters a to z, digits, hyphens
	Type    string   `yaml:"type"` // of the connector
	Deliver Delivery `yaml:"deliver"`
	Alarm   Alarm    `yaml:"alarm"`
	Section `yaml:"-"`
}

// commonKeys are the keys of a target that are not its connector's.
func commonKeys() []string { return keysOf(fieldsOf(targetType)) }

// String names the target.
func (t Target) String() string { return t.Name + " (" + t.Type + ")" }

// LogValue names the target.
func (t Target) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", t.Name), slog.String("type", t.Type))
}

// asErrors returns the mistakes in err.
func asErrors(err error) (Errors, bool) {
	var list Errors
	ok := errors.As(err, &list)
	return list, ok
}
