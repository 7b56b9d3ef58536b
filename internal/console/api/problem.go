package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is a problem that the caller is told of.
type Error struct {
	Status int
	Code   string // stable, such as "not_found"
	Detail string // for people; holds no secret and no text of mails
	Remedy string // what to do; may be empty
	Fields []Field
	// RetryAfter is when it may work; zero: nobody knows.
	RetryAfter time.Duration
	cause      error
}

// Field is what is wrong with one field of a request: Pointer is a JSON pointer into the body (RFC 6901), or a parameter's name.
type Field = FieldProblem

func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.cause)
	}
	return e.Code + ": " + e.Detail
}

// Unwrap returns the error that led to this one.
func (e *Error) Unwrap() error { return e.cause }

// Because adds what led to the problem, for the log only.
func (e *Error) Because(err error) *Error {
	with := *e
	with.cause = err
	return &with
}

// Fail is a problem of any status.
func Fail(status int, code, detail, remedy string) *Error {
	return &Error{Status: status, Code: code, Detail: detail, Remedy: remedy}
}

// NotFound says that a thing is not there, or not for the caller to see.
func NotFound(code, detail string) *Error { return Fail(http.StatusNotFound, code, detail, "") }

// Invalid says that a request cannot be meant so.
func Invalid(code, detail string, fields ...Field) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Code: code, Detail: detail, Fields: fields}
}

// Conflict says that a request does not fit the state of things.
func Conflict(code, detail, remedy string) *Error {
	return Fail(http.StatusConflict, code, detail, remedy)
}

// Forbidden says that the caller must not.
func Forbidden(code, detail string) *Error { return Fail(http.StatusForbidden, code, detail, "") }

// Unavailable says that something that is needed is away for now.
func Unavailable(code, detail, remedy string) *Error {
	return Fail(http.StatusServiceUnavailable, code, detail, remedy)
}

// The problems of the core.
var (
	errSignIn   = Fail(http.StatusUnauthorized, "sign_in", "nobody is signed in", "Sign in, or send an API token that has not expired.")
	errScope    = Fail(http.StatusForbidden, "forbidden", "your role, or the scope of the token, does not allow this", "Ask an administrator.")
	errInternal = Fail(http.StatusInternalServerError, "internal", "something went wrong here", "Try again. The gateway's log says more under the id of this request.")
	errAudit    = Unavailable("audit_unavailable", "this cannot be put on record now, and so is not done", "Look at the gateway's log and its database.")
)

// respond writes err as problem+json. What is no Error is logged and shown as "internal".
func (h *handler) respond(w http.ResponseWriter, r *http.Request, err error) {
	id := requestID(r.Context())
	var e *Error
	if !errors.As(err, &e) {
		h.logger.Error("request of the API failed", "method", r.Method, "route", r.Pattern, "request_id", id, "err", err)
		e = errInternal
	} else if e.cause != nil && e.Status >= http.StatusInternalServerError {
		h.logger.Warn("request of the API was not carried out", "method", r.Method, "route", r.Pattern, "request_id", id, "err", err)
	}
	head := w.Header()
	for _, name := range []string{"ETag", "Content-Disposition", "Content-Length", "Location"} {
		head.Del(name)
	}
	head.Set("Content-Type", "application/problem+json")
	if e.RetryAfter > 0 {
		head.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	if e.Status == http.StatusUnauthorized {
		head.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(e.Status)
	if err := json.NewEncoder(w).Encode(e.problem(id)); err != nil {
		h.logger.Debug("client of the API left", "request_id", id, "err", err)
	}
}

func (e *Error) problem(id string) Problem {
	return Problem{
		Type: "https://heliograph.invalid/problems/" + e.Code, Title: http.StatusText(e.Status), Status: e.Status,
		Code: e.Code, Detail: e.Detail, Remedy: e.Remedy, Instance: id, Fields: e.Fields,
	}
}
