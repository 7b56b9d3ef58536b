package pipedrive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

// refusal is an answer without success.
type refusal struct {
	Success *bool  `json:"success"`
	Error   string `json:"error"`
	Info    string `json:"error_info"`
}

const (
	remedyToken  = "compare the token with Personal preferences, API in Pipedrive, or connect the target again"
	remedyRights = "give the user of the token the rights to see and add people and activities: Settings, Manage users, Permission sets; if Pipedrive blocked the address for too many requests, wait"
	remedyPlan   = "the company's Pipedrive plan has lapsed: Settings, Billing"
	remedyBudget = "the day's API budget of the Pipedrive account is used up: Settings, Company settings, API usage; set daily_requests to leave some for others"
)

// explain makes an error of an answer that Pipedrive refused. err is the transport's, and nil for a refusal with a status of success.
func explain(a *crmclient.Answer, err error, red *crmclient.Redactor) error {
	e := &crmclient.Error{Class: crmclient.ClassPermanent, Status: a.Status, RequestID: red.Text(a.RequestID)}
	var base *crmclient.Error
	if errors.As(err, &base) {
		if a.Status/100 == 2 { // the answer broke off
			return err
		}
		e.Class, e.RetryAfter = base.Class, base.RetryAfter
	}
	switch a.Status {
	case http.StatusUnauthorized:
		e.Remedy = remedyToken
	case http.StatusForbidden:
		e.Remedy = remedyRights
	case http.StatusPaymentRequired:
		e.Remedy = remedyPlan
	case http.StatusTooManyRequests:
		e.Remedy = remedyBudget
		if e.RetryAfter == 0 {
			e.RetryAfter = reset(a.Header)
		}
	}
	e.Message = "Pipedrive answered: " + http.StatusText(a.Status)
	var r refusal
	if json.Unmarshal(a.Body, &r) == nil && r.Error != "" {
		e.Message = "Pipedrive refused: " + red.Excerpt([]byte(strings.TrimSpace(r.Error+" "+r.Info)))
	}
	return e
}

const maxReset = 24 * time.Hour

// reset reads in how many seconds there are requests again.
func reset(h http.Header) time.Duration {
	s, err := strconv.ParseFloat(h.Get("X-Ratelimit-Reset"), 64)
	if err != nil || !(s > 0) {
		return 0
	}
	return time.Duration(min(s, maxReset.Seconds()) * float64(time.Second))
}

func isGone(err error) bool {
	var e *crmclient.Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}

func misconfigured(remedy, format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Remedy: remedy, Message: fmt.Sprintf(format, args...)}
}

func unclear() error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Message: "Pipedrive's answer does not say what became of the request"}
}
