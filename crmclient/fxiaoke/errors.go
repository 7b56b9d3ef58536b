package fxiaoke

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"heliograph/crmclient"
)

// failure is what an errorCode means.
type failure struct {
	class  crmclient.Class
	remedy string
	wait   time.Duration
}

const (
	//nolint:gosec // a text
	remedyCredentials = "在 开放平台 > 应用 核对 app_id、app_secret 和永久授权码 permanent_code (compare the three with the open platform)"
	remedyApproved    = "由企业管理员在 应用管理 中启用该应用并授权通讯录和 CRM 数据权限 (enable the application and grant it the address book and CRM data)"
	remedyQuota       = "购买或扩容 OpenAPI 调用资源包 (buy OpenAPI calls)"
	remedyFields      = "运行 heliograph check --network, 它会指出不匹配的字段 (it names the field that does not fit)"
	remedyRights      = "把 acting_user 换成有该对象权限的员工 (如 CRM 管理员), 或为其授权 (let an employee with rights on the object act)"
)

// failures is the table of errorCodes.
var failures = map[int]failure{
	-2:    {class: crmclient.ClassRetry},
	-1:    {class: crmclient.ClassRetry},
	50009: {class: crmclient.ClassRetry},
	14001: {class: crmclient.ClassRate, wait: 20 * time.Second},
	30004: {class: crmclient.ClassRate, wait: time.Second},
	30002: {class: crmclient.ClassRate, wait: time.Hour, remedy: remedyQuota}, // counted anew at midnight
	30003: {class: crmclient.ClassConfiguration, remedy: remedyQuota},
	10002: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	10006: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	10012: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	11001: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	11002: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	11013: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	20005: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	20006: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	20015: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	20016: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	20017: {class: crmclient.ClassAuth, remedy: remedyCredentials},
	20012: {class: crmclient.ClassConfiguration, remedy: "acting_user 或 members 中的 openUserId 不存在 (an openUserId is unknown)"},
	30027: {class: crmclient.ClassConfiguration, remedy: "acting_mobile 对应的员工不存在 (nobody has the telephone number of acting_mobile)"},
	15003: {class: crmclient.ClassAuth, remedy: remedyApproved},
	20014: {class: crmclient.ClassAuth, remedy: remedyApproved},
	20020: {class: crmclient.ClassAuth, remedy: remedyApproved},
	20021: {class: crmclient.ClassAuth, remedy: remedyApproved},
	20022: {class: crmclient.ClassAuth, remedy: remedyApproved},
	20023: {class: crmclient.ClassAuth, remedy: remedyApproved},
	15002: {class: crmclient.ClassPermanent, remedy: remedyFields},
	32000: {class: crmclient.ClassPermanent, remedy: remedyFields},
}

// codeError keeps the errorCode behind a crmclient.Error.
type codeError struct{ code int }

func (e *codeError) Error() string { return fmt.Sprintf("纷享销客 errorCode %d", e.code) }

// staleToken says that the vendor does not know the token any more.
func staleToken(err error) bool {
	var e *codeError
	return errors.As(err, &e) && (e.code == 20016 || e.code == 20005)
}

// classify makes one error of the transport's and of the body's. Of a status the vendor itself makes no use.
func (c *Client) classify(path string, answer *crmclient.Answer, err error, hide *crmclient.Redactor) error {
	var e *crmclient.Error
	if err != nil && errors.As(err, &e) {
		e.Message = hide.Text(e.Message)
		if answer != nil && answer.Status == http.StatusConflict {
			e.Class = crmclient.ClassRetry // nobody but a gateway says so; the record need not be there
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var v struct {
		Code    *int   `json:"errorCode"`
		Message string `json:"errorMessage"`
		Trace   string `json:"traceId"`
	}
	if err := answer.JSON(&v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case v.Code == nil:
		return fmt.Errorf("%s: %w", path, &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, RequestID: answer.RequestID, Message: "the answer has no errorCode"})
	case *v.Code == 0:
		return nil
	}
	f, known := failures[*v.Code]
	if !known {
		f = failure{class: crmclient.ClassPermanent, remedy: remedyRights}
	}
	id := answer.RequestID
	if len(v.Trace) <= 100 && v.Trace != "" {
		id = hide.Text(c.transport.Excerpt([]byte(v.Trace)))
	}
	return fmt.Errorf("%s: %w", path, &crmclient.Error{
		Class: f.class, Status: answer.Status, RequestID: id, Remedy: f.remedy, RetryAfter: f.wait, Err: &codeError{*v.Code},
		Message: fmt.Sprintf("纷享销客 refused with errorCode %d: %s", *v.Code, hide.Text(c.transport.Excerpt([]byte(v.Message)))),
	})
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
