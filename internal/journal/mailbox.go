package journal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"heliograph/internal/uidset"
)

// MailboxKey names one mailbox of one account for as long as its UIDs keep their meaning (RFC 9051, 2.3.1.1). When
// the upstream changes UIDVALIDITY, it is another mailbox; what is known of the old one stays.
type MailboxKey struct {
	Upstream    string `json:"upstream"` // name in the configuration
	Account     string `json:"account"`  // login name, lower case
	Mailbox     string `json:"mailbox"`  // name in UTF-8; INBOX in upper case
	UIDValidity uint32 `json:"uidvalidity"`
}

// ID is a hash over the key: short whatever the names are, and the same in every process.
func (k MailboxKey) ID() ID {
	k = k.clean()
	h := sha256.New()
	var n [4]byte
	for _, s := range []string{k.Upstream, k.Account, k.Mailbox} {
		binary.BigEndian.PutUint32(n[:], uint32(len(s))) // keeps one field from passing for two
		_, _ = h.Write(n[:])
		_, _ = h.Write([]byte(s))
	}
	binary.BigEndian.PutUint32(n[:], k.UIDValidity)
	_, _ = h.Write(n[:])
	return ID(h.Sum(nil)[:16])
}

// clean returns the key with names that the log and both databases take as they are.
func (k MailboxKey) clean() MailboxKey {
	k.Upstream, k.Account, k.Mailbox = text(k.Upstream), text(k.Account), text(k.Mailbox)
	return k
}

// UIDState says why a UID needs no further look.
type UIDState string

// The states of a UID. All but pending are final. Captured takes precedence over all others, whatever the order.
const (
	UIDCaptured UIDState = "captured" // its message is in the journal
	UIDExcluded UIDState = "excluded" // it is not to be captured: a draft, or by policy
	UIDGone     UIDState = "gone"     // expunged before it was captured
	UIDFailed   UIDState = "failed"   // given up
	// UIDPending is not final: the message is to be captured, and nothing but this tells so after a crash.
	UIDPending UIDState = "pending"
)

// Mailbox is one session's hold on the ledger of a mailbox, which all sessions of the process share. It may be used
// concurrently. Nothing in it waits for the disk or the database.
type Mailbox struct {
	*mailbox
	closing sync.Once
}

// mailbox is the ledger of one mailbox in memory.
type mailbox struct {
	all *mailboxes
	key MailboxKey
	id  ID

	ready chan struct{} // closed when the ledger is loaded, or err says why not
	err   error

	enrolling sync.Mutex // held while an enrolment is written

	mu        sync.Mutex // guards the fields below
	since     uint32
	sets      uidSets // without reasons
	weight    int     // ranges that were loaded or settled: what sets may take
	claims    map[uint32]*Mailbox
	changes   []uidChange // by Settle and Reopen, not in the database yet
	unindexed uidset.Set  // captured, not in the database yet
	enrolled  bool        // a mark of the enrolment is on its way to the database

	// Guarded by the mutex of all.
	holds int
	idle  time.Time // since when holds is 0
}

// maxWeight bounds the memory of a mailbox that an upstream makes up: what is settled beyond it is
// looked at again. A mailbox of a million messages of which every other is gone is within it.
const maxWeight = 1 << 19

// OpenMailbox loads the ledger of a mailbox. The first sight of a mailbox enrols it: Since is then uidNext, the UID
// that the next message will get (RFC 9051, 7.1), and that is as durable as a sealed entry when OpenMailbox returns.
// A uidNext of 0 means that the upstream did not tell: the mailbox stays as it is. OpenMailbox waits until the index
// has read the log once since the start, lest what is in the log be captured again, and for the database; ctx bounds
// that. The caller must Close the Mailbox.
func (j *Journal) OpenMailbox(ctx context.Context, key MailboxKey, uidNext uint32) (*Mailbox, error) {
	return j.mailboxes.open(ctx, key.clean(), uidNext)
}

// Reserve keeps all sessions from claiming a message whose entry is under way without a Mailbox: one that is
// appended. It ends with release, which may be called more than once. It reports taken when a session was faster: the
// upstream may show a message to others before it answers who appended it. The entry must not name its UID then.
func (j *Journal) Reserve(key MailboxKey, uid uint32) (release func(), taken bool) {
	return j.mailboxes.reserve(key.clean(), uid)
}

// Key returns what the mailbox was opened with.
func (m *Mailbox) Key() MailboxKey { return m.key }

// Since is the UID that the first message after the enrolment got or will get; 0 when the mailbox is not enrolled.
func (m *Mailbox) Since() uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.since
}

// Final reports whether nothing is left to do for uid.
func (m *Mailbox) Final(uid uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sets.contain(uid)
}

// Claim reserves uid for this session's capture. It reports false when uid is final or another session has it.
// A claim ends with Release, Captured, Settle or Close.
func (m *Mailbox) Claim(uid uint32) bool {
	mine, before := m.claim(uid)
	if !mine || before {
		return mine
	}
	// Looked at after the claim is there to be seen: of two at once at least one gives way.
	if m.all.isReserved(m.key, uid) {
		m.Release(uid)
		return false
	}
	return true
}

// claim reports whether the claim is this session's, and whether it was before.
func (m *Mailbox) claim(uid uint32) (mine, before bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner := m.claims[uid]; owner != nil {
		return owner == m, true
	}
	if m.sets.contain(uid) {
		return false, false
	}
	if m.claims == nil {
		m.claims = map[uint32]*Mailbox{}
	}
	m.claims[uid] = m
	return true, false
}

// taken reports whether a session has or had the message.
func (m *mailbox) taken(uid uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims[uid] != nil || m.sets.has(UIDCaptured, uid)
}

// Release gives this session's claim back: the capture failed, another may try.
func (m *Mailbox) Release(uid uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.claims[uid] == m {
		delete(m.claims, uid)
	}
}

// Captured notes that the entry of uid is sealed (an appended one: committed). Sessions see it at once; the store
// gets it in the transaction that indexes the entry. The journal itself calls it for each entry that names its UID.
func (m *Mailbox) Captured(uid uint32) { m.captured(uid) }

func (m *mailbox) captured(uid uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.claims, uid)
	if !m.sets.has(UIDCaptured, uid) {
		m.sets.apply(capturedUIDs(uidset.Of(uid)))
		m.unindexed.Add(uid, uid)
	}
}

// Settle notes that no entry will come for the UIDs of set, or that they are pending. Reason is a few words for the ledger. It is written in
// the background; what a crash loses of it is looked at again.
func (m *Mailbox) Settle(state UIDState, reason string, set uidset.Set) {
	if state == UIDCaptured {
		return // only an entry says so
	}
	m.change(uidChange{label: uidLabel{state, text(reason)}, set: set.Clone()})
}

// Reopen takes back what Settle said of the UIDs of set in one state: they are to be captured after all. What is
// captured stays so.
func (m *Mailbox) Reopen(state UIDState, set uidset.Set) {
	if state == UIDCaptured {
		return
	}
	m.change(uidChange{label: uidLabel{state: state}, set: set.Clone(), undo: true})
}

func (m *Mailbox) change(c uidChange) {
	weight := len(c.set.Ranges())
	if weight == 0 {
		return
	}
	m.mu.Lock()
	if m.weight += weight; m.weight > maxWeight {
		m.weight -= weight
		m.mu.Unlock()
		m.all.metrics.dropped.Inc()
		return
	}
	here := c
	here.label.reason = ""
	m.sets.apply(here)
	if !c.undo && c.label.state != UIDPending {
		for uid := range m.claims {
			if c.set.Contains(uid) {
				delete(m.claims, uid)
			}
		}
	}
	if n := len(m.changes); n > 0 && m.changes[n-1].label == c.label && m.changes[n-1].undo == c.undo {
		m.changes[n-1].set.AddSet(c.set)
	} else {
		m.changes = append(m.changes, c)
	}
	m.mu.Unlock()
	m.all.touch(m.mailbox)
}

// Missing returns the UIDs of within that are not final, claimed or not.
func (m *Mailbox) Missing(within uidset.Set) uidset.Set {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sets.missing(within)
}

// Pending returns the UIDs that are known to be pending.
func (m *Mailbox) Pending() (pending uidset.Set) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.sets {
		if l.state == UIDPending {
			pending.AddSet(l.Set)
		}
	}
	return pending
}

// Close ends the session's hold and its claims. It may be called more than once.
func (m *Mailbox) Close() {
	m.closing.Do(func() {
		m.mu.Lock()
		for uid, owner := range m.claims {
			if owner == m {
				delete(m.claims, uid)
			}
		}
		m.mu.Unlock()
		m.all.release(m.mailbox)
	})
}
