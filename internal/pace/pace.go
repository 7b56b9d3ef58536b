// Package pace keeps background work out of the way of mail.
//
// Go has no priorities among goroutines, so indexing, parsing and mirroring would take
// as much of a busy machine as the mail that passes through it. A Governor watches two
// things: whether mail passes at this moment, and whether the processors are nearly
// used up. Only while both are so, background work runs one piece at a time and rests
// nine times as long as each piece took. It falls behind then, which costs nothing but a
// later mirror, and catches up when the rush is over. On a machine with room to spare
// nothing is held back, however much mail there is.
//
// It measures no priorities of the operating system and holds no queue of its own.
package pace

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sampleEvery = 50 * time.Millisecond
	// recent is how long after a message mail counts as passing.
	recent = 300 * time.Millisecond
	// enoughIdle is the share of the processors that must be idle for no one to be held back.
	enoughIdle = 0.25
	// rest is how many times the length of a piece of work is rested.
	rest = 9
)

// Waits is for pieces of work that may wait for a peer: what is longer than this was most
// likely spent waiting, which uses nothing of the machine.
const Waits = 20 * time.Millisecond

// Governor is safe for concurrent use. A nil Governor holds nothing back.
type Governor struct {
	mail  atomic.Int64 // Unix nanoseconds of the last message
	tight atomic.Bool
	turn  chan struct{} // one piece at a time while it is tight
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once
}

// New starts a Governor. It must be closed.
func New() *Governor {
	g := &Governor{turn: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go g.watch(readCPU)
	return g
}

// Close ends it; nothing is held back from then on.
func (g *Governor) Close() {
	g.once.Do(func() { close(g.stop) })
	<-g.done
	g.tight.Store(false)
}

// Mail says that a message passes. The first one after a pause may be the begin of a rush,
// so background work steps back until the next look at the processors.
func (g *Governor) Mail() {
	if g == nil {
		return
	}
	now := time.Now().UnixNano()
	if now-g.mail.Swap(now) > int64(recent) {
		g.tight.Store(true)
	}
}

// Do runs f, and holds it back while mail needs the machine; at most longest of its time
// counts. It returns ctx's error without having run f when ctx ends first.
func (g *Governor) Do(ctx context.Context, longest time.Duration, f func()) error {
	if g == nil || !g.tight.Load() {
		f()
		return nil
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.turn }() // also when f panics
	begin := time.Now()
	f()
	timer := time.NewTimer(rest * min(time.Since(begin), longest))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-g.stop:
	}
	return nil
}

// watch decides twenty times a second.
func (g *Governor) watch(read func() (busy, total uint64, ok bool)) {
	defer close(g.done)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	var lastBusy, lastTotal uint64
	for {
		select {
		case <-tick.C:
		case <-g.stop:
			return
		}
		if time.Since(time.Unix(0, g.mail.Load())) > recent {
			g.tight.Store(false)
			lastTotal = 0
			continue
		}
		busy, total, ok := read()
		switch {
		case !ok:
			g.tight.Store(false)
		case lastTotal > 0 && total > lastTotal:
			idle := 1 - float64(busy-lastBusy)/float64(total-lastTotal)
			g.tight.Store(idle < enoughIdle)
		}
		lastBusy, lastTotal = busy, total
	}
}
