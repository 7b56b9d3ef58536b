package kingdee

import (
	"crypto/hmac"
	"crypto/sha1" // sites before 8.0.0.202205 take nothing else
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// loginSign returns the signature of LoginBySign: the parts in the order of their bytes, joined, hashed, in
// hexadecimal. Sites before 8.0.0.202205 know SHA-1 only.
func loginSign(old bool, parts ...string) string {
	sorted := slices.Sorted(slices.Values(parts))
	text := []byte(strings.Join(sorted, ""))
	if old {
		sum := sha1.Sum(text) //nolint:gosec // see above
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// hexHMAC is the vendor's own double coding: base64 of the hexadecimal text, not of the bytes.
func hexHMAC(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text)) // a hash never fails to write
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(h.Sum(nil))))
}

// defaultMask is what the second half of an app id is masked with.
const defaultMask = "0054f397c6234378b09ca7d3e5debce7"

// clientSecret takes the secret of the client out of an app id, which is <client id>_<masked secret>.
func clientSecret(appID, mask string) (id, secret string, err error) {
	id, masked, ok := strings.Cut(appID, "_")
	if !ok {
		return "", "", errors.New("app_id is not of the form <client id>_<secret>")
	}
	b, err := base64.StdEncoding.DecodeString(masked)
	if err != nil || len(b) == 0 || len(b) > len(mask) {
		return "", "", errors.New("what follows the underscore of app_id is not the masked secret of a client")
	}
	for i := range b {
		b[i] ^= mask[i]
	}
	return id, base64.StdEncoding.EncodeToString(b), nil
}

// signer makes the headers by which each request is signed, without a session.
type signer struct {
	appID, appSecret string
	client, secret   string // parts of the app id
	data             string // account, user, language, organisation
}

// headers returns the headers of a request for a path at a time, which is the nonce too.
func (s signer) headers(path string, timestamp int64) http.Header {
	t := strconv.FormatInt(timestamp, 10)
	text := "POST\n" + upperPercent(path) + "\n\nx-api-nonce:" + t + "\nx-api-timestamp:" + t + "\n"
	h := http.Header{}
	h.Set("X-Api-ClientID", s.client)
	h.Set("X-Api-Auth-Version", "2.0")
	h.Set("X-Api-Timestamp", t)
	h.Set("X-Api-Nonce", t)
	h.Set("X-Api-Signheaders", "x-api-timestamp,x-api-nonce")
	h.Set("X-Api-Signature", hexHMAC(s.secret, text))
	h.Set("X-Kd-Appkey", s.appID)
	h.Set("X-Kd-Appdata", base64.StdEncoding.EncodeToString([]byte(s.data)))
	h.Set("X-Kd-Signature", hexHMAC(s.appSecret, s.appID+s.data))
	return h
}

// upperPercent encodes a path as the signature wants it: slashes too, hexadecimal digits in upper case.
func upperPercent(path string) string { return url.PathEscape(path) }
