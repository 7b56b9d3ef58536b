package compose

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CauseHeader is the field that says which rule of which gateway made a mail.
const CauseHeader = "X-Heliograph-Cause"

// Cause says why a mail of ours was sent, so that we know it when it, or an answer of another machine, comes back.
type Cause struct {
	Run   string
	Rule  string
	Depth int      // how many automated mails led to this one, itself included; from 1
	Chain []string // of the messages that led to it, hashed, oldest first; see [HashKey]
}

// Bounds of causes.
const (
	MaxDepth   = 3  // an automated mail because of one because of one is enough
	maxChain   = 10 // the newest are kept
	maxCauseID = 100
)

// ErrDepth says that too many automated mails led to this one.
var ErrDepth = errors.New("too many automated mails in a row")

// ErrLoop says that a message already led to itself.
var ErrLoop = errors.New("this message led to itself")

// HashKey is how a message key stands in a chain: strangers learn nothing from it.
func HashKey(key string) string {
	sum := sha256.Sum256([]byte("heliograph cause\n" + key))
	return hex.EncodeToString(sum[:8])
}

// After returns the cause of a mail that a run of a rule sends because of the message with this key, whose own cause c was; nil where that
// was a person's mail. It fails where the chain gets too long, or comes round.
func After(c *Cause, run, rule, key string) (*Cause, error) {
	next := &Cause{Run: run, Rule: rule, Depth: 1}
	hash := HashKey(key)
	if c != nil {
		next.Depth = c.Depth + 1
		next.Chain = slices.Clone(c.Chain)
		if slices.Contains(c.Chain, hash) {
			return nil, ErrLoop
		}
	}
	if next.Depth > MaxDepth {
		return nil, fmt.Errorf("%w: %d", ErrDepth, next.Depth)
	}
	next.Chain = append(next.Chain, hash)
	next.Chain = next.Chain[max(0, len(next.Chain)-maxChain):]
	return next, nil
}

// Signer signs causes. Gateways that share mail share the key.
type Signer struct {
	Key  []byte   // at least 16 octets
	Also [][]byte // earlier keys, which are still known
}

// ErrKey says that a key is too short to be one.
var ErrKey = errors.New("the key for causes is shorter than 16 octets")

// NewSigner makes a signer of a key and of those that were used before.
func NewSigner(key []byte, earlier ...[]byte) (*Signer, error) {
	for _, k := range append([][]byte{key}, earlier...) {
		if len(k) < 16 {
			return nil, ErrKey
		}
	}
	return &Signer{Key: key, Also: earlier}, nil
}

// mac is over all that the header says and the Message-ID, so that it cannot be put on another mail.
func mac(key []byte, said, messageID string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(said + "\n" + messageID))
	return h.Sum(nil)
}

// Sign returns the value of the header. MessageID is without brackets.
func (s *Signer) Sign(c Cause, messageID string) string {
	said := c.said()
	return said + "; mac=" + base64.RawURLEncoding.EncodeToString(mac(s.Key, said, messageID))
}

func (c Cause) said() string {
	out := "v1; run=" + escapeID(c.Run) + "; rule=" + escapeID(c.Rule) + "; depth=" + strconv.Itoa(c.Depth)
	if len(c.Chain) > 0 {
		out += "; chain=" + strings.Join(c.Chain[max(0, len(c.Chain)-maxChain):], ", ")
	}
	return out
}

// escapeID makes an id one word of ASCII; a long one is its hash.
func escapeID(s string) string {
	s = url.QueryEscape(s)
	if len(s) > maxCauseID {
		return "h." + HashKey(s)
	}
	return s
}

// Verify reads the value of a header that came with a mail. Own says that one of our keys signed it for this Message-ID. What another gateway, or
// nobody, signed is worth no more than that a machine wrote the mail: its cause has depth 1 and nothing else.
func (s *Signer) Verify(value, messageID string) (c Cause, own bool) {
	foreign := Cause{Depth: 1}
	value = strings.Join(strings.Fields(value), " ") // undo folding
	said, tag, found := strings.Cut(value, "; mac=")
	if s == nil || !found || len(value) > 2000 {
		return foreign, false
	}
	want, err := base64.RawURLEncoding.DecodeString(tag)
	if err != nil {
		return foreign, false
	}
	for _, key := range append([][]byte{s.Key}, s.Also...) {
		if len(key) >= 16 && hmac.Equal(mac(key, said, messageID), want) {
			c, err := parseCause(said)
			return c, err == nil
		}
	}
	return foreign, false
}

var errCause = errors.New("this is no cause")

// parseCause reads what we signed ourselves.
func parseCause(said string) (Cause, error) {
	var c Cause
	for i, part := range strings.Split(said, "; ") {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch {
		case i == 0 && part != "v1":
			return c, errCause
		case name == "run":
			c.Run, err = url.QueryUnescape(value)
		case name == "rule":
			c.Rule, err = url.QueryUnescape(value)
		case name == "depth":
			c.Depth, err = strconv.Atoi(value)
		case name == "chain":
			c.Chain = strings.Split(value, ", ")
		}
		if err != nil {
			return c, errCause
		}
	}
	if c.Depth < 1 {
		return c, errCause
	}
	return c, nil
}
