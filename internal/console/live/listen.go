package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"heliograph/internal/console/access"
)

// The ends of a listener.
var (
	// ErrSlow says that a listener takes events more slowly than they come.
	ErrSlow = errors.New("too slow: connect again with the last id")
	// ErrClosed says that the hub was closed.
	ErrClosed = errors.New("the gateway stops: connect again with the last id")
	// ErrMany says that a person has too many connections.
	ErrMany = errors.New("too many connections")
)

const (
	// readEvents are handed out at a time.
	readEvents = 200
	// maxBehind is how far a listener may fall behind that had caught up once.
	maxBehind = 2000
)

// Listener gets events from a cursor on. It is used by one goroutine, and must be closed.
type Listener struct {
	h        *Hub
	person   string
	caller   *access.Caller
	topics   []Topic // empty: all
	cursor   int64
	caughtUp bool
	closed   bool
	pending  []Event // before all others
}

// Listen begins behind a cursor ("": with what happens next). Its first event is Hello, or Reset where the cursor is too old.
func (h *Hub) Listen(ctx context.Context, caller *access.Caller, after string, topics ...Topic) (*Listener, error) {
	ready, err := h.enter(caller.Person.ID)
	if err != nil {
		return nil, err
	}
	l := &Listener{h: h, person: caller.Person.ID, caller: caller, topics: topics}
	select {
	case <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	case <-h.life.Done():
		err = ErrClosed
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l.cursor = h.head
	first := Event{Seq: h.head, At: h.o.Now(), Topic: Hello}
	if after != "" {
		cursor, err := strconv.ParseInt(after, 10, 64)
		if err != nil || cursor < h.floor || cursor > h.head {
			first.Topic = Reset
		} else {
			l.cursor, first.Seq = cursor, cursor
		}
	}
	l.pending = []Event{first}
	return l, nil
}

// enter counts a listener, and starts the poller for the first. ready is closed when the poller has looked.
func (h *Hub) enter(person string) (ready chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case h.people[person] >= h.o.MaxPerPerson:
		return nil, ErrMany
	}
	h.people[person]++
	h.listeners++
	if h.listeners == 1 {
		before := h.polling // one that is about to end
		ctx, end := context.WithCancel(h.life)
		done := make(chan struct{})
		h.polling, h.end, h.ready = done, end, make(chan struct{})
		go func(ready chan struct{}) {
			if before != nil {
				<-before
			}
			h.poll(ctx, done, ready)
		}(h.ready)
	}
	return h.ready, nil
}

// Close ends the listener.
func (l *Listener) Close() {
	h := l.h
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	if h.people[l.person]--; h.people[l.person] == 0 {
		delete(h.people, l.person)
	}
	if h.listeners--; h.listeners == 0 {
		h.end()
	}
}

// Next returns the next events that the caller may see. It waits for one.
func (l *Listener) Next(ctx context.Context) ([]Event, error) {
	if len(l.pending) > 0 {
		list := l.pending
		l.pending = nil
		return list, nil
	}
	for {
		list, wait, err := l.some(ctx)
		if err != nil || len(list) > 0 {
			return list, err
		}
		if wait == nil {
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.h.life.Done():
			return nil, ErrClosed
		}
	}
}

// some returns events behind the cursor, or what to wait for.
func (l *Listener) some(ctx context.Context) (list []Event, wait <-chan struct{}, err error) {
	h := l.h
	h.mu.Lock()
	head, floor, changed := h.head, h.floor, h.changed
	var batch []Event
	if n := len(h.recent); n > 0 && h.recent[0].Seq <= l.cursor+1 && l.cursor < head {
		i, _ := slices.BinarySearchFunc(h.recent, l.cursor+1, func(e Event, seq int64) int { return int(e.Seq - seq) })
		batch = slices.Clone(h.recent[i:min(n, i+readEvents)])
	}
	h.mu.Unlock()
	switch {
	case l.cursor >= head:
		l.caughtUp = true
		return nil, changed, nil
	case l.cursor < floor: // what follows was removed, or never seen
		l.cursor = head
		return []Event{{Seq: head, At: h.o.Now(), Topic: Reset}}, nil, nil
	case l.caughtUp && head-l.cursor > maxBehind:
		return nil, nil, ErrSlow
	}
	if batch == nil {
		if batch, err = h.read(ctx, l.cursor, readEvents); err != nil {
			return nil, nil, fmt.Errorf("read live events: %w", err)
		}
		if len(batch) == 0 {
			l.cursor = head
			return nil, nil, nil
		}
	}
	l.cursor = batch[len(batch)-1].Seq
	for _, e := range batch {
		if l.wants(&e) {
			list = append(list, e)
		}
	}
	return list, nil, nil
}

// permissions say who sees the events of a topic: who has one of them.
var permissions = map[Topic][]access.Permission{
	Message:  {access.MailRead, access.LedgerRead},
	Run:      {access.RulesRead},
	Rule:     {access.RulesRead},
	Approval: {access.ApprovalsDecide, access.RulesRead},
	Review:   {access.ContactsRead},
	Outbox:   {access.OutboxRead},
	Queue:    {access.QueueRead},
	Target:   {access.TargetsRead},
	Account:  {access.AccountsRead},
	Backfill: {access.AccountsRead},
	Settings: {access.SettingsRead},
}

// scoped are the topics whose events are about somebody's mail: those of others are not told.
var scoped = map[Topic]bool{Message: true, Run: true, Approval: true, Review: true, Outbox: true, Backfill: true}

// wants tells whether an event is for the listener.
func (l *Listener) wants(e *Event) bool {
	if len(l.topics) > 0 && !slices.Contains(l.topics, e.Topic) {
		return false
	}
	if !slices.ContainsFunc(permissions[e.Topic], l.caller.May) {
		return false
	}
	if !scoped[e.Topic] || l.caller.Scope == access.ScopeAll {
		return true
	}
	return slices.ContainsFunc(e.Accounts, l.caller.Sees)
}

// visible are the accounts of an event that the listener may know of.
func (l *Listener) visible(e *Event) []string {
	return slices.DeleteFunc(slices.Clone(e.Accounts), func(a string) bool { return !l.caller.Sees(a) })
}
