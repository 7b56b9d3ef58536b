package crmclient

import (
	"sync"
	"time"
)

// breakerState is what heliograph_crm_circuit_state shows.
type breakerState int

const (
	breakerClosed   breakerState = 0 // requests pass
	breakerHalfOpen breakerState = 1 // one request tries whether the target is back
	breakerOpen     breakerState = 2 // requests are refused at once
)

const (
	// breakerThreshold is how many failures in a row open the circuit: more than one bad
	// deployment's worth of resets, fewer than a worker pool's worth of hanging requests.
	breakerThreshold = 5
	// The circuit stays open this long at first, twice as long after each failed try, up to the maximum.
	breakerFirstPause = 5 * time.Second
	breakerMaxPause   = 5 * time.Minute
)

// breaker stops requests to a target that fails every time, so that its workers
// do not spend their time waiting and it can recover.
type breaker struct {
	now    func() time.Time
	notify func(breakerState)

	mu       sync.Mutex // guards all below
	state    breakerState
	failures int // in a row
	pause    time.Duration
	until    time.Time // of the open state
}

// allow says whether a request may go out, and if not, when to ask again. Each allowed
// request ends with exactly one call of done.
func (b *breaker) allow() (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case breakerClosed:
		return 0, true
	case breakerHalfOpen: // the probe is under way
		return max(b.pause/4, time.Second), false
	}
	if left := b.until.Sub(b.now()); left > 0 {
		return left, false
	}
	b.set(breakerHalfOpen)
	return 0, true
}

type breakerResult int

const (
	breakerSuccess breakerResult = iota // the target answered, whatever it said
	breakerFailure
	breakerUnknown // we gave up ourselves; it says nothing about the target
)

func (b *breaker) done(r breakerResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r {
	case breakerSuccess:
		b.failures, b.pause = 0, 0
		b.set(breakerClosed)
	case breakerFailure:
		b.failures++
		if b.state == breakerHalfOpen || b.state == breakerClosed && b.failures >= breakerThreshold {
			b.pause = min(max(2*b.pause, breakerFirstPause), breakerMaxPause)
			b.until = b.now().Add(b.pause)
			b.set(breakerOpen)
		}
	case breakerUnknown:
		if b.state == breakerHalfOpen { // the next request is the probe
			b.until = b.now()
			b.set(breakerOpen)
		}
	}
}

func (b *breaker) set(s breakerState) {
	if b.state != s {
		b.state = s
		b.notify(s)
	}
}
