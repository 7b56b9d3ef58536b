package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"golang.org/x/net/http/httpguts"

	"heliograph/crmclient"
	"heliograph/crmclient/export"
)

// The values of the field "type" for what becomes known of a message after it was posted.
const (
	TypeUpdated   = "mail.updated"
	TypeWithdrawn = "mail.withdrawn"
)

// Update is the body of a request that tells more of a message: all of these fields, as they are now.
type Update struct {
	Type        string               `json:"type"`
	Timestamp   time.Time            `json:"timestamp"` // when the message was last seen
	Key         string               `json:"key"`       // of the message, as in Payload
	MessageID   string               `json:"message_id"`
	Thread      string               `json:"thread"`
	BCC         []export.Person      `json:"bcc"`
	Accounts    []string             `json:"accounts"`
	Sightings   []crmclient.Sighting `json:"sightings"`
	Unconfirmed bool                 `json:"unconfirmed"`
}

// Withdrawal is the body of a request to forget a message.
type Withdrawal struct {
	Type string `json:"type"`
	Key  string `json:"key"`
}

var (
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
)

// UpdateEmail posts what is known of the message now. Whether the receiver knows the message it does not tell.
func (c *Client) UpdateEmail(ctx context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	body, err := export.Encode(update(a))
	if err != nil {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the update cannot be written as JSON", Err: err}
	}
	// What says something else is another event; what says the same is a repetition.
	sum := sha256.Sum256(body)
	if err := c.tell(ctx, a.Key, TypeUpdated, TypeUpdated+":"+base64.RawURLEncoding.EncodeToString(sum[:12]), body); err != nil {
		return crmclient.Receipt{}, err
	}
	return crmclient.Receipt{RemoteID: crmclient.WebhookID(a.Key)}, nil
}

func update(a *crmclient.Activity) Update {
	return Update{
		Type: TypeUpdated, Timestamp: lastSeen(a), Key: a.Key, MessageID: a.MessageID, Thread: a.Thread, BCC: export.People(a.BCC),
		Accounts: export.List(a.Accounts), Sightings: export.List(a.Sightings), Unconfirmed: a.Unconfirmed,
	}
}

// WithdrawEmail posts that the message is to be forgotten.
func (c *Client) WithdrawEmail(ctx context.Context, _, key string) error {
	body, err := export.Encode(Withdrawal{Type: TypeWithdrawn, Key: key})
	if err != nil {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the withdrawal cannot be written as JSON", Err: err}
	}
	return c.tell(ctx, key, TypeWithdrawn, TypeWithdrawn, body)
}

// tell posts an event about a message. Its Idempotency-Key has the event in it: a receiver that compares
// nothing else would take the event for a repetition of the message.
func (c *Client) tell(ctx context.Context, key, name, what string, body []byte) error {
	if key == "" || !httpguts.ValidHeaderFieldValue(key) {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no usable key"}
	}
	id := key + ":" + what
	_, err := c.post(ctx, event{Name: name, ID: crmclient.WebhookID(id), Key: id, Body: body})
	return err
}

func lastSeen(a *crmclient.Activity) time.Time {
	last := a.Date
	for i, s := range a.Sightings {
		if i == 0 || s.At.After(last) {
			last = s.At
		}
	}
	return last.UTC()
}
