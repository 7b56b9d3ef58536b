package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// The sizes of pages.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// PageLimit is the size of the page that was asked for.
func PageLimit(asked int) int {
	if asked <= 0 {
		return DefaultLimit
	}
	return min(asked, MaxLimit)
}

// EncodeCursor makes a cursor of the values that the next page begins behind.
func EncodeCursor(values ...any) (string, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// DecodeCursor reads a cursor into pointers to values of the kinds that it was made of, and tells whether there was one.
func DecodeCursor(cursor string, into ...any) (bool, error) {
	if cursor == "" {
		return false, nil
	}
	bad := Invalid("bad_cursor", "the cursor is not one of this list", Field{Pointer: "cursor", Detail: "not a cursor of this list", Remedy: "Begin again without it."})
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return false, bad.Because(err)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil || len(raw) != len(into) {
		return false, bad
	}
	for i := range raw {
		if err := json.Unmarshal(raw[i], into[i]); err != nil {
			return false, bad.Because(err)
		}
	}
	return true, nil
}

// ETag names a version of a thing by anything that differs between versions.
func ETag(version ...any) string {
	text, err := json.Marshal(version)
	if err != nil {
		panic("api: an ETag of what is no data: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// Match tells whether the caller knows the current version of what is to be changed (RFC 9110, 13.1.1). Without If-Match it is 428.
func Match(ifMatch, current string) error {
	switch {
	case strings.TrimSpace(ifMatch) == "":
		return Fail(http.StatusPreconditionRequired, "if_match", "the request does not say which version it changes", "Read the thing first, and send its ETag as If-Match.")
	case ifMatch == "*":
		return nil
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == current {
			return nil
		}
	}
	return Fail(http.StatusPreconditionFailed, "changed_meanwhile", "somebody changed this meanwhile", "Read it again, and repeat your change if it is still wanted.")
}
