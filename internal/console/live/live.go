package live

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/store"
)

// Topic is what an event is about.
type Topic string

// The topics. The first two are about the connection.
const (
	Hello    Topic = "hello"
	Reset    Topic = "reset"
	Message  Topic = "message"
	Run      Topic = "run"
	Rule     Topic = "rule"
	Approval Topic = "approval"
	Review   Topic = "review"
	Outbox   Topic = "outbox"
	Queue    Topic = "queue"
	Target   Topic = "target"
	Account  Topic = "account"
	Backfill Topic = "backfill"
	Settings Topic = "settings"
)

// Topics lists the topics that events can have.
func Topics() []Topic {
	return []Topic{Message, Run, Rule, Approval, Review, Outbox, Queue, Target, Account, Backfill, Settings}
}

// Event says that something happened.
type Event struct {
	Seq      int64
	At       time.Time
	Topic    Topic
	What     string // the state that the object has now
	Object   string // its id
	Target   string
	Accounts []string // whose mail it is about, lower case
}

// key follows from what happened.
func (e *Event) key() string {
	text, err := json.Marshal([]any{e.Topic, e.What, e.Object, e.Target, store.Micros(e.At)})
	if err != nil {
		panic(err) // texts and a number only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// Options are the settings of a Hub.
type Options struct {
	Store *store.DB
	// Recheck signs the person of a connection in again: nobody means that the session ended, or that the token was taken back. It is called
	// every PingEvery while the connection lasts, with the request that opened it; it must not count as use of the session. Nil: nobody's ends.
	Recheck func(ctx context.Context, caller *access.Caller) (*access.Caller, error)
	// Origins are the hosts of pages that may connect, besides the host that was asked: that of console.public_url.
	Origins []string
	// MaxPerPerson bounds the connections of one person; zero means 8.
	MaxPerPerson int
	PollEvery    time.Duration // zero means a second
	PingEvery    time.Duration // zero means 25 seconds
	WriteTimeout time.Duration // how long a listener may take for an event; zero means 10 seconds
	Logger       *slog.Logger
	Now          func() time.Time
}

// Hub serves those who watch on one node. It may be used concurrently.
type Hub struct {
	o   Options
	db  *store.DB
	log *slog.Logger

	wake chan struct{}
	stop context.CancelFunc
	life context.Context // ends with Close

	mu        sync.Mutex     // guards what follows
	listeners int            // who watch now
	people    map[string]int // connections of each person
	polling   chan struct{}  // closed when the poller ended; nil: none runs
	end       context.CancelFunc
	recent    []Event       // the newest, without a gap
	head      int64         // number of the newest event
	floor     int64         // cursors before it have missed something
	ready     chan struct{} // closed when the poller has looked once
	changed   chan struct{} // closed when there are new events
	doubted   chan struct{} // closed when somebody's session may have ended
	closed    bool
}

// New returns a hub that does nothing until somebody watches.
func New(o Options) *Hub {
	if o.MaxPerPerson <= 0 {
		o.MaxPerPerson = 8
	}
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{{&o.PollEvery, time.Second}, {&o.PingEvery, 25 * time.Second}, {&o.WriteTimeout, 10 * time.Second}} {
		if *d.to <= 0 {
			*d.to = d.value
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{o: o, db: o.Store, log: o.Logger, wake: make(chan struct{}, 1), people: map[string]int{}, changed: make(chan struct{}), doubted: make(chan struct{})}
	h.life, h.stop = context.WithCancel(context.Background())
	return h
}

// Wake makes the poller look at once. It never waits.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Recheck looks at once, not only every PingEvery, whether those who watch are still signed in: for when a session ended, or somebody's
// rights changed. It never waits.
func (h *Hub) Recheck() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.doubted)
	h.doubted = make(chan struct{})
}

// doubt is closed at the next Recheck.
func (h *Hub) doubt() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doubted
}

// Publish tells of something that is not in the store, such as new settings or a step of a backfill.
func (h *Hub) Publish(ctx context.Context, e Event) error {
	if e.At.IsZero() {
		e.At = h.o.Now()
	}
	err := h.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		return h.add(ctx, tx, []found{{e, rand.Text()}}, 0)
	})
	if err != nil {
		return fmt.Errorf("tell who watches: %w", err)
	}
	h.Wake()
	return nil
}

// Close ends all connections. It may be called more than once. It is called before the server of the connections is closed.
func (h *Hub) Close() {
	h.stop()
	h.mu.Lock()
	h.closed = true
	polling := h.polling
	h.mu.Unlock()
	if polling != nil {
		<-polling
	}
}

// found is an event with its key.
type found struct {
	Event
	key string
}

// clock is the row of live_clock.
type clock struct{ seq, floor, until int64 }

func readClock(ctx context.Context, q store.Querier, query string) (c clock, err error) {
	err = q.QueryRowContext(ctx, query).Scan(&c.seq, &c.floor, &c.until)
	return c, err
}

const (
	clockNow  = `SELECT seq, floor_seq, read_until FROM live_clock WHERE one = 1`
	clockHeld = `UPDATE live_clock SET seq = seq WHERE one = 1 RETURNING seq, floor_seq, read_until`
)

// add writes events that are not there yet, and how far the stores were read (0: as before).
func (h *Hub) add(ctx context.Context, tx store.Querier, events []found, until int64) error {
	c, err := readClock(ctx, tx, clockHeld)
	if err != nil {
		return err
	}
	now := store.Micros(h.o.Now())
	for _, e := range events {
		accounts := ""
		if len(e.Accounts) > 0 {
			text, err := json.Marshal(e.Accounts)
			if err != nil {
				return err
			}
			accounts = string(text)
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO live_events (seq, event_key, at, noted_at, topic, what, object, target, accounts)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (event_key) DO NOTHING`,
			c.seq+1, e.key, store.Micros(e.At), now, string(e.Topic), e.What, e.Object, e.Target, accounts)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		c.seq += n
	}
	_, err = tx.ExecContext(ctx, `UPDATE live_clock SET seq = $1, read_until = $2 WHERE one = 1`, c.seq, max(c.until, until))
	return err
}

// read returns events behind a cursor, in their order.
func (h *Hub) read(ctx context.Context, after int64, limit int) (list []Event, err error) {
	rows, err := h.db.Reader().QueryContext(ctx, `SELECT seq, at, topic, what, object, target, accounts FROM live_events WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

func scanEvent(rows *sql.Rows) (Event, error) {
	var e Event
	var at int64
	var accounts string
	if err := rows.Scan(&e.Seq, &at, &e.Topic, &e.What, &e.Object, &e.Target, &accounts); err != nil {
		return e, err
	}
	e.At = store.FromMicros(at)
	if accounts != "" {
		if err := json.Unmarshal([]byte(accounts), &e.Accounts); err != nil {
			return e, fmt.Errorf("accounts of event %d: %w", e.Seq, err)
		}
	}
	return e, nil
}

// seen takes events that follow the newest one.
func (h *Hub) seen(list []Event, c clock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.floor = c.floor
	if len(list) == 0 {
		return
	}
	if n := len(h.recent); n > 0 && h.recent[n-1].Seq+1 != list[0].Seq {
		h.recent = nil
	}
	h.recent = append(h.recent, list...)
	if extra := len(h.recent) - maxRecent; extra > 0 {
		h.recent = slices.Clone(h.recent[extra:])
	}
	h.head = list[len(list)-1].Seq
	close(h.changed)
	h.changed = make(chan struct{})
}
