package zoho

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"heliograph/crmclient"
)

// fault is one refusal as Zoho tells it, alone or as an element of a list.
type fault struct {
	Code    string                     `json:"code"`
	Message string                     `json:"message"`
	Status  string                     `json:"status"`
	Details map[string]json.RawMessage `json:"details"`
}

// Error returns the code, which is a word of Zoho's list.
func (f *fault) Error() string { return f.Code }

// detail returns a text or number of the details.
func (f *fault) detail(name string) string {
	var s string
	if json.Unmarshal(f.Details[name], &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(f.Details[name], &n) == nil {
		return n.String()
	}
	return ""
}

// meaning is what a code of Zoho calls for.
type meaning struct {
	class  crmclient.Class
	remedy string
}

const (
	remedyToken  = "connect the target again, and check that data_center is the one where the company signs in"
	remedyScope  = "connect the target again with all scopes that the sample names (ZohoCRM.modules.ALL, ZohoCRM.modules.emails.ALL, ZohoCRM.settings.fields.READ, ZohoCRM.users.READ, ZohoCRM.org.READ, ZohoCRM.coql.READ)"
	remedyRights = "give the user who connected the gateway a profile with the right to this module: Setup, Users and Control, Security Control, Profiles"
	remedyField  = "compare the field names of the section with Setup, Developer Hub, APIs and SDKs, API Names, and the mandatory fields with Setup, Modules and Fields"
	remedyModule = "compare the module names of the section with Setup, Developer Hub, APIs and SDKs, API Names"
	remedyFull   = "make room in Zoho CRM or take a larger edition: Setup, Data Administration, Storage"
	remedyState  = "the record is locked or in a blueprint: release it in Zoho CRM"
	remedyRate   = "if it goes on, the day's API credits are used up: Setup, Developer Hub, APIs and SDKs, Dashboard"
	remedyPlan   = "the edition or licence of the company's Zoho CRM does not have this: ask the administrator of Zoho"
)

// codes are Zoho's words for what is wrong; others are judged by the status.
var codes = map[string]meaning{
	"INVALID_TOKEN":                    {crmclient.ClassAuth, remedyToken},
	"AUTHENTICATION_FAILURE":           {crmclient.ClassAuth, remedyToken},
	"INVALID_OAUTHTOKEN":               {crmclient.ClassAuth, remedyToken},
	"OAUTH_SCOPE_MISMATCH":             {crmclient.ClassAuth, remedyScope},
	"NO_PERMISSION":                    {crmclient.ClassAuth, remedyRights},
	"PERMISSION_DENIED":                {crmclient.ClassAuth, remedyRights},
	"LICENSE_ACCESS_DENIED":            {crmclient.ClassConfiguration, remedyPlan},
	"LICENSE_EXPIRED":                  {crmclient.ClassConfiguration, remedyPlan},
	"FEATURE_NOT_SUPPORTED":            {crmclient.ClassConfiguration, remedyPlan},
	"API_LIMIT_EXCEEDED":               {crmclient.ClassRate, remedyRate},
	"TOO_MANY_REQUESTS":                {crmclient.ClassRate, remedyRate},
	"INTERNAL_ERROR":                   {crmclient.ClassRetry, ""},
	"INTERNAL_SERVER_ERROR":            {crmclient.ClassRetry, ""},
	"RECORD_MODIFIED":                  {crmclient.ClassRetry, ""},
	"INVALID_MODULE":                   {crmclient.ClassConfiguration, remedyModule},
	"INVALID_URL_PATTERN":              {crmclient.ClassConfiguration, remedyModule},
	"INVALID_DATA":                     {crmclient.ClassPermanent, remedyField},
	"INVALID_QUERY":                    {crmclient.ClassPermanent, remedyField},
	"MANDATORY_NOT_FOUND":              {crmclient.ClassPermanent, remedyField},
	"REQUIRED_PARAM_MISSING":           {crmclient.ClassPermanent, remedyField},
	"PATTERN_NOT_MATCHED":              {crmclient.ClassPermanent, remedyField},
	"DEPENDENT_FIELD_MISSING":          {crmclient.ClassPermanent, remedyField},
	"EXPECTED_FIELD_MISSING":           {crmclient.ClassPermanent, remedyField},
	"DUPLICATE_DATA":                   {crmclient.ClassDuplicate, ""},
	"RECORD_LOCKED":                    {crmclient.ClassPermanent, remedyState},
	"RECORD_IN_BLUEPRINT":              {crmclient.ClassPermanent, remedyState},
	"CANNOT_PROCESS":                   {crmclient.ClassPermanent, remedyState},
	"NOT_ALLOWED":                      {crmclient.ClassPermanent, remedyState},
	"LIMIT_EXCEEDED":                   {crmclient.ClassPermanent, remedyFull},
	"LIMIT_REACHED":                    {crmclient.ClassPermanent, remedyFull},
	"STORAGE_SPACE_EXCEEDED":           {crmclient.ClassPermanent, remedyFull},
	"VIRUS_DETECTED":                   {crmclient.ClassPermanent, ""},
	"RESOURCE_NOT_FOUND":               {crmclient.ClassPermanent, ""},
	"FILE_SIZE_MORE_THAN_ALLOWED_SIZE": {crmclient.ClassPermanent, ""},
}

// tokenRefused says that Zoho did not take the access token, and so did nothing: another one may do.
func tokenRefused(err error) bool {
	var f *fault
	if !errors.As(err, &f) { // a 401 without a code is not Zoho's, but of something before it
		return false
	}
	return f.Code == "INVALID_TOKEN" || f.Code == "AUTHENTICATION_FAILURE" || f.Code == "INVALID_OAUTHTOKEN"
}

func hasCode(err error, code string) bool {
	var f *fault
	return errors.As(err, &f) && f.Code == code
}

// longPause is how long a target rests whose credits are used up: they come back over 24 hours, a little at a time.
const longPause = 15 * time.Minute

// explain makes an error of an answer that Zoho refused, or passes on why there was none. err is the transport's, and
// may be nil for a refusal inside a success. What the answer says is shown without the token, which a gateway may repeat.
func explain(a *crmclient.Answer, err error, f *fault, red *crmclient.Redactor) error {
	if a == nil {
		return err
	}
	e := &crmclient.Error{Class: crmclient.ClassPermanent, Status: a.Status, RequestID: red.Text(a.RequestID)}
	var base *crmclient.Error
	if errors.As(err, &base) {
		if a.Status/100 == 2 { // the answer broke off
			return err
		}
		e.Class, e.RetryAfter = base.Class, base.RetryAfter
	}
	if f == nil || f.Code == "" {
		e.Message = "Zoho answered: " + http.StatusText(a.Status)
		return e
	}
	m, known := codes[f.Code]
	switch {
	case known:
		e.Class, e.Remedy = m.class, m.remedy
	case a.Status/100 == 2 && f.Status == "error":
		e.Class = crmclient.ClassPermanent
	}
	e.Err = &fault{Code: f.Code, Status: f.Status, Details: f.Details}
	e.Message = "Zoho refused: " + red.Excerpt([]byte(f.Code+": "+f.Message))
	if field := f.detail("api_name"); field != "" {
		e.Message += ": field " + red.Excerpt([]byte(field))
	}
	if e.Class == crmclient.ClassRate && e.RetryAfter == 0 && a.Header.Get("X-Api-Credits-Remaining") == "0" {
		e.RetryAfter = longPause
	}
	return e
}

// faultOf reads the refusal out of an answer: the envelope itself, or the first element that is one.
func faultOf(body []byte) *fault {
	var whole struct {
		fault
		Data   []fault `json:"data"`
		Emails []fault `json:"Emails"`
		Watch  []fault `json:"watch"`
	}
	if json.Unmarshal(body, &whole) != nil {
		return nil
	}
	if whole.Code != "" {
		return &whole.fault
	}
	for _, list := range [][]fault{whole.Data, whole.Emails, whole.Watch} {
		for i := range list {
			if list[i].Code != "" && list[i].Code != "SUCCESS" {
				return &list[i]
			}
		}
	}
	return nil
}

func permanent(format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf(format, args...)}
}

func misconfigured(remedy, format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Remedy: remedy, Message: fmt.Sprintf(format, args...)}
}
