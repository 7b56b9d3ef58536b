package backfill

import (
	"context"
	"fmt"
	"time"

	"heliograph/internal/pace"
)

// maxIdle is the longest pause during which the connection stays open; servers end idle ones after a
// while (RFC 9051, 5.4), and a slot at the provider is not ours to block.
const maxIdle = time.Minute

// pauseError asks for a pause without the connection.
type pauseError struct {
	until time.Time
	why   string
}

func (e *pauseError) Error() string {
	return fmt.Sprintf("pause until %s: %s", e.until.Format(time.RFC3339), e.why)
}

// pause waits for d, or asks for a wait without the connection when that is long.
func (w *run) pause(ctx context.Context, d time.Duration, why string) error {
	switch {
	case d <= 0:
		return ctx.Err()
	case d > maxIdle:
		return &pauseError{time.Now().Add(d), why}
	}
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// budget takes bytes from what may be fetched for the account in a day, which a run shares with the user's own
// sessions, and waits for them.
func (w *run) budget(ctx context.Context, bytes int64) error {
	day := w.up.Budget(w.r.opts.Limiter, w.account, int64(w.set.Capture.BytesPerDay))
	if !day.Limited() {
		return nil
	}
	for w.allowance <= 0 {
		part, wait, err := day.Take(ctx)
		switch {
		case err != nil: // a limiter that cannot decide keeps nothing back
			return ctx.Err()
		case part > 0:
			w.allowance += part
			continue
		}
		if err := w.pause(ctx, wait, "the bytes that may be fetched in a day are used up"); err != nil {
			return err
		}
	}
	w.allowance -= bytes
	return ctx.Err()
}

// room is how many messages and bytes one command may ask for: at most what a second's rate allows.
func (w *run) room() (messages int, bytes int64) {
	messages, bytes = maxBatch, w.chunk()
	if r := w.req.Rate.Messages; r > 0 {
		messages = min(messages, max(1, int(r)))
	}
	if r := w.req.Rate.Bytes; r > 0 {
		bytes = min(bytes, max(minChunk, int64(r)))
	}
	return messages, bytes
}

// throttle waits until the rate that was asked for allows what was just fetched.
func (w *run) throttle(ctx context.Context, messages int, bytes int64) error {
	var d time.Duration
	if r := w.req.Rate.Messages; r > 0 {
		d = max(d, time.Duration(float64(messages)/r*float64(time.Second)))
	}
	if r := w.req.Rate.Bytes; r > 0 {
		d = max(d, time.Duration(float64(bytes)/r*float64(time.Second)))
	}
	now := time.Now()
	if w.due.Before(now) {
		w.due = now
	}
	w.due = w.due.Add(d)
	if d == 0 {
		return ctx.Err()
	}
	return w.pause(ctx, time.Until(w.due), "as slow as it was asked to be")
}

// quietly runs f when mail leaves the machine room for it.
func (w *run) quietly(ctx context.Context, f func() error) error {
	var err error
	if perr := w.r.opts.Pace.Do(ctx, pace.Waits, func() { err = f() }); perr != nil {
		return perr
	}
	return err
}
