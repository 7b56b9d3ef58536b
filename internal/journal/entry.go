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
	KindFetch      Kind = "fetch"      // a message in a mailbox that its user read, or that just arrived there
	KindAppend     Kind = "append"     // a message that a mail program stored in a mailbox (RFC 9051, 6.3.12)
	KindBackfill   Kind = "backfill"   // an old message in a mailbox, read on an operator's order; it starts no rule
)

// Mailbox reports whether entries of the kind come from a mailbox: they have the fields Mailbox,
// UIDValidity and UID, and no SMTP envelope.
func (k Kind) Mailbox() bool { return k == KindFetch || k == KindAppend || k == KindBackfill }

// settled reports whether an entry of the kind awaits no verdict: the message was in the mailbox before we saw it.
func (k Kind) settled() bool { return k == KindFetch || k == KindBackfill }

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
	// The place in a mailbox (RFC 9051, 2.3.1.1). UID is 0 while it is not known: of a message that a program
	// appends, the upstream tells it in its verdict or never.
	Mailbox     string `json:"mailbox,omitempty"` // name in UTF-8; INBOX in upper case
	UIDValidity uint32 `json:"uidvalidity,omitempty"`
	UID         uint32 `json:"uid,omitempty"`
	// InternalDate is the server's date of the message (RFC 9051, 2.3.3), where it was seen.
	InternalDate time.Time `json:"internal_date,omitzero"`
	// Automation is there when a rule sends the message.
	Automation Automation `json:"automation,omitzero"`
}

// Automation says which rule sends a message and how. Whoever reads entries knows by it what no person wrote; such an entry starts no rule.
// It is in the record, so that an index that is built anew sends the message as it was meant. The zero value is none.
type Automation struct {
	Effect    string `json:"effect"` // deterministic id of the effect; never empty
	Rule      string `json:"rule,omitempty"`
	Run       string `json:"run,omitempty"`
	Sender    string `json:"sender,omitempty"`     // address of the account that sends it
	MessageID string `json:"message_id,omitempty"` // without brackets
	// List is what its recipients can opt out of; Essential, that opting out does not keep it back.
	List      string `json:"list,omitempty"`
	Essential bool   `json:"essential,omitempty"`
	// AtMostOnce: when the upstream's verdict is lost, the message is not sent again.
	AtMostOnce bool      `json:"at_most_once,omitempty"`
	Copy       bool      `json:"copy,omitempty"`     // a copy goes to the sender's mailbox of sent mail
	Priority   int       `json:"priority,omitempty"` // of its job; lower goes first
	NotBefore  time.Time `json:"not_before,omitzero"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"` // zero: as the outbox is set
}

// Automated reports whether a rule sends the message.
func (e *Envelope) Automated() bool { return e.Automation.Effect != "" }

// decided reports whether the entry awaits no verdict. A rule's message is the outbox's from the moment it is sealed.
func (e *Envelope) decided() bool { return e.Kind.settled() || e.Kind == KindQueue && e.Automated() }

// Place returns the mailbox of an entry. Its UIDValidity is 0 while the entry's UID is not known.
func (e *Envelope) Place() MailboxKey {
	return MailboxKey{Upstream: e.Upstream, Account: e.Account, Mailbox: e.Mailbox, UIDValidity: e.UIDValidity}
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
	// Where the upstream put a message that was appended (the code APPENDUID; RFC 9051, 7.1); zero when it did not say.
	UIDValidity uint32 `json:"uidvalidity,omitempty"`
	UID         uint32 `json:"uid,omitempty"`
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
