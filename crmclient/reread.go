package crmclient

import (
	"context"
	"time"
)

const (
	// rereads is how often a page is asked for again, and rereadWait how long before the first time; each time twice as long.
	rereads    = 3
	rereadWait = 20 * time.Millisecond
)

// Reread reads a page of a long look, and again after a passing trouble. It is for connectors that look through many pages for what they may
// have written: to begin anew for one page that failed would take for ever where some always do. What the CRM asks to wait is the
// caller's to obey: errors of ClassRate are returned at once, as all that no repetition mends. wait is that of Deps; nil waits by the clock.
func Reread(ctx context.Context, wait func(context.Context, time.Duration) error, read func() error) error {
	if wait == nil {
		wait = pause
	}
	next := rereadWait
	for again := range rereads {
		err := read()
		if err == nil || ClassOf(err) != ClassRetry || again == rereads-1 {
			return err
		}
		if wait(ctx, next) != nil {
			return err
		}
		next *= 2
	}
	return nil
}

// pause waits for a time, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
