package fxiaoke

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

// signature returns what the vendor signs an event with: SHA-1 over the four texts in their alphabetical order.
func signature(token, stamp, nonce, content string) string {
	parts := []string{token, stamp, nonce, content}
	slices.Sort(parts)
	h := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // the vendor signs with it
	return hex.EncodeToString(h[:])
}

// block is the length that the padding fills up to (PKCS #7), twice that of AES.
const block = 32

// decrypt opens the content of an event: 16 random bytes, four bytes of length, JSON, padding.
func decrypt(key []byte, content string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(content)
	if err != nil || len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, errors.New("the content is not what was encrypted")
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	open := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(b, key[:aes.BlockSize]).CryptBlocks(open, sealed)
	pad := int(open[len(open)-1])
	if pad < 1 || pad > block || pad > len(open) || !bytes.Equal(open[len(open)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errors.New("the content has no padding: the key is another one")
	}
	open = open[:len(open)-pad]
	const head = 20
	if len(open) < head {
		return nil, errEmpty
	}
	size := binary.BigEndian.Uint32(open[16:head])
	if uint64(size) > uint64(len(open)-head) {
		return nil, errors.New("the content is shorter than it says")
	}
	return open[head : head+int(size)], nil
}

// objectKeys and idKeys are the names that public clients read in events.
var (
	objectKeys = []string{"objectApiName", "dataObjectApiName", "describe_api_name", "object_describe_api_name", "describeApiName", "apiName"}
	idKeys     = []string{"objectDataId", "dataId", "object_data_id", "objectId", "_id", "id"}
)

// ReceiveWebhook opens an event. The vendor waits three seconds for the word success; nothing here uses the network.
func (c *Client) ReceiveWebhook(d *crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	fail := func(message, remedy string) (string, []crmclient.Wake, crmclient.Reply, error) {
		return "", nil, crmclient.Reply{Status: http.StatusUnauthorized}, &crmclient.Error{Class: crmclient.ClassAuth, Message: "event refused: " + message, Remedy: remedy}
	}
	if c.aes == nil {
		return fail("the section has no callback_token and callback_key", "写入事件订阅的 token 和 encodingAesKey (put token and encodingAesKey of the event callback into the section)")
	}
	var e struct {
		Nonce   string      `json:"nonce"`
		Content string      `json:"content"`
		Sig     string      `json:"sig"`
		Stamp   json.Number `json:"timeStamp"`
	}
	if json.Unmarshal(d.Body, &e) != nil {
		return fail("it is not JSON of the four parts", "")
	}
	want := signature(c.cfg.CallbackToken.Reveal(), e.Stamp.String(), e.Nonce, e.Content)
	if subtle.ConstantTimeCompare([]byte(e.Sig), []byte(want)) != 1 {
		return fail("the signature is wrong", "核对 callback_token (compare callback_token with the token of the event callback)")
	}
	ms, err := strconv.ParseInt(e.Stamp.String(), 10, 64)
	if err != nil || d.At.Sub(time.UnixMilli(ms)).Abs() > c.cfg.CallbackWindow.D() {
		return fail("it is too old or from the future", "校准网关的时钟, 或加大 callback_window (set the gateway's clock, or widen callback_window)")
	}
	open, err := decrypt(c.aes, e.Content)
	if err != nil {
		return fail(err.Error(), "核对 callback_key (compare callback_key with encodingAesKey)")
	}
	success := crmclient.Reply{Status: http.StatusOK, Type: "text/plain; charset=utf-8", Body: []byte("success")}
	return e.Sig, c.wakes(open), success, nil
}

// maxWakes bounds how many records one event tells of.
const maxWakes = 100

// wakes reads which records an event is about.
func (c *Client) wakes(event []byte) []crmclient.Wake {
	var v any
	if json.Unmarshal(event, &v) != nil {
		return nil
	}
	var out []crmclient.Wake
	var look func(v any, object string, depth int)
	look = func(v any, object string, depth int) {
		const deepest = 5
		if depth > deepest || len(out) >= maxWakes {
			return
		}
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				look(e, object, depth+1)
			}
		case map[string]any:
			if name := first(x, objectKeys); apiName.MatchString(name) {
				object = name
			}
			if id := first(x, idKeys); object != "" && recordID.MatchString(id) {
				w := crmclient.Wake{Object: object, ID: id, Own: c.cfg.ActingUser != "" && first(x, []string{"openUserId", "operatorId", "last_modified_by"}) == c.cfg.ActingUser}
				if !slices.Contains(out, w) {
					out = append(out, w)
				}
				return
			}
			for _, e := range x {
				look(e, object, depth+1)
			}
		}
	}
	look(v, "", 0)
	return out
}

func first(m map[string]any, names []string) string {
	for _, name := range names {
		if s, ok := m[name].(string); ok && s != "" {
			return s
		}
	}
	return ""
}
