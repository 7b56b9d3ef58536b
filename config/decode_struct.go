package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// fileSuffix marks keys that name a file, and the file form of secrets.
const (
	fileSuffix = "_file"
	dirSuffix  = "_dir"
)

// field is one key of a struct.
type field struct {
	key     string
	index   []int
	secret  bool
	created bool // the file that it names may not exist yet
}

// fieldsOf lists the keys of a struct, those of inlined structs included.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if tag == "-" || (!f.IsExported() && !f.Anonymous) {
			continue
		}
		if strings.Contains(options, "inline") {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}
			continue
		}
		if tag == "" {
			tag = strings.ToLower(f.Name)
		}
		out = append(out, field{
			key: tag, index: []int{i}, secret: f.Type == secretType, created: f.Tag.Get("file") == "created",
		})
	}
	return out
}

// keysOf lists the keys that a struct takes, for messages.
func keysOf(fields []field) []string {
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
		if f.secret {
			keys = append(keys, f.key+fileSuffix)
		}
	}
	return keys
}

// harmlessKeys maps each key of the configuration to whether its values may be
// shown wherever it occurs.
var harmlessKeys = sync.OnceValue(func() map[string]bool {
	keys := map[string]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || slices.Contains(scalarTypes, t) || t == sectionType {
			return
		}
		for _, f := range fieldsOf(t) {
			before, known := keys[f.key]
			keys[f.key] = !f.secret && (before || !known)
			if f.secret {
				keys[f.key+fileSuffix] = true
			}
			walk(t.FieldByIndex(f.index).Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	return keys
})

// structure reads a mapping into a struct. Where it is open, keys that the
// struct does not have are somebody else's.
func (d *decoder) structure(node ast.Node, v reflect.Value, path string, open bool) {
	pairs, ok := d.pairs(node, path)
	if !ok {
		return
	}
	fields := fieldsOf(v.Type())
	given := map[string]pair{}
	for _, p := range pairs {
		i := slices.IndexFunc(fields, func(f field) bool {
			return f.key == p.key || f.secret && f.key+fileSuffix == p.key
		})
		if i < 0 {
			if !open && !slices.Contains(d.reserved, join(path, p.key)) {
				d.unknown(p, path, keysOf(fields))
			}
			continue
		}
		d.src.show(p.at)
		d.places[join(path, p.key)] = startOf(p.value)
		given[p.key] = p
	}
	for _, f := range fields {
		target := v.FieldByIndex(f.index)
		if f.secret {
			d.secretField(f.key, given, target, path)
			continue
		}
		if p, present := given[f.key]; present {
			d.value(p.value, target, join(path, f.key))
			d.file(f, p, target, path)
		}
	}
}

// unknown reports a key that the struct does not have.
func (d *decoder) unknown(p pair, path string, allowed []string) {
	meant, key := Nearest(p.key, allowed), hidden
	if meant != "" {
		// Without this, the key that was meant would be reported as missing.
		d.broken[join(path, meant)] = true
	}
	// In {password, text} the text is a key without a value.
	if _, empty := p.value.(*ast.NullNode); !empty || meant != "" {
		key = d.showKey(p.key, p.at)
	}
	d.fail(join(path, key), p.at, "unknown key", suggest(p.key, allowed))
}

// file makes the path of a _file, _dir or file key relative to the configuration
// file and checks that the file of a _file key can be read.
func (d *decoder) file(f field, p pair, v reflect.Value, path string) {
	full := join(path, f.key)
	isFile := strings.HasSuffix(f.key, fileSuffix)
	if v.Kind() != reflect.String || v.String() == "" || d.broken[full] {
		return
	}
	if _, empty := p.value.(*ast.NullNode); empty || !isFile && !strings.HasSuffix(f.key, dirSuffix) && f.key != "file" {
		return
	}
	v.SetString(d.src.resolve(v.String()))
	if !isFile || f.created {
		return
	}
	if _, err := readFile(v.String()); err != nil {
		d.fail(full, startOf(p.value), err.Error(), fileRemedy(err))
	}
}

// secretField reads a secret from its key or from the file that its other key names.
func (d *decoder) secretField(key string, given map[string]pair, v reflect.Value, path string) {
	inline, hasInline := notEmpty(given, key)
	named, hasFile := notEmpty(given, key+fileSuffix)
	if hasFile {
		d.show(named.value, reflect.TypeFor[string]())
	}
	switch {
	case hasInline && hasFile:
		d.broken[join(path, key)] = true
		d.fail(join(path, named.key), named.at, fmt.Sprintf("%s and %s are both given", key, named.key), "Keep one of them.")
	case hasInline:
		d.value(inline.value, v, join(path, key))
	case hasFile:
		if secret, ok := d.secretFile(named.value, join(path, named.key)); ok {
			v.Set(reflect.ValueOf(secret))
		} else {
			d.broken[join(path, key)] = true
		}
	}
}

// notEmpty returns the pair of a key that has a value.
func notEmpty(given map[string]pair, key string) (pair, bool) {
	p, present := given[key]
	if !present {
		return pair{}, false
	}
	_, empty := p.value.(*ast.NullNode)
	return p, !empty
}

// target reads the common keys of a target and leaves the rest to its connector.
func (d *decoder) target(node ast.Node, v reflect.Value, path string) {
	d.structure(node, v, path, true)
	if !isScalarNode(node) {
		v.FieldByName("Section").Set(reflect.ValueOf(content{
			node: node, src: d.src, path: path, reserved: commonKeys(),
		}.section()))
	}
}

// setDefaults fills the defaults of a new list entry or section.
func setDefaults(pointer reflect.Value) {
	if v, ok := pointer.Interface().(interface{ setDefaults() }); ok {
		v.setDefaults()
	}
}
