package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks 1.0.0, in Go's canonical spelling.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// messageID returns the webhook-id of an activity. It is the same on every retry, and has no
// dot, because dots separate the parts of the signed content.
func messageID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "msg_" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

// sign returns the value of webhook-signature: one signature per key.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	content := []byte(id + "." + strconv.FormatInt(at.Unix(), 10) + ".")
	signatures := make([]string, len(keys))
	for i, key := range keys {
		h := hmac.New(sha256.New, key)
		h.Write(content) // a hash never fails to write
		h.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
