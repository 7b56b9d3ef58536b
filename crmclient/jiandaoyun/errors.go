package jiandaoyun

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"heliograph/crmclient"
)

// rateWait is how long to wait after the vendor's own limit, which is by the second.
const rateWait = time.Second

// failure is what a code of the vendor means.
type failure struct {
	class  crmclient.Class
	remedy string
}

// The remedies that several codes share.
const (
	remedyKey        = "在 开放平台 > 密钥管理 检查 API Key 是否正确、是否启用, 把正确的 Key 写入 api_key (compare the API key with the one in the admin console)"
	remedyPermission = "在 开放平台 > 密钥管理 为该 API Key 授权所用的应用和接口 (表单、数据、文件、通讯录), 并把网关的出口 IP 加入白名单 (widen the scope and the IP allow-list of the key)"
	remedyApp        = "检查 app_id 和 entry_id: 打开表单, 从浏览器地址栏复制 (copy both ids from the address of the form in the browser)"
	remedyPlan       = "简道云套餐的用量已用完: 在 企业管理 > 套餐 查看并升级或扩容 (the plan's quota is used up)"
	remedyFields     = "运行 heliograph check --network, 它会指出不匹配的字段 (it names the widget that does not fit)"
)

// failures is the table of the codes that come in the body of a 400.
var failures = map[int]failure{
	1:     {crmclient.ClassPermanent, remedyFields},
	1010:  {crmclient.ClassPermanent, "成员不存在: 检查 members.map 和 api_member 中的成员编号 (username) (a member was not found)"},
	2004:  {crmclient.ClassConfiguration, remedyApp},
	3000:  {crmclient.ClassConfiguration, remedyApp},
	3005:  {crmclient.ClassPermanent, remedyFields},
	4001:  {crmclient.ClassPermanent, ""}, // no such record: see notFound
	4010:  {crmclient.ClassAuth, remedyPermission},
	4815:  {crmclient.ClassConfiguration, "过滤条件与字段类型不符: 键字段和邮箱字段须为单行文本 (key and address must be single-line texts)"},
	7103:  {crmclient.ClassConfiguration, remedyPlan},
	7206:  {crmclient.ClassConfiguration, remedyPlan},
	7212:  {crmclient.ClassConfiguration, remedyPlan},
	7221:  {crmclient.ClassConfiguration, remedyPlan},
	8301:  {crmclient.ClassAuth, remedyKey},
	8302:  {crmclient.ClassAuth, remedyPermission},
	8303:  {crmclient.ClassRate, ""}, // the company's limit
	8304:  {crmclient.ClassRate, ""}, // the call's limit
	8309:  {crmclient.ClassRate, ""}, // the member's limit
	17017: {crmclient.ClassPermanent, remedyFields},
	17018: {crmclient.ClassAuth, remedyKey},
	17023: {crmclient.ClassPermanent, ""},
	17024: {crmclient.ClassPermanent, ""},
	17025: {crmclient.ClassPermanent, ""},
	17026: {crmclient.ClassRetry, ""}, // transaction id used before: see create
	17032: {crmclient.ClassConfiguration, remedyFields},
	17033: {crmclient.ClassPermanent, ""},
	17034: {crmclient.ClassConfiguration, remedyFields},
	17052: {crmclient.ClassAuth, remedyPermission},
	17053: {crmclient.ClassAuth, remedyPermission},
	17054: {crmclient.ClassAuth, remedyPermission},
}

// Codes that the connector itself acts on.
const (
	codeNoMember    = 1010
	codeNoApp       = 2004
	codeNoForm      = 3000
	codeNoRecord    = 4001
	codeBadFilter   = 4815
	codeTransaction = 17026
	codeNotGranted  = 17054 // the key may not use this call
)

// codeError keeps the vendor's code behind a crmclient.Error.
type codeError struct{ code int }

func (e *codeError) Error() string { return fmt.Sprintf("简道云 code %d", e.code) }

// hasCode says whether the vendor answered with one of the codes.
func hasCode(err error, codes ...int) bool {
	var e *codeError
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.code == c {
			return true
		}
	}
	return false
}

// verdict is the body of an answer as far as it tells of a failure.
type verdict struct {
	Code *int   `json:"code"`
	Msg  string `json:"msg"`
}

// classify makes one error of the transport's and of what the body says. It returns nil for a success. A code counts also in
// the body of a 200, because a gateway in front may have changed the status.
func (c *Client) classify(call string, answer *crmclient.Answer, err error) error {
	if answer == nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	var v verdict
	if e := answer.JSON(&v); e != nil {
		v = verdict{} // not the vendor's words: the status decides
	}
	if v.Code == nil || *v.Code == 0 {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s: %w", call, c.byStatus(answer, err))
	}
	f, known := failures[*v.Code]
	switch {
	case answer.Status == http.StatusTooManyRequests:
		f.class = crmclient.ClassRate
	case answer.Status >= http.StatusInternalServerError:
		f.class = crmclient.ClassRetry
	case !known:
		f.class = crmclient.ClassPermanent
	}
	e := &crmclient.Error{
		Class: f.class, Status: answer.Status, RequestID: answer.RequestID, Remedy: f.remedy, RetryAfter: crmclient.RetryAfter(err),
		Message: fmt.Sprintf("简道云 refused with code %d: %s", *v.Code, c.transport.Excerpt([]byte(v.Msg))),
		Err:     &codeError{*v.Code},
	}
	if f.class == crmclient.ClassRate && e.RetryAfter == 0 {
		e.RetryAfter = rateWait
	}
	return fmt.Errorf("%s: %w", call, e)
}

// byStatus corrects the classes of statuses that mean something else here.
func (c *Client) byStatus(answer *crmclient.Answer, err error) error {
	var e *crmclient.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case answer.Status == http.StatusConflict:
		// The vendor knows no such answer; whoever gave it, the record need not be there.
		e.Class = crmclient.ClassRetry
	case e.Class == crmclient.ClassAuth && e.Remedy == "":
		e.Remedy = remedyKey
	case answer.Status == http.StatusNotFound && e.Remedy == "":
		e.Remedy = "检查 url: 公有云为 " + defaultURL + ", 私有部署为 https://主机/api (check the url of the API)"
	}
	return err
}

// gone makes the error for a record that is not there.
func gone(call string, err error) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: call + ": the form has no such record", Err: errors.Join(crmclient.ErrNoRecord, err)}
}

// configuration makes an error for what an administrator must change.
func configuration(remedy, format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

// permanent makes an error for what will never be taken.
func permanent(format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf(format, args...)}
}
