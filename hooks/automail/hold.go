package automail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// heldDelay is when a held message looks by itself whether it still is; a release makes it due at once.
const heldDelay = 10 * time.Minute

// ScopeKind says what a hold is about.
type ScopeKind string

// The kinds of holds.
const (
	HoldAll    ScopeKind = "all"    // the kill switch: all mail of rules
	HoldRule   ScopeKind = "rule"   // of one rule
	HoldDomain ScopeKind = "domain" // to one domain of recipients
	// HoldMessage is one message, by its entry.
	HoldMessage ScopeKind = "message"
)

// Scope is what a hold is about.
type Scope struct {
	Kind ScopeKind
	Name string // of the rule, or the domain in lower case; empty for all
}

func (s Scope) check() (Scope, error) {
	switch {
	case s.Kind == HoldAll && s.Name == "", s.Kind == HoldRule && s.Name != "", s.Kind == HoldMessage && s.Name != "":
	case s.Kind == HoldDomain && s.Name != "" && !strings.Contains(s.Name, "@"):
		s.Name = strings.ToLower(s.Name)
	default:
		return s, fmt.Errorf("there is no scope %q %q: it is all, a rule's id, or a domain", s.Kind, s.Name)
	}
	return s, nil
}

func (s Scope) words() string {
	switch s.Kind {
	case HoldRule:
		return "mail of the rule " + s.Name
	case HoldDomain:
		return "mail of rules to " + s.Name
	case HoldMessage:
		return "the message " + s.Name
	}
	return "all mail of rules"
}

// Hold is something that is held back.
type Hold struct {
	Scope
	Reason string
	Origin string // who held it
	At     time.Time
}

// Hold keeps mail of rules in the outbox from now on, on all nodes: each attempt looks before it begins. What is being sent at this moment goes
// out. It replaces a hold of the same scope.
func (c Control) Hold(ctx context.Context, s Scope, reason, origin string) error {
	s, err := s.check()
	if err != nil {
		return err
	}
	err = c.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO outbox_holds (scope, name, reason, origin, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (scope, name) DO UPDATE SET reason = excluded.reason, origin = excluded.origin, at = excluded.at`,
			string(s.Kind), clean(s.Name), clip(reason), clip(origin), store.Micros(c.now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("holding %s: %w", s.words(), err)
	}
	return nil
}

// Holds returns what is held back, by scope and name.
func (c Control) Holds(ctx context.Context) (list []Hold, err error) {
	return readHolds(ctx, c.Store.Reader(), "1 = 1")
}

func readHolds(ctx context.Context, q store.Querier, where string, args ...any) (list []Hold, err error) {
	rows, err := q.QueryContext(ctx, "SELECT scope, name, reason, origin, at FROM outbox_holds WHERE "+where+" ORDER BY scope, name", args...)
	if err != nil {
		return nil, fmt.Errorf("reading holds: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var h Hold
		var at int64
		if err := rows.Scan(&h.Kind, &h.Name, &h.Reason, &h.Origin, &at); err != nil {
			return nil, err
		}
		h.At = store.FromMicros(at)
		list = append(list, h)
	}
	return list, rows.Err()
}

// Release ends a hold and lets what waited for it go. The error wraps ErrUnknown if there is no such hold.
func (c Control) Release(ctx context.Context, s Scope) error {
	s, err := s.check()
	if err != nil {
		return err
	}
	err = c.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		done, err := tx.ExecContext(ctx, `DELETE FROM outbox_holds WHERE scope = $1 AND name = $2`, string(s.Kind), clean(s.Name))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrUnknown)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("releasing %s: %w", s.words(), err)
	}
	if err := c.wakeHeld(ctx); err != nil {
		return fmt.Errorf("releasing %s: %w", s.words(), err)
	}
	return nil
}

// heldEntries returns the messages that wait although they are due.
func (c Control) heldEntries(ctx context.Context, where string, args ...any) (entries []string, err error) {
	rows, err := c.Store.Reader().QueryContext(ctx, `SELECT entry FROM outbox_messages WHERE held <> '' AND finished_at = 0`+where+` ORDER BY entry`, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var entry string
		if err := rows.Scan(&entry); err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, rows.Err()
}

// wakeHeld makes the jobs of what waits due: each looks for itself whether it is free now.
func (c Control) wakeHeld(ctx context.Context) error {
	entries, err := c.heldEntries(ctx, "")
	if err != nil {
		return err
	}
	const page = 1000
	f := queue.Filter{Kind: Kind, States: []queue.State{queue.StateScheduled, queue.StateRunning}, Limit: page}
	for {
		jobs, err := c.Queue.List(ctx, f)
		if err != nil {
			return err
		}
		var ids []int64
		for _, j := range jobs {
			_, held := slices.BinarySearch(entries, j.Key)
			if held || j.State == queue.StateRunning { // which may have looked before the hold ended, and is about to wait
				ids = append(ids, j.ID)
			}
		}
		if len(ids) > 0 {
			if _, err := c.Queue.Redrive(ctx, ids...); err != nil {
				return err
			}
		}
		if len(jobs) < page {
			break
		}
		f.Before = jobs[len(jobs)-1].ID
	}
	c.Queue.Wake(Kind)
	return nil
}

// DropHeld gives up what a hold keeps, and returns how many messages that were. The hold stays.
func (c Control) DropHeld(ctx context.Context, s Scope, reason string) (dropped int, err error) {
	if s, err = s.check(); err != nil {
		return 0, err
	}
	entries, err := c.heldEntries(ctx, " AND held LIKE $1", "held: %")
	if err != nil {
		return 0, fmt.Errorf("dropping %s: %w", s.words(), err)
	}
	for _, text := range entries {
		id, err := journal.ParseID(text)
		if err != nil {
			return dropped, err
		}
		m, err := c.Show(ctx, id)
		if err != nil || !m.within(s) {
			continue // gone meanwhile, or held by another
		}
		switch err := c.Drop(ctx, id, reason); {
		case err == nil:
			dropped++
		case !errors.Is(err, ErrUnknown):
			return dropped, fmt.Errorf("dropping %s: %w", s.words(), err)
		}
	}
	return dropped, nil
}

// within reports whether all that are pending are in a scope.
func (m *OutboxMessage) within(s Scope) bool {
	switch s.Kind {
	case HoldAll:
		return m.Effect.ID != ""
	case HoldRule:
		return m.Effect.ID != "" && m.Effect.Rule == s.Name
	case HoldMessage:
		return m.Effect.ID != "" && m.Entry.String() == s.Name
	}
	for i := range m.Recipients {
		if r := &m.Recipients[i]; r.State == StatePending && domainOf(r.Address) != s.Name {
			return false
		}
	}
	return m.Effect.ID != ""
}

// withheld looks which holds keep the message. Those of its recipients that are held are left out of this attempt; when all are, the reason
// says why.
func (o *Outbox) withheld(ctx context.Context, m *OutboxMessage) (reason string, err error) {
	domains := map[string]bool{}
	for _, r := range m.pending() {
		domains[domainOf(r.Address)] = true
	}
	where := `scope = 'all' OR scope = 'rule' AND name = $1 OR scope = 'message' AND name = $2`
	args := []any{m.Effect.Rule, m.Entry.String()}
	if len(domains) > 0 {
		var places []string
		for d := range domains {
			args = append(args, d)
			places = append(places, "$"+strconv.Itoa(len(args)))
		}
		where += " OR scope = 'domain' AND name IN (" + strings.Join(places, ", ") + ")"
	}
	holds, err := readHolds(ctx, o.o.Store.Reader(), where, args...)
	if err != nil {
		return "", err
	}
	held := map[string]Hold{}
	for _, h := range holds {
		if h.Kind != HoldDomain {
			return h.text(), nil
		}
		held[h.Name] = h
	}
	free := 0
	for _, r := range m.pending() {
		if h, is := held[domainOf(r.Address)]; is {
			reason = h.text()
		} else {
			free++
		}
	}
	if free == 0 {
		return reason, nil
	}
	for _, r := range m.pending() {
		_, r.withheld = held[domainOf(r.Address)]
	}
	return "", nil
}

func (h Hold) text() string {
	return clip("held: " + h.words() + " is held back: " + h.Reason)
}
