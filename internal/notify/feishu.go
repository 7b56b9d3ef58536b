package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// feishu is a custom bot of Feishu 飞书 or Lark (open.larkoffice.com, custom bot guide). Mentions are by open_id.
type feishu struct {
	secret string // of the signature (签名校验); empty where the bot has a keyword or addresses
	people map[string]string
}

const feishuBytes = 18_000 // of 20 KB

// rate is the slower of 100 a minute and 5 a second.
func (f *feishu) rate() limit.Rate { return limit.Rate{Count: 90, Per: time.Minute, Burst: 4} }

func (f *feishu) compose(ms []Message, at time.Time) ([]byte, int, error) {
	return fit(ms, feishuBytes, func(ms []Message) any {
		post := map[string]any{"msg_type": "interactive", "card": f.card(ms)}
		if f.secret != "" {
			stamp := strconv.FormatInt(at.Unix(), 10)
			post["timestamp"], post["sign"] = stamp, feishuSign(stamp, f.secret)
		}
		return post
	})
}

// feishuSign is over nothing: the time, in seconds, and the secret are the key.
func feishuSign(stamp, secret string) string {
	return base64.StdEncoding.EncodeToString(hmac.New(sha256.New, []byte(stamp+"\n"+secret)).Sum(nil))
}

type object = map[string]any

func feishuText(s string) object { return object{"tag": "plain_text", "content": s} }

// card has what strangers wrote in plain_text only, where nothing is markup.
func (f *feishu) card(ms []Message) object {
	var elements []object
	for i, m := range ms {
		if i > 0 {
			elements = append(elements, object{"tag": "hr"})
		}
		if len(ms) > 1 {
			elements = append(elements, object{"tag": "div", "text": feishuText(m.Level.icon() + m.Title)})
		}
		if m.Text != "" {
			elements = append(elements, object{"tag": "div", "text": feishuText(m.Text)})
		}
		if len(m.Facts) > 0 {
			var fields []object
			for _, fact := range m.Facts {
				fields = append(fields, object{"is_short": len(fact.Value) < 40, "text": feishuText(fact.Name + ": " + fact.Value)})
			}
			elements = append(elements, object{"tag": "div", "fields": fields})
		}
		if len(m.Links) > 0 {
			var buttons []object
			for _, l := range m.Links {
				buttons = append(buttons, object{"tag": "button", "text": feishuText(l.Label), "type": "default", "url": l.URL})
			}
			elements = append(elements, object{"tag": "action", "actions": buttons})
		}
		elements = append(elements, object{"tag": "note", "elements": []object{feishuText(m.At.Format("2006-01-02 15:04:05"))}})
	}
	ids, others := unknown(mentioned(ms), f.people)
	if len(others) > 0 {
		elements = append(elements, object{"tag": "div", "text": feishuText(strings.Join(others, ", "))})
	}
	if len(ids) > 0 {
		at := ""
		for _, id := range ids {
			at += "<at id=" + plain(strings.ReplaceAll(id, " ", "")) + "></at>"
		}
		elements = append(elements, object{"tag": "div", "text": object{"tag": "lark_md", "content": at}})
	}
	template := map[Level]string{Info: "blue", Warning: "orange", Critical: "red"}[highest(ms)]
	return object{
		"config":   object{"wide_screen_mode": true},
		"header":   object{"title": feishuText(headline(ms)), "template": template},
		"elements": elements,
	}
}

func (f *feishu) prepare(*http.Request, []Message, []byte, time.Time) {}

func (f *feishu) judge(a *crmclient.Answer) error {
	var b struct {
		Code    *int   `json:"code"`
		Message string `json:"msg"`
		Status  *int   `json:"StatusCode"` // of older bots
		Words   string `json:"StatusMessage"`
	}
	if err := a.JSON(&b); err != nil {
		return err
	}
	if b.Code == nil {
		b.Code, b.Message = b.Status, b.Words
	}
	if b.Code == nil {
		return coded(crmclient.ClassRetry, a, 0, "no code in the answer", 0, "")
	}
	switch *b.Code {
	case 0:
		return nil
	case 11232:
		return coded(crmclient.ClassRate, a, *b.Code, b.Message, time.Minute, "")
	case 19021:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "compare secret with the bot's 签名校验, and set this machine's clock")
	case 19022:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "add this machine's address to the bot's IP 白名单")
	case 19024:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "the bot wants a keyword (自定义关键词): use 签名校验 in its place")
	case 19001:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "copy the bot's webhook address again")
	}
	return coded(crmclient.ClassPermanent, a, *b.Code, b.Message, 0, "")
}

// judgeStatus: some errors come with a 400.
func (f *feishu) judgeStatus(a *crmclient.Answer, err error) error {
	if crmclient.ClassOf(err) != crmclient.ClassPermanent {
		return err
	}
	if better := f.judge(a); crmclient.ClassOf(better) != crmclient.ClassRetry && better != nil {
		return better
	}
	return err
}
