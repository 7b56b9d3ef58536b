package espocrm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"heliograph/crmclient"
)

// maxEvents is above the 50 records that Espo sends at once.
const maxEvents = 500

// ReceiveWebhook takes Espo's calls. The query names the object, as in …?object=Contact: Espo's body does not.
func (c *Client) ReceiveWebhook(d *crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	if !c.signed(d) {
		return "", nil, crmclient.Reply{}, &crmclient.Error{
			Class: crmclient.ClassAuth, Message: "the signature of the webhook is wrong",
			Remedy: "copy id and secret key of the webhook in EspoCRM (Administration > Webhooks) into webhook_secrets",
		}
	}
	object := d.URL.Query().Get("object")
	if err := checkName("the object", object); err != nil {
		return "", nil, crmclient.Reply{}, err
	}
	var events []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(d.Body, &events); err != nil || len(events) > maxEvents {
		return "", nil, crmclient.Reply{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the webhook's body is not a list of records"}
	}
	wakes := make([]crmclient.Wake, 0, len(events))
	for _, e := range events {
		if e.ID != "" {
			wakes = append(wakes, crmclient.Wake{Object: object, ID: e.ID})
		}
	}
	return "", wakes, crmclient.Reply{Status: http.StatusOK}, nil
}

// signed compares the header Signature: base64 of the webhook's id, a colon, and the HMAC of the body in hexadecimal.
func (c *Client) signed(d *crmclient.Delivery) bool {
	raw, err := base64.StdEncoding.DecodeString(d.Header.Get("Signature"))
	if err != nil {
		return false
	}
	id, sum, ok := strings.Cut(string(raw), ":")
	secret := c.cfg.WebhookSecrets[id]
	if !ok || secret.IsZero() {
		return false
	}
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	h.Write(d.Body)
	return hmac.Equal([]byte(strings.ToLower(sum)), []byte(hex.EncodeToString(h.Sum(nil))))
}
