package crmclient

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The worked example of Standard Webhooks 1.0.0.
func TestSignWebhookWorkedExample(t *testing.T) {
	t.Parallel()
	key, err := WebhookKey("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
	if err != nil {
		t.Fatal(err)
	}
	if string(key) != "0123456789abcdef01234567" {
		t.Errorf("key: got %q", key)
	}
	h := http.Header{}
	SignWebhook(h, [][]byte{key}, "msg_01HZX", time.Unix(1700000000, 0), []byte(`{"type":"contact.updated","data":{"id":"42"}}`))
	if got, want := h.Get(WebhookSignatureHeader), "v1,n2G08v42rEDXaU/SLaCS76ozdERJ6MWX/aJm2V8i9Hs="; got != want {
		t.Errorf("signature: got %s, want %s", got, want)
	}
	if h.Get(WebhookIDHeader) != "msg_01HZX" || h.Get(WebhookTimestampHeader) != "1700000000" {
		t.Errorf("headers: %v", h)
	}
}

func TestWebhookID(t *testing.T) {
	t.Parallel()
	a, b := WebhookID("a.b"), WebhookID("a.c")
	if a == b || strings.Contains(a, ".") || a != WebhookID("a.b") {
		t.Errorf("ids: %s %s", a, b)
	}
}
