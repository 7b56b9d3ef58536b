package journal

import (
	"context"
	"time"

	"heliograph/internal/uidset"
)

// MailboxKey names one mailbox of one account for as long as its UIDs keep their meaning (RFC 9051, 2.3.1.1). When
// the upstream changes UIDVALIDITY, it is another mailbox; what is known of the old one stays.
type MailboxKey struct {
	Upstream    string // name in the configuration
	Account     string // login name, lower case
	Mailbox     string // name in UTF-8; INBOX in upper case
	UIDValidity uint32
}

// UIDState says why a UID needs no further look.
type UIDState string

// The final states of a UID. Captured takes precedence over all others, whatever the order.
const (
	UIDCaptured UIDState = "captured" // its message is in the journal
	UIDExcluded UIDState = "excluded" // it is not to be captured: a draft, or by policy
	UIDGone     UIDState = "gone"     // expunged before it was captured
	UIDFailed   UIDState = "failed"   // given up
)

// Mailbox is one session's hold on the ledger of a mailbox, which all sessions of the process share. It may be used
// concurrently. Nothing in it waits for the disk or the database.
type Mailbox struct{}

// OpenMailbox loads the ledger of a mailbox. The first sight of a mailbox enrols it: Since is then uidNext, the UID
// that the next message will get (RFC 9051, 7.1), and that is durable when OpenMailbox returns. A uidNext of 0 means that the upstream did not
// tell: the mailbox stays as it is. OpenMailbox waits until the index has read the log once since the start, lest
// what is in the log be captured again, and for the database; ctx bounds that. The caller must Close the Mailbox.
func (j *Journal) OpenMailbox(ctx context.Context, key MailboxKey, uidNext uint32) (*Mailbox, error) {
	return nil, nil
}

// Key returns what the mailbox was opened with.
func (m *Mailbox) Key() MailboxKey { return MailboxKey{} }

// Since is the UID that the first message after the enrolment got or will get; 0 when the mailbox is not enrolled.
func (m *Mailbox) Since() uint32 { return 0 }

// Final reports whether nothing is left to do for uid.
func (m *Mailbox) Final(uid uint32) bool { return false }

// Claim reserves uid for this session's capture. It reports false when uid is final or another session has it.
// A claim ends with Release, Captured, Settle or Close.
func (m *Mailbox) Claim(uid uint32) bool { return false }

// Release gives a claim back: the capture failed, another session may try.
func (m *Mailbox) Release(uid uint32) {}

// Captured notes that the entry of uid is sealed (an appended one: committed). Sessions see it at once; the store gets it in
// the transaction that indexes the entry. The journal itself calls it for each entry that names its UID.
func (m *Mailbox) Captured(uid uint32) {}

// Settle notes that no entry will come for the UIDs of set. Reason is a few words for the ledger. It is written in
// the background; what a crash loses of it is looked at again.
func (m *Mailbox) Settle(state UIDState, reason string, set uidset.Set) {}

// Reopen takes back what Settle said of the UIDs of set in one state: they are to be captured after all. What is
// captured stays so.
func (m *Mailbox) Reopen(state UIDState, set uidset.Set) {}

// Missing returns the UIDs of within that are not final, claimed or not.
func (m *Mailbox) Missing(within uidset.Set) uidset.Set { return uidset.Set{} }

// Close ends the session's hold and its claims. It may be called more than once.
func (m *Mailbox) Close() {}

// MailboxFilter chooses mailboxes. Zero fields choose all.
type MailboxFilter struct {
	Upstream    string
	Account     string
	Mailbox     string
	UIDValidity uint32
	Limit       int // zero means 100
}

// MailboxState is what the ledger knows of a mailbox.
type MailboxState struct {
	MailboxKey
	Since    uint32    // 0 means not enrolled: only entries are known
	Enrolled time.Time // when it was first seen
	Changed  time.Time // when the sets last changed
	Sets     map[UIDState]uidset.Set
	// Reasons are the words given to Settle, with the UIDs they stand for.
	Reasons map[string]uidset.Set
}

// Mailboxes returns the mailboxes that f chooses, sorted by account, name and UIDVALIDITY.
func (j *Journal) Mailboxes(ctx context.Context, f MailboxFilter) ([]MailboxState, error) {
	return nil, nil
}
