package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash"
	"net"
	"strings"
	"sync"

	"heliograph/internal/uidset"
)

// inbox is the mailbox whose messages all loads know. A mailbox whose name begins with
// fresh holds more than any load reads, and nobody has seen any of them. All others
// are empty.
const (
	inbox     = "INBOX"
	fresh     = "fresh-"
	freshSize = 10_000_000
)

// mailStore is an IMAP server at the speed of memory. Sequence numbers and UIDs are the
// same. It knows which messages it has given away whole, and what it was given.
type mailStore struct {
	letters []letter
	inbox   slab
	tls     *tls.Config // nil: plain text

	mu       sync.Mutex             // guards all below
	read     map[string]*uidset.Set // by mailbox
	appended map[string]uint32      // messages, by mailbox
	digest   Digest                 // of what was appended
}

// slab is a mailbox rendered, so that the bodies of a range are one slice.
type slab struct {
	bytes []byte
	at    []int // where the response of each message begins, and the end
}

func newMailStore(config *tls.Config) *mailStore {
	s := &mailStore{
		letters: corpus(), tls: config,
		read: map[string]*uidset.Set{}, appended: map[string]uint32{},
	}
	hash := mailboxHash(inbox)
	for i := range s.letters {
		uid := uint32(i + 1)
		s.inbox.at = append(s.inbox.at, len(s.inbox.bytes))
		l := s.letter(uid)
		s.inbox.bytes = appendWhole(s.inbox.bytes, uid, len(l.body))
		body := len(s.inbox.bytes)
		s.inbox.bytes = append(s.inbox.bytes, l.body...)
		idOf(s.inbox.bytes[:body+l.id], hash, uid)
		s.inbox.bytes = append(s.inbox.bytes, ")\r\n"...)
	}
	s.inbox.at = append(s.inbox.at, len(s.inbox.bytes))
	return s
}

// appendWhole appends the response to FETCH (UID FLAGS BODY.PEEK[]) up to the body.
func appendWhole(b []byte, uid uint32, size int) []byte {
	return fmt.Appendf(b, "* %d FETCH (UID %d FLAGS (\\Seen) BODY[] {%d}\r\n", uid, uid, size)
}

func (s *mailStore) letter(uid uint32) letter { return s.letters[(uid-1)%corpusSize] }

// folder is a mailbox that was selected.
type folder struct {
	name string
	hash uint64
	size uint32
}

func openFolder(name string) folder {
	f := folder{name: name, hash: mailboxHash(name)}
	switch {
	case name == inbox:
		f.size = corpusSize
	case strings.HasPrefix(name, fresh):
		f.size = freshSize
	}
	return f
}

func (f folder) validity() uint32 { return uint32(f.hash>>33) | 1 }

func (s *mailStore) serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, func(_ context.Context, c *net.TCPConn) { newMailSession(s, c).run() })
}

// gave notes messages that a client got whole.
func (s *mailStore) gave(mailbox string, first, last uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.read[mailbox]
	if set == nil {
		set = &uidset.Set{}
		s.read[mailbox] = set
	}
	set.Add(first, last)
}

// took notes a message that a client appended and returns its UID.
func (s *mailStore) took(mailbox string, h hash.Hash) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.digest.add([sha256.Size]byte(h.Sum(nil)))
	s.appended[mailbox]++
	return s.appended[mailbox]
}

// status counts each message that was read or appended once.
func (s *mailStore) status(context.Context) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Messages: s.digest.n}
	for _, set := range s.read {
		st.Messages += int64(set.Len())
	}
	return st, nil
}

// checksum is that of the messages which status counts.
func (s *mailStore) checksum(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.digest
	for name, set := range s.read {
		f := openFolder(name)
		for uid := range set.All() {
			all.add(sha256.Sum256(s.body(f, uid)))
		}
	}
	return all.String(), nil
}

// body returns a copy of a message as it is in a mailbox.
func (s *mailStore) body(f folder, uid uint32) []byte {
	l := s.letter(uid)
	b := bytes.Clone(l.body)
	idOf(b[:l.id], f.hash, uid)
	return b
}
