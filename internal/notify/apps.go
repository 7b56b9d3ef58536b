package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
)

// dingtalkApp writes work notifications (工作通知). A person is known by user id or by mobile number, from people: DingTalk finds nobody by address.
// The same text to the same person is dropped within a day, so that a repetition does no harm; the time of the event tells others apart.
type dingtalkApp struct {
	config.NotifierApp
	people map[string]string
}

// wecomApp writes application messages (应用消息). A person is known by user id or mobile number, from people, or by address, where the section
// says so: that call is not in the verified part of the vendor's documents. WeCom drops a repetition of the same body for four hours.
type wecomApp struct {
	config.NotifierApp
	people map[string]string
}

// feishuApp writes as an application's bot, to an address as it is or to the open_id from people. Feishu drops a repetition within an hour.
type feishuApp struct {
	config.NotifierApp
	people map[string]string
}

// oldStyle is an answer of DingTalk's and WeCom's APIs.
type oldStyle struct {
	Code    *int   `json:"errcode"`
	Message string `json:"errmsg"`
	SubCode string `json:"sub_code"`
	SubWord string `json:"sub_msg"`

	Token   string `json:"access_token"`
	Seconds int    `json:"expires_in"`
	UserID  string `json:"userid"`
	Invalid string `json:"invaliduser"`
	Result  struct {
		UserID string `json:"userid"`
	} `json:"result"`
}

const (
	remedyApp   = "compare app.id, app.secret and app.agent with the app's credentials in the vendor's console"
	remedyRange = "give the app the right to the address book and to messages, and this machine's address a place in its trusted addresses"
)

// errNobody is inside the error of a person who is not known.
var errNobody = errors.New("no such person")

// read decodes an answer and gives its code a class.
func readOld(a *crmclient.Answer, err error) (oldStyle, error) {
	var b oldStyle
	if err != nil {
		return b, err
	}
	if err := a.JSON(&b); err != nil {
		return b, err
	}
	if b.Code == nil {
		return b, coded(crmclient.ClassRetry, a, 0, "no errcode in the answer", 0, "")
	}
	code, text := *b.Code, b.Message
	if code == 88 { // DingTalk's gateway: what is wrong is in the sub code
		if n, err := strconv.Atoi(b.SubCode); err == nil {
			code, text = n, b.SubWord
		}
	}
	with := func(class crmclient.Class, inside error, wait time.Duration, remedy string) error {
		e := coded(class, a, code, text, wait, remedy)
		var ce *crmclient.Error
		if errors.As(e, &ce) {
			ce.Err = inside
		}
		return e
	}
	switch code {
	case 0:
		return b, nil
	case -1, 6000:
		return b, with(crmclient.ClassRetry, nil, 30*time.Second, "")
	case 40014, 42001:
		return b, with(crmclient.ClassAuth, errToken, 0, remedyApp)
	case 40001, 40013, 40091, 40089:
		return b, with(crmclient.ClassAuth, nil, 0, remedyApp)
	case 45009, 45033, 130101, 410100, 90018:
		return b, with(crmclient.ClassRate, nil, time.Minute, "")
	case 60020, 48002, 301002, 60011:
		return b, with(crmclient.ClassConfiguration, nil, 0, remedyRange)
	case 40003, 40031, 81013, 33012, 60121, 46004:
		return b, with(crmclient.ClassPermanent, errNobody, 0, "")
	}
	return b, with(crmclient.ClassPermanent, nil, 0, "")
}

func isMobile(id string) bool {
	_, err := strconv.ParseUint(strings.TrimPrefix(id, "+"), 10, 64)
	return err == nil && len(id) >= 8
}

// nobodyIsFine makes an unknown person an empty id.
func nobodyIsFine(id string, err error) (string, error) {
	if errors.Is(err, errNobody) {
		return "", nil
	}
	return id, err
}

func tokenOf(b oldStyle, err error) (string, time.Duration, error) {
	if err == nil && b.Token == "" {
		err = &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer has no token"}
	}
	return b.Token, time.Duration(b.Seconds) * time.Second, err
}

func (d *dingtalkApp) token(ctx context.Context, c *caller) (string, time.Duration, error) {
	return tokenOf(readOld(c.do(ctx, http.MethodGet, "/gettoken", url.Values{"appkey": {d.ID}, "appsecret": {d.Secret.Reveal()}}, "", nil)))
}

func (d *dingtalkApp) find(ctx context.Context, c *caller, address string) (id string, err error) {
	if id = d.people[address]; !isMobile(id) {
		return id, nil
	}
	err = c.withToken(ctx, func(token string) error {
		b, err := readOld(c.do(ctx, http.MethodPost, "/topapi/v2/user/getbymobile", url.Values{"access_token": {token}}, "", object{"mobile": d.people[address]}))
		id = b.Result.UserID
		return err
	})
	return nobodyIsFine(id, err)
}

func (d *dingtalkApp) send(ctx context.Context, c *caller, m Message, ids []string) ([]string, error) {
	body, _, err := fit([]Message{m}, dingtalkBytes, func(ms []Message) any {
		return object{
			"agent_id": d.Agent, "userid_list": strings.Join(ids, ","), "to_all_user": false,
			"msg": object{"msgtype": "markdown", "markdown": object{"title": headline(ms), "text": markdown(ms, "### ", nil)}},
		}
	})
	if err != nil {
		return nil, err
	}
	return nil, c.withToken(ctx, func(token string) error {
		_, err := readOld(c.do(ctx, http.MethodPost, "/topapi/message/corpconversation/asyncsend_v2", url.Values{"access_token": {token}}, "", json.RawMessage(body)))
		return err
	})
}

func (w *wecomApp) token(ctx context.Context, c *caller) (string, time.Duration, error) {
	return tokenOf(readOld(c.do(ctx, http.MethodGet, "/cgi-bin/gettoken", url.Values{"corpid": {w.ID}, "corpsecret": {w.Secret.Reveal()}}, "", nil)))
}

func (w *wecomApp) find(ctx context.Context, c *caller, address string) (id string, err error) {
	id = w.people[address]
	path, body := "/cgi-bin/user/getuserid", object{"mobile": id}
	switch {
	case id == "" && w.FindByEmail:
		path, body = "/cgi-bin/user/get_userid_by_email", object{"email": address, "email_type": 1}
	case !isMobile(id):
		return id, nil
	}
	err = c.withToken(ctx, func(token string) error {
		b, err := readOld(c.do(ctx, http.MethodPost, path, url.Values{"access_token": {token}}, "", body))
		id = b.UserID
		return err
	})
	return nobodyIsFine(id, err)
}

// wecomAppBytes bounds the content of a message, not its JSON, at 2,048 bytes; JSON is longer, so this is on the safe side.
const wecomAppBytes = 2000

func (w *wecomApp) send(ctx context.Context, c *caller, m Message, ids []string) (unknown []string, err error) {
	content, _, err := fit([]Message{m}, wecomAppBytes, func(ms []Message) any { return object{"content": markdown(ms, "### ", nil)} })
	if err != nil {
		return nil, err
	}
	body := object{
		"touser": strings.Join(ids, "|"), "msgtype": "markdown", "agentid": w.Agent, "markdown": json.RawMessage(content),
		"enable_duplicate_check": 1, "duplicate_check_interval": 4 * 60 * 60,
	}
	err = c.withToken(ctx, func(token string) error {
		b, err := readOld(c.do(ctx, http.MethodPost, "/cgi-bin/message/send", url.Values{"access_token": {token}}, "", body))
		if b.Invalid != "" {
			unknown = strings.Split(b.Invalid, "|")
		}
		return err
	})
	if errors.Is(err, errNobody) {
		return ids, nil
	}
	return unknown, err
}

// newStyle is an answer of Feishu's API.
type newStyle struct {
	Code    *int   `json:"code"`
	Message string `json:"msg"`
	Token   string `json:"tenant_access_token"`
	Seconds int    `json:"expire"`
}

// readNew decodes an answer; some errors come with a status of 400.
func readNew(a *crmclient.Answer, err error) (newStyle, error) {
	var b newStyle
	if a == nil {
		return b, err
	}
	if broken := a.JSON(&b); broken != nil || b.Code == nil {
		if err == nil {
			err = coded(crmclient.ClassRetry, a, 0, "no code in the answer", 0, "")
		}
		return b, err
	}
	with := func(class crmclient.Class, inside error, wait time.Duration, remedy string) error {
		e := coded(class, a, *b.Code, b.Message, wait, remedy)
		var ce *crmclient.Error
		if errors.As(e, &ce) {
			ce.Err = inside
		}
		return e
	}
	switch *b.Code {
	case 0:
		return b, err
	case 99991663, 99991664, 99991661, 99991671:
		return b, with(crmclient.ClassAuth, errToken, 0, remedyApp)
	case 10003, 10014:
		return b, with(crmclient.ClassAuth, nil, 0, remedyApp)
	case 99991400, 230020:
		return b, with(crmclient.ClassRate, nil, max(time.Minute, crmclient.RetryAfter(err)), "")
	case 230001, 230013, 99992351, 99992361:
		return b, with(crmclient.ClassPermanent, errNobody, 0, "")
	case 230002, 230006:
		return b, with(crmclient.ClassConfiguration, nil, 0, remedyRange)
	}
	if class := crmclient.ClassOf(err); err != nil && class != crmclient.ClassPermanent {
		return b, with(class, nil, crmclient.RetryAfter(err), "")
	}
	return b, with(crmclient.ClassPermanent, nil, 0, "")
}

func (f *feishuApp) token(ctx context.Context, c *caller) (string, time.Duration, error) {
	b, err := readNew(c.do(ctx, http.MethodPost, "/open-apis/auth/v3/tenant_access_token/internal", nil, "", object{"app_id": f.ID, "app_secret": f.Secret.Reveal()}))
	if err == nil && b.Token == "" {
		err = &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer has no token"}
	}
	return b.Token, time.Duration(b.Seconds) * time.Second, err
}

// find needs no call: Feishu takes addresses.
func (f *feishuApp) find(_ context.Context, _ *caller, address string) (string, error) {
	if id := f.people[address]; id != "" {
		return id, nil
	}
	return address, nil
}

func (f *feishuApp) send(ctx context.Context, c *caller, m Message, ids []string) (unknown []string, err error) {
	card, err := json.Marshal((&feishu{}).card([]Message{m}))
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		kind := "open_id"
		if strings.Contains(id, "@") {
			kind = "email"
		}
		sum := sha256.Sum256([]byte(m.Key + "\x00" + id))
		body := object{"receive_id": id, "msg_type": "interactive", "content": string(card)}
		if m.Key != "" {
			body["uuid"] = hex.EncodeToString(sum[:16])
		}
		err := c.withToken(ctx, func(token string) error {
			_, err := readNew(c.do(ctx, http.MethodPost, "/open-apis/im/v1/messages", url.Values{"receive_id_type": {kind}}, token, body))
			return err
		})
		if errors.Is(err, errNobody) {
			unknown = append(unknown, id)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return unknown, nil
}
