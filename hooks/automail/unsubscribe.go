package automail

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"heliograph/internal/accounts"
)

// Tokens makes and checks the tokens of unsubscribe links (RFC 8058): who has one can opt the address in it out of the list in it, and do nothing
// else. A token does not expire, since a mail may be read years later. It may be used concurrently.
type Tokens struct{ keys [][]byte }

const (
	tokenVersion = "u1"
	tokenMAC     = 16 // bytes of the code: nobody guesses at it in this world
	minKey       = 16
	maxToken     = 1000
)

// ErrToken says that a token is not one of ours.
var ErrToken = errors.New("the link is not valid")

// NewTokens takes the keys, each of at least 16 bytes: the first makes tokens, all are good for checking.
func NewTokens(keys ...[]byte) (*Tokens, error) {
	t := &Tokens{}
	for _, k := range keys {
		if len(k) < minKey {
			return nil, fmt.Errorf("a key of unsubscribe links has %d bytes, at least %d are needed", len(k), minKey)
		}
		t.keys = append(t.keys, append([]byte(nil), k...))
	}
	if len(t.keys) == 0 {
		return nil, errors.New("unsubscribe links need a key")
	}
	return t, nil
}

// Token returns the token for an address and a list; it has letters, digits, "-", "_" and "." only.
func (t *Tokens) Token(address, list string) string {
	payload := accounts.Address(address) + "\x00" + list
	encode := base64.RawURLEncoding.EncodeToString
	return tokenVersion + "." + encode([]byte(payload)) + "." + encode(tokenCode(t.keys[0], payload))
}

// Verify returns whom a token opts out of what. The error is ErrToken for all others.
func (t *Tokens) Verify(token string) (address, list string, err error) {
	version, rest, _ := strings.Cut(token, ".")
	text, code, ok := strings.Cut(rest, ".")
	if len(token) > maxToken || version != tokenVersion || !ok {
		return "", "", ErrToken
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", "", ErrToken
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(code)
	if err != nil {
		return "", "", ErrToken
	}
	for _, key := range t.keys {
		if hmac.Equal(mac, tokenCode(key, string(payload))) {
			address, list, _ = strings.Cut(string(payload), "\x00")
			return address, list, nil
		}
	}
	return "", "", ErrToken
}

func tokenCode(key []byte, payload string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("unsubscribe " + tokenVersion + "\x00" + payload))
	return h.Sum(nil)[:tokenMAC]
}
