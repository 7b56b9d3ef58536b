package rest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"heliograph/crmclient"
)

// test is a compiled Test.
type test struct {
	path      *jsonPath
	header    string
	in, notIn []string
	exists    *bool
	contains  string
	lacks     string
}

// rule is a compiled ErrorRule.
type rule struct {
	test       *test // nil: none
	status     []int
	class      Class
	after      *jsonPath
	retryAfter time.Duration
	remedy     string
}

// reply is an answer with its JSON.
type reply struct {
	op        *operation
	status    int
	header    http.Header
	body      []byte
	truncated bool
	root      any  // nil where the body is not JSON
	isJSON    bool // or empty
	requestID string
	redact    *crmclient.Redactor
}

func (c *compiler) tests(key string, list []Test) []test {
	var out []test
	for i, t := range list {
		out = append(out, *c.test(fmt.Sprintf("%s[%d]", key, i), t))
	}
	return out
}

func (c *compiler) test(key string, t Test) *test {
	out := &test{header: t.Header, in: comparables(t.In), notIn: comparables(t.NotIn), exists: t.Exists, contains: t.Contains, lacks: t.Lacks}
	words := t.Contains != "" || t.Lacks != ""
	switch {
	case t.Path != "" && t.Header != "":
		c.bad(key, "path and header are both given")
	case t.Path != "":
		out.path = c.path(key+".path", t.Path)
	case t.Header != "":
		if !httpguts.ValidHeaderFieldName(t.Header) {
			c.bad(key, "%q is not the name of a header", t.Header)
		}
	case !words || t.In != nil || t.NotIn != nil || t.Exists != nil:
		c.bad(key, "path or header is missing")
	}
	if t.In == nil && t.NotIn == nil && t.Exists == nil && !words {
		c.bad(key, "in, not_in, exists, contains or lacks is missing")
	}
	return out
}

// comparables writes the values of a test as texts, as those of the answer are compared.
func comparables(list []any) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = comparableText(v)
	}
	return out
}

func comparableText(v any) string {
	if v == nil {
		return "null"
	}
	text, err := textOf(v)
	if err != nil {
		return "object"
	}
	return text
}

func (c *compiler) rules(key string, list []ErrorRule) []rule {
	var out []rule
	for i, r := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		n := rule{status: r.Status, class: r.Class, retryAfter: r.RetryAfter.D(), remedy: r.Remedy}
		if r.Class == "" {
			c.bad(at, "class is missing")
		}
		if !reflect.ValueOf(r.Test).IsZero() {
			n.test = c.test(at, r.Test)
		} else if len(r.Status) == 0 {
			c.bad(at, "it names no condition: status, path, header, contains or lacks")
		}
		for _, s := range r.Status {
			if s < 200 || s > 599 {
				c.bad(at, "%d is not a status", s)
			}
		}
		if r.RetryAfterPath != "" {
			n.after = c.path(at+".retry_after_path", r.RetryAfterPath)
		}
		out = append(out, n)
	}
	return out
}

// holds says whether the test holds for the answer.
func (t *test) holds(r *reply) bool {
	var found []any
	switch {
	case t.path != nil:
		if r.root != nil {
			found = t.path.Select(r.root)
		}
	case t.header != "":
		if v := r.header.Values(t.header); len(v) > 0 {
			found = []any{v[0]}
		}
	default:
		found = []any{string(r.body)}
	}
	if t.exists != nil && *t.exists != (len(found) > 0) {
		return false
	}
	value := "null" // what is not there
	if len(found) > 0 {
		value = comparableText(found[0])
	}
	return (t.in == nil || slices.Contains(t.in, value)) && (t.notIn == nil || !slices.Contains(t.notIn, value)) &&
		(t.contains == "" || strings.Contains(value, t.contains)) && (t.lacks == "" || !strings.Contains(value, t.lacks))
}

// fits says whether all conditions of the rule hold.
func (e *rule) fits(r *reply) bool {
	return (len(e.status) == 0 || slices.Contains(e.status, r.status)) && (e.test == nil || e.test.holds(r))
}

func (c *Client) newReply(op *operation, a *crmclient.Answer, redact *crmclient.Redactor) *reply {
	r := &reply{op: op, status: a.Status, header: a.Header, body: a.Body, truncated: a.Truncated, requestID: a.RequestID, redact: redact}
	if r.truncated {
		return r
	}
	if len(bytes.TrimSpace(r.body)) == 0 {
		r.isJSON = true
		return r
	}
	if r.isJSON = crmclient.ExactJSON(r.body, &r.root) == nil; !r.isJSON {
		r.root = nil
	}
	return r
}

// errExpired is inside the error of an answer that says that the token has expired.
var errExpired = errors.New("the token has expired")

// judge returns nil for an answer of success, else an error with its class.
func (c *Client) judge(r *reply, broken error) error {
	ok := r.status/100 == 2
	if ok && broken != nil { // it broke off
		return broken
	}
	if ok && r.truncated {
		return r.retry(fmt.Sprintf("the answer is longer than %d bytes", crmclient.MaxAnswer))
	}
	failed := !ok
	for i := range r.op.success {
		failed = failed || !r.op.success[i].holds(r)
	}
	if !failed {
		return nil
	}
	for i := range r.op.errors {
		if e := &r.op.errors[i]; e.fits(r) {
			return c.ruled(r, e)
		}
	}
	if ok && !r.isJSON {
		return r.notJSON()
	}
	return c.byStatus(r)
}

func (r *reply) retry(message string) *crmclient.Error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Status: r.status, RequestID: r.requestID, Message: r.op.name + ": " + message}
}

// notJSON is the error for an answer that is not JSON.
func (r *reply) notJSON() *crmclient.Error {
	e := (&crmclient.Answer{Status: r.status, Body: r.body, RequestID: r.requestID}).Unreadable()
	e.Message = r.op.name + ": " + e.Message
	return e
}

// broken is the error for an answer that is not as the section says. What became of the request is not known.
func (r *reply) broken(what string, err error) error {
	return r.retry(r.redact.Text(fmt.Sprintf("the answer is not as configured: %s: %v", what, err)))
}

// words returns what the API itself says of the error.
func (c *Client) words(r *reply) string {
	if c.messagePath != nil && r.root != nil {
		for _, v := range c.messagePath.Select(r.root) {
			if text, err := textOf(v); err == nil && text != "" {
				return ": " + r.redact.Excerpt([]byte(text))
			}
		}
	}
	if text := r.redact.Excerpt(r.body); text != "" && !strings.HasPrefix(text, "<") { // a web page says nothing
		return ": " + text
	}
	return ""
}

// byStatus gives the error the class of its status. An error in an answer of success that no rule knows is ClassRetry:
// giving up loses mail, trying again does not.
func (c *Client) byStatus(r *reply) error {
	var e *crmclient.Error
	err := crmclient.FromStatus(&http.Response{StatusCode: r.status, Header: r.header})
	if !errors.As(err, &e) {
		e = r.retry("the target does not report success" + c.words(r))
		e.RetryAfter = headerWait(r.header)
		return e
	}
	e.Message, e.RequestID = r.op.name+": "+e.Message+c.words(r), r.requestID
	switch {
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		if r.op.used["id"] {
			e.Class, e.Err = crmclient.ClassPermanent, crmclient.ErrNoRecord
			break
		}
		e.Remedy = "compare url and the path of the operation " + r.op.name + " with the description of the API"
	case e.Class == crmclient.ClassAuth:
		if r.status == http.StatusUnauthorized {
			e.Err = errExpired
		}
		e.Remedy = "compare the keys under auth with those in the CRM, and give their user the right to do this"
	}
	return e
}

// headerWait reads Retry-After from an answer of any status.
func headerWait(h http.Header) time.Duration {
	return crmclient.RetryAfter(crmclient.FromStatus(&http.Response{StatusCode: http.StatusServiceUnavailable, Header: h}))
}

func (c *Client) ruled(r *reply, rule *rule) error {
	e := &crmclient.Error{
		Class: crmclient.Class(rule.class), Status: r.status, RequestID: r.requestID, Remedy: rule.remedy, RetryAfter: headerWait(r.header),
	}
	switch rule.class {
	case ClassNotFound:
		e.Class, e.Err = crmclient.ClassPermanent, crmclient.ErrNoRecord
	case ClassExpired:
		e.Class, e.Err = crmclient.ClassAuth, errExpired
	}
	if rule.after != nil && e.RetryAfter == 0 && r.root != nil {
		for _, v := range rule.after.Select(r.root) {
			if text, err := textOf(v); err == nil {
				e.RetryAfter = headerWait(http.Header{"Retry-After": {text}})
			}
		}
	}
	if e.RetryAfter == 0 {
		e.RetryAfter = rule.retryAfter
	}
	e.Message = r.op.name + ": " + phrase[e.Class] + c.words(r)
	return e
}

// phrase begins the message of an error of a class.
var phrase = map[crmclient.Class]string{
	crmclient.ClassRetry:         "the target has trouble",
	crmclient.ClassRate:          "the target asked to slow down",
	crmclient.ClassAuth:          "the target refused the credentials or rights",
	crmclient.ClassConfiguration: "the target cannot be used as configured",
	crmclient.ClassPermanent:     "the target refused the request",
	crmclient.ClassDuplicate:     "the target has it already",
}

func (r *reply) place(item any, s scope) place { return place{item: item, header: r.header, scope: s} }

// items returns the list of the answer.
func (r *reply) items(s scope) ([]any, error) {
	if !r.isJSON {
		return nil, r.notJSON()
	}
	if r.op.result.items == nil {
		if r.root == nil {
			return nil, r.retry("the answer is empty")
		}
		return []any{r.root}, nil
	}
	items, there, err := r.op.result.items.find(r.place(r.root, s))
	if err != nil {
		return nil, r.broken("result.items", err)
	}
	if r.root == nil || !there && !r.op.result.itemsOptional {
		return nil, r.retry("the answer has no " + r.op.result.items.path.String())
	}
	if len(items) > maxItems {
		return nil, r.retry(fmt.Sprintf("the answer has more than %d items", maxItems))
	}
	return items, nil
}
