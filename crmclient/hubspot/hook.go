package hubspot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	// signatureWindow is how old a delivery may be (specs, 3).
	signatureWindow = 5 * time.Minute
	maxEvents       = 1000 // of one delivery; HubSpot sends a hundred

	headerSignature = "X-Hubspot-Signature-V3"
	headerTimestamp = "X-Hubspot-Request-Timestamp"
)

// sign is signature v3: of method, URI, body and time, exactly as they were sent.
func sign(secret, method, uri string, body []byte, timestamp string) string {
	h := hmac.New(sha256.New, []byte(secret))
	for _, part := range [][]byte{[]byte(method), []byte(uri), body, []byte(timestamp)} {
		h.Write(part) // a hash never fails to write
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// event is one entry of a delivery.
type event struct {
	Subscription json.Number `json:"subscriptionId"`
	Occurred     json.Number `json:"occurredAt"`
	Type         string      `json:"subscriptionType"`
	Object       json.Number `json:"objectId"`
	ObjectType   string      `json:"objectTypeId"`
	Source       string      `json:"changeSource"`
	SourceID     string      `json:"sourceId"`
	Property     string      `json:"propertyName"`
}

// objectTypes are the names in paths by the names in events, and by the numbers of generic events.
var objectTypes = map[string]string{
	"contact": objectContacts, "company": objectCompanies, "deal": "deals", "ticket": objectTickets, "product": "products", "line_item": "line_items",
	"0-1": objectContacts, "0-2": objectCompanies, "0-3": "deals", "0-5": objectTickets, "0-7": "products", "0-8": "line_items", "0-49": objectEmails,
}

// ReceiveWebhook checks signature v3 and reads the events. HubSpot repeats a delivery with other attempt numbers, so its id is made of
// what the events say.
func (c *Client) ReceiveWebhook(d *crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	if c.cfg.WebhookURL == "" {
		return "", nil, crmclient.Reply{}, misconfigured("set webhook_url and webhook_secret", "the target has no webhook")
	}
	if err := c.verify(d); err != nil {
		return "", nil, crmclient.Reply{}, err
	}
	var events []json.RawMessage
	if err := json.Unmarshal(d.Body, &events); err != nil {
		return "", nil, crmclient.Reply{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the delivery is not the expected JSON"}
	}
	var wakes []crmclient.Wake
	var names []string
	for _, raw := range events[:min(len(events), maxEvents)] {
		var e event
		if json.Unmarshal(raw, &e) != nil { // of a kind that we do not know
			continue
		}
		kind, _, _ := strings.Cut(e.Type, ".")
		if kind == "object" {
			kind = e.ObjectType
		}
		name, known := objectTypes[kind]
		if !known && objectName.MatchString(e.ObjectType) {
			name = e.ObjectType // an object that the company made
		}
		if name == "" || !digits.MatchString(e.Object.String()) {
			continue
		}
		wakes = append(wakes, crmclient.Wake{Object: name, ID: e.Object.String(), Own: c.ours(e)})
		names = append(names, fmt.Sprintf("%s %s %s %s", e.Subscription, e.Object, e.Occurred, e.Property))
	}
	if len(names) == 0 {
		return "", nil, crmclient.Reply{}, nil
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(sum[:16]), wakes, crmclient.Reply{}, nil
}

// ours says that our own app made the change.
func (c *Client) ours(e event) bool {
	return c.cfg.AppID != "" && (e.Source == "INTEGRATION" || e.Source == "API") && slices.Contains(strings.FieldsFunc(e.SourceID, func(r rune) bool {
		return r < '0' || r > '9'
	}), c.cfg.AppID)
}

func (c *Client) verify(d *crmclient.Delivery) error {
	refused := func(why, remedy string) error {
		return &crmclient.Error{Class: crmclient.ClassAuth, Message: "the delivery is not believed: " + why, Remedy: remedy}
	}
	stamp := d.Header.Get(headerTimestamp)
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return refused("it has no time", "")
	}
	if age := d.At.Sub(time.UnixMilli(ms)); age > signatureWindow || age < -signatureWindow {
		return refused("it was signed too long ago", "compare the clock of this machine")
	}
	uri := c.cfg.WebhookURL
	if d.URL != nil && d.URL.RawQuery != "" {
		uri += "?" + d.URL.RawQuery
	}
	want := sign(c.cfg.webhookSecret(), d.Method, uri, d.Body, stamp)
	if !hmac.Equal([]byte(want), []byte(d.Header.Get(headerSignature))) {
		return refused("its signature is wrong", "compare webhook_url with the target URL in HubSpot letter by letter, and webhook_secret with the client secret of the app")
	}
	return nil
}
