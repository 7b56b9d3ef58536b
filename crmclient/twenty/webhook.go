package twenty

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

// webhookWindow is how old or early a delivery may be. Twenty delivers at once or never.
const webhookWindow = 5 * time.Minute

// irregular are the plurals of standard objects that do not follow the rule.
var irregular = map[string]string{"person": "people"}

// plural is the name of an object in the API, for the singular in a webhook.
func (c *Client) plural(one string) string {
	if many := c.cfg.Objects[one]; many != "" {
		return many
	}
	if many := irregular[one]; many != "" {
		return many
	}
	if stem, ok := strings.CutSuffix(one, "y"); ok && stem != "" && !strings.ContainsAny(stem[len(stem)-1:], "aeiou") {
		return stem + "ies"
	}
	return one + "s"
}

// event is a delivery in both shapes: as it is documented (event, data), and as the server sends it.
type event struct {
	Event string `json:"event"`
	Data  struct {
		ID string `json:"id"`
	} `json:"data"`
	EventName string `json:"eventName"`
	Record    struct {
		ID string `json:"id"`
	} `json:"record"`
	Object struct {
		Singular string `json:"nameSingular"`
	} `json:"objectMetadata"`
	APIKeyID string `json:"apiKeyId"`
}

// ReceiveWebhook takes Twenty's calls. The signature stands for the delivery's id: the nonce is not signed.
func (c *Client) ReceiveWebhook(d *crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	signature, ok := c.signed(d)
	if !ok {
		return "", nil, crmclient.Reply{}, &crmclient.Error{
			Class: crmclient.ClassAuth, Message: "the signature of the webhook is wrong or too old",
			Remedy: "copy the secret of the webhook in Settings > APIs & Webhooks into webhook_secret, and compare the clocks",
		}
	}
	var e event
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return "", nil, crmclient.Reply{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the webhook's body is not an event of Twenty"}
	}
	one, id := e.Object.Singular, e.Record.ID
	for _, name := range []string{e.EventName, e.Event} {
		if one == "" {
			one, _, _ = strings.Cut(name, ".")
		}
	}
	if id == "" {
		id = e.Data.ID
	}
	reply := crmclient.Reply{Status: http.StatusOK}
	if !objectName.MatchString(one) || id == "" {
		return signature, nil, reply, nil
	}
	own := e.APIKeyID != "" && e.APIKeyID == c.cfg.APIKeyID
	return signature, []crmclient.Wake{{Object: c.plural(one), ID: id, Own: own}}, reply, nil
}

// signed checks the HMAC over the time and the raw body, and the time, which is in milliseconds.
func (c *Client) signed(d *crmclient.Delivery) (signature string, ok bool) {
	stamp := d.Header.Get("X-Twenty-Webhook-Timestamp")
	millis, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || c.cfg.WebhookSecret.IsZero() {
		return "", false
	}
	if age := d.At.Sub(time.UnixMilli(millis)); age > webhookWindow || age < -webhookWindow {
		return "", false
	}
	h := hmac.New(sha256.New, []byte(c.cfg.WebhookSecret.Reveal()))
	h.Write([]byte(stamp + ":")) // a hash never fails to write
	h.Write(d.Body)
	signature = hex.EncodeToString(h.Sum(nil))
	return signature, hmac.Equal([]byte(strings.ToLower(d.Header.Get("X-Twenty-Webhook-Signature"))), []byte(signature))
}
