package yonyou

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// sign returns the signature of the parameters of a token request: names and values in the order of the names, without
// anything between them, as base64 of the raw HMAC. Who builds the query encodes it once.
func sign(secret string, parameters map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		b.WriteString(name)
		b.WriteString(parameters[name])
	}
	return base64.StdEncoding.EncodeToString(hmacSHA256(secret, b.String()))
}

func hmacSHA256(key, text string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text)) // a hash never fails to write
	return h.Sum(nil)
}
