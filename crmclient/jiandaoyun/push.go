package jiandaoyun

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

var _ crmclient.WebhookReceiver = (*Client)(nil)

// The headers of a push.
const (
	headerSignature = "X-JDY-Signature"
	headerDelivery  = "X-JDY-DeliverId"
)

const (
	maxNonce    = 200
	maxDelivery = 200
)

// signature returns what the vendor signs a push with: SHA-1 over nonce, body, secret and timestamp with colons between.
func signature(nonce string, body []byte, secret, timestamp string) string {
	h := sha1.New() //nolint:gosec // the vendor signs with it
	h.Write([]byte(nonce + ":"))
	h.Write(body)
	h.Write([]byte(":" + secret + ":" + timestamp))
	return hex.EncodeToString(h.Sum(nil))
}

// refused makes the error for a push that is not believed.
func refused(remedy, message string) error {
	return &crmclient.Error{Class: crmclient.ClassAuth, Message: "push refused: " + message, Remedy: remedy}
}

// ReceiveWebhook checks a push (数据推送) and says which record it is about. It uses no network: Jiandaoyun waits two seconds for the answer.
func (c *Client) ReceiveWebhook(d *crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	fail := func(err error) (string, []crmclient.Wake, crmclient.Reply, error) {
		return "", nil, crmclient.Reply{Status: http.StatusUnauthorized}, err
	}
	if c.cfg.PushSecret.IsZero() {
		return fail(refused("把 数据推送 中的 Secret 写入 push_secret (put the secret of the push into push_secret)", "the section has no push_secret"))
	}
	q := d.URL.Query()
	nonce, stamp := q.Get("nonce"), q.Get("timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || nonce == "" || len(nonce) > maxNonce {
		return fail(refused("", "nonce or timestamp is missing"))
	}
	got := strings.ToLower(strings.TrimPrefix(d.Header.Get(headerSignature), "sha1="))
	want := signature(nonce, d.Body, c.cfg.PushSecret.Reveal(), stamp)
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return fail(refused("比较 push_secret 与 数据推送 中的 Secret (compare push_secret with the secret of the push)", "the signature is wrong"))
	}
	if age := d.At.Sub(time.Unix(seconds, 0)); age.Abs() > c.cfg.PushWindow.D() {
		return fail(refused("校准网关的时钟, 或加大 push_window (set the gateway's clock, or widen push_window)", "it is too old or from the future"))
	}
	id := d.Header.Get(headerDelivery)
	if len(id) > maxDelivery {
		id = ""
	}
	return id, c.wakes(d), crmclient.Reply{}, nil
}

// wakes reads which record a push is about. Pushes that are about none, such as those about the form itself, wake nobody.
func (c *Client) wakes(d *crmclient.Delivery) []crmclient.Wake {
	var push struct {
		Op   string `json:"op"`
		Data row    `json:"data"`
	}
	if json.Unmarshal(d.Body, &push) != nil || push.Data.id() == "" {
		return nil
	}
	switch push.Op {
	case "data_create", "data_update", "data_recover", "data_remove", "data_delete":
	default:
		return nil
	}
	object := ""
	if f := (Form{push.Data.text("appId"), push.Data.text("entryId")}); objectID.MatchString(f.AppID) && objectID.MatchString(f.EntryID) {
		object = c.objectOf(f)
	} else if name := d.URL.Query().Get("form"); name != "" {
		// A deletion need not tell the form. The address of the push may then: …?form=contacts
		if _, ok := c.byName[name]; ok {
			object = name
		}
	}
	if object == "" || !objectID.MatchString(push.Data.id()) {
		return nil
	}
	return []crmclient.Wake{{Object: object, ID: push.Data.id(), Own: c.isOwn(push.Data) && push.Op != "data_remove" && push.Op != "data_delete"}}
}
