package dynamics

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"heliograph/crmclient"
)

// vendorError is inside the errors of answers with a code.
type vendorError struct{ code string }

func (e *vendorError) Error() string { return e.code }

func codeOf(err error) string {
	var v *vendorError
	if errors.As(err, &v) {
		return v.code
	}
	return ""
}

// meaning is what a code calls for.
type meaning struct {
	class  crmclient.Class
	remedy string
}

const (
	remedyRole   = "give the application user a security role with the privilege (Power Platform admin center, Environments, Settings, Users, Application users)"
	remedyColumn = "create the column, or change the mapping in the section; names are the logical names of Power Apps, Tables, Columns"
)

// meanings is the table of Dataverse's codes. Those that are not in it go by the status.
var meanings = map[string]meaning{
	"0x80072322": {crmclient.ClassRate, ""}, // number of requests
	"0x80072321": {crmclient.ClassRate, ""}, // time of execution
	"0x80072326": {crmclient.ClassRate, ""}, // requests at the same time
	"0x80040220": {crmclient.ClassAuth, remedyRole},
	"0x80042f09": {crmclient.ClassAuth, remedyRole},
	"0x80072560": {crmclient.ClassAuth, "add the app as an application user of the environment (Power Platform admin center, Environments, Settings, Users, Application users)"},
	"0x8004a10b": {crmclient.ClassConfiguration, "the environment is switched off or its licence has run out"},
	"0x80040217": {crmclient.ClassPermanent, ""}, // no such row
	"0x80060891": {crmclient.ClassPermanent, ""}, // no row with the alternate key
	"0x80060888": {crmclient.ClassConfiguration, remedyColumn},
	"0x80048d19": {crmclient.ClassConfiguration, remedyColumn},
	"0x80060892": {crmclient.ClassDuplicate, ""}, // alternate key
	"0x80040237": {crmclient.ClassDuplicate, ""},
	"0x80040333": {crmclient.ClassPermanent, "a duplicate detection rule refuses the row (Settings, Data Management)"},
	"0x80044331": {crmclient.ClassPermanent, "a value is longer than its column: lower max_text, or add a step cut to the column in the mapping"},
	"0x80045034": {crmclient.ClassPermanent, "the file is larger than the environment takes: lower max_attachment, or raise the limit in Settings, Email"},
	"0x80043e09": {crmclient.ClassPermanent, "the environment blocks files of this kind (Settings, Privacy + Security)"},
}

// harmless are the parts of messages that quote nothing of a mail.
var harmless = regexp.MustCompile(`prv[A-Za-z]{3,60}|(?:[Cc]ould not find a property named|Could not find the property|undeclared property) '[A-Za-z0-9_@.]{1,100}'|Resource not found for the segment '[A-Za-z0-9_]{1,100}'`)

// explain makes an error out of an answer. Of the text of Dataverse only what quotes nothing goes into it.
func explain(answer *crmclient.Answer, err error) error {
	var e *crmclient.Error
	if !errors.As(err, &e) {
		return err
	}
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	out := &crmclient.Error{Class: e.Class, Status: e.Status, RetryAfter: e.RetryAfter, RequestID: e.RequestID, Err: e.Err}
	var plain *crmclient.Error
	if errors.As(crmclient.FromStatus(&http.Response{StatusCode: answer.Status, Header: answer.Header}), &plain) {
		out.Message = plain.Message
	}
	if answer.Status == http.StatusPreconditionFailed {
		out.Class = crmclient.ClassDuplicate
	}
	switch answer.Status {
	case http.StatusUnauthorized:
		out.Remedy = meanings["0x80072560"].remedy
	case http.StatusForbidden:
		out.Remedy = remedyRole
	case http.StatusNotFound:
		out.Remedy = "compare url with the Environment URL (Power Platform admin center, Environments), and api_version"
	}
	if json.Unmarshal(answer.Body, &body) != nil || body.Error.Code == "" && body.Error.Message == "" {
		return out
	}
	code := strings.ToLower(body.Error.Code)
	if len(code) > 20 || !strings.HasPrefix(code, "0x") {
		code = ""
	}
	out.Err = &vendorError{code}
	if code != "" {
		out.Message += ": " + code
	}
	if text := harmless.FindString(body.Error.Message); text != "" {
		out.Message += ": " + text
		if !strings.HasPrefix(text, "prv") {
			out.Class, out.Remedy = crmclient.ClassConfiguration, remedyColumn
		}
	}
	if m, ok := meanings[code]; ok {
		out.Class = m.class
		if m.remedy != "" {
			out.Remedy = m.remedy
		}
	}
	return out
}

// gone says that a row is not there (any more).
func gone(err error) bool {
	var e *crmclient.Error
	if !errors.As(err, &e) {
		return false
	}
	switch codeOf(err) {
	case "0x80040217", "0x80060891":
		return true
	}
	var v *vendorError // a 404 with another code is of a table or column
	return (e.Status == http.StatusNotFound || e.Status == http.StatusGone) && !errors.As(err, &v)
}

// noRecord is the error for a row that is not there.
func noRecord(err error) error {
	e := &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Dynamics has no such row", Err: crmclient.ErrNoRecord}
	var was *crmclient.Error
	if errors.As(err, &was) {
		e.Status, e.RequestID = was.Status, was.RequestID
	}
	return e
}
