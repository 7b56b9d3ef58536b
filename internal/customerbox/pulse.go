package customerbox

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

const (
	// defaultPoll keeps new mail within a second: half of it on average until the change is seen.
	defaultPoll = 500 * time.Millisecond
	// sureAfter is how long a change may stay unseen that leaves no trace in the signature, such as a contact
	// that moves to another company.
	sureAfter = 15 * time.Second
	// lateEntries and lateActivities are how far behind the newest others are looked for: they are not written in the
	// order of their ids.
	lateEntries    = 30 * time.Second
	lateActivities = 200
	// maxTouched bounds what one beat names; with more it means all mailboxes.
	maxTouched = 2000
	// maxHistory is how many beats a session may be behind and still know what they were about.
	maxHistory = 64
)

// pulse beats when the store may have changed, for all sessions together, and knows which mailboxes that is about. It costs
// a few looks at the ends of indexes, and nothing while no mailbox is open.
type pulse struct {
	db   *store.DB
	log  *slog.Logger
	done chan struct{}

	mu       sync.Mutex // guards all below
	watchers int
	beats    uint64
	history  []map[ref]bool // what the last beats were about; nil means all mailboxes
	next     chan struct{}  // closed with the next beat
}

// newPulse starts a pulse, which ctx ends.
func newPulse(ctx context.Context, db *store.DB, every time.Duration, log *slog.Logger) *pulse {
	p := &pulse{db: db, log: log, done: make(chan struct{}), next: make(chan struct{})}
	go p.run(ctx, every)
	return p
}

func (p *pulse) wait() { <-p.done }

// watch keeps the pulse going until stop is called.
func (p *pulse) watch() (stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watchers--
	})
}

// now returns the number of beats so far, and a channel that is closed with the next one.
func (p *pulse) now() (beats uint64, next <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.beats, p.next
}

// concerns tells whether a mailbox may have changed since so many beats.
func (p *pulse) concerns(r ref, since uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int(p.beats - since)
	if n > len(p.history) {
		return true
	}
	for _, touched := range p.history[len(p.history)-n:] {
		if touched == nil || touched[r] {
			return true
		}
	}
	return false
}

func (p *pulse) run(ctx context.Context, every time.Duration) {
	defer close(p.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last signature
	var sure time.Time
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !p.watched() {
			continue
		}
		now, touched, err := p.look(ctx, last)
		switch {
		case err != nil:
			if !failing && ctx.Err() == nil {
				p.log.Warn("customer mailboxes cannot see new mail", "err", err)
			}
			failing = true
			continue
		case failing || time.Since(sure) >= sureAfter:
			sure = time.Now()
			p.beat(nil)
		case now != last:
			p.beat(touched)
		}
		failing, last = false, now
	}
}

func (p *pulse) watched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watchers > 0
}

func (p *pulse) beat(touched map[ref]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats++
	p.history = append(p.history, touched)
	if len(p.history) > maxHistory {
		p.history = append([]map[ref]bool(nil), p.history[len(p.history)-maxHistory:]...)
	}
	close(p.next)
	p.next = make(chan struct{})
}

// signature changes with each new sighting, activity and contact.
type signature struct {
	entry             string // the newest
	activity, contact int64
	entries           int // of the last while before the newest
	activities        int
}

// look reads the signature, and what has changed if it is not the last one: nil if that is too much to tell.
func (p *pulse) look(ctx context.Context, last signature) (now signature, touched map[ref]bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, queryTimeout, errSlow)
	defer cancel()
	r := p.db.Reader()
	err = r.QueryRowContext(ctx, `
		SELECT COALESCE((SELECT MAX(entry) FROM sightings), ''), COALESCE((SELECT MAX(id) FROM crm_activities), 0),
			COALESCE((SELECT MAX(id) FROM crm_contacts), 0)`).Scan(&now.entry, &now.activity, &now.contact)
	if err != nil {
		return now, nil, err
	}
	err = r.QueryRowContext(ctx, `
		SELECT (SELECT COUNT(*) FROM sightings WHERE entry > $1), (SELECT COUNT(*) FROM crm_activities WHERE id > $2)`,
		before(now.entry), now.activity-lateActivities).Scan(&now.entries, &now.activities)
	if err != nil || now == last || last == (signature{}) {
		return now, nil, err
	}
	touched, err = p.touched(ctx, last)
	return now, touched, err
}

// before is the lowest id of an entry that is so much older than another.
func before(entry string) string {
	id, err := journal.ParseID(entry)
	if err != nil {
		return entry
	}
	var old journal.ID
	binary.BigEndian.PutUint64(old[:8], uint64(id.Time().Add(-lateEntries).UnixMilli())<<16)
	return old.String()
}

// touched returns the mailboxes that have to do with what is newer than a signature, or nearly.
func (p *pulse) touched(ctx context.Context, last signature) (map[ref]bool, error) {
	out := map[ref]bool{}
	const contacts = `
		SELECT l.contact_id FROM crm_activity_contacts l WHERE l.activity_id > $1
		UNION SELECT l.contact_id FROM sightings s JOIN crm_activities m ON m.key = s.message_key
			JOIN crm_activity_contacts l ON l.activity_id = m.id WHERE s.entry > $2
		UNION SELECT id FROM crm_contacts WHERE id > $3`
	err := query(ctx, p.db.Reader(), func(scan func(...any) error) error {
		var contact, company int64
		err := scan(&contact, &company)
		out[ref{kindContact, contact}] = true
		out[ref{kindCompany, company}] = true
		return err
	}, `SELECT id, COALESCE(company_id, 0) FROM crm_contacts WHERE id IN (`+contacts+`) LIMIT $4`,
		last.activity-lateActivities, before(last.entry), last.contact, maxTouched)
	if err != nil || len(out) >= maxTouched {
		return nil, err
	}
	n := 0
	err = query(ctx, p.db.Reader(), func(scan func(...any) error) error {
		t := ref{kind: kindTicket}
		err := scan(&t.record)
		out[t] = true
		n++
		return err
	}, `SELECT id FROM crm_tickets WHERE contact_id IN (`+contacts+`) LIMIT $4`,
		last.activity-lateActivities, before(last.entry), last.contact, maxTouched)
	if err != nil || n >= maxTouched {
		return nil, err
	}
	return out, nil
}
