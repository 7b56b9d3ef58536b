package crmclient

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks 1.0.0, in Go's canonical spelling.
const (
	WebhookIDHeader        = "Webhook-Id"
	WebhookTimestampHeader = "Webhook-Timestamp"
	WebhookSignatureHeader = "Webhook-Signature"
)

const (
	webhookPrefix   = "whsec_"
	minWebhookBytes = 24 // Standard Webhooks 1.0.0, signature scheme
	maxWebhookBytes = 64
)

// WebhookKey returns the key of the HMAC: what follows whsec_ in base64, or the bytes of any other text; nil for an
// empty text.
func WebhookKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, webhookPrefix)
	if !ok {
		if secret == "" {
			return nil, nil
		}
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		if key, err = base64.RawStdEncoding.DecodeString(encoded); err != nil {
			return nil, errors.New("what follows whsec_ is not base64")
		}
	}
	if len(key) < minWebhookBytes || len(key) > maxWebhookBytes {
		return nil, fmt.Errorf("what follows whsec_ must be %d to %d bytes, not %d", minWebhookBytes, maxWebhookBytes, len(key))
	}
	return key, nil
}

// WebhookID returns the webhook-id of an event. It is the same on every retry, and has no
// dot, because dots separate the parts of the signed content.
func WebhookID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "msg_" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

// SignWebhook sets the headers of Standard Webhooks 1.0.0: one signature per key, and none without keys.
func SignWebhook(h http.Header, keys [][]byte, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set(WebhookIDHeader, id)
	h.Set(WebhookTimestampHeader, stamp)
	if len(keys) == 0 {
		return
	}
	signatures := make([]string, len(keys))
	for i, key := range keys {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(id + "." + stamp + ".")) // a hash never fails to write
		m.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	h.Set(WebhookSignatureHeader, strings.Join(signatures, " "))
}

// webhookTolerance is how far the time of a delivery may be from ours (Standard Webhooks 1.0.0, verifying).
const webhookTolerance = 5 * time.Minute

// VerifyWebhook says whether a delivery is signed as Standard Webhooks 1.0.0 have it, with one of the keys and not long ago.
func VerifyWebhook(h http.Header, keys [][]byte, now time.Time, body []byte) bool {
	id, stamp := h.Get(WebhookIDHeader), h.Get(WebhookTimestampHeader)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" {
		return false
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > webhookTolerance || age < -webhookTolerance {
		return false
	}
	for signature := range strings.FieldsSeq(h.Get(WebhookSignatureHeader)) {
		text, ok := strings.CutPrefix(signature, "v1,")
		given, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil {
			continue
		}
		for _, key := range keys {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(id + "." + stamp + ".")) // a hash never fails to write
			m.Write(body)
			if hmac.Equal(given, m.Sum(nil)) {
				return true
			}
		}
	}
	return false
}
