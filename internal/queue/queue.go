package queue

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/internal/pace"
	"heliograph/internal/store"
)

// Options configure Open. The zero value is usable.
type Options struct {
	Logger     *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: metrics are not registered
	// Now is the clock that due times and leases are compared with; nil means time.Now.
	// Nodes that share a database must agree on it to within a fraction of a lease.
	Now func() time.Time
	// Poll is how often workers look for jobs that nobody woke them for; zero means 1 s.
	Poll time.Duration
	// Retention is how long completed and cancelled jobs are kept; zero means 7 days.
	Retention time.Duration
	// Pace holds handlers back while mail needs the machine; nil holds nothing back.
	Pace *pace.Governor
}

const (
	defaultPoll      = time.Second
	minPoll          = 10 * time.Millisecond
	defaultRetention = 7 * 24 * time.Hour
)

// Queue hands out jobs. It may be used concurrently, and by several nodes on one database.
type Queue struct {
	db      *store.DB
	o       Options
	metrics *metrics

	mu     sync.Mutex
	wakers map[chan struct{}]string // guarded by mu: one for each running Work, with its kind
	pruned time.Time                // guarded by mu: when Work last pruned
}

// Open returns the queue in db. It needs no closing; Close takes its metrics off.
func Open(db *store.DB, o Options) *Queue {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Retention <= 0 {
		o.Retention = defaultRetention
	}
	o.Poll = max(o.Poll, minPoll)
	q := &Queue{db: db, o: o, wakers: map[chan struct{}]string{}}
	q.metrics = newMetrics(q)
	q.metrics.register(o.Registerer, o.Logger)
	return q
}

// Close takes the queue's metrics off the registerer. Workers end with their own ctx.
func (q *Queue) Close() { q.metrics.unregister(q.o.Registerer) }

// Wake makes the workers of the named kinds (of all, if none is named) in this
// process look for jobs at once. Call it after the commit of a transaction that
// added some. It never blocks.
func (q *Queue) Wake(kinds ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ch, kind := range q.wakers {
		if len(kinds) > 0 && !slices.Contains(kinds, kind) {
			continue
		}
		select {
		case ch <- struct{}{}:
		default: // it is awake already
		}
	}
}

// now is the clock, in microseconds.
func (q *Queue) now() int64 { return store.Micros(q.o.Now()) }
