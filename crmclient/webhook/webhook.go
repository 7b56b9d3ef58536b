// Package webhook posts each activity as JSON to an address of the administrator's choice: an own
// program, n8n, Zapier, or any CRM behind a small adapter.
//
// What becomes known of a message later (further owners, blind recipients, a thread, a verdict) is a request of type
// mail.updated, and mail that is taken back one of type mail.withdrawn, both with the key of the message in the body.
//
// Each request is signed after Standard Webhooks 1.0.0 and carries the activity key, for changes with the change behind it, as Idempotency-Key, so
// that a receiver can tell a repetition. Any 2xx is success, whatever the answer's body is; 409 says that
// the receiver has it already; no redirect is followed; 410 from the address of the section stops the target.
//
// Besides the one address of the section, receivers may subscribe by themselves (Zapier's REST hooks): subscribers.go keeps them,
// deliver.go gives each its own queue of deliveries, so that one that is away neither holds up nor doubles those of the others, and each has
// its own secret. 410 ends a subscription, and so does failing for five days.
//
// It asks the receiver nothing: FindContacts finds nobody. Attachments are told of by name, size and hash, never sent.
package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpguts"

	"heliograph/crmclient"
	"heliograph/crmclient/export"
)

// Client posts activities to one URL.
type Client struct {
	url       *url.URL
	keys      [][]byte
	html      bool
	now       func() time.Time
	transport *crmclient.Transport // nil without an address
	subs      *subscribers         // nil where nobody can subscribe
}

var (
	_ crmclient.Client    = (*Client)(nil)
	_ crmclient.Checker   = (*Client)(nil)
	_ crmclient.Selective = (*Client)(nil)
)

// New builds a Client without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{html: cfg.IncludeHTML == nil || *cfg.IncludeHTML, now: time.Now}
	if cfg.URL.IsZero() {
		return c, nil
	}
	u, err := crmclient.ParseURL(cfg.URL.Reveal())
	if err != nil {
		return nil, err
	}
	c.url = u
	for _, s := range []string{cfg.Secret.Reveal(), cfg.PreviousSecret.Reveal()} {
		key, err := crmclient.WebhookKey(s)
		if err != nil {
			return nil, err
		}
		if key != nil {
			c.keys = append(c.keys, key)
		}
	}
	headers := make(map[string]string, len(cfg.Headers))
	for name, value := range cfg.Headers {
		headers[name] = value.Reveal()
	}
	c.transport, err = d.Transport(cfg.settings(), crmclient.Options{
		URL: u, NoRedirects: true,
		HidePath: true, // in Zapier's and IFTTT's URLs the path is the credential
		Headers:  headers, Secrets: []string{cfg.Secret.Reveal(), cfg.PreviousSecret.Reveal()},
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	if c.transport != nil {
		return c.transport.Close()
	}
	return nil
}

// FindContacts finds nobody: a webhook has no question to ask.
func (c *Client) FindContacts(context.Context, []string) ([]crmclient.Contact, error) {
	return nil, nil
}

// LogEmail posts the activity.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if a.Key == "" || !httpguts.ValidHeaderFieldValue(a.Key) {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no usable key"}
	}
	body, err := export.Encode(export.NewPayload(a, c.html))
	if err != nil {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity cannot be written as JSON", Err: err}
	}
	id := crmclient.WebhookID(a.Key)
	duplicate, err := c.post(ctx, event{Name: export.Type, ID: id, Key: a.Key, Body: body})
	if err != nil {
		return crmclient.Receipt{}, err
	}
	return crmclient.Receipt{RemoteID: id, Duplicate: duplicate}, nil
}

// event is what receivers get.
type event struct {
	Name string `json:"name"`
	ID   string `json:"id"`  // the webhook-id
	Key  string `json:"key"` // what the receiver knows a repetition by
	Body []byte `json:"body"`
}

// post hands an event to the subscribers, who get it once however often that is done, and sends it to the address.
func (c *Client) post(ctx context.Context, e event) (duplicate bool, err error) {
	if c.subs != nil {
		if err := c.subs.add(ctx, e); err != nil {
			return false, err
		}
	}
	if c.url == nil {
		return false, nil
	}
	return send(ctx, c.transport, c.url, c.keys, c.now(), e)
}

// send posts an event to one receiver.
func send(ctx context.Context, t *crmclient.Transport, to *url.URL, keys [][]byte, at time.Time, e event) (duplicate bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(e.Body))
	if err != nil {
		return false, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", e.Key)
	crmclient.SignWebhook(req.Header, keys, e.ID, at, e.Body)
	answer, err := t.Do(req)
	switch {
	case answer != nil && answer.Status/100 == 2:
		// The status line is the receiver's word; what became of the body behind it does not matter.
		return false, nil
	case crmclient.ClassOf(err) == crmclient.ClassDuplicate:
		return true, nil
	}
	return false, fmt.Errorf("post activity: %w", err)
}

// Check connects and agrees on TLS but sends no request: most receivers would take any request,
// even one without a body, for an event and act on it.
func (c *Client) Check(ctx context.Context) (string, error) {
	if c.transport == nil {
		return "no url: only subscribers get messages", nil
	}
	return c.transport.Probe(ctx)
}
