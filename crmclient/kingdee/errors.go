package kingdee

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
)

// status is the part of an answer that says whether it worked; the HTTP status is nearly always 200.
type status struct {
	IsSuccess       bool        `json:"IsSuccess"`
	ErrorCode       json.Number `json:"ErrorCode"` // 500 on failure
	MsgCode         json.Number `json:"MsgCode"`
	Errors          []problem   `json:"Errors"`
	SuccessEntities []struct {
		ID     json.RawMessage `json:"Id"`
		Number string          `json:"Number"`
	} `json:"SuccessEntitys"` // sic
}

type problem struct {
	FieldName string `json:"FieldName"`
	Message   string `json:"Message"`
}

// meaning is one line of the tables below.
type meaning struct {
	class  crmclient.Class
	wait   time.Duration
	text   string
	remedy string
}

// How long a site that is overloaded is left alone. It names no time itself.
const (
	lockWait  = 30 * time.Second
	limitWait = time.Minute
)

const (
	codeSessionLost = "1"
	codeOther       = "0" // the texts say what it is
)

// codes is what MsgCode means.
var codes = map[string]meaning{
	codeSessionLost: {crmclient.ClassAuth, 0, "the session is lost", "check that no second program ends the session of this user, and that the site's clock is right"},
	"2":             {crmclient.ClassAuth, 0, "the user has no permission", "give the user of the integration the right in 系统管理 → 用户管理/授权 (business object permissions), for this organisation too"},
	"3":             {crmclient.ClassPermanent, 0, "the operation is missing", ""},
	"4":             {crmclient.ClassRetry, 0, "the site had an exception", ""},
	"5":             {crmclient.ClassPermanent, 0, "the form is missing", "check the form ids of this target"},
	"6":             {crmclient.ClassRetry, 0, "the site's database failed", ""},
	"7":             {crmclient.ClassConfiguration, 0, "the site has no licence left", "free or buy a licence seat: 系统管理 → 许可管理 (licences)"},
	"8":             {crmclient.ClassPermanent, 0, "a parameter is wrong", ""},
	"9":             {crmclient.ClassPermanent, 0, "a field or value is not there", "compare the mapped fields with the form in BOS 设计器 (designer): a name there is the 字段标识"},
	"10":            {crmclient.ClassPermanent, 0, "there is no such data", ""},
	"11":            {crmclient.ClassPermanent, 0, "the site's validation refused it", "read the message: often a 必录项 (required field) of the form is not mapped"},
	"12":            {crmclient.ClassPermanent, 0, "the record is in a state that does not allow this", ""},
	"13":            {crmclient.ClassRetry, lockWait, "somebody else has the record open (网控)", "end stale locks in 系统管理 → 网络控制 (network control)"},
	"14":            {crmclient.ClassRate, limitWait, "the site's limit of calls is reached", "raise the site's limit of WebAPI calls, or lower requests_per_second"},
	"15":            {crmclient.ClassAuth, 0, "an administrator may not log in here", "use a user that is no administrator"},
}

// texts are what errors without a code say. They are in the language of the site (setting locale); these are what
// sites in Chinese are known to say.
var texts = []struct {
	part string
	meaning
}{
	{"会话信息已丢失", codes[codeSessionLost]},
	{"重新登录", codes[codeSessionLost]},
	{"业务对象不存在", meaning{crmclient.ClassConfiguration, 0, "the form is not there", "check the form id in BOS 设计器 (designer), and that account_id is the right data centre"}},
}

// errSessionLost is inside errors that a new login may heal.
var errSessionLost = errors.New("session lost")

func isSessionLost(err error) bool { return errors.Is(err, errSessionLost) }

// answerError finds an error in an answer with status 200.
func (c *Client) answerError(a *crmclient.Answer) error {
	body := bytes.TrimSpace(a.Body)
	if a.Truncated || !json.Valid(body) {
		for _, t := range texts[:2] {
			if bytes.Contains(body[:min(len(body), maxPlainText)], []byte(t.part)) {
				return c.failed(status{Errors: []problem{{Message: string(body)}}}, a)
			}
		}
		return a.JSON(new(any))
	}
	var outer struct {
		Result *struct {
			Status *status `json:"ResponseStatus"`
		} `json:"Result"`
	}
	if len(body) > 0 && body[0] == '[' { // rows of a query; an error is an object in place of a row
		if body = firstOf(firstOf(body)); len(body) == 0 || body[0] != '{' {
			return nil
		}
	}
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, &outer) != nil || outer.Result == nil || outer.Result.Status == nil || outer.Result.Status.IsSuccess {
		return nil
	}
	return c.failed(*outer.Result.Status, a)
}

// maxPlainText bounds where a text is searched in an answer that is not JSON.
const maxPlainText = 4096

func firstOf(list []byte) []byte {
	var items []json.RawMessage
	if json.Unmarshal(list, &items) != nil || len(items) == 0 {
		return nil
	}
	return bytes.TrimSpace(items[0])
}

// failed makes an error of what the site says.
func (c *Client) failed(s status, a *crmclient.Answer) error {
	var said []string
	for _, p := range s.Errors[:min(len(s.Errors), maxProblems)] {
		said = append(said, strings.TrimSpace(strings.TrimSpace(p.FieldName)+" "+p.Message))
	}
	text := strings.Join(said, "; ")
	m, known := codes[s.MsgCode.String()]
	if !known {
		m = meaning{class: crmclient.ClassPermanent, text: "the site refused the request"}
		for _, t := range texts {
			if strings.Contains(text, t.part) {
				m = t.meaning
				break
			}
		}
	}
	e := &crmclient.Error{Class: m.class, Status: http.StatusOK, RetryAfter: m.wait, Message: m.text, Remedy: m.remedy, RequestID: a.RequestID}
	if m.text == codes[codeSessionLost].text {
		e.Err = errSessionLost
	}
	if code := s.MsgCode.String(); code != "" && code != codeOther {
		e.Message += " (code " + c.transport.Excerpt([]byte(code)) + ")"
	}
	if excerpt := c.transport.Excerpt([]byte(text)); excerpt != "" {
		e.Message += ": " + excerpt
	}
	return e
}

// maxProblems is how many of the errors of an answer are shown.
const maxProblems = 5

// loginTexts are what a refused login says, so that the remedy names the right key.
var loginTexts = []struct {
	part string
	meaning
}{
	{"数据中心", meaning{class: crmclient.ClassConfiguration, remedy: remedyAccount}},
	{"账套", meaning{class: crmclient.ClassConfiguration, remedy: remedyAccount}},
	{"帐套", meaning{class: crmclient.ClassConfiguration, remedy: remedyAccount}},
	{"许可", meaning{class: crmclient.ClassConfiguration, remedy: codes["7"].remedy}},
	{"超时", meaning{class: crmclient.ClassRetry}},
	{"稍后", meaning{class: crmclient.ClassRetry}},
}

const (
	remedyAccount = "set account_id to the id of the data centre: 管理中心 → 数据中心列表, or 系统管理 → 第三方系统登录授权 shows it"
	remedyLogin   = "check app_id, app_secret, user and account_id with 系统管理 → 第三方系统登录授权 (third-party login authorisation), " +
		"and that this machine's clock is right; sites before 8.0.0.202205 need login: sign_sha1"
	remedyURL = "set url to the address of the site up to and with K3Cloud/, spelled as in the browser"
)

func (c *Client) loginError(said loginAnswer, a *crmclient.Answer) error {
	e := &crmclient.Error{Class: crmclient.ClassAuth, Status: http.StatusOK, Message: "the site refused the login", Remedy: remedyLogin, RequestID: a.RequestID}
	for _, t := range loginTexts {
		if strings.Contains(said.Message, t.part) {
			e.Class, e.Remedy = t.class, t.remedy
			break
		}
	}
	if excerpt := c.transport.Excerpt([]byte(said.Message)); excerpt != "" {
		e.Message += ": " + excerpt
	}
	return e
}

// isPage says whether a body is a web page: that to log in, or one of a gateway before the site.
func isPage(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) }

func notTheAPI(a *crmclient.Answer) error {
	return &crmclient.Error{
		Class: crmclient.ClassRetry, Status: a.Status, Message: "the site answered with a web page", Remedy: remedyURL, RequestID: a.RequestID,
	}
}

// withRemedy adds what to do to errors that HTTP tells.
func withRemedy(err error) error {
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Remedy != "" {
		return err
	}
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		e.Remedy = remedyLogin
	case e.Class == crmclient.ClassConfiguration && e.Status != 0:
		e.Remedy = remedyURL
	}
	return err
}

// hide writes the message of an error anew without secrets that the transport does not know: the site may repeat
// the headers of the request.
func (c *Client) hide(err error, a *crmclient.Answer, secrets ...string) error {
	var e *crmclient.Error
	if a == nil || !errors.As(err, &e) || e.Status == 0 {
		return err
	}
	plain := crmclient.FromStatus(&http.Response{StatusCode: a.Status, Header: a.Header})
	var p *crmclient.Error
	if !errors.As(plain, &p) {
		return err // the answer broke off: the message has nothing of it
	}
	e.Message = p.Message
	text := c.transport.Excerpt([]byte(crmclient.NewRedactor(secrets...).Text(string(a.Body))))
	if text != "" && !strings.HasPrefix(text, "<") {
		e.Message += ": " + text
	}
	return err
}
