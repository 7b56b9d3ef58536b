package config

import (
	"crypto/subtle"
	"log/slog"
)

// redacted is what a secret looks like wherever it is printed.
const redacted = "<secret>"

// Secret is a value that must never be printed: a password, a token, or an
// address that may hold one. Only Reveal gives it away.
type Secret struct {
	value string
}

// NewSecret returns a secret that holds value.
func NewSecret(value string) Secret { return Secret{value: value} }

// Reveal returns the value itself. Never log it and never put it into an error.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == "" }

// Equal compares two secrets in a time that does not depend on where they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.value), []byte(other.value)) == 1
}

// String returns "<secret>", or nothing where the secret is empty.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalYAML is String, for YAML.
func (s Secret) MarshalYAML() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalJSON is String, for JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalText is String, for all other encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
