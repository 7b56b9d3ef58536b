package upstream

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// staleAfter is when what is known is asked for again. Providers change their
	// capabilities in maintenance windows, not by the minute.
	staleAfter = 10 * time.Minute
	// retryAfter is the pause between attempts to learn from an upstream that is
	// away, so that clients who knock meanwhile do not make a flood of it.
	retryAfter = 2 * time.Second
)

// cache is what one service of an upstream is known to offer.
type cache[T any] struct {
	u     *Upstream
	learn func(ctx context.Context) (T, error)

	mu      sync.Mutex // guards all below
	value   T
	known   bool
	at      time.Time // when value was learnt
	pending *attempt  // at most one at a time
	failed  error     // of the last attempt; nil after a success
	tried   time.Time // when the last attempt ended
}

// attempt is one question to the upstream that any number wait for.
type attempt struct {
	done chan struct{}
	err  error // valid when done is closed
}

// learnt keeps what a connection found out in passing.
func (c *cache[T]) learnt(value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.u.router.now()
	c.value, c.known, c.at = value, true, now
	c.failed, c.tried = nil, now
}

// amend lets a part of what is known be changed. Without the rest it is worth nothing.
// If the change says that the rest is stale, it is asked for again.
func (c *cache[T]) amend(change func(*T) (stale bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && change(&c.value) {
		c.at = c.u.router.now().Add(-staleAfter)
	}
}

// get returns what is known at once, and renews it in the background when it
// is stale. Only who asks first of all waits, or gets the error of the attempt.
func (c *cache[T]) get(ctx context.Context) (T, error) {
	var none T
	now := c.u.router.now()
	c.mu.Lock()
	if c.known {
		value := c.value
		if now.Sub(c.at) >= staleAfter && now.Sub(c.tried) >= retryAfter {
			c.ask()
		}
		c.mu.Unlock()
		return value, nil
	}
	if c.failed != nil && now.Sub(c.tried) < retryAfter {
		err := c.failed
		c.mu.Unlock()
		return none, err
	}
	a := c.ask()
	c.mu.Unlock()
	if err := a.wait(ctx); err != nil {
		return none, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, nil
}

// refresh asks the upstream now and waits for the answer.
func (c *cache[T]) refresh(ctx context.Context) error {
	c.mu.Lock()
	a := c.ask()
	c.mu.Unlock()
	return a.wait(ctx)
}

func (a *attempt) wait(ctx context.Context) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return fmt.Errorf("learn capabilities: %w", context.Cause(ctx))
	}
}

// ask joins the attempt under way or starts one. The caller holds mu.
func (c *cache[T]) ask() *attempt {
	if c.pending != nil {
		return c.pending
	}
	a := &attempt{done: make(chan struct{})}
	c.pending = a
	if !c.u.router.background(func(ctx context.Context) { c.try(ctx, a) }) {
		c.pending = nil
		a.err = fmt.Errorf("learn capabilities of %s: the router is closed", c.u.cfg.Name)
		close(a.done)
	}
	return a
}

func (c *cache[T]) try(ctx context.Context, a *attempt) {
	value, err := c.learn(ctx)
	c.mu.Lock()
	now := c.u.router.now()
	switch {
	case err == nil:
		c.value, c.known, c.at = value, true, now
	case c.known:
		// Nobody may be waiting: clients go on with what is known.
		c.u.log.Warn("capabilities of the upstream could not be renewed", "error", err)
	}
	c.pending = nil
	c.failed, c.tried = err, now
	c.mu.Unlock()
	a.err = err
	close(a.done)
}
