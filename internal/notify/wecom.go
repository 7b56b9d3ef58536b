package notify

import (
	"net/http"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// wecom is a group robot of WeCom 企业微信 (developer.work.weixin.qq.com, path 91770). Its key in the address is its only secret.
// Mentions are by user id.
type wecom struct{ people map[string]string }

// wecomBytes bounds the content of a post, not its JSON, at 4,096 bytes; JSON is longer, so this is on the safe side.
const wecomBytes = 4000

func (w *wecom) rate() limit.Rate { return perMinute(18) } // of 20

func (w *wecom) compose(ms []Message, _ time.Time) ([]byte, int, error) {
	return fit(ms, wecomBytes, func(ms []Message) any {
		text := markdown(ms, "### ", w.people)
		ids, _ := unknown(mentioned(ms), w.people)
		for _, id := range ids {
			text += " <@" + plain(id) + ">"
		}
		return map[string]any{"msgtype": "markdown", "markdown": map[string]any{"content": text}}
	})
}

func (w *wecom) prepare(*http.Request, []Message, []byte, time.Time) {}

func (w *wecom) judge(a *crmclient.Answer) error {
	var b struct {
		Code    *int   `json:"errcode"`
		Message string `json:"errmsg"`
	}
	if err := a.JSON(&b); err != nil {
		return err
	}
	if b.Code == nil {
		return coded(crmclient.ClassRetry, a, 0, "no errcode in the answer", 0, "")
	}
	switch *b.Code {
	case 0:
		return nil
	case -1, 6000:
		return coded(crmclient.ClassRetry, a, *b.Code, b.Message, 0, "")
	case 45009, 45033:
		return coded(crmclient.ClassRate, a, *b.Code, b.Message, time.Minute, "")
	case 93000:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "the robot was removed or its key is wrong: add a group robot (群机器人) and set its address")
	case 60020:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "add this machine's address to the trusted addresses (企业可信IP)")
	case 48002, 301002, 40001, 40013, 40091:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "copy the robot's webhook address again")
	}
	return coded(crmclient.ClassPermanent, a, *b.Code, b.Message, 0, "")
}
