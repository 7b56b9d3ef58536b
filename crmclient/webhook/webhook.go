// Package webhook posts each activity as JSON to an address of the administrator's choice: an own
// program, n8n, Zapier, or any CRM behind a small adapter.
//
// What becomes known of a message later (further owners, blind recipients, a thread, a verdict) is a request of type
// mail.updated, and mail that is taken back one of type mail.withdrawn, both with the key of the message in the body.
//
// Each request is signed after Standard Webhooks 1.0.0 and carries the activity key, for changes with the change behind it, as Idempotency-Key, so
// that a receiver can tell a repetition. Any 2xx is success, whatever the answer's body is; 409 says that
// the receiver has it already; no redirect is followed; 410 stops the target.
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
	transport *crmclient.Transport
}

var (
	_ crmclient.Client  = (*Client)(nil)
	_ crmclient.Checker = (*Client)(nil)
)

// New builds a Client without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u, err := crmclient.ParseURL(cfg.URL.Reveal())
	if err != nil {
		return nil, err
	}
	c := &Client{url: u, html: cfg.IncludeHTML == nil || *cfg.IncludeHTML, now: time.Now}
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
func (c *Client) Close() error { return c.transport.Close() }

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
	duplicate, err := c.post(ctx, id, a.Key, body)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	return crmclient.Receipt{RemoteID: id, Duplicate: duplicate}, nil
}

// post sends one event. key is what the receiver knows a repetition by.
func (c *Client) post(ctx context.Context, id, key string, body []byte) (duplicate bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return false, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	c.setHeaders(req.Header, id, key, body)
	answer, err := c.transport.Do(req)
	switch {
	case answer != nil && answer.Status/100 == 2:
		// The status line is the receiver's word; what became of the body behind it does not matter.
		return false, nil
	case crmclient.ClassOf(err) == crmclient.ClassDuplicate:
		return true, nil
	}
	return false, fmt.Errorf("post activity: %w", err)
}

func (c *Client) setHeaders(h http.Header, id, key string, body []byte) {
	h.Set("Content-Type", "application/json")
	h.Set("Idempotency-Key", key)
	crmclient.SignWebhook(h, c.keys, id, c.now(), body)
}

// Check connects and agrees on TLS but sends no request: most receivers would take any request,
// even one without a body, for an event and act on it.
func (c *Client) Check(ctx context.Context) (string, error) { return c.transport.Probe(ctx) }
