package watch

import (
	"context"
	"sync"
	"time"
)

const (
	// tripAt is how many connections in a row fail before a server counts as away.
	tripAt = 4
	// lastTrial is the longest pause between two tries of a server that is away.
	lastTrial = 2 * time.Minute
)

// circuit keeps all accounts away from a server that does not answer, but for one try after each pause. A try that
// succeeds lets all of them go on at once.
type circuit struct {
	first time.Duration // pause, which doubles

	mu    sync.Mutex // guards the fields below
	fails int
	until time.Time     // of the next try; zero while the server is there
	open  chan struct{} // closed when the server is back; nil while it is there
}

// enter waits for its turn.
func (c *circuit) enter(ctx context.Context) error {
	for {
		c.mu.Lock()
		now := time.Now()
		if c.open == nil || !now.Before(c.until) {
			if c.open != nil {
				c.until = now.Add(c.pause()) // this one is the try
			}
			c.mu.Unlock()
			return ctx.Err()
		}
		back, timer := c.open, time.NewTimer(jitter(c.until.Sub(now)))
		c.mu.Unlock()
		select {
		case <-back:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

func (c *circuit) pause() time.Duration {
	d := c.first
	for range c.fails - tripAt {
		if d *= 2; d >= lastTrial {
			return lastTrial
		}
	}
	return d
}

// failed counts a connection that could not be made.
func (c *circuit) failed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails++; c.fails < tripAt {
		return
	}
	if c.open == nil {
		c.open = make(chan struct{})
	}
	c.until = time.Now().Add(c.pause())
}

// succeeded says that the server answers.
func (c *circuit) succeeded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails = 0
	if c.open != nil {
		close(c.open)
		c.open, c.until = nil, time.Time{}
	}
}
