package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// operation is a compiled Operation.
type operation struct {
	name    string
	method  string
	path    *template
	query   []param
	headers []param
	body    body
	result  result
	paging  paging
	success []test
	errors  []rule

	idempotencyHeader string
	atLeastOnce       bool
	uniqueKey         bool
	batch             int
	files             FileMode
	conditions        *conditions
	overlap           time.Duration
	cursor            bool
	used              map[string]bool // first parts of the names that the request uses
}

// param is a parameter with its values.
type param struct {
	name   string
	values []*template
}

// result is a compiled Result.
type result struct {
	items                                                           *extractor
	itemsOptional                                                   bool
	id, key, url, name, address, kind, company, owner               *extractor
	updatedAt, deleted, by, label, typ, required, object, cur, line *extractor
	fields                                                          []namedExtractor
}

type namedExtractor struct {
	name string
	at   *extractor
}

// compiler gathers all mistakes of a section.
type compiler struct {
	cfg  *Config
	errs []error
	key  string // of what is being read
	used map[string]bool
	voc  vocabulary
}

func (c *compiler) bad(key, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %w", join(c.key, key), fmt.Errorf(format, args...)))
}

func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + "." + b
}

// template reads a template and checks its names.
func (c *compiler) template(key, text string) *template {
	t, err := parseTemplate(text)
	if err != nil {
		c.bad(key, "%w", err)
		return &template{}
	}
	c.checkNames(key, t)
	return t
}

func (c *compiler) checkNames(key string, t *template) {
	t.names(func(name string) {
		head, rest, _ := strings.Cut(name, ".")
		c.used[head] = true
		switch {
		case !c.voc[head]:
			c.bad(key, "there is no value %q here; there are %s", name, strings.Join(slices.Sorted(maps.Keys(c.voc)), ", "))
		case head == "vars" && !has(anyMap(c.cfg.Vars), rest):
			c.bad(key, "there is no %q under vars", rest)
		case head == "secret" && !has(anyMap(c.cfg.Secrets), rest):
			c.bad(key, "there is no %q under secrets", rest)
		}
	})
	for _, p := range t.parts {
		if p.expr != nil {
			c.checkSteps(key, p.expr.steps)
		}
	}
}

func (c *compiler) checkSteps(key string, steps []step) {
	for _, s := range steps {
		if _, ok := c.cfg.Lookups[firstOf(s.args)]; s.name == "lookup" && !ok {
			c.bad(key, "there is no table %q under lookups", firstOf(s.args))
		}
	}
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func anyMap[V any](m map[string]V) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (c *compiler) extractor(key, text string) *extractor {
	e, err := parseExtractor(text)
	if err != nil {
		c.bad(key, "%w", err)
		return nil
	}
	if e != nil {
		c.checkSteps(key, e.steps)
		if e.template != nil {
			used := c.used
			c.used = map[string]bool{} // of the answer, not of the request
			c.voc["id"] = true
			c.checkNames(key, e.template)
			c.used = used
		}
	}
	return e
}

func (c *compiler) path(key, text string) *jsonPath {
	p, err := parsePath(text)
	if err != nil {
		c.bad(key, "%w", err)
		return nil
	}
	return p
}

// operation compiles one operation with the names that its templates may use.
func (c *compiler) operation(name string, o *Operation, voc vocabulary) *operation {
	if o == nil {
		return nil
	}
	before := c.key
	c.key, c.voc, c.used = join(c.key, name), maps.Clone(voc), map[string]bool{}
	defer func() { c.key = before }()
	c.voc["page"] = true
	op := &operation{
		name: name, idempotencyHeader: o.IdempotencyHeader, atLeastOnce: o.AtLeastOnce, uniqueKey: o.UniqueKey,
		batch: max(o.Batch, 1), files: o.Files, overlap: o.Overlap.D(), cursor: o.Cursor, used: c.used,
	}
	op.path = c.pathTemplate(o.Path)
	op.query = c.params("query", o.Query)
	for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
		c.headerName("headers", name)
		op.headers = append(op.headers, param{name, []*template{c.template("headers."+name, o.Headers[name])}})
	}
	op.body = c.body(o)
	op.method = c.method(o.Method, op.body.kind != noBody)
	op.conditions = c.compileConditions(o.Conditions)
	op.paging = c.compilePaging(o.Paging)
	op.success = append(c.tests("success", o.Success), c.tests("success", c.cfg.Success)...)
	op.errors = append(c.rules("errors", o.Errors), c.rules("errors", c.cfg.Errors)...)
	op.result = c.result(o.Result)
	if o.IdempotencyHeader != "" {
		c.headerName("idempotency_header", o.IdempotencyHeader)
	}
	if o.Batch < 0 || o.Batch > maxBatch {
		c.bad("batch", "it must be between 0 and %d", maxBatch)
	}
	if d := o.Overlap.D(); d < 0 || d > maxOverlap {
		c.bad("overlap", "it must be between 0 and %s", maxOverlap)
	}
	if o.UniqueKey && !c.used["key"] {
		c.bad("unique_key", "the request does not use {{ key }}")
	}
	return op
}

const (
	maxBatch   = 500            // addresses of one request
	maxOverlap = 24 * time.Hour // each poll reads that much again
)

func (c *compiler) headerName(key, name string) {
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		c.bad(key, "%q is not the name of a header", name)
	case slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)):
		c.bad(key, "%s is set by the gateway itself", name)
	}
}

// ownHeaders are set by the gateway or belong to HTTP itself.
var ownHeaders = []string{
	"Connection", "Content-Length", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Request-Id",
}

func (c *compiler) method(method string, hasBody bool) string {
	switch method {
	case "":
		if hasBody {
			return http.MethodPost
		}
		return http.MethodGet
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		if method == http.MethodGet && hasBody {
			c.bad("method", "a GET has no body")
		}
		return method
	}
	c.bad("method", "%q is not GET, POST, PUT, PATCH or DELETE", method)
	return method
}

// pathTemplate checks that the fixed parts of a path are one: no query, no dots that lead upwards.
func (c *compiler) pathTemplate(text string) *template {
	t := c.template("path", text)
	var fixed strings.Builder
	for _, p := range t.parts {
		if p.expr != nil {
			fixed.WriteByte('x')
			continue
		}
		fixed.WriteString(p.text)
	}
	path := fixed.String()
	for i := range len(path) {
		if ch := path[i]; ch <= ' ' || ch >= 0x7f || strings.IndexByte(`?#\"<>`, ch) >= 0 {
			c.bad("path", "%q is not expected in a path; parameters belong under query, other letters are percent-encoded", ch)
			return t
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == ".." || segment == "." {
			c.bad("path", "%q is not expected in a path", segment)
		}
	}
	if strings.Contains(path, "://") || strings.HasPrefix(path, "//") {
		c.bad("path", "it is below the url and names no host")
	}
	return t
}

// params reads query parameters or fields of a form.
func (c *compiler) params(key string, m map[string]any) []param {
	var out []param
	for _, name := range slices.Sorted(maps.Keys(m)) {
		p := param{name: name}
		list, isList := m[name].([]any)
		if !isList {
			list = []any{m[name]}
		}
		for _, v := range list {
			text, err := textOf(v)
			if _, isMap := v.(map[string]any); err != nil || isMap {
				c.bad(key+"."+name, "a text or a list of texts is needed")
				continue
			}
			p.values = append(p.values, c.template(key+"."+name, text))
		}
		out = append(out, p)
	}
	return out
}

func (c *compiler) result(r Result) result {
	before := c.key
	c.key = join(c.key, "result")
	defer func() { c.key = before }()
	out := result{itemsOptional: r.ItemsOptional}
	for _, e := range []struct {
		key, text string
		into      **extractor
	}{
		{"items", r.Items, &out.items},
		{"id", r.ID, &out.id},
		{"key", r.Key, &out.key},
		{"url", r.URL, &out.url},
		{"name", r.Name, &out.name},
		{"address", r.Address, &out.address},
		{"kind", r.Kind, &out.kind},
		{"company", r.Company, &out.company},
		{"owner", r.Owner, &out.owner},
		{"updated_at", r.UpdatedAt, &out.updatedAt},
		{"deleted", r.Deleted, &out.deleted},
		{"by", r.By, &out.by},
		{"label", r.Label, &out.label},
		{"type", r.Type, &out.typ},
		{"required", r.Required, &out.required},
		{"object", r.Object, &out.object},
		{"cursor", r.Cursor, &out.cur},
		{"line", r.Line, &out.line},
	} {
		*e.into = c.extractor(e.key, e.text)
	}
	if out.items != nil && (out.items.path == nil || len(out.items.steps) > 0) {
		c.bad("items", "a path without transforms is needed, such as $.data.items")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		if e := c.extractor("fields."+name, r.Fields[name]); e != nil {
			out.fields = append(out.fields, namedExtractor{name, e})
		}
	}
	return out
}

// err returns all mistakes.
func (c *compiler) err() error { return errors.Join(c.errs...) }
