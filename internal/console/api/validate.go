package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// documentURL is what the joined document is called while its schemas are compiled.
const documentURL = "heliograph:///openapi.json"

// param is a parameter in path, query or header.
type param struct {
	name, in string
	required bool
	list     bool
	kind     string // the JSON type of the value, or of a list's items
	schema   *jsonschema.Schema
}

// bodySchema is what a JSON body must be like.
type bodySchema struct {
	required bool
	schema   *jsonschema.Schema
}

// Schemas compiles the schemas of the joined document.
type schemas struct {
	compiler *jsonschema.Compiler
	root     map[string]any
}

func newSchemas(text []byte) (*schemas, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(documentURL, doc); err != nil {
		return nil, err
	}
	plain, _ := doc.(map[string]any)
	return &schemas{compiler: c, root: plain}, nil
}

// at compiles the schema at a place in the document.
func (s *schemas) at(keys ...string) (*jsonschema.Schema, error) {
	for i, k := range keys {
		keys[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "%", "%25").Replace(k)
	}
	return s.compiler.Compile(documentURL + "#/" + strings.Join(keys, "/"))
}

// find follows references and keys through the document, and tells where it ended.
func (s *schemas) find(keys ...string) (value any, place []string) {
	value = s.root
	for _, k := range keys {
		value, place = s.follow(value, place)
		switch v := value.(type) {
		case map[string]any:
			value = v[k]
		case []any:
			n, err := strconv.Atoi(k)
			if err != nil || n < 0 || n >= len(v) {
				return nil, nil
			}
			value = v[n]
		default:
			return nil, nil
		}
		place = append(slices.Clone(place), k)
	}
	return s.follow(value, place)
}

func (s *schemas) follow(value any, place []string) (any, []string) {
	for range 8 {
		m, ok := value.(map[string]any)
		if !ok {
			break
		}
		ref, ok := m["$ref"].(string)
		if !ok {
			break
		}
		place = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		value = any(s.root)
		for _, k := range place {
			in, ok := value.(map[string]any)
			if !ok {
				return nil, place
			}
			value = in[k]
		}
	}
	return value, place
}

// checks are what requests of an operation are held against.
type checks struct {
	params []param
	body   *bodySchema // of a JSON body; nil: not looked at
}

// prepare lets each operation compile its schemas when it is asked for first. Until somebody asks, the document is text only: as values it
// is a third of what a gateway at rest holds.
func (d *Document) prepare() {
	all := sync.OnceValues(func() (*schemas, error) { return newSchemas(d.json) })
	var mu sync.Mutex // the compiler is one for all
	for _, o := range d.operations {
		o.checks = sync.OnceValues(func() (*checks, error) {
			mu.Lock()
			defer mu.Unlock()
			s, err := all()
			if err != nil {
				return nil, err
			}
			c, err := s.checks(o)
			if err != nil {
				err = fmt.Errorf("operation %s: %w", o.ID, err)
			}
			return c, err
		})
	}
}

func (s *schemas) checks(o *Operation) (*checks, error) {
	c := &checks{}
	method := strings.ToLower(o.Method)
	for _, at := range [][]string{{"paths", o.Path, "parameters"}, {"paths", o.Path, method, "parameters"}} {
		list, _ := s.find(at...)
		items, _ := list.([]any)
		for i := range items {
			p, err := s.param(append(slices.Clone(at), strconv.Itoa(i))...)
			if err != nil {
				return nil, err
			}
			c.params = append(c.params, p)
		}
	}
	body, place := s.find("paths", o.Path, method, "requestBody")
	b, _ := body.(map[string]any)
	content, _ := b["content"].(map[string]any)
	if _, ok := content["application/json"]; ok {
		schema, err := s.at(append(slices.Clone(place), "content", "application/json", "schema")...)
		if err != nil {
			return nil, err
		}
		required, _ := b["required"].(bool)
		c.body = &bodySchema{required: required, schema: schema}
	}
	return c, nil
}

func (s *schemas) param(at ...string) (param, error) {
	value, place := s.find(at...)
	m, _ := value.(map[string]any)
	var p param
	p.name, _ = m["name"].(string)
	p.in, _ = m["in"].(string)
	p.required, _ = m["required"].(bool)
	if p.name == "" || p.in == "" {
		return p, fmt.Errorf("parameter at %s has no name or place", strings.Join(at, "/"))
	}
	shape, _ := s.find(append(slices.Clone(place), "schema")...)
	kind, _ := shape.(map[string]any)
	if p.kind, _ = kind["type"].(string); p.kind == "array" {
		p.list = true
		items, _ := s.find(append(slices.Clone(place), "schema", "items")...)
		of, _ := items.(map[string]any)
		p.kind, _ = of["type"].(string)
	}
	var err error
	p.schema, err = s.at(append(slices.Clone(place), "schema")...)
	return p, err
}

// check holds a request against the document. It reads a JSON body and puts it back.
func (o *Operation) check(r *http.Request) error {
	if o.checks == nil {
		return nil // one of the core's own
	}
	c, err := o.checks()
	if err != nil {
		return err
	}
	var fields []Field
	for _, p := range c.params {
		fields = append(fields, p.check(r)...)
	}
	if len(fields) > 0 {
		return Invalid("bad_parameters", "a parameter is not as it must be: "+fields[0].Pointer+": "+fields[0].Detail, fields...)
	}
	if c.body == nil {
		return nil
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return bodyError(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	if len(bytes.TrimSpace(text)) == 0 {
		if c.body.required {
			return Fail(http.StatusBadRequest, "no_body", "the request has no body", "Send JSON, with Content-Type: application/json.")
		}
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil // another kind of body that the operation knows, or the handler refuses it
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return Fail(http.StatusBadRequest, "bad_json", "the body is no JSON", "").Because(err)
	}
	return invalid(c.body.schema.Validate(value))
}

func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return Fail(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body has more than the %d bytes that are taken here", large.Limit), "Send less at once.")
	}
	return Fail(http.StatusBadRequest, "body", "the body could not be read", "Send it again.").Because(err)
}

func (p *param) check(r *http.Request) []Field {
	var got []string
	switch p.in {
	case "query":
		got = r.URL.Query()[p.name]
	case "header":
		got = r.Header.Values(p.name)
	case "path":
		got = []string{r.PathValue(p.name)}
	default:
		return nil
	}
	if len(got) == 0 {
		if p.required {
			return []Field{{Pointer: p.name, Code: "required", Detail: "is missing"}}
		}
		return nil
	}
	var value any
	if p.list {
		var list []any
		for _, g := range got {
			for item := range strings.SplitSeq(g, ",") {
				list = append(list, scalar(p.kind, item))
			}
		}
		value = list
	} else if len(got) > 1 {
		return []Field{{Pointer: p.name, Code: "repeated", Detail: "is there more than once"}}
	} else {
		value = scalar(p.kind, got[0])
	}
	var e *Error
	if !errors.As(invalid(p.schema.Validate(value)), &e) {
		return nil
	}
	for i := range e.Fields {
		e.Fields[i].Pointer = p.name
	}
	return e.Fields
}

// scalar is a parameter's text as the JSON value that its schema speaks of.
func scalar(kind, text string) any {
	switch kind {
	case "integer", "number":
		return json.Number(text)
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return text
}

// maxFields bounds what one answer says.
const maxFields = 50

var words = message.NewPrinter(language.English)

// invalid says where a value departs from its schema.
func invalid(err error) error {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return err
	}
	var fields []Field
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		for _, c := range v.Causes {
			walk(c)
		}
		if len(v.Causes) > 0 || len(fields) >= maxFields {
			return
		}
		pointer := ""
		for _, token := range v.InstanceLocation {
			pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
		}
		code := "invalid"
		if path := v.ErrorKind.KeywordPath(); len(path) > 0 {
			code = path[len(path)-1]
		}
		fields = append(fields, Field{Pointer: pointer, Code: code, Detail: v.ErrorKind.LocalizedString(words)})
	}
	walk(v)
	if len(fields) == 0 {
		return Invalid("invalid", "the request is not as it must be")
	}
	return Invalid("invalid", "the request is not as it must be: "+fields[0].Pointer+" "+fields[0].Detail, fields...)
}
