package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"heliograph/internal/journal/segment"
	"heliograph/internal/store"
	"heliograph/internal/uidset"
)

const (
	// settleDelay is how long what sessions settle gathers before it is written.
	settleDelay = 250 * time.Millisecond
	// settleRanges bounds one transaction of what was settled.
	settleRanges = 1000
	// sweepIdle is the time between two looks for ledgers that can go from memory.
	sweepIdle = time.Minute
	// keepIdle is how long a ledger stays in memory after its last session: programs come back soon.
	keepIdle = 5 * time.Minute
	// keepUnindexed is how long it stays although the database does not know everything yet.
	keepUnindexed = time.Hour
	// maxIdle bounds the ledgers that stay, and the mailboxes without one of which something is remembered.
	maxIdle = 10_000
	// maxMailboxKey bounds the names of a mailbox, to what a mark in the log can hold.
	maxMailboxKey = 16 << 10
)

// errMailboxName says that a mailbox cannot be in the ledger.
var errMailboxName = errors.New("name of the mailbox is too long")

// mailboxes holds the ledgers that are in memory. Its goroutine writes what sessions settle.
type mailboxes struct {
	log      *segment.Log
	db       *store.DB
	logger   *slog.Logger
	metrics  *metrics
	caughtUp chan struct{} // closed when the index has read the log once
	closed   <-chan struct{}
	kick     chan struct{}
	done     chan struct{}

	mu     sync.Mutex // guards the fields below, and the holds of each mailbox
	loaded map[MailboxKey]*mailbox
	dirty  map[*mailbox]struct{} // have changes
	// Captured in mailboxes whose ledger is not in memory, and not in the database yet.
	recent map[MailboxKey]recent
	// UIDs whose entries are under way, by who knows no ledger.
	reserved map[MailboxKey]uidset.Set
}

// recent are UIDs that were captured lately.
type recent struct {
	uidset.Set
	at time.Time // of the last
}

// enrolment is the payload of a mark.
type enrolment struct {
	MailboxKey

	Since uint32    `json:"since"`
	At    time.Time `json:"at"`
}

func (r *mailboxes) open(ctx context.Context, key MailboxKey, uidNext uint32) (*Mailbox, error) {
	if len(key.Upstream)+len(key.Account)+len(key.Mailbox) > maxMailboxKey {
		return nil, fmt.Errorf("opening the ledger of a mailbox: %w", errMailboxName)
	}
	m, err := r.hold(ctx, key)
	if err == nil {
		if err = m.enrol(ctx, uidNext); err != nil {
			r.release(m)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the ledger of a mailbox: %w", err)
	}
	return &Mailbox{mailbox: m}, nil
}

// hold returns the ledger with a hold on it, and loads it if nobody has.
func (r *mailboxes) hold(ctx context.Context, key MailboxKey) (*mailbox, error) {
	for {
		r.mu.Lock()
		m := r.loaded[key]
		mine := m == nil
		if mine {
			m = &mailbox{all: r, key: key, id: key.ID(), ready: make(chan struct{})}
			if new, ok := r.recent[key]; ok {
				m.sets.apply(capturedUIDs(new.Set))
				m.unindexed = new.Set
				delete(r.recent, key)
			}
			// From here on the indexer adds what it writes, so that nothing is missed between the two.
			r.loaded[key] = m
		}
		m.holds++
		r.mu.Unlock()
		if mine {
			r.load(ctx, m)
		}
		select {
		case <-m.ready:
		case <-ctx.Done():
			r.release(m)
			return nil, context.Cause(ctx)
		}
		switch {
		case m.err == nil:
			return m, nil
		case mine || ctx.Err() != nil:
			return nil, m.err
		}
		// Somebody else's time was up; ours may not be.
	}
}

// load reads the ledger from the database.
func (r *mailboxes) load(ctx context.Context, m *mailbox) {
	defer close(m.ready)
	select {
	case <-r.caughtUp:
	case <-r.closed:
		m.err = segment.ErrClosed
	case <-ctx.Done():
		m.err = context.Cause(ctx)
	}
	var since uint32
	var sets uidSets
	var rows int
	if m.err == nil {
		since, sets, rows, m.err = readUIDs(ctx, r.db.Reader(), m.id)
	}
	if m.err != nil {
		r.mu.Lock()
		delete(r.loaded, m.key)
		for uid := range m.unindexed.All() {
			r.remember(m.key, uid)
		}
		r.mu.Unlock()
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.weight += rows
	if m.since == 0 {
		m.since = since
	}
	newer := m.sets // captured meanwhile
	m.sets = sets
	for _, l := range newer {
		m.sets.apply(uidChange{label: l.uidLabel, set: l.Set})
	}
}

// enrol notes where the mailbox began for us, unless that is known.
func (m *mailbox) enrol(ctx context.Context, uidNext uint32) error {
	m.enrolling.Lock()
	defer m.enrolling.Unlock()
	m.mu.Lock()
	known := m.since != 0
	m.mu.Unlock()
	if known || uidNext == 0 {
		return nil
	}
	b, err := json.Marshal(enrolment{MailboxKey: m.key, Since: uidNext, At: time.Now()})
	if err != nil {
		return err
	}
	if err := m.all.log.MarkNow(ctx, m.id, segment.KindEnrol, b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since, m.enrolled = uidNext, true
	return nil
}

func (r *mailboxes) release(m *mailbox) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.holds--; m.holds == 0 {
		m.idle = time.Now()
	}
}

// touch asks for the changes of m to be written.
func (r *mailboxes) touch(m *mailbox) {
	r.mu.Lock()
	r.dirty[m] = struct{}{}
	r.mu.Unlock()
	r.wake()
}

func (r *mailboxes) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// forget returns the ledger that an update is about; where there is none, what was remembered for it goes.
func (r *mailboxes) forget(u mailboxUpdate) *mailbox {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.recent[u.key]; ok {
		set := old.Set
		for _, c := range u.changes {
			set = set.Sub(c.set)
		}
		if old.Set = set; set.Empty() {
			delete(r.recent, u.key)
		} else {
			r.recent[u.key] = old
		}
	}
	return r.loaded[u.key]
}

// captured notes an entry of a mailbox that some session may have open.
func (r *mailboxes) captured(key MailboxKey, uid uint32) {
	if uid == 0 {
		return
	}
	r.mu.Lock()
	m := r.loaded[key]
	if m == nil {
		r.remember(key, uid)
	}
	r.mu.Unlock()
	if m != nil {
		m.captured(uid)
	}
}

// remember keeps a captured UID for who loads the ledger before the index knows it. The caller holds mu.
func (r *mailboxes) remember(key MailboxKey, uid uint32) {
	old, there := r.recent[key]
	if !there && len(r.recent) >= maxIdle {
		return // at worst the message is captured a second time
	}
	set := old.Clone()
	set.Add(uid, uid)
	if r.recent == nil {
		r.recent = map[MailboxKey]recent{}
	}
	r.recent[key] = recent{set, time.Now()}
}

// reserve keeps a message that is about to be captured from being claimed, until release is called.
func (r *mailboxes) reserve(key MailboxKey, uid uint32) (release func(), taken bool) {
	m, release := r.addReserved(key, uid)
	return release, m != nil && m.taken(uid)
}

// addReserved returns the ledger of the mailbox too; nil: it is not in memory.
func (r *mailboxes) addReserved(key MailboxKey, uid uint32) (_ *mailbox, release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, set := r.loaded[key], r.reserved[key]
	if set.Contains(uid) || set.Empty() && len(r.reserved) >= maxIdle {
		return m, func() {}
	}
	set = set.Clone()
	set.Add(uid, uid)
	if r.reserved == nil {
		r.reserved = map[MailboxKey]uidset.Set{}
	}
	r.reserved[key] = set
	return m, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		set := r.reserved[key].Clone()
		if set.Remove(uid, uid); set.Empty() {
			delete(r.reserved, key)
		} else {
			r.reserved[key] = set
		}
	}
}

func (r *mailboxes) isReserved(key MailboxKey, uid uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reserved[key].Contains(uid)
}

// indexed notes what the database knows now.
func (r *mailboxes) indexed(updates []mailboxUpdate) {
	for _, u := range updates {
		m := r.forget(u)
		if m == nil {
			continue
		}
		m.mu.Lock()
		for _, c := range u.changes {
			m.sets.apply(c)
			subtract(&m.unindexed, c.set)
		}
		if u.since != 0 {
			m.enrolled = false
			if m.since == 0 {
				m.since = u.since
			}
		}
		m.mu.Unlock()
	}
}

// run writes what sessions settle, and frees ledgers that nobody uses, until the journal closes.
func (r *mailboxes) run(ctx context.Context) {
	defer close(r.done)
	sweep := time.NewTicker(sweepIdle)
	defer sweep.Stop()
	pause := settleDelay
	for {
		select {
		case <-r.kick:
		case now := <-sweep.C:
			r.unload(now)
			continue
		case <-r.closed:
			r.last(ctx)
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.closed:
			timer.Stop()
			r.last(ctx)
			return
		}
		more, err := r.flush(ctx)
		if err != nil {
			r.metrics.ledger.Inc()
			if pause == settleDelay {
				r.logger.Warn("the ledger of mailboxes waits for the store; mail is not affected", "err", err)
			}
			pause = min(2*pause, maxRetry)
		} else {
			pause = settleDelay
		}
		if more {
			r.wake()
		}
	}
}

// last writes what is left, once: what stays is looked at again.
func (r *mailboxes) last(ctx context.Context) {
	for {
		if more, err := r.flush(ctx); err != nil || !more {
			return
		}
	}
}

// flush writes a part of what was settled. more says that there is something left.
func (r *mailboxes) flush(ctx context.Context) (more bool, err error) {
	var updates []mailboxUpdate
	var from []*mailbox
	budget := settleRanges
	r.mu.Lock()
	for m := range r.dirty {
		if budget <= 0 {
			break
		}
		changes, left := m.take(&budget)
		if !left {
			delete(r.dirty, m)
		}
		if len(changes) > 0 {
			updates = append(updates, mailboxUpdate{key: m.key, id: m.id, changes: changes})
			from = append(from, m)
		}
	}
	more = len(r.dirty) > 0
	r.mu.Unlock()
	if len(updates) == 0 {
		return more, nil
	}
	now := time.Now()
	err = r.db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return writeMailboxes(ctx, tx, now, updates) })
	if err == nil {
		return more, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, m := range from {
		m.mu.Lock()
		m.changes = append(updates[i].changes, m.changes...)
		m.mu.Unlock()
		r.dirty[m] = struct{}{}
	}
	return true, err
}

// take removes changes from m, as many ranges as the budget allows.
func (m *mailbox) take(budget *int) (taken []uidChange, left bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.changes) > 0 && *budget > 0 {
		c := m.changes[0]
		ranges := c.set.Ranges()
		if len(ranges) <= *budget {
			*budget -= len(ranges)
			taken = append(taken, c)
			m.changes = m.changes[1:]
			continue
		}
		part := c
		part.set = uidset.Set{}
		for _, x := range ranges[:*budget] {
			part.set.Add(x.First, x.Last)
		}
		m.changes[0].set = c.set.Sub(part.set)
		taken = append(taken, part)
		*budget = 0
	}
	return taken, len(m.changes) > 0
}

// unload frees the ledgers that nobody has held for a while.
func (r *mailboxes) unload(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, old := range r.recent { // the index was faster
		if now.Sub(old.at) > keepUnindexed {
			delete(r.recent, key)
		}
	}
	idle := 0
	for _, m := range r.loaded {
		if m.holds == 0 {
			idle++
		}
	}
	for key, m := range r.loaded {
		age := now.Sub(m.idle)
		if m.holds > 0 || age < keepIdle && idle <= maxIdle {
			continue
		}
		if age < keepUnindexed && !m.stored() {
			continue
		}
		delete(r.loaded, key)
		delete(r.dirty, m)
		idle--
	}
}

// stored reports whether the database knows everything.
func (m *mailbox) stored() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.changes) == 0 && m.unindexed.Empty() && !m.enrolled
}

func (r *mailboxes) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.loaded)
}
