package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/apitest"
)

const document = `
openapi: 3.1.0
info: {title: things, version: "1"}
paths:
  /api/v1/things/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, maxLength: 8}}
    get:
      operationId: getThing
      x-permission: mail.read
      x-audit: view
      parameters:
        - $ref: "../openapi.yaml#/components/parameters/Limit"
        - {name: at, in: query, schema: {type: string, format: date-time}}
        - {name: kind, in: query, schema: {type: array, items: {type: string, enum: [a, b]}}}
      responses:
        "200": {description: it, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
        default: {$ref: "../openapi.yaml#/components/responses/Problem"}
    post:
      operationId: changeThing
      x-permission: rules.write
      x-body: 100
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}
      responses:
        "204": {description: done}
        default: {$ref: "../openapi.yaml#/components/responses/Problem"}
  /api/v1/hello:
    get:
      operationId: hello
      x-permission: public
      responses:
        "200": {description: it, content: {application/json: {schema: {type: object}}}}
        default: {$ref: "../openapi.yaml#/components/responses/Problem"}
components:
  schemas:
    Thing:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: {type: string, minLength: 1}
        count: {type: integer, minimum: 0}
`

func things(change func(http.ResponseWriter, *http.Request, api.Errors)) api.Part {
	return api.Part{Name: "things", Document: []byte(document), Mount: func(mux api.Mux, e api.Errors) {
		mux.HandleFunc("GET /api/v1/things/{id}", func(w http.ResponseWriter, r *http.Request) {
			if r.PathValue("id") == "none" {
				e.Response(w, r, api.NotFound("no_thing", "there is no such thing"))
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"name":"` + access.From(r.Context()).Person.ID + `"}`))
		})
		mux.HandleFunc("POST /api/v1/things/{id}", func(w http.ResponseWriter, r *http.Request) { change(w, r, e) })
		mux.HandleFunc("GET /api/v1/hello", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{}`))
		})
	}}
}

func caller(r access.Role) *access.Caller {
	return access.NewCaller(access.Person{ID: string(r), Role: r}, access.ScopeAll, nil, nil)
}

func TestDocumentDecides(t *testing.T) {
	t.Parallel()
	changed := 0
	s := apitest.New(t, things(func(w http.ResponseWriter, r *http.Request, _ api.Errors) {
		api.Note(r.Context(), "to", "x")
		changed++
		w.WriteHeader(http.StatusNoContent)
	}))
	admin := s.As(caller(access.Admin))

	s.As(nil).Get("/api/v1/hello").Is(http.StatusOK)
	s.As(nil).Get("/api/v1/things/a").Problem(http.StatusUnauthorized, "sign_in")
	s.As(caller(access.Auditor)).Get("/api/v1/things/a").Problem(http.StatusForbidden, "forbidden")
	s.As(caller(access.Agent)).Get("/api/v1/things/a?limit=5&kind=a,b").Is(http.StatusOK)
	admin.Get("/api/v1/things/none").Problem(http.StatusNotFound, "no_thing")
	admin.Get("/api/v1/nothing").Problem(http.StatusNotFound, "no_operation")
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "at=yesterday", "kind=a,c", "limit=1&limit=2"} {
		name, _, _ := strings.Cut(query, "=")
		if p := admin.Get("/api/v1/things/a?"+query).Problem(http.StatusUnprocessableEntity, "bad_parameters"); len(p.Fields) != 1 || p.Fields[0].Pointer != name {
			t.Errorf("%s: %+v", query, p.Fields)
		}
	}
	admin.Get("/api/v1/things/too-long-a-name").Problem(http.StatusUnprocessableEntity, "bad_parameters")

	p := admin.Post("/api/v1/things/a", map[string]any{"name": "", "count": -1, "other": 1}).Problem(http.StatusUnprocessableEntity, "invalid")
	got := map[string]bool{}
	for _, f := range p.Fields {
		got[f.Pointer] = true
	}
	if !got["/name"] || !got["/count"] || !got[""] || changed != 0 {
		t.Errorf("fields %+v, %d changes", p.Fields, changed)
	}
	admin.Post("/api/v1/things/a", nil).Problem(http.StatusBadRequest, "no_body")
	admin.Post("/api/v1/things/a", strings.NewReader("{"), "Content-Type", "application/json").Problem(http.StatusBadRequest, "bad_json")
	admin.Post("/api/v1/things/a", map[string]any{"name": strings.Repeat("n", 200)}).Problem(http.StatusRequestEntityTooLarge, "too_large")
	admin.Post("/api/v1/things/a", map[string]any{"name": "n"}).Is(http.StatusNoContent)
	if changed != 1 {
		t.Errorf("%d changes", changed)
	}
}

func TestDeedsAreRecorded(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, things(func(w http.ResponseWriter, r *http.Request, e api.Errors) {
		switch r.PathValue("id") {
		case "fails":
			e.Response(w, r, errors.New("a secret"))
		case "panics":
			panic("a secret")
		default:
			api.Note(r.Context(), "to", "x")
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	admin, body := s.As(caller(access.Admin)), map[string]any{"name": "n"}
	admin.Get("/api/v1/things/a").Is(http.StatusOK)
	admin.Get("/api/v1/things/none").Is(http.StatusNotFound)
	if acts := s.Acts("getThing"); len(acts) != 1 || acts[0].Object != "a" || acts[0].Change || acts[0].Caller.Person.ID != "admin" || acts[0].Outcome != api.OutcomeDone {
		t.Errorf("views: %+v", acts)
	}
	admin.Post("/api/v1/things/a", body).Is(http.StatusNoContent)
	s.As(caller(access.Agent)).Post("/api/v1/things/b", body).Is(http.StatusForbidden)
	for _, id := range []string{"fails", "panics"} {
		if p := admin.Post("/api/v1/things/"+id, body).Problem(http.StatusInternalServerError, "internal"); strings.Contains(p.Detail, "secret") || p.Instance == "" {
			t.Errorf("%+v", p)
		}
	}
	var got []string
	for _, a := range s.Acts("changeThing") {
		got = append(got, a.Object+" "+string(a.Outcome))
	}
	want := "a allowed,a done,b refused,fails allowed,fails failed,panics allowed,panics failed"
	if strings.Join(got, ",") != want {
		t.Errorf("recorded %v, want %s", got, want)
	}

	s.Seal(true)
	admin.Post("/api/v1/things/a", body).Problem(http.StatusServiceUnavailable, "audit_unavailable")
	admin.Get("/api/v1/things/a").Is(http.StatusOK)
}

func open(parts ...api.Part) error {
	doc, err := api.Read(parts, "test")
	if err == nil {
		_, err = api.New(api.Options{Document: doc})
	}
	return err
}

func TestDocumentAndCodeFitTogether(t *testing.T) {
	t.Parallel()
	whole := things(nil)
	for name, c := range map[string]struct {
		change func(*api.Part)
		want   string
	}{
		"no code":          {func(p *api.Part) { p.Mount = func(api.Mux, api.Errors) {} }, "no code is there for it"},
		"no permission":    {func(p *api.Part) { p.Document = []byte(strings.Replace(document, "x-permission: public", "", 1)) }, "x-permission"},
		"wrong permission": {func(p *api.Part) { p.Document = []byte(strings.Replace(document, "public", "publik", 1)) }, `"publik"`},
		"wrong audit":      {func(p *api.Part) { p.Document = []byte(strings.Replace(document, "x-audit: view", "x-audit: look", 1)) }, `"look"`},
		"not in the document": {func(p *api.Part) {
			p.Mount = func(mux api.Mux, e api.Errors) { whole.Mount(mux, e); mux.HandleFunc("GET /api/v1/more", nil) }
		}, "not in the document"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := whole
			c.change(&p)
			if err := open(p); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := open(whole, whole); err == nil {
		t.Error("a path that is there twice was taken")
	}
}

// TestNamesOfParts has two parts that call different things by one name.
func TestNamesOfParts(t *testing.T) {
	t.Parallel()
	done := func(w http.ResponseWriter, _ *http.Request, _ api.Errors) { w.WriteHeader(http.StatusNoContent) }
	first, second := things(done), things(done)
	second.Name = "others"
	second.Document = []byte(strings.NewReplacer("/things/", "/others/", "/hello", "/bye", "required: [name]", "required: [count]").Replace(document))
	second.Mount = func(mux api.Mux, _ api.Errors) {
		for _, pattern := range []string{"GET /api/v1/others/{id}", "POST /api/v1/others/{id}", "GET /api/v1/bye"} {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		}
	}
	s := apitest.New(t, first, second)
	admin := s.As(caller(access.Admin))
	admin.Post("/api/v1/things/a", map[string]any{"name": "n"}).Is(http.StatusNoContent)
	admin.Post("/api/v1/others/a", map[string]any{"count": 1}).Is(http.StatusNoContent)
	admin.Post("/api/v1/others/a", map[string]any{"name": "n"}).Problem(http.StatusUnprocessableEntity, "invalid")
}

func TestCursorAndETag(t *testing.T) {
	t.Parallel()
	cursor, err := api.EncodeCursor(int64(1)<<60, "ä")
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	var s string
	if ok, err := api.DecodeCursor(cursor, &n, &s); !ok || err != nil || n != 1<<60 || s != "ä" {
		t.Errorf("got %v %v %d %q", ok, err, n, s)
	}
	for _, bad := range []string{"%", "e30", cursor[:5]} {
		if _, err := api.DecodeCursor(bad, &n, &s); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	tag := api.ETag("a", 1)
	if tag == api.ETag("a", 2) {
		t.Error("two versions have one tag")
	}
	for ifMatch, status := range map[string]int{tag: 0, `"x", W/` + tag: 0, "*": 0, `"x"`: http.StatusPreconditionFailed, "": http.StatusPreconditionRequired} {
		err := api.Match(ifMatch, tag)
		var e *api.Error
		if (status == 0) != (err == nil) || status != 0 && (!errors.As(err, &e) || e.Status != status) {
			t.Errorf("%q: %v", ifMatch, err)
		}
	}
}
