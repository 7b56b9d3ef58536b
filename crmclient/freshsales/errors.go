package freshsales

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"heliograph/crmclient"
)

// refusal is what Freshsales itself says; message is a text or a list of texts.
type refusal struct {
	Errors *struct {
		Message json.RawMessage `json:"message"`
	} `json:"errors"`
	// Message is that of refused credentials.
	Message string `json:"message"`
}

func words(body []byte) (string, bool) {
	var r refusal
	if json.Unmarshal(body, &r) != nil {
		return "", false
	}
	if r.Errors == nil {
		return r.Message, r.Message != ""
	}
	var list []string
	if json.Unmarshal(r.Errors.Message, &list) == nil {
		return strings.Join(list, "; "), true
	}
	var one string
	_ = json.Unmarshal(r.Errors.Message, &one) // what is neither is told by its status
	return one, true
}

const (
	remedyToken  = "compare the token with Profile settings, API settings in Freshsales, and url with the bundle alias there"
	remedyRights = "give the user of the token a role that may see and edit contacts, accounts and sales activities: Admin settings, Roles"
	remedyPath   = "compare url with the bundle alias in Profile settings, API settings; older accounts end in .freshworks.com or have the path /api"
	remedyRate   = "the account has had its requests of this hour; set hourly_requests to leave some for others"
)

// explain makes an error of an answer that Freshsales refused. err is the transport's.
func explain(a *crmclient.Answer, err error, red *crmclient.Redactor) error {
	var base *crmclient.Error
	if !errors.As(err, &base) || a.Status/100 == 2 { // the answer broke off
		return err
	}
	e := *base
	switch a.Status {
	case http.StatusUnauthorized:
		e.Remedy = remedyToken
	case http.StatusForbidden:
		e.Remedy = remedyRights
	case http.StatusNotFound:
		e.Remedy = remedyPath
	case http.StatusTooManyRequests:
		e.Remedy = remedyRate
	}
	if text, ok := words(a.Body); ok {
		e.Message = "Freshsales refused: " + red.Excerpt([]byte(text))
	}
	return &e
}

// isOwn says that Freshsales itself answered, not something before it.
func isOwn(a *crmclient.Answer) bool {
	_, own := words(a.Body)
	return own
}

func isGone(err error) bool {
	var e *crmclient.Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone)
}
