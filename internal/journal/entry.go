package journal

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"

	"heliograph/internal/journal/segment"
)

// ID names one entry. Its first 48 bits are the Unix time in milliseconds, the
// rest is random, so IDs sort by time and need no coordination between nodes.
type ID [16]byte

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns an ID for the moment now.
func NewID(now time.Time) ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(id[6:]) // never fails: crypto/rand aborts the program instead
	return id
}

// ParseID reads what String printed.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := idText.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is not an entry id", s)
	}
	return ID(b), nil
}

// String returns 26 characters that sort as the ID does.
func (id ID) String() string { return idText.EncodeToString(id[:]) }

// Time is when the entry was begun, to the millisecond.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// MarshalText writes the ID as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// Kind says by which way an entry came in.
type Kind string

// The ways in.
const (
	KindSubmission Kind = "submission" // a person's mail, tapped between program and provider
	KindRelay      Kind = "relay"      // a machine's mail, tapped on a relay listener
	KindQueue      Kind = "queue"      // a machine's mail that the outbox delivers
)

// Envelope is what is known of a message besides its bytes. It is stored,
// encrypted, with the body, so that the index can be rebuilt from the log.
type Envelope struct {
	ID       ID     `json:"id"`
	Kind     Kind   `json:"kind"`
	Account  string `json:"account,omitempty"` // login name, lower case; empty on a relay without login
	Upstream string `json:"upstream"`          // name of the upstream in the configuration
	Listener string `json:"listener"`          // address of the listener in the configuration
	Session  string `json:"session"`           // session id, as in logs and in 4xx texts
	ClientIP string `json:"client_ip,omitempty"`
	Helo     string `json:"helo,omitempty"`
	// ReversePath is the address of MAIL FROM without brackets; empty is the null path.
	ReversePath string `json:"reverse_path"`
	// MailParams are the ESMTP parameters of MAIL as they were sent (RFC 5321, 4.1.1.11).
	MailParams string      `json:"mail_params,omitempty"`
	Recipients []Recipient `json:"recipients"` // all that were asked for; those with a 2xx Code are in
	// DotStuffed says that the body is stored as DATA carried it (RFC 5321, 4.5.2);
	// Body of an Entry undoes that.
	DotStuffed bool      `json:"dot_stuffed,omitempty"`
	Received   time.Time `json:"received"` // when the body began
	Size       int64     `json:"size"`     // stored bytes of the body, before compression
}

// Recipient is one RCPT TO of an envelope.
type Recipient struct {
	Address string `json:"address"`
	Params  string `json:"params,omitempty"` // ESMTP parameters as they were sent
	Code    int    `json:"code"`             // the upstream's reply code
	Reply   string `json:"reply,omitempty"`  // the upstream's reply when it refused
}

// Verdict is the upstream's answer to the whole message.
type Verdict struct {
	Code int       `json:"code"`
	Text string    `json:"text"` // reply without its code
	At   time.Time `json:"at"`
}

// State says what is known of an entry's fate.
type State string

// The states of an entry. A sealed entry is durable but the upstream's verdict is not
// known yet; when that stays so (a crash, a lost connection), it becomes unconfirmed.
const (
	StateSealed      State = "sealed"
	StateConfirmed   State = "confirmed"
	StateUnconfirmed State = "unconfirmed"
	StateDiscarded   State = "discarded"
)

// Entry is one captured message as the index knows it.
type Entry struct {
	Envelope
	State    State
	Verdict  Verdict // zero while unknown
	SealedAt time.Time
	Node     string           // whose journal holds the body
	Location segment.Location // in that journal
}
