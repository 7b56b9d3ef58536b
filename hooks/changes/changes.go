// Package changes tells how records of CRMs changed, as a stream that is read with a cursor.
//
// The main idea: of each watched object of a target the last seen values of the watched fields are kept. Whatever brings a record
// to our eyes (a poll, a webhook, reading all of them again) is compared with them; a difference becomes a change with
// old and new value, and the new values are kept, in one transaction with the place where to go on. So a change is
// told once, however often and by whichever way it is heard of, and in the order in which each record went through its
// values; two changes between two looks are told as one.
//
// File by file:
//
//   - changes.go: what is watched, and the loop that gives each watch its turn, on one node at a time by lease
//   - state.go: how far a watch has come. Each write takes a step; who lost a race writes nothing
//   - follow.go: one round: wakes first, then learning (all records are read and nothing is told), following (the CRM's
//     changes), comparing (all records are read and differences are told, after the CRM refused the cursor)
//   - apply.go: compares and writes; values.go: when two values are the same
//   - echo.go: what we wrote ourselves is no change
//   - consume.go: reading the stream; each consumer has its own cursor
//
// Webhooks only wake it: the record is read again at once. Where they are lost, the next poll finds the change.
//
// It decides nothing about changes, and writes nothing to a CRM.
package changes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/crmclient"
	"heliograph/internal/limit"
	"heliograph/internal/store"
)

// Target is one CRM connection. Only one whose Client is a crmclient.RecordChanges can be watched; if it is also a
// crmclient.RecordQuerier, records that are made later are told as such.
type Target struct {
	Name   string
	Client crmclient.Client
}

// Options configure New.
type Options struct {
	Store   *store.DB
	Targets []Target
	// Claims give a watch to one node at a time. Nil means that there is only this one; the store alone decides then.
	Claims   limit.Claimer
	Owner    string        // of claims, a token that no other node has; needed with Claims
	Interval time.Duration // between two polls of a watch; zero means 1 min
	Tick     time.Duration // how often is looked for what is due, and for wakes of other nodes; zero means 1 s
	Timeout  time.Duration // of one question to a target; zero means 1 min
	Keep     time.Duration // how long changes are kept for consumers; zero means 30 days
	Now      func() time.Time
	Logger   *slog.Logger
	// Registerer may be nil: metrics are not registered then.
	Registerer prometheus.Registerer
}

const (
	defaultInterval = time.Minute
	defaultTick     = time.Second
	defaultTimeout  = time.Minute
	defaultKeep     = 30 * 24 * time.Hour
	// leaseTime is longer than any round without an extension: a question may take as long as Timeout.
	leaseTime = 3 * time.Minute
	// maxTurns is how many watches have their turn at once, on one node.
	maxTurns = 4
	// maxWatched and maxFields bound what rules may ask for.
	maxWatched = 1000
	maxFields  = 100
	maxName    = 300 // bytes of the name of an object, a record or a field
	maxPruned  = 5000
)

// Watcher watches records. Its methods may run concurrently, also in several processes on one database.
type Watcher struct {
	o       Options
	clients map[string]crmclient.RecordChanges
	metrics *metrics
	poke    chan struct{} // something is due at once

	mu     sync.Mutex // guards turns
	turns  map[watch]bool
	pruned time.Time // by the loop only
}

// watch names a watched object.
type watch struct{ target, object string }

// New returns a Watcher. Nothing is asked of a CRM until Run or Follow.
func New(o Options) *Watcher {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Tick <= 0 {
		o.Tick = defaultTick
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{o: o, clients: map[string]crmclient.RecordChanges{}, metrics: newMetrics(o.Registerer), poke: make(chan struct{}, 1), turns: map[watch]bool{}}
	for _, t := range o.Targets {
		if c, ok := crmclient.As[crmclient.RecordChanges](t.Client); ok {
			w.clients[t.Name] = c
		}
	}
	return w
}

// Watch has the fields of an object watched from now on, besides those that are watched already. It is idempotent. What a field
// is when it is first seen is no change.
func (w *Watcher) Watch(ctx context.Context, target, object string, fields []string) error {
	switch {
	case w.clients[target] == nil:
		return fmt.Errorf("target %q does not tell changes of records", target)
	case object == "" || len(object) > maxName || len(fields) == 0 || slices.ContainsFunc(fields, func(f string) bool { return f == "" || len(f) > maxName }):
		return errors.New("an object and fields with names are needed")
	}
	err := w.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var count int64
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM change_watches`).Scan(&count); err != nil {
			return err
		}
		if count >= maxWatched {
			return fmt.Errorf("%d objects are watched already", count)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO change_watches (target, object, fields, step, phase, generation, change_cursor, page_cursor, learned, polled_at, not_before, failures, reason)
			VALUES ($1, $2, '[]', 0, '', 0, '', '', 0, 0, 0, 0, '') ON CONFLICT (target, object) DO NOTHING`, target, object)
		if err != nil {
			return err
		}
		s, err := readState(ctx, tx, watch{target, object})
		if err != nil {
			return err
		}
		all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(s.fields), fields...))))
		if len(all) > maxFields {
			return fmt.Errorf("%d fields of %s are more than the %d that can be watched", len(all), object, maxFields)
		}
		if slices.Equal(all, s.fields) {
			return nil
		}
		next := s
		next.fields = all
		if s.phase == phaseFollow { // the new fields are learnt of all records, the others compared
			next.phase, next.pageCursor, next.generation = phaseCompare, "", s.generation+1
		}
		return advance(ctx, tx, s, next)
	})
	if err != nil {
		return fmt.Errorf("watch %s of %s: %w", object, target, err)
	}
	w.wakeUp()
	return nil
}

// Unwatch forgets an object and what was seen of it. Changes that were told stay.
func (w *Watcher) Unwatch(ctx context.Context, target, object string) error {
	err := w.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, table := range []string{"change_watches", "change_records", "change_wakes", "change_echoes"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE target = $1 AND object = $2`, target, object); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("unwatch %s of %s: %w", object, target, err)
	}
	return nil
}

// Wake has a record read again at once, by whichever node watches it. It is for webhooks; what nobody watches is ignored, and
// watched says so.
func (w *Watcher) Wake(ctx context.Context, target, object, id string) (watched bool, err error) {
	if id == "" || len(id) > maxName {
		return false, nil
	}
	err = w.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `
			INSERT INTO change_wakes (target, object, record, asked, at)
			SELECT target, object, $3, 1, $4 FROM change_watches WHERE target = $1 AND object = $2
			ON CONFLICT (target, object, record) DO UPDATE SET asked = change_wakes.asked + 1`,
			target, object, id, store.Micros(w.o.Now()))
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		watched = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("wake: %w", err)
	}
	if watched {
		w.wakeUp()
	}
	w.metrics.woken(target, watched)
	return watched, nil
}

func (w *Watcher) wakeUp() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Run gives each watch its turn until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	slots := make(chan struct{}, maxTurns)
	var group sync.WaitGroup
	defer group.Wait()
	ticker := time.NewTicker(w.o.Tick)
	defer ticker.Stop()
	for {
		due, err := w.due(ctx)
		if err != nil && ctx.Err() == nil {
			w.o.Logger.WarnContext(ctx, "watches not read", "error", err)
		}
		for _, d := range due {
			if !w.begin(d) {
				continue
			}
			group.Go(func() {
				defer w.end(d)
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-slots }()
				w.turn(ctx, d)
			})
		}
		w.prune(ctx)
		select {
		case <-ticker.C:
		case <-w.poke:
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *Watcher) begin(d watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.turns[d] {
		return false
	}
	w.turns[d] = true
	return true
}

func (w *Watcher) end(d watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.turns, d)
}

// due returns the watches that have something to do now.
func (w *Watcher) due(ctx context.Context) ([]watch, error) {
	now := w.o.Now()
	rows, err := w.o.Store.Reader().QueryContext(ctx, `
		SELECT target, object FROM change_watches s
		WHERE not_before <= $1 AND (phase <> $2 OR polled_at <= $3
			OR EXISTS (SELECT 1 FROM change_wakes k WHERE k.target = s.target AND k.object = s.object))
		ORDER BY polled_at LIMIT $4`,
		store.Micros(now), phaseFollow, store.Micros(now.Add(-w.o.Interval)), maxWatched)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []watch
	for rows.Next() {
		var d watch
		if err := rows.Scan(&d.target, &d.object); err != nil {
			return nil, err
		}
		if w.clients[d.target] != nil { // the configuration may have lost the target meanwhile
			out = append(out, d)
		}
	}
	return out, rows.Err()
}

// turn follows a watch if this node gets the lease.
func (w *Watcher) turn(ctx context.Context, d watch) {
	if w.o.Claims != nil {
		key := "changes:" + d.target + ":" + d.object
		has, err := w.o.Claims.Claim(ctx, key, w.o.Owner, leaseTime)
		if err == nil && !has {
			return
		}
		if err == nil {
			defer func() { _ = w.o.Claims.Release(context.WithoutCancel(ctx), key, w.o.Owner) }() // else it ends by itself
		} // without claims the steps of the store still let one node write only
	}
	if err := w.Follow(ctx, d.target, d.object); err != nil && ctx.Err() == nil {
		w.o.Logger.WarnContext(ctx, "changes of records not followed", "target", d.target, "error", err)
	}
}

// prune deletes changes that every consumer has dealt with and that are old, and notes of our own writes that nobody saw.
func (w *Watcher) prune(ctx context.Context) {
	now := w.o.Now()
	if now.Sub(w.pruned) < time.Minute {
		return
	}
	w.pruned = now
	err := w.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			DELETE FROM change_events WHERE seq IN (SELECT seq FROM change_events WHERE seen_at < $1 ORDER BY seq LIMIT $2)`,
			store.Micros(now.Add(-w.o.Keep)), maxPruned)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM change_echoes WHERE at < $1`, store.Micros(now.Add(-echoTime)))
		return err
	})
	if err != nil && ctx.Err() == nil {
		w.o.Logger.WarnContext(ctx, "old changes not deleted", "error", err)
	}
}

// Status is how far a watch has come.
type Status struct {
	Target   string    `json:"target"`
	Object   string    `json:"object"`
	Fields   []string  `json:"fields"`
	Phase    string    `json:"phase"` // learn, follow, compare, sweep; empty: not begun
	PolledAt time.Time `json:"polled_at,omitzero"`
	Failures int       `json:"failures"`
	Reason   string    `json:"reason,omitempty"` // of the last failure
}

// Status lists all watches.
func (w *Watcher) Status(ctx context.Context) ([]Status, error) {
	rows, err := w.o.Store.Reader().QueryContext(ctx, `
		SELECT target, object, fields, phase, polled_at, failures, reason FROM change_watches ORDER BY target, object LIMIT $1`, maxWatched)
	if err != nil {
		return nil, fmt.Errorf("list watches: %w", err)
	}
	defer rows.Close()
	var out []Status
	for rows.Next() {
		var s Status
		var fields string
		var polled int64
		if err := rows.Scan(&s.Target, &s.Object, &fields, &s.Phase, &polled, &s.Failures, &s.Reason); err != nil {
			return nil, fmt.Errorf("list watches: %w", err)
		}
		if err := json.Unmarshal([]byte(fields), &s.Fields); err != nil {
			return nil, fmt.Errorf("list watches: %w", err)
		}
		s.PolledAt = store.FromMicros(polled)
		out = append(out, s)
	}
	return out, rows.Err()
}
