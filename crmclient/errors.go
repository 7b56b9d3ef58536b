package crmclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Class says what a caller can do about an error.
type Class string

// The classes. The caller repeats Retry and Rate, stops the target and tells an operator on Auth
// and Configuration, gives up on this one activity on Permanent, and is done on Duplicate.
const (
	ClassRetry         Class = "retry"         // a passing trouble, or an outcome that is not known
	ClassRate          Class = "rate"          // too many requests; see RetryAfter
	ClassAuth          Class = "auth"          // the credentials or rights are not good enough
	ClassConfiguration Class = "configuration" // the target cannot work as it is set up
	ClassPermanent     Class = "permanent"     // this activity will never be taken
	ClassDuplicate     Class = "duplicate"     // it is there already
)

// ErrCircuitOpen is inside errors of requests that were not sent, because the target failed
// too often in a row. It costs the target nothing, so callers need not count such an attempt.
var ErrCircuitOpen = errors.New("circuit open")

// Error is a failed request to a CRM.
type Error struct {
	Class      Class
	Status     int           // HTTP status; zero where there was no answer
	RetryAfter time.Duration // what the CRM asked for; zero where it did not say
	Message    string        // for the operator; holds no secrets
	Remedy     string        // what a person can do, a sentence without full stop; empty: what its class calls for
	RequestID  string        // for the CRM's support
	Err        error         // may be nil
}

// Error returns the text for the operator.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Message == "" {
		b.WriteString(string(e.Class))
		b.WriteString(" error")
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether the same request may succeed later without anyone doing anything.
func (e *Error) Temporary() bool { return e.Class == ClassRetry || e.Class == ClassRate }

// ClassOf returns the class of err. An error that nobody classified is ClassRetry: giving up
// loses mail, trying again does not. The class of nil is empty.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ClassRetry
}

// Remedy returns what a person can do about err: what the connector says, or what its class calls for. It is a sentence without full
// stop, and empty for nil.
func Remedy(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Remedy != "" {
		return e.Remedy
	}
	switch ClassOf(err) {
	case "", ClassDuplicate:
		return ""
	case ClassAuth:
		return "renew the credentials of this target"
	case ClassConfiguration:
		if e != nil && e.Status == http.StatusNotFound {
			return "compare the address (url) and the data centre in the section with the vendor's: nothing is there"
		}
		return "check the settings of this target"
	case ClassRate:
		return "the CRM limits us now; try again later"
	case ClassPermanent:
		return "look at what the CRM said of this record, and change it there or give the delivery up"
	}
	return "check that the CRM can be reached from this machine"
}

// RetryAfter returns how long the CRM asked to be left alone; zero where it did not.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// FromStatus returns nil for 2xx and an *Error with the class of the status for all else.
// It does not read the body. Connectors whose CRM means something else by a status, or tells errors
// in the body of a 200, change the class afterwards.
func FromStatus(resp *http.Response) error {
	return fromStatus(resp, time.Now())
}

func fromStatus(resp *http.Response, now time.Time) error {
	class := statusClass(resp.StatusCode)
	if class == "" {
		return nil
	}
	text := http.StatusText(resp.StatusCode)
	if text == "" {
		text = "unusual answer"
	}
	return &Error{
		Class:      class,
		Status:     resp.StatusCode,
		RetryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), now),
		Message:    statusMessage(class, text),
		RequestID:  responseID(resp.Header),
	}
}

func statusMessage(c Class, text string) string {
	text = strings.ToLower(text)
	switch c {
	case ClassAuth:
		return "the target refused the credentials: " + text
	case ClassRate:
		return "the target asked to slow down: " + text
	case ClassConfiguration:
		return "the target cannot be used as configured: " + text
	case ClassDuplicate:
		return "the target has it already: " + text
	case ClassPermanent:
		return "the target refused the request: " + text
	default:
		return "the target has trouble: " + text
	}
}

// statusClass maps every HTTP status (RFC 9110, 15, and the registered extensions). It is empty for 2xx.
func statusClass(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return ClassAuth
	case http.StatusTooManyRequests:
		return ClassRate
	case http.StatusConflict:
		return ClassDuplicate
	case http.StatusPaymentRequired, // a licence has run out
		http.StatusNotFound, // a wrong URL, or a workflow that is switched off
		http.StatusMethodNotAllowed,
		http.StatusNotAcceptable,
		http.StatusGone, // the receiver wants nothing any more
		http.StatusUnsupportedMediaType,
		http.StatusUpgradeRequired,
		http.StatusNotImplemented,
		http.StatusHTTPVersionNotSupported:
		return ClassConfiguration
	case http.StatusRequestTimeout,
		http.StatusMisdirectedRequest,
		http.StatusLocked,
		http.StatusFailedDependency,
		http.StatusTooEarly:
		return ClassRetry
	}
	switch {
	case status >= 200 && status < 300:
		return ""
	case status >= 300 && status < 400: // a redirect that may not be followed: the address is wrong
		return ClassConfiguration
	case status >= 400 && status < 500:
		return ClassPermanent
	default:
		return ClassRetry
	}
}

// maxRetryAfter bounds what a CRM may ask for, so that a typing error there does not stop a target for a year.
const maxRetryAfter = 24 * time.Hour

// parseRetryAfter reads seconds or an HTTP date (RFC 9110, 10.2.3). What it cannot read is zero.
func parseRetryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil { // some servers send fractions
		if !(s > 0) { // NaN too
			return 0
		}
		if s > maxRetryAfter.Seconds() {
			return maxRetryAfter
		}
		return time.Duration(s * float64(time.Second))
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(t.Sub(now), 0), maxRetryAfter)
}

// requestIDHeaders are where CRMs and their gateways tell the id of a request.
var requestIDHeaders = []string{
	"X-Request-Id", "Request-Id", "X-Correlation-Id", "X-Hubspot-Correlation-Id",
	"Sfdc-Request-Id", "X-Tt-Logid", "X-Amzn-Requestid", "Cf-Ray",
}

const maxRequestIDLength = 80

func responseID(h http.Header) string {
	for _, name := range requestIDHeaders {
		if v := h.Get(name); v != "" && len(v) <= maxRequestIDLength && printable(v) {
			return v
		}
	}
	return ""
}

func printable(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}

// networkError classifies a request that got no answer.
func networkError(ctx context.Context, err error) *Error {
	e := &Error{Class: ClassRetry, Err: err}
	var (
		refused  *refusedAddressError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &refused):
		e.Class, e.Message = ClassConfiguration, refused.Error()
	case errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verify):
		e.Class, e.Message = ClassConfiguration, "the target's certificate is not trusted"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		e.Class, e.Message = ClassConfiguration, "the target does not speak TLS on this port"
	case ctx.Err() != nil:
		e.Message = "request stopped: " + context.Cause(ctx).Error()
	default:
		e.Message = "no answer from the target"
	}
	return e
}
