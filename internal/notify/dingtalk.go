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

// dingtalk is a group robot of DingTalk 钉钉 (open.dingtalk.com, custom robots). Mentions are by mobile number, or by user
// id where the id is no number.
type dingtalk struct {
	secret string // of the signature (加签); empty where the group uses a keyword or addresses
	people map[string]string
}

const dingtalkBytes = 18_000 // of about 20,000

func (d *dingtalk) rate() limit.Rate { return perMinute(18) } // of 20: beyond them the robot is silent for ten minutes

func (d *dingtalk) compose(ms []Message, _ time.Time) ([]byte, int, error) {
	return fit(ms, dingtalkBytes, func(ms []Message) any {
		ids, _ := unknown(mentioned(ms), d.people)
		at := map[string]any{"isAtAll": false}
		var mobiles, users []string
		for _, id := range ids {
			if _, err := strconv.ParseUint(strings.TrimPrefix(id, "+"), 10, 64); err == nil {
				mobiles = append(mobiles, id)
			} else {
				users = append(users, id)
			}
		}
		if len(mobiles) > 0 {
			at["atMobiles"] = mobiles
		}
		if len(users) > 0 {
			at["atUserIds"] = users
		}
		text := markdown(ms, "### ", d.people)
		for _, id := range ids { // the robot mentions only whom the text names too
			text += " @" + id
		}
		return map[string]any{
			"msgtype":  "markdown",
			"markdown": map[string]any{"title": headline(ms), "text": text},
			"at":       at,
		}
	})
}

// prepare signs the address: the text is the message, the secret is the key, the time is in milliseconds.
func (d *dingtalk) prepare(r *http.Request, _ []Message, _ []byte, at time.Time) {
	if d.secret == "" {
		return
	}
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	q := r.URL.Query()
	q.Set("timestamp", stamp)
	q.Set("sign", dingtalkSign(stamp, d.secret))
	r.URL.RawQuery = q.Encode()
}

func dingtalkSign(stamp, secret string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(stamp + "\n" + secret))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// judge reads the code in the body: every answer is a 200.
func (d *dingtalk) judge(a *crmclient.Answer) error {
	var b struct {
		Code    *int   `json:"errcode"`
		Message string `json:"errmsg"`
		Status  int    `json:"status"` // of the guard in front of the API
		Punish  string `json:"punish"`
		Wait    int    `json:"wait"` // seconds
	}
	if err := a.JSON(&b); err != nil {
		return err
	}
	if b.Code == nil && b.Punish != "" {
		return coded(crmclient.ClassRate, a, b.Status, b.Punish, max(time.Duration(b.Wait)*time.Second, time.Minute), "")
	}
	if b.Code == nil {
		return coded(crmclient.ClassRetry, a, 0, "no errcode in the answer", 0, "")
	}
	switch *b.Code {
	case 0:
		return nil
	case -1:
		return coded(crmclient.ClassRetry, a, *b.Code, b.Message, 30*time.Second, "")
	case 130101, 410100:
		return coded(crmclient.ClassRate, a, *b.Code, b.Message, 10*time.Minute, "")
	case 310000:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0,
			"compare the robot's security settings (安全设置: 自定义关键词, 加签, IP地址) with secret, this machine's clock and its address")
	case 300001, 300005, 400101:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "copy the robot's webhook address again; its access_token does not exist")
	case 400013, 400102, 400106:
		return coded(crmclient.ClassConfiguration, a, *b.Code, b.Message, 0, "the group or the robot is gone or stopped: add a robot (群设置, 机器人) and set its address")
	}
	return coded(crmclient.ClassPermanent, a, *b.Code, b.Message, 0, "")
}
