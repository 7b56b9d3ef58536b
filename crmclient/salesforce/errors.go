package salesforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

// fault is one error as Salesforce tells it. Answers have a list of them; those of collections say statusCode instead of errorCode.
type fault struct {
	Code      string          `json:"errorCode"`
	Status    string          `json:"statusCode"`
	Message   string          `json:"message"`
	Fields    []string        `json:"fields"`
	Duplicate json.RawMessage `json:"duplicateResult"`
}

func (f fault) code() string {
	if f.Code != "" {
		return f.Code
	}
	return f.Status
}

// vendorError is inside the errors of answers with a code.
type vendorError struct {
	code    string
	fields  []string
	matches []match // of duplicate rules
}

func (e *vendorError) Error() string { return e.code }

type match struct{ object, id string }

// codeOf returns Salesforce's code of an error, or nothing.
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
	after  time.Duration
	remedy string
}

const (
	quotaPause = 15 * time.Minute // the daily limit is a sliding one and has no Retry-After
	lockPause  = 5 * time.Second

	remedyPermission = "give the user that the gateway acts as a permission set with create and read on the objects that the connector's sample names"
	remedyField      = "create the field, give the user read and edit access to it (Field-Level Security), or change the mapping in the section"
)

// meanings is the table of Salesforce's codes. Those that are not in it go by the status.
var meanings = map[string]meaning{
	"INVALID_SESSION_ID":  {crmclient.ClassAuth, 0, "approve the connected app for the user, and check that its session policies and IP ranges let the gateway in (Setup, Manage Connected Apps)"},
	"INVALID_AUTH_HEADER": {crmclient.ClassAuth, 0, "check that no proxy changes the Authorization header"},
	"INVALID_LOGIN":       {crmclient.ClassAuth, 0, "check the user name and that the user is active"},
	"FORBIDDEN":           {crmclient.ClassAuth, 0, remedyPermission},

	"INSUFFICIENT_ACCESS":                           {crmclient.ClassAuth, 0, remedyPermission},
	"INSUFFICIENT_ACCESS_OR_READONLY":               {crmclient.ClassAuth, 0, remedyPermission},
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": {crmclient.ClassPermanent, 0, "give the user access to the record that the mail is to be linked to (sharing rules, or View All)"},
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          {crmclient.ClassPermanent, 0, "a trigger or flow of the organisation refused the record; see its message in Setup"},

	"API_DISABLED_FOR_ORG":      {crmclient.ClassConfiguration, 0, "the edition has no API: Enterprise, Unlimited, Performance or Developer Edition, or Professional with API access"},
	"API_CURRENTLY_DISABLED":    {crmclient.ClassConfiguration, 0, "give the user the permission API Enabled"},
	"FUNCTIONALITY_NOT_ENABLED": {crmclient.ClassConfiguration, 0, "switch the function on in Setup (Enhanced Email, Email-to-Case), or set log_as: task"},
	"UNSUPPORTED_API_VERSION":   {crmclient.ClassConfiguration, 0, "set api_version to one that the organisation has, and compare url with the address of the organisation (Setup, My Domain)"},

	"REQUEST_LIMIT_EXCEEDED":                  {crmclient.ClassRate, quotaPause, "the API requests of 24 hours are used up: see Setup, System Overview"},
	"REQUEST_RUNNING_TOO_LONG":                {crmclient.ClassRetry, 0, ""},
	"QUERY_TIMEOUT":                           {crmclient.ClassRetry, 0, "index the field that is searched (External Id makes an index)"},
	"UNABLE_TO_LOCK_ROW":                      {crmclient.ClassRetry, lockPause, ""},
	"SERVER_UNAVAILABLE":                      {crmclient.ClassRetry, 0, ""},
	"UNKNOWN_EXCEPTION":                       {crmclient.ClassRetry, 0, ""},
	"APEX_ERROR":                              {crmclient.ClassRetry, 0, "a trigger of the organisation failed; its owner gets a mail about it"},
	"TXN_SECURITY_METERING_ERROR":             {crmclient.ClassRetry, 0, ""},
	"STORAGE_LIMIT_EXCEEDED":                  {crmclient.ClassConfiguration, 0, "the organisation's storage is full: make room or buy more (Setup, Storage Usage), or set attachments: false"},
	"LIMIT_EXCEEDED":                          {crmclient.ClassRate, quotaPause, "a limit of the organisation is reached: see Setup, System Overview"},
	"DUPLICATE_VALUE":                         {crmclient.ClassDuplicate, 0, ""},
	"DUPLICATES_DETECTED":                     {crmclient.ClassPermanent, 0, "a duplicate rule blocks the record (Setup, Duplicate Rules); allow_duplicate_alert passes rules that only alert"},
	"DUPLICATE_EXTERNAL_ID":                   {crmclient.ClassPermanent, 0, "several records have the same key: make the key field Unique and delete the surplus"},
	"INVALID_FIELD":                           {crmclient.ClassConfiguration, 0, remedyField},
	"INVALID_FIELD_FOR_INSERT_UPDATE":         {crmclient.ClassConfiguration, 0, remedyField},
	"REQUIRED_FIELD_MISSING":                  {crmclient.ClassConfiguration, 0, "fill the field by the mapping in the section, or make it optional"},
	"INVALID_TYPE":                            {crmclient.ClassConfiguration, 0, "the object is not there, or the user may not see it"},
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": {crmclient.ClassConfiguration, 0, "map the field to a value that its picklist has"},
	"INVALID_TYPE_ON_FIELD_IN_RECORD":         {crmclient.ClassConfiguration, 0, "the mapping gives the field a value of another type"},
	"MALFORMED_QUERY":                         {crmclient.ClassPermanent, 0, ""},
	"JSON_PARSER_ERROR":                       {crmclient.ClassPermanent, 0, "the mapping gives the field a value of another type"},
	"STRING_TOO_LONG":                         {crmclient.ClassPermanent, 0, "lower max_text, or add a step cut to the field in the mapping"},
	"INVALID_EMAIL_ADDRESS":                   {crmclient.ClassPermanent, 0, "Salesforce does not take the address"},
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       {crmclient.ClassPermanent, 0, "a validation rule of the organisation refused the record: except the gateway's user from it"},
	"FIELD_FILTER_VALIDATION_EXCEPTION":       {crmclient.ClassPermanent, 0, "a lookup filter of the organisation refused the link"},
	"FIELD_INTEGRITY_EXCEPTION":               {crmclient.ClassPermanent, 0, ""},
	"INVALID_CROSS_REFERENCE_KEY":             {crmclient.ClassPermanent, 0, "a record that the mail is to be linked to is gone"},
	"MALFORMED_ID":                            {crmclient.ClassPermanent, 0, ""},
	"NOT_FOUND":                               {crmclient.ClassPermanent, 0, ""},
	"ENTITY_IS_DELETED":                       {crmclient.ClassPermanent, 0, ""},
	"INVALID_QUERY_LOCATOR":                   {crmclient.ClassPermanent, 0, ""},
	"FILE_EXTENSION_BLOCKED":                  {crmclient.ClassPermanent, 0, "the organisation refuses files of this kind (Setup, File Upload and Download Security)"},
}

// quoting are codes whose message repeats values or the query, that is addresses and words of mail.
var quoting = []string{
	"STRING_TOO_LONG", "MALFORMED_QUERY", "INVALID_FIELD", "INVALID_TYPE", "INVALID_EMAIL_ADDRESS", "JSON_PARSER_ERROR", "DUPLICATE_VALUE",
	"INVALID_QUERY_FILTER_OPERATOR", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "DUPLICATES_DETECTED", "MALFORMED_ID",
}

// harmless is the part of such a message that may be shown.
var harmless = regexp.MustCompile(`No such column '[A-Za-z0-9_.]{1,100}' on (?:entity|sobject of type) '?[A-Za-z0-9_]{1,100}'?|sObject type '[A-Za-z0-9_]{1,100}' is not supported`)

// explain makes an error out of an answer. Salesforce's text goes into it only as far as it quotes nothing of the mail.
func explain(answer *crmclient.Answer, err error, access string) error {
	var e *crmclient.Error
	if !errors.As(err, &e) {
		return err
	}
	var faults []fault
	if json.Unmarshal(answer.Body, &faults) == nil && len(faults) > 0 && faults[0].code() != "" {
		return faultError(faults[0], answer, access, e.RetryAfter)
	}
	out := &crmclient.Error{Class: e.Class, Status: e.Status, RetryAfter: e.RetryAfter, RequestID: e.RequestID, Err: e.Err, Remedy: e.Remedy}
	if answer.Status == http.StatusMultipleChoices && strings.HasPrefix(strings.TrimSpace(string(answer.Body)), "[") {
		out.Class, out.Message = crmclient.ClassPermanent, "several records have the same key"
		out.Remedy = meanings["DUPLICATE_EXTERNAL_ID"].remedy
		return out
	}
	plain := crmclient.FromStatus(&http.Response{StatusCode: answer.Status, Header: answer.Header})
	var p *crmclient.Error
	if errors.As(plain, &p) {
		out.Message = p.Message
	}
	return out
}

func faultError(f fault, answer *crmclient.Answer, access string, after time.Duration) *crmclient.Error {
	e := &crmclient.Error{Status: answer.Status, RetryAfter: after, RequestID: answer.RequestID}
	v := &vendorError{code: f.code(), fields: f.Fields, matches: matchesOf(f.Duplicate)}
	e.Err = v
	m, known := meanings[v.code]
	if !known && strings.HasPrefix(v.code, "INSUFFICIENT_ACCESS") {
		m, known = meanings["INSUFFICIENT_ACCESS"], true
	}
	if known {
		e.Class, e.Remedy, e.RetryAfter = m.class, m.remedy, max(after, m.after)
	} else {
		e.Class = crmclient.ClassOf(crmclient.FromStatus(&http.Response{StatusCode: answer.Status, Header: answer.Header}))
		if e.Class == "" { // inside a collection, whose own status is 200
			e.Class = crmclient.ClassPermanent
		}
	}
	clean := crmclient.NewRedactor(access)
	e.Message = clean.Excerpt([]byte(v.code))
	if len(f.Fields) > 0 {
		e.Message += clean.Excerpt([]byte(fmt.Sprintf(" at %s", strings.Join(f.Fields[:min(len(f.Fields), 10)], ", "))))
	}
	text := f.Message
	if slices.Contains(quoting, v.code) {
		text = harmless.FindString(text)
	}
	if text != "" {
		e.Message += ": " + clean.Excerpt([]byte(text))
	}
	return e
}

// matchesOf finds the records of a duplicateResult.
func matchesOf(raw json.RawMessage) []match {
	var d struct {
		MatchResults []struct {
			MatchRecords []struct {
				Record struct {
					Attributes struct {
						Type string `json:"type"`
					} `json:"attributes"`
					ID string `json:"Id"`
				} `json:"record"`
			} `json:"matchRecords"`
		} `json:"matchResults"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &d) != nil {
		return nil
	}
	var out []match
	for _, r := range d.MatchResults {
		for _, m := range r.MatchRecords {
			if idForm.MatchString(m.Record.ID) {
				out = append(out, match{m.Record.Attributes.Type, m.Record.ID})
			}
		}
	}
	return out
}

// gone says that a record is not there (any more).
func gone(err error) bool {
	switch codeOf(err) {
	case "NOT_FOUND", "ENTITY_IS_DELETED", "MALFORMED_ID", "INVALID_CROSS_REFERENCE_KEY":
		return true
	}
	var e *crmclient.Error
	return errors.As(err, &e) && codeOf(err) == "" && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}

// noRecord is the error for a record that is not there.
func noRecord(err error) error {
	e := &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Salesforce has no such record", Err: crmclient.ErrNoRecord}
	var was *crmclient.Error
	if errors.As(err, &was) {
		e.Status, e.RequestID = was.Status, was.RequestID
	}
	return e
}
