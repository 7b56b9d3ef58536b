package neocrm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

const remedyLogin = "核对 client_id、client_secret、username、password 和 8 位 security_token, 以及租户所在的地址 url (compare the credentials, and the address of the tenant)"

const (
	remedyRights = "为该用户的职能授予对象和字段的权限 (give the user's role rights on the object and its fields)"
	remedyFields = "运行 heliograph check --network, 它会指出缺少的字段 (it names the field that is missing)"
)

// failure is what a code means.
type failure struct {
	class  crmclient.Class
	remedy string
}

// failures is the table of codes; all others refuse this one request.
var failures = map[string]failure{
	"401":     {crmclient.ClassAuth, remedyLogin},
	"403":     {crmclient.ClassAuth, remedyRights},
	"404":     {crmclient.ClassConfiguration, "核对对象的 API key (compare the API key of the object)"},
	"408":     {crmclient.ClassRetry, ""},
	"429":     {crmclient.ClassRate, ""},
	"500":     {crmclient.ClassRetry, ""},
	"502":     {crmclient.ClassRetry, ""},
	"503":     {crmclient.ClassRetry, ""},
	"504":     {crmclient.ClassRetry, ""},
	"5000047": {crmclient.ClassPermanent, "时间字段须为毫秒数: 在 fields 中使用 {date: unix_ms} (times are numbers of milliseconds)"},
}

const rateWait = 10 * time.Second

// codeError keeps the code behind a crmclient.Error.
type codeError struct{ code string }

func (e *codeError) Error() string { return "销售易 code " + e.code }

// stale says that the vendor does not know the token any more.
func (c *Client) stale(err error) bool {
	var e *crmclient.Error
	var code *codeError
	switch {
	case errors.As(err, &code):
		return code.code == "401" || slices.Contains(c.cfg.TokenCodes, code.code)
	case errors.As(err, &e):
		return e.Status == http.StatusUnauthorized
	}
	return false
}

// classify makes one error of the transport's and of the body's.
func (c *Client) classify(what string, answer *crmclient.Answer, err error, hide *crmclient.Redactor) error {
	var e *crmclient.Error
	if err != nil {
		if errors.As(err, &e) {
			e.Message = hide.Text(e.Message)
			switch {
			case answer != nil && answer.Status == http.StatusConflict:
				e.Class = crmclient.ClassRetry // nobody but a gateway says so; the record need not be there
			case e.Class == crmclient.ClassAuth && e.Remedy == "":
				e.Remedy = remedyLogin
			case answer != nil && answer.Status == http.StatusNotFound:
				e.Remedy = "核对租户所在的地址 url, 如 api.xiaoshouyi.com、api-tencent.xiaoshouyi.com (compare the address of the tenant)"
			}
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	var v struct {
		Code json.RawMessage `json:"code"`
		Msg  string          `json:"msg"`
	}
	if err := answer.JSON(&v); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	code := strings.Trim(string(v.Code), `"`)
	switch code {
	case "200":
		return nil
	case "", "null":
		return fmt.Errorf("%s: %w", what, &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, RequestID: answer.RequestID, Message: "the answer has no code"})
	}
	f, known := failures[code]
	switch {
	case slices.Contains(c.cfg.TokenCodes, code):
		f = failures["401"]
	case !known:
		f = failure{crmclient.ClassPermanent, remedyFields}
	}
	e = &crmclient.Error{
		Class: f.class, Status: answer.Status, RequestID: answer.RequestID, Remedy: f.remedy, Err: &codeError{code},
		Message: hide.Text(c.transport.Excerpt([]byte("销售易 refused with code " + code + ": " + v.Msg))),
	}
	if f.class == crmclient.ClassRate {
		e.RetryAfter = rateWait
	}
	return fmt.Errorf("%s: %w", what, e)
}

func gone() error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "there is no such record", Err: crmclient.ErrNoRecord}
}

func configuration(remedy, format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

func permanent(format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf(format, args...)}
}
