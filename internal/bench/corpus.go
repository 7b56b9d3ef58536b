package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	mathrand "math/rand/v2"
	"sync"
)

// The messages of the IMAP server: as many as a mailbox of some months, in the sizes of
// plain mail.
const (
	corpusSize      = 1000
	smallestMessage = 5_000
	largestMessage  = 50_000
)

// letter is a message but for its id, which makes it one of its own in each place that holds it.
type letter struct {
	body []byte
	id   int // where idPlace is
}

// corpus returns the letters, the same in each process. Nobody may change them.
var corpus = sync.OnceValue(func() []letter {
	r := mathrand.New(mathrand.NewPCG(corpusSize, 1))
	all := make([]letter, corpusSize)
	for i := range all {
		all[i] = newLetter(smallestMessage + r.IntN(largestMessage-smallestMessage+1))
	}
	return all
})

func newLetter(size int) letter {
	const end = len(".\r\n") // of SMTP
	body := message(size + end)
	body = body[:len(body)-end]
	return letter{body, bytes.Index(body, idPlace)}
}

// nameOf is the id of a message in a mailbox.
func nameOf(mailbox uint64, uid uint32) string { return fmt.Sprintf("%016x%010d", mailbox, uid) }

// idOf appends what stands in place of idPlace in a message of a mailbox.
func idOf(b []byte, mailbox uint64, uid uint32) []byte {
	return append(b, placed(nameOf(mailbox, uid))...)
}

func mailboxHash(name string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name) // cannot fail
	return h.Sum64()
}

// Digest is a checksum over a set of messages that does not depend on their order.
type Digest struct {
	sum [4]uint64
	n   int64
}

// Add adds one message.
func (d *Digest) Add(body io.Reader) error {
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return err
	}
	d.add([sha256.Size]byte(h.Sum(nil)))
	return nil
}

func (d *Digest) add(sum [sha256.Size]byte) {
	for i := range d.sum {
		d.sum[i] += binary.LittleEndian.Uint64(sum[8*i:])
	}
	d.n++
}

// String is the number of messages and the checksum.
func (d *Digest) String() string { return fmt.Sprintf("%d messages %016x", d.n, d.sum) }
