package hubspot

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
)

// fault is a refusal as HubSpot tells it, as a whole answer or in the list of one with 207.
type fault struct {
	Status      string              `json:"status"`
	Message     string              `json:"message"`
	Category    string              `json:"category"`
	SubCategory any                 `json:"subCategory"`
	Correlation string              `json:"correlationId"`
	ErrorType   string              `json:"errorType"`
	Policy      string              `json:"policyName"`
	Context     map[string][]string `json:"context"`
	Errors      []struct {
		Message string              `json:"message"`
		Code    string              `json:"code"`
		In      string              `json:"in"`
		Context map[string][]string `json:"context"`
	} `json:"errors"`
}

// Error returns the category, which is a word of HubSpot's list.
func (f *fault) Error() string { return f.Category }

// The categories that the connector itself acts upon.
const (
	categoryNotFound = "OBJECT_NOT_FOUND"
	categoryConflict = "CONFLICT"
)

// meaning is what a category calls for.
type meaning struct {
	class  crmclient.Class
	remedy string
}

const (
	remedyToken  = "compare the token with Settings, Integrations, Private Apps, Auth in HubSpot: it may have been rotated; or connect the target again"
	remedyScopes = "give the app the scopes crm.objects.contacts.read, crm.objects.contacts.write, crm.objects.companies.read, sales-email-read, tickets and files: Settings, Integrations, Private Apps, Scopes"
	remedyField  = "compare the names of the section with Settings, Properties in HubSpot: the internal name is meant"
	remedyDaily  = "the day's requests of the HubSpot account are used up: Settings, Account, Usage and Limits"
	remedyPlan   = "the HubSpot subscription does not have this: ask the administrator of HubSpot"
)

var categories = map[string]meaning{
	"INVALID_AUTHENTICATION": {crmclient.ClassAuth, remedyToken},
	"EXPIRED_AUTHENTICATION": {crmclient.ClassAuth, remedyToken},
	"REVOKED_AUTHENTICATION": {crmclient.ClassAuth, remedyToken},
	"MISSING_SCOPES":         {crmclient.ClassAuth, remedyScopes},
	"BANNED":                 {crmclient.ClassAuth, remedyScopes},
	"PAYMENT_REQUIRED":       {crmclient.ClassConfiguration, remedyPlan},
	"VALIDATION_ERROR":       {crmclient.ClassPermanent, remedyField},
	"RATE_LIMITS":            {crmclient.ClassRate, ""},
	categoryConflict:         {crmclient.ClassDuplicate, ""},
	categoryNotFound:         {crmclient.ClassPermanent, ""},
}

const (
	pauseRolling  = 10 * time.Second // what the vendor's own client waits
	pauseSecondly = time.Second
	pauseDaily    = time.Hour // it is a rolling count of the account's day

	statusMigration = 477 // the account is being moved; Retry-After says until when
)

// explain makes an error of an answer that HubSpot refused. err is the transport's, and nil for a refusal inside a 207.
func explain(a *crmclient.Answer, err error, f *fault, red *crmclient.Redactor) error {
	e := &crmclient.Error{Class: crmclient.ClassPermanent, Status: a.Status, RequestID: red.Text(a.RequestID)}
	var base *crmclient.Error
	if errors.As(err, &base) {
		if a.Status/100 == 2 { // the answer broke off
			return err
		}
		e.Class, e.RetryAfter = base.Class, base.RetryAfter
	}
	if a.Status == statusMigration {
		e.Class = crmclient.ClassRetry
	}
	if f == nil || f.Category == "" && f.Message == "" {
		e.Message = "HubSpot answered: " + http.StatusText(a.Status)
		return e
	}
	if m, ok := categories[f.Category]; ok {
		e.Class, e.Remedy = m.class, m.remedy
	}
	e.Err = &fault{Category: f.Category, Policy: f.Policy}
	e.Message = "HubSpot refused: " + red.Excerpt([]byte(strings.TrimSpace(f.Category+" "+f.Message)))
	if len(f.Errors) > 0 && !strings.Contains(f.Message, f.Errors[0].Message) {
		e.Message += ": " + red.Excerpt([]byte(f.Errors[0].Message))
	}
	if id := f.Correlation; id != "" && len(id) <= 64 {
		e.RequestID = red.Excerpt([]byte(id))
	}
	refine(e, f, red)
	return e
}

// refine tells apart what shares a category.
func refine(e *crmclient.Error, f *fault, red *crmclient.Redactor) {
	switch {
	case e.Class == crmclient.ClassRate || f.ErrorType == "RATE_LIMIT":
		e.Class = crmclient.ClassRate
		pause := pauseRolling
		switch {
		case f.Policy == "DAILY":
			pause, e.Remedy = pauseDaily, remedyDaily
		case strings.Contains(f.Message, "secondly limit") && f.Policy == "":
			pause = pauseSecondly
		}
		if e.RetryAfter == 0 {
			e.RetryAfter = pause
		}
	case f.Category == "MISSING_SCOPES":
		for _, list := range [][]string{f.Context["requiredGranularScopes"], f.Context["requiredScopes"]} {
			if len(list) > 0 {
				e.Remedy = "give the app the scope " + red.Excerpt([]byte(strings.Join(list, ", "))) + ": Settings, Integrations, Private Apps, Scopes"
				return
			}
		}
	case f.Category == "VALIDATION_ERROR" && (strings.Contains(f.Message, "PROPERTY_DOESNT_EXIST") || f.code("PROPERTY_DOESNT_EXIST")):
		e.Class = crmclient.ClassConfiguration // no mail will fit until somebody makes it
	}
}

func (f *fault) code(want string) bool {
	for _, e := range f.Errors {
		if e.Code == want {
			return true
		}
	}
	return false
}

// faultOf reads a refusal; nil where the answer is none that HubSpot makes.
func faultOf(body []byte) *fault {
	var f fault
	if json.Unmarshal(body, &f) != nil {
		// Of a proxy, or with a context of another shape: the category is what matters.
		var plain struct{ Status, Message, Category, CorrelationID, ErrorType, PolicyName string }
		if json.Unmarshal(body, &plain) != nil {
			return nil
		}
		return &fault{
			Status: plain.Status, Message: plain.Message, Category: plain.Category, Correlation: plain.CorrelationID,
			ErrorType: plain.ErrorType, Policy: plain.PolicyName,
		}
	}
	return &f
}

// partial returns the first refusal in an answer with 207 that matters. What was asked for and is not there does not.
func partial(body []byte) *fault {
	var list struct {
		Errors []fault `json:"errors"`
	}
	if json.Unmarshal(body, &list) != nil {
		return nil
	}
	for i := range list.Errors {
		if list.Errors[i].Category != categoryNotFound {
			return &list.Errors[i]
		}
	}
	return nil
}

func tokenRefused(err error) bool {
	var f *fault
	return errors.As(err, &f) && (f.Category == "EXPIRED_AUTHENTICATION" || f.Category == "INVALID_AUTHENTICATION")
}

func isGone(err error) bool {
	var e *crmclient.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

func misconfigured(remedy, format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Remedy: remedy, Message: fmt.Sprintf(format, args...)}
}

func noRecord(what string) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "HubSpot has no record of " + what, Err: crmclient.ErrNoRecord}
}

func unclear() error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Message: "HubSpot's answer does not say what became of the request"}
}
