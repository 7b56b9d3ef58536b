// Package pause knows what people want to be left alone for now: accounts whose mail is not to be captured, and targets that are not to be written to.
//
// The main idea: the store has the truth, and each process a copy that is at most a few seconds old. So those who ask on the
// path of the mail wait for nothing. While the store is away the last copy holds; before there is one, nothing is paused.
//
// It stops nothing itself: whoever captures or delivers asks.
package pause

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"heliograph/internal/store"
)

// Kind says what is paused.
type Kind string

// The kinds.
const (
	Account Kind = "account"
	Target  Kind = "target"
)

// Pause is one thing that a person wants to be left alone, or wanted to go on.
type Pause struct {
	Kind    Kind
	Name    string // an address in lower case, or the name of a target
	Active  bool
	Reason  string
	By      string    // address of the person
	At      time.Time // when it was paused last
	Resumed time.Time // when a person last wanted it to go on; zero: never
}

type key struct {
	kind Kind
	name string
}

// refreshEvery is how old a copy may be. The query reads a handful of rows.
const refreshEvery = 2 * time.Second

// Book is what is paused. It may be used concurrently.
type Book struct {
	db   *store.DB
	log  *slog.Logger
	now  func() time.Time
	list atomic.Pointer[map[key]Pause]
}

// New returns a Book; nil for log and now are the usual. Nothing is known until Refresh or Run.
func New(db *store.DB, log *slog.Logger, now func() time.Time) *Book {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &Book{db: db, log: log, now: now}
}

// Run keeps the copy fresh until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	failing := false
	for {
		err := b.Refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			b.log.WarnContext(ctx, "what is paused cannot be read; what was known holds", "err", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Refresh reads the store.
func (b *Book) Refresh(ctx context.Context) error {
	list, err := b.read(ctx)
	if err != nil {
		return err
	}
	known := make(map[key]Pause, len(list))
	for _, p := range list {
		known[key{p.Kind, p.Name}] = p
	}
	b.list.Store(&known)
	return nil
}

func (b *Book) read(ctx context.Context) (list []Pause, err error) {
	rows, err := b.db.Reader().QueryContext(ctx, `SELECT kind, name, active, reason, paused_by, paused_at, resumed_at FROM pauses`)
	if err != nil {
		return nil, fmt.Errorf("reading what is paused: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p Pause
		var active, at, resumed int64
		if err := rows.Scan(&p.Kind, &p.Name, &active, &p.Reason, &p.By, &at, &resumed); err != nil {
			return nil, fmt.Errorf("reading what is paused: %w", err)
		}
		p.Active, p.At, p.Resumed = active == 1, store.FromMicros(at), store.FromMicros(resumed)
		list = append(list, p)
	}
	return list, rows.Err()
}

// Of returns what is known of one thing, without waiting.
func (b *Book) Of(kind Kind, name string) Pause {
	if known := b.list.Load(); known != nil {
		return (*known)[key{kind, name}]
	}
	return Pause{}
}

// Account tells whether mail of an account is not to be captured.
func (b *Book) Account(address string) bool {
	known := b.list.Load()
	if known == nil || len(*known) == 0 {
		return false
	}
	return (*known)[key{Account, strings.ToLower(address)}].Active
}

// Target returns what is known of a target.
func (b *Book) Target(name string) Pause { return b.Of(Target, name) }

// List returns what is paused now, from the store.
func (b *Book) List(ctx context.Context) ([]Pause, error) {
	all, err := b.read(ctx)
	var active []Pause
	for _, p := range all {
		if p.Active {
			active = append(active, p)
		}
	}
	return active, err
}

// Get reads one thing from the store.
func (b *Book) Get(ctx context.Context, kind Kind, name string) (Pause, error) {
	p := Pause{Kind: kind, Name: name}
	var active, at, resumed int64
	err := b.db.Reader().QueryRowContext(ctx, `SELECT active, reason, paused_by, paused_at, resumed_at FROM pauses WHERE kind = $1 AND name = $2`, string(kind), name).
		Scan(&active, &p.Reason, &p.By, &at, &resumed)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	p.Active, p.At, p.Resumed = active == 1, store.FromMicros(at), store.FromMicros(resumed)
	return p, err
}

// Pause leaves something alone until it is resumed. Pausing again keeps the time and takes the new reason.
func (b *Book) Pause(ctx context.Context, kind Kind, name, reason, by string) error {
	return b.set(ctx, `
		INSERT INTO pauses (kind, name, active, reason, paused_by, paused_at, resumed_at) VALUES ($1, $2, 1, $3, $4, $5, 0)
		ON CONFLICT (kind, name) DO UPDATE SET reason = excluded.reason, paused_by = excluded.paused_by, active = 1,
			paused_at = CASE WHEN pauses.active = 1 THEN pauses.paused_at ELSE excluded.paused_at END`,
		string(kind), name, reason, by, store.Micros(b.now()))
}

// Resume lets something go on.
func (b *Book) Resume(ctx context.Context, kind Kind, name string) error {
	return b.set(ctx, `
		INSERT INTO pauses (kind, name, active, reason, paused_by, paused_at, resumed_at) VALUES ($1, $2, 0, '', '', 0, $3)
		ON CONFLICT (kind, name) DO UPDATE SET active = 0, resumed_at = excluded.resumed_at`, string(kind), name, store.Micros(b.now()))
}

func (b *Book) set(ctx context.Context, query string, args ...any) error {
	err := b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing what is paused: %w", err)
	}
	return b.Refresh(ctx)
}
