package customerbox

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"heliograph/internal/store"
)

const (
	// defaultPoll keeps new mail within a second: half of it on average until the change is seen.
	defaultPoll = 500 * time.Millisecond
	// sureAfter is how long a change may stay unseen that leaves no trace in the signature, such as a contact
	// that moves to another company.
	sureAfter = 15 * time.Second
)

// pulse beats when the store may have changed, for all sessions together. It costs three
// looks at the ends of indexes, and nothing while no mailbox is open.
type pulse struct {
	db   *store.DB
	log  *slog.Logger
	done chan struct{}

	mu       sync.Mutex // guards all below
	watchers int
	beats    uint64
	next     chan struct{} // closed with the next beat
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

func (p *pulse) run(ctx context.Context, every time.Duration) {
	defer close(p.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last string
	var beaten time.Time
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
		now, err := p.signature(ctx)
		if err != nil {
			if !failing && ctx.Err() == nil {
				p.log.Warn("customer mailboxes cannot see new mail", "err", err)
			}
			failing = true
			continue
		}
		failing = false
		if now != last || time.Since(beaten) >= sureAfter {
			last, beaten = now, time.Now()
			p.beat()
		}
	}
}

func (p *pulse) watched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watchers > 0
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats++
	close(p.next)
	p.next = make(chan struct{})
}

// signature changes with each new sighting, activity and contact.
func (p *pulse) signature(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, queryTimeout, errSlow)
	defer cancel()
	var entry string
	var activity, contact int64
	err := p.db.Reader().QueryRowContext(ctx, `
		SELECT COALESCE((SELECT MAX(entry) FROM sightings), ''), COALESCE((SELECT MAX(id) FROM crm_activities), 0),
			COALESCE((SELECT MAX(id) FROM crm_contacts), 0)`).Scan(&entry, &activity, &contact)
	return fmt.Sprint(entry, " ", activity, " ", contact), err
}
