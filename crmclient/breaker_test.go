package crmclient

import (
	"slices"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	var seen []breakerState
	b := &breaker{now: func() time.Time { return now }, notify: func(s breakerState) { seen = append(seen, s) }}
	allow := func(want bool) time.Duration {
		t.Helper()
		wait, ok := b.allow()
		if ok != want {
			t.Fatalf("allowed: got %v, want %v", ok, want)
		}
		return wait
	}
	for range breakerThreshold - 1 {
		allow(true)
		b.done(breakerFailure)
	}
	allow(true)
	b.done(breakerSuccess) // the row of failures ends
	for range breakerThreshold {
		allow(true)
		b.done(breakerFailure)
	}
	if wait := allow(false); wait != breakerFirstPause {
		t.Errorf("pause: got %s, want %s", wait, breakerFirstPause)
	}
	now = now.Add(breakerFirstPause)
	allow(true)  // the probe
	allow(false) // nobody else meanwhile
	b.done(breakerFailure)
	if wait := allow(false); wait != 2*breakerFirstPause {
		t.Errorf("second pause: got %s, want %s", wait, 2*breakerFirstPause)
	}
	now = now.Add(2 * breakerFirstPause)
	allow(true)
	b.done(breakerUnknown) // a cancelled probe says nothing: the next one probes
	allow(true)
	b.done(breakerSuccess)
	allow(true)
	want := []breakerState{
		breakerOpen, breakerHalfOpen, breakerOpen, breakerHalfOpen, breakerOpen, breakerHalfOpen, breakerClosed,
	}
	if !slices.Equal(seen, want) {
		t.Errorf("states: got %v, want %v", seen, want)
	}
}

func TestBreakerPauseIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	b := &breaker{now: func() time.Time { return now }, notify: func(breakerState) {}}
	for range 50 {
		if wait, ok := b.allow(); !ok {
			if wait > breakerMaxPause {
				t.Fatalf("pause: got %s, want at most %s", wait, breakerMaxPause)
			}
			now = now.Add(wait)
			continue
		}
		b.done(breakerFailure)
	}
}
