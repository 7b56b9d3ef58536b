package crmtest

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
)

// WebhookSender is a Fake that makes deliveries as the vendor does. Its client must be a crmclient.WebhookReceiver.
type WebhookSender interface {
	// Delivery returns the request that the vendor makes when the record with the id was changed, signed at that time. Each call
	// is a delivery of its own.
	Delivery(t *testing.T, id string, at time.Time) *crmclient.Delivery
}

// Webhook tells what the suite cannot know of a vendor's deliveries.
type Webhook struct {
	ID string // of a record, as the vendor writes them; empty means "4711"
	// BodyUnsigned says that only a token tells that the delivery is genuine.
	BodyUnsigned bool
	// SignatureInBody says that the signature is in the body itself, so that header and query tell nothing.
	SignatureInBody bool
	// Window is how old a delivery may be; zero means that the vendor signs no time.
	Window time.Duration
}

func (s Subject) runWebhooks(t *testing.T) {
	if _, ok := s.Fake(t).(WebhookSender); !ok {
		return
	}
	t.Run("webhook", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		c, ok := crmclient.As[crmclient.WebhookReceiver](b.client)
		if !ok {
			t.Fatal("the fake sends webhooks, but the client receives none")
		}
		s.webhook(t, c, b.fake.(WebhookSender))
		if b.gate != nil && b.gate.passed.Load() != 0 {
			t.Errorf("receiving made %d requests, want none", b.gate.passed.Load())
		}
	})
}

func (s Subject) webhook(t *testing.T, c crmclient.WebhookReceiver, sender WebhookSender) {
	record, now := s.Webhook.ID, time.Now().Truncate(time.Second)
	if record == "" {
		record = "4711"
	}
	fresh := func() *crmclient.Delivery {
		d := sender.Delivery(t, record, now)
		d.At = now
		return d
	}
	d := fresh()
	id, wakes, reply, err := c.ReceiveWebhook(d)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Status >= 300 {
		t.Errorf("reply: got status %d", reply.Status)
	}
	if !slices.ContainsFunc(wakes, func(w crmclient.Wake) bool { return w.ID == record && w.Object != "" }) {
		t.Errorf("wakes: got %+v, want one of the record %s", wakes, record)
	}
	again, _, _, err := c.ReceiveWebhook(d)
	if err != nil || again != id {
		t.Errorf("repeated: got the id %q, %v; want %q: whether it is a repetition is not the connector's to judge", again, err, id)
	}
	if other, _, _, err := c.ReceiveWebhook(fresh()); id != "" && (err != nil || other == id) {
		t.Errorf("another delivery: got the id %q, %v; want another than %q", other, err, id)
	}
	s.webhookForged(t, c, fresh)
	s.webhookOld(t, c, sender, record, now)
	for _, body := range []string{"", "{", "null", "[]", `"x"`, strings.Repeat("[", 100_000), "\xff\xfe\x00", strings.Repeat(`{"a":`, 50_000)} {
		d := fresh()
		d.Body = []byte(body)
		_, wakes, _, err := c.ReceiveWebhook(d)
		if !s.Webhook.BodyUnsigned && crmclient.ClassOf(err) != crmclient.ClassAuth {
			t.Errorf("body %.20q with the signature of another: got %v, want an auth error", body, err)
		}
		if len(wakes) > 0 {
			t.Errorf("body %.20q: got %+v, want no wakes", body, wakes)
		}
	}
}

// webhookForged changes a genuine delivery.
func (s Subject) webhookForged(t *testing.T, c crmclient.WebhookReceiver, fresh func() *crmclient.Delivery) {
	refused := func(what string, d *crmclient.Delivery) {
		t.Helper()
		_, wakes, _, err := c.ReceiveWebhook(d)
		s.wantClass(t, err, crmclient.ClassAuth)
		if t.Failed() || len(wakes) > 0 {
			t.Fatalf("%s: got %+v, %v; want an auth error and no wakes", what, wakes, err)
		}
	}
	d := fresh()
	d.Header = http.Header{"Content-Type": d.Header["Content-Type"]}
	d.URL = &url.URL{Path: d.URL.Path}
	d.Body = stripped(s, d.Body)
	if !s.Webhook.SignatureInBody {
		refused("without header and query", d)
	}
	if s.Webhook.BodyUnsigned {
		return
	}
	size := len(fresh().Body)
	for _, at := range []int{0, 1, size / 3, size / 2, size - 2, size - 1} {
		d := fresh()
		d.Body = bytes.Clone(d.Body)
		d.Body[max(0, at)] ^= 0x20
		refused("one bit of the body changed", d)
	}
	d = fresh()
	d.Body = append(bytes.Clone(d.Body), ' ')
	if !s.Webhook.SignatureInBody { // what stands around the signed parts is not signed
		refused("one blank more", d)
	}
}

// stripped leaves nothing in the body that could be a token, where the body itself holds it.
func stripped(s Subject, body []byte) []byte {
	if s.Webhook.BodyUnsigned {
		return []byte("{}")
	}
	return body
}

func (s Subject) webhookOld(t *testing.T, c crmclient.WebhookReceiver, sender WebhookSender, record string, now time.Time) {
	if s.Webhook.Window == 0 {
		return
	}
	for _, age := range []time.Duration{s.Webhook.Window + time.Minute, -s.Webhook.Window - time.Minute} {
		d := sender.Delivery(t, record, now.Add(-age))
		d.At = now
		if _, wakes, _, err := c.ReceiveWebhook(d); crmclient.ClassOf(err) != crmclient.ClassAuth || len(wakes) > 0 {
			t.Errorf("a delivery signed %s ago: got %+v, %v; want an auth error", age, wakes, err)
		}
	}
}
