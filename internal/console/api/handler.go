package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/limit"
)

// Act is what the record of deeds is told of an operation.
type Act struct {
	Operation string // the operationId
	Change    bool   // else somebody looked at something
	Object    string // what it was done to: the values in the path, between slashes
	Caller    *access.Caller
	Client    netip.Addr
	Request   string // id of the request
	Outcome   Outcome
	Status    int            // the HTTP status; 0 while it is unknown
	Notes     map[string]any // what the operation says of it; no secrets and no texts of mails
}

// Outcome says how an operation ended.
type Outcome string

// The outcomes. A change is recorded before it is made, and once more with what came of it; both have the same Request.
const (
	OutcomeAllowed Outcome = "allowed" // about to be done
	OutcomeDone    Outcome = "done"    // with Notes
	OutcomeRefused Outcome = "refused" // the caller must not
	OutcomeFailed  Outcome = "failed"
)

// Recorder keeps the record. A change that cannot be recorded is not made. It may be called concurrently.
type Recorder interface {
	Record(ctx context.Context, a Act) error
}

// Options are the settings of an API.
type Options struct {
	Document *Document
	// Authenticate says who asks: nil and no error is nobody. An error that is no *Error counts as a failure of ours.
	Authenticate func(r *http.Request) (*access.Caller, error)
	// Client is the address of who asks; nil: of the connection.
	Client  func(r *http.Request) netip.Addr
	Audit   Recorder      // nil: nothing is recorded
	Limiter limit.Limiter // nil: as often as one likes
	Logger  *slog.Logger
}

// How often somebody may ask.
var (
	callerRate = limit.Rate{Count: 1200, Per: time.Minute, Burst: 200}
	publicRate = limit.Rate{Count: 120, Per: time.Minute, Burst: 60} // by address, where nobody is signed in
)

// DocumentPath is where the document is served to whoever is signed in.
const DocumentPath = "/api/v1/openapi.json"

type handler struct {
	Options
	logger *slog.Logger
	mux    *http.ServeMux
}

// New builds the handler of all that begins with /api/. It fails where documents and code do not fit together.
func New(o Options) (http.Handler, error) {
	h := &handler{Options: o, logger: o.Logger, mux: http.NewServeMux()}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	if h.Client == nil {
		h.Client = connected
	}
	errs := Errors{
		Request: func(w http.ResponseWriter, r *http.Request, err error) { h.respond(w, r, requestError(err)) },
		Response: func(w http.ResponseWriter, r *http.Request, err error) {
			h.respond(w, r, err)
		},
	}
	m := &mounting{h: h, left: maps.Clone(o.Document.operations)}
	for _, p := range o.Document.parts {
		p.Mount(m, errs)
	}
	for _, pattern := range slices.Sorted(maps.Keys(m.left)) {
		m.wrong = append(m.wrong, fmt.Errorf("%s is in the document, and no code is there for it", pattern))
	}
	if err := errors.Join(m.wrong...); err != nil {
		return nil, err
	}
	own := &Operation{ID: "getDocument", Method: http.MethodGet, Path: DocumentPath, Permission: access.SignedIn, audit: auditNone, body: defaultBody}
	h.mux.HandleFunc(own.Pattern(), h.guard(own, h.document))
	h.mux.HandleFunc("/api/", h.guard(&Operation{ID: "none", Permission: access.Public, audit: auditNone, body: defaultBody}, func(w http.ResponseWriter, r *http.Request) {
		h.respond(w, r, NotFound("no_operation", "the API has no such operation"))
	}))
	return h.mux, nil
}

// mounting hands operations to the mux, each behind its guard.
type mounting struct {
	h     *handler
	left  map[string]*Operation
	wrong []error
}

func (m *mounting) HandleFunc(pattern string, f func(http.ResponseWriter, *http.Request)) {
	o, ok := m.left[pattern]
	if !ok {
		m.wrong = append(m.wrong, fmt.Errorf("%s has code, and is not in the document", pattern))
		return
	}
	delete(m.left, pattern)
	m.h.mux.HandleFunc(pattern, m.h.guard(o, f))
}

func (m *mounting) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.h.mux.ServeHTTP(w, r) }

// guard lets pass what the document allows.
func (h *handler) guard(o *Operation, f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: rand.Text()[:16], client: h.Client(r), op: o, object: object(o.Path, r)}
		ctx := context.WithValue(r.Context(), callKey{}, c)
		w.Header().Set("X-Request-Id", c.id)
		rec := &recorder{ResponseWriter: w}
		r = r.WithContext(ctx)
		who, err := h.admit(r, c)
		if err != nil {
			h.respond(rec, r, err)
			return
		}
		if who != nil {
			r = r.WithContext(access.With(ctx, who))
		}
		r.Body = http.MaxBytesReader(w, r.Body, o.body)
		if err := o.check(r); err != nil {
			h.respond(rec, r, err)
			return
		}
		if o.audit == auditChange {
			if err := h.record(r.Context(), c, who, OutcomeAllowed, 0); err != nil {
				h.respond(rec, r, errAudit.Because(err))
				return
			}
		}
		h.run(f, rec, r)
		h.ended(r, c, who, rec.status)
	}
}

// admit tells who asks, and whether they may.
func (h *handler) admit(r *http.Request, c *call) (*access.Caller, error) {
	who, err := h.Authenticate(r)
	if err != nil && (c.op.Permission != access.Public || !isError(err)) {
		return nil, err
	}
	key, rate := "api:address:"+c.client.String(), publicRate
	if who != nil {
		key, rate = "api:person:"+who.Person.ID, callerRate
	}
	if h.Limiter != nil {
		d, err := h.Limiter.Allow(r.Context(), key, rate, 1)
		if err == nil && !d.Allowed {
			return nil, &Error{Status: http.StatusTooManyRequests, Code: "too_often", Detail: "too many requests", Remedy: "Wait a little.", RetryAfter: d.RetryAfter}
		}
	}
	switch {
	case who.May(c.op.Permission):
		return who, nil
	case who == nil:
		return nil, errSignIn
	}
	if c.op.audit != auditNone {
		if err := h.record(r.Context(), c, who, OutcomeRefused, http.StatusForbidden); err != nil {
			h.logger.Warn("a refusal was not recorded", "request_id", c.id, "err", err)
		}
	}
	return nil, errScope
}

func isError(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// ended records what a change came to, and what was looked at.
func (h *handler) ended(r *http.Request, c *call, who *access.Caller, status int) {
	var err error
	switch failed := status >= http.StatusBadRequest; {
	case c.op.audit == auditChange && failed:
		err = h.record(r.Context(), c, who, OutcomeFailed, status)
	case c.op.audit == auditChange, c.op.audit == auditView && !failed:
		err = h.record(r.Context(), c, who, OutcomeDone, status)
	}
	if err != nil {
		h.logger.Error("what was done was not recorded", "operation", c.op.ID, "request_id", c.id, "err", err)
	}
}

func (h *handler) record(ctx context.Context, c *call, who *access.Caller, outcome Outcome, status int) error {
	if h.Audit == nil {
		return nil
	}
	c.mu.Lock()
	notes := maps.Clone(c.notes)
	c.mu.Unlock()
	return h.Audit.Record(context.WithoutCancel(ctx), Act{
		Operation: c.op.ID, Change: c.op.audit == auditChange, Object: c.object, Caller: who, Client: c.client, Request: c.id,
		Outcome: outcome, Status: status, Notes: notes,
	})
}

// run calls an operation, and answers for it when it panics.
func (h *handler) run(f http.HandlerFunc, w *recorder, r *http.Request) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		h.logger.Error("request of the API panicked", "route", r.Pattern, "request_id", requestID(r.Context()), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if w.status == 0 {
			h.respond(w, r, errInternal)
		}
	}()
	f(w, r)
}

func (h *handler) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(h.Document.json)
}

// requestError is what is said of a request that generated code could not read.
func requestError(err error) error {
	if isError(err) {
		return err
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return bodyError(err)
	}
	return Fail(http.StatusBadRequest, "bad_request", "the request cannot be read: "+err.Error(), "")
}
