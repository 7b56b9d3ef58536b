package crmclient

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

const (
	keyLabel  = "heliograph-key:"
	maxKeyRaw = 100 // bytes of a key that is written in full
	keyCoded  = "b64."
)

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// KeyLine is the line by which a record is known again in a CRM that has no field for a key: it stands in the record's text. It has no
// character that HTML changes, and no key's line is part of another's.
func KeyLine(key string) string {
	switch {
	case plainKey.MatchString(key) && !strings.HasPrefix(key, keyCoded) && len(key) <= maxKeyRaw:
	case len(key) <= maxKeyRaw:
		key = keyCoded + base64.RawURLEncoding.EncodeToString([]byte(key))
	default:
		sum := sha256.Sum256([]byte(key))
		key = "sha256." + hex.EncodeToString(sum[:])
	}
	return keyLabel + key + ";"
}
