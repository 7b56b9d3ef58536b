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
	node     ast.Node
	src      *source
	path     string
	reserved []string // keys that were read already
	err      error    // of NewSection
}

// NewSection returns the section that a YAML text holds, as it would stand in
// the list of targets; the keys name and type may be in it. It is for tests of
// connectors: a text that is not YAML fails in Decode.
func NewSection(text string) Section {
	src, node, err := readSource("section.yaml", []byte(text))
	return Section{node: node, src: src, reserved: []string{"name", "type"}, err: err}
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
	if s.err != nil {
		return s.err
	}
	if s.node == nil {
		return nil
	}
	d := newDecoder(s.src)
	for _, key := range s.reserved {
		d.reserved = append(d.reserved, join(s.path, key))
	}
	if _, empty := s.node.(*ast.NullNode); !empty {
		d.structure(s.node, v.Elem(), s.path, false)
	}
	return d.result()
}

// Mistake returns an error that points at a key of the section, or at its
// beginning where it has no such key. For what a connector finds out itself:
// "is missing", "is not an https address". No secrets in the texts.
func (s Section) Mistake(key, message, remedy string) error {
	if s.src == nil {
		return &Errors{{Path: join(s.path, key), Message: message, Remedy: remedy}}
	}
	d := newDecoder(s.src)
	at := startOf(s.node)
	if s.node != nil {
		probe := newDecoder(s.src)
		pairs, _ := probe.pairs(s.node, s.path)
		for _, p := range pairs {
			if p.key == key {
				d.src.show(p.at)
				at = startOf(p.value)
			}
		}
	}
	d.fail(join(s.path, key), at, message, remedy)
	return d.result()
}

// Path returns where the section stands in the file, such as targets[1].
func (s Section) Path() string { return s.path }

// String says that this is a section; its values may be secrets.
func (s Section) String() string { return "<section>" }

// Target is one CRM connection. Name and Type are common to all; the rest of
// the section belongs to the connector, which reads it with Decode.
type Target struct {
	Name    string `yaml:"name"` // unique; letters a to z, digits, hyphens
	Type    string `yaml:"type"` // of the connector
	Section `yaml:"-"`
}

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
