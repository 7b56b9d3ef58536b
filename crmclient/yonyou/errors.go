package yonyou

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"heliograph/crmclient"
)

// errToken is inside errors that a new token may heal, errPath inside those that a new look for the gateway may.
var (
	errToken     = errors.New("token refused")
	errPath      = errors.New("path not registered")
	errDuplicate = errors.New("submitted before")
)

const (
	remedyApp    = "check app_key and app_secret with 开放平台 → 自建应用, that the application is 启用 (enabled), and that this machine's clock is right"
	remedyTenant = "set tenant_id to the id of the tenant: 工作台 → 企业信息, or 开放平台 → 租户信息 shows it; url must be the vendor's apigateway"
	remedyPath   = "authorise the API for the application in 开放平台 → 自建应用 → API 授权; the product must be 已购买 (licensed) for it too"
	remedyRate   = "lower requests_per_second, or buy calls in 开放平台 → API 流量"
	remedyRules  = "set up 查重规则 (duplicate rules) with the 邮箱 (e-mail) for 联系人 and 线索 in 客户管理 → 查重设置"
)

// meaning is one line of the table.
type meaning struct {
	class  crmclient.Class
	text   string
	remedy string
	cause  error
}

// codes is what a code in an answer means, whatever the HTTP status is.
var codes = map[string]meaning{
	"310001": {crmclient.ClassAuth, "the call had no token", remedyApp, errToken},
	"310036": {crmclient.ClassAuth, "the token is not valid", remedyApp, errToken},
	"310404": {crmclient.ClassConfiguration, "the path is not registered", remedyPath, errPath},
	"310032": {crmclient.ClassRate, "too many calls", remedyRate, nil},
	"310039": {crmclient.ClassRate, "too many calls", remedyRate, nil},
	"310042": {crmclient.ClassRate, "too many calls", remedyRate, nil},
	"310046": {crmclient.ClassRate, "too many calls", remedyRate, nil},
	"10018":  {crmclient.ClassAuth, "the application is not there or not enabled", remedyApp, nil},
	"10004":  {crmclient.ClassDuplicate, "this was submitted before", "", errDuplicate},
	"100004": {crmclient.ClassDuplicate, "this was submitted before", "", errDuplicate},
}

// texts are what answers with another code, or without one, say.
var texts = []struct {
	part string
	meaning
}{
	{"非法token", codes["310036"]},
	{"token已失效", codes["310036"]},
	{"请设置查重规则", meaning{crmclient.ClassConfiguration, "the tenant has no duplicate rules, by which people are found", remedyRules, nil}},
}

// ok says whether a code means that a business call worked.
func ok(code string) bool { return code == "200" }

// readAnswer returns the data of an answer, or its error: that of the body where it has one, else that of the status.
func readAnswer(t *crmclient.Transport, a *crmclient.Answer, status error, token string) (json.RawMessage, error) {
	var said envelope
	body := bytes.TrimSpace(a.Body)
	isJSON := !a.Truncated && len(body) > 0 && body[0] == '{' && json.Unmarshal(body, &said) == nil
	if isJSON {
		said.Message = crmclient.NewRedactor(token).Text(said.Message)
	}
	switch {
	case isJSON && status == nil && ok(said.code()):
		return said.Data, partFailure(t, said, a, token)
	case isJSON && said.code() != "" && status == nil:
		return nil, codeError(t, said, a)
	case isJSON && status != nil && codes[said.code()].text != "":
		return nil, codeError(t, said, a)
	case status == nil && !isJSON && bytes.Contains(body[:min(len(body), maxPlainText)], []byte(texts[0].part)):
		return nil, codeError(t, envelope{Message: texts[0].part}, a) // some calls answer this word without any JSON
	case status != nil:
		return nil, withRemedy(status, "")
	}
	return nil, badAnswer(a)
}

// maxPlainText bounds where a text is searched in an answer that is not JSON.
const maxPlainText = 4096

// codeError makes an error of what an answer says.
func codeError(t *crmclient.Transport, said envelope, a *crmclient.Answer) *crmclient.Error {
	m, known := codes[said.code()]
	if !known {
		m = meaning{class: crmclient.ClassPermanent, text: "the tenant refused the request"}
		for _, text := range texts {
			if strings.Contains(said.Message, text.part) {
				m = text.meaning
				break
			}
		}
	}
	e := &crmclient.Error{Class: m.class, Status: a.Status, Message: m.text, Remedy: m.remedy, RequestID: a.RequestID, Err: m.cause}
	if code := t.Excerpt([]byte(said.code())); code != "" {
		e.Message += " (code " + code + ")"
	}
	if excerpt := t.Excerpt([]byte(said.Message)); excerpt != "" {
		e.Message += ": " + excerpt
	}
	return e
}

// partFailure finds failures in the data of an answer that says 200.
func partFailure(t *crmclient.Transport, said envelope, a *crmclient.Answer, token string) error {
	var counts struct {
		Failed   json.Number     `json:"failCount"`
		Messages json.RawMessage `json:"messages"`
	}
	if len(said.Data) == 0 || said.Data[0] != '{' || json.Unmarshal(said.Data, &counts) != nil || counts.Failed == "" || counts.Failed == "0" {
		return nil
	}
	said.Message, said.Code = crmclient.NewRedactor(token).Text(string(counts.Messages)), nil
	return codeError(t, said, a)
}

func tokenRefused(err error) error {
	var e *crmclient.Error
	if errors.As(err, &e) && e.Err == nil {
		e.Err, e.Remedy = errToken, remedyApp
	}
	return err
}

func badAnswer(a *crmclient.Answer) error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Status: a.Status, Message: "the tenant's answer is not the expected JSON", RequestID: a.RequestID}
}

// withRemedy adds what to do to errors that HTTP tells.
func withRemedy(err error, remedy string) error {
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Remedy != "" {
		return err
	}
	switch {
	case e.Class == crmclient.ClassAuth:
		e.Remedy = remedyApp
	case e.Class == crmclient.ClassConfiguration && e.Status != 0:
		if e.Remedy = remedy; remedy == "" {
			e.Remedy = remedyPath
		}
	}
	return err
}

// hide writes the message of an error anew without secrets that the transport does not know: the tenant may repeat
// the address of the request, with the token in it.
func hide(t *crmclient.Transport, err error, a *crmclient.Answer, secrets ...string) error {
	var e, p *crmclient.Error
	if a == nil || !errors.As(err, &e) || e.Status == 0 {
		return err
	}
	if !errors.As(crmclient.FromStatus(&http.Response{StatusCode: a.Status, Header: a.Header}), &p) {
		return err // the answer broke off: the message has nothing of it
	}
	e.Message = p.Message
	text := t.Excerpt([]byte(crmclient.NewRedactor(secrets...).Text(string(a.Body))))
	if text != "" && !strings.HasPrefix(text, "<") {
		e.Message += ": " + text
	}
	return err
}
