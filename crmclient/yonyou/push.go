package yonyou

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // the vendor signs with it
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

var _ crmclient.WebhookReceiver = (*Client)(nil)

// pushKey encrypts and signs events.
type pushKey struct {
	appKey, secret string
	aes            []byte
}

const (
	keyLetters = 43 // of the base64 of 32 bytes
	blockSize  = 32 // of the padding
	saltLength = 16 // random bytes before the plain text
	lengthSize = 4
)

// newPushKey makes the key of a secret: without hyphens, filled up with zeros or cut.
func newPushKey(appKey, secret string) pushKey {
	s := strings.ReplaceAll(secret, "-", "")
	s = (s + strings.Repeat("0", keyLetters))[:keyLetters]
	key, err := base64.StdEncoding.DecodeString(s + "=")
	if err != nil {
		key = nil // a secret that is no base64 can sign calls, but decrypt no events
	}
	return pushKey{appKey: appKey, secret: secret, aes: key}
}

// sortedSHA1 signs as self-built applications of the older kind do.
func (k pushKey) sortedSHA1(timestamp, nonce, encrypted string) string {
	parts := []string{k.secret, timestamp, nonce, encrypted}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// sortedHMAC signs as newer documents describe it.
func (k pushKey) sortedHMAC(timestamp, nonce, encrypted string) string {
	parts := []string{timestamp, nonce, encrypted}
	slices.Sort(parts)
	return base64.StdEncoding.EncodeToString(hmacSHA256(k.secret, strings.Join(parts, "")))
}

var errPushKey = errors.New("app_secret is no key for events")

// decrypt returns the text of an event that is for our application.
func (k pushKey) decrypt(encrypted string) ([]byte, error) {
	if k.aes == nil {
		return nil, errPushKey
	}
	b, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil || len(b) == 0 || len(b)%aes.BlockSize != 0 {
		return nil, errors.New("the event is not of whole blocks")
	}
	block, err := aes.NewCipher(k.aes)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, k.aes[:aes.BlockSize]).CryptBlocks(b, b)
	pad := int(b[len(b)-1])
	if pad < 1 || pad > blockSize || pad > len(b) || !bytes.Equal(b[len(b)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errors.New("the event is not padded")
	}
	b = b[:len(b)-pad]
	if len(b) < saltLength+lengthSize {
		return nil, errors.New("the event is too short")
	}
	n := int64(binary.BigEndian.Uint32(b[saltLength:]))
	rest := b[saltLength+lengthSize:]
	if n > int64(len(rest)) || string(rest[n:]) != k.appKey {
		return nil, errors.New("the event is for another application")
	}
	return rest[:n], nil
}

// encrypt is the reverse of decrypt.
func (k pushKey) encrypt(text []byte) (string, error) {
	if k.aes == nil {
		return "", errPushKey
	}
	b := make([]byte, saltLength, saltLength+lengthSize+len(text)+len(k.appKey)+blockSize)
	_, _ = rand.Read(b) // never fails
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = append(append(b, text...), k.appKey...)
	pad := blockSize - len(b)%blockSize
	b = append(b, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(k.aes)
	if err != nil {
		return "", err
	}
	cipher.NewCBCEncrypter(block, k.aes[:aes.BlockSize]).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b), nil
}

// maxPushAge is how old an event may be: the vendor tries for 24 hours.
const maxPushAge = 25 * time.Hour

// maxPushIDs bounds how many records one event may name.
const maxPushIDs = 1000

func untrusted(why string) error {
	return &crmclient.Error{
		Class: crmclient.ClassAuth, Message: "the event is not believed: " + why,
		Remedy: "check app_secret and push.signature with the 事件订阅 (event subscription) of the application in 开放平台",
	}
}

// ReceiveWebhook checks, decrypts and reads an event. It must be answered within five seconds, which needs no request.
func (c *Client) ReceiveWebhook(d *crmclient.Delivery) (id string, wakes []crmclient.Wake, reply crmclient.Reply, err error) {
	text, err := c.open(d)
	if err != nil {
		return "", nil, crmclient.Reply{}, err
	}
	var event map[string]json.RawMessage
	if json.Unmarshal(text, &event) != nil {
		return "", nil, crmclient.Reply{}, untrusted("it is not a JSON object")
	}
	var kind, tenant string
	_ = json.Unmarshal(event["type"], &kind)
	_ = json.Unmarshal(event["tenantId"], &tenant)
	var eventID scalar
	if raw, has := event["eventId"]; has {
		_ = eventID.UnmarshalJSON(raw)
	}
	if tenant != "" && tenant != c.cfg.TenantID {
		return "", nil, crmclient.Reply{}, untrusted("it is of another tenant")
	}
	if reply, err = c.success(d); err != nil {
		return "", nil, crmclient.Reply{}, err
	}
	if kind == "" || kind == "CHECK_URL" { // the vendor only tries whether somebody is here
		return string(eventID), nil, reply, nil
	}
	object, known := c.cfg.Push.Events[kind]
	if !known {
		object = kind
	}
	for _, recordID := range eventIDs(event) {
		wakes = append(wakes, crmclient.Wake{Object: object, ID: recordID})
	}
	return string(eventID), wakes, reply, nil
}

// open checks the signature and returns the event. The names of the body are compared exactly, as what is signed is only their values.
func (c *Client) open(d *crmclient.Delivery) ([]byte, error) {
	body := bytes.TrimRight(d.Body, "\r\n")
	var outer map[string]json.RawMessage
	if len(body) == 0 || body[0] != '{' || body[len(body)-1] != '}' || json.Unmarshal(body, &outer) != nil {
		return nil, untrusted("its body is not a JSON object")
	}
	values := map[string]scalar{}
	for _, name := range []string{"msgSignature", "signature", "timestamp", "nonce", "encrypt"} {
		var v scalar
		if raw, has := outer[name]; has && v.UnmarshalJSON(raw) != nil {
			return nil, untrusted(name + " is no text")
		}
		values[name] = v
	}
	timestamp, nonce, encrypted := string(values["timestamp"]), string(values["nonce"]), string(values["encrypt"])
	given, want := string(values["msgSignature"]), c.push.sortedSHA1(timestamp, nonce, encrypted)
	if c.cfg.Push.Signature == signatureHMAC {
		given, want = string(values["signature"]), c.push.sortedHMAC(timestamp, nonce, encrypted)
	}
	if encrypted == "" || !hmac.Equal([]byte(given), []byte(want)) {
		return nil, untrusted("its signature is wrong")
	}
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || d.At.Sub(time.UnixMilli(at)).Abs() > maxPushAge {
		return nil, untrusted("its time is too far away")
	}
	text, err := c.push.decrypt(encrypted)
	if errors.Is(err, errPushKey) {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: err.Error(), Remedy: "give the AppSecret as the 开放平台 shows it"}
	}
	if err != nil {
		return nil, untrusted(err.Error())
	}
	return text, nil
}

// success is the answer that stops the vendor from trying again.
func (c *Client) success(d *crmclient.Delivery) (crmclient.Reply, error) {
	if c.cfg.Push.Reply == replyPlain {
		return crmclient.Reply{Type: "text/plain; charset=utf-8", Body: []byte("success")}, nil
	}
	encrypted, err := c.push.encrypt([]byte("success"))
	if err != nil {
		return crmclient.Reply{}, fmt.Errorf("answer the event: %w", err)
	}
	timestamp, nonce := strconv.FormatInt(d.At.UnixMilli(), 10), rand.Text()[:saltLength]
	answer := map[string]any{"timestamp": d.At.UnixMilli(), "nonce": nonce, "encrypt": encrypted}
	if c.cfg.Push.Signature == signatureHMAC {
		answer["signature"] = c.push.sortedHMAC(timestamp, nonce, encrypted)
	} else {
		answer["msgSignature"] = c.push.sortedSHA1(timestamp, nonce, encrypted)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return crmclient.Reply{}, fmt.Errorf("answer the event: %w", err)
	}
	return crmclient.Reply{Type: "application/json", Body: body}, nil
}

// eventIDs finds the ids in an event: lists of texts at its top, and those and "id" in its content, which may be JSON in a text.
func eventIDs(event map[string]json.RawMessage) []string {
	var ids []string
	add := func(found ...string) {
		for _, id := range found {
			if id != "" && len(ids) < maxPushIDs && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	collect := func(m map[string]json.RawMessage) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			var list []scalar
			if raw := bytes.TrimSpace(m[name]); len(raw) > 0 && raw[0] == '[' && json.Unmarshal(raw, &list) == nil {
				for _, id := range list {
					if isID(string(id)) {
						add(string(id))
					}
				}
			}
		}
	}
	collect(event)
	content := event["content"]
	var inner string
	if json.Unmarshal(content, &inner) == nil {
		content = []byte(inner)
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(content, &m) == nil {
		collect(m)
		var id scalar
		if raw, has := m["id"]; has && id.UnmarshalJSON(raw) == nil && isID(string(id)) {
			add(string(id))
		}
	}
	return ids
}

// isID says whether a text may be the id of a record: it becomes part of a request.
func isID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' {
			return false
		}
	}
	return true
}
