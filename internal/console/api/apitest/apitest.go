// Package apitest tests parts of the API: it asks as a caller, and holds each answer against the document.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Server is an API of some parts, and the record of what was done.
type Server struct {
	t       testing.TB
	handler http.Handler
	doc     any
	schemas *jsonschema.Compiler

	mu     sync.Mutex // guards what follows
	acts   []api.Act
	sealed bool
}

type callerKey struct{}

// New builds an API of parts.
func New(t testing.TB, parts ...api.Part) *Server {
	t.Helper()
	s := &Server{t: t}
	for _, p := range parts {
		tested.Store(p.Name, p)
	}
	doc, err := api.Read(parts, "test")
	if err == nil {
		err = doc.Check()
	}
	if err != nil {
		t.Fatalf("api: %v", err)
	}
	s.handler, err = api.New(api.Options{
		Document: doc, Audit: s, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Authenticate: func(r *http.Request) (*access.Caller, error) {
			c, _ := r.Context().Value(callerKey{}).(*access.Caller)
			return c, nil
		},
	})
	if err != nil {
		t.Fatalf("api: %v", err)
	}
	text := s.As(access.NewCaller(access.Person{ID: "apitest", Role: access.Admin}, access.ScopeAll, nil, nil)).Get(api.DocumentPath).Body
	if s.doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(text)); err != nil {
		t.Fatalf("the document: %v", err)
	}
	s.schemas = jsonschema.NewCompiler()
	s.schemas.DefaultDraft(jsonschema.Draft2020)
	s.schemas.AssertFormat()
	if err := s.schemas.AddResource("heliograph:///answers.json", s.doc); err != nil {
		t.Fatalf("the document: %v", err)
	}
	return s
}

// Record is api.Recorder.
func (s *Server) Record(_ context.Context, a api.Act) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return errors.New("the record is full")
	}
	s.acts = append(s.acts, a)
	return nil
}

// Seal makes the record refuse what comes, or take it again.
func (s *Server) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// Acts returns what was recorded of an operation.
func (s *Server) Acts(operation string) (list []api.Act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.acts {
		if a.Operation == operation {
			list = append(list, a)
		}
	}
	return list
}

// Handler is the API for one caller (nil: nobody), such as for httptest.NewServer.
func (s *Server) Handler(c *access.Caller) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// As asks as somebody; nil is nobody.
func (s *Server) As(c *access.Caller) *Client { return &Client{s: s, caller: c} }

// Client asks as one caller.
type Client struct {
	s      *Server
	caller *access.Caller
}

// Answer is what the API said.
type Answer struct {
	t      testing.TB
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// Get asks with GET; so do its kin with their methods. A body that is no io.Reader is sent as JSON. headers are names and values in turn.
func (c *Client) Get(path string, headers ...string) *Answer {
	c.s.t.Helper()
	return c.Do(http.MethodGet, path, nil, headers...)
}

// Post asks with POST.
func (c *Client) Post(path string, body any, headers ...string) *Answer {
	c.s.t.Helper()
	return c.Do(http.MethodPost, path, body, headers...)
}

// Put asks with PUT.
func (c *Client) Put(path string, body any, headers ...string) *Answer {
	c.s.t.Helper()
	return c.Do(http.MethodPut, path, body, headers...)
}

// Patch asks with PATCH.
func (c *Client) Patch(path string, body any, headers ...string) *Answer {
	c.s.t.Helper()
	return c.Do(http.MethodPatch, path, body, headers...)
}

// Delete asks with DELETE.
func (c *Client) Delete(path string, headers ...string) *Answer {
	c.s.t.Helper()
	return c.Do(http.MethodDelete, path, nil, headers...)
}

// Do asks with any method.
func (c *Client) Do(method, path string, body any, headers ...string) *Answer {
	t := c.s.t
	t.Helper()
	var in io.Reader
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), callerKey{}, c.caller), method, path, nil)
	switch b := body.(type) {
	case nil:
	case io.Reader:
		in = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatalf("the body of %s %s: %v", method, path, err)
		}
		in = bytes.NewReader(text)
		r.Header.Set("Content-Type", "application/json")
	}
	if in != nil {
		r.Body = io.NopCloser(in)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.s.handler.ServeHTTP(w, r)
	a := &Answer{t: t, what: method + " " + path, Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
	c.s.validate(r.Pattern, a)
	return a
}

// validate fails the test where an answer is not what the document says of its operation.
func (s *Server) validate(pattern string, a *Answer) {
	s.t.Helper()
	method, path, ok := strings.Cut(pattern, " ")
	if s.schemas == nil || !ok || path == api.DocumentPath {
		return
	}
	at := []string{"paths", path, strings.ToLower(method), "responses", strconv.Itoa(a.Status)}
	if _, known := s.find(at...); !known {
		at[4] = "default"
	}
	response, known := s.find(at...)
	if !known {
		s.t.Errorf("%s: the document knows no answer %d: %s", a.what, a.Status, a.Body)
		return
	}
	if a.Status < http.StatusBadRequest {
		answered.Store(pattern, true)
	}
	content, _ := response.(map[string]any)["content"].(map[string]any)
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if len(a.Body) == 0 && len(content) == 0 {
		return
	}
	if _, listed := content[kind]; err != nil || !listed && content["*/*"] == nil {
		s.t.Errorf("%s: an answer %d of type %q, which the document does not list", a.what, a.Status, kind)
		return
	}
	if kind != "application/json" && kind != "application/problem+json" {
		return
	}
	s.hold(a, s.place(append(at, "content", kind, "schema")...))
}

var (
	// answered are the operations, by pattern, of which an answer other than a problem was held against the document.
	answered sync.Map
	// tested are the parts of all servers, by name.
	tested sync.Map
)

// Whole runs the tests of a package, and demands that they had an answer of each operation of the parts that they made servers of, other than
// a problem. Those named in elsewhere (by operationId) are tested in another package. Pass it to storetest.Main.
func Whole(m *testing.M, elsewhere ...string) interface{ Run() int } { return whole{m, elsewhere} }

type whole struct {
	m         *testing.M
	elsewhere []string
}

// Run is that of testing.M.
func (w whole) Run() int {
	code := w.m.Run()
	run, list := flag.Lookup("test.run"), flag.Lookup("test.list")
	if code != 0 || run.Value.String() != "" || list.Value.String() != "" { // not all of them ran
		return code
	}
	var parts []api.Part
	for _, p := range tested.Range {
		parts = append(parts, p.(api.Part)) //nolint:forcetypeassert // it holds nothing else
	}
	doc, err := api.Read(parts, "test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, o := range doc.Operations() {
		if _, ok := answered.Load(o.Pattern()); ok == slices.Contains(w.elsewhere, o.ID) {
			fmt.Fprintf(os.Stderr, "operation %s (%s): answered in these tests: %v\n", o.ID, o.Pattern(), ok)
			code = 1
		}
	}
	return code
}

func (s *Server) hold(a *Answer, pointer string) {
	s.t.Helper()
	schema, err := s.schemas.Compile("heliograph:///answers.json#" + pointer)
	if err != nil {
		s.t.Errorf("%s: the schema at %s: %v", a.what, pointer, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.Body))
	if err != nil {
		s.t.Errorf("%s: an answer %d that is no JSON: %v: %.300q", a.what, a.Status, err, a.Body)
		return
	}
	if err := schema.Validate(value); err != nil {
		s.t.Errorf("%s: the answer %d is not what the document says: %v\n%.2000s", a.what, a.Status, err, a.Body)
	}
}

// find follows keys and references through the document.
func (s *Server) find(keys ...string) (any, bool) {
	value := s.doc
	for _, k := range keys {
		m, ok := s.resolve(value).(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = m[k]; !ok {
			return nil, false
		}
	}
	return s.resolve(value), true
}

func (s *Server) resolve(value any) any {
	for range 8 {
		m, _ := value.(map[string]any)
		ref, ok := m["$ref"].(string)
		if !ok {
			return value
		}
		value, _ = s.find(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return value
}

// place is the JSON pointer of what keys lead to, behind references.
func (s *Server) place(keys ...string) string {
	var at []string
	for i := range keys {
		at = append(at, keys[i])
		value := s.doc
		for _, k := range at {
			m, _ := value.(map[string]any)
			value = m[k]
		}
		if m, ok := value.(map[string]any); ok && i < len(keys)-1 {
			if ref, ok := m["$ref"].(string); ok {
				at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
			}
		}
	}
	var pointer strings.Builder
	for _, k := range at {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(k))
	}
	return pointer.String()
}

// JSON reads the answer, which must have the status, into a value.
func (a *Answer) JSON(status int, into any) {
	a.t.Helper()
	a.Is(status)
	if err := json.Unmarshal(a.Body, into); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.Body)
	}
}

// Is demands a status.
func (a *Answer) Is(status int) *Answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: status %d, want %d: %.2000s", a.what, a.Status, status, a.Body)
	}
	return a
}

// Problem demands a problem with a status and a code, and returns it.
func (a *Answer) Problem(status int, code string) api.Problem {
	a.t.Helper()
	var p api.Problem
	a.JSON(status, &p)
	if p.Code != code {
		a.t.Fatalf("%s: the code is %q, want %q: %s", a.what, p.Code, code, a.Body)
	}
	return p
}
