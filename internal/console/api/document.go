package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"heliograph/internal/console/access"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var commonDocument []byte

// commonPrefix is how parts name what lies in the core's document.
const commonPrefix = "../openapi.yaml#/"

// audited says what is recorded of an operation.
type audited string

const (
	auditNone   audited = "none"
	auditView   audited = "view"
	auditChange audited = "change"
)

// Operation is what the document says of an operation.
type Operation struct {
	ID         string
	Part       string
	Method     string
	Path       string
	Permission access.Permission
	audit      audited
	body       int64
	checks     func() (*checks, error) // what a request is held against
}

// Pattern is the operation's pattern in a mux.
func (o *Operation) Pattern() string { return o.Method + " " + o.Path }

// Document is the parts' documents as one.
type Document struct {
	parts      []Part
	root       map[string]any // while it is read
	json       []byte
	operations map[string]*Operation // by pattern
}

var methods = []string{"get", "put", "post", "delete", "patch", "head"}

// Read joins the documents of all parts.
func Read(parts []Part, version string) (_ *Document, err error) {
	d := &Document{parts: parts, operations: map[string]*Operation{}}
	if d.root, err = parse(commonDocument); err != nil {
		return nil, fmt.Errorf("read the common document: %w", err)
	}
	var errs []error
	for _, p := range parts {
		if err := d.join(p); err != nil {
			errs = append(errs, fmt.Errorf("document of part %s: %w", p.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	info, _ := d.root["info"].(map[string]any)
	info["description"] = "Everything that the console does. Log in with a token: Authorization: Bearer hel_…"
	info["x-program-version"] = version
	d.root["security"] = []any{map[string]any{"token": []any{}}, map[string]any{"session": []any{}}}
	d.json, err = json.Marshal(d.root)
	d.root = nil
	d.prepare()
	return d, err
}

// Operations lists what the document has, in the order of its paths, such as for a table of who may do what.
func (d *Document) Operations() []*Operation {
	list := slices.Collect(maps.Values(d.operations))
	slices.SortFunc(list, func(a, b *Operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return list
}

// Check compiles the schemas of all operations. A request compiles those of its own.
func (d *Document) Check() error {
	var errs []error
	for _, o := range d.Operations() {
		_, err := o.checks()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// parse reads a document in JSON, or in YAML, which takes forty times as long.
func parse(text []byte) (doc map[string]any, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte{'{'}) {
		err = json.Unmarshal(text, &doc)
	} else {
		err = yaml.Unmarshal(text, &doc)
	}
	return doc, err
}

func (d *Document) join(p Part) error {
	doc, err := parse(p.Document)
	if err != nil {
		return err
	}
	names := d.components(p.Name, doc)
	paths, _ := d.root["paths"].(map[string]any)
	own, _ := doc["paths"].(map[string]any)
	for path, item := range own {
		if _, taken := paths[path]; taken {
			return fmt.Errorf("path %s is in another part too", path)
		}
		methodsOf, _ := item.(map[string]any)
		for _, m := range methods {
			op, ok := methodsOf[m].(map[string]any)
			if !ok {
				continue
			}
			if _, tagged := op["tags"]; !tagged {
				op["tags"] = []any{p.Name}
			}
			o, err := operationOf(p.Name, strings.ToUpper(m), path, op)
			if err != nil {
				return err
			}
			d.operations[o.Pattern()] = o
		}
		paths[path] = resolved(item, names)
	}
	return nil
}

// components takes over those of a part. Where another part has the name for something else, the part's own gets the part's name before its own;
// names maps references to what they are then.
func (d *Document) components(part string, doc map[string]any) (names map[string]string) {
	names = map[string]string{}
	components, _ := d.root["components"].(map[string]any)
	more, _ := doc["components"].(map[string]any)
	for kind, things := range more {
		into, ok := components[kind].(map[string]any)
		if !ok {
			into = map[string]any{}
			components[kind] = into
		}
		list, _ := things.(map[string]any)
		for name := range list {
			if _, taken := into[name]; taken {
				names["#/components/"+kind+"/"+name] = "#/components/" + kind + "/" + strings.ToUpper(part[:1]) + part[1:] + name
			}
		}
	}
	for kind, things := range more {
		into, _ := components[kind].(map[string]any)
		list, _ := things.(map[string]any)
		for name, thing := range list {
			if other, renamed := names["#/components/"+kind+"/"+name]; renamed {
				name = other[strings.LastIndexByte(other, '/')+1:]
			}
			into[name] = resolved(thing, names)
		}
	}
	return names
}

// resolved is a document's value with its references made those of the joined document.
func resolved(v any, names map[string]string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, in := range v {
			text, ok := in.(string)
			if !ok || k != "$ref" {
				v[k] = resolved(in, names)
				continue
			}
			if other, renamed := names[text]; renamed {
				text = other
			}
			v[k] = strings.Replace(text, commonPrefix, "#/", 1)
		}
	case []any:
		for i := range v {
			v[i] = resolved(v[i], names)
		}
	}
	return v
}

const defaultBody = 1 << 20

func operationOf(part, method, path string, op map[string]any) (*Operation, error) {
	o := &Operation{Part: part, Method: method, Path: path, body: defaultBody, audit: auditChange}
	if method == http.MethodGet || method == http.MethodHead {
		o.audit = auditNone
	}
	o.ID, _ = op["operationId"].(string)
	permission, _ := op["x-permission"].(string)
	o.Permission = access.Permission(permission)
	known := append(access.Permissions(), access.Public, access.SignedIn)
	switch {
	case o.ID == "":
		return nil, fmt.Errorf("%s %s has no operationId", method, path)
	case !slices.Contains(known, o.Permission):
		return nil, fmt.Errorf("operation %s: x-permission %q is none that package access has", o.ID, permission)
	}
	if kind, ok := op["x-audit"].(string); ok {
		o.audit = audited(kind)
		if !slices.Contains([]audited{auditNone, auditView, auditChange}, o.audit) {
			return nil, fmt.Errorf("operation %s: x-audit %q is none of none, view, change", o.ID, kind)
		}
	}
	if most, ok := number(op["x-body"]); ok {
		o.body = most
	}
	return o, nil
}

func number(v any) (int64, bool) {
	switch n := v.(type) {
	case uint64:
		return int64(n), n < 1<<62
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		return int64(n), n == float64(int64(n))
	}
	return 0, false
}
