package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"heliograph/internal/journal/segment"
	"heliograph/internal/store"
)

// meta is what an entry record says of the message besides its body.
type meta struct {
	Envelope Envelope  `json:"envelope"`
	SealedAt time.Time `json:"sealed_at"`
}

// refusal is the payload of a discard mark.
type refusal struct {
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

func refused(reason string) []byte {
	b, err := json.Marshal(refusal{Reason: reason, At: time.Now()})
	if err != nil {
		panic(err) // a text and the time of day
	}
	return b
}

// plausible returns a date that the index can hold, or none: the upstream makes it up.
func plausible(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// refusalTimeout bounds how long the reply of an upstream that refused may wait for the disk.
const refusalTimeout = 2 * time.Second

// Pending is an entry that is being written. Write and Seal belong to one goroutine; Commit,
// Discard, Refuse and Close may be called from any. When no verdict will come, Close says so. An entry of the kinds fetch
// and backfill, and one with an Automation, has its verdict with Seal: what is said of it later means nothing.
type Pending struct {
	journal *Journal
	writer  *segment.Writer
	id      ID
	size    int64
	kind    Kind       // since Seal
	place   MailboxKey // since Seal

	mu      sync.Mutex // guards the fields below
	handed  bool       // the entry may be in the log
	settled bool       // Commit, Discard or Close was called
}

// Begin starts an entry. It gives env an ID and a time when it has none. Nothing is checked
// yet: errors show at the first Write.
func (j *Journal) Begin(env *Envelope) *Pending {
	now := j.now().UTC()
	if env.ID == (ID{}) {
		env.ID = NewID(now)
	}
	if env.Received.IsZero() {
		env.Received = now
	}
	return &Pending{journal: j, writer: j.log.Begin(env.ID), id: env.ID}
}

// BeginTee is Begin for a message on its way to somebody who must not wait for the journal: Write never waits.
// It returns an error that is ErrBehind when the disk does not keep up; then the caller lets go with Close. Seal waits as ever.
// The Size of env is how large the message is expected to be; 0 is not known.
func (j *Journal) BeginTee(env *Envelope) *Pending {
	p := j.Begin(env)
	p.writer.Tee()
	p.writer.Expect(env.Size)
	return p
}

// Write adds b to the body; b may be reused afterwards. It waits for the disk only when
// that is far behind, and not for long. After an error all further calls return it.
func (p *Pending) Write(b []byte) (int, error) {
	n, err := p.writer.Write(b)
	p.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing entry %s: %w", p.id, err)
	}
	return n, nil
}

// Seal ends the body. When it returns nil, the entry is durable (unless the journal
// syncs in the background) and survives whatever happens. env is what is known of the message
// now; its ID must be that of Begin, its Size is set. After an error the entry counts as not
// stored; Commit or Discard may be called all the same.
func (p *Pending) Seal(ctx context.Context, env *Envelope) error {
	env.ID, env.Size = p.id, p.size
	if env.Kind.Mailbox() {
		place := env.Place().clean() // as the log and the ledger have it
		env.Upstream, env.Account, env.Mailbox = place.Upstream, place.Account, place.Mailbox
	}
	env.InternalDate = plausible(env.InternalDate)
	p.kind, p.place = env.Kind, env.Place()
	now := p.journal.now()
	b := (&meta{Envelope: *env, SealedAt: now}).encode()
	if !env.decided() {
		p.journal.setLive(p.id, now)
	}
	err := p.writer.Seal(ctx, b)
	p.mu.Lock()
	p.handed = p.writer.Handed()
	p.settled = p.settled || err == nil && env.decided()
	p.mu.Unlock()
	if err != nil {
		p.journal.dropLive(p.id)
		p.writer.Abort()
		return fmt.Errorf("sealing entry %s: %w", p.id, err)
	}
	if env.Kind.settled() {
		p.journal.mailboxes.captured(p.place, env.UID)
	}
	sealed := store.Micros(time.Now())
	p.journal.sealed.Store(sealed)
	p.journal.behindSince.CompareAndSwap(0, sealed)
	return nil
}

// Commit says that the upstream accepted the message, and of an appended one where it is, if v tells. It does not
// wait for the disk.
func (p *Pending) Commit(v Verdict) {
	if v.At.IsZero() {
		v.At = p.journal.now()
	}
	if p.settle(segment.KindCommit, v.encode(), p.journal.log.Mark) && p.kind == KindAppend {
		place := p.place
		place.UIDValidity = v.UIDValidity
		p.journal.mailboxes.captured(place, v.UID)
	}
}

// Discard says that the upstream refused the message, or that it was never sent. The
// reason, a reply with its code or a few words, goes to the ledger. It does not wait for the disk.
func (p *Pending) Discard(reason string) {
	p.settle(segment.KindDiscard, refused(reason), p.journal.log.Mark)
}

// Refuse is Discard for a refusal that the client is about to hear of: after a crash, what it knows was not
// sent must not turn up as unconfirmed. So it waits for the disk, but not for long.
func (p *Pending) Refuse(reason string) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), refusalTimeout, segment.ErrTimeout)
	defer cancel()
	p.settle(segment.KindDiscard, refused(reason),
		func(id [16]byte, kind segment.Kind, payload []byte) error {
			return p.journal.log.MarkNow(ctx, id, kind, payload)
		})
}

// Close says that no verdict will come: an entry that was sealed becomes unconfirmed
// later, one that was not is given up. It does nothing after Commit or Discard, so it can be deferred.
func (p *Pending) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled {
		return
	}
	p.settled = true
	p.journal.dropLive(p.id)
	if !p.handed {
		p.writer.Abort()
	}
}

// settle writes the mark, the first time it is called, and reports whether it did.
func (p *Pending) settle(kind segment.Kind, payload []byte, mark func([16]byte, segment.Kind, []byte) error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled {
		return false
	}
	p.settled = true
	if !p.handed {
		p.journal.dropLive(p.id)
		p.writer.Abort()
		return false
	}
	err := mark(p.id, kind, payload)
	if err == nil && p.journal.fewLive() {
		return true // it counts as live until the index has read the mark, lest it becomes unconfirmed in between
	}
	p.journal.dropLive(p.id)
	if err == nil {
		return true
	}
	if !errors.Is(err, segment.ErrClosed) {
		// The entry becomes unconfirmed, which is handled, only later.
		p.journal.logger.Warn("verdict of an entry was not stored", "entry", p.id, "err", err)
	}
	return false
}

func (j *Journal) setLive(id ID, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.live[id] = at
}

// manyLive bounds what is kept while the index waits for the store, which may be long.
const manyLive = 100_000

func (j *Journal) fewLive() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.live) < manyLive
}

func (j *Journal) dropLive(ids ...ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		delete(j.live, id)
	}
}

// isLive reports whether a verdict may still come from this process. It gives up on
// sessions that have neither settled nor closed their entry for very long.
func (j *Journal) isLive(id ID, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	since, ok := j.live[id]
	if ok && now.Sub(since) > maxLive {
		delete(j.live, id)
		return false
	}
	return ok
}
