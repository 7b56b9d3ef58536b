package live

import (
	"context"
	"fmt"
	"time"

	"heliograph/internal/store"
)

const (
	// overlap is how far each look goes back, for rows that became visible after their time; sweepOverlap is for those that took long, every
	// sweepEvery.
	overlap      = 5 * time.Second
	sweepOverlap = 2 * time.Minute
	sweepEvery   = 30 * time.Second
	// maxGap is how long nobody may have watched for those who come back to miss nothing.
	maxGap = 15 * time.Minute
	// keepFor is how long events can be had, and pruneEvery how often older ones go.
	keepFor    = 24 * time.Hour
	pruneEvery = 10 * time.Minute
	// pageRows are read of a source at a time, lookRows in one look at most; addRows are written in one transaction.
	pageRows = 1000
	lookRows = 20000
	addRows  = 200
	// maxRecent events are kept for all listeners.
	maxRecent = 4096
	// pause is the least time between two looks, however often the poller is woken.
	pause = 50 * time.Millisecond
)

// poller looks for events while somebody watches.
type poller struct {
	h     *Hub
	at    []int64          // by source: all rows before are known
	known map[string]int64 // keys of events that are among the events, and their times
	swept time.Time
	clean time.Time // when old events were last removed
	until int64     // that live_clock has
}

// poll looks until ctx ends.
func (h *Hub) poll(ctx context.Context, done, ready chan struct{}) {
	defer close(done)
	p := &poller{h: h, known: map[string]int64{}}
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		err := p.look(ctx)
		if err != nil && ctx.Err() == nil {
			h.log.Warn("looking for live events failed, trying again", "err", err)
		}
		if err == nil && ready != nil {
			close(ready)
			ready = nil
		}
		timer.Reset(h.o.PollEvery)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-h.wake:
			timer.Reset(min(pause, h.o.PollEvery))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
	}
}

// look finds what is new, writes it down and tells the listeners.
func (p *poller) look(ctx context.Context) error {
	if p.at == nil {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	now := p.h.o.Now()
	back := overlap
	if now.Sub(p.swept) >= sweepEvery {
		back, p.swept = sweepOverlap, now
	}
	var fresh []found
	whole := true
	for i := range sources {
		events, more, err := p.source(ctx, i, back)
		if err != nil {
			return err
		}
		fresh = append(fresh, events...)
		whole = whole && !more
	}
	until := int64(0)
	if whole {
		until = store.Micros(now)
	}
	if err := p.write(ctx, fresh, until); err != nil {
		return err
	}
	p.forget(now)
	if now.Sub(p.clean) >= pruneEvery {
		p.clean = now
		if err := p.h.prune(ctx, now); err != nil {
			return err
		}
	}
	if !whole {
		p.h.Wake()
	}
	return p.h.catchUp(ctx)
}

// begin finds out from where on to look.
func (p *poller) begin(ctx context.Context) error {
	c, err := readClock(ctx, p.h.db.Reader(), clockNow)
	if err != nil {
		return err
	}
	now := p.h.o.Now()
	from := c.until
	if now.Sub(store.FromMicros(c.until)) > maxGap {
		from = store.Micros(now)
		if err := p.h.skip(ctx, from); err != nil {
			return err
		}
	} else {
		p.swept = time.Time{} // the first look goes far back
	}
	p.until = from
	p.at = make([]int64, len(sources))
	for i := range p.at {
		p.at[i] = from
	}
	return nil
}

// skip gives up what happened while nobody watched for long: cursors from before are too old.
func (h *Hub) skip(ctx context.Context, until int64) error {
	return h.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := readClock(ctx, tx, clockHeld); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE live_clock SET seq = seq + 1, floor_seq = seq + 1, read_until = $1
			WHERE one = 1 AND read_until < $2`, until, until-maxGap.Microseconds())
		return err
	})
}

// source reads what is new in a source; more says that there is more than one look takes.
func (p *poller) source(ctx context.Context, i int, back time.Duration) (events []found, more bool, err error) {
	s, q := &sources[i], p.h.db.Reader()
	at, id, last := p.at[i]-back.Microseconds(), "", p.at[i]
	for n := 0; ; {
		rows, err := s.read(ctx, q, at, id, pageRows)
		if err != nil {
			return nil, false, err
		}
		for j := range rows {
			r := &rows[j]
			e := Event{At: store.FromMicros(r.at), Topic: s.topic, What: r.what, Object: r.object, Target: r.target}
			key := e.key()
			at, id, last = r.at, r.id, max(last, r.at)
			if _, ok := p.known[key]; ok {
				continue
			}
			if e.Accounts, err = s.owners(ctx, q, r); err != nil {
				return nil, false, err
			}
			events = append(events, found{e, key})
		}
		if n += len(rows); len(rows) < pageRows || n >= lookRows {
			// A clock that is ahead must not make us miss what others write.
			p.at[i] = min(last, store.Micros(p.h.o.Now()))
			return events, len(rows) == pageRows, nil
		}
	}
}

// write puts new events among the others, in transactions that are short.
func (p *poller) write(ctx context.Context, events []found, until int64) error {
	// While nothing happens the mark moves now and then only: each time is a write.
	if len(events) == 0 && until-p.until < sweepEvery.Microseconds() {
		return nil
	}
	for first := true; first || len(events) > 0; first = false {
		n := min(len(events), addRows)
		mark := int64(0)
		if n == len(events) {
			mark = until
		}
		err := p.h.db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return p.h.add(ctx, tx, events[:n], mark) })
		if err != nil {
			return fmt.Errorf("write down live events: %w", err)
		}
		for _, e := range events[:n] {
			p.known[e.key] = store.Micros(e.At)
		}
		events = events[n:]
	}
	p.until = max(p.until, until)
	return nil
}

// forget drops keys that no look comes back to.
func (p *poller) forget(now time.Time) {
	oldest := store.Micros(now) - 2*sweepOverlap.Microseconds()
	for _, at := range p.at {
		oldest = min(oldest, at-2*sweepOverlap.Microseconds())
	}
	if len(p.known) < pageRows {
		return
	}
	for key, at := range p.known {
		if at < oldest {
			delete(p.known, key)
		}
	}
}

// prune removes events that are too old.
func (h *Hub) prune(ctx context.Context, now time.Time) error {
	return h.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := readClock(ctx, tx, clockHeld); err != nil {
			return err
		}
		cutoff := store.Micros(now.Add(-keepFor))
		if _, err := tx.ExecContext(ctx, `UPDATE live_clock SET floor_seq = (SELECT COALESCE(MAX(seq), 0) FROM live_events WHERE noted_at < $1)
			WHERE one = 1 AND floor_seq < (SELECT COALESCE(MAX(seq), 0) FROM live_events WHERE noted_at < $1)`, cutoff); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM live_events WHERE noted_at < $1`, cutoff)
		return err
	})
}

// catchUp reads what this node and others wrote.
func (h *Hub) catchUp(ctx context.Context) error {
	for {
		c, err := readClock(ctx, h.db.Reader(), clockNow)
		if err != nil {
			return err
		}
		h.mu.Lock()
		head := h.head
		h.mu.Unlock()
		if head == 0 || c.floor > head || c.seq-head > 4*maxRecent { // the first time, or after a gap
			head = max(c.floor, c.seq-maxRecent)
		}
		list, err := h.read(ctx, head, pageRows)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			h.seenNothing(c)
			return nil
		}
		h.seen(list, c)
	}
}

// seenNothing takes over the clock where there is no event behind what is known.
func (h *Hub) seenNothing(c clock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.floor = c.floor
	if h.head < c.seq { // numbers that no event has: a gap that was skipped
		h.head, h.recent = c.seq, nil
		close(h.changed)
		h.changed = make(chan struct{})
	}
}
