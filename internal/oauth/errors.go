package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Kind says what a caller can do about an error of a token endpoint.
type Kind string

// The kinds. Only Passing may go away by itself.
const (
	// Grant: the consent of a person, or the assertion for one, is not good any more: they must connect again.
	Grant Kind = "grant"
	// Client: the id, secret or key of the application is wrong.
	Client Kind = "client"
	// Request: the application may not do this, or asks for a scope that is not there: a matter of set-up.
	Request Kind = "request"
	// Passing: the endpoint has trouble, or the outcome is not known.
	Passing Kind = "passing"
	// Pending: nobody has answered a device code yet (RFC 8628, 3.5).
	Pending Kind = "pending"
)

// Codes of our own, beside those of RFC 6749, 5.2 and of the vendors.
const (
	// CodeNotConnected: no grant is stored for the connection.
	CodeNotConnected = "not_connected"
	// CodeNoToken: the endpoint answered without an access token.
	CodeNoToken = "no_token"
)

// Error is what a token endpoint answered instead of a token (RFC 6749, 5.2), or why none was asked.
type Error struct {
	Status      int    // of HTTP; zero where nothing was asked
	Code        string // "error" of the answer; empty where it had none
	Description string // "error_description", one line, cut, without the secrets of the request
	Err         error  // may be nil
}

// Error returns the text for the operator.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("no access token")
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether the same request may succeed later without anyone doing anything.
func (e *Error) Temporary() bool { return e.Kind() == Passing || e.Kind() == Pending }

// kinds are the codes of RFC 6749 (5.2 and 4.1.2.1), of RFC 8628, of OpenID Connect that Microsoft uses, and of
// vendors that have their own.
var kinds = map[string]Kind{
	"invalid_grant":        Grant,
	"interaction_required": Grant,
	"consent_required":     Grant,
	"login_required":       Grant,
	"access_denied":        Grant,
	"expired_token":        Grant,
	"invalid_code":         Grant, // Zoho: of codes and of refresh tokens
	"invalid_token":        Grant,
	CodeNotConnected:       Grant,

	"invalid_client":        Client,
	"invalid_client_id":     Client, // Salesforce, Zoho
	"invalid_client_secret": Client,
	"client_id_invalid":     Client,
	"unauthorized_client":   Client,

	"invalid_request":             Request,
	"invalid_scope":               Request,
	"invalid_resource":            Request,
	"invalid_redirect_uri":        Request,
	"redirect_uri_mismatch":       Request,
	"unsupported_grant_type":      Request,
	"unsupported_response_type":   Request,
	"inactive_user":               Request, // Salesforce
	"inactive_org":                Request,
	"app_not_found":               Request,
	"invalid_app_access":          Request,
	"authorization_pending":       Pending,
	"slow_down":                   Pending,
	"temporarily_unavailable":     Passing,
	"server_error":                Passing,
	"rate_limit_exceeded":         Passing,
	"too_many_requests":           Passing,
	"token_request_limit_reached": Passing,
	CodeNoToken:                   Passing,
}

// Kind returns what can be done. An unknown code is judged by the status.
func (e *Error) Kind() Kind {
	if k, ok := kinds[strings.ToLower(e.Code)]; ok {
		return k
	}
	switch {
	case e.Status == 401 || e.Status == 403:
		return Client
	case e.Status == 408 || e.Status == 425 || e.Status == 429 || e.Status >= 500:
		return Passing
	case e.Status >= 300:
		return Request
	default:
		return Passing
	}
}

// KindOf returns the kind of err. Of an error that says nothing about itself it is Passing; of nil it is empty.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind()
	}
	return Passing
}

// maxDescription bounds, in runes, what a vendor says about an error: Microsoft's go over many lines.
const maxDescription = 300

// ErrorOf reads an answer of a token endpoint. It returns nil for one of success. Vendors that tell errors in a 200,
// under "error" or "errorCode", are understood. Secrets are taken out of what it quotes.
func ErrorOf(status int, body []byte, secrets ...string) *Error {
	var a struct {
		Error       json.RawMessage `json:"error"`
		ErrorCode   json.RawMessage `json:"errorCode"`
		Description string          `json:"error_description"`
		Message     string          `json:"message"`
	}
	// What is not JSON, or not of these types, is judged by its status alone.
	_ = json.Unmarshal(body, &a)
	code := text(a.Error)
	if code == "" && status/100 != 2 {
		code = text(a.ErrorCode)
	}
	if code == "" && status/100 == 2 {
		return nil
	}
	e := &Error{Status: status, Code: clean(code, secrets), Description: a.Description}
	if e.Description == "" && e.Code != "" {
		e.Description = a.Message
	}
	e.Description = clean(e.Description, secrets)
	return e
}

// text returns a JSON string or number as text, and nothing for all else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// clean makes one printable line of what a vendor said.
func clean(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 { // shorter ones would hollow out the text
			s = strings.ReplaceAll(s, secret, "<secret>")
		}
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if runes := []rune(s); len(runes) > maxDescription {
		return string(runes[:maxDescription]) + "…"
	}
	return s
}
